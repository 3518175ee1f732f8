//! The front matter of a scope, for editors. `ambit_core::scope::parse` reads it; a test holds the two to the same keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The front matter of a SCOPE.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "front matter of SCOPE.md")]
pub struct Front {
    /// The one agent whose scope this is, as `ambit.toml` names it.
    #[schemars(length(min = 1))]
    pub agent: String,
    /// The person who answers for the workflow: an address or a name of `ambit.toml`.
    #[schemars(length(min = 1))]
    pub owner: String,
    /// The person who answers for it when the owner is away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_owner: Option<String>,
    /// The workflow that the agent is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The day by which the owner looks at the scope again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date"))]
    pub review_by: Option<String>,
    /// What becomes of an action that no line mentions: `confirm` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outside: Option<Outside>,
}

/// What becomes of an action that no line mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// It waits for a human.
    Confirm,
    /// It is refused.
    Refuse,
}
