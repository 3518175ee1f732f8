//! `ambit serve`: one process owns state, journal, upstreams and credentials.
