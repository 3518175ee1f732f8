//! `ambit task`: opens, lists, shows and closes the tasks of agents.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ambit_core::time::Timestamp;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::args::{Format, Printed};
use super::input;
use super::link::{Link, Who, unexpected};
use super::options::Options;
use super::output::{self, Table, say};
use super::{Exit, Trouble};
use crate::confirm::wait::clock;
use crate::daemon::request::{Reply, Request, TaskRequest};
use crate::daemon::tasks::Opening;
use crate::escape::{escape, escape_lines};
use crate::gate::session::{Fact, OpenTask};
use crate::offline::task;

/// What was said.
#[derive(Clone, Debug, Args)]
pub struct TaskArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Open a task for an agent, and get the token that its client connects with
    Open(OpenArgs),
    /// List the tasks that are open
    List(ListArgs),
    /// Show everything about a task: its request, who wrote that, its facts
    Show(ShowArgs),
    /// Close a task: its token opens nothing any more, its sessions are cut, what waits in it is withdrawn
    Close(CloseArgs),
}

/// What was said to `ambit task open`.
#[derive(Clone, Debug, Args)]
pub struct OpenArgs {
    /// The agent that is to do it
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// The task, as lines of the scope name it with `for`
    #[arg(value_name = "NAME", required_unless_present = "unnamed")]
    pub name: Option<String>,
    /// No line is for this task: it gives the agent a request and facts alone
    #[arg(long, conflicts_with = "name")]
    pub unnamed: bool,
    /// The request in its own words
    #[arg(long, value_name = "TEXT", requires = "author")]
    pub request: Option<String>,
    /// The request in its own words, from a file; `-` is standard input
    #[arg(long, value_name = "FILE", requires = "author", conflicts_with = "request")]
    pub request_file: Option<PathBuf>,
    /// Who wrote the request; what somebody outside wrote satisfies no test
    #[arg(long, value_name = "WHO")]
    pub author: Option<String>,
    /// What you vouch for; true, false and numbers stand for themselves, anything else is text
    #[arg(long = "fact", value_name = "NAME=VALUE")]
    pub facts: Vec<String>,
    /// How long it lasts, at most a week: `45m`, `2h`, `3d`
    #[arg(long = "for", value_name = "TIME", default_value = "8h", value_parser = seconds)]
    pub lasts: u64,
    /// The person for whom it runs, who may confirm what asks nobody in particular
    /// [default: you]
    #[arg(long, value_name = "NAME")]
    pub on_behalf_of: Option<String>,
    /// Write the task's token to this file (mode 0600) instead of standard output
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Who opens it.
    #[command(flatten)]
    pub who: Who,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit task list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Of that agent alone
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit task show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// Its id, or the start of it
    #[arg(value_name = "ID")]
    pub id: String,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit task close`.
#[derive(Clone, Debug, Args)]
pub struct CloseArgs {
    /// Its id, or the start of it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "closed by hand")]
    pub because: String,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// Does it.
///
/// # Errors
/// When the daemon cannot be reached or says no.
pub fn run(args: &TaskArgs, options: &Options) -> anyhow::Result<Exit> {
    match &args.what {
        What::Open(args) => open(args, options),
        What::List(args) => list(args, options),
        What::Show(args) => show(args, options),
        What::Close(args) => close(args, options),
    }
}

fn open(args: &OpenArgs, options: &Options) -> anyhow::Result<Exit> {
    let opening = Opening {
        agent: args.agent.clone(),
        name: args.name.clone(),
        request: request(args)?,
        author: args.author.clone(),
        facts: facts(&args.facts)?,
        lasts_seconds: args.lasts,
        on_behalf_of: args.on_behalf_of.clone(),
    };
    let mut link = Link::open(options)?;
    let key = args.who.key()?;
    let signed = link.sign(&key, "task", &[&serde_json::to_string(&opening)?])?;
    let about = TaskRequest::Open { opening: Box::new(opening), signed };
    let (task, token) = match link.ask(&Request::Task { about })? {
        Reply::TaskOpened { task, token } => (task, token),
        other => return Err(unexpected(&other).into()),
    };
    let (id, until) = (text(&task, "id"), time(&task, "until"));
    if let Some(path) = &args.to
        && let Err(error) = super::token::keep(path, &token)
    {
        say(&format!("the task `{id}` is open, and its token is lost: `ambit task close {id}`"));
        return Err(error);
    }
    let place = args.to.as_ref().map_or_else(
        || "its token is shown this once; the agent's client connects with it in AMBIT_TOKEN".to_owned(),
        |path| format!("its token is in {}; the agent's client connects with that", path.display()),
    );
    say(&format!("opened the task `{id}` of {} until {until}\n{place}", escape(&args.agent)));
    if task.get("request-counts") == Some(&Value::Bool(false)) {
        let author = args.author.as_deref().map(escape).unwrap_or_default();
        say(&format!(
            "`{author}` is nobody inside, so the request satisfies no test: it is shown to people, and counts for nothing"
        ));
    }
    if args.printed.format == Format::Json {
        let mut task = task;
        if let (None, Some(task)) = (&args.to, task.as_object_mut()) {
            task.insert("secret".into(), token.into());
        }
        output::json(&task)?;
    } else if args.to.is_none() {
        writeln!(output::data(), "{token}")?;
    }
    Ok(Exit::Fine)
}

fn list(args: &ListArgs, options: &Options) -> anyhow::Result<Exit> {
    let tasks = tasks(options, TaskRequest::List { agent: args.agent.clone() })?;
    if args.printed.format == Format::Json {
        output::json(&tasks)?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&["id", "agent", "task", "opened by", "for", "until", "sessions"]);
    for task in &tasks {
        let sessions = task.get("sessions").and_then(Value::as_array).map_or(0, Vec::len).to_string();
        let [id, agent, on_behalf_of] = ["id", "agent", "on-behalf-of"].map(|name| text(task, name));
        let opened_by = opened_by(task);
        table.row([id, agent, named(task), opened_by, on_behalf_of, time(task, "until"), sessions]);
    }
    if table.is_empty() {
        say("no task is open\nnext: `ambit task open AGENT NAME` opens one");
    } else {
        write!(output::data(), "{}", table.text())?;
    }
    Ok(Exit::Fine)
}

fn show(args: &ShowArgs, options: &Options) -> anyhow::Result<Exit> {
    let tasks = tasks(options, TaskRequest::Show { id: args.id.clone() })?;
    let Some(task) = tasks.first() else { return Ok(Exit::Refused) };
    if args.printed.format == Format::Json {
        output::json(task)?;
        return Ok(Exit::Fine);
    }
    let mut out = output::data();
    let mut line = |label: &str, text: &str| writeln!(out, "{label:<10} {text}");
    line("task", &format!("{} ({})", named(task), text(task, "id")))?;
    line("agent", &text(task, "agent"))?;
    line("opened", &format!("{}, by {}", time(task, "opened"), opened_by(task)))?;
    line("for", &text(task, "on-behalf-of"))?;
    line("until", &time(task, "until"))?;
    let sessions: Vec<String> = array(task, "sessions").iter().filter_map(Value::as_str).map(escape).collect();
    line("sessions", &if sessions.is_empty() { "none".to_owned() } else { sessions.join(", ") })?;
    for fact in array(task, "facts") {
        line("fact", &format!("{} = {}", text(fact, "name"), value(fact)))?;
    }
    match task.get("request").and_then(Value::as_str) {
        Some(request) => {
            line("request", &format!("by {}", text(task, "author")))?;
            writeln!(out, "{}", escape_lines(request))?;
        }
        None if task.get("erased") == Some(&Value::Bool(true)) => line("request", "erased since")?,
        None => line("request", "none")?,
    }
    Ok(Exit::Fine)
}

fn close(args: &CloseArgs, options: &Options) -> anyhow::Result<Exit> {
    let by = Who { person: None, passphrase_file: None }.name().ok();
    let about = TaskRequest::Close { id: args.id.clone(), because: args.because.clone(), by };
    let closed = match Link::open(options)?.ask(&Request::Task { about })? {
        Reply::TaskClosed(closed) => closed,
        other => return Err(unexpected(&other).into()),
    };
    if args.printed.format == Format::Json {
        output::json(&closed)?;
        return Ok(Exit::Fine);
    }
    say(&format!("closed the task `{}` of {}; its token opens nothing any more", closed.id, escape(&closed.agent)));
    for (what, all) in [("sessions cut", &closed.severed), ("holds withdrawn", &closed.withdrawn)] {
        if !all.is_empty() {
            say(&format!("{what}: {}", all.join(", ")));
        }
    }
    Ok(Exit::Fine)
}

fn tasks(options: &Options, about: TaskRequest) -> Result<Vec<Value>, Trouble> {
    match Link::open(options)?.ask(&Request::Task { about })? {
        Reply::Tasks(tasks) => Ok(tasks),
        other => Err(unexpected(&other)),
    }
}

fn request(args: &OpenArgs) -> Result<Option<String>, Trouble> {
    let Some(path) = &args.request_file else { return Ok(args.request.clone()) };
    let wrong = |error: &dyn std::fmt::Display| {
        let message = format!("`{}` cannot be read: {error}", path.display());
        Trouble::new(Exit::Usage, message, "name a file with the words of the request, or `-`")
    };
    let named = Some(path.as_path()).filter(|path| *path != Path::new("-"));
    let bytes = input::bytes_of(named, MOST_BYTES).map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map(Some).map_err(|_| wrong(&"it is not UTF-8"))
}

// More than the daemon takes, so that it is the one to say so.
const MOST_BYTES: u64 = 1 << 20;

fn facts(said: &[String]) -> Result<Vec<(String, Fact)>, Trouble> {
    let wrong = |bad: task::BadTask| Trouble::new(Exit::Usage, bad.to_string(), "write `--fact customer=8812`");
    let facts = said.iter().map(|text| task::fact(text)).collect::<Result<Vec<_>, _>>().and_then(task::once);
    let one = |(name, value)| match Fact::of(&value) {
        Some(fact) => Ok((name, fact)),
        None => {
            let message = format!("the fact `{name}` is neither text, a number, true nor false");
            Err(Trouble::new(
                Exit::Usage,
                message,
                "put text that looks like something else in quotes: `'name=\"[1]\"'`",
            ))
        }
    };
    facts.map_err(wrong)?.into_iter().map(one).collect()
}

/// A stretch of time: a whole number of minutes, hours or days.
pub(super) fn seconds(text: &str) -> Result<u64, String> {
    let units = [("m", 60), ("h", 3600), ("d", 86_400)];
    let read = units.iter().find_map(|(unit, factor)| {
        let count = text.strip_suffix(unit)?;
        let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| count.parse::<u64>().ok()?.checked_mul(*factor)).flatten()
    });
    read.ok_or_else(|| "write a whole number of minutes, hours or days: `45m`, `2h`, `3d`".to_owned())
}

fn text(of: &Value, name: &str) -> String {
    of.get(name).and_then(Value::as_str).map(escape).unwrap_or_default()
}

fn time(of: &Value, name: &str) -> String {
    of.get(name).and_then(Value::as_i64).map_or_else(String::new, |at| clock(Timestamp(at)))
}

fn array<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Who opened a task: a person, or a program for which one answers.
fn opened_by(task: &Value) -> String {
    let person = text(task, "opened-by");
    match task.get("caller").and_then(Value::as_str) {
        Some(caller) => format!("{} (for {person})", escape(caller)),
        None => person,
    }
}

fn named(task: &Value) -> String {
    OpenTask::named(&text(task, "name")).to_owned()
}

fn value(fact: &Value) -> String {
    let fact = serde_json::from_value::<Fact>(fact.get("value").cloned().unwrap_or(Value::Null));
    fact.map_or_else(|_| "?".to_owned(), |fact| fact.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_of_time_has_one_unit() {
        assert_eq!((seconds("45m"), seconds("2h"), seconds("3d")), (Ok(2_700), Ok(7_200), Ok(259_200)));
        for wrong in ["", "m", "2", "2 h", "-2h", "1.5h", "2h30m", "+2h", "99999999999999999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fact_keeps_its_digits_and_nothing_else_is_one() {
        let said = |facts: &[&str]| facts.iter().map(|fact| (*fact).to_owned()).collect::<Vec<_>>();
        let read = facts(&said(&["customer=8812", "amount=12.50", "vip=true", "note=a b", "code=\"8812\""])).unwrap();
        let values: Vec<Fact> = read.into_iter().map(|(_, fact)| fact).collect();
        let wanted = [
            Fact::Number("8812".into()),
            Fact::Number("12.5".into()),
            Fact::Truth(true),
            Fact::Text("a b".into()),
            Fact::Text("8812".into()),
        ];
        assert_eq!(values, wanted);
        for wrong in [&["a=[1]"][..], &["a=null"], &["a"], &["a=1", "a=2"]] {
            assert!(facts(&said(wrong)).is_err(), "{wrong:?}");
        }
    }
}
