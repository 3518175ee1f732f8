//! The decision. Pure and total: no clock, no I/O, and nothing in it can fail.
//!
//! Each effect takes the strictest of the lines that reach it, *cannot* over *confirm* over *can*, whatever their order;
//! an effect that no line reaches is outside. The action takes the strictest of its effects. The same in thirty slow
//! lines stands in `tests/it/reference.rs`, and this is tested against it.

use smallvec::SmallVec;

use crate::decimal::Decimal;
use crate::decision::{Bound, Charge, Confirmer, Decision, Ground, LimitId, LimitInfo, Verdict, WITHIN_SECONDS, Why};
use crate::effect::{Effect, FieldSet, Standing, Verb};
use crate::policy::{Entry, Mask, Policy, PolicyLine};
use crate::reading::{Reach, Reading};
use crate::returns;
use crate::scope::{Counted, Line, Outside, Section, Tasks, Window};
use crate::task::Task;
use crate::test_tree::sum;
use crate::time::Timestamp;
use crate::truth::Truth;
use crate::value::Value;

/// What is handed in from the world: core has no clock and no counters.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// What time it is; `None`: not known.
    pub now: Option<Timestamp>,
    /// The task that the session is bound to.
    pub task: Option<&'a Task>,
    /// What has been used up.
    pub usage: &'a dyn Usage,
}

/// What has been used of each limit within its window.
pub trait Usage {
    /// The amount used, now; `None`: not known.
    fn used(&self, limit: LimitId) -> Option<Decimal>;
}

/// Nothing was used yet.
pub struct Unused;

impl Usage for Unused {
    fn used(&self, _: LimitId) -> Option<Decimal> {
        Some(Decimal::ZERO)
    }
}

/// Decides over one reading.
#[must_use]
pub fn decide(policy: &Policy, reading: &Reading, facts: &Facts<'_>) -> Decision {
    let mut said = Decision::begin();
    for (at, effect) in reading.effects.iter().enumerate() {
        let at = u16::try_from(at).unwrap_or(u16::MAX);
        let Some(place) = policy.index.place(effect.resource) else {
            let why = Why::UnknownResource;
            said.ground(Ground { verdict: Verdict::Refuse, line: None, effect: Some(at), unread: None, why });
            continue;
        };
        let subject = effect.subject.and_then(|s| reading.values.get(s));
        Case { policy, entries: policy.index.at(place), whole: place.whole, facts, effect, subject, at }
            .decide(&mut said);
        if place.returns && effect.verb == Verb::Call && effect.standing == Standing::Own {
            give_back(policy, effect, at, facts, &mut said);
        }
    }
    for (at, unread) in reading.unread.iter().enumerate() {
        let near = cannot_within(policy, unread.reach, facts);
        let (verdict, why) = if near { (Verdict::Refuse, Why::UnreadNearCannot) } else { (Verdict::Hold, Why::Unread) };
        said.ground(Ground { verdict, line: None, effect: None, unread: u16::try_from(at).ok(), why });
        if !near {
            said.ask(None);
        }
    }
    if !reading.built_in.is_empty() {
        let why = Why::BuiltIn;
        said.ground(Ground { verdict: Verdict::Allow, line: None, effect: None, unread: None, why });
    }
    if said.grounds.is_empty() {
        // A reading in which nothing was asked for is not a harmless action, it is a failure to read.
        said.ground(Ground { verdict: Verdict::Hold, line: None, effect: None, unread: None, why: Why::Unread });
        said.ask(None);
    }
    said.settle(policy);
    said
}

/// What the agent may see of what a call gives back; and whom a line wants asked before it does.
fn give_back(policy: &Policy, effect: &Effect, at: u16, facts: &Facts<'_>, said: &mut Decision) {
    let Some(cut) = returns::cut(policy, effect.resource, facts) else { return };
    for id in cut.confirm {
        said.ground(Ground {
            verdict: Verdict::Hold,
            line: Some(id),
            effect: Some(at),
            unread: None,
            why: Why::Returned,
        });
        said.ask(policy.line(id).map(|line| (id, &line.line)));
    }
    said.bounds.push(Bound::Returns(Box::new(cut.returns)));
}

// A decision is put together where it is given back: moving it costs more than many a line.
impl Decision {
    /// Nothing was said yet.
    fn begin() -> Decision {
        Decision {
            verdict: Verdict::Allow,
            grounds: SmallVec::new(),
            bounds: SmallVec::new(),
            charges: SmallVec::new(),
            confirmers: Vec::new(),
        }
    }

    fn ground(&mut self, ground: Ground) {
        self.verdict = self.verdict.max(ground.verdict);
        self.grounds.push(ground);
    }

    /// Somebody must confirm: a line's people, or those who confirm when no line is concerned.
    fn ask(&mut self, line: Option<(crate::decision::LineId, &Line)>) {
        let confirmer = Confirmer {
            line: line.map(|(id, _)| id),
            who: line.and_then(|(_, line)| line.by.clone()),
            within_seconds: line.and_then(|(_, line)| line.within).map_or(WITHIN_SECONDS, |within| within.seconds()),
        };
        if !self.confirmers.contains(&confirmer) {
            self.confirmers.push(confirmer);
        }
    }

    /// What takes something of a limit, or must be proved.
    fn take(&mut self, used: Used) {
        self.charges.extend(used.charges);
        self.bounds.extend(used.bounds);
    }

    /// Takes out what the verdict makes void.
    fn settle(&mut self, policy: &Policy) {
        match self.verdict {
            Verdict::Refuse => {
                self.bounds.clear();
                self.charges.clear();
                self.confirmers.clear();
            }
            // Confirmed actions do not use up the budgets of *can* lines that they touch as well.
            Verdict::Hold => self
                .charges
                .retain(|c| policy.limits.get(c.limit.0 as usize).is_none_or(|l| l.section == Section::MustConfirm)),
            Verdict::Allow => {}
        }
    }
}

/// One effect, with all that its lines may look at.
struct Case<'a> {
    policy: &'a Policy,
    /// The lines that reach its resource, the strictest first.
    entries: &'a [Entry],
    /// What is called is covered by one line, whose tests were asked of this very call; columns by several together.
    whole: bool,
    facts: &'a Facts<'a>,
    effect: &'a Effect,
    subject: Option<&'a Value>,
    at: u16,
}

impl<'a> Case<'a> {
    fn decide(&self, said: &mut Decision) {
        let mut stricter = false;
        for (entry, line) in self.lines() {
            // The strictest stand first.
            if entry.section.is_can() {
                break;
            }
            if !self.touches(entry) || !self.in_force(entry, line).fires() {
                continue;
            }
            let truth = entry.tests.as_ref().map_or(Truth::Yes, |tests| tests.fires(self.subject, self.facts.task));
            if !truth.fires() {
                continue;
            }
            stricter = true;
            let why = if truth == Truth::Yes { Why::Matches } else { Why::FiresInDoubt };
            if entry.section == Section::CannotTouch {
                said.ground(self.ground(Verdict::Refuse, Some(entry), why));
                continue;
            }
            match self.room(line) {
                Ok(used) => {
                    said.ground(self.ground(Verdict::Hold, Some(entry), why));
                    said.take(used);
                    said.ask(Some((entry.line, &line.line)));
                }
                Err(why) => said.ground(self.ground(Verdict::Refuse, Some(entry), why)),
            }
        }
        if !stricter && self.effect.standing == Standing::Own && !self.granted(said) {
            self.outside(said);
        }
    }

    /// Whether *can* lines cover the effect; if so they say so and are charged.
    fn granted(&self, said: &mut Decision) -> bool {
        if self.whole {
            return self.granted_alone(said);
        }
        let mut covered = FieldSet::new();
        let mut passed: SmallVec<[(&Entry, &PolicyLine); 4]> = SmallVec::new();
        for (entry, line) in self.lines() {
            if !entry.section.is_can() || !entry.verbs.has(self.effect.verb) || !self.in_force(entry, line).grants() {
                continue;
            }
            let mask = entry.mask.fields();
            let adds = self.effect.fields.is_empty()
                || mask.intersects(&self.effect.fields) && !self.effect.fields.has_unlisted();
            if !adds || (!passed.is_empty() && adds_nothing(&self.effect.fields, mask, &covered)) {
                continue;
            }
            if !entry.tests.as_ref().map_or(Truth::Yes, |tests| tests.holds(self.subject, self.facts.task)).grants() {
                continue;
            }
            if entry.limited && self.room(line).is_err() {
                continue;
            }
            if passed.is_empty() && self.effect.fields.is_subset(mask) {
                // Most often one line covers all of it.
                self.grant(entry, line, said);
                return true;
            }
            passed.push((entry, line));
            covered.extend_with(mask);
            if self.effect.fields.is_subset(&covered) {
                for (entry, line) in passed {
                    self.grant(entry, line, said);
                }
                return true;
            }
        }
        false
    }

    /// Says that the line grants it, and charges it.
    fn grant(&self, entry: &Entry, line: &PolicyLine, said: &mut Decision) {
        said.ground(self.ground(Verdict::Allow, Some(entry), Why::Matches));
        if entry.limited
            && let Ok(used) = self.room(line)
        {
            said.take(used);
        }
    }

    /// As [`Case::granted`], for what one line must cover.
    fn granted_alone(&self, said: &mut Decision) -> bool {
        for (entry, line) in self.lines() {
            let covers = entry.section.is_can()
                && entry.verbs.has(self.effect.verb)
                && self.in_force(entry, line).grants()
                && self.effect.fields.is_subset(entry.mask.fields())
                && entry.tests.as_ref().map_or(Truth::Yes, |tests| tests.holds(self.subject, self.facts.task)).grants();
            if !covers {
                continue;
            }
            if entry.limited && self.room(line).is_err() {
                continue;
            }
            self.grant(entry, line, said);
            return true;
        }
        false
    }

    /// No line covers it: held or refused as the document says, with the lines that came near.
    fn outside(&self, said: &mut Decision) {
        let mut verdict = match self.policy.document().front.outside {
            Outside::Confirm => Verdict::Hold,
            Outside::Refuse => Verdict::Refuse,
        };
        let mut near: SmallVec<[Ground; 2]> = SmallVec::new();
        let mut asked = false;
        for (entry, line) in self.lines() {
            if !entry.section.is_can() || !entry.verbs.has(self.effect.verb) {
                continue;
            }
            let (why, beyond) = self.near_miss(entry, line);
            if line.line.otherwise_human && beyond {
                verdict = Verdict::Hold;
                asked = true;
                said.ask(Some((entry.line, &line.line)));
            }
            near.push(self.ground(Verdict::Allow, Some(entry), why));
        }
        if verdict == Verdict::Hold && !asked {
            said.ask(None);
        }
        for mut ground in near {
            ground.verdict = verdict;
            said.ground(ground);
        }
        said.ground(self.ground(verdict, None, Why::Outside));
    }

    /// Why a *can* line that speaks of this resource and verb does not cover the effect; and whether that is beyond its
    /// tests or limits, which `otherwise a human` turns into a hold.
    fn near_miss(&self, entry: &Entry, line: &PolicyLine) -> (Why, bool) {
        if !is_in_force(&line.line, self.facts).grants() {
            return (Why::Ended, false);
        }
        if !self.effect.fields.is_subset(entry.mask.fields()) {
            return (Why::FieldNotCovered, false);
        }
        match line.tests.as_ref().map_or(Truth::Yes, |tests| tests.holds(self.subject, self.facts.task)) {
            Truth::No => (Why::TestFails, true),
            Truth::Unknown => (Why::TestUnknown, true),
            Truth::Yes => self.room(line).map_or_else(|why| (why, true), |_| (Why::FieldNotCovered, false)),
        }
    }

    fn lines(&self) -> impl Iterator<Item = (&'a Entry, &'a PolicyLine)> {
        let policy = self.policy;
        self.entries.iter().filter_map(move |entry| Some((entry, policy.line(entry.line)?)))
    }

    fn in_force(&self, entry: &Entry, line: &PolicyLine) -> Truth {
        if entry.always { Truth::Yes } else { is_in_force(&line.line, self.facts) }
    }

    /// Whether a *confirm* or *cannot* entry is about what this effect does.
    fn touches(&self, entry: &Entry) -> bool {
        if !entry.verbs.has(self.effect.verb) {
            return false;
        }
        match &entry.mask {
            Mask::Whole(_) => true,
            // Deleting a row deletes its fields, and defining a relation may define any of them.
            Mask::Fields(_) if matches!(self.effect.verb, Verb::Delete | Verb::Define) => true,
            // A declared effect that names no fields may touch any.
            Mask::Fields(_) if self.effect.standing == Standing::Declared && self.effect.fields.has_unlisted() => true,
            Mask::Fields(fields) => fields.intersects(&self.effect.fields),
        }
    }

    /// Whether the line's limits have room for this effect, and what it takes of them.
    fn room(&self, line: &PolicyLine) -> Result<Used, Why> {
        let mut used = Used::default();
        let row_bound = line
            .limits
            .iter()
            .filter(|(_, l)| l.window == Window::AtOnce && l.sum_of.is_none())
            .filter_map(|(_, l)| l.most.to_u64())
            .min();
        for ((id, info), limit) in line.limits.iter().zip(&line.line.limits) {
            let amount = match &limit.of {
                Counted::Times => Some(Decimal::from(1)),
                Counted::Sum(path) => self.subject.and_then(|subject| sum(subject, path)),
                Counted::Rows => match (self.effect.extent.rows, row_bound) {
                    (Some(rows), _) | (None, Some(rows)) => Some(Decimal::from(rows)),
                    (None, None) => None,
                },
            };
            let amount = amount.ok_or(Why::LimitUnknown)?;
            let before = if info.window == Window::AtOnce {
                Decimal::ZERO
            } else {
                self.facts.usage.used(*id).ok_or(Why::LimitUnknown)?
            };
            let total = before.checked_add(amount).ok_or(Why::LimitUnknown)?;
            if total > info.most {
                return Err(Why::OverLimit);
            }
            if info.window == Window::AtOnce {
                if let (Counted::Rows, Some(rows)) = (&limit.of, info.most.to_u64()) {
                    used.bounds.push(Bound::RowsAtMost { effect: self.at, rows });
                }
            } else {
                used.charges.push(Charge { limit: *id, amount });
            }
        }
        Ok(used)
    }

    fn ground(&self, verdict: Verdict, entry: Option<&Entry>, why: Why) -> Ground {
        Ground { verdict, line: entry.map(|e| e.line), effect: Some(self.at), unread: None, why }
    }
}

/// What one effect takes of a line's limits.
#[derive(Default)]
struct Used {
    charges: SmallVec<[Charge; 1]>,
    bounds: SmallVec<[Bound; 1]>,
}

fn adds_nothing(wanted: &FieldSet, mask: &FieldSet, covered: &FieldSet) -> bool {
    wanted.iter().all(|field| covered.has(field) || !mask.has(field))
}

/// Whether the line is in force now and in this task. A *can* needs yes; what is stricter fires unless it is no.
pub(crate) fn is_in_force(line: &Line, facts: &Facts<'_>) -> Truth {
    let until = match (line.until, facts.now) {
        (None, _) => Truth::Yes,
        (Some(_), None) => Truth::Unknown,
        (Some(date), Some(now)) => Truth::from(now <= date.end()),
    };
    let task = match (&line.tasks, facts.task) {
        (None, _) => Truth::Yes,
        (Some(Tasks::Only(names)), task) => Truth::from(task.is_some_and(|t| names.contains(&t.name))),
        (Some(Tasks::AnyBut(names)), Some(task)) => Truth::from(!names.contains(&task.name)),
        // "Any task but" needs a task to grant; without one, what is stricter applies.
        (Some(Tasks::AnyBut(_)), None) => Truth::from(!line.section.is_can()),
    };
    until.and(task)
}

fn cannot_within(policy: &Policy, reach: Reach, facts: &Facts<'_>) -> bool {
    let in_force = |entry: &Entry| {
        entry.section == Section::CannotTouch
            && policy.line(entry.line).is_some_and(|line| is_in_force(&line.line, facts).fires())
    };
    match reach {
        Reach::Field(resource, field) => policy.index.of(resource).iter().any(|entry| {
            in_force(entry)
                && match &entry.mask {
                    Mask::Whole(_) => true,
                    Mask::Fields(fields) => fields.has(field),
                }
        }),
        Reach::Resource(resource) => policy.index.of(resource).iter().any(in_force),
        Reach::System(system) => {
            policy.index.systems_with_cannot.contains(&system)
                && policy
                    .catalog()
                    .resources_of(system)
                    .any(|(resource, _)| policy.index.of(resource).iter().any(in_force))
        }
        Reach::Anything => policy
            .lines()
            .iter()
            .any(|line| line.line.section == Section::CannotTouch && is_in_force(&line.line, facts).fires()),
    }
}

impl Mask {
    pub(crate) fn fields(&self) -> &FieldSet {
        match self {
            Mask::Whole(fields) | Mask::Fields(fields) => fields,
        }
    }
}

impl PolicyLine {
    /// The limits of this line, by number.
    #[must_use]
    pub fn limits(&self) -> &[(LimitId, LimitInfo)] {
        &self.limits
    }
}
