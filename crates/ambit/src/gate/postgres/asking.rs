//! One statement, from what a driver asked to what became of it: an action on the journey of every action, while its
//! connection is lent to the sending.

use std::sync::Arc;

use ambit_core::action::{Action, Gate};
use ambit_effects::sql::asked::{Asked, NAME, OPERATION};
use ambit_effects::sql::shape::{Shape, shape};

use super::connection::{Connection, Ended};
use super::say::Said;
use crate::gate::Answer;
use crate::gate::foresee::foresee;
use crate::gate::pass::{pass, pass_within};
use crate::gate::talk::{Party, Talk};
use crate::upstream::postgres::{AgentEnd, Exchange, Lent, Server, Wanted};

// While a statement is under way, so much of what is sent after it is taken in.
const AHEAD: usize = 64 << 10;

impl Connection {
    /// Asks for a statement, and says how it ended. Its rows went to the agent meanwhile.
    pub(super) async fn ask(&mut self, asked: &Asked, wanted: Wanted) -> Result<Said, Ended> {
        if shape(&asked.statement) == Shape::Copy {
            let why = "COPY is not done through this gate yet".to_owned();
            return Ok(Said::error("0A000", why).with_help("use INSERT or SELECT"));
        }
        let Some(server) = self.server.take() else { return Err(Ended::Unknown) };
        let is_within = server.is_within();
        let agent = self.agent.take().unwrap_or_else(AgentEnd::nobody);
        let exchange = Arc::new(Exchange::of(Lent { server: Some(server), agent, wanted: wanted.clone() }));
        let action = self.action(asked);
        let party = Party { session: action.session.clone(), task: action.task.clone() };
        let (talk, cancel) = Talk::lending(party, Arc::clone(&exchange));
        let (means, session) = (Arc::clone(&self.means), Arc::clone(&self.session));
        // In a task of its own: what has begun is driven to its end, whoever stops waiting for it.
        let mut journey = tokio::spawn(async move {
            if is_within {
                pass_within(&means, &session, action, &talk).await
            } else {
                pass(&means, &session, action, &talk).await
            }
        });
        let mut ended = None;
        let answer = loop {
            let is_open = ended.is_none() && self.buffer.filled().len() < AHEAD;
            tokio::select! {
                biased;
                answer = &mut journey => break answer,
                cut = self.news.wait_for(|news| news.severed), if ended.is_none() => {
                    drop(cut);
                    ended = Some(Ended::Severed);
                    cancel.now();
                }
                more = self.buffer.more(&mut self.from), if is_open => {
                    // An agent that is gone wants nothing any more; whether it took effect is another question.
                    if !more.unwrap_or(false) {
                        ended = Some(Ended::Gone);
                        cancel.now();
                    }
                }
            }
        };
        let Some(Lent { server, agent, .. }) = exchange.take() else { return Err(Ended::Unknown) };
        (self.server, self.agent) = (server, Some(agent));
        if let Some(server) = &self.server {
            self.status = server.status();
        }
        if let Some(ended) = ended {
            return Err(ended);
        }
        if self.server.as_mut().is_some_and(Server::was_cleared) {
            self.statements.forget_statements();
        }
        let answer = answer.unwrap_or_else(|_| {
            Answer::OutcomeUnknown("Ambit failed while it worked on this; its journal says how far it came".into())
        });
        Ok(match Said::of(answer, &wanted) {
            // Without a server there is nothing more to ask.
            Said::Error { fields, .. } if self.server.is_none() => Said::Error { fields, ends: true },
            said => said,
        })
    }

    /// Whether a statement would be refused whatever is bound to it; then what is said.
    pub(super) async fn foresee(&self, statement: &str) -> Option<Said> {
        let action = self.action(&Asked::plain(statement));
        let answer = foresee(&self.means, &self.session, &action).await?;
        Some(Said::of(answer, &Wanted::default()))
    }

    fn action(&self, asked: &Asked) -> Action {
        Action {
            agent: self.session.agent.clone(),
            gate: Gate::Postgres,
            session: self.session.id.clone(),
            task: self.session.task.as_ref().map(|task| task.id.clone()),
            system: self.system.clone(),
            operation: OPERATION.to_owned(),
            name: NAME.to_owned(),
            payload: asked.payload(),
        }
    }
}
