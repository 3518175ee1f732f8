//! Whether a page does what its scenarios say, and whether its scenarios hold the page: every line is weakened, one step
//! at a time, and a step under which all scenarios still come out as expected is a line that nothing holds.
//!
//! Scenarios are read once; only decisions are repeated, and only over those that touch what a weakened line is about.

mod held;
mod kinds;
mod play;
mod redundant;
pub(super) mod sample;
pub mod source;
mod statements;
mod suggest;

use ambit_core::decision::Verdict;
use ambit_core::explain::Said;
use ambit_core::policy::Policy;
use ambit_core::scope::Then;
use ambit_core::time::{Date, Timestamp};
use serde::Serialize;

use super::Surroundings;
use play::Play;
pub use source::Source;
pub use suggest::Suggestion;

/// What came of testing one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct TestOutcome {
    /// The day that the scenarios are decided on: today, or the first day on which a line of the page ends, where that
    /// is over.
    pub as_of: Date,
    /// Every scenario, in the order of the sources.
    pub scenarios: Vec<Played>,
    /// Every line of the page, in its order, with what was done to it.
    pub lines: Vec<Tried>,
}

/// One scenario, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Played {
    /// The document it stands in.
    pub file: String,
    /// The line it stands on, from 1.
    pub line: usize,
    /// What the agent is told.
    pub told: String,
    /// What it tries.
    pub tries: String,
    /// What the scenario expects.
    pub expected: Then,
    /// What came of it.
    pub came: Came,
    /// Whether that is what was expected.
    pub passed: bool,
    /// Why it came out so, the strictest first.
    pub grounds: Vec<Said>,
    /// What is to be known of it besides: that it says nothing of the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What came of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// It would run.
    Allow,
    /// It would wait for a human.
    Confirm,
    /// It would be refused.
    Refuse,
    /// It cannot be read, so that nothing can be said of it; it never passes.
    NotReadable,
}

impl Came {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Came::Allow => "allow",
            Came::Confirm => "confirm",
            Came::Refuse => "refuse",
            Came::NotReadable => "not readable",
        }
    }
}

impl From<Verdict> for Came {
    fn from(verdict: Verdict) -> Came {
        match verdict {
            Verdict::Allow => Came::Allow,
            Verdict::Hold => Came::Confirm,
            Verdict::Refuse => Came::Refuse,
        }
    }
}

/// One line of the page, and every step by which it was weakened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Tried {
    /// Where it stands, from 1.
    pub line: usize,
    /// The heading it stands under.
    pub section: &'static str,
    /// The line in canonical words.
    pub text: String,
    /// What was done to it.
    pub steps: Vec<Step>,
}

impl Tried {
    /// The steps that no scenario holds.
    pub fn unheld(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.held_by.is_none() && !step.redundant)
    }
}

/// One step by which a line was weakened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// What was done: "drop the test `amount is at most 200`".
    pub done: String,
    /// The place in [`TestOutcome::scenarios`] of one that no longer comes out as expected; `None`: no scenario holds it.
    pub held_by: Option<usize>,
    /// Whether no scenario can hold it, because the other lines decide every call the same without what was dropped.
    pub redundant: bool,
    /// What would hold it, where nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<Suggestion>,
}

impl TestOutcome {
    /// The scenarios that did not come out as expected.
    pub fn failed(&self) -> impl Iterator<Item = &Played> {
        self.scenarios.iter().filter(|played| !played.passed)
    }

    /// The lines with a step that no scenario holds.
    pub fn unheld(&self) -> impl Iterator<Item = &Tried> {
        self.lines.iter().filter(|tried| tried.unheld().next().is_some())
    }

    /// Whether every scenario came out as expected, and every line is held.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.failed().next().is_none() && self.unheld().next().is_none()
    }
}

/// How far the work has come: so many of the lines of the page are done.
pub type Watch<'a> = &'a mut dyn FnMut(usize);

/// Runs the scenarios over a policy, then weakens its lines. The same policy, scenarios and day give the same outcome.
#[must_use]
pub fn run(policy: &Policy, around: &Surroundings, sources: &[Source], today: Date, watch: Watch<'_>) -> TestOutcome {
    let as_of = day(policy, today);
    let plays: Vec<Play<'_>> = sources
        .iter()
        .flat_map(|source| source.scenarios.iter().map(move |scenario| (source, scenario)))
        .map(|(source, scenario)| Play::read(&source.file, scenario, policy, around, noon(as_of)))
        .collect();
    let scenarios: Vec<Played> = plays.iter().map(|play| play.played(policy)).collect();
    let lines = held::lines(policy, around, noon(as_of), &plays, &scenarios, watch);
    TestOutcome { as_of, scenarios, lines }
}

/// Today, unless a line ended before: then the last day on which all lines are in force.
pub(super) fn day(policy: &Policy, today: Date) -> Date {
    policy.lines().iter().filter_map(|line| line.line.until).fold(today, Date::min)
}

/// Far from either end of the day, so that earlier steps fall on it too.
pub(super) fn noon(day: Date) -> Timestamp {
    Timestamp(day.end().0 + 1 - 43_200_000)
}
