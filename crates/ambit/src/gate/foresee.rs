//! What can be said of an action before all of it is there: a statement whose values are still to be bound. It is refused
//! where it would be refused whatever they are; nothing else is decided, and nothing is sent.

use ambit_core::action::Action;
use ambit_core::decision::{Decision, Verdict, Why};

use super::Answer;
use super::entries;
use super::means::{Fault, InForce, Means};
use super::pass::{Ask, Case, Ruling, refuse};
use super::refuse::Refusal;
use super::session::Session;
use super::usage::Used;
use crate::confirm::trip;

/// Why an action would be refused whatever else is said of it, recorded; `None`: it may be asked for.
pub async fn foresee(means: &Means, session: &Session, action: &Action) -> Option<Answer> {
    look(means, session, action).await.unwrap_or_else(|fault| Some(Answer::Fault(fault.to_string())))
}

async fn look(means: &Means, session: &Session, action: &Action) -> Result<Option<Answer>, Fault> {
    let ask = Ask::new(means, session, action, false)?;
    let refusal = Refusal::of_session(session, action).or_else(|| Refusal::of_stop(means, &action.agent));
    if let Some(refusal) = refusal.or_else(|| Refusal::of_task(means, session)) {
        return refuse(means, &ask, refusal).await.map(Some);
    }
    let judge = match means.judges.in_force(&action.agent, means.now()) {
        InForce::Judge(judge) => judge,
        InForce::Nothing(why) => {
            return refuse(means, &ask, Refusal::nothing_in_force(&action.agent, &why)).await.map(Some);
        }
    };
    let reading = match judge.read(action) {
        Ok(reading) => reading,
        Err(why) => return refuse(means, &ask, Refusal::not_read(&why)).await.map(Some),
    };
    let case = Case { means, ask: &ask, judge: &judge, reading: &reading };
    let used = Used::at(means.store.as_ref(), &judge, &action.agent, action.task.as_deref(), means.now());
    let decision = judge.decide(&reading, means.now(), session.task.as_deref(), &used);
    if !is_certain(&decision) {
        return Ok(None);
    }
    let refusal = Refusal::of_scope(&case, &decision, &used.spent(&decision));
    drop(used);
    let draft = entries::refused(&case, &decision, refusal);
    let durability = draft.durability;
    means.record(draft.entries, |_| Vec::new(), durability).await?;
    trip::note(means, &action.agent, &draft.ruling).await?;
    match draft.ruling {
        Ruling::Refuse(refusal) => Ok(Some(refusal.into_answer())),
        Ruling::Allow(_) | Ruling::Hold { .. } => Ok(None),
    }
}

/// Whether a refusal rests on no test of a value that is not there yet.
fn is_certain(decision: &Decision) -> bool {
    let refuses = |why: Why, effect: Option<u16>| {
        decision.grounds.iter().any(|g| g.verdict == Verdict::Refuse && g.why == why && g.effect == effect)
    };
    let in_doubt = |effect: Option<u16>| {
        [Why::TestUnknown, Why::LimitUnknown, Why::OverLimit].into_iter().any(|why| refuses(why, effect))
    };
    decision.grounds.iter().filter(|ground| ground.verdict == Verdict::Refuse).any(|ground| match ground.why {
        Why::Matches | Why::UnknownResource => true,
        Why::Outside => !in_doubt(ground.effect),
        _ => false,
    })
}
