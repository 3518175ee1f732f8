//! What becomes of a person's request (`request.rs` has the words).
//!
//! Whoever can open the socket may look and may stop. What lets more happen (a release, a token, a key, a resume) or
//! makes something disappear (an erased payload) needs a person's signature over exactly that, on this connection.

mod tasks;
mod tokens;

use std::sync::Arc;

use ambit_core::action::Digest;
use ambit_core::hold::Circle;
use ambit_core::release::{Release, carried_end};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::admission;
use super::budgets;
use super::callers;
use super::digest::{DigestError, Digests};
use super::lists;
use super::releases::{self, KeptRelease, PART, Releases, put_in_force};
use super::request::{Asked, DOMAIN, Reply, Request, ShownHold, Signed, Waiting, Words, signed_parts};
use super::socket::Peer;
use super::stop;
use super::systems::LiveSystems;
use crate::confirm::answer::{self, Answered};
use crate::confirm::people::{Peer as AnswerPeer, Proof, Say};
use crate::confirm::shown::Shown;
use crate::confirm::{change, notice};
use crate::gate::execute;
use crate::gate::means::{Fault, InForce, Judges as _, Means};
use crate::gate::rpc::Lines;
use crate::journal::tail;
use crate::journal::{Journal, Record};
use crate::keys::signature::{PublicKey, Signature};
use crate::keys::{people, token};
use crate::snapshot::Snapshot;

/// Answers requests.
pub struct Control {
    means: Arc<Means>,
    journal: Arc<Journal>,
    releases: Arc<Releases>,
    live: Arc<LiveSystems>,
    digests: Option<Arc<Digests>>,
}

/// Why a request was not carried out.
enum Wrong {
    Refused(String),
    Fault(String),
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Wrong {
        Wrong::Fault(fault.to_string())
    }
}

fn refused(what: impl Into<String>) -> Wrong {
    Wrong::Refused(what.into())
}

impl Control {
    /// Control over these.
    #[must_use]
    pub fn new(means: Arc<Means>, journal: Arc<Journal>, releases: Arc<Releases>, live: Arc<LiveSystems>) -> Control {
        Control { means, journal, releases, live, digests: None }
    }

    /// The same, with what sends digests.
    #[must_use]
    pub fn with_digests(self, digests: Option<Arc<Digests>>) -> Control {
        Control { digests, ..self }
    }

    /// Serves one connection to its end.
    pub async fn serve(&self, peer: Peer, mut from: Lines<OwnedReadHalf>, mut to: OwnedWriteHalf) {
        let Ok(nonce) = self.means.chance() else { return };
        while let Ok(Some(line)) = from.next().await {
            let reply = match serde_json::from_slice::<Request>(line) {
                Ok(request) => self.reply(request, peer, &nonce).await,
                Err(error) => Reply::Failed { message: format!("the request cannot be read: {error}"), refused: true },
            };
            let mut bytes = serde_json::to_vec(&reply).unwrap_or_default();
            bytes.push(b'\n');
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    }

    async fn reply(&self, request: Request, peer: Peer, nonce: &Digest) -> Reply {
        match self.handle(request, peer, nonce).await {
            Ok(reply) => reply,
            Err(Wrong::Refused(message)) => Reply::Failed { message, refused: true },
            Err(Wrong::Fault(message)) => Reply::Failed { message, refused: false },
        }
    }

    async fn handle(&self, request: Request, peer: Peer, nonce: &Digest) -> Result<Reply, Wrong> {
        let means = self.means.as_ref();
        match request {
            Request::Challenge => Ok(Reply::Challenge { nonce: *nonce }),
            Request::Status => self.status(),
            Request::Inbox { agent } => self.inbox(agent.as_deref()),
            Request::Show { id } => self.show(&id),
            Request::Answer { id, binding, say, because, proof } => {
                self.answer(&id, binding, say, &because, AnswerPeer { user: peer.user }, &proof).await
            }
            Request::Stop { agent, because, by } => {
                if let Some(name) = &agent {
                    self.is_somebody(name)?;
                }
                // Only Ambit itself stops without anybody's name.
                let by = by.or_else(|| Some("somebody at the command line".to_owned()));
                let stopped = stop::stop(means, agent.as_deref(), by.as_deref(), &because).await?;
                self.live.stop(agent.as_deref()).await;
                Ok(Reply::Stopped(stopped))
            }
            Request::Resume { agent, because, signed } => {
                let about = [agent.as_deref().unwrap_or(""), because.as_str()];
                self.signed(nonce, "resume", &about, &signed)?;
                let freed = agent.as_ref().map_or_else(|| self.releases.agents(), |agent| vec![agent.clone()]);
                freed.iter().try_for_each(|agent| self.answers_for(agent, &signed.person))?;
                Ok(Reply::Resumed(stop::resume(means, agent.as_deref(), &signed.person, &because).await?))
            }
            Request::Enrol { person, key, vouched } => self.enrol(nonce, &person, key, vouched).await,
            Request::TokenMake { .. }
            | Request::CallerTokenMake { .. }
            | Request::TokenList { .. }
            | Request::TokenRevoke { .. } => self.token(request, nonce).await,
            Request::DigestSend => {
                let help = "add `[digest]` with a `webhook` to `ambit.toml`, and start the daemon again";
                let digests = self.digests.as_ref();
                let digests =
                    digests.ok_or_else(|| refused(format!("no webhook is named for digests\nhelp: {help}")))?;
                match digests.send_now().await {
                    Ok((status, to)) => Ok(Reply::DigestSent { status, to }),
                    Err(DigestError::Fault(fault)) => Err(fault.into()),
                    Err(error) => Err(refused(error.to_string())),
                }
            }
            Request::Budgets { agent } => Ok(budgets::of(means, &agent)),
            Request::Task { about } => self.task(about, nonce).await,
            Request::Draft { snapshot, words } => Ok(Reply::Draft(Box::new(self.draft(&snapshot, words)?))),
            Request::Release { release, snapshot, person, signature } => {
                self.release(*release, snapshot, &person, signature).await
            }
            Request::Releases { agent } => {
                let releases: Vec<Release> = self.releases.of(&agent)?.into_iter().map(|kept| kept.release).collect();
                let in_force = match self.releases.in_force(&agent, means.now()) {
                    InForce::Judge(judge) => Some(judge.release().number),
                    InForce::Nothing(_) => None,
                };
                Ok(Reply::Releases { releases, in_force })
            }
            Request::Snapshot { agent, number } => {
                let kept = self.releases.of(&agent)?.into_iter().find(|kept| kept.release.number == number);
                let help = format!("`ambit releases {agent}` lists them");
                let kept = kept.ok_or_else(|| refused(format!("there is no release {number}\nhelp: {help}")))?;
                Ok(Reply::Snapshot(kept.snapshot))
            }
            Request::Journal { filter, most } => self.tail(filter, most),
            Request::Erase { sequence, because, signed } => {
                self.signed(nonce, "erase", &[&sequence.to_string(), &because], &signed)?;
                let mut rows = means.store.rows(sequence, 1).map_err(Fault::from)?;
                let record =
                    rows.pop().and_then(|row| Record::read(row).ok()).filter(|record| record.sequence == sequence);
                if let Some(agent) = record.as_ref().and_then(|record| record.agent.as_ref()) {
                    self.answers_for(agent, &signed.person)?;
                }
                // A task whose words are gone is over: nobody could say any more what it was.
                if let Some(task) = means.tasks.all(None).iter().find(|task| task.record == sequence) {
                    super::tasks::close(means, &task.id, Some(&signed.person), "its request was erased").await?;
                }
                self.journal
                    .erase(sequence, Some(signed.person), &because)
                    .await
                    .map_err(|e| refused(e.to_string()))?;
                Ok(Reply::Done)
            }
            Request::Checkpoint => {
                self.journal.checkpoint().await.map_err(|e| Wrong::Fault(e.to_string()))?;
                Ok(Reply::Done)
            }
        }
    }

    fn status(&self) -> Result<Reply, Wrong> {
        let means = self.means.as_ref();
        let session = |s: &crate::gate::session::Session| json!({ "id": s.id, "agent": s.agent, "user": s.peer_user, "task": s.task.as_ref().map(|task| &task.id) });
        let sessions: Vec<Value> = means.sessions.all().iter().map(|s| session(s)).collect();
        let agents: Vec<Value> = self
            .releases
            .agents()
            .into_iter()
            .map(|agent| match self.releases.in_force(&agent, means.now()) {
                InForce::Judge(judge) => {
                    let release = judge.release();
                    json!({ "agent": agent, "release": release.number, "by": release.by, "because": release.because, "overrides": release.overrides, "until": release.until, "stopped": means.stops.of(&agent).is_some() })
                }
                InForce::Nothing(why) => json!({ "agent": agent, "nothing-in-force": why, "stopped": means.stops.of(&agent).is_some() }),
            })
            .collect();
        let last = means.store.last_row().map_err(Fault::from)?.map_or(0, |row| row.sequence);
        let people: Vec<String> = people::all(means.store.as_ref())
            .map_err(|e| Wrong::Fault(e.to_string()))?
            .into_iter()
            .map(|p| p.name)
            .collect();
        Ok(Reply::Status(json!({
            "process": std::process::id(), "records": last, "agents": agents, "sessions": sessions, "people": people,
            "tasks": means.tasks.all(None).len(),
            "digest": self.digests.as_ref().map(|digests| digests.status()).transpose()?,
            "waiting": means.queue.waiting(None).len(), "in-flight": means.flights.aloft(None),
        })))
    }

    fn inbox(&self, agent: Option<&str>) -> Result<Reply, Wrong> {
        let means = self.means.as_ref();
        let mut holds = Vec::new();
        for id in means.queue.waiting(agent) {
            let Some(kept) = change::kept(means, &id)? else { continue };
            let people = self.shown(kept.held)?.map(|shown| shown.people).unwrap_or_default();
            holds.push(Waiting {
                id,
                agent: kept.agent().to_owned(),
                what: change::called(&kept),
                people,
                expires: kept.hold.binding.expires,
            });
        }
        holds.sort_by_key(|hold| hold.expires);
        let notices =
            notice::unseen(means)?.into_iter().map(|n| format!("{}  {}", crate::confirm::wait::clock(n.at), n.text));
        Ok(Reply::Inbox { holds, notices: notices.collect() })
    }

    fn shown(&self, record: u64) -> Result<Option<Shown>, Wrong> {
        let Some(bytes) = self.means.payload(record)? else { return Ok(None) };
        Shown::from_bytes(&bytes).map(Some).map_err(|error| Wrong::Fault(error.to_string()))
    }

    /// The one hold that an id, or its start, names.
    fn find(&self, id: &str) -> Result<crate::confirm::Kept, Wrong> {
        let means = self.means.as_ref();
        let like = means.queue.like(id);
        let id = match like.as_slice() {
            [one] => one.as_str(),
            [] => return Err(refused(format!("there is no hold `{id}`\nhelp: `ambit inbox` lists those that wait"))),
            many => {
                return Err(refused(format!("`{id}` may be {}\nhelp: write more of the id", many.join(" or "))));
            }
        };
        change::kept(means, id)?.ok_or_else(|| refused(format!("there is no hold `{id}`")))
    }

    fn show(&self, id: &str) -> Result<Reply, Wrong> {
        let kept = self.find(id)?;
        let shown = self.shown(kept.held)?.ok_or_else(|| refused("what was shown was erased since"))?;
        let votes = kept.hold.votes.iter().map(|vote| {
            format!("{} ({}{})", vote.person, strength_word(vote.strength), if vote.advised { ", advised" } else { "" })
        });
        Ok(Reply::Show(Box::new(ShownHold {
            shown,
            binding: kept.hold.binding.clone(),
            word: kept.hold.state.word().to_owned(),
            votes: votes.collect(),
            state: kept.hold.state,
        })))
    }

    async fn answer(
        &self,
        id: &str,
        binding: Digest,
        say: Say,
        because: &str,
        peer: AnswerPeer,
        proof: &Proof,
    ) -> Result<Reply, Wrong> {
        let means = self.means.as_ref();
        let wrong = |error: answer::AnswerError| match error {
            answer::AnswerError::Fault(fault) => Wrong::Fault(fault.to_string()),
            other => refused(other.to_string()),
        };
        let answered = match say {
            Say::Confirm => answer::confirm(means, id, binding, peer, proof).await.map_err(wrong)?,
            Say::Refuse => answer::refuse(means, id, binding, because, peer, proof).await.map_err(wrong)?,
        };
        if answered == Answered::Complete {
            // In a task of its own: it runs to its end even when this person's connection does not.
            if let Some(running) = execute::begin(&self.means, id) {
                running.await.map_err(|error| Wrong::Fault(error.to_string()))??;
            }
        }
        let state = change::kept(means, id)?.map_or_else(String::new, |kept| kept.hold.state.word().to_owned());
        Ok(Reply::Answered { answered, state })
    }

    /// The signature must be an enrolled person's, over this request on this connection.
    fn signed(&self, nonce: &Digest, word: &str, about: &[&str], signed: &Signed) -> Result<(), Wrong> {
        let person =
            people::find(self.means.store.as_ref(), &signed.person).map_err(|error| refused(error.to_string()))?;
        let Some(person) = person else {
            return Err(refused(format!("`{}` has no key here\nhelp: `ambit setup` enrols one", signed.person)));
        };
        if person.public_key.verify(DOMAIN, &signed_parts(nonce, word, about), &signed.signature) {
            Ok(())
        } else {
            Err(refused(format!(
                "the signature is not `{}`'s over this request\nhelp: is the key of another installation?",
                signed.person
            )))
        }
    }

    /// Releases, for the door.
    #[must_use]
    pub fn releases(&self) -> &Releases {
        &self.releases
    }

    /// The person must be the owner or backup owner named by the agent's last release, also when that has ended. Before
    /// its first release an agent is nobody's, and every enrolled person will do: its token opens nothing then.
    fn answers_for(&self, agent: &str, person: &str) -> Result<(), Wrong> {
        match self.last_circle(agent, person)? {
            Some(circle) => owns(&circle, agent, person),
            None => Ok(()),
        }
    }

    /// Who answers for an agent, by its last release. One that can no longer be read is its signer's.
    fn last_circle(&self, agent: &str, person: &str) -> Result<Option<Circle>, Wrong> {
        let Some(last) = self.releases.of(agent)?.pop() else { return Ok(None) };
        match last.judge() {
            Ok(judge) => Ok(Some(judge.circle().clone())),
            Err(_) if last.release.by == person => Ok(None),
            Err(error) => Err(refused(format!(
                "{error}; only `{}`, who signed it, can replace it\nhelp: `ambit releases {agent}` lists them",
                last.release.by
            ))),
        }
    }

    /// Whether Ambit knows an agent of that name at all.
    fn is_somebody(&self, agent: &str) -> Result<(), Wrong> {
        let mut known = self.releases.agents();
        known.extend(self.means.sessions.all().iter().map(|session| session.agent.clone()));
        let tokens = token::list(self.means.store.as_ref(), None).map_err(|error| Wrong::Fault(error.to_string()))?;
        known.extend(tokens.into_iter().map(|token| token.agent));
        if known.iter().any(|name| name == agent) {
            return Ok(());
        }
        let near = ambit_core::scope::diagnostics::nearest(agent, known.iter().map(String::as_str));
        let help = near.map_or_else(
            || "`ambit status` lists the agents; `ambit stop --all` stops every one".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        Err(refused(format!("nobody is called `{agent}`, so nothing was stopped\nhelp: {help}")))
    }

    async fn enrol(
        &self,
        nonce: &Digest,
        person: &str,
        key: PublicKey,
        vouched: Option<Signed>,
    ) -> Result<Reply, Wrong> {
        let store = self.means.store.as_ref();
        let nobody = people::all(store).map_err(|error| Wrong::Fault(error.to_string()))?.is_empty();
        match &vouched {
            Some(signed) => {
                let key = serde_json::to_string(&key).unwrap_or_default();
                self.signed(nonce, "enrol", &[person, &key], signed)?;
            }
            // The first person at a new installation has nobody to vouch.
            None if nobody => {}
            None => {
                return Err(refused(
                    "somebody who is enrolled must vouch for a further person\nhelp: run it again with `--vouched-by NAME`, at the terminal of that person",
                ));
            }
        }
        let by = vouched.as_ref().map(|signed| signed.person.as_str());
        people::enrol(&self.journal, person, key, by).await.map_err(|error| refused(error.to_string()))?;
        Ok(Reply::Done)
    }

    /// What a release of that snapshot would be: the words are computed here, from what is in force, not taken from anybody.
    fn draft(&self, snapshot: &str, words: Words) -> Result<Release, Wrong> {
        let read = Snapshot::from_bytes(snapshot.as_bytes()).map_err(|error| refused(error.to_string()))?;
        let agent = read.agent().to_owned();
        let resolved = read.resolve();
        let Some(policy) = &resolved.policy else {
            return Err(refused("the scope has errors\nhelp: `ambit check` shows them"));
        };
        let all = self.releases.of(&agent)?;
        let now = self.means.now();
        let in_force = match self.releases.in_force(&agent, now) {
            InForce::Judge(judge) => Some(judge),
            InForce::Nothing(_) => None,
        };
        let changes = ambit_core::difference::difference(in_force.as_ref().map(|judge| judge.policy()), policy);
        let mut changes: Vec<_> = changes.into_iter().map(|change| (change.way, change.words)).collect();
        let before = in_force.as_ref().map(|judge| judge.callers());
        changes.extend(callers::difference(before, &callers::of(&resolved.config, &agent), &agent));
        let before = match &in_force {
            Some(judge) => Some(self.releases.config(&agent, judge).ok_or_else(|| {
                Wrong::Fault("the release in force cannot be read back, so what changes cannot be told".to_owned())
            })?),
            None => None,
        };
        changes.extend(admission::difference(before.as_deref(), &resolved.config, &agent));
        let said =
            |way| changes.iter().filter(move |(of, _)| *of == way).map(|(_, words)| words.clone()).collect::<Vec<_>>();
        let release = Release {
            number: u64::try_from(all.len()).unwrap_or(u64::MAX) + 1,
            parts: [(PART.to_owned(), Release::part(PART, snapshot.as_bytes()))].into(),
            at: now,
            by: words.by,
            because: words.because,
            narrows: said(ambit_core::difference::Way::Narrows),
            widens: said(ambit_core::difference::Way::Widens),
            overrides: words.overrides,
            until: carried_end(words.until, in_force.as_ref().map(|judge| judge.release())),
            reverts_to: words.reverts_to,
            agent,
        };
        let draft = releases::judge(&read, release.clone()).map_err(refused)?;
        // Who answers for the last release decides what replaces it, also when they hand it over; the first release is
        // signed by the owner that it names.
        let last = self.last_circle(&release.agent, &release.by)?;
        let owns = owns(last.as_ref().unwrap_or(draft.circle()), &release.agent, &release.by);
        // Whoever keeps a list may put the release in force again with other members on it, and nothing else changed.
        let current = all.last().filter(|kept| in_force.is_some_and(|judge| judge.release() == &kept.release));
        if let Some(current) = current
            && let Ok(old) = Snapshot::from_bytes(current.snapshot.as_bytes())
            && lists::may_keep(&current.release, &old, &read, &release, &release.by)
        {
            return Ok(release);
        }
        owns?;
        Ok(release)
    }

    async fn release(
        &self,
        release: Release,
        snapshot: String,
        person: &str,
        signature: Signature,
    ) -> Result<Reply, Wrong> {
        let words = Words {
            by: release.by.clone(),
            because: release.because.clone(),
            overrides: release.overrides.clone(),
            until: release.until,
            reverts_to: release.reverts_to,
        };
        let again = Release { at: release.at, ..self.draft(&snapshot, words)? };
        if again != release {
            return Err(refused(
                "something changed since the release was drafted\nhelp: look at it again and sign what it says now",
            ));
        }
        if self.means.now().0.saturating_sub(release.at.0).abs() > 10 * 60 * 1000 {
            return Err(refused("the draft is older than ten minutes\nhelp: run `ambit release` again"));
        }
        let enrolled = people::find(self.means.store.as_ref(), person).map_err(|error| refused(error.to_string()))?;
        let Some(enrolled) = enrolled.filter(|enrolled| enrolled.name == release.by) else {
            return Err(refused(format!("`{person}` has no key here\nhelp: `ambit setup` enrols one")));
        };
        let kept = KeptRelease { release, key: enrolled.public_key, signature, snapshot };
        kept.judge().map_err(|error| refused(error.to_string()))?;
        Ok(Reply::Released(put_in_force(&self.means, &self.releases, kept).await?))
    }

    fn tail(&self, asked: Asked, most: usize) -> Result<Reply, Wrong> {
        let filter = asked.filter().map_err(refused)?;
        let store = self.means.store.as_ref();
        let records: Vec<Record> = match asked.after {
            Some(after) => tail::records(store, after.saturating_add(1), filter)
                .take(most.min(10_000))
                .collect::<Result<_, _>>()
                .map_err(|error| Wrong::Fault(error.to_string()))?,
            None => tail::last(store, &filter, most.min(10_000)).map_err(|error| Wrong::Fault(error.to_string()))?,
        };
        Ok(Reply::Journal(records.iter().map(record_json).collect()))
    }
}

fn strength_word(strength: ambit_core::hold::Strength) -> &'static str {
    match strength {
        ambit_core::hold::Strength::PeerUser => "operating-system user",
        ambit_core::hold::Strength::Passphrase => "passphrase",
    }
}

/// A record for a person or a program: everything that is chained, nothing that is sealed.
#[must_use]
pub fn record_json(record: &Record) -> Value {
    json!({
        "sequence": record.sequence, "time": record.time.0, "kind": record.kind, "agent": record.agent,
        "person": record.person, "session": record.session, "action": record.action, "hold": record.hold,
        "details": record.details, "hash": record.hash,
        "payload": record.commitment.map(|commitment| json!({ "commitment": commitment, "erased": record.sealed.is_none() })),
    })
}

fn owns(circle: &Circle, agent: &str, person: &str) -> Result<(), Wrong> {
    if circle.owner == person || circle.backup_owner.as_deref() == Some(person) {
        return Ok(());
    }
    Err(refused(format!(
        "`{person}` does not answer for `{agent}`: its owner is `{}`\nhelp: the owner or the backup owner named in the scope signs this",
        circle.owner
    )))
}
