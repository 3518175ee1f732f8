//! What a page means, a paragraph at a time: the bullets, a call, and what becomes of it with the lines that say so.

use ambit_core::decide::{Facts, decide};
use ambit_core::decimal::Decimal;
use ambit_core::decision::{Decision, Verdict};
use ambit_core::effect::{Effect, Extent, Standing, Verb};
use ambit_core::explain;
use ambit_core::policy::Policy;
use ambit_core::reading::{Reach, Reading, Unread};
use ambit_core::task::{Request, Task};
use ambit_core::time::Timestamp;
use ambit_core::usage::Counters;
use ambit_core::value::Value;

use crate::acme::{page, policy};
use crate::small_world::call_of;

const NOON: Timestamp = Timestamp(1_795_435_200_000); // 2026-11-23T12:00:00Z

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => Value::Bool(*b),
        serde_json::Value::Number(n) => Value::Number(Decimal::parse(&n.to_string()).unwrap()),
        serde_json::Value::String(s) => Value::Text(s.clone()),
        serde_json::Value::Array(all) => Value::List(all.iter().map(value).collect()),
        serde_json::Value::Object(all) => Value::Map(all.iter().map(|(k, v)| (k.clone(), value(v))).collect()),
    }
}

/// `helpdesk.reply {json}`, or `delete crm.notes (id)`.
fn reading(policy: &Policy, text: &str) -> Reading {
    let catalog = policy.catalog();
    let find =
        |path: &str| catalog.resources().find(|(id, _)| catalog.path(*id) == path).unwrap_or_else(|| panic!("{path}"));
    let (first, rest) = text.split_once(' ').unwrap();
    if let Some(verb) = Verb::from_word(first) {
        let (path, columns) = rest.split_once(' ').unwrap_or((rest, ""));
        let (resource, found) = find(path);
        let fields = columns
            .trim_matches(['(', ')'])
            .split(", ")
            .filter(|c| !c.is_empty())
            .map(|c| found.field_named(c).unwrap())
            .collect();
        let effect =
            Effect { verb, resource, fields, extent: Extent::default(), standing: Standing::Own, subject: None };
        return Reading { effects: [effect].into_iter().collect(), ..Reading::default() };
    }
    let arguments = value(&serde_json::from_str(rest).unwrap());
    call_of(catalog, find(first).0, arguments)
}

fn decided(policy: &Policy, action: &str, task: Option<&Task>) -> Decision {
    let counters = Counters::new();
    let usage = counters.at(policy.limits(), Some(NOON), task.map(|t| t.name.as_str()));
    decide(policy, &reading(policy, action), &Facts { now: Some(NOON), task, usage: &usage })
}

/// The page, then a line for each action: `allow|hold|refuse ACTION`.
#[track_caller]
fn means(bullets: &str, actions: &str) {
    means_in(bullets, None, actions);
}

#[track_caller]
fn means_in(bullets: &str, task: Option<&Task>, actions: &str) {
    let policy = policy(bullets);
    for line in actions.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (wanted, action) = line.split_once(' ').unwrap();
        let decision = decided(&policy, action, task);
        let said: Vec<_> =
            decision.grounds.iter().map(|g| explain::ground(&policy, &reading(&policy, action), g)).collect();
        assert_eq!(format!("{:?}", decision.verdict).to_lowercase(), wanted, "{action}\n{bullets}\n{said:#?}");
    }
}

#[test]
fn cannot_over_confirm_over_can_whatever_the_order() {
    means(
        "write: call payments.create_refund\nconfirm: call payments.create_refund where amount is above 20\ncannot: call payments.create_refund where amount is above 200",
        r#"
        allow payments.create_refund {"amount": 20, "currency": "EUR"}
        hold payments.create_refund {"amount": 20.01, "currency": "EUR"}
        refuse payments.create_refund {"amount": 200.0000001, "currency": "EUR"}
        "#,
    );
}

#[test]
fn what_no_line_mentions_is_held_or_refused_as_the_document_says() {
    means("read: helpdesk.get_ticket", r#"hold helpdesk.reply {"body": "x"}"#);
    let refusing = page("read: helpdesk.get_ticket").replace("review-by", "outside: refuse\nreview-by");
    let policy = crate::acme::findings(&refusing).0.unwrap();
    assert_eq!(decided(&policy, r#"helpdesk.reply {"body": "x"}"#, None).verdict, Verdict::Refuse);
}

#[test]
fn an_absent_argument_makes_a_can_fail_and_a_cannot_fire() {
    means(
        "write: call helpdesk.reply where urgent is false\ncannot: call files.write_file where text contains \"secret\"",
        r#"
        allow helpdesk.reply {"urgent": false}
        hold helpdesk.reply {}
        hold helpdesk.reply {"urgent": null}
        hold helpdesk.reply {"urgent": true}
        refuse files.write_file {"path": "/a"}
        refuse files.write_file {"path": "/a", "text": 5}
        hold files.write_file {"path": "/a", "text": "plain"}
        "#,
    );
}

#[test]
fn over_a_list_a_can_needs_every_element_and_a_cannot_any() {
    means(
        "write: call helpdesk.reply where cc[] is an address at \"acme.example\"\ncannot: call helpdesk.reply where cc[] is an address at \"evil.example\"",
        r#"
        allow helpdesk.reply {"cc": ["a@acme.example", "b@acme.example"]}
        hold helpdesk.reply {"cc": []}
        hold helpdesk.reply {"cc": ["a@acme.example", "c@other.example"]}
        refuse helpdesk.reply {"cc": ["a@acme.example", "m@evil.example"]}
        refuse helpdesk.reply {"cc": ["a@acme.example", "no address"]}
        refuse helpdesk.reply {"body": "no cc at all: it cannot be told"}
        "#,
    );
}

#[test]
fn arguments_beyond_the_field_list_are_not_covered_and_a_cannot_on_one_refuses_when_it_is_given() {
    means(
        "write: call helpdesk.reply (recipient, body)\ncannot: helpdesk.reply (urgent)",
        r#"
        allow helpdesk.reply {"recipient": "a", "body": "b"}
        hold helpdesk.reply {"recipient": "a", "body": "b", "cc": ["x"]}
        hold helpdesk.reply {"recipient": "a", "undreamt": 1}
        refuse helpdesk.reply {"recipient": "a", "urgent": false}
        allow helpdesk.reply {"recipient": "a", "urgent": null}
        "#,
    );
}

#[test]
fn columns_are_covered_by_several_lines_together_and_taken_away_one_by_one() {
    means(
        "read: crm.customers (id, name)\nread: crm.customers (email, ssn)\ncannot: anything tagged pii\nwrite: delete crm.customers or crm.notes, because test",
        "
        allow read crm.customers (id, name, email)
        allow read crm.customers
        hold read crm.customers (id, status)
        refuse read crm.customers (id, ssn)
        refuse delete crm.customers
        allow delete crm.notes
        refuse define crm.customers
        hold define crm.notes
        ",
    );
}

#[test]
fn a_declared_effect_counts_for_what_is_stricter_and_needs_no_grant_of_its_own() {
    means("write: call files.purge", r#"allow files.purge {"path": "/a"}"#);
    means("write: call files.purge\nconfirm: delete crm.customers", r#"hold files.purge {"path": "/a"}"#);
    means("write: call files.purge\ncannot: crm.customers (ssn)", r#"refuse files.purge {"path": "/a"}"#);
    means("write: delete crm.customers", r#"hold files.purge {"path": "/a"}"#);
}

#[test]
fn otherwise_a_human_holds_beyond_tests_and_limits_even_where_outside_is_refused() {
    let text = page("write: call helpdesk.reply where recipient is an address at \"acme.example\", otherwise a human, by support-lead").replace("review-by", "outside: refuse\nreview-by");
    let policy = crate::acme::findings(&text).0.unwrap();
    let decision = decided(&policy, r#"helpdesk.reply {"recipient": "m@evil.example"}"#, None);
    assert_eq!(decision.verdict, Verdict::Hold);
    assert_eq!(decision.confirmers.len(), 1);
    assert!(decision.confirmers[0].who.is_some());
    assert_eq!(decided(&policy, r#"files.write_file {"path": "/a"}"#, None).verdict, Verdict::Refuse);
}

#[test]
fn limits_of_can_lines_add_up_and_each_use_is_charged_to_the_first_with_room() {
    let policy = policy(
        "write: call helpdesk.reply, at most 1 times per hour\nwrite: call helpdesk.reply where urgent is false, at most 2 times per hour",
    );
    let mut counters = Counters::new();
    let mut verdicts = Vec::new();
    for minute in 0..5 {
        let now = Timestamp(NOON.0 + minute * 60_000);
        let usage = counters.at(policy.limits(), Some(now), None);
        let decision = decide(
            &policy,
            &reading(&policy, r#"helpdesk.reply {"urgent": false}"#),
            &Facts { now: Some(now), task: None, usage: &usage },
        );
        verdicts.push(decision.verdict);
        if decision.verdict == Verdict::Allow {
            counters.charge(policy.limits(), &decision.charges, now, None);
        } else {
            assert!(decision.charges.is_empty(), "what is held uses up no budget of a can");
        }
    }
    assert_eq!(verdicts, [Verdict::Allow, Verdict::Allow, Verdict::Allow, Verdict::Hold, Verdict::Hold]);
}

#[test]
fn beyond_the_limit_of_a_confirm_it_is_refused() {
    means(
        "confirm: call payments.create_refund, at most 100 of amount at once",
        r#"
        hold payments.create_refund {"amount": 100, "currency": "EUR"}
        refuse payments.create_refund {"amount": 100.01, "currency": "EUR"}
        refuse payments.create_refund {"amount": -5, "currency": "EUR"}
        "#,
    );
}

#[test]
fn a_task_narrows_and_its_request_satisfies_only_when_somebody_inside_wrote_it() {
    let bullets = "write: call helpdesk.reply where recipient is in the request, for answering\nwrite: call files.write_file where path is the task's file, for any task but answering\ncannot: payments.create_refund, for any task but refunds";
    let task = |name: &str, insider| Task {
        name: name.into(),
        request: Some(Request::new("write to kim@acme.example", insider)),
        facts: vec![("file".into(), Value::Text("/a".into()))],
    };
    let calls = [
        r#"helpdesk.reply {"recipient": "kim@acme.example"}"#,
        r#"files.write_file {"path": "/a"}"#,
        r#"payments.create_refund {"amount": 1, "currency": "EUR"}"#,
    ];
    let (reply, write, refund) = (calls[0], calls[1], calls[2]);
    means_in(bullets, Some(&task("answering", true)), &format!("allow {reply}\nhold {write}\nrefuse {refund}"));
    means_in(bullets, Some(&task("answering", false)), &format!("hold {reply}"));
    means_in(bullets, Some(&task("filing", true)), &format!("hold {reply}\nallow {write}"));
    means_in(bullets, Some(&task("refunds", true)), &format!("hold {refund}"));
    means_in(bullets, None, &format!("hold {reply}\nhold {write}\nrefuse {refund}"));
}

#[test]
fn a_line_ends_with_the_last_moment_of_its_day_and_an_unknown_time_is_strict() {
    let policy = policy("write: call helpdesk.reply, until 2026-11-23\ncannot: files.write_file, until 2026-11-23");
    let at = |now, action: &str| {
        decide(
            &policy,
            &reading(&policy, action),
            &Facts { now, task: None, usage: &Counters::new().at(policy.limits(), now, None) },
        )
        .verdict
    };
    let (reply, write) = (r#"helpdesk.reply {"body": "x"}"#, r#"files.write_file {"path": "/a"}"#);
    let end = Timestamp(NOON.0 + 12 * 3_600_000 - 1);
    assert_eq!((at(Some(end), reply), at(Some(end), write)), (Verdict::Allow, Verdict::Refuse));
    let after = Timestamp(end.0 + 1);
    assert_eq!((at(Some(after), reply), at(Some(after), write)), (Verdict::Hold, Verdict::Hold));
    assert_eq!((at(None, reply), at(None, write)), (Verdict::Hold, Verdict::Refuse));
}

#[test]
fn what_cannot_be_read_is_refused_near_a_cannot_and_held_elsewhere() {
    let policy = policy("write: call helpdesk.reply\ncannot: crm.customers (ssn)");
    let catalog = policy.catalog();
    let (system, other) = (catalog.system_named("crm").unwrap(), catalog.system_named("files").unwrap());
    let customers = catalog.resource_named(system, "customers").unwrap();
    let notes = catalog.resource_named(system, "notes").unwrap();
    let verdict = |reach| {
        let mut reading = reading(&policy, r#"helpdesk.reply {"body": "x"}"#);
        reading.unread.push(Unread { what: "a function nobody knows".into(), reach });
        decide(&policy, &reading, &Facts { now: Some(NOON), task: None, usage: &ambit_core::decide::Unused }).verdict
    };
    for refused in [Reach::Anything, Reach::System(system), Reach::Resource(customers), Reach::Field(customers, 4)] {
        assert_eq!(verdict(refused), Verdict::Refuse, "{refused:?}");
    }
    for held in [Reach::System(other), Reach::Resource(notes), Reach::Field(customers, 0)] {
        assert_eq!(verdict(held), Verdict::Hold, "{held:?}");
    }
}

#[test]
fn a_reading_that_found_nothing_is_held() {
    let policy = policy("read: helpdesk.get_ticket");
    let decision = decide(
        &policy,
        &Reading::default(),
        &Facts { now: Some(NOON), task: None, usage: &ambit_core::decide::Unused },
    );
    assert_eq!(decision.verdict, Verdict::Hold);
    assert_eq!(decision.confirmers.len(), 1);
}

#[test]
fn every_confirm_line_asks_its_own_people() {
    let policy =
        policy("confirm: payments.create_refund, by support-lead, within 5 minutes\nconfirm: anything tagged money");
    let decision = decided(&policy, r#"payments.create_refund {"amount": 1, "currency": "EUR"}"#, None);
    let within: Vec<u64> = decision.confirmers.iter().map(|c| c.within_seconds).collect();
    assert_eq!(within, [300, 1800]);
}

#[test]
fn a_refusal_tells_the_agent_the_line_and_what_it_may_do_instead() {
    let policy = policy(
        "write: call helpdesk.reply where recipient is an address at \"acme.example\"\ncannot: call payments.create_refund where amount is above 200",
    );
    let told = |action: &str| explain::for_agent(&policy, &reading(&policy, action), &decided(&policy, action, None));
    let refused = told(r#"payments.create_refund {"amount": 500, "currency": "EUR"}"#);
    assert_eq!(
        refused,
        "It cannot call `payments.create_refund`. Line 25 of the scope, under “It cannot touch”: call payments.create_refund where amount is above 200. Nobody can confirm this; asking again gives the same answer. Do the part of the task that the scope covers, and tell the person what you could not do and why."
    );
    let held = told(r#"helpdesk.reply {"recipient": "m@evil.example"}"#);
    assert_eq!(
        held,
        "No line lets it call `helpdesk.reply`, so a human decides first. Without asking, this is allowed: It can write: call helpdesk.reply where recipient is an address at \"acme.example\"."
    );
}

/// What the agent sees of what `register.find` gives back, in words.
fn seen(bullets: &str, task: Option<&Task>) -> (Verdict, String) {
    let decision = decided(&policy(bullets), r#"register.find {"name": "Ann"}"#, task);
    (decision.verdict, decision.bounds.iter().map(explain::bound).collect())
}

#[test]
fn of_what_comes_back_only_what_a_line_lets_it_read_is_seen() {
    let with = |more: &str| seen(&format!("read: register.find\n{more}"), None);
    let bill = Task { name: "billing".into(), request: None, facts: vec![] };
    for (lines, said) in [
        (
            "",
            "of what comes back it sees `total`; withheld: `register.people` (id, name, email), `crm.customers` (ssn)",
        ),
        (
            "read: register.people (id, email)",
            "of what comes back it sees `register.people` (id, email), `total`; withheld: `register.people` (name), `crm.customers` (ssn)",
        ),
        (
            "read: register.people\ncannot: register.people (email)",
            "of what comes back it sees `register.people` (id, name), `total`; withheld: `register.people` (email), `crm.customers` (ssn)",
        ),
        // A relation of another system comes back as well; what forbids a tag forbids its columns.
        (
            "read: register.people\nread: crm.customers",
            "of what comes back it sees `register.people` (id, name, email), `crm.customers` (ssn), `total`",
        ),
        (
            "read: register.people\nread: crm.customers\ncannot: anything tagged pii",
            "of what comes back it sees `register.people` (id, name, email), `total`; withheld: `crm.customers` (ssn)",
        ),
        // Rows are not known: a test on them cannot hold, and they are not counted.
        (
            "read: register.people\nread: crm.customers where id is \"5\"",
            "of what comes back it sees `register.people` (id, name, email), `total`; withheld: `crm.customers` (ssn)",
        ),
        (
            "read: register.people\nread: crm.customers, at most 5 rows per hour",
            "of what comes back it sees `register.people` (id, name, email), `total`; withheld: `crm.customers` (ssn)",
        ),
        (
            "read: register.people (id), for billing",
            "of what comes back it sees `total`; withheld: `register.people` (id, name, email), `crm.customers` (ssn)",
        ),
    ] {
        assert_eq!(with(lines), (Verdict::Allow, said.to_owned()), "{lines}");
    }
    let in_task = seen("read: register.find\nread: register.people (id), for billing", Some(&bill));
    assert!(in_task.1.starts_with("of what comes back it sees `register.people` (id), `total`"), "{in_task:?}");
}

#[test]
fn a_confirm_on_what_comes_back_asks_before_the_call() {
    let page =
        "read: register.find\nread: register.people (id)\nconfirm: read register.people (email), by support-lead";
    let (verdict, said) = seen(page, None);
    assert_eq!(verdict, Verdict::Hold);
    assert!(said.starts_with("of what comes back it sees `register.people` (id, email), `total`"), "{said}");
    let policy = policy(page);
    let action = r#"register.find {"name": "Ann"}"#;
    let told = explain::for_agent(&policy, &reading(&policy, action), &decided(&policy, action, None));
    assert!(
        told.starts_with(
            "A human must confirm before it may call `register.find`: what comes back has `register.people` (email)."
        ),
        "{told}"
    );
    // A refused call gives nothing back.
    assert_eq!(seen("read: register.people\ncannot: register.find", None), (Verdict::Refuse, String::new()));
}
