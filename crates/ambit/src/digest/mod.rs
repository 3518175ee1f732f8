//! What happened in a while, for the owner: read from the journal's open parts, so that no argument of a call is in it.
//!
//! However long the journal and whatever an agent named in it, an account stays small: everything is counted, of each
//! kind so much is told one by one, and the rest is a number.

mod account;
mod first;
mod lines;
mod period;
mod tally;
pub mod webhook;
mod words;

pub use account::{Account, AgentAccount};
pub use first::Look;
pub use period::{Period, account};
pub use tally::{MOST, Tally};
