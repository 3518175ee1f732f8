//! What a task may say, held to the release in force; and why one is not opened.

use ambit_core::scope::diagnostics::nearest;
use serde::{Deserialize, Serialize};

use crate::escape::escape;
use crate::gate::judge::Judge;
use crate::gate::means::Fault;
use crate::gate::session::Fact;
use crate::keys::token::TokenError;

/// What a trusted caller asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// The agent that is to do it.
    pub agent: String,
    /// The name that `for` uses; `None`: no line is for it, and the caller says that this is meant.
    pub name: Option<String>,
    /// The request in its own words.
    pub request: Option<String>,
    /// Who wrote that request; must stand where a request does.
    pub author: Option<String>,
    /// What the caller vouches for.
    pub facts: Vec<(String, Fact)>,
    /// How long it lasts, in seconds.
    pub lasts_seconds: u64,
    /// For whom it runs; `None`: for whoever opens it.
    pub on_behalf_of: Option<String>,
}

/// Why a task is not opened.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// Nothing is in force that could be narrowed.
    #[error("no scope is in force for `{agent}`, so there is nothing that a task could narrow: {why}")]
    NothingInForce {
        /// Whose.
        agent: String,
        /// Why, with what to do.
        why: String,
    },
    /// The agent is stopped.
    #[error("`{0}` is stopped\nhelp: `ambit resume {0} --because …` lets it go on")]
    Stopped(String),
    /// Nobody that the release in force knows.
    #[error("`{person}` is not among the people of the release in force for `{agent}`\nhelp: {help}")]
    Nobody {
        /// Who.
        person: String,
        /// Whose release.
        agent: String,
        /// Who is.
        help: String,
    },
    /// No line names such a task.
    #[error("no line of the scope in force names a task `{name}`\nhelp: {help}")]
    NoSuchTask {
        /// What was written.
        name: String,
        /// The nearest, or all.
        help: String,
    },
    /// No line compares with such a fact.
    #[error("no line of the scope in force compares with the task's `{name}`\nhelp: {help}")]
    NoSuchFact {
        /// What was written.
        name: String,
        /// The nearest, or all.
        help: String,
    },
    /// What it says does not hold together.
    #[error("{0}")]
    Wrong(&'static str),
    /// Too many are open.
    #[error("{0} tasks of `{1}` are open already\nhelp: close those that are done: `ambit task list {1}`")]
    TooMany(usize, String),
    /// The release in force does not let this caller do that.
    #[error("{what}\nhelp: {help}")]
    MayNot {
        /// What it may not.
        what: String,
        /// What it may.
        help: String,
    },
    /// Too many of one caller's are open.
    #[error("{most} tasks that `{caller}` opened for `{agent}` are open already\nhelp: close those that are done")]
    TooManyOf {
        /// Whose.
        caller: String,
        /// How many.
        most: u64,
        /// Of which agent.
        agent: String,
    },
    /// One caller opened too many in the last hour.
    #[error(
        "`{caller}` opened {most} tasks for `{agent}` within the last hour\nhelp: ask again in {seconds} s; `openings-per-hour` of the caller says how many it may open"
    )]
    TooOftenOf {
        /// Whose.
        caller: String,
        /// How many.
        most: u64,
        /// Of which agent.
        agent: String,
        /// Until it may open another.
        seconds: u64,
    },
    /// The same idempotency key, and another request.
    #[error("the idempotency key was used for another request\nhelp: give every new request a key of its own")]
    OtherRequest,
    /// What the idempotency key opened is over.
    #[error("the task `{0}` that this idempotency key opened is over\nhelp: open another under a new key")]
    Over(String),
    /// The task stands, and its token cannot be said again.
    #[error(
        "the task `{0}` is open, and its token can only be said again to the caller's token that opened it\nhelp: close it, and open another under a new key"
    )]
    OtherToken(String),
    /// Its token could not be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Ambit could not do its work.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The shortest that a task may last.
pub const SHORTEST_SECONDS: u64 = 60;
/// The longest that a task may last: a week.
pub const LONGEST_SECONDS: u64 = 7 * 24 * 3600;
// A request is a letter, not a library: it is read again for every action that looks at it.
const REQUEST_BYTES: usize = 64 << 10;
const FACT_BYTES: usize = 1 << 10;

/// Whether a release has lines for what is asked, and it holds together.
pub(super) fn fits(opening: &Opening, judge: &Judge) -> Result<(), TaskError> {
    let policy = judge.policy();
    if let Some(name) = &opening.name {
        let names = policy.task_names();
        if !names.contains(name.as_str()) {
            let none = "it names no task at all; `--unnamed` opens one that has a request and facts alone";
            return Err(TaskError::NoSuchTask { name: escape(name), help: suggest(name, &names, none) });
        }
    }
    let facts = policy.task_facts();
    for (at, (name, fact)) in opening.facts.iter().enumerate() {
        if !facts.contains(name.as_str()) {
            let none = "it compares with no fact of a task; leave it out";
            return Err(TaskError::NoSuchFact { name: escape(name), help: suggest(name, &facts, none) });
        }
        if opening.facts.iter().take(at).any(|(before, _)| before == name) {
            return Err(TaskError::Wrong("a fact is given twice\nhelp: say each fact once"));
        }
        match fact {
            Fact::Text(text) if text.len() > FACT_BYTES => {
                return Err(TaskError::Wrong(
                    "a fact has more than 1,024 bytes\nhelp: facts are short: a number, a name",
                ));
            }
            Fact::Number(_) if fact.value() == ambit_core::value::Value::Null => {
                return Err(TaskError::Wrong("a fact is a number that is none\nhelp: write it in plain digits"));
            }
            Fact::Text(_) | Fact::Number(_) | Fact::Truth(_) => {}
        }
    }
    match (&opening.request, &opening.author) {
        (Some(request), _) if request.trim().is_empty() => {
            Err(TaskError::Wrong("the request is empty\nhelp: leave it out where there is none"))
        }
        (Some(request), _) if request.len() > REQUEST_BYTES => {
            Err(TaskError::Wrong("the request has more than 64 KiB\nhelp: give the words that say what is wanted"))
        }
        (Some(_), None) => Err(TaskError::Wrong(
            "it is not said who wrote the request\nhelp: `--author` names them; what somebody outside wrote satisfies no test, so say so where it is so",
        )),
        (None, Some(_)) => Err(TaskError::Wrong("an author is named, and no request\nhelp: give the request as well")),
        (Some(_), Some(author)) if author.trim().is_empty() => {
            Err(TaskError::Wrong("the author is empty\nhelp: name whoever wrote the request"))
        }
        (Some(_), Some(_)) | (None, None) => Ok(()),
    }?;
    if !(SHORTEST_SECONDS..=LONGEST_SECONDS).contains(&opening.lasts_seconds) {
        return Err(TaskError::Wrong(
            "a task lasts from a minute to a week\nhelp: give it the time that the work needs; another can be opened",
        ));
    }
    Ok(())
}

/// The person must be one that the release knows.
pub(super) fn known(judge: &Judge, agent: &str, person: &str) -> Result<(), TaskError> {
    let people = &judge.circle().people;
    if people.contains(person) {
        return Ok(());
    }
    let names: std::collections::BTreeSet<&str> = people.iter().map(String::as_str).collect();
    let help = suggest(person, &names, "it names nobody under `[people]`");
    Err(TaskError::Nobody { person: escape(person), agent: escape(agent), help })
}

fn suggest(written: &str, known: &std::collections::BTreeSet<&str>, none: &str) -> String {
    match nearest(written, known.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", escape(near)),
        None if known.is_empty() => none.to_owned(),
        None => {
            let all: Vec<String> = known.iter().map(|name| format!("`{}`", escape(name))).collect();
            format!("there is {}", all.join(", "))
        }
    }
}
