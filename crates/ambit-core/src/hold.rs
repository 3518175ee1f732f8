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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn circle() -> Circle {
        let set = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        Circle {
            owner: "dana".into(),
            backup_owner: Some("omar".into()),
            roles: [("support-lead".to_owned(), set(&["lena", "max", "dana", "refund-helper"]))].into(),
            people: set(&["dana", "omar", "lena", "max", "tess"]),
        }
    }

    fn held(asks: &[Option<Who>]) -> Hold {
        let digest = |n: u8| Digest([n; 32]);
        Hold {
            id: "h-1".into(),
            binding: Binding {
                agent: "refund-helper".into(),
                action: digest(1),
                effects: digest(2),
                release: digest(3),
                definition: "abc".into(),
                shown: digest(4),
                expires: Timestamp(1_000),
                nonce: digest(5),
            },
            asks: (0u32..).zip(asks).map(|(line, who)| Ask { line: Some(line), who: who.clone() }).collect(),
            askers: ["dana".to_owned()].into(),
            on_behalf_of: Some("tess".into()),
            opened: Timestamp(0),
            votes: vec![],
            state: State::Waiting,
        }
    }

    fn vote(hold: &Hold, person: &str, at: i64) -> Vote {
        Vote {
            person: person.into(),
            binding: hold.binding.digest(),
            at: Timestamp(at),
            strength: Strength::Passphrase,
            advised: false,
        }
    }

    fn confirm(hold: &mut Hold, person: &str) -> Result<Counted, Denial> {
        let vote = vote(hold, person, 10);
        hold.confirm(vote, &circle())
    }

    fn role() -> Option<Who> {
        Some(Who::Named("support-lead".into()))
    }

    #[test]
    fn cannot_execute_without_a_terminal_allow() {
        let mut hold = held(&[None, Some(Who::TwoOf("support-lead".into()))]);
        assert!(hold.begin(hold.binding.action, Timestamp(1), &circle()).is_err());
        confirm(&mut hold, "lena").unwrap();
        assert!(hold.begin(hold.binding.action, Timestamp(1), &circle()).is_err(), "one of two, and no owner");
        confirm(&mut hold, "max").unwrap();
        assert!(hold.begin(hold.binding.action, Timestamp(1), &circle()).is_err(), "no owner");
        assert_eq!(confirm(&mut hold, "omar"), Ok(Counted::Complete));
        hold.begin(hold.binding.action, Timestamp(1), &circle()).unwrap();
    }

    #[test]
    fn approval_for_digest_a_cannot_execute_b() {
        let mut hold = held(&[None]);
        confirm(&mut hold, "dana").unwrap();
        assert_eq!(hold.begin(Digest([9; 32]), Timestamp(1), &circle()), Err(Denial::OtherAction));
        let mut a = held(&[None]);
        let mut b = held(&[None]);
        b.binding.action = Digest([9; 32]);
        let for_a = vote(&a, "dana", 1);
        assert_eq!(b.confirm(for_a.clone(), &circle()), Err(Denial::OtherBinding));
        assert_eq!(a.confirm(for_a, &circle()), Ok(Counted::Complete));
    }

    #[test]
    fn a_change_of_anything_it_is_bound_to_invalidates_it() {
        let changes: [fn(&mut Binding); 8] = [
            |b| b.agent.push('x'),
            |b| b.action.0[0] ^= 1,
            |b| b.effects.0[0] ^= 1,
            |b| b.release.0[0] ^= 1,
            |b| b.definition.push('x'),
            |b| b.shown.0[0] ^= 1,
            |b| b.expires.0 += 1,
            |b| b.nonce.0[0] ^= 1,
        ];
        for change in changes {
            let mut hold = held(&[None]);
            let given = vote(&hold, "dana", 1);
            change(&mut hold.binding);
            assert_eq!(hold.confirm(given, &circle()), Err(Denial::OtherBinding));
        }
    }

    #[test]
    fn a_change_of_the_approver_chain_invalidates_it() {
        let mut hold = held(&[role()]);
        assert_eq!(confirm(&mut hold, "lena"), Ok(Counted::Complete));
        let mut without = circle();
        without.roles.get_mut("support-lead").unwrap().remove("lena");
        assert!(matches!(hold.begin(hold.binding.action, Timestamp(11), &without), Err(Denial::NotAsked(_))));
    }

    #[test]
    fn the_asker_cannot_approve() {
        for who in [role(), Some(Who::TwoOf("support-lead".into())), Some(Who::SomeoneElse)] {
            let mut hold = held(&[who]);
            assert_eq!(confirm(&mut hold, "dana"), Err(Denial::Asker("dana".into())));
        }
        // A plain confirm is a pause, not four eyes.
        assert_eq!(confirm(&mut held(&[None]), "dana"), Ok(Counted::Complete));
    }

    #[test]
    fn an_agent_cannot_approve() {
        // Not even one whose name stands in a role.
        for who in [None, role(), Some(Who::SomeoneElse), Some(Who::Named("refund-helper".into()))] {
            assert_eq!(confirm(&mut held(&[who]), "refund-helper"), Err(Denial::NotAsked("refund-helper".into())));
        }
    }

    #[test]
    fn all_of_several_lines_people_must() {
        let mut hold = held(&[None, role(), Some(Who::Named("omar".into()))]);
        assert_eq!(
            confirm(&mut hold, "lena"),
            Ok(Counted::Waiting { missing: vec!["dana or omar or tess".into(), "omar".into()] })
        );
        assert_eq!(confirm(&mut hold, "omar"), Ok(Counted::Complete), "one person may answer for two lines");
    }

    #[test]
    fn two_of_a_role_are_two_people() {
        let mut hold = held(&[Some(Who::TwoOf("support-lead".into()))]);
        assert_eq!(
            confirm(&mut hold, "lena"),
            Ok(Counted::Waiting { missing: vec!["one more of support-lead".into()] })
        );
        assert_eq!(confirm(&mut hold, "lena"), Ok(Counted::Already));
        assert_eq!(confirm(&mut hold, "tess"), Err(Denial::NotAsked("tess".into())));
        assert_eq!(confirm(&mut hold, "max"), Ok(Counted::Complete));
    }

    #[test]
    fn a_refusal_short_circuits() {
        let mut hold = held(&[None, role()]);
        confirm(&mut hold, "lena").unwrap();
        hold.refuse("omar", "not this customer", Timestamp(20), &circle()).unwrap();
        assert!(matches!(confirm(&mut hold, "dana"), Err(Denial::Late { state: State::Refused { .. }, .. })));
        assert!(hold.begin(hold.binding.action, Timestamp(21), &circle()).is_err());
    }

    #[test]
    fn only_people_refuse() {
        let mut hold = held(&[role()]);
        for nobody in ["refund-helper", "stranger"] {
            assert!(matches!(hold.refuse(nobody, "", Timestamp(1), &circle()), Err(Denial::NotAsked(_))));
        }
        hold.refuse("dana", "I asked by mistake", Timestamp(1), &circle()).unwrap();
    }

    #[test]
    fn duplicates_are_idempotent() {
        let mut hold = held(&[None]);
        assert_eq!(confirm(&mut hold, "dana"), Ok(Counted::Complete));
        let before = hold.clone();
        assert_eq!(confirm(&mut hold, "dana"), Ok(Counted::Already));
        assert_eq!(hold, before);
    }

    #[test]
    fn it_cannot_be_consumed_twice() {
        let mut hold = held(&[None]);
        confirm(&mut hold, "dana").unwrap();
        hold.begin(hold.binding.action, Timestamp(11), &circle()).unwrap();
        assert!(hold.begin(hold.binding.action, Timestamp(11), &circle()).is_err());
        hold.finish(Outcome::Result, 7, Timestamp(12)).unwrap();
        assert!(hold.begin(hold.binding.action, Timestamp(13), &circle()).is_err());
    }

    #[test]
    fn time_out_fails_closed() {
        let mut hold = held(&[None]);
        assert!(!hold.expire(Timestamp(1_000)), "the last millisecond counts");
        let late = vote(&hold, "dana", 1_001);
        assert_eq!(hold.clone().confirm(late, &circle()), Err(Denial::TimeIsUp { id: "h-1".into() }));
        // Confirmed in time but not begun in time: it does not run either.
        confirm(&mut hold, "dana").unwrap();
        assert!(matches!(hold.begin(hold.binding.action, Timestamp(1_001), &circle()), Err(Denial::TimeIsUp { .. })));
        assert!(hold.expire(Timestamp(1_001)));
        assert!(hold.begin(hold.binding.action, Timestamp(900), &circle()).is_err());
    }

    #[test]
    fn a_late_answer_is_harmless_and_says_so() {
        let mut hold = held(&[None]);
        hold.expire(Timestamp(2_000));
        let before = hold.clone();
        let vote = vote(&hold, "dana", 10);
        let said = hold.confirm(vote, &circle()).unwrap_err().to_string();
        assert_eq!(said, "`h-1` is expired already; your answer changed nothing");
        assert!(
            hold.refuse("dana", "no", Timestamp(2_001), &circle()).unwrap_err().to_string().contains("expired already")
        );
        assert_eq!(hold, before);
    }

    #[test]
    fn it_survives_being_written_and_read() {
        let mut hold = held(&[None, role(), Some(Who::TwoOf("x".into())), Some(Who::SomeoneElse)]);
        confirm(&mut hold, "omar").unwrap();
        let text = serde_json::to_string(&hold).unwrap();
        assert_eq!(serde_json::from_str::<Hold>(&text).unwrap(), hold);
    }

    #[derive(Clone, Debug)]
    enum Move {
        Confirm(usize, i64),
        Refuse(usize, i64),
        Expire(i64),
        Withdraw(i64),
        Begin(bool, i64),
        Finish(i64),
        Lose(i64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let at = 0i64..1_500;
        prop::collection::vec(
            prop_oneof![
                4 => (0usize..7, at.clone()).prop_map(|(p, t)| Move::Confirm(p, t)),
                1 => (0usize..7, at.clone()).prop_map(|(p, t)| Move::Refuse(p, t)),
                1 => at.clone().prop_map(Move::Expire),
                1 => at.clone().prop_map(Move::Withdraw),
                3 => (any::<bool>(), at.clone()).prop_map(|(right, t)| Move::Begin(right, t)),
                1 => at.clone().prop_map(Move::Finish),
                1 => at.prop_map(Move::Lose),
            ],
            0..24,
        )
    }

    proptest! {
        #[test]
        fn whatever_happens_it_begins_at_most_once_confirmed_by_all_in_time_and_ends_for_good(steps in moves()) {
            let mut hold = held(&[None, Some(Who::TwoOf("support-lead".into()))]);
            let names = ["dana", "omar", "lena", "max", "tess", "refund-helper", "stranger"];
            let mut begun = 0;
            for step in steps {
                let before = hold.clone();
                match step {
                    Move::Confirm(p, t) => { let v = vote(&hold, names[p], t); let _ = hold.confirm(v, &circle()); }
                    Move::Refuse(p, t) => { let _ = hold.refuse(names[p], "", Timestamp(t), &circle()); }
                    Move::Expire(t) => { hold.expire(Timestamp(t)); }
                    Move::Withdraw(t) => { let _ = hold.withdraw("", Timestamp(t)); }
                    Move::Begin(right, t) => {
                        let action = if right { hold.binding.action } else { Digest([9; 32]) };
                        if hold.begin(action, Timestamp(t), &circle()).is_ok() {
                            begun += 1;
                            prop_assert!(right && t <= 1_000);
                            prop_assert!(hold.missing(&circle()).is_empty());
                            let two = hold.votes.iter().filter(|v| ["lena", "max"].contains(&v.person.as_str())).count();
                            prop_assert!(two == 2 && hold.votes.len() >= 3);
                        }
                    }
                    Move::Finish(t) => { let _ = hold.finish(Outcome::Result, 1, Timestamp(t)); }
                    Move::Lose(t) => { let _ = hold.lose("", Timestamp(t)); }
                }
                if before.state.ended().is_some() {
                    prop_assert_eq!(&before, &hold);
                }
            }
            prop_assert!(begun <= 1);
        }
    }
}
