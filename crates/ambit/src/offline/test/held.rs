//! Which scenario holds which line.

use std::cell::Cell;
use std::collections::BTreeMap;

use ambit_core::catalog::ResourceId;
use ambit_core::policy::{Policy, PolicyLine};
use ambit_core::scope::print::print_line;
use ambit_core::time::Timestamp;
use ambit_core::weaken::Weakenings;

use super::play::{Play, Seen};
use super::redundant::is_redundant;
use super::suggest::{MOST_TRIED_FOR_A_PAGE, Suggester};
use super::{Played, Step, Tried, Watch};
use crate::offline::Surroundings;

/// Weakens every line and looks for a scenario that notices.
pub(super) fn lines(
    policy: &Policy,
    around: &Surroundings,
    start: Timestamp,
    plays: &[Play<'_>],
    played: &[Played],
    watch: Watch<'_>,
) -> Vec<Tried> {
    let concern = Concern::of(policy, plays, played);
    let suggester = Suggester { policy, around, plays, start, left: Cell::new(MOST_TRIED_FOR_A_PAGE) };
    let mut lines: Vec<Tried> = policy.lines().iter().map(untouched).collect();
    let mut done = 0;
    let mut weakenings = Weakenings::of(policy);
    while let Some(weakened) = weakenings.step() {
        let at = weakened.line.0 as usize;
        if at > done {
            watch(at);
            done = at;
        }
        let held_by = policy.line(weakened.line).and_then(|line| {
            let notices = |at: &usize| {
                let play = plays.get(*at);
                play.is_some_and(|play| concern.seen.get(*at) != Some(&play.seen(weakened.policy)))
            };
            concern.with(line).into_iter().find(notices)
        });
        let redundant = held_by.is_none() && is_redundant(policy, &weakened, start);
        let suggestion = (held_by.is_none() && !redundant).then(|| suggester.suggest(&weakened));
        let what = weakened.what;
        if let Some(line) = lines.get_mut(at) {
            line.steps.push(Step { done: what, held_by, redundant, suggestion });
        }
    }
    watch(lines.len());
    lines
}

fn untouched(line: &PolicyLine) -> Tried {
    Tried {
        line: line.line.at.line,
        section: line.line.section.title(),
        text: print_line(&line.line),
        steps: Vec::new(),
    }
}

/// Which scenarios a line may matter to. One that fails anyway shows nothing, and matters to none.
struct Concern {
    by_resource: BTreeMap<ResourceId, Vec<usize>>,
    always: Vec<usize>,
    /// What each scenario sees of the page itself.
    seen: Vec<Option<Seen>>,
}

impl Concern {
    fn of(policy: &Policy, plays: &[Play<'_>], played: &[Played]) -> Concern {
        let seen = plays.iter().map(|play| play.seen(policy)).collect();
        let mut concern = Concern { by_resource: BTreeMap::new(), always: Vec::new(), seen };
        for (at, (play, played)) in plays.iter().zip(played).enumerate() {
            if !played.passed {
                continue;
            }
            match play.touches(policy.catalog()) {
                None => concern.always.push(at),
                Some(touched) => {
                    for resource in touched {
                        concern.by_resource.entry(resource).or_default().push(at);
                    }
                }
            }
        }
        concern
    }

    /// The scenarios that touch what the line is about, in their order.
    fn with(&self, line: &PolicyLine) -> Vec<usize> {
        let mut places: Vec<usize> = line
            .reaches()
            .filter_map(|(resource, _)| self.by_resource.get(&resource))
            .flatten()
            .chain(&self.always)
            .copied()
            .collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}
