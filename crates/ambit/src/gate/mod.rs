//! Where protocols come in. Every gate turns bytes into an `Action` and hands it to `pass`, which tells the journey of
//! one action; what comes back is an [`Answer`], which the gate says in its protocol's own words.

pub mod entries;
pub mod errand;
pub mod execute;
pub mod flight;
pub mod foresee;
pub mod judge;
pub mod mcp;
pub mod means;
pub mod pass;
pub mod postgres;
pub mod prove;
pub mod refuse;
mod relay;
pub mod rpc;
pub mod session;
pub mod sessions;
pub mod stops;
pub mod talk;
pub mod tasks;
pub mod usage;

use ambit_core::permit::Permit;

use crate::world::Later;
use talk::Talk;

/// What became of an action, for the gate to say to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The live system answered; the exact bytes of its result (for MCP the JSON of `result`).
    Result(Vec<u8>),
    /// The live system answered with an error; its exact bytes (for MCP the JSON of `error`).
    Error(Vec<u8>),
    /// Refused: what the agent may read about it, ending with what it could do instead.
    Refused(String),
    /// A person would have to confirm it, and nobody is asked where it stands: within a transaction. What the agent may read
    /// about it.
    NotHere(String),
    /// Waiting for a person: the hold's id, and what the agent may read about it.
    Pending {
        /// The hold's id.
        id: String,
        /// What to tell the agent.
        text: String,
    },
    /// The request is not a valid call of this tool (JSON-RPC -32602); why.
    Invalid(String),
    /// Ambit could not do its work (the journal cannot be written, the live system is gone): nothing was allowed on that account.
    Fault(String),
    /// The action was sent and no answer came: nobody knows whether it took effect. Never retried by itself.
    OutcomeUnknown(String),
}

/// What a live system made of an action that was sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Its result, byte for byte.
    Result(Vec<u8>),
    /// Its error, byte for byte.
    Error(Vec<u8>),
    /// Nothing was sent: it is certain that nothing happened.
    NotSent(String),
    /// It was sent, or may have been, and no answer came.
    Unknown(String),
}

/// A live system, as execution sees it: it takes permits and nothing else.
pub trait Upstream: Send + Sync {
    /// Sends exactly what the permit owns, once. `talk`: what may be said meanwhile.
    fn send<'a>(&'a self, permit: Permit, talk: &'a Talk) -> Later<'a, Sent>;
}
