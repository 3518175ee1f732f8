//! The command line: `args.rs` is what was said, one file a command is what it does.

use std::process::ExitCode;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
