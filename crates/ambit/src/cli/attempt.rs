//! `ambit try`: what would become of an action, and why, touching nothing.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use ambit_core::decide::Facts;
use ambit_core::decision::Verdict;
use ambit_core::explain;
use ambit_core::policy::Policy;
use ambit_core::task::Task;
use ambit_core::time::Timestamp;
use ambit_core::usage::Counters;
use ambit_effects::attempt::Attempt;
use clap::Args as ClapArgs;
use serde::Serialize;

use super::args::{Format, Printed};
use super::options::Options;
use super::output::{self, style};
use super::{Exit, Trouble};
use crate::escape::escape;
use crate::home::Home;
use crate::offline::batch::{Batch, BrokenLine, instant};
use crate::offline::{Answer, GivenTask, Page, PageError, Surroundings, Trial, task, trial};
use crate::report;
use crate::world::{Real, World as _};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct TryArgs {
    /// Whose action
    #[arg(value_name = "AGENT", required_unless_present = "batch")]
    pub agent: Option<String>,
    /// The action, as `system.tool {json}`
    #[arg(value_name = "ACTION", required_unless_present = "batch")]
    pub action: Option<String>,
    /// In which task, at what time, over which page.
    #[command(flatten)]
    pub asked: AskedArgs,
    /// Many actions, one line of JSON each; `-`: standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["agent", "action", "task", "at", "scope"])]
    pub batch: Option<PathBuf>,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// In which task, at what time, over which page.
#[derive(Clone, Debug, ClapArgs)]
pub struct AskedArgs {
    /// The task that it belongs to
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// The task's request, in its own words
    #[arg(long, value_name = "TEXT", requires = "task")]
    pub request: Option<String>,
    /// Who wrote the request [default: the owner]
    #[arg(long, value_name = "WHO", requires = "request")]
    pub author: Option<String>,
    /// What the task's caller vouches for; a value that is no JSON is text
    #[arg(long = "fact", value_name = "NAME=VALUE", requires = "task")]
    pub facts: Vec<String>,
    /// When, as `2026-11-23T10:00:00Z` [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Another page than the one that `ambit.toml` names
    #[arg(long, value_name = "PATH")]
    pub scope: Option<PathBuf>,
}

/// What `--format json` prints: what a line of a batch has, and who would be asked.
#[derive(Debug, Serialize)]
struct Printout<'a> {
    #[serde(flatten)]
    answer: &'a Answer,
    asks: Vec<String>,
    #[serde(rename = "agent-is-told")]
    agent_is_told: Option<String>,
}

/// Tries it.
///
/// # Errors
/// When there is no such agent, its page has errors, or the action is none.
pub fn run(args: &TryArgs, options: &Options) -> anyhow::Result<Exit> {
    let home = options.home()?;
    if let Some(file) = &args.batch {
        return batch(&home, file);
    }
    let (Some(agent), Some(action)) = (&args.agent, &args.action) else {
        return Err(Trouble::new(Exit::Usage, "an agent and an action are needed", "see `ambit try --help`").into());
    };
    let tried = Tried::of(&home, agent, action, &args.asked)?;
    let answer = tried.trial.answer(&tried.page.policy);
    if args.printed.format == Format::Json {
        let (asks, agent_is_told) = (tried.asks(), tried.agent_is_told());
        output::json(&Printout { answer: &answer, asks, agent_is_told })?;
    } else {
        let mut out = output::data();
        tried.tell(&answer, &mut out)?;
    }
    Ok(exit(answer.decision))
}

/// An action that was tried.
pub(super) struct Tried {
    pub(super) page: Page,
    pub(super) action: String,
    pub(super) task: Option<Task>,
    pub(super) at: Timestamp,
    pub(super) trial: Trial,
}

impl Tried {
    /// Reads and decides an action as it was written on the command line.
    pub(super) fn of(home: &Home, agent: &str, action: &str, asked: &AskedArgs) -> anyhow::Result<Tried> {
        let around = Surroundings::of(home, agent).map_err(no_page)?;
        let page = match &asked.scope {
            Some(path) => Page::read(path, &around),
            None => Page::of(home, &around),
        };
        let page = page.map_err(no_page)?;
        let at = match &asked.at {
            Some(text) => instant(text).map_err(|bad| usage(&bad, "give the time with its zone"))?,
            None => Real.now(),
        };
        let task = given(asked)?.map(|given| given.open(&page.policy));
        let trial = match Attempt::parse(action) {
            Ok(attempt) => {
                let counters = Counters::new();
                let name = task.as_ref().map(|task| task.name.as_str());
                let usage = counters.at(page.policy.limits(), Some(at), name);
                let facts = Facts { now: Some(at), task: task.as_ref(), usage: &usage };
                Trial::of(&page.policy, &around, &attempt, &facts)
            }
            Err(error) => match trial::invalid(&error) {
                Some(why) => Trial::Refused(why),
                None => return Err(usage(&error, "write it as `system.tool {\"argument\": 1}`").into()),
            },
        };
        Ok(Tried { page, action: action.to_owned(), task, at, trial })
    }

    /// Who would be asked, in words.
    fn asks(&self) -> Vec<String> {
        let Trial::Decided { decision, .. } = &self.trial else { return Vec::new() };
        let asks = decision.confirmers.iter().map(|confirmer| {
            let line = confirmer.line.and_then(|id| self.page.policy.line(id));
            let who = match line {
                Some(line) => explain::who_words(&self.page.policy, &line.line),
                None => format!("asked: {}", owners(&self.page.policy)),
            };
            format!("{who}, within {}", duration(confirmer.within_seconds))
        });
        asks.collect()
    }

    fn agent_is_told(&self) -> Option<String> {
        match &self.trial {
            Trial::Decided { reading, decision } if decision.verdict != Verdict::Allow => {
                Some(explain::for_agent(&self.page.policy, reading, decision))
            }
            Trial::Decided { .. } => None,
            Trial::Refused(why) => Some(why.clone()),
        }
    }

    /// Says it to a person.
    pub(super) fn tell(&self, answer: &Answer, out: &mut impl Write) -> io::Result<()> {
        let colour = match answer.decision {
            Verdict::Allow => style::GOOD,
            Verdict::Hold => style::WAITING,
            Verdict::Refuse => style::BAD,
        };
        let (word, quiet) = (word(answer.decision), style::QUIET);
        writeln!(out, "{colour}{word}{colour:#}  {}", escape(&self.action))?;
        for ground in &answer.grounds {
            writeln!(out, "\n  {}", escape(&ground.why))?;
            if let (Some(line), Some(section), Some(text)) = (ground.line, ground.section, &ground.text) {
                writeln!(out, "    {quiet}line {line}, {section}:{quiet:#} {}", escape(text))?;
            }
        }
        for unread in &answer.unread {
            writeln!(out, "\n  not read: {}", escape(unread))?;
        }
        let more: Vec<String> = answer
            .bounds
            .iter()
            .map(|bound| format!("bound: {bound}"))
            .chain(self.asks())
            .chain(self.agent_is_told().map(|told| format!("the agent is told: {told}")))
            .collect();
        if !more.is_empty() {
            writeln!(out)?;
        }
        for line in more {
            writeln!(out, "  {}", escape(&line))?;
        }
        let page = self.page.shown();
        writeln!(out, "\n{quiet}by {} as it stands on the disk; nothing was sent{quiet:#}", escape(&page))
    }
}

fn owners(policy: &Policy) -> String {
    let names: Vec<&str> = policy.owners().iter().map(|person| person.name.as_str()).collect();
    let names = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    format!("the owner, the backup owner, or the person for whom the task runs{names}")
}

fn duration(seconds: u64) -> String {
    let (count, unit) = match seconds {
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

fn given(asked: &AskedArgs) -> Result<Option<GivenTask>, Trouble> {
    let Some(name) = &asked.task else { return Ok(None) };
    let facts: Result<Vec<_>, _> = asked.facts.iter().map(|text| task::fact(text)).collect();
    let facts = facts.and_then(task::once).map_err(|bad| usage(&bad, "write `--fact customer=8812`"))?;
    Ok(Some(GivenTask { name: name.clone(), request: asked.request.clone(), author: asked.author.clone(), facts }))
}

fn usage(error: &dyn std::error::Error, help: &str) -> Trouble {
    Trouble::new(Exit::Usage, error.to_string(), help)
}

/// Tells what is wrong with a page on standard error, and how the command ends.
pub(super) fn no_page(error: PageError) -> Trouble {
    let exit = match &error {
        PageError::NoAgent { .. } => Exit::Usage,
        PageError::Wrong { .. } | PageError::OtherAgent { .. } => Exit::Refused,
        PageError::Unreadable(_) | PageError::Snapshot(_) => Exit::Fault,
    };
    let (message, help) = (error.to_string(), error.help());
    if let PageError::Wrong { findings, .. } = error {
        output::say(&report::human(&output::errors_only(findings)));
    }
    Trouble::new(exit, message, help)
}

/// The decision in a word.
pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Hold => "hold",
        Verdict::Refuse => "refuse",
    }
}

pub(super) fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Allow => Exit::Fine,
        Verdict::Hold => Exit::Held,
        Verdict::Refuse => Exit::Refused,
    }
}

/// The most bytes of one line of a batch.
const MOST_BYTES: u64 = 8 << 20;

/// A line of the batch that has no answer.
#[derive(Serialize)]
struct Broken {
    error: String,
}

fn batch(home: &Home, file: &Path) -> anyhow::Result<Exit> {
    if file == Path::new("-") {
        return lines(home, BufReader::with_capacity(1 << 16, io::stdin().lock()));
    }
    let opened = File::open(file).map_err(|error| {
        let message = format!("`{}` cannot be read: {error}", file.display());
        Trouble::new(Exit::Usage, message, "name a file with one line of JSON an action, or `-`")
    })?;
    lines(home, BufReader::with_capacity(1 << 16, opened))
}

/// Answers line by line. Whoever writes a line and waits for its answer gets it: what was answered is passed on when no
/// further line has come in yet.
fn lines<R: io::Read>(home: &Home, mut input: BufReader<R>) -> anyhow::Result<Exit> {
    let mut batch = Batch::new(home, Real.now());
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut exit = Exit::Fine;
    let mut line = Vec::new();
    while read_line(&mut input, &mut line)? {
        let answered = if line.len() as u64 > MOST_BYTES {
            Err(BrokenLine::Wrong(format!("the line has more than {MOST_BYTES} bytes")))
        } else {
            batch.answer(&line)
        };
        match answered {
            Ok(answer) => serde_json::to_writer(&mut out, &answer).map_err(io::Error::from)?,
            Err(broken) => {
                exit = match (&broken, exit) {
                    (BrokenLine::Fault(_), _) | (_, Exit::Fault) => Exit::Fault,
                    _ => Exit::Usage,
                };
                serde_json::to_writer(&mut out, &Broken { error: broken.to_string() }).map_err(io::Error::from)?;
            }
        }
        out.write_all(b"\n")?;
        if input.buffer().is_empty() {
            out.flush()?;
        }
    }
    out.flush()?;
    Ok(exit)
}

/// The next line without its end; of one that is too long, what shows that it is. `false`: there is none.
fn read_line<R: io::Read>(input: &mut BufReader<R>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut taken = input.by_ref().take(MOST_BYTES + 1);
    if taken.read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        return Ok(true);
    }
    if line.len() as u64 > MOST_BYTES {
        input.skip_until(b'\n')?;
    }
    Ok(true)
}
