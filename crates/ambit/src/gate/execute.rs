//! Sends what a permit owns, once, and records what came of it. The only file that hands a permit to a live system.

use std::sync::Arc;

use ambit_core::action::Digest;
use ambit_core::decision::Bound;
use ambit_core::hold::{Outcome, State};
use ambit_core::permit::{Confirmed, Permit};
use serde_json::json;
use tokio::task::JoinHandle;

use super::entries::flight_key;
use super::means::{Fault, Means};
use super::prove::{Proved, prove};
use super::refuse::Refusal;
use super::session::Session;
use super::talk::{Party, Relay, Talk};
use super::{Answer, Sent, errand, relay};
use crate::confirm::change::{self, ChangeError, Changed, Step};
use crate::confirm::{Kept, notice, recheck};
use crate::escape::escape;
use crate::journal::{Entry, Kind};
use crate::store::{Durability, Put};

/// What is known of an allowed action while it is sent.
pub(crate) struct Sending {
    /// Ties its records together.
    pub id: String,
    /// Its digest.
    pub digest: Digest,
    /// Whether it may change something.
    pub changes: bool,
}

/// Sends an allowed action.
pub(crate) async fn allowed(
    means: &Means,
    session: &Session,
    permit: Permit,
    sending: &Sending,
    talk: &Talk,
) -> Result<Answer, Fault> {
    let Some(_aloft) = means.flights.begin(&session.agent, &means.stops) else {
        // Stopped between the decision and the sending.
        let refusal = Refusal::of_stop(means, &session.agent);
        let proved = prove(&[], Sent::NotSent("the agent was stopped".into()));
        record(means, session, sending, &proved, None).await?;
        return Ok(refusal.map_or_else(|| Answer::Fault("not sent".into()), Refusal::into_answer));
    };
    let called = format!("{}.{}", escape(&permit.action().system), escape(&permit.action().name));
    let (proved, errand) = if talk.is_cancelled() {
        (prove(&[], Sent::NotSent("whoever asked for it cancelled it".into())), None)
    } else {
        let (system, name) = (permit.action().system.clone(), permit.action().name.clone());
        let release = relay::in_force(means, &session.agent);
        let (ask, action, changes, bounds) = (&*sending.id, sending.digest, sending.changes, permit.bounds().to_vec());
        let about = relay::About { session, system, name, bounds, changes, ask, action, release };
        send(means, permit, talk, &about).await
    };
    conclude(means, session, sending, &called, proved, errand).await
}

/// Goes on with an errand of the last process: asks its system what came of it, under the release under which it was sent, and
/// records that. It is not sent again.
///
/// # Errors
/// When Ambit could not do its work; the next start asks anew.
pub async fn go_on_with(means: &Means, kept: errand::Kept) -> Result<(), Fault> {
    let session = kept.session();
    let sending = Sending { id: kept.ask.clone(), digest: kept.action, changes: kept.changes };
    let called = format!("{}.{}", escape(&kept.system), escape(&kept.name));
    let party = Party { session: kept.session.clone(), task: kept.task.clone() };
    let (relayed, Relay { mut errands, cancel, .. }) = beside(&Talk::deaf(party), &kept.bounds).relayed(true);
    let place = means.errands.begin(&kept.agent, &kept.ask, cancel.clone());
    place.is_kept(&kept.id);
    let aloft = means.flights.begin(&kept.agent, &means.stops);
    let sent = if kept.release.is_none() || relay::in_force(means, &kept.agent) != kept.release {
        Sent::Unknown("another release is in force than when it was sent".into())
    } else {
        if aloft.is_none() {
            // Its agent was stopped: its system is told that nobody wants it any more.
            cancel.now();
        }
        let mut asked = means.systems.go_on_with(&kept, &relayed);
        loop {
            tokio::select! {
                biased;
                sent = &mut asked => break sent,
                Some(word) = errands.recv() => if let errand::Word::Says(text) = word { place.says(text) },
            }
        }
    };
    let proved = prove(&kept.bounds, sent);
    conclude(means, &session, &sending, &called, proved, Some((kept, place))).await.map(drop)
}

/// Records what came of an action that was sent; its answer.
async fn conclude(
    means: &Means,
    session: &Session,
    sending: &Sending,
    called: &str,
    proved: Proved,
    errand: Option<(errand::Kept, errand::Place)>,
) -> Result<Answer, Fault> {
    if errand.is_some() && means.errands.is_suspended() && matches!(proved.sent, Sent::Unknown(_)) {
        // Ambit ends; the next start asks.
        return Ok(answer(proved.sent));
    }
    if let (Sent::Unknown(why), true) = (&proved.sent, sending.changes) {
        let text = format!("nobody knows what came of `{called}`, which was allowed: {}", escape(why));
        let notice = notice::put(means.now(), means.chance()?, &session.agent, text);
        means.record(Vec::new(), move |_| vec![notice], Durability::Soon).await?;
    }
    match record(means, session, sending, &proved, errand).await {
        Ok(()) => Ok(answer(proved.sent)),
        // It moved, and nothing says what came of it: that is told, and told again at the next start.
        Err(fault) if !matches!(proved.sent, Sent::NotSent(_)) => {
            Ok(Answer::OutcomeUnknown(format!("it was sent, but what came of it could not be recorded: {fault}")))
        }
        Err(fault) => Err(fault),
    }
}

/// Sends what a permit owns, and holds what comes back to the bounds that the permit carries; and the errand that it was, where
/// its agent was told to come back for it. `about`: for whom a server may be answered meanwhile.
async fn send(
    means: &Means,
    permit: Permit,
    talk: &Talk,
    about: &relay::About<'_>,
) -> (Proved, Option<(errand::Kept, errand::Place)>) {
    let talk = beside(talk, &about.bounds);
    let (relayed, relay) = talk.relayed(means.errands.has_room(&about.session.agent));
    let came = relay::until_sent(means, about, &talk, relay, means.systems.send(permit, &relayed)).await;
    (prove(&about.bounds, came.sent), came.kept.zip(came.place))
}

/// What must be proved of a result before an agent sees it can be proved of nothing that is said beside it.
fn beside(talk: &Talk, bounds: &[Bound]) -> Talk {
    if bounds.is_empty() { talk.clone() } else { talk.muted() }
}

/// Records what came of an allowed action, before its agent hears of it. Should the power go before the record is on the
/// disk, the action is told as unknown at the next start, which is true of everything but the agent.
async fn record(
    means: &Means,
    session: &Session,
    sending: &Sending,
    proved: &Proved,
    errand: Option<(errand::Kept, errand::Place)>,
) -> Result<(), Fault> {
    let mut entry = outcome(proved, &session.agent, sending.digest);
    entry.session = Some(session.id.clone());
    if let Some(details) = entry.details.as_object_mut() {
        details.insert("ask".into(), sending.id.as_str().into());
        if let Some((kept, _)) = &errand {
            details.insert("errand".into(), kept.id.as_str().into());
        }
    }
    let mut puts = Vec::new();
    if sending.changes {
        // Made once, with the decision, under an id of its own: its version is the first.
        puts.push(Put { key: flight_key(&session.agent, &sending.id), expect: 1, value: None });
    } else if errand.is_none() {
        // What was only read is not kept a second time; its digest is.
        entry.payload = None;
    }
    let Some((kept, place)) = errand else {
        means.record(vec![entry], move |_| puts, Durability::Soon).await?;
        return Ok(());
    };
    let (id, at, let_go) = (kept.id.clone(), means.now(), place.is_let_go());
    let ended = match &proved.sent {
        Sent::Result(_) => Ok(Outcome::Result),
        Sent::Error(_) => Ok(Outcome::Error),
        Sent::NotSent(why) | Sent::Unknown(why) => Err(why.clone()),
    };
    let all = move |numbers: &[u64]| {
        let record = numbers.first().copied().unwrap_or_default();
        let state = match ended {
            Ok(outcome) => errand::State::Ended { outcome, record, at },
            Err(because) => errand::State::Lost { because, at, let_go },
        };
        puts.push(errand::end(kept, state));
        puts
    };
    means.record(vec![entry], all, Durability::Now).await?;
    place.ended(&id, &session.agent, at);
    Ok(())
}

/// Executes a hold that everybody has confirmed: checks all it is bound to once more, records that it begins, sends it
/// once, and records what came of it. `None` when it was not there to be executed (any more).
///
/// # Errors
/// When Ambit could not do its work; the hold then stands where the store has it.
pub async fn confirmed(means: &Means, id: &str) -> Result<Option<State>, Fault> {
    let Some(agent) = change::kept(means, id)?.map(|kept| kept.agent().to_owned()) else { return Ok(None) };
    let Some(_aloft) = means.flights.begin(&agent, &means.stops) else {
        return change::withdraw(means, id, "the agent was stopped").await;
    };
    let is_confirmed = |kept: &Kept| matches!(kept.hold.state, State::Confirmed { .. });
    let Some(kept) = change::kept(means, id)?.filter(is_confirmed) else { return Ok(None) };
    let bound = match recheck::bound(means, &kept).await? {
        Ok(bound) => bound,
        Err(because) => return change::withdraw(means, id, &because).await,
    };
    // Decided and charged as one step, against whatever else the agent does meanwhile; and once more only if it is
    // still there to be executed.
    let turn = means.turn(&agent);
    let locked = turn.lock().await;
    let Some(kept) = change::kept(means, id)?.filter(is_confirmed) else { return Ok(None) };
    let checked = match recheck::decide(means, &kept, bound)? {
        Ok(checked) => checked,
        Err(because) => return change::withdraw(means, id, &because).await,
    };
    let (at, digest, bounds) = (means.now(), checked.action.digest(), kept.bounds.clone());
    let begun = change::change(means, id, Durability::Now, |kept: &mut Kept| {
        kept.hold.begin(digest, at, checked.judge.circle())?;
        Ok(Step { said: (), entries: vec![kept.entry(Kind::Executing, json!({}))], puts: checked.charges.clone() })
    })
    .await;
    drop(locked);
    let recorded = match begun {
        Ok(Changed { recorded: Some(recorded), .. }) => recorded,
        // Somebody else was faster; where it stands is what they made of it.
        Ok(_) | Err(ChangeError::Denied(_) | ChangeError::NoSuchHold(_)) => {
            return Ok(change::kept(means, id)?.map(|kept| kept.hold.state));
        }
        Err(ChangeError::Fault(fault)) => return Err(fault),
    };
    let Some(permit) =
        Permit::confirmed(checked.action, Confirmed { action: kept.hold.binding.action, recorded }, bounds)
    else {
        return change::lose(means, id, "what was read back is not what was confirmed; it was not sent").await;
    };
    // Whoever asked may be gone for long.
    let party = Party { session: permit.action().session.clone(), task: permit.action().task.clone() };
    let bounds = permit.bounds().to_vec();
    let (relayed, relay) = beside(&Talk::deaf(party), &bounds).relayed(means.errands.has_room(&agent));
    let sent = relay::until_done(means, &agent, id, relay, means.systems.send(permit, &relayed)).await;
    change::finish(means, id, prove(&bounds, sent)).await
}

/// Executes a hold in a task of its own, which is driven to its end whoever stops waiting for it. `None` when that is
/// under way already.
#[must_use]
pub fn begin(means: &Arc<Means>, id: &str) -> Option<JoinHandle<Result<Option<State>, Fault>>> {
    let underway = means.queue.take_up(id)?;
    let (means, id) = (Arc::clone(means), id.to_owned());
    Some(tokio::spawn(async move {
        let ended = confirmed(&means, &id).await;
        if let Err(error) = &ended {
            tracing::error!(hold = id, %error, "a confirmed hold could not be executed");
        }
        drop(underway);
        ended
    }))
}

/// The record of what came of an action that was sent.
pub(crate) fn outcome(proved: &Proved, agent: &str, action: Digest) -> Entry {
    let (kind, payload, details) = match &proved.sent {
        Sent::Result(bytes) => (Kind::Outcome, Some(bytes), json!({ "outcome": Outcome::Result })),
        Sent::Error(bytes) => (Kind::Outcome, Some(bytes), json!({ "outcome": Outcome::Error })),
        Sent::NotSent(why) => (Kind::Outcome, None, json!({ "outcome": Outcome::NotSent, "why": why })),
        Sent::Unknown(why) => (Kind::OutcomeUnknown, None, json!({ "why": why })),
    };
    let mut entry = Entry {
        agent: Some(agent.to_owned()),
        action: Some(action),
        details,
        payload: payload.cloned(),
        ..Entry::new(kind)
    };
    if let (Some(bytes), Some(details)) = (payload, entry.details.as_object_mut()) {
        details.insert("bytes".into(), bytes.len().into());
        details.insert("digest".into(), Digest::of("ambit/answer/1", &[bytes]).to_string().into());
        // Names of fields and counts, so that it can stand in the open part.
        if !proved.withheld.is_empty() {
            details.insert("withheld".into(), json!(proved.withheld));
        }
    }
    entry
}

fn answer(sent: Sent) -> Answer {
    match sent {
        Sent::Result(bytes) => Answer::Result(bytes),
        Sent::Error(bytes) => Answer::Error(bytes),
        Sent::NotSent(why) => {
            Answer::Fault(format!("it was not sent: {why}\nhelp: nothing happened; it may be tried again"))
        }
        Sent::Unknown(why) => Answer::OutcomeUnknown(why),
    }
}
