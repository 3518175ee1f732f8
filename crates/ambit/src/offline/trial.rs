//! What would become of one action: read, decided, and said, with nothing sent.

use ambit_core::decide::{Facts, decide};
use ambit_core::decision::{Decision, Verdict};
use ambit_core::explain::{self, Said};
use ambit_core::policy::Policy;
use ambit_core::reading::Reading;
use ambit_effects::attempt::{Attempt, AttemptError};
use ambit_effects::json::{JsonError, Problem};
use serde::Serialize;

use super::Surroundings;

/// The session of actions that no agent sent.
const SESSION: &str = "offline";

/// What would become of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "one lives at a time, and nearly every one is decided")]
pub enum Trial {
    /// It was read and decided.
    Decided {
        /// What it does.
        reading: Reading,
        /// What the page makes of it.
        decision: Decision,
    },
    /// It is refused whatever the page says: nothing of that name exists, or it is no valid call. Why, escaped.
    Refused(String),
}

impl Trial {
    /// Reads and decides.
    #[must_use]
    pub fn of(policy: &Policy, around: &Surroundings, attempt: &Attempt, facts: &Facts<'_>) -> Trial {
        match read(around, attempt, facts.task.map(|task| task.name.as_str())) {
            Ok(reading) => {
                let decision = decide(policy, &reading, facts);
                Trial::Decided { reading, decision }
            }
            Err(why) => Trial::Refused(why),
        }
    }

    /// The decision in a word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self {
            Trial::Decided { decision, .. } => decision.verdict,
            Trial::Refused(_) => Verdict::Refuse,
        }
    }

    /// All of it in words.
    #[must_use]
    pub fn answer(&self, policy: &Policy) -> Answer {
        match self {
            Trial::Decided { reading, decision } => {
                // The strictest grounds first: they are what the decision is.
                let mut grounds: Vec<_> = decision.grounds.iter().collect();
                grounds.sort_by_key(|ground| std::cmp::Reverse(ground.verdict));
                Answer {
                    decision: decision.verdict,
                    grounds: grounds.into_iter().map(|ground| explain::ground(policy, reading, ground)).collect(),
                    bounds: decision.bounds.iter().map(explain::bound).collect(),
                    unread: reading.unread.iter().map(|unread| unread.what.clone()).collect(),
                }
            }
            Trial::Refused(why) => Answer {
                decision: Verdict::Refuse,
                grounds: vec![Said { line: None, section: None, text: None, why: why.clone() }],
                bounds: Vec::new(),
                unread: Vec::new(),
            },
        }
    }
}

/// What would become of an action, in words; as `ambit try --format json` and each line of a batch print it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// `allow`, `hold` or `refuse`.
    pub decision: Verdict,
    /// Why, the strictest first.
    pub grounds: Vec<Said>,
    /// What would have to be proved before it stands.
    pub bounds: Vec<String>,
    /// What of it could not be read.
    pub unread: Vec<String>,
}

/// What an attempt does. The error is why it would be refused whatever the page says, escaped.
pub(super) fn read(around: &Surroundings, attempt: &Attempt, task: Option<&str>) -> Result<Reading, String> {
    let action = attempt.action(&around.setting.catalog, &around.agent, SESSION, task);
    around.read(&action).map_err(|not_read| not_read.to_string())
}

/// Why a call that cannot be read is refused, where it is one that an agent could send; `None` where it is no call at all,
/// but a slip of whoever wrote it.
#[must_use]
pub fn invalid(error: &AttemptError) -> Option<String> {
    match error {
        AttemptError::Arguments(JsonError { problem: Problem::Expected(_), .. })
        | AttemptError::Form
        | AttemptError::Quote => None,
        AttemptError::Arguments(_) | AttemptError::NotAnObject => Some(error.to_string()),
    }
}
