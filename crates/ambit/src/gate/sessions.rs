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
    // Resources that it wants to hear of, by system and URI.
    hears: BTreeMap<(String, String), Hears>,
}

/// How often a session asked to hear of a resource, and how often it may.
#[derive(Default)]
struct Hears {
    asked: usize,
    permitted: usize,
}

// Of so many resources one session may hear.
const HEARS: usize = 1_024;
// A longer URI is nobody's.
const URI: usize = 8 << 10;

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

    /// Keeps a place for a resource of which a session wants to hear; whether it is open, and may hear of so many.
    pub fn hear_of(&self, id: &str, system: &str, uri: &str) -> bool {
        let mut all = self.lock();
        let Some(open) = all.get_mut(id).filter(|open| open.hears.len() < HEARS && uri.len() <= URI) else {
            return false;
        };
        open.hears.entry((system.to_owned(), uri.to_owned())).or_default().asked += 1;
        true
    }

    /// Has a session hear of changes of a resource, which was permitted.
    pub fn hears(&self, id: &str, system: &str, uri: &str) {
        let mut all = self.lock();
        let key = (system.to_owned(), uri.to_owned());
        if let Some(hears) = all.get_mut(id).and_then(|open| open.hears.get_mut(&key)) {
            hears.permitted = hears.asked.min(hears.permitted + 1);
        }
    }

    /// Has the sessions of an agent hear of no resource any more: what was permitted was so under another release. They are
    /// told that lists changed, and may ask again.
    pub fn permit_nothing(&self, agent: &str) {
        for open in self.lock().values_mut().filter(|open| open.session.agent == agent) {
            open.hears.values_mut().for_each(|hears| hears.permitted = 0);
        }
    }

    /// Ends what [`Sessions::hear_of`] began, once.
    pub fn hear_no_more(&self, id: &str, system: &str, uri: &str) {
        let mut all = self.lock();
        let Some(open) = all.get_mut(id) else { return };
        let key = (system.to_owned(), uri.to_owned());
        let left = open.hears.get_mut(&key).map(|hears| {
            hears.asked = hears.asked.saturating_sub(1);
            hears.permitted = hears.permitted.min(hears.asked);
            hears.asked
        });
        if left == Some(0) {
            open.hears.remove(&key);
            let still = open.hears.keys().any(|(_, other)| other == uri);
            // Nobody needs to be told of that.
            open.news.send_if_modified(|news| {
                if !still && news.updated.contains_key(uri) {
                    Arc::make_mut(&mut news.updated).remove(uri);
                }
                false
            });
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
        for open in all.values().filter(|open| is_told(open, agent, &key)) {
            open.news.send_modify(|news| *Arc::make_mut(&mut news.updated).entry(uri.to_owned()).or_default() += 1);
        }
    }

    /// How many sessions of an agent are open.
    #[must_use]
    pub fn count(&self, agent: &str) -> usize {
        self.lock().values().filter(|open| open.session.agent == agent).count()
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

fn is_told(open: &Open, agent: &str, key: &(String, String)) -> bool {
    open.session.agent == agent && open.hears.get(key).is_some_and(|hears| hears.permitted > 0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn session(id: &str) -> Arc<Session> {
        let askers = BTreeSet::new();
        Arc::new(Session { id: id.into(), agent: "a".into(), askers, task: None, peer_user: None })
    }

    #[test]
    fn a_session_hears_of_what_it_was_permitted_under_the_release_that_holds() {
        let sessions = Sessions::default();
        let (one, two) = (sessions.open(session("1")), sessions.open(session("2")));
        let told = |of: &watch::Receiver<News>| of.borrow().updated.get("u").copied().unwrap_or_default();
        for id in ["1", "2"] {
            assert!(sessions.hear_of(id, "s", "u"));
        }
        sessions.hears("1", "s", "u");
        sessions.updated("a", "s", "u");
        // The other one asked, and has no answer yet.
        assert_eq!((told(&one), told(&two)), (1, 0));
        sessions.permit_nothing("a");
        sessions.updated("a", "s", "u");
        assert_eq!(told(&one), 1);
        // It asks again before it lets go of what it asked for first.
        assert!(sessions.hear_of("1", "s", "u"));
        sessions.hears("1", "s", "u");
        sessions.hear_no_more("1", "s", "u");
        sessions.updated("a", "s", "u");
        assert_eq!(told(&one), 2);
        sessions.hear_no_more("1", "s", "u");
        assert!(sessions.anybody_hears_of("a", "s", "u"));
        sessions.hear_no_more("2", "s", "u");
        assert!(!sessions.anybody_hears_of("a", "s", "u") && told(&one) == 0);
        assert!(!sessions.hear_of("1", "s", &"u".repeat(URI + 1)));
    }
}
