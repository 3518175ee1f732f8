//! Opening a task and closing it. Whoever calls this has proved who the trusted caller is; an agent has no way here.
//!
//! Both happen under the agent's turn, as deciding does: what was decided before a task ended was recorded before its
//! end, and nothing is decided in it afterwards.

use ambit_core::scope::diagnostics::nearest;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::confirm::{change, queue};
use crate::escape::escape;
use crate::gate::judge::Judge;
use crate::gate::means::{Fault, InForce, Means};
use crate::gate::session::Fact;
use crate::gate::tasks::{KeptTask, Said, key};
use crate::journal::{Entry, Kind};
use crate::keys::Secret;
use crate::keys::token::{self, TokenError};
use crate::store::{Durability, Put};

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

/// A task that was opened.
pub struct Opened {
    /// The task.
    pub task: KeptTask,
    /// What the agent's client presents; given this once.
    pub token: Secret,
    /// Whether its request satisfies tests, because somebody inside wrote it; `None`: it has no request.
    pub request_counts: Option<bool>,
}

/// What closing a task did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Its id.
    pub id: String,
    /// Whose it was.
    pub agent: String,
    /// The sessions that were cut.
    pub severed: Vec<String>,
    /// The holds that were withdrawn.
    pub withdrawn: Vec<String>,
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
/// The most tasks of one agent that may be open at once.
pub const MOST: usize = 64;
// A request is a letter, not a library: it is read again for every action that looks at it.
const REQUEST_BYTES: usize = 64 << 10;
const FACT_BYTES: usize = 1 << 10;

/// Opens a task for `by`, who proved to be that person.
///
/// # Errors
/// See [`TaskError`]; nothing was opened then.
pub async fn open(means: &Means, opening: Opening, by: &str) -> Result<Opened, TaskError> {
    let agent = opening.agent.clone();
    let turn = means.turn(&agent);
    let _turn = turn.lock().await;
    if means.stops.of(&agent).is_some() {
        return Err(TaskError::Stopped(escape(&agent)));
    }
    let judge = match means.judges.in_force(&agent, means.now()) {
        InForce::Judge(judge) => judge,
        InForce::Nothing(why) => return Err(TaskError::NothingInForce { agent: escape(&agent), why }),
    };
    fits(&opening, &judge)?;
    let on_behalf_of = opening.on_behalf_of.unwrap_or_else(|| by.to_owned());
    known(&judge, &agent, by)?;
    known(&judge, &agent, &on_behalf_of)?;
    if means.tasks.all(Some(&agent)).len() >= MOST {
        return Err(TaskError::TooMany(MOST, escape(&agent)));
    }
    let id = queue::id(means.chance().map_err(Fault::from)?);
    let drawn = token::draw(&means.journal, &agent, Some(by), None, Some(&id))?;
    let lasts = i64::try_from(opening.lasts_seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    let now = means.now();
    let mut task = KeptTask {
        id,
        agent,
        name: opening.name.unwrap_or_default(),
        opened_by: by.to_owned(),
        on_behalf_of,
        opened: now,
        until: Timestamp(now.0.saturating_add(lasts)),
        token: drawn.token.id.clone(),
        record: 0,
    };
    let request_counts = opening.author.as_deref().map(|author| judge.policy().is_insider(author));
    let said = Said { request: opening.request, author: opening.author, facts: opening.facts };
    let key = key(&task.agent, &task.id);
    let damaged = |error: serde_json::Error| Fault::Damaged { key: key.clone(), why: error.to_string() };
    let entry = Entry {
        agent: Some(task.agent.clone()),
        person: Some(by.to_owned()),
        details: json!({
            "task": task.id, "name": task.name, "on-behalf-of": task.on_behalf_of, "until": task.until,
            "token": task.token, "release": judge.release().number,
        }),
        payload: Some(serde_json::to_vec(&said).map_err(damaged)?),
        ..Entry::new(Kind::TaskOpened)
    };
    let (token_put, mut written) = (drawn.put, task.clone());
    let puts = move |numbers: &[u64]| {
        written.record = numbers.first().copied().unwrap_or(0);
        // A task always serialises; were it not to, the empty value is no task and fails closed.
        let value = Some(serde_json::to_vec(&written).unwrap_or_default());
        vec![Put { key, expect: 0, value }, token_put]
    };
    let recorded = means.record(vec![entry, drawn.entry], puts, Durability::Now).await.map_err(Fault::from)?;
    task.record = recorded.first().map_or(0, |record| record.sequence);
    means.tasks.note(task.clone());
    Ok(Opened { task, token: drawn.text, request_counts })
}

/// Closes a task: its token opens nothing any more, its sessions are cut, what waits in it is withdrawn. What is on its
/// way to a live system cannot be called back. `None`: there was none (any more). `by`: nobody for time itself.
///
/// # Errors
/// When it could not be recorded; it is over in this process nevertheless.
pub async fn close(means: &Means, id: &str, by: Option<&str>, because: &str) -> Result<Option<Closed>, Fault> {
    let Some(agent) = means.tasks.get(id).map(|task| task.agent.clone()) else { return Ok(None) };
    let turn = means.turn(&agent);
    let locked = turn.lock().await;
    // Whoever forgets it is the one who closes it.
    let Some(task) = means.tasks.forget(id) else { return Ok(None) };
    let severed = means.sessions.sever_task(id);
    let mut entries = vec![Entry {
        agent: Some(agent.clone()),
        person: by.map(str::to_owned),
        details: json!({ "task": id, "name": task.name, "because": because }),
        ..Entry::new(Kind::TaskClosed)
    }];
    let version = means.store.get(&key(&agent, id))?.map_or(0, |found| found.version);
    let mut puts = vec![Put { key: key(&agent, id), expect: version, value: None }];
    match token::revocation(&means.journal, &task.token, by) {
        Ok((_, Some((entry, put)))) => {
            entries.push(entry);
            puts.push(put);
        }
        // It is over with the task, whether or not it can be marked: a task's token opens nothing without its task.
        Ok((_, None)) => {}
        Err(error) => tracing::error!(%error, task = id, "the token of a task could not be revoked"),
    }
    let keep = i64::try_from(means.settings.keep.as_millis()).unwrap_or(i64::MAX);
    match token::outlived(means.store.as_ref(), &agent, means.now().0.saturating_sub(keep)) {
        Ok(old) => puts.extend(old),
        Err(error) => tracing::error!(%error, "the tokens of tasks that are long over could not be forgotten"),
    }
    // What was counted in this task is of no more use.
    let counted = means.store.scan(&format!("usage/{agent}/"))?;
    let of_task = counted.into_iter().filter(|found| found.key.rsplit('/').next() == Some(id));
    puts.extend(of_task.map(|found| Put { key: found.key, expect: found.version, value: None }));
    means.record(entries, move |_| puts, Durability::Now).await?;
    drop(locked);
    let mut withdrawn = Vec::new();
    for hold in means.queue.withdrawable(Some(&agent)) {
        let of_task = change::kept(means, &hold)?.is_some_and(|kept| kept.frame.task.as_deref() == Some(id));
        if of_task {
            let because = format!("its task is over: {because}");
            if let Some(ambit_core::hold::State::Withdrawn { .. }) = change::withdraw(means, &hold, &because).await? {
                withdrawn.push(hold);
            }
        }
    }
    Ok(Some(Closed { id: id.to_owned(), agent, severed, withdrawn }))
}

/// Closes every task of an agent, or of everybody; their ids.
///
/// # Errors
/// As [`close`].
pub async fn close_all(
    means: &Means,
    agent: Option<&str>,
    by: Option<&str>,
    because: &str,
) -> Result<Vec<String>, Fault> {
    let mut closed = Vec::new();
    for task in means.tasks.all(agent) {
        closed.extend(close(means, &task.id, by, because).await?.map(|closed| closed.id));
    }
    Ok(closed)
}

/// Whether a release has lines for what is asked, and it holds together.
fn fits(opening: &Opening, judge: &Judge) -> Result<(), TaskError> {
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

fn known(judge: &Judge, agent: &str, person: &str) -> Result<(), TaskError> {
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
