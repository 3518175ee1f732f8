//! `ambit token`: makes, lists and revokes the tokens by which agents are known, and programs that open tasks for them.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::args::{Format, Printed};
use super::link::{Link, Who, unexpected};
use super::options::Options;
use super::output::{self, Table, say};
use super::{Exit, Trouble};
use crate::confirm::wait::clock;
use crate::daemon::request::{Reply, Request};
use crate::store::private;

/// What was said.
#[derive(Clone, Debug, Args)]
pub struct TokenArgs {
    /// The agent to make a token for; without one, tokens are listed
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// The person at whose hands the agent runs: they count as the asker of what it asks
    /// [default: you]
    #[arg(long, value_name = "NAME", requires = "agent")]
    pub held_by: Option<String>,
    /// The agent runs in nobody's hands: as a service, on requests of others
    #[arg(long, requires = "agent", conflicts_with = "held_by")]
    pub unattended: bool,
    /// Make a token for this program of `[callers]` instead, with which it opens tasks over HTTP and does nothing else
    #[arg(long, value_name = "NAME", conflicts_with = "agent")]
    pub caller: Option<String>,
    /// Write the token to this file (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Revoke the token of that id instead
    #[arg(long, value_name = "ID", conflicts_with_all = ["agent", "caller", "to"])]
    pub revoke: Option<String>,
    /// Who makes it.
    #[command(flatten)]
    pub who: Who,
    /// How to print the list.
    #[command(flatten)]
    pub printed: Printed,
}

/// Makes, lists or revokes.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub fn run(args: &TokenArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut link = Link::open(options)?;
    if let Some(id) = &args.revoke {
        link.ask(&Request::TokenRevoke { id: id.clone() })?;
        say(&format!("revoked `{id}`; it opens nothing any more"));
        return Ok(Exit::Fine);
    }
    if let Some(caller) = &args.caller {
        let key = args.who.key()?;
        let signed = link.sign(&key, "caller-token", &[caller])?;
        let made = link.ask(&Request::CallerTokenMake { caller: caller.clone(), signed })?;
        let use_it = "Give it to the program, which sends it as `Authorization: Bearer …`";
        return give(made, args, caller, use_it);
    }
    if args.agent.is_none() && args.to.is_some() {
        let help = "`ambit token AGENT --to FILE`, or `ambit token --caller NAME --to FILE`";
        return Err(Trouble::new(Exit::Usage, "whose token goes into the file is not said", help).into());
    }
    let Some(agent) = &args.agent else { return list(&mut link, args.printed.format) };
    let home = options.home()?;
    if !home.config.agents.contains_key(agent) {
        let known: Vec<&str> = home.config.agents.keys().map(String::as_str).collect();
        return Err(Trouble::new(
            Exit::Usage,
            format!("`ambit.toml` has no agent `{agent}`"),
            format!("it has {}", known.join(", ")),
        )
        .into());
    }
    let key = args.who.key()?;
    let held_by =
        if args.unattended { None } else { Some(args.held_by.clone().unwrap_or_else(|| key.name().to_owned())) };
    let signed = link.sign(&key, "token", &[agent, held_by.as_deref().unwrap_or("")])?;
    let made = link.ask(&Request::TokenMake { agent: agent.clone(), held_by, signed })?;
    give(made, args, agent, "Give it to the agent's client in AMBIT_TOKEN")
}

/// Hands over a token that was made.
fn give(made: Reply, args: &TokenArgs, of: &str, use_it: &str) -> anyhow::Result<Exit> {
    let Reply::Token { text, id } = made else { return Err(unexpected(&made).into()) };
    match &args.to {
        Some(path) => {
            keep(path, &text)?;
            say(&format!("made the token `{id}` of {of}, in {}", path.display()));
        }
        None => {
            say(&format!("made the token `{id}` of {of}; it is shown this once. {use_it}"));
            writeln!(output::data(), "{text}")?;
        }
    }
    Ok(Exit::Fine)
}

/// Writes a token to a file that nobody but its owner may read.
///
/// # Errors
/// When it cannot be written.
pub(super) fn keep(path: &std::path::Path, token: &str) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = private::open(path, &mut options).map_err(|e| super::link::split(Exit::Fault, &e.to_string()))?;
    writeln!(file, "{token}")?;
    Ok(())
}

fn list(link: &mut Link, format: Format) -> anyhow::Result<Exit> {
    let tokens = match link.ask(&Request::TokenList { agent: None })? {
        Reply::Tokens(tokens) => tokens,
        other => return Err(unexpected(&other).into()),
    };
    if format == Format::Json {
        output::json(&tokens)?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&["id", "agent", "caller", "task", "made", "made by", "held by", "revoked"]);
    for token in &tokens {
        let text = |name: &str| token.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
        let time = |name: &str| {
            token
                .get(name)
                .and_then(Value::as_i64)
                .map_or_else(String::new, |at| clock(ambit_core::time::Timestamp(at)))
        };
        table.row([
            text("id"),
            text("agent"),
            text("caller"),
            text("task"),
            time("made_at"),
            text("made_by"),
            text("held_by"),
            time("revoked_at"),
        ]);
    }
    if table.is_empty() {
        say("there are no tokens\nnext: `ambit token AGENT` makes one");
    } else {
        write!(output::data(), "{}", table.text())?;
    }
    Ok(Exit::Fine)
}
