//! JSON laid out for reading. Only white space and the spelling of characters change: the value stays the same to the
//! last digit, which going through a parsed value would not promise.

use std::fmt::Write as _;

use crate::escape::is_hidden;

/// How wide a list or object of plain values may be to stand on one line.
const WIDTH: usize = 100;

/// The JSON text with one member a line. What a reader would not see is written as `\u….`. Text that is not JSON
/// comes back as some other text that is not JSON.
#[must_use]
pub fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    lay(&tokens(json), 0, &mut out);
    out
}

/// The JSON text without the white space that [`pretty`] put there, so that bounds on its size mean what they say.
#[must_use]
pub fn plain(json: &str) -> String {
    tokens(json).concat()
}

/// The tokens of a JSON text; strings are respelt, white space is dropped.
fn tokens(json: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut chars = json.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                let mut token = String::from('"');
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => {
                            token.push('\\');
                            token.extend(chars.next());
                        }
                        '"' => break,
                        c => spell(c, &mut token),
                    }
                }
                token.push('"');
                tokens.push(token);
            }
            '{' | '}' | '[' | ']' | ',' | ':' => tokens.push(c.to_string()),
            c if c.is_ascii_whitespace() => {}
            c => {
                let mut token = String::from(c);
                while let Some(next) = chars.next_if(|c| !c.is_ascii_whitespace() && !"{}[],:\"".contains(*c)) {
                    token.push(next);
                }
                tokens.push(token);
            }
        }
    }
    tokens
}

/// One character of a string, as an escape when a reader would not see it.
fn spell(c: char, out: &mut String) {
    if is_hidden(c) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    } else {
        out.push(c);
    }
}

fn lay(tokens: &[String], depth: usize, out: &mut String) {
    let mut depth = depth;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "{" | "[" => {
                if let Some((line, length)) = on_one_line(tokens.get(at..).unwrap_or_default()) {
                    out.push_str(&line);
                    at += length;
                    continue;
                }
                out.push_str(token);
                depth += 1;
                break_line(depth, out);
            }
            "}" | "]" => {
                depth = depth.saturating_sub(1);
                break_line(depth, out);
                out.push_str(token);
            }
            "," => {
                out.push(',');
                break_line(depth, out);
            }
            ":" => out.push_str(": "),
            other => out.push_str(other),
        }
        at += 1;
    }
}

/// The list or object that begins here, on one line, and how many tokens it has: when it holds plain values only and
/// is short.
fn on_one_line(tokens: &[String]) -> Option<(String, usize)> {
    let mut line = String::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" | "[" if at > 0 => return None,
            "," => line.push_str(", "),
            ":" => line.push_str(": "),
            other => line.push_str(other),
        }
        if line.len() > WIDTH {
            return None;
        }
        if matches!(token.as_str(), "}" | "]") {
            return Some((line, at + 1));
        }
    }
    None
}

fn break_line(depth: usize, out: &mut String) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_is_laid_out_for_reading() {
        insta::assert_snapshot!(
            pretty(r#"{"name":"reply","n":1.50e3,"inputSchema":{"type":"object","properties":{"to":{"type":"string"},"body":{"type":"string","description":"The text, which may be long enough to need a line of its own, and so on and on"}},"required":["to","body"]},"annotations":{}}"#),
            @r#"
        {
          "name": "reply",
          "n": 1.50e3,
          "inputSchema": {
            "type": "object",
            "properties": {
              "to": {"type": "string"},
              "body": {
                "type": "string",
                "description": "The text, which may be long enough to need a line of its own, and so on and on"
              }
            },
            "required": ["to", "body"]
          },
          "annotations": {}
        }
        "#
        );
    }

    #[test]
    fn what_is_hidden_is_spelt_out_and_means_the_same() {
        let json = "{\"a\":\"\u{202e}x\u{200b}\u{e0041}\u{7f} \\\" ünï\"}";
        let out = pretty(json);
        assert_eq!(out, r#"{"a": "\u202ex\u200b\udb40\udc41\u007f \" ünï"}"#);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&out), value(json));
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn the_value_stays_the_same_and_laying_out_twice_changes_nothing(value in json()) {
            let once = pretty(&value.to_string());
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&once).unwrap(), value);
            prop_assert_eq!(pretty(&plain(&once)), once.clone());
            prop_assert_eq!(pretty(&once), once);
        }

        #[test]
        fn any_text_is_laid_out_without_a_fault(text in "[\\[\\]{},:\"'\\\\ a-c0-9\n]{0,60}") {
            let _ = pretty(&text);
        }
    }
}
