//! The order in which the records of one action must stand: asked → decided → (held → confirmed → executing) → outcome.
//! Whoever reads a journal reconstructs what happened with this, and finds what moved before its record.

use std::fmt;

use crate::decision::Verdict;

/// One record of an action's journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The agent asked.
    Asked,
    /// The decision.
    Decided(Verdict),
    /// It began to wait.
    Held,
    /// A person confirmed.
    Confirmed(String),
    /// It ended without being sent: refused, expired or withdrawn.
    Ended,
    /// It is about to be sent.
    Executing,
    /// What came of it is known.
    Outcome,
    /// Nobody knows what came of it.
    OutcomeUnknown,
}

/// The journey so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journey {
    stage: Stage,
    confirmed_by: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Nothing,
    Asked,
    Allowed,
    MayHold,
    Held,
    Executing,
    Over,
}

/// A record that cannot stand where it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disorder {
    /// The record.
    pub step: Step,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for Disorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.step, self.why)
    }
}

impl Journey {
    /// Takes the next record.
    ///
    /// # Errors
    /// When it cannot follow what stands before it; the journey is as it was.
    pub fn take(&mut self, step: Step) -> Result<(), Disorder> {
        let next = match (self.stage, &step) {
            (Stage::Nothing, Step::Asked) => Stage::Asked,
            (Stage::Asked, Step::Decided(Verdict::Allow)) => Stage::Allowed,
            (Stage::Asked, Step::Decided(Verdict::Hold)) => Stage::MayHold,
            (Stage::Asked, Step::Decided(Verdict::Refuse)) | (Stage::Held, Step::Ended) => Stage::Over,
            (Stage::MayHold, Step::Held) => Stage::Held,
            (Stage::Held, Step::Confirmed(person)) => {
                self.confirmed_by.push(person.clone());
                Stage::Held
            }
            (Stage::Held, Step::Executing) if !self.confirmed_by.is_empty() => Stage::Executing,
            (Stage::Allowed | Stage::Executing, Step::Outcome | Step::OutcomeUnknown) => Stage::Over,
            _ => return Err(Disorder { why: self.complaint(&step), step }),
        };
        self.stage = next;
        Ok(())
    }

    /// Whether it has been, or may have been, sent, and nothing says what came of it.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        matches!(self.stage, Stage::Allowed | Stage::Executing)
    }

    /// Who confirmed, in order.
    #[must_use]
    pub fn confirmed_by(&self) -> &[String] {
        &self.confirmed_by
    }

    fn complaint(&self, step: &Step) -> &'static str {
        match (self.stage, step) {
            (Stage::Over, _) => "it was over",
            (Stage::Held, Step::Executing) => "nobody had confirmed it",
            (_, Step::Executing) => "it was not held",
            (_, Step::Confirmed(_)) => "it was not waiting",
            (_, Step::Outcome | Step::OutcomeUnknown) => "nothing allowed it to be sent",
            (Stage::Nothing, _) => "nobody had asked for it",
            _ => "it cannot follow the record before it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(steps: &[Step]) -> Result<Journey, Disorder> {
        let mut journey = Journey::default();
        steps.iter().try_for_each(|step| journey.take(step.clone())).map(|()| journey)
    }

    #[test]
    fn the_record_reconstructs_asked_decided_confirmed_executed() {
        let lena = Step::Confirmed("lena".into());
        let journey = run(&[
            Step::Asked,
            Step::Decided(Verdict::Hold),
            Step::Held,
            lena.clone(),
            Step::Confirmed("max".into()),
            Step::Executing,
        ])
        .unwrap();
        assert_eq!(journey.confirmed_by(), ["lena", "max"]);
        assert!(journey.is_in_flight());
        for whole in [
            vec![Step::Asked, Step::Decided(Verdict::Refuse)],
            vec![Step::Asked, Step::Decided(Verdict::Allow), Step::Outcome],
            vec![Step::Asked, Step::Decided(Verdict::Allow), Step::OutcomeUnknown],
            vec![Step::Asked, Step::Decided(Verdict::Hold), Step::Held, Step::Ended],
            vec![Step::Asked, Step::Decided(Verdict::Hold), Step::Held, lena, Step::Executing, Step::Outcome],
        ] {
            assert!(!run(&whole).unwrap().is_in_flight(), "{whole:?}");
        }
    }

    #[test]
    fn what_moved_before_its_record_is_found() {
        let lena = || Step::Confirmed("lena".into());
        for (steps, why) in [
            (vec![Step::Outcome], "nothing allowed it to be sent"),
            (vec![Step::Asked, Step::Outcome], "nothing allowed it to be sent"),
            (vec![Step::Asked, Step::Decided(Verdict::Refuse), Step::Outcome], "it was over"),
            (vec![Step::Asked, Step::Decided(Verdict::Hold), Step::Held, Step::Executing], "nobody had confirmed it"),
            (vec![Step::Asked, Step::Decided(Verdict::Allow), Step::Executing], "it was not held"),
            (
                vec![Step::Asked, Step::Decided(Verdict::Hold), Step::Held, lena(), Step::Executing, Step::Executing],
                "it was not held",
            ),
            (vec![Step::Asked, Step::Decided(Verdict::Hold), Step::Held, Step::Ended, lena()], "it was over"),
            (vec![Step::Decided(Verdict::Allow)], "nobody had asked for it"),
            (vec![Step::Asked, Step::Decided(Verdict::Allow), lena()], "it was not waiting"),
        ] {
            assert_eq!(run(&steps).unwrap_err().why, why, "{steps:?}");
        }
    }
}
