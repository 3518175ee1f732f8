//! What callers ask about tasks, and what becomes of it. A caller sees and closes what it opened itself, and nothing else.

use std::sync::Arc;

use serde_json::{Value, json};

use super::callers::Calling;
use super::hello::Denied;
use super::host::{House, fault};
use super::socket::Peer;
use super::tasks::{self, Opener, Opening, TaskError};
use crate::escape::escape;
use crate::gate::means::Fault;
use crate::gate::tasks::KeptTask;
use crate::journal::{Entry, Kind};
use crate::keys::caller::{self, Presented};
use crate::keys::token;
use crate::store::Durability;

/// What a caller asks about the tasks of one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Opens one.
    Open(Box<Opening>),
    /// Those that it opened and that are open.
    List,
    /// Everything about one of them.
    Show(String),
    /// Closes one of them.
    Close(String),
}

/// What comes back, as JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum Called {
    /// A task was opened; with its token, which is given this once.
    Opened(Value),
    /// It was open already, because this caller asked the same before; with its token.
    Again(Value),
    /// What was asked for.
    Said(Value),
}

/// Why nothing comes of it.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A task is not opened.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// This caller has no such task open.
    #[error(
        "no open task `{0}` of this agent was opened by this caller\nhelp: GET /agents/NAME/tasks lists those that are"
    )]
    NoTask(String),
    /// Nobody answers calls here.
    #[error("nobody opens tasks here")]
    Nobody,
    /// Ambit failed in the middle.
    #[error("Ambit failed in the middle of this\nhelp: ask again with the same idempotency key, or list what is open")]
    Broken,
    /// Ambit could not do its work.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl House {
    /// The caller whose token somebody presents. Whoever presents another is recorded.
    pub(super) async fn recognise_caller(&self, agent: &str, presented: &str, peer: Peer) -> Result<Calling, Denied> {
        let store = self.means.store.as_ref();
        let (why, of_caller, id) = match caller::verify(store, presented).map_err(|error| fault(&error))? {
            Presented::Valid(token) => {
                let presented = presented.to_owned().into();
                return Ok(Calling { name: token.caller, token: token.id, presented, key: None });
            }
            Presented::Revoked(token) => ("the caller's token was revoked", Some(token.caller), Some(token.id)),
            Presented::Unknown => ("the caller's token is not known", None, None),
        };
        // An agent that tries to give itself a task is something that its owner must hear of.
        let (why, of_agent, id) = match token::verify(store, presented).map_err(|error| fault(&error))? {
            token::Presented::Valid(token) | token::Presented::Revoked(token) => {
                ("an agent's token was presented to open tasks", Some(token.agent), Some(token.id))
            }
            token::Presented::Unknown => (why, None, id),
        };
        if let Some(more) = self.is_told(id.is_none()) {
            let mut details = json!({
                "flag": why, "presented-for": escape(agent), "token": id, "caller": of_caller, "user": peer.user,
            });
            if let (Some(details), true) = (details.as_object_mut(), more > 0) {
                details.insert("and-before".into(), more.into());
            }
            let entry = Entry { agent: of_agent, details, ..Entry::new(Kind::Flagged) };
            self.means.record(vec![entry], |_| Vec::new(), Durability::Now).await.map_err(|error| fault(&error))?;
        }
        let help = "a person makes one with `ambit token --caller NAME`; an agent's token opens no tasks";
        Err(Denied::new("the token is no caller's", help))
    }

    /// What a caller asks.
    pub(super) async fn answer_call(&self, calling: Calling, agent: &str, ask: Call) -> Result<Called, CallError> {
        let mine = |id: &str| {
            let found = self.means.tasks.open_now(agent, id, self.means.now());
            found.filter(|task| is_of(task, &calling)).ok_or_else(|| CallError::NoTask(escape(id)))
        };
        match ask {
            Call::Open(opening) => {
                let means = Arc::clone(&self.means);
                // In a task of its own: a caller that goes away leaves nothing half.
                let opened =
                    tokio::spawn(async move { tasks::open_for(&means, *opening, &Opener::Caller(&calling)).await });
                let opened = opened.await.map_err(|_| CallError::Broken)??;
                let mut task = self.control.task_json(&opened.task);
                if let Some(task) = task.as_object_mut() {
                    task.insert("request-counts".into(), opened.request_counts.into());
                    task.insert("secret".into(), opened.token.expose_text().unwrap_or_default().into());
                }
                Ok(if opened.again { Called::Again(task) } else { Called::Opened(task) })
            }
            Call::List => {
                let all = self.means.tasks.all(Some(agent));
                let mine = all.iter().filter(|task| is_of(task, &calling));
                Ok(Called::Said(mine.map(|task| self.control.task_json(task)).collect()))
            }
            Call::Show(id) => Ok(Called::Said(self.control.task_shown(&*mine(&id)?)?)),
            Call::Close(id) => {
                let task = mine(&id)?;
                let means = Arc::clone(&self.means);
                let closed = tokio::spawn(async move {
                    let because = "its caller closed it";
                    tasks::close_as(&means, &task.id, Some(&task.opened_by), Some(&calling.name), because).await
                });
                match closed.await.map_err(|_| CallError::Broken)?? {
                    Some(closed) => Ok(Called::Said(json!(closed))),
                    None => Err(CallError::NoTask(escape(&id))),
                }
            }
        }
    }
}

fn is_of(task: &KeptTask, calling: &Calling) -> bool {
    task.caller.as_deref() == Some(calling.name.as_str())
}
