//! A prepared action that waits for people: a state machine without a clock.
//!
//! waiting → confirmed → executing → done, or it ends refused, expired, withdrawn, or with its outcome unknown. Nothing
//! leaves an end; whoever comes late is told so and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::action::Digest;
use crate::scope::Who;
use crate::time::Timestamp;

/// A held action, as it is kept between one step and the next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What people type to name it.
    pub id: String,
    /// What a confirmation of it is bound to.
    pub binding: Binding,
    /// Whose people must confirm. All of them.
    pub asks: Vec<Ask>,
    /// Who counts as the asker: who opened the task, holds the agent's token, or edited the action.
    pub askers: BTreeSet<String>,
    /// The person for whom the task runs.
    pub on_behalf_of: Option<String>,
    /// When it began to wait.
    pub opened: Timestamp,
    /// The confirmations so far, one a person.
    pub votes: Vec<Vote>,
    /// Where it stands.
    pub state: State,
}

/// Everything that a confirmation is bound to. Change one of these and it is another action, unconfirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Whose action.
    pub agent: String,
    /// The digest of the exact action.
    pub action: Digest,
    /// The digest of its effects, as read.
    pub effects: Digest,
    /// The digest of the release in force.
    pub release: Digest,
    /// The pinned digest of the definition of what is called.
    pub definition: String,
    /// The digest of what people were shown.
    pub shown: Digest,
    /// Until when they may confirm, and the action may begin.
    pub expires: Timestamp,
    /// Drawn for this hold alone, so that the same action held twice is confirmed twice.
    pub nonce: Digest,
}

impl Binding {
    /// What people sign.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(
            "ambit/binding/1",
            &[
                self.agent.as_bytes(),
                &self.action.0,
                &self.effects.0,
                &self.release.0,
                self.definition.as_bytes(),
                &self.shown.0,
                &self.expires.0.to_be_bytes(),
                &self.nonce.0,
            ],
        )
    }
}

/// One line's people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ask {
    /// The line that asks; `None` when the action is outside the scope or could not be read whole.
    pub line: Option<u32>,
    /// Who; `None`: the owner, the backup owner, or the person for whom the task runs.
    pub who: Option<Who>,
}

/// How a person proved to be who they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// As the operating-system user that the connection came from.
    PeerUser,
    /// With the key that a passphrase opens, over the binding digest.
    Passphrase,
}

/// One person's confirmation, already verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub person: String,
    /// The binding they confirmed.
    pub binding: Digest,
    /// When.
    pub at: Timestamp,
    /// How they proved it.
    pub strength: Strength,
    /// Whether the agent runs as the same operating-system user, so that the proof is *advised*, not *enforced*.
    pub advised: bool,
}

/// Where a hold stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// People have not decided.
    Waiting,
    /// Everybody asked has confirmed; it has not been sent.
    Confirmed {
        /// Since when.
        at: Timestamp,
    },
    /// It is being sent.
    Executing {
        /// Since when.
        at: Timestamp,
    },
    /// It was sent and the live system answered, or it is certain that nothing was sent.
    Done {
        /// Since when.
        at: Timestamp,
        /// What came of it.
        outcome: Outcome,
        /// The journal's record of the answer.
        record: u64,
    },
    /// A person refused it.
    Refused {
        /// Since when.
        at: Timestamp,
        /// Who.
        by: String,
        /// Why, in their words.
        because: String,
    },
    /// Nobody decided in time.
    Expired {
        /// Since when.
        at: Timestamp,
    },
    /// It may no longer run: something that it was bound to changed, or the agent was stopped.
    Withdrawn {
        /// Since when.
        at: Timestamp,
        /// Why.
        because: String,
    },
    /// It was sent, or may have been, and nobody knows what came of it. Never retried.
    OutcomeUnknown {
        /// Since when.
        at: Timestamp,
        /// How that came to be.
        because: String,
    },
}

/// What came of an action that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A result.
    Result,
    /// The live system's own error.
    Error,
    /// It is certain that nothing was sent.
    NotSent,
}

impl State {
    /// Its name, as people and journals read it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Confirmed { .. } => "confirmed",
            State::Executing { .. } => "executing",
            State::Done { .. } => "done",
            State::Refused { .. } => "refused",
            State::Expired { .. } => "expired",
            State::Withdrawn { .. } => "withdrawn",
            State::OutcomeUnknown { .. } => "outcome unknown",
        }
    }

    /// When it ended; `None` while it may still change.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        match self {
            State::Waiting | State::Confirmed { .. } | State::Executing { .. } => None,
            State::Done { at, .. }
            | State::Refused { at, .. }
            | State::Expired { at }
            | State::Withdrawn { at, .. }
            | State::OutcomeUnknown { at, .. } => Some(*at),
        }
    }
}

/// Who answers for what, as the release in force has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circle {
    /// The owner of the workflow.
    pub owner: String,
    /// Who stands in for the owner.
    pub backup_owner: Option<String>,
    /// Who has which role.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// Everybody who is a person at all; nobody else ever confirms.
    pub people: BTreeSet<String>,
}

/// What a confirmation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It counts, and others must confirm as well.
    Waiting {
        /// Who is still asked, in words.
        missing: Vec<String>,
    },
    /// It counts, and it was the last one needed.
    Complete,
    /// This person had confirmed already; nothing changed.
    Already,
}

/// Why a step was not taken. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// The hold has moved on; in which state it is.
    Late {
        /// The hold.
        id: String,
        /// Where it stands.
        state: State,
    },
    /// The time to decide is over.
    TimeIsUp {
        /// The hold.
        id: String,
    },
    /// What was confirmed is not what is held.
    OtherBinding,
    /// The action is not the one that was confirmed.
    OtherAction,
    /// This person asked for it, and the line wants somebody else.
    Asker(String),
    /// This person is not among those asked.
    NotAsked(String),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denial::Late { id, state } => write!(f, "`{id}` is {} already; your answer changed nothing", state.word()),
            Denial::TimeIsUp { id } => {
                write!(f, "the time to decide on `{id}` is over; your answer changed nothing and it will not run")
            }
            Denial::OtherBinding => f.write_str("what you confirmed is not what is held; nothing changed"),
            Denial::OtherAction => f.write_str("the action is not the one that was confirmed; it was not sent"),
            Denial::Asker(person) => {
                write!(f, "`{person}` asked for this action, and the line wants somebody else to confirm it")
            }
            Denial::NotAsked(person) => write!(f, "`{person}` is not among those who may confirm this"),
        }
    }
}

impl std::error::Error for Denial {}

impl Hold {
    /// Counts a verified confirmation.
    ///
    /// # Errors
    /// A [`Denial`]; the hold is as it was.
    pub fn confirm(&mut self, vote: Vote, circle: &Circle) -> Result<Counted, Denial> {
        if vote.binding != self.binding.digest() {
            return Err(Denial::OtherBinding);
        }
        if self.votes.iter().any(|earlier| earlier.person == vote.person) {
            return Ok(Counted::Already);
        }
        self.still_waiting(vote.at)?;
        if !self.asks.iter().any(|ask| self.may(ask, &vote.person, circle)) {
            return Err(if self.askers.contains(&vote.person) {
                Denial::Asker(vote.person)
            } else {
                Denial::NotAsked(vote.person)
            });
        }
        let at = vote.at;
        self.votes.push(vote);
        let missing = self.missing(circle);
        if missing.is_empty() {
            self.state = State::Confirmed { at };
            return Ok(Counted::Complete);
        }
        Ok(Counted::Waiting { missing })
    }

    /// Takes a person's no, which needs no second one. Whoever may confirm may refuse, and so may the owner, the backup
    /// owner and the askers: a no only narrows.
    ///
    /// # Errors
    /// A [`Denial`]; the hold is as it was.
    pub fn refuse(&mut self, person: &str, because: &str, at: Timestamp, circle: &Circle) -> Result<(), Denial> {
        if !matches!(self.state, State::Waiting | State::Confirmed { .. }) {
            return Err(Denial::Late { id: self.id.clone(), state: self.state.clone() });
        }
        let named = self.asks.iter().any(|ask| self.may(ask, person, circle))
            || circle.owner == person
            || circle.backup_owner.as_deref() == Some(person)
            || self.askers.contains(person);
        if !(named && circle.people.contains(person)) {
            return Err(Denial::NotAsked(person.to_owned()));
        }
        self.state = State::Refused { at, by: person.to_owned(), because: because.to_owned() };
        Ok(())
    }

    /// Ends it if its time is over. A hold that was confirmed and could not begin in time ends as well.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let over = now > self.binding.expires && matches!(self.state, State::Waiting | State::Confirmed { .. });
        if over {
            self.state = State::Expired { at: now };
        }
        over
    }

    /// Ends it because it may no longer run.
    ///
    /// # Errors
    /// When it has begun or ended; what has begun cannot be withdrawn.
    pub fn withdraw(&mut self, because: &str, at: Timestamp) -> Result<(), Denial> {
        if !matches!(self.state, State::Waiting | State::Confirmed { .. }) {
            return Err(Denial::Late { id: self.id.clone(), state: self.state.clone() });
        }
        self.state = State::Withdrawn { at, because: because.to_owned() };
        Ok(())
    }

    /// Begins to execute: once, in time, and only what was confirmed.
    ///
    /// # Errors
    /// A [`Denial`]; the hold is as it was.
    pub fn begin(&mut self, action: Digest, at: Timestamp, circle: &Circle) -> Result<(), Denial> {
        if !matches!(self.state, State::Confirmed { .. }) {
            return Err(Denial::Late { id: self.id.clone(), state: self.state.clone() });
        }
        if action != self.binding.action {
            return Err(Denial::OtherAction);
        }
        if at > self.binding.expires {
            return Err(Denial::TimeIsUp { id: self.id.clone() });
        }
        // The people are counted once more: whoever confirmed must still be one who may.
        if let Some(missing) = self.missing(circle).first() {
            return Err(Denial::NotAsked(missing.clone()));
        }
        self.state = State::Executing { at };
        Ok(())
    }

    /// Notes what came of it.
    ///
    /// # Errors
    /// When it was not executing.
    pub fn finish(&mut self, outcome: Outcome, record: u64, at: Timestamp) -> Result<(), Denial> {
        self.leave_executing(State::Done { at, outcome, record })
    }

    /// Notes that nobody knows what came of it.
    ///
    /// # Errors
    /// When it was not executing.
    pub fn lose(&mut self, because: &str, at: Timestamp) -> Result<(), Denial> {
        self.leave_executing(State::OutcomeUnknown { at, because: because.to_owned() })
    }

    /// Who must still confirm, in words; empty when nobody.
    #[must_use]
    pub fn missing(&self, circle: &Circle) -> Vec<String> {
        let binding = self.binding.digest();
        let mut missing: Vec<String> = self
            .asks
            .iter()
            .filter_map(|ask| {
                let given =
                    self.votes.iter().filter(|v| v.binding == binding && self.may(ask, &v.person, circle)).count();
                let needed = if matches!(ask.who, Some(Who::TwoOf(_))) { 2 } else { 1 };
                (given < needed).then(|| self.words(ask, needed - given, circle))
            })
            .collect();
        missing.sort();
        missing.dedup();
        missing
    }

    /// Whether this person may answer at all: confirm one of the asks.
    #[must_use]
    pub fn asks_for(&self, person: &str, circle: &Circle) -> bool {
        self.asks.iter().any(|ask| self.may(ask, person, circle))
    }

    fn may(&self, ask: &Ask, person: &str, circle: &Circle) -> bool {
        let asker = self.askers.contains(person);
        let in_role = |role: &str| circle.roles.get(role).is_some_and(|people| people.contains(person));
        let by_default = circle.owner == person
            || circle.backup_owner.as_deref() == Some(person)
            || self.on_behalf_of.as_deref() == Some(person);
        circle.people.contains(person)
            && match &ask.who {
                None => by_default,
                // A role wins over a person of the same name: it asks for more.
                Some(Who::Named(name)) if circle.roles.contains_key(name) => in_role(name) && !asker,
                Some(Who::Named(name)) => name == person,
                Some(Who::TwoOf(role)) => in_role(role) && !asker,
                Some(Who::SomeoneElse) => !asker,
            }
    }

    fn words(&self, ask: &Ask, needed: usize, circle: &Circle) -> String {
        match &ask.who {
            None => {
                let mut people = vec![circle.owner.as_str()];
                people.extend(circle.backup_owner.as_deref());
                people.extend(self.on_behalf_of.as_deref());
                people.dedup();
                people.join(" or ")
            }
            Some(Who::Named(name)) => name.clone(),
            Some(Who::TwoOf(role)) if needed == 2 => format!("two of {role}"),
            Some(Who::TwoOf(role)) => format!("one more of {role}"),
            Some(Who::SomeoneElse) => "someone other than who asked".to_owned(),
        }
    }

    fn still_waiting(&self, at: Timestamp) -> Result<(), Denial> {
        if self.state != State::Waiting {
            return Err(Denial::Late { id: self.id.clone(), state: self.state.clone() });
        }
        if at > self.binding.expires {
            return Err(Denial::TimeIsUp { id: self.id.clone() });
        }
        Ok(())
    }

    fn leave_executing(&mut self, to: State) -> Result<(), Denial> {
        if !matches!(self.state, State::Executing { .. }) {
            return Err(Denial::Late { id: self.id.clone(), state: self.state.clone() });
        }
        self.state = to;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
