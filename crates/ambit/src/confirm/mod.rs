//! What waits for people: the queue, what they are shown, how they prove who they are, and what becomes of their answer.

pub mod answer;
pub mod change;
pub mod notice;
pub mod people;
pub mod queue;
pub mod recheck;
pub mod refused;
pub mod shown;
pub mod sweep;
pub mod trip;
pub mod wait;

use ambit_core::action::{Action, Gate};
use ambit_core::decision::Bound;
use ambit_core::hold::Hold;
use serde::{Deserialize, Serialize};

use crate::journal::{Entry, Kind};

/// A hold as the store keeps it, under `hold/ID`. The action's bytes, what people were shown, and the result are not in it:
/// they are payloads of the journal, encrypted there, and this names their records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The hold.
    pub hold: Hold,
    /// The action but for its bytes.
    pub frame: Frame,
    /// The record whose payload is the action's exact bytes.
    pub asked: u64,
    /// The record whose payload is what people are shown.
    pub held: u64,
    /// What execution must prove, as shown.
    pub bounds: Vec<Bound>,
    /// Whether the agent has had the answer; until then the same asking collects it instead of asking anew.
    pub collected: bool,
}

/// An action but for its agent and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Where it came in.
    pub gate: Gate,
    /// In which session.
    pub session: String,
    /// In which task.
    pub task: Option<String>,
    /// For which system.
    pub system: String,
    /// Which operation.
    pub operation: String,
    /// On what.
    pub name: String,
}

impl Kept {
    /// Whose action it is.
    #[must_use]
    pub fn agent(&self) -> &str {
        &self.hold.binding.agent
    }

    /// The action, given its bytes back.
    #[must_use]
    pub fn action(&self, payload: Vec<u8>) -> Action {
        Action {
            agent: self.agent().to_owned(),
            gate: self.frame.gate,
            session: self.frame.session.clone(),
            task: self.frame.task.clone(),
            system: self.frame.system.clone(),
            operation: self.frame.operation.clone(),
            name: self.frame.name.clone(),
            payload,
        }
    }

    /// A record about it.
    #[must_use]
    pub fn entry(&self, kind: Kind, details: serde_json::Value) -> Entry {
        Entry {
            agent: Some(self.agent().to_owned()),
            session: Some(self.frame.session.clone()),
            action: Some(self.hold.binding.action),
            hold: Some(self.hold.id.clone()),
            details,
            ..Entry::new(kind)
        }
    }
}

/// The key of a hold in the store.
#[must_use]
pub fn key(id: &str) -> String {
    format!("hold/{id}")
}
