//! Systems that are databases, each a PostgreSQL of the test's own: looked at, and behind the gate with real drivers, and
//! raw messages where a driver would be too well-behaved.

mod desk;
mod drivers;
mod inventory;
mod login;
mod raw;
mod server;
mod statements;
mod wire;

pub use desk::Desk;
pub use raw::Raw;
