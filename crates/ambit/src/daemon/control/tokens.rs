//! What people ask about tokens, of agents and of callers, and what becomes of it. Making one lets somebody in, so it needs
//! the signature of a person who answers for them; revoking one narrows, and whoever can open the socket may.

use ambit_core::action::Digest;
use serde_json::json;

use super::{Control, Wrong, refused};
use crate::daemon::request::{Reply, Request};
use crate::daemon::tasks;
use crate::gate::means::{InForce, Judges as _};
use crate::keys::token::TokenError;
use crate::keys::{caller, token};

impl Control {
    pub(super) async fn token(&self, request: Request, nonce: &Digest) -> Result<Reply, Wrong> {
        let means = self.means.as_ref();
        let wrong = |error: TokenError| refused(error.to_string());
        match request {
            Request::TokenMake { agent, held_by, signed } => {
                self.signed(nonce, "token", &[&agent, held_by.as_deref().unwrap_or("")], &signed)?;
                self.answers_for(&agent, &signed.person)?;
                let (text, token) = token::make_held(&self.journal, &agent, Some(&signed.person), held_by.as_deref())
                    .await
                    .map_err(wrong)?;
                let text = text.expose_text().unwrap_or_default().to_owned();
                Ok(Reply::Token { text, id: token.id })
            }
            Request::CallerTokenMake { caller, signed } => {
                self.signed(nonce, "caller-token", &[&caller], &signed)?;
                self.answers_for_caller(&caller, &signed.person)?;
                let (text, token) = caller::make(&self.journal, &caller, &signed.person).await.map_err(wrong)?;
                let text = text.expose_text().unwrap_or_default().to_owned();
                Ok(Reply::Token { text, id: token.id })
            }
            Request::TokenList { agent } => {
                let tokens = token::list(means.store.as_ref(), agent.as_deref()).map_err(wrong)?;
                let mut shown: Vec<_> = tokens
                    .iter()
                    .map(|t| json!({ "id": t.id, "agent": t.agent, "made_at": t.made_at, "made_by": t.made_by, "held_by": t.held_by, "task": t.task, "revoked_at": t.revoked_at }))
                    .collect();
                if agent.is_none() {
                    let callers = caller::list(means.store.as_ref()).map_err(wrong)?;
                    shown.extend(callers.iter().map(|t| {
                        json!({ "id": t.id, "caller": t.caller, "made_at": t.made_at, "made_by": t.made_by, "revoked_at": t.revoked_at })
                    }));
                }
                Ok(Reply::Tokens(shown))
            }
            Request::TokenRevoke { id } => {
                // The token of a task ends with its task, and the task with its token.
                if let Some(task) = means.tasks.all(None).iter().find(|task| task.token == id) {
                    tasks::close(means, &task.id, None, "its token was revoked").await?;
                }
                match token::revoke(&self.journal, &id, None).await {
                    Ok(token) => {
                        if token.task.is_none() {
                            // Whoever came in with it is shown out; those with another token come back by themselves.
                            means.sessions.sever(Some(&token.agent));
                        }
                    }
                    // What a caller opened was opened while it might, and ends by itself or when a person closes it.
                    Err(TokenError::Unknown(_)) => _ = caller::revoke(&self.journal, &id, None).await.map_err(wrong)?,
                    Err(error) => return Err(wrong(error)),
                }
                Ok(Reply::Done)
            }
            _ => Err(refused("that is nothing about tokens")),
        }
    }

    /// Whether a person answers for a caller: in every release in force that knows it they are the one it names, or own
    /// the agent. One that no release knows could open nothing.
    fn answers_for_caller(&self, caller: &str, person: &str) -> Result<(), Wrong> {
        let mut known = false;
        for agent in self.releases.agents() {
            let InForce::Judge(judge) = self.releases.in_force(&agent, self.means.now()) else { continue };
            let Some(found) = judge.callers().get(caller) else { continue };
            known = true;
            let circle = judge.circle();
            let owns = circle.owner == person || circle.backup_owner.as_deref() == Some(person);
            if !owns && found.person != person {
                return Err(refused(format!(
                    "`{person}` does not answer for the caller `{caller}`: for `{agent}` that is `{}`\nhelp: they make its token, or the owner of every agent that it opens tasks for",
                    found.person
                )));
            }
        }
        if known {
            return Ok(());
        }
        Err(refused(format!(
            "no release in force knows a caller `{caller}`\nhelp: add `[callers.{caller}]` to `ambit.toml` and release an agent that it opens tasks for"
        )))
    }
}
