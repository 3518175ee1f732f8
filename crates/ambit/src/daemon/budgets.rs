//! What is used of an agent's limits, for the people who answer for it.

use ambit_core::scope::Window;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::Reply;
use crate::gate::means::{InForce, Means};
use crate::gate::usage::{Used, counted};

/// What is used of one limit; in one task, where it counts by task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Budget {
    /// What its uses are counted under: the same for every page on which the line is about the same.
    pub limit: String,
    /// The most, in the words of the release in force: `20 times per hour`.
    pub most: String,
    /// The task in which it counts.
    pub task: Option<OfTask>,
    /// How much is used, in digits; nothing when it cannot be told, and then the line allows nothing.
    pub used: Option<String>,
    /// When the first of it counts no more.
    pub first_until: Option<Timestamp>,
    /// When all of it counts no more.
    pub last_until: Option<Timestamp>,
}

/// A task that is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfTask {
    /// Its id.
    pub id: String,
    /// Its name; empty: it has none.
    pub name: String,
}

/// What is used of the limits of the release in force, at this moment.
#[must_use]
pub fn of(means: &Means, agent: &str) -> Reply {
    let now = means.now();
    let InForce::Judge(judge) = means.judges.in_force(agent, now) else {
        return Reply::Budgets { release: None, budgets: Vec::new() };
    };
    let tasks = means.tasks.all(Some(agent));
    let mut budgets = Vec::new();
    for (id, info) in judge.policy().lines().iter().flat_map(|line| line.limits()) {
        let Some(limit) = judge.limit(*id) else { continue };
        let budget = |task: Option<OfTask>| {
            let of = task.as_ref().map(|task| task.id.as_str());
            let spent = Used::at(means.store.as_ref(), &judge, agent, of, now).of(*id);
            Budget {
                limit: limit.name.clone(),
                most: counted(info),
                task: task.clone(),
                used: spent.as_ref().map(|spent| spent.used.to_string()),
                first_until: spent.as_ref().and_then(|spent| spent.first_until),
                last_until: spent.as_ref().and_then(|spent| spent.last_until),
            }
        };
        match info.window {
            Window::AtOnce => {}
            Window::Minute | Window::Hour | Window::Day => budgets.push(budget(None)),
            Window::Task => {
                let open = tasks.iter().filter(|task| now <= task.until);
                budgets.extend(open.map(|task| budget(Some(OfTask { id: task.id.clone(), name: task.name.clone() }))));
            }
        }
    }
    Reply::Budgets { release: Some(judge.release().number), budgets }
}
