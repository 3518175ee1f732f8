//! One thing on one line: an inline table, its keys in the order that they are said.

use super::{key, text};

/// The keys of a table on one line. What is left at its ordinary value is not said.
#[derive(Default)]
pub(super) struct Inline(Vec<String>);

impl Inline {
    pub(super) fn text(self, name: &str, value: &str) -> Inline {
        self.raw(name, text(value))
    }

    pub(super) fn option(self, name: &str, value: Option<&str>) -> Inline {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    pub(super) fn flag(self, name: &str, value: bool) -> Inline {
        if value { self.raw(name, "true".to_owned()) } else { self }
    }

    /// A word, unless it is the ordinary one.
    pub(super) fn word(self, name: &str, word: &str, ordinary: &str) -> Inline {
        if word == ordinary { self } else { self.text(name, word) }
    }

    pub(super) fn list<'a>(self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Inline {
        let values = list(values);
        if values == "[]" { self } else { self.raw(name, values) }
    }

    pub(super) fn raw(mut self, name: &str, value: String) -> Inline {
        self.0.push(format!("{} = {value}", key(name)));
        self
    }

    pub(super) fn done(self) -> String {
        format!("{{ {} }}", self.0.join(", "))
    }
}

/// Texts as a list on one line.
pub(super) fn list<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", values.into_iter().map(text).collect::<Vec<_>>().join(", "))
}

/// A key with a list of things, one a line; nothing when there are none.
pub(super) fn lines(out: &mut String, name: &str, things: Vec<String>) {
    if things.is_empty() {
        return;
    }
    super::line(out, &format!("{name} = ["));
    for thing in things {
        super::line(out, &format!("  {thing},"));
    }
    super::line(out, "]");
}
