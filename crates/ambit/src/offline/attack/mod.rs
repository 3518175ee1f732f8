//! Known ways around a boundary, tried against one page with nothing live.
//!
//! Every attack starts from a call of the page's own scenarios, or one made up for its lines or tools, and changes it in a
//! way that must not make it more permissive: the same call in disguise must come out at least as strict as the call
//! itself, and a foreign value that poses as one the page knows at least as strict as one that is plainly foreign. An
//! attack that comes out weaker has got through.

mod base;
mod disguise;
pub mod pack;
mod pose;
mod split;

use ambit_core::catalog::ResourceKind;
use ambit_core::could::could;
use ambit_core::decide::Facts;
use ambit_core::decision::Verdict;
use ambit_core::effect::Verb;
use ambit_core::explain::Said;
use ambit_core::policy::Policy;
use ambit_core::time::{Date, Timestamp};
use ambit_core::usage::Counters;
use ambit_effects::attempt::Attempt;
use ambit_effects::json;
use serde::Serialize;

use super::test::{day, noon, sample};
use super::{Source, Surroundings, Trial};
use base::Base;

/// The kinds of attacks: name, and what it is, in the order in which they are tried.
pub const KINDS: &[(&str, &str)] = &[
    ("hidden", "a tool that the agent is not shown, called by its name"),
    ("name", "the tool's name in another spelling: case, look-alike letters, characters that nobody sees"),
    ("duplicate-key", "an argument given twice, for readers that take the first and readers that take the last"),
    ("case-twin", "an argument beside its twin in another case, for servers that fold case"),
    ("encoding", "the same arguments in other bytes: escapes, exponents, numbers as text, white space"),
    ("oversized", "the same arguments with a megabyte, or a hundred levels, beside them"),
    ("path", "the same path in another spelling, and a foreign path that begins like a known one"),
    ("address", "a foreign address that looks, begins or ends like a known one, or stands beside it"),
    ("url", "a foreign host behind a known one's name, in every part of a URL"),
    ("look-alike", "a known word with letters that look like its own, or that nobody sees"),
    ("split", "an amount in parts, each small enough by itself"),
];

/// What is not tried here, and why: for whoever wonders.
pub const NOT_TRIED: &str = "drift is not tried offline: a definition that changed since it was looked at is refused at \
                             the gate, and `ambit inventory` shows it; `--live` tries it, and all of this, on a gate that runs";

/// What came of all attacks on one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attacked {
    /// The day that the calls are decided on.
    pub as_of: Date,
    /// How many calls the attacks started from.
    pub calls: usize,
    /// Every attack, kind by kind.
    pub attacks: Vec<Attack>,
}

impl Attacked {
    /// Those that got through.
    pub fn through(&self) -> impl Iterator<Item = &Attack> {
        self.attacks.iter().filter(|attack| attack.got_through)
    }
}

/// One attack, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Attack {
    /// Its kind, one of [`KINDS`].
    pub kind: &'static str,
    /// Where the call comes from that it started from: a scenario or a line.
    pub from: String,
    /// What was done to the call.
    pub done: String,
    /// What is called then, cut where it is long.
    pub tries: String,
    /// As strict as this it must be.
    pub at_least: Verdict,
    /// And this is what came of it.
    pub came: Verdict,
    /// Whether it came out weaker.
    pub got_through: bool,
    /// What let it through; empty when nothing did.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grounds: Vec<Said>,
}

/// An attack that is yet to be tried.
struct Plan {
    kind: &'static str,
    done: String,
    attempt: Attempt,
    at_least: Verdict,
}

/// What the attacks are tried on.
struct Target<'a> {
    policy: &'a Policy,
    around: &'a Surroundings,
    now: Timestamp,
}

impl Target<'_> {
    /// What becomes of a call by itself, with no limit used up.
    fn trial(&self, attempt: &Attempt, base: &Base) -> Trial {
        let counters = Counters::new();
        let usage = counters.at(self.policy.limits(), Some(self.now), Some(&base.task.name));
        let facts = Facts { now: Some(self.now), task: Some(&base.task), usage: &usage };
        Trial::of(self.policy, self.around, attempt, &facts)
    }
}

/// How far the work has come: so many calls are done, of so many.
pub type Watch<'a> = &'a mut dyn FnMut(usize, usize);

/// Tries every attack. The same page, scenarios and day give the same outcome.
#[must_use]
pub fn run(policy: &Policy, around: &Surroundings, sources: &[Source], today: Date, watch: Watch<'_>) -> Attacked {
    let as_of = day(policy, today);
    let target = Target { policy, around, now: noon(as_of) };
    let bases = base::of(&target, sources);
    let mut attacks = hidden(&target);
    for (done, base) in bases.iter().enumerate() {
        watch(done, bases.len());
        let plans = disguise::plans(&target, base).into_iter().chain(pose::plans(&target, base));
        attacks.extend(plans.map(|plan| tried(&target, base, plan)));
        attacks.extend(split::attacks(&target, base));
    }
    let place = |attack: &Attack| KINDS.iter().position(|(kind, _)| *kind == attack.kind);
    attacks.sort_by_key(place);
    Attacked { as_of, calls: bases.len(), attacks }
}

fn tried(target: &Target<'_>, base: &Base, plan: Plan) -> Attack {
    let trial = target.trial(&plan.attempt, base);
    let came = trial.verdict();
    let got_through = came < plan.at_least;
    let grounds = if got_through { trial.answer(target.policy).grounds } else { Vec::new() };
    let tries = shown(&plan.attempt);
    Attack {
        kind: plan.kind,
        from: base.from.clone(),
        done: plan.done,
        tries,
        at_least: plan.at_least,
        came,
        got_through,
        grounds,
    }
}

/// What listing hides must be refused when it is called all the same.
fn hidden(target: &Target<'_>) -> Vec<Attack> {
    let base = Base::nowhere();
    hidden_plans(target).into_iter().map(|plan| tried(target, &base, plan)).collect()
}

fn hidden_plans(target: &Target<'_>) -> Vec<Plan> {
    let counters = Counters::new();
    let usage = counters.at(target.policy.limits(), Some(target.now), None);
    let facts = Facts { now: Some(target.now), task: None, usage: &usage };
    let catalog = target.policy.catalog();
    let tools = catalog.resources().filter(|(_, resource)| resource.kind == ResourceKind::Tool);
    let hidden = tools.filter(|(id, _)| !could(target.policy, *id, Verb::Call, &facts));
    hidden
        .filter_map(|(_, resource)| {
            let system = catalog.system(resource.system)?.name.clone();
            let arguments = json::write(&sample::made_up(resource));
            let attempt = Attempt::Call { system, name: resource.name.clone(), arguments };
            let done = "call it although it is not listed".to_owned();
            Some(Plan { kind: "hidden", done, attempt, at_least: Verdict::Refuse })
        })
        .collect()
}

/// At most so many characters of a call are shown.
const MOST_SHOWN: usize = 300;

fn shown(attempt: &Attempt) -> String {
    let Attempt::Call { system, name, arguments } = attempt else { return String::new() };
    let whole = format!("{system}.{name} {arguments}");
    match whole.char_indices().nth(MOST_SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", whole.get(..at).unwrap_or_default(), whole.len()),
        None => whole,
    }
}
