//! Who asks: what is known of a session from its token and its connection, never from what the agent says.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use ambit_core::decimal::Decimal;
use ambit_core::value::Value;
use serde::{Deserialize, Serialize};

use crate::escape::escape;

/// A session of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id in the journal.
    pub id: String,
    /// Whose.
    pub agent: String,
    /// The people who count as askers: who holds the agent's token, who opened the task.
    pub askers: BTreeSet<String>,
    /// The task that its token is bound to.
    pub task: Option<Arc<OpenTask>>,
    /// The operating-system user at the other end, where that can be known.
    pub peer_user: Option<u32>,
}

/// A task as the trusted caller who opened it gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTask {
    /// What names it in actions and in the journal.
    pub id: String,
    /// Whose.
    pub agent: String,
    /// The name that `for` uses; empty: it has none, and no line is for it.
    pub name: String,
    /// The request in its own words.
    pub request: Option<String>,
    /// Who wrote that request.
    pub author: Option<String>,
    /// What the caller vouches for.
    pub facts: Vec<(String, Fact)>,
    /// The person who opened it, or whose system did.
    pub opened_by: String,
    /// The person for whom it runs.
    pub on_behalf_of: Option<String>,
}

impl OpenTask {
    /// Its name for people, who are to see that it has none.
    #[must_use]
    pub fn named(name: &str) -> &str {
        if name.is_empty() { "(unnamed)" } else { name }
    }
}

/// A fact of a task, as it is kept and signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// Text.
    Text(String),
    /// A number in its own digits, so that none is ever rounded.
    Number(String),
    /// True or false.
    Truth(bool),
}

impl Fact {
    /// A value as a fact; `None` for what is neither text, a number, true nor false.
    #[must_use]
    pub fn of(value: &Value) -> Option<Fact> {
        match value {
            Value::Text(text) => Some(Fact::Text(text.clone())),
            Value::Number(number) => Some(Fact::Number(number.to_string())),
            Value::Bool(truth) => Some(Fact::Truth(*truth)),
            Value::Null | Value::Unknown | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// As tests compare it. A number that is none is not known.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Fact::Text(text) => Value::Text(text.clone()),
            Fact::Number(digits) => Decimal::parse(digits).map_or(Value::Null, Value::Number),
            Fact::Truth(truth) => Value::Bool(*truth),
        }
    }
}

/// As it is written on a command line; what stands in a text is escaped.
impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Text(text) => write!(f, "\"{}\"", escape(text)),
            Fact::Number(digits) => write!(f, "{}", escape(digits)),
            Fact::Truth(truth) => write!(f, "{truth}"),
        }
    }
}
