//! An agent that is refused again and again, or keeps asking for what is outside its scope, is stopped, and its owner
//! told: it is broken, or it is being driven.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use ambit_core::time::Timestamp;
use serde_json::Value;

use crate::daemon::stop;
use crate::gate::means::{Fault, Means};
use crate::gate::pass::Ruling;
use crate::gate::refuse::Cause;
use crate::journal::{Kind, tail};

/// When each agent was refused, or asked outside its scope. In memory; a start reads it off the journal.
#[derive(Default)]
pub struct Trips(Mutex<BTreeMap<String, VecDeque<Timestamp>>>);

impl Trips {
    /// Counts one; whether it is one too many.
    fn count(&self, agent: &str, now: Timestamp, after: usize, window: std::time::Duration) -> bool {
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = all.entry(agent.to_owned()).or_default();
        while times.front().is_some_and(|at| now.0.saturating_sub(at.0) > window) {
            times.pop_front();
        }
        times.push_back(now);
        let tripped = times.len() >= after.max(1);
        if tripped {
            times.clear();
        }
        tripped
    }
}

// So far back a start looks. What is further back than this many records was followed by so much that was fine.
const LOOKED_AT: usize = 20_000;

/// Counts what the journal has of the last process's time, so that a restart is no way out.
///
/// # Errors
/// When the journal cannot be read.
pub(crate) fn recall(means: &Means) -> Result<(), Fault> {
    let window = i64::try_from(means.settings.trip_window.as_millis()).unwrap_or(i64::MAX);
    let since = Timestamp(means.now().0.saturating_sub(window));
    // From the newest back; whoever was let go on began anew then.
    let mut begun_anew = BTreeSet::new();
    let mut all: BTreeMap<String, VecDeque<Timestamp>> = BTreeMap::new();
    for record in tail::back_to(means.store.as_ref(), since, LOOKED_AT)? {
        let Some(agent) = record.agent.clone() else { continue };
        match record.kind {
            Kind::Resumed | Kind::Stopped => {
                begun_anew.insert(agent);
            }
            Kind::Decided if !begun_anew.contains(&agent) && counted(&record.details) => {
                all.entry(agent).or_default().push_front(record.time);
            }
            _ => {}
        }
    }
    *means.trips.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    Ok(())
}

/// Whether a decision, as it was recorded, is one that [`note`] counted.
fn counted(details: &Value) -> bool {
    let text = |name: &str| details.get(name).and_then(Value::as_str);
    let outside = || {
        let grounds = details.get("grounds").and_then(Value::as_array);
        grounds.is_some_and(|all| all.iter().any(|ground| ground.get("why").and_then(Value::as_str) == Some("outside")))
    };
    match text("verdict") {
        Some("refuse") => matches!(text("cause"), Some("scope" | "refused-before" | "too-many")),
        Some("hold") => outside(),
        _ => false,
    }
}

/// Counts a ruling, and stops the agent when it is one too many.
///
/// # Errors
/// When the stop could not be recorded; the agent is stopped nevertheless.
pub(crate) async fn note(means: &Means, agent: &str, ruling: &Ruling) -> Result<(), Fault> {
    let counts = match ruling {
        Ruling::Refuse(refusal) => matches!(refusal.cause, Cause::Scope | Cause::RefusedBefore | Cause::TooMany),
        Ruling::Hold { outside, .. } => *outside,
        Ruling::Allow(_) => false,
    };
    if counts { strike(means, agent).await } else { Ok(()) }
}

/// Counts one against an agent, and stops it when it is one too many.
///
/// # Errors
/// As [`note`].
pub(crate) async fn strike(means: &Means, agent: &str) -> Result<(), Fault> {
    let settings = means.settings;
    if means.trips.count(agent, means.now(), settings.trip_after, settings.trip_window) {
        let because = format!(
            "{} of its actions were refused or outside its scope within {} minutes",
            settings.trip_after,
            settings.trip_window.as_secs() / 60
        );
        stop::halt(means, agent, None, &because).await?;
    }
    Ok(())
}
