//! What an action does, as far as its bytes can be read.

use smallvec::SmallVec;

use crate::catalog::{ResourceId, SystemId};
use crate::effect::Effect;
use crate::value::Value;

/// The effects of an action, plus its unread parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What it does.
    pub effects: SmallVec<[Effect; 1]>,
    /// What of it could not be read.
    pub unread: Vec<Unread>,
    /// The values that tests look into; an effect points at one with `subject`.
    pub values: Vec<Value>,
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
