//! What the owner should look at first.

use serde::Serialize;

use super::account::{Account, AgentAccount, Called};
use super::tally::Tally;

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    /// What it is.
    pub what: String,
    /// What to do about it.
    pub next: String,
}

// Of a release so much is told here; the rest stands with its agent.
const FEW: usize = 3;
// So many refusals in one digest are worth a look.
const MANY_REFUSALS: u64 = 20;

/// Everything that asks for a person, the most pressing first: what may have happened unseen, who stands still, who may be
/// somebody else, what changed, what was let happen, what nobody answered.
pub(super) fn look(account: &Account) -> Vec<Look> {
    let mut all: Vec<(u8, Look)> = Vec::new();
    let mut add = |rank: u8, what: String, next: &str| all.push((rank, Look { what, next: next.to_owned() }));
    let house = &account.house;
    if house.is_stopped {
        add(1, "every agent is stopped".to_owned(), "`ambit resume --all --because …` lets them go on");
    }
    for (flag, times) in house.flags.most_first() {
        add(2, format!("{}{}", flag.what, often(times)), "`ambit journal tail --kind flagged` says when");
    }
    if let Some(undelivered) = &house.undelivered {
        add(
            4,
            format!("the digest before this was not delivered: {undelivered}"),
            "`ambit digest --send` tries the webhook",
        );
    }
    for (agent, of) in &account.agents {
        of_agent(agent, of, &mut add);
    }
    all.sort_by_key(|(rank, _)| *rank);
    all.into_iter().map(|(_, look)| look).collect()
}

fn of_agent(agent: &str, of: &AgentAccount, add: &mut impl FnMut(u8, String, &str)) {
    if of.outcome_unknown.sum() > 0 {
        let what = format!(
            "nobody knows what came of {} of {agent}: {}",
            actions(of.outcome_unknown.sum()),
            names(&of.outcome_unknown)
        );
        add(0, what, "look into the live system; `ambit journal tail --kind outcome-unknown` says when");
    }
    if let Some(trip) = of.stopped.iter().rev().find(|stop| stop.person.is_none()) {
        let now = if of.is_stopped { ", and is stopped now" } else { "" };
        let what = format!("{agent} tripped: {}{now}", trip.because);
        add(
            1,
            what,
            &format!("`ambit journal tail --agent {agent}` says what it asked for; `ambit resume {agent} --because …`"),
        );
    } else if of.is_stopped {
        let next = format!("`ambit resume {agent} --because …` lets it go on");
        add(1, format!("{agent} is stopped"), &next);
    }
    for (flag, times) in of.flags.most_first() {
        add(2, format!("{agent}: {}{}", flag.what, often(times)), "`ambit journal tail --kind flagged` says when");
    }
    if of.drift.sum() > 0 {
        let what = format!("{agent} was refused what is not what was looked at: {}", names(&of.drift));
        add(3, what, "`ambit inventory` says what changed; take it in with `--accept` and a release");
    }
    for release in &of.releases {
        if !release.overrides.is_empty() {
            let what = format!("release {} of {agent} waived: {}", release.release, some(&release.overrides));
            add(4, what, &format!("`ambit releases {agent}` has them"));
        }
        if !release.widens.is_empty() {
            let what = format!("release {} of {agent} lets more happen: {}", release.release, some(&release.widens));
            add(5, what, &format!("`ambit releases {agent} --revert …` takes it back"));
        }
    }
    if of.waiting > 0 {
        add(6, format!("{} of {agent} wait for people", actions(of.waiting)), "`ambit inbox` lists them");
    }
    if of.expired.sum() > 0 {
        let what = format!("nobody answered {} of {agent} in time: {}", actions(of.expired.sum()), names(&of.expired));
        add(6, what, "let somebody else confirm as well (`by`), or give them longer (`within`)");
    }
    for (line, times) in of.limits_ran_out.most_first() {
        let said = line.text.as_deref().unwrap_or(line.called.as_str());
        let what = format!("a limit of {agent} ran out{}: {said}", often(times));
        add(7, what, &format!("`ambit explain {agent}` says what is used of it"));
    }
    if of.errors.sum() > 0 {
        let what = format!(
            "live systems answered {} of {agent} with an error: {}",
            actions(of.errors.sum()),
            names(&of.errors)
        );
        add(8, what, &format!("`ambit journal tail --agent {agent} --kind outcome` says when"));
    }
    if of.refused.sum() >= MANY_REFUSALS {
        let most = of.refused.most_first().first().map(|(line, _)| line.called.clone()).unwrap_or_default();
        let what = format!("{agent} was refused {} times, most often {most}", of.refused.sum());
        add(8, what, "`ambit why` says what would change that; or it is told to do what it may not");
    }
}

/// The first few of several, and how many there are besides.
fn some(all: &[String]) -> String {
    let more = all.len().saturating_sub(FEW);
    let first = all.iter().take(FEW).cloned().collect::<Vec<_>>().join("; ");
    if more == 0 { first } else { format!("{first}; and {more} more") }
}

fn actions(count: u64) -> String {
    if count == 1 { "1 action".to_owned() } else { format!("{count} actions") }
}

fn often(times: u64) -> String {
    if times == 1 { String::new() } else { format!(", {times} times") }
}

fn names(all: &Tally<Called>) -> String {
    let mut names: Vec<String> = all.most_first().iter().take(5).map(|(called, _)| called.called.clone()).collect();
    if all.most_first().len() > names.len() {
        names.push("and others".to_owned());
    }
    names.join(", ")
}
