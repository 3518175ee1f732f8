//! Agents over HTTP: the Model Context Protocol's streamable HTTP at `/agents/NAME/mcp`, for both of its generations; and
//! at `/agents/NAME/tasks` the programs that open tasks for them.

mod body;
mod checks;
mod endpoint;
mod headers;
mod listen;
mod resource;
mod said;
mod sessions;
mod stream;
mod tasks;
mod work;

pub use listen::{Bound, HttpError, bind};
pub(crate) use resource::url as resource_url;
