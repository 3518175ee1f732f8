//! A PostgreSQL server that Ambit logs in to on an agent's behalf: one connection a session, and one of its own for what
//! people confirmed. A statement reaches it out of a permit alone (`send.rs`).

pub mod buffer;
pub mod exchange;
pub mod login;
pub mod place;
pub mod prepare;
pub mod run;
pub mod send;
pub mod server;
pub mod stream;

pub use exchange::{AgentEnd, Exchange, Lent, Wanted};
pub use place::DatabasePlace;
pub use send::send;
pub use server::{Broken, Canceller, Server};
