//! What people ask of the daemon from the command line, and what comes back: one request a line, one reply a line, both
//! JSON. What becomes of a request stands in `control.rs`.

use ambit_core::action::Digest;
use ambit_core::hold::{Binding, State};
use ambit_core::release::Release;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::budgets::Budget;
use super::stop::Stopped;
use super::tasks::{Closed, Opening};
use crate::confirm::answer::Answered;
use crate::confirm::people::{Proof, Say};
use crate::confirm::shown::Shown;
use crate::journal::Kind;
use crate::journal::tail::Filter;
use crate::keys::signature::{PublicKey, Signature};

/// What a person asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// The nonce that signatures on this connection are over.
    Challenge,
    /// How everything stands.
    Status,
    /// What waits.
    Inbox {
        /// Of that agent alone.
        agent: Option<String>,
    },
    /// Everything about a hold.
    Show {
        /// Its id, or the start of one.
        id: String,
    },
    /// A person's yes or no.
    Answer {
        /// The hold.
        id: String,
        /// What they saw.
        binding: Digest,
        /// Which of the two.
        say: Say,
        /// Why, for a no.
        because: String,
        /// Who, and how that is proved.
        proof: Proof,
    },
    /// Stops an agent, or everybody.
    Stop {
        /// Whom.
        agent: Option<String>,
        /// Why.
        because: String,
        /// Who says so, as they say.
        by: Option<String>,
    },
    /// Lets an agent, or everybody, go on.
    Resume {
        /// Whom.
        agent: Option<String>,
        /// Why.
        because: String,
        /// Who.
        signed: Signed,
    },
    /// Enrols a person's key.
    Enrol {
        /// Who.
        person: String,
        /// Their key.
        key: PublicKey,
        /// Who vouches; not needed for the first.
        vouched: Option<Signed>,
    },
    /// Makes a token.
    TokenMake {
        /// Whose.
        agent: String,
        /// The person at whose hands the agent runs.
        held_by: Option<String>,
        /// Who makes it.
        signed: Signed,
    },
    /// Makes a token for a program that opens tasks.
    CallerTokenMake {
        /// Whose.
        caller: String,
        /// Who makes it.
        signed: Signed,
    },
    /// Lists tokens.
    TokenList {
        /// Of that agent alone.
        agent: Option<String>,
    },
    /// Revokes a token; anybody may.
    TokenRevoke {
        /// Its id.
        id: String,
    },
    /// What a release would be, for the person to see and sign.
    Draft {
        /// The bytes of the snapshot.
        snapshot: String,
        /// The draft's other words.
        words: Words,
    },
    /// Puts a release in force.
    Release {
        /// The release as drafted.
        release: Box<Release>,
        /// The bytes of the snapshot.
        snapshot: String,
        /// Whose signature.
        person: String,
        /// Over the release's digest.
        signature: Signature,
    },
    /// An agent's releases.
    Releases {
        /// Whose.
        agent: String,
    },
    /// The contents of a release, to put it in force again.
    Snapshot {
        /// Whose.
        agent: String,
        /// Which.
        number: u64,
    },
    /// The last records.
    Journal {
        /// Which.
        filter: Asked,
        /// At most so many.
        most: usize,
    },
    /// Erases the payloads of a record, or of all records of a hold.
    Erase {
        /// The record.
        sequence: u64,
        /// Why.
        because: String,
        /// Who.
        signed: Signed,
    },
    /// Signs how far the journal has come.
    Checkpoint,
    /// What is used of an agent's limits.
    Budgets {
        /// Whose.
        agent: String,
    },
    /// Sends a digest to the webhook now; the next that is due goes all the same.
    DigestSend,
    /// Something about tasks.
    Task {
        /// What.
        about: TaskRequest,
    },
}

/// What a person asks about tasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TaskRequest {
    /// Opens one.
    Open {
        /// What is asked for.
        opening: Box<Opening>,
        /// Who, over its JSON.
        signed: Signed,
    },
    /// Those that are open.
    List {
        /// Of that agent alone.
        agent: Option<String>,
    },
    /// Everything about one.
    Show {
        /// Its id, or the start of one.
        id: String,
    },
    /// Closes one; anybody may.
    Close {
        /// Its id, or the start of one.
        id: String,
        /// Why.
        because: String,
        /// Who says so, as they say.
        by: Option<String>,
    },
}

/// A person's words about a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Who will sign it.
    pub by: String,
    /// Why.
    pub because: String,
    /// What is waived.
    pub overrides: Vec<String>,
    /// When it ends.
    pub until: Option<Timestamp>,
    /// The release that it puts in force again.
    pub reverts_to: Option<u64>,
}

/// A person's signature over a request on this connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Who.
    pub person: String,
    /// Over [`signed_parts`].
    pub signature: Signature,
}

/// Which records are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asked {
    /// Of that agent.
    pub agent: Option<String>,
    /// Of that kind, by its word.
    pub kind: Option<String>,
    /// About that hold.
    pub hold: Option<String>,
    /// In that session.
    pub session: Option<String>,
    /// After that number.
    pub after: Option<u64>,
}

/// What comes back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", content = "with", rename_all = "kebab-case")]
pub enum Reply {
    /// The nonce.
    Challenge {
        /// As hex.
        nonce: Digest,
    },
    /// How everything stands.
    Status(Value),
    /// What waits, and what else there is to tell.
    Inbox {
        /// The holds, the most urgent first.
        holds: Vec<Waiting>,
        /// What else came up.
        notices: Vec<String>,
    },
    /// Everything about a hold.
    Show(Box<ShownHold>),
    /// What came of an answer.
    Answered {
        /// What the answer counted for.
        answered: Answered,
        /// Where the hold stands now, in words.
        state: String,
    },
    /// What a stop did.
    Stopped(Stopped),
    /// Whether there was a stop to lift.
    Resumed(bool),
    /// Done; nothing to say.
    Done,
    /// A token; its text is given this once.
    Token {
        /// What the agent presents.
        text: String,
        /// Its id.
        id: String,
    },
    /// Tokens without their secrets.
    Tokens(Vec<Value>),
    /// A task was opened; its token is given this once.
    TaskOpened {
        /// The task, as JSON.
        task: Value,
        /// What the agent's client presents.
        token: String,
    },
    /// Open tasks, as JSON.
    Tasks(Vec<Value>),
    /// What closing a task did.
    TaskClosed(Closed),
    /// The webhook took a digest.
    DigestSent {
        /// With which status.
        status: u16,
        /// Its host.
        to: String,
    },
    /// What is used of the limits of the release in force.
    Budgets {
        /// Its number; nothing is in force without one.
        release: Option<u64>,
        /// Limit by limit; those that count by task once for each that is open.
        budgets: Vec<Budget>,
    },
    /// A release to look at and sign.
    Draft(Box<Release>),
    /// It is in force; these holds were withdrawn.
    Released(Vec<String>),
    /// Releases, the oldest first, and the number of the one in force.
    Releases {
        /// All of them.
        releases: Vec<Release>,
        /// In force now.
        in_force: Option<u64>,
    },
    /// The bytes of a release's snapshot.
    Snapshot(String),
    /// Records, as JSON.
    Journal(Vec<Value>),
    /// It did not work.
    Failed {
        /// What went wrong and what to do, as two parts of one text.
        message: String,
        /// Whether it was the request (refused) rather than Ambit (fault).
        refused: bool,
    },
}

/// One hold that waits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Its id.
    pub id: String,
    /// Whose.
    pub agent: String,
    /// What it would call.
    pub what: String,
    /// Who is asked, in words.
    pub people: Vec<String>,
    /// Until when.
    pub expires: Timestamp,
}

/// A hold with what people are shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ShownHold {
    /// What is shown.
    pub shown: Shown,
    /// What an answer is bound to, in full: whoever signs computes its digest from what they see.
    pub binding: Binding,
    /// Where it stands.
    pub state: State,
    /// In a word.
    pub word: String,
    /// Who has confirmed so far, with how.
    pub votes: Vec<String>,
}

/// The domain of signatures over requests.
pub const DOMAIN: &str = "ambit/control/1";

/// What is signed: the connection's nonce, what is asked, and what it is about.
#[must_use]
pub fn signed_parts<'a>(nonce: &'a Digest, word: &'a str, about: &'a [&'a str]) -> Vec<&'a [u8]> {
    let mut parts: Vec<&[u8]> = vec![&nonce.0, word.as_bytes()];
    parts.extend(about.iter().map(|text| text.as_bytes()));
    parts
}

impl Asked {
    /// As a filter over records.
    ///
    /// # Errors
    /// When there is no such kind.
    pub fn filter(&self) -> Result<Filter, String> {
        let kinds = match &self.kind {
            Some(word) => vec![Kind::from_word(word).ok_or_else(|| format!("there is no kind of record `{word}`"))?],
            None => Vec::new(),
        };
        Ok(Filter {
            agent: self.agent.clone(),
            kinds,
            hold: self.hold.clone(),
            session: self.session.clone(),
            ..Filter::default()
        })
    }
}
