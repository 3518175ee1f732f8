//! The Model Context Protocol's face towards one agent. It knows the protocol's words and nothing of policy: what an
//! action comes to is asked of a [`Passage`].

pub(crate) mod answers;
pub(crate) mod aside;
mod connection;
mod directory;
pub mod era;
pub(crate) mod face;
pub mod headers;
pub mod held;
pub(crate) mod listen;
pub mod mirrored;
pub mod names;
mod params;
mod parked;
mod reply;
pub mod shown;
mod subscription;
mod tools;

use std::collections::BTreeMap;
use std::sync::Arc;

use ambit_core::action::Action;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::Answer;
use super::talk::Talk;
use crate::upstream::Listing;
use crate::world::Later;

use held::Held;
use names::Naming;

pub use connection::{Ended, serve};

/// What the face needs of everything behind it: the journey of one action, and what may be listed. One of it a session.
pub trait Passage: Send + Sync + 'static {
    /// Who asks.
    fn caller(&self) -> &Caller;

    /// The journey of one action, to its end; `talk`: what may be said meanwhile. It is driven to its end even when nobody waits for the answer any more.
    fn pass<'a>(&'a self, action: Action, talk: &'a Talk) -> Later<'a, Answer>;

    /// What became of a hold, or of an errand, of this agent: its result when it was executed, `Pending` while it waits (after a bounded
    /// wait, under 55 seconds), `Refused` when it was refused, expired or withdrawn, `Invalid` when this agent has no
    /// such hold.
    fn pending<'a>(&'a self, hold: &'a str) -> Later<'a, Answer>;

    /// That hold of this agent as it stands, without waiting; `None` when this agent has no such hold.
    fn held<'a>(&'a self, hold: &'a str) -> Later<'a, Option<Held>>;

    /// Withdraws a hold of this agent that still waits, or lets go of an errand; whether this agent has such a hold.
    fn withdraw<'a>(&'a self, hold: &'a str) -> Later<'a, bool>;

    /// The agent's MCP systems, by name, in a fixed order.
    fn systems(&self) -> Vec<String>;

    /// How tools and prompts are named to the agent.
    fn naming(&self) -> Naming;

    /// Every tool of the agent's MCP systems as pinned, in a fixed order; those that it may see marked. What it may not
    /// see is still asked about by name, and refused.
    fn tools(&self) -> Arc<[Tool]>;

    /// Whether there could be a call of that operation (`resources/read`, `prompts/get`) on that name (a URI; a prompt)
    /// that is not refused; decides what is listed.
    fn could(&self, system: &str, operation: &str, name: &str) -> bool;

    /// What a system lists, live.
    fn list<'a>(&'a self, system: &'a str, listing: Listing) -> Later<'a, Result<Vec<Box<RawValue>>, String>>;

    /// Keeps a place for a resource of which the session wants to hear; whether it may hear of so many. Each is ended with
    /// [`Passage::unwatch`].
    fn watch(&self, system: &str, uri: &str) -> bool;

    /// From here on the session hears of that resource: it was permitted.
    fn hears(&self, system: &str, uri: &str);

    /// Ends what [`Passage::watch`] began.
    fn unwatch(&self, system: &str, uri: &str);

    /// Something that nobody can guess; `None` where there is no randomness.
    fn chance(&self) -> Option<String>;

    /// Changes that the agent's client is told about. The connection ends when the sender is dropped.
    fn news(&self) -> watch::Receiver<News>;
}

/// Who asks: what every action of the connection carries. From the token and the connection, never from what the agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The agent.
    pub agent: String,
    /// The session's id in the journal.
    pub session: String,
    /// The task that the session is bound to.
    pub task: Option<String>,
}

/// A tool as pinned.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The system it is in.
    pub system: String,
    /// Its name there.
    pub name: String,
    /// The bytes of its definition, as the lock has them; its output schema only as far as the agent sees what it describes.
    pub definition: Box<RawValue>,
    /// Whether there could be a call of it that is not refused.
    pub visible: bool,
}

/// What changed, as counters: each goes up by one with a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The tools that the agent sees.
    pub tools: u64,
    /// The resources.
    pub resources: u64,
    /// The prompts.
    pub prompts: u64,
    /// Single resources that the session hears of, by URI; those that never changed are not in it.
    pub updated: Arc<BTreeMap<String, u64>>,
    /// Set when the connection is to be ended at once (a stop, a revoked token).
    pub severed: bool,
}
