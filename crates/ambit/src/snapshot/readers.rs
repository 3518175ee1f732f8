//! What reads the actions of a snapshot's agent: the schemas and the databases that its lock pins.

use ambit_effects::readers::Readers;

use super::Resolved;
use crate::catalog::database;
use crate::config::Kind;

impl Resolved {
    /// What reads its actions. A tool whose definition cannot be read has no reader, and what has no reader is refused.
    #[must_use]
    pub fn readers(&self) -> Readers {
        let mut readers = Readers::new();
        let catalog = &self.setting.catalog;
        for (name, system) in &self.lock.systems {
            let Some(id) = catalog.system_named(name) else { continue };
            for (tool, pinned) in &system.tools {
                if let (Some(tool), Ok(definition)) = (catalog.resource_named(id, tool), pinned.read_tool()) {
                    readers.add_tool(tool, definition.input_schema);
                }
            }
            if system.kind == Kind::Postgres {
                readers.add_database(id, database(system));
            }
        }
        readers
    }
}
