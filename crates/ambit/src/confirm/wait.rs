//! What the agent hears about a hold: at once, within a bounded wait, or when it asks again.

use std::pin::pin;

use ambit_core::action::Gate;
use ambit_core::hold::{Outcome, State};
use serde_json::json;

use super::Kept;
use super::change::{ChangeError, Step, called, change, kept};
use crate::escape::escape;
use crate::gate::Answer;
use crate::gate::mcp::held::Held;
use crate::gate::means::{Fault, Means};
use crate::gate::session::Session;
use crate::journal::Kind;
use crate::store::Durability;

/// Waits for a hold to end, no longer than the settings say, and answers for it. What an agent may ask again for:
/// a hold of another agent, or of another task, is none that it knows.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn wait(means: &Means, session: &Session, id: &str) -> Result<Answer, Fault> {
    let mut timer = None;
    loop {
        let changed = means.queue.changed(id);
        let Some(changed) = changed else { return Ok(unknown(id)) };
        let mut notified = pin!(changed.notified());
        // From here on no change is missed.
        notified.as_mut().enable();
        let Some(kept) = kept(means, id)? else { return Ok(unknown(id)) };
        if !is_of(&kept, session) {
            return Ok(unknown(id));
        }
        if kept.hold.state.ended().is_some() {
            return collect(means, &kept).await;
        }
        // A driver's connection does nothing else while it waits, so it does not.
        if kept.frame.gate == Gate::Postgres {
            return Ok(pending(&kept));
        }
        let timer = timer.get_or_insert_with(|| means.world.sleep(means.settings.wait));
        tokio::select! {
            biased;
            () = notified => {}
            () = timer => return Ok(pending(&kept)),
        }
    }
}

/// That hold as its agent may see it, without waiting; `None` when it is none of this agent's, or of another task.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn seen(means: &Means, session: &Session, id: &str) -> Result<Option<Held>, Fault> {
    let Some(kept) = kept(means, id)?.filter(|kept| is_of(kept, session)) else { return Ok(None) };
    let (binding, opened) = (&kept.hold.binding, kept.hold.opened);
    let moment = |at: ambit_core::time::Timestamp| {
        jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_string()).unwrap_or_default()
    };
    let waits = u64::try_from(binding.expires.0.saturating_sub(opened.0)).unwrap_or_default();
    let keep = u64::try_from(means.settings.keep.as_millis()).unwrap_or(u64::MAX);
    Ok(Some(Held {
        id: kept.hold.id.clone(),
        opened: moment(opened),
        changed: moment(kept.hold.state.ended().unwrap_or(opened)),
        keep_ms: waits.saturating_add(keep),
        withdrawn: matches!(kept.hold.state, State::Withdrawn { .. }),
        answer: if kept.hold.state.ended().is_some() { collect(means, &kept).await? } else { pending(&kept) },
    }))
}

/// Withdraws a hold that its agent does not want any more; whether it is one of this agent's. One that people have decided
/// on already stays as it is.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn withdraw(means: &Means, session: &Session, id: &str) -> Result<bool, Fault> {
    let Some(found) = kept(means, id)?.filter(|kept| is_of(kept, session)) else { return Ok(false) };
    if matches!(found.hold.state, State::Executing { .. }) {
        // Its system may work on it in its own time, and is told.
        means.errands.let_go_of_hold(id);
    }
    let (at, because) = (means.now(), "its agent does not want it any more");
    let withdrawn = change(means, id, Durability::Now, |kept| {
        // A person may have decided meanwhile.
        if !matches!(kept.hold.state, State::Waiting) {
            return Ok(Step::<()>::default());
        }
        kept.hold.withdraw(because, at)?;
        let entries = vec![kept.entry(Kind::HoldWithdrawn, json!({ "because": because }))];
        Ok(Step { entries, ..Step::default() })
    });
    match withdrawn.await {
        Ok(_) | Err(ChangeError::Denied(_) | ChangeError::NoSuchHold(_)) => Ok(true),
        Err(ChangeError::Fault(fault)) => Err(fault),
    }
}

fn is_of(kept: &Kept, session: &Session) -> bool {
    let task = session.task.as_ref().map(|task| task.id.as_str());
    kept.agent() == session.agent && kept.frame.task.as_deref() == task
}

/// The answer for a hold that has ended; notes that the agent has had it.
async fn collect(means: &Means, kept: &Kept) -> Result<Answer, Fault> {
    let answer = ended(means, kept).await?;
    if !kept.collected {
        let noted = change(means, &kept.hold.id, Durability::Soon, |kept| {
            kept.collected = true;
            Ok(Step::<()>::default())
        });
        match noted.await {
            Ok(_) | Err(ChangeError::Denied(_) | ChangeError::NoSuchHold(_)) => {}
            Err(ChangeError::Fault(fault)) => return Err(fault),
        }
    }
    Ok(answer)
}

async fn ended(means: &Means, kept: &Kept) -> Result<Answer, Fault> {
    let id = &kept.hold.id;
    Ok(match &kept.hold.state {
        State::Waiting | State::Confirmed { .. } | State::Executing { .. } => pending(kept),
        State::Done { outcome: Outcome::NotSent, .. } => Answer::Fault(format!(
            "`{id}` was confirmed, but could not be sent: nothing happened\nhelp: ask for it again if it is still needed; a person will have to confirm it again"
        )),
        State::Done { outcome, record, .. } => match (means.payload(*record)?, outcome) {
            (Some(bytes), Outcome::Error) => Answer::Error(bytes),
            (Some(bytes), _) => Answer::Result(bytes),
            (None, _) => Answer::Fault(format!(
                "`{id}` was done, but its result was erased since\nhelp: do not ask for it again; it has happened"
            )),
        },
        State::Refused { because, .. } => Answer::Refused(format!(
            "refused: a person refused `{id}` ({})\nhelp: do not ask for it again; ask the person you work for, or do something else",
            escape(because)
        )),
        State::Expired { .. } => Answer::Refused(format!(
            "refused: nobody decided on `{id}` in time, so it will not run\nhelp: ask for it again only if it is still needed"
        )),
        State::Withdrawn { because, .. } => Answer::Refused(format!(
            "refused: `{id}` was withdrawn and will not run: {}\nhelp: ask for it again only if it is still needed",
            escape(because)
        )),
        State::OutcomeUnknown { because, .. } => Answer::OutcomeUnknown(format!(
            "`{id}` was confirmed and sent, and nobody knows whether it took effect: {}\nhelp: do not ask for it again before somebody has looked at `{}`",
            escape(because),
            called(kept)
        )),
    })
}

/// What the agent reads while people decide.
fn pending(kept: &Kept) -> Answer {
    let id = &kept.hold.id;
    let (what, help) = match kept.frame.gate {
        Gate::Postgres => (
            "the statement".to_owned(),
            "go on with other work; later send the same statement with the same values again, alone, to collect what came of it: it does not run twice".to_owned(),
        ),
        Gate::Mcp | Gate::Http | Gate::Shell => (
            format!("`{}`", called(kept)),
            format!("do not call it again; ask `ambit_pending` with the id `{id}` later, and go on with other work until then"),
        ),
    };
    let stands = match kept.hold.state {
        State::Executing { .. } => format!("was confirmed and sent, as `{id}`; it is under way"),
        State::Confirmed { .. } => format!("has not run; it is confirmed and about to run, as `{id}`"),
        _ => format!(
            "has not run; it waits for a person to confirm it, as `{id}`, and lapses at {} if nobody does",
            clock(kept.hold.binding.expires)
        ),
    };
    Answer::Pending { id: id.clone(), text: format!("pending: {what} {stands}\nhelp: {help}") }
}

/// A moment as people write it, in UTC.
pub(crate) fn clock(at: ambit_core::time::Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| format!("{} ms", at.0), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn unknown(id: &str) -> Answer {
    Answer::Invalid(format!(
        "you have no pending action `{}`\nhelp: take the id from the answer that said *pending*",
        escape(id)
    ))
}
