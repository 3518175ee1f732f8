//! Walking over a bullet's words, and the names among them.

use std::ops::Range;

use super::report::quoted;
use super::token::{Kind, Part, Token};

/// Words that carry the language: as a bare name they would be misread, so they are quoted there.
pub const RESERVED: [&str; 21] = [
    "and", "or", "not", "where", "is", "does", "starts", "ends", "contains", "matches", "because", "any", "anything",
    "every", "all", "two", "someone", "the", "nothing", "true", "false",
];
/// At most this many bytes in a name.
pub const MAX_NAME: usize = 256;

/// What is wrong with a part of a bullet; `at` is a range of the bullet's text.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) name: &'static str,
    pub(super) at: Range<usize>,
    pub(super) message: String,
    pub(super) help: String,
}

impl Wrong {
    pub(super) fn new(
        name: &'static str,
        at: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Wrong {
        Wrong { name, at, message: message.into(), help: help.into() }
    }
}

pub(super) type Reads<T> = Result<T, Wrong>;

/// A place among the words of a bullet.
pub(super) struct Cursor<'t> {
    tokens: &'t [Token],
    at: usize,
    text: &'t str,
    /// Where the words end in the bullet's text: its end, or the word `because`.
    end: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(tokens: &'t [Token], text: &'t str, end: usize) -> Cursor<'t> {
        Cursor { tokens, at: 0, text, end }
    }

    pub(super) fn peek(&self) -> Option<&'t Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn peek_at(&self, by: usize) -> Option<&'t Token> {
        self.tokens.get(self.at + by)
    }

    pub(super) fn next(&mut self) -> Option<&'t Token> {
        let token = self.tokens.get(self.at);
        self.at += usize::from(token.is_some());
        token
    }

    /// The next word when it is unquoted.
    pub(super) fn bare(&self) -> Option<&'t str> {
        self.peek().and_then(Token::bare)
    }

    pub(super) fn is(&self, kind: &Kind) -> bool {
        self.peek().is_some_and(|token| token.kind == *kind)
    }

    /// Takes the next word if it is this one.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let found = self.bare() == Some(word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn takes_kind(&mut self, kind: &Kind) -> bool {
        let found = self.is(kind);
        self.at += usize::from(found);
        found
    }

    /// Where the next word stands; at the end of the words, the place behind the last.
    pub(super) fn place(&self) -> Range<usize> {
        match self.peek() {
            Some(token) => token.at.clone(),
            None => self.last_end()..self.last_end(),
        }
    }

    fn last_end(&self) -> usize {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or(self.end, |token| token.at.end)
    }

    /// From a place to the last word taken.
    pub(super) fn since(&self, start: usize) -> Range<usize> {
        start..self.last_end().max(start)
    }

    /// The next word as it stands in the text, for a message.
    pub(super) fn shown(&self) -> String {
        match self.peek() {
            Some(token) => quoted(self.text.get(token.at.clone()).unwrap_or("")),
            None => String::from("the end of the line"),
        }
    }

    pub(super) fn shown_at(&self, at: Range<usize>) -> String {
        quoted(self.text.get(at).unwrap_or(""))
    }

    /// Goes on to the next comma outside parentheses after which `wanted` holds, or to the end.
    pub(super) fn skip_to_comma(&mut self, wanted: impl Fn(Option<&str>) -> bool) {
        let mut depth = 0usize;
        while let Some(token) = self.peek() {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Comma if depth == 0 && wanted(self.peek_at(1).and_then(Token::bare)) => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    /// A name: bare, or one quoted text. `what` is what the name is of.
    pub(super) fn name(&mut self, what: &str) -> Reads<String> {
        let at = self.place();
        let shown = self.shown();
        let Some(token) = self.next() else {
            return Err(Wrong::new("bad-name", at, format!("{what} is missing"), format!("write {what} here")));
        };
        if let Some(text) = token.text().filter(|text| is_name(text)) {
            return Ok(text.to_owned());
        }
        match token.bare() {
            Some(word) if is_bare_name(word) && !RESERVED.contains(&word) => Ok(word.to_owned()),
            Some(word) if RESERVED.contains(&word) => {
                let message = format!("{what} is missing before `{word}`");
                let help = format!("write {what}; if it is called so, quote it: `\"{word}\"`");
                Err(Wrong::new("bad-name", at, message, help))
            }
            _ => {
                let help = format!(
                    "bare names hold letters, digits, `_`, `-`, `/`, `@` and single dots inside; quote any other: `\"…\"`, \
                     at most {MAX_NAME} bytes"
                );
                Err(Wrong::new("bad-name", at, format!("{shown} is no name ({what})"), help))
            }
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME
}

/// Whether a name may stand without quotes: letters, digits, `_`, `-`, `/`, `@`, and dots between those.
pub(in crate::scope) fn is_bare_name(text: &str) -> bool {
    is_name(text) && text.split('.').all(is_bare_step)
}

/// Whether one step between dots may stand without quotes.
pub(in crate::scope) fn is_bare_step(text: &str) -> bool {
    let letter = |c: char| c.is_alphabetic() || c.is_ascii_digit() || "_-/@".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(letter)
}

/// Divides a word at its dots outside quotes; each step is one part, bare or quoted, with what stands behind a quoted
/// one (`[]`). `None` when a quote stands in the middle of a step, or a step is empty.
pub(super) fn steps(parts: &[Part]) -> Option<Vec<(Part, String)>> {
    let mut steps: Vec<(Part, String)> = Vec::new();
    let mut open: Option<(Part, String)> = None;
    for part in parts {
        if part.quoted {
            if open.is_some() {
                return None;
            }
            open = Some((part.clone(), String::new()));
            continue;
        }
        for (number, piece) in part.text.split('.').enumerate() {
            if number > 0 {
                steps.push(open.take()?);
            }
            if piece.is_empty() {
                continue;
            }
            match &mut open {
                Some((_, behind)) => behind.push_str(piece),
                None => open = Some((Part { text: piece.to_owned(), quoted: false }, String::new())),
            }
        }
    }
    steps.push(open?);
    Some(steps)
}
