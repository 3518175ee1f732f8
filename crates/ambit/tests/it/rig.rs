//! A whole gate in one thread, from a seed: a clock that stands still, chance that repeats, a store that loses power when
//! told to, and live systems that count what ran. Everything between is the real thing.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ambit::confirm::answer::{self, AnswerError, Answered};
use ambit::confirm::people::{self, Enrolled, Peer, Proof, Say};
use ambit::confirm::sweep::sweep;
use ambit::confirm::{Kept, change, shown, wait};
use ambit::daemon::releases::{self, KeptRelease, PART, Releases};
use ambit::daemon::start::{Found, start};
use ambit::daemon::tasks::{self, LONGEST_SECONDS, Opening, TaskError};
use ambit::gate::Answer;
use ambit::gate::means::{Means, Settings, Systems};
use ambit::gate::session::Session;
use ambit::gate::talk::Talk;
use ambit::gate::tasks::open_task;
use ambit::gate::{Sent, execute};
use ambit::journal::{Journal, Kind, Mode, Record};
use ambit::keys::{InstallationKeys, PublicKey, Signature, hex};
use ambit::snapshot::Snapshot;
use ambit::store::memory::Memory;
use ambit::store::{Durability, Put, Store};
use ambit::world::{Later, NoChance, World};
use ambit_core::action::{Action, Digest, Gate};
use ambit_core::hold::State;
use ambit_core::permit::Permit;
use ambit_core::release::Release;
use ambit_core::time::Timestamp;
use ed25519_dalek::{Signer as _, SigningKey};

pub const CONFIG: &str = r#"
[systems.helpdesk]
kind = "mcp"
command = ["helpdesk"]
[systems.helpdesk.tools.get_ticket]
reads = true
[systems.payments]
kind = "mcp"
command = ["payments"]
[people.dana]
email = "dana@acme.example"
roles = ["support-lead"]
[people.lena]
email = "lena@acme.example"
roles = ["support-lead"]
[people.max]
email = "max@acme.example"
roles = ["support-lead"]
[people.tess]
email = "tess@acme.example"
[agents.helper]
scope = "SCOPE.md"
systems = ["helpdesk", "payments"]
"#;

pub const LOCK: &str = r#"version = 1
[systems.helpdesk]
kind = "mcp"
looked-at = "2026-11-23"
[systems.helpdesk.tools]
get_ticket.definition = '{"name":"get_ticket","inputSchema":{"type":"object","properties":{"id":{"type":"string"}}}}'
reply.definition = '{"name":"reply","inputSchema":{"type":"object","properties":{"to":{"type":"string"},"body":{"type":"string"}}}}'
purge.definition = '{"name":"purge","inputSchema":{"type":"object","properties":{}}}'
close.definition = '{"name":"close","inputSchema":{"type":"object","properties":{"id":{"type":"string"}}}}'
[systems.payments]
kind = "mcp"
looked-at = "2026-11-23"
[systems.payments.tools]
create_refund.definition = '{"name":"create_refund","inputSchema":{"type":"object","properties":{"amount":{"type":"number"},"currency":{"type":"string"}},"required":["amount"]}}'
"#;

pub const SCOPE: &str = r#"---
agent: helper
owner: dana@acme.example
review-by: 2027-02-28
---

# Helper

Answers tickets.

## It can read

- helpdesk.get_ticket

## It can write

- call helpdesk.reply, at most 3 times per hour

## A human must confirm

- call payments.create_refund where amount is above 0 and amount is at most 200, at most 2 times per day, by support-lead, within 30 minutes

## It cannot touch

- call payments.create_refund where amount is above 200
- call helpdesk.purge
"#;

/// A clock that stands still, and chance that repeats.
pub struct Still {
    pub now: AtomicI64,
    chance: AtomicU64,
}

impl World for Still {
    fn now(&self) -> Timestamp {
        Timestamp(self.now.load(Ordering::SeqCst))
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), NoChance> {
        for byte in bytes {
            let mut mixed = self.chance.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::SeqCst);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb).to_be_bytes()[0];
        }
        Ok(())
    }

    fn sleep(&self, time: Duration) -> Later<'_, ()> {
        let until = self.now.load(Ordering::SeqCst) + i64::try_from(time.as_millis()).unwrap();
        Box::pin(std::future::poll_fn(move |_| {
            if self.now.load(Ordering::SeqCst) >= until { Poll::Ready(()) } else { Poll::Pending }
        }))
    }
}

/// The world outside: it outlives every crash, and counts what ran.
#[derive(Default)]
pub struct Live {
    /// The actions that took effect, with what was recorded durably about each when it did.
    pub ran: Mutex<Vec<Action>>,
    /// What each call answers; `ok` unless said.
    pub answers: Mutex<BTreeMap<String, Sent>>,
    /// Tools whose live definition changed.
    pub drifted: Mutex<BTreeSet<String>>,
    /// Systems that cannot be asked.
    pub gone: Mutex<BTreeSet<String>>,
}

impl Systems for Live {
    fn drift<'a>(&'a self, action: &'a Action) -> Later<'a, Result<Option<String>, String>> {
        Box::pin(async move {
            breathe().await;
            if self.gone.lock().unwrap().contains(&action.system) {
                return Err("it does not answer".to_owned());
            }
            Ok(self.drifted.lock().unwrap().contains(&action.name).then(|| "its schema changed".to_owned()))
        })
    }

    fn send<'a>(&'a self, permit: Permit, _: &'a Talk) -> Later<'a, Sent> {
        Box::pin(async move {
            let action = permit.spend();
            let answer = self.answers.lock().unwrap().get(&action.name).cloned();
            if let Some(answer @ Sent::NotSent(_)) = answer {
                return answer;
            }
            breathe().await;
            let name = action.name.clone();
            self.ran.lock().unwrap().push(action);
            breathe().await;
            answer.unwrap_or_else(|| Sent::Result(format!("{{\"done\":\"{name}\"}}").into_bytes()))
        })
    }
}

/// One await, at which a crash may strike.
fn breathe() -> impl Future<Output = ()> {
    let mut once = false;
    std::future::poll_fn(move |_| if std::mem::replace(&mut once, true) { Poll::Ready(()) } else { Poll::Pending })
}

/// People with keys made from their names.
pub struct Keys;

pub fn key(person: &str) -> SigningKey {
    SigningKey::from_bytes(&Digest::of("test/person", &[person.as_bytes()]).0)
}

impl Enrolled for Keys {
    fn key(&self, person: &str) -> Option<PublicKey> {
        ["dana", "lena", "max", "tess"].contains(&person).then(|| public(&key(person)))
    }

    fn user(&self, person: &str) -> Option<u32> {
        ["dana", "lena", "max", "tess"]
            .iter()
            .position(|name| *name == person)
            .and_then(|n| u32::try_from(1000 + n).ok())
    }
}

pub fn public(key: &SigningKey) -> PublicKey {
    PublicKey::from_hex(&hex::write(key.verifying_key().as_bytes())).unwrap()
}

pub fn sign(key: &SigningKey, domain: &str, parts: &[&[u8]]) -> Signature {
    Signature::from_hex(&hex::write(&key.sign(&Digest::of(domain, parts).0).to_bytes())).unwrap()
}

/// The gate, and what is around it.
pub struct Rig {
    pub world: Arc<Still>,
    pub memory: Arc<Memory>,
    pub live: Arc<Live>,
    pub releases: Arc<Releases>,
    pub means: Arc<Means>,
    pub session: Session,
}

/// How a future ended: by itself, or dropped because its time was up.
pub enum Ended<T> {
    Came(T),
    Dropped,
}

impl<T> Ended<T> {
    pub fn came(self) -> Option<T> {
        match self {
            Ended::Came(value) => Some(value),
            Ended::Dropped => None,
        }
    }
}

/// Polls a future, and drops it when it has waited more often than `budget` allows; what is left of the budget is kept.
pub fn drive<T>(budget: &mut u64, future: impl Future<Output = T>) -> Ended<T> {
    let mut future: Pin<Box<dyn Future<Output = T>>> = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ended::Came(value);
        }
        if *budget == 0 {
            return Ended::Dropped;
        }
        *budget -= 1;
    }
}

/// Polls a future to its end.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    drive(&mut 10_000, future).came().expect("it hangs")
}

pub fn session(agent: &str) -> Session {
    Session { id: "s-1".into(), agent: agent.into(), askers: ["tess".to_owned()].into(), task: None, peer_user: None }
}

/// A task without a name, on a request that somebody outside wrote.
pub fn opening() -> Opening {
    Opening {
        agent: "helper".into(),
        name: None,
        request: Some("give her the money back".into()),
        author: Some("customer@elsewhere.example".into()),
        facts: vec![],
        lasts_seconds: LONGEST_SECONDS,
        on_behalf_of: None,
    }
}

pub fn settings() -> Settings {
    Settings { wait: Duration::ZERO, ..Settings::default() }
}

pub fn snapshot(scope: &str, lock: &str) -> Snapshot {
    let parts = [("agent", "helper"), ("config", CONFIG), ("lock", lock), ("scope", scope)];
    let parts: String = parts.iter().map(|(name, text)| format!("{name} {}\n{text}\n", text.len())).collect();
    Snapshot::from_bytes(format!("ambit snapshot 1\n{parts}").as_bytes()).unwrap()
}

pub fn release(number: u64, snapshot: &Snapshot) -> KeptRelease {
    release_until(number, snapshot, None)
}

pub fn release_until(number: u64, snapshot: &Snapshot, until: Option<Timestamp>) -> KeptRelease {
    let bytes = snapshot.bytes();
    let release = Release {
        agent: snapshot.agent().to_owned(),
        number,
        parts: [(PART.to_owned(), Release::part(PART, &bytes))].into(),
        at: Timestamp(0),
        by: "dana".into(),
        because: "go live".into(),
        narrows: vec![],
        widens: vec![],
        overrides: vec![],
        until,
        reverts_to: None,
    };
    let signature = sign(&key("dana"), releases::DOMAIN, &[&release.digest().0]);
    KeptRelease { release, key: public(&key("dana")), signature, snapshot: String::from_utf8(bytes).unwrap() }
}

impl Rig {
    /// A gate with the scope of this file in force, and nothing in its store but that.
    pub fn new(settings: Settings) -> Rig {
        let rig = Rig::bare(settings);
        rig.release(1, &snapshot(SCOPE, LOCK));
        rig
    }

    /// A gate with nothing in force.
    pub fn bare(settings: Settings) -> Rig {
        let world = Arc::new(Still { now: AtomicI64::new(1_764_000_000_000), chance: AtomicU64::new(7) });
        Rig::over(world, Arc::new(Memory::new()), Arc::new(Live::default()), settings).0
    }

    fn over(world: Arc<Still>, memory: Arc<Memory>, live: Arc<Live>, settings: Settings) -> (Rig, Found) {
        let keys = InstallationKeys::from_seed(&[7; 64]);
        let journal = Journal::open(memory.clone(), world.clone(), keys, Mode::Inline).unwrap();
        let releases = Arc::new(Releases::new(memory.clone()));
        let means = Means::open(
            world.clone(),
            memory.clone(),
            Arc::new(journal),
            releases.clone(),
            live.clone(),
            Arc::new(Keys),
            settings,
        )
        .unwrap();
        let found = run(start(&means)).unwrap();
        (Rig { world, memory, live, releases, means: Arc::new(means), session: session("helper") }, found)
    }

    /// The power goes, and the gate starts again over what the disk kept.
    pub fn crash(self, seed: u64) -> (Rig, Found) {
        let memory = Arc::new(self.memory.crash(seed));
        Rig::over(self.world, memory, self.live, self.means.settings)
    }

    pub fn release(&self, number: u64, snapshot: &Snapshot) -> Vec<String> {
        run(releases::put_in_force(&self.means, &self.releases, release(number, snapshot))).unwrap()
    }

    pub fn action(&self, system: &str, name: &str, arguments: &str) -> Action {
        Action {
            agent: self.session.agent.clone(),
            gate: Gate::Mcp,
            session: self.session.id.clone(),
            task: self.session.task.as_ref().map(|task| task.id.clone()),
            system: system.into(),
            operation: "tools/call".into(),
            name: name.into(),
            payload: format!("{{\"name\":\"{name}\",\"arguments\":{arguments}}}").into_bytes(),
        }
    }

    pub fn call(&self, path: &str, arguments: &str) -> Answer {
        let (system, name) = path.split_once('.').unwrap();
        run(pass(&self.means, &self.session, self.action(system, name, arguments)))
    }

    /// A refund, held; its id.
    pub fn held(&self, amount: u32) -> String {
        match self.call("payments.create_refund", &format!("{{\"amount\":{amount}}}")) {
            Answer::Pending { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    pub fn kept(&self, id: &str) -> Kept {
        change::kept(&self.means, id).unwrap().unwrap()
    }

    pub fn state(&self, id: &str) -> State {
        self.kept(id).hold.state
    }

    /// What people see of a hold, as bytes that were checked against the digest they sign.
    pub fn shown(&self, id: &str) -> shown::Shown {
        let kept = self.kept(id);
        let bytes = self.means.payload(kept.held).unwrap().unwrap();
        assert_eq!(shown::digest(&bytes), kept.hold.binding.shown);
        shown::Shown::from_bytes(&bytes).unwrap()
    }

    pub fn proof(&self, person: &str, say: Say, id: &str, binding: &Digest, because: &str) -> Proof {
        let statement = people::statement(say, id, binding, because);
        Proof { person: person.into(), signature: Some(sign(&key(person), people::DOMAIN, &statement)) }
    }

    /// A person confirms what is held now.
    pub fn confirm(&self, person: &str, id: &str) -> Result<Answered, AnswerError> {
        let binding = self.kept(id).hold.binding.digest();
        let proof = self.proof(person, Say::Confirm, id, &binding, "");
        run(answer::confirm(&self.means, id, binding, Peer { user: Some(1) }, &proof))
    }

    pub fn refuse(&self, person: &str, id: &str, because: &str) -> Result<Answered, AnswerError> {
        let binding = self.kept(id).hold.binding.digest();
        let proof = self.proof(person, Say::Refuse, id, &binding, because);
        run(answer::refuse(&self.means, id, binding, because, Peer { user: Some(1) }, &proof))
    }

    pub fn execute(&self, id: &str) -> Option<State> {
        run(execute::confirmed(&self.means, id)).unwrap()
    }

    /// What a daemon does every few seconds; how many confirmed holds it found.
    pub fn sweep(&self) -> usize {
        let swept = run(sweep(&self.means)).unwrap();
        swept.confirmed.iter().for_each(|id| drop(run(execute::confirmed(&self.means, id)).unwrap()));
        swept.confirmed.len()
    }

    pub fn collect(&self, id: &str) -> Answer {
        run(wait::wait(&self.means, &self.session, id)).unwrap()
    }

    pub fn later(&self, minutes: i64) {
        self.world.now.fetch_add(minutes * 60_000, Ordering::SeqCst);
    }

    pub fn ran(&self) -> usize {
        self.live.ran.lock().unwrap().len()
    }

    pub fn records(&self) -> Vec<Record> {
        self.memory.rows(1, usize::MAX).unwrap().into_iter().map(|row| Record::read(row).unwrap()).collect()
    }

    /// The verdicts recorded over askings of that tool, in order.
    pub fn verdicts(&self, tool: &str) -> Vec<String> {
        let records = self.records();
        let text = |record: &Record, name: &str| record.details.get(name).and_then(|v| v.as_str()).map(str::to_owned);
        let asked: Vec<_> = records
            .iter()
            .filter(|r| r.kind == Kind::Asked && text(r, "name").as_deref() == Some(tool))
            .filter_map(|r| text(r, "ask"))
            .collect();
        let decided = records.iter().filter(|r| r.kind == Kind::Decided);
        decided
            .filter(|r| text(r, "ask").is_some_and(|ask| asked.contains(&ask)))
            .filter_map(|r| text(r, "verdict"))
            .collect()
    }

    pub fn kinds(&self) -> Vec<Kind> {
        self.records().iter().map(|record| record.kind).collect()
    }

    /// Lifts what a stop left behind, as a person would.
    pub fn resume_if_stopped(&self) {
        run(ambit::daemon::stop::resume(&self.means, Some("helper"), "dana", "go on")).unwrap();
    }

    pub fn newest_release(&self) -> u64 {
        self.releases.of("helper").unwrap().last().map_or(0, |kept| kept.release.number)
    }

    /// Tess opens a task; its id.
    pub fn open_task(&self, opening: Opening) -> Result<String, TaskError> {
        run(tasks::open(&self.means, opening, "tess")).map(|opened| opened.task.id)
    }

    /// The session works on that task from here on.
    pub fn enter(&mut self, id: &str) {
        let task = open_task(&self.means, "helper", id).unwrap().expect("it is open");
        self.session.task = Some(Arc::new(task));
    }

    /// The session works on a task that Tess opened for somebody; its id.
    pub fn begin_task(&mut self, on_behalf_of: &str) -> String {
        let id = self.open_task(Opening { on_behalf_of: Some(on_behalf_of.into()), ..opening() }).unwrap();
        self.enter(&id);
        id
    }

    pub fn end_task(&self, id: &str) {
        run(tasks::close(&self.means, id, Some("tess"), "it is done")).unwrap().expect("it was open");
    }

    pub fn put(&self, put: Put) {
        run(self.means.record(vec![], move |_| vec![put], Durability::Now)).unwrap();
    }
}

/// The journey of one action of which nobody hears anything but the answer.
pub async fn pass(means: &Means, session: &Session, action: Action) -> Answer {
    ambit::gate::pass::pass(means, session, action, &Talk::silent()).await
}
