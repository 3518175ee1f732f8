//! Whether arguments fit a schema.

use std::fmt;

use ambit_core::value::Value;
use jsonschema::PatternOptions;
use serde_json::Value as Json;
use thiserror::Error;

use super::{SchemaError, bounds};
use crate::json::{document_of, escape};

/// Approximate bytes of one compiled pattern.
const PATTERN_BYTES: usize = 1 << 20;
/// Steps back that a pattern with look-around may take on one text.
const BACKTRACKS: usize = 10_000;
/// What is checked at most against a schema with such a pattern: texts, and bytes of all of them.
const WITH_BACKTRACKS: (usize, usize) = (1_000, 256 << 10);

/// A schema compiled once, to check arguments against.
pub struct Validator {
    compiled: jsonschema::Validator,
    tells_detail: bool,
    backtracks: bool,
}

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Misfit {
    /// A value that the schema does not take: where it stands (a JSON Pointer, escaped) and why.
    #[error("{}{why}", At(.at))]
    Value {
        /// JSON Pointer into the arguments, escaped; empty for the arguments as a whole.
        at: String,
        /// Why, in words.
        why: String,
    },
    /// Something in them, and to find out what would take too long.
    #[error("they do not fit its schema")]
    Somewhere,
    /// They take too long to check: the schema has patterns that step back.
    #[error("they are too large to check against the patterns of its schema")]
    TooLarge,
}

struct At<'a>(&'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "`{}`: ", self.0) }
    }
}

impl Validator {
    /// Compiles a schema. The draft is the one it names, else 2020-12; `format` is not checked (the servers do not agree about
    /// it, and a line can test what matters); nothing is fetched.
    ///
    /// # Errors
    /// When the schema is no schema, leaves its document, or is out of bounds.
    pub fn of(schema: &Json) -> Result<Validator, SchemaError> {
        let tells_detail = bounds::check(schema)?.tells_detail(schema);
        let options = || jsonschema::options().offline().should_validate_formats(false);
        let linear = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        if let Ok(compiled) = options().with_pattern_options(linear).build(schema) {
            return Ok(Validator { compiled, tells_detail, backtracks: false });
        }
        // Common schemas have patterns with look-around, which no linear matcher takes.
        let stepping = PatternOptions::fancy_regex()
            .backtrack_limit(BACKTRACKS)
            .size_limit(PATTERN_BYTES)
            .dfa_size_limit(PATTERN_BYTES);
        let compiled = options().with_pattern_options(stepping).build(schema);
        let compiled = compiled.map_err(|error| SchemaError::Invalid(escape(&error.masked().to_string())))?;
        Ok(Validator { compiled, tells_detail, backtracks: true })
    }

    /// Whether the arguments fit.
    ///
    /// # Errors
    /// What does not fit, in words for whoever gave them.
    pub fn fits(&self, arguments: &Value) -> Result<(), Misfit> {
        if self.backtracks {
            let (mut texts, mut bytes) = (0, 0);
            count(arguments, &mut texts, &mut bytes);
            if texts > WITH_BACKTRACKS.0 || bytes > WITH_BACKTRACKS.1 {
                return Err(Misfit::TooLarge);
            }
        }
        let document = document_of(arguments);
        if self.compiled.is_valid(&document) {
            return Ok(());
        }
        // What is told may never be worse than what was found: no detail is no reason to let it pass.
        match self.tells_detail.then(|| self.compiled.validate(&document)) {
            Some(Err(error)) => {
                let at = escape(error.instance_path().as_str());
                let why = escape(&error.masked().to_string());
                Err(Misfit::Value { at, why })
            }
            _ => Err(Misfit::Somewhere),
        }
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("tells_detail", &self.tells_detail)
            .field("backtracks", &self.backtracks)
            .finish_non_exhaustive()
    }
}

fn count(value: &Value, texts: &mut usize, bytes: &mut usize) {
    match value {
        Value::Text(text) => {
            *texts += 1;
            *bytes += text.len();
        }
        Value::List(items) => items.iter().for_each(|item| count(item, texts, bytes)),
        Value::Map(members) => {
            for (key, value) in members {
                *texts += 1;
                *bytes += key.len();
                count(value, texts, bytes);
            }
        }
        Value::Null | Value::Unknown | Value::Bool(_) | Value::Number(_) => {}
    }
}
