//! A server that is reached over HTTP: one POST a message, answered with one message or with a stream of events in which
//! the answer is one (Model Context Protocol, streamable HTTP, both generations).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::credential::{Credential, Shown};
use super::endpoint::HttpSpec;
use super::events::Events;
use super::message::{self, Failed, Outcome};
use super::{Event, Limits, UpstreamError, Watch};
use crate::escape::escape;
use crate::gate::mcp::era::STATELESS;
use crate::gate::mcp::headers::{METHOD, NAME, SESSION, VERSION, encoded, named, said_in};
use crate::gate::mcp::mirrored::{self, Mirrored};
use crate::gate::rpc::{self, Message};
use crate::gate::talk::{Talk, Wants};
use crate::web::{self, CONNECT, Web, is_private};

/// A server that is spoken to over HTTP.
pub(super) struct Remote {
    client: Web,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    credential: Option<Arc<Credential>>,
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

/// No answer to one sending.
enum Unanswered {
    /// The server turned whoever asked away at the door: it did nothing.
    TurnedAway,
    /// Anything else.
    Failed(Failed),
}

impl From<Failed> for Unanswered {
    fn from(failed: Failed) -> Unanswered {
        Unanswered::Failed(failed)
    }
}

impl From<Unanswered> for Failed {
    fn from(unanswered: Unanswered) -> Failed {
        match unanswered {
            Unanswered::TurnedAway => Failed::NotSent(TURNED_AWAY.into()),
            Unanswered::Failed(failed) => failed,
        }
    }
}

#[derive(Default)]
struct State {
    session: Option<HeaderValue>,
    version: Option<&'static str>,
    dead: Option<String>,
}

/// What is said of a server that turns away whoever asks with this credential, or with none.
pub(crate) const TURNED_AWAY: &str = "the server does not accept the credential";

// Until a server that has a stream of what changes is asked for it again.
const AGAIN: Duration = Duration::from_secs(5);
// Between telling it that nobody wants an answer any more, and not waiting for one.
const LET_GO: Duration = Duration::from_secs(5);
// A server that does not want to let go of a session is let go of.
const LEAVE: Duration = Duration::from_secs(1);
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
        let client = web::client().map_err(|why| wrong(&why))?;
        Ok(Remote {
            client,
            uri,
            headers,
            credential: spec.credential.clone(),
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
        let params = message::beside(params, stateless, id, wants, message::is_of_errands(method, talk));
        let mut body = Vec::new();
        rpc::request(&mut body, id, method, params.as_deref());
        let request = self.post(body, stateless.then_some((method, params.as_deref())));
        let outcome = self.deliver(request, Some((id, talk)), most).await?;
        outcome.ok_or_else(|| Failed::Unknown("the server gave no answer".into()))
    }

    /// Sends a message with what proves who asks. Where a token was turned away at the door nothing was done, and the
    /// message is sent once more with another.
    async fn deliver(
        &self,
        mut request: Request<Full<Bytes>>,
        call: Option<(u64, &Talk)>,
        most: Duration,
    ) -> Result<Option<Outcome>, Failed> {
        // A token is got in the call's own time: whoever waits for an issuer waits no longer than for the server.
        let began = Instant::now();
        for last in [false, true] {
            let left = most.saturating_sub(began.elapsed());
            // Without a token nothing is sent.
            let shown = self.authorise(&mut request, call, left).await.map_err(Failed::NotSent)?;
            let late = || Failed::Unknown(format!("the server did not answer within {} s", most.as_secs_f32()));
            let left = most.saturating_sub(began.elapsed());
            let answer = timeout(left, self.attempt(request.clone(), call)).await;
            match (answer.unwrap_or_else(|_| Err(late().into())), &self.credential, &shown) {
                (Err(Unanswered::TurnedAway), Some(credential), Some(shown))
                    if !last && credential.throw_away(shown) => {}
                (answer, ..) => return answer.map_err(Failed::from),
            }
        }
        Err(Unanswered::TurnedAway.into())
    }

    /// Puts the access token into a request, where there is one to be shown; or says why there is none within that time.
    async fn authorise(
        &self,
        request: &mut Request<Full<Bytes>>,
        call: Option<(u64, &Talk)>,
        most: Duration,
    ) -> Result<Option<Shown>, String> {
        let Some(credential) = &self.credential else { return Ok(None) };
        let cancelled = async {
            match call {
                Some((_, talk)) => talk.cancelled().await,
                None => std::future::pending().await,
            }
        };
        let shown = tokio::select! {
            biased;
            shown = credential.show_within(most) => shown?,
            () = cancelled => return Err("it was cancelled before it was sent".into()),
        };
        request.headers_mut().insert(AUTHORIZATION, shown.header.clone());
        Ok(Some(shown))
    }

    /// As [`Remote::authorise`], for what is not worth fetching a token.
    fn authorise_at_hand(&self, request: &mut Request<Full<Bytes>>) {
        if let Some(token) = self.credential.as_ref().and_then(|credential| credential.at_hand()) {
            request.headers_mut().insert(AUTHORIZATION, token);
        }
    }

    /// One sending, until its answer comes or nobody wants it any more.
    async fn attempt(
        &self,
        request: Request<Full<Bytes>>,
        call: Option<(u64, &Talk)>,
    ) -> Result<Option<Outcome>, Unanswered> {
        let Some((id, talk)) = call else { return self.exchange(request, None).await };
        let stateless = self.state().version == Some(STATELESS);
        let mut exchange = std::pin::pin!(self.exchange(request, call));
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            // In the generation without a handshake, to hang up is to say so.
            () = talk.cancelled(), if stateless => Err(message::let_go().into()),
            () = talk.cancelled() => {
                self.cancel(id).await;
                timeout(LET_GO, exchange).await.unwrap_or_else(|_| Err(message::let_go().into()))
            }
        }
    }

    async fn cancel(&self, id: u64) {
        let mut body = Vec::new();
        message::cancel(&mut body, id, "cancelled by whoever asked");
        let mut request = self.post(body, None);
        self.authorise_at_hand(&mut request);
        let _ = timeout(CONNECT, self.client.request(request)).await;
    }

    /// Tells the server something that wants no answer.
    pub(super) async fn notify(&self, method: &str) {
        let mut body = Vec::new();
        rpc::notification(&mut body, method, None);
        let _ = self.deliver(self.post(body, None), None, self.limits.start).await;
    }

    /// Ends the session, where there is one.
    pub(super) fn stop(&self) {
        self.over.store(true, Ordering::Release);
        self.die("the server was let go of");
        if self.state().session.is_some() {
            let mut request = self.build(Method::DELETE, Bytes::new());
            self.authorise_at_hand(&mut request);
            let request = self.client.request(request);
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
        let mut request = if self.state().version == Some(STATELESS) {
            let wanted = message::listening(of);
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let params = message::beside(Some(&wanted), true, id, Wants::default(), false);
            let mut body = Vec::new();
            rpc::request(&mut body, id, "subscriptions/listen", params.as_deref());
            self.post(body, Some(("subscriptions/listen", None)))
        } else {
            let mut request = self.build(Method::GET, Bytes::new());
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            request
        };
        let Ok(shown) = self.authorise(&mut request, None, self.limits.start).await else { return true };
        let Ok(Ok(mut response)) = timeout(self.limits.start, self.client.request(request.clone())).await else {
            return true;
        };
        if let (StatusCode::UNAUTHORIZED, Some(credential), Some(shown)) = (response.status(), &self.credential, &shown)
        {
            // With another token, once; where that is not to be tried now, later.
            let again = credential.throw_away(shown);
            if !again || self.authorise(&mut request, None, self.limits.start).await.is_err() {
                return true;
            }
            let Ok(Ok(again)) = timeout(self.limits.start, self.client.request(request)).await else { return true };
            response = again;
        }
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
    ) -> Result<Option<Outcome>, Unanswered> {
        let in_session = request.headers().contains_key(SESSION);
        let response = self.client.request(request).await.map_err(|error| {
            // Without its source, which may quote the URL.
            Unanswered::Failed(if error.is_connect() {
                Failed::NotSent("the server cannot be reached".into())
            } else {
                Failed::Unknown("the connection to the server broke".into())
            })
        })?;
        if let Some(session) = response.headers().get(SESSION) {
            self.state().session = Some(session.clone());
        }
        let status = response.status();
        let asks_who = response.headers().contains_key(WWW_AUTHENTICATE);
        let answered = match call {
            None => None,
            Some(call) if is(&response, "text/event-stream") => {
                return Ok(Some(self.read_events(response, call).await?));
            }
            Some(call) => {
                let bytes = web::whole(response.into_body(), self.limits.line).await;
                let bytes = bytes.map_err(|error| Failed::Unknown(format!("the server gave no answer: {error}")))?;
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
                Err(Failed::NotSent("the server ended the session; it is begun anew with the next call".into()).into())
            }
            StatusCode::UNAUTHORIZED if asks_who || call.is_none() => Err(Unanswered::TurnedAway),
            _ if call.is_none() => Ok(None),
            status if status.is_success() => {
                Err(Failed::Unknown("the server answered with something else than an answer".into()).into())
            }
            status => Err(Failed::Unknown(format!("the server answered with {status}")).into()),
        }
    }

    /// Reads a stream of events until the answer. One that ends before is gone on with, where the server said by what: that asks
    /// for the rest of the answer, and does not call again.
    async fn read_events(&self, response: Response<Incoming>, call: (u64, &Talk)) -> Result<Outcome, Failed> {
        let (mut events, mut body) = (Events::new(self.limits.line), response.into_body());
        loop {
            let ended = loop {
                let bytes = match body.frame().await {
                    None => break "the server ended the stream without an answer",
                    Some(Err(_)) => break "the connection to the server broke",
                    Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                };
                for message in events.take(&bytes).map_err(Failed::Unknown)? {
                    if let Some(outcome) = self.read(&message, Some(call)).await {
                        return Ok(outcome);
                    }
                    if let Some(why) = self.dead() {
                        return Err(Failed::Unknown(why));
                    }
                }
            };
            body = self.go_on(&mut events).await.ok_or_else(|| Failed::Unknown(ended.to_owned()))?;
        }
    }

    /// The stream in which the rest of an answer comes; only the generation that shakes hands has such.
    async fn go_on(&self, events: &mut Events) -> Option<Incoming> {
        if self.state().version == Some(STATELESS) {
            return None;
        }
        let (last, after) = events.again()?;
        tokio::time::sleep(after).await;
        let mut request = self.build(Method::GET, Bytes::new());
        let accept = HeaderValue::from_static("text/event-stream");
        request.headers_mut().extend([(ACCEPT, accept), (HeaderName::from_static("last-event-id"), last)]);
        let response = self.client.request(request).await.ok()?;
        (response.status() == StatusCode::OK && is(&response, "text/event-stream")).then(|| response.into_body())
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
        // Of what it was asked to tell it may tell as often as it changes.
        let asked_for =
            matches!(&read, Ok(Message::Notification { method, .. }) if method == "notifications/resources/updated");
        if !asked_for && self.unasked.fetch_add(1, Ordering::Relaxed) >= UNASKED {
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
        let mut request = self.post(body, None);
        // The client may have taken longer than the token that the call came with.
        if self.authorise(&mut request, None, self.limits.start).await.is_ok() {
            let _ = timeout(CONNECT, self.client.request(request)).await;
        }
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

fn is(response: &Response<Incoming>, kind: &str) -> bool {
    let said = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().is_some_and(|said| said.trim().eq_ignore_ascii_case(kind))
}

#[cfg(test)]
mod tests;
