//! `ambit why ACTION|ID`: why an action comes out as it does and the smallest edit of the page that would change that; or
//! what was recorded about one that was asked.

use std::io::{self, Write};

use ambit_core::decide::Facts;
use ambit_core::edit::{Edit, smallest};
use ambit_core::usage::Counters;
use clap::Args as ClapArgs;
use serde::Serialize;

use super::args::{Format, Printed};
use super::attempt::{AskedArgs, Tried, exit};
use super::options::Options;
use super::output::{self, style};
use super::{Exit, Trouble};
use crate::escape::escape;
use crate::home::Home;
use crate::offline::recorded::{self, Id, Recorded};
use crate::offline::{Answer, Trial};
use crate::store::sqlite::Sqlite;

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct WhyArgs {
    /// The action, as `system.tool {json}`; or the id of a hold, or the number of a record of the journal
    #[arg(value_name = "ACTION|ID")]
    pub asked: String,
    /// Whose action [default: the one agent of `ambit.toml`]
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// In which task, at what time, over which page.
    #[command(flatten)]
    pub with: AskedArgs,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `--format json` prints of an action.
#[derive(Serialize)]
struct Printout<'a> {
    #[serde(flatten)]
    answer: &'a Answer,
    edit: Option<Edit>,
}

/// Says why.
///
/// # Errors
/// When there is no such agent, hold or record, its page has errors, or the action is none.
pub fn run(args: &WhyArgs, options: &Options) -> anyhow::Result<Exit> {
    let home = options.home()?;
    match Id::read(&args.asked) {
        Some(id) => of_record(&home, &id, args.printed.format),
        None => of_action(&home, args),
    }
}

fn of_action(home: &Home, args: &WhyArgs) -> anyhow::Result<Exit> {
    let agent = match &args.agent {
        Some(agent) => agent,
        None => only_agent(home)?,
    };
    let tried = Tried::of(home, agent, &args.asked, &args.with)?;
    let policy = &tried.page.policy;
    let answer = tried.trial.answer(policy);
    let edit = match &tried.trial {
        Trial::Decided { reading, decision } => {
            let counters = Counters::new();
            let name = tried.task.as_ref().map(|task| task.name.as_str());
            let usage = counters.at(tried.page.policy.limits(), Some(tried.at), name);
            let facts = Facts { now: Some(tried.at), task: tried.task.as_ref(), usage: &usage };
            smallest(policy, reading, decision, &facts)
        }
        Trial::Refused(_) => None,
    };
    if args.printed.format == Format::Json {
        output::json(&Printout { answer: &answer, edit })?;
    } else {
        let mut out = output::data();
        tried.tell(&answer, &mut out)?;
        tell_edit(edit.as_ref(), &mut out)?;
    }
    Ok(exit(answer.decision))
}

fn tell_edit(edit: Option<&Edit>, out: &mut impl Write) -> io::Result<()> {
    let head = style::HEAD;
    match edit {
        Some(Edit { what, verdict, .. }) => {
            let word = super::attempt::word(*verdict);
            writeln!(out, "\n{head}the smallest edit that changes it{head:#}\n  {}: then {word}", escape(what))
        }
        None => writeln!(out, "\n{head}no edit of one or two lines changes it{head:#}"),
    }
}

fn only_agent(home: &Home) -> Result<&String, Trouble> {
    let mut agents = home.config.agents.keys();
    match (agents.next(), agents.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(Trouble::new(Exit::Usage, "`ambit.toml` has no agent", "add `[agents.NAME]`")),
        (Some(_), Some(_)) => {
            Err(Trouble::new(Exit::Usage, "`ambit.toml` has several agents", "say whose with `--agent NAME`"))
        }
    }
}

fn of_record(home: &Home, id: &Id, format: Format) -> anyhow::Result<Exit> {
    let none = |why: String| Trouble::new(Exit::Usage, why, "`ambit journal` lists what was asked");
    let store = Sqlite::open_to_read(&home.state_dir())
        .map_err(|error| none(format!("nothing is recorded about {id}: {error}")))?;
    let Some(recorded) = recorded::decided(&store, id)? else {
        return Err(none(format!("nothing is recorded about {id}")).into());
    };
    if format == Format::Json {
        output::json(&recorded)?;
    } else {
        tell_record(&recorded, &mut output::data())?;
    }
    Ok(recorded.decision.map_or(Exit::Fine, exit))
}

fn tell_record(recorded: &Recorded, out: &mut impl Write) -> io::Result<()> {
    let quiet = style::QUIET;
    let word = recorded.decision.map_or("not decided", super::attempt::word);
    let called = recorded.called.as_deref().unwrap_or("an action");
    let agent = recorded.agent.as_deref().unwrap_or("nobody");
    writeln!(out, "{word}  {}", escape(called))?;
    writeln!(out, "{quiet}record {} of {}{quiet:#}", recorded.sequence, escape(agent))?;
    if let Some(cause) = &recorded.cause {
        writeln!(out, "\n  {}", escape(cause))?;
    }
    for ground in &recorded.grounds {
        let line = ground.line.map_or_else(|| "no line".to_owned(), |line| format!("line {line}"));
        writeln!(
            out,
            "\n  {}: {} {quiet}({line}){quiet:#}",
            super::attempt::word(ground.verdict),
            escape(&ground.why)
        )?;
    }
    if let Some(release) = recorded.release {
        writeln!(out, "\n{quiet}lines are those of release {release}{quiet:#}")?;
    }
    Ok(())
}
