//! An agent that is refused again and again, or keeps asking for what is outside its scope, is stopped, and its owner
//! told: it is broken, or it is being driven.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use ambit_core::time::Timestamp;

use crate::daemon::stop;
use crate::gate::means::{Fault, Means};
use crate::gate::pass::Ruling;
use crate::gate::refuse::Cause;

/// When each agent was refused, or asked outside its scope. In memory: a restart begins anew.
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
