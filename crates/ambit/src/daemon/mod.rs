//! `ambit serve`: one process owns state, journal, upstreams and credentials.

pub mod dial;
pub mod hello;
pub mod place;
pub mod releases;
pub mod socket;
pub mod start;
pub mod stop;
