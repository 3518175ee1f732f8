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
    // Resources that it hears of, by system and URI; how often it asked for each.
    hears: BTreeMap<(String, String), usize>,
}

// Of so many resources one session may hear.
const HEARS: usize = 1_024;

impl Sessions {
    /// Adds a session; its end of the line.
    pub fn open(&self, session: Arc<Session>) -> watch::Receiver<News> {
        let (news, receiver) = watch::channel(News::default());
        self.lock().insert(session.id.clone(), Open { session, news, hears: BTreeMap::new() });
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

    /// Has a session hear of changes of a resource; whether it is open, and may hear of so many.
    pub fn hear_of(&self, id: &str, system: &str, uri: &str) -> bool {
        let mut all = self.lock();
        let Some(open) = all.get_mut(id).filter(|open| open.hears.len() < HEARS) else { return false };
        *open.hears.entry((system.to_owned(), uri.to_owned())).or_default() += 1;
        true
    }

    /// Ends what [`Sessions::hear_of`] began, once.
    pub fn hear_no_more(&self, id: &str, system: &str, uri: &str) {
        let mut all = self.lock();
        let Some(open) = all.get_mut(id) else { return };
        let key = (system.to_owned(), uri.to_owned());
        let left = open.hears.get_mut(&key).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            open.hears.remove(&key);
        }
    }

    /// Whether any session of an agent hears of changes of that resource.
    #[must_use]
    pub fn anybody_hears_of(&self, agent: &str, system: &str, uri: &str) -> bool {
        let key = (system.to_owned(), uri.to_owned());
        self.lock().values().any(|open| open.session.agent == agent && open.hears.contains_key(&key))
    }

    /// Tells the sessions of an agent that hear of a resource that it changed.
    pub fn updated(&self, agent: &str, system: &str, uri: &str) {
        let key = (system.to_owned(), uri.to_owned());
        let all = self.lock();
        for open in all.values().filter(|open| open.session.agent == agent && open.hears.contains_key(&key)) {
            open.news.send_modify(|news| *Arc::make_mut(&mut news.updated).entry(uri.to_owned()).or_default() += 1);
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
