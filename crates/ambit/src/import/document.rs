//! A client's file: JSON, perhaps with comments and trailing commas. It is changed by span, so that every byte that is not
//! about the entries stays as somebody wrote it.

use std::collections::BTreeSet;
use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectProp, ObjectPropName, Value};
use jsonc_parser::common::Ranged as _;
use jsonc_parser::tokens::Token;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, ParseResult};

use crate::escape::escape;

/// Why a client's file cannot be worked with.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DocumentError {
    /// Not the grammar of JSON (with comments).
    #[error("it is not JSON: {0}")]
    NotJson(String),
    /// Something else than an object where one must stand.
    #[error("{0} is not an object")]
    NotObject(String),
    /// Readers disagree about which of the two holds.
    #[error("the key `{0}` stands twice in one object, and readers disagree about which of them holds")]
    Twice(String),
    /// The edited text would not say what was meant. Nothing is written then.
    #[error("its text could not be changed without changing something else")]
    Edit,
}

/// What becomes of one object of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The keys that lead to the object.
    pub path: Vec<String>,
    /// The members that go.
    pub remove: BTreeSet<String>,
    /// The member that comes, as the keys and values of an object, in order.
    pub add: Option<(String, Vec<(String, serde_json::Value)>)>,
}

/// Reads the text and hands its root object on.
///
/// # Errors
/// When it is not JSON, or no object.
pub fn read<T>(text: &str, with: impl FnOnce(&Object<'_>) -> Result<T, DocumentError>) -> Result<T, DocumentError> {
    let (_, body) = without_mark(text);
    let parsed = parse(body, false)?;
    match &parsed.value {
        Some(Value::Object(root)) => with(root),
        _ => Err(DocumentError::NotObject("the file".to_owned())),
    }
}

/// The member of that name; an error where it stands twice.
///
/// # Errors
/// When it stands twice.
pub fn member<'a, 'b>(object: &'b Object<'a>, name: &str) -> Result<Option<&'b Value<'a>>, DocumentError> {
    let mut found = object.properties.iter().filter(|one| one.name.as_str() == name);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => Err(DocumentError::Twice(escape(name))),
        (one, _) => Ok(one.map(|one| &one.value)),
    }
}

/// The object at the end of that path of keys; `None` where a key is missing.
///
/// # Errors
/// When a key stands twice, or leads to something else.
pub fn object_at<'a, 'b>(root: &'b Object<'a>, path: &[String]) -> Result<Option<&'b Object<'a>>, DocumentError> {
    let mut here = root;
    for key in path {
        match member(here, key)? {
            None => return Ok(None),
            Some(Value::Object(next)) => here = next,
            Some(_) => return Err(DocumentError::NotObject(format!("`{}`", escape(key)))),
        }
    }
    Ok(Some(here))
}

/// The members of an object by name.
///
/// # Errors
/// When a name stands twice.
pub fn members<'a, 'b>(object: &'b Object<'a>) -> Result<Vec<(&'b str, &'b Value<'a>)>, DocumentError> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for one in &object.properties {
        let name = one.name.as_str();
        if !seen.insert(name) {
            return Err(DocumentError::Twice(escape(name)));
        }
        all.push((name, &one.value));
    }
    Ok(all)
}

/// The text with the changes made, and not a byte else.
///
/// # Errors
/// When a change names what is not there.
pub fn edit(text: &str, changes: &[Change]) -> Result<String, DocumentError> {
    let (mark, body) = without_mark(text);
    let parsed = parse(body, true)?;
    let Some(Value::Object(root)) = &parsed.value else {
        return Err(DocumentError::NotObject("the file".to_owned()));
    };
    let commas = commas(&parsed);
    let mut pieces: Vec<(Range<usize>, String)> = Vec::new();
    for change in changes {
        let object = object_at(root, &change.path)?.ok_or(DocumentError::Edit)?;
        pieces.extend(pieces_of(body, object, &commas, change)?);
    }
    pieces.sort_by_key(|(range, _)| (range.start, range.end));
    let mut out = mark.to_owned();
    let mut at = 0;
    for (range, instead) in pieces {
        out.push_str(body.get(at..range.start).ok_or(DocumentError::Edit)?);
        out.push_str(&instead);
        at = range.end;
    }
    out.push_str(body.get(at..).ok_or(DocumentError::Edit)?);
    verify(text, &out, changes)?;
    Ok(out)
}

/// Some editors begin a file with a byte order mark, which is no part of its JSON.
fn without_mark(text: &str) -> (&str, &str) {
    text.strip_prefix('\u{feff}').map_or(("", text), |body| ("\u{feff}", body))
}

fn parse(body: &str, tokens: bool) -> Result<ParseResult<'_>, DocumentError> {
    // What VS Code takes in its own files, and nothing that only some readers take.
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens };
    jsonc_parser::parse_to_ast(body, &collect, &options)
        .map_err(|error| DocumentError::NotJson(escape(&error.to_string())))
}

fn commas(parsed: &ParseResult<'_>) -> Vec<Range<usize>> {
    let tokens = parsed.tokens.as_deref().unwrap_or_default();
    let commas = tokens.iter().filter(|one| one.token == Token::Comma);
    commas.map(|one| one.range.start..one.range.end).collect()
}

/// What of the object's text goes, and what comes in its place. The new member stands where the first that goes stood.
fn pieces_of(
    body: &str,
    object: &Object<'_>,
    commas: &[Range<usize>],
    change: &Change,
) -> Result<Vec<(Range<usize>, String)>, DocumentError> {
    let mut pieces = Vec::new();
    let mut add = change.add.as_ref();
    // The comma after each member, where one stands.
    let comma_after = |at: usize| {
        let from = object.properties.get(at).map(ObjectProp::end)?;
        let until = object.properties.get(at + 1).map_or(object.range.end, ObjectProp::start);
        commas.iter().find(|comma| (from..until).contains(&comma.start)).cloned()
    };
    let mut stands_before = false;
    for (at, property) in object.properties.iter().enumerate() {
        if !change.remove.contains(name_of(&property.name)) {
            stands_before = true;
            continue;
        }
        if let Some((name, value)) = add.take() {
            let text = written(name, value, indent_of(body, property.start()), unit_of(body, object, property));
            pieces.push((property.start()..property.end(), text));
            stands_before = true;
            continue;
        }
        let comma = if stands_before { at.checked_sub(1).and_then(comma_after) } else { comma_after(at) };
        pieces.extend(comma.map(|comma| (comma, String::new())));
        pieces.push((space_before(body, property.start())..property.end(), String::new()));
    }
    if let Some((name, value)) = add {
        // Nothing went: it comes first, which needs no look at how the last one ends.
        let at = object.range.start + 1;
        let outer = margin_of(body, object.range.start);
        let inner = format!("{outer}  ");
        let text = written(name, value, Some(&inner), "  ".to_owned());
        let (comma, end) = match object.properties.is_empty() {
            true => ("", format!("\n{outer}")),
            false => (",", String::new()),
        };
        pieces.push((at..at, format!("\n{inner}{text}{comma}{end}")));
    }
    Ok(pieces)
}

/// Where the white space before a member begins: back to the end of the line above, line break included, but for a
/// line that may end in a comment, which would swallow what follows.
fn space_before(body: &str, start: usize) -> usize {
    let before = body.get(..start).unwrap_or_default();
    let bare = before.trim_end_matches([' ', '\t']);
    let Some(above) = bare.strip_suffix('\n') else { return bare.len() };
    let above = above.strip_suffix('\r').unwrap_or(above);
    let line = above.rsplit('\n').next().unwrap_or_default();
    if line.contains("//") { bare.len() } else { above.len() }
}

/// The white space that stands before on the line, where nothing else does.
fn indent_of(body: &str, at: usize) -> Option<&str> {
    let before = body.get(..at)?;
    let line = before.get(before.rfind('\n').map_or(0, |end| end + 1)..)?;
    let text = line.trim_start_matches([' ', '\t']);
    let indent = line.get(..line.len() - text.len())?;
    text.is_empty().then_some(indent)
}

/// The white space that the line begins with, whatever else stands before.
fn margin_of(body: &str, at: usize) -> &str {
    let line = body.get(..at).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
}

/// One step of indentation: what a member stands further in than the object's own line.
fn unit_of(body: &str, object: &Object<'_>, property: &ObjectProp<'_>) -> String {
    let inner = indent_of(body, property.start()).unwrap_or_default();
    inner.get(margin_of(body, object.range.start).len()..).filter(|unit| !unit.is_empty()).unwrap_or("  ").to_owned()
}

fn written(name: &str, value: &[(String, serde_json::Value)], indent: Option<&str>, unit: String) -> String {
    let key = serde_json::Value::from(name);
    let members: Vec<String> = value
        .iter()
        .map(|(name, value)| format!("{}: {}", serde_json::Value::from(name.as_str()), spaced(value)))
        .collect();
    match indent {
        Some(indent) => format!("{key}: {{\n{indent}{unit}{}\n{indent}}}", members.join(&format!(",\n{indent}{unit}"))),
        None => format!("{key}: {{ {} }}", members.join(", ")),
    }
}

fn spaced(value: &serde_json::Value) -> String {
    match value.as_array() {
        Some(items) => format!("[{}]", items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        None => value.to_string(),
    }
}

fn name_of<'b>(name: &'b ObjectPropName<'_>) -> &'b str {
    name.as_str()
}

/// Holds the new text against the old one: the same members in the same words, but for what was to change.
fn verify(before: &str, after: &str, changes: &[Change]) -> Result<(), DocumentError> {
    let (_, before) = without_mark(before);
    let (_, after) = without_mark(after);
    let (old, new) = (parse(before, false)?, parse(after, false)?);
    let (Some(Value::Object(old)), Some(Value::Object(new))) = (&old.value, &new.value) else {
        return Err(DocumentError::Edit);
    };
    for change in changes {
        let (Some(old), Some(new)) = (object_at(old, &change.path)?, object_at(new, &change.path)?) else {
            return Err(DocumentError::Edit);
        };
        let mut kept = words(before, old);
        kept.retain(|(name, _)| !change.remove.contains(name));
        let mut left = words(after, new);
        if let Some((name, _)) = &change.add {
            left.retain(|(left, _)| left != name);
        }
        // An object that holds another changed one differs by what changed there.
        let inner = |key: &str| {
            changes.iter().any(|other| {
                other.path.starts_with(&change.path)
                    && other.path.get(change.path.len()).is_some_and(|next| next == key)
            })
        };
        let same = kept.len() == left.len()
            && kept.iter().zip(&left).all(|(one, other)| one.0 == other.0 && (one.1 == other.1 || inner(&one.0)));
        let here = change.add.as_ref().is_none_or(|(name, _)| matches!(member(new, name), Ok(Some(_))));
        if !same || !here {
            return Err(DocumentError::Edit);
        }
    }
    Ok(())
}

fn words(text: &str, object: &Object<'_>) -> Vec<(String, String)> {
    let word = |one: &ObjectProp<'_>| {
        let range = one.value.range();
        (one.name.as_str().to_owned(), text.get(range.start..range.end).unwrap_or_default().to_owned())
    };
    object.properties.iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(path: &[&str], remove: &[&str], add: Option<&str>) -> Change {
        Change {
            path: path.iter().map(|&key| key.to_owned()).collect(),
            remove: remove.iter().map(|&key| key.to_owned()).collect(),
            add: add.map(|name| {
                (
                    name.to_owned(),
                    vec![("command".to_owned(), "/a".into()), ("args".to_owned(), serde_json::json!(["b", "c"]))],
                )
            }),
        }
    }

    #[test]
    fn one_entry_stands_where_several_stood_and_the_rest_stays() {
        let text = "{\n\t\"x\" : [1,2 ],\n\t\"mcpServers\": {\n\t\t\"a\": {\"command\": \"1\"},\n\t\t\"b\": {},\n\t\t\"c\": {\"url\":\"u\"}\n\t},\n\t\"y\": 1e5\n}\n";
        let edited = edit(text, &[change(&["mcpServers"], &["a", "b"], Some("ambit"))]).unwrap();
        insta::assert_snapshot!(edited.replace('\t', "→"), @r#"
        {
        →"x" : [1,2 ],
        →"mcpServers": {
        →→"ambit": {
        →→→"command": "/a",
        →→→"args": ["b", "c"]
        →→},
        →→"c": {"url":"u"}
        →},
        →"y": 1e5
        }
        "#);
    }

    #[test]
    fn comments_trailing_commas_and_line_ends_stay() {
        let text = "\u{feff}// mine\r\n{\r\n  \"servers\": {\r\n    // keep, \"a\": 1\r\n    \"a\": { \"command\": \"x\" }, // about a\r\n    /* b */ \"b\": { \"command\": \"y\" },\r\n    \"z\": { \"url\": \"https://z\" }, // last\r\n    \"d\": {},\r\n  },\r\n}\r\n";
        let edited = edit(text, &[change(&["servers"], &["b", "d"], None)]).unwrap();
        assert_eq!(
            edited,
            "\u{feff}// mine\r\n{\r\n  \"servers\": {\r\n    // keep, \"a\": 1\r\n    \"a\": { \"command\": \"x\" } // about a\r\n    /* b */,\r\n    \"z\": { \"url\": \"https://z\" } // last\r\n,\r\n  },\r\n}\r\n"
        );
        let edited = edit(text, &[change(&["servers"], &["a", "b", "d", "z"], Some("ambit"))]).unwrap();
        assert!(
            edited.contains("// keep") && edited.contains("// about a") && edited.contains("\"ambit\": {"),
            "{edited}"
        );
    }

    #[test]
    fn on_one_line_and_in_nothing_it_finds_a_place() {
        let one =
            edit(r#"{"mcpServers":{"a":{},"b":{}}}"#, &[change(&["mcpServers"], &["a", "b"], Some("ambit"))]).unwrap();
        assert_eq!(one, r#"{"mcpServers":{"ambit": { "command": "/a", "args": ["b", "c"] }}}"#);
        let none = edit("{\n  \"mcpServers\": {}\n}", &[change(&["mcpServers"], &[], Some("ambit"))]).unwrap();
        assert_eq!(read(&none, |root| Ok(root.properties.len())).unwrap(), 1);
        let all = edit(r#"{"a":{"b":1,"c":2,}}"#, &[change(&["a"], &["b", "c"], None)]).unwrap();
        assert_eq!(all, r#"{"a":{}}"#);
    }

    #[test]
    fn what_cannot_be_read_alike_by_everyone_is_an_error() {
        let said = |text: &str| read(text, |root| members(root).map(|_| ())).unwrap_err().to_string();
        assert!(said("[]").contains("not an object"));
        assert!(said("{").contains("not JSON"));
        assert!(said("{'a': 1}").contains("not JSON"));
        assert!(said(r#"{"a": 1, "\u0061": 2}"#).contains("the key `a` stands twice"));
        assert!(said(&format!("{{\"a\": {}", "[".repeat(1_000_000))).contains("nesting"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd_to_be_looked_at(text in "[\\[\\]{}\",:/*\\\\\n ambit0-9\u{feff}é]{0,60}") {
            let changes = [change(&[], &["a", "b"], Some("ambit"))];
            if let Ok(edited) = edit(&text, &changes) {
                // What can be changed can be read afterwards, and has the entry.
                let here = read(&edited, |root| Ok(member(root, "ambit")?.is_some()));
                proptest::prop_assert_eq!(here, Ok(true));
            }
        }

        #[test]
        fn whatever_goes_the_rest_is_word_for_word_the_same(
            count in 1usize..6, gone in 0usize..64, comma in proptest::bool::ANY, spread in 0usize..4, add in proptest::bool::ANY,
        ) {
            let gap = [" ", "\n  ", "\n\t// c, \"x\": {\n\t", " /* , */ "][spread];
            let names: Vec<String> = (0..count).map(|n| format!("s{n}")).collect();
            let entries: Vec<String> = names.iter().map(|name| format!("{gap}\"{name}\": {{\"command\": \"//{name}\"}}")).collect();
            let text = format!("{{\"mcpServers\": {{{}{}{gap}}}, \"rest\": [1]}}", entries.join(&format!("{gap},")), if comma { "," } else { "" });
            let remove: Vec<&str> = names.iter().enumerate().filter(|(n, _)| gone & (1 << n) != 0).map(|(_, name)| name.as_str()).collect();
            // `edit` itself holds the new text against the old one.
            let edited = edit(&text, &[change(&["mcpServers"], &remove, add.then_some("ambit"))]).unwrap();
            let ends = edited.ends_with("\"rest\": [1]}");
            proptest::prop_assert!(ends);
        }
    }
}
