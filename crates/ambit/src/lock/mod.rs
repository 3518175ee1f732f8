//! `ambit.lock`: the catalog as last looked at, so that analysis and tests run with nothing live.
//!
//! It is TOML with each definition as the server gave it, laid out for a pull request: the same catalog always gives the
//! same bytes, and a character that a reader would not see is written as an escape. `ambit inventory` writes it; the
//! relations of a database may be written by hand.

mod pretty;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::scope::Span;
use ambit_core::scope::diagnostics::{Diagnostic, Severity};
use ambit_core::time::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::strict::{self, Places};
use crate::config::{Config, Kind};

/// The file's name; it stands beside `ambit.toml`.
pub const NAME: &str = "ambit.lock";

/// The most bytes of `ambit.lock` that are read.
pub const MOST_BYTES: usize = 32 << 20;

/// Reads the text of `ambit.lock`. `None` exactly when one of the diagnostics is an error.
#[must_use]
pub fn read(text: &str) -> (Option<Lock>, Vec<Diagnostic>) {
    let (lock, places, mut found) = strict::read::<Lock>(text, MOST_BYTES);
    let Some(mut lock) = lock else { return (None, found) };
    lock.places = places;
    found.extend(check(&lock));
    found.sort_by_key(|diagnostic| diagnostic.at.bytes.start);
    let sound = found.iter().all(|diagnostic| diagnostic.severity != Severity::Error);
    (sound.then_some(lock), found)
}

/// The catalog as last looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "ambit.lock")]
pub struct Lock {
    /// The form of this file: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u64,
    /// What each system offers, by the name it has in `ambit.toml`.
    #[serde(default)]
    pub systems: BTreeMap<String, System>,
    /// Where each key stands in the text.
    #[serde(skip)]
    pub places: Places,
}

/// What a system offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct System {
    /// Which protocol it spoke.
    pub kind: Kind,
    /// The day it was looked at, in UTC.
    #[schemars(length(min = 1))]
    pub looked_at: String,
    /// What the server calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// The version of the protocol it spoke.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// The program that was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<Program>,
    /// Whether it offers resources.
    #[serde(default)]
    pub resources: bool,
    /// Its tools, by name.
    #[serde(default)]
    pub tools: BTreeMap<String, Definition>,
    /// Its prompts, by name.
    #[serde(default)]
    pub prompts: BTreeMap<String, Definition>,
    /// Its tables and views, by name with their schema (`public.orders`).
    #[serde(default)]
    pub relations: BTreeMap<String, Relation>,
}

/// What a server calls itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The identity of an upstream program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Program {
    /// The program and its arguments, as in `ambit.toml`.
    pub command: Vec<String>,
    /// SHA-256 (hex) of those of its words that are files, by word.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

/// A tool or a prompt as the server defined it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Definition {
    /// SHA-256 (hex) of the definition: its name, words and schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The definition as JSON.
    #[schemars(length(min = 1))]
    pub definition: String,
}

/// A table or view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Relation {
    /// Its columns, in order.
    pub columns: Vec<Column>,
}

/// A column of a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Column {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its type, as the database writes it.
    #[serde(rename = "type")]
    pub type_name: String,
}

impl Lock {
    /// A lock with nothing in it.
    #[must_use]
    pub fn new() -> Lock {
        Lock { version: 1, systems: BTreeMap::new(), places: Places::default() }
    }

    /// Its text: always the same for the same catalog.
    #[must_use]
    pub fn text(&self) -> String {
        write::write(self)
    }

    /// Where the value at that path of keys stands in the text.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Span {
        self.places.at(path)
    }
}

impl Default for Lock {
    fn default() -> Lock {
        Lock::new()
    }
}

/// What stands in the lock that `ambit.toml` does not know: left over, to be dropped.
#[must_use]
pub fn left_over<'a>(lock: &'a Lock, config: &Config) -> BTreeSet<&'a str> {
    lock.systems.keys().filter(|name| !config.systems.contains_key(*name)).map(String::as_str).collect()
}

const BY_HAND: &str = "look again with `ambit inventory --accept` rather than edit a definition by hand";

fn check(lock: &Lock) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, system) in &lock.systems {
        if Date::parse(&system.looked_at).is_none() {
            let at = lock.at(&["systems", name, "looked-at"]);
            let message = format!("`{}` is not a day", system.looked_at);
            found.push(Diagnostic::error("bad-date", at, message, "write it as `\"YYYY-MM-DD\"`"));
        }
        for (kind, definitions) in [("tools", &system.tools), ("prompts", &system.prompts)] {
            for (named, definition) in definitions {
                if let Some(message) = misfit(named, definition) {
                    let at = lock.at(&["systems", name, kind, named, "definition"]);
                    found.push(Diagnostic::error("bad-definition", at, message, BY_HAND));
                }
            }
        }
        for (relation, Relation { columns }) in &system.relations {
            let mut seen = BTreeSet::new();
            for column in columns.iter().filter(|column| !seen.insert(&column.name)) {
                let at = lock.at(&["systems", name, "relations", relation, "columns"]);
                let message = format!("`{relation}` has the column `{}` twice", column.name);
                found.push(Diagnostic::error("duplicate-column", at, message, "remove one of the two"));
            }
        }
    }
    found
}

/// Why that is not the definition of a tool or prompt of that name.
fn misfit(name: &str, definition: &Definition) -> Option<String> {
    let read: serde_json::Value = match serde_json::from_str(&definition.definition) {
        Ok(read) => read,
        Err(error) => return Some(format!("the definition of `{name}` is not JSON: {error}")),
    };
    match read.get("name").and_then(serde_json::Value::as_str) {
        Some(named) if named == name => None,
        Some(named) => Some(format!("the definition of `{name}` is that of `{named}`")),
        None => Some(format!("the definition of `{name}` has no name")),
    }
}
