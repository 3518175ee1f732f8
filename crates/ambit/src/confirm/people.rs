//! Who a person is, proved: by the key that their passphrase opens, over exactly what they answer; or by the
//! operating-system user that the connection comes from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ambit_core::action::Digest;
use ambit_core::hold::Strength;
use serde::{Deserialize, Serialize};

use crate::gate::means::Fault;
use crate::journal::JournalError;
use crate::keys::signature::{PublicKey, Signature};
use crate::store::{Durability, Put, Store, StoreError};

/// How people are known.
pub trait Enrolled: Send + Sync {
    /// The key that a person enrolled.
    fn key(&self, person: &str) -> Option<PublicKey>;

    /// The operating-system user that proves a person.
    fn user(&self, person: &str) -> Option<u32>;

    /// Whether that operating-system user is somebody's.
    fn is_user(&self, user: u32) -> bool {
        let _ = user;
        false
    }
}

/// The other end of the connection that an answer came over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Its operating-system user, where the system says so.
    pub user: Option<u32>,
}

/// What a person says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Say {
    /// Yes.
    Confirm,
    /// No.
    Refuse,
}

/// A person's answer to a hold, with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Who they say they are.
    pub person: String,
    /// Their signature over [`statement`]; without one, the connection must prove them.
    pub signature: Option<Signature>,
}

/// A person who is who they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Who.
    pub person: String,
    /// How they proved it.
    pub strength: Strength,
    /// Whether the agent runs as the same operating-system user as they do.
    pub advised: bool,
}

/// Why a person is not proved to be who they say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProved {
    /// They have no key here.
    #[error("`{0}` has no key here\nhelp: `ambit setup` enrols one")]
    NoKey(String),
    /// The signature is not theirs, or is over something else.
    #[error("the signature is not `{0}`'s over what is held\nhelp: look at it again with `ambit show`, then answer")]
    Signature(String),
    /// The connection does not prove them.
    #[error("the connection does not prove `{0}`\nhelp: answer with your passphrase")]
    Connection(String),
    /// The connection comes from the user that the agent runs as.
    #[error("the agent runs as the same operating-system user, which proves nobody\nhelp: answer with your passphrase")]
    AgentsUser,
}

/// The domain of the statement that a person signs.
pub const DOMAIN: &str = "ambit/answer/1";

/// The parts of the statement that a person signs to answer a hold.
#[must_use]
pub fn statement<'a>(say: Say, hold: &'a str, binding: &'a Digest, because: &'a str) -> [&'a [u8]; 4] {
    let word: &[u8] = match say {
        Say::Confirm => b"confirm",
        Say::Refuse => b"refuse",
    };
    [word, hold.as_bytes(), &binding.0, because.as_bytes()]
}

/// Proves a person. `agents`: the users that sessions of the agent have come from.
///
/// # Errors
/// When they are not proved; nothing may happen on their account then.
pub fn prove(
    enrolled: &dyn Enrolled,
    agents: &BTreeSet<u32>,
    peer: Peer,
    proof: &Proof,
    statement: &[&[u8]],
) -> Result<Proved, NotProved> {
    let person = proof.person.clone();
    let is_agents = peer.user.is_some_and(|user| agents.contains(&user));
    if let Some(signature) = &proof.signature {
        let key = enrolled.key(&person).ok_or_else(|| NotProved::NoKey(person.clone()))?;
        if !key.verify(DOMAIN, statement, signature) {
            return Err(NotProved::Signature(person));
        }
        // Where the agent could reach the person's terminal and memory, even a passphrase only advises.
        return Ok(Proved { person, strength: Strength::Passphrase, advised: is_agents || peer.user.is_none() });
    }
    match (peer.user, enrolled.user(&person)) {
        (Some(_), _) if is_agents => Err(NotProved::AgentsUser),
        (Some(peer), Some(user)) if peer == user => Ok(Proved { person, strength: Strength::PeerUser, advised: false }),
        _ => Err(NotProved::Connection(person)),
    }
}

/// As which operating-system users an agent's sessions have ever come. Kept in the store (`agent-user/AGENT/USER`),
/// because what it once ran as it may run as again.
#[derive(Default)]
pub struct AgentUsers(Mutex<BTreeMap<String, BTreeSet<u32>>>);

impl AgentUsers {
    /// Those that the store knows.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn open(store: &dyn Store) -> Result<AgentUsers, Fault> {
        let users = AgentUsers::default();
        for found in store.scan("agent-user/")? {
            let parts = found.key.strip_prefix("agent-user/").and_then(|rest| rest.rsplit_once('/'));
            if let Some((agent, Ok(user))) = parts.map(|(agent, user)| (agent, user.parse())) {
                users.lock().entry(agent.to_owned()).or_default().insert(user);
            }
        }
        Ok(users)
    }

    /// Those of one agent.
    #[must_use]
    pub fn of(&self, agent: &str) -> BTreeSet<u32> {
        self.lock().get(agent).cloned().unwrap_or_default()
    }

    /// Notes that a session of that agent came as that user.
    ///
    /// # Errors
    /// When it could not be written; the session must not begin then.
    pub async fn note(&self, journal: &crate::journal::Journal, agent: &str, user: u32) -> Result<(), Fault> {
        let new = self.lock().entry(agent.to_owned()).or_default().insert(user);
        if !new {
            return Ok(());
        }
        let put = Put { key: format!("agent-user/{agent}/{user}"), expect: 0, value: Some(Vec::new()) };
        match journal.write(Vec::new(), vec![put], Durability::Soon).await {
            Ok(_) | Err(JournalError::Store(StoreError::Conflict { .. })) => Ok(()),
            Err(error) => {
                // What is not written is not known: the next session tries again.
                if let Some(users) = self.lock().get_mut(agent) {
                    users.remove(&user);
                }
                Err(error.into())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, BTreeSet<u32>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
