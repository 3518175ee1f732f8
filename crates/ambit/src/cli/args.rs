//! What was said on the command line. Each command's own arguments stand in its file.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// The permission boundary for AI agents in live systems.
///
/// The owner of a workflow writes down what one agent can read, what it can write, what a human must confirm and what
/// it cannot touch. Ambit tests that page and enforces it in front of the live systems.
///
/// Exit codes: 0 allowed or fine, 1 refused or findings, 2 usage, 3 held, 4 fault.
#[derive(Debug, Parser)]
#[command(name = "ambit", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Args {
    /// `ambit.toml`, or the directory it stands in [default: the nearest one from here upward]
    #[arg(long, global = true, value_name = "PATH", env = "AMBIT_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// Reach the daemon at this socket (`shared-socket` in `ambit.toml`), as another operating-system user than its own
    #[arg(long, global = true, value_name = "PATH", env = "AMBIT_SOCKET", hide_env = true)]
    pub socket: Option<PathBuf>,
    /// When to colour; `NO_COLOR` in the environment means never
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: When,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Import the servers that an MCP client starts by itself, and have it go through Ambit
    Init(super::init::InitArgs),
    /// Say what is wrong with a scope and with `ambit.toml`, and whether it is ready to be released
    Check(super::check::CheckArgs),
    /// Write scopes in their canonical text, losing nothing of them
    Fmt(super::fmt::FmtArgs),
    /// Look at what systems offer, say what changed, and remember it in `ambit.lock`
    Inventory(super::inventory::InventoryArgs),
    /// Make a person's key and enrol it
    Setup(super::setup::SetupArgs),
    /// Put a scope in force, signed
    Release(super::release::ReleaseArgs),
    /// List an agent's releases, or put an earlier one in force again
    Releases(super::release::ReleasesArgs),
    /// Make, list and revoke the tokens by which agents are known
    Token(super::token::TokenArgs),
    /// Open, list, show and close tasks: pieces of work that narrow what an agent may do
    Task(super::task::TaskArgs),
    /// Show, extend and shorten the lists that lines ask for
    List(super::list::ListArgs),
    /// Run the daemon: it owns state, journal, live systems and credentials
    Serve(super::serve::ServeArgs),
    /// Say how everything stands: releases, sessions, what waits
    Status(super::serve::StatusArgs),
    /// List what waits for a person
    Inbox(super::inbox::InboxArgs),
    /// Show everything about a hold
    Show(super::inbox::ShowArgs),
    /// Let exactly what is held run, once
    Confirm(super::inbox::ConfirmArgs),
    /// Say no to what is held
    Refuse(super::inbox::RefuseArgs),
    /// Stop an agent at once, and say exactly what that did
    Stop(super::stop::StopArgs),
    /// Let a stopped agent go on
    Resume(super::stop::ResumeArgs),
    /// Read, verify, export the record
    Journal(super::journal::JournalArgs),
    /// Say what agents did in a while, and what to look at first
    Digest(super::digest::DigestArgs),
    /// Say a scope back in plain sentences, from what is enforced
    Explain(super::explain::ExplainArgs),
    /// Say what would become of an action and why, touching nothing
    Try(super::attempt::TryArgs),
    /// Say why an action comes out as it does, and the smallest edit of the page that would change that
    Why(super::why::WhyArgs),
    /// Run the scenarios of a scope, and say which of its lines no scenario holds
    Test(super::test::TestArgs),
    /// Try known ways around a boundary against an agent's page, with nothing live
    Attack(super::attack::AttackArgs),
    /// Play the incident that Ambit exists for, on a sample company: without Ambit, then with it
    Demo(super::demo::DemoArgs),
    /// One system of the sample company, as a server of the Model Context Protocol on standard input and output
    #[command(hide = true)]
    DemoServer(super::demo::ServerArgs),
    /// A system of a lock, as a server that does nothing and writes down what arrives
    #[command(hide = true)]
    AttackServer(super::attack::ServerArgs),
    /// Connect an agent's MCP client to Ambit: the one line in the client's configuration
    Mcp(super::mcp::McpArgs),
    /// Print the JSON Schema of `ambit.toml`, of `ambit.lock` or of a scope's front matter
    Schema(super::schema::SchemaArgs),
    /// Print the manual page of a command, or write those of all
    Man(super::man::ManArgs),
    /// Print completions for a shell
    Completions(super::completions::CompletionsArgs),
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// To a terminal that can.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// How a command prints what it found; to be flattened into the arguments of those that can do both.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub struct Printed {
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
}

/// For whom to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Human,
    /// For a program: one JSON document.
    Json,
}
