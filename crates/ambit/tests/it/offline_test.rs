//! `ambit test`: scenarios, and which lines they hold.

use serde_json::{Value, json};

use crate::company::{Paper, REFUNDS, refunds};
use crate::offline_try::bank;

#[track_caller]
fn tested(paper: &Paper) -> (i32, Value) {
    let ran = paper.ambit(&["test", "--format", "json"]);
    assert_eq!(ran.err, "");
    (ran.code, ran.json())
}

/// The steps that nothing holds, as `LINE: what was done`.
fn unheld(page: &Value) -> Vec<String> {
    steps(page, |step| step["held-by"].is_null() && step["redundant"] == false)
}

fn redundant(page: &Value) -> Vec<String> {
    steps(page, |step| step["redundant"] == true)
}

fn steps(page: &Value, which: impl Fn(&Value) -> bool) -> Vec<String> {
    let lines = page["lines"].as_array().unwrap().iter();
    let all = lines.flat_map(|line| line["steps"].as_array().unwrap().iter().map(move |step| (line, step)));
    let chosen = all.filter(|(_, step)| which(step));
    chosen.map(|(line, step)| format!("{}: {}", line["line"], step["done"].as_str().unwrap())).collect()
}

fn without(scenario: &str) -> Paper {
    let paper = refunds();
    let page: Vec<&str> = REFUNDS.lines().filter(|line| !line.starts_with(&format!("| {scenario}"))).collect();
    assert_eq!(page.len(), REFUNDS.lines().count() - 1, "{scenario}");
    paper.write("SCOPE.md", &(page.join("\n") + "\n"));
    paper
}

#[test]
fn a_page_whose_every_line_is_held_is_fine() {
    let paper = refunds();
    let before = paper.everything();
    let (code, out) = tested(&paper);
    let page = &out["pages"][0];
    assert_eq!(unheld(page), Vec::<String>::new());
    assert_eq!((code, &out["fine"], &page["agent"]), (0, &Value::Bool(true), &"refund-helper".into()));
    // The *cannot* beyond 200 and the one on the card number decide alike without these; no scenario could hold them.
    assert_eq!(redundant(page), ["19: drop the field list", "25: drop the test `amount is at most 200`"]);
    let human = paper.ambit(&["test"]);
    assert_eq!(human.code, 0);
    assert!(human.out.contains("15 of 15 scenarios come out as expected"), "{}", human.out);
    assert!(human.out.contains("11 of 11 lines held"), "{}", human.out);
    assert_eq!(paper.everything(), before, "testing writes nothing");
    assert_eq!(paper.ambit(&["test"]).out, human.out, "the same page gives the same words");
}

#[test]
fn without_its_scenario_a_line_is_not_held_and_the_row_that_would_hold_it_is_told() {
    for (scenario, expected) in [
        ("Mark them all", vec!["19: drop the limit `at most 3 times per hour`"]),
        ("Mark customer", vec!["19: drop the line"]),
        ("Note her", vec!["30: drop the line"]),
        ("Tell a stranger", vec!["21: drop the test `recipient is an address at \"acme.example\"`"]),
        ("Clean up", vec!["26: let it run without a human"]),
        ("Give her nothing", vec!["25: drop the test `amount is above 0`"]),
        ("We are being", vec!["32: drop the line"]),
        ("Give her all", vec!["33: drop the line"]),
    ] {
        let (code, out) = tested(&without(scenario));
        let page = &out["pages"][0];
        assert_eq!((code, unheld(page)), (1, expected.iter().map(|s| (*s).to_owned()).collect()), "{scenario}");

        // The row that is suggested holds the line, once it is on the page.
        let line = page["lines"].as_array().unwrap().iter().flat_map(|line| line["steps"].as_array().unwrap());
        let step = line.clone().find(|step| step["suggestion"].is_object()).unwrap();
        let table = step["suggestion"]["table"].as_str().unwrap();
        let paper = without(scenario);
        paper.write("more.scenarios.md", &format!("# More\n\n{table}\n"));
        let (code, out) = tested(&paper);
        assert_eq!((code, unheld(&out["pages"][0])), (0, vec![]), "{table}");
    }
}

#[test]
fn a_page_without_scenarios_is_told_what_would_hold_each_line() {
    let paper = bank();
    let (code, out) = tested(&paper);
    let page = &out["pages"][0];
    assert_eq!(code, 1);
    let mut rows = String::from("# Rows\n");
    for line in page["lines"].as_array().unwrap() {
        for step in line["steps"].as_array().unwrap() {
            let table = step["suggestion"]["table"].as_str().unwrap_or_else(|| panic!("no row for {line}"));
            rows.push_str(&format!("\n{table}\n"));
        }
    }
    paper.write("clerk.scenarios.md", &rows);
    let (code, out) = tested(&paper);
    assert_eq!(unheld(&out["pages"][0]), Vec::<String>::new(), "{rows}");
    assert_eq!(code, 0);
}

#[test]
fn a_scenario_that_fails_says_why_and_holds_nothing() {
    let paper = refunds();
    paper.write(
        "SCOPE.md",
        &REFUNDS.replace(
            "\"status\": \"vip\"}`                     | allow ",
            "\"status\": \"vip\"}`                     | refuse",
        ),
    );
    let ran = paper.ambit(&["test", "refund-helper"]);
    assert_eq!(ran.code, 1);
    for says in [
        "fails SCOPE.md:41",
        "expected refuse, and it is allow",
        "it may call `crm.update_customer`",
        "14 of 15 scenarios",
        "not held line 19",
    ] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
}

#[test]
fn a_scenario_that_the_page_has_no_part_in_says_so() {
    let paper = refunds();
    paper.write(
        "more.scenarios.md",
        "| when it is told | and it tries | then |\n|---|---|---|\n\
         | Misspelt | `crm.find_custmer {\"id\": 1}` | refuse |\n\
         | No number | `crm.find_customer {\"id\": \"1\"}` | allow |\n\
         | Twice | `crm.find_customer {\"id\": 1, \"id\": 2}` | refuse |\n\
         | Nonsense | `crm.find_customer {id}` | refuse |\n\
         | No task | `crm.find_customer {\"id\": 1}` | allow |\n",
    );
    let (code, out) = tested(&paper);
    let played = &out["pages"][0]["scenarios"].as_array().unwrap()[15..];
    let came: Vec<(&str, bool)> =
        played.iter().map(|p| (p["came"].as_str().unwrap(), p["passed"].as_bool().unwrap())).collect();
    assert_eq!(code, 1);
    assert_eq!(came, [("refuse", true), ("refuse", false), ("refuse", true), ("not-readable", false), ("allow", true)]);
    assert_eq!(played[0]["note"], "it is refused whatever the page says, so it holds no line");
    assert_eq!((&played[0]["file"], &played[0]["line"]), (&"more.scenarios.md".into(), &3.into()));
}

#[test]
fn scenarios_in_sql_are_read_over_the_relations_in_the_lock() {
    let mut paper = Paper::new();
    paper
        .relation("crm", "public.customers", &["id", "name", "email", "status", "ssn", "card_number"])
        .relation("crm", "public.notes", &["id", "customer_id", "created_at"])
        .tool("helpdesk", "get_ticket", serde_json::json!({"id": {"type": "integer"}}));
    paper.write(
        "ambit.toml",
        r#"
[systems.crm]
kind = "postgres"
url = { env = "CRM_URL" }

[systems.helpdesk]
kind = "mcp"
command = ["helpdesk-server@2.0.0"]
reading-tools = ["get_ticket"]

[people.dana]
email = "dana@acme.example"

[agents.refund-helper]
scope = "SCOPE.md"
systems = ["crm", "helpdesk"]
"#,
    );
    paper.write(
        "SCOPE.md",
        "---\nagent: refund-helper\nowner: dana@acme.example\n---\n\n# Refund helper\n\nAnswers tickets.\n\n\
         ## It can read\n\n- crm.customers (id, name)\n- helpdesk.get_ticket\n\n\
         ## It can write\n\n- update crm.customers (status), at most 1 rows at once\n\n\
         ## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- crm.customers (ssn, card_number)\n\n\
         ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n\
         | Mark 8812 as a VIP | `crm: UPDATE customers SET status = 'vip' WHERE id = 8812` | allow |\n\
         | Clean up | `crm: DROP TABLE customers` | refuse |\n\
         | Who is it? | `crm: SELECT name FROM customers WHERE id = 8812` | allow |\n\
         | Check her number | `crm: SELECT name FROM customers WHERE ssn = '078-05-1120'` | refuse |\n\
         | What was said? | `crm: SELECT id FROM notes` | confirm |\n\
         | Make room | `crm: DO $$ BEGIN DELETE FROM customers; END $$` | refuse |\n\
         | Look | `helpdesk.get_ticket {\"id\": 7}` | allow |\n",
    );
    let (code, out) = tested(&paper);
    let page = &out["pages"][0];
    let came: Vec<(&str, bool)> = page["scenarios"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| (p["came"].as_str().unwrap(), p["passed"].as_bool().unwrap()))
        .collect();
    let expected = vec![
        ("allow", true),
        ("refuse", true),
        ("allow", true),
        ("refuse", true),
        ("confirm", true),
        ("refuse", true),
        ("allow", true),
    ];
    assert_eq!((code, came), (1, expected), "{page}");
    assert!(page["scenarios"][1]["grounds"].to_string().contains("it cannot delete `crm.public.customers`"), "{page}");
    assert!(page["scenarios"][5]["note"].to_string().contains("whatever the page says"), "{page}");
    assert!(!page.to_string().contains("cannot be read yet"), "{page}");
    // How many rows a scenario is bound to is part of what it expects; what nothing holds is suggested as a statement.
    let unheld = unheld(page);
    assert!(!unheld.iter().any(|step| step.contains("rows at once")), "{unheld:?}");
    assert!(unheld.iter().any(|step| step.contains("drop the field list")), "{unheld:?}");
    assert!(page.to_string().contains("`crm: SELECT email FROM customers`"), "{page}");
    let explained = paper.ambit(&["explain", "refund-helper"]);
    assert!(explained.out.contains("crm.customers (id, name) [not visible here]"), "{}", explained.out);
    assert!(explained.out.contains("helpdesk.get_ticket [advised]"), "{}", explained.out);
}

#[test]
fn an_outsider_in_a_scenario_satisfies_nothing_and_a_task_has_its_facts() {
    let paper = bank();
    paper.write(
        "clerk.scenarios.md",
        "| when it is told | and it tries | then | in task | author |\n|---|---|---|---|---|\n\
         | Post it in general | `chat.send {\"channel\": \"general\", \"body\": \"x\"}` | allow | | |\n\
         | Post it in general | `chat.send {\"channel\": \"general\", \"body\": \"x\"}` | allow | | emma |\n\
         | Post it in general | `chat.send {\"channel\": \"general\", \"body\": \"x\"}` | refuse | | mallory@evil.example |\n\
         | Give it back | `bank.send_money {\"recipient\": \"GB29\", \"amount\": 5}` | allow | refund (payee = \"GB29\") | |\n\
         | Give it back | `bank.send_money {\"recipient\": \"GB29\", \"amount\": 5}` | refuse | refund (payee = \"GB30\") | |\n\
         | Give it back | `bank.send_money {\"recipient\": \"GB29\", \"amount\": 5}` | refuse | refund | |\n",
    );
    let (_, out) = tested(&paper);
    let passed: Vec<bool> =
        out["pages"][0]["scenarios"].as_array().unwrap().iter().map(|p| p["passed"].as_bool().unwrap()).collect();
    assert_eq!(passed, [true, true, true, true, true, true]);
}

#[test]
fn earlier_steps_use_limits_up_and_what_is_confirmed_runs() {
    let paper = refunds();
    paper.write(
        "SCOPE.md",
        &REFUNDS
            .replace("- call crm.delete_notes, by support-lead", "- call crm.delete_notes, by support-lead, at most 2 times per day")
            .replace(
                "| Clean up the old notes           | `crm.delete_notes {\"before\": \"2026-01-01\"}`                             | confirm |       |",
                "| Clean up | `crm.delete_notes {\"before\": \"a\"}` | confirm | `crm.delete_notes {\"before\": \"a\"}; gateway.set_rate_limit {\"per_minute\": 1}` |\n\
                 | Clean up | `crm.delete_notes {\"before\": \"a\"}` | refuse | `crm.delete_notes {\"before\": \"a\"}; crm.delete_notes {\"before\": \"b\"}` |",
            ),
    );
    let (code, out) = tested(&paper);
    assert_eq!((code, unheld(&out["pages"][0])), (0, vec![]), "{out}");
}

#[test]
fn documents_of_scenarios_belong_to_the_page_of_their_name_or_to_every_page() {
    let paper = refunds();
    let row =
        "| when it is told | and it tries | then |\n|---|---|---|\n| x | `crm.find_customer {\"id\": 1}` | refuse |\n";
    paper.write("other.md", "not a page of an agent\n").write("other.scenarios.md", row);
    assert_eq!(tested(&paper).0, 0, "those of another page are not run");
    paper.write("SCOPE.scenarios.md", row);
    assert_eq!(tested(&paper).0, 1);
    paper.write("SCOPE.scenarios.md", &row.replace("refuse", "allow"));
    assert_eq!(tested(&paper).0, 0);
    paper.write("SCOPE.scenarios.md", &row.replace("refuse", "deny"));
    let ran = paper.ambit(&["test"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("unknown-outcome") && ran.err.contains("SCOPE.scenarios.md:3"), "{}", ran.err);
}

#[test]
fn a_page_is_named_by_its_path_or_its_agent() {
    let paper = refunds();
    for (args, code) in [
        (vec!["test", "refund-helper"], 0),
        (vec!["test", "SCOPE.md"], 0),
        (vec!["test", "./SCOPE.md", "refund-helper"], 0),
        (vec!["test", "nowhere.md"], 2),
    ] {
        let ran = paper.ambit(&args);
        assert_eq!(ran.code, code, "{args:?}: {}{}", ran.out, ran.err);
    }
    paper.write("drafts/draft.md", REFUNDS);
    assert_eq!(paper.ambit(&["test", "drafts/draft.md"]).code, 0);
    paper.write("drafts/draft.md", &REFUNDS.replace("agent: refund-helper", "agent: nobody"));
    let ran = paper.ambit(&["test", "drafts/draft.md"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("`ambit.toml` has no agent `nobody`"), "{}", ran.err);
}

#[test]
fn a_line_that_has_ended_is_tested_on_the_last_day_that_it_was_in_force() {
    let paper = refunds();
    paper.write("SCOPE.md", &REFUNDS.replace("- call crm.create_note\n", "- call crm.create_note, until 2025-01-31\n"));
    let (code, out) = tested(&paper);
    assert_eq!((code, &out["pages"][0]["as-of"]), (0, &"2025-01-31".into()));
}

#[test]
fn junit_names_every_scenario_and_every_line() {
    let paper = without("Clean up");
    let ran = paper.ambit(&["test", "--format", "junit"]);
    assert_eq!(ran.code, 1);
    for says in [
        r#"<testsuite name="refund-helper: scenarios" tests="14" failures="0" errors="0">"#,
        r#"<testsuite name="refund-helper: lines" tests="11" failures="1" errors="0">"#,
        r#"<failure message="no scenario holds this line">let it run without a human: try what a human must confirm: expect `confirm`</failure>"#,
        r#"name="SCOPE.md:39: crm.find_customer {&quot;id&quot;: 8812}""#,
    ] {
        assert!(ran.out.contains(says), "{says}: {}", ran.out);
    }
    assert_eq!(ran.out.matches("<testcase").count(), 25);
}

#[test]
fn an_earlier_step_may_be_said_once_for_many_times() {
    let paper = refunds();
    let step = "crm.update_customer {\"id\": 1}";
    paper.write(
        "more.scenarios.md",
        &format!(
            "| when it is told | and it tries | then | after |\n|---|---|---|---|\n\
             | Two | `{step}` | allow | `2 times {step}` |\n\
             | Three | `{step}` | confirm | `3 times {step}` |\n\
             | Both | `{step}` | confirm | `2 times {step}; {step}` |\n\
             | Far too many | `{step}` | confirm | `99999999999999999999 times {step}` |\n\
             | Not a number | `{step}` | confirm | `three times {step}` |\n\
             | Not a step | `3 times {step}` | confirm | |\n"
        ),
    );
    let (_, out) = tested(&paper);
    let played = &out["pages"][0]["scenarios"].as_array().unwrap()[15..];
    let came: Vec<&str> = played.iter().map(|p| p["came"].as_str().unwrap()).collect();
    assert_eq!(came, ["allow", "confirm", "confirm", "not-readable", "not-readable", "not-readable"]);
}

#[test]
fn a_step_is_taken_so_many_times() {
    let paper = refunds();
    let before = "`crm.update_customer {\"id\": 1}; crm.update_customer {\"id\": 2}; crm.update_customer {\"id\": 3}`";
    let with = |after: &str| {
        assert!(REFUNDS.contains(before));
        paper.write("SCOPE.md", &REFUNDS.replace(before, after));
        tested(&paper).1["pages"][0]["scenarios"][3]["came"].clone()
    };
    assert_eq!(with("`3 times crm.update_customer {\"id\": 1}`"), "confirm");
    assert_eq!(with("`2 times crm.update_customer {\"id\": 1}`"), "allow");
    assert_eq!(with("`crm.update_customer {\"id\": 1}; 2 times crm.update_customer {\"id\": 2}`"), "confirm");
    for wrong in ["`0 times crm.update_customer {\"id\": 1}`", "`10001 times crm.update_customer {\"id\": 1}`"] {
        assert_eq!(with(wrong), "not-readable", "{wrong}");
    }
}

#[test]
fn what_no_scenario_holds_is_not_released() {
    let ran = without("Clean up").ambit(&["release", "refund-helper", "--because", "x", "--as", "dana"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let says = "line 26: no scenario notices when you let it run without a human";
    assert!(ran.err.contains(says), "{}", ran.err);
}

/// A company of one tool, whose result has fields of a relation.
fn records(page: &str) -> Paper {
    let mut paper = Paper::new();
    paper.tool("crm", "find", json!({"name": {"type": "string"}}));
    paper.write(
        "ambit.toml",
        "[systems.crm]\nkind = \"mcp\"\ncommand = [\"crm@1.0.0\"]\nreading-tools = [\"find\"]\n\
         relations = { customers = [\"id\", \"name\", \"ssn\"] }\n\
         [systems.crm.tools.find]\nreturns = { \"customers[]\" = \"crm.customers\" }\n\
         [people.dana]\nemail = \"dana@acme.example\"\n[agents.x]\nscope = \"SCOPE.md\"\nsystems = [\"crm\"]\n",
    );
    paper.write("SCOPE.md", page);
    paper
}

fn reads(lines: &str, cannot: &str, scenario: &str) -> String {
    format!(
        "---\nagent: x\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# X\n\nX.\n\n## It can read\n\n- crm.find\n{lines}\n\
         ## It can write\n\n- nothing\n\n## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- {cannot}\n\n\
         ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| {scenario} | allow |\n"
    )
}

#[test]
fn a_scenario_that_sees_a_result_holds_what_is_seen_of_it() {
    let page = reads("- crm.customers (id, name)\n", "nothing", "Find Ann | `crm.find {\"name\": \"Ann\"}`");
    let outcome = records(&page).ambit(&["test", "x", "--format", "json"]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.out, outcome.err);
    // A *cannot* on what nobody lets it see changes nothing; on what a line does, the call shows it.
    let lines = |page: &str| {
        let outcome = records(page).ambit(&["test", "x", "--format", "json"]);
        (outcome.code, outcome.json()["pages"][0]["lines"].as_array().unwrap().last().unwrap()["steps"][0].clone())
    };
    let (code, unseen) = lines(&page.replace("- nothing\n\n## Scen", "- crm.customers (ssn)\n\n## Scen"));
    assert!(code == 0 && unseen["redundant"] == true, "{unseen}");
    let (code, held) = lines(
        &page.replace("- nothing\n\n## Scen", "- crm.customers (ssn)\n\n## Scen").replace("(id, name)", "(id, ssn)"),
    );
    assert!(code == 0 && held["held-by"] == 0, "{held}");
}

#[test]
fn a_line_about_results_that_nothing_holds_gets_a_row_that_holds_it() {
    let page =
        reads("- crm.customers (id)\n", "nothing", "Find nobody | `crm.find {}`").replace("| allow |", "| refuse |");
    let outcome = records(&page).ambit(&["test", "x"]);
    assert!(
        outcome.code != 0 && outcome.out.contains("call a tool that gives it back"),
        "{}{}",
        outcome.out,
        outcome.err
    );
    assert!(outcome.out.contains("crm.find {\"name\":"), "{}", outcome.out);
}
