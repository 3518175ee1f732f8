//! Agents that come with a driver of PostgreSQL: the listener, who they prove to be, what their driver may set, and the keys
//! with which they cancel.

mod first;
mod keys;
mod listen;
mod login;
mod settings;

pub use listen::{BoundDatabases, PostgresError, bind};
