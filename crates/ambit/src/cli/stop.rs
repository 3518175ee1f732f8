//! `ambit stop` and `ambit resume`: the switch, and what it did.

use std::io::Write as _;

use clap::Args;

use super::args::{Format, Printed};
use super::link::{Link, Who, unexpected};
use super::options::Options;
use super::output::{self, say};
use super::{Exit, Trouble};
use crate::daemon::request::{Reply, Request};
use crate::escape::escape;

/// What was said to `ambit stop`.
#[derive(Clone, Debug, Args)]
pub struct StopArgs {
    /// The agent
    #[arg(value_name = "AGENT", required_unless_present = "all")]
    pub agent: Option<String>,
    /// Every agent
    #[arg(long, conflicts_with = "agent")]
    pub all: bool,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "stopped by hand")]
    pub because: String,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit resume`.
#[derive(Clone, Debug, Args)]
pub struct ResumeArgs {
    /// The agent
    #[arg(value_name = "AGENT", required_unless_present = "all")]
    pub agent: Option<String>,
    /// Lift the stop of every agent
    #[arg(long, conflicts_with = "agent")]
    pub all: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub because: String,
    /// Who says so.
    #[command(flatten)]
    pub who: Who,
}

/// Stops, and says exactly what was done.
///
/// # Errors
/// When the daemon cannot be reached.
pub fn stop(args: &StopArgs, options: &Options) -> anyhow::Result<Exit> {
    let by = Who { person: None, passphrase_file: None }.name().ok();
    let reply =
        Link::open(options)?.ask(&Request::Stop { agent: args.agent.clone(), because: args.because.clone(), by })?;
    let Reply::Stopped(stopped) = reply else { return Err(unexpected(&reply).into()) };
    let held = stopped.not_refused.is_empty();
    if args.printed.format == Format::Json {
        output::json(&stopped)?;
    } else {
        let names = |all: &[String]| {
            if all.is_empty() {
                String::new()
            } else {
                format!(": {}", all.iter().map(|n| escape(n)).collect::<Vec<_>>().join(", "))
            }
        };
        let mut out = output::data();
        writeln!(out, "sessions cut             {}{}", stopped.severed.len(), names(&stopped.severed))?;
        writeln!(out, "holds withdrawn          {}{}", stopped.withdrawn.len(), names(&stopped.withdrawn))?;
        if !stopped.closed.is_empty() {
            writeln!(out, "tasks closed             {}{}", stopped.closed.len(), names(&stopped.closed))?;
        }
        writeln!(
            out,
            "already on their way     {}{}",
            stopped.in_flight,
            if stopped.in_flight == 0 {
                ""
            } else {
                ": these cannot be called back; `ambit journal` tells what came of them"
            }
        )?;
        writeln!(out, "next call tried, refused {}{}", stopped.refused.len(), names(&stopped.refused))?;
        if !held {
            writeln!(out, "NEXT CALL NOT REFUSED    {}{}", stopped.not_refused.len(), names(&stopped.not_refused))?;
        }
    }
    if held {
        return Ok(Exit::Fine);
    }
    Err(Trouble::new(
        Exit::Fault,
        "the stop did not hold: a call was tried and not refused",
        "end the daemon (`kill` its process; `ambit status` says which), and cut the agent off at its source",
    )
    .into())
}

/// Lets it go on.
///
/// # Errors
/// When the person may not say so.
pub fn resume(args: &ResumeArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut link = Link::open(options)?;
    let key = args.who.key()?;
    let signed = link.sign(&key, "resume", &[args.agent.as_deref().unwrap_or(""), &args.because])?;
    match link.ask(&Request::Resume { agent: args.agent.clone(), because: args.because.clone(), signed })? {
        Reply::Resumed(true) => say("it goes on"),
        Reply::Resumed(false) => say("there was no such stop"),
        other => return Err(unexpected(&other).into()),
    }
    Ok(Exit::Fine)
}
