//! What has been used of each limit. Kept in the store beside the record that used it (`usage/AGENT/LIMIT`), and read
//! from there each time: what a dropped call still wrote is seen, and two calls never charge the same room.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ambit_core::decide::Usage;
use ambit_core::decimal::Decimal;
use ambit_core::decision::{Charge, Decision, LimitId, LimitInfo, Why};
use ambit_core::policy::PolicyLine;
use ambit_core::scope::Window;
use ambit_core::scope::print::print_path;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::judge::Judge;
use crate::store::{Put, Store, Version};

/// The uses of one agent's limits at one moment, as far as somebody asked for them.
pub struct Used<'a> {
    store: &'a dyn Store,
    judge: &'a Judge,
    agent: &'a str,
    task: Option<&'a str>,
    now: Timestamp,
    seen: RefCell<BTreeMap<LimitId, Option<Counter>>>,
}

/// What is used of one limit at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// How much.
    pub used: Decimal,
    /// When the first of it counts no more; nothing where nothing is used, or it counts for as long as the task lasts.
    pub first_until: Option<Timestamp>,
    /// When all of it counts no more.
    pub last_until: Option<Timestamp>,
}

/// The uses of one limit.
#[derive(Clone, Debug)]
struct Counter {
    key: String,
    version: Version,
    uses: Vec<Use>,
}

/// When, and how much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Use(Timestamp, String);

/// So many uses are kept one by one; beyond it, neighbours are counted together, at the time of the later.
const EXACT: usize = 512;

impl<'a> Used<'a> {
    /// Nothing is read before it is asked for.
    #[must_use]
    pub fn at(
        store: &'a dyn Store,
        judge: &'a Judge,
        agent: &'a str,
        task: Option<&'a str>,
        now: Timestamp,
    ) -> Used<'a> {
        Used { store, judge, agent, task, now, seen: RefCell::default() }
    }

    /// The changes that charge a decision; to be committed with its record. `None`: something cannot be charged, and the
    /// action may not go.
    #[must_use]
    pub fn charge(&self, charges: &[Charge]) -> Option<Vec<Put>> {
        let mut together: BTreeMap<LimitId, Decimal> = BTreeMap::new();
        for charge in charges {
            let sum = together.get(&charge.limit).copied().unwrap_or(Decimal::ZERO).checked_add(charge.amount)?;
            together.insert(charge.limit, sum);
        }
        let mut puts = Vec::new();
        for (limit, amount) in together {
            if self.judge.limit(limit)?.window == Window::AtOnce {
                continue;
            }
            let mut counter = self.counter(limit)?;
            counter.uses.push(Use(self.now, amount.to_string()));
            let value = serde_json::to_vec(&merged(counter.uses)?).ok()?;
            puts.push(Put { key: counter.key, expect: counter.version, value: Some(value) });
        }
        Some(puts)
    }

    /// What is used of the limits that stand in the way of a decision, a sentence each, for the agent: how much, and when
    /// there is room again, so that it need not try to find out.
    #[must_use]
    pub fn spent(&self, decision: &Decision) -> Vec<String> {
        let over = decision.grounds.iter().filter(|ground| ground.why == Why::OverLimit);
        let lines = over.filter_map(|ground| self.judge.policy().line(ground.line?));
        let limits = lines.flat_map(PolicyLine::limits).filter(|(_, info)| info.window != Window::AtOnce);
        limits.filter_map(|(id, info)| self.spent_of(*id, info)).collect()
    }

    fn spent_of(&self, id: LimitId, info: &LimitInfo) -> Option<String> {
        if info.window == Window::AtOnce {
            return None;
        }
        let spent = self.of(id)?;
        let mut text = format!("{} of {} are used", spent.used, counted(info));
        if let Some(at) = spent.first_until {
            text.push_str(&format!("; the first of them counts until {}", clock(at)));
        }
        Some(text)
    }

    /// What is used of one limit, and until when; nothing for one that is not kept (at once), or cannot be told.
    #[must_use]
    pub fn of(&self, id: LimitId) -> Option<Spent> {
        let of = self.judge.limit(id)?.window;
        if of == Window::AtOnce {
            return None;
        }
        let (counter, used) = (self.counter(id)?, self.used(id)?);
        let until = |at: Option<i64>| at.zip(window(of)).and_then(|(at, long)| at.checked_add(long)).map(Timestamp);
        let times = || counter.uses.iter().map(|one| one.0.0);
        // The oldest use is the first to count no more.
        Some(Spent { used, first_until: until(times().min()), last_until: until(times().max()) })
    }

    fn counter(&self, limit: LimitId) -> Option<Counter> {
        if let Some(seen) = self.seen.borrow().get(&limit) {
            return seen.clone();
        }
        let counter = self.read(limit);
        self.seen.borrow_mut().insert(limit, counter.clone());
        counter
    }

    fn read(&self, limit: LimitId) -> Option<Counter> {
        let limit = self.judge.limit(limit)?;
        let mut key = format!("usage/{}/{}", self.agent, limit.name);
        let since = window(limit.window);
        match limit.window {
            Window::AtOnce => return Some(Counter { key, version: 0, uses: Vec::new() }),
            // Without a task there is nothing to count in, so it is not known.
            Window::Task => key = format!("{key}/{}", self.task?),
            Window::Minute | Window::Hour | Window::Day => {}
        }
        let Some(found) = self.store.get(&key).ok()? else {
            return Some(Counter { key, version: 0, uses: Vec::new() });
        };
        let mut uses: Vec<Use> = serde_json::from_slice(&found.value).ok()?;
        if let Some(window) = since {
            // A use in the future (the clock was set back) still counts.
            uses.retain(|one| one.0.0 > self.now.0.saturating_sub(window));
        }
        Some(Counter { key, version: found.version, uses })
    }
}

impl Usage for Used<'_> {
    fn used(&self, limit: LimitId) -> Option<Decimal> {
        let counter = self.counter(limit)?;
        counter.uses.iter().try_fold(Decimal::ZERO, |sum, one| sum.checked_add(Decimal::parse(&one.1)?))
    }
}

/// For how long a use counts, in milliseconds; `None`: for as long as the task lasts, or for its own action alone.
fn window(window: Window) -> Option<i64> {
    match window {
        Window::AtOnce | Window::Task => None,
        Window::Minute => Some(60_000),
        Window::Hour => Some(3_600_000),
        Window::Day => Some(86_400_000),
    }
}

/// The most of a limit, in words: `20 times per hour`, `500 of amount per day`.
#[must_use]
pub fn counted(info: &LimitInfo) -> String {
    let per = match info.window {
        Window::AtOnce => "at once",
        Window::Minute => "per minute",
        Window::Hour => "per hour",
        Window::Day => "per day",
        Window::Task => "per task",
    };
    let what = info.sum_of.as_ref().map_or_else(|| "times".to_owned(), |path| format!("of {}", print_path(path)));
    format!("{} {what} {per}", info.most)
}

/// A moment as a person reads it.
pub(crate) fn clock(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "later".to_owned(), |at| at.strftime("%H:%M:%S UTC on %Y-%m-%d").to_string())
}

/// Counts neighbours together when there are too many: at the later time, so that room comes back too late rather than
/// too early.
fn merged(uses: Vec<Use>) -> Option<Vec<Use>> {
    if uses.len() <= EXACT {
        return Some(uses);
    }
    uses.chunks(2)
        .map(|pair| {
            let at = pair.iter().map(|one| one.0).max()?;
            let sum = pair.iter().try_fold(Decimal::ZERO, |sum, one| sum.checked_add(Decimal::parse(&one.1)?))?;
            Some(Use(at, sum.to_string()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_uses_are_counted_together_and_never_forgotten() {
        let uses: Vec<Use> = (0..=512i64).map(|n| Use(Timestamp(n), "0.1".into())).collect();
        let merged = merged(uses).unwrap();
        assert_eq!(merged.len(), 257);
        assert_eq!(merged[0], Use(Timestamp(1), "0.2".into()));
        let sum = merged.iter().fold(Decimal::ZERO, |s, u| s.checked_add(Decimal::parse(&u.1).unwrap()).unwrap());
        assert_eq!(sum.to_string(), "51.3");
    }
}
