//! What an action does: hostile bytes in, effects and unread parts out.
//!
//! Everything an agent or an upstream wrote is read here and nowhere else: `json` reads bytes strictly, `definition` what a
//! server says it offers, `schema` what a tool's arguments may be, `mcp` what a call does, `token` what an issuer is said to
//! have signed, `sql` what a statement does. Pure: no policy, no people, no sockets, no clock.

pub mod attempt;
pub mod definition;
pub mod fuzzing;
pub mod json;
pub mod mcp;
pub mod readers;
pub mod schema;
pub mod sql;
pub mod token;
