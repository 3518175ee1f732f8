//! `ambit try` and its batches, as a person or a program runs them.

use serde_json::{Value, json};

use crate::company::{Paper, refunds};

#[test]
fn an_action_is_answered_with_its_line_and_an_exit_code_of_its_own() {
    let paper = refunds();
    let before = paper.everything();
    for (action, code, word, why) in [
        (r#"crm.find_customer {"id": 8812}"#, 0, "allow", "it may call `crm.find_customer`"),
        (r#"payments.create_refund {"amount": 80, "currency": "EUR"}"#, 3, "hold", "a human must confirm"),
        (r#"payments.create_refund {"amount": 201, "currency": "EUR"}"#, 1, "refuse", "it cannot call"),
        (r#"gateway.set_rate_limit {"per_minute": 10000}"#, 1, "refuse", "anything tagged infrastructure"),
        (r#"crm.no_such_tool {}"#, 1, "refuse", "is not in the catalog"),
        (r#"crm.find_customer {"id": "8812"}"#, 1, "refuse", "do not fit `crm.find_customer`"),
        (r#"crm.find_customer {"id": 1, "id": 2}"#, 1, "refuse", "the key `id` stands twice"),
        (r#"crm: DELETE FROM notes"#, 1, "refuse", "there is no database `crm` in the lock"),
    ] {
        let ran = paper.ambit(&["try", "refund-helper", action]);
        assert_eq!(ran.code, code, "{action}: {}{}", ran.out, ran.err);
        assert!(ran.out.starts_with(word), "{action}: {}", ran.out);
        assert!(ran.out.contains(why), "{action}: {}", ran.out);
        assert_eq!(ran.err, "", "{action}");

        let json = paper.ambit(&["try", "refund-helper", action, "--format", "json"]);
        assert_eq!((json.code, json.json()["decision"].as_str().unwrap()), (code, word), "{action}");
        assert!(json.json()["grounds"].to_string().contains(&why.replace('"', "\\\"")) || why.contains("anything"));
    }
    assert_eq!(paper.everything(), before, "trying writes nothing");
}

#[test]
fn the_ground_of_a_hold_points_at_its_line_and_says_who_is_asked() {
    let ran = refunds().ambit(&[
        "try",
        "refund-helper",
        r#"payments.create_refund {"amount": 80, "currency": "EUR"}"#,
        "--format",
        "json",
    ]);
    let answer = ran.json();
    let ground = &answer["grounds"][0];
    assert_eq!(ground["line"], 25);
    assert_eq!(ground["section"], "A human must confirm");
    assert!(ground["text"].as_str().unwrap().starts_with("call payments.create_refund where amount is above 0"));
    assert_eq!(answer["asks"], json!(["asked: support-lead (omar), within 30 minutes"]));
    assert_eq!((&answer["bounds"], &answer["unread"]), (&json!([]), &json!([])));
}

#[test]
fn what_is_not_understood_is_a_usage_error_and_a_page_with_errors_is_a_finding() {
    let paper = refunds();
    for (args, code, says) in [
        (vec!["try", "refund-helper", "crm"], 2, "neither `system.tool {json}` nor"),
        (vec!["try", "refund-helper", "crm.find_customer {id: 1}"], 2, "expected a key"),
        (vec!["try", "refund-helpr", "crm.find_customer {}"], 2, "did you mean `refund-helper`?"),
        (vec!["try", "refund-helper"], 2, "ACTION"),
        (vec!["try", "refund-helper", "crm.find_customer {}", "--request", "x"], 2, "--task"),
        (vec!["try", "refund-helper", "crm.find_customer {}", "--task", "t", "--fact", "x"], 2, "no fact"),
        (vec!["try", "refund-helper", "crm.find_customer {}", "--at", "noon"], 2, "`noon` is no moment"),
        (vec!["try", "--batch", "nowhere.jsonl"], 2, "cannot be read"),
        (vec!["try", "refund-helper", "crm.find_customer {}", "--scope", "nowhere.md"], 4, "cannot be read"),
    ] {
        let ran = paper.ambit(&args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
        assert_eq!(ran.out, "", "{args:?}");
    }
    paper.write("SCOPE.md", &crate::company::REFUNDS.replace("crm.create_note\n", "crm.creat_note\n"));
    let ran = paper.ambit(&["try", "refund-helper", "crm.create_note {}"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("unknown-resource") && ran.err.contains("did you mean"), "{}", ran.err);
}

#[test]
fn what_an_agent_wrote_does_not_reach_the_terminal() {
    let ran = refunds().ambit(&["try", "refund-helper", "crm.\"x\u{1b}[31m\u{202e}\" {}", "--color", "always"]);
    assert_eq!(ran.code, 1);
    assert!(!ran.out.contains("\u{1b}[31m\u{202e}") && !ran.out.contains('\u{202e}'), "{}", ran.out);
    assert!(ran.out.contains("x\\u{1b}[31m\\u{202e}"), "{}", ran.out);
}

/// A bank and a chat whose page speaks of the request and of the task, as the scopes of a benchmark of injected agents do.
pub fn bank() -> Paper {
    let mut paper = Paper::new();
    paper
        .tool("bank", "get_balance", json!({}))
        .tool(
            "bank",
            "send_money",
            json!({"recipient": {"type": "string"}, "amount": {"type": "number"}, "subject?": {"type": "string"}}),
        )
        .tool("chat", "send", json!({"channel": {"type": "string"}, "body": {"type": "string"}}))
        .tool("chat", "invite", json!({"users": {"type": "array", "items": {"type": "string"}}}));
    paper.write(
        "ambit.toml",
        r#"
[systems.bank]
kind = "mcp"
command = ["bank-server@1.0.0"]
reading-tools = ["get_balance"]
tags = ["money"]

[systems.chat]
kind = "mcp"
command = ["chat-server@1.0.0"]

[people.emma]
email = "emma@acme.example"

[agents.clerk]
scope = "clerk.md"
systems = ["bank", "chat"]
"#,
    );
    paper.write(
        "clerk.md",
        r#"---
agent: clerk
owner: emma@acme.example
review-by: 2027-01-31
outside: refuse
---

# Clerk

Pays bills and passes messages on, for the person who asks.

## It can read

- bank.get_balance

## It can write

- call bank.send_money where recipient is in the request and amount is in the request, for pay-bill, at most 100 of amount per hour, otherwise a human
- call bank.send_money where recipient is the task's payee, for refund
- call chat.send where channel is in the request
- call chat.invite where users[] is in the request, for invite

## A human must confirm

- nothing

## It cannot touch

- call bank.send_money where amount is above 1000
"#,
    );
    paper
}

#[test]
fn a_task_narrows_and_only_the_words_of_an_insider_count() {
    let paper = bank();
    let pay = r#"bank.send_money {"recipient": "UK12345678901234567890", "amount": 98.70}"#;
    let request = "Please pay the bill: 98.70 to UK12345678901234567890";
    let tried = |action: &str, more: &[&str]| {
        let args = [&["try", "clerk", action][..], more].concat();
        let ran = paper.ambit(&args);
        assert_eq!(ran.err, "", "{args:?}");
        ran.code
    };
    let with = |author: &'static str| ["--task", "pay-bill", "--request", request, "--author", author];
    assert_eq!(tried(pay, &["--task", "pay-bill", "--request", request]), 0, "no author is the owner");
    assert_eq!(tried(pay, &with("Emma@acme.example")), 0);
    assert_eq!(tried(pay, &with("emma")), 0);
    assert_eq!(tried(pay, &with("mallory@evil.example")), 3, "an outsider's words satisfy nothing");
    assert_eq!(tried(pay, &["--task", "pay-bill"]), 3, "there is no request");
    assert_eq!(tried(pay, &["--task", "other", "--request", request]), 1, "the line is for another task");
    assert_eq!(tried(pay, &[]), 1, "and not for none");
    let other = r#"bank.send_money {"recipient": "US133000000121212121212", "amount": 98.70}"#;
    assert_eq!(tried(other, &with("emma")), 3, "beyond its tests, a human");
    let much = r#"bank.send_money {"recipient": "UK12345678901234567890", "amount": 1000.01}"#;
    assert_eq!(tried(much, &with("emma")), 1);

    let refund = r#"bank.send_money {"recipient": "GB29", "amount": 5}"#;
    assert_eq!(tried(refund, &["--task", "refund", "--fact", "payee=GB29"]), 0);
    assert_eq!(tried(refund, &["--task", "refund", "--fact", "payee=GB30"]), 1);
    assert_eq!(tried(refund, &["--task", "refund"]), 1);
    let invite = |users: &str| format!("chat.invite {{\"users\": {users}}}");
    let asked = ["--task", "invite", "--request", "invite Dora and Fred"];
    assert_eq!(tried(&invite(r#"["Dora", "Fred"]"#), &asked), 0);
    assert_eq!(tried(&invite(r#"["Dora", "Mallory"]"#), &asked), 1, "every element has to");
    assert_eq!(tried(&invite("[]"), &asked), 1, "and there has to be one");
}

fn line(agent: &str, tool: (&str, &str), arguments: &str, more: &str) -> String {
    format!(
        "{{\"agent\":\"{agent}\",\"action\":{{\"system\":\"{}\",\"tool\":\"{}\",\"arguments\":{arguments}}}{more}}}\n",
        tool.0, tool.1
    )
}

#[test]
fn a_batch_gives_one_line_a_line_with_exactly_what_was_promised() {
    let paper = refunds();
    let refund = ("payments", "create_refund");
    let batch = [
        line("refund-helper", ("crm", "find_customer"), r#"{"id": 8812}"#, ""),
        line("refund-helper", refund, r#"{"amount": 80, "currency": "EUR"}"#, ""),
        line("refund-helper", refund, r#"{"amount": 80, "amount": 8000, "currency": "EUR"}"#, ""),
        line("refund-helper", ("crm", "nothing"), "{}", ""),
    ]
    .concat();
    paper.write("batch.jsonl", &batch);
    let from_file = paper.ambit(&["try", "--batch", "batch.jsonl"]);
    let from_input = paper.ambit_with(&["try", "--batch", "-"], &batch);
    assert_eq!((from_file.code, &from_file.out), (0, &from_input.out));
    let lines = from_file.lines();
    let decisions: Vec<&str> = lines.iter().map(|line| line["decision"].as_str().unwrap()).collect();
    assert_eq!(decisions, ["allow", "hold", "refuse", "refuse"]);
    for line in &lines {
        let keys: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["bounds", "decision", "grounds", "unread"]);
        for ground in line["grounds"].as_array().unwrap() {
            let keys: Vec<&str> = ground.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(keys, ["line", "section", "text", "why"]);
        }
    }
    assert!(lines[2]["grounds"][0]["why"].as_str().unwrap().contains("stands twice"), "{}", lines[2]);
    let single = paper.ambit(&["try", "refund-helper", "crm.find_customer {\"id\": 8812}", "--format", "json"]).json();
    assert_eq!(lines[0]["grounds"], single["grounds"]);
}

#[test]
fn limits_count_over_a_batch_on_the_times_that_are_given() {
    let paper = refunds();
    let update = |id: u32, at: &str| {
        let more = if at.is_empty() { String::new() } else { format!(",\"at\":\"{at}\"") };
        line("refund-helper", ("crm", "update_customer"), &format!("{{\"id\": {id}}}"), &more)
    };
    let batch = [
        update(1, "2026-11-23T10:00:00Z"),
        update(2, "2026-11-23T10:30:00Z"),
        update(3, ""),
        update(4, ""),
        update(5, "2026-11-23T10:59:59.999Z"),
        update(6, "2026-11-23T12:00:00+01:00"),
        update(7, "2026-11-23T11:00:01Z"),
        update(8, "2026-11-23T11:30:00Z"),
    ];
    let ran = paper.ambit_with(&["try", "--batch", "-"], &batch.concat());
    let decisions: Vec<String> = ran.lines().iter().map(|line| line["decision"].as_str().unwrap().to_owned()).collect();
    // Three an hour: the first leaves the window at 11:00:00, the second and the third at 11:30:00; what was held took nothing.
    assert_eq!(decisions, ["allow", "allow", "allow", "hold", "hold", "allow", "hold", "allow"], "{}", ran.out);
    let held = &ran.lines()[3]["grounds"];
    assert!(held.to_string().contains("the line's limit is used up"), "{held}");
}

#[test]
fn money_is_counted_by_its_sum_and_by_page() {
    let paper = bank();
    paper.write("other.md", &std::fs::read_to_string(paper.path("clerk.md")).unwrap());
    let task = r#","task":{"name":"pay-bill","request":"pay 60 and 40 and 41 to DE89370400440532013000"},"at":"2026-11-23T10:00:00Z""#;
    let pay = |amount: u32, scope: &str| {
        let arguments = format!("{{\"recipient\": \"DE89370400440532013000\", \"amount\": {amount}}}");
        line("clerk", ("bank", "send_money"), &arguments, &format!("{task}{scope}"))
    };
    let other = ",\"scope\":\"other.md\"";
    let batch = [pay(60, ""), pay(41, ""), pay(40, other), pay(40, ""), pay(60, other), pay(41, other)].concat();
    let decisions: Vec<Value> = paper
        .ambit_with(&["try", "--batch", "-"], &batch)
        .lines()
        .iter()
        .map(|line| line["decision"].clone())
        .collect();
    assert_eq!(decisions, ["allow", "hold", "allow", "allow", "allow", "hold"]);
}

#[test]
fn a_broken_line_keeps_its_place_and_the_batch_goes_on() {
    let paper = refunds();
    let good = line("refund-helper", ("crm", "find_customer"), r#"{"id": 8812}"#, "");
    let broken = [
        "".to_owned(),
        "{".to_owned(),
        "[]".to_owned(),
        r#"{"agent":"refund-helper"}"#.to_owned(),
        good.trim().replace("\"agent\"", "\"agnt\""),
        good.trim().replace("refund-helper", "nobody"),
        good.trim().replace("{\"agent\"", "{\"at\":\"noon\",\"agent\""),
        good.trim().replace("{\"agent\"", "{\"agent\":\"x\",\"agent\""),
        good.trim().replace("{\"agent\"", "{\"task\":{\"name\":\"t\",\"facts\":{\"a\":1,\"a\":2}},\"agent\""),
        good.trim().replace("{\"agent\"", "{\"task\":{\"name\":\"t\",\"facts\":[1]},\"agent\""),
    ];
    let batch: String = broken.iter().flat_map(|line| [line.as_str(), "\n", good.as_str()]).collect();
    let ran = paper.ambit_with(&["try", "--batch", "-"], &batch);
    let lines = ran.lines();
    assert_eq!((ran.code, lines.len()), (2, 2 * broken.len()), "{}", ran.out);
    for (at, line) in lines.iter().enumerate() {
        if at % 2 == 0 {
            assert!(line["error"].is_string() && line.as_object().unwrap().len() == 1, "{at}: {line}");
        } else {
            assert_eq!(line["decision"], "allow", "{at}: {line}");
        }
    }
    let without_end = paper.ambit_with(&["try", "--batch", "-"], good.trim());
    assert_eq!((without_end.code, without_end.lines().len()), (0, 1));
    assert_eq!(paper.ambit_with(&["try", "--batch", "-"], "").out, "");

    let nowhere = good.replace("{\"agent\"", "{\"scope\":\"nowhere.md\",\"agent\"");
    let ran = paper.ambit_with(&["try", "--batch", "-"], &format!("{nowhere}{{\n{nowhere}"));
    assert_eq!((ran.code, ran.lines().len()), (4, 3));
    assert!(ran.lines()[0]["error"].as_str().unwrap().contains("nowhere.md"));
}

#[test]
fn a_program_that_waits_for_each_answer_gets_it() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let paper = refunds();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ambit"))
        .args(["try", "--batch", "-"])
        .current_dir(paper.path(""))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        input.write_all(line("refund-helper", ("crm", "find_customer"), "{\"id\": 1}", "").as_bytes()).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert!(answer.contains("\"decision\":\"allow\""), "{answer}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}
