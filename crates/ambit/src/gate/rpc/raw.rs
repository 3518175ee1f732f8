//! Raw JSON: the members of an object as the bytes that were written, and what little is put in their place.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::quote;

/// A key, borrowed where it was written without escapes.
pub(crate) struct Key<'a>(pub(crate) Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Words;
        impl<'de> Visitor<'de> for Words {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(Words)
    }
}

/// The members of one JSON object, raw, in order; a key given twice is an error.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// The members of an object.
    ///
    /// # Errors
    /// When it is no object, or a member is given twice; why.
    pub(crate) fn of(object: &'a RawValue) -> Result<Members<'a>, String> {
        serde_json::from_str(object.get()).map_err(|error| plain(&error))
    }

    /// The value of that member.
    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The text of that member, unescaped; `None` when it is absent or no string.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name).and_then(text)
    }
}

/// The text of a JSON string, unescaped; `None` when it is none.
pub(crate) fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok().map(|Key(text)| text)
}

/// An object of these members but for the one left out, each value byte for byte.
pub(crate) fn without(members: &Members<'_>, left_out: &str) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (key, value) in members.0.iter().filter(|(key, _)| key != left_out) {
        if out.len() > 1 {
            out.push(b',');
        }
        quote(&mut out, key);
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
    out.push(b'}');
    out
}

/// The bytes of `whole` with those of `part`, which must be a slice of it, replaced by a JSON string. Nothing else is
/// written anew.
pub(crate) fn with_text(whole: &RawValue, part: &RawValue, text: &str) -> Option<Vec<u8>> {
    let (before, after) = around(whole, part)?;
    let mut out = Vec::with_capacity(before.len() + after.len() + text.len() + 2);
    out.extend_from_slice(before);
    quote(&mut out, text);
    out.extend_from_slice(after);
    Some(out)
}

/// The bytes of `whole` before and after those of `part`, which must be a slice of it.
pub(crate) fn around<'a>(whole: &'a RawValue, part: &RawValue) -> Option<(&'a [u8], &'a [u8])> {
    let (whole, part) = (whole.get(), part.get());
    // Where the slice lies; no memory is looked at by address.
    let from = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let (before, after) = (whole.get(..from)?, whole.get(from.checked_add(part.len())?..)?);
    Some((before.as_bytes(), after.as_bytes()))
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::new();
                // A set only once there are many: envelopes have four members, hostile ones a million.
                let mut many: BTreeSet<Cow<'de, str>> = BTreeSet::new();
                while let Some(Key(key)) = map.next_key()? {
                    let twice = if members.len() < FEW {
                        members.iter().any(|(other, _)| *other == key)
                    } else {
                        if many.is_empty() {
                            many.extend(members.iter().map(|(key, _)| key.clone()));
                        }
                        !many.insert(key.clone())
                    };
                    if twice {
                        return Err(serde::de::Error::custom(format_args!("`{}` is given twice", key.escape_debug())));
                    }
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Object)
    }
}

const FEW: usize = 16;

/// What serde says, cut short: it may quote a key.
pub(super) fn plain(error: &serde_json::Error) -> String {
    error.to_string().chars().take(200).collect()
}
