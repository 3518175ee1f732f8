//! Where the suite says another thing behind the gate than it should, and why: a list that is kept beside the tests. What is
//! not on it must not be found, and what is on it must be.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;

use super::fixture::Upstream;
use super::suite::{Became, Checks};

/// The list, `differences.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Why, by a short name.
    pub reasons: BTreeMap<String, String>,
    /// Scenarios of clients that Ambit is none of.
    #[serde(rename = "not-ours")]
    pub not_ours: NotOurs,
    #[serde(rename = "server")]
    servers: Vec<Entry>,
    #[serde(rename = "client")]
    clients: Vec<Entry>,
}

/// Scenarios that are not run, and why.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotOurs {
    pub reason: String,
    pub scenarios: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    reason: String,
    /// Revisions of the protocol.
    revisions: Vec<String>,
    /// How the server stands behind the gate; in every way unless said.
    #[serde(default)]
    upstreams: Vec<String>,
    /// What became of which checks, by scenario.
    checks: BTreeMap<String, BTreeMap<String, String>>,
}

/// Where the client's side is tried, there is but one way to stand behind the gate.
pub const ANY: &str = "-";
/// What became of a check that only one of the two runs has.
const ABSENT: &str = "absent";

/// Where a difference is: revision, upstream, scenario and check.
pub type Place = (String, String, String, String);

/// What became of a check, and the reason that is listed for it or what the suite said of it.
pub type Differences = BTreeMap<Place, (String, String)>;

impl List {
    pub fn read() -> List {
        let list: List = toml::from_str(include_str!("differences.toml")).unwrap();
        let entries = list.servers.iter().chain(&list.clients).map(|entry| &entry.reason);
        let used: BTreeSet<&String> = entries.chain([&list.not_ours.reason]).collect();
        assert!(used.into_iter().eq(list.reasons.keys()), "each reason is used, and each that is used is written down");
        list
    }

    /// What is listed about servers: what became of the check behind the gate, and why.
    pub fn servers(&self) -> Differences {
        places(&self.servers, &Upstream::ALL.map(Upstream::word))
    }

    /// The same about clients.
    pub fn clients(&self) -> Differences {
        places(&self.clients, &[ANY])
    }
}

fn places(entries: &[Entry], every: &[&str]) -> Differences {
    let mut places = BTreeMap::new();
    for entry in entries {
        let said: Vec<&str> = entry.upstreams.iter().map(String::as_str).collect();
        let upstreams = if said.is_empty() { every } else { &said };
        for (revision, upstream) in
            entry.revisions.iter().flat_map(|revision| upstreams.iter().map(move |upstream| (revision, *upstream)))
        {
            for (scenario, checks) in &entry.checks {
                for (check, became) in checks {
                    let place = (revision.clone(), upstream.to_owned(), scenario.clone(), check.clone());
                    let twice = places.insert(place, (became.clone(), entry.reason.clone()));
                    assert!(twice.is_none(), "{scenario} {check} is listed twice");
                }
            }
        }
    }
    places
}

/// The reasons for what is listed about a scenario.
pub fn reasons<'a>(listed: &'a Differences, revision: &str, upstream: &str, scenario: &str) -> Vec<&'a str> {
    let here = listed.iter().filter(|((r, u, s, _), _)| r == revision && u == upstream && s == scenario);
    here.map(|(_, (_, reason))| reason.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Every check that became something else in the second run: what, and what the suite said of it.
pub fn between(alone: &Checks, gate: &Checks) -> BTreeMap<String, (String, String)> {
    let names: BTreeSet<&String> = alone.keys().chain(gate.keys()).collect();
    let word = |said: Option<&(Became, String)>| said.map_or(ABSENT, |(became, _)| became.word());
    let differ = names.into_iter().filter(|name| word(alone.get(*name)) != word(gate.get(*name)));
    let why = |name: &String| gate.get(name).map(|(_, why)| why.clone()).unwrap_or_default();
    differ.map(|name| (name.clone(), (word(gate.get(name)).to_owned(), why(name)))).collect()
}

/// Fails unless exactly what is listed was found.
#[track_caller]
pub fn compare(listed: &Differences, found: &Differences) {
    let mut wrong = String::new();
    for (place, (became, why)) in found {
        match listed.get(place) {
            Some((expected, _)) if expected == became => {}
            Some((expected, _)) => writeln!(wrong, "{place:?} = {became:?} and not {expected:?}: {why}").unwrap(),
            None => writeln!(wrong, "not listed: {place:?} = {became:?}: {why}").unwrap(),
        }
    }
    for (place, (became, reason)) in listed {
        if !found.contains_key(place) {
            writeln!(wrong, "stale: {place:?} is no longer {became:?} ({reason})").unwrap();
        }
    }
    assert!(wrong.is_empty(), "differences.toml and what the suite says are not the same:\n{wrong}");
}

fn one(became: &str) -> Differences {
    let place = ["2026-07-28", "http", "tools-list", "tools-list"].map(str::to_owned);
    let [revision, upstream, scenario, check] = place;
    [((revision, upstream, scenario, check), (became.to_owned(), "so".to_owned()))].into()
}

#[test]
fn what_is_listed_and_found_is_no_failure() {
    compare(&one("failed"), &one("failed"));
}

#[test]
#[should_panic(expected = "stale: ")]
fn what_is_listed_and_not_found_fails() {
    compare(&one("failed"), &BTreeMap::new());
}

#[test]
#[should_panic(expected = "not listed: ")]
fn what_is_found_and_not_listed_fails() {
    compare(&BTreeMap::new(), &one("failed"));
}

#[test]
#[should_panic(expected = "and not \"failed\"")]
fn what_became_something_else_than_listed_fails() {
    compare(&one("failed"), &one("absent"));
}
