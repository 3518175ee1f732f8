//! What is known about a task, and the request in its own words.

use crate::truth::Truth;
use crate::value::Value;

/// A piece of work opened by a trusted caller; it narrows the scope while it lasts.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its name, as `for` uses it.
    pub name: String,
    /// The request, where the caller gave one.
    pub request: Option<Request>,
    /// Facts the caller vouches for: `customer = 8812`.
    pub facts: Vec<(String, Value)>,
}

impl Task {
    /// The fact of that name.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&Value> {
        self.facts.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// The request that a task works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Normalised for comparison; see `request.rs`.
    pub(crate) folded: String,
    /// Whether somebody inside wrote it. A request by an outsider satisfies nothing: every test on it is Unknown.
    pub(crate) by_insider: Truth,
}
