//! One connection to a server, logged in: what it last said of its transaction and its settings, and its messages one by
//! one. It executes nothing by itself; what of a statement goes over it is `run.rs`'s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ambit_effects::sql::wire::server::{self as wire, Status};
use ambit_effects::sql::wire::{HEADER, WireError, write};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::buffer::Buffer;
use super::place::DatabasePlace;
use super::stream::{Stream, connect};
use crate::escape::escape;

/// One connection, logged in.
pub struct Server {
    pub(super) stream: Stream,
    pub(super) buffer: Buffer,
    /// What is still to be written.
    pub(super) out: Vec<u8>,
    place: Arc<DatabasePlace>,
    status: Status,
    // Whether anything was asked since the server last said that it is ready.
    unsynced: bool,
    // Whether any of that was to be executed.
    pub(super) executed: bool,
    // Whether there was an error since, after which the server does nothing until it is synced.
    skips: bool,
    settings: BTreeMap<String, String>,
    process: u32,
    key: Vec<u8>,
    pub(super) parsed: BTreeMap<String, Parsed>,
    // Whether what was prepared is gone since that was last asked.
    cleared: bool,
}

/// A statement that the server has prepared.
pub(super) struct Parsed {
    pub text: String,
    /// The types that it was prepared with.
    pub types: Vec<u32>,
    /// The types of all its parameters, where they were asked for.
    pub known: Option<Vec<u32>>,
}

/// Why a connection cannot be used any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It ended, or cannot be written to.
    #[error("the connection to the database ended")]
    Ended,
    /// The server said for good that it ends it.
    #[error("the database ended the connection: {0}")]
    Told(String),
    /// It sent what is no message, or none that can come now.
    #[error("the database sent what cannot be read")]
    Nonsense,
    /// It does not answer.
    #[error("the database does not answer")]
    Late,
    /// It reads statements otherwise than Ambit does.
    #[error("the database's setting `{0}` is not what statements are read by")]
    Setting(&'static str),
}

impl From<WireError> for Broken {
    fn from(_: WireError) -> Broken {
        Broken::Nonsense
    }
}

/// What statements are read by, and is set at login. What a server tells of later must be the same.
pub const PINNED: [(&str, &str); 4] = [
    ("client_encoding", "UTF8"),
    ("standard_conforming_strings", "on"),
    ("backslash_quote", "safe_encoding"),
    ("escape_string_warning", "off"),
];

// Beyond what a statement may take, and what it takes to say so.
const GRACE: Duration = Duration::from_secs(20);

impl Server {
    pub(super) fn new(stream: Stream, place: Arc<DatabasePlace>) -> Server {
        Server {
            stream,
            place,
            buffer: Buffer::default(),
            out: Vec::new(),
            status: Status::Idle,
            unsynced: true,
            executed: false,
            skips: false,
            settings: BTreeMap::new(),
            process: 0,
            key: Vec::new(),
            parsed: BTreeMap::new(),
            cleared: false,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Arc<DatabasePlace> {
        &self.place
    }

    /// Where its transaction stands, as it last said.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Whether something was asked that it has not said to be ready after.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// Whether what is asked now is within a transaction, of its own or that of what was asked before.
    #[must_use]
    pub fn is_within(&self) -> bool {
        self.executed || self.status != Status::Idle
    }

    /// The settings that it told of.
    #[must_use]
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// Whether all that was prepared is gone since this was last asked.
    pub fn was_cleared(&mut self) -> bool {
        std::mem::take(&mut self.cleared)
    }

    /// What cancels what it does.
    #[must_use]
    pub fn canceller(&self) -> Canceller {
        Canceller { place: Arc::clone(&self.place), process: self.process, key: self.key.clone() }
    }

    pub(super) fn keep_key(&mut self, process: u32, key: &[u8]) {
        self.process = process;
        self.key = key.to_vec();
    }

    /// Writes what is to be written.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.unsynced = true;
        let out = std::mem::take(&mut self.out);
        let writing = async {
            self.stream.write_all(&out).await?;
            self.stream.flush().await
        };
        match timeout(GRACE, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Broken::Ended),
            Err(_) => Err(Broken::Late),
        }
    }

    /// The kind of the next message, and how many bytes of body follow. May be dropped while it waits.
    pub(super) async fn head(&mut self) -> Result<(u8, usize), Broken> {
        let bytes = self.at_least(HEADER).await?;
        let Some(&[kind, a, b, c, d]) = bytes.first_chunk::<HEADER>() else { return Err(Broken::Nonsense) };
        Ok((kind, wire::length(kind, u32::from_be_bytes([a, b, c, d]))?))
    }

    /// Takes the message whose head is next out, whole. May be dropped while it waits.
    pub(super) async fn body(&mut self, length: usize) -> Result<Vec<u8>, Broken> {
        let whole = HEADER + length;
        let body = self.at_least(whole).await?.get(HEADER..whole).unwrap_or_default().to_vec();
        self.buffer.take(whole);
        Ok(body)
    }

    async fn at_least(&mut self, count: usize) -> Result<&[u8], Broken> {
        while self.buffer.filled().len() < count {
            self.more().await?;
        }
        Ok(self.buffer.filled())
    }

    /// Waits for more bytes of it.
    pub(super) async fn more(&mut self) -> Result<(), Broken> {
        match timeout(self.place.call + GRACE, self.buffer.more(&mut self.stream)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false) | Err(_)) => Err(Broken::Ended),
            Err(_) => Err(Broken::Late),
        }
    }

    /// Looks at what a server may say at any time. `true`: it is one of those, and there is nothing more to it.
    pub(super) fn heard(&mut self, kind: u8, body: &[u8]) -> Result<bool, Broken> {
        match kind {
            b'S' => {
                let (name, set) = wire::parameter(body)?;
                if let Some((pinned, _)) = PINNED.iter().find(|(pinned, to)| *pinned == name && *to != set) {
                    return Err(Broken::Setting(pinned));
                }
                self.settings.insert(name.to_owned(), set.to_owned());
                Ok(true)
            }
            b'E' => {
                self.skips = true;
                Ok(false)
            }
            // The agent has everything deallocated that it prepared.
            b'C' if wire::tag(body) == Ok("DEALLOCATE ALL") => {
                self.parsed.clear();
                self.cleared = true;
                Ok(false)
            }
            // Nobody listens, so nobody is told.
            b'A' => Ok(true),
            b'Z' => {
                self.status = Status::read(body)?;
                (self.unsynced, self.executed, self.skips) = (false, false, false);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Waits for what it says while nothing is asked of it: messages for the agent, which are notices and settings.
    ///
    /// # Errors
    /// When it ends the connection, or says what it cannot say now.
    pub async fn unasked(&mut self) -> Result<Vec<u8>, Broken> {
        // No time is set: nothing is expected.
        while self.buffer.filled().len() < HEADER {
            if !self.buffer.more(&mut self.stream).await.unwrap_or(false) {
                return Err(Broken::Ended);
            }
        }
        let (kind, length) = self.head().await?;
        let body = self.body(length).await?;
        let mut out = Vec::new();
        match kind {
            b'N' | b'S' => {
                self.heard(kind, &body)?;
                write::message(&mut out, kind, |out| out.extend_from_slice(&body));
                Ok(out)
            }
            b'A' => Ok(out),
            b'E' => Err(Broken::Told(told(&body))),
            _ => Err(Broken::Nonsense),
        }
    }

    /// Ends what belongs together, and waits until it is ready. What came before that and is for the agent: the errors,
    /// notices and settings. Whether there was an error.
    ///
    /// # Errors
    /// When the connection breaks; nobody knows then what was committed.
    pub async fn sync(&mut self) -> Result<(Vec<u8>, bool), Broken> {
        let (mut told, mut failed) = (Vec::new(), false);
        write::bare(&mut self.out, b'S');
        self.flush().await?;
        loop {
            let (kind, length) = self.head().await?;
            let body = self.body(length).await?;
            self.heard(kind, &body)?;
            match kind {
                b'Z' => return Ok((told, failed)),
                b'E' | b'N' | b'S' => {
                    failed |= kind == b'E';
                    write::message(&mut told, kind, |out| out.extend_from_slice(&body));
                }
                b'1' | b'2' | b'3' | b'A' => {}
                _ => return Err(Broken::Nonsense),
            }
        }
    }

    /// Makes the transaction fail in which something was asked that is not to stand, as a statement that fails would.
    ///
    /// # Errors
    /// When it cannot be made to; the connection is of no use then, and its end rolls back.
    pub async fn fail(&mut self) -> Result<(), Broken> {
        if !self.is_within() || (self.status == Status::Failed && !self.unsynced) {
            return Ok(());
        }
        let was = self.status;
        let fails = was != Status::Failed && !self.skips;
        if fails {
            // An error by intention, which nothing that the agent did before can make a success. It stands in the server's log.
            write::parse(&mut self.out, "", "refused by ambit", [].into_iter());
            self.parsed.remove("");
        }
        let (_, failed) = self.sync().await?;
        let stands = if was == Status::Idle { Status::Idle } else { Status::Failed };
        if failed == fails && self.status == stands { Ok(()) } else { Err(Broken::Nonsense) }
    }

    /// Takes leave.
    pub async fn end(mut self) {
        let mut out = Vec::new();
        write::bare(&mut out, b'X');
        let _ = timeout(Duration::from_secs(1), self.stream.write_all(&out)).await;
    }
}

/// What an error says, in one line.
pub(super) fn told(body: &[u8]) -> String {
    let fields = wire::fields(b'E', body).unwrap_or_default();
    let message = fields.iter().find(|(letter, _)| *letter == b'M').map(|(_, text)| text.as_str());
    escape(&message.unwrap_or("it does not say why").chars().take(500).collect::<String>())
}

/// What cancels what a connection does, over another one.
#[derive(Clone)]
pub struct Canceller {
    place: Arc<DatabasePlace>,
    process: u32,
    key: Vec<u8>,
}

impl Canceller {
    /// Cancels what it does. Nobody says whether there was anything to cancel.
    pub async fn cancel(&self) {
        let Ok(mut stream) = connect(&self.place).await else { return };
        let mut out = Vec::new();
        write::cancel(&mut out, self.process, &self.key);
        let _ = timeout(Duration::from_secs(5), async {
            stream.write_all(&out).await?;
            stream.shutdown().await
        })
        .await;
    }
}
