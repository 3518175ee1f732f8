//! JSON with one way to write it: members in the order of their names' bytes, no white space, nothing but printable
//! ASCII, so that a record can be printed as it stands. (But for fractions and DEL, it is what Python's
//! `json.dumps(…, sort_keys=True, separators=(",", ":"))` writes.)

use std::io::{self, Write};

use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// Deeper values are not written: readers of JSON, ours among them, give up at 128.
const DEEPEST: usize = 100;

/// The bytes of the value; `None` when it is nested too deeply.
pub(super) fn bytes(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    write(value, DEEPEST, &mut out)?;
    Some(out)
}

fn write(value: &Value, deeper: usize, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Array(items) => {
            let deeper = deeper.checked_sub(1)?;
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(item, deeper, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let deeper = deeper.checked_sub(1)?;
            // Sorted here: whether `Map` is sorted is for any crate of the build to change.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_bytes());
            out.push(b'{');
            for (n, (name, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                text(name, out)?;
                out.push(b':');
                write(value, deeper, out)?;
            }
            out.push(b'}');
        }
        Value::String(value) => text(value, out)?,
        simple => serde_json::to_writer(out, simple).ok()?,
    }
    Some(())
}

/// A JSON string in ASCII.
pub(super) fn text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    serde::Serialize::serialize(text, &mut Serializer::with_formatter(out, Ascii(CompactFormatter))).ok()
}

struct Ascii(CompactFormatter);

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let plain = |c: char| c.is_ascii() && c != '\u{7f}';
        if fragment.chars().all(plain) {
            return self.0.write_string_fragment(writer, fragment);
        }
        for char in fragment.chars() {
            match char {
                ascii if plain(ascii) => writer.write_all(&[u8::try_from(ascii).unwrap_or(b'?')])?,
                other => {
                    for unit in other.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_stand_in_the_order_of_their_bytes() {
        let value = json!({"b": [1, 2.5, -3, null, true], "a": {"é": "\u{1b}\"😀 a\u{7f}", "z": {}}, "B": []});
        assert_eq!(
            String::from_utf8(bytes(&value).unwrap()).unwrap(),
            r#"{"B":[],"a":{"z":{},"\u00e9":"\u001b\"\ud83d\ude00 a\u007f"},"b":[1,2.5,-3,null,true]}"#
        );
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let nested = |depth| (0..depth).fold(json!(1), |inner, _| json!([inner]));
        assert!(bytes(&nested(100)).is_some());
        assert_eq!(bytes(&nested(101)), None);
    }
}
