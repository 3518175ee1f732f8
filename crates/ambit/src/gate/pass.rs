//! The journey of one action, for every gate. Everything that decides over it stands in [`pass`]; what it calls does
//! one step and decides nothing.

use ambit_core::action::{Action, Digest};
use ambit_core::decision::{Decision, Verdict};
use ambit_core::permit::{Permit, Recorded};
use ambit_core::reading::Reading;

use super::judge::Judge;
use super::means::{Fault, InForce, Means};
use super::refuse::Refusal;
use super::session::Session;
use super::talk::Talk;
use super::usage::Used;
use super::{Answer, entries, execute};
use crate::confirm::{Kept, queue, trip, wait};
use crate::journal::{Entry, JournalError};
use crate::store::{Durability, Put, StoreError};

/// Takes an action from the bytes that a gate framed (step 1) to the answer for the agent. `talk`: what may be said
/// meanwhile; it decides nothing.
///
/// Not safe to drop half-way in a running daemon (the record would stop short of what happened): whoever serves an
/// agent runs it in a task of its own and waits for that. What is found half-way at a start is told then.
pub async fn pass(means: &Means, session: &Session, action: Action, talk: &Talk) -> Answer {
    journey(means, session, action, talk, true).await.unwrap_or_else(|fault| Answer::Fault(fault.to_string()))
}

/// As [`pass`], for an action within a transaction: what a person would have to confirm is refused there, because nobody's
/// rows stay locked while somebody thinks.
pub async fn pass_within(means: &Means, session: &Session, action: Action, talk: &Talk) -> Answer {
    journey(means, session, action, talk, false).await.unwrap_or_else(|fault| Answer::Fault(fault.to_string()))
}

async fn journey(
    means: &Means,
    session: &Session,
    action: Action,
    talk: &Talk,
    may_wait: bool,
) -> Result<Answer, Fault> {
    let ask = Ask::new(means, session, &action, may_wait)?;
    let refusal = Refusal::of_session(session, &action).or_else(|| Refusal::of_stop(means, &action.agent));
    if let Some(refusal) = refusal.or_else(|| Refusal::of_task(means, session)) {
        return refuse(means, &ask, refusal).await;
    }
    for _ in 0..ATTEMPTS {
        let judge = match means.judges.in_force(&action.agent, means.now()) {
            InForce::Judge(judge) => judge,
            InForce::Nothing(why) => return refuse(means, &ask, Refusal::nothing_in_force(&action.agent, &why)).await,
        };
        // 2. read
        let reading = match judge.read(&action) {
            Ok(reading) => reading,
            Err(why) => {
                if action.payload.len() > entries::UNREAD_BYTES {
                    trip::strike(means, &action.agent).await?;
                }
                return refuse(means, &ask, Refusal::not_read(&why)).await;
            }
        };
        // 3. decide and 4. record, as one step; under another release than was in force then, from the beginning
        let case = Case { means, ask: &ask, judge: &judge, reading: &reading };
        let Some((ruling, recorded)) = settle(&case).await? else { continue };
        if is_asked_about(&action) {
            trip::note(means, &action.agent, &ruling).await?;
        }
        // 5. answer, or 6. execute and 7. record the outcome
        return match ruling {
            Ruling::Refuse(refusal) => Ok(refusal.into_answer()),
            Ruling::Hold { id, .. } => wait::wait(means, session, &id).await,
            Ruling::Allow(decision) => {
                let changes = entries::changes(&judge, &reading);
                let sending = execute::Sending { id: ask.id.clone(), digest: ask.digest, changes };
                match Permit::allowed(action.clone(), &decision, recorded) {
                    Some(permit) => execute::allowed(means, session, permit, &sending, talk).await,
                    None => Err(Fault::Busy),
                }
            }
        };
    }
    Err(Fault::Busy)
}

/// One asking: an agent may ask for the same action twice.
pub(crate) struct Ask<'a> {
    /// What ties its records together.
    pub id: String,
    /// Who asks.
    pub session: &'a Session,
    /// For what.
    pub action: &'a Action,
    /// Its digest.
    pub digest: Digest,
    /// Whether it can wait for a person where it stands.
    pub may_wait: bool,
}

impl<'a> Ask<'a> {
    pub(super) fn new(
        means: &Means,
        session: &'a Session,
        action: &'a Action,
        may_wait: bool,
    ) -> Result<Ask<'a>, Fault> {
        let id = means.chance()?.to_string().split_off(48);
        Ok(Ask { id, session, action, digest: action.digest(), may_wait })
    }
}

/// An asking that was read.
pub(crate) struct Case<'a> {
    pub means: &'a Means,
    pub ask: &'a Ask<'a>,
    pub judge: &'a Judge,
    pub reading: &'a Reading,
}

/// What becomes of an asking.
pub(crate) enum Ruling {
    /// Send it.
    Allow(Decision),
    /// It waits.
    Hold {
        /// Under that id.
        id: String,
        /// Whether no line mentions it.
        outside: bool,
    },
    /// Say why not.
    Refuse(Refusal),
}

/// Changes that name the numbers of their records.
pub(crate) type Puts = Box<dyn FnOnce(&[u64]) -> Vec<Put> + Send>;

/// A ruling that is still to be recorded.
pub(crate) struct Draft {
    pub ruling: Ruling,
    pub entries: Vec<Entry>,
    pub puts: Puts,
    pub durability: Durability,
    /// What to note of it once it is recorded.
    pub noted: Option<Box<Kept>>,
}

const ATTEMPTS: usize = 16;

/// Decides and records as one step: what the decision counted on is what the record changes, or it is decided again.
/// `None` when another release came in force before its turn.
async fn settle(case: &Case<'_>) -> Result<Option<(Ruling, Recorded)>, Fault> {
    let drift = drift(case).await;
    let Some((ruling, recorded, durability)) = take_turn(case, drift.as_ref()).await? else { return Ok(None) };
    if durability == Durability::Now {
        // Outside the turn, so that actions that come at once wait for the disk once.
        case.means.journal.synced().await?;
    }
    Ok(Some((ruling, recorded)))
}

/// The part of it that must not be mixed with another of the same agent.
async fn take_turn(case: &Case<'_>, drift: Option<&Drift>) -> Result<Option<(Ruling, Recorded, Durability)>, Fault> {
    let (means, agent) = (case.means, &case.ask.action.agent);
    let turn = means.turn(agent);
    let _turn = turn.lock().await;
    for _ in 0..ATTEMPTS {
        // While a server was asked, or others had their turn, people may have decided otherwise.
        match means.judges.in_force(agent, means.now()) {
            InForce::Judge(judge) if judge.release_digest() == case.judge.release_digest() => {}
            InForce::Judge(_) | InForce::Nothing(_) => return Ok(None),
        }
        let Draft { ruling, entries, puts, durability, noted } =
            match Refusal::of_stop(means, agent).or_else(|| Refusal::of_task(means, case.ask.session)) {
                Some(refusal) => entries::stopped(case, refusal),
                None => rule(case, drift)?,
            };
        match means.record(entries, puts, Durability::Soon).await {
            Ok(recorded) => {
                if let Some(noted) = noted {
                    means.queue.note(&noted);
                }
                let last = recorded.last().copied().ok_or(Fault::Busy)?;
                return Ok(Some((ruling, last, durability)));
            }
            Err(JournalError::Store(StoreError::Conflict { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::Busy)
}

/// Why what is called may not be called now although its line would let it.
enum Drift {
    /// Its live definition is not the pinned one.
    Changed(String),
    /// Its system cannot be started or asked; why is for people, not for the agent.
    NotThere(String),
}

fn rule(case: &Case<'_>, drift: Option<&Drift>) -> Result<Draft, Fault> {
    let (means, action, now) = (case.means, case.ask.action, case.means.now());
    let used = Used::at(means.store.as_ref(), case.judge, &action.agent, action.task.as_deref(), now);
    let decision = case.judge.decide(case.reading, now, case.ask.session.task.as_deref(), &used);
    match (decision.verdict, drift) {
        (Verdict::Refuse, _) => {
            Ok(entries::refused(case, &decision, Refusal::of_scope(case, &decision, &used.spent(&decision))))
        }
        (_, Some(Drift::Changed(why))) => Ok(entries::refused(case, &decision, Refusal::drifted(action, why))),
        (_, Some(Drift::NotThere(why))) => Ok(entries::not_there(case, &decision, Refusal::not_there(action), why)),
        (Verdict::Hold, None) if !is_asked_about(action) => {
            Ok(entries::refused(case, &decision, Refusal::not_asked_about(action)))
        }
        (Verdict::Hold, None) if !case.ask.may_wait => {
            Ok(entries::refused(case, &decision, Refusal::within_a_transaction()))
        }
        (Verdict::Hold, None) => queue::rule(case, decision),
        (Verdict::Allow, None) => match used.charge(&decision.charges) {
            Some(charges) => Ok(entries::allowed(case, decision, charges)),
            None => Ok(entries::refused(case, &decision, Refusal::uncounted())),
        },
    }
}

/// Whether the live definition is the pinned one; asked only where the answer could matter, so that nothing is started
/// for an action that is refused anyway.
async fn drift(case: &Case<'_>) -> Option<Drift> {
    let (means, action, now) = (case.means, case.ask.action, case.means.now());
    let used = Used::at(means.store.as_ref(), case.judge, &action.agent, action.task.as_deref(), now);
    if case.judge.decide(case.reading, now, case.ask.session.task.as_deref(), &used).verdict == Verdict::Refuse {
        return None;
    }
    // A system that cannot be asked is one whose definitions are not known.
    match means.systems.drift(action).await {
        Ok(changed) => changed.map(Drift::Changed),
        Err(why) => Some(Drift::NotThere(why)),
    }
}

/// Whether people are asked about such an action, and count how often it is refused. Not about what an agent types before it
/// asks for something, nor about what it wants to hear of: each is about a thing that it can ask for.
fn is_asked_about(action: &Action) -> bool {
    !matches!(action.operation.as_str(), "completion/complete" | "resources/subscribe")
}

pub(super) async fn refuse(means: &Means, ask: &Ask<'_>, refusal: Refusal) -> Result<Answer, Fault> {
    means.record(entries::refused_unread(ask, &refusal), |_| Vec::new(), Durability::Now).await?;
    Ok(refusal.into_answer())
}
