//! The parameters of a request, and what of them goes on to a system.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::gate::rpc::{self, Members};

/// The parameters of a request that becomes an action.
pub(super) struct Params<'a> {
    raw: &'a RawValue,
    members: Members<'a>,
}

// What a client tells about the request itself goes no further: what of it is read here (`aside.rs`) is said to a server in
// words of our own, and what is not must not reach one that reads it. It is also what differs between two askings of the
// same thing (a progress token, the id of a model's turn), which are one action.
const ASIDE: &str = "_meta";

impl<'a> Params<'a> {
    /// Reads them.
    ///
    /// # Errors
    /// When one is given twice, or is not among the `known` ones: what nobody here reads must not reach a system that
    /// may read it. Why, for the agent.
    pub(super) fn read(raw: &'a RawValue, method: &str, known: &[&str]) -> Result<Params<'a>, String> {
        let members = Members::of(raw)?;
        match members.0.iter().find(|(key, _)| key != ASIDE && !known.contains(&&**key)) {
            Some((key, _)) => Err(format!("`{key}` is no parameter of `{method}` here")),
            None => Ok(Params { raw, members }),
        }
    }

    /// A parameter that must be there and be a string.
    pub(super) fn text(&self, name: &str) -> Result<Cow<'a, str>, String> {
        let written = self.members.get(name).ok_or_else(|| format!("`{name}` is missing"))?;
        rpc::text(written).ok_or_else(|| format!("`{name}` must be a string"))
    }

    /// A parameter's bytes.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members.get(name)
    }

    /// What goes on: the bytes as they came, but for another `text` in the place of the string `name`.
    pub(super) fn payload(&self, name: &str, text: &str) -> Result<Vec<u8>, String> {
        self.replaced(text, |members| members.get(name))
    }

    /// The same, in the place of the string `name` of the object `within`.
    pub(super) fn payload_within(&self, within: &str, name: &str, text: &str) -> Result<Vec<u8>, String> {
        self.replaced(text, |members| Members::of(members.get(within)?).ok()?.get(name))
    }

    fn replaced<'b>(
        &'b self,
        text: &str,
        place: impl for<'c> Fn(&Members<'c>) -> Option<&'c RawValue>,
    ) -> Result<Vec<u8>, String> {
        let replaced = |whole: &RawValue, written: Option<&RawValue>| {
            let replaced = written.and_then(|written| match rpc::text(written)? == text {
                true => Some(whole.get().as_bytes().to_vec()),
                false => rpc::with_text(whole, written, text),
            });
            replaced.ok_or_else(|| "the parameters cannot be read".to_owned())
        };
        if self.members.get(ASIDE).is_none() {
            return replaced(self.raw, place(&self.members));
        }
        let kept = rpc::without(&self.members, ASIDE);
        let kept: &RawValue = serde_json::from_slice(&kept).map_err(|_| "the parameters cannot be read")?;
        replaced(kept, place(&Members::of(kept)?))
    }
}
