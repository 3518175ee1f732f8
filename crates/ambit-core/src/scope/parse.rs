//! Text to tree. Never fails: it reports.
