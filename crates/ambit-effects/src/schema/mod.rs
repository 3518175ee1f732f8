//! What the arguments of a tool may be: its JSON Schema, as shapes for those who write lines about it and as a validator for
//! those who call it.
//!
//! The schema was written by a server, so it is bounded before it is used: references stay within the document, nothing in it
//! can make a call take long to check, and what cannot be read of it counts as *anything*.

mod bounds;
mod defaults;
mod narrowed;
mod positions;
mod shape;
mod validator;

use ambit_core::catalog::Field;
use thiserror::Error;

pub use defaults::filled;
pub use narrowed::{members_near, narrowed, not_promised};
pub use validator::{Misfit, Validator};

/// Why a schema cannot be used. A tool with such a schema cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// No schema was pinned.
    #[error("no schema was pinned")]
    Missing,
    /// Neither an object nor `true`.
    #[error("the schema is not an object")]
    NotAnObject,
    /// Schemas within one another, or references to references, beyond what is read.
    #[error("the schema is more than {0} schemas deep in one place")]
    TooDeep(usize),
    /// Checking one value could take more steps than are allowed.
    #[error("the schema takes more than {0} steps to check one value")]
    TooCostly(u64),
    /// A reference that leads nowhere, or out of the document.
    #[error("the reference `{0}` does not lead to a place in the schema itself")]
    Reference(String),
    /// A schema that is defined as itself.
    #[error("a schema in it is defined as itself")]
    Circular,
    /// A keyword whose meaning depends on what is outside the document, or on the way to it.
    #[error("`{0}` is not read here")]
    Keyword(&'static str),
    /// The validator does not take it.
    #[error("the schema is not valid: {0}")]
    Invalid(String),
}

/// The top-level arguments of a tool, out of its input schema, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Every argument the schema names.
    pub fields: Vec<Field>,
    /// Whether there may be others.
    pub open: bool,
}

/// Reads what the arguments of a tool may be. What is not understood counts as any type and any member.
///
/// # Errors
/// When the schema is no schema, leaves its document, or is out of bounds.
pub fn arguments(schema: &serde_json::Value) -> Result<Arguments, SchemaError> {
    let bounds = bounds::check(schema)?;
    let read = shape::read(schema, bounds.anchors());
    let fields = read.shape.members.into_iter().map(|(name, shape)| {
        let required = read.required.contains(&name);
        Field { name, tags: std::collections::BTreeSet::new(), shape, required }
    });
    Ok(Arguments { fields: fields.collect(), open: read.shape.open })
}

/// The schema without the words in it (titles, descriptions, examples), which go to `words`, keyword and text.
pub(crate) fn without_words(schema: &serde_json::Value, words: &mut Vec<serde_json::Value>) -> serde_json::Value {
    positions::rewritten(schema, &mut |members| {
        for keyword in ["title", "description", "$comment", "examples"] {
            if let Some(text) = members.remove(keyword) {
                words.push(serde_json::Value::Array(vec![keyword.into(), text]));
            }
        }
    })
}

#[cfg(test)]
mod tests;
