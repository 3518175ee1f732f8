//! What stands around a page: what exists, the lists and the people it is compiled over, and the schemas that calls are
//! read with. From `ambit.toml` and the lock alone.

use ambit_core::action::Action;
use ambit_core::catalog::{Catalog, ResourceKind};
use ambit_core::policy::Setting;
use ambit_core::reading::Reading;
use ambit_core::scope::diagnostics::Severity;
use ambit_effects::mcp::{NotRead, Readers};

use super::PageError;
use crate::config::find::NAME;
use crate::home::Home;
use crate::lock::Lock;
use crate::snapshot::{Resolved, Snapshot};

/// What stands around the page of one agent.
#[derive(Debug)]
pub struct Surroundings {
    /// The agent.
    pub agent: String,
    /// What its page is compiled over.
    pub setting: Setting,
    readers: Readers,
}

impl Surroundings {
    /// What stands around the page of that agent of `ambit.toml`, as it is on the disk now.
    ///
    /// # Errors
    /// When there is no such agent, or `ambit.toml`, the lock and the lists do not fit together.
    pub fn of(home: &Home, agent: &str) -> Result<Surroundings, PageError> {
        if !home.config.agents.contains_key(agent) {
            return Err(PageError::no_agent(home, agent));
        }
        let mut resolved = Snapshot::with_scope(home, agent, String::new())?.resolve();
        // The last findings are those of the scope, which is another question.
        resolved.findings.pop();
        if resolved.findings.iter().any(|findings| findings.worst() == Some(Severity::Error)) {
            return Err(PageError::Wrong { file: NAME.to_owned(), findings: resolved.findings });
        }
        Ok(Surroundings::from(resolved))
    }

    /// What an action does.
    ///
    /// # Errors
    /// When nothing of that name was ever looked at, or the call is none that its server could take.
    pub fn read(&self, action: &Action) -> Result<Reading, NotRead> {
        self.readers.read(&self.setting.catalog, action)
    }
}

impl From<Resolved> for Surroundings {
    /// What a snapshot resolved to; the same whether it was just taken or was kept.
    fn from(resolved: Resolved) -> Surroundings {
        let readers = readers_of(&resolved.lock, &resolved.setting.catalog);
        Surroundings { agent: resolved.agent, setting: resolved.setting, readers }
    }
}

/// The schemas of the tools of a catalog, as the lock has them. A tool whose definition cannot be read has none, and is
/// refused.
fn readers_of(lock: &Lock, catalog: &Catalog) -> Readers {
    let mut readers = Readers::new();
    for (id, resource) in catalog.resources().filter(|(_, resource)| resource.kind == ResourceKind::Tool) {
        let system = catalog.system(resource.system).and_then(|system| lock.systems.get(&system.name));
        let definition = system.and_then(|system| system.tools.get(&resource.name));
        if let Some(Ok(tool)) = definition.map(|definition| definition.read_tool()) {
            readers.add(id, tool.input_schema);
        }
    }
    readers
}
