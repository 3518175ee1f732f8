//! The server scenarios: a server that passes them does the same behind the gate, for clients of both generations, and
//! however it stands there.

use std::collections::BTreeMap;

use super::differences::{self, Differences, List, Place};
use super::fixture::{Gate, Server, Upstream};
use super::page;
use super::suite::{self, Became, Checks, Generation, Results, Side};

/// One run for each generation. `at_once`: both at the same time.
fn both(url: &str, at_once: bool) -> BTreeMap<Generation, Results> {
    let run = |generation| heard(suite::of_server(url, generation), generation);
    if !at_once {
        return Generation::ALL.into_iter().map(|generation| (generation, run(generation))).collect();
    }
    std::thread::scope(|scope| {
        let runs = Generation::ALL.map(|generation| (generation, scope.spawn(move || run(generation))));
        runs.into_iter().map(|(generation, run)| (generation, run.join().unwrap())).collect()
    })
}

/// Without what means nothing here.
fn heard(mut results: Results, generation: Generation) -> Results {
    let extensions = suite::extensions(generation);
    results.retain(|scenario, _| !extensions.contains(scenario));
    results
}

#[test]
fn a_server_that_passes_does_the_same_behind_the_gate() {
    let server = Server::start(None);
    let alone = both(&server.url(), true);
    drop(server);
    for (generation, results) in &alone {
        for scenario in suite::required(Side::Server, *generation) {
            let checks = results.get(&scenario).unwrap_or_else(|| panic!("{scenario} did not run"));
            let passed = checks.values().all(|(became, _)| *became == Became::Passed);
            assert!(passed && !checks.is_empty(), "alone, {scenario} of {generation:?}: {checks:?}");
        }
    }
    let behind = Upstream::ALL.into_iter().map(|upstream| {
        let gate = Gate::open(upstream);
        (upstream, both(gate.url(), !upstream.asks_nobody_in_particular()))
    });
    let behind: BTreeMap<Upstream, BTreeMap<Generation, Results>> = behind.collect();
    let mut found = BTreeMap::new();
    let none = Checks::new();
    for (upstream, generation) in pairs() {
        let (alone, gate) = (&alone[&generation], &behind[&upstream][&generation]);
        assert!(alone.keys().eq(gate.keys()), "{generation:?} {upstream:?}: the same scenarios");
        for (scenario, checks) in alone {
            for (check, differs) in differences::between(checks, gate.get(scenario).unwrap_or(&none)) {
                found.insert(place(generation, upstream, scenario, &check), differs);
            }
        }
    }
    let listed = List::read().servers();
    differences::compare(&listed, &found);
    page::keep("servers", &table(&alone, &behind, &listed));
}

fn pairs() -> impl Iterator<Item = (Upstream, Generation)> {
    Upstream::ALL.into_iter().flat_map(|upstream| Generation::ALL.map(|generation| (upstream, generation)))
}

fn place(generation: Generation, upstream: Upstream, scenario: &str, check: &str) -> Place {
    let owned = str::to_owned;
    (owned(generation.revision()), owned(upstream.word()), owned(scenario), owned(check))
}

fn table(
    alone: &BTreeMap<Generation, Results>,
    behind: &BTreeMap<Upstream, BTreeMap<Generation, Results>>,
    listed: &Differences,
) -> String {
    let mut text = String::new();
    for generation in Generation::ALL {
        let rows = alone[&generation].iter().map(|(scenario, checks)| {
            let mut row = vec![format!("`{scenario}`"), page::cell(Some(checks), &[])];
            for upstream in Upstream::ALL {
                let reasons = differences::reasons(listed, generation.revision(), upstream.word(), scenario);
                row.push(page::cell(behind[&upstream][&generation].get(scenario), &reasons));
            }
            row
        });
        text.push_str(&format!("### Clients of {}\n\n", generation.revision()));
        let head = ["scenario", "alone"].into_iter().chain(Upstream::ALL.map(Upstream::word));
        text.push_str(&page::table(&head.collect::<Vec<_>>(), rows));
        text.push('\n');
    }
    format!("{}\n", text.trim_end())
}
