//! What stands around a page: what exists, the lists and the people it is compiled over, and the schemas that calls are
//! read with. From `ambit.toml` and the lock alone.

use ambit_core::action::Action;
use ambit_core::policy::Setting;
use ambit_core::reading::Reading;
use ambit_core::scope::diagnostics::Severity;
use ambit_effects::readers::{NotRead, Readers};

use super::PageError;
use crate::config::find::NAME;
use crate::home::Home;
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
        let readers = resolved.readers();
        Surroundings { agent: resolved.agent, setting: resolved.setting, readers }
    }
}
