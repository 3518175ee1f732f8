//! What a session lends to the sending of one permit: its connection to the server, and the end that goes to the agent, so
//! that rows reach it as they come. It stands beside the action, and decides nothing.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::time::timeout;

use super::server::Server;
use super::stream::Stream;

/// The place where it is lent and given back.
#[derive(Default)]
pub struct Exchange(Mutex<Option<Lent>>);

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

impl Exchange {
    /// Lends it.
    #[must_use]
    pub fn of(lent: Lent) -> Exchange {
        Exchange(Mutex::new(Some(lent)))
    }

    /// Takes it; `None` when somebody has it.
    #[must_use]
    pub fn take(&self) -> Option<Lent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Gives it back.
    pub fn give_back(&self, lent: Lent) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(lent);
    }
}

/// What is lent.
pub struct Lent {
    /// The session's connection; `None` once it broke.
    pub server: Option<Server>,
    /// The agent's end.
    pub agent: AgentEnd,
    /// How the agent wants what comes back; none of it changes what is done.
    pub wanted: Wanted,
}

/// How an agent wants what comes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Under which name the server prepares the statement; empty: for this once.
    pub statement: String,
    /// In which portal it runs.
    pub portal: String,
    /// Which columns are to be in binary form.
    pub results: Vec<bool>,
    /// The most rows now; 0: all.
    pub most: u32,
    /// Whether the columns are to be described.
    pub describe: bool,
    /// Whether nothing else belongs together with it, so that the server may end the transaction that it began for it.
    pub is_last: bool,
    /// Whether the agent waits to hear that the statement was prepared.
    pub tells_parsed: bool,
    /// Whether it waits to hear that it was bound.
    pub tells_bound: bool,
    /// Whether it asked with a simple query, where no columns are not told of.
    pub simple: bool,
}

/// What goes to an agent.
pub struct AgentEnd {
    to: Option<WriteHalf<Stream>>,
    /// What is still to be written.
    pub out: Vec<u8>,
    gone: bool,
}

// An agent that takes nothing for so long is gone.
const STALLED: Duration = Duration::from_secs(300);

impl AgentEnd {
    /// The end of a connection.
    #[must_use]
    pub fn new(to: WriteHalf<Stream>) -> AgentEnd {
        AgentEnd { to: Some(to), out: Vec::new(), gone: false }
    }

    /// The end of a connection that is lost: what is written goes nowhere.
    #[must_use]
    pub fn nobody() -> AgentEnd {
        AgentEnd { to: None, out: Vec::new(), gone: true }
    }

    /// Whether nobody is there any more.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Writes what is to be written. What nobody takes is let go of.
    pub async fn flush(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let out = std::mem::take(&mut self.out);
        let Some(to) = self.to.as_mut().filter(|_| !self.gone) else { return };
        let writing = async {
            to.write_all(&out).await?;
            to.flush().await
        };
        self.gone = !matches!(timeout(STALLED, writing).await, Ok(Ok(())));
    }
}
