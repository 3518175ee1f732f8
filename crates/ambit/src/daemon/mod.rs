//! `ambit serve`: one process owns state, journal, upstreams and credentials.

pub mod start;
pub mod stop;
