//! A server that is reached over HTTP: one POST a message, answered with one message or with a stream of events in which
//! the answer is one (Model Context Protocol, streamable HTTP, both generations).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::events::Events;
use super::message::{self, Failed, Outcome};
use super::{Event, Limits, Secret, UpstreamError, Watch};
use crate::escape::escape;
use crate::gate::mcp::era::STATELESS;
use crate::gate::mcp::headers::{METHOD, NAME, SESSION, VERSION, encoded, named, said_in};
use crate::gate::mcp::mirrored::{self, Mirrored};
use crate::gate::rpc::{self, Message};
use crate::gate::talk::{Talk, Wants};
use crate::loopback::is_this_machine;

/// How a server is reached over HTTP. Never printed: its path may hold a secret.
#[derive(Clone)]
pub struct HttpSpec {
    /// Its endpoint.
    pub url: String,
    /// What goes with every request, credentials resolved.
    pub headers: Vec<(String, Secret)>,
}

impl std::fmt::Debug for HttpSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// A server that is spoken to over HTTP.
pub(super) struct Remote {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    limits: Limits,
    watch: Watch,
    next: AtomicU64,
    // What was told to people, and what came unasked since the last answer.
    told: AtomicU64,
    unasked: AtomicU64,
    state: Mutex<State>,
    // What calls of a tool repeat in headers, by its name.
    repeated: Mutex<BTreeMap<String, Vec<Mirrored>>>,
    /// It takes no further requests.
    over: AtomicBool,
}

#[derive(Default)]
struct State {
    session: Option<HeaderValue>,
    version: Option<&'static str>,
    dead: Option<String>,
}

/// What is said of a server that turns away whoever asks with this credential, or with none.
pub(crate) const TURNED_AWAY: &str = "the server does not accept the credential";

const CONNECT: Duration = Duration::from_secs(10);
// Until a server that has a stream of what changes is asked for it again.
const AGAIN: Duration = Duration::from_secs(5);
// Between telling it that nobody wants an answer any more, and not waiting for one.
const LET_GO: Duration = Duration::from_secs(5);
// A server that does not want to let go of a session is let go of.
const LEAVE: Duration = Duration::from_secs(1);
// Sockets that nobody uses for so long are closed by us, before the other side does while a call is on its way.
const IDLE: Duration = Duration::from_secs(4);
// Of what a server does unasked so much is told, and after so much between two answers it is let go of.
const TOLD: u64 = 32;
const UNASKED: u64 = 1_000;

impl Remote {
    pub(super) fn new(spec: &HttpSpec, limits: Limits, watch: Watch) -> Result<Remote, UpstreamError> {
        let uri: Option<Uri> = spec.url.parse().ok();
        // Its host alone: a path may hold a secret.
        let place = uri.as_ref().and_then(Uri::host).map_or_else(|| "?".to_owned(), escape);
        let wrong = |why: &str| UpstreamError::Unreached { place: place.clone(), why: why.to_owned() };
        let uri = uri.ok_or_else(|| wrong("its address is no URL"))?;
        if !is_private(&uri) {
            return Err(wrong("it is neither `https` nor on this machine"));
        }
        let mut headers = Vec::new();
        for (name, value) in &spec.headers {
            let name =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("a header has a name that is none"))?;
            // What is wrong with a credential is not said in its own words.
            let mut value =
                HeaderValue::from_str(value.reveal()).map_err(|_| wrong("a header has a value that is none"))?;
            value.set_sensitive(true);
            headers.push((name, value));
        }
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| wrong(&format!("this system's certificates cannot be read: {error}")))?
            .https_or_http()
            .enable_http1();
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(CONNECT));
        plain.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector.wrap_connector(plain));
        Ok(Remote {
            client,
            uri,
            headers,
            limits,
            watch,
            next: AtomicU64::new(1),
            told: AtomicU64::new(0),
            unasked: AtomicU64::new(0),
            state: Mutex::default(),
            repeated: Mutex::default(),
            over: AtomicBool::new(false),
        })
    }

    /// Where it is, for messages: its path may hold a secret.
    pub(super) fn place(&self) -> String {
        escape(self.uri.host().unwrap_or_default())
    }

    /// Says which version is spoken from here on.
    pub(super) fn agree(&self, version: &'static str) {
        self.state().version = Some(version);
    }

    /// Says what calls of which tools repeat in headers.
    pub(super) fn repeat(&self, all: BTreeMap<String, Vec<Mirrored>>) {
        *self.repeated.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }

    /// Goes back to before anything was agreed on: hands are to be shaken.
    pub(super) fn shake(&self) {
        *self.state() = State::default();
    }

    /// Why the server takes no calls any more.
    pub(super) fn dead(&self) -> Option<String> {
        self.state().dead.clone()
    }

    /// Asks, and waits for the answer as long as a call may take. `talk`: whoever hears what is said meanwhile.
    pub(super) async fn request(&self, method: &str, params: Option<&[u8]>, talk: &Talk) -> Result<Outcome, Failed> {
        self.request_within(method, params, self.limits.call, talk).await
    }

    /// Asks, and waits for the answer so long.
    pub(super) async fn request_within(
        &self,
        method: &str,
        params: Option<&[u8]>,
        most: Duration,
        talk: &Talk,
    ) -> Result<Outcome, Failed> {
        if let Some(why) = self.dead() {
            return Err(Failed::NotSent(why));
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let stateless = self.state().version == Some(STATELESS);
        let wants = talk.wants();
        let wants = Wants { asks: wants.asks.and(self.limits.asks), ..wants };
        let params = message::beside(params, stateless, id, wants);
        let mut body = Vec::new();
        rpc::request(&mut body, id, method, params.as_deref());
        let request = self.post(body, stateless.then_some((method, params.as_deref())));
        let answered = async {
            let mut exchange = std::pin::pin!(self.exchange(request, Some((id, talk))));
            tokio::select! {
                biased;
                answer = &mut exchange => answer,
                // In the generation without a handshake, to hang up is to say so.
                () = talk.cancelled(), if stateless => Err(message::let_go()),
                () = talk.cancelled() => {
                    self.cancel(id).await;
                    timeout(LET_GO, exchange).await.unwrap_or_else(|_| Err(message::let_go()))
                }
            }
        };
        match timeout(most, answered).await {
            Ok(answer) => {
                answer.and_then(|outcome| outcome.ok_or_else(|| Failed::Unknown("the server gave no answer".into())))
            }
            Err(_) => Err(Failed::Unknown(format!("the server did not answer within {} s", most.as_secs_f32()))),
        }
    }

    async fn cancel(&self, id: u64) {
        let mut body = Vec::new();
        message::cancel(&mut body, id, "cancelled by whoever asked");
        let _ = timeout(CONNECT, self.client.request(self.post(body, None))).await;
    }

    /// Tells the server something that wants no answer.
    pub(super) async fn notify(&self, method: &str) {
        let mut body = Vec::new();
        rpc::notification(&mut body, method, None);
        let _ = timeout(self.limits.start, self.exchange(self.post(body, None), None)).await;
    }

    /// Ends the session, where there is one.
    pub(super) fn stop(&self) {
        self.over.store(true, Ordering::Release);
        self.die("the server was let go of");
        if self.state().session.is_some() {
            let request = self.client.request(self.build(Method::DELETE, Bytes::new()));
            // Nobody waits for it.
            tokio::spawn(timeout(LEAVE, request));
        }
    }

    /// Hears what changes, for as long as the server is used. A server that has no such stream is not asked again. `of`: a
    /// single resource, in the generation that asks for each; `agreed` is told once the server has agreed to tell of it.
    pub(super) async fn listen(self: Arc<Self>, of: Option<String>, mut agreed: Option<oneshot::Sender<()>>) {
        let remote = Arc::downgrade(&self);
        drop(self);
        while let Some(remote) = remote.upgrade() {
            let hears = !remote.over.load(Ordering::Acquire) && remote.dead().is_none();
            if !hears || !remote.hear(of.as_deref(), &mut agreed).await {
                return;
            }
            drop(remote);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// One stream of what changes, to its end; whether there may be another.
    async fn hear(&self, of: Option<&str>, agreed: &mut Option<oneshot::Sender<()>>) -> bool {
        let request = if self.state().version == Some(STATELESS) {
            let wanted = message::listening(of);
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let params = message::beside(Some(&wanted), true, id, Wants::default());
            let mut body = Vec::new();
            rpc::request(&mut body, id, "subscriptions/listen", params.as_deref());
            self.post(body, Some(("subscriptions/listen", None)))
        } else {
            let mut request = self.build(Method::GET, Bytes::new());
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            request
        };
        let Ok(Ok(response)) = timeout(self.limits.start, self.client.request(request)).await else { return true };
        if response.status() != StatusCode::OK || !is(&response, "text/event-stream") {
            return false;
        }
        let mut events = Events::new(self.limits.line);
        let mut body = response.into_body();
        while let Some(Ok(frame)) = body.frame().await {
            if self.over.load(Ordering::Acquire) || self.dead().is_some() {
                return false;
            }
            let Some(bytes) = frame.data_ref() else { continue };
            let Ok(messages) = events.take(bytes) else { return true };
            for message in messages {
                if let (Ok(Message::Notification { method, params }), Some(uri)) = (Message::read(&message), of)
                    && method == "notifications/subscriptions/acknowledged"
                    && message::agrees(params, uri)
                    && let Some(agreed) = agreed.take()
                {
                    let _ = agreed.send(());
                }
                // Nobody waits for an answer here.
                let _ = self.read(&message, None).await;
            }
        }
        true
    }

    fn build(&self, method: Method, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let state = self.state();
        if let Some(session) = &state.session {
            headers.insert(SESSION, session.clone());
        }
        if let Some(version) = state.version {
            headers.insert(VERSION, HeaderValue::from_static(version));
        }
        request
    }

    /// A message on its way. `said`: for the generation that repeats it in the headers, the method and its parameters.
    fn post(&self, body: Vec<u8>, said: Option<(&str, Option<&[u8]>)>) -> Request<Full<Bytes>> {
        let mut request = self.build(Method::POST, body.into());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some((method, params)) = said {
            if let Ok(method) = HeaderValue::from_str(method) {
                headers.insert(METHOD, method);
            }
            let name = named(method).and_then(|member| {
                let params: &RawValue = serde_json::from_slice(params?).ok()?;
                said_in(Some(params), member)
            });
            if let Some(value) = name.as_ref().and_then(|name| HeaderValue::from_str(&encoded(name)).ok()) {
                headers.insert(NAME, value);
            }
            let repeated = self.repeated.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(repeated) = name.filter(|_| method == "tools/call").and_then(|name| repeated.get(&*name)) {
                let arguments = mirrored::arguments(params.and_then(|params| serde_json::from_slice(params).ok()));
                for one in repeated {
                    let said = one.said(&arguments).and_then(|said| HeaderValue::from_str(&said).ok());
                    if let (Some(said), Ok(header)) = (said, HeaderName::from_bytes(one.header.as_bytes())) {
                        headers.insert(header, said);
                    }
                }
            }
        }
        request
    }

    /// Sends a message, and reads until its answer; `None` for one that wants none.
    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        call: Option<(u64, &Talk)>,
    ) -> Result<Option<Outcome>, Failed> {
        let in_session = request.headers().contains_key(SESSION);
        let response = self.client.request(request).await.map_err(|error| {
            // Without its source, which may quote the URL.
            if error.is_connect() {
                Failed::NotSent("the server cannot be reached".into())
            } else {
                Failed::Unknown("the connection to the server broke".into())
            }
        })?;
        if let Some(session) = response.headers().get(SESSION) {
            self.state().session = Some(session.clone());
        }
        let status = response.status();
        let asks_who = response.headers().contains_key(WWW_AUTHENTICATE);
        let answered = match call {
            None => None,
            Some(call) if is(&response, "text/event-stream") => {
                return self.read_events(response, call).await.map(Some);
            }
            Some(call) => {
                let bytes = collect(response, self.limits.line).await.map_err(Failed::Unknown)?;
                // What a status does not need to say is no message, and nothing to look into.
                if status.is_success() || bytes.trim_ascii_start().starts_with(b"{") {
                    self.read(&bytes, Some(call)).await
                } else {
                    None
                }
            }
        };
        // An answer is an answer, whatever status it came with.
        if let Some(outcome) = answered {
            return Ok(Some(outcome));
        }
        // Only what says that it was turned away at the door was not sent. Other refusals may come after the work was done.
        match status {
            StatusCode::NOT_FOUND if in_session => {
                self.die("the server ended the session");
                Err(Failed::NotSent("the server ended the session; it is begun anew with the next call".into()))
            }
            StatusCode::UNAUTHORIZED if asks_who || call.is_none() => Err(Failed::NotSent(TURNED_AWAY.into())),
            _ if call.is_none() => Ok(None),
            status if status.is_success() => {
                Err(Failed::Unknown("the server answered with something else than an answer".into()))
            }
            status => Err(Failed::Unknown(format!("the server answered with {status}"))),
        }
    }

    async fn read_events(&self, response: Response<Incoming>, call: (u64, &Talk)) -> Result<Outcome, Failed> {
        let mut events = Events::new(self.limits.line);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failed::Unknown("the connection to the server broke".into()))?;
            let Some(bytes) = frame.data_ref() else { continue };
            for message in events.take(bytes).map_err(Failed::Unknown)? {
                if let Some(outcome) = self.read(&message, Some(call)).await {
                    return Ok(outcome);
                }
                if let Some(why) = self.dead() {
                    return Err(Failed::Unknown(why));
                }
            }
        }
        Err(Failed::Unknown("the server ended the stream without an answer".into()))
    }

    /// One message of the server, in answer to `call` where it is in answer to one; what it comes to, where it is the
    /// answer itself.
    async fn read(&self, bytes: &[u8], call: Option<(u64, &Talk)>) -> Option<Outcome> {
        let read = Message::read(bytes);
        if let Ok(Message::Response { id: raw, outcome }) = &read
            && call.is_some_and(|(id, _)| *raw == id.to_string())
        {
            self.unasked.store(0, Ordering::Relaxed);
            return Some(Outcome::of(*outcome));
        }
        // What comes in answer to a call is said about that call.
        if let (Ok(Message::Notification { method, params }), Some((id, talk))) = (&read, call)
            && (method != "notifications/progress" || message::progress_of(*params) == Some(id))
            && message::pass_on(method, *params, talk) == Some(true)
        {
            return None;
        }
        if self.unasked.fetch_add(1, Ordering::Relaxed) >= UNASKED {
            self.die("the server wrote too much that nobody asked for");
            return None;
        }
        match read {
            Ok(Message::Notification { method, params }) => {
                if let Some(event) = message::changed(&method, params) {
                    (self.watch)(event);
                }
            }
            Ok(Message::Request { id, method, params }) => {
                let talk = call.map(|(_, talk)| talk).filter(|_| self.limits.asks.has(&method));
                self.answer(id, &method, params, talk).await;
            }
            // Whoever could not read a question says so to nobody in particular.
            Ok(Message::Response { id: "null", .. }) => {}
            Ok(Message::Response { .. }) => {
                self.tell(Event::Nonsense { what: "an answer that nobody waits for".into() });
            }
            Err(malformed) => self.tell(Event::Nonsense { what: escape(&malformed.to_string()) }),
        }
        None
    }

    /// Answers what the server asks: as the client does where the server may ask it, else with a refusal.
    async fn answer(&self, id: &str, method: &str, params: Option<&RawValue>, talk: Option<&Talk>) {
        let mut body = Vec::new();
        let reply = match talk {
            Some(talk) => message::relay(method, params.map(ToOwned::to_owned), talk).await,
            None => None,
        };
        match reply {
            Some(Ok(result)) => rpc::result(&mut body, id, result.get().as_bytes()),
            Some(Err(error)) => rpc::error_raw(&mut body, id, error.get().as_bytes()),
            None => {
                if let Some(event) = message::decline(&mut body, id, method) {
                    self.tell(event);
                }
            }
        }
        let _ = timeout(CONNECT, self.client.request(self.post(body, None))).await;
    }

    /// Tells what people are to look into, the first few times.
    fn tell(&self, event: Event) {
        if self.told.fetch_add(1, Ordering::Relaxed) < TOLD {
            (self.watch)(event);
        }
    }

    fn die(&self, why: &str) {
        let mut state = self.state();
        if state.dead.is_none() {
            state.dead = Some(why.to_owned());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether nobody on the way reads what is sent there.
fn is_private(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_this_machine(host),
        _ => false,
    }
}

/// The bearer token of a server, as a header.
#[must_use]
pub fn bearer(token: &Secret) -> (String, Secret) {
    (AUTHORIZATION.to_string(), Secret::new(format!("Bearer {}", token.reveal())))
}

fn is(response: &Response<Incoming>, kind: &str) -> bool {
    let said = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().is_some_and(|said| said.trim().eq_ignore_ascii_case(kind))
}

async fn collect(response: Response<Incoming>, most: usize) -> Result<Vec<u8>, String> {
    let (mut body, mut all) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| "the connection to the server broke".to_owned())?;
        if let Some(bytes) = frame.data_ref() {
            if all.len() + bytes.len() > most {
                return Err(format!("the server answered with more than {most} bytes"));
            }
            all.extend_from_slice(bytes);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_where_others_could_read_it() {
        for url in ["https://a.example/mcp", "http://localhost:1/mcp", "http://127.0.0.1/", "http://[::1]:5/mcp"] {
            assert!(is_private(&url.parse().unwrap()), "{url}");
        }
        for url in
            ["http://a.example/mcp", "http://localhost.evil.example/", "/mcp", "ftp://localhost/", "http://10.0.0.1/"]
        {
            assert!(!is_private(&url.parse().unwrap()), "{url}");
        }
    }
}
