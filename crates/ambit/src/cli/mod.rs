//! The command line: `args.rs` is what was said, `options.rs` what it means, one file a command is what it does.
//!
//! Data goes to standard output and talk to standard error. Every command ends with an [`Exit`], whose numbers are the
//! same everywhere.

pub mod args;
mod asked;
pub mod attack;
pub mod attempt;
pub mod check;
pub mod completions;
pub mod demo;
pub mod digest;
pub mod explain;
pub mod fmt;
pub mod inbox;
pub mod init;
mod input;
pub mod inventory;
pub mod journal;
pub mod link;
pub mod list;
pub mod man;
pub mod mcp;
pub mod options;
pub mod output;
pub mod release;
pub mod schema;
pub mod serve;
pub mod setup;
pub mod stop;
pub mod task;
pub mod test;
pub mod token;
pub mod why;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use options::Options;

use crate::upstream::guard;

pub use output::Trouble;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Allowed, or nothing is wrong.
    Fine = 0,
    /// Refused, or something was found.
    Refused = 1,
    /// The command was not understood.
    Usage = 2,
    /// Held: it waits for a person.
    Held = 3,
    /// Ambit could not do its work.
    Fault = 4,
    /// Interrupted (SIGINT), with what it had begun taken away.
    Interrupted = 130,
    /// Ended from outside (SIGTERM), with what it had begun taken away.
    Ended = 143,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == guard::WORD) {
        return guard::run(words);
    }
    guard::arm();
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors; where they cannot be written there is nobody to tell.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Fine.into() };
        }
    };
    let options = Options::of(&args);
    let exit = run(args.command, &options).unwrap_or_else(|stopped| output::tell(&stopped));
    exit.into()
}

fn run(command: Command, options: &Options) -> anyhow::Result<Exit> {
    match command {
        Command::Check(args) => check::run(&args, options),
        Command::Fmt(args) => fmt::run(&args, options),
        Command::Init(args) => init::run(&args, options),
        Command::Inventory(args) => inventory::run(&args, options),
        Command::Explain(args) => explain::run(&args, options),
        Command::Try(args) => attempt::run(&args, options),
        Command::Why(args) => why::run(&args, options),
        Command::Test(args) => test::run(&args, options),
        Command::Attack(args) => attack::run(&args, options),
        Command::Demo(args) => demo::run(&args),
        Command::DemoServer(args) => demo::serve(&args),
        Command::AttackServer(args) => attack::serve(&args),
        Command::Mcp(args) => mcp::run(&args, options),
        Command::Setup(args) => setup::run(&args, options),
        Command::Release(args) => release::release(&args, options),
        Command::Releases(args) => release::releases(&args, options),
        Command::Token(args) => token::run(&args, options),
        Command::Task(args) => task::run(&args, options),
        Command::List(args) => list::run(&args, options),
        Command::Serve(args) => serve::run(&args, options),
        Command::Status(args) => serve::status(&args, options),
        Command::Inbox(args) => inbox::inbox(&args, options),
        Command::Show(args) => inbox::show(&args, options),
        Command::Confirm(args) => inbox::confirm(&args, options),
        Command::Refuse(args) => inbox::refuse(&args, options),
        Command::Stop(args) => stop::stop(&args, options),
        Command::Resume(args) => stop::resume(&args, options),
        Command::Journal(args) => journal::run(&args, options),
        Command::Digest(args) => digest::run(&args, options),
        Command::Man(args) => man::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Schema(args) => schema::run(&args),
    }
}
