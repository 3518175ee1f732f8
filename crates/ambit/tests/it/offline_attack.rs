//! `ambit attack`: what is strict holds every attack off, and a page with a hole is told which attack goes through it.

use ambit::offline::attack::KINDS;
use serde_json::{Value, json};

use crate::company::{Paper, refunds};

const TOML: &str = r#"
[systems.web]
kind = "mcp"
command = ["web-server@1.0.0"]
[systems.mail]
kind = "mcp"
command = ["mail-server@1.0.0"]
[systems.files]
kind = "mcp"
command = ["files-server@1.0.0"]
[systems.bank]
kind = "mcp"
command = ["bank-server@1.0.0"]
[people.dana]
email = "dana@acme.example"
[agents.clerk]
scope = "SCOPE.md"
systems = ["bank", "files", "mail", "web"]
"#;

/// A clerk with these lines under *can write* and *cannot touch*, and these scenarios.
fn clerk(can: &[&str], cannot: &[&str], rows: &[(&str, &str)]) -> Paper {
    let mut paper = Paper::new();
    paper
        .tool("web", "fetch", json!({"url": {"type": "string"}}))
        .tool("mail", "send", json!({"to": {"type": "string"}}))
        .tool("files", "read", json!({"path": {"type": "string"}}))
        .tool("files", "open", json!({"uri": {"type": "string"}}))
        .tool("bank", "pay", json!({"amount": {"type": "number"}, "currency": {"type": "string"}}));
    let bullets = |lines: &[&str]| match lines {
        [] => "- nothing\n".to_owned(),
        lines => lines.iter().map(|line| format!("- {line}\n")).collect(),
    };
    let rows: String = rows.iter().map(|(tries, then)| format!("| … | `{tries}` | {then} |\n")).collect();
    let page = format!(
        "---\nagent: clerk\nowner: dana@acme.example\n---\n\n# Clerk\n\nDoes things.\n\n## It can read\n\n- nothing\n\n\
         ## It can write\n\n{}\n## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n{}\n## Scenarios\n\n\
         | when it is told | and it tries | then |\n|---|---|---|\n{rows}",
        bullets(can),
        bullets(cannot)
    );
    paper.write("ambit.toml", TOML).write("SCOPE.md", &page);
    paper
}

/// What was tried and got through, by kind.
fn counts(paper: &Paper) -> Vec<(String, usize, usize)> {
    let ran = paper.ambit(&["attack", "clerk", "--format", "json"]);
    let said = ran.json();
    let attacks = said["attacks"].as_array().unwrap();
    let through = attacks.iter().filter(|attack| attack["got-through"] == true).count();
    assert_eq!(said["got-through"], through);
    assert_eq!(ran.code, i32::from(through > 0), "{}", ran.err);
    let mut counts: Vec<(String, usize, usize)> = Vec::new();
    for attack in attacks {
        let kind = attack["kind"].as_str().unwrap();
        if counts.last().is_none_or(|(known, ..)| known != kind) {
            counts.push((kind.to_owned(), 0, 0));
        }
        let (_, tried, got) = counts.last_mut().unwrap();
        *tried += 1;
        *got += usize::from(attack["got-through"] == true);
    }
    counts
}

fn through(paper: &Paper, kind: &str) -> usize {
    counts(paper).into_iter().find(|(known, ..)| known == kind).map_or(0, |(_, _, through)| through)
}

#[test]
fn a_strict_page_holds_every_attack_off() {
    let paper = clerk(
        &[
            "call web.fetch where url is a URL at \"acme.example\"",
            "call mail.send where to is an address at \"acme.example\"",
            "call files.read where path is under \"/srv/tickets\"",
            "call files.open where uri is under \"file:///srv/tickets\"",
            "call bank.pay where amount is at most 100 and currency is \"EUR\", at most 100 of amount per day",
        ],
        &["call bank.pay where amount is above 100", "call files.read where path is under \"/srv/tickets/sealed\""],
        &[
            ("web.fetch {\"url\": \"https://acme.example/a\"}", "allow"),
            ("mail.send {\"to\": \"dana@acme.example\"}", "allow"),
            ("files.read {\"path\": \"/srv/tickets/1/body\"}", "allow"),
            ("files.read {\"path\": \"/srv/tickets/sealed/1\"}", "refuse"),
            ("files.open {\"uri\": \"file:///srv/tickets/1/body\"}", "allow"),
            ("bank.pay {\"amount\": 100, \"currency\": \"EUR\"}", "allow"),
            ("bank.pay {\"amount\": 300, \"currency\": \"EUR\"}", "refuse"),
        ],
    );
    let counts = counts(&paper);
    let through: Vec<_> = counts.iter().filter(|(_, _, through)| *through > 0).collect();
    assert!(through.is_empty(), "{through:?}\n{}", paper.ambit(&["attack", "clerk"]).out);
    let kinds: Vec<&str> = counts.iter().map(|(kind, ..)| kind.as_str()).collect();
    // `hidden` needs a tool that is not shown; the company below has some.
    let all = ["name", "duplicate-key", "case-twin", "encoding", "oversized", "path", "address", "url", "look-alike"];
    assert_eq!(kinds, [&all[..], &["split"]].concat());
}

#[test]
fn the_page_of_the_design_holds_and_what_is_hidden_is_called_in_vain() {
    let paper = refunds();
    let before = paper.everything();
    let ran = paper.ambit(&["attack", "refund-helper", "--format", "json"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    let said = ran.json();
    let hidden: Vec<&Value> =
        said["attacks"].as_array().unwrap().iter().filter(|attack| attack["kind"] == "hidden").collect();
    let names: Vec<&str> = hidden.iter().map(|attack| attack["tries"].as_str().unwrap()).collect();
    assert_eq!(names, ["gateway.set_rate_limit {\"per_minute\":1}", "warehouse.drop_table {\"name\":\"something\"}"]);
    assert_eq!(paper.everything(), before, "attacking writes nothing");
}

#[test]
fn each_hole_of_a_page_is_told_by_the_attack_that_goes_through_it() {
    let address = ("mail.send {\"to\": \"dana@acme.example\"}", "allow");
    let url = ("web.fetch {\"url\": \"https://acme.example/a\"}", "allow");
    let path = ("files.read {\"path\": \"/srv/tickets/1/body\"}", "allow");
    let pay = |then| ("bank.pay {\"amount\": 300, \"currency\": \"EUR\"}", then);
    for (can, cannot, row, kind) in [
        ("call mail.send where to ends with \"acme.example\"", "nothing", address, "address"),
        ("call mail.send where to contains \"@acme.example\"", "nothing", address, "address"),
        ("call web.fetch where url starts with \"https://acme.example\"", "nothing", url, "url"),
        ("call web.fetch where url contains \"acme.example\"", "nothing", url, "url"),
        ("call files.read where path starts with \"/srv\"", "nothing", path, "path"),
        (
            "call bank.pay where amount is at most 200",
            "call bank.pay where amount is above 200",
            pay("refuse"),
            "split",
        ),
        ("call bank.pay where amount is at most 200", "nothing", pay("confirm"), "split"),
    ] {
        let cannot: &[&str] = if cannot == "nothing" { &[] } else { &[cannot] };
        assert!(through(&clerk(&[can], cannot, &[row]), kind) > 0, "{can}");
    }
    // With a limit over the day the parts are no way around it.
    let limited = "call bank.pay where amount is at most 200, at most 200 of amount per day";
    assert_eq!(through(&clerk(&[limited], &["call bank.pay where amount is above 200"], &[pay("refuse")]), "split"), 0);
}

#[test]
fn a_person_is_told_what_got_through_and_by_which_line() {
    let paper = clerk(
        &["call mail.send where to ends with \"acme.example\""],
        &[],
        &[("mail.send {\"to\": \"dana@acme.example\"}", "allow")],
    );
    let ran = paper.ambit(&["attack", "clerk"]);
    assert_eq!(ran.code, 1);
    let first = ran.out.split("\n\n").find(|part| part.starts_with("got through")).unwrap();
    insta::assert_snapshot!(first, @r#"
    got through address, from SCOPE.md:30: put a foreign address before the known one
      mail.send {"to":"mallory@evil.example,dana@acme.example"}
      allow, and must be at least hold
      it may call `mail.send`
        line 16: call mail.send where to ends with "acme.example"
    "#);
    assert!(ran.out.contains("drift is not tried offline"), "{}", ran.out);
    assert!(!ran.out.contains("held off"));
    assert!(paper.ambit(&["attack", "clerk", "--all"]).out.contains("held off duplicate-key, from SCOPE.md:"));
    let ran = paper.ambit(&["attack", "clrk"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("did you mean `clerk`?"), "{}", ran.err);
}

#[test]
fn the_reference_has_every_attack() {
    let reference = include_str!("../../../../docs/reference/trying-and-testing.md");
    let rows: String = KINDS.iter().map(|(kind, about)| format!("| `{kind}` | {about} |\n")).collect();
    assert!(reference.contains(&rows), "docs/reference/trying-and-testing.md should have\n{rows}");
}
