//! The grammar of RFC 8259, by recursive descent; depth is bounded, so the stack is.

use super::write::escape;
use super::{JsonError, Limits, Problem};

/// What the parser builds.
pub(super) trait Tree: Sized {
    fn null() -> Self;
    fn bool(known: bool) -> Self;
    /// The number that the text stands for; `None` when it cannot be held.
    fn number(text: &str) -> Option<Self>;
    fn text(text: String) -> Self;
    fn list(items: Vec<Self>) -> Self;
    /// Keys are unique.
    fn map(members: Vec<(String, Self)>) -> Self;
    /// Told where it stands in the bytes.
    fn placed(self, _at: std::ops::Range<usize>) -> Self {
        self
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    values: usize,
    limits: Limits,
}

/// Up to here a new key is compared with those before it; beyond, keys are sorted once at the end of the object.
const FEW: usize = 16;

impl<'a> Parser<'a> {
    pub(super) fn read<T: Tree>(bytes: &'a [u8], limits: Limits) -> Result<T, JsonError> {
        if bytes.len() > limits.bytes {
            return Err(JsonError { at: limits.bytes, problem: Problem::TooLarge(limits.bytes) });
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| JsonError { at: error.valid_up_to(), problem: Problem::Encoding })?;
        let mut parser = Parser { text, at: 0, depth: 0, values: 0, limits };
        let value = parser.value()?;
        parser.space();
        if parser.at == text.len() { Ok(value) } else { Err(parser.expected("the end")) }
    }

    fn value<T: Tree>(&mut self) -> Result<T, JsonError> {
        self.space();
        self.values += 1;
        if self.values > self.limits.values {
            return Err(self.error(Problem::TooMany(self.limits.values)));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.within(Self::map),
            Some(b'[') => self.within(Self::list),
            Some(b'"') => self.string().map(T::text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", T::bool(true)),
            Some(b'f') => self.word("false", T::bool(false)),
            Some(b'n') => self.word("null", T::null()),
            _ => Err(self.expected("a value")),
        };
        value.map(|value: T| value.placed(start..self.at))
    }

    fn within<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, JsonError>) -> Result<T, JsonError> {
        if self.depth == self.limits.depth {
            return Err(self.error(Problem::TooDeep(self.limits.depth)));
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn list<T: Tree>(&mut self) -> Result<T, JsonError> {
        let mut items = Vec::new();
        self.space();
        if self.take(b']') {
            return Ok(T::list(items));
        }
        loop {
            items.push(self.value()?);
            self.space();
            if self.take(b']') {
                return Ok(T::list(items));
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn map<T: Tree>(&mut self) -> Result<T, JsonError> {
        let mut members: Vec<(String, T)> = Vec::new();
        self.space();
        if self.take(b'}') {
            return Ok(T::map(members));
        }
        loop {
            self.space();
            let at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a key"));
            }
            let key = self.string()?;
            if members.len() < FEW && members.iter().any(|(known, _)| *known == key) {
                return Err(JsonError { at, problem: Problem::Duplicate(escape(&key)) });
            }
            self.space();
            if !self.take(b':') {
                return Err(self.expected("`:`"));
            }
            members.push((key, self.value()?));
            self.space();
            if self.take(b'}') {
                self.unique(&members)?;
                return Ok(T::map(members));
            }
            if !self.take(b',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn unique<T>(&self, members: &[(String, T)]) -> Result<(), JsonError> {
        if members.len() <= FEW {
            return Ok(());
        }
        let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        match keys.iter().zip(keys.iter().skip(1)).find(|(key, next)| key == next) {
            Some((key, _)) => Err(self.error(Problem::Duplicate(escape(key)))),
            None => Ok(()),
        }
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
            let Some(plain) = plain else {
                self.at = self.text.len();
                return Err(self.expected("the end of the string"));
            };
            // The stop bytes are ASCII, so the slice ends on a character.
            text.push_str(self.text.get(self.at..self.at + plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escaped()?),
                _ => return Err(self.error(Problem::Control)),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        self.at += 1;
        let plain = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => return Err(self.expected("an escape")),
        };
        self.at += 1;
        Ok(plain)
    }

    fn unicode(&mut self, start: usize) -> Result<char, JsonError> {
        let lone = JsonError { at: start, problem: Problem::Surrogate };
        let first = self.hex()?;
        let code = match first {
            0xd800..=0xdbff => {
                if self.peek() != Some(b'\\') || self.text.as_bytes().get(self.at + 1) != Some(&b'u') {
                    return Err(lone);
                }
                self.at += 1;
                let second = self.hex()?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(lone);
                }
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        char::from_u32(code).ok_or(lone)
    }

    /// Reads `uXXXX`.
    fn hex(&mut self) -> Result<u32, JsonError> {
        self.at += 1;
        let digits = self.text.get(self.at..self.at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return Err(self.expected("four hexadecimal digits"));
        };
        self.at += 4;
        Ok(code)
    }

    fn number<T: Tree>(&mut self) -> Result<T, JsonError> {
        let start = self.at;
        let length = number_length(self.text.as_bytes().get(start..).unwrap_or_default());
        let Some(text) = length.and_then(|length| self.text.get(start..start + length)) else {
            return Err(self.expected("a number"));
        };
        self.at += text.len();
        T::number(text).ok_or_else(|| JsonError { at: start, problem: Problem::Inexact(escape(text)) })
    }

    fn word<T>(&mut self, word: &str, value: T) -> Result<T, JsonError> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.expected("a value"))
        }
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn expected(&self, what: &'static str) -> JsonError {
        self.error(Problem::Expected(what))
    }

    fn error(&self, problem: Problem) -> JsonError {
        JsonError { at: self.at, problem }
    }
}

/// How many bytes the number at the start takes: `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`.
fn number_length(bytes: &[u8]) -> Option<usize> {
    let at = |i: usize| bytes.get(i).copied();
    let digits = |from: usize| bytes.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = usize::from(at(0) == Some(b'-'));
    end += match at(end) {
        Some(b'0') => 1,
        Some(b'1'..=b'9') => digits(end),
        _ => return None,
    };
    if at(end) == Some(b'.') {
        let fraction = digits(end + 1);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if let Some(b'e' | b'E') = at(end) {
        let sign = usize::from(matches!(at(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent == 0 {
            return None;
        }
        end += 1 + sign + exponent;
    }
    Some(end)
}
