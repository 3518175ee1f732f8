//! Counters for limits: what was used, when, and what of it still counts. Clock-free: the time is handed in.

use std::collections::{BTreeMap, VecDeque};

use crate::decide::Usage;
use crate::decimal::Decimal;
use crate::decision::{Charge, LimitId, LimitInfo};
use crate::scope::Window;
use crate::time::Timestamp;

/// When, and how much.
type Uses = VecDeque<(Timestamp, Decimal)>;

/// Uses of the limits of one policy.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    uses: BTreeMap<(LimitId, Option<String>), Uses>,
}

/// The counters as they stand at one moment, for one task.
pub struct At<'a> {
    counters: &'a Counters,
    limits: &'a [LimitInfo],
    now: Option<Timestamp>,
    task: Option<&'a str>,
}

impl Counters {
    /// Nothing used yet.
    #[must_use]
    pub fn new() -> Counters {
        Counters::default()
    }

    /// Notes what an action uses up. Uses that have left their window are forgotten.
    pub fn charge(&mut self, limits: &[LimitInfo], charges: &[Charge], now: Timestamp, task: Option<&str>) {
        for charge in charges {
            let Some(info) = limits.get(charge.limit.0 as usize) else { continue };
            let of_task = (info.window == Window::Task).then(|| task.unwrap_or("").to_owned());
            let uses = self.uses.entry((charge.limit, of_task)).or_default();
            if let Some(length) = length_ms(info.window) {
                // A clock that went back must not free room: only what is certainly old goes.
                while uses.front().is_some_and(|(at, _)| at.0 <= now.0 - 2 * length) {
                    uses.pop_front();
                }
            }
            // Uses of one instant leave the window together, so that one entry stands for all of them.
            let together =
                uses.back().filter(|(at, _)| *at == now).and_then(|(_, used)| used.checked_add(charge.amount));
            match (uses.back_mut(), together) {
                (Some((_, used)), Some(sum)) => *used = sum,
                _ => uses.push_back((now, charge.amount)),
            }
        }
    }

    /// The view of one moment. `now` unknown makes every rolling limit unknown.
    #[must_use]
    pub fn at<'a>(&'a self, limits: &'a [LimitInfo], now: Option<Timestamp>, task: Option<&'a str>) -> At<'a> {
        At { counters: self, limits, now, task }
    }
}

impl Usage for At<'_> {
    fn used(&self, limit: LimitId) -> Option<Decimal> {
        let info = self.limits.get(limit.0 as usize)?;
        let key = match info.window {
            // A budget per task cannot be counted where there is no task.
            Window::Task => (limit, Some(self.task?.to_owned())),
            _ => (limit, None),
        };
        let from = match length_ms(info.window) {
            Some(length) => Some(self.now?.0 - length),
            None => None,
        };
        let uses = self.counters.uses.get(&key);
        uses.into_iter()
            .flatten()
            .filter(|(at, _)| from.is_none_or(|from| at.0 > from))
            .try_fold(Decimal::ZERO, |total, (_, amount)| total.checked_add(*amount))
    }
}

/// The length of a rolling window in milliseconds.
fn length_ms(window: Window) -> Option<i64> {
    match window {
        Window::Minute => Some(60_000),
        Window::Hour => Some(3_600_000),
        Window::Day => Some(86_400_000),
        Window::AtOnce | Window::Task => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::LineId;
    use crate::scope::Section;

    fn limit(window: Window) -> LimitInfo {
        LimitInfo { line: LineId(0), section: Section::CanWrite, most: Decimal::from(2), window, sum_of: None }
    }

    #[test]
    fn a_use_counts_until_its_window_has_rolled_past_it() {
        let limits = [limit(Window::Hour)];
        let one = [Charge { limit: LimitId(0), amount: Decimal::from(1) }];
        let mut counters = Counters::new();
        counters.charge(&limits, &one, Timestamp(0), None);
        counters.charge(&limits, &one, Timestamp(1_800_000), None);
        let used = |now| counters.at(&limits, now, None).used(LimitId(0));
        assert_eq!(used(Some(Timestamp(1_800_000))), Some(Decimal::from(2)));
        assert_eq!(used(Some(Timestamp(3_599_999))), Some(Decimal::from(2)));
        assert_eq!(used(Some(Timestamp(3_600_000))), Some(Decimal::from(1)));
        assert_eq!(used(Some(Timestamp(-10))), Some(Decimal::from(2)), "a clock set back frees nothing");
        assert_eq!(used(None), None);
    }

    #[test]
    fn a_budget_per_task_is_that_tasks_alone_and_unknown_without_one() {
        let limits = [limit(Window::Task)];
        let one = [Charge { limit: LimitId(0), amount: Decimal::from(1) }];
        let mut counters = Counters::new();
        counters.charge(&limits, &one, Timestamp(0), Some("a"));
        assert_eq!(counters.at(&limits, Some(Timestamp(9)), Some("a")).used(LimitId(0)), Some(Decimal::from(1)));
        assert_eq!(counters.at(&limits, Some(Timestamp(9)), Some("b")).used(LimitId(0)), Some(Decimal::ZERO));
        assert_eq!(counters.at(&limits, Some(Timestamp(9)), None).used(LimitId(0)), None);
    }
}
