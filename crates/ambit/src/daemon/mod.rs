//! `ambit serve`: one process owns state, journal, upstreams and credentials.

pub mod admission;
pub mod bearer;
pub mod budgets;
pub mod callers;
pub mod calls;
pub mod control;
pub mod dial;
pub mod digest;
pub mod hello;
pub mod host;
pub mod http;
pub mod lists;
mod network;
pub mod opening;
pub mod passage;
pub mod place;
pub mod postgres;
pub mod releases;
pub mod request;
pub mod serve;
pub mod socket;
pub mod start;
pub mod stop;
pub mod systems;
pub mod tasks;
pub mod visitor;
