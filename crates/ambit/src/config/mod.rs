//! `ambit.toml`: where things are, and how a system's tools read. It grants nothing, but what it says is in the
//! release's digest.
//!
//! [`read`] never fails: it gives what was read, and everything that is wrong with it. Paths in it are relative to the
//! file's own directory. The types here are the JSON Schema that `ambit schema config` prints; their words are the help.

mod caller;
mod check;
mod digest;
pub mod find;
pub mod front;
mod launch;
pub mod oauth;
pub mod program;
pub mod secret;
pub mod strict;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::catalog::SystemKind;
use ambit_core::effect::Verb;
use ambit_core::scope::Span;
use ambit_core::scope::diagnostics::{Diagnostic, Severity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use caller::Caller;
pub(crate) use check::{has_password, is_address, is_name, names_a_secret};
pub use digest::{Digest, Every, Webhook};
pub use oauth::{AgentOauth, HttpOauth, SystemOauth};
pub use secret::{Secret, SecretError};
pub use strict::Places;

/// The most bytes of `ambit.toml` that are read.
pub const MOST_BYTES: usize = 1 << 20;

/// Reads the text of `ambit.toml`. `None` exactly when one of the diagnostics is an error.
#[must_use]
pub fn read(text: &str) -> (Option<Config>, Vec<Diagnostic>) {
    let (config, places, mut found) = strict::read::<Config>(text, MOST_BYTES);
    let Some(mut config) = config else { return (None, found) };
    config.places = places;
    found.extend(check::check(&config));
    found.extend(oauth::check(&config));
    found.sort_by_key(|diagnostic| diagnostic.at.bytes.start);
    let sound = found.iter().all(|diagnostic| diagnostic.severity != Severity::Error);
    (sound.then_some(config), found)
}

/// Where things are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(title = "ambit.toml")]
pub struct Config {
    /// The live systems behind Ambit, by name. The name is the part of a target before the first dot.
    pub systems: BTreeMap<String, System>,
    /// The people who own and confirm, by name.
    pub people: BTreeMap<String, Person>,
    /// Typed sets that the owner keeps, by name; a scope says `is in NAME`.
    pub lists: BTreeMap<String, List>,
    /// Tags by path: `SYSTEM`, `SYSTEM.RESOURCE` or `SYSTEM.RESOURCE.FIELD`; whatever lies under the path inherits them.
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// The agents, by name, each with its one scope.
    pub agents: BTreeMap<String, Agent>,
    /// The programs that open tasks for agents over HTTP, by name.
    pub callers: BTreeMap<String, Caller>,
    /// What keeps agents from flooding people.
    pub limits: Limits,
    /// Where Ambit keeps its own state.
    pub state: State,
    /// Where agents come in over HTTP; nowhere unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Where agents come in with a driver of PostgreSQL; nowhere unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Postgres>,
    /// When the owner is told what agents did, and where; never unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Where each key stands in the text.
    #[serde(skip)]
    pub places: Places,
}

/// A live system behind Ambit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct System {
    /// Which protocol the system speaks.
    pub kind: Kind,
    /// The program to start and its arguments, pinned to a version or a digest; for `mcp` and `shell`.
    #[serde(default)]
    pub command: Vec<String>,
    /// What the program finds in its environment; a secret is a reference: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = ["PROGRAM"] }`.
    #[serde(default)]
    pub env: BTreeMap<String, Setting>,
    /// Where the system listens; for `postgres` and `http`, and for `mcp` in place of a program. With a password in it, a reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Setting>,
    /// The bearer token that goes with every request to an `mcp` system's `url`, by reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// Further headers that go with every request to an `mcp` system's `url`; a secret is a reference.
    #[serde(default)]
    pub headers: BTreeMap<String, Setting>,
    /// How Ambit gets an access token for an `mcp` system's `url` by OAuth client credentials; in place of `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<SystemOauth>,
    /// The directory the program starts in; that of `ambit.toml` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Tags that everything in the system inherits.
    #[serde(default)]
    pub tags: BTreeSet<String>,
    /// What the tools of an `mcp` system return, by name, each with its columns: relations that a scope can name.
    #[serde(default)]
    pub relations: BTreeMap<String, Vec<String>>,
    /// The schemas of a `postgres` system that `ambit inventory` looks at; all but PostgreSQL's own unless said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub schemas: BTreeSet<String>,
    /// The seconds that one call may take.
    #[serde(default = "timeout_seconds")]
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_seconds: u64,
    /// What an `mcp` system's server may ask the agent's client for while it works; nothing unless said.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub may_ask: BTreeSet<MayAsk>,
    /// The tools that change nothing, by name: short for `reads = true` in the table of each.
    #[serde(default)]
    pub reading_tools: BTreeSet<String>,
    /// How single tools read, by name.
    #[serde(default)]
    pub tools: BTreeMap<String, Tool>,
}

/// Which protocol a system speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A server of the Model Context Protocol: a program, or an endpoint.
    Mcp,
    /// A PostgreSQL database.
    Postgres,
    /// An HTTP API.
    Http,
    /// A host on which commands run.
    Shell,
}

impl From<Kind> for SystemKind {
    fn from(kind: Kind) -> SystemKind {
        match kind {
            Kind::Mcp => SystemKind::Mcp,
            Kind::Postgres => SystemKind::Postgres,
            Kind::Http => SystemKind::Http,
            Kind::Shell => SystemKind::Shell,
        }
    }
}

/// Plain text, or a secret by reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Setting {
    /// Plain text, which is no secret.
    Plain(String),
    /// A secret by reference.
    Secret(Secret),
}

/// How a tool reads: what calling it does. It can only tighten, except for `reads`, which lets a *can read* line name the tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Tool {
    /// What calling the tool does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<Doing>,
    /// To what, by path; the tool itself unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// To which fields of the resource; all of them, and any added later, unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub fields: Option<BTreeSet<String>>,
    /// What else calling the tool does.
    pub effects: Vec<ToolEffect>,
    /// The argument that holds the amount moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub amount: Option<String>,
    /// What the tool returns: which part of its result is which column of which relation (then results are cut to what the scope
    /// lets the agent read), or only the tags of it.
    pub returns: Returns,
    /// Whether what the tool does can be taken back; counts as not unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reversible: Option<bool>,
    /// Whether calling the tool changes nothing; counts as changing unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reads: Option<bool>,
    /// Tags of the tool itself.
    pub tags: BTreeSet<String>,
}

/// What a tool returns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Returns {
    /// The tags of it.
    Tags(BTreeSet<String>),
    /// By path into the result: a column (`SYSTEM.RELATION.COLUMN`), a relation whose columns stand there by name, or the tool
    /// itself, for what belongs to the call alone.
    Parts(BTreeMap<String, String>),
}

impl Default for Returns {
    fn default() -> Returns {
        Returns::Tags(BTreeSet::new())
    }
}

/// One thing that calling a tool does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ToolEffect {
    /// What is done.
    pub verb: Doing,
    /// To what, by path.
    pub resource: String,
    /// To which fields of the resource; all of them, and any added later, unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub fields: Option<BTreeSet<String>>,
}

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Doing {
    /// Looks, changes nothing.
    Read,
    /// Adds something new.
    Create,
    /// Changes something that exists.
    Update,
    /// Removes something.
    Delete,
    /// Calls a tool or an operation.
    Call,
    /// Starts a program.
    Run,
    /// Changes a schema or a configuration.
    Define,
}

impl From<Doing> for Verb {
    fn from(doing: Doing) -> Verb {
        match doing {
            Doing::Read => Verb::Read,
            Doing::Create => Verb::Create,
            Doing::Update => Verb::Update,
            Doing::Delete => Verb::Delete,
            Doing::Call => Verb::Call,
            Doing::Run => Verb::Run,
            Doing::Define => Verb::Define,
        }
    }
}

/// Somebody who owns or confirms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Person {
    /// The person's address, as a scope's `owner` names it.
    #[schemars(length(min = 1))]
    pub email: String,
    /// The roles the person has; a scope says `by ROLE`.
    #[serde(default)]
    pub roles: BTreeSet<String>,
    /// The operating-system user that proves the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub os_user: Option<String>,
}

/// A typed set that the owner keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct List {
    /// What its members are.
    pub kind: ListKind,
    /// The members, where they stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<BTreeSet<Member>>,
    /// The file with the members, one a line; `#` begins a comment line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub file: Option<String>,
    /// The role or person who may add to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<String>,
    /// Whether somebody outside can get a member onto it (contacts from received mail, accounts paid before); counts as yes unless said.
    #[serde(default = "yes")]
    pub outsiders_can_extend: bool,
}

/// One member of a list; a number is a member of a list of values alone, and is not the text of the same digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Member {
    /// Text.
    Text(String),
    /// A whole number.
    Number(i64),
    /// True or false.
    Truth(bool),
}

/// What a list's members are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ListKind {
    /// Exact values.
    Value,
    /// Mail addresses.
    Address,
    /// Domains, of addresses.
    Domain,
    /// Hosts, of URLs.
    Host,
    /// Directories.
    Path,
}

/// A non-human principal with exactly one scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Agent {
    /// The scope document, by path.
    #[schemars(length(min = 1))]
    pub scope: String,
    /// The systems that stand behind the agent's gate, by name.
    pub systems: BTreeSet<String>,
    /// How the agent sees the names of tools and prompts.
    #[serde(default, skip_serializing_if = "ToolNames::is_default")]
    pub tool_names: ToolNames,
    /// The operating-system user that the agent runs as; without one, the boundary is *advised*, not *enforced*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub os_user: Option<String>,
    /// Whose access tokens of the issuer under `[http.oauth]` are this agent's; nobody's unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth: Option<AgentOauth>,
}

/// What a server may ask an agent's client for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MayAsk {
    /// Something of the person at the client.
    Elicitation,
    /// Words of the client's model.
    Sampling,
    /// Where the client works.
    Roots,
}

/// How an agent sees the names of tools and prompts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ToolNames {
    /// `SYSTEM__TOOL`.
    #[default]
    WithSystem,
    /// As their server names them; for an agent that has one MCP system.
    Own,
}

impl ToolNames {
    fn is_default(&self) -> bool {
        *self == ToolNames::default()
    }
}

/// What keeps agents from flooding people, and people from being waited for too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// The seconds that an agent's call is kept open for a person before it is told *pending*; clients give up at 60.
    #[schemars(range(min = 0, max = 50))]
    pub pending_wait_seconds: u64,
    /// The most holds of one agent that wait at once.
    #[schemars(range(min = 0, max = 100_000))]
    pub waiting_holds: u64,
    /// The most holds that one agent may cause in 24 hours.
    #[schemars(range(min = 0, max = 100_000))]
    pub daily_holds: u64,
    /// So many refusals or outside asks within the trip's window stop the agent.
    #[schemars(range(min = 1, max = 100_000))]
    pub trip_refusals: u64,
    /// The trip's window, in minutes.
    #[schemars(range(min = 1, max = 1440))]
    pub trip_window_minutes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            pending_wait_seconds: 50,
            waiting_holds: 20,
            daily_holds: 100,
            trip_refusals: 20,
            trip_window_minutes: 10,
        }
    }
}

/// Where agents come in over HTTP: each at `/agents/NAME/mcp`, with a bearer token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Http {
    /// The address and port to listen at. One that other machines can reach needs a certificate.
    #[schemars(length(min = 1))]
    pub listen: String,
    /// The file with the certificate and its chain, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub certificate: Option<String>,
    /// The certificate's private key, in PEM, by reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// The names by which clients reach it, beside its address; on loopback also `localhost`.
    pub hosts: BTreeSet<String>,
    /// The pages in browsers that may speak to it, as `https://HOST`; on loopback also those of this machine.
    pub origins: BTreeSet<String>,
    /// Whose access tokens let agents in, beside the tokens that `ambit token` makes; nobody's unless said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oauth: Option<HttpOauth>,
}

impl Default for Http {
    fn default() -> Http {
        let listen = "127.0.0.1:7171".to_owned();
        Http { listen, certificate: None, key: None, hosts: BTreeSet::new(), origins: BTreeSet::new(), oauth: None }
    }
}

/// Where agents come in with a driver of PostgreSQL, as a server of it: the user is the agent's name, the password its token,
/// the database the system's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Postgres {
    /// The address and port to listen at. One that other machines can reach needs a certificate.
    #[schemars(length(min = 1))]
    pub listen: String,
    /// The file with the certificate and its chain, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub certificate: Option<String>,
    /// The certificate's private key, in PEM, by reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
}

impl Default for Postgres {
    fn default() -> Postgres {
        Postgres { listen: "127.0.0.1:6432".to_owned(), certificate: None, key: None }
    }
}

/// Where Ambit keeps its own state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct State {
    /// The directory of the store, the journal and the keys.
    #[schemars(length(min = 1))]
    pub dir: String,
    /// A second socket, for agents and people who run as other operating-system users than Ambit, by path; in a directory
    /// that only Ambit's user may write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub shared_socket: Option<String>,
    /// The operating-system group whose members may open the second socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub shared_group: Option<String>,
}

impl Default for State {
    fn default() -> State {
        State { dir: ".ambit".to_owned(), shared_socket: None, shared_group: None }
    }
}

impl Config {
    /// Where the value at that path of keys stands in the text.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Span {
        self.places.at(path)
    }

    /// The person of that name, or of that address.
    #[must_use]
    pub fn person(&self, who: &str) -> Option<(&str, &Person)> {
        let named = self.people.get_key_value(who);
        let found = named.or_else(|| self.people.iter().find(|(_, person)| person.email.eq_ignore_ascii_case(who)));
        found.map(|(name, person)| (name.as_str(), person))
    }

    /// The people who have that role, by name.
    pub fn people_in<'a>(&'a self, role: &'a str) -> impl Iterator<Item = (&'a str, &'a Person)> {
        self.people
            .iter()
            .filter(move |(_, person)| person.roles.contains(role))
            .map(|(name, person)| (name.as_str(), person))
    }

    /// Every role that somebody has.
    #[must_use]
    pub fn roles(&self) -> BTreeSet<&str> {
        self.people.values().flat_map(|person| &person.roles).map(String::as_str).collect()
    }
}

impl System {
    /// Whether the owner says that calling that tool changes nothing.
    #[must_use]
    pub fn reads(&self, tool: &str) -> bool {
        self.reading_tools.contains(tool) || self.tools.get(tool).and_then(|tool| tool.reads) == Some(true)
    }
}

fn timeout_seconds() -> u64 {
    60
}

fn yes() -> bool {
    true
}
