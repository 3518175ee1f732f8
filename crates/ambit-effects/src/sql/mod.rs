//! What a statement of SQL does to a PostgreSQL database: which relations and columns it reads, creates, updates and deletes,
//! what that sets off, and what of it cannot be read.
//!
//! The text is parsed by PostgreSQL's own parser, and names are resolved as PostgreSQL resolves them over the database as the
//! lock has it. Where that is not certain, more is said to be touched, never less; what is not listed here is not passed on.

pub mod asked;
pub mod database;
pub mod shape;
pub mod wire;

mod change;
mod expression;
mod facts;
mod from;
mod functions;
mod kinds;
mod names;
mod onward;
mod parse;
mod query;
mod reader;
mod settings;
mod statement;
#[cfg(test)]
mod tests;
mod touched;

use ambit_core::action::Action;
use ambit_core::catalog::{Catalog, SystemId};
use ambit_core::reading::Reading;
use thiserror::Error;

use asked::{Asked, AskedError};
use database::Database;
pub use functions::is_trusted_extension;
pub use parse::split;

/// Why a statement has no reading: it is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotRead {
    /// It is no statement that PostgreSQL would take (42601).
    #[error("{0}")]
    Invalid(String),
    /// It names something that the lock does not have.
    #[error("there is no {what} in the lock")]
    Unknown {
        /// What, with its name, escaped.
        what: String,
    },
    /// It is of a kind that is never passed on.
    #[error("{what} is not passed on")]
    Never {
        /// What it is or has in it, escaped.
        what: String,
        /// What to do instead.
        help: &'static str,
    },
}

impl NotRead {
    pub(crate) fn invalid(why: String) -> NotRead {
        NotRead::Invalid(crate::json::escape(&why))
    }

    pub(crate) fn unknown(what: &str, name: &str) -> NotRead {
        NotRead::Unknown { what: format!("{what} `{}`", crate::json::escape(name)) }
    }

    pub(crate) fn never(what: impl Into<String>, help: &'static str) -> NotRead {
        NotRead::Never { what: crate::json::escape(&what.into()), help }
    }

    /// What the agent can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            NotRead::Invalid(_) => "send one statement that PostgreSQL takes",
            NotRead::Unknown { .. } => {
                "name only what the scope grants; if it is new, a person must look at the database (`ambit inventory`)"
            }
            NotRead::Never { help, .. } => help,
        }
    }
}

impl From<AskedError> for NotRead {
    fn from(error: AskedError) -> NotRead {
        NotRead::invalid(error.to_string())
    }
}

/// What an action on a database does.
///
/// # Errors
/// When it is no statement that PostgreSQL would take, names what the lock does not have, or is of a kind that is never passed on.
pub fn read(database: &Database, catalog: &Catalog, system: SystemId, action: &Action) -> Result<Reading, NotRead> {
    if action.operation != asked::OPERATION || action.name != asked::NAME {
        return Err(NotRead::invalid(format!("`{}` is no statement", action.operation)));
    }
    read_asked(database, catalog, system, &Asked::read(&action.payload)?)
}

/// What a statement, with what is bound to it, does.
///
/// # Errors
/// As [`read`].
pub fn read_asked(database: &Database, catalog: &Catalog, system: SystemId, asked: &Asked) -> Result<Reading, NotRead> {
    guarded(|| {
        let parsed = parse::Parsed::of(&asked.statement)?;
        let mut reader = reader::Reader::new(database, catalog, system, &asked.parameters);
        reader.statement(parsed.one()?)?;
        Ok(reader.finish())
    })
}

/// The parser is C behind a young binding, which panics on a tree that it does not expect: that is a refusal, not a crash.
fn guarded<T>(read: impl FnOnce() -> Result<T, NotRead>) -> Result<T, NotRead> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(NotRead::never("a statement whose tree cannot be walked", "write it in another way")))
}
