//! Who asks: what is known of a session from its token and its connection, never from what the agent says.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A session of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id in the journal.
    pub id: String,
    /// Whose.
    pub agent: String,
    /// The people who count as askers: who holds the agent's token, who opened the task.
    pub askers: BTreeSet<String>,
    /// The task that its token is bound to.
    pub task: Option<Arc<OpenTask>>,
    /// The operating-system user at the other end, where that can be known.
    pub peer_user: Option<u32>,
}

/// A task as the trusted caller who opened it gave it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenTask {
    /// What names it in actions and in the journal.
    pub id: String,
    /// Whose.
    pub agent: String,
    /// The name that `for` uses.
    pub name: String,
    /// The request in its own words.
    pub request: Option<String>,
    /// Who wrote that request.
    pub author: Option<String>,
    /// What the caller vouches for: text, whole numbers, true or false.
    pub facts: Vec<(String, serde_json::Value)>,
    /// The person who opened it, or whose system did.
    pub opened_by: String,
    /// The person for whom it runs.
    pub on_behalf_of: Option<String>,
}
