//! `ambit.lock`: the catalog as last looked at, so that analysis and tests run with nothing live.
//!
//! It is TOML with each definition as the server gave it, laid out for a pull request: the same catalog always gives the
//! same bytes, and a character that a reader would not see is written as an escape. `ambit inventory` writes it; the
//! relations of a database may be written by hand.

pub mod database;
mod pretty;
mod program;
pub mod relation;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::scope::Span;
use ambit_core::scope::diagnostics::{Diagnostic, Severity};
use ambit_core::time::Date;
use ambit_effects::definition::{DefinitionError, Digests, PromptDefinition, ToolDefinition};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Kind;
use crate::config::strict::{self, Places};
use pretty::plain;
pub(crate) use write::{cast_line, function_line, operator_line, relation_body, type_line};

pub use database::Database;
pub use relation::{Column, Relation, RelationKind};

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
    /// What a database has beside its relations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
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
    /// SHA-256 (hex) of the file among them that is the program, by word.
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

impl Definition {
    /// The definition of a tool, as one element of `tools/list`.
    ///
    /// # Errors
    /// When it is not a definition that every reader reads alike.
    pub fn tool(json: &str) -> Result<Definition, DefinitionError> {
        let whole = ToolDefinition::read(json.as_bytes())?.digests.whole;
        Ok(Definition { digest: Some(whole.to_string()), definition: json.to_owned() })
    }

    /// The definition of a prompt, as one element of `prompts/list`.
    ///
    /// # Errors
    /// When it is not a definition that every reader reads alike.
    pub fn prompt(json: &str) -> Result<Definition, DefinitionError> {
        let whole = PromptDefinition::read(json.as_bytes())?.digests.whole;
        Ok(Definition { digest: Some(whole.to_string()), definition: json.to_owned() })
    }

    /// Its JSON, laid out for reading; what a reader would not see is spelt out.
    #[must_use]
    pub fn pretty(&self) -> String {
        pretty::pretty(&self.definition)
    }

    /// What it says, as a tool's.
    ///
    /// # Errors
    /// Not for one out of a lock that was read: there it was read once already.
    pub fn read_tool(&self) -> Result<ToolDefinition, DefinitionError> {
        ToolDefinition::read(plain(&self.definition).as_bytes())
    }

    /// What it says, as a prompt's.
    ///
    /// # Errors
    /// Not for one out of a lock that was read: there it was read once already.
    pub fn read_prompt(&self) -> Result<PromptDefinition, DefinitionError> {
        PromptDefinition::read(plain(&self.definition).as_bytes())
    }
}

impl Default for Lock {
    fn default() -> Lock {
        Lock::new()
    }
}

const BY_HAND: &str = "remove its table from `ambit.lock`, and look again with `ambit inventory --accept`";

fn check(lock: &Lock) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, system) in &lock.systems {
        if Date::parse(&system.looked_at).is_none() {
            let at = lock.at(&["systems", name, "looked-at"]);
            let message = format!("`{}` is not a day", system.looked_at);
            found.push(Diagnostic::error("not-a-day", at, message, "write it as `\"YYYY-MM-DD\"`"));
        }
        let tools = system.tools.iter().map(|(named, tool)| {
            let read = tool.read_tool().map(|read| (read.name, read.digests));
            ("tools", named, misfit(named, read, tool.digest.as_deref()))
        });
        let prompts = system.prompts.iter().map(|(named, prompt)| {
            let read = prompt.read_prompt().map(|read| (read.name, read.digests));
            ("prompts", named, misfit(named, read, prompt.digest.as_deref()))
        });
        for (kind, named, misfit) in tools.chain(prompts) {
            if let Some(message) = misfit {
                let at = lock.at(&["systems", name, kind, named, "definition"]);
                found.push(Diagnostic::error("bad-definition", at, message, BY_HAND));
            }
        }
        for (relation, stands) in &system.relations {
            let mut seen = BTreeSet::new();
            for column in stands.columns.iter().filter(|column| !seen.insert(&column.name)) {
                let at = lock.at(&["systems", name, "relations", relation, "columns"]);
                let message = format!("`{relation}` has the column `{}` twice", column.name);
                found.push(Diagnostic::error("duplicate-column", at, message, "remove one of the two"));
            }
            if stands.digest.as_ref().is_some_and(|digest| *digest != stands.digest_as(relation)) {
                let at = lock.at(&["systems", name, "relations", relation, "digest"]);
                let message = format!("the relation `{relation}` is not the one that its digest stands for");
                found.push(Diagnostic::error("bad-definition", at, message, BY_HAND));
            }
        }
    }
    found
}

/// Why that is not the definition of a tool or prompt of that name.
fn misfit(name: &str, read: Result<(String, Digests), DefinitionError>, digest: Option<&str>) -> Option<String> {
    match read {
        Err(error) => Some(format!("the definition of `{name}` cannot be used: {error}")),
        Ok((named, _)) if named != name => Some(format!("the definition of `{name}` is that of `{named}`")),
        Ok((_, digests)) if digest.is_some_and(|digest| digest != digests.whole.to_string()) => {
            Some(format!("the definition of `{name}` is not the one that its digest stands for"))
        }
        Ok(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let (lock, found) = read(text);
        assert_eq!(lock.is_none(), found.iter().any(|one| one.severity == Severity::Error));
        found.iter().map(|one| format!("{} {}: {} → {}\n", one.at.line, one.name, one.message, one.help)).collect()
    }

    const TOOL: &str = r#"{"name":"reply","inputSchema":{"type":"object"}}"#;

    fn with(definition: &str, digest: &str) -> String {
        format!(
            "version = 1\n[systems.a]\nkind = \"mcp\"\nlooked-at = \"2026-11-23\"\n[systems.a.tools.reply]\n{digest}\ndefinition = '''\n{definition}\n'''\n"
        )
    }

    #[test]
    fn a_definition_is_the_one_its_name_and_digest_stand_for() {
        let digest = Definition::tool(TOOL).unwrap().digest.unwrap();
        assert_eq!(said(&with(TOOL, "")), "");
        assert_eq!(said(&with(TOOL, &format!("digest = \"{digest}\""))), "");
        let other = TOOL.replace("object", "array");
        insta::assert_snapshot!(said(&with(&other, &format!("digest = \"{digest}\""))), @"
        7 bad-definition: the definition of `reply` is not the one that its digest stands for → remove its table from `ambit.lock`, and look again with `ambit inventory --accept`
        ");
        insta::assert_snapshot!(said(&with(&TOOL.replace("reply", "send"), "")), @"
        7 bad-definition: the definition of `reply` is that of `send` → remove its table from `ambit.lock`, and look again with `ambit inventory --accept`
        ");
        insta::assert_snapshot!(said(&with("{\"name\": 1", "")), @"
        7 bad-definition: the definition of `reply` cannot be used: the definition cannot be read: expected `,` or `}` at byte 9 → remove its table from `ambit.lock`, and look again with `ambit inventory --accept`
        ");
        insta::assert_snapshot!(said(&with("{\"name\":\"reply\",\"name\":\"reply\"}", "")), @"
        7 bad-definition: the definition of `reply` cannot be used: the definition cannot be read: the key `name` stands twice in one object at byte 16 → remove its table from `ambit.lock`, and look again with `ambit inventory --accept`
        ");
    }

    #[test]
    fn what_is_not_a_lock_is_an_error() {
        insta::assert_snapshot!(said(""), @"
        1 missing-key: `version` is missing → add `version`: The form of this file: 1
        ");
        insta::assert_snapshot!(said("version = 2\n"), @"
        1 out-of-range: `version` is 2 → write a whole number from 1 to 1
        ");
        insta::assert_snapshot!(said("version = 1\n[systems.a]\nkind = \"mcp\"\nlooked-at = \"yesterday\"\ntool = 1\n"), @"
        5 unknown-key: there is no key `tool` in `systems.a` → did you mean `tools`?
        ");
        insta::assert_snapshot!(said("version = 1\n[systems.a]\nkind = \"postgres\"\nlooked-at = \"yesterday\"\n[systems.a.relations.\"public.t\"]\ncolumns = [{ name = \"id\", type = \"integer\" }, { name = \"id\", type = \"text\" }]\n"), @r#"
        4 not-a-day: `yesterday` is not a day → write it as `"YYYY-MM-DD"`
        6 duplicate-column: `public.t` has the column `id` twice → remove one of the two
        "#);
    }

    #[test]
    fn a_relation_is_the_one_its_digest_stands_for_and_of_a_kind_that_is_known() {
        let with = |kind: &str, digest: &str| {
            format!(
                "version = 1\n[systems.a]\nkind = \"postgres\"\nlooked-at = \"2026-11-23\"\n[systems.a.relations.\"public.t\"]\nkind = \"{kind}\"\n{digest}columns = [{{ name = \"id\", type = \"integer\" }}]\n"
            )
        };
        let (lock, _) = read(&with("view", ""));
        let digest = lock.unwrap().systems["a"].relations["public.t"].digest_as("public.t");
        let digest = format!("digest = \"{digest}\"\n");
        assert_eq!(said(&with("view", &digest)), "");
        insta::assert_snapshot!(said(&with("table", &digest)), @"
        7 bad-definition: the relation `public.t` is not the one that its digest stands for → remove its table from `ambit.lock`, and look again with `ambit inventory --accept`
        ");
        insta::assert_snapshot!(said(&with("graph", "")), @"
        6 unknown-value: `kind` cannot be `graph` → write one of `table`, `view`, `materialized-view`, `foreign-table`, `sequence`
        ");
    }
}
