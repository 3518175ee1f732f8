//! Who comes in at the door: agents by their tokens, people by who they prove to be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use ambit_core::action::Digest;
use ambit_core::hold::Circle;
use ambit_core::time::Timestamp;
use serde_json::json;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::bearer::Admissions;
use super::callers::Calling;
use super::calls::{Call, CallError, Called};
use super::control::Control;
use super::hello::{Barrier, Denied};
use super::passage::AgentPassage;
use super::releases::Releases;
use super::socket::{Host, MakesRoom, Peer, number_of};
use super::systems::LiveSystems;
use super::visitor::{Proof, Visitor};
use crate::confirm::people::Enrolled;
use crate::escape::escape;
use crate::gate::mcp::{Ended, News, Passage};
use crate::gate::means::{InForce, Judges as _, Means};
use crate::gate::rpc::Lines;
use crate::gate::session::{OpenTask, Session};
use crate::gate::tasks;
use crate::journal::{Entry, Kind};
use crate::keys::caller::{self, CallerToken};
use crate::keys::people;
use crate::keys::signature::PublicKey;
use crate::keys::token::{self, Presented, Token};
use crate::store::{Durability, Store};
use crate::world::{Later, World};

/// Everything that those who come in need.
pub struct House {
    /// The journey's means.
    pub means: Arc<Means>,
    /// The live systems.
    pub live: Arc<LiveSystems>,
    /// What people may ask for.
    pub control: Control,
    /// Whose access tokens open which gate, as the releases have it.
    pub(super) admissions: Admissions,
    // Open sessions by token: a token used twice at once is a token that somebody else has.
    tokens: Mutex<BTreeMap<String, BTreeSet<String>>>,
    // Those who present a token that nobody knows.
    unknown: Mutex<Unknown>,
    // Who ends sessions that nobody uses.
    room: OnceLock<Weak<dyn MakesRoom>>,
    // How many of each agent's sessions are being opened: each of those who come at once counts the others.
    coming: Mutex<BTreeMap<String, usize>>,
}

/// Somebody whose session is being opened, until this is dropped.
struct Coming<'a>(&'a House, &'a str);

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        let mut coming = self.0.coming();
        let left = coming.get(self.1).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            coming.remove(self.1);
        } else {
            coming.insert(self.1.to_owned(), left);
        }
    }
}

// Whoever guesses is recorded, and does not fill the disk.
const UNKNOWN_EVERY_MS: i64 = 10_000;

/// When somebody last presented a token that opens nothing, as it was recorded; and how many came since.
#[derive(Default)]
pub(super) struct Unknown(Option<Timestamp>, u64);

impl Unknown {
    /// Whether the one who comes now is recorded, and how many were not since the last.
    pub(super) fn is_told(&mut self, now: Timestamp) -> Option<u64> {
        if !self.is_over(now) {
            self.1 = self.1.saturating_add(1);
            return None;
        }
        let more = self.1;
        *self = Unknown(Some(now), 0);
        Some(more)
    }

    /// Whether the last is so long ago that the next is recorded.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.0.is_none_or(|at| now.0.saturating_sub(at.0) >= UNKNOWN_EVERY_MS)
    }
}

impl House {
    /// A house in which nobody is yet.
    #[must_use]
    pub fn new(means: Arc<Means>, live: Arc<LiveSystems>, control: Control) -> House {
        let admissions = Admissions::default();
        let (tokens, unknown, coming) = (Mutex::default(), Mutex::default(), Mutex::default());
        House { means, live, control, admissions, tokens, unknown, room: OnceLock::new(), coming }
    }

    async fn let_in(&self, agent: &str, presented: &str, peer: Peer) -> Result<Arc<dyn Passage>, Denied> {
        let (token, task) = self.recognise(agent, presented, peer).await?;
        self.open(agent, Newcomer::of(token, task), peer).await
    }

    async fn open(&self, agent: &str, newcomer: Newcomer, peer: Peer) -> Result<Arc<dyn Passage>, Denied> {
        let (session, news) = self.begin(agent, newcomer, peer).await?;
        Ok(Arc::new(AgentPassage::new(Arc::clone(&self.means), Arc::clone(&self.live), session, news)))
    }

    /// Opens the session of somebody who proved to be an agent, and records that it began; with its line.
    pub(super) async fn begin(
        &self,
        agent: &str,
        newcomer: Newcomer,
        peer: Peer,
    ) -> Result<(Arc<Session>, watch::Receiver<News>), Denied> {
        let Newcomer { askers, task, token, details: who } = newcomer;
        let details = |more: serde_json::Value| {
            let (serde_json::Value::Object(mut all), serde_json::Value::Object(more)) = (who.clone(), more) else {
                return who.clone();
            };
            all.extend(more);
            all.into()
        };
        let _coming = self.comes(agent);
        if self.is_full(agent)
            && let Some(room) = self.room.get().and_then(Weak::upgrade)
        {
            // Where none of them is idle it is turned away.
            room.make_room(agent).await;
        }
        if let Some(why) = self.turned_away(agent, peer) {
            let entry = Entry {
                agent: Some(agent.to_owned()),
                details: details(json!({ "flag": why.message, "user": peer.user })),
                ..Entry::new(Kind::Flagged)
            };
            self.means.record(vec![entry], |_| Vec::new(), Durability::Soon).await.map_err(|error| fault(&error))?;
            return Err(why);
        }
        if let Some(user) = peer.user {
            self.means.users.note(&self.means.journal, agent, user).await.map_err(|error| fault(&error))?;
        }
        let id = self.means.chance().map_err(|error| fault(&error))?.to_string().split_off(48);
        let session = Arc::new(Session { id: id.clone(), agent: agent.to_owned(), askers, task, peer_user: peer.user });
        let mut entries = vec![Entry {
            agent: Some(agent.to_owned()),
            session: Some(id.clone()),
            details: details(json!({ "user": peer.user, "process": peer.process })),
            ..Entry::new(Kind::SessionOpened)
        }];
        // A principal may come as often as it likes: its tokens are short, and its issuer counts them.
        let twice = token.and_then(|token| {
            let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let open = tokens.entry(token.clone()).or_default();
            // What was cut meanwhile uses nothing.
            let still: BTreeSet<String> = self.means.sessions.all().iter().map(|session| session.id.clone()).collect();
            open.retain(|id| still.contains(id));
            open.insert(id.clone());
            (open.len() == 2).then(|| (token, open.iter().cloned().collect::<Vec<_>>()))
        });
        let mut puts = Vec::new();
        if let Some((token, sessions)) = twice {
            let text = format!("the token `{token}` of `{agent}` is used by {} clients at once", sessions.len());
            entries.push(Entry {
                agent: Some(agent.to_owned()),
                session: Some(id.clone()),
                details: json!({ "flag": "token used twice at once", "token": token, "sessions": sessions }),
                ..Entry::new(Kind::Flagged)
            });
            let chance = self.means.chance().map_err(|error| fault(&error))?;
            puts.push(crate::confirm::notice::put(self.means.now(), chance, agent, text));
        }
        self.means.record(entries, move |_| puts, Durability::Now).await.map_err(|error| fault(&error))?;
        let news = self.means.sessions.open(Arc::clone(&session));
        if let Some(task) = &session.task
            && self.means.tasks.get(&task.id).is_none()
        {
            // It ended meanwhile, and cut the sessions that it found. Whoever is in nevertheless is refused everything.
            self.means.sessions.sever_task(&task.id);
        }
        Ok((session, news))
    }

    /// Closes a session, and records that it ended.
    pub(super) async fn end(&self, agent: &str, session: &str, how: &str) {
        self.means.sessions.close(session);
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, open| {
            open.remove(session);
            !open.is_empty()
        });
        let entry = Entry {
            agent: Some(agent.to_owned()),
            session: Some(session.to_owned()),
            details: json!({ "how": escape(how) }),
            ..Entry::new(Kind::SessionClosed)
        };
        if let Err(error) = self.means.record(vec![entry], |_| Vec::new(), Durability::Soon).await {
            tracing::error!(%error, "the end of a session could not be recorded");
        }
    }
}

/// Somebody who proved to be an agent, and whose session is still to be opened.
pub(super) struct Newcomer {
    askers: BTreeSet<String>,
    task: Option<Arc<OpenTask>>,
    // The id of the token, where it is one of ours and its use by several at once says something.
    token: Option<String>,
    // Who it is, for records.
    details: serde_json::Value,
}

impl Newcomer {
    /// The same, as one of several that come with one token, as a rule.
    pub(super) fn in_a_pool(self) -> Newcomer {
        Newcomer { token: None, ..self }
    }

    /// Whoever has that token.
    pub(super) fn of(token: Token, task: Option<Arc<OpenTask>>) -> Newcomer {
        let details = json!({ "token": token.id, "task": token.task });
        Newcomer { askers: askers(&token, task.as_deref()), task, token: Some(token.id), details }
    }
}

pub(super) fn fault(error: &dyn std::fmt::Display) -> Denied {
    Denied::new(format!("nobody can be let in: {error}"), "the person who runs Ambit must look at its log")
}

/// The people who count as asking in a session: whose hands the agent is in (who made the token, unless they said that
/// it runs in nobody's), who opened the task, and for whom it runs.
fn askers(token: &Token, task: Option<&OpenTask>) -> BTreeSet<String> {
    let of_task = task.into_iter().flat_map(|task| [Some(&task.opened_by), task.on_behalf_of.as_ref()]);
    of_task.flatten().chain(&token.held_by).cloned().collect()
}

/// Sessions of one agent at once. People must always find the door open.
const SESSIONS: usize = 16;

impl House {
    /// The token that somebody presents, and the task that it is bound to. Whoever presents another is recorded.
    pub(super) async fn recognise(
        &self,
        agent: &str,
        presented: &str,
        peer: Peer,
    ) -> Result<(Token, Option<Arc<OpenTask>>), Denied> {
        let store = self.means.store.as_ref();
        let found = token::verify(store, presented).map_err(|error| fault(&error))?;
        let caller = match &found {
            Presented::Unknown => match caller::verify(store, presented).map_err(|error| fault(&error))? {
                caller::Presented::Valid(token) | caller::Presented::Revoked(token) => Some(token),
                caller::Presented::Unknown => None,
            },
            Presented::Valid(_) | Presented::Revoked(_) => None,
        };
        self.recognised(agent, found, caller, peer).await
    }

    /// As [`House::recognise`], where it is known already which token somebody has; `caller`: a caller's, which is none.
    pub(super) async fn recognised(
        &self,
        agent: &str,
        found: Presented,
        caller: Option<CallerToken>,
        peer: Peer,
    ) -> Result<(Token, Option<Arc<OpenTask>>), Denied> {
        let mut over = false;
        let (why, of) = match found {
            Presented::Valid(token) if token.agent == agent => match &token.task {
                None => return Ok((token, None)),
                Some(id) => match tasks::open_task(&self.means, agent, id).map_err(|error| fault(&error))? {
                    Some(task) => return Ok((token, Some(Arc::new(task)))),
                    None => {
                        over = true;
                        ("the token's task is over", Some(token))
                    }
                },
            },
            Presented::Valid(token) => ("the token is another agent's", Some(token)),
            Presented::Revoked(token) if token.task.is_some() => {
                over = token.agent == agent;
                ("the token's task is over", Some(token))
            }
            Presented::Revoked(token) => ("the token was revoked", Some(token)),
            Presented::Unknown if caller.is_some() => ("a caller's token was presented as an agent's", None),
            Presented::Unknown => ("the token is not known", None),
        };
        let id = of.as_ref().map(|token| &token.id).or(caller.as_ref().map(|token| &token.id));
        let mut details = json!({ "flag": why, "presented-for": escape(agent), "token": id, "user": peer.user });
        if let (Some(details), Some(caller)) = (details.as_object_mut(), &caller) {
            details.insert("caller".into(), caller.caller.as_str().into());
        }
        self.flag(of.is_none() && caller.is_none(), of.map(|token| token.agent), details).await?;
        if over {
            // Whoever had the token of a task may know that the task is over.
            let help = "a person opens another task (`ambit task open`) if something is left to do";
            return Err(Denied::new("the task that this token was for is over", help));
        }
        // Whose token it is, or that there is such an agent, is nothing that the other end learns.
        let help =
            format!("a person runs `ambit token {}` and gives the client the new token in AMBIT_TOKEN", escape(agent));
        Err(Denied::new("the token does not open this agent's gate", help))
    }

    /// Records that somebody was not let in. `unknown`: nobody could say whose token it is, so not every one is recorded.
    pub(super) async fn flag(
        &self,
        unknown: bool,
        agent: Option<String>,
        details: serde_json::Value,
    ) -> Result<(), Denied> {
        self.flag_told(self.is_told(unknown), agent, details).await
    }

    /// As [`House::flag`], where it is known already whether it is recorded, and how many were not since the last.
    pub(super) async fn flag_told(
        &self,
        told: Option<u64>,
        agent: Option<String>,
        mut details: serde_json::Value,
    ) -> Result<(), Denied> {
        let Some(more) = told else { return Ok(()) };
        if let (Some(details), true) = (details.as_object_mut(), more > 0) {
            details.insert("and-before".into(), more.into());
        }
        let entry = Entry { agent, details, ..Entry::new(Kind::Flagged) };
        self.means.record(vec![entry], |_| Vec::new(), Durability::Now).await.map_err(|error| fault(&error))?;
        Ok(())
    }

    /// Whether a token that opens nothing is recorded now, and how many were not since the last. One that is somebody's
    /// always is.
    pub(super) fn is_told(&self, unknown: bool) -> Option<u64> {
        if !unknown {
            return Some(0);
        }
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).is_told(self.means.now())
    }

    /// Counts one that comes in.
    fn comes<'a>(&'a self, agent: &'a str) -> Coming<'a> {
        *self.coming().entry(agent.to_owned()).or_default() += 1;
        Coming(self, agent)
    }

    fn coming(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an agent has more sessions than it may, with those that are being opened.
    fn is_full(&self, agent: &str) -> bool {
        let coming = self.coming().get(agent).copied().unwrap_or_default();
        self.means.sessions.count(agent).saturating_add(coming) > SESSIONS
    }

    /// Why a token that is good does not open the gate now.
    fn turned_away(&self, agent: &str, peer: Peer) -> Option<Denied> {
        if self.is_full(agent) {
            let help = "end clients that nobody needs, or give the work to several agents";
            return Some(
                Denied::new(format!("{SESSIONS} clients of this agent are at work already"), help).by(Barrier::Busy),
            );
        }
        // A release that names the agent's user is a promise that it is another than Ambit's: only that user is the agent.
        let InForce::Judge(judge) = self.control.releases().in_force(agent, self.means.now()) else { return None };
        let wanted = self.live.fleet(agent, &judge).ok()?.config.agents.get(agent)?.os_user.clone()?;
        if peer.user.is_some() && number_of("/etc/passwd", &wanted) == peer.user {
            return None;
        }
        let help =
            format!("start the client as `{wanted}`, or release a scope whose `ambit.toml` names another `os-user`");
        Some(Denied::new("the agent does not run as the operating-system user that its release names", help))
    }
}

impl Host for House {
    fn agent<'a>(&'a self, agent: &'a str, token: &'a str, peer: Peer) -> Later<'a, Result<Arc<dyn Passage>, Denied>> {
        Box::pin(self.let_in(agent, token, peer))
    }

    fn knows<'a>(&'a self, agent: &'a str, token: &'a str, peer: Peer) -> Later<'a, Result<Visitor, Denied>> {
        Box::pin(self.bearer(agent, token, peer))
    }

    fn takes_tokens(&self, agent: &str) -> bool {
        self.admission(agent).takes_tokens()
    }

    fn admits(&self, agent: &str) -> Option<Digest> {
        Some(self.admission(agent).digest())
    }

    fn visit<'a>(
        &'a self,
        agent: &'a str,
        visitor: &'a Visitor,
        peer: Peer,
    ) -> Later<'a, Result<Arc<dyn Passage>, Denied>> {
        Box::pin(async move {
            match &visitor.proof {
                Proof::Token(token) => self.let_in(agent, token, peer).await,
                Proof::Principal(principal) => {
                    let askers = principal.held_by.iter().cloned().collect();
                    let newcomer = Newcomer { askers, task: None, token: None, details: principal.details() };
                    self.open(agent, newcomer, peer).await
                }
            }
        })
    }

    fn caller<'a>(&'a self, agent: &'a str, token: &'a str, peer: Peer) -> Later<'a, Result<Calling, Denied>> {
        Box::pin(self.recognise_caller(agent, token, peer))
    }

    fn call<'a>(&'a self, calling: Calling, agent: &'a str, ask: Call) -> Later<'a, Result<Called, CallError>> {
        Box::pin(self.answer_call(calling, agent, ask))
    }

    fn makes_room(&self, by: Weak<dyn MakesRoom>) {
        // There is one listener.
        let _ = self.room.set(by);
    }

    fn left<'a>(&'a self, passage: &'a dyn Passage, how: &'a Ended) -> Later<'a, ()> {
        Box::pin(async move {
            let caller = passage.caller();
            self.end(&caller.agent, &caller.session, &format!("{how:?}")).await;
            self.live.let_go(&self.means.sessions, &caller.agent);
        })
    }

    fn person(&self, peer: Peer, from: Lines<OwnedReadHalf>, to: OwnedWriteHalf) -> Later<'_, ()> {
        Box::pin(self.control.serve(peer, from, to))
    }

    fn is_person(&self, peer: Peer) -> bool {
        peer.user.is_some_and(|user| rustix::process::geteuid().as_raw() == user || self.means.enrolled.is_user(user))
    }

    fn may_rest(&self) -> bool {
        // Holds are durable, and agents start a daemon again; only what is on its way must not be left.
        self.means.flights.aloft(None) == 0
    }
}

/// How people are known: their keys from the store, their operating-system users from what was released.
pub struct KnownPeople {
    store: Arc<dyn Store>,
    releases: Arc<Releases>,
    world: Arc<dyn World>,
}

impl KnownPeople {
    /// People as the store and the releases know them.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, releases: Arc<Releases>, world: Arc<dyn World>) -> KnownPeople {
        KnownPeople { store, releases, world }
    }
}

impl Enrolled for KnownPeople {
    fn key(&self, person: &str) -> Option<PublicKey> {
        people::find(self.store.as_ref(), person).ok().flatten().map(|person| person.public_key)
    }

    fn is_user(&self, user: u32) -> bool {
        let mut people = BTreeSet::new();
        for agent in self.releases.agents() {
            if let InForce::Judge(judge) = self.releases.in_force(&agent, self.world.now()) {
                people.extend(judge.circle().people.iter().cloned());
            }
        }
        people.iter().any(|person| self.user(person) == Some(user))
    }

    fn user(&self, person: &str) -> Option<u32> {
        // Every release that knows the person must say the same, or the user proves nobody.
        let mut users = BTreeSet::new();
        for agent in self.releases.agents() {
            let InForce::Judge(judge) = self.releases.in_force(&agent, self.world.now()) else { continue };
            if knows(judge.circle(), person) {
                users.insert(self.releases.os_user(&agent, &judge, person));
            }
        }
        let mut users = users.into_iter();
        match (users.next(), users.next()) {
            (Some(Some(name)), None) => number_of("/etc/passwd", &name),
            _ => None,
        }
    }
}

fn knows(circle: &Circle, person: &str) -> bool {
    circle.people.contains(person)
}
