//! A bullet's text as words, commas and parentheses. A comma or a space between quotes divides nothing.

use std::ops::Range;

use super::inline::Inline;
use super::report::{Report, quoted};

/// A piece of a bullet, with its place in the bullet's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text up to the next space, comma or parenthesis; parts of it may be quoted, as in `crm."Order Items"`.
    Word(Vec<Part>),
    Comma,
    Open,
    Close,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) text: String,
    pub(super) quoted: bool,
}

impl Token {
    /// The word, when no part of it is quoted.
    pub(super) fn bare(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(parts) => match parts.as_slice() {
                [part] if !part.quoted => Some(&part.text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The text, when the whole word is one quoted text.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(parts) => match parts.as_slice() {
                [part] if part.quoted => Some(&part.text),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What a bullet says, in pieces.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) tokens: Vec<Token>,
    /// The place of the word `because` and of all that follows it.
    pub(super) because: Option<(Range<usize>, Range<usize>)>,
}

/// Divides a bullet's text. `because` outside parentheses ends the words: what follows is the person's own.
pub(super) fn tokens(report: &mut Report<'_>, inline: &Inline) -> Tokens {
    let mut lexer = Lexer { text: &inline.text, at: 0 };
    let mut out = Tokens::default();
    let mut depth = 0usize;
    while let Some(c) = lexer.peek() {
        let start = lexer.at;
        let kind = match c {
            ' ' => {
                lexer.at += 1;
                continue;
            }
            ',' => {
                lexer.at += 1;
                Kind::Comma
            }
            '(' => {
                lexer.at += 1;
                depth += 1;
                Kind::Open
            }
            ')' => {
                lexer.at += 1;
                if depth == 0 {
                    let at = inline.source(start..lexer.at);
                    report.error("unbalanced-parenthesis", at, "a `)` that closes nothing", "delete it");
                }
                depth = depth.saturating_sub(1);
                Kind::Close
            }
            _ => Kind::Word(lexer.word(report, inline)),
        };
        let token = Token { kind, at: start..lexer.at };
        if depth == 0 && token.bare() == Some("because") {
            out.because = Some((token.at.clone(), token.at.end..inline.text.len()));
            return out;
        }
        out.tokens.push(token);
    }
    if depth > 0 {
        let open = out.tokens.iter().rev().find(|token| token.kind == Kind::Open);
        let at = open.map_or(inline.bytes.clone(), |open| inline.source(open.at.clone()));
        report.error("unbalanced-parenthesis", at, "a `(` that is not closed", "close it with `)`");
    }
    out
}

/// Reads a text between double quotes that starts at `at`: the text, and where it ends. `""` is a quote, `\u{…}` a
/// character that cannot be typed; any other backslash is a backslash.
pub(super) fn quoted_text(report: &mut Report<'_>, inline: &Inline, at: usize) -> (String, usize) {
    let mut lexer = Lexer { text: &inline.text, at };
    let text = lexer.quote(report, inline);
    (text, lexer.at)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn word(&mut self, report: &mut Report<'_>, inline: &Inline) -> Vec<Part> {
        let start = self.at;
        let mut parts: Vec<Part> = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    let text = self.quote(report, inline);
                    parts.push(Part { text, quoted: true });
                    continue;
                }
                ' ' | '(' | ')' => break,
                ',' if !self.is_between_digits(start) => break,
                _ => self.at += c.len_utf8(),
            }
            match parts.last_mut() {
                Some(part) if !part.quoted => part.text.push(c),
                _ => parts.push(Part { text: c.to_string(), quoted: false }),
            }
        }
        let word = self.text.get(start..self.at).unwrap_or("");
        if parts.iter().any(|part| !part.quoted && part.text.contains(['“', '”', '„', '‘', '’', '«', '»']))
        {
            let help = "use the straight marks `\"` and `'`; many editors can be told not to change them";
            report.error(
                "curly-quote",
                inline.source(start..self.at),
                format!("curly quotes in {}", quoted(word)),
                help,
            );
        }
        parts
    }

    /// `1,000` is one word, so that it is refused as a number and not read as two.
    fn is_between_digits(&self, start: usize) -> bool {
        let word = self.text.get(start..self.at).unwrap_or("");
        let numeric = word.bytes().all(|b| b.is_ascii_digit() || b == b',' || b == b'.' || b == b'-');
        numeric
            && word.ends_with(|c: char| c.is_ascii_digit())
            && self.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit)
    }

    fn quote(&mut self, report: &mut Report<'_>, inline: &Inline) -> String {
        let start = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some(c) = self.peek() else {
                let at = inline.source(start..start + 1);
                report.error("unclosed-quote", at, "a `\"` that is not closed", "close it with `\"`");
                return text;
            };
            if c == '\\' && self.rest().starts_with("\\u{") {
                text.extend(self.escape(report, inline));
                continue;
            }
            self.at += c.len_utf8();
            if c == '"' {
                if self.peek() != Some('"') {
                    break;
                }
                self.at += 1;
            }
            text.push(c);
        }
        if inline.is_joined(&(start..self.at)) {
            let message = "several spaces within quotes are shown as one";
            report.error("renders-differently", inline.source(start..self.at), message, "put the text in a code span");
        }
        text
    }

    fn escape(&mut self, report: &mut Report<'_>, inline: &Inline) -> Option<char> {
        let start = self.at;
        let rest = self.rest();
        let length =
            rest.find(['}', '"', ' ']).map_or(rest.len(), |at| at + usize::from(rest.get(at..at + 1) == Some("}")));
        let digits = rest.get(3..length).and_then(|digits| digits.strip_suffix('}'));
        let code = digits.filter(|digits| digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let c = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        self.at += length;
        let c = c.filter(|c| *c == '\\' || !matches!(c, ' '..='~'));
        if c.is_none() {
            let at = inline.source(start..self.at);
            let message = format!("{} is no escape", quoted(self.text.get(start..self.at).unwrap_or("")));
            let help = "`\\u{…}` holds the hexadecimal number of a character that cannot be typed; type the others, \
                        and write `\\u{5c}` for a backslash before `u{`";
            report.error("bad-escape", at, message, help);
        }
        c
    }
}
