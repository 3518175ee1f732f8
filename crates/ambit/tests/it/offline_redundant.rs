//! What `ambit test` calls redundant makes no difference to any call: over generated pages, by generated calls.

use ambit::home::Home;
use ambit::offline::{Surroundings, Trial, test};
use ambit_core::decide::{Facts, Unused};
use ambit_core::policy::Policy;
use ambit_core::scope::compile::compile;
use ambit_core::scope::parse::parse;
use ambit_core::task::Task;
use ambit_core::time::Timestamp;
use ambit_core::weaken::Weakenings;
use ambit_effects::attempt::Attempt;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::company::Paper;

fn surroundings() -> Surroundings {
    let mut paper = Paper::new();
    let text = json!({"type": "string"});
    paper.tool(
        "a",
        "pay",
        json!({"amount": {"type": "number"}, "to?": text, "force?": {"type": "boolean"}, "note?": text}),
    );
    paper.write(
        "ambit.toml",
        "[systems.a]\nkind = \"mcp\"\ncommand = [\"a@1.0.0\"]\nrelations = { r = [\"x\", \"y\"] }\n\
         [systems.a.tools.pay]\nreturns = { \"x\" = \"a.r.x\", \"all[].y\" = \"a.r.y\", \"count\" = \"a.pay\" }\n\n[people.dana]\nemail = \"dana@acme.example\"\nroles = [\"lead\"]\n\n\
         [agents.x]\nscope = \"x.md\"\nsystems = [\"a\"]\n",
    );
    Surroundings::of(&Home::open(&paper.path("ambit.toml")).unwrap(), "x").unwrap()
}

/// A page with some lines of each section, and what becomes of the rest.
fn page() -> impl Strategy<Value = String> {
    let tests = prop::sample::select(vec![
        "",
        " where amount is above 10",
        " where amount is at most 10",
        " where amount is at most 100",
        " where amount is above 100 and to is \"x\"",
        " where to is not \"x\"",
        " where to is \"x\" or to is \"y\"",
        " where to is an address at \"acme.example\"",
        " where to is not an address at \"acme.example\"",
        " where force is true",
        " where force is not given and amount is below 0",
        " where note contains \"x\"",
    ]);
    let line = (prop::sample::select(vec!["", " (amount)", " (amount, to)", " (all but force)", " (force)"]), tests);
    let clause = |clauses: Vec<&'static str>| prop::sample::select(clauses);
    let can = prop::collection::vec(
        (line.clone(), clause(vec!["", ", for t", ", otherwise a human", ", at most 2 times per day"])),
        0..3,
    );
    let confirm = prop::collection::vec((line.clone(), clause(vec!["", ", by lead", ", for any task but t"])), 0..3);
    let cannot = prop::collection::vec((line, clause(vec!["", ", for t"])), 0..3);
    let field = || prop::sample::select(vec!["", " (x)", " (y)", " (x, y)"]);
    let read = prop::collection::vec((field(), prop::sample::select(vec!["", ", for t"])), 0..3);
    let stricter = |most| prop::collection::vec((any::<bool>(), field()), 0..most);
    (can, confirm, cannot, any::<bool>(), read, stricter(2)).prop_map(
        |(can, confirm, cannot, refuse, read, stricter)| {
            let mut page = String::from("---\nagent: x\nowner: dana@acme.example\n");
            page.push_str(if refuse { "outside: refuse\n" } else { "" });
            page.push_str("---\n\n# X\n\nX.\n\n## It can read\n\n");
            for (fields, clause) in &read {
                page.push_str(&format!("- a.r{fields}{clause}\n"));
            }
            page.push_str(if read.is_empty() { "- nothing\n" } else { "" });
            for (title, lines) in
                [("It can write", can), ("A human must confirm", confirm), ("It cannot touch", cannot)]
            {
                page.push_str(&format!("\n## {title}\n\n"));
                for ((fields, tests), clause) in &lines {
                    page.push_str(&format!("- call a.pay{fields}{tests}{clause}\n"));
                }
                let of_results = stricter.iter().filter(|(asks, _)| match title {
                    "A human must confirm" => *asks,
                    "It cannot touch" => !asks,
                    _ => false,
                });
                let of_results: Vec<String> = of_results.map(|(_, fields)| format!("- read a.r{fields}\n")).collect();
                page.push_str(&of_results.concat());
                page.push_str(if lines.is_empty() && of_results.is_empty() { "- nothing\n" } else { "" });
            }
            page
        },
    )
}

fn call() -> impl Strategy<Value = (Attempt, Option<&'static str>)> {
    let amount =
        prop::sample::select(vec![json!(-1), json!(0), json!(9.5), json!(10), json!(11), json!(100), json!(101)]);
    let text = || prop::option::of(prop::sample::select(vec!["x", "y", "z", "a@acme.example", "a@evil.example", ""]));
    let task = prop::sample::select(vec![None, Some("t"), Some("u")]);
    (amount, text(), prop::option::of(any::<bool>()), text(), task).prop_map(|(amount, to, force, note, task)| {
        let mut arguments = json!({"amount": amount});
        let mut give = |name: &str, value: Option<serde_json::Value>| {
            if let Some(value) = value {
                arguments[name] = value;
            }
        };
        give("to", to.map(Into::into));
        give("force", force.map(Into::into));
        give("note", note.map(Into::into));
        (Attempt::Call { system: "a".into(), name: "pay".into(), arguments: arguments.to_string() }, task)
    })
}

#[test]
fn what_is_called_redundant_makes_no_difference_to_any_call() {
    let around = surroundings();
    let today = Timestamp(1_795_000_000_000).date();
    let config = ProptestConfig {
        cases: 100,
        failure_persistence: None,
        max_global_rejects: 100_000,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let found = std::cell::Cell::new(0usize);
    let calls = prop::collection::vec(call(), 60);
    runner
        .run(&(page(), calls), |(page, calls)| {
            let parsed = parse(&page);
            prop_assert!(parsed.is_sound(), "{:?}", parsed.diagnostics);
            let compiled = compile(&parsed.document, &around.setting);
            prop_assume!(compiled.policy.is_some());
            let policy = compiled.policy.unwrap();
            let outcome = test::run(&policy, &around, &[], today, &mut |_| {});
            let steps: Vec<bool> =
                outcome.lines.iter().flat_map(|line| line.steps.iter().map(|s| s.redundant)).collect();
            let mut weakenings = Weakenings::of(&policy);
            for redundant in steps {
                let weakened = weakenings.step().unwrap();
                if !redundant {
                    continue;
                }
                found.set(found.get() + 1);
                for (attempt, task) in &calls {
                    let felt = |policy: &Policy| {
                        let task = task.map(|name| Task { name: name.to_owned(), request: None, facts: vec![] });
                        let facts =
                            Facts { now: Some(Timestamp(1_795_000_000_000)), task: task.as_ref(), usage: &Unused };
                        match Trial::of(policy, &around, attempt, &facts) {
                            Trial::Decided { decision, .. } => {
                                let asked: std::collections::BTreeSet<_> =
                                    decision.confirmers.iter().map(|c| (c.who.clone(), c.within_seconds)).collect();
                                Some((decision.verdict, asked, decision.charges, decision.bounds))
                            }
                            Trial::Refused(_) => None,
                        }
                    };
                    prop_assert_eq!(
                        felt(&policy),
                        felt(weakened.policy),
                        "{} of\n{}\n{:?}",
                        weakened.what,
                        page,
                        attempt
                    );
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(found.get() > 10, "{} steps were redundant", found.get());
}
