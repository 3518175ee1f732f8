//! The right to send one action. This is the one file that makes it.
//!
//! A permit owns the bytes: `execute` can send nothing but what the permit holds, and a permit is used up by sending.

use crate::action::{Action, Digest};
use crate::decision::{Bound, Decision, Verdict};

/// Proof that a record stands in the journal: where, and its chain hash. Made by the journal alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number in the journal.
    pub sequence: u64,
    /// Its chain hash.
    pub hash: Digest,
}

/// The right to send one action, once.
#[derive(Debug)]
pub struct Permit {
    action: Action,
    bounds: Vec<Bound>,
    because: Recorded,
}

/// What a person confirmed, checked against the action about to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The digest of the action that they confirmed.
    pub action: Digest,
    /// Where their confirmation is recorded.
    pub recorded: Recorded,
}

impl Permit {
    /// A permit for an action that was allowed, after the decision was recorded. `None` unless the verdict is *allow*.
    #[must_use]
    pub fn allowed(action: Action, decision: &Decision, recorded: Recorded) -> Option<Permit> {
        (decision.verdict == Verdict::Allow).then(|| Permit {
            action,
            bounds: decision.bounds.to_vec(),
            because: recorded,
        })
    }

    /// A permit for an action that people confirmed. `None` unless what they confirmed is exactly this action.
    /// `bounds` are those that were shown to them.
    #[must_use]
    pub fn confirmed(action: Action, confirmed: Confirmed, bounds: Vec<Bound>) -> Option<Permit> {
        (action.digest() == confirmed.action).then_some(Permit { action, bounds, because: confirmed.recorded })
    }

    /// What may be sent.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// What execution must prove before it may stand.
    #[must_use]
    pub fn bounds(&self) -> &[Bound] {
        &self.bounds
    }

    /// The record that this permit rests on.
    #[must_use]
    pub fn because(&self) -> Recorded {
        self.because
    }

    /// Uses the permit up.
    #[must_use]
    pub fn spend(self) -> Action {
        self.action
    }
}
