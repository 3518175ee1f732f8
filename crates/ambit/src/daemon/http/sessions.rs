//! Sessions of agents that come over HTTP. The generation that shakes hands has one for each `initialize`; the other has
//! none of its own, so that all requests of one token, or of one principal of an issuer, are one session here, which ends
//! when nothing comes any more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ambit_core::action::Digest;
use serde_json::value::RawValue;
use subtle::ConstantTimeEq as _;

use crate::daemon::hello::Denied;
use crate::daemon::socket::{Host, MakesRoom, Peer};
use crate::daemon::visitor::Visitor;
use crate::gate::mcp::face::Face;
use crate::gate::mcp::{Ended, Passage};
use crate::gate::rpc::Members;
use crate::gate::talk::Cancel;
use crate::world::Later;

/// One session.
pub(super) struct HttpSession {
    pub passage: Arc<dyn Passage>,
    pub face: Face,
    pub id: String,
    agent: String,
    bound_to: Digest,
    started: Instant,
    // Milliseconds after the start at which it was last used.
    used: AtomicU64,
    // Requests under way and streams open, and whether it gave way to another: one number, so that none of them begins
    // while it does.
    busy: AtomicU64,
    // What lets go of requests, by raw id.
    asked: Mutex<BTreeMap<String, Cancel>>,
}

/// A request that can be let go of, until this is dropped.
pub(super) struct Asking(Arc<HttpSession>, String);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.asked().remove(&self.1);
    }
}

/// A stream that is open; it is over when this is dropped.
pub(super) struct Streaming(Arc<HttpSession>);

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(ONE_STREAM, Ordering::AcqRel);
    }
}

/// A request under way; it is over when this is dropped.
pub(super) struct Use(Arc<HttpSession>);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.touch();
        self.0.busy.fetch_sub(ONE_REQUEST, Ordering::AcqRel);
    }
}

/// Every session that is open.
pub(super) struct HttpSessions {
    host: Arc<dyn Host>,
    // By the id that the client was given, or for the generation that has none by who comes.
    open: Mutex<BTreeMap<String, Arc<HttpSession>>>,
    // One at a time opens the session of somebody, so that it is opened once.
    opening: tokio::sync::Mutex<()>,
}

/// Why there is no session for a request.
pub(super) enum NoSession {
    /// The token does not open this agent's gate.
    Denied(Denied),
    /// There is no such session (any more); the client begins anew.
    Unknown,
}

/// Why a request does not begin.
pub(super) enum NotBegun {
    /// Too many are under way.
    TooMany,
    /// The session gave way to another meanwhile.
    Over,
}

const IDLE: Duration = Duration::from_secs(30 * 60);
const TIDY: Duration = Duration::from_secs(15);
// Requests of one session that may be under way at once, and streams that may be open.
const MOST_UNDER_WAY: u64 = 256;
const MOST_STREAMS: u64 = 16;
// How they are counted in one number.
const ONE_REQUEST: u64 = 1;
const ONE_STREAM: u64 = 1 << 24;
const GAVE_WAY: u64 = 1 << 48;

impl HttpSessions {
    pub(super) fn new(host: Arc<dyn Host>) -> Arc<HttpSessions> {
        let sessions = HttpSessions { host, open: Mutex::default(), opening: tokio::sync::Mutex::default() };
        let sessions = Arc::new(sessions);
        let makes_room: Arc<dyn MakesRoom> = Arc::clone(&sessions) as Arc<_>;
        sessions.host.makes_room(Arc::downgrade(&makes_room));
        sessions
    }

    /// Who the token proves to be, where it opens that agent's gate; opens nothing.
    pub(super) async fn know(&self, agent: &str, token: &str, peer: Peer) -> Result<Visitor, Denied> {
        // A token of ours is not looked up again while its session is open: whatever ends it cuts its sessions.
        let visitor = Visitor::of_token(token);
        let open = self.lock().get(&key(agent, &visitor)).is_some_and(|session| !session.is_severed());
        if open && self.host.takes_tokens(agent) {
            return Ok(visitor);
        }
        self.host.knows(agent, token, peer).await
    }

    /// Opens a session for a client that shakes hands. In a task of its own: a client that goes away meanwhile must not
    /// leave one that nobody ends.
    pub(super) async fn begin(
        self: &Arc<Self>,
        agent: &str,
        visitor: &Arc<Visitor>,
        peer: Peer,
    ) -> Result<Arc<HttpSession>, NoSession> {
        let (sessions, agent, visitor) = (Arc::clone(self), agent.to_owned(), Arc::clone(visitor));
        let opened = tokio::spawn(async move {
            let session = sessions.enter(&agent, &visitor, peer).await?;
            sessions.lock().insert(session.id.clone(), Arc::clone(&session));
            Ok(session)
        });
        opened.await.unwrap_or(Err(NoSession::Unknown))
    }

    /// The session of that id, for whose it is.
    pub(super) fn of_id(&self, id: &str, agent: &str, visitor: &Visitor) -> Result<Arc<HttpSession>, NoSession> {
        // Those of tokens have names that no id has.
        let session = self.lock().get(id).filter(|session| session.id == id).cloned().ok_or(NoSession::Unknown)?;
        if session.agent != agent || !session.is_of(visitor) || session.is_severed() {
            // Somebody else's session is no session.
            return Err(NoSession::Unknown);
        }
        Ok(session)
    }

    /// The one session of whoever comes, for clients that do not shake hands. As [`HttpSessions::begin`].
    pub(super) async fn of_visitor(
        self: &Arc<Self>,
        agent: &str,
        visitor: &Arc<Visitor>,
        peer: Peer,
    ) -> Result<Arc<HttpSession>, NoSession> {
        let key = key(agent, visitor);
        if let Some(session) = self.live(&key) {
            return Ok(session);
        }
        let (sessions, agent, visitor) = (Arc::clone(self), agent.to_owned(), Arc::clone(visitor));
        let opened = tokio::spawn(async move {
            let _opening = sessions.opening.lock().await;
            if let Some(session) = sessions.live(&key) {
                return Ok(session);
            }
            let session = sessions.enter(&agent, &visitor, peer).await?;
            let before = sessions.lock().insert(key, Arc::clone(&session));
            if let Some(before) = before {
                sessions.host.left(before.passage.as_ref(), &Ended::Severed).await;
            }
            Ok(session)
        });
        opened.await.unwrap_or(Err(NoSession::Unknown))
    }

    fn live(&self, key: &str) -> Option<Arc<HttpSession>> {
        self.lock().get(key).filter(|session| !session.is_severed()).cloned()
    }

    /// Ends a session that its client does not want any more.
    pub(super) async fn end(&self, session: &HttpSession) {
        let removed = self.lock().remove(&session.id);
        if let Some(session) = removed {
            self.host.left(session.passage.as_ref(), &Ended::Closed).await;
        }
    }

    /// Ends what was severed, and what nobody used for long; for as long as it is polled.
    pub(super) async fn tidy_often(&self) {
        loop {
            tokio::time::sleep(TIDY).await;
            let over: Vec<(Arc<HttpSession>, Ended)> = {
                let mut open = self.lock();
                let over: Vec<(String, Ended)> =
                    open.iter().filter_map(|(key, session)| Some((key.clone(), session.over()?))).collect();
                over.into_iter().filter_map(|(key, how)| Some((open.remove(&key)?, how))).collect()
            };
            for (session, how) in over {
                self.host.left(session.passage.as_ref(), &how).await;
            }
        }
    }

    async fn enter(&self, agent: &str, visitor: &Visitor, peer: Peer) -> Result<Arc<HttpSession>, NoSession> {
        let passage = self.host.visit(agent, visitor, peer).await.map_err(NoSession::Denied)?;
        let session = Arc::new(HttpSession {
            face: Face::new(Arc::clone(&passage)),
            id: passage.caller().session.clone(),
            agent: agent.to_owned(),
            bound_to: visitor.bound_to,
            started: Instant::now(),
            used: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            asked: Mutex::default(),
            passage,
        });
        tokio::spawn(hear(Arc::downgrade(&session), session.passage.news()));
        Ok(session)
    }

    /// Takes the session of an agent that was idle longest, of those that are.
    fn take_idle(&self, agent: &str) -> Option<Arc<HttpSession>> {
        let mut open = self.lock();
        let mut idle: Vec<(Instant, String)> = open
            .iter()
            .filter(|(_, session)| session.agent == agent && session.is_idle())
            .map(|(key, session)| (session.last_used(), key.clone()))
            .collect();
        idle.sort();
        // What was idle a moment ago may not be any more.
        let (_, key) = idle.into_iter().find(|(_, key)| open.get(key).is_some_and(|session| session.gives_way()))?;
        open.remove(&key)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<HttpSession>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MakesRoom for HttpSessions {
    fn make_room<'a>(&'a self, agent: &'a str) -> Later<'a, bool> {
        Box::pin(async move {
            let Some(session) = self.take_idle(agent) else { return false };
            self.host.left(session.passage.as_ref(), &Ended::Closed).await;
            true
        })
    }
}

/// Has the face forget what changed, until the session is over.
async fn hear(session: std::sync::Weak<HttpSession>, mut news: tokio::sync::watch::Receiver<crate::gate::mcp::News>) {
    let mut before = news.borrow_and_update().clone();
    while news.changed().await.is_ok() {
        let now = news.borrow_and_update().clone();
        let Some(session) = session.upgrade() else { return };
        session.face.heard(&before, &now);
        if now.severed {
            return;
        }
        before = now;
    }
}

impl HttpSession {
    /// Begins a request.
    pub(super) fn begin(self: &Arc<Self>) -> Result<Use, NotBegun> {
        let before = self.busy.fetch_add(ONE_REQUEST, Ordering::AcqRel);
        let begun = Use(Arc::clone(self));
        if before >= GAVE_WAY {
            return Err(NotBegun::Over);
        }
        if before % ONE_STREAM < MOST_UNDER_WAY { Ok(begun) } else { Err(NotBegun::TooMany) }
    }

    /// Notes what lets go of request `id`.
    pub(super) fn ask(self: &Arc<Self>, id: &str, cancel: Cancel) -> Asking {
        self.asked().insert(id.to_owned(), cancel);
        Asking(Arc::clone(self), id.to_owned())
    }

    /// Lets go of the request that a `notifications/cancelled` names.
    pub(super) fn cancel(&self, params: Option<&RawValue>) {
        let id = params.and_then(|params| Members::of(params).ok()?.get("requestId"));
        if let Some(cancel) = id.and_then(|id| self.asked().remove(id.get())) {
            cancel.now();
        }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, Cancel>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a stream while a request is under way; `None` when too many are open.
    pub(super) fn stream(self: &Arc<Self>, _under_way: &Use) -> Option<Streaming> {
        let before = self.busy.fetch_add(ONE_STREAM, Ordering::AcqRel);
        let opened = Streaming(Arc::clone(self));
        (before / ONE_STREAM < MOST_STREAMS).then_some(opened)
    }

    fn is_of(&self, visitor: &Visitor) -> bool {
        self.bound_to.0.ct_eq(&visitor.bound_to.0).into()
    }

    fn is_severed(&self) -> bool {
        self.passage.news().borrow().severed
    }

    fn touch(&self) {
        self.used.store(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When it was last used.
    fn last_used(&self) -> Instant {
        self.started.checked_add(Duration::from_millis(self.used.load(Ordering::Relaxed))).unwrap_or(self.started)
    }

    /// Whether no request is under way and no stream is open.
    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Acquire) == 0
    }

    /// Lets nothing begin any more, unless something is under way; whether that is so.
    fn gives_way(&self) -> bool {
        self.busy.compare_exchange(0, GAVE_WAY, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn over(&self) -> Option<Ended> {
        if self.is_severed() {
            return Some(Ended::Severed);
        }
        (self.is_idle() && self.last_used().elapsed() > IDLE).then_some(Ended::Closed)
    }
}

/// What the session of whoever comes is kept under.
fn key(agent: &str, visitor: &Visitor) -> String {
    format!("token/{agent}/{}", visitor.bound_to)
}
