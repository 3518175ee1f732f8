//! Tree to canonical text.
