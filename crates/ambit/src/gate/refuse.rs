//! What an agent may read about a refusal: the line that stopped *this* action, why, and what it could do instead.
//! The words about the scope itself are core's (`explain::for_agent`).

use ambit_core::action::{Action, Gate};
use ambit_core::decision::Decision;
use ambit_core::explain;
use ambit_effects::readers::NotRead;
use ambit_effects::{mcp, sql};
use serde::Serialize;

use super::Answer;
use super::means::Means;
use super::pass::Case;
use super::session::Session;
use super::stops::Stop;
use crate::escape::escape;

/// Why an action goes no further, and what its agent reads about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What sort of reason it is.
    pub cause: Cause,
    /// What the agent reads.
    pub text: String,
}

/// The sorts of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The scope.
    Scope,
    /// The agent is stopped.
    Stopped,
    /// No release is in force.
    NothingInForce,
    /// The catalog does not have what it names, or has it in a form that cannot be read.
    Unknown,
    /// It is no valid call of what it names.
    Invalid,
    /// The live definition is not the pinned one.
    Drift,
    /// The system cannot be started or asked.
    NotThere,
    /// A person refused exactly this before.
    RefusedBefore,
    /// Too many of its actions wait, or waited today.
    TooMany,
    /// A person would have to confirm what people are not asked about.
    NotAskedAbout,
    /// A person would have to confirm it, and it stands in a transaction.
    Within,
    /// A use cannot be counted.
    Uncounted,
    /// The action names another agent or task than its session.
    NotItsSession,
    /// The session's task is over.
    TaskOver,
}

impl Refusal {
    /// A session speaks for its own agent and task, and for no other.
    pub(crate) fn of_session(session: &Session, action: &Action) -> Option<Refusal> {
        let same = session.agent == action.agent
            && session.task.as_ref().map(|task| task.id.as_str()) == action.task.as_deref()
            && session.task.as_ref().is_none_or(|task| task.agent == action.agent);
        (!same).then(|| Refusal {
            cause: Cause::NotItsSession,
            text: "refused: the action names another agent or another task than its session\nhelp: open a session of its own for it".into(),
        })
    }

    pub(crate) fn of_stop(means: &Means, agent: &str) -> Option<Refusal> {
        means.stops.of(agent).map(|stop| Refusal::stopped(agent, &stop))
    }

    /// A session of a task that was closed, or whose time is over, does nothing more.
    pub(crate) fn of_task(means: &Means, session: &Session) -> Option<Refusal> {
        let task = session.task.as_ref()?;
        let open = means.tasks.open_now(&session.agent, &task.id, means.now()).is_some();
        (!open).then(|| Refusal {
            cause: Cause::TaskOver,
            text: "refused: the task of this session is over\nhelp: do nothing more for it; a person opens another task if something is left to do".into(),
        })
    }

    /// The refusal of a stopped agent.
    #[must_use]
    pub fn stopped(agent: &str, stop: &Stop) -> Refusal {
        let by = stop.by.as_deref().unwrap_or("Ambit itself");
        let text = format!(
            "refused: `{agent}` is stopped (by {}: {})\nhelp: do nothing more; only a person can resume it",
            escape(by),
            escape(&stop.because)
        );
        Refusal { cause: Cause::Stopped, text }
    }

    pub(crate) fn nothing_in_force(agent: &str, why: &str) -> Refusal {
        let text = format!("refused: no scope is in force for `{agent}`: {why}");
        Refusal { cause: Cause::NothingInForce, text }
    }

    pub(crate) fn not_read(why: &NotRead) -> Refusal {
        match why {
            NotRead::Mcp(mcp::NotRead::Invalid(invalid)) => {
                Refusal { cause: Cause::Invalid, text: format!("{invalid}\nhelp: {}", invalid.help()) }
            }
            NotRead::Sql(why @ sql::NotRead::Invalid(_)) => {
                Refusal { cause: Cause::Invalid, text: format!("{why}\nhelp: {}", why.help()) }
            }
            NotRead::Sql(why) => {
                Refusal { cause: Cause::Unknown, text: format!("refused: {why}\nhelp: {}", why.help()) }
            }
            NotRead::Gate(_) => Refusal { cause: Cause::Unknown, text: format!("refused: {why}") },
            NotRead::Mcp(mcp::NotRead::Unknown { .. }) => {
                Refusal { cause: Cause::Unknown, text: format!("refused: {why}\nhelp: call only what is listed") }
            }
            NotRead::Mcp(mcp::NotRead::Schema { .. }) => Refusal {
                cause: Cause::Unknown,
                text: format!(
                    "refused: {why}\nhelp: use something else; a person must look at it (`ambit inventory`) before it can be called"
                ),
            },
        }
    }

    pub(crate) fn drifted(action: &Action, why: &str) -> Refusal {
        let text = format!(
            "refused: `{}.{}` is not what it was when its scope was released: {}\nhelp: use something else; a person must look at it (`ambit inventory`) before it can be called again",
            escape(&action.system),
            escape(&action.name),
            escape(why)
        );
        Refusal { cause: Cause::Drift, text }
    }

    pub(crate) fn not_there(action: &Action) -> Refusal {
        let text = format!(
            "refused: the system `{}` cannot be asked now, so what `{}` does cannot be known\nhelp: do something else, and tell the person you work for; `ambit journal` tells them why",
            escape(&action.system),
            escape(&action.name)
        );
        Refusal { cause: Cause::NotThere, text }
    }

    /// A person would have to confirm it, and is not asked: it is about what the agent types, or hears of.
    pub(crate) fn not_asked_about(action: &Action) -> Refusal {
        let text = format!(
            "refused: a person would have to confirm this, and nobody is asked about `{}`\nhelp: use what it is about; that can wait for a person",
            escape(&action.operation)
        );
        Refusal { cause: Cause::NotAskedAbout, text }
    }

    /// A person would have to confirm it, and it stands in a transaction that would wait with it.
    pub(crate) fn within_a_transaction() -> Refusal {
        Refusal {
            cause: Cause::Within,
            text: "refused: a person must confirm this, and nobody is asked within a transaction\nhelp: roll back, and send this statement alone, outside a transaction (with autocommit)".into(),
        }
    }

    pub(crate) fn uncounted() -> Refusal {
        Refusal {
            cause: Cause::Uncounted,
            text: "refused: a limit of the scope applies, and what is used of it cannot be counted\nhelp: tell the person you work for; Ambit's state needs looking at".into(),
        }
    }

    /// `spent`: what is used of limits that stand in the way, a sentence each.
    pub(crate) fn of_scope(case: &Case<'_>, decision: &Decision, spent: &[String]) -> Refusal {
        let said = explain::said_to_agent(case.judge.policy(), case.reading, decision);
        let mut text = match case.ask.action.gate {
            // A driver shows the parts apart.
            Gate::Postgres => format!("refused: {}", said.lines()),
            Gate::Mcp | Gate::Http | Gate::Shell => format!("refused: {}", said.text()),
        };
        for spent in spent {
            text.push_str(&format!("\nused: {spent}"));
        }
        Refusal { cause: Cause::Scope, text }
    }

    /// As the gate says it.
    #[must_use]
    pub fn into_answer(self) -> Answer {
        match self.cause {
            Cause::Invalid => Answer::Invalid(self.text),
            Cause::Within => Answer::NotHere(self.text),
            _ => Answer::Refused(self.text),
        }
    }
}
