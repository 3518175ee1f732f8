//! What rows are read from and written to: a table or view as the lock has it, and what a change of it sets off.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::write::relation_body;

/// A table, a view, or what else has rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Relation {
    /// What sort it is.
    #[serde(default)]
    pub kind: RelationKind,
    /// SHA-256 (hex) of all that is said of it here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The extension that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// What it inherits from or is a partition of, by name.
    #[serde(default)]
    pub parents: Vec<String>,
    /// For a partition, which rows of its parent it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// By what a partitioned table is divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitioned_by: Option<String>,
    /// Whether rows are hidden from roles by its policies.
    #[serde(default)]
    pub row_security: RowSecurity,
    /// Whether a view reads with the rights of whoever asks, as against those of its owner.
    #[serde(default)]
    pub security_invoker: bool,
    /// The query of a view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The keys by which it refers to others.
    #[serde(default)]
    pub keys: Vec<Key>,
    /// What runs when it is changed.
    #[serde(default)]
    pub triggers: Vec<Trigger>,
    /// What rewrites statements about it.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// Which rows roles see and change, where row security is on.
    #[serde(default)]
    pub policies: Vec<Policy>,
}

/// What sort of relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RelationKind {
    /// A table, divided into partitions or not.
    #[default]
    Table,
    /// A view.
    View,
    /// A view whose rows are kept.
    MaterializedView,
    /// A table whose rows are elsewhere.
    ForeignTable,
    /// A sequence of numbers.
    Sequence,
}

/// A column of a relation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Column {
    /// Its name.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its type, as the database writes it.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it always has a value.
    #[serde(default)]
    pub not_null: bool,
    /// What stands in it when nothing is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What it is always computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<String>,
    /// Whether it is numbered by the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// How a column is numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// Whatever is given.
    Always,
    /// When nothing is given.
    ByDefault,
}

/// Whether rows are hidden by policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RowSecurity {
    /// Nobody's are.
    #[default]
    Off,
    /// From all but the owner.
    On,
    /// From the owner too.
    Forced,
}

/// A key by which a relation refers to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// The columns that refer.
    #[schemars(length(min = 1))]
    pub columns: Vec<String>,
    /// To what, by name.
    pub references: String,
    /// To which of its columns.
    #[schemars(length(min = 1))]
    pub referenced: Vec<String>,
    /// What happens to the rows that refer when the row referred to is deleted.
    #[serde(default)]
    pub on_delete: KeyAction,
    /// Of the columns that refer, those that a delete sets; all of them unless said.
    #[serde(default)]
    pub delete_sets: Vec<String>,
    /// What happens to the rows that refer when the columns referred to are changed.
    #[serde(default)]
    pub on_update: KeyAction,
}

/// What a key does to the rows that refer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAction {
    /// Nothing: the change fails.
    #[default]
    NoAction,
    /// Nothing: the change fails at once.
    Restrict,
    /// They are deleted, or changed as well.
    Cascade,
    /// Their columns become null.
    SetNull,
    /// Their columns become their defaults.
    SetDefault,
}

/// What runs when a relation is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// On which changes it runs.
    #[schemars(length(min = 1))]
    pub on: BTreeSet<Change>,
    /// Only when an update names one of those columns; any unless said.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The function that it runs, by name.
    pub function: String,
    /// Whether that runs with the rights of its owner, as against those of whoever changes the relation.
    #[serde(default)]
    pub definer: bool,
    /// When it is switched on.
    #[serde(default)]
    pub fires: Fires,
    /// How it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
}

/// A change of a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A row is added.
    Insert,
    /// A row is changed.
    Update,
    /// A row is removed.
    Delete,
    /// All rows are removed.
    Truncate,
}

/// When a trigger is switched on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fires {
    /// In ordinary sessions.
    #[default]
    Origin,
    /// In sessions that replay others' changes.
    Replica,
    /// In both.
    Always,
    /// Never.
    Never,
}

/// What rewrites statements about a relation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// How it was made.
    pub definition: String,
}

/// Which rows some roles see and change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// For which statements.
    #[serde(rename = "for")]
    pub statements: Statements,
    /// For which roles; `public` stands for all.
    #[schemars(length(min = 1))]
    pub to: Vec<String>,
    /// Whether it narrows what others allow, as against adding to it.
    #[serde(default)]
    pub restrictive: bool,
    /// Which rows there are for those roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub using: Option<String>,
    /// Which rows they may write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

/// The statements that a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Statements {
    /// Every kind.
    All,
    /// What reads.
    Select,
    /// What adds.
    Insert,
    /// What changes.
    Update,
    /// What removes.
    Delete,
}

impl Relation {
    /// SHA-256 (hex) of all that the lock says of it under that name.
    #[must_use]
    pub fn digest_as(&self, name: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(name);
        hash.update("\n");
        hash.update(relation_body(self));
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl RelationKind {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            RelationKind::Table => "table",
            RelationKind::View => "view",
            RelationKind::MaterializedView => "materialized-view",
            RelationKind::ForeignTable => "foreign-table",
            RelationKind::Sequence => "sequence",
        }
    }
}

impl Identity {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Identity::Always => "always",
            Identity::ByDefault => "by-default",
        }
    }
}

impl RowSecurity {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            RowSecurity::Off => "off",
            RowSecurity::On => "on",
            RowSecurity::Forced => "forced",
        }
    }
}

impl KeyAction {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            KeyAction::NoAction => "no-action",
            KeyAction::Restrict => "restrict",
            KeyAction::Cascade => "cascade",
            KeyAction::SetNull => "set-null",
            KeyAction::SetDefault => "set-default",
        }
    }
}

impl Change {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Change::Insert => "insert",
            Change::Update => "update",
            Change::Delete => "delete",
            Change::Truncate => "truncate",
        }
    }
}

impl Fires {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Fires::Origin => "origin",
            Fires::Replica => "replica",
            Fires::Always => "always",
            Fires::Never => "never",
        }
    }
}

impl Statements {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Statements::All => "all",
            Statements::Select => "select",
            Statements::Insert => "insert",
            Statements::Update => "update",
            Statements::Delete => "delete",
        }
    }
}
