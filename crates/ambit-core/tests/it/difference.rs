//! What a change of a list widens: it depends on where the list is asked for.

use ambit_core::difference::{Way, difference};
use ambit_core::policy::{Policy, Setting};
use ambit_core::returns::Returned;
use ambit_core::scope::Literal;
use ambit_core::scope::compile::compile;
use ambit_core::scope::parse::parse;

use crate::acme::{page, policy, setting};

fn with_partners(bullets: &str, members: &[&str]) -> Policy {
    let mut setting: Setting = setting();
    let list = setting.lists.get_mut("partners").unwrap();
    list.members = members.iter().map(|member| Literal::Text((*member).to_owned())).collect();
    compile(&parse(&page(bullets)).document, &setting).policy.unwrap()
}

#[test]
fn a_list_that_shrinks_narrows_a_can_alone_and_one_that_grows_a_cannot_alone() {
    let reply = "call helpdesk.reply where recipient is";
    let (few, many) = (&["acme.example"][..], &["acme.example", "b.example"][..]);
    for (bullets, shrinks, grows) in [
        (format!("write: {reply} an address at partners"), Way::Narrows, Way::Widens),
        (format!("write: {reply} not an address at partners"), Way::Widens, Way::Widens),
        (format!("cannot: {reply} an address at partners"), Way::Widens, Way::Narrows),
        (format!("cannot: {reply} not an address at partners"), Way::Widens, Way::Widens),
        // Who leaves the list is asked about no more, and a *can* may let them through.
        (format!("write: call helpdesk.reply\nconfirm: {reply} an address at partners"), Way::Widens, Way::Widens),
    ] {
        let (few, many) = (with_partners(&bullets, few), with_partners(&bullets, many));
        for (old, new, way, says) in
            [(&many, &few, shrinks, "0 added, 1 taken out"), (&few, &many, grows, "1 added, 0 taken out")]
        {
            let changes = difference(Some(old), new);
            assert!(
                matches!(changes.as_slice(), [one] if one.way == way && one.words.contains(says)),
                "{bullets}: {changes:?}"
            );
        }
        assert!(difference(Some(&few), &few).is_empty());
    }
}

#[test]
fn a_policy_says_which_lists_tasks_and_facts_its_lines_ask_for() {
    let policy = policy(
        "write: call helpdesk.reply where recipient is an address at partners and body is the task's body, for answer or close\n\
         confirm: call payments.create_refund, for any task but look",
    );
    assert_eq!(policy.list_names().into_iter().collect::<Vec<_>>(), ["partners"]);
    assert_eq!(policy.task_names().into_iter().collect::<Vec<_>>(), ["answer", "close", "look"]);
    assert_eq!(policy.task_facts().into_iter().collect::<Vec<_>>(), ["body"]);
}

#[test]
fn another_declaration_of_what_a_tool_gives_back_is_told() {
    let lines = "read: register.find\nread: register.people";
    let before = policy(lines);
    let with = |change: fn(&mut Vec<Returned>)| {
        let mut setting = setting();
        let catalog = std::sync::Arc::make_mut(&mut setting.catalog);
        let (tool, _) = catalog.resources().find(|(_, resource)| resource.name == "find").unwrap();
        change(&mut catalog.resource_mut(tool).unwrap().declared.parts);
        compile(&parse(&page(lines)).document, &setting).policy.unwrap()
    };
    // Without parts nothing is cut any more; a part that is said to be another field may be seen by another line.
    for after in [with(Vec::clear), with(|parts| parts[0].field = Some(3))] {
        let changes = difference(Some(&before), &after);
        let told = |change: &ambit_core::difference::Change| {
            change.way == Way::Widens
                && change.words == "what `register.find` is declared to do or to give back changed"
        };
        assert!(matches!(changes.as_slice(), [one] if told(one)), "{changes:?}");
    }
    assert!(difference(Some(&before), &with(|_| {})).is_empty());
}
