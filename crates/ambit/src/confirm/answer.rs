//! A person's answer: proved, checked against what is in force now, recorded, counted.

use ambit_core::action::Digest;
use ambit_core::hold::{Counted, Denial, State, Vote};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::change::{self, ChangeError, Step};
use super::people::{self, NotProved, Peer, Proof, Proved, Say};
use super::refused::{self, No};
use super::{Kept, recheck};
use crate::gate::judge::Judge;
use crate::gate::means::{Fault, InForce, Means};
use crate::journal::{Entry, Kind};
use crate::store::{Durability, Put};

/// What came of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answered {
    /// It counts; others must confirm as well.
    Counted {
        /// Who is still asked, in words.
        missing: Vec<String>,
    },
    /// It was the last one needed; the action runs now.
    Complete,
    /// This person had said so already; nothing changed.
    Already,
    /// It will not run.
    Refused,
}

/// Why an answer changed nothing, or ended the hold.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// There is no such hold.
    #[error("there is no hold `{0}`\nhelp: `ambit inbox` lists those that wait")]
    NoSuchHold(String),
    /// The person is not proved to be who they say.
    #[error(transparent)]
    NotProved(#[from] NotProved),
    /// The hold does not take it.
    #[error("{0}\nhelp: `ambit show` says where it stands")]
    Denied(Denial),
    /// Something that the hold was bound to changed: it was withdrawn.
    #[error("it was withdrawn and will not run: {0}\nhelp: if it is still needed, the agent must ask again")]
    Withdrawn(String),
    /// Ambit could not do its work.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<ChangeError> for AnswerError {
    fn from(error: ChangeError) -> AnswerError {
        match error {
            ChangeError::Denied(denial) => AnswerError::Denied(denial),
            ChangeError::NoSuchHold(id) => AnswerError::NoSuchHold(id),
            ChangeError::Fault(fault) => AnswerError::Fault(fault),
        }
    }
}

/// Takes a person's yes to exactly the binding that they saw. On [`Answered::Complete`] the caller has it executed
/// (`gate::execute::confirmed`).
///
/// # Errors
/// See [`AnswerError`].
pub async fn confirm(
    means: &Means,
    id: &str,
    binding: Digest,
    peer: Peer,
    proof: &Proof,
) -> Result<Answered, AnswerError> {
    let kept = change::kept(means, id)?.ok_or_else(|| AnswerError::NoSuchHold(id.to_owned()))?;
    let proved = prove(means, &kept, peer, proof, &people::statement(Say::Confirm, id, &binding, ""))?;
    if binding != kept.hold.binding.digest() {
        return Err(AnswerError::Denied(Denial::OtherBinding));
    }
    let said_already = kept.hold.votes.iter().any(|vote| vote.person == proved.person);
    if !said_already && matches!(kept.hold.state, State::Waiting) && means.now() <= kept.hold.binding.expires {
        // What is bound to must still be so; a late or second answer changes nothing and is told by the hold itself.
        if let Err(because) = recheck::now(means, &kept).await? {
            change::withdraw(means, id, &because).await?;
            return Err(AnswerError::Withdrawn(because));
        }
    }
    let circle = match means.judges.in_force(kept.agent(), means.now()) {
        InForce::Judge(judge) => judge.circle().clone(),
        InForce::Nothing(_) => ambit_core::hold::Circle::default(),
    };
    let at = means.now();
    let changed = change::change(means, id, Durability::Now, |kept: &mut Kept| {
        let vote =
            Vote { person: proved.person.clone(), binding, at, strength: proved.strength, advised: proved.advised };
        let said = kept.hold.confirm(vote, &circle)?;
        let details = said_how(binding, &proved, proof);
        let entry = Entry { person: Some(proved.person.clone()), ..kept.entry(Kind::Confirmed, details) };
        let entries = if said == Counted::Already { vec![] } else { vec![entry] };
        Ok(Step { said, entries, puts: vec![] })
    })
    .await?;
    Ok(match changed.said {
        Counted::Waiting { missing } => Answered::Counted { missing },
        Counted::Complete => Answered::Complete,
        Counted::Already => Answered::Already,
    })
}

/// Takes a person's no. Exactly this action is then refused for its task, or for a day where there is none.
///
/// # Errors
/// See [`AnswerError`].
pub async fn refuse(
    means: &Means,
    id: &str,
    binding: Digest,
    because: &str,
    peer: Peer,
    proof: &Proof,
) -> Result<Answered, AnswerError> {
    let kept = change::kept(means, id)?.ok_or_else(|| AnswerError::NoSuchHold(id.to_owned()))?;
    let proved = prove(means, &kept, peer, proof, &people::statement(Say::Refuse, id, &binding, because))?;
    let circle = match means.judges.in_force(kept.agent(), means.now()) {
        InForce::Judge(judge) => judge.circle().clone(),
        InForce::Nothing(_) => ambit_core::hold::Circle::default(),
    };
    let at = means.now();
    change::change(means, id, Durability::Now, |kept: &mut Kept| {
        if binding != kept.hold.binding.digest() {
            return Err(Denial::OtherBinding);
        }
        kept.hold.refuse(&proved.person, because, at, &circle)?;
        let details = said_how(binding, &proved, proof);
        let entry = Entry { person: Some(proved.person.clone()), ..kept.entry(Kind::HoldRefused, details) };
        let no = No::at(at, kept.frame.task.clone(), because);
        let key = refused::key(kept.agent(), kept.hold.binding.action);
        let expect = means.store.get(&key).ok().flatten().map_or(0, |found| found.version);
        let put = Put { key, expect, value: serde_json::to_vec(&no).ok() };
        Ok(Step { said: (), entries: vec![entry], puts: vec![put] })
    })
    .await?;
    Ok(Answered::Refused)
}

/// How a person said it. With the signature, a third party can check who answered what without trusting this machine.
fn said_how(binding: Digest, proved: &Proved, proof: &Proof) -> serde_json::Value {
    json!({
        "binding": binding, "strength": proved.strength, "advised": proved.advised, "signature": proof.signature,
    })
}

fn prove(means: &Means, kept: &Kept, peer: Peer, proof: &Proof, statement: &[&[u8]]) -> Result<Proved, NotProved> {
    people::prove(means.enrolled.as_ref(), &means.users.of(kept.agent()), peer, proof, statement)
}

/// Whether this release has that person at all.
#[must_use]
pub fn knows(judge: &Judge, person: &str) -> bool {
    judge.circle().people.contains(person)
}
