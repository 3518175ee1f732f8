//! Ambit.
fn main() {}
