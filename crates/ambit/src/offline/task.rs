//! A task as it is given on a command line, in a batch, or in a scenario.

use ambit_core::policy::Policy;
use ambit_core::scope::Literal;
use ambit_core::task::{Request, Task};
use ambit_core::value::Value;
use ambit_effects::json;

/// A task as it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GivenTask {
    /// Its name.
    pub name: String,
    /// The request, in its own words.
    pub request: Option<String>,
    /// Who wrote the request; absent: the owner.
    pub author: Option<String>,
    /// What the caller vouches for.
    pub facts: Vec<(String, Value)>,
}

impl GivenTask {
    /// The task as the page sees it: a request counts when its author is somebody inside.
    #[must_use]
    pub fn open(self, policy: &Policy) -> Task {
        let by_insider = self.author.as_deref().is_none_or(|author| policy.is_insider(author));
        let request = self.request.map(|request| Request::new(&request, by_insider));
        Task { name: self.name, request, facts: self.facts }
    }
}

/// Why a task is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTask {
    /// A fact without `=`.
    #[error("`{0}` is no fact: write `name=value`")]
    Fact(String),
    /// The same fact twice.
    #[error("the fact `{0}` is given twice")]
    Twice(String),
}

/// Reads `name=value` from a command line: a value that is JSON stands for itself, anything else is text.
///
/// # Errors
/// When there is no `=`, or no name before it.
pub fn fact(text: &str) -> Result<(String, Value), BadTask> {
    let (name, value) = text.split_once('=').ok_or_else(|| BadTask::Fact(text.to_owned()))?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() {
        return Err(BadTask::Fact(text.to_owned()));
    }
    let value = json::read(value.as_bytes()).unwrap_or_else(|_| Value::Text(value.to_owned()));
    Ok((name.to_owned(), value))
}

/// Facts of which none stands twice.
///
/// # Errors
/// When one does.
pub fn once(facts: Vec<(String, Value)>) -> Result<Vec<(String, Value)>, BadTask> {
    for (at, (name, _)) in facts.iter().enumerate() {
        if facts.iter().take(at).any(|(before, _)| before == name) {
            return Err(BadTask::Twice(name.clone()));
        }
    }
    Ok(facts)
}

/// The value that a literal of a scope stands for in the arguments of a call. A date is text there.
#[must_use]
pub fn value_of(literal: &Literal) -> Value {
    match literal {
        Literal::Text(text) => Value::Text(text.clone()),
        Literal::Number(number) => Value::Number(*number),
        Literal::Date(date) => Value::Text(date.to_string()),
        Literal::Bool(known) => Value::Bool(*known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Value {
        Value::Number(ambit_core::decimal::Decimal::parse(text).unwrap())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn a_fact_of_a_command_line_is_json_or_text() {
        for (said, name, value) in [
            ("customer=8812", "customer", number("8812")),
            ("customer=\"8812\"", "customer", text("8812")),
            ("channel = general", "channel", text("general")),
            ("formula=a=b", "formula", text("a=b")),
            ("urgent=true", "urgent", Value::Bool(true)),
            ("note=", "note", text("")),
        ] {
            assert_eq!(fact(said), Ok((name.into(), value)), "{said}");
        }
        assert!(fact("customer").is_err() && fact("=3").is_err());
        assert!(once(vec![fact("a=1").unwrap(), fact("a=2").unwrap()]).is_err());
    }
}
