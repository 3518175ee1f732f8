//! What scenario would hold a line that nothing holds. In words always; where a call can be made up that comes out one
//! way over the page and another over the weakened page, the row itself. What is suggested was tried, never guessed.

use std::cell::Cell;

use ambit_core::decision::Verdict;
use ambit_core::policy::{Policy, PolicyLine};
use ambit_core::scope::print::{print_limit, print_table, print_test};
use ambit_core::scope::{Line, Outside, Scenario, Section, Then, Window};
use ambit_core::time::Timestamp;
use ambit_core::weaken::{Change, Weakened};
use serde::Serialize;

use super::play::Play;
use super::sample;
use super::statements::statements;
use crate::offline::Surroundings;

/// What would hold a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// In words.
    pub words: String,
    /// A table with the row itself, where one could be made up. What stands under *when it is told* is the owner's to
    /// write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// Makes suggestions for one page.
pub(super) struct Suggester<'a> {
    pub(super) policy: &'a Policy,
    pub(super) around: &'a Surroundings,
    pub(super) plays: &'a [Play<'a>],
    pub(super) start: Timestamp,
    /// So many made-up calls may still be tried: a long page without scenarios gets its suggestions in words.
    pub(super) left: Cell<usize>,
}

/// At most so many made-up calls are tried for one step.
const MOST_TRIED: usize = 256;
/// And so many for a page.
pub(super) const MOST_TRIED_FOR_A_PAGE: usize = 20_000;

impl Suggester<'_> {
    pub(super) fn suggest(&self, weakened: &Weakened<'_>) -> Suggestion {
        let Some(line) = self.policy.line(weakened.line) else {
            return Suggestion { words: String::new(), table: None };
        };
        let found = self.row(line, weakened);
        let catalog = self.policy.catalog();
        let comes_back = line.reaches().all(|(id, _)| catalog.resource(id).is_some_and(|r| catalog.only_returned(r)));
        let mut words = if comes_back {
            "call a tool that gives it back: as much as the agent sees of its result belongs to what is expected"
                .to_owned()
        } else {
            words(line, weakened.change, self.policy.document().front.outside)
        };
        if found.is_none() && !sample::is_readable(self.policy, line) {
            words.push_str("; what the line names cannot be read yet, so that no scenario can hold it today");
        }
        Suggestion { words, table: found.map(|row| print_table(&[row]).trim().to_owned()) }
    }

    /// A scenario that the weakened page fails.
    fn row(&self, line: &PolicyLine, weakened: &Weakened<'_>) -> Option<Scenario> {
        let known = self.plays.iter().flat_map(Play::calls);
        let mut candidates = sample::candidates(self.policy, line, weakened.change, known);
        candidates.extend(statements(self.policy, line, weakened.change));
        candidates.into_iter().take(MOST_TRIED.min(self.left.get())).find_map(|mut row| {
            self.left.set(self.left.get().saturating_sub(1));
            let play = Play::read("", &row, self.policy, self.around, self.start);
            let (now, then) = (play.seen(self.policy)?, play.seen(weakened.policy)?);
            row.then = then_of(now.verdict);
            (now != then).then_some(row)
        })
    }
}

fn then_of(verdict: Verdict) -> Then {
    match verdict {
        Verdict::Allow => Then::Allow,
        Verdict::Hold => Then::Confirm,
        Verdict::Refuse => Then::Refuse,
    }
}

fn words(line: &PolicyLine, change: Change, outside: Outside) -> String {
    let line = &line.line;
    let beyond_it = beyond(line, outside);
    match change {
        Change::Drop if line.section == Section::CannotTouch => "try what it cannot touch: expect `refuse`".to_owned(),
        Change::Drop => "try what the line lets it do: expect `allow`".to_owned(),
        Change::ConfirmToCan => "try what a human must confirm: expect `confirm`".to_owned(),
        Change::DropTest(at) => match line.tests.get(at).map(print_test) {
            Some(test) => format!("a call beyond the test, for which `{test}` does not hold: expect {beyond_it}"),
            None => String::new(),
        },
        Change::DropFields => {
            format!("a call that touches what the field list leaves out: expect {}", outside_it(line, outside))
        }
        Change::DropLimit(at) => match line.limits.get(at) {
            Some(limit) if limit.per == Window::AtOnce => {
                format!("one call beyond `{}`: expect {}", print_limit(limit), beyond_limit(line, outside))
            }
            Some(limit) => format!(
                "use up `{}` in earlier steps (the column `after`), then try once more: expect {}",
                print_limit(limit),
                beyond_limit(line, outside)
            ),
            None => String::new(),
        },
        Change::DropTasks => {
            format!("the same call in a task that the line is not for: expect {}", outside_it(line, outside))
        }
    }
}

/// What is expected beyond a line's tests or limits, where no other line speaks of it.
fn beyond(line: &Line, outside: Outside) -> &'static str {
    if line.section.is_can() && line.otherwise_human { "`confirm`" } else { outside_it(line, outside) }
}

/// What is expected where a line does not apply, and no other line speaks of it.
fn outside_it(line: &Line, outside: Outside) -> &'static str {
    match (line.section.is_can(), outside) {
        (true, Outside::Confirm) => "`confirm`",
        (true, Outside::Refuse) => "`refuse`",
        (false, _) => "what the other lines make of it",
    }
}

fn beyond_limit(line: &Line, outside: Outside) -> &'static str {
    if line.section.is_can() { beyond(line, outside) } else { "`refuse`" }
}
