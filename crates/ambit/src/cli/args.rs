//! What was said on the command line.

use clap::{Parser, Subcommand};

use super::demo;

/// The permission boundary for AI agents in live systems.
#[derive(Debug, Parser)]
#[command(name = "ambit", version, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Plays the incident that Ambit exists for, on a sample company: without Ambit, then with it.
    Demo(demo::DemoArgs),
    /// One system of the sample company, as a server of the Model Context Protocol on standard input and output.
    #[command(hide = true)]
    DemoServer(demo::ServerArgs),
}
