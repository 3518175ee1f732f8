//! `ambit serve` and `ambit status`.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::args::{Format, Printed};
use super::link::{Link, unexpected};
use super::list::standing;
use super::options::Options;
use super::output::{self, say};
use super::{Exit, link};
use crate::daemon::place::Place;
use crate::daemon::request::{Reply, Request};
use crate::daemon::serve::{Open, Serve, serve};
use crate::escape::escape;

/// What was said to `ambit serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// End when nobody was connected for a while
    #[arg(long)]
    pub idle_exit: bool,
    /// End when standard input does, as it does with whoever started it
    #[arg(long)]
    pub until_eof: bool,
}

/// What was said to `ambit status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

// A daemon that a pipe started stays so long after the last one left.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// Serves until it is ended.
///
/// # Errors
/// When it cannot begin.
pub fn run(args: &ServeArgs, options: &Options) -> anyhow::Result<Exit> {
    let config = options.config_path()?;
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .with_target(false)
        .init();
    let socket = Place::of_config(&config).socket();
    let options = Serve { config, idle: args.idle_exit.then_some(IDLE), until_eof: args.until_eof };
    // One thread: almost all its time is waiting, and what passes must not wait for another core to wake.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = |found: &crate::daemon::start::Found, open: &Open| {
        say(&format!("serving on {}", socket.display()));
        if let Some(url) = &open.http {
            say(&format!("agents over HTTP at {url}/agents/NAME/mcp"));
        }
        if let Some(address) = &open.postgres {
            say(&format!("agents with drivers of PostgreSQL at {address}"));
        }
        for one in &found.in_flight {
            say(&format!("outcome unknown: {one}"));
        }
        if !found.errands.is_empty() {
            let count = found.errands.len();
            say(&format!(
                "{count} sent earlier, on which systems work in their own time, are asked after: `ambit journal tail`"
            ));
        }
        if found.waiting > 0 {
            say(&format!("{} holds wait: `ambit inbox`", found.waiting));
        }
        if found.tasks > 0 {
            say(&format!("{} tasks are open: `ambit task list`", found.tasks));
        }
        for agent in &found.stopped {
            say(&if agent.is_empty() {
                "every agent is stopped".to_owned()
            } else {
                format!("{} is stopped", escape(agent))
            });
        }
    };
    match runtime.block_on(serve(&options, told)) {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => Err(link::split(Exit::Fault, &error.to_string()).into()),
    }
}

/// Says how everything stands.
///
/// # Errors
/// When the daemon cannot be reached.
pub fn status(args: &StatusArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut link = Link::open(options)?;
    let reply = link.ask(&Request::Status)?;
    let Reply::Status(mut status) = reply else { return Err(unexpected(&reply).into()) };
    // Only who stands beside the files can say how they differ from what is in force.
    let differs = match options.home() {
        Ok(home) if home.config.lists.values().any(|list| list.file.is_some()) => {
            standing::differing(&home, &standing::in_force(&mut link)?)
        }
        _ => Vec::new(),
    };
    if let Some(status) = status.as_object_mut() {
        status.insert("lists-that-differ".into(), serde_json::to_value(&differs)?);
    }
    if args.printed.format == Format::Json {
        output::json(&status)?;
        return Ok(Exit::Fine);
    }
    let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or(0);
    let mut text = format!(
        "process {}, {} records, {} waiting, {} in flight, {} tasks open\n",
        number("process"),
        number("records"),
        number("waiting"),
        number("in-flight"),
        number("tasks")
    );
    for agent in status.get("agents").and_then(Value::as_array).into_iter().flatten() {
        let said = |name: &str| agent.get(name).and_then(Value::as_str).map(escape).unwrap_or_default();
        let stopped = if agent.get("stopped") == Some(&Value::Bool(true)) { ", STOPPED" } else { "" };
        match agent.get("release").and_then(Value::as_u64) {
            Some(release) => {
                text.push_str(&format!(
                    "{}: release {release} by {} ({}){stopped}\n",
                    said("agent"),
                    said("by"),
                    said("because")
                ));
                for waived in agent.get("overrides").and_then(Value::as_array).into_iter().flatten() {
                    text.push_str(&format!("    waived: {}\n", waived.as_str().map(escape).unwrap_or_default()));
                }
            }
            None => text.push_str(&format!("{}: nothing in force{stopped}\n", said("agent"))),
        }
    }
    for session in status.get("sessions").and_then(Value::as_array).into_iter().flatten() {
        let said = |name: &str| session.get(name).and_then(Value::as_str).map(escape).unwrap_or_default();
        let task = session.get("task").and_then(Value::as_str);
        let task = task.map_or_else(String::new, |task| format!(", in the task {}", escape(task)));
        text.push_str(&format!("session {} of {}{task}\n", said("id"), said("agent")));
    }
    text.push_str(&digest(status.get("digest").unwrap_or(&Value::Null)));
    use std::io::Write as _;
    write!(output::data(), "{text}")?;
    differs.iter().for_each(|one| say(&one.words()));
    Ok(Exit::Fine)
}

/// How it stands with the digest that is sent by itself; nothing where none is.
fn digest(status: &Value) -> String {
    let time = |value: Option<&Value>| {
        value.and_then(Value::as_i64).map(|at| crate::confirm::wait::clock(ambit_core::time::Timestamp(at)))
    };
    let Some(next) = time(status.get("next")) else { return String::new() };
    let last = time(status.get("last"))
        .map_or_else(|| "none was taken yet".to_owned(), |at| format!("the last was taken {at}"));
    let mut text = format!("digest: the next is due {next}; {last}\n");
    let why = |of: &str| status.get(of).and_then(|of| of.get("why")).and_then(Value::as_str).map(escape);
    if let Some(why) = why("trying") {
        let attempts = status.pointer("/trying/attempts").and_then(Value::as_u64).unwrap_or(0);
        text.push_str(&format!("    not taken yet, tried {attempts} times: {why}\n"));
    }
    if let Some(why) = why("failed") {
        text.push_str(&format!("    NOT DELIVERED, the next tells of its time as well: {why}\n"));
    }
    text
}
