//! Core's integration tests, in one binary.

mod reference;
mod small_world;
