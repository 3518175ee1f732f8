//! Looking at what systems offer, and saying what changed since they were last looked at.

pub mod changes;
mod lines;
pub mod postgres;
mod relations;

use std::collections::btree_map::{BTreeMap, Entry};
use std::path::Path;

use ambit_core::time::Date;
use ambit_effects::definition::DefinitionError;
use serde_json::value::RawValue;

use crate::config::secret::SecretError;
use crate::config::{self, Kind};
use crate::lock::{Definition, Program, Server, System};
use crate::upstream::http::TURNED_AWAY;
use crate::upstream::{UpstreamError, UpstreamServer};

pub use changes::{Change, changes};

/// What a system offers today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// What goes into the lock.
    pub system: System,
    /// What it offers that cannot be used, with the reason: it stays out of the lock, so every call of it is refused.
    pub left_out: Vec<String>,
}

/// Why a system could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// Only MCP servers and databases say what they offer, so far.
    #[error("a system of kind `{0}` cannot be asked what it offers yet")]
    NotAsked(&'static str),
    /// A secret that its program needs is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A file of its program cannot be read.
    #[error("its program cannot be read: {0}")]
    Program(#[from] std::io::Error),
    /// Its server does not answer.
    #[error("{}", .0.for_person())]
    Upstream(#[from] UpstreamError),
    /// The database does not say what it has.
    #[error(transparent)]
    Postgres(#[from] postgres::AskError),
}

impl LookError {
    /// Whether its server asks for a credential that it was not given.
    #[must_use]
    pub fn wants_credential(&self) -> bool {
        let LookError::Upstream(error) = self else { return false };
        let said = error.to_string();
        // Some servers turn a caller away without saying how it is to be asked.
        said.contains(TURNED_AWAY) || said.contains(&hyper::StatusCode::UNAUTHORIZED.to_string())
    }
}

/// Asks a system what it offers. `dir` is where its `ambit.toml` stands; relations written by hand in `before` stay beside what
/// a server of tools says.
///
/// # Errors
/// When it cannot be started or does not answer.
pub async fn look(
    system: &config::System,
    dir: &Path,
    before: Option<&System>,
    today: Date,
) -> Result<Look, LookError> {
    match system.kind {
        Kind::Mcp => {}
        Kind::Postgres => {
            let system = postgres::look(system, dir, &today.to_string()).await?;
            return Ok(Look { system, left_out: Vec::new() });
        }
        Kind::Http | Kind::Shell => {
            return Err(LookError::NotAsked(ambit_core::catalog::SystemKind::from(system.kind).word()));
        }
    }
    // Before the start, so that a program that replaces itself shows at the next look.
    let program = Program::of(system, dir)?;
    let server = UpstreamServer::start(system.reach(dir)?, system.limits()).await?;
    let listed = list(&server).await;
    server.stop().await;
    let Listed { tools, prompts, resources } = listed?;

    let mut left_out = Vec::new();
    let hello = server.hello();
    let tools =
        definitions("tool", tools, Definition::tool, |one| one.read_tool().map(|read| read.name), &mut left_out);
    let prompts = definitions(
        "prompt",
        prompts,
        Definition::prompt,
        |one| one.read_prompt().map(|read| read.name),
        &mut left_out,
    );
    let system = System {
        kind: system.kind,
        looked_at: today.to_string(),
        server: Some(Server { name: hello.name.clone(), version: hello.version.clone() }),
        protocol: Some(hello.generation.version().to_owned()),
        program: (!system.command.is_empty()).then_some(program),
        resources,
        tools,
        prompts,
        database: None,
        relations: before.map(|before| before.relations.clone()).unwrap_or_default(),
    };
    Ok(Look { system, left_out })
}

struct Listed {
    tools: Vec<Box<RawValue>>,
    prompts: Vec<Box<RawValue>>,
    resources: bool,
}

async fn list(server: &UpstreamServer) -> Result<Listed, UpstreamError> {
    Ok(Listed {
        tools: server.list_tools().await?,
        prompts: server.list_prompts().await?,
        resources: server.hello().capabilities.contains("resources"),
    })
}

/// The definitions by name. One that cannot be read is left out, and so are all of a name that stands twice: nobody
/// could say which one a call would reach.
fn definitions(
    what: &str,
    raw: Vec<Box<RawValue>>,
    make: fn(&str) -> Result<Definition, DefinitionError>,
    name_of: fn(&Definition) -> Result<String, DefinitionError>,
    left_out: &mut Vec<String>,
) -> BTreeMap<String, Definition> {
    let mut known: BTreeMap<String, Option<Definition>> = BTreeMap::new();
    for (index, raw) in raw.iter().enumerate() {
        let made = make(raw.get()).and_then(|definition| Ok((name_of(&definition)?, definition)));
        match made {
            Err(error) => left_out.push(format!("{what} {}: {error}", index + 1)),
            Ok((name, definition)) => match known.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(Some(definition));
                }
                Entry::Occupied(mut place) => {
                    left_out.push(format!("{what} `{}`: its server lists it more than once", place.key()));
                    place.insert(None);
                }
            },
        }
    }
    known.into_iter().filter_map(|(name, definition)| Some((name, definition?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_apart_or_read_is_left_out() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let listed = vec![
            raw(r#"{"name":"a","inputSchema":{"type":"object"}}"#),
            raw(r#"{"name":"b","inputSchema":{"type":"object"}}"#),
            raw(r#"{"name":"a","inputSchema":{"type":"object","properties":{"x":{}}}}"#),
            raw(r#"{"name":"c"}"#),
            raw(r#"{"name":"d","name":"e","inputSchema":{}}"#),
        ];
        let mut left_out = Vec::new();
        let known =
            definitions("tool", listed, Definition::tool, |one| one.read_tool().map(|read| read.name), &mut left_out);
        assert_eq!(known.keys().collect::<Vec<_>>(), ["b"]);
        insta::assert_snapshot!(left_out.join("\n"), @"
        tool `a`: its server lists it more than once
        tool 4: `inputSchema` of the definition is not a JSON Schema
        tool 5: the definition cannot be read: the key `name` stands twice in one object at byte 12
        ");
    }
}
