//! What a request over HTTP comes to: who asks is checked first, then what it says, and then it goes the way of every
//! other request.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, VARY,
};
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde_json::value::RawValue;

use super::body::{NotWhole, Room};
use super::checks::Checks;
use super::headers;
use super::resource::{self, About, Resources};
use super::said::{Answer, denied, empty, json, no_session, said_wrong, status, unauthorized, wrong};
use super::sessions::{HttpSession, HttpSessions, NoSession, NotBegun, Use};
use super::stream::{Admitted, stream};
use super::tasks;
use super::work::work;
use crate::daemon::network::peer;
use crate::daemon::socket::{Host, Peer};
use crate::daemon::visitor::Visitor;
use crate::gate::mcp::era::Era;
use crate::gate::mcp::face::Begun;
use crate::gate::mcp::headers::SESSION;
use crate::gate::mcp::listen::Filter;
use crate::gate::rpc::{AGENT_LINE, Message, code};

/// The endpoints of all agents, and of those who open tasks for them.
pub(super) struct Endpoint {
    sessions: Arc<HttpSessions>,
    checks: Checks,
    host: Arc<dyn Host>,
    resources: Option<Resources>,
    room: Room,
}

const MAY_SEND: &str =
    "authorization, content-type, accept, mcp-session-id, mcp-protocol-version, mcp-method, mcp-name, idempotency-key";
// What a page may see of the answer: its session, and where a token is to be had.
const SHOWN: &str = "mcp-session-id, www-authenticate";

/// Who asks, as the request proved it.
struct Asker {
    agent: String,
    visitor: Arc<Visitor>,
    peer: Peer,
    // What let it in.
    admission: Admitted,
    // What is said of who may come in.
    about: Option<About>,
}

impl Endpoint {
    pub(super) fn new(
        host: Arc<dyn Host>,
        sessions: Arc<HttpSessions>,
        checks: Checks,
        resources: Option<Resources>,
    ) -> Endpoint {
        Endpoint { sessions, checks, host, resources, room: Room::default() }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>, from: SocketAddr) -> Answer {
        if let Some(why) = self.checks.refuse(request.headers()) {
            if tasks::place_of(request.uri().path()).is_some() {
                return tasks::refused(StatusCode::FORBIDDEN, "not-let-in", why);
            }
            return wrong(StatusCode::FORBIDDEN, None, code::INVALID_REQUEST, why);
        }
        let page = self.checks.page(request.headers()).cloned();
        let mut answer = match (&page, request.method()) {
            // A browser asks first, and without a token.
            (Some(_), &Method::OPTIONS) => empty(StatusCode::NO_CONTENT),
            _ => self.answer_checked(request, from).await,
        };
        if let Some(page) = page {
            let headers = answer.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, page);
            headers.insert(VARY, HeaderValue::from_static("Origin"));
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET, DELETE"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(MAY_SEND));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(SHOWN));
        }
        answer
    }

    async fn answer_checked(&self, request: Request<Incoming>, from: SocketAddr) -> Answer {
        if let Some(place) = tasks::place_of(request.uri().path()) {
            return tasks::answer(&self.host, &self.room, request, place, peer(from)).await;
        }
        if let Some(resources) = &self.resources
            && let Some(agent) = request.uri().path().strip_prefix(resource::PREFIX).and_then(agent_of)
        {
            // Of every name alike: which agents there are is nobody's to learn here.
            return match *request.method() {
                Method::GET => json(StatusCode::OK, resources.metadata(agent)),
                _ => not_allowed("GET"),
            };
        }
        let Some(agent) = agent_of(request.uri().path()) else {
            let why = "there is nothing here; agents come to `/agents/NAME/mcp`, callers to `/agents/NAME/tasks`";
            return wrong(StatusCode::NOT_FOUND, None, code::INVALID_REQUEST, why);
        };
        let about = self.resources.as_ref().map(|resources| resources.about(agent));
        let Some(token) = bearer(request.headers()) else {
            let why = match about {
                Some(_) => "a bearer token is missing; the issuer gives one, or `ambit token` makes one",
                None => "a bearer token is missing; `ambit token` makes one",
            };
            return unauthorized(why, None, about.as_ref());
        };
        let peer = peer(from);
        // Before anything else is looked at: whoever has no right to be here learns nothing but that, and costs nothing.
        let admission = Admitted::now(&self.host, agent);
        let visitor = match self.sessions.know(agent, &token, peer).await {
            Ok(visitor) => Arc::new(visitor),
            Err(why) => return denied(&why, None, about.as_ref()),
        };
        let asker = Asker { agent: agent.to_owned(), visitor, peer, admission, about };
        match *request.method() {
            Method::POST => self.post(request, &asker).await,
            Method::GET => self.get(request.headers(), &asker),
            Method::DELETE => self.delete(request.headers(), &asker).await,
            _ => not_allowed("POST, GET, DELETE"),
        }
    }

    async fn post(&self, request: Request<Incoming>, asker: &Asker) -> Answer {
        let (head, body) = request.into_parts();
        if !is_json(&head.headers) {
            let why = "the body must be `application/json`";
            return wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, code::INVALID_REQUEST, why);
        }
        if !accepts(&head.headers, "application/json") {
            let why = "the answer is `application/json`, which `Accept` does not let through";
            return wrong(StatusCode::NOT_ACCEPTABLE, None, code::INVALID_REQUEST, why);
        }
        let (bytes, _place) = match self.room.take(body, AGENT_LINE).await {
            Ok(body) => body,
            Err(not) => {
                let code = match not {
                    NotWhole::Broken => code::PARSE,
                    NotWhole::Busy => code::BUSY,
                    NotWhole::TooLarge(_) | NotWhole::Late => code::INVALID_REQUEST,
                };
                return wrong(not.status(), None, code, &not.to_string());
            }
        };
        match Message::read(&bytes) {
            Ok(Message::Request { id, method, params }) => {
                self.request(&head.headers, id, &method, params, asker).await
            }
            Ok(Message::Notification { method, params }) => {
                if method == "notifications/cancelled"
                    && let Ok(Some(named)) = headers::one(&head.headers, SESSION)
                    && let Ok(session) = self.sessions.of_id(&named, &asker.agent, &asker.visitor)
                {
                    session.cancel(params);
                }
                empty(StatusCode::ACCEPTED)
            }
            Ok(Message::Response { id, outcome }) => {
                if let Ok(Some(named)) = headers::one(&head.headers, SESSION)
                    && let Ok(session) = self.sessions.of_id(&named, &asker.agent, &asker.visitor)
                {
                    session.face.answered(id, outcome);
                }
                empty(StatusCode::ACCEPTED)
            }
            Err(malformed) => {
                wrong(StatusCode::BAD_REQUEST, malformed.id.as_deref(), malformed.code, &malformed.message)
            }
        }
    }

    async fn request(
        &self,
        headers: &HeaderMap,
        id: &str,
        method: &str,
        params: Option<&RawValue>,
        asker: &Asker,
    ) -> Answer {
        let era = match headers::agree(headers, method, params) {
            Ok(era) => era,
            Err(wrong) => return said_wrong(id, &wrong),
        };
        let opening = era == Era::Handshake && method == "initialize";
        let (session, under_way) = match self.enter(headers, asker, id, era, opening).await {
            Ok(entered) => entered,
            Err(answer) => return answer,
        };
        if era == Era::Stateless && method == "tools/call" {
            let (all, arguments) = session.face.mirrored(params);
            if let Err(wrong) = headers::repeats(headers, &all, &arguments) {
                return said_wrong(id, &wrong);
            }
        }
        match session.face.begin(id, method, params, !opening) {
            Begun::Said(answer, error) => {
                if opening {
                    self.sessions.end(&session).await;
                }
                json(status(era, error), answer)
            }
            Begun::Opened(answer) => {
                let mut answer = json(StatusCode::OK, answer);
                if let Ok(id) = HeaderValue::from_str(&session.id) {
                    answer.headers_mut().insert(SESSION, id);
                }
                answer
            }
            Begun::Listen(filter) if accepts(headers, "text/event-stream") => {
                stream(&session, &under_way, filter, Some(id), asker.visitor.lasts, asker.admission.clone())
            }
            Begun::Listen(_) => {
                let why = "a subscription is a stream, and `Accept` does not let `text/event-stream` through";
                wrong(StatusCode::NOT_ACCEPTABLE, Some(id), code::INVALID_REQUEST, why)
            }
            Begun::Slow(slow) => work(&session, under_way, id, slow, hears(headers)).await,
        }
    }

    /// The session of a request, and the request under way in it; or what is said instead. `opening`: it shakes hands.
    async fn enter(
        &self,
        headers: &HeaderMap,
        asker: &Asker,
        id: &str,
        era: Era,
        opening: bool,
    ) -> Result<(Arc<HttpSession>, Use), Answer> {
        let (agent, visitor) = (&asker.agent, &asker.visitor);
        let mut again = 0;
        loop {
            let session = match era {
                _ if opening => self.sessions.begin(agent, visitor, asker.peer).await,
                Era::Handshake => Ok(self.session(headers, asker, id)?),
                Era::Stateless => self.sessions.of_visitor(agent, visitor, asker.peer).await,
            };
            let session = session.map_err(|none| asker.no_session(&none, Some(id)))?;
            match session.begin() {
                Ok(under_way) => return Ok((session, under_way)),
                // It gave way before this was under way. Whoever names none has another.
                Err(NotBegun::Over) if again < MOST_AGAIN && (opening || era == Era::Stateless) => again += 1,
                Err(not) => return Err(asker.not_begun(&not, Some(id))),
            }
        }
    }

    /// The session that a request of the older generation names.
    #[expect(clippy::result_large_err, reason = "it is given back to the client and nowhere else")]
    fn session(&self, headers: &HeaderMap, asker: &Asker, id: &str) -> Result<Arc<HttpSession>, Answer> {
        match headers::one(headers, SESSION) {
            Ok(Some(named)) => self
                .sessions
                .of_id(&named, &asker.agent, &asker.visitor)
                .map_err(|none| asker.no_session(&none, Some(id))),
            Ok(None) => {
                let why = "`Mcp-Session-Id` is missing: the first request must be `initialize`";
                Err(wrong(StatusCode::BAD_REQUEST, Some(id), code::INVALID_REQUEST, why))
            }
            Err(wrong) => Err(said_wrong(id, &wrong)),
        }
    }

    /// The stream of what changes, as the older generation has it.
    fn get(&self, headers: &HeaderMap, asker: &Asker) -> Answer {
        if !accepts(headers, "text/event-stream") {
            return empty(StatusCode::NOT_ACCEPTABLE);
        }
        let Ok(Some(named)) = headers::one(headers, SESSION) else {
            return wrong(
                StatusCode::METHOD_NOT_ALLOWED,
                None,
                code::INVALID_REQUEST,
                "there is a stream for sessions alone",
            );
        };
        match self.sessions.of_id(&named, &asker.agent, &asker.visitor) {
            Ok(session) => match session.begin() {
                Ok(under_way) => {
                    let (lasts, admission) = (asker.visitor.lasts, asker.admission.clone());
                    stream(&session, &under_way, Filter::ALL, None, lasts, admission)
                }
                Err(not) => asker.not_begun(&not, None),
            },
            Err(none) => asker.no_session(&none, None),
        }
    }

    async fn delete(&self, headers: &HeaderMap, asker: &Asker) -> Answer {
        let Ok(Some(named)) = headers::one(headers, SESSION) else {
            return wrong(StatusCode::BAD_REQUEST, None, code::INVALID_REQUEST, "`Mcp-Session-Id` is missing");
        };
        match self.sessions.of_id(&named, &asker.agent, &asker.visitor) {
            Ok(session) => {
                self.sessions.end(&session).await;
                empty(StatusCode::NO_CONTENT)
            }
            Err(none) => asker.no_session(&none, None),
        }
    }
}

// So often a session may give way in front of one request.
const MOST_AGAIN: usize = 3;

impl Asker {
    fn not_begun(&self, not: &NotBegun, id: Option<&str>) -> Answer {
        let why = "too much is asked at once; wait for some of the answers";
        match not {
            NotBegun::TooMany => wrong(StatusCode::TOO_MANY_REQUESTS, id, code::BUSY, why),
            NotBegun::Over => self.no_session(&NoSession::Unknown, id),
        }
    }

    fn no_session(&self, none: &NoSession, id: Option<&str>) -> Answer {
        no_session(none, id, self.about.as_ref())
    }
}

fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// `/agents/NAME/mcp`; a name has no characters that a path would have to encode.
fn agent_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix("/agents/")?.strip_suffix("/mcp")?;
    (!name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))).then_some(name)
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<zeroize::Zeroizing<String>> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim().to_owned().into())
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether the client says that it takes a stream in answer to a request; one that says nothing may not know of any.
fn hears(headers: &HeaderMap) -> bool {
    headers.contains_key(ACCEPT) && accepts(headers, "text/event-stream")
}

pub(super) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let mut said = headers.get_all(ACCEPT).iter().peekable();
    if said.peek().is_none() {
        return true;
    }
    let family = kind.split('/').next().unwrap_or_default();
    said.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(|one| {
        let one = one.split(';').next().unwrap_or_default().trim();
        one.eq_ignore_ascii_case(kind)
            || one == "*/*"
            || one.strip_suffix("/*").is_some_and(|f| f.eq_ignore_ascii_case(family))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_tokens_are_read_strictly() {
        assert_eq!(agent_of("/agents/refund-helper/mcp"), Some("refund-helper"));
        for path in ["/agents//mcp", "/agents/a/b/mcp", "/agents/a%2fb/mcp", "/agents/a/mcp/", "/mcp", "/agents/a"] {
            assert_eq!(agent_of(path), None, "{path}");
        }
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            bearer(&headers).map(|token| token.to_string())
        };
        assert_eq!(with("Bearer x"), Some("x".into()));
        assert_eq!(with("bearer  x "), Some("x".into()));
        for value in ["Basic x", "Bearer", "Bearer ", "x"] {
            assert_eq!(with(value), None, "{value}");
        }
    }
}
