//! `ambit digest`: what agents did in a while, and what the owner should look at first. Read beside the daemon, from the
//! journal's open parts.

use std::io::Write as _;

use ambit_core::scope::diagnostics::nearest;
use ambit_core::time::Timestamp;
use clap::Args;

use super::args::{Format, Printed};
use super::link::{self, Link, unexpected};
use super::options::Options;
use super::output::{self, say};
use super::{Exit, Trouble};
use crate::daemon::request::{Reply, Request};
use crate::digest::{Period, account};
use crate::escape::{escape, escape_lines};
use crate::store::sqlite::Sqlite;
use crate::world::{Real, World as _};

/// What was said.
#[derive(Clone, Debug, Args)]
pub struct DigestArgs {
    /// Of that agent alone
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// Since when: a time ago (`12h`, `7d`), a day (`2026-11-23`) or a moment (`2026-11-23T07:00:00Z`); all in UTC
    #[arg(long, value_name = "WHEN", default_value = "1d", value_parser = since)]
    pub since: Since,
    /// Have the daemon send one to the webhook of `[digest]` now, and say what came of it
    #[arg(long, conflicts_with_all = ["agent", "since"])]
    pub send: bool,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// Since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So many milliseconds ago.
    Ago(i64),
    /// From that moment on.
    At(Timestamp),
}

/// Tells it, or has it sent.
///
/// # Errors
/// When the journal cannot be read, or the webhook did not take it.
pub fn run(args: &DigestArgs, options: &Options) -> anyhow::Result<Exit> {
    if args.send {
        return send(args, options);
    }
    let home = options.home()?;
    let store = Sqlite::open_to_read(&home.state_dir()).map_err(|e| link::split(Exit::Fault, &e.to_string()))?;
    let until = Real.now();
    let from = match args.since {
        Since::Ago(ago) => Timestamp(until.0.saturating_sub(ago)),
        Since::At(at) => at,
    };
    let period = Period { from, until, after: None };
    let account = account(&store, args.agent.as_deref(), period)
        .map_err(|error| Trouble::new(Exit::Fault, error.to_string(), "`ambit journal verify` says what is wrong"))?;
    if let Some(agent) = &args.agent
        && !home.config.agents.contains_key(agent)
        && !account.agents.contains_key(agent)
    {
        let known = home.config.agents.keys().map(String::as_str);
        let help = match nearest(agent, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`ambit status` lists the agents".to_owned(),
        };
        return Err(Trouble::new(Exit::Usage, format!("there is no agent `{}`", escape(agent)), help).into());
    }
    match args.printed.format {
        Format::Json => output::json(&account)?,
        Format::Human => write!(output::data(), "{}", escape_lines(&account.words()))?,
    }
    Ok(Exit::Fine)
}

fn send(args: &DigestArgs, options: &Options) -> anyhow::Result<Exit> {
    match Link::open(options)?.ask(&Request::DigestSend)? {
        Reply::DigestSent { status, to } => {
            if args.printed.format == Format::Json {
                output::json(&serde_json::json!({ "delivered": true, "status": status, "to": to }))?;
            } else {
                say(&format!("{} took it ({status})", escape(&to)));
            }
            Ok(Exit::Fine)
        }
        other => Err(unexpected(&other).into()),
    }
}

/// A stretch of time until now, a day, or a moment.
fn since(text: &str) -> Result<Since, String> {
    if let Ok(seconds) = super::task::seconds(text) {
        let ms = i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1000));
        return ms.map(Since::Ago).ok_or_else(|| "that is too long ago".to_owned());
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Since::At(Timestamp(at.as_millisecond())));
    }
    let day = text.parse::<jiff::civil::Date>().ok().and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    day.map(|day| Since::At(Timestamp(day.timestamp().as_millisecond()))).ok_or_else(|| {
        "write a time ago (`12h`, `7d`), a day (`2026-11-23`) or a moment (`2026-11-23T07:00:00Z`)".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_while_is_said_in_three_ways() {
        assert_eq!(since("12h"), Ok(Since::Ago(12 * 3_600_000)));
        assert_eq!(since("7d"), Ok(Since::Ago(7 * 86_400_000)));
        assert_eq!(since("1970-01-02"), Ok(Since::At(Timestamp(86_400_000))));
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(Since::At(Timestamp(1_000))));
        for wrong in ["", "yesterday", "2026-13-01", "12", "99999999999999d"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
