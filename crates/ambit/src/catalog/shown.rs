//! Tools that an agent would see under one name: nobody could say which of them is called, so none of them is.

use std::collections::BTreeMap;

use ambit_core::scope::diagnostics::Diagnostic;

use crate::config::{Config, Kind};
use crate::gate::mcp::names::Naming;
use crate::lock::Lock;

/// What is to be said of them, in `ambit.toml`.
pub(super) fn names_for_several(config: &Config, lock: &Lock, agent: &str) -> Vec<Diagnostic> {
    let Some(said) = config.agents.get(agent) else { return Vec::new() };
    let naming = Naming::of(config, agent);
    let is_served = |name: &str| config.systems.get(name).is_some_and(|system| system.kind == Kind::Mcp);
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for system in said.systems.iter().filter(|name| is_served(name)) {
        for tool in lock.systems.get(system).into_iter().flat_map(|locked| locked.tools.keys()) {
            names.entry(naming.exposed(system, tool)).or_default().push(format!("`{system}.{tool}`"));
        }
    }
    let several = names.into_iter().filter(|(_, tools)| tools.len() > 1);
    several
        .map(|(name, tools)| {
            let message = format!("`{agent}` would see {} under one name, `{name}`", tools.join(" and "));
            let help = "give one of the systems, or of the tools, another name; until then none of these is listed, and every call of them is refused";
            Diagnostic::not_ready("shared-tool-name", config.at(&["agents", agent, "systems"]), message, help)
        })
        .collect()
}
