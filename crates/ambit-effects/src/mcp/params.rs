//! The parameters of a request, read strictly.

use ambit_core::reading::{Reach, Unread};
use ambit_core::value::Value;

use super::Invalid;
use crate::json::{escape, read};

/// The members of `params` that nobody has looked at yet.
pub(super) struct Params {
    left: Vec<(String, Value)>,
}

impl Params {
    pub(super) fn read(payload: &[u8]) -> Result<Params, Invalid> {
        match read(payload)? {
            Value::Map(left) => Ok(Params { left }),
            _ => Err(Invalid::NotAnObject),
        }
    }

    fn take(&mut self, member: &str) -> Option<Value> {
        let at = self.left.iter().position(|(name, _)| name == member)?;
        Some(self.left.remove(at).1)
    }

    /// The member that names what is asked for: the same that the action says.
    pub(super) fn name(&mut self, member: &'static str, expected: &str) -> Result<Value, Invalid> {
        match self.take(member) {
            Some(Value::Text(name)) if name == expected => Ok(Value::Text(name)),
            Some(Value::Text(name)) => Err(Invalid::Name(escape(&name))),
            _ => Err(Invalid::Member { member, expected: "a string" }),
        }
    }

    /// A member that holds an object; absent or null, an empty one.
    pub(super) fn object(&mut self, member: &'static str) -> Result<Value, Invalid> {
        match self.take(member) {
            None | Some(Value::Null) => Ok(Value::Map(Vec::new())),
            Some(object @ Value::Map(_)) => Ok(object),
            Some(_) => Err(Invalid::Member { member, expected: "an object" }),
        }
    }

    /// What is left when the `known` members, which say nothing of what is done, are put aside: it goes to the server too, and
    /// nobody here knows what it does there.
    pub(super) fn unread(self, known: &[&'static str], reach: Reach) -> Result<Vec<Unread>, Invalid> {
        let mut unread = Vec::new();
        for (name, value) in self.left {
            match known.iter().find(|known| **known == name) {
                Some(_) if matches!(value, Value::Map(_) | Value::Null) => {}
                Some(member) => return Err(Invalid::Member { member, expected: "an object" }),
                None => {
                    let what = match name.as_str() {
                        "inputResponses" => "`inputResponses`: answers to questions that the server asked".to_owned(),
                        "requestState" => "`requestState`: what the server had the agent keep".to_owned(),
                        _ => format!("`{}`: a parameter that is not known here", escape(&name)),
                    };
                    unread.push(Unread { what, reach });
                }
            }
        }
        Ok(unread)
    }
}
