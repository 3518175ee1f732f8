//! What was added to a database that PostgreSQL itself does not bring: types, functions, operators, casts, and where names
//! are looked for.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a database is, beside its relations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Database {
    /// What it calls itself.
    pub name: String,
    /// Where a name without a schema is looked for, in order, after PostgreSQL's own schema.
    #[serde(default)]
    pub search_path: Vec<String>,
    /// The extensions it has, each with its version.
    #[serde(default)]
    pub extensions: BTreeMap<String, String>,
    /// The types that are not PostgreSQL's own.
    #[serde(default)]
    pub types: Vec<TypeMade>,
    /// The functions that are not PostgreSQL's own.
    #[serde(default)]
    pub functions: Vec<Function>,
    /// The operators that are not PostgreSQL's own.
    #[serde(default)]
    pub operators: Vec<Operator>,
    /// The conversions that are not PostgreSQL's own.
    #[serde(default)]
    pub casts: Vec<Cast>,
}

/// A type that somebody made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TypeMade {
    /// Its name, with its schema.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What sort it is.
    pub kind: TypeKind,
    /// The extension that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// What a domain narrows, or what a range is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Whether a domain has no null.
    #[serde(default)]
    pub not_null: bool,
    /// What stands in a column of a domain when nothing is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// What a domain's values must satisfy.
    #[serde(default)]
    pub checks: Vec<String>,
    /// Whether functions that are not PostgreSQL's own run when its values are made.
    #[serde(default)]
    pub runs_functions: bool,
    /// The values of an enumeration, in order.
    #[serde(default)]
    pub labels: Vec<String>,
    /// The types of a row type's parts, in order.
    #[serde(default)]
    pub parts: Vec<Part>,
}

/// A part of a row type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its type, as the database writes it.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// What sort of type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TypeKind {
    /// Its values are read and written by functions of its own.
    Base,
    /// Another type with fewer values.
    Domain,
    /// One of so many words.
    Enum,
    /// A row.
    Row,
    /// From one value to another.
    Range,
    /// Several ranges.
    Multirange,
}

/// A function that somebody made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Function {
    /// Its name, with its schema.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Its arguments, which tell it from others of the same name.
    pub arguments: String,
    /// What it gives; nothing for a procedure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<String>,
    /// What sort it is.
    #[serde(default)]
    pub kind: FunctionKind,
    /// Whether it runs with the rights of its owner.
    #[serde(default)]
    pub definer: bool,
    /// What it says of itself.
    #[serde(default)]
    pub volatility: Volatility,
    /// The language it is written in.
    pub language: String,
    /// The extension that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// SHA-256 (hex) of how it was made; not for one that belongs to an extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// What sort of function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionKind {
    /// One that gives something.
    #[default]
    Function,
    /// One that is called.
    Procedure,
    /// One over many rows.
    Aggregate,
    /// One over a row's neighbours.
    Window,
}

/// What a function says of itself; nothing holds it to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Volatility {
    /// It may change things.
    #[default]
    Volatile,
    /// It changes nothing, and gives the same for the same within a statement.
    Stable,
    /// It changes nothing, and gives the same for the same.
    Immutable,
}

/// An operator that somebody made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Operator {
    /// Its signs, with its schema.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The type on its left; none for one that stands before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// The type on its right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<String>,
    /// The function that it runs, by name.
    pub function: String,
    /// The extension that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
}

/// A conversion that somebody made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cast {
    /// From which type.
    pub from: String,
    /// To which.
    pub to: String,
    /// Where it happens without being written.
    #[serde(default)]
    pub unasked: Unasked,
    /// The function that it runs, by name; none where the bytes are the same, or go through text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The extension that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
}

/// Where a conversion happens without being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unasked {
    /// Nowhere.
    #[default]
    Never,
    /// Where a value is put into a column.
    InAssignment,
    /// Anywhere.
    Anywhere,
}

impl TypeKind {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            TypeKind::Base => "base",
            TypeKind::Domain => "domain",
            TypeKind::Enum => "enum",
            TypeKind::Row => "row",
            TypeKind::Range => "range",
            TypeKind::Multirange => "multirange",
        }
    }
}

impl FunctionKind {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            FunctionKind::Function => "function",
            FunctionKind::Procedure => "procedure",
            FunctionKind::Aggregate => "aggregate",
            FunctionKind::Window => "window",
        }
    }
}

impl Volatility {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Volatility::Volatile => "volatile",
            Volatility::Stable => "stable",
            Volatility::Immutable => "immutable",
        }
    }
}

impl Unasked {
    /// The word in the lock.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Unasked::Never => "never",
            Unasked::InAssignment => "in-assignment",
            Unasked::Anywhere => "anywhere",
        }
    }
}
