//! How the lists' files stand to what is in force.

use std::collections::BTreeSet;

use ambit_core::release::Release;
use serde::Serialize;

use crate::cli::link::{Link, unexpected};
use crate::cli::{Exit, Trouble};
use crate::daemon::request::{Reply, Request};
use crate::escape::escape;
use crate::home::{Home, read_text};
use crate::snapshot::{Snapshot, members_of};

/// What is in force for an agent.
pub struct InForce {
    /// The agent.
    pub agent: String,
    /// The release.
    pub release: Release,
    /// What it covers.
    pub snapshot: Snapshot,
    lists: BTreeSet<String>,
}

impl InForce {
    /// Whether some line asks for that list.
    #[must_use]
    pub fn uses(&self, list: &str) -> bool {
        self.lists.contains(list)
    }
}

/// What is in force, agent by agent.
///
/// # Errors
/// When the daemon does not say.
pub fn in_force(link: &mut Link) -> Result<Vec<InForce>, Trouble> {
    let status = match link.ask(&Request::Status)? {
        Reply::Status(status) => status,
        other => return Err(unexpected(&other)),
    };
    let agents = status.get("agents").and_then(|agents| agents.as_array()).cloned().unwrap_or_default();
    let mut all = Vec::new();
    for agent in agents.iter().filter_map(|agent| agent.get("agent")?.as_str()) {
        let (releases, number) = match link.ask(&Request::Releases { agent: agent.to_owned() })? {
            Reply::Releases { releases, in_force } => (releases, in_force),
            other => return Err(unexpected(&other)),
        };
        let Some(release) = releases.into_iter().find(|release| Some(release.number) == number) else { continue };
        let text = match link.ask(&Request::Snapshot { agent: agent.to_owned(), number: release.number })? {
            Reply::Snapshot(text) => text,
            other => return Err(unexpected(&other)),
        };
        let snapshot = Snapshot::from_bytes(text.as_bytes()).map_err(|e| {
            Trouble::new(Exit::Fault, e.to_string(), "`ambit journal verify` says whether all is whole")
        })?;
        let policy = snapshot.resolve().policy;
        let lists = policy.iter().flat_map(|policy| policy.list_names()).map(str::to_owned).collect();
        all.push(InForce { agent: agent.to_owned(), release, snapshot, lists });
    }
    Ok(all)
}

/// A list's file that is not what is in force.
#[derive(Clone, Debug, Serialize)]
pub struct Differs {
    /// The list.
    pub list: String,
    /// For whom something else is in force.
    pub agent: String,
    /// On the disk alone.
    pub more: Vec<String>,
    /// In force alone.
    pub fewer: Vec<String>,
}

impl Differs {
    /// In words, with what to do.
    #[must_use]
    pub fn words(&self) -> String {
        let (list, agent) = (escape(&self.list), escape(&self.agent));
        let sides = [("on the disk alone", &self.more), ("in force alone", &self.fewer)];
        let sides = sides.iter().filter(|(_, all)| !all.is_empty());
        let sides: Vec<String> = sides.map(|(side, all)| format!("{side}: {}", some_of(all))).collect();
        format!(
            "the file of the list `{list}` is not what is in force for {agent} ({})\nnext: `ambit release {agent} --because …` puts the file in force",
            sides.join("; ")
        )
    }
}

/// The first few names, and how many there are besides.
#[must_use]
pub fn some_of(all: &[String]) -> String {
    const FEW: usize = 5;
    let mut text = all.iter().take(FEW).map(|name| escape(name)).collect::<Vec<_>>().join(", ");
    if all.len() > FEW {
        text.push_str(&format!(" and {} more", all.len() - FEW));
    }
    text
}

/// Every list's file that differs from what is in force for an agent whose lines ask for it.
#[must_use]
pub fn differing(home: &Home, in_force: &[InForce]) -> Vec<Differs> {
    let mut all = Vec::new();
    for (name, list) in &home.config.lists {
        let Some(text) = list.file.as_ref().and_then(|file| read_text(&home.dir().join(file)).ok()) else { continue };
        let here: BTreeSet<&str> = members_of(&text).into_iter().collect();
        for one in in_force.iter().filter(|one| one.uses(name)) {
            let there: BTreeSet<&str> =
                one.snapshot.list_text(name).map(members_of).unwrap_or_default().into_iter().collect();
            if here != there {
                let owned = |some: Vec<&&str>| some.into_iter().map(|member| (*member).to_owned()).collect();
                all.push(Differs {
                    list: name.clone(),
                    agent: one.agent.clone(),
                    more: owned(here.difference(&there).collect()),
                    fewer: owned(there.difference(&here).collect()),
                });
            }
        }
    }
    all
}
