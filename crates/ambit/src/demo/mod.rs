//! The incident that Ambit exists for, played against a sample company: first straight to its systems, then through
//! the gate. The company is a SQLite file; each of its systems is a real MCP server (`ambit demo-server`).

pub mod company;
pub mod installation;
pub mod play;
pub mod script;
pub mod server;
pub mod session;
pub mod stage;
pub mod standing;
mod tools;
mod with;
