//! Weakening: one line made weaker at a time, so that scenarios can show that they hold it.

use std::sync::Arc;

use crate::decision::{LimitId, LimitInfo, LineId};
use crate::effect::{FieldSet, Verb};
use crate::policy::{Mask, Policy, PolicyLine};
use crate::scope::compile;
use crate::scope::print::{print_limit, print_test};
use crate::scope::{Section, Span};
use crate::test_tree::TestTree;

/// A policy with one line made weaker (or, for a *can*, gone).
#[derive(Clone, Debug)]
pub struct Weakened<'a> {
    /// Which line.
    pub line: LineId,
    /// Where it stands.
    pub at: Span,
    /// What was done to it.
    pub change: Change,
    /// The same in words: "drop the test `amount is at most 200`".
    pub what: String,
    /// What holds then.
    pub policy: &'a Policy,
}

/// Every way to weaken one line of a policy by one step, one after another in one copy of it: a policy of a thousand lines
/// has several thousand.
pub struct Weakenings<'a> {
    policy: &'a Policy,
    weaker: Policy,
    line: usize,
    changes: std::vec::IntoIter<Change>,
}

impl<'a> Weakenings<'a> {
    /// Those of that policy.
    #[must_use]
    pub fn of(policy: &'a Policy) -> Weakenings<'a> {
        let changes = policy.lines.first().map(changes).unwrap_or_default();
        Weakenings { policy, weaker: policy.clone(), line: 0, changes: changes.into_iter() }
    }

    /// The next one; what came before is undone.
    pub fn step(&mut self) -> Option<Weakened<'_>> {
        let line = self.policy.lines.get(self.line)?;
        let place = self.weaker.lines.get_mut(self.line)?;
        place.clone_from(line);
        let Some(change) = self.changes.next() else {
            self.line += 1;
            self.changes = self.policy.lines.get(self.line).map(changes).unwrap_or_default().into_iter();
            return self.step();
        };
        let (what, changed) = change.apply(line, self.policy);
        match changed {
            Some(changed) => *place = changed,
            None => place.reach.clear(), // gone, and every other line keeps its number
        }
        self.weaker.index = compile::index(&self.weaker.lines, &self.policy.setting);
        let id = LineId(u32::try_from(self.line).unwrap_or(u32::MAX));
        Some(Weakened { line: id, at: line.line.at.clone(), change, what, policy: &self.weaker })
    }
}

/// One step by which a line is made weaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The line is gone.
    Drop,
    /// A *confirm* is a *can*.
    ConfirmToCan,
    /// The test at that place of the line is gone.
    DropTest(usize),
    /// The field list is gone.
    DropFields,
    /// The limit at that place of the line is gone.
    DropLimit(usize),
    /// The `for` is gone.
    DropTasks,
}

fn changes(line: &PolicyLine) -> Vec<Change> {
    let said = &line.line;
    let mut changes = match said.section {
        Section::MustConfirm => vec![Change::ConfirmToCan],
        Section::CannotTouch | Section::CanRead | Section::CanWrite => vec![Change::Drop],
    };
    // Dropped from a stricter line, a test or field list makes it reach further: a scenario just beyond it holds it.
    changes.extend((0..said.tests.len()).map(Change::DropTest));
    if said.fields.is_some() {
        changes.push(Change::DropFields);
    }
    changes.extend((0..said.limits.len()).map(Change::DropLimit));
    if said.tasks.is_some() {
        changes.push(Change::DropTasks);
    }
    changes
}

impl Change {
    fn apply(&self, line: &PolicyLine, policy: &Policy) -> (String, Option<PolicyLine>) {
        let mut weaker = line.clone();
        let what = match self {
            Change::Drop => return ("drop the line".into(), None),
            Change::ConfirmToCan => {
                let read = line.reach.iter().all(|(_, verbs, _)| *verbs == Verb::Read.into());
                weaker.line.section = if read { Section::CanRead } else { Section::CanWrite };
                weaker.line.by = None;
                weaker.line.within = None;
                "let it run without a human".to_owned()
            }
            Change::DropTest(at) => {
                let test = weaker.line.tests.remove(*at);
                weaker.tests = if weaker.line.tests.is_empty() {
                    None
                } else {
                    TestTree::new(&weaker.line.tests, &policy.setting.lists).ok().map(Arc::new)
                };
                format!("drop the test `{}`", print_test(&test))
            }
            Change::DropFields => {
                weaker.line.fields = None;
                for (resource, _, mask) in &mut weaker.reach {
                    let all = policy.catalog().resource(*resource).map_or(0, |r| r.fields.len());
                    *mask = Mask::Whole(FieldSet::first(all));
                }
                "drop the field list".to_owned()
            }
            Change::DropLimit(at) => {
                let limit = weaker.line.limits.remove(*at);
                let own: Vec<(LimitId, LimitInfo)> =
                    weaker.limits.iter().enumerate().filter(|(i, _)| i != at).map(|(_, l)| l.clone()).collect();
                weaker.limits = own;
                format!("drop the limit `{}`", print_limit(&limit))
            }
            Change::DropTasks => {
                weaker.line.tasks = None;
                "drop the `for`".to_owned()
            }
        };
        (what, Some(weaker))
    }
}
