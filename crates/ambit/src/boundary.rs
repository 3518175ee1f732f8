//! Whether there is a way around the gate on this machine: a server that could reach Ambit's own files, and an agent that
//! runs as Ambit's own operating-system user.

use std::path::PathBuf;

use ambit_core::scope::diagnostics::Diagnostic;

use crate::config::{Secret, Setting};
use crate::escape::escape;
use crate::home::{self, Home};
use crate::import::plan::PRIVATE;
use crate::import::reach::{Own, reached, words};
use crate::offline::sight;
use crate::report::Findings;

/// Servers whose command or environment names a directory from which Ambit's own files can be reached: an agent that may
/// write there gives itself permission. `people` is where people's keys are. Looks at the disk, and starts nothing.
#[must_use]
pub fn findings(home: &Home, people: Option<PathBuf>) -> Findings {
    let own = own(home, people);
    let mut found = Vec::new();
    for (name, system) in &home.config.systems {
        let plain = |(name, setting): (&'_ String, &'_ Setting)| match setting {
            Setting::Plain(text) => Some((name.clone(), text.clone())),
            Setting::Secret(_) => None,
        };
        let env: Vec<(String, String)> = system.env.iter().filter_map(plain).collect();
        let env = env.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let hit = reached(words(&system.command, env), &system.working_dir(home.dir()), &own);
        let Some(hit) = hit.filter(|_| !system.command.is_empty()) else { continue };
        let message = format!(
            "the server of `{name}` can reach `{}`, where {} is (`{}`): an agent that changes or reads it gives itself permission",
            escape(&home::shown(&hit.root)),
            hit.own.what,
            escape(&home::shown(&hit.own.path)),
        );
        let help = "give the server a narrower directory, or keep Ambit's own files in another one";
        found.push(Diagnostic::error(REACH, home.config.at(&["systems", name, "command"]), message, help));
    }
    Findings { file: home::shown(&home.path), text: home.config_text.clone(), diagnostics: found }
}

const REACH: &str = "own-files-in-reach";

/// Which of those agents are not known to run as another operating-system user than this process: their pages are advised,
/// not enforced.
#[must_use]
pub fn advised<'a>(home: &Home, agents: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    agents.into_iter().filter(|agent| sight(&home.config, agent).same_user).collect()
}

/// Ambit's own files, as `ambit.toml` has them.
fn own(home: &Home, people: Option<PathBuf>) -> Vec<Own> {
    let mut own = Vec::new();
    let mut add = |path: PathBuf, what| own.push(Own { path, what, moves: true });
    let config = &home.config;
    add(home.path.clone(), "`ambit.toml`");
    add(home.lock_path(), "`ambit.lock`");
    add(home.state_dir(), "the state directory");
    add(home.dir().join(PRIVATE), "what `ambit init` keeps to itself");
    for agent in config.agents.values() {
        add(home.dir().join(&agent.scope), "a page");
    }
    for file in config.lists.values().filter_map(|list| list.file.as_ref()) {
        add(home.dir().join(file), "the file of a list");
    }
    for file in secrets(home).filter_map(|secret| if let Secret::File(file) = secret { Some(file) } else { None }) {
        add(home.dir().join(file), "a credential");
    }
    if let Some(people) = people {
        add(people, "where people keep their keys");
    }
    own
}

/// Every secret that `ambit.toml` refers to.
fn secrets(home: &Home) -> impl Iterator<Item = &Secret> {
    let config = &home.config;
    let (systems, webhook) = (config.systems.values(), config.digest.as_ref().map(|digest| &digest.webhook));
    let of_systems =
        systems.clone().flat_map(|one| one.env.values().chain(one.headers.values()).chain(one.url.as_ref()));
    let settings = of_systems.chain(webhook.map(|webhook| &webhook.url)).filter_map(|one| match one {
        Setting::Secret(secret) => Some(secret),
        Setting::Plain(_) => None,
    });
    let tokens = systems.flat_map(|one| one.token.iter().chain(one.oauth.as_ref().map(|oauth| &oauth.client_secret)));
    let key = config.http.as_ref().and_then(|http| http.key.as_ref());
    settings.chain(tokens).chain(key).chain(webhook.map(|webhook| &webhook.secret))
}
