//! Reads a TOML document by the JSON Schema of what it should be, and reports everything that does not fit.
//!
//! The schema that `ambit schema` prints for editors is the one that reads: there is no second list of keys that could
//! drift from it. What is not in the schema is an error with a place and the nearest known word.

use std::collections::BTreeMap;
use std::ops::Range;

use ambit_core::scope::Span;
use ambit_core::scope::diagnostics::{Diagnostic, nearest};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeArray, DeInteger, DeTable, DeValue};

/// Reads `text` (at most `most_bytes` of it) as a `T`. `None` exactly when a diagnostic is an error.
#[must_use]
pub fn read<T: DeserializeOwned + JsonSchema>(text: &str, most_bytes: usize) -> (Option<T>, Places, Vec<Diagnostic>) {
    let mut walk =
        Walk { lines: Lines::of(text), schema: schema_of::<T>(), found: Vec::new(), places: Places::default() };
    if text.len() > most_bytes {
        let message = format!("the document has {} bytes, at most {most_bytes} are read", text.len());
        walk.found.push(Diagnostic::error(
            "too-large",
            Span { bytes: 0..0, line: 1 },
            message,
            "split it, or remove what is no longer used",
        ));
        return (None, walk.places, walk.found);
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = walk.lines.span(error.span().unwrap_or(0..0));
        walk.found.push(Diagnostic::error(
            "bad-toml",
            at,
            one_line(error.message()),
            "write it as TOML: `key = value`, text between double quotes",
        ));
    }
    if !walk.found.is_empty() {
        return (None, walk.places, walk.found);
    }
    let root = walk.schema.clone();
    let value = walk.table(&root, document.get_ref(), &document.span(), &mut Vec::new());
    let Walk { lines, mut found, places, .. } = walk;
    found.sort_by_key(|one| one.at.bytes.start);
    if !found.is_empty() {
        return (None, places, found);
    }
    match serde_json::from_value(value) {
        Ok(read) => (Some(read), places, found),
        Err(error) => {
            // The walk and the type disagree: never read past that.
            found.push(Diagnostic::error(
                "wrong-type",
                lines.span(0..0),
                error.to_string(),
                "see the reference of this file",
            ));
            (None, places, found)
        }
    }
}

/// The JSON Schema (2020-12) of a `T`.
#[must_use]
pub fn schema_of<T: JsonSchema>() -> Value {
    schemars::SchemaGenerator::default().into_root_schema_for::<T>().to_value()
}

/// Where each key of a document stands, by its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, Span>);

/// Between the steps of a path, so that a path is one text: a lock of a large database has a million of them. No key of ours has it
/// in it; one of somebody else's that had would only be shown at another's place.
const STEP: char = '\u{1f}';

impl Places {
    /// Where the value at that path stands (a table: its name); the nearest part of the path that stands anywhere.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Span {
        let whole = joined(path);
        let mut path = whole.as_str();
        loop {
            if let Some(span) = self.0.get(path) {
                return span.clone();
            }
            match path.rsplit_once(STEP) {
                Some((above, _)) => path = above,
                None => return Span { bytes: 0..0, line: 1 },
            }
        }
    }
}

fn joined(path: &[impl AsRef<str>]) -> String {
    let mut out = String::with_capacity(path.iter().map(|step| step.as_ref().len() + 1).sum());
    for (at, step) in path.iter().enumerate() {
        if at > 0 {
            out.push(STEP);
        }
        out.push_str(step.as_ref());
    }
    out
}

/// Where lines begin, to say which line a byte is on.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Lines {
        let after_breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Lines { starts: std::iter::once(0).chain(after_breaks).collect() }
    }

    fn span(&self, bytes: Range<usize>) -> Span {
        let line = self.starts.partition_point(|start| *start <= bytes.start);
        Span { bytes, line }
    }
}

struct Walk {
    lines: Lines,
    schema: Value,
    found: Vec<Diagnostic>,
    places: Places,
}

impl Walk {
    /// The value of one key, against its schema. What does not fit is reported and comes back as null.
    fn value(&mut self, schema: &Value, value: &DeValue<'_>, span: &Range<usize>, path: &mut Vec<String>) -> Value {
        let branches = self.branches(schema);
        let words = words_of(&branches);
        if !words.is_empty() {
            return self.word(&words, value, span, path);
        }
        let fitting: Vec<&Value> = branches.iter().filter(|branch| type_of(branch) == Some(kind_of(value))).collect();
        match (fitting.as_slice(), value) {
            ([], _) => {
                let mut wanted: Vec<&str> = branches.iter().filter_map(|b| type_of(b)).map(name_of).collect();
                wanted.dedup();
                let message =
                    format!("`{}` wants {}, this is {}", last(path), either(&wanted), name_of(kind_of(value)));
                self.report("wrong-type", span, message, self.help_from(schema));
                Value::Null
            }
            ([one], DeValue::Table(table)) => self.table(&(*one).clone(), table, span, path),
            (several, DeValue::Table(table)) => self.one_of(several, table, span, path),
            ([one, ..], DeValue::Array(array)) => {
                let items = one.get("items").cloned().unwrap_or(Value::Bool(true));
                if array.is_empty() && one.get("minItems").and_then(Value::as_u64).unwrap_or(0) > 0 {
                    self.report("empty-list", span, format!("`{}` is empty", last(path)), self.help_from(schema));
                }
                let mut read = Vec::new();
                for (index, item) in array.iter().enumerate() {
                    path.push(index.to_string());
                    self.place(path, item.span());
                    read.push(self.value(&items, item.get_ref(), &item.span(), path));
                    path.pop();
                }
                if one.get("uniqueItems") == Some(&Value::Bool(true)) {
                    self.twice(array, path);
                }
                Value::Array(read)
            }
            ([one, ..], DeValue::Integer(integer)) => self.integer(one, integer, span, path),
            ([one, ..], DeValue::String(text)) => {
                if text.is_empty() && one.get("minLength").and_then(Value::as_u64).unwrap_or(0) > 0 {
                    self.report("empty-value", span, format!("`{}` is empty", last(path)), self.help_from(schema));
                }
                Value::String(text.to_string())
            }
            (_, DeValue::Boolean(truth)) => Value::Bool(*truth),
            _ => Value::Null,
        }
    }

    /// Says which elements of a list stand in it twice.
    fn twice(&mut self, array: &DeArray<'_>, path: &[String]) {
        let mut seen = Vec::new();
        for item in array.iter() {
            let same = |known: &&DeValue<'_>| match (known, item.get_ref()) {
                (DeValue::String(one), DeValue::String(other)) => one == other,
                (DeValue::Integer(one), DeValue::Integer(other)) => integer_of(one) == integer_of(other),
                (DeValue::Boolean(one), DeValue::Boolean(other)) => one == other,
                _ => false,
            };
            if seen.iter().any(same) {
                let message = format!("`{}` says the same twice", last(path));
                self.report("said-twice", &item.span(), message, "remove one of the two");
            }
            seen.push(item.get_ref());
        }
    }

    fn table(&mut self, schema: &Value, table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> Value {
        let empty = Map::new();
        let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        let mut read = Map::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            path.push(name.clone());
            let place = if value.get_ref().is_table() { key.span() } else { value.span() };
            self.place(path, place);
            match known.get(&name).or(others) {
                Some(schema) => {
                    let span = spot(key, value);
                    let value = self.value(schema, value.get_ref(), &span, path);
                    read.insert(name, value);
                }
                None => self.unknown_key(known, &name, &key.span(), path),
            }
            path.pop();
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if !table.contains_key(required) {
                let message = match path.as_slice() {
                    [] => format!("`{required}` is missing"),
                    _ => format!("`{}` has no `{required}`", last(path)),
                };
                let at = if path.is_empty() {
                    0..0
                } else {
                    self.places.at(&path.iter().map(String::as_str).collect::<Vec<_>>()).bytes
                };
                let at = if at.is_empty() { span.clone() } else { at };
                self.report("missing-key", &at, message, describe(required, known.get(required)));
            }
        }
        Value::Object(read)
    }

    /// A table that may be one of several, told apart by a key that only one of them has.
    fn one_of(
        &mut self,
        branches: &[&Value],
        table: &DeTable<'_>,
        span: &Range<usize>,
        path: &mut Vec<String>,
    ) -> Value {
        let keys = |branch: &Value| -> Vec<String> {
            branch
                .get("properties")
                .and_then(Value::as_object)
                .map(|known| known.keys().cloned().collect())
                .unwrap_or_default()
        };
        let chosen = branches.iter().find(|branch| keys(branch).iter().any(|key| table.contains_key(key.as_str())));
        match chosen {
            Some(branch) => self.table(&(*branch).clone(), table, span, path),
            None => {
                let all: Vec<String> = branches.iter().flat_map(|branch| keys(branch)).collect();
                let message = format!("`{}` says none of {}", last(path), quoted(&all));
                self.report("missing-key", span, message, format!("write one of {}", quoted(&all)));
                Value::Null
            }
        }
    }

    fn integer(&mut self, schema: &Value, integer: &DeInteger<'_>, span: &Range<usize>, path: &[String]) -> Value {
        let number = integer_of(integer);
        let least = schema.get("minimum").and_then(Value::as_i64).unwrap_or(i64::MIN);
        let most = schema.get("maximum").and_then(Value::as_i64).unwrap_or(i64::MAX);
        match number {
            Some(number) if (least..=most).contains(&number) => Value::from(number),
            _ => {
                let message = format!("`{}` is {integer}", last(path));
                let help = if most == i64::MAX {
                    format!("write a whole number of at least {least}")
                } else {
                    format!("write a whole number from {least} to {most}")
                };
                self.report("out-of-range", span, message, help);
                Value::Null
            }
        }
    }

    fn word(&mut self, words: &[String], value: &DeValue<'_>, span: &Range<usize>, path: &[String]) -> Value {
        let Some(text) = value.as_str() else {
            let message = format!("`{}` wants text, this is {}", last(path), name_of(kind_of(value)));
            self.report("wrong-type", span, message, format!("write one of {}", quoted(words)));
            return Value::Null;
        };
        if words.iter().any(|word| word == text) {
            return Value::String(text.to_owned());
        }
        let help = match nearest(text, words.iter().map(String::as_str)) {
            Some(word) => format!("did you mean `{word}`? known are {}", quoted(words)),
            None => format!("write one of {}", quoted(words)),
        };
        self.report("unknown-value", span, format!("`{}` cannot be `{text}`", last(path)), help);
        Value::Null
    }

    fn unknown_key(&mut self, known: &Map<String, Value>, name: &str, span: &Range<usize>, path: &[String]) {
        let help = match nearest(name, known.keys().map(String::as_str)) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("known here are {}", quoted(&known.keys().cloned().collect::<Vec<_>>())),
        };
        let table = path.get(..path.len().saturating_sub(1)).unwrap_or_default();
        let message = match table {
            [] => format!("there is no key `{name}`"),
            table => format!("there is no key `{name}` in `{}`", table.join(".")),
        };
        self.report("unknown-key", span, message, help);
    }

    /// The schemas that a value may fit: references followed, alternatives flattened, *nothing at all* left out.
    fn branches(&self, schema: &Value) -> Vec<Value> {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let target = name.strip_prefix('#').and_then(|pointer| self.schema.pointer(pointer));
            return target.map(|target| self.branches(target)).unwrap_or_default();
        }
        let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        match alternatives {
            Some(all) => {
                all.iter().flat_map(|one| self.branches(one)).filter(|one| type_of(one) != Some("null")).collect()
            }
            None => vec![schema.clone()],
        }
    }

    /// The schema's own words about a value, as the next step.
    fn help_from(&self, schema: &Value) -> String {
        let described = |schema: &Value| schema.get("description").and_then(Value::as_str).map(str::to_owned);
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
        let said = described(schema).or_else(|| described(self.schema.pointer(target?)?));
        said.map_or_else(
            || "see the reference of this file".to_owned(),
            |text| one_line(&text).trim_end_matches('.').to_owned(),
        )
    }

    fn place(&mut self, path: &[String], bytes: Range<usize>) {
        let span = self.lines.span(bytes);
        self.places.0.insert(joined(path), span);
    }

    fn report(&mut self, name: &'static str, span: &Range<usize>, message: String, help: impl Into<String>) {
        let at = self.lines.span(span.clone());
        self.found.push(Diagnostic::error(name, at, message, help));
    }
}

fn integer_of(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

/// Where to put the caret for a value: on a table's name rather than all it holds.
fn spot(key: &Spanned<toml::de::DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    if value.get_ref().is_table() { key.span() } else { value.span() }
}

/// The one type that a schema asks for, `null` aside.
fn type_of(schema: &Value) -> Option<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => Some(one),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).find(|name| *name != "null"),
        _ => None,
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "string",
        DeValue::Integer(_) => "integer",
        DeValue::Float(_) => "number",
        DeValue::Boolean(_) => "boolean",
        DeValue::Datetime(_) => "date",
        DeValue::Array(_) => "array",
        DeValue::Table(_) => "object",
    }
}

fn name_of(kind: &str) -> &str {
    match kind {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number with a point",
        "boolean" => "true or false",
        "date" => "a date",
        "array" => "a list",
        "object" => "a table",
        other => other,
    }
}

/// The words that a schema lists, when words are all it allows.
fn words_of(branches: &[Value]) -> Vec<String> {
    let mut words = Vec::new();
    for branch in branches {
        let listed = branch.get("enum").and_then(Value::as_array);
        let listed: Vec<&str> = match (branch.get("const"), listed) {
            (Some(Value::String(word)), _) => vec![word],
            (_, Some(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => return Vec::new(),
        };
        words.extend(listed.into_iter().map(str::to_owned));
    }
    words
}

fn describe(key: &str, schema: Option<&Value>) -> String {
    match schema.and_then(|schema| schema.get("description")?.as_str()) {
        Some(text) => format!("add `{key}`: {}", one_line(text).trim_end_matches('.')),
        None => format!("add `{key}`"),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn last(path: &[String]) -> String {
    // An element of a list is named by its list.
    match path {
        [.., list, index] if index.bytes().all(|b| b.is_ascii_digit()) => format!("{list}[{index}]"),
        [.., last] => last.clone(),
        [] => String::new(),
    }
}

fn either(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [all @ .., last] if !all.is_empty() => format!("{} or {last}", all.join(", ")),
        [one, ..] => (*one).to_owned(),
    }
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
