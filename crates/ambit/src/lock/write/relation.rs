//! A relation as text.

use super::super::relation::{
    Change, Column, Fires, Key, KeyAction, Policy, Relation, RelationKind, RowSecurity, Rule,
};
use super::super::relation::{Identity, Trigger};
use super::inline::{Inline, lines, list};
use super::{line, literal, text};

/// All that the lock says of a relation, its name and its digest aside.
pub(crate) fn relation_body(relation: &Relation) -> String {
    let mut out = String::new();
    if relation.kind != RelationKind::Table {
        line(&mut out, &format!("kind = {}", text(relation.kind.word())));
    }
    if let Some(extension) = &relation.extension {
        line(&mut out, &format!("extension = {}", text(extension)));
    }
    if relation.columns.is_empty() {
        line(&mut out, "columns = []");
    }
    lines(&mut out, "columns", relation.columns.iter().map(column).collect());
    if !relation.parents.is_empty() {
        line(&mut out, &format!("parents = {}", list(relation.parents.iter().map(String::as_str))));
    }
    if let Some(partition) = &relation.partition {
        line(&mut out, &format!("partition = {}", text(partition)));
    }
    if let Some(by) = &relation.partitioned_by {
        line(&mut out, &format!("partitioned-by = {}", text(by)));
    }
    if relation.row_security != RowSecurity::Off {
        line(&mut out, &format!("row-security = {}", text(relation.row_security.word())));
    }
    if relation.security_invoker {
        line(&mut out, "security-invoker = true");
    }
    if let Some(definition) = &relation.definition {
        line(&mut out, &format!("definition = {}", literal(definition)));
    }
    lines(&mut out, "keys", relation.keys.iter().map(key).collect());
    lines(&mut out, "triggers", relation.triggers.iter().map(trigger).collect());
    lines(&mut out, "rules", relation.rules.iter().map(rule).collect());
    lines(&mut out, "policies", relation.policies.iter().map(policy).collect());
    out
}

fn column(column: &Column) -> String {
    Inline::default()
        .text("name", &column.name)
        .text("type", &column.type_name)
        .flag("not-null", column.not_null)
        .option("default", column.default.as_deref())
        .option("generated", column.generated.as_deref())
        .option("identity", column.identity.map(Identity::word))
        .done()
}

fn key(key: &Key) -> String {
    Inline::default()
        .text("name", &key.name)
        .raw("columns", list(key.columns.iter().map(String::as_str)))
        .text("references", &key.references)
        .raw("referenced", list(key.referenced.iter().map(String::as_str)))
        .word("on-delete", key.on_delete.word(), KeyAction::NoAction.word())
        .list("delete-sets", key.delete_sets.iter().map(String::as_str))
        .word("on-update", key.on_update.word(), KeyAction::NoAction.word())
        .done()
}

fn trigger(trigger: &Trigger) -> String {
    Inline::default()
        .text("name", &trigger.name)
        .raw("on", list(trigger.on.iter().copied().map(Change::word)))
        .list("columns", trigger.columns.iter().map(String::as_str))
        .text("function", &trigger.function)
        .flag("definer", trigger.definer)
        .word("fires", trigger.fires.word(), Fires::Origin.word())
        .option("definition", trigger.definition.as_deref())
        .done()
}

fn rule(rule: &Rule) -> String {
    Inline::default().text("name", &rule.name).text("definition", &rule.definition).done()
}

fn policy(policy: &Policy) -> String {
    Inline::default()
        .text("name", &policy.name)
        .text("for", policy.statements.word())
        .raw("to", list(policy.to.iter().map(String::as_str)))
        .flag("restrictive", policy.restrictive)
        .option("using", policy.using.as_deref())
        .option("check", policy.check.as_deref())
        .done()
}
