//! One agent's connection: its messages in, answers out. Requests run at the same time; what was begun is driven to
//! its end even when the client goes away.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, watch};

use super::directory::{self, Directory};
use super::names::PENDING;
use super::reply::{self, Wants};
use super::tools::{Call, Tools};
use super::{News, Passage};
use crate::gate::Answer;
use crate::gate::rpc::{self, LineError, Lines, Members, Message, code};
use crate::upstream::Listing;
use crate::upstream::mcp::VERSIONS;

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
        passage,
        out: tokio::sync::Mutex::new(Some(to)),
        closed: watch::Sender::new(false),
        started: AtomicBool::new(false),
        asked: Mutex::default(),
        tools: Mutex::default(),
        directory: Directory::default(),
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
    passage: Arc<dyn Passage>,
    out: tokio::sync::Mutex<Option<W>>,
    closed: watch::Sender<bool>,
    started: AtomicBool,
    asked: Mutex<Asked>,
    tools: Mutex<Option<Arc<Tools>>>,
    directory: Directory,
}

/// What is under way.
#[derive(Default)]
struct Asked {
    bytes: usize,
    // By raw id; whether the client still wants the answer.
    wanted: BTreeMap<String, bool>,
}

impl Asked {
    fn begin(&mut self, id: &str, bytes: usize) -> Result<(), (i32, &'static str)> {
        if self.wanted.contains_key(id) {
            return Err((code::INVALID_REQUEST, "a request with this `id` is still under way"));
        }
        let together = self.bytes.saturating_add(bytes);
        if self.wanted.len() >= MOST_REQUESTS || together > MOST_BYTES {
            return Err((code::BUSY, "too much is asked at once; wait for some of the answers"));
        }
        self.bytes = together;
        self.wanted.insert(id.to_owned(), true);
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
        let mut told = *news.borrow_and_update();
        loop {
            let line = tokio::select! {
                line = lines.next() => line,
                Ok(()) = news.changed() => {
                    let now = *news.borrow_and_update();
                    self.tell(told, now).await?;
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
            // Ambit asks clients nothing, so there is nothing that this could answer.
            Ok(Message::Response { .. }) => Ok(()),
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
        let slow = match method {
            "initialize" => return self.initialize(id, params).await,
            "ping" => return self.result(id, b"{}").await,
            "tools/list"
            | "tools/call"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "prompts/list"
            | "prompts/get"
            | "logging/setLevel"
            | "completion/complete"
                if !self.started.load(Ordering::Acquire) =>
            {
                return self.error(Some(id), code::INVALID_REQUEST, "the first request must be `initialize`").await;
            }
            // Upstream servers' log messages do not reach the agent, at any level.
            "logging/setLevel" => return self.result(id, b"{}").await,
            "completion/complete" => {
                return self.result(id, br#"{"completion":{"values":[],"total":0,"hasMore":false}}"#).await;
            }
            "tools/list" => match paged(params) {
                Ok(()) => return self.result(id, self.tools().listing()).await,
                Err(why) => return self.error(Some(id), code::INVALID_PARAMS, why).await,
            },
            "tools/call" => Slow::ToolCall(owned(params)),
            "resources/list" | "resources/templates/list" | "prompts/list" => match paged(params) {
                Ok(()) => Slow::List(match method {
                    "resources/list" => Listing::Resources,
                    "prompts/list" => Listing::Prompts,
                    _ => Listing::ResourceTemplates,
                }),
                Err(why) => return self.error(Some(id), code::INVALID_PARAMS, why).await,
            },
            "resources/read" => Slow::Read(owned(params)),
            "prompts/get" => Slow::Prompt(owned(params)),
            // `server/discover` too: by this answer a client of a later generation knows that it must shake hands.
            _ => {
                return self
                    .error(Some(id), code::METHOD_NOT_FOUND, &format!("there is no method `{method}` here"))
                    .await;
            }
        };
        let bytes = slow.bytes();
        let begun = self.asked().begin(id, bytes);
        if let Err((code, why)) = begun {
            return self.error(Some(id), code, why).await;
        }
        let asking =
            Asking { connection: Arc::clone(self), id: id.to_owned(), bytes, answered: false, _alive: alive.clone() };
        tokio::spawn(async move { asking.run(slow).await });
        Ok(())
    }

    async fn initialize(&self, id: &str, params: Option<&RawValue>) -> std::io::Result<()> {
        let version = params.and_then(|params| Members::of(params).ok()?.text("protocolVersion"));
        let Some(version) = version else {
            return self.error(Some(id), code::INVALID_PARAMS, "`protocolVersion` is missing").await;
        };
        if self.started.swap(true, Ordering::AcqRel) {
            return self.error(Some(id), code::INVALID_REQUEST, "`initialize` was already answered").await;
        }
        // A version that is not spoken here is answered with the newest that is, and the client decides.
        let version =
            VERSIONS.into_iter().find(|known| *known == version).or(VERSIONS.first().copied()).unwrap_or_default();
        let lists = r#"{"listChanged":true}"#;
        let instructions = format!(
            "These tools act on live systems through Ambit, which enforces what this agent is permitted to do. A result that says \
             it was refused names the line that refuses it: do something else, asking again changes nothing. A result that says \
             it is pending waits for a person: call `{PENDING}` with its id to collect the result."
        );
        let mut result = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{{"tools":{lists},"resources":{lists},"prompts":{lists},"logging":{{}},"completions":{{}}}},"serverInfo":{{"name":"ambit","title":"Ambit","version":"{}"}},"instructions":"#,
            env!("CARGO_PKG_VERSION"),
        )
        .into_bytes();
        rpc::quote(&mut result, &instructions);
        result.push(b'}');
        self.result(id, &result).await
    }

    /// The tools as they are now; put together anew only when they changed.
    fn tools(&self) -> Arc<Tools> {
        let pinned = self.passage.tools();
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        match tools.as_ref() {
            Some(tools) if tools.are_of(&pinned) => Arc::clone(tools),
            _ => Arc::clone(tools.insert(Arc::new(Tools::of(pinned)))),
        }
    }

    /// Tells the client what changed. Before the handshake it has nothing that could be out of date.
    async fn tell(&self, before: News, now: News) -> std::io::Result<()> {
        if before.resources != now.resources {
            self.directory.forget().await;
        }
        if !self.started.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut out = Vec::new();
        for (changed, method) in [
            (before.tools != now.tools, "notifications/tools/list_changed"),
            (before.resources != now.resources, "notifications/resources/list_changed"),
            (before.prompts != now.prompts, "notifications/prompts/list_changed"),
        ] {
            if changed {
                rpc::notification(&mut out, method, None);
            }
        }
        self.write(&out).await
    }

    fn cancel(&self, params: Option<&RawValue>) {
        let Some(members) = params.and_then(|params| Members::of(params).ok()) else { return };
        let Some(id) = members.get("requestId") else { return };
        if let Some(wanted) = self.asked().wanted.get_mut(id.get()) {
            *wanted = false;
        }
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn result(&self, id: &str, result: &[u8]) -> std::io::Result<()> {
        let mut out = Vec::new();
        rpc::result(&mut out, id, result);
        self.write(&out).await
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

/// Work that may take its time; owns what it needs of the request.
enum Slow {
    ToolCall(Box<RawValue>),
    List(Listing),
    Read(Box<RawValue>),
    Prompt(Box<RawValue>),
}

impl Slow {
    fn bytes(&self) -> usize {
        match self {
            Slow::ToolCall(params) | Slow::Read(params) | Slow::Prompt(params) => params.get().len(),
            Slow::List(_) => 0,
        }
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
    async fn run(mut self, slow: Slow) {
        let mut out = Vec::new();
        self.answer(slow, &mut out).await;
        self.answered = true;
        let wanted = self.connection.asked().wanted.get(&self.id).copied().unwrap_or(false);
        if wanted {
            // A client that is gone cannot be told.
            let _ = self.connection.write(&out).await;
        }
    }

    async fn answer(&self, slow: Slow, out: &mut Vec<u8>) {
        let passage = &self.connection.passage;
        let (action, wants) = match slow {
            Slow::ToolCall(params) => match self.connection.tools().call(passage.caller(), &passage.systems(), &params)
            {
                Ok(Call::Action(action, shaped)) => (Ok(action), Wants::ToolResult { shaped }),
                Ok(Call::Pending(hold)) => {
                    let answer = passage.pending(&hold).await;
                    return reply::write(out, &self.id, &answer, Wants::Collected);
                }
                Err(why) => (Err((code::INVALID_PARAMS, why)), Wants::Other),
            },
            Slow::List(listing) => {
                return rpc::result(out, &self.id, &directory::listing(passage, listing).await);
            }
            Slow::Read(params) => (self.connection.directory.resource(passage, &params).await, Wants::Other),
            Slow::Prompt(params) => (directory::prompt(passage, &params).await, Wants::Other),
        };
        match action {
            Ok(action) => reply::write(out, &self.id, &passage.pass(action).await, wants),
            Err((code, why)) => rpc::error(out, Some(&self.id), code, &why),
        }
    }
}

impl<W: AsyncWrite + Unpin + Send + 'static> Drop for Asking<W> {
    fn drop(&mut self) {
        let wanted = {
            let mut asked = self.connection.asked();
            asked.bytes = asked.bytes.saturating_sub(self.bytes);
            asked.wanted.remove(&self.id).unwrap_or(false)
        };
        // A request that broke off (a defect of ours) must not leave the client waiting.
        if !self.answered
            && wanted
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (connection, mut out) = (Arc::clone(&self.connection), Vec::new());
            let answer =
                Answer::Fault("Ambit failed in the middle of this; nobody knows whether it took effect".into());
            reply::write(&mut out, &self.id, &answer, Wants::Other);
            runtime.spawn(async move { connection.write(&out).await });
        }
    }
}

/// Parameters of a request that must have some.
fn owned(params: Option<&RawValue>) -> Box<RawValue> {
    params.map_or_else(|| RawValue::NULL.to_owned(), ToOwned::to_owned)
}

/// Lists come on one page, so that there is no cursor that anybody could have.
fn paged(params: Option<&RawValue>) -> Result<(), &'static str> {
    let Some(params) = params else { return Ok(()) };
    match Members::of(params).map(|members| members.get("cursor").is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => Err("there is no such cursor"),
        Err(_) => Err("a parameter is given twice"),
    }
}
