//! Tree and catalog to policy. Never fails: it reports.
