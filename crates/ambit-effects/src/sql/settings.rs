//! Settings of a session that an agent may change: those that say how values are written, and for how long it waits.

/// Whether an agent may set it for its own session.
pub(super) fn is_harmless(name: &str) -> bool {
    const HARMLESS: [&str; 19] = [
        "application_name",
        "bytea_output",
        "client_min_messages",
        "constraint_exclusion",
        "datestyle",
        "default_transaction_deferrable",
        "default_transaction_isolation",
        "default_transaction_read_only",
        "extra_float_digits",
        "idle_in_transaction_session_timeout",
        "intervalstyle",
        "jit",
        "lock_timeout",
        "statement_timeout",
        "timezone",
        "transaction_deferrable",
        "transaction_isolation",
        "transaction_read_only",
        "xmloption",
    ];
    HARMLESS.binary_search(&name.to_ascii_lowercase().as_str()).is_ok()
}

/// Whether it may be set to that: the settings that the gate has pinned, as they are pinned.
pub(super) fn is_as_pinned(name: &str, value: &str) -> bool {
    matches!(
        (name.to_ascii_lowercase().as_str(), value.to_ascii_lowercase().as_str()),
        ("client_encoding" | "names", "utf8" | "utf-8" | "unicode") | ("standard_conforming_strings", "on" | "true")
    )
}

/// Whether an agent may be told it: not what an extension or an application keeps under a name of its own.
pub(super) fn may_be_shown(name: &str) -> bool {
    // `all` shows those as well.
    !name.contains('.') && !name.eq_ignore_ascii_case("all")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_the_meaning_of_a_statement_is_not_harmless() {
        for name in ["search_path", "role", "session_authorization", "standard_conforming_strings", "row_security"] {
            assert!(!is_harmless(name), "{name}");
        }
        for name in ["application_name", "DateStyle", "TimeZone", "xmloption"] {
            assert!(is_harmless(name), "{name}");
        }
    }
}
