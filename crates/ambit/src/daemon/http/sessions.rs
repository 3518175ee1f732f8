//! Sessions of agents that come over HTTP. The generation that shakes hands has one for each `initialize`; the other has
//! none of its own, so that all requests of one token are one session here, which ends when nothing comes any more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ambit_core::action::Digest;
use subtle::ConstantTimeEq as _;

use crate::daemon::hello::Denied;
use crate::daemon::socket::{Host, Peer};
use crate::gate::mcp::face::Face;
use crate::gate::mcp::{Ended, Passage};

/// One session.
pub(super) struct HttpSession {
    pub passage: Arc<dyn Passage>,
    pub face: Face,
    pub id: String,
    agent: String,
    token: Digest,
    started: Instant,
    // Seconds after the start at which it was last used, and requests under way.
    used: AtomicI64,
    under_way: AtomicUsize,
}

/// A request under way; it is over when this is dropped.
pub(super) struct Use(Arc<HttpSession>);

impl Drop for Use {
    fn drop(&mut self) {
        self.0.touch();
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Every session that is open.
pub(super) struct HttpSessions {
    host: Arc<dyn Host>,
    // By the id that the client was given, or for the generation that has none by its token.
    open: Mutex<BTreeMap<String, Arc<HttpSession>>>,
    // One at a time opens the session of a token, so that it is opened once.
    opening: tokio::sync::Mutex<()>,
}

/// Why there is no session for a request.
pub(super) enum NoSession {
    /// The token does not open this agent's gate.
    Denied(Denied),
    /// There is no such session (any more); the client begins anew.
    Unknown,
}

const IDLE: Duration = Duration::from_secs(30 * 60);
const TIDY: Duration = Duration::from_secs(15);
/// Requests of one session that may be under way at once.
pub(super) const MOST_UNDER_WAY: usize = 256;

impl HttpSessions {
    pub(super) fn new(host: Arc<dyn Host>) -> Arc<HttpSessions> {
        Arc::new(HttpSessions { host, open: Mutex::default(), opening: tokio::sync::Mutex::default() })
    }

    /// Opens a session for a client that shakes hands.
    pub(super) async fn begin(&self, agent: &str, token: &str, peer: Peer) -> Result<Arc<HttpSession>, NoSession> {
        let session = self.enter(agent, token, peer).await?;
        self.lock().insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// The session of that id, for who has its token.
    pub(super) fn of_id(&self, id: &str, agent: &str, token: &str) -> Result<Arc<HttpSession>, NoSession> {
        let session = self.lock().get(id).cloned().ok_or(NoSession::Unknown)?;
        if session.agent != agent || !session.is_of(token) || session.is_severed() {
            // Somebody else's session is no session.
            return Err(NoSession::Unknown);
        }
        Ok(session)
    }

    /// The one session of that token, for clients that do not shake hands.
    pub(super) async fn of_token(&self, agent: &str, token: &str, peer: Peer) -> Result<Arc<HttpSession>, NoSession> {
        let key = format!("token/{agent}/{}", digest(token));
        let found =
            |sessions: &HttpSessions| sessions.lock().get(&key).filter(|session| !session.is_severed()).cloned();
        if let Some(session) = found(self) {
            return Ok(session);
        }
        let _opening = self.opening.lock().await;
        if let Some(session) = found(self) {
            return Ok(session);
        }
        let session = self.enter(agent, token, peer).await?;
        let before = self.lock().insert(key, Arc::clone(&session));
        if let Some(before) = before {
            self.host.left(before.passage.as_ref(), &Ended::Severed).await;
        }
        Ok(session)
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

    async fn enter(&self, agent: &str, token: &str, peer: Peer) -> Result<Arc<HttpSession>, NoSession> {
        let passage = self.host.agent(agent, token, peer).await.map_err(NoSession::Denied)?;
        let session = Arc::new(HttpSession {
            face: Face::new(Arc::clone(&passage)),
            id: passage.caller().session.clone(),
            agent: agent.to_owned(),
            token: digest(token),
            started: Instant::now(),
            used: AtomicI64::new(0),
            under_way: AtomicUsize::new(0),
            passage,
        });
        tokio::spawn(hear(Arc::downgrade(&session), session.passage.news()));
        Ok(session)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<HttpSession>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has the face forget what changed, until the session is over.
async fn hear(session: std::sync::Weak<HttpSession>, mut news: tokio::sync::watch::Receiver<crate::gate::mcp::News>) {
    let mut before = *news.borrow_and_update();
    while news.changed().await.is_ok() {
        let now = *news.borrow_and_update();
        let Some(session) = session.upgrade() else { return };
        session.face.heard(before, now).await;
        if now.severed {
            return;
        }
        before = now;
    }
}

impl HttpSession {
    /// Begins a request; `None` when too many are under way.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Use> {
        let before = self.under_way.fetch_add(1, Ordering::AcqRel);
        let begun = Use(Arc::clone(self));
        (before < MOST_UNDER_WAY).then_some(begun)
    }

    fn is_of(&self, token: &str) -> bool {
        self.token.0.ct_eq(&digest(token).0).into()
    }

    fn is_severed(&self) -> bool {
        self.passage.news().borrow().severed
    }

    fn touch(&self) {
        let seconds = i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.used.store(seconds, Ordering::Relaxed);
    }

    fn over(&self) -> Option<Ended> {
        if self.is_severed() {
            return Some(Ended::Severed);
        }
        let now = i64::try_from(self.started.elapsed().as_secs()).unwrap_or(i64::MAX);
        let idle = now.saturating_sub(self.used.load(Ordering::Relaxed));
        let unused =
            self.under_way.load(Ordering::Acquire) == 0 && idle > i64::try_from(IDLE.as_secs()).unwrap_or(i64::MAX);
        unused.then_some(Ended::Closed)
    }
}

fn digest(token: &str) -> Digest {
    Digest::of("ambit/http-token/1", &[token.as_bytes()])
}
