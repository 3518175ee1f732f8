//! Core's integration tests, in one binary.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the finding"
)]

mod acme;
mod difference;
mod findings;
mod meaning;
mod reference;
mod reference_examples;
mod scope_language;
mod small_world;
