//! The crate from outside: real processes, real sockets.
#![allow(
    missing_docs,
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this is a test"
)]

mod approval;
mod attack_live;
mod cli_check;
mod cli_fmt;
mod cli_frame;
mod cli_inventory;
mod cli_manual;
mod company;
mod config_cases;
mod conformance;
mod continuous;
mod demo;
mod digest;
mod examples;
mod guide;
mod incidents;
mod init;
mod interop;
mod killed;
mod lists;
mod mcp_connection;
mod mcp_door;
mod mcp_errands;
mod mcp_fixture;
mod mcp_guard;
mod mcp_stage;
mod mcp_upstream;
mod offline_attack;
mod offline_explain;
mod offline_redundant;
mod offline_test;
mod offline_try;
mod overtaken;
mod peers;
mod people;
mod postgres;
mod reference;
mod rig;
mod simulation;
mod task_gate;
mod tasks;
mod weight;
