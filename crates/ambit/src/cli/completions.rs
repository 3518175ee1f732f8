//! `ambit completions SHELL`.

use std::io::Write as _;

use clap::{Args as ClapArgs, Command, CommandFactory as _};

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
    clap_complete::generate(args.shell, &mut told(), "ambit", &mut script);
    output::data().write_all(&script)?;
    Ok(Exit::Fine)
}

/// The command line without what people are not told of: the scripts would offer it all the same.
fn told() -> Command {
    let whole = Args::command();
    let told = whole.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned();
    Command::new("ambit").version(env!("CARGO_PKG_VERSION")).args(whole.get_arguments().cloned()).subcommands(told)
}
