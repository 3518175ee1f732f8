//! The scope language: what is read, what is refused, and that what is read is what a renderer shows.

mod round_trip;

/// The document of the design.
pub const REFUND_HELPER: &str = include_str!("../scopes/refund-helper.md");
