//! Ambit: the permission boundary for AI agents in live systems. This crate is the only one that touches the world.

pub mod boundary;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod confirm;
pub mod daemon;
pub mod demo;
pub mod digest;
pub mod escape;
pub mod findings;
pub mod gate;
pub mod home;
pub mod import;
pub mod inventory;
pub mod journal;
pub mod keys;
pub mod lock;
pub mod loopback;
pub mod offline;
pub mod range;
pub mod report;
pub mod snapshot;
pub mod store;
pub mod upstream;
pub mod world;
