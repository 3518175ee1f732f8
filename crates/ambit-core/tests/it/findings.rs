//! One test for each finding of compiling and of readiness, under its own name: what makes it, and a near thing that does not.

use ambit_core::ready::RULES;
use ambit_core::scope::compile::FINDINGS;

use crate::acme::{findings, page};

/// The bullets make exactly that finding among others of the same severity; the help is no riddle.
fn made(name: &str, bullets: &str) {
    let (_, found) = findings(&page(bullets));
    let hit = found
        .iter()
        .find(|d| d.name == name)
        .unwrap_or_else(|| panic!("`{name}` is not found in:\n{bullets}\n{found:#?}"));
    assert!(hit.at.line > 0 && !hit.message.is_empty() && hit.help.len() > 5, "{hit:?}");
    assert!(
        !hit.message.ends_with('.') && hit.message.starts_with(|c: char| c.is_lowercase() || c == '`'),
        "{}",
        hit.message
    );
}

fn not_made(name: &str, bullets: &str) {
    let (_, found) = findings(&page(bullets));
    assert!(!found.iter().any(|d| d.name == name), "`{name}` is found in:\n{bullets}\n{found:#?}");
}

macro_rules! finding {
    ($test:ident, $name:literal, makes: [$($makes:literal),+], not: [$($not:literal),*]) => {
        #[test]
        fn $test() {
            assert!(FINDINGS.iter().any(|(n, _)| *n == $name) || RULES.iter().any(|r| r.name == $name));
            $(made($name, $makes);)+
            $(not_made($name, $not);)*
        }
    };
}

finding!(anything_under_can, "anything-under-can", makes: ["read: anything", "write: delete anything"], not: ["cannot: anything"]);
finding!(bad_host, "bad-host", makes: ["write: call helpdesk.reply where recipient is an address at \"*.acme.example\"", "write: call helpdesk.reply where body is a URL at \"https://acme.example\""], not: ["write: call helpdesk.reply where body is a URL at \"*.acme.example\""]);
finding!(bad_path, "bad-path", makes: ["write: call files.write_file where path is under \"~/notes\"", "write: call files.write_file where path is under \"../notes\""], not: ["write: call files.write_file where path is under \"/srv/notes\""]);
finding!(bad_pattern, "bad-pattern", makes: ["write: call helpdesk.reply where body matches \"(\"", "write: `call helpdesk.reply where body matches \"foo)|(?:.*\"`"], not: ["write: call helpdesk.reply where body matches \"[a-z]+\""]);
finding!(can_never_applies, "can-never-applies",
    makes: ["write: call helpdesk.reply\ncannot: helpdesk.reply", "write: call payments.create_refund where amount is at most 50\ncannot: call payments.create_refund where amount is below 100", "read: crm.backup_2026\ncannot: anything tagged backup", "write: call helpdesk.reply\nconfirm: helpdesk.reply"],
    not: ["write: call helpdesk.reply\ncannot: call helpdesk.reply where urgent is true", "write: call payments.create_refund where amount is at most 100\ncannot: call payments.create_refund where amount is below 50", "read: crm.customers\ncannot: crm.customers (ssn)", "write: call helpdesk.reply\ncannot: helpdesk.reply, for billing", "write: call helpdesk.reply\ncannot: helpdesk.reply, until 2026-12-01"]);
finding!(
    clause_not_here,
    "clause-not-here",
    makes: [
        "write: call helpdesk.reply, otherwise a human",
        "write: call helpdesk.reply, by support-lead",
        "read: helpdesk.get_ticket, within 5 minutes",
        "confirm: helpdesk.reply, otherwise a human",
        "cannot: helpdesk.reply, by support-lead"
    ],
    not: [
        "write: call helpdesk.reply, at most 3 times per day, otherwise a human, by support-lead",
        "write: call helpdesk.reply, by support-lead, otherwise a human, at most 3 times per day"
    ]
);
finding!(confirm_never_applies, "confirm-never-applies", makes: ["confirm: helpdesk.reply\ncannot: anything in helpdesk"], not: ["confirm: helpdesk.reply\ncannot: call helpdesk.reply where urgent is true"]);
finding!(duplicate_line, "duplicate-line", makes: ["read: helpdesk.get_ticket\nread: helpdesk.get_ticket, because twice"], not: ["write: call helpdesk.reply, at most 1 times per day\nwrite: call helpdesk.reply, at most 2 times per day"]);
finding!(empty_system, "empty-system", makes: ["cannot: anything in empty"], not: ["cannot: anything in helpdesk"]);
finding!(fires_when_absent, "fires-when-absent", makes: ["cannot: call helpdesk.reply where urgent is true"], not: ["cannot: call helpdesk.reply where urgent is true and urgent is given", "cannot: call payments.create_refund where amount is above 5", "write: call helpdesk.reply where urgent is true"]);
finding!(fires_where_missing, "fires-where-missing", makes: ["cannot: anything in helpdesk where urgent is true"], not: ["cannot: anything in helpdesk where urgent is true and urgent is given", "cannot: call helpdesk.reply where urgent is true", "write: call helpdesk.reply where urgent is true"]);
finding!(limit_never_counts, "limit-never-counts", makes: ["write: call helpdesk.reply, at most 3 times at once"], not: ["write: call helpdesk.reply, at most 3 times per hour"]);
finding!(limit_on_cannot, "limit-on-cannot", makes: ["cannot: helpdesk.reply, at most 3 times per hour"], not: ["confirm: helpdesk.reply, at most 3 times per hour"]);
finding!(limit_not_provable, "limit-not-provable", makes: ["write: call helpdesk.reply, at most 3 rows at once", "write: update crm.customers (status), at most 3 of id per day", "read: register.people, at most 3 times per hour", "read: register.people, at most 3 rows at once"], not: ["write: update crm.customers (status), at most 3 rows at once", "write: call payments.create_refund, at most 3 of amount at once"]);
finding!(line_reaches_nothing, "line-reaches-nothing", makes: ["write: create anything in helpdesk", "read: anything in gateway"], not: ["read: anything in helpdesk"]);
finding!(needs_each, "needs-each", makes: ["write: call helpdesk.reply where cc is an address at \"acme.example\""], not: ["write: call helpdesk.reply where cc[] is an address at \"acme.example\"", "write: call helpdesk.reply where cc is not given"]);
finding!(no_field_left, "no-field-left", makes: ["cannot: anything tagged pii (all but ssn)"], not: ["read: crm.customers (all but ssn)"]);
finding!(no_reading_tool, "no-reading-tool", makes: ["read: every reading tool in payments"], not: ["read: every reading tool in helpdesk"]);
finding!(nobody_to_confirm, "nobody-to-confirm", makes: ["confirm: helpdesk.reply, by finance-lead", "confirm: helpdesk.reply, by two of support-lead"], not: ["confirm: helpdesk.reply, by support-lead", "confirm: helpdesk.reply, by kim@acme.example", "confirm: helpdesk.reply, by someone else"]);
finding!(not_a_list, "not-a-list", makes: ["write: call helpdesk.reply where recipient[] is \"a\""], not: ["write: call helpdesk.reply where recipient is \"a\""]);
finding!(not_a_read, "not-a-read", makes: ["read: helpdesk.reply"], not: ["read: helpdesk.get_ticket"]);
finding!(not_seen, "not-seen", makes: ["cannot: run shell.git where argv is \"push\"", "read: register.people (id) where id is \"5\""], not: ["cannot: run shell.git"]);
finding!(tests_exclude_each_other, "tests-exclude-each-other", makes: ["write: call payments.create_refund where amount is above 5 and amount is below 5", "write: call payments.create_refund where currency is \"EUR\" and currency is \"USD\"", "write: call helpdesk.reply where urgent is true and urgent is false", "write: call helpdesk.reply where urgent is given and urgent is not given"], not: ["write: call payments.create_refund where amount is above 5 and amount is at most 6", "write: call payments.create_refund where currency is \"EUR\" or is \"USD\""]);
finding!(unknown_argument, "unknown-argument", makes: ["write: call helpdesk.reply where recipent is \"a\"", "cannot: call files.purge where force is true", "write: call payments.create_refund, at most 5 of total per day"], not: ["write: call helpdesk.reply where recipient is \"a\""]);
finding!(unknown_field, "unknown-field", makes: ["read: crm.customers (id, emial)", "write: call helpdesk.reply (subject)"], not: ["read: crm.customers (id, email)"]);
finding!(unknown_list, "unknown-list", makes: ["write: call helpdesk.reply where recipient is an address at partner", "write: call helpdesk.reply where body is in words"], not: ["write: call helpdesk.reply where recipient is an address at partners"]);
finding!(unknown_resource, "unknown-resource", makes: ["read: helpdesk.get_tickets", "read: crm.Customers"], not: ["read: crm.orders (id)", "read: crm.public.orders (id)"]);
finding!(unknown_system, "unknown-system", makes: ["read: helpdsk.get_ticket", "cannot: anything in warehouse"], not: ["cannot: anything in crm"]);
finding!(unknown_tag, "unknown-tag", makes: ["cannot: anything tagged backups"], not: ["cannot: anything tagged backup", "cannot: anything tagged pii"]);
finding!(verb_does_not_apply, "verb-does-not-apply", makes: ["write: create helpdesk.reply", "write: call crm.notes", "cannot: run crm.notes", "cannot: create files.purge", "write: update register.people (name)"], not: ["cannot: delete files.purge", "cannot: create files.write_file"]);
finding!(verb_missing, "verb-missing", makes: ["write: crm.notes"], not: ["write: helpdesk.reply"]);
finding!(verb_not_here, "verb-not-here", makes: ["read: call crm.notes", "read: update crm.notes", "write: read crm.notes", "write: every reading tool in helpdesk"], not: ["read: call helpdesk.get_ticket", "read: read crm.notes"]);
finding!(wrong_list, "wrong-list", makes: ["write: call helpdesk.reply where recipient is an address at folders"], not: ["write: call files.write_file where path is under folders"]);
finding!(wrong_set, "wrong-set", makes: ["write: call files.write_file where path is under the request"], not: ["write: call files.write_file where path is in the request"]);
finding!(wrong_type, "wrong-type", makes: ["write: call payments.create_refund where amount is \"5\"", "write: call helpdesk.reply where recipient is above 5", "write: call helpdesk.reply, at most 5 of body per day"], not: ["write: call payments.create_refund where amount is 5"]);

finding!(broad_grant_without_reason, "broad-grant-without-reason", makes: ["read: crm.notes", "read: every reading tool in helpdesk"], not: ["read: crm.notes, because it works on them", "read: crm.notes (id)"]);
finding!(ends_by_itself, "ends-by-itself", makes: ["cannot: helpdesk.reply, until 2026-12-01", "confirm: helpdesk.reply, until 2026-12-01"], not: ["write: call helpdesk.reply, until 2026-12-01", "cannot: helpdesk.reply"]);
finding!(expired_line, "expired-line", makes: ["cannot: helpdesk.reply, until 2026-11-22"], not: ["cannot: helpdesk.reply, until 2026-11-23"]);
finding!(loose_match, "loose-match", makes: ["write: call helpdesk.reply where recipient ends with \"@acme.example\"", "cannot: call files.write_file where path starts with \"/etc\"", "write: call helpdesk.reply where cc[] contains \"acme\""], not: ["write: call helpdesk.reply where body contains \"thanks\""]);
finding!(money_unbounded, "money-unbounded", makes: ["write: call payments.create_refund where amount is at most 20", "confirm: call payments.create_refund where amount is at most 20", "write: call payments.create_refund where amount is above 0 and currency is \"EUR\""], not: ["write: call payments.create_refund where amount is above 0 and currency is \"EUR\", at most 100 of amount per day", "confirm: call payments.create_refund where amount is above 0 and currency is \"EUR\""]);
finding!(never_returned, "never-returned", makes: ["read: register.people (id, phone)"], not: ["read: register.people (id, email)", "read: register.people", "read: crm.customers (status)"]);
finding!(nothing_returned, "nothing-returned", makes: ["read: register.find", "read: register.find\nread: register.people (phone)"], not: ["read: register.find\nread: register.people (id)", "read: register.find\nconfirm: read crm.customers (ssn)", "read: helpdesk.get_ticket"]);
finding!(outsiders_extend, "outsiders-extend", makes: ["write: call helpdesk.reply where body is in seen-before"], not: ["write: call helpdesk.reply where recipient is an address at partners", "confirm: call helpdesk.reply where body is in seen-before"]);
finding!(unconfirmed_configuration, "unconfirmed-configuration", makes: ["write: call gateway.set_rate_limit", "write: define crm.notes"], not: ["confirm: call gateway.set_rate_limit", "write: call gateway.set_rate_limit, because it tunes them all day"]);
finding!(unconfirmed_delete, "unconfirmed-delete", makes: ["write: delete crm.notes", "write: call files.purge"], not: ["confirm: delete crm.notes", "write: delete crm.notes, because they are drafts"]);
finding!(unconfirmed_external, "unconfirmed-external", makes: ["write: call helpdesk.reply"], not: ["confirm: call helpdesk.reply"]);
finding!(unconfirmed_money, "unconfirmed-money", makes: ["write: call payments.create_refund"], not: ["confirm: call payments.create_refund", "write: call payments.create_refund, because they are vouchers"]);
finding!(undeclared_tool, "undeclared-tool", makes: ["cannot: delete anything in files"], not: ["cannot: anything in files", "cannot: delete files.purge"]);
finding!(whole_match, "whole-match", makes: ["cannot: `call helpdesk.reply where body matches \"ghp_[a-z]+\"`"], not: ["cannot: `call helpdesk.reply where body matches \"(?s).*(ghp_[a-z]+).*\"`", "cannot: `call helpdesk.reply where body matches \"^[0-9]+$\"`", "write: `call helpdesk.reply where body matches \"[a-z ]+\"`"]);
finding!(unlimited_write, "unlimited-write", makes: ["write: call files.write_file", "write: create crm.notes", "write: update crm.notes (body), at most 1 rows at once"], not: ["write: call files.write_file, at most 5 times per hour", "write: create crm.notes, because every ticket gets one"]);

#[test]
fn no_scenarios() {
    let bare = page("").split("## Scenarios").next().unwrap().to_owned();
    assert!(findings(&bare).1.iter().any(|d| d.name == "no-scenarios"));
    not_made("no-scenarios", "read: helpdesk.get_ticket");
}

#[test]
fn owner_unknown() {
    let other = page("").replace("owner: dana@acme.example", "owner: mallory@acme.example");
    assert!(findings(&other).1.iter().any(|d| d.name == "owner-unknown"));
    not_made("owner-unknown", "");
}

#[test]
fn review_date() {
    let without = page("").replace("review-by: 2027-02-28\n", "");
    let past = page("").replace("2027-02-28", "2026-11-22");
    assert!([without, past].iter().all(|p| findings(p).1.iter().any(|d| d.name == "review-date")));
    not_made("review-date", "");
}
