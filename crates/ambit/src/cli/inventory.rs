//! `ambit inventory [SYSTEM…]`: what systems offer, what changed since they were last looked at, and the lock that
//! remembers it.

use std::io::Write as _;
use std::path::Path;

use ambit_core::scope::diagnostics::nearest;
use clap::Args as ClapArgs;
use serde::Serialize;

use super::args::{Format, Printed};
use super::options::Options;
use super::output::{self, Progress, say, style};
use super::{Exit, Trouble};
use crate::config::Kind;
use crate::escape::escape;
use crate::home::{Home, shown};
use crate::inventory::{Change, changes, look};
use crate::lock;
use crate::world::{Real, World as _};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct InventoryArgs {
    /// The systems to look at [default: all that can be asked]
    #[arg(value_name = "SYSTEM")]
    pub systems: Vec<String>,
    /// Write down what changed; without it only systems that were never looked at are written down
    #[arg(long)]
    pub accept: bool,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Printout {
    /// Whether the lock was written.
    written: bool,
    systems: Vec<Looked>,
}

/// One system, looked at.
#[derive(Debug, Serialize)]
struct Looked {
    system: String,
    state: State,
    changes: Vec<Change>,
    left_out: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// It was never looked at: written down.
    New,
    /// Nothing changed.
    Same,
    /// Something changed, and was accepted: written down.
    Accepted,
    /// Something changed, and was not accepted: the lock stays, and what drifted is refused.
    Changed,
    /// It stands in the lock and no more in `ambit.toml`.
    LeftOver,
    /// It did not answer.
    Failed,
}

/// Looks, and ends with 1 when something changed and was not accepted.
///
/// # Errors
/// When there is no `ambit.toml`, or the lock cannot be written.
pub fn run(args: &InventoryArgs, options: &Options) -> anyhow::Result<Exit> {
    let home = options.home()?;
    let names = wanted(&home, &args.systems)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut lock = home.lock.clone();
    let mut all = Vec::new();
    let progress = Progress::new("looking", names.len() as u64);
    for name in &names {
        progress.now(name);
        all.push(runtime.block_on(look_at(&home, name, args.accept, &mut lock)));
        progress.step();
    }
    drop(progress);
    if args.systems.is_empty() {
        all.extend(left_over(&home, args.accept, &mut lock));
    }
    let written = lock.systems != home.lock.systems;
    if written {
        let text = lock.text();
        if text.len() > lock::MOST_BYTES {
            let message =
                format!("`ambit.lock` would have {} bytes, at most {} are read", text.len(), lock::MOST_BYTES);
            let help = "name the `schemas` of databases that matter in `ambit.toml`";
            return Err(Trouble::new(Exit::Usage, message, help.to_owned()).into());
        }
        write(&home.lock_path(), &text)?;
    }
    let is = |state| all.iter().any(|looked: &Looked| looked.state == state);
    let exit = match (is(State::Failed), is(State::Changed)) {
        (true, _) => Exit::Fault,
        (false, true) => Exit::Refused,
        (false, false) => Exit::Fine,
    };
    match args.printed.format {
        Format::Json => output::json(&Printout { written, systems: all })?,
        Format::Human => {
            print(&all)?;
            if written {
                say(&format!("wrote `{}`", escape(&shown(&home.lock_path()))));
            }
            if exit == Exit::Refused {
                let changed = all.iter().filter(|looked| looked.state == State::Changed);
                let kinds = changed.filter_map(|looked| home.config.systems.get(&looked.system)).map(|one| one.kind);
                // What a server of tools changed is noticed by its gate as well.
                let meanwhile = match kinds.into_iter().any(|kind| kind == Kind::Mcp) {
                    true => "what changed is refused until somebody looks at it",
                    false => "the lock stays as it is until somebody looks at what changed",
                };
                say(&format!("help: {meanwhile}: once you have, run it again with `--accept`"));
            }
        }
    }
    Ok(exit)
}

fn wanted(home: &Home, said: &[String]) -> anyhow::Result<Vec<String>> {
    let systems = &home.config.systems;
    if let Some(unknown) = said.iter().find(|name| !systems.contains_key(*name)) {
        let help = match nearest(unknown, systems.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "the systems stand in `ambit.toml` under `[systems.NAME]`".to_owned(),
        };
        return Err(Trouble::new(Exit::Usage, format!("there is no system `{unknown}`"), help).into());
    }
    if said.is_empty() {
        return Ok(systems
            .iter()
            .filter(|(_, system)| matches!(system.kind, Kind::Mcp | Kind::Postgres))
            .map(|(name, _)| name.clone())
            .collect());
    }
    Ok(said.to_vec())
}

async fn look_at(home: &Home, name: &str, accept: bool, lock: &mut lock::Lock) -> Looked {
    let looked = |state, changes, left_out, error| Looked { system: name.to_owned(), state, changes, left_out, error };
    let Some(system) = home.config.systems.get(name) else {
        return looked(State::Failed, Vec::new(), Vec::new(), Some("it is not in `ambit.toml`".to_owned()));
    };
    let before = home.lock.systems.get(name);
    let now = match look(system, home.dir(), before, Real.now().date()).await {
        Ok(now) => now,
        Err(error) => return looked(State::Failed, Vec::new(), Vec::new(), Some(error.to_string())),
    };
    let changes = changes(before, &now.system);
    let state = match before {
        None => State::New,
        Some(_) if changes.is_empty() => State::Same,
        Some(_) if accept => State::Accepted,
        Some(_) => State::Changed,
    };
    if matches!(state, State::New | State::Accepted) {
        lock.systems.insert(name.to_owned(), now.system);
    }
    looked(state, changes, now.left_out, None)
}

/// What stands in the lock and no more in `ambit.toml`; it harms nobody, and goes with `--accept`.
fn left_over(home: &Home, accept: bool, lock: &mut lock::Lock) -> Vec<Looked> {
    let names: Vec<String> =
        home.lock.systems.keys().filter(|name| !home.config.systems.contains_key(*name)).cloned().collect();
    if accept {
        names.iter().for_each(|name| drop(lock.systems.remove(name)));
    }
    let looked = |system| Looked { system, state: State::LeftOver, changes: vec![], left_out: vec![], error: None };
    names.into_iter().map(looked).collect()
}

fn print(all: &[Looked]) -> anyhow::Result<()> {
    let mut out = output::data();
    let (head, good, waiting, bad) = (style::HEAD, style::GOOD, style::WAITING, style::BAD);
    for looked in all {
        let name = escape(&looked.system);
        match looked.state {
            State::New => writeln!(out, "{head}{name}{head:#}: {good}looked at for the first time{good:#}")?,
            State::Same => writeln!(out, "{head}{name}{head:#}: {good}nothing changed{good:#}")?,
            State::Accepted => writeln!(out, "{head}{name}{head:#}: {waiting}changed, and accepted{waiting:#}")?,
            State::Changed => writeln!(out, "{head}{name}{head:#}: {bad}changed{bad:#}")?,
            State::LeftOver => writeln!(out, "{head}{name}{head:#}: no more in `ambit.toml`")?,
            State::Failed => {
                let why = escape(looked.error.as_deref().unwrap_or_default());
                writeln!(out, "{head}{name}{head:#}: {bad}could not be asked{bad:#}: {why}")?;
            }
        }
        for change in &looked.changes {
            print_change(&mut out, change)?;
        }
        for left_out in &looked.left_out {
            writeln!(out, "  {bad}left out{bad:#} {}", escape(left_out))?;
        }
    }
    if all.is_empty() {
        writeln!(out, "no system can be asked what it offers")?;
    }
    Ok(())
}

fn print_change(out: &mut impl std::io::Write, change: &Change) -> std::io::Result<()> {
    let (good, waiting, bad, quiet) = (style::GOOD, style::WAITING, style::BAD, style::QUIET);
    let lines_of = match change {
        Change::Added { what, name, arguments, says } => {
            let what = named(what, name);
            let arguments = if arguments.is_empty() { String::new() } else { format!(" ({})", arguments.join(", ")) };
            write!(out, "  {good}+{good:#} {what}{}", escape(&arguments))?;
            match says.as_slice() {
                [] => writeln!(out)?,
                says if !matches!(change, Change::Added { what: "tool", .. }) => {
                    writeln!(out)?;
                    for says in says {
                        writeln!(out, "      {quiet}{}{quiet:#}", escape(says))?;
                    }
                }
                says => writeln!(out, "{quiet}, its server says that it {}{quiet:#}", says.join(" and "))?,
            }
            return Ok(());
        }
        Change::Removed { what, name } => {
            writeln!(out, "  {bad}-{bad:#} {}", named(what, name))?;
            return Ok(());
        }
        Change::Differs { what, name, how, lines } => {
            writeln!(out, "  {bad}~{bad:#} {}", named(what, name))?;
            for how in how {
                writeln!(out, "      {}", escape(how))?;
            }
            lines
        }
        Change::Program { how } => {
            writeln!(out, "  {bad}~{bad:#} program: {}", escape(how))?;
            return Ok(());
        }
        Change::Schema { what, name, arguments, lines } => {
            let arguments = if arguments.is_empty() { String::new() } else { format!(": {}", arguments.join(" ")) };
            writeln!(
                out,
                "  {bad}~{bad:#} {what} {} takes or gives something else{}",
                escape(name),
                escape(&arguments)
            )?;
            lines
        }
        Change::Words { what, name, lines } => {
            writeln!(out, "  {waiting}~{waiting:#} {what} {} is described in other words", escape(name))?;
            lines
        }
    };
    for line in lines_of {
        let style = if line.starts_with('+') { good } else { bad };
        writeln!(out, "      {style}{}{style:#}", escape(line))?;
    }
    Ok(())
}

fn named(what: &str, name: &str) -> String {
    if what == "resources" { what.to_owned() } else { format!("{what} {}", escape(name)) }
}

/// Writes the lock whole or not at all.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let beside = path.with_extension("lock.new");
    let mut file = std::fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(())
}
