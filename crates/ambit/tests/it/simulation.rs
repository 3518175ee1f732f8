//! The power goes at every await of `pass` and of what follows it, and at every write to the store; then the gate starts
//! again. Whatever happens: no hold is lost, nothing runs twice, nothing ran without its durable record, and what was
//! in flight is told.

use std::collections::BTreeMap;

use ambit::confirm::answer::{self, Answered};
use ambit::confirm::people::{Peer, Say};
use ambit::confirm::{change, notice, wait};
use ambit::daemon::start::Found;
use ambit::daemon::stop;
use ambit::gate::{Answer, execute};
use ambit::journal::{Kind, Record};
use ambit::store::Store as _;
use ambit::store::memory::Fault;
use ambit_core::action::Digest;
use ambit_core::decision::Verdict;
use ambit_core::hold::State;
use ambit_core::record::{Journey, Step};

use crate::rig::{Ended, LOCK, Rig, SCOPE, drive, pass, run, settings, snapshot};

/// What people and agents were told before the power went.
#[derive(Debug, Default)]
struct Told {
    /// The agent was told that this hold waits.
    hold: Option<String>,
    /// Lena was told that hers was the last confirmation needed.
    complete: bool,
    /// The agent was given the answer of the refund.
    collected: bool,
}

/// A day: a read, a change, and a refund that is held, confirmed, executed and collected. Goes on until the budget of
/// awaits is used up; whether it came to its end.
fn day(rig: &Rig, budget: &mut u64, told: &mut Told) -> Option<()> {
    let call = |path: &str, arguments: &str| {
        let (system, name) = path.split_once('.').unwrap();
        rig.action(system, name, arguments)
    };
    drive(budget, pass(&rig.means, &rig.session, call("helpdesk.get_ticket", r#"{"id":"1"}"#))).came()?;
    drive(budget, pass(&rig.means, &rig.session, call("helpdesk.reply", r#"{"body":"hello"}"#))).came()?;
    let refund = call("payments.create_refund", r#"{"amount":80}"#);
    let asked = drive(budget, pass(&rig.means, &rig.session, refund)).came()?;
    let Answer::Pending { id, .. } = asked else { return Some(()) };
    told.hold = Some(id.clone());
    let Ok(Some(kept)) = change::kept(&rig.means, &id) else { return Some(()) };
    let binding = kept.hold.binding.digest();
    let proof = rig.proof("lena", Say::Confirm, &id, &binding, "");
    let answered = answer::confirm(&rig.means, &id, binding, Peer { user: Some(1) }, &proof);
    let answered = drive(budget, answered).came()?;
    told.complete = matches!(answered, Ok(Answered::Complete));
    // A fault here is the daemon's to log; what stands in the store is what counts.
    let _ = drive(budget, execute::confirmed(&rig.means, &id)).came()?;
    let collected = drive(budget, wait::wait(&rig.means, &rig.session, &id)).came()?;
    told.collected = matches!(collected, Ok(Answer::Result(_)));
    Some(())
}

fn ran(rig: &Rig, name: &str) -> usize {
    rig.live.ran.lock().unwrap().iter().filter(|action| action.name == name).count()
}

fn records(rig: &Rig, kind: Kind, action: Digest) -> Vec<Record> {
    rig.records().into_iter().filter(|record| record.kind == kind && record.action == Some(action)).collect()
}

/// Every record stands where it may stand.
fn in_order(rig: &Rig) {
    let mut journeys: BTreeMap<String, Journey> = BTreeMap::new();
    for record in rig.records() {
        let ask = record.details.get("ask").and_then(|ask| ask.as_str()).map(str::to_owned);
        let verdict = match record.details.get("verdict").and_then(|verdict| verdict.as_str()) {
            Some("allow") => Verdict::Allow,
            Some("hold") => Verdict::Hold,
            _ => Verdict::Refuse,
        };
        let step = match record.kind {
            Kind::Asked => Step::Asked,
            Kind::Decided => Step::Decided(verdict),
            Kind::Held => Step::Held,
            Kind::Confirmed => Step::Confirmed(record.person.clone().unwrap()),
            Kind::HoldRefused | Kind::HoldExpired | Kind::HoldWithdrawn => Step::Ended,
            Kind::Executing => Step::Executing,
            Kind::Outcome => Step::Outcome,
            Kind::OutcomeUnknown => Step::OutcomeUnknown,
            _ => continue,
        };
        // A later asking that joins a hold is an asking of its own, which ends with being told of the hold.
        let joins = matches!(step, Step::Asked | Step::Decided(_))
            && record
                .hold
                .as_ref()
                .is_some_and(|hold| journeys.get(hold).is_some_and(|journey| *journey != asked(&step)));
        let key = if joins { ask } else { record.hold.clone().or(ask) };
        let journey = journeys.entry(key.unwrap()).or_default();
        journey.take(step).unwrap_or_else(|disorder| panic!("record {}: {disorder}", record.sequence));
    }
}

/// The journey that a hold's first asking has when this step comes.
fn asked(step: &Step) -> Journey {
    let mut journey = Journey::default();
    if matches!(step, Step::Decided(_)) {
        journey.take(Step::Asked).unwrap();
    }
    journey
}

/// What must be so after any crash, before anything more happens.
fn holds_after_a_crash(rig: &Rig, found: &Found, told: &Told, what: &str) {
    in_order(rig);
    let refund = rig.action("payments", "create_refund", r#"{"amount":80}"#).digest();
    let reply = rig.action("helpdesk", "reply", r#"{"body":"hello"}"#).digest();
    // Nothing ran twice, and nothing without its record.
    assert!(ran(rig, "create_refund") <= records(rig, Kind::Executing, refund).len(), "{what}");
    assert!(records(rig, Kind::Executing, refund).len() <= 1, "{what}");
    assert!(ran(rig, "create_refund") == 0 || !records(rig, Kind::Confirmed, refund).is_empty(), "{what}");
    assert!(ran(rig, "reply") <= records(rig, Kind::Decided, reply).len(), "{what}");
    // No hold is lost.
    let hold = told.hold.as_deref();
    assert!(hold.is_none_or(|id| change::kept(&rig.means, id).unwrap().is_some()), "{what}: lost");
    assert!(!told.complete || !records(rig, Kind::Confirmed, refund).is_empty(), "{what}: a confirmation lost");
    assert!(!told.collected || !records(rig, Kind::Outcome, refund).is_empty(), "{what}: an outcome lost");
    // What was in flight is told: to the journal, to whoever starts the gate, and to the people.
    let unknown = |action| !records(rig, Kind::OutcomeUnknown, action).is_empty();
    let known = |action| !records(rig, Kind::Outcome, action).is_empty();
    for (name, action) in [("create_refund", refund), ("reply", reply)] {
        if ran(rig, name) > 0 && !known(action) {
            assert!(unknown(action), "{what}: {name} ran, and nobody is told");
        }
        assert!(!(known(action) && unknown(action)), "{what}: {name}");
    }
    let lost = usize::from(unknown(refund)) + usize::from(unknown(reply));
    assert_eq!(found.in_flight.len(), lost, "{what}: {found:?}");
    assert_eq!(notice::unseen(&rig.means).unwrap().len(), lost, "{what}");
}

/// What comes of it when the gate then runs on: to a second start, after which nothing moves any more.
fn runs_on(rig: Rig, told: &Told, what: &str) {
    let before = ran(&rig, "create_refund");
    rig.sweep();
    let hold = told.hold.as_deref();
    let state = hold.map(|id| rig.state(id));
    if told.complete {
        let ended = state.as_ref().unwrap();
        assert!(matches!(ended, State::Done { .. } | State::OutcomeUnknown { .. }), "{what}: {ended:?}");
        assert!(matches!(ended, State::OutcomeUnknown { .. }) || ran(&rig, "create_refund") == 1, "{what}");
    }
    if matches!(state, Some(State::OutcomeUnknown { .. })) {
        assert_eq!(ran(&rig, "create_refund"), before, "{what}: retried");
        assert!(matches!(rig.collect(hold.unwrap()), Answer::OutcomeUnknown(_)), "{what}");
    }
    in_order(&rig);
    let after = ran(&rig, "create_refund");
    assert!(after <= 1, "{what}");
    let (rig, _) = rig.crash(5);
    rig.sweep();
    in_order(&rig);
    if told.complete {
        assert_eq!(ran(&rig, "create_refund"), after, "{what}: ran again");
    }
    assert!(ran(&rig, "create_refund") <= 1, "{what}");
}

#[test]
fn a_crash_at_every_await_loses_nothing_and_runs_nothing_twice() {
    let mut awaits = 0;
    loop {
        let mut ended = true;
        for seed in 0..6 {
            let rig = Rig::new(settings());
            let (mut told, mut budget) = (Told::default(), awaits);
            ended &= day(&rig, &mut budget, &mut told).is_some();
            let what = format!("dropped at await {awaits}, seed {seed}");
            let (rig, found) = rig.crash(seed);
            holds_after_a_crash(&rig, &found, &told, &what);
            runs_on(rig, &told, &what);
        }
        if ended {
            break;
        }
        awaits += 1;
    }
    assert!(awaits >= 8, "the day has only {awaits} awaits");
}

#[test]
fn a_power_cut_or_a_failing_disk_at_every_write_loses_nothing_and_runs_nothing_twice() {
    let untouched = Rig::new(settings());
    let first = untouched.memory.steps();
    let mut told = Told::default();
    day(&untouched, &mut 1000, &mut told).unwrap();
    let last = untouched.memory.steps();
    assert!(told.collected && last - first >= 8, "{told:?}, {} steps", last - first);
    for step in first..last {
        for fault in [Fault::PowerCut, Fault::Refused, Fault::Unanswered] {
            for seed in 0..6 {
                let rig = Rig::new(settings());
                rig.memory.fail_at(step, fault);
                let mut told = Told::default();
                day(&rig, &mut 1000, &mut told).unwrap();
                let what = format!("{fault:?} at step {step}, seed {seed}");
                let (rig, found) = rig.crash(seed);
                holds_after_a_crash(&rig, &found, &told, &what);
                runs_on(rig, &told, &what);
            }
        }
    }
}

/// What can happen, from a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % n
    }
}

#[test]
fn whatever_happens_in_whatever_order_what_ran_was_confirmed_and_ran_once() {
    for seed in 0..40 {
        let mut chance = Chance(seed);
        let mut rig = Rig::new(settings());
        let mut releases = 1;
        let mut holds: Vec<String> = Vec::new();
        for _ in 0..40 {
            let pick = |chance: &mut Chance, holds: &[String]| {
                (!holds.is_empty()).then(|| holds[usize::try_from(chance.below(holds.len() as u64)).unwrap()].clone())
            };
            let mut budget = if chance.below(4) == 0 { chance.below(4) } else { 1000 };
            let mut cut = false;
            if chance.below(8) == 0 {
                let fault =
                    [Fault::PowerCut, Fault::Refused, Fault::Unanswered][usize::try_from(chance.below(3)).unwrap()];
                rig.memory.fail_at(rig.memory.steps() + chance.below(3), fault);
            }
            match chance.below(12) {
                0..=2 => {
                    let amount = 1 + chance.below(4);
                    let action = rig.action("payments", "create_refund", &format!("{{\"amount\":{amount}}}"));
                    match drive(&mut budget, pass(&rig.means, &rig.session, action)) {
                        Ended::Came(Answer::Pending { id, .. }) if !holds.contains(&id) => holds.push(id),
                        Ended::Came(_) => {}
                        Ended::Dropped => cut = true,
                    }
                }
                3..=5 => {
                    let person = ["lena", "max", "tess"][usize::try_from(chance.below(3)).unwrap()];
                    let Some(id) = pick(&mut chance, &holds) else { continue };
                    let Ok(Some(kept)) = change::kept(&rig.means, &id) else { continue };
                    let binding = kept.hold.binding.digest();
                    let say = if chance.below(5) == 0 { Say::Refuse } else { Say::Confirm };
                    let proof = rig.proof(person, say, &id, &binding, "");
                    let peer = Peer { user: Some(1) };
                    cut = match say {
                        Say::Confirm => {
                            drive(&mut budget, answer::confirm(&rig.means, &id, binding, peer, &proof)).came().is_none()
                        }
                        Say::Refuse => drive(&mut budget, answer::refuse(&rig.means, &id, binding, "", peer, &proof))
                            .came()
                            .is_none(),
                    };
                }
                6..=7 => {
                    let Some(id) = pick(&mut chance, &holds) else { continue };
                    // Two at once, as a daemon's sweep and a person's confirmation may be.
                    let both = async {
                        tokio::join!(execute::confirmed(&rig.means, &id), execute::confirmed(&rig.means, &id))
                    };
                    cut = drive(&mut budget, both).came().is_none();
                }
                8 => rig.later(i64::try_from(chance.below(40)).unwrap()),
                9 => {
                    if chance.below(3) == 0 {
                        cut = drive(&mut budget, stop::stop(&rig.means, Some("helper"), Some("dana"), "look"))
                            .came()
                            .is_none();
                    }
                    let resumed = stop::resume(&rig.means, Some("helper"), "dana", "go on");
                    cut |= drive(&mut budget, resumed).came().is_none();
                }
                10 => {
                    let Some(id) = pick(&mut chance, &holds) else { continue };
                    cut = drive(&mut budget, wait::wait(&rig.means, &rig.session, &id)).came().is_none();
                }
                _ => {
                    if chance.below(4) == 0 {
                        let text = SCOPE.replace("tickets.", &format!("tickets {releases}."));
                        let next = crate::rig::release(releases + 1, &snapshot(&text, LOCK));
                        let putting = ambit::daemon::releases::put_in_force(&rig.means, &rig.releases, next);
                        match drive(&mut budget, putting) {
                            Ended::Came(_) => {}
                            Ended::Dropped => cut = true,
                        }
                    } else {
                        cut = true;
                    }
                }
            }
            if cut || rig.memory.last_row().is_err() {
                rig = rig.crash(chance.below(1000)).0;
                rig.resume_if_stopped();
            }
            releases = rig.newest_release();
            let what = format!("seed {seed}");
            in_order(&rig);
            let mut runs: BTreeMap<Digest, usize> = BTreeMap::new();
            for action in rig.live.ran.lock().unwrap().iter() {
                *runs.entry(action.digest()).or_default() += 1;
            }
            for (action, count) in runs {
                assert!(count <= records(&rig, Kind::Executing, action).len(), "{what}");
            }
        }
        // In the end everything is somewhere.
        let (rig, _) = rig.crash(seed);
        for id in &holds {
            assert!(change::kept(&rig.means, id).unwrap().is_some(), "seed {seed}: `{id}` is lost");
            assert!(!matches!(rig.state(id), State::Executing { .. }), "seed {seed}");
        }
    }
}

#[test]
fn a_stop_withdraws_severs_refuses_and_proves_it() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    let confirmed = rig.held(81);
    rig.confirm("lena", &confirmed).unwrap();
    let news = rig.means.sessions.open(std::sync::Arc::new(rig.session.clone()));
    let stopped = run(stop::stop(&rig.means, Some("helper"), Some("dana"), "it is wild")).unwrap();
    assert_eq!(stopped.severed, ["s-1"]);
    assert!(news.borrow().severed);
    assert_eq!(stopped.withdrawn.len(), 2);
    assert_eq!((stopped.refused, stopped.not_refused), (vec!["helper".to_owned()], vec![]));
    assert!(matches!(rig.call("helpdesk.get_ticket", "{}"), Answer::Refused(text) if text.contains("it is wild")));
    assert!(rig.confirm("max", &id).is_err());
    assert!(matches!(rig.execute(&confirmed), Some(State::Withdrawn { .. })));
    assert_eq!(rig.ran(), 0);
    // It outlives a restart, and only a person lifts it.
    let (rig, _) = rig.crash(0);
    assert!(matches!(rig.call("helpdesk.get_ticket", "{}"), Answer::Refused(_)));
    assert!(run(stop::resume(&rig.means, Some("helper"), "dana", "looked at it")).unwrap());
    assert!(matches!(rig.call("helpdesk.get_ticket", "{}"), Answer::Result(_)));
    // Everybody at once.
    let stopped = run(stop::stop(&rig.means, None, Some("dana"), "all of them")).unwrap();
    assert_eq!(stopped.refused, ["helper"]);
    assert!(matches!(rig.call("helpdesk.get_ticket", "{}"), Answer::Refused(_)));
}

#[test]
fn what_is_refused_or_held_never_reaches_the_live_system() {
    let rig = Rig::new(settings());
    for (path, arguments) in [
        ("helpdesk.purge", "{}"),
        ("payments.create_refund", r#"{"amount":201}"#),
        ("payments.create_refund", r#"{"amount":20}"#),
        ("payments.create_refund", r#"{"amount":"20"}"#),
        ("payments.create_refund", r#"{"amount":20,"amount":500}"#),
        ("helpdesk.close", "{}"),
        ("helpdesk.nothing", "{}"),
        ("nowhere.get_ticket", "{}"),
    ] {
        let answer = rig.call(path, arguments);
        assert!(!matches!(answer, Answer::Result(_)), "{path}: {answer:?}");
    }
    assert_eq!(rig.ran(), 0);
    assert!(matches!(rig.call("payments.create_refund", r#"{"amount":"20"}"#), Answer::Invalid(_)));
}

#[test]
fn an_action_is_sent_only_after_its_record_stands() {
    // Every write fails: nothing may move.
    let rig = Rig::new(settings());
    for step in 0..40 {
        rig.memory.fail_at(rig.memory.steps() + step, Fault::Refused);
    }
    for (path, arguments) in [("helpdesk.get_ticket", "{}"), ("helpdesk.reply", "{}")] {
        assert!(matches!(rig.call(path, arguments), Answer::Fault(_)), "{path}");
    }
    assert_eq!(rig.ran(), 0);
}
