//! What is used of each limit, beside the line that it stands in: as the daemon counts it, where one runs.

use std::collections::BTreeMap;

use ambit_core::explain::Told;
use ambit_core::policy::Policy;
use ambit_core::scope::Window;
use serde_json::{Value, json};

use crate::cli::Trouble;
use crate::cli::link::{Link, unexpected};
use crate::cli::options::Options;
use crate::daemon::budgets::Budget;
use crate::daemon::request::{Reply, Request};
use crate::escape::escape;
use crate::gate::judge::limits;
use crate::gate::session::OpenTask;
use crate::gate::usage::{clock, counted as words};

/// What is known of the limits of a page.
pub(super) struct Budgets {
    // Per line of the document: what is to be said of its limits.
    lines: BTreeMap<usize, Vec<Said>>,
    /// Of which release it is said, or why nothing is; absent for a page that limits nothing over time.
    pub(super) ground: Option<Ground>,
}

/// Where it is known from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// No daemon runs, so that nobody counts.
    NoDaemon,
    /// A daemon runs, and could not be asked: why.
    NotAsked(String),
    /// A daemon runs, and nothing is in force for the agent.
    NothingInForce,
    /// The release of that number is in force.
    Release(u64),
}

/// One limit of the page.
struct Said {
    most: String,
    // Nothing: it is not in force, or nobody counts.
    counted: Vec<Budget>,
    in_force: bool,
}

// Tasks told of one by one; of more it is said how many there are.
const TASKS: usize = 8;

impl Budgets {
    /// What is used of the limits of that page. Where it is told for one task, of tasks of that
    /// name alone.
    pub(super) fn of(policy: &Policy, told: &Told, agent: &str, options: &Options) -> Budgets {
        let rolls = |window| window != Window::AtOnce;
        let shown = |line: usize| told.answers.iter().flat_map(|answer| &answer.items).any(|item| item.line == line);
        let lines = || policy.lines().iter().filter(|line| shown(line.line.at.line));
        if !lines().flat_map(|line| line.limits()).any(|(_, info)| rolls(info.window)) {
            return Budgets { lines: BTreeMap::new(), ground: None };
        }
        // Whoever may not ask the daemon is told the page all the same.
        let (ground, all) =
            ask(agent, options).unwrap_or_else(|error| (Ground::NotAsked(error.to_string()), Vec::new()));
        let names = limits(policy);
        let mut said: BTreeMap<usize, Vec<Said>> = BTreeMap::new();
        for line in lines() {
            for (id, info) in line.limits().iter().filter(|(_, info)| rolls(info.window)) {
                let Some(limit) = names.get(id) else { continue };
                let of_limit: Vec<&Budget> = all.iter().filter(|one| one.limit == limit.name).collect();
                // A limit by task is told of in no task, and in force nevertheless.
                let in_force =
                    matches!(ground, Ground::Release(_)) && (!of_limit.is_empty() || info.window == Window::Task);
                let fits = |one: &&&Budget| {
                    told.task.as_ref().is_none_or(|name| one.task.as_ref().is_none_or(|of| of.name == *name))
                };
                let counted = of_limit.iter().filter(fits).map(|one| (*one).clone()).collect();
                said.entry(line.line.at.line).or_default().push(Said { most: words(info), counted, in_force });
            }
        }
        Budgets { lines: said, ground: Some(ground) }
    }

    /// What is to be said of the line that stands there, a sentence each.
    pub(super) fn notes(&self, line: usize) -> Vec<String> {
        let Some(Ground::Release(_)) = self.ground else { return Vec::new() };
        self.lines.get(&line).into_iter().flatten().flat_map(Said::notes).collect()
    }

    /// The limits of the line that stands there, for a program.
    pub(super) fn json(&self, line: usize) -> Value {
        let one = |said: &Said| json!({ "most": said.most, "in-force": said.in_force, "counted": said.counted });
        self.lines.get(&line).into_iter().flatten().map(one).collect()
    }

    /// What is said at the end.
    pub(super) fn last(&self) -> Option<String> {
        Some(match self.ground.as_ref()? {
            Ground::NoDaemon => {
                "used of its limits: not known, because no daemon runs that counts (`ambit serve`)".to_owned()
            }
            Ground::NotAsked(why) => format!("used of its limits: not known, because {why}"),
            Ground::NothingInForce => "used of its limits: nothing, because nothing is in force for it".to_owned(),
            Ground::Release(number) => {
                format!("used of its limits: as counted now under release {number}, which is in force.")
            }
        })
    }
}

/// What the daemon counts, where one runs.
fn ask(agent: &str, options: &Options) -> Result<(Ground, Vec<Budget>), Trouble> {
    let Some(mut link) = Link::if_running(options)? else { return Ok((Ground::NoDaemon, Vec::new())) };
    match link.ask(&Request::Budgets { agent: agent.to_owned() })? {
        Reply::Budgets { release: Some(number), budgets } => Ok((Ground::Release(number), budgets)),
        Reply::Budgets { release: None, .. } => Ok((Ground::NothingInForce, Vec::new())),
        other => Err(unexpected(&other)),
    }
}

impl Ground {
    /// The same for a program.
    pub(super) fn json(&self) -> Value {
        match self {
            Ground::NoDaemon => json!({ "known": false, "why": "no daemon runs" }),
            Ground::NotAsked(why) => json!({ "known": false, "why": why }),
            Ground::NothingInForce => json!({ "known": false, "why": "nothing is in force" }),
            Ground::Release(number) => json!({ "known": true, "release": number }),
        }
    }
}

impl Said {
    fn notes(&self) -> Vec<String> {
        if !self.in_force {
            return vec![format!("nothing is counted of {}: a release that has this line is not in force", self.most)];
        }
        let mut notes: Vec<String> = self.counted.iter().take(TASKS).map(sentence).collect();
        if self.counted.len() > TASKS {
            notes.push(format!("and in {} more tasks; `--format json` has them all", self.counted.len() - TASKS));
        }
        notes
    }
}

fn sentence(budget: &Budget) -> String {
    let task = budget
        .task
        .as_ref()
        .map(|task| format!(" in the task {} ({})", escape(OpenTask::named(&task.name)), escape(&task.id)))
        .unwrap_or_default();
    let Some(used) = &budget.used else {
        return format!("what is used of {}{task} cannot be told, so the line allows nothing", budget.most);
    };
    let mut text = format!("used{task}: {used} of {}", budget.most);
    match (budget.first_until, budget.last_until) {
        (Some(first), Some(last)) if first == last => text.push_str(&format!("; it counts until {}", clock(last))),
        (Some(first), Some(last)) => {
            text.push_str(&format!("; the first of it counts until {}, the last until {}", clock(first), clock(last)));
        }
        (Some(_), None) | (None, _) => {}
    }
    text
}
