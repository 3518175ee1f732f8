//! Systems that are databases, each a PostgreSQL of the test's own.

mod inventory;
mod server;
