//! Core's integration tests, in one binary.

mod reference;
mod scope_language;
mod small_world;
