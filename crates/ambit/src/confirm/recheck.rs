//! Everything that a confirmation is bound to, checked once more against what is in force now: when a person confirms,
//! and again when it begins to run.

use std::sync::Arc;

use ambit_core::action::Action;
use ambit_core::decision::{self, Verdict};
use ambit_core::explain;

use super::{Kept, shown};
use crate::gate::judge::Judge;
use crate::gate::means::{Fault, InForce, Means};
use crate::gate::session::OpenTask;
use crate::gate::tasks;
use crate::gate::usage::Used;
use crate::store::Put;

/// A hold that may run.
pub struct Checked {
    /// What is in force.
    pub judge: Arc<Judge>,
    /// The action, its bytes given back.
    pub action: Action,
    /// What it uses up, to be committed with the record that it begins.
    pub charges: Vec<Put>,
}

/// A hold that is still what it was.
pub struct Bound {
    action: Action,
    task: Option<OpenTask>,
}

const TASK_OVER: &str = "its task is over";

/// Checks all of a hold. The inner error says why it may no longer run.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn now(means: &Means, kept: &Kept) -> Result<Result<Checked, String>, Fault> {
    match bound(means, kept).await? {
        Ok(bound) => decide(means, kept, bound),
        Err(why) => Ok(Err(why)),
    }
}

/// Whether everything that a hold is bound to is still so. The inner error says what is not.
///
/// # Errors
/// When Ambit could not do its work.
pub async fn bound(means: &Means, kept: &Kept) -> Result<Result<Bound, String>, Fault> {
    let binding = &kept.hold.binding;
    let judge = match in_force(means, kept) {
        Ok(judge) => judge,
        Err(why) => return Ok(Err(why)),
    };
    let Some(bytes) = means.payload(kept.asked)? else {
        return Ok(Err("its bytes were erased".to_owned()));
    };
    let action = kept.action(bytes);
    if action.digest() != binding.action {
        return Ok(Err("its bytes are not those that were held".to_owned()));
    }
    if means.payload(kept.held)?.is_none_or(|what| shown::digest(&what) != binding.shown) {
        return Ok(Err("what was shown is not there any more".to_owned()));
    }
    if judge.definition(&action) != binding.definition {
        return Ok(Err("the definition of what it calls changed".to_owned()));
    }
    match means.systems.drift(&action).await {
        Ok(None) => {}
        Ok(Some(why)) => return Ok(Err(format!("the live definition of what it calls changed: {why}"))),
        Err(why) => return Ok(Err(format!("the live definition of what it calls cannot be looked at: {why}"))),
    }
    let task = match &kept.frame.task {
        None => None,
        Some(id) => match tasks::open_task(means, kept.agent(), id)? {
            Some(task) => Some(task),
            None => return Ok(Err(TASK_OVER.to_owned())),
        },
    };
    Ok(Ok(Bound { action, task }))
}

/// Decides again, with what is in force and what is used up by now. The inner error says why it may no longer run.
///
/// # Errors
/// When Ambit could not do its work.
pub fn decide(means: &Means, kept: &Kept, bound: Bound) -> Result<Result<Checked, String>, Fault> {
    let Bound { action, task } = bound;
    // Once more, because this is under the agent's turn, and so is the end of a task.
    if task.as_ref().is_some_and(|task| means.tasks.open_now(kept.agent(), &task.id, means.now()).is_none()) {
        return Ok(Err(TASK_OVER.to_owned()));
    }
    let judge = match in_force(means, kept) {
        Ok(judge) => judge,
        Err(why) => return Ok(Err(why)),
    };
    let reading = match judge.read(&action) {
        Ok(reading) => reading,
        Err(why) => return Ok(Err(format!("it can no longer be read: {why}"))),
    };
    if shown::effects_digest(&judge, &reading) != kept.hold.binding.effects {
        return Ok(Err("its effects are read differently now".to_owned()));
    }
    let used = Used::at(means.store.as_ref(), &judge, &action.agent, action.task.as_deref(), means.now());
    let decision = judge.decide(&reading, means.now(), task.as_ref(), &used);
    let charges = match decision.verdict {
        Verdict::Refuse => {
            let why = explain::for_agent(judge.policy(), &reading, &decision);
            return Ok(Err(format!("the scope refuses it now: {why}")));
        }
        Verdict::Hold if judge.people(&decision) != kept.hold.asks => {
            return Ok(Err("other people are to be asked now".to_owned()));
        }
        // The budgets of *can* lines are not for what people confirmed.
        Verdict::Allow => Some(Vec::new()),
        Verdict::Hold => used.charge(&decision.charges),
    };
    drop(used);
    // People confirmed a call of which so much is seen, and no more; with less by now, theirs is another call.
    if decision::Bound::returns(&decision.bounds) != decision::Bound::returns(&kept.bounds) {
        return Ok(Err("what the agent may see of its result is another thing now".to_owned()));
    }
    match charges {
        Some(charges) => Ok(Ok(Checked { judge, action, charges })),
        None => Ok(Err("what it uses up cannot be counted".to_owned())),
    }
}

/// The judge that the hold was bound to, if its release is still in force.
fn in_force(means: &Means, kept: &Kept) -> Result<Arc<Judge>, String> {
    match means.judges.in_force(kept.agent(), means.now()) {
        InForce::Judge(judge) if judge.release_digest() == kept.hold.binding.release => Ok(judge),
        InForce::Judge(judge) => {
            Err(format!("another release of the scope is in force now (release {})", judge.release().number))
        }
        InForce::Nothing(why) => Err(format!("no scope is in force: {why}")),
    }
}
