//! The whole of it, as it is used: the program's own commands, a daemon, real servers behind it and official clients in
//! front of it. `cargo nextest run -p ambit interop` runs these alone.

mod callers;
mod crash;
mod errands;
mod hold;
pub mod house;
mod http;
mod inspector;
mod issuer;
mod limits;
mod meanwhile;
mod oauth_in;
mod oauth_out;
mod owner;
mod remote;
mod returns;
mod servers;
mod unruly;
mod wire;

pub use house::{House, until, word};
pub use wire::Wire;
