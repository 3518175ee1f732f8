//! Agents over HTTP: the Model Context Protocol's streamable HTTP at `/agents/NAME/mcp`, for both of its generations.

mod body;
mod checks;
mod endpoint;
mod headers;
mod listen;
mod said;
mod sessions;
mod stream;
mod work;

pub use listen::{Bound, HttpError, bind};
