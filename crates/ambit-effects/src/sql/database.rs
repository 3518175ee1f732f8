//! What a database has, as far as a statement can reach it: relations with their columns, what a change of them sets off, and
//! what was added to the functions and operators that every PostgreSQL has.

use std::collections::{BTreeMap, BTreeSet};

/// A name with its schema, in exact case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The schema.
    pub schema: String,
    /// The name within it.
    pub name: String,
}

impl Name {
    /// That name in that schema.
    #[must_use]
    pub fn new(schema: &str, name: &str) -> Name {
        Name { schema: schema.to_owned(), name: name.to_owned() }
    }

    /// Reads `schema.name`; without a dot, the schema is `public`. A schema that has dots or quotes itself stands between
    /// double quotes, as [`Display`](std::fmt::Display) writes it.
    #[must_use]
    pub fn parse(text: &str) -> Name {
        if let Some((schema, name)) = quoted_schema(text) {
            return Name { schema, name };
        }
        let (schema, name) = text.split_once('.').unwrap_or(("public", text));
        Name::new(schema, name)
    }
}

/// Two names are never written alike: what stands before the first dot is the schema, unless it is quoted.
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.schema.contains(['.', '"']) {
            return write!(f, "\"{}\".{}", self.schema.replace('"', "\"\""), self.name);
        }
        write!(f, "{}.{}", self.schema, self.name)
    }
}

fn quoted_schema(text: &str) -> Option<(String, String)> {
    let mut rest = text.strip_prefix('"')?;
    let mut schema = String::new();
    loop {
        let (before, after) = rest.split_once('"')?;
        schema.push_str(before);
        if let Some(name) = after.strip_prefix('.') {
            return Some((schema, name.to_owned()));
        }
        rest = after.strip_prefix('"')?;
        schema.push('"');
    }
}

/// A database, as the lock has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    /// Where a name without a schema is looked for, in order, after `pg_catalog`. The gate pins it.
    pub search_path: Vec<String>,
    /// Tables, views and what else rows are read from.
    pub relations: BTreeMap<Name, Relation>,
    /// Functions that are not PostgreSQL's own.
    pub functions: Vec<Function>,
    /// Operators that are not PostgreSQL's own, nor of an extension that only computes, by their signs.
    pub operators: BTreeSet<String>,
    /// Types that are not PostgreSQL's own and whose values are read or written by functions that are not either.
    pub types: BTreeSet<Name>,
    /// Conversions that run a function which is not PostgreSQL's own, from which type to which, as `format_type` writes them.
    pub casts: BTreeSet<(String, String)>,
}

/// What sort of relation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelationKind {
    /// A table, partitioned or not.
    #[default]
    Table,
    /// A view.
    View,
    /// A materialized view.
    Materialized,
    /// A table that lives in another database.
    Foreign,
    /// A sequence.
    Sequence,
}

/// Something that has rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relation {
    /// What sort.
    pub kind: RelationKind,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// What it inherits from or is a partition of.
    pub parents: Vec<Name>,
    /// The keys by which it refers to others.
    pub keys: Vec<ForeignKey>,
    /// What runs when it is changed.
    pub triggers: Vec<Trigger>,
    /// Whether rules rewrite statements about it (a view's own rule aside).
    pub rules: bool,
    /// For a view: whose rights it reads with, and what.
    pub view: Option<View>,
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as `format_type` writes it.
    pub type_name: String,
    /// What stands in it when nothing is given, as an expression; also what it is generated from.
    pub default: Option<String>,
}

/// A key by which one relation refers to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// The columns that refer.
    pub columns: Vec<String>,
    /// To what.
    pub references: Name,
    /// To which of its columns.
    pub referenced: Vec<String>,
    /// What happens to the rows that refer when the row referred to is deleted.
    pub on_delete: KeyAction,
    /// The same when its referenced columns are changed.
    pub on_update: KeyAction,
}

/// What a key does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyAction {
    /// It lets nothing happen (`no action`, `restrict`).
    #[default]
    Nothing,
    /// The rows that refer go, or change, as well.
    Cascade,
    /// Their columns become null.
    SetNull,
    /// Their columns become their defaults.
    SetDefault,
}

/// What runs when a relation is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// On an insert.
    pub on_insert: bool,
    /// On an update.
    pub on_update: bool,
    /// Only when one of those columns is named; empty: whichever.
    pub update_columns: Vec<String>,
    /// On a delete.
    pub on_delete: bool,
    /// On a truncate.
    pub on_truncate: bool,
    /// The function that it runs.
    pub function: Name,
    /// Whether that runs with the rights of its owner.
    pub definer: bool,
}

/// What a view reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Whether it reads with the rights of whoever asks (`security_invoker`), as against its owner's.
    pub invoker: bool,
    /// The query, as `pg_get_viewdef` writes it under a search path of nothing.
    pub definition: String,
}

/// A function that is not PostgreSQL's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: Name,
    /// Its arguments, as `pg_get_function_identity_arguments` writes them.
    pub arguments: String,
    /// Whether it runs with the rights of its owner.
    pub definer: bool,
    /// Whether it says that it changes nothing and gives the same for the same (`immutable`).
    pub immutable: bool,
    /// The language it is written in.
    pub language: String,
    /// The extension that it belongs to.
    pub extension: Option<String>,
}

impl Function {
    /// Whether it only computes with what it is given: it is of an extension all of whose functions do.
    #[must_use]
    pub fn only_computes(&self) -> bool {
        self.extension.as_deref().is_some_and(super::is_trusted_extension)
            && !super::functions::is_setter(&self.name.name)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn two_names_are_never_written_alike() {
        for (schema, name, text) in [
            ("public", "orders", "public.orders"),
            ("audit", "a.b", "audit.a.b"),
            ("audit.a", "b", "\"audit.a\".b"),
            ("a\"b", "c", "\"a\"\"b\".c"),
            ("a\".", "\".c", "\"a\"\".\".\".c"),
            ("public", "\"", "public.\""),
        ] {
            let named = Name::new(schema, name);
            assert_eq!(named.to_string(), text);
            assert_eq!(Name::parse(text), named);
        }
        assert_eq!(Name::parse("orders"), Name::new("public", "orders"));
    }
}
