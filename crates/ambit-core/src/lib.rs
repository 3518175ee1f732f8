//! What is permitted.
