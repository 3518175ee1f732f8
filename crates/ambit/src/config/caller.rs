//! `[callers.NAME]`: a program that opens tasks, how far it may go, and what is wrong with what is said of it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{Check, is_name};

/// A program that opens tasks for agents over HTTP, with a token of its own: a ticket system, a scheduler. It counts for
/// an agent as the release in force of that agent has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Caller {
    /// The person who answers for what it opens: its tasks count as opened by them.
    #[schemars(length(min = 1))]
    pub person: String,
    /// The tasks that it may open, by agent, as the agent's scope names them with `for`.
    #[serde(default)]
    pub may_open: BTreeMap<String, BTreeSet<String>>,
    /// The agents for which it may open tasks without a name.
    #[serde(default)]
    pub may_open_unnamed: BTreeSet<String>,
    /// The facts that it may vouch for; any that a line compares with, unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<BTreeSet<String>>,
    /// The people and roles whose requests it can tell to be theirs; it may name no other insider as an author.
    #[serde(default)]
    pub vouches_for: BTreeSet<String>,
    /// The people for whom its tasks may run, beside the one who answers for it.
    #[serde(default)]
    pub on_behalf_of: BTreeSet<String>,
    /// The most of its tasks of one agent that are open at once.
    #[serde(default = "open_tasks")]
    #[schemars(range(min = 1, max = 64))]
    pub open_tasks: u64,
    /// The most tasks of one agent that it opens within an hour; counted from the daemon's start.
    #[serde(default = "openings_per_hour")]
    #[schemars(range(min = 1, max = 10_000))]
    pub openings_per_hour: u64,
    /// The longest that a task of its may last, in minutes.
    #[serde(default = "longest_minutes")]
    #[schemars(range(min = 1, max = 10_080))]
    pub longest_minutes: u64,
}

impl Caller {
    /// Whether it may open any task of that agent.
    #[must_use]
    pub fn concerns(&self, agent: &str) -> bool {
        self.may_open.get(agent).is_some_and(|names| !names.is_empty()) || self.may_open_unnamed.contains(agent)
    }
}

fn open_tasks() -> u64 {
    32
}

fn openings_per_hour() -> u64 {
    120
}

fn longest_minutes() -> u64 {
    480
}

impl Check<'_> {
    pub(super) fn caller(&mut self, name: &str, caller: &Caller) {
        let here = ["callers", name];
        if !is_name(name) {
            let help = "a name is made of letters, digits, `-`, `_` and `.`";
            self.error("name-not-plain", &here, format!("`{name}` cannot be a caller's name"), help);
        }
        let other = if self.config.agents.contains_key(name) {
            Some("an agent")
        } else if self.config.people.contains_key(name) {
            Some("a person")
        } else {
            None
        };
        if let Some(other) = other {
            let message = format!("`{name}` is a caller and {other}");
            self.error("ambiguous-name", &here, message, "give the caller another name");
        }
        let path = |key| ["callers", name, key];
        self.somebody(&path("person"), &caller.person);
        for person in &caller.on_behalf_of {
            self.somebody(&path("on-behalf-of"), person);
        }
        for who in &caller.vouches_for {
            if !self.config.people.contains_key(who) && !self.config.roles().contains(who.as_str()) {
                let roles = self.config.roles();
                let known: Vec<&str> = roles.into_iter().chain(self.config.people.keys().map(String::as_str)).collect();
                self.unknown("unknown-person", &path("vouches-for"), "person or role", who, &known);
            }
        }
        let named = caller.may_open.keys().map(|agent| ("may-open", agent));
        let unnamed = caller.may_open_unnamed.iter().map(|agent| ("may-open-unnamed", agent));
        for (key, agent) in named.chain(unnamed) {
            if !self.config.agents.contains_key(agent) {
                let known: Vec<&str> = self.config.agents.keys().map(String::as_str).collect();
                self.unknown("unknown-agent", &path(key), "agent", agent, &known);
            }
        }
        if caller.may_open.values().all(|names| names.is_empty()) && caller.may_open_unnamed.is_empty() {
            let message = format!("the caller `{name}` may open no task");
            let help = "add `may-open = { AGENT = [\"TASK\"] }`, or `may-open-unnamed = [\"AGENT\"]`";
            self.error("missing-key", &here, message, help);
        }
    }

    /// A person by name alone: what is opened is written down under it.
    fn somebody(&mut self, path: &[&str], person: &str) {
        if !self.config.people.contains_key(person) {
            let known: Vec<&str> = self.config.people.keys().map(String::as_str).collect();
            self.unknown("unknown-person", path, "person", person, &known);
        }
    }
}
