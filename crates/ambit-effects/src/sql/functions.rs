//! PostgreSQL's own functions: those that only compute with what they are given, or say what things are called.
//!
//! What is not listed is not passed on: functions that run text as SQL, read files, reach other servers, hold locks, sleep, or
//! change settings. The list was made of the functions of PostgreSQL 15 to 18 that are immutable or stable and take nothing
//! internal, and a test holds it to the server that is there.

use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Whether it may be called: every overload of that name computes, or says what things are called.
pub(super) fn is_listed(name: &str) -> bool {
    static LISTED: OnceLock<BTreeSet<&str>> = OnceLock::new();
    LISTED.get_or_init(|| include_str!("functions.txt").split_whitespace().collect()).contains(name)
}

/// Whether what it says is what things are called and how they are made.
pub(super) fn says_names(name: &str) -> bool {
    const BEGIN: [&str; 5] = ["pg_", "has_", "to_reg", "row_security", "satisfies_"];
    const WHOLE: [&str; 6] =
        ["col_description", "obj_description", "shobj_description", "format_type", "current_schemas", "aclexplode"];
    // `pg_typeof`, `pg_size_pretty` and the like are among them; that only makes the reading say more.
    BEGIN.iter().any(|begin| name.starts_with(begin)) || WHOLE.contains(&name)
}

/// Whether `(value).name` may be a call of a function of PostgreSQL's own that does more than compute: one that is not listed and
/// can be called with one argument. Columns of rows are written the same way.
pub(super) fn may_be_called_as_a_column(name: &str) -> bool {
    const BEGIN: [&str; 4] = ["pg_", "lo_", "txid_", "binary_upgrade_"];
    const WHOLE: [&str; 9] = [
        "amvalidate",
        "brin_summarize_new_values",
        "current_setting",
        "currval",
        "gin_clean_pending_list",
        "nextval",
        "plpgsql_validator",
        "setseed",
        "ts_stat",
    ];
    (BEGIN.iter().any(|begin| name.starts_with(begin)) || WHOLE.contains(&name)) && !is_listed(name)
}

/// Functions of those extensions that change a setting of the session all the same.
const SETTERS: [&str; 2] = ["isn_weak", "set_limit"];

/// Whether a function of such an extension changes a setting.
pub(super) fn is_setter(name: &str) -> bool {
    SETTERS.contains(&name)
}

/// Extensions that come with PostgreSQL whose functions and operators compute with what they are given, every one of them.
const TRUSTED: [&str; 13] = [
    "btree_gin",
    "btree_gist",
    "citext",
    "cube",
    "earthdistance",
    "fuzzystrmatch",
    "hstore",
    "intarray",
    "isn",
    "ltree",
    "pg_trgm",
    "seg",
    "uuid-ossp",
];

/// Whether the functions, operators and types of that extension only compute.
#[must_use]
pub fn is_trusted_extension(name: &str) -> bool {
    TRUSTED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_more_than_compute_is_not_listed() {
        for name in [
            "pg_read_file",
            "pg_sleep",
            "set_config",
            "current_setting",
            "dblink",
            "query_to_xml",
            "table_to_xml",
            "database_to_xml",
            "ts_stat",
            "ts_rewrite",
            "lo_import",
            "pg_notify",
            "pg_advisory_lock",
            "nextval",
            "setval",
            "pg_terminate_backend",
            "pg_get_functiondef",
            "pg_logical_emit_message",
            "pg_stat_get_activity",
            "fmgr_c_validator",
            "fmgr_internal_validator",
            "fmgr_sql_validator",
        ] {
            assert!(!is_listed(name), "{name}");
        }
        for name in ["lower", "count", "now", "jsonb_build_object", "row_number", "random", "generate_series"] {
            assert!(is_listed(name), "{name}");
        }
    }
}
