//! Quotes and code spans, where a text cannot stand without them.

use crate::scope::parse::{characters, cursor, inline};

/// Whether a name may stand without quotes.
pub(super) fn is_bare_name(text: &str) -> bool {
    cursor::is_bare_name(text) && characters::is_plain(text)
}

/// Whether a name may stand without quotes where a dot would divide it.
pub(super) fn is_bare_step(text: &str) -> bool {
    cursor::is_bare_step(text) && characters::is_plain(text)
}

/// A text in double quotes: `""` for a quote, `\u{…}` for what cannot stand in a document.
pub(super) fn quote(text: &str) -> String {
    let odd = !characters::is_plain(text);
    let mut out = String::from("\"");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => out.push_str("\"\""),
            '\\' if rest.peek() == Some(&'u') && rest.clone().nth(1) == Some('{') => out.push_str("\\u{5c}"),
            ' '..='~' => out.push(c),
            _ if odd => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Text in a code span if a renderer would show it differently outside one, or together with the like of it.
pub(super) fn code(text: String) -> String {
    let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    let mut before = None;
    let mut characters = text.chars().peekable();
    let mut risky = false;
    while let Some(c) = characters.next() {
        risky |= match c {
            '*' | '~' | '$' | '&' | '<' => true,
            '_' => edge(before) || edge(characters.peek().copied()),
            _ => false,
        };
        before = Some(c);
    }
    if risky || !inline::shows_as_written(&text) { code_span(&text) } else { text }
}

/// Text as it is shown: in a code span only where it must be.
pub(super) fn shown(text: &str) -> String {
    // A heading may not end in hashes.
    if !text.ends_with('#') && inline::shows_as_written(text) { text.to_owned() } else { code_span(text) }
}

/// Text in a code span, with as many backticks as it needs.
pub(super) fn code_span(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let marks = "`".repeat(longest + 1);
    let pad = text.starts_with('`') || text.ends_with('`') || (text.starts_with(' ') && text.ends_with(' '));
    let pad = if pad && !text.trim_matches(' ').is_empty() { " " } else { "" };
    format!("{marks}{pad}{text}{pad}{marks}")
}
