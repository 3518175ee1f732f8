//! `ambit completions SHELL`.

use std::io::Write as _;

use clap::{Args as ClapArgs, CommandFactory as _};

use super::args::Args;
use super::{Exit, output};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Prints the completions.
///
/// # Errors
/// When standard output is gone.
pub fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "ambit", &mut script);
    output::data().write_all(&script)?;
    Ok(Exit::Fine)
}
