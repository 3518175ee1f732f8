//! Tasks at a whole gate in one thread: what they narrow, what they never do, and what is left when the power goes.

use std::future::Future;
use std::task::{Context, Waker};

use ambit::daemon::callers::Calling;
use ambit::daemon::tasks::{self, Opened, Opener, Opening, TaskError};
use ambit::gate::session::{Fact, Session};
use ambit::gate::tasks::open_task;
use ambit::gate::{Answer, execute};
use ambit::journal::Kind;
use ambit::keys::token::{Presented, verify};
use ambit::snapshot::Snapshot;
use ambit::store::Store as _;
use ambit_core::hold::State;
use proptest::prelude::*;

use crate::rig::{CONFIG, LOCK, Rig, opening, pass, run, session, settings, snapshot};

const SCOPE: &str = r#"---
agent: helper
owner: dana@acme.example
outside: refuse
---

# Helper

Answers tickets.

## It can read

- helpdesk.get_ticket where id is the task's ticket

## It can write

- call helpdesk.reply where to is in the request, at most 2 times per task, for answer
- call helpdesk.close where id is the task's ticket, for answer or close-up

## A human must confirm

- call payments.create_refund, for any task but close-up

## It cannot touch

- call helpdesk.purge
"#;

fn rig() -> Rig {
    let rig = Rig::bare(settings());
    rig.release(1, &snapshot(SCOPE, LOCK));
    rig
}

fn answer(ticket: &str, author: &str) -> Opening {
    Opening {
        name: Some("answer".into()),
        request: Some("please write to lena@acme.example about it".into()),
        author: Some(author.into()),
        facts: vec![("ticket".into(), Fact::Text(ticket.into()))],
        ..opening()
    }
}

/// A gate whose release lets the program `desk` open tasks, so many an hour.
fn rig_with_desk(an_hour: u32) -> Rig {
    let rig = Rig::bare(settings());
    let more =
        format!("[callers.desk]\nperson = \"tess\"\nmay-open-unnamed = [\"helper\"]\nopenings-per-hour = {an_hour}\n");
    let config = format!("{CONFIG}{more}");
    let parts = [("agent", "helper"), ("config", config.as_str()), ("lock", LOCK), ("scope", SCOPE)];
    let parts: String = parts.iter().map(|(name, text)| format!("{name} {}\n{text}\n", text.len())).collect();
    rig.release(1, &Snapshot::from_bytes(format!("ambit snapshot 1\n{parts}").as_bytes()).unwrap());
    rig
}

fn open_by_desk(rig: &Rig, key: Option<&str>) -> Result<Opened, TaskError> {
    let calling = Calling {
        name: "desk".into(),
        token: "t".into(),
        presented: "p".to_owned().into(),
        key: key.map(str::to_owned),
    };
    let opening = Opening { lasts_seconds: 3600, ..opening() };
    run(tasks::open_for(&rig.means, opening, &Opener::Caller(&calling)))
}

fn allowed(answer: &Answer) -> bool {
    matches!(answer, Answer::Result(_))
}

fn to(address: &str) -> String {
    format!("{{\"to\":\"{address}\",\"body\":\"hello\"}}")
}

#[test]
fn a_task_gives_its_lines_and_the_standing_session_has_none_of_them() {
    let mut rig = rig();
    assert!(!allowed(&rig.call("helpdesk.reply", &to("lena@acme.example"))));
    assert!(!allowed(&rig.call("helpdesk.get_ticket", r#"{"id":"T-1"}"#)));
    let id = rig.open_task(answer("T-1", "dana@acme.example")).unwrap();
    // The session that stands still has none.
    assert!(!allowed(&rig.call("helpdesk.reply", &to("lena@acme.example"))));
    rig.enter(&id);
    assert!(allowed(&rig.call("helpdesk.reply", &to("lena@acme.example"))));
    assert!(!allowed(&rig.call("helpdesk.reply", &to("attacker@evil.example"))));
    assert!(allowed(&rig.call("helpdesk.get_ticket", r#"{"id":"T-1"}"#)));
    assert!(!allowed(&rig.call("helpdesk.get_ticket", r#"{"id":"T-2"}"#)));
    assert!(matches!(rig.call("payments.create_refund", r#"{"amount":5}"#), Answer::Pending { .. }));
}

#[test]
fn a_request_that_an_outsider_wrote_satisfies_nothing() {
    let mut rig = rig();
    for author in ["customer@elsewhere.example", "helper"] {
        let id = rig.open_task(answer("T-1", author)).unwrap();
        rig.enter(&id);
        assert!(!allowed(&rig.call("helpdesk.reply", &to("lena@acme.example"))), "{author}");
        // What the caller vouches for is not the author's.
        assert!(allowed(&rig.call("helpdesk.get_ticket", r#"{"id":"T-1"}"#)));
    }
}

#[test]
fn a_budget_per_task_is_one_tasks_alone_and_is_gone_with_it() {
    let mut rig = rig();
    let first = rig.open_task(answer("T-1", "dana")).unwrap();
    let second = rig.open_task(answer("T-2", "dana")).unwrap();
    for id in [&first, &second] {
        rig.enter(id);
        for _ in 0..2 {
            assert!(allowed(&rig.call("helpdesk.reply", &to("lena@acme.example"))));
        }
        assert!(!allowed(&rig.call("helpdesk.reply", &to("lena@acme.example"))));
    }
    assert_eq!(rig.memory.scan("usage/").unwrap().len(), 2);
    rig.end_task(&first);
    let left = rig.memory.scan("usage/").unwrap();
    assert!(matches!(left.as_slice(), [one] if one.key.ends_with(&second)));
}

#[test]
fn what_is_not_in_the_scope_is_no_task() {
    let rig = rig();
    let not = |opening: Opening| rig.open_task(opening).unwrap_err().to_string();
    let named = |name: &str| Opening { name: Some(name.into()), ..answer("T-1", "dana") };
    assert!(not(named("anser")).contains("did you mean `answer`?"), "{}", not(named("anser")));
    assert!(not(named("refund")).contains("there is `answer`, `close-up`"));
    let fact = |name: &str, fact: Fact| Opening { facts: vec![(name.into(), fact)], ..named("answer") };
    assert!(not(fact("tiket", Fact::Text("x".into()))).contains("did you mean `ticket`?"));
    assert!(not(fact("ticket", Fact::Number("8e".into()))).contains("a number that is none"));
    assert!(not(fact("ticket", Fact::Text("x".repeat(2000)))).contains("1,024 bytes"));
    let twice = vec![("ticket".to_owned(), Fact::Truth(true)); 2];
    assert!(not(Opening { facts: twice, ..named("answer") }).contains("given twice"));
    assert!(not(Opening { author: None, ..named("answer") }).contains("not said who wrote"));
    assert!(not(Opening { request: None, ..named("answer") }).contains("no request"));
    assert!(not(Opening { request: Some(" ".into()), ..named("answer") }).contains("empty"));
    assert!(not(Opening { lasts_seconds: 59, ..named("answer") }).contains("from a minute to a week"));
    assert!(not(Opening { lasts_seconds: 604_801, ..named("answer") }).contains("from a minute to a week"));
    assert!(not(Opening { on_behalf_of: Some("tes".into()), ..named("answer") }).contains("did you mean `tess`?"));
    assert!(not(Opening { agent: "other".into(), ..named("answer") }).contains("no scope is in force"));
    let stranger = run(tasks::open(&rig.means, named("answer"), "mallory"));
    assert!(matches!(stranger, Err(TaskError::Nobody { person, .. }) if person == "mallory"));
    run(ambit::daemon::stop::stop(&rig.means, Some("helper"), Some("dana"), "look")).unwrap();
    assert!(not(named("answer")).contains("is stopped"));
    assert!(!rig.kinds().contains(&Kind::TaskOpened));
    assert!(rig.memory.scan("task/").unwrap().is_empty() && rig.memory.scan("token/").unwrap().is_empty());
}

#[test]
fn when_its_time_is_over_nothing_moves_in_it_whether_or_not_it_was_swept() {
    let mut rig = rig();
    let opened =
        run(tasks::open(&rig.means, Opening { lasts_seconds: 20 * 60, ..answer("T-1", "dana") }, "tess")).unwrap();
    let (id, text) = (opened.task.id.clone(), opened.token.expose_text().unwrap().to_owned());
    rig.enter(&id);
    let hold = match rig.call("payments.create_refund", r#"{"amount":5}"#) {
        Answer::Pending { id, .. } => id,
        other => panic!("{other:?}"),
    };
    let news = rig.means.sessions.open(std::sync::Arc::new(rig.session.clone()));
    let other = Session { id: "s-2".into(), ..session("helper") };
    let others = rig.means.sessions.open(std::sync::Arc::new(other));
    rig.later(20);
    assert!(allowed(&rig.call("helpdesk.get_ticket", r#"{"id":"T-1"}"#)), "the last moment is part of it");
    rig.later(1);
    assert!(
        matches!(rig.call("helpdesk.get_ticket", r#"{"id":"T-1"}"#), Answer::Refused(why) if why.contains("task of this session is over"))
    );
    // Its hold has nine minutes left, and is not run either.
    assert!(rig.confirm("dana", &hold).is_err());
    assert!(matches!(rig.state(&hold), State::Withdrawn { because, .. } if because.contains("task is over")));
    assert!(matches!(verify(rig.memory.as_ref(), &text).unwrap(), Presented::Valid(_)));
    rig.sweep();
    assert!(news.borrow().severed && !others.borrow().severed);
    assert!(matches!(verify(rig.memory.as_ref(), &text).unwrap(), Presented::Revoked(_)));
    assert!(rig.memory.scan("task/").unwrap().is_empty());
    assert!(matches!(rig.call("helpdesk.get_ticket", r#"{"id":"T-1"}"#), Answer::Refused(_)));
    let closed = rig.records().into_iter().find(|record| record.kind == Kind::TaskClosed).unwrap();
    assert_eq!((closed.person, closed.details["because"].as_str()), (None, Some("its time is over")));
}

#[test]
fn a_task_outlives_a_crash_and_its_end_does_too() {
    let rig = rig();
    let first = rig.open_task(answer("T-1", "dana")).unwrap();
    let second = rig.open_task(answer("T-2", "dana")).unwrap();
    rig.end_task(&second);
    let (mut rig, found) = rig.crash(3);
    assert_eq!(found.tasks, 1);
    rig.enter(&first);
    assert!(allowed(&rig.call("helpdesk.reply", &to("lena@acme.example"))));
    assert_eq!(open_task(&rig.means, "helper", &second).unwrap(), None);
    assert_eq!(open_task(&rig.means, "other", &first).unwrap(), None, "a task is one agent's");
}

#[test]
fn when_the_power_goes_what_somebody_was_told_of_a_task_is_so() {
    for seed in 0..20 {
        for closes in [false, true] {
            let rig = rig();
            let opened = run(tasks::open(&rig.means, answer("T-1", "dana"), "tess")).unwrap();
            if closes {
                rig.end_task(&opened.task.id);
            }
            let (rig, _) = rig.crash(seed);
            let known = verify(rig.memory.as_ref(), opened.token.expose_text().unwrap()).unwrap();
            let open = open_task(&rig.means, "helper", &opened.task.id).unwrap();
            match known {
                Presented::Valid(token) => {
                    assert!(!closes && token.task.as_ref() == open.as_ref().map(|task| &task.id), "{seed}")
                }
                Presented::Revoked(_) => assert!(closes && open.is_none(), "{seed}"),
                Presented::Unknown => panic!("{seed}"),
            }
        }
    }
}

#[test]
fn what_a_task_says_is_sealed_and_when_erased_the_task_gives_nothing() {
    let rig = rig();
    let id = rig.open_task(answer("T-SECRET", "someone@private.example")).unwrap();
    let kept = rig.means.tasks.get(&id).unwrap();
    let told: Vec<String> =
        rig.memory.scan("").unwrap().into_iter().map(|f| String::from_utf8_lossy(&f.value).into_owned()).collect();
    let rows = rig.memory.rows(1, 1000).unwrap();
    let bodies: Vec<String> = rows.iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect();
    for secret in ["T-SECRET", "someone@private.example", "please write"] {
        assert!(told.iter().chain(&bodies).all(|text| !text.contains(secret)), "{secret}");
    }
    run(rig.means.journal.erase(kept.record, Some("dana".into()), "asked to")).unwrap();
    assert_eq!(open_task(&rig.means, "helper", &id).unwrap(), None);
}

#[test]
fn a_key_is_known_for_a_day_and_no_longer() {
    let rig = rig_with_desk(120);
    let first = open_by_desk(&rig, Some("k")).unwrap().task.id;
    let again = open_by_desk(&rig, Some("k")).unwrap();
    assert!(again.again && again.task.id == first);
    rig.end_task(&first);
    rig.later(24 * 60);
    assert!(matches!(open_by_desk(&rig, Some("k")), Err(TaskError::Over(id)) if id == first));
    rig.later(1);
    let second = open_by_desk(&rig, Some("k")).unwrap();
    assert!(!second.again && second.task.id != first);
    let third = open_by_desk(&rig, Some("k")).unwrap();
    assert!(third.again && third.task.id == second.task.id);
}

#[test]
fn a_caller_that_opens_and_closes_without_end_is_told_to_wait() {
    let rig = rig_with_desk(3);
    let opens_and_closes = || open_by_desk(&rig, None).map(|opened| rig.end_task(&opened.task.id));
    for _ in 0..3 {
        opens_and_closes().unwrap();
        rig.later(10);
    }
    let records = rig.records().len();
    let too_often = || match opens_and_closes() {
        Err(TaskError::TooOftenOf { most, seconds, .. }) => (most, seconds),
        other => panic!("{other:?}"),
    };
    assert_eq!(too_often(), (3, 30 * 60));
    assert_eq!(rig.records().len(), records, "nothing is written for it");
    rig.later(29);
    assert_eq!(too_often(), (3, 60));
    rig.later(1);
    opens_and_closes().unwrap();
    assert_eq!(too_often(), (3, 10 * 60));
    // A person is none of its business.
    rig.open_task(opening()).unwrap();
}

#[test]
fn a_task_is_closed_once() {
    let rig = rig();
    let id = rig.open_task(answer("T-1", "dana")).unwrap();
    let closed = || run(tasks::close(&rig.means, &id, Some("dana"), "done")).unwrap();
    assert!(closed().is_some() && closed().is_none());
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == Kind::TaskClosed).count(), 1);
}

/// Begins a future, lets something happen while it waits, and drives it to its end.
fn meanwhile<T>(future: impl Future<Output = T>, happens: impl FnOnce()) -> T {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending(), "it waited for nothing");
    happens();
    run(future)
}

#[test]
fn what_is_asked_while_its_task_ends_does_not_run() {
    let mut rig = rig();
    let id = rig.open_task(answer("T-1", "dana")).unwrap();
    rig.enter(&id);
    // It was asked in time, and the task ends while the live system is looked at.
    let action = rig.action("helpdesk", "reply", &to("lena@acme.example"));
    let answer = meanwhile(pass(&rig.means, &rig.session, action), || rig.end_task(&id));
    assert!(matches!(&answer, Answer::Refused(why) if why.contains("task of this session is over")), "{answer:?}");
    assert_eq!(rig.ran(), 0);
}

#[test]
fn what_was_confirmed_while_its_task_ends_does_not_run() {
    let mut rig = rig();
    let id = rig.open_task(answer("T-1", "dana")).unwrap();
    rig.enter(&id);
    let Answer::Pending { id: hold, .. } = rig.call("payments.create_refund", r#"{"amount":5}"#) else { panic!() };
    rig.confirm("dana", &hold).unwrap();
    meanwhile(execute::confirmed(&rig.means, &hold), || rig.end_task(&id)).unwrap();
    assert!(matches!(rig.state(&hold), State::Withdrawn { because, .. } if because.contains("task is over")));
    assert_eq!(rig.ran(), 0);
}

#[test]
fn a_trip_stops_the_agent_and_leaves_its_task_for_a_person_to_decide() {
    let mut rig = rig();
    let id = rig.open_task(answer("T-1", "dana")).unwrap();
    rig.enter(&id);
    for _ in 0..settings().trip_after {
        assert!(!allowed(&rig.call("helpdesk.purge", "{}")));
    }
    assert!(
        matches!(rig.call("helpdesk.get_ticket", r#"{"id":"T-1"}"#), Answer::Refused(why) if why.contains("is stopped"))
    );
    rig.resume_if_stopped();
    assert!(allowed(&rig.call("helpdesk.get_ticket", r#"{"id":"T-1"}"#)));
}

#[test]
fn tokens_of_tasks_that_are_long_over_are_forgotten() {
    let rig = rig();
    for _ in 0..3 {
        let id = rig.open_task(answer("T-1", "dana")).unwrap();
        rig.end_task(&id);
        assert_eq!(rig.memory.scan("token/").unwrap().len(), 1, "the one that just ended");
        rig.later(60 * 24 * 4);
    }
}

#[test]
fn a_no_is_forgotten_when_its_task_or_its_day_is_over_and_not_before() {
    let mut rig = rig();
    let kept = |rig: &Rig| rig.memory.scan("refused/").unwrap().len();
    let say_no = |rig: &Rig| {
        let Answer::Pending { id, .. } = rig.call("payments.create_refund", r#"{"amount":5}"#) else { panic!() };
        rig.refuse("dana", &id, "no").unwrap();
    };
    let is_refused = |rig: &Rig| {
        let answer = rig.call("payments.create_refund", r#"{"amount":5}"#);
        matches!(answer, Answer::Refused(why) if why.contains("refused exactly this"))
    };
    // One without a task, one in a task that stays open, and one in a task that ends.
    say_no(&rig);
    let (stays, ends) = (answer("T-1", "dana"), answer("T-2", "dana"));
    let stays = rig.open_task(Opening { lasts_seconds: 3 * 24 * 3600, ..stays }).unwrap();
    rig.enter(&stays);
    say_no(&rig);
    let ends = rig.open_task(ends).unwrap();
    rig.enter(&ends);
    say_no(&rig);
    rig.sweep();
    assert_eq!(kept(&rig), 3);
    rig.end_task(&ends);
    assert_eq!(kept(&rig), 2, "at once");
    rig.later(24 * 60 - 1);
    rig.sweep();
    assert_eq!(kept(&rig), 2);
    rig.later(2 * 60);
    rig.sweep();
    assert_eq!(kept(&rig), 1, "its day is over");
    rig.enter(&stays);
    assert!(is_refused(&rig), "its task is not");
    let (mut rig, _) = rig.crash(1);
    rig.sweep();
    rig.enter(&stays);
    assert!(kept(&rig) == 1 && is_refused(&rig));
    // One that was kept before it said of which task it is: as long as any task of the agent is open.
    let found = rig.memory.scan("refused/").unwrap().remove(0);
    let value = Some(br#"{"until":null,"because":"no"}"#.to_vec());
    rig.put(ambit::store::Put { key: found.key, expect: found.version, value });
    rig.later(61);
    rig.sweep();
    assert!(kept(&rig) == 1 && is_refused(&rig));
    rig.end_task(&stays);
    assert_eq!(kept(&rig), 0);
}

/// What is done to a gate with tasks.
#[derive(Clone, Debug)]
enum Move {
    Open(u8),
    Close(usize),
    Read(usize, u8),
    Wait(i64),
    Crash,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0..3u8).prop_map(Move::Open),
        (0..4usize).prop_map(Move::Close),
        (0..4usize, 0..3u8).prop_map(|(task, ticket)| Move::Read(task, ticket)),
        (0..90i64).prop_map(Move::Wait),
        Just(Move::Crash),
    ];
    proptest::collection::vec(one, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is opened, closed, waited for and lost: a ticket is read exactly in a task that is open and is about it.
    #[test]
    fn facts_of_two_tasks_never_merge(moves in moves()) {
        let mut rig = rig();
        // Ticket, end, and whether it was closed, as a reader of the moves would keep them.
        let mut all: Vec<(String, u8, i64, bool)> = Vec::new();
        let (mut now, standing) = (0, rig.session.clone());
        for step in moves {
            match step {
                Move::Open(ticket) => {
                    let opening = Opening { lasts_seconds: 3600, ..answer(&format!("T-{ticket}"), "dana") };
                    all.push((rig.open_task(opening).unwrap(), ticket, now + 60, false));
                }
                Move::Close(task) => if let Some((id, _, until, closed)) = all.get_mut(task) {
                    let was = run(tasks::close(&rig.means, id, Some("dana"), "done")).unwrap().is_some();
                    prop_assert!(!was || !*closed);
                    prop_assert!(was || *closed || now > *until);
                    *closed = true;
                },
                Move::Read(task, ticket) => if let Some((id, of, until, closed)) = all.get(task) {
                    let is_open = !closed && now <= *until;
                    let open = open_task(&rig.means, "helper", id).unwrap();
                    prop_assert_eq!(open.is_some(), is_open);
                    if open.is_some() {
                        rig.enter(id);
                        let answer = rig.call("helpdesk.get_ticket", &format!("{{\"id\":\"T-{ticket}\"}}"));
                        prop_assert_eq!(allowed(&answer), ticket == *of, "{:?}", answer);
                        rig.session = standing.clone();
                        rig.resume_if_stopped();
                    }
                },
                Move::Wait(minutes) => {
                    rig.later(minutes);
                    rig.sweep();
                    now += minutes;
                }
                Move::Crash => rig = rig.crash(5).0,
            }
        }
    }
}
