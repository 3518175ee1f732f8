//! The command line: `args.rs` is what was said, one file a command is what it does.

mod args;
mod demo;

use std::process::ExitCode;

use clap::Parser as _;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let done = match args::Args::parse().command {
        args::Command::Demo(said) => demo::run(&said),
        args::Command::DemoServer(said) => demo::serve(&said),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(FAULT)
    })
}

/// The exit code when Ambit could not do its work.
const FAULT: u8 = 4;
