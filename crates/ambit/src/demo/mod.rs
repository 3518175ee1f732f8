//! The incident that Ambit exists for, played against a sample company.
