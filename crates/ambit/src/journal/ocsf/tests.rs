//! Every kind of record as an event, against what the schema asks of its class.

use std::sync::Arc;

use ambit_core::action::Digest;
use serde_json::{Value, json};

use super::*;
use crate::journal::tests::{inline, keys, wait};
use crate::journal::{Entry, Kind};
use crate::store::Durability;
use crate::store::memory::Memory;

/// A record of each kind as the daemon writes it, and some more than once where it has several forms.
fn entries() -> Vec<Entry> {
    let agent = |kind: Kind, details: Value| Entry {
        agent: Some("refund-helper".into()),
        session: Some("session-1".into()),
        details,
        ..Entry::new(kind)
    };
    let call = |kind: Kind, details: Value| Entry { action: Some(Digest([7; 32])), ..agent(kind, details) };
    let hold = |kind: Kind, details: Value| Entry { hold: Some("hold-1".into()), ..call(kind, details) };
    let person = |entry: Entry| Entry { person: Some("dana".into()), ..entry };
    let decided = |verdict: &str| {
        call(
            Kind::Decided,
            json!({"ask": "ask-1", "verdict": verdict, "release": 3, "release-digest": "ab", "grounds": [{"line": 21}]}),
        )
    };
    let details = json!({
        "ask": "ask-1", "gate": "mcp", "task": null, "system": "payments", "operation": "tools/call",
        "name": "create_\u{202e}refund", "bytes": 20,
    });
    vec![
        Entry { payload: Some(b"a secret argument".to_vec()), ..call(Kind::Asked, details) },
        decided("allow"),
        decided("hold"),
        decided("refuse"),
        call(Kind::Decided, json!({"ask": "ask-2", "verdict": "refuse", "cause": "unreadable"})),
        Entry { payload: Some(b"a secret argument".to_vec()), ..hold(Kind::Held, json!({"expires": 1})) },
        person(hold(Kind::Confirmed, json!({"strength": "passphrase", "signature": "cd"}))),
        person(hold(Kind::HoldRefused, json!({}))),
        hold(Kind::HoldExpired, json!({})),
        hold(Kind::HoldWithdrawn, json!({"because": "stopped"})),
        hold(Kind::Executing, json!({})),
        Entry { payload: Some(b"a secret answer".to_vec()), ..call(Kind::Outcome, json!({"outcome": "result"})) },
        call(Kind::Outcome, json!({"outcome": "error"})),
        call(Kind::Outcome, json!({"outcome": "not-sent", "why": "it is gone"})),
        call(Kind::OutcomeUnknown, json!({"why": "the power went"})),
        person(agent(Kind::Released, json!({"release": 3, "digest": "ab", "because": "refunds go live"}))),
        person(agent(Kind::Stopped, json!({"because": "odd", "everybody": false}))),
        person(Entry { agent: None, ..agent(Kind::Stopped, json!({"because": "odd", "everybody": true})) }),
        person(agent(Kind::Resumed, json!({"because": "fine", "everybody": false}))),
        person(agent(Kind::Token, json!({"change": "made", "token": "t1"}))),
        agent(Kind::Token, json!({"change": "revoked", "token": "t1"})),
        person(agent(Kind::TaskOpened, json!({"task": "k1", "name": "refund"}))),
        agent(Kind::TaskClosed, json!({"task": "k1", "name": "refund", "because": "done"})),
        agent(Kind::SessionOpened, json!({"token": "t1", "user": 1000, "process": 7})),
        agent(Kind::SessionClosed, json!({"how": "Gone"})),
        agent(Kind::Flagged, json!({"flag": "token used twice at once", "token": "t1"})),
        agent(Kind::Flagged, json!({"trip": "refused 20 times"})),
        Entry { details: json!({"flag": "an upstream server", "system": "crm"}), ..Entry::new(Kind::Flagged) },
        person(Entry { details: json!({"change": "enrolled", "public_key": "ef"}), ..Entry::new(Kind::Person) }),
        person(Entry { details: json!({"change": "withdrawn", "public_key": "ef"}), ..Entry::new(Kind::Person) }),
        Entry { details: json!({"in-flight": 0, "waiting": 1}), ..Entry::new(Kind::Started) },
        person(Entry { details: json!({"sequence": 1, "because": "asked to"}), ..Entry::new(Kind::Erased) }),
        Entry { details: json!({"sequence": 9}), ..Entry::new(Kind::Checkpoint) },
        Entry::new(Kind::Decided),
    ]
}

fn exported(filter: &Filter) -> String {
    let store = Arc::new(Memory::new());
    let journal = inline(&store).unwrap();
    wait(journal.write(entries(), vec![], Durability::Now)).unwrap();
    let mut out = Vec::new();
    let count = export(&*store, &keys().public(), filter, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.lines().count() as u64, count);
    text
}

fn events() -> Vec<Value> {
    exported(&Filter::default()).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

type Names = &'static [&'static str];

/// What OCSF 1.8.0 requires of a class, beyond what it requires of every event; and what else of it we use. The class's
/// activities stand last.
const CLASSES: [(u64, Names, Names, &[u64]); 6] = [
    (
        6003,
        &["actor", "api", "src_endpoint"],
        // The last five are those of the profile `security_control`.
        &["dst_endpoint", "resources", "action", "action_id", "disposition", "disposition_id", "authorizations"],
        &[0, 1, 2, 3, 4, 99],
    ),
    (6002, &["app"], &[], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 99]),
    (3004, &["entity"], &["actor", "comment"], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99]),
    (3002, &["user"], &["service", "session"], &[0, 1, 2, 3, 4, 5, 6, 7, 99]),
    (2004, &["finding_info"], &["is_alert"], &[0, 1, 2, 3, 99]),
    (0, &[], &[], &[0, 99]),
];

/// Required of every event.
const REQUIRED: [&str; 7] = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];

/// Optional in every event, as far as we use it.
const OPTIONAL: [&str; 8] =
    ["activity_name", "category_name", "class_name", "message", "severity", "status", "status_id", "unmapped"];

#[test]
fn every_event_has_what_its_class_requires_and_nothing_that_the_class_does_not_have() {
    let events = events();
    for event in &events {
        let uid = event["class_uid"].as_u64().unwrap();
        let (_, required, optional, activities) = CLASSES.iter().find(|class| class.0 == uid).unwrap();
        let members: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        for name in REQUIRED.iter().chain(*required) {
            assert!(members.contains(name), "{name} is missing in {event}");
        }
        for name in &members {
            let known = [&REQUIRED[..], &OPTIONAL, required, optional].iter().any(|some| some.contains(name));
            assert!(known, "{name} is nothing of class {uid}: {event}");
        }
        let activity = event["activity_id"].as_u64().unwrap();
        assert!(activities.contains(&activity), "{event}");
        assert_eq!(event["type_uid"], uid * 100 + activity);
        assert_eq!(event["category_uid"], uid / 1_000);
        // A timestamp of OCSF is milliseconds.
        assert!(event["time"].as_u64().unwrap() > 1_700_000_000_000);
        assert_eq!(event["metadata"]["version"], VERSION);
        assert!(event["metadata"]["product"]["name"].is_string());
        // 99 says what it is in words, and a word says the same as its number.
        for (id, word) in [("activity_id", "activity_name"), ("status_id", "status"), ("action_id", "action")] {
            assert_eq!(event.get(id).is_some(), event.get(word).is_some(), "{event}");
        }
        if let Some(api) = event.get("api") {
            assert!(!api["operation"].as_str().unwrap().is_empty(), "{event}");
        }
        for (object, any) in [
            ("actor", &["process", "user", "invoked_by", "session", "app_name", "app_uid"][..]),
            ("src_endpoint", &["name", "uid", "ip", "hostname", "svc_name"]),
            ("dst_endpoint", &["name", "uid", "ip", "hostname", "svc_name"]),
            ("entity", &["name", "uid", "device", "group", "org", "policy", "user"]),
            ("user", &["account", "name", "uid"]),
        ] {
            let Some(found) = event.get(object) else { continue };
            assert!(any.iter().any(|name| found.get(name).is_some()), "{object} of {event}");
        }
    }
    let said = |event: &Value| event["message"].as_str().unwrap().to_owned();
    let confirmed = events.iter().find(|event| event["metadata"]["event_code"] == "confirmed").unwrap();
    assert_eq!(said(confirmed), "dana: confirmed payments.create_\\u{202e}refund for refund-helper");
    for kind in Kind::ALL {
        let word = kind.word();
        assert!(events.iter().any(|event| event["metadata"]["event_code"] == word), "no event of {word}");
    }
}

#[test]
fn nothing_of_the_open_part_is_lost_and_nothing_sealed_is_told() {
    let text = exported(&Filter::default());
    assert!(!text.contains("secret"), "{text}");
    for (event, entry) in events().iter().zip(entries()) {
        let rest = &event["unmapped"];
        assert_eq!(rest.get("details").cloned().unwrap_or_default(), entry.details);
        assert_eq!(rest.get("hold").and_then(Value::as_str), entry.hold.as_deref());
        assert_eq!(rest.get("action").is_some(), entry.action.is_some());
    }
    // What an agent wrote moves nothing where the export is looked at, and is the same value.
    assert!(!text.contains('\u{202e}') && text.contains("\\u202e"));
    assert_eq!(events()[0]["api"]["operation"], "payments.create_\u{202e}refund");
}

#[test]
fn a_decision_names_the_call_that_it_is_about() {
    let filter = Filter { kinds: vec![Kind::Decided], ..Filter::default() };
    let text = exported(&filter);
    assert_eq!(text.lines().count(), 5);
    let first: Value = serde_json::from_str(text.lines().nth(2).unwrap()).unwrap();
    assert_eq!(first["api"]["operation"], "payments.create_\u{202e}refund");
    assert_eq!(first["api"]["request"], json!({"uid": "ask-1"}));
    assert_eq!((&first["action"], &first["disposition"]), (&"Denied".into(), &"Blocked".into()));
    assert_eq!(first["severity"], "Low");
    assert_eq!(first["message"], "refund-helper: decided payments.create_\\u{202e}refund, refuse");
    assert_eq!(
        first["authorizations"][0],
        json!({"decision": "refuse", "policy": {
            "name": "refund-helper", "type": "scope", "uid": "ab", "version": "3", "is_applied": true,
        }})
    );
}

/// The table of the reference, out of the mapping.
#[test]
fn the_reference_has_every_kind() {
    let mut table = String::from("| record | class | activity |\n|---|---|---|\n");
    for kind in Kind::ALL {
        let forms: &[&str] = match kind {
            Kind::Token => &["made", "revoked"],
            Kind::Person => &["enrolled", "withdrawn"],
            _ => &[""],
        };
        for form in forms {
            let (class, (number, name)) = class(kind, &json!({ "change": form }));
            let form = if form.is_empty() { String::new() } else { format!(", {form}") };
            table.push_str(&format!(
                "| `{}`{form} | {} ({}) | {number}, {name} |\n",
                kind.word(),
                class.uid,
                class.name
            ));
        }
    }
    let reference = include_str!("../../../../../docs/reference/ocsf.md");
    assert!(reference.contains(&table), "docs/reference/ocsf.md should have\n{table}");
}
