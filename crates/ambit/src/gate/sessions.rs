//! The sessions that are open, and the line by which each is told of changes, or cut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::mcp::News;
use super::session::Session;

/// The sessions that are open.
#[derive(Default)]
pub struct Sessions(Mutex<BTreeMap<String, Open>>);

struct Open {
    session: Arc<Session>,
    news: watch::Sender<News>,
}

impl Sessions {
    /// Adds a session; its end of the line.
    pub fn open(&self, session: Arc<Session>) -> watch::Receiver<News> {
        let (news, receiver) = watch::channel(News::default());
        self.lock().insert(session.id.clone(), Open { session, news });
        receiver
    }

    /// Takes a session out.
    pub fn close(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Cuts every session of an agent, or of everybody; their ids.
    pub fn sever(&self, agent: Option<&str>) -> Vec<String> {
        self.cut(|session| agent.is_none_or(|agent| session.agent == agent))
    }

    /// Cuts every session that works on a task; their ids.
    pub fn sever_task(&self, task: &str) -> Vec<String> {
        self.cut(|session| session.task.as_ref().is_some_and(|of| of.id == task))
    }

    fn cut(&self, whose: impl Fn(&Session) -> bool) -> Vec<String> {
        let mut open = self.lock();
        let ids: Vec<String> = open.iter().filter(|(_, open)| whose(&open.session)).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            if let Some(open) = open.remove(id) {
                open.news.send_modify(|news| news.severed = true);
            }
        }
        ids
    }

    /// Tells every session of an agent what changed.
    pub fn tell(&self, agent: &str, change: impl Fn(&mut News)) {
        for open in self.lock().values().filter(|open| open.session.agent == agent) {
            open.news.send_modify(&change);
        }
    }

    /// Every open session, by id.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.lock().values().map(|open| Arc::clone(&open.session)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
