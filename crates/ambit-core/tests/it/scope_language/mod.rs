//! The scope language: what is read, what is refused, and that what is read is what a renderer shows.

mod cases;
mod findings;
mod frame;
mod hostile;
mod random;
mod renderer;
mod round_trip;
mod specification;
mod trees;

/// The document of the design.
pub const REFUND_HELPER: &str = include_str!("../scopes/refund-helper.md");
