//! What a live system asks the agent's client while an action is under way: passed on, and recorded before it is answered.

use ambit_core::action::Digest;
use ambit_core::decision::Bound;
use serde_json::json;

use super::Sent;
use super::errand::{self, Kept, Place, Word};
use super::means::{InForce, Means};
use super::refuse::Refusal;
use super::session::Session;
use super::talk::{Asking, Relay, Reply, Talk};
use crate::escape::escape;
use crate::journal::{Entry, Kind};
use crate::store::Durability;
use crate::world::Later;

/// Whose question it is, and about which asking.
pub(super) struct About<'a> {
    pub session: &'a Session,
    pub system: String,
    pub name: String,
    /// What must be proved of what comes of it, and whether it may change something.
    pub bounds: Vec<Bound>,
    pub changes: bool,
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

/// What came of an action, and of its errand.
pub(super) struct Came {
    pub sent: Sent,
    /// The errand, while this is there.
    pub place: Option<Place>,
    /// As it is kept, where its agent was told to come back for it.
    pub kept: Option<Kept>,
}

/// Waits for what a live system makes of an action; what it asks meanwhile is passed on to `talk`. Where it works on it in its
/// own time, and that takes longer than the agent waits, it is kept, and the agent is told so.
pub(super) async fn until_sent(
    means: &Means,
    about: &About<'_>,
    talk: &Talk,
    relay: Relay,
    mut sent: Later<'_, Sent>,
) -> Came {
    let Relay { mut asks, mut errands, cancel } = relay;
    let (mut place, mut kept): (Option<Place>, Option<Kept>) = (None, None);
    let mut called = String::new();
    let mut timer = means.world.sleep(means.settings.wait);
    let (mut late, mut let_go, mut may_keep) = (false, false, talk.takes_early());
    loop {
        let asking = tokio::select! {
            biased;
            sent = &mut sent => return Came { sent, place, kept },
            // Who was told to come back has let go of nothing.
            () = talk.cancelled(), if !let_go && kept.is_none() => {
                let_go = true;
                cancel.now();
                continue;
            }
            Some(word) = errands.recv() => {
                match word {
                    Word::Began { id } => {
                        place = Some(means.errands.begin(&about.session.agent, about.ask, cancel.clone()));
                        called = id;
                        if is_over(means, &about.session.agent, about.release) {
                            cancel.now();
                        }
                    }
                    Word::Says(text) => place.iter().for_each(|place| place.says(text.clone())),
                }
                continue;
            }
            () = &mut timer, if !late => {
                late = true;
                continue;
            }
            () = std::future::ready(()), if late && may_keep && !let_go && place.is_some() => {
                may_keep = false;
                if let Some(place) = &place {
                    kept = keep(means, about, place, &called).await;
                }
                kept.iter().for_each(|kept| talk.answer_early(errand::pending(kept, None)));
                continue;
            }
            Some(asking) = asks.recv() => asking,
        };
        // What was asked is answered while the system is still listened to: it may give up.
        tokio::select! {
            biased;
            sent = &mut sent => return Came { sent, place, kept },
            () = answer(means, about, talk, asking) => {}
        }
        // From here on its agent waits anew.
        (timer, late) = (means.world.sleep(means.settings.wait), false);
    }
}

/// Whether the agent was stopped, or released anew, before it was known that there is something to let go of.
fn is_over(means: &Means, agent: &str, release: Option<Digest>) -> bool {
    means.stops.of(agent).is_some() || in_force(means, agent) != release
}

async fn keep(means: &Means, about: &About<'_>, place: &Place, called: &str) -> Option<Kept> {
    let asking = errand::Asking {
        session: about.session,
        ask: about.ask,
        action: about.action,
        system: &about.system,
        name: &about.name,
        changes: about.changes,
        bounds: &about.bounds,
        release: about.release,
        called,
    };
    errand::keep(means, place, &asking)
        .await
        .inspect_err(|error| tracing::error!(%error, "an errand could not be kept, so its agent goes on waiting"))
        .ok()
}

/// The same for what a person confirmed: whoever asked is not there, and the hold is what is collected.
pub(super) async fn until_done(
    means: &Means,
    agent: &str,
    hold: &str,
    relay: Relay,
    mut sent: Later<'_, Sent>,
) -> Sent {
    let Relay { mut errands, cancel, .. } = relay;
    let (mut place, release): (Option<Place>, _) = (None, in_force(means, agent));
    loop {
        tokio::select! {
            biased;
            sent = &mut sent => return sent,
            Some(word) = errands.recv() => match word {
                Word::Began { .. } => {
                    place = Some(means.errands.begin(agent, hold, cancel.clone()));
                    if is_over(means, agent, release) {
                        cancel.now();
                    }
                }
                Word::Says(text) => place.iter().for_each(|place| place.says(text.clone())),
            },
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
