//! What a name in a statement stands for, as PostgreSQL finds it: in the ranges of its own query first, then further out.

use std::rc::Rc;

use smallvec::SmallVec;

use super::database::Name;

/// Columns of instances, by the instance's place and the column's.
pub(super) type Marks = SmallVec<[(usize, usize); 1]>;

/// A column of a range.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub name: String,
    /// What it is of; nothing where it was computed by a query within, which was read by itself.
    pub marks: Marks,
    /// It may go by another name, so that what is further out may be meant as well.
    pub maybe: bool,
}

/// What a name in FROM stands for.
#[derive(Clone, Debug, Default)]
pub(super) struct Range {
    /// How it is called there.
    pub name: String,
    /// The relation, where it goes by its own name.
    pub relation: Option<Name>,
    pub columns: Vec<Column>,
    /// It may have columns that are not listed.
    pub open: bool,
    /// The places of its columns are not certain.
    pub shuffled: bool,
    /// The instance of a relation that it is.
    pub base: Option<usize>,
    /// Whether that has the system columns: views do not.
    pub is_table: bool,
    /// Columns of a system catalog that are not to be read.
    pub denied: &'static [&'static str],
}

/// A range where it can be seen.
#[derive(Clone)]
pub(super) struct Visible {
    pub range: Rc<Range>,
    /// By its name.
    pub by_name: bool,
    /// Its columns, without its name.
    pub columns: bool,
}

impl Visible {
    pub(super) fn whole(range: Range) -> Visible {
        Visible { range: Rc::new(range), by_name: true, columns: true }
    }
}

/// The ranges of one query, and those of the queries around it.
pub(super) struct Scope {
    pub ranges: Vec<Visible>,
    pub outer: Option<Rc<Scope>>,
}

/// A query with a name (WITH), and those before it.
pub(super) struct Cte {
    pub name: String,
    pub columns: Vec<String>,
    pub open: bool,
    pub shuffled: bool,
    /// How many there are, up to this one.
    pub at: usize,
    pub before: Option<Rc<Cte>>,
}

/// Where an expression stands.
#[derive(Clone, Default)]
pub(super) struct Env {
    pub scope: Option<Rc<Scope>>,
    pub ctes: Option<Rc<Cte>>,
}

impl Env {
    /// The same, within those ranges.
    pub(super) fn within(&self, ranges: Vec<Visible>) -> Env {
        Env { scope: Some(Rc::new(Scope { ranges, outer: self.scope.clone() })), ctes: self.ctes.clone() }
    }

    /// How many queries have a name there.
    pub(super) fn depth_of_ctes(&self) -> usize {
        self.ctes.as_ref().map_or(0, |cte| cte.at)
    }

    /// The query of that name.
    pub(super) fn cte(&self, name: &str) -> Option<&Cte> {
        std::iter::successors(self.ctes.as_deref(), |cte| cte.before.as_deref()).find(|cte| cte.name == name)
    }
}

/// The columns that a query gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Output {
    /// Their names; of those that PostgreSQL would name by itself, none is told.
    pub columns: Vec<String>,
    /// There may be others.
    pub open: bool,
    /// Their places are not certain.
    pub shuffled: bool,
}

impl Output {
    /// Those columns.
    pub(super) fn of(columns: Vec<String>) -> Output {
        Output { columns, ..Output::default() }
    }

    /// How many columns there are, where that is certain.
    pub(super) fn count(&self) -> Option<usize> {
        (!self.open && !self.shuffled).then_some(self.columns.len())
    }

    /// The same, the first of them called otherwise.
    pub(super) fn renamed(&self, names: &[String]) -> Output {
        if names.is_empty() {
            return self.clone();
        }
        match self.count() {
            Some(_) => {
                Output::of(names.iter().chain(self.columns.get(names.len()..).unwrap_or_default()).cloned().collect())
            }
            None => Output { columns: names.to_vec(), open: true, shuffled: true },
        }
    }

    /// A range of that name that has them; the first ones go by other names where those are given.
    pub(super) fn range(&self, name: &str, renamed: &[String]) -> Range {
        let output = self.renamed(renamed);
        let columns = output.columns.into_iter().map(|name| Column { name, marks: Marks::new(), maybe: false });
        let Output { open, shuffled, .. } = output;
        Range { name: name.to_owned(), columns: columns.collect(), open, shuffled, ..Range::default() }
    }
}

/// Columns that every table has beside its own.
pub(super) fn is_system_column(name: &str) -> bool {
    matches!(name, "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid")
}

/// Whether it is a column of a system relation that has columns which are not to be read, as against a function of its rows.
pub(super) fn is_of_a_denied(name: &str) -> bool {
    const STANDARD: [&str; 8] = [
        "data_type",
        "external_language",
        "is_deterministic",
        "security_type",
        "sql_data_access",
        "sql_path",
        "parameter_style",
        "type_udt_name",
    ];
    is_system_column(name)
        || name == "oid"
        || ["pro", "rol", "routine_", "specific_"].iter().any(|begin| name.starts_with(begin))
        || STANDARD.contains(&name)
}

/// A relation of PostgreSQL's own that says what things are called and how they are made: its columns that say more than that.
pub(super) fn system_relation(schema: Option<&str>, name: &str) -> Option<&'static [&'static str]> {
    const CATALOG: [&str; 51] = [
        "pg_aggregate",
        "pg_am",
        "pg_amop",
        "pg_amproc",
        "pg_attrdef",
        "pg_attribute",
        "pg_auth_members",
        "pg_cast",
        "pg_class",
        "pg_collation",
        "pg_constraint",
        "pg_conversion",
        "pg_database",
        "pg_default_acl",
        "pg_depend",
        "pg_description",
        "pg_enum",
        "pg_event_trigger",
        "pg_extension",
        "pg_foreign_data_wrapper",
        "pg_foreign_table",
        "pg_index",
        "pg_indexes",
        "pg_inherits",
        "pg_language",
        "pg_matviews",
        "pg_namespace",
        "pg_opclass",
        "pg_operator",
        "pg_opfamily",
        "pg_partitioned_table",
        "pg_policies",
        "pg_policy",
        "pg_publication",
        "pg_publication_namespace",
        "pg_publication_rel",
        "pg_publication_tables",
        "pg_range",
        "pg_rewrite",
        "pg_sequence",
        "pg_shdescription",
        "pg_statistic_ext",
        "pg_tables",
        "pg_tablespace",
        "pg_timezone_abbrevs",
        "pg_timezone_names",
        "pg_trigger",
        "pg_ts_config",
        "pg_ts_dict",
        "pg_type",
        "pg_views",
    ];
    const STANDARD: [&str; 31] = [
        "applicable_roles",
        "character_sets",
        "check_constraints",
        "collations",
        "column_domain_usage",
        "column_privileges",
        "column_udt_usage",
        "columns",
        "constraint_column_usage",
        "constraint_table_usage",
        "domain_constraints",
        "domain_udt_usage",
        "domains",
        "element_types",
        "enabled_roles",
        "key_column_usage",
        "parameters",
        "referential_constraints",
        "role_column_grants",
        "role_table_grants",
        "schemata",
        "sequences",
        "table_constraints",
        "table_privileges",
        "tables",
        "triggers",
        "udt_privileges",
        "usage_privileges",
        "view_column_usage",
        "view_table_usage",
        "views",
    ];
    match schema {
        None | Some("pg_catalog") => match name {
            // What functions are made of may hold secrets.
            "pg_proc" => Some(&["prosrc", "probin", "prosqlbody", "proconfig"]),
            // A setting of a role may be a secret of an application.
            "pg_roles" => Some(&["rolconfig"]),
            _ => CATALOG.binary_search(&name).is_ok().then_some(&[]),
        },
        Some("information_schema") => match name {
            "routines" => Some(&["routine_definition"]),
            _ => STANDARD.binary_search(&name).is_ok().then_some(&[]),
        },
        Some(_) => None,
    }
}
