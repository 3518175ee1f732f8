//! What a live system asks the agent's client while an action is under way: passed on, and recorded before it is answered.

use ambit_core::action::Digest;
use serde_json::json;
use tokio::sync::mpsc;

use super::Sent;
use super::means::{InForce, Means};
use super::refuse::Refusal;
use super::session::Session;
use super::talk::{Asking, Reply, Talk};
use crate::escape::escape;
use crate::journal::{Entry, Kind};
use crate::store::Durability;
use crate::world::Later;

/// Whose question it is, and about which asking.
pub(super) struct About<'a> {
    pub session: &'a Session,
    pub system: String,
    pub ask: &'a str,
    pub action: Digest,
    /// What was in force when it was sent.
    pub release: Option<Digest>,
}

impl About<'_> {
    /// Whether the agent may still act, in this task, under what was in force when it asked.
    fn stands(&self, means: &Means) -> bool {
        let stopped = Refusal::of_stop(means, &self.session.agent).or_else(|| Refusal::of_task(means, self.session));
        stopped.is_none() && in_force(means, &self.session.agent) == self.release
    }
}

/// The release in force for an agent.
pub(super) fn in_force(means: &Means, agent: &str) -> Option<Digest> {
    match means.judges.in_force(agent, means.now()) {
        InForce::Judge(judge) => Some(judge.release_digest()),
        InForce::Nothing(_) => None,
    }
}

/// Waits for what a live system makes of an action; what it asks meanwhile is passed on to `talk`.
pub(super) async fn until_sent(
    means: &Means,
    about: &About<'_>,
    talk: &Talk,
    mut asked: mpsc::Receiver<Asking>,
    mut sent: Later<'_, Sent>,
) -> Sent {
    loop {
        let asking = tokio::select! {
            biased;
            sent = &mut sent => return sent,
            Some(asking) = asked.recv() => asking,
        };
        // What was asked is answered while the system is still listened to: it may give up.
        tokio::select! {
            biased;
            sent = &mut sent => return sent,
            () = answer(means, about, talk, asking) => {}
        }
    }
}

/// Has one asking answered; where it is not, or cannot be recorded, its sender is dropped and the system is told no.
async fn answer(means: &Means, about: &About<'_>, talk: &Talk, asking: Asking) {
    let methods: Vec<String> = asking.questions.iter().map(|question| escape(&question.method)).collect();
    let Some(replies) = talk.ask(asking.questions).await else { return };
    let entry = Entry {
        agent: Some(about.session.agent.clone()),
        session: Some(about.session.id.clone()),
        action: Some(about.action),
        details: json!({
            "flag": "a server's question goes back answered",
            "ask": about.ask,
            "system": escape(&about.system),
            "methods": methods,
        }),
        payload: Some(written(&replies)),
        ..Entry::new(Kind::Flagged)
    };
    match means.record(vec![entry], |_| Vec::new(), Durability::Now).await {
        // People may have decided otherwise while the client thought.
        Ok(_) if !about.stands(means) => {}
        // A system that gave up meanwhile hears nothing.
        Ok(_) => drop(asking.replies.send(replies)),
        Err(error) => tracing::error!(%error, "what a client answered could not be recorded, so it was not passed on"),
    }
}

/// The replies as one object, by key.
fn written(replies: &[(String, Reply)]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (key, reply) in replies {
        if out.len() > 1 {
            out.push(b',');
        }
        super::rpc::quote(&mut out, key);
        out.push(b':');
        out.extend_from_slice(reply.as_ref().unwrap_or_else(|error| error).get().as_bytes());
    }
    out.push(b'}');
    out
}
