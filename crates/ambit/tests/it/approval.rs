//! What an approval must hold to, a test a name. Those that need no gate stand in `ambit-core/src/hold.rs`.

use std::time::Duration;

use ambit::confirm::answer::{self, AnswerError, Answered};
use ambit::confirm::notice;
use ambit::confirm::people::{self, NotProved, Peer, Proof, Say};
use ambit::confirm::sweep::sweep;
use ambit::gate::means::Settings;
use ambit::gate::{Answer, Sent, execute};
use ambit::journal::Kind;
use ambit::store::Put;
use ambit_core::action::Digest;
use ambit_core::hold::{Denial, State};

use crate::rig::{LOCK, Rig, SCOPE, pass, run, session, settings, snapshot};

fn refused(answer: &Answer) -> &str {
    match answer {
        Answer::Refused(text) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_confirmed_runs_once_and_its_answer_is_collected() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    assert_eq!(rig.ran(), 0);
    assert_eq!(rig.confirm("lena", &id).unwrap(), Answered::Complete);
    assert!(matches!(rig.execute(&id), Some(State::Done { .. })));
    assert_eq!(rig.collect(&id), Answer::Result(br#"{"done":"create_refund"}"#.to_vec()));
    assert_eq!(rig.collect(&id), Answer::Result(br#"{"done":"create_refund"}"#.to_vec()), "as often as asked");
    assert_eq!(rig.ran(), 1);
    assert_eq!(rig.live.ran.lock().unwrap()[0].payload, br#"{"name":"create_refund","arguments":{"amount":80}}"#);
}

#[test]
fn cannot_execute_without_a_terminal_allow() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    assert_eq!(rig.execute(&id), None);
    assert_eq!(rig.sweep(), 0);
    assert_eq!(rig.ran(), 0);
}

#[test]
fn approval_for_digest_a_cannot_execute_b() {
    let rig = Rig::new(settings());
    let (a, b) = (rig.held(80), rig.held(81));
    let binding = rig.kept(&a).hold.binding.digest();
    // Lena's signature over A, put to B; and over A under B's name.
    for id in [&a, &b] {
        let proof = rig.proof("lena", Say::Confirm, id, &binding, "");
        let said = run(answer::confirm(&rig.means, &b, binding, Peer::default(), &proof));
        assert!(matches!(said, Err(AnswerError::Denied(Denial::OtherBinding) | AnswerError::NotProved(_))));
    }
    assert_eq!(rig.state(&b), State::Waiting);
    assert_eq!(rig.ran(), 0);
}

#[test]
fn a_change_of_the_scope_release_invalidates_it() {
    let rig = Rig::new(settings());
    let (waiting, confirmed) = (rig.held(80), rig.held(81));
    rig.confirm("lena", &confirmed).unwrap();
    let narrower = SCOPE.replace("at most 200,", "at most 150,").replace("above 200", "above 150");
    assert_eq!(rig.release(2, &snapshot(&narrower, LOCK)).len(), 2);
    for id in [&waiting, &confirmed] {
        assert!(matches!(rig.state(id), State::Withdrawn { .. }));
        assert!(rig.confirm("lena", id).is_err() || id == &confirmed);
        assert_eq!(rig.execute(id), None);
        assert!(refused(&rig.collect(id)).contains("release 2"));
    }
    assert_eq!(rig.ran(), 0);
}

#[test]
fn a_release_that_the_daemon_did_not_make_itself_invalidates_it_too() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.confirm("lena", &id).unwrap();
    let second = crate::rig::release(2, &snapshot(&SCOPE.replace("tickets.", "tickets!"), LOCK));
    let value = serde_json::to_vec(&second).unwrap();
    rig.put(Put { key: "release/helper/0000000002".into(), expect: 0, value: Some(value) });
    rig.releases.forget("helper");
    assert!(matches!(rig.execute(&id), Some(State::Withdrawn { because, .. }) if because.contains("release 2")));
    assert_eq!(rig.ran(), 0);
}

#[test]
fn a_change_of_the_live_tool_definition_invalidates_it() {
    let rig = Rig::new(settings());
    let (waiting, confirmed) = (rig.held(80), rig.held(81));
    rig.confirm("lena", &confirmed).unwrap();
    rig.live.drifted.lock().unwrap().insert("create_refund".into());
    assert!(
        matches!(rig.confirm("lena", &waiting), Err(AnswerError::Withdrawn(why)) if why.contains("schema changed"))
    );
    assert!(matches!(rig.execute(&confirmed), Some(State::Withdrawn { .. })));
    // And while it is so, it cannot be asked for anew.
    assert!(refused(&rig.call("payments.create_refund", r#"{"amount":80}"#)).contains("not what it was"));
    assert_eq!(rig.ran(), 0);
}

#[test]
fn what_was_shown_erased_or_bytes_erased_invalidates_it() {
    for erase_shown in [true, false] {
        let rig = Rig::new(settings());
        let id = rig.held(80);
        let kept = rig.kept(&id);
        let record = if erase_shown { kept.held } else { kept.asked };
        run(rig.means.journal.erase(record, Some("dana".into()), "by mistake")).unwrap();
        assert!(matches!(rig.confirm("lena", &id), Err(AnswerError::Withdrawn(_))));
        assert_eq!(rig.ran(), 0);
    }
}

#[test]
fn changed_arguments_are_another_action_and_decided_again() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.confirm("lena", &id).unwrap();
    // The agent asks for more on the strength of that confirmation.
    assert!(refused(&rig.call("payments.create_refund", r#"{"amount":201}"#)).contains("It cannot touch"));
    assert_ne!(rig.held(81), id);
    rig.execute(&id);
    assert_eq!(rig.live.ran.lock().unwrap().len(), 1);
}

#[test]
fn a_change_of_the_target_is_another_action() {
    let rig = Rig::new(settings());
    let digest = |system: &str, name: &str| rig.action(system, name, "{}").digest();
    assert_ne!(digest("helpdesk", "close"), digest("payments", "close"));
    assert_ne!(digest("helpdesk", "close"), digest("helpdesk", "purge"));
    // Nor do two fields run together.
    let glued =
        ambit_core::action::Action { system: "helpdeskc".into(), name: "lose".into(), ..rig.action("", "", "{}") };
    assert_ne!(glued.digest(), digest("helpdesk", "close"));
}

#[test]
fn a_release_that_ends_takes_its_holds_with_it() {
    let rig = Rig::bare(settings());
    let until = rig.means.now().0 + 10 * 60_000;
    let release = crate::rig::release_until(1, &snapshot(SCOPE, LOCK), Some(ambit_core::time::Timestamp(until)));
    run(ambit::daemon::releases::put_in_force(&rig.means, &rig.releases, release)).unwrap();
    let (waiting, confirmed) = (rig.held(80), rig.held(81));
    rig.confirm("lena", &confirmed).unwrap();
    rig.later(11);
    assert!(refused(&rig.call("helpdesk.get_ticket", "{}")).contains("release 1 ended"));
    assert!(matches!(rig.confirm("lena", &waiting), Err(AnswerError::Withdrawn(_))));
    assert!(matches!(rig.execute(&confirmed), Some(State::Withdrawn { .. })));
    assert_eq!(rig.ran(), 0);
}

#[test]
fn a_hold_belongs_to_its_task() {
    let mut rig = Rig::new(settings());
    let without = rig.held(80);
    let task = rig.begin_task("tess");
    let id = rig.held(80);
    assert_ne!(id, without, "an action belongs to exactly one task");
    assert!(matches!(rig.collect(&without), Answer::Invalid(_)));
    let shown = rig.shown(&id);
    let task_shown = shown.task.unwrap();
    assert_eq!(task_shown.request.as_deref(), Some("give her the money back"));
    assert_eq!(task_shown.name, "(unnamed)");
    assert!(shown.warnings.iter().any(|warning| warning.contains("somebody outside")));
    // A plain hold may be confirmed by the person for whom the task runs; a role's may not.
    let Answer::Pending { id: plain, .. } = rig.call("helpdesk.close", "{}") else { panic!() };
    assert_eq!(rig.confirm("tess", &plain).unwrap(), Answered::Complete);
    assert!(rig.confirm("tess", &id).is_err());
    // A no lasts as long as the task.
    rig.refuse("lena", &id, "no").unwrap();
    rig.later(60 * 24 * 2);
    assert!(refused(&rig.call("payments.create_refund", r#"{"amount":80}"#)).contains("refused exactly this"));
    // When the task is over, what waited for it is too.
    let late = rig.held(81);
    rig.end_task(&task);
    assert!(matches!(rig.state(&late), State::Withdrawn { because, .. } if because.contains("task is over")));
    assert!(rig.confirm("lena", &late).is_err());
}

#[test]
fn five_is_not_the_text_five_and_absent_is_not_null() {
    let rig = Rig::new(settings());
    let digest = |arguments: &str| rig.action("helpdesk", "close", arguments).digest();
    let all = [r#"{"id":5}"#, r#"{"id":"5"}"#, r#"{"id":null}"#, "{}"].map(digest);
    for (n, one) in all.iter().enumerate() {
        assert!(!all[..n].contains(one));
    }
}

#[test]
fn time_out_fails_closed() {
    let rig = Rig::new(settings());
    let (waiting, confirmed) = (rig.held(80), rig.held(81));
    rig.confirm("lena", &confirmed).unwrap();
    rig.later(31);
    assert!(matches!(rig.confirm("lena", &waiting), Err(AnswerError::Denied(Denial::TimeIsUp { .. }))));
    // Confirmed in time, but nobody ran it in time: it does not run.
    assert_eq!(run(sweep(&rig.means)).unwrap().expired, 2);
    for id in [&waiting, &confirmed] {
        assert!(matches!(rig.state(id), State::Expired { .. }));
        assert!(refused(&rig.collect(id)).contains("nobody decided"));
    }
    assert_eq!(rig.ran(), 0);
}

#[test]
fn a_malformed_answer_fails_closed() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    let binding = rig.kept(&id).hold.binding.digest();
    let other_word = rig.proof("lena", Say::Refuse, &id, &binding, "");
    let unsigned = Proof { person: "lena".into(), signature: None };
    let nobody = Proof { person: String::new(), signature: None };
    for proof in [other_word, unsigned, nobody] {
        let said = run(answer::confirm(&rig.means, &id, binding, Peer { user: Some(1) }, &proof));
        assert!(matches!(said, Err(AnswerError::NotProved(_))), "{said:?}");
    }
    let wrong = Digest([0; 32]);
    let proof = rig.proof("lena", Say::Confirm, &id, &wrong, "");
    let said = run(answer::confirm(&rig.means, &id, wrong, Peer::default(), &proof));
    assert!(matches!(said, Err(AnswerError::Denied(Denial::OtherBinding))));
    assert_eq!(rig.state(&id), State::Waiting);
}

#[test]
fn restart_fails_closed() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    let (rig, found) = rig.crash(1);
    assert_eq!((found.waiting, found.in_flight.len()), (1, 0));
    assert_eq!(rig.state(&id), State::Waiting);
    assert_eq!(rig.sweep(), 0);
    assert_eq!(rig.ran(), 0);
}

#[test]
fn callback_failure_fails_closed() {
    // The live system cannot be asked whether it is still what it was.
    let rig = Rig::new(settings());
    let (waiting, confirmed) = (rig.held(80), rig.held(81));
    rig.confirm("lena", &confirmed).unwrap();
    rig.live.gone.lock().unwrap().insert("payments".into());
    assert!(matches!(rig.confirm("lena", &waiting), Err(AnswerError::Withdrawn(_))));
    assert!(matches!(rig.execute(&confirmed), Some(State::Withdrawn { .. })));
    assert!(refused(&rig.call("payments.create_refund", r#"{"amount":82}"#)).contains("cannot be asked now"));
    assert_eq!(rig.ran(), 0);
}

#[test]
fn what_could_not_be_sent_has_not_happened_and_says_so() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.confirm("lena", &id).unwrap();
    rig.live.answers.lock().unwrap().insert("create_refund".into(), Sent::NotSent("it is gone".into()));
    assert!(matches!(rig.execute(&id), Some(State::Done { .. })));
    assert!(matches!(rig.collect(&id), Answer::Fault(text) if text.contains("nothing happened")));
    assert_eq!(rig.ran(), 0);
}

#[test]
fn what_nobody_knows_the_outcome_of_is_told_and_not_run_again() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.confirm("lena", &id).unwrap();
    for tool in ["create_refund", "reply"] {
        rig.live.answers.lock().unwrap().insert(tool.into(), Sent::Unknown("it hung up".into()));
    }
    assert!(matches!(rig.execute(&id), Some(State::OutcomeUnknown { .. })));
    assert_eq!(rig.execute(&id), None);
    assert!(matches!(rig.call("helpdesk.reply", "{}"), Answer::OutcomeUnknown(_)));
    assert_eq!(notice::unseen(&rig.means).unwrap().len(), 2);
    // The same asking is told before it is anything new.
    assert!(matches!(rig.call("payments.create_refund", r#"{"amount":80}"#), Answer::OutcomeUnknown(_)));
    assert_eq!(rig.ran(), 2);
    let (_, found) = rig.crash(0);
    assert!(found.in_flight.is_empty(), "it was told once: {found:?}");
}

#[test]
fn an_unverified_approver_cannot_satisfy_it() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    let binding = rig.kept(&id).hold.binding.digest();
    // Max signs and says that he is Lena.
    let proof = Proof { person: "lena".into(), ..rig.proof("max", Say::Confirm, &id, &binding, "") };
    let said = run(answer::confirm(&rig.means, &id, binding, Peer { user: Some(1002) }, &proof));
    assert!(matches!(said, Err(AnswerError::NotProved(NotProved::Signature(_)))));
    // Tess is who she says, and not asked.
    assert!(matches!(rig.confirm("tess", &id), Err(AnswerError::Denied(Denial::NotAsked(_) | Denial::Asker(_)))));
    assert_eq!(rig.state(&id), State::Waiting);
}

#[test]
fn the_asker_cannot_approve() {
    let mut rig = Rig::new(settings());
    rig.session.askers = ["lena".to_owned()].into();
    let id = rig.held(80);
    assert!(matches!(rig.confirm("lena", &id), Err(AnswerError::Denied(Denial::Asker(_)))));
    // Whoever asks for the same later is an asker of it too.
    rig.session.askers = ["max".to_owned()].into();
    assert_eq!(rig.held(80), id);
    assert!(matches!(rig.confirm("max", &id), Err(AnswerError::Denied(Denial::Asker(_)))));
    assert_eq!(rig.confirm("dana", &id).unwrap(), Answered::Complete);
}

#[test]
fn an_agent_cannot_approve() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    let binding = rig.kept(&id).hold.binding.digest();
    // Nor may it by running as the same operating-system user as a person.
    run(rig.means.users.note(&rig.means.journal, "helper", 1001)).unwrap();
    for (person, user) in [("helper", 1001), ("lena", 1001)] {
        let proof = Proof { person: person.into(), signature: None };
        let said = run(answer::confirm(&rig.means, &id, binding, Peer { user: Some(user) }, &proof));
        assert!(matches!(said, Err(AnswerError::NotProved(NotProved::AgentsUser))), "{said:?}");
    }
    let max = Proof { person: "max".into(), signature: None };
    let said = run(answer::confirm(&rig.means, &id, binding, Peer { user: Some(1002) }, &max)).unwrap();
    assert_eq!(said, Answered::Complete);
    assert!(!rig.kept(&id).hold.votes[0].advised);
}

#[test]
fn a_passphrase_from_the_agents_own_user_is_labelled_advised() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    run(rig.means.users.note(&rig.means.journal, "helper", 1)).unwrap();
    rig.confirm("lena", &id).unwrap();
    assert!(rig.kept(&id).hold.votes[0].advised);
    // It is remembered over a restart.
    let (rig, _) = rig.crash(0);
    assert!(rig.means.users.of("helper").contains(&1));
}

#[test]
fn a_refusal_short_circuits() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    assert_eq!(rig.refuse("lena", &id, "not this customer").unwrap(), Answered::Refused);
    assert!(matches!(rig.confirm("max", &id), Err(AnswerError::Denied(Denial::Late { .. }))));
    assert_eq!(rig.execute(&id), None);
    assert!(refused(&rig.collect(&id)).contains("not this customer"));
}

#[test]
fn a_refused_digest_stays_refused_for_a_day() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.refuse("lena", &id, "no").unwrap();
    assert!(refused(&rig.call("payments.create_refund", r#"{"amount":80}"#)).contains("refused exactly this"));
    assert_ne!(rig.held(81), id, "another action may be asked for");
    rig.later(24 * 60 + 1);
    rig.held(80);
}

#[test]
fn duplicates_are_idempotent() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    assert_eq!(rig.held(80), id, "the same asking joins");
    assert_eq!(rig.confirm("lena", &id).unwrap(), Answered::Complete);
    assert_eq!(rig.confirm("lena", &id).unwrap(), Answered::Already);
    rig.execute(&id);
    rig.execute(&id);
    assert_eq!(rig.confirm("lena", &id).unwrap(), Answered::Already);
    assert_eq!(rig.ran(), 1);
    assert_eq!(rig.kinds().iter().filter(|kind| **kind == Kind::Confirmed).count(), 1);
}

#[test]
fn an_answer_that_was_not_collected_is_handed_to_the_same_asking() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.confirm("lena", &id).unwrap();
    rig.execute(&id);
    // The client gave up and asks again: it gets the answer, not a second refund.
    assert!(matches!(rig.call("payments.create_refund", r#"{"amount":80}"#), Answer::Result(_)));
    assert_eq!(rig.ran(), 1);
    assert_ne!(rig.held(80), id, "from then on it is a new asking");
}

#[test]
fn it_cannot_be_consumed_twice_under_concurrency() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.confirm("lena", &id).unwrap();
    let both = async { tokio::join!(execute::confirmed(&rig.means, &id), execute::confirmed(&rig.means, &id)) };
    run(both).0.unwrap();
    assert_eq!(rig.ran(), 1);
}

#[test]
fn two_confirmations_of_two_holds_do_not_share_one_budget() {
    // At most 2 a day: a third is refused when it is asked for, or, asked for earlier, when it begins.
    let rig = Rig::new(settings());
    let ids: Vec<String> = [80, 81, 82].map(|amount| rig.held(amount)).into();
    for id in &ids {
        rig.confirm("lena", id).unwrap();
    }
    let ends: Vec<_> = ids.iter().map(|id| rig.execute(id).unwrap()).collect();
    assert!(matches!(ends[..], [State::Done { .. }, State::Done { .. }, State::Withdrawn { .. }]), "{ends:?}");
    assert!(matches!(rig.call("payments.create_refund", r#"{"amount":83}"#), Answer::Refused(_)));
    rig.later(24 * 60);
    rig.held(84);
}

#[test]
fn raw_arguments_are_bound_and_all_of_them_is_shown() {
    let rig = Rig::new(settings());
    let body = "long ".repeat(2_000);
    let arguments = format!("{{\"id\":\"{body}\\u001b[2J\u{202e}\"}}");
    let Answer::Pending { id, .. } = rig.call("helpdesk.close", &arguments) else { panic!() };
    let shown = rig.shown(&id);
    assert!(shown.arguments.contains(&body) && shown.arguments.contains("\\u{1b}[2J\\u{202e}"));
    assert!(!shown.arguments.contains(['\u{1b}', '\u{202e}']));
    assert!(shown.warnings.iter().any(|warning| warning.contains("cannot be seen")), "{:?}", shown.warnings);
    let payload = rig.means.payload(rig.kept(&id).asked).unwrap().unwrap();
    assert_eq!(payload, rig.action("helpdesk", "close", &arguments).payload);
}

#[test]
fn what_is_shown_names_the_line_the_people_and_the_release() {
    let rig = Rig::new(settings());
    let shown = rig.shown(&rig.held(80));
    assert_eq!(shown.people, ["support-lead"]);
    assert_eq!(shown.release.number, 1);
    let ground = &shown.grounds[0];
    assert_eq!(ground.section.as_deref(), Some("A human must confirm"));
    assert!(ground.text.as_deref().unwrap().contains("create_refund"));
    assert!(shown.warnings.iter().any(|warning| warning.contains("cannot be taken back")));
}

#[test]
fn the_record_reconstructs_asked_decided_confirmed_executed() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.confirm("lena", &id).unwrap();
    rig.execute(&id);
    let about: Vec<_> = rig.records().into_iter().filter(|record| record.hold.as_deref() == Some(&id)).collect();
    let kinds: Vec<Kind> = about.iter().map(|record| record.kind).collect();
    assert_eq!(kinds, [Kind::Asked, Kind::Decided, Kind::Held, Kind::Confirmed, Kind::Executing, Kind::Outcome]);
    assert_eq!(about[3].person.as_deref(), Some("lena"));
    // A third party checks her signature over what the record says was held.
    let said = |at: usize, name: &str| about[at].details[name].as_str().unwrap().to_owned();
    let binding = Digest::from_hex(&said(2, "binding")).unwrap();
    assert_eq!(said(3, "binding"), binding.to_string());
    let signature = ambit::keys::Signature::from_hex(&said(3, "signature")).unwrap();
    let statement = people::statement(Say::Confirm, &id, &binding, "");
    assert!(crate::rig::public(&crate::rig::key("lena")).verify(people::DOMAIN, &statement, &signature));
    assert!(about.iter().all(|record| record.action == about[0].action && record.agent.as_deref() == Some("helper")));
    // No argument's value stands outside the sealed payloads.
    assert!(about.iter().all(|record| !record.details.to_string().contains("amount\":80")));
}

#[test]
fn a_late_answer_is_harmless_and_says_so() {
    let rig = Rig::new(settings());
    let id = rig.held(80);
    rig.later(31);
    rig.sweep();
    let said = rig.confirm("lena", &id).unwrap_err().to_string();
    assert!(said.contains("is expired already; your answer changed nothing"), "{said}");
    assert!(rig.refuse("lena", &id, "no").unwrap_err().to_string().contains("changed nothing"));
    assert_eq!(rig.execute(&id), None);
}

#[test]
fn holds_of_another_agent_or_task_are_nobodys_business() {
    let mut rig = Rig::new(settings());
    let id = rig.held(80);
    rig.session = session("other");
    assert!(matches!(rig.collect(&id), Answer::Invalid(text) if text.contains("no pending action")));
    // A session cannot speak for another agent.
    let action = ambit_core::action::Action { agent: "helper".into(), ..rig.action("helpdesk", "get_ticket", "{}") };
    assert!(matches!(run(pass(&rig.means, &rig.session, action)), Answer::Refused(_)));
}

#[test]
fn agents_cannot_flood_people() {
    let rig = Rig::new(Settings { waiting_most: 3, daily_most: 4, ..settings() });
    let ids: Vec<String> = (1..=3).map(|amount| rig.held(amount)).collect();
    assert!(refused(&rig.call("payments.create_refund", r#"{"amount":4}"#)).contains("people have enough"));
    assert_eq!(rig.held(1), ids[0], "joining is no flood");
    rig.refuse("lena", &ids[0], "no").unwrap();
    rig.held(4);
    rig.refuse("lena", &ids[1], "no").unwrap();
    assert!(refused(&rig.call("payments.create_refund", r#"{"amount":5}"#)).contains("4 since"));
    rig.later(24 * 60);
    rig.sweep();
    rig.held(5);
}

#[test]
fn a_trip_stops_the_agent_and_tells_the_owner() {
    let rig = Rig::new(Settings { trip_after: 3, trip_window: Duration::from_secs(60), ..settings() });
    let waiting = rig.held(80);
    rig.call("helpdesk.purge", "{}");
    rig.call("helpdesk.purge", "{}");
    assert!(matches!(rig.call("helpdesk.get_ticket", "{}"), Answer::Result(_)));
    rig.later(2);
    rig.call("helpdesk.purge", "{}");
    rig.call("helpdesk.purge", "{}");
    assert!(rig.means.stops.of("helper").is_none(), "the first two were long ago");
    rig.call("helpdesk.purge", "{}");
    assert!(refused(&rig.call("helpdesk.get_ticket", "{}")).contains("is stopped"));
    assert!(matches!(rig.state(&waiting), State::Withdrawn { .. }));
    let notices = ambit::confirm::notice::unseen(&rig.means).unwrap();
    assert!(notices[0].text.contains("`helper` was stopped"));
    assert!(rig.kinds().contains(&Kind::Flagged));
    // It outlives a restart.
    let (rig, found) = rig.crash(3);
    assert_eq!(found.stopped, ["helper"]);
    assert!(refused(&rig.call("helpdesk.get_ticket", "{}")).contains("is stopped"));
}

#[test]
fn nothing_in_force_refuses_everything() {
    let rig = Rig::bare(settings());
    assert!(refused(&rig.call("helpdesk.get_ticket", "{}")).contains("none was ever released"));
    // A release whose bytes were changed afterwards is none.
    let mut forged = crate::rig::release(1, &snapshot(SCOPE, LOCK));
    forged.snapshot = forged.snapshot.replacen("at most 200", "at most 900", 1);
    let value = serde_json::to_vec(&forged).unwrap();
    rig.put(Put { key: "release/helper/0000000001".into(), expect: 0, value: Some(value) });
    rig.releases.forget("helper");
    assert!(refused(&rig.call("helpdesk.get_ticket", "{}")).contains("not what was signed"));
    assert_eq!(rig.ran(), 0);
}

#[test]
fn limits_are_checked_and_charged_as_one_step() {
    let rig = Rig::new(settings());
    let reply = |n: u32| rig.action("helpdesk", "reply", &format!("{{\"body\":\"{n}\"}}"));
    let many = async {
        tokio::join!(
            pass(&rig.means, &rig.session, reply(1)),
            pass(&rig.means, &rig.session, reply(2)),
            pass(&rig.means, &rig.session, reply(3)),
            pass(&rig.means, &rig.session, reply(4)),
            pass(&rig.means, &rig.session, reply(5)),
        )
    };
    let (a, b, c, d, e) = run(many);
    let all = [a, b, c, d, e];
    assert_eq!(all.iter().filter(|answer| matches!(answer, Answer::Result(_))).count(), 3, "{all:?}");
    assert_eq!(all.iter().filter(|answer| matches!(answer, Answer::Pending { .. })).count(), 2);
    assert_eq!(rig.ran(), 3);
    rig.later(61);
    assert!(matches!(rig.call("helpdesk.reply", r#"{"body":"6"}"#), Answer::Result(_)));
}
