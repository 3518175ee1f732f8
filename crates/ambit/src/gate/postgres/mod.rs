//! PostgreSQL's protocol towards one agent: statements as its driver sends them become actions, each with what is bound to
//! it, and take the journey of every action. What comes back is said as a server of PostgreSQL says it.
//!
//! Statements and portals are kept here, not at the server: what a driver prepared is only text until it is executed.

mod asking;
mod connection;
mod extended;
mod say;
mod statements;
mod stored;

pub use connection::{Connection, Ended, Entered};
pub use say::Said;
