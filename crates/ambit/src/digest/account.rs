//! What is told of a while, agent by agent.

use std::collections::BTreeMap;

use ambit_core::time::Timestamp;
use serde::Serialize;

use super::first::Look;
use super::tally::Tally;

/// What happened in a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Account {
    /// From when, in milliseconds since 1970.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The last record that was read; 0: none.
    pub last_record: u64,
    /// What the owner should look at first, the most pressing first.
    pub look_first: Vec<Look>,
    /// Agent by agent.
    pub agents: BTreeMap<String, AgentAccount>,
    /// Records of agents beyond those told of.
    pub more_agents: u64,
    /// What concerns no agent in particular.
    pub house: House,
}

/// What one agent did, and what was done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AgentAccount {
    /// What it did without asking, by the line that let it.
    pub allowed: Tally<ByLine>,
    /// What was held for people, by the line that asked for them.
    pub held: Tally<ByLine>,
    /// What was refused, by the line, or by the reason where no line was one.
    pub refused: Tally<ByLine>,
    /// What people let run.
    pub confirmed: Tally<By>,
    /// What people refused.
    pub refused_by_people: Tally<By>,
    /// What nobody answered in time.
    pub expired: Tally<Called>,
    /// What was taken back before anybody answered, and why.
    pub withdrawn: Tally<Why>,
    /// What waits for people now.
    pub waiting: u64,
    /// What the live system answered with an error.
    pub errors: Tally<Called>,
    /// What was not sent after all.
    pub not_sent: Tally<Called>,
    /// What was sent and nobody knows what came of.
    pub outcome_unknown: Tally<Called>,
    /// What was refused because the live definition is not the one that was looked at.
    pub drift: Tally<Called>,
    /// The lines whose limit ran out, with what was asked for then.
    pub limits_ran_out: Tally<ByLine>,
    /// When it was stopped, by whom and why; by nobody: it tripped.
    pub stopped: Vec<Event>,
    /// When it was let go on.
    pub resumed: Vec<Event>,
    /// Whether it is stopped now.
    pub is_stopped: bool,
    /// What was put in force.
    pub releases: Vec<Released>,
    /// The tasks that were opened, by name and by whom.
    pub tasks_opened: Tally<TaskBy>,
    /// How many tasks ended.
    pub tasks_closed: u64,
    /// What is to be looked into.
    pub flags: Tally<What>,
}

/// What concerns no agent in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct House {
    /// How often Ambit started.
    pub starts: u64,
    /// What is to be looked into.
    pub flags: Tally<What>,
    /// People whose keys were enrolled or withdrawn.
    pub people: Tally<What>,
    /// Tokens that were made and revoked.
    pub tokens: Tally<What>,
    /// Payloads that were erased.
    pub erased: u64,
    /// Stops of everybody.
    pub stopped: Vec<Event>,
    /// When everybody was let go on.
    pub resumed: Vec<Event>,
    /// Whether everybody is stopped now.
    pub is_stopped: bool,
    /// The digest before this one that could not be delivered, and why.
    pub undelivered: Option<String>,
}

/// A call, by the line that decided over it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ByLine {
    /// What was called: `system.tool`.
    pub called: String,
    /// The line of the page, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The release that had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// The line in canonical words, where its release can still be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why, where no line was the reason: `outside`, `unknown`, `stopped`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Called {
    /// `system.tool`.
    pub called: String,
}

/// A call, and a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct By {
    /// Who.
    pub person: String,
    /// `system.tool`.
    pub called: String,
}

/// A call, and a reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Why {
    /// `system.tool`.
    pub called: String,
    /// Why.
    pub why: String,
}

/// A task, and who opened it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TaskBy {
    /// Its name; empty: it has none.
    pub task: String,
    /// The person who opened it, or answers for the program that did.
    pub person: String,
    /// That program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
}

/// Something in words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct What {
    /// The words.
    pub what: String,
}

/// When, by whom, why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// By whom; nobody: by itself.
    pub person: Option<String>,
    /// Why.
    pub because: String,
}

/// A release, and its price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Released {
    /// Its number.
    pub release: u64,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub person: String,
    /// Why.
    pub because: String,
    /// What it lets happen that could not before.
    pub widens: Vec<String>,
    /// What it takes away.
    pub narrows: Vec<String>,
    /// What was not ready and was waived.
    pub overrides: Vec<String>,
    /// When it ends.
    pub until: Option<Timestamp>,
    /// The release that it puts in force again.
    pub reverts_to: Option<u64>,
}

impl Account {
    /// Says in it that the one before was not delivered, and why.
    pub fn undelivered(&mut self, why: String) {
        self.house.undelivered = Some(why);
        self.look_first = super::first::look(self);
    }
}

impl AgentAccount {
    /// How often it asked for something.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.allowed.sum().saturating_add(self.held.sum()).saturating_add(self.refused.sum())
    }
}
