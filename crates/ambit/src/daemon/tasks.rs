//! Opening a task and closing it. Whoever calls this has proved who opens it: a person, or a program that the release in
//! force knows (`callers.rs`). An agent has no way here.
//!
//! Both happen under the agent's turn, as deciding does: what was decided before a task ended was recorded before its
//! end, and nothing is decided in it afterwards.

use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::callers::{self, Calling};
pub use super::opening::{LONGEST_SECONDS, Opening, SHORTEST_SECONDS, TaskError};
use super::opening::{fits, known};
use crate::confirm::{change, queue, refused};
use crate::escape::escape;
use crate::gate::means::{Fault, InForce, Means};
use crate::gate::tasks::{KeptTask, Said, key};
use crate::journal::{Entry, Kind};
use crate::keys::Secret;
use crate::keys::token;
use crate::store::{Durability, Put};

/// A task that was opened.
pub struct Opened {
    /// The task.
    pub task: KeptTask,
    /// What the agent's client presents; given this once.
    pub token: Secret,
    /// Whether its request satisfies tests, because somebody inside wrote it; `None`: it has no request.
    pub request_counts: Option<bool>,
    /// Whether it was open already, and this caller asked the same again.
    pub again: bool,
}

/// Who opens a task.
pub enum Opener<'a> {
    /// A person of that name.
    Person(&'a str),
    /// A program.
    Caller(&'a Calling),
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

/// The most tasks of one agent that may be open at once.
pub const MOST: usize = 64;
/// Opens a task for `by`, who proved to be that person.
///
/// # Errors
/// See [`TaskError`]; nothing was opened then.
pub async fn open(means: &Means, opening: Opening, by: &str) -> Result<Opened, TaskError> {
    open_for(means, opening, &Opener::Person(by)).await
}

/// Opens a task for a person or a program. A program that asks the same again under the same key gets the same task.
///
/// # Errors
/// As [`open`].
pub async fn open_for(means: &Means, mut opening: Opening, opener: &Opener<'_>) -> Result<Opened, TaskError> {
    let agent = opening.agent.clone();
    let turn = means.turn(&agent);
    let _turn = turn.lock().await;
    if let Opener::Caller(calling) = opener
        && let Some(once) = callers::once(means, calling, &opening)?
    {
        return again(means, calling, &opening, once.task);
    }
    // Before it is filled in: what comes again is compared with what came.
    let asked = opening.clone();
    if means.stops.of(&agent).is_some() {
        return Err(TaskError::Stopped(escape(&agent)));
    }
    let judge = match means.judges.in_force(&agent, means.now()) {
        InForce::Judge(judge) => judge,
        InForce::Nothing(why) => return Err(TaskError::NothingInForce { agent: escape(&agent), why }),
    };
    let by = match opener {
        Opener::Person(by) => (*by).to_owned(),
        Opener::Caller(calling) => callers::check(means, calling, &mut opening, &judge)?,
    };
    fits(&opening, &judge)?;
    let on_behalf_of = opening.on_behalf_of.unwrap_or_else(|| by.clone());
    known(&judge, &agent, &by)?;
    known(&judge, &agent, &on_behalf_of)?;
    if means.tasks.all(Some(&agent)).len() >= MOST {
        return Err(TaskError::TooMany(MOST, escape(&agent)));
    }
    let id = queue::id(means.chance().map_err(Fault::from)?);
    let (mut caller, mut secret, mut noted) = (None, None, Vec::new());
    if let Opener::Caller(calling) = opener {
        caller = Some(calling.name.clone());
        secret = callers::secret(calling, &agent, &id);
        noted = callers::note(means, calling, &asked, &id)?;
    }
    let drawn = match &secret {
        Some(secret) => token::draw_from(&means.journal, &agent, Some(&by), None, Some(&id), secret)?,
        None => token::draw(&means.journal, &agent, Some(&by), None, Some(&id))?,
    };
    let lasts = i64::try_from(opening.lasts_seconds).unwrap_or(i64::MAX).saturating_mul(1000);
    let now = means.now();
    let mut task = KeptTask {
        id,
        agent,
        name: opening.name.unwrap_or_default(),
        opened_by: by.clone(),
        caller,
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
    let mut details = json!({
        "task": task.id, "name": task.name, "on-behalf-of": task.on_behalf_of, "until": task.until,
        "token": task.token, "release": judge.release().number,
    });
    if let (Opener::Caller(calling), Some(details)) = (opener, details.as_object_mut()) {
        details.insert("caller".into(), calling.name.as_str().into());
        details.insert("caller-token".into(), calling.token.as_str().into());
    }
    let entry = Entry {
        agent: Some(task.agent.clone()),
        person: Some(by),
        details,
        payload: Some(serde_json::to_vec(&said).map_err(damaged)?),
        ..Entry::new(Kind::TaskOpened)
    };
    let (token_puts, mut written) = (drawn.puts, task.clone());
    let puts = move |numbers: &[u64]| {
        written.record = numbers.first().copied().unwrap_or(0);
        // A task always serialises; were it not to, the empty value is no task and fails closed.
        let value = Some(serde_json::to_vec(&written).unwrap_or_default());
        [vec![Put { key, expect: 0, value }], token_puts, noted].concat()
    };
    let recorded = means.record(vec![entry, drawn.entry], puts, Durability::Now).await.map_err(Fault::from)?;
    task.record = recorded.first().map_or(0, |record| record.sequence);
    means.tasks.note(task.clone());
    if let Opener::Caller(calling) = opener {
        means.openings.note(&calling.name, &task.agent, now);
    }
    Ok(Opened { task, token: drawn.text, request_counts, again: false })
}

/// The task that a caller's key opened, said again.
fn again(means: &Means, calling: &Calling, opening: &Opening, id: String) -> Result<Opened, TaskError> {
    let Some(task) = means.tasks.open_now(&opening.agent, &id, means.now()) else { return Err(TaskError::Over(id)) };
    let request_counts = match (&opening.author, means.judges.in_force(&opening.agent, means.now())) {
        (Some(author), InForce::Judge(judge)) => Some(judge.policy().is_insider(author)),
        (Some(_), InForce::Nothing(_)) => Some(false),
        (None, _) => None,
    };
    let secret = callers::secret(calling, &opening.agent, &id);
    let text = match &secret {
        Some(secret) => token::text_again(means.store.as_ref(), &task.token, secret)?,
        None => None,
    };
    let Some(token) = text else { return Err(TaskError::OtherToken(id)) };
    Ok(Opened { task: KeptTask::clone(&task), token, request_counts, again: true })
}

/// Closes a task: its token opens nothing any more, its sessions are cut, what waits in it is withdrawn. What is on its
/// way to a live system cannot be called back. `None`: there was none (any more). `by`: nobody for time itself.
///
/// # Errors
/// When it could not be recorded; it is over in this process nevertheless.
pub async fn close(means: &Means, id: &str, by: Option<&str>, because: &str) -> Result<Option<Closed>, Fault> {
    close_as(means, id, by, None, because).await
}

/// As [`close`], for a caller of that name where there is one.
///
/// # Errors
/// As [`close`].
pub async fn close_as(
    means: &Means,
    id: &str,
    by: Option<&str>,
    caller: Option<&str>,
    because: &str,
) -> Result<Option<Closed>, Fault> {
    let Some(agent) = means.tasks.get(id).map(|task| task.agent.clone()) else { return Ok(None) };
    let turn = means.turn(&agent);
    let locked = turn.lock().await;
    // Whoever forgets it is the one who closes it.
    let Some(task) = means.tasks.forget(id) else { return Ok(None) };
    let severed = means.sessions.sever_task(id);
    let mut details = json!({ "task": id, "name": task.name, "because": because });
    if let (Some(caller), Some(details)) = (caller, details.as_object_mut()) {
        details.insert("caller".into(), caller.into());
    }
    let mut entries = vec![Entry {
        agent: Some(agent.clone()),
        person: by.map(str::to_owned),
        details,
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
    // Nor is what people said no to in it. What is not forgotten now is when that is swept.
    if let Err(error) = refused::forget(means, Some(&agent)).await {
        tracing::error!(%error, "what was refused in a task that is over could not be forgotten");
    }
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
