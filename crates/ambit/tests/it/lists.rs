//! Lists over the real binary: who may change one, what that puts in force, and what it leaves alone.

use serde_json::{Value, json};

use crate::people::{Town, said};

const SCOPE: &str = r#"---
agent: refund-helper
owner: dana.ortiz@acme.example
outside: refuse
---

# Refund helper

Answers the partners.

## It can read

- helpdesk.get_ticket

## It can write

- call helpdesk.reply where recipient is an address at partners

## A human must confirm

- nothing

## It cannot touch

- call helpdesk.reply where recipient is in banned
"#;

/// Dana owns the agent; Sam keeps the partners, and owns nothing.
fn town() -> Town {
    let town = Town::new();
    let write = |file: &str, text: &str| std::fs::write(town.path().join(file), text).unwrap();
    let config = std::fs::read_to_string(town.path().join("ambit.toml")).unwrap();
    let config = config.replace(
        "[people.sam]\nemail = \"sam.reyes@acme.example\"\nroles = [\"support-lead\"]",
        "[people.sam]\nemail = \"sam.reyes@acme.example\"\nroles = [\"partner-desk\"]",
    );
    write(
        "ambit.toml",
        &format!(
            "{config}\n[lists.partners]\nkind = \"domain\"\nfile = \"partners.txt\"\nadd = \"partner-desk\"\noutsiders-can-extend = false\n\
             [lists.banned]\nkind = \"address\"\nfile = \"banned.txt\"\nadd = \"partner-desk\"\n\
             [lists.inline]\nkind = \"value\"\nmembers = [\"a\"]\n"
        ),
    );
    write("partners.txt", "# whom we answer\nacme.example\n");
    write("banned.txt", "rude@acme.example\n");
    write("SCOPE.md", SCOPE);
    town.begin(&["--anyway"]);
    let vouch = ["setup", "--person", "sam", "--passphrase-file", "sam.pass", "--vouched-by", "dana"];
    town.fine(&[&vouch[..], &["--voucher-passphrase-file", "dana.pass"]].concat());
    town
}

fn reply(town: &Town, domain: &str) -> bool {
    let arguments = json!({ "ticket": 5122, "recipient": format!("m@{domain}"), "body": "Hello." });
    let answer = town.agent().call("helpdesk__reply", arguments);
    answer["result"]["isError"] == json!(false)
}

fn change(words: &[&'static str], who: &[&'static str]) -> Vec<&'static str> {
    [&["list"], words, &["--because", "x"], who].concat()
}

fn file(town: &Town) -> String {
    std::fs::read_to_string(town.path().join("partners.txt")).unwrap()
}

fn newest(town: &Town) -> Value {
    let releases: Value = serde_json::from_str(&town.fine(&["releases", "refund-helper", "--format", "json"])).unwrap();
    releases["releases"].as_array().unwrap().last().unwrap().clone()
}

#[test]
fn who_may_add_puts_a_member_in_force_and_nothing_else_with_it() {
    let town = town();
    assert!(reply(&town, "acme.example") && !reply(&town, "partner.example"));
    // What is edited on the disk is not in force, and a list does not carry it in.
    let wider =
        SCOPE.replace("- call helpdesk.reply where recipient is an address at partners", "- call helpdesk.reply");
    std::fs::write(town.path().join("SCOPE.md"), wider).unwrap();
    town.fine_as("sam", &["list", "add", "partners", "partner.example", "--because", "the contract is signed"]);
    assert_eq!(file(&town), "# whom we answer\nacme.example\npartner.example\n");
    assert!(reply(&town, "partner.example") && !reply(&town, "evil.example"));
    let release = newest(&town);
    assert_eq!((&release["by"], &release["because"]), (&json!("sam"), &json!("the contract is signed")));
    assert!(
        release["widens"].to_string().contains("1 added, 0 taken out") && release["narrows"] == json!([]),
        "{release}"
    );
    // To take one off narrows this list, so who keeps it may, and it holds at once.
    town.fine_as("sam", &["list", "remove", "partners", "partner.example", "--because", "it ended"]);
    assert!(!reply(&town, "partner.example") && reply(&town, "acme.example"));
    assert_eq!(file(&town), "# whom we answer\nacme.example\n");
    assert!(newest(&town)["narrows"].to_string().contains("0 added, 1 taken out"));
    town.fine(&["journal", "verify"]);
}

#[test]
fn who_keeps_a_list_owns_nothing_else() {
    let town = town();
    let sam = ["--as", "sam", "--passphrase-file", "sam.pass"];
    let change = |words: &[&'static str]| change(words, &sam);
    // A list under *cannot*: off it is a widening, which is the owner's to say.
    town.not(1, "does not answer for", &change(&["remove", "banned", "rude@acme.example"]));
    town.fine(&change(&["add", "banned", "loud@acme.example"]));
    town.fine_as("dana", &["list", "remove", "banned", "rude@acme.example", "--because", "paid"]);
    // Not the page, not the waivers, not an end.
    town.not(
        1,
        "does not answer for",
        &[&["release", "refund-helper", "--because", "x", "--anyway"][..], &sam].concat(),
    );
    // Who may add is what is in force, not what the file says now.
    let config = std::fs::read_to_string(town.path().join("ambit.toml")).unwrap();
    let mine = config.replace(
        "[lists.partners]\nkind = \"domain\"\nfile = \"partners.txt\"\nadd = \"partner-desk\"",
        "[lists.partners]\nkind = \"domain\"\nfile = \"partners.txt\"\nadd = \"support-lead\"",
    );
    assert_ne!(config, mine);
    std::fs::write(town.path().join("ambit.toml"), &mine).unwrap();
    town.fine_as("dana", &["release", "refund-helper", "--because", "dana keeps it now", "--anyway"]);
    std::fs::write(town.path().join("ambit.toml"), config).unwrap();
    let before = newest(&town)["number"].clone();
    town.not(1, "does not answer for", &change(&["add", "partners", "evil.example"]));
    assert_eq!((newest(&town)["number"].clone(), file(&town).contains("evil")), (before, false));
}

#[test]
fn a_file_changed_by_hand_is_not_in_force_and_that_is_said() {
    let town = town();
    assert!(!said(&town.run(&["status"])).contains("is not what is in force"));
    std::fs::write(town.path().join("partners.txt"), "# whom we answer\nacme.example\nevil.example\n").unwrap();
    assert!(!reply(&town, "evil.example"));
    for command in [&["status"][..], &["list", "show"], &["list", "show", "partners"]] {
        let said = said(&town.run(command));
        assert!(
            said.contains("the file of the list `partners` is not what is in force for refund-helper (on the disk alone: evil.example)"),
            "{said}"
        );
    }
    let status: Value = serde_json::from_str(&town.fine(&["status", "--format", "json"])).unwrap();
    assert_eq!(status["lists-that-differ"][0]["more"], json!(["evil.example"]));
    // Another member comes in; what was slipped in does not.
    let added = town.run(&[
        "list",
        "add",
        "partners",
        "b.example",
        "--because",
        "new",
        "--as",
        "dana",
        "--passphrase-file",
        "dana.pass",
    ]);
    assert!(said(&added).contains("on the disk alone: evil.example"), "{}", said(&added));
    assert!(reply(&town, "b.example") && !reply(&town, "evil.example"));
    // Taken off by hand, it is still in force, and can be taken out of that.
    std::fs::write(town.path().join("partners.txt"), "acme.example\n").unwrap();
    town.fine_as("dana", &["list", "remove", "partners", "b.example", "--because", "gone"]);
    assert!(!reply(&town, "b.example"));
    assert!(!said(&town.run(&["status"])).contains("is not what is in force"));
}

#[test]
fn every_agent_that_asks_for_the_list_gets_its_release_and_no_other_does() {
    let town = town();
    let write = |file: &str, text: &str| std::fs::write(town.path().join(file), text).unwrap();
    let config = std::fs::read_to_string(town.path().join("ambit.toml")).unwrap();
    let agent = |name: &str| format!("[agents.{name}]\nscope = \"{name}.md\"\nsystems = [\"helpdesk\"]\n");
    write("ambit.toml", &format!("{config}{}{}", agent("clerk"), agent("reader")));
    let without = |line: &str| SCOPE.replace(line, "- nothing");
    let clerk = without("- call helpdesk.reply where recipient is in banned");
    write("clerk.md", &clerk.replace("agent: refund-helper", "agent: clerk").replace("dana.ortiz", "sam.reyes"));
    let reader = clerk.replace("- call helpdesk.reply where recipient is an address at partners", "- nothing");
    write("reader.md", &reader.replace("agent: refund-helper", "agent: reader"));
    town.fine_as("sam", &["release", "clerk", "--because", "x", "--anyway"]);
    town.fine_as("dana", &["release", "reader", "--because", "x", "--anyway"]);
    let numbers = || {
        ["refund-helper", "clerk", "reader"].map(|agent| {
            let releases: Value = serde_json::from_str(&town.fine(&["releases", agent, "--format", "json"])).unwrap();
            releases["in-force"].as_u64().unwrap()
        })
    };
    assert_eq!(numbers(), [1, 1, 1]);
    // Dana owns one of the two, and does not keep the list: nothing changes for either, and the file stays.
    let dana = ["--as", "dana", "--passphrase-file", "dana.pass"];
    town.not(1, "does not answer for `clerk`", &change(&["add", "partners", "b.example"], &dana));
    assert_eq!((numbers(), file(&town).contains("b.example")), ([1, 1, 1], false));
    // Sam keeps it.
    town.fine_as("sam", &["list", "add", "partners", "b.example", "--because", "new"]);
    assert_eq!((numbers(), file(&town).contains("b.example")), ([2, 2, 1], true));
}

#[test]
fn what_cannot_stand_on_a_list_changes_nothing() {
    let town = town();
    let change = |words: &[&'static str]| change(words, &["--as", "dana", "--passphrase-file", "dana.pass"]);
    let before = (file(&town), newest(&town));
    town.not(2, "is not a domain", &change(&["add", "partners", "fine.example", "m@partner.example"]));
    town.not(2, "would be a comment", &change(&["add", "banned", "#a@acme.example"]));
    town.not(2, "did you mean `partners`?", &change(&["add", "partner", "a.example"]));
    town.not(2, "stand in `ambit.toml`", &change(&["add", "inline", "b"]));
    town.not(2, "did you mean `acme.example`?", &change(&["remove", "partners", "acme.exampl"]));
    town.not(0, "nothing was changed", &change(&["add", "partners", "acme.example"]));
    town.not(0, "nothing was changed", &[&change(&["add", "partners", "b.example"])[..], &["--dry-run"]].concat());
    assert_eq!((file(&town), newest(&town)), before);
    let shown: Value = serde_json::from_str(&town.fine(&["list", "show", "--format", "json"])).unwrap();
    let partners = shown.as_array().unwrap().iter().find(|list| list["name"] == "partners").unwrap();
    assert_eq!((&partners["used-by"], &partners["members"]), (&json!(["refund-helper"]), &json!(["acme.example"])));
    assert_eq!(town.fine(&["list", "show", "partners"]), "acme.example\n");
}
