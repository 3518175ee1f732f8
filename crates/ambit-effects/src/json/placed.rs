//! JSON with the place of each value in the bytes, so that a part of it can be passed on as it was written.

use std::ops::Range;

use super::parser::{Parser, Tree};
use super::{JsonError, Limits};

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    /// Its bytes.
    pub at: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// What a value is, as far as it is needed where it is only passed on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    /// Any number; its bytes say which.
    Number,
    Text(String),
    List(Vec<Placed>),
    /// Keys are unique.
    Map(Vec<(String, Placed)>),
}

impl Placed {
    /// Reads one JSON value as strictly as everything here, but for numbers, which may be any.
    pub(crate) fn read(bytes: &[u8], limits: Limits) -> Result<Placed, JsonError> {
        Parser::read(bytes, limits)
    }

    /// The member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&Placed> {
        self.members()?.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The members of an object.
    pub(crate) fn members(&self) -> Option<&[(String, Placed)]> {
        if let Kind::Map(members) = &self.kind { Some(members) } else { None }
    }

    /// The text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    /// Its bytes, out of those that it was read from.
    pub(crate) fn bytes<'a>(&self, whole: &'a [u8]) -> &'a [u8] {
        whole.get(self.at.clone()).unwrap_or_default()
    }

    /// Whether two values say the same, member by member in the same order, and numbers in the same digits.
    pub(crate) fn same(&self, whole: &[u8], other: &Placed, others: &[u8]) -> bool {
        match (&self.kind, &other.kind) {
            (Kind::Number, Kind::Number) => self.bytes(whole) == other.bytes(others),
            (Kind::List(mine), Kind::List(theirs)) => {
                mine.len() == theirs.len() && mine.iter().zip(theirs).all(|(a, b)| a.same(whole, b, others))
            }
            (Kind::Map(mine), Kind::Map(theirs)) => {
                mine.len() == theirs.len()
                    && mine
                        .iter()
                        .zip(theirs)
                        .all(|((a, mine), (b, theirs))| a == b && mine.same(whole, theirs, others))
            }
            (mine, theirs) => mine == theirs,
        }
    }

    fn of(kind: Kind) -> Placed {
        Placed { at: 0..0, kind }
    }
}

impl Tree for Placed {
    fn null() -> Placed {
        Placed::of(Kind::Null)
    }
    fn bool(known: bool) -> Placed {
        Placed::of(Kind::Bool(known))
    }
    fn number(_: &str) -> Option<Placed> {
        Some(Placed::of(Kind::Number))
    }
    fn text(text: String) -> Placed {
        Placed::of(Kind::Text(text))
    }
    fn list(items: Vec<Placed>) -> Placed {
        Placed::of(Kind::List(items))
    }
    fn map(members: Vec<(String, Placed)>) -> Placed {
        Placed::of(Kind::Map(members))
    }
    fn placed(self, at: Range<usize>) -> Placed {
        Placed { at, ..self }
    }
}
