//! `ambit init`: from the servers that a client starts by itself to one entry that goes through Ambit.
//!
//! `formats.rs` and `entry.rs` read what clients write, `plan.rs` says everything that would be written and touches nothing, `write.rs`
//! writes it in an order that a crash cannot turn against the person, and `undo.rs` takes it back.

pub mod document;
pub mod draft;
pub mod endpoint;
pub mod entry;
pub mod formats;
pub mod names;
pub mod plan;
pub mod programs;
pub mod questions;
pub mod reach;
pub mod server;
pub mod undo;
pub mod values;
pub mod write;
