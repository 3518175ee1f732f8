//! `ambit explain` and `ambit why`.

use ambit::home::Home;
use ambit::offline::{GivenTask, Surroundings, Trial};
use ambit_core::catalog::{Shape, Type};
use ambit_core::decide::{Facts, Unused};
use ambit_core::policy::{Policy, Setting};
use ambit_core::scope::compile::compile;
use ambit_core::scope::parse::parse;
use ambit_core::scope::print::print_line;
use ambit_core::time::Timestamp;
use ambit_effects::attempt::Attempt;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use crate::company::{Paper, REFUNDS, REFUNDS_TOML, refunds};
use crate::offline_try::bank;

#[test]
fn a_scope_is_said_back_in_sentences() {
    insta::assert_snapshot!(refunds().ambit(&["explain", "refund-helper"]).out, @r#"
    Refund helper
    refund-helper, for which dana.ortiz@acme.example answers

    Answers refund tickets: looks up the customer, records the outcome, and prepares the refund for a person to release.

    This agent can read
      - crm.find_customer [advised]
      - helpdesk.get_ticket [advised]

    It can write
      - call crm.update_customer (id, status), at most 3 times per hour [advised]
      - call crm.create_note [advised]
      - call helpdesk.reply where recipient is an address at "acme.example" [advised]

    A human must confirm before it may
      - call payments.create_refund where amount is above 0 and amount is at most 200 and currency is "EUR", by support-lead, within 30 minutes [advised]
        asked: support-lead (omar)
      - call crm.delete_notes, by support-lead [advised]
        asked: support-lead (omar)

    It cannot touch
      - crm.update_customer (card_number) [advised]
      - anything tagged backup [advised]
        today that is warehouse.drop_table
      - anything tagged infrastructure [advised]
        today that is gateway.set_rate_limit
      - call payments.create_refund where amount is above 200 [advised]

    If it needs to do anything outside this scope, a human must confirm first.
    advised: Ambit stands between, but the agent runs as the same operating-system user and could go around.
    used of its limits: not known, because no daemon runs that counts (`ambit serve`)
    "#);
}

#[test]
fn and_as_a_page() {
    insta::assert_snapshot!(bank().ambit(&["explain", "clerk", "--format", "markdown"]).out, @r#"
    # Clerk

    `clerk`, for which `emma@acme.example` answers.

    Pays bills and passes messages on, for the person who asks.

    This agent can read:

    - `bank.get_balance` (advised)

    It can write:

    - `call bank.send_money where recipient is in the request and amount is in the request, at most 100 of amount per hour, for pay-bill, otherwise a human` (advised)
      - ``counts in such a task alone, which a person opens (`ambit task open`)``
      - `asked: the owner, the backup owner, or the person for whom the task runs (emma)`
    - `call bank.send_money where recipient is the task's payee, for refund` (advised)
      - ``counts in such a task alone, which a person opens (`ambit task open`)``
    - `call chat.send where channel is in the request` (advised)
      - ``counts in a task alone, which a person opens (`ambit task open`)``
    - `call chat.invite where users[] is in the request, for invite` (advised)
      - ``counts in such a task alone, which a person opens (`ambit task open`)``

    No line asks for a human.

    It cannot touch:

    - `call bank.send_money where amount is above 1000` (advised)

    Anything outside this scope is refused.

    advised: Ambit stands between, but the agent runs as the same operating-system user and could go around.

    used of its limits: not known, because no daemon runs that counts (`ambit serve`)
    "#);
}

#[test]
fn and_as_it_holds_in_a_task() {
    insta::assert_snapshot!(bank().ambit(&["explain", "clerk", "--task", "refund"]).out, @r#"
    Clerk
    clerk, for which emma@acme.example answers
    as it holds in the task refund

    Pays bills and passes messages on, for the person who asks.

    This agent can read
      - bank.get_balance [advised]

    It can write
      - call bank.send_money where recipient is the task's payee, for refund [advised]
      - call chat.send where channel is in the request [advised]

    No line asks for a human.

    It cannot touch
      - call bank.send_money where amount is above 1000 [advised]

    Anything outside this scope is refused.
    advised: Ambit stands between, but the agent runs as the same operating-system user and could go around.
    "#);
    let wrong = bank().ambit(&["explain", "clerk", "--task", "refunt"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("did you mean `refund`?"), "{}", wrong.err);
}

#[test]
fn an_agent_of_another_user_is_enforced() {
    let paper = refunds();
    let with = |user: &str| {
        paper.write(
            "ambit.toml",
            &REFUNDS_TOML.replace("[agents.refund-helper]", &format!("[agents.refund-helper]\nos-user = \"{user}\"")),
        );
        paper.ambit(&["explain", "refund-helper"]).out
    };
    assert!(with("4294967290").contains("crm.find_customer [enforced]"));
    assert!(with("nobody-knows-this-name").contains("crm.find_customer [advised]"));
}

/// The words of every answer, put back under their headings with the front matter of the page.
fn put_back(page: &str, told: &Value) -> String {
    let (front, _) = page.split_once("\n## ").unwrap();
    let mut text = front.trim_end().to_owned();
    for (answer, title) in told["answers"].as_array().unwrap().iter().zip([
        "It can read",
        "It can write",
        "A human must confirm",
        "It cannot touch",
    ]) {
        text.push_str(&format!("\n\n## {title}\n"));
        let items = answer["items"].as_array().unwrap();
        for item in items {
            text.push_str(&format!("\n- {}", item["words"].as_str().unwrap()));
        }
        if items.is_empty() {
            text.push_str("\n- nothing");
        }
        text.push('\n');
    }
    text
}

fn compiled(text: &str, setting: &Setting) -> Policy {
    let parsed = parse(text);
    assert!(parsed.is_sound(), "{:?}\n{text}", parsed.diagnostics);
    let compiled = compile(&parsed.document, setting);
    compiled.policy.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

/// Values of that type, among them those that the tests of the pages tell apart; now and then of another type.
fn value(shape: &Shape) -> BoxedStrategy<Value> {
    let number = prop::sample::select(vec![-1i64, 0, 1, 80, 100, 200, 201, 1000, 1001, 8812]).prop_map(Value::from);
    let text = prop::sample::select(vec![
        "EUR",
        "USD",
        "general",
        "GB29",
        "lee@acme.example",
        "lee@evil.example",
        "a@evil.example,lee@acme.example",
        "https://acme.example/x",
        "2026-11-23",
        "/srv/tickets/1",
        "/srv/tickets/../x",
        "",
    ]);
    let text = text.prop_map(Value::from);
    let fits = match shape.types.first() {
        Some(Type::Number) => number.clone().boxed(),
        Some(Type::Bool) => any::<bool>().prop_map(Value::from).boxed(),
        Some(Type::List) => prop::collection::vec(text.clone(), 0..3).prop_map(Value::from).boxed(),
        _ => text.clone().boxed(),
    };
    prop_oneof![30 => fits, 1 => number, 1 => text, 1 => Just(Value::Null)].boxed()
}

/// Any call of any tool, with arguments of its own.
fn attempt(setting: &Setting) -> impl Strategy<Value = (Attempt, Option<GivenTask>)> + use<> {
    let catalog = &setting.catalog;
    let calls = catalog.resources().map(|(_, resource)| {
        let (system, name) = (catalog.system(resource.system).unwrap().name.clone(), resource.name.clone());
        let members: Vec<_> = resource
            .fields
            .iter()
            .map(|field| {
                let given = prop::bool::weighted(if field.required { 0.95 } else { 0.5 });
                (Just(field.name.clone()), value(&field.shape), given)
            })
            .collect();
        let arguments = members.prop_map(|members| {
            let given = members.into_iter().filter(|(.., given)| *given).map(|(name, value, _)| (name, value));
            Value::Object(given.collect()).to_string()
        });
        (Just(system), Just(name), arguments).boxed()
    });
    let call = prop::strategy::Union::new(calls.collect::<Vec<_>>());
    let task = prop::sample::select(vec!["pay-bill", "refund", "invite", "other"]).prop_map(|name| GivenTask {
        name: name.to_owned(),
        request: Some("pay 100 to GB29, post in general, invite EUR and USD".to_owned()),
        author: None,
        facts: vec![("payee".to_owned(), ambit_core::value::Value::Text("GB29".to_owned()))],
    });
    (call, prop::option::of(task))
        .prop_map(|((system, name, arguments), task)| (Attempt::Call { system, name, arguments }, task))
}

/// What is said is the policy: put back under its headings it compiles to one that prints the same lines and decides the
/// same over any call.
fn round_trips(paper: &Paper, agent: &str, page: &str) {
    let told = paper.ambit(&["explain", agent, "--format", "json"]).json();
    let around = Surroundings::of(&Home::open(&paper.path("ambit.toml")).unwrap(), agent).unwrap();
    let one = compiled(page, &around.setting);
    let other = compiled(&put_back(page, &told), &around.setting);
    let lines = |policy: &Policy| -> Vec<_> {
        policy.lines().iter().map(|line| (line.line.section, print_line(&line.line))).collect()
    };
    assert_eq!(lines(&one), lines(&other));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let decided = std::cell::Cell::new(0usize);
    runner
        .run(&attempt(&around.setting), |(attempt, task)| {
            let decide = |policy: &Policy| {
                let task = task.clone().map(|task| task.open(policy));
                let facts = Facts { now: Some(Timestamp(1_795_000_000_000)), task: task.as_ref(), usage: &Unused };
                Trial::of(policy, &around, &attempt, &facts)
            };
            let trial = decide(&one);
            prop_assert_eq!(&trial, &decide(&other));
            decided.set(decided.get() + usize::from(matches!(trial, Trial::Decided { .. })));
            Ok(())
        })
        .unwrap();
    assert!(decided.get() > 100, "{} calls were fit to be decided", decided.get());
}

#[test]
fn what_is_said_of_the_refunds_is_their_policy() {
    round_trips(&refunds(), "refund-helper", REFUNDS);
}

#[test]
fn what_is_said_of_tasks_and_requests_is_their_policy() {
    let paper = bank();
    let page = std::fs::read_to_string(paper.path("clerk.md")).unwrap();
    round_trips(&paper, "clerk", &page);
}

#[test]
fn what_is_said_of_every_kind_of_line_is_its_policy() {
    let mut paper = Paper::new();
    let text = serde_json::json!({"type": "string"});
    paper
        .tool("a", "look", serde_json::json!({"id?": {"type": "integer"}, "note?": text}))
        .tool(
            "a",
            "send \"it\", now",
            serde_json::json!({"to": text, "urls?": {"type": "array", "items": text}, "force?": {"type": "boolean"}}),
        )
        .tool("b", "pay", serde_json::json!({"amount": {"type": "number"}, "day?": text, "currency?": text}))
        .tool("b", "wipe", serde_json::json!({"path?": text}));
    paper.write(
        "ambit.toml",
        r#"
[systems.a]
kind = "mcp"
command = ["a@1.0.0"]
reading-tools = ["look"]

[systems.b]
kind = "mcp"
command = ["b@1.0.0"]
tags = ["money"]

[people.dana]
email = "dana@acme.example"
roles = ["lead"]

[people.omar]
email = "omar@acme.example"
roles = ["lead"]

[lists.partners]
kind = "domain"
members = ["acme.example"]
outsiders-can-extend = false

[agents.x]
scope = "x.md"
systems = ["a", "b"]
"#,
    );
    let page = r#"---
agent: x
owner: dana@acme.example
backup-owner: omar@acme.example
outside: refuse
---

# Everything

Says one line of every kind.

## It can read

- a.look (id)
- every reading tool in a where note does not contain "secret" or note is not given, at most 5 times per minute, for pay-bill or refund

## It can write

- call a."send ""it"", now" (to, urls) where to is an address at partners or to is an address at the request and urls[] is a URL at ("acme.example", "*.acme.example"), for any task but other, otherwise a human, because it is, well, needed
- call b.pay where amount is one of (1, 80, 100) and day is above 2026-01-31 and currency matches `"[A-Z]{3}"`, at most 100 of amount per task, at most 3 times per day, until 2027-12-31

## A human must confirm

- call b.pay where amount is above 100, by two of lead, within 2 hours, at most 10 times per day
- call a."send ""it"", now" where force is true, by someone else

## It cannot touch

- call b.wipe where path is not under "/srv/tickets"
- anything tagged money where amount is below 0
"#;
    paper.write("x.md", page);
    let checked = paper.ambit(&["explain", "x"]);
    assert_eq!(checked.code, 0, "{}", checked.err);
    round_trips(&paper, "x", page);
}

#[test]
fn why_says_the_smallest_edit_and_what_would_be_then() {
    let paper = refunds();
    for (action, code, edit) in [
        (
            r#"gateway.set_rate_limit {"per_minute": 1}"#,
            1,
            "take line 32 out: `anything tagged infrastructure`: then hold",
        ),
        (
            r#"helpdesk.reply {"recipient": "lee@evil.example", "text": "x"}"#,
            3,
            "take the test `recipient is an address at \"acme.example\"` out of line 21 (or let it allow this value): then allow",
        ),
        (r#"crm.find_customer {"id": 1}"#, 0, "take line 14 out: `crm.find_customer`: then hold"),
        (r#"crm.nothing {}"#, 1, "no edit of one or two lines changes it"),
    ] {
        let ran = paper.ambit(&["why", action]);
        assert_eq!(ran.code, code, "{action}: {}", ran.err);
        assert!(ran.out.contains(edit), "{action}: {}", ran.out);
    }
    let json =
        paper.ambit(&["why", "crm.find_customer {\"id\": 1}", "--agent", "refund-helper", "--format", "json"]).json();
    assert_eq!(
        (&json["decision"], &json["edit"]["line"], &json["edit"]["verdict"]),
        (&"allow".into(), &14.into(), &"hold".into())
    );
}

#[test]
fn why_of_an_id_that_nothing_was_recorded_about_is_a_usage_error() {
    for id in ["17", "7f3k-2m9q-x1zt"] {
        let ran = refunds().ambit(&["why", id]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains("nothing is recorded about"), "{}", ran.err);
    }
}
