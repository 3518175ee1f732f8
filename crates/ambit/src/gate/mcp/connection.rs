//! One agent's connection: its messages in, answers out. Requests run at the same time; what was begun is driven to
//! its end even when the client goes away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};

use super::aside::Hearing;
use super::face::{Begun, Face, Slow};
use super::listen::Filter;
use super::subscription::Subscribed;
use super::{News, Passage};
use crate::gate::rpc::{self, LineError, Lines, Members, Message, code};
use crate::gate::talk::{Cancel, Talk};

/// How a connection ended.
#[derive(Debug)]
pub enum Ended {
    /// The client closed it. Everything it had asked for was driven to its end first.
    Closed,
    /// Ambit severed it; what was already under way goes on and is recorded, nobody is told.
    Severed,
    /// It broke; likewise.
    Broken(std::io::Error),
}

// Requests of one connection that may be under way at once, and their bytes together. More is refused, not queued: the
// client knows best what to do without.
const MOST_REQUESTS: usize = 256;
const MOST_BYTES: usize = 64 << 20;
const MOST_LISTENING: usize = 16;

/// Serves one connection until it ends. Dropping the future severs it.
pub async fn serve<R, W>(from: Lines<R>, to: W, passage: Arc<dyn Passage>) -> Ended
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut news = passage.news();
    let severed = severed(news.clone());
    let (alive, mut all_done) = mpsc::channel::<()>(1);
    let connection = Arc::new(Connection {
        face: Face::new(passage),
        out: tokio::sync::Mutex::new(Some(to)),
        closed: watch::Sender::new(false),
        shaken: AtomicBool::new(false),
        asked: Mutex::default(),
        listening: Mutex::default(),
    });
    let ended = tokio::select! {
        () = severed => Ended::Severed,
        ended = async {
            let read = connection.read(from, &alive, &mut news).await;
            // A client that only stopped asking still gets its answers.
            drop(alive);
            let _ = all_done.recv().await;
            match read {
                Ok(()) => Ended::Closed,
                Err(error) => Ended::Broken(error),
            }
        } => ended,
    };
    // Whoever still writes lets go, and the client sees the end.
    connection.closed.send_replace(true);
    connection.out.lock().await.take();
    ended
}

async fn severed(mut news: watch::Receiver<News>) {
    // An error: whoever could tell news is gone, and with it everything that the connection needs.
    let _ = news.wait_for(|news| news.severed).await;
}

struct Connection<W> {
    face: Face,
    out: tokio::sync::Mutex<Option<W>>,
    closed: watch::Sender<bool>,
    shaken: AtomicBool,
    asked: Mutex<Asked>,
    // By raw id.
    listening: Mutex<BTreeMap<String, Listening>>,
}

/// A subscription.
#[derive(Default)]
struct Listening {
    /// What it hears of; nothing while it is being asked for.
    filter: Option<Filter>,
    /// Ends what it hears of when it is over.
    _subscribed: Option<Subscribed>,
}

/// What is under way.
#[derive(Default)]
struct Asked {
    bytes: usize,
    // By raw id; what lets go of it, for as long as the client wants the answer.
    wanted: BTreeMap<String, Option<Cancel>>,
}

impl Asked {
    fn begin(&mut self, id: &str, bytes: usize, cancel: Cancel) -> Result<(), (i32, &'static str)> {
        if self.wanted.contains_key(id) {
            return Err((code::INVALID_REQUEST, "a request with this `id` is still under way"));
        }
        let together = self.bytes.saturating_add(bytes);
        if self.wanted.len() >= MOST_REQUESTS || together > MOST_BYTES {
            return Err((code::BUSY, "too much is asked at once; wait for some of the answers"));
        }
        self.bytes = together;
        self.wanted.insert(id.to_owned(), Some(cancel));
        Ok(())
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> Connection<W> {
    async fn read<R: AsyncRead + Unpin>(
        self: &Arc<Self>,
        mut lines: Lines<R>,
        alive: &mpsc::Sender<()>,
        news: &mut watch::Receiver<News>,
    ) -> std::io::Result<()> {
        let mut told = news.borrow_and_update().clone();
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                Ok(()) = news.changed() => {
                    let now = news.borrow_and_update().clone();
                    self.tell(&told, &now).await?;
                    told = now;
                    continue;
                }
            };
            match line {
                Ok(Some(line)) => self.take(line, alive).await?,
                Ok(None) => return Ok(()),
                Err(error @ LineError::TooLong { .. }) => {
                    self.error(None, code::INVALID_REQUEST, &error.to_string()).await?
                }
                Err(LineError::Io(error)) => return Err(error),
            }
        }
    }

    async fn take(self: &Arc<Self>, line: &[u8], alive: &mpsc::Sender<()>) -> std::io::Result<()> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        match Message::read(line) {
            Ok(Message::Request { id, method, params }) => self.request(id, &method, params, alive).await,
            Ok(Message::Notification { method, params }) => {
                if method == "notifications/cancelled" {
                    self.cancel(params);
                }
                Ok(())
            }
            Ok(Message::Response { id, outcome }) => {
                self.face.answered(id, outcome);
                Ok(())
            }
            Err(malformed) => self.error(malformed.id.as_deref(), malformed.code, &malformed.message).await,
        }
    }

    async fn request(
        self: &Arc<Self>,
        id: &str,
        method: &str,
        params: Option<&RawValue>,
        alive: &mpsc::Sender<()>,
    ) -> std::io::Result<()> {
        let slow = match self.face.begin(id, method, params, self.shaken.load(Ordering::Acquire)) {
            Begun::Said(answer, _) => return self.write(&answer).await,
            Begun::Opened(answer) => {
                self.shaken.store(true, Ordering::Release);
                return self.write(&answer).await;
            }
            Begun::Listen(filter) => return self.listen(id, filter, alive).await,
            Begun::Slow(slow) => slow,
        };
        let mut slow = slow;
        let bytes = slow.bytes();
        let (talk, hearing) = self.face.listen(&mut slow);
        let begun = self.asked().begin(id, bytes, hearing.cancel());
        if let Err((code, why)) = begun {
            return self.error(Some(id), code, why).await;
        }
        let asking =
            Asking { connection: Arc::clone(self), id: id.to_owned(), bytes, answered: false, _alive: alive.clone() };
        tokio::spawn(async move { asking.run(slow, talk, hearing).await });
        Ok(())
    }

    /// Opens a subscription, which lasts until it is cancelled or the connection ends.
    async fn listen(self: &Arc<Self>, id: &str, filter: Filter, alive: &mpsc::Sender<()>) -> std::io::Result<()> {
        // What is asked for on its behalf counts like a request, until it is known whether it may hear.
        let bytes = filter.resources().iter().map(String::len).sum();
        let mut agreeing = None;
        if !filter.resources().is_empty() {
            let begun = self.asked().begin(id, bytes, Cancel::idle());
            if let Err((code, why)) = begun {
                return self.error(Some(id), code, why).await;
            }
            agreeing = Some(Agreeing { connection: Arc::clone(self), id: id.to_owned(), bytes });
        }
        let opened = {
            let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
            let room = listening.len() < MOST_LISTENING && !listening.contains_key(id);
            if room {
                listening.insert(id.to_owned(), Listening::default());
            }
            room
        };
        if !opened {
            return self.error(Some(id), code::BUSY, "too many subscriptions, or one of this `id`").await;
        }
        if filter.resources().is_empty() {
            return self.agreed(id, filter, None).await;
        }
        // Whether it may hear of them takes its time.
        let (connection, id, alive) = (Arc::clone(self), id.to_owned(), alive.clone());
        tokio::spawn(async move {
            let (filter, subscribed) = connection.face.agree(filter).await;
            // A client that is gone cannot be told.
            let _ = connection.agreed(&id, filter, Some(subscribed)).await;
            drop((agreeing, alive));
        });
        Ok(())
    }

    /// Says what a subscription hears of, unless it was cancelled meanwhile.
    async fn agreed(&self, id: &str, filter: Filter, subscribed: Option<Subscribed>) -> std::io::Result<()> {
        let mut out = Vec::new();
        filter.acknowledge(&mut out, id);
        let open = {
            let mut listening = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
            let open = listening.get_mut(id);
            let is_open = open.is_some();
            if let Some(open) = open {
                *open = Listening { filter: Some(filter), _subscribed: subscribed };
            }
            is_open
        };
        if open { self.write(&out).await } else { Ok(()) }
    }

    /// Tells the client what changed. Before the handshake it has nothing that could be out of date.
    async fn tell(&self, before: &News, now: &News) -> std::io::Result<()> {
        self.face.heard(before, now);
        let mut out = Vec::new();
        if self.shaken.load(Ordering::Acquire) {
            Filter::ALL.tell(&mut out, before, now, None);
        }
        for (id, listening) in self.listening.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(filter) = &listening.filter {
                filter.tell(&mut out, before, now, Some(id));
            }
        }
        self.write(&out).await
    }

    fn cancel(&self, params: Option<&RawValue>) {
        let Some(members) = params.and_then(|params| Members::of(params).ok()) else { return };
        let Some(id) = members.get("requestId") else { return };
        let over = self.listening.lock().unwrap_or_else(PoisonError::into_inner).remove(id.get());
        drop(over);
        if let Some(cancel) = self.asked().wanted.get_mut(id.get()).and_then(Option::take) {
            cancel.now();
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn error(&self, id: Option<&str>, code: i32, message: &str) -> std::io::Result<()> {
        let mut out = Vec::new();
        rpc::error(&mut out, id, code, message);
        self.write(&out).await
    }

    async fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut closed = self.closed.subscribe();
        let write = async {
            match self.out.lock().await.as_mut() {
                Some(out) => {
                    out.write_all(bytes).await?;
                    out.flush().await
                }
                None => Err(std::io::ErrorKind::BrokenPipe.into()),
            }
        };
        tokio::select! {
            biased;
            written = write => written,
            _ = closed.wait_for(|closed| *closed) => Err(std::io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// A subscription that is asked for, which counts like a request; no longer once this is dropped.
struct Agreeing<W> {
    connection: Arc<Connection<W>>,
    id: String,
    bytes: usize,
}

impl<W> Drop for Agreeing<W> {
    fn drop(&mut self) {
        let mut asked = self.connection.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.bytes = asked.bytes.saturating_sub(self.bytes);
        asked.wanted.remove(&self.id);
    }
}

/// One request under way.
struct Asking<W: AsyncWrite + Unpin + Send + 'static> {
    connection: Arc<Connection<W>>,
    id: String,
    bytes: usize,
    answered: bool,
    _alive: mpsc::Sender<()>,
}

impl<W: AsyncWrite + Unpin + Send + 'static> Asking<W> {
    async fn run(mut self, slow: Slow, talk: Talk, mut hearing: Hearing) {
        let mut out = Vec::new();
        {
            let mut finished = std::pin::pin!(self.connection.face.finish(&self.id, slow, &talk, &mut out));
            loop {
                let said = tokio::select! {
                    biased;
                    Some(said) = hearing.next() => said,
                    () = &mut finished => break,
                };
                self.tell(&said).await;
            }
        }
        self.answered = true;
        self.tell(&[hearing.rest(), out].concat()).await;
    }

    /// Tells the client, where it still wants to hear.
    async fn tell(&self, messages: &[u8]) {
        let wanted = self.connection.asked().wanted.get(&self.id).is_some_and(Option::is_some);
        if wanted && !messages.is_empty() {
            // A client that is gone cannot be told.
            let _ = self.connection.write(messages).await;
        }
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> Drop for Asking<W> {
    fn drop(&mut self) {
        let wanted = {
            let mut asked = self.connection.asked();
            asked.bytes = asked.bytes.saturating_sub(self.bytes);
            asked.wanted.remove(&self.id).flatten().is_some()
        };
        // A request that broke off (a defect of ours) must not leave the client waiting.
        if !self.answered
            && wanted
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (connection, mut out) = (Arc::clone(&self.connection), Vec::new());
            let why = "Ambit failed in the middle of this; nobody knows whether it took effect";
            rpc::error(&mut out, Some(&self.id), code::INTERNAL, why);
            runtime.spawn(async move { connection.write(&out).await });
        }
    }
}
