//! A server of the Model Context Protocol, as its client: the handshake, the lists, and the calls that permits allow.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ambit_core::action::Action;
use ambit_core::permit::Permit;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::errand::{self, Errands, Support};
use super::hello::{Generation, Hello};
use super::http::Remote;
use super::message::{Failed, Outcome};
use super::more::{self, Unanswered};
use super::stdio::Process;
use super::{Event, Limits, Listing, Reach, UpstreamError, Watch};
use crate::escape::escape;
use crate::gate::Sent;
use crate::gate::mcp::era::STATELESS;
use crate::gate::mcp::mirrored::mirrored;
use crate::gate::rpc::{self, ErrorWords};
use crate::gate::talk::{Asks, Level, Log, Talk};

/// Versions of the protocol that start with `initialize`, the newest first.
pub const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// What a permit may have a server do.
const OPERATIONS: [&str; 5] =
    ["tools/call", "resources/read", "prompts/get", "completion/complete", "resources/subscribe"];

// Of what it asks for and may not, so much is told.
const TOLD: u32 = 32;
// It asks for more so often at most before it answers.
const ROUNDS: usize = 8;
// A server agrees to tell of a resource within this time.
const AGREES: Duration = Duration::from_secs(10);
// A server that lists more than this is broken or hostile.
const PAGES: usize = 1_000;
const ITEMS: usize = 20_000;

/// A running server that has shaken hands. It ends, with all that it started, when this is dropped.
pub struct UpstreamServer {
    pub(super) wire: Wire,
    hello: Hello,
    // What hears of changes, where they do not come by themselves.
    hearing: Option<Hearing>,
    // What it may ask the client of whoever calls it, and who is told of what it asks besides.
    pub(super) asks: Asks,
    watch: Watch,
    told: AtomicU32,
    // What it works on in its own time, and which of its tools are called so.
    pub(super) errands: Errands,
    supports: Mutex<BTreeMap<String, Support>>,
    // From which level on it was asked to log.
    logs: Mutex<Option<Level>>,
    // What hears of single resources, by URI, in the generation that has a stream for each.
    hears: Mutex<BTreeMap<String, Hearing>>,
}

/// What a server is spoken to over.
pub(super) enum Wire {
    Stdio(Arc<Process>),
    Http(Arc<Remote>),
}

/// The task that hears what changes; it ends with the server that it is of.
struct Hearing(tokio::task::JoinHandle<()>);

impl Drop for Hearing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Wire {
    pub(super) async fn request(&self, method: &str, params: Option<&[u8]>, talk: &Talk) -> Result<Outcome, Failed> {
        match self {
            Wire::Stdio(process) => process.request(method, params, talk).await,
            Wire::Http(remote) => remote.request(method, params, talk).await,
        }
    }
}

/// The parameters of `initialize`.
fn opening(asks: Asks) -> Vec<u8> {
    let newest = VERSIONS.first().copied().unwrap_or_default();
    format!(
        r#"{{"protocolVersion":"{newest}","capabilities":{},"clientInfo":{{"name":"ambit","version":"{}"}}}}"#,
        asks.capabilities(None),
        env!("CARGO_PKG_VERSION")
    )
    .into_bytes()
}

/// Nothing that matters was sent: whatever happened, it is a failed start.
fn not_begun(error: UpstreamError, begin: impl FnOnce(String) -> UpstreamError) -> UpstreamError {
    match error {
        UpstreamError::NotSent(why) | UpstreamError::NoAnswer(why) => begin(why),
        other => other,
    }
}

/// Agrees with a server over HTTP on a version: the later generation is asked first, and whoever does not know the
/// question is of the older one.
async fn greet(remote: &Arc<Remote>, limits: Limits) -> Result<Hello, UpstreamError> {
    remote.agree(STATELESS);
    let silent = Talk::silent();
    let discover = || remote.request_within("server/discover", None, limits.start, &silent);
    let mut answer = result_of(discover().await);
    // The version was turned away. It may be among those that are spoken there all the same; once more, then.
    if matches!(answer, Err(UpstreamError::Answered { code, .. }) if code == i64::from(rpc::code::UNSUPPORTED_VERSION))
    {
        answer = result_of(discover().await);
    }
    match answer {
        Ok(answer) => {
            if let Some(hello) = Hello::discovered(&answer)? {
                return Ok(hello);
            }
            remote.shake();
        }
        // Whoever cannot be reached is not asked again.
        Err(error @ UpstreamError::NotSent(_)) => return Err(error),
        Err(_) => remote.shake(),
    }
    let answer = remote.request_within("initialize", Some(&opening(limits.asks)), limits.start, &Talk::silent()).await;
    let answer = result_of(answer)?;
    let hello = Hello::read(&answer)?;
    remote.agree(hello.generation.version());
    remote.notify("notifications/initialized").await;
    Ok(hello)
}

/// Agrees with a server on its standard input and output on a version. Hands are shaken first: there are servers of the older
/// generation that end, or never answer, when they are asked anything else before. Whoever refuses that is of the later one.
async fn meet(process: &Process, limits: Limits) -> Result<Hello, UpstreamError> {
    let answer = process.request_within("initialize", Some(&opening(limits.asks)), limits.start, &Talk::silent()).await;
    let refused = match result_of(answer) {
        Ok(answer) => {
            let hello = Hello::read(&answer)?;
            process.notify("notifications/initialized").await;
            return Ok(hello);
        }
        Err(refused @ UpstreamError::Answered { .. }) => refused,
        Err(error) => return Err(error),
    };
    process.speak_stateless();
    let answer = process.request_within("server/discover", None, limits.start, &Talk::silent()).await;
    match result_of(answer) {
        Ok(answer) => Hello::discovered(&answer)?.ok_or(refused),
        // What it said to the first question says more.
        Err(UpstreamError::Answered { .. }) => Err(refused),
        Err(error) => Err(error),
    }
}

impl UpstreamServer {
    /// Starts a server, or reaches it, and agrees with it on a version. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When it cannot be started or reached, does not answer in time, or speaks no version that Ambit speaks.
    pub async fn start(reach: impl Into<Reach>, limits: Limits) -> Result<UpstreamServer, UpstreamError> {
        UpstreamServer::start_watched(reach, limits, Arc::new(|_: Event| {})).await
    }

    /// As [`start`](Self::start), and `watch` is told what the server does unasked.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_watched(
        reach: impl Into<Reach>,
        limits: Limits,
        watch: Watch,
    ) -> Result<UpstreamServer, UpstreamError> {
        match reach.into() {
            Reach::Program(spec) => {
                let process = Arc::new(Process::start(&spec, limits, Arc::clone(&watch))?);
                let hello = meet(&process, limits).await.map_err(|error| {
                    let (command, said) = (escape(&spec.command), process.last_words());
                    not_begun(error, |why| UpstreamError::Start { command, why, said })
                })?;
                let stateless = matches!(hello.generation, Generation::Stateless(_));
                let hearing = stateless.then(|| Hearing(tokio::spawn(Arc::clone(&process).listen(None))));
                Ok(UpstreamServer::new(Wire::Stdio(process), hello, hearing, limits.asks, watch))
            }
            Reach::Http(spec) => {
                let remote = Arc::new(Remote::new(&spec, limits, Arc::clone(&watch))?);
                let hello = greet(&remote, limits)
                    .await
                    .map_err(|error| not_begun(error, |why| UpstreamError::Unreached { place: remote.place(), why }))?;
                let hearing = Hearing(tokio::spawn(Arc::clone(&remote).listen(None, None)));
                Ok(UpstreamServer::new(Wire::Http(remote), hello, Some(hearing), limits.asks, watch))
            }
        }
    }

    fn new(wire: Wire, hello: Hello, hearing: Option<Hearing>, asks: Asks, watch: Watch) -> UpstreamServer {
        UpstreamServer {
            wire,
            hello,
            hearing,
            asks,
            watch,
            told: AtomicU32::new(0),
            errands: Errands::default(),
            supports: Mutex::default(),
            logs: Mutex::default(),
            hears: Mutex::default(),
        }
    }

    /// What it said of itself.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Why it takes no calls any more; `None` while it does.
    #[must_use]
    pub fn dead(&self) -> Option<String> {
        match &self.wire {
            Wire::Stdio(process) => process.dead(),
            Wire::Http(remote) => remote.dead(),
        }
    }

    /// Its tools, from all pages, each the bytes of its definition.
    ///
    /// # Errors
    /// When it does not answer, or not with a list.
    pub async fn list_tools(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.list(Listing::Tools).await
    }

    /// Its resources.
    ///
    /// # Errors
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_resources(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.list(Listing::Resources).await
    }

    /// Its templates of resources.
    ///
    /// # Errors
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_resource_templates(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.list(Listing::ResourceTemplates).await
    }

    /// Its prompts.
    ///
    /// # Errors
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_prompts(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.list(Listing::Prompts).await
    }

    /// Everything it lists of one sort, from all pages; nothing when it does not declare that it has any.
    ///
    /// # Errors
    /// As [`list_tools`](Self::list_tools).
    pub async fn list(&self, listing: Listing) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        if !self.hello.capabilities.contains(listing.capability()) {
            return Ok(Vec::new());
        }
        let mut items = Vec::new();
        let mut cursor: Option<Box<RawValue>> = None;
        for _ in 0..PAGES {
            let params = cursor.as_ref().map(|cursor| format!("{{\"cursor\":{cursor}}}"));
            let answer = match result_of(self.ask(listing.method(), params.as_deref().map(str::as_bytes)).await) {
                // Templates came later than resources, and not every server that has the one knows the other.
                Err(UpstreamError::Answered { code, .. })
                    if listing == Listing::ResourceTemplates && code == i64::from(rpc::code::METHOD_NOT_FOUND) =>
                {
                    return Ok(Vec::new());
                }
                answer => answer?,
            };
            let page = Page::read(&answer, listing)?;
            items.extend(page.items);
            if items.len() > ITEMS {
                return Err(UpstreamError::NoAnswer(format!(
                    "the server lists more than {ITEMS} items in `{}`",
                    listing.method()
                )));
            }
            match page.next {
                None if listing == Listing::Tools => {
                    self.learn(&items);
                    return Ok(self.repeated(items));
                }
                None => return Ok(items),
                Some(next) if cursor.as_ref().is_some_and(|cursor| cursor.get() == next.get()) => {
                    return Err(UpstreamError::NoAnswer(format!(
                        "the server gives the same page of `{}` again",
                        listing.method()
                    )));
                }
                Some(next) => cursor = Some(next),
            }
        }
        Err(UpstreamError::NoAnswer(format!("the server gives more than {PAGES} pages of `{}`", listing.method())))
    }

    /// Learns which arguments are repeated in headers; a tool that says so in a way that nobody can follow is none.
    fn repeated(&self, tools: Vec<Box<RawValue>>) -> Vec<Box<RawValue>> {
        let (Wire::Http(remote), Generation::Stateless(_)) = (&self.wire, self.hello.generation) else { return tools };
        let mut all = BTreeMap::new();
        let mut kept = Vec::new();
        for tool in tools {
            let name = rpc::Members::of(&tool).ok().and_then(|members| members.text("name").map(Cow::into_owned));
            match (name, mirrored(&tool)) {
                (Some(name), Err(why)) => {
                    let what = format!("the tool `{}`, which cannot be called: {}", escape(&name), escape(&why));
                    (self.watch)(Event::Nonsense { what });
                    continue;
                }
                (Some(name), Ok(repeated)) if !repeated.is_empty() => drop(all.insert(name, repeated)),
                _ => {}
            }
            kept.push(tool);
        }
        remote.repeat(all);
        kept
    }

    /// Learns which tools are called as tasks.
    fn learn(&self, tools: &[Box<RawValue>]) {
        if self.hello.tasks.is_none() {
            return;
        }
        let support = |tool: &RawValue| {
            let name = rpc::Members::of(tool).ok()?.text("name")?.into_owned();
            Support::of(tool).map(|support| (name, support))
        };
        *self.supports.lock().unwrap_or_else(PoisonError::into_inner) =
            tools.iter().filter_map(|tool| support(tool)).collect();
    }

    /// How that tool is called, in the generation that shakes hands.
    fn support(&self, name: &str) -> Option<Support> {
        self.supports.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied()
    }

    /// Whether nobody shook hands.
    pub(super) fn is_stateless(&self) -> bool {
        matches!(self.hello.generation, Generation::Stateless(_))
    }

    /// Whether what it works on in its own time can be cancelled.
    pub(super) fn can_cancel(&self) -> bool {
        self.is_stateless() || self.hello.tasks.is_some_and(|tasks| tasks.cancel)
    }

    /// Whether it answers at all.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), UpstreamError> {
        result_of(self.ask("ping", None).await).map(|_| ())
    }

    /// Asks for something that is no action, and of which nobody hears but Ambit.
    async fn ask(&self, method: &str, params: Option<&[u8]>) -> Result<Outcome, Failed> {
        self.wire.request(method, params, &Talk::silent()).await
    }

    /// Sends exactly what the permit owns, once. There is no other way to have a server act. `talk`: whoever hears what it
    /// says meanwhile.
    pub async fn send(&self, permit: Permit, talk: &Talk) -> Sent {
        let action = permit.spend();
        if !OPERATIONS.contains(&action.operation.as_str()) {
            return Sent::NotSent(format!("`{}` is no operation of an MCP server", escape(&action.operation)));
        }
        // The payload becomes the value of one member. Were it anything but one whole object, it could say more than that.
        if !serde_json::from_slice::<&RawValue>(&action.payload).is_ok_and(|params| params.get().starts_with('{')) {
            return Sent::NotSent("the payload is not one JSON object".into());
        }
        if action.operation == "resources/subscribe" {
            return self.subscribe(&action.name, &action.payload, talk).await;
        }
        self.log_from(talk.wants().log).await;
        let may = action.operation == "tools/call" && talk.takes_errands();
        let room = may.then(|| self.errands.room()).flatten();
        let (first, as_task) = match self.as_it_is_called(&action, room.is_some(), talk.wants().later) {
            Ok(Some(payload)) => (payload, true),
            Ok(None) => (action.payload, false),
            Err(why) => return Sent::NotSent(why),
        };
        // A plain call of the generation that shakes hands becomes none.
        let mut room = room.filter(|_| as_task || self.is_stateless());
        // Where it works on too much already, it is not told that it may.
        let quiet;
        let talk = if room.is_some() || !self.is_stateless() {
            talk
        } else {
            quiet = talk.without_errands();
            &quiet
        };
        let mut answered = None;
        for _ in 0..ROUNDS {
            let payload = answered.as_ref().unwrap_or(&first);
            let sent = match self.wire.request(&action.operation, Some(payload), talk).await {
                Ok(Outcome::Result(result)) => Sent::Result(result),
                Ok(Outcome::Error(error)) => Sent::Error(error),
                // What was sent before was sent.
                Err(Failed::NotSent(why)) if answered.is_none() => Sent::NotSent(why),
                Err(Failed::NotSent(why) | Failed::Unknown(why)) => Sent::Unknown(why),
            };
            let Sent::Result(result) = &sent else { return sent };
            if let Some(begun) = errand::begun(result, self.is_stateless()).filter(|_| as_task || self.is_stateless()) {
                return match room.take() {
                    Some(room) => self.see_through(&begun, room, talk).await,
                    None => self.turn_down(&begun).await,
                };
            }
            if !self.wants_more(result) {
                return sent;
            }
            // It wants to be asked again with answers, and clients are asked on its behalf where a person declared that.
            answered = match more::answered(&first, result, self.asks, talk).await {
                Ok(payload) => Some(payload),
                Err(unanswered) => {
                    if let Unanswered::MayNot(asked) = unanswered {
                        self.tell_asked(asked);
                    }
                    break;
                }
            };
        }
        Sent::Error(WANTS_MORE.into())
    }

    /// The parameters of a call that is to be a task, in the generation that shakes hands; `None` where it is not to be.
    /// `may`: whether it may work on it in its own time; `later`: whether somebody comes back for it by itself.
    fn as_it_is_called(&self, action: &Action, may: bool, later: bool) -> Result<Option<Vec<u8>>, String> {
        if action.operation != "tools/call" {
            return Ok(None);
        }
        match self.support(&action.name) {
            Some(Support::Required) if !may => Err("the server already works on as much as it may at once".into()),
            Some(Support::Required) => Ok(Some(errand::as_task(&action.payload))),
            // Whoever comes back for it by itself need not wait; for everybody else the shortest way is the plain call.
            Some(Support::Optional) if may && later => Ok(Some(errand::as_task(&action.payload))),
            _ => Ok(None),
        }
    }

    /// Tells people what it asked for and may not, the first few times.
    pub(super) fn tell_asked(&self, methods: Vec<String>) {
        for method in methods {
            if self.told.fetch_add(1, Ordering::Relaxed) < TOLD {
                (self.watch)(Event::Asked { method });
            }
        }
    }

    /// Notes that the server works for somebody, though nothing is sent to it.
    pub(super) fn works_for(&self, talk: &Talk) {
        if let Wire::Stdio(process) = &self.wire {
            process.works_for(talk);
        }
    }

    /// Has the server tell of a resource. `payload`: the parameters of `resources/subscribe`; `talk`: of whoever wants to hear.
    pub(super) async fn subscribe(&self, uri: &str, payload: &[u8], talk: &Talk) -> Sent {
        self.works_for(talk);
        if !self.hello.tells_of_resources {
            return Sent::NotSent("the server does not tell when a resource changes".into());
        }
        let asked = match self.hello.generation {
            Generation::Stateless(_) => {
                let (agreed, told) = oneshot::channel();
                let hearing = Hearing(match &self.wire {
                    Wire::Http(remote) => tokio::spawn(Arc::clone(remote).listen(Some(uri.to_owned()), Some(agreed))),
                    Wire::Stdio(process) => tokio::spawn(Arc::clone(process).listen(Some((agreed, uri.to_owned())))),
                });
                match timeout(AGREES, told).await {
                    Ok(Ok(())) => {
                        self.hears.lock().unwrap_or_else(PoisonError::into_inner).insert(uri.to_owned(), hearing);
                        Ok(Outcome::Result(b"{}".to_vec()))
                    }
                    _ => Err(Failed::Unknown("the server did not agree to tell of it".into())),
                }
            }
            Generation::Handshake(_) => self.ask("resources/subscribe", Some(payload)).await,
        };
        match asked {
            Ok(Outcome::Result(_)) => Sent::Result(b"{}".to_vec()),
            Ok(Outcome::Error(error)) => Sent::Error(error),
            Err(Failed::NotSent(why)) => Sent::NotSent(why),
            Err(Failed::Unknown(why)) => Sent::Unknown(why),
        }
    }

    /// Has the server not tell of a resource any more. `payload`: the parameters of `resources/unsubscribe`.
    pub(super) async fn unsubscribe(&self, uri: &str, payload: &[u8]) {
        let hearing = self.hears.lock().unwrap_or_else(PoisonError::into_inner).remove(uri);
        if hearing.is_none() {
            // A server that goes on telling is not listened to.
            let _ = self.ask("resources/unsubscribe", Some(payload)).await;
        }
    }

    /// Has the server log as much as somebody wants to hear: in the generation that shakes hands that holds for all that
    /// comes after.
    async fn log_from(&self, log: Log) {
        let Log::From(level) = log else { return };
        let knows = self.hello.capabilities.contains("logging");
        if !knows || matches!(self.hello.generation, Generation::Stateless(_)) {
            return;
        }
        {
            let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
            if logs.is_some_and(|now| now <= level) {
                return;
            }
            *logs = Some(level);
        }
        let params = format!("{{\"level\":\"{}\"}}", level.name());
        // A server that does not do it logs as it likes.
        let _ = self.ask("logging/setLevel", Some(params.as_bytes())).await;
    }

    /// Whether a result is none yet (`input_required`); only the generation without a handshake has such.
    pub(super) fn wants_more(&self, result: &[u8]) -> bool {
        let kind = || {
            let raw: &RawValue = serde_json::from_slice(result).ok()?;
            rpc::Members::of(raw).ok()?.get("resultType").map(RawValue::get)
        };
        self.is_stateless() && kind().is_some_and(|kind| kind != "\"complete\"")
    }

    /// Ends the server: closes its input, then asks, then kills its whole process group. Returns when it is gone.
    pub async fn stop(&self) {
        match &self.wire {
            Wire::Stdio(process) => process.stop().await,
            Wire::Http(remote) => remote.stop(),
        }
        if let Some(hearing) = &self.hearing {
            hearing.0.abort();
        }
    }
}

const WANTS_MORE: &str = r#"{"code":-32603,"message":"the live system asks for something before it answers, which it may not ask of this client"}"#;

struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<Box<RawValue>>,
}

impl Page {
    fn read(answer: &[u8], listing: Listing) -> Result<Page, UpstreamError> {
        let wrong = |why: String| {
            UpstreamError::NoAnswer(escape(&format!(
                "the server's answer to `{}` cannot be read: {why}",
                listing.method()
            )))
        };
        let members: rpc::Members<'_> = serde_json::from_slice(answer).map_err(|error| wrong(error.to_string()))?;
        let items = members.get(listing.member()).ok_or_else(|| wrong(format!("`{}` is missing", listing.member())))?;
        let items = serde_json::from_str(items.get()).map_err(|error| wrong(error.to_string()))?;
        let next = members.get("nextCursor").filter(|next| next.get() != "null").map(ToOwned::to_owned);
        if next.as_ref().is_some_and(|next| !next.get().starts_with('"')) {
            return Err(wrong("`nextCursor` is no string".into()));
        }
        Ok(Page { items, next })
    }
}

fn result_of(answer: Result<Outcome, Failed>) -> Result<Vec<u8>, UpstreamError> {
    match answer {
        Ok(Outcome::Result(result)) => Ok(result),
        Ok(Outcome::Error(error)) => {
            let words = serde_json::from_slice::<ErrorWords>(&error)
                .unwrap_or_else(|_| ErrorWords { code: 0, message: "an error that cannot be read".into() });
            Err(UpstreamError::Answered {
                code: words.code,
                message: escape(&words.message.chars().take(400).collect::<String>()),
            })
        }
        Err(Failed::NotSent(why)) => Err(UpstreamError::NotSent(why)),
        Err(Failed::Unknown(why)) => Err(UpstreamError::NoAnswer(why)),
    }
}
