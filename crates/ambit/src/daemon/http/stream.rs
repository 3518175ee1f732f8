//! The stream of what changes, for both generations.

use std::sync::Arc;
use std::time::Duration;

use ambit_core::action::Digest;
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::body::{Answered, event};
use super::said::{Answer, wrong};
use super::sessions::{HttpSession, Use};
use crate::daemon::socket::Host;
use crate::gate::mcp::listen::Filter;
use crate::gate::rpc::code;

// Between those who listen and us nobody must think that the stream is dead.
const ALIVE: Duration = Duration::from_secs(15);

/// What the release in force said of who comes in when somebody did.
#[derive(Clone)]
pub(super) struct Admitted {
    host: Arc<dyn Host>,
    agent: String,
    by: Option<Digest>,
}

impl Admitted {
    pub(super) fn now(host: &Arc<dyn Host>, agent: &str) -> Admitted {
        Admitted { host: Arc::clone(host), agent: agent.to_owned(), by: host.admits(agent) }
    }

    /// Whether it says so still. Where it does not, whoever is let in by what it says now comes again.
    fn holds(&self) -> bool {
        self.host.admits(&self.agent) == self.by
    }
}

/// Events for what changes, until the client goes away, the session is over, or who asked is no longer let in (`lasts`,
/// `admitted`). `id`: of the request that asked for them, which is under way.
pub(super) fn stream(
    session: &Arc<HttpSession>,
    under_way: &Use,
    filter: Filter,
    id: Option<&str>,
    lasts: Option<Duration>,
    admitted: Admitted,
) -> Answer {
    let (to, events) = mpsc::channel::<Bytes>(16);
    let (session, id) = (Arc::clone(session), id.map(str::to_owned));
    let mut news = session.passage.news();
    let Some(open) = session.stream(under_way) else {
        let why = "too many streams are open";
        return wrong(StatusCode::TOO_MANY_REQUESTS, id.as_deref(), code::BUSY, why);
    };
    tokio::spawn(async move {
        let _open = open;
        let over = async {
            match lasts {
                Some(lasts) => tokio::time::sleep(lasts).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(over);
        let mut before = news.borrow_and_update().clone();
        let (filter, _subscribed) = match filter.resources() {
            [] => (filter, None),
            _ => {
                let (filter, subscribed) = session.face.agree(filter).await;
                (filter, Some(subscribed))
            }
        };
        if let Some(id) = &id {
            let mut first = Vec::new();
            filter.acknowledge(&mut first, id);
            if to.send(event(&first)).await.is_err() {
                return;
            }
        }
        loop {
            let changed = tokio::select! {
                () = to.closed() => return,
                () = &mut over => return,
                changed = timeout(ALIVE, news.changed()) => changed,
            };
            let mut out = Vec::new();
            match changed {
                // Before anything is told: what changed may be who may hear of it.
                _ if !admitted.holds() => before.severed = true,
                Err(_) => {
                    if to.send(Bytes::from_static(b":\n\n")).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(Ok(())) => {
                    let now = news.borrow_and_update().clone();
                    filter.tell(&mut out, &before, &now, id.as_deref());
                    before = now;
                }
                Ok(Err(_)) => before.severed = true,
            }
            if before.severed
                && let Some(id) = &id
            {
                Filter::end(&mut out, id);
            }
            for message in out.split_inclusive(|byte| *byte == b'\n') {
                if to.send(event(message)).await.is_err() {
                    return;
                }
            }
            if before.severed {
                return;
            }
        }
    });
    self::events(events)
}

/// A stream of events.
pub(super) fn events(events: mpsc::Receiver<Bytes>) -> Answer {
    let mut answer = Response::new(Answered::Events(events));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}
