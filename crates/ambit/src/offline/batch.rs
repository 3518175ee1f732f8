//! Many actions at once: lines of JSON in, as many lines of JSON out, in their order.

use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use ambit_core::decide::Facts;
use ambit_core::decision::Verdict;
use ambit_core::policy::Policy;
use ambit_core::task::Task;
use ambit_core::time::Timestamp;
use ambit_core::usage::Counters;
use ambit_core::value::Value;
use ambit_effects::attempt::Attempt;
use ambit_effects::json;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Answer, GivenTask, Page, PageError, Surroundings, Trial};
use crate::escape::escape;
use crate::home::Home;

/// What one line asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask<'a> {
    agent: String,
    /// Instead of the agent's page; relative to the working directory.
    scope: Option<PathBuf>,
    #[serde(borrow)]
    task: Option<&'a RawValue>,
    at: Option<String>,
    action: Asked<'a>,
}

/// The action of a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked<'a> {
    system: String,
    tool: String,
    /// Taken as they were written, because two readers may not read the same of what was written anew.
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// The task of a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedTask<'a> {
    name: String,
    request: Option<String>,
    author: Option<String>,
    #[serde(borrow)]
    facts: Option<&'a RawValue>,
}

/// Why a line has no answer. Foreign text in it is escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokenLine {
    /// The line is not what a batch is made of, or the page it names has errors.
    #[error("{0}")]
    Wrong(String),
    /// A file could not be read.
    #[error("{0}")]
    Fault(String),
}

/// Many actions, asked one after another. What one uses up of a limit is used up for the next.
pub struct Batch<'h> {
    home: &'h Home,
    /// The time of the line before; of the first line, now.
    last: Timestamp,
    around: HashMap<String, Result<Rc<Surroundings>, BrokenLine>>,
    pages: HashMap<(String, Option<PathBuf>), Result<Open, BrokenLine>>,
}

/// A page that the batch asks, and what was used of its limits.
struct Open {
    around: Rc<Surroundings>,
    policy: Policy,
    counters: Counters,
    /// The last task, by its text: batches repeat them.
    task: Option<(String, Task)>,
}

impl<'h> Batch<'h> {
    /// A batch in which nothing was asked yet. A line without a time is asked at the time of the line before it; `now` is
    /// for lines before the first that has one.
    #[must_use]
    pub fn new(home: &'h Home, now: Timestamp) -> Batch<'h> {
        Batch { home, last: now, around: HashMap::new(), pages: HashMap::new() }
    }

    /// What would become of the action of that line.
    ///
    /// # Errors
    /// When the line is none, or the page that it is to be asked of cannot be had. Such a line uses up nothing.
    pub fn answer(&mut self, line: &[u8]) -> Result<Answer, BrokenLine> {
        let line = std::str::from_utf8(line).map_err(|_| wrong("the line is not UTF-8"))?;
        if line.trim().is_empty() {
            return Err(wrong("the line is empty"));
        }
        let ask: Ask<'_> = serde_json::from_str(line).map_err(wrong)?;
        let now = ask.at.map_or(Ok(self.last), |at| instant(&at)).map_err(wrong)?;
        self.last = now;

        let Asked { system, tool: name, arguments } = ask.action;
        let arguments = arguments.map_or("{}", RawValue::get).to_owned();
        let open = self.open(ask.agent, ask.scope)?;
        open.turn_to(ask.task.map(RawValue::get))?;
        let Open { around, policy, counters, task } = open;
        let task = task.as_ref().map(|(_, task)| task);
        let of_task = task.map(|task| task.name.as_str());

        let usage = counters.at(policy.limits(), Some(now), of_task);
        let facts = Facts { now: Some(now), task, usage: &usage };
        let trial = Trial::of(policy, around, &Attempt::Call { system, name, arguments }, &facts);
        if let Trial::Decided { decision, .. } = &trial
            && decision.verdict == Verdict::Allow
        {
            counters.charge(policy.limits(), &decision.charges, now, of_task);
        }
        Ok(trial.answer(policy))
    }

    /// The page that a line is asked of; read once.
    fn open(&mut self, agent: String, scope: Option<PathBuf>) -> Result<&mut Open, BrokenLine> {
        let Batch { home, around, pages, .. } = self;
        let page = pages.entry((agent, scope)).or_insert_with_key(|(agent, scope)| {
            let around = around
                .entry(agent.clone())
                .or_insert_with(|| Surroundings::of(home, agent).map(Rc::new).map_err(no_page))
                .clone()?;
            let page = match scope {
                Some(path) => Page::read(path, &around),
                None => Page::of(home, &around),
            };
            let Page { policy, .. } = page.map_err(no_page)?;
            Ok(Open { around, policy, counters: Counters::new(), task: None })
        });
        page.as_mut().map_err(|broken| broken.clone())
    }
}

impl Open {
    /// Turns to the task of a line, as it is written there.
    fn turn_to(&mut self, text: Option<&str>) -> Result<(), BrokenLine> {
        match text {
            None => self.task = None,
            Some(text) if self.task.as_ref().is_some_and(|(last, _)| last == text) => {}
            Some(text) => {
                let asked: AskedTask<'_> = serde_json::from_str(text).map_err(wrong)?;
                let facts = match asked.facts.map(|facts| json::read(facts.get().as_bytes())) {
                    None => Vec::new(),
                    Some(Ok(Value::Map(facts))) => facts,
                    Some(Ok(_)) => return Err(wrong("the facts of the task are not an object")),
                    Some(Err(error)) => return Err(wrong(format!("the facts of the task cannot be read: {error}"))),
                };
                let given = GivenTask { name: asked.name, request: asked.request, author: asked.author, facts };
                self.task = Some((text.to_owned(), given.open(&self.policy)));
            }
        }
        Ok(())
    }
}

fn wrong(why: impl ToString) -> BrokenLine {
    BrokenLine::Wrong(escape(&why.to_string()))
}

fn no_page(error: PageError) -> BrokenLine {
    let why = escape(&error.in_one_line());
    if error.is_fault() { BrokenLine::Fault(why) } else { BrokenLine::Wrong(why) }
}

/// A moment as RFC 3339 writes it.
///
/// # Errors
/// When it is none.
pub fn instant(text: &str) -> Result<Timestamp, NoInstant> {
    let read: Result<jiff::Timestamp, _> = text.parse();
    read.map(|at| Timestamp(at.as_millisecond())).map_err(|_| NoInstant(text.to_owned()))
}

/// A text that is no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no moment: write it as `2026-11-23T10:00:00Z`")]
pub struct NoInstant(String);
