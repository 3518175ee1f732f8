//! JSON text out of values: to show, and to take a digest of.

use std::fmt::Write as _;

use ambit_core::value::Value;

/// The value as JSON text, without white space. For showing: characters that could deceive a reader (control, bidi,
/// invisible) are written as escapes.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    write_into(value, &mut out);
    out
}

fn write_into(value: &Value, out: &mut String) {
    match value {
        Value::Null | Value::Unknown => out.push_str("null"),
        Value::Bool(known) => out.push_str(if *known { "true" } else { "false" }),
        Value::Number(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Text(text) => quote(text, deceives, out),
        Value::List(items) => {
            sequence(out, ('[', ']'), items, write_into);
        }
        Value::Map(members) => sequence(out, ('{', '}'), members, |(key, value), out| {
            quote(key, deceives, out);
            out.push(':');
            write_into(value, out);
        }),
    }
}

/// The document in one canonical form after RFC 8785: no white space, keys sorted by their UTF-16 code units, numbers in their
/// shortest form. Unlike there, integers beyond 2^53 are kept apart.
#[must_use]
pub fn canonical(document: &serde_json::Value) -> String {
    let mut out = String::new();
    canonical_into(document, &mut out);
    out
}

fn canonical_into(document: &serde_json::Value, out: &mut String) {
    use serde_json::Value as Json;
    match document {
        Json::Null => out.push_str("null"),
        Json::Bool(known) => out.push_str(if *known { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&canonical_number(number)),
        Json::String(text) => quote(text, |_| false, out),
        Json::Array(items) => sequence(out, ('[', ']'), items, canonical_into),
        Json::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            sequence(out, ('{', '}'), &sorted, |(key, value), out| {
                quote(key, |_| false, out);
                out.push(':');
                canonical_into(value, out);
            });
        }
    }
}

/// As ECMAScript writes it: `1000` for `1e3` and `1000.0`, `1e+21`, `1e-7`.
fn canonical_number(number: &serde_json::Number) -> String {
    if number.is_i64() || number.is_u64() {
        return number.to_string();
    }
    let Some(float) = number.as_f64() else { return number.to_string() };
    if float == 0.0 {
        return "0".to_owned();
    }
    let magnitude = float.abs();
    if (1e-6..1e21).contains(&magnitude) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

fn sequence<T>(out: &mut String, (open, close): (char, char), items: &[T], mut each: impl FnMut(&T, &mut String)) {
    out.push(open);
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(item, out);
    }
    out.push(close);
}

fn quote(text: &str, also: impl Fn(char) -> bool, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || also(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Somebody else's words, fit to stand in a message: what could deceive a reader is escaped, and what is longer than 80
/// characters is cut, visibly.
#[must_use]
pub fn escape(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut out = String::new();
    for (i, c) in text.chars().enumerate() {
        if i == LONGEST {
            out.push('…');
            break;
        }
        if deceives(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether it moves the cursor, turns the direction of reading, or cannot be seen.
pub(crate) fn deceives(c: char) -> bool {
    if (' '..='~').contains(&c) {
        return false;
    }
    // Blank or invisible, though Unicode calls them letters, marks or spaces: fillers, variation selectors, odd spaces.
    if matches!(c, '\u{a0}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{2000}'..='\u{200f}'
        | '\u{2800}' | '\u{3000}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0100}'..='\u{e01ef}')
    {
        return true;
    }
    // The standard library's table of what is printable. It treats a mark at the start of a text specially, hence the `a`.
    let mut buffer = [b'a'; 5];
    let length = buffer.get_mut(1..).map_or(0, |rest| c.encode_utf8(rest).len());
    buffer
        .get(..=length)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .is_none_or(|text| text.escape_debug().count() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, document, read};

    #[test]
    fn what_is_shown_cannot_deceive() {
        let shown = write(&read("{\"a\":[1.50,\"\\u001b[31m\u{202e}x\u{200b}\u{e0041}é\\\"\"]}".as_bytes()).unwrap());
        assert_eq!(shown, r#"{"a":[1.5,"\u001b[31m\u202ex\u200b\udb40\udc41é\""]}"#);
        assert_eq!(
            read(shown.as_bytes()),
            read("{\"a\":[1.50,\"\\u001b[31m\u{202e}x\u{200b}\u{e0041}é\\\"\"]}".as_bytes())
        );
        assert_eq!(escape("a\u{1b}[2J\u{2066}b`é"), "a\\u{1b}[2J\\u{2066}b`é");
        assert_eq!(escape(&"x".repeat(500)).chars().count(), 81);
        assert_eq!(escape("मैं \"é\" e\u{301} 日本 '\\ \u{fe0f}"), "मैं \"é\" e\u{301} 日本 '\\ \\u{fe0f}");
    }

    #[test]
    fn the_canonical_form_is_that_of_rfc_8785() {
        // Its section 3.2.3, and numbers of its appendix B.
        let text = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        assert_eq!(
            canonical(&document(text.as_bytes(), Limits::CALL).unwrap()),
            "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\",\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}"
        );
        for (written, canonical_form) in [
            ("1e3", "1000"),
            ("1000.0", "1000"),
            ("-0.0", "0"),
            ("1e21", "1e+21"),
            ("1e-7", "1e-7"),
            ("0.000001", "0.000001"),
            ("333333333.33333329", "333333333.3333333"),
            ("1E30", "1e+30"),
            ("4.50", "4.5"),
            ("2e-3", "0.002"),
            ("0.000000000000000000000000001", "1e-27"),
            ("9223372036854775807", "9223372036854775807"),
            ("5e-324", "5e-324"),
        ] {
            assert_eq!(canonical(&document(written.as_bytes(), Limits::CALL).unwrap()), canonical_form, "{written}");
        }
    }
}
