//! PostgreSQL's own parser: one statement to its tree, and a text of several to its statements.

use pg_raw_parse::{Node, ParseResult};

use super::NotRead;
use super::asked::MOST_STATEMENT;

/// A text that was parsed.
pub(super) struct Parsed(ParseResult);

impl Parsed {
    /// Parses a text.
    ///
    /// # Errors
    /// When it is too long, or PostgreSQL would not parse it.
    pub(super) fn of(text: &str) -> Result<Parsed, NotRead> {
        if text.len() > MOST_STATEMENT {
            return Err(NotRead::invalid(format!("the statement is longer than {MOST_STATEMENT} bytes")));
        }
        match pg_raw_parse::parse(text) {
            Ok(parsed) => Ok(Parsed(parsed)),
            Err(pg_raw_parse::Error::Parse(error)) => Err(NotRead::invalid(error.to_string())),
            Err(_) => Err(NotRead::invalid("the statement holds a NUL".to_owned())),
        }
    }

    /// The one statement in it.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub(super) fn one(&self) -> Result<Node<'_>, NotRead> {
        let mut statements = self.0.stmts();
        match (statements.next(), statements.next()) {
            (Some(statement), None) => Ok(statement),
            (None, _) => Err(NotRead::invalid("there is no statement in it".to_owned())),
            (Some(_), Some(_)) => Err(NotRead::invalid("there is more than one statement in it".to_owned())),
        }
    }
}

/// The statements of a text, each as it stands there. None where there is only white space or a comment.
///
/// # Errors
/// When it is too long, or PostgreSQL would not parse it.
pub fn split(text: &str) -> Result<Vec<&str>, NotRead> {
    super::guarded(|| {
        let parsed = Parsed::of(text)?;
        let cut = parsed.0.iter().map(|statement| {
            let from = usize::try_from(statement.stmt_location).ok()?;
            match usize::try_from(statement.stmt_len).ok()? {
                // The last one goes to the end.
                0 => text.get(from..),
                length => text.get(from..from.checked_add(length)?),
            }
        });
        cut.collect::<Option<Vec<&str>>>()
            .map(|all| all.into_iter().map(str::trim_ascii).collect())
            .ok_or_else(|| NotRead::invalid("its statements cannot be told apart".to_owned()))
    })
}
