//! What people ask about tasks, and what becomes of it.
//!
//! Opening one lets an agent do what lines `for` it grant, so it needs a person's signature over all of it. Looking and
//! closing narrow: whoever can open the socket may.

use ambit_core::action::Digest;
use serde_json::{Value, json};

use super::{Control, Wrong, refused};
use crate::daemon::request::{Reply, TaskRequest};
use crate::daemon::tasks::{self, TaskError};
use crate::gate::means::Fault;
use crate::gate::tasks::{KeptTask, said};

impl Control {
    pub(super) async fn task(&self, request: TaskRequest, nonce: &Digest) -> Result<Reply, Wrong> {
        let means = self.means.as_ref();
        match request {
            TaskRequest::Open { opening, signed } => {
                let about = serde_json::to_string(&opening).map_err(|error| refused(error.to_string()))?;
                self.signed(nonce, "task", &[&about], &signed)?;
                let opened = tasks::open(means, *opening, &signed.person).await.map_err(|error| match error {
                    TaskError::Fault(fault) => Wrong::Fault(fault.to_string()),
                    other => refused(other.to_string()),
                })?;
                let token = opened.token.expose_text().unwrap_or_default().to_owned();
                let mut task = self.task_json(&opened.task);
                if let Some(task) = task.as_object_mut() {
                    task.insert("request-counts".into(), opened.request_counts.into());
                }
                Ok(Reply::TaskOpened { task, token })
            }
            TaskRequest::List { agent } => {
                let all = means.tasks.all(agent.as_deref());
                Ok(Reply::Tasks(all.iter().map(|task| self.task_json(task)).collect()))
            }
            TaskRequest::Show { id } => {
                let task = self.find_task(&id)?;
                Ok(Reply::Tasks(vec![self.task_shown(&task)?]))
            }
            TaskRequest::Close { id, because, by } => {
                let id = self.find_task(&id)?.id.clone();
                let by = by.unwrap_or_else(|| "somebody at the command line".to_owned());
                match tasks::close(means, &id, Some(&by), &because).await? {
                    Some(closed) => Ok(Reply::TaskClosed(closed)),
                    None => Err(nobody(&id)),
                }
            }
        }
    }

    /// The one open task that an id, or its start, names.
    fn find_task(&self, id: &str) -> Result<std::sync::Arc<KeptTask>, Wrong> {
        let tasks = &self.means.tasks;
        match tasks.like(id).as_slice() {
            [one] => tasks.get(one).ok_or_else(|| nobody(id)),
            [] => Err(nobody(id)),
            many => Err(refused(format!("`{id}` may be {}\nhelp: write more of the id", many.join(" or ")))),
        }
    }

    /// A task for a person or a program, with what it says.
    pub(in crate::daemon) fn task_shown(&self, task: &KeptTask) -> Result<Value, Fault> {
        let mut shown = self.task_json(task);
        if let Some(shown) = shown.as_object_mut() {
            let said = said(&self.means, task)?;
            shown.insert("erased".into(), said.is_none().into());
            let said = said.unwrap_or_default();
            shown.insert("request".into(), said.request.into());
            shown.insert("author".into(), said.author.into());
            let facts = said.facts.iter().map(|(name, fact)| json!({ "name": name, "value": fact }));
            shown.insert("facts".into(), facts.collect());
        }
        Ok(shown)
    }

    /// A task for a person or a program: all but what it says.
    pub(in crate::daemon) fn task_json(&self, task: &KeptTask) -> Value {
        let sessions = self.means.sessions.all();
        let of_task = |session: &crate::gate::session::Session| {
            session.task.as_ref().is_some_and(|of| of.id == task.id).then(|| session.id.clone())
        };
        json!({
            "id": task.id, "agent": task.agent, "name": task.name, "opened-by": task.opened_by,
            "caller": task.caller,
            "on-behalf-of": task.on_behalf_of, "opened": task.opened, "until": task.until, "token": task.token,
            "record": task.record,
            "sessions": sessions.iter().filter_map(|session| of_task(session)).collect::<Vec<_>>(),
        })
    }
}

fn nobody(id: &str) -> Wrong {
    refused(format!("there is no open task `{id}`\nhelp: `ambit task list` lists those that are open"))
}
