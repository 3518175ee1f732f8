//! Holds and the people who decide them.
