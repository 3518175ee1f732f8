//! One door to what reads an action, whatever gate it came in at.

use std::collections::BTreeMap;

use ambit_core::action::{Action, Gate};
use ambit_core::catalog::{Catalog, ResourceId, SystemId};
use ambit_core::reading::Reading;
use thiserror::Error;

use crate::sql::database::Database;
use crate::{mcp, sql};

/// What reads the actions over a catalog: the schemas of its tools, and what its databases are made of.
#[derive(Debug, Default)]
pub struct Readers {
    tools: mcp::Readers,
    databases: BTreeMap<SystemId, Database>,
}

/// Why an action has no reading.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotRead {
    /// It is no call that can be read.
    #[error(transparent)]
    Mcp(#[from] mcp::NotRead),
    /// It is no statement that can be read.
    #[error(transparent)]
    Sql(#[from] sql::NotRead),
    /// No gate of that kind stands.
    #[error("nothing reads what comes in at the gate `{0}`")]
    Gate(&'static str),
}

impl Readers {
    /// With nothing to read.
    #[must_use]
    pub fn new() -> Readers {
        Readers::default()
    }

    /// Adds the schema of a tool.
    pub fn add_tool(&mut self, tool: ResourceId, schema: serde_json::Value) {
        self.tools.add(tool, schema);
    }

    /// Adds what a database is made of.
    pub fn add_database(&mut self, system: SystemId, database: Database) {
        self.databases.insert(system, database);
    }

    /// What an action does.
    ///
    /// # Errors
    /// When the catalog does not have what it names, or it is no valid call or statement.
    pub fn read(&self, catalog: &Catalog, action: &Action) -> Result<Reading, NotRead> {
        match action.gate {
            Gate::Mcp => Ok(self.tools.read(catalog, action)?),
            Gate::Postgres => {
                let unknown = || sql::NotRead::unknown("database", &action.system);
                let system = catalog.system_named(&action.system).ok_or_else(unknown)?;
                let database = self.databases.get(&system).ok_or_else(unknown)?;
                Ok(sql::read(database, catalog, system, action)?)
            }
            Gate::Http | Gate::Shell => Err(NotRead::Gate(action.gate.word())),
        }
    }
}
