//! Stopping an agent, and letting it go on. A stop takes hold before the disk answers, says exactly what it did, and
//! proves that the next call is refused.

use std::collections::BTreeSet;

use ambit_core::action::{Action, Gate};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::tasks;
use crate::confirm::{change, notice};
use crate::gate::Answer;
use crate::gate::means::{Fault, Means};
use crate::gate::pass::pass;
use crate::gate::refuse::Refusal;
use crate::gate::session::Session;
use crate::gate::stops::{EVERYBODY, Stop, key};
use crate::gate::talk::Talk;
use crate::journal::{Entry, Kind};
use crate::store::{Durability, Put};

/// What a stop did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The sessions that were cut.
    pub severed: Vec<String>,
    /// The holds that were withdrawn.
    pub withdrawn: Vec<String>,
    /// The tasks that were closed: what goes on after a stop is opened anew.
    #[serde(default)]
    pub closed: Vec<String>,
    /// How many actions were on their way to a live system and cannot be called back; their outcome is recorded.
    pub in_flight: usize,
    /// The agents whose next call was tried and refused because of this stop.
    pub refused: Vec<String>,
    /// The agents whose next call was tried and not refused because of this stop. Empty, or the stop failed.
    pub not_refused: Vec<String>,
}

/// Stops an agent, or everybody when `agent` is `None`.
///
/// # Errors
/// When the stop could not be recorded; it holds in this process nevertheless.
pub async fn stop(means: &Means, agent: Option<&str>, by: Option<&str>, because: &str) -> Result<Stopped, Fault> {
    let name = agent.unwrap_or(EVERYBODY);
    let withdrawn = halt(means, name, by, because).await?;
    let severed = means.sessions.sever(agent);
    let closed = tasks::close_all(means, agent, by, &format!("the agent was stopped: {because}")).await?;
    let mut stopped =
        Stopped { severed, withdrawn, closed, in_flight: means.flights.aloft(agent), ..Stopped::default() };
    let tried = agent.map_or_else(|| means.judges.agents(), |agent| vec![agent.to_owned()]);
    for agent in tried {
        if is_refused(means, &agent).await {
            stopped.refused.push(agent);
        } else {
            stopped.not_refused.push(agent);
        }
    }
    Ok(stopped)
}

/// Lets an agent go on, or lifts the stop of everybody when `agent` is `None`. Whether there was such a stop.
///
/// # Errors
/// When it could not be recorded; the stop then holds.
pub async fn resume(means: &Means, agent: Option<&str>, by: &str, because: &str) -> Result<bool, Fault> {
    let name = agent.unwrap_or(EVERYBODY);
    let Some(found) = means.store.get(&key(name))? else { return Ok(false) };
    let entry = Entry {
        agent: agent.map(str::to_owned),
        person: Some(by.to_owned()),
        details: json!({ "because": because, "everybody": agent.is_none() }),
        ..Entry::new(Kind::Resumed)
    };
    let put = Put { key: found.key, expect: found.version, value: None };
    means.record(vec![entry], move |_| vec![put], Durability::Now).await?;
    means.stops.clear(name);
    Ok(true)
}

/// Stops, and withdraws what waits: nothing of that agent moves from here on. The holds that were withdrawn.
///
/// # Errors
/// When the stop could not be recorded; it holds in this process nevertheless.
pub async fn halt(means: &Means, name: &str, by: Option<&str>, because: &str) -> Result<Vec<String>, Fault> {
    let stop = Stop { at: means.now(), by: by.map(str::to_owned), because: because.to_owned() };
    means.stops.set(name, stop.clone());
    let agent = (name != EVERYBODY).then(|| name.to_owned());
    // What systems work on in their own time is let go of; each says what came of it.
    means.errands.let_go_of_all(agent.as_deref());
    let entry = Entry {
        agent: agent.clone(),
        person: by.map(str::to_owned),
        details: json!({ "because": because, "everybody": agent.is_none() }),
        ..Entry::new(Kind::Stopped)
    };
    let mut entries = vec![entry.clone()];
    let mut puts = Vec::new();
    if by.is_none() {
        // Nobody asked for it, so somebody must be told.
        entries.push(Entry { kind: Kind::Flagged, details: json!({ "trip": because }), ..entry });
        puts.push(notice::put(means.now(), means.chance()?, name, format!("`{name}` was stopped: {because}")));
    }
    let expect = means.store.get(&key(name))?.map_or(0, |found| found.version);
    puts.push(Put { key: key(name), expect, value: serde_json::to_vec(&stop).ok() });
    means.record(entries, move |_| puts, Durability::Now).await?;
    let mut withdrawn = Vec::new();
    for id in means.queue.withdrawable(agent.as_deref()) {
        let because = format!("the agent was stopped: {because}");
        if let Some(ambit_core::hold::State::Withdrawn { .. }) = change::withdraw(means, &id, &because).await? {
            withdrawn.push(id);
        }
    }
    Ok(withdrawn)
}

/// Tries a call of that agent, through the same door as any other: whether it is refused because of a stop.
async fn is_refused(means: &Means, agent: &str) -> bool {
    let session =
        Session { id: "probe".into(), agent: agent.to_owned(), askers: BTreeSet::new(), task: None, peer_user: None };
    let action = Action {
        agent: agent.to_owned(),
        gate: Gate::Mcp,
        session: session.id.clone(),
        task: None,
        system: "ambit".into(),
        operation: "tools/call".into(),
        name: "probe".into(),
        payload: br#"{"name":"probe","arguments":{}}"#.to_vec(),
    };
    let Some(stop) = means.stops.of(agent) else { return false };
    let answer = Box::pin(pass(means, &session, action, &Talk::silent())).await;
    answer == Answer::Refused(Refusal::stopped(agent, &stop).text)
}
