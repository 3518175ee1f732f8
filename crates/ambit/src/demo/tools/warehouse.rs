//! The backups and the disk they are on.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::company::Company;
use super::{Nature, Tool, Trouble, objects, touched};

pub(super) fn tools() -> Vec<Tool> {
    vec![
        Tool::new("disk_usage", Nature::Reads, "How full each volume is.", disk_usage),
        Tool::new("list_backups", Nature::Reads, "The backups that exist, the newest first.", list_backups),
        Tool::new("delete_backup", Nature::Destroys, "Deletes a backup for good.", delete_backup),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn disk_usage(company: &Company, _: Nothing) -> Result<Value, Trouble> {
    let volumes = objects(
        company,
        "SELECT name, capacity_gb, used_gb, used_gb * 100 / capacity_gb AS used_percent FROM \
         (SELECT name, capacity_gb, other_gb + (SELECT coalesce(sum(size_gb), 0) FROM backups) AS used_gb FROM volumes)",
        [],
    )?;
    Ok(json!({ "volumes": volumes }))
}

fn list_backups(company: &Company, _: Nothing) -> Result<Value, Trouble> {
    let backups =
        objects(company, "SELECT id, taken_on, kind, builds_on, size_gb FROM backups ORDER BY taken_on DESC", [])?;
    Ok(json!({ "backups": backups }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteBackup {
    /// Which one.
    id: String,
}

fn delete_backup(company: &Company, asked: DeleteBackup) -> Result<Value, Trouble> {
    let rows = company.db.execute("DELETE FROM backups WHERE id = ?", [&asked.id])?;
    touched(rows, &format!("backup `{}`", asked.id))?;
    Ok(json!({ "deleted": asked.id }))
}
