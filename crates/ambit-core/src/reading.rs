//! What an action does, as far as its bytes can be read.

use smallvec::SmallVec;

use crate::catalog::{ResourceId, SystemId};
use crate::effect::Effect;
use crate::value::Value;

/// The effects of an action, plus its unread parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What of it touches nothing that a line could name, and is granted to whoever may reach the system at all.
    pub built_in: SmallVec<[BuiltIn; 1]>,
    /// What it does.
    pub effects: SmallVec<[Effect; 1]>,
    /// What of it could not be read.
    pub unread: Vec<Unread>,
    /// The values that tests look into; an effect points at one with `subject`.
    pub values: Vec<Value>,
}

/// What touches nothing that a line could name: without it no driver would get through its first exchange with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BuiltIn {
    /// It computes with what the agent itself gave (`SELECT 1`).
    Computes,
    /// It is about the agent's own session: transactions, harmless settings.
    Session,
    /// It reads what things are called and how they are made: the names of relations and columns leak through it.
    Names,
}

impl BuiltIn {
    /// What that is, in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            BuiltIn::Computes => "computing with what it gave itself",
            BuiltIn::Session => "its own session: transactions and harmless settings",
            BuiltIn::Names => "what relations and columns are called and how they are made",
        }
    }
}

/// A part that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What it is and why it cannot be read, in words for a person.
    pub what: String,
    /// What it may reach.
    pub reach: Reach,
}

/// How far something unread may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One field of one resource, by its place in the catalog.
    Field(ResourceId, usize),
    /// One resource.
    Resource(ResourceId),
    /// Everything in one system.
    System(SystemId),
    /// Anything at all.
    Anything,
}
