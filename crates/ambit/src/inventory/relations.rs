//! What changed between two looks at a database, in words. What none of the words is about is shown as its lines in the lock,
//! so that nothing which changed is passed over.

use std::collections::{BTreeMap, BTreeSet};

use super::changes::Change;
use super::lines::difference;
use crate::lock::System;
use crate::lock::database::{Cast, Database, Function, Operator, TypeMade};
use crate::lock::relation::{Column, Fires, Key, KeyAction, Relation, RelationKind, RowSecurity, Trigger};
use crate::lock::{cast_line, function_line, operator_line, relation_body, type_line};

/// Adds what changed to `all`: relations first, then what was made beside them.
pub(super) fn compare(before: Option<&System>, after: &System, all: &mut Vec<Change>) {
    let nothing = BTreeMap::new();
    let was = before.map_or(&nothing, |before| &before.relations);
    for (name, relation) in &after.relations {
        match was.get(name) {
            None => all.push(added(name, relation)),
            Some(pinned) if pinned.digest_as(name) == relation.digest_as(name) => {}
            Some(pinned) => all.push(differs(name, pinned, relation)),
        }
    }
    for (name, relation) in was.iter().filter(|(name, _)| !after.relations.contains_key(*name)) {
        all.push(Change::Removed { what: what(relation), name: name.clone() });
    }
    let nothing = Database::default();
    let was = before.and_then(|before| before.database.as_ref());
    if let Some(is) = after.database.as_ref().or(was.map(|_| &nothing)) {
        made(was, is, all);
    }
}

fn what(relation: &Relation) -> &'static str {
    match relation.kind {
        RelationKind::Table if relation.partition.is_some() => "partition",
        RelationKind::Table => "table",
        RelationKind::View => "view",
        RelationKind::MaterializedView => "materialized view",
        RelationKind::ForeignTable => "foreign table",
        RelationKind::Sequence => "sequence",
    }
}

fn added(name: &str, relation: &Relation) -> Change {
    let mut says = Vec::new();
    says.extend((relation.kind == RelationKind::View).then(|| rights(relation)));
    says.extend(relation.keys.iter().filter_map(key_says));
    says.extend(relation.triggers.iter().map(|one| format!("the trigger {} {}", one.name, trigger_does(one))));
    says.extend(relation.rules.iter().map(|rule| format!("the rule {} rewrites what is asked of it", rule.name)));
    says.extend((relation.row_security != RowSecurity::Off).then(|| "its policies hide rows".to_owned()));
    let arguments = relation.columns.iter().map(|column| column.name.clone()).collect();
    Change::Added { what: what(relation), name: name.to_owned(), arguments, says }
}

fn rights(view: &Relation) -> String {
    let whose = if view.security_invoker { "whoever asks" } else { "its owner" };
    format!("reads with the rights of {whose}")
}

/// What a key does when what it refers to goes or changes; nothing of one that only holds.
fn key_says(key: &Key) -> Option<String> {
    let does = |action: KeyAction, cascade: &'static str| match action {
        KeyAction::NoAction | KeyAction::Restrict => None,
        KeyAction::Cascade => Some(cascade),
        KeyAction::SetNull => Some("empties columns of it"),
        KeyAction::SetDefault => Some("resets columns of it"),
    };
    let deleting =
        does(key.on_delete, "deletes from it").map(|does| format!("a delete from {} {does}", key.references));
    let updating =
        does(key.on_update, "changes it").map(|does| format!("a change of keys of {} {does}", key.references));
    let parts: Vec<String> = deleting.into_iter().chain(updating).collect();
    (!parts.is_empty()).then(|| format!("{} (key {})", parts.join(", "), key.name))
}

fn trigger_does(trigger: &Trigger) -> String {
    let on: Vec<&str> = trigger.on.iter().map(|on| on.word()).collect();
    let rights = if trigger.definer { " with the rights of its owner" } else { "" };
    let of = if trigger.columns.is_empty() { String::new() } else { format!(" of {}", trigger.columns.join(", ")) };
    let fires = match trigger.fires {
        Fires::Origin | Fires::Always => "",
        Fires::Replica => ", for replicas alone",
        Fires::Never => ", and is switched off",
    };
    format!("runs {}{rights} on {}{of}{fires}", trigger.function, on.join(", "))
}

fn differs(name: &str, was: &Relation, is: &Relation) -> Change {
    let mut how = Vec::new();
    if what(was) != what(is) {
        how.push(format!("it was a {}", what(was)));
    }
    columns(was, is, &mut how);
    of_name(
        &was.keys,
        &is.keys,
        |key| &key.name,
        &mut how,
        "key",
        key_words,
        |was, is| {
            let same = Key { on_delete: was.on_delete, on_update: was.on_update, ..is.clone() } == *was;
            let mut all = Vec::new();
            for (on, was, is) in [("delete", was.on_delete, is.on_delete), ("update", was.on_update, is.on_update)] {
                if was != is {
                    all.push(format!("on {on} {} became {}", was.word(), is.word()));
                }
            }
            if !same {
                all.push(key_words(is));
            }
            all.join(", ")
        },
    );
    of_name(&was.triggers, &is.triggers, |one| &one.name, &mut how, "trigger", trigger_does, |_, is| trigger_does(is));
    of_name(
        &was.rules,
        &is.rules,
        |one| &one.name,
        &mut how,
        "rule",
        |one| one.definition.clone(),
        |_, is| is.definition.clone(),
    );
    of_name(
        &was.policies,
        &is.policies,
        |one| &one.name,
        &mut how,
        "policy",
        |_| String::new(),
        |_, _| "allows other rows".to_owned(),
    );
    if was.row_security != is.row_security {
        how.push(format!("row security was {}, and is {}", was.row_security.word(), is.row_security.word()));
    }
    if was.parents != is.parents {
        how.push(format!("its parents were ({}), and are ({})", was.parents.join(", "), is.parents.join(", ")));
    }
    if was.security_invoker != is.security_invoker {
        how.push(format!("it {}", rights(is)));
    }
    let text = |relation: &Relation| relation.definition.clone().unwrap_or_default();
    let mut lines = difference(&text(was), &text(is));
    if how.is_empty() && lines.is_empty() {
        lines = difference(&relation_body(was), &relation_body(is));
    }
    Change::Differs { what: what(is), name: name.to_owned(), how, lines }
}

fn columns(was: &Relation, is: &Relation, how: &mut Vec<String>) {
    let of = |column: &Column| format!("{} {}", column.name, column.type_name);
    for column in &is.columns {
        let Some(known) = was.columns.iter().find(|known| known.name == column.name) else {
            how.push(format!("+ column {}", of(column)));
            continue;
        };
        if known.type_name != column.type_name {
            how.push(format!("~ column {}: {} became {}", column.name, known.type_name, column.type_name));
        }
        if known.not_null != column.not_null {
            let now = if column.not_null { "always has a value" } else { "may be empty" };
            how.push(format!("~ column {}: {now}", column.name));
        }
        let filled = |column: &Column| {
            let identity = column.identity.map(|identity| format!("numbered {}", identity.word()));
            let generated = column.generated.as_ref().map(|from| format!("computed from {from}"));
            column.default.clone().or(generated).or(identity).unwrap_or_else(|| "nothing".to_owned())
        };
        if (&known.default, &known.generated, known.identity) != (&column.default, &column.generated, column.identity) {
            how.push(format!(
                "~ column {}: filled with {}, and was with {}",
                column.name,
                filled(column),
                filled(known)
            ));
        }
    }
    let gone = was.columns.iter().filter(|known| !is.columns.iter().any(|column| column.name == known.name));
    how.extend(gone.map(|known| format!("- column {}", of(known))));
}

fn key_words(key: &Key) -> String {
    let refers = format!("({}) refers to {} ({})", key.columns.join(", "), key.references, key.referenced.join(", "));
    match key_says(key) {
        Some(says) => format!("{refers}: {says}"),
        None => refers,
    }
}

/// What came, went and changed among things of one sort that have names.
fn of_name<T: PartialEq>(
    was: &[T],
    is: &[T],
    name: fn(&T) -> &String,
    how: &mut Vec<String>,
    sort: &str,
    words: fn(&T) -> String,
    changed: fn(&T, &T) -> String,
) {
    let told = |sign: &str, one: &T, words: String| {
        let behind = if words.is_empty() { String::new() } else { format!(": {words}") };
        format!("{sign} {sort} {}{behind}", name(one))
    };
    for one in is {
        match was.iter().find(|known| name(known) == name(one)) {
            None => how.push(told("+", one, words(one))),
            Some(known) if known != one => how.push(told("~", one, changed(known, one))),
            Some(_) => {}
        }
    }
    let gone = was.iter().filter(|known| !is.iter().any(|one| name(one) == name(known)));
    how.extend(gone.map(|known| told("-", known, String::new())));
}

/// What was made beside the relations. What came with an extension is told by the extension, where that changed.
fn made(before: Option<&Database>, is: &Database, all: &mut Vec<Change>) {
    let nothing = Database::default();
    let was = before.unwrap_or(&nothing);
    let mut told = BTreeSet::new();
    for (name, version) in &is.extensions {
        match was.extensions.get(name) {
            Some(known) if known == version => continue,
            Some(known) => {
                let how = vec![format!("{known} became {version}")];
                all.push(Change::Differs { what: "extension", name: name.clone(), how, lines: Vec::new() });
            }
            None => {
                let arguments = vec![version.clone()];
                all.push(Change::Added { what: "extension", name: name.clone(), arguments, says: Vec::new() });
            }
        }
        told.insert(name.as_str());
    }
    for name in was.extensions.keys().filter(|name| !is.extensions.contains_key(*name)) {
        all.push(Change::Removed { what: "extension", name: name.clone() });
        told.insert(name.as_str());
    }
    let told = |extension: &Option<String>| extension.as_deref().is_some_and(|name| told.contains(name));
    let functions = Sort {
        what: "function",
        name: |one: &Function| format!("{}({})", one.name, one.arguments),
        line: function_line,
        extension: |one| &one.extension,
        says: |one| one.definer.then(|| "runs with the rights of its owner".to_owned()),
        how: |was, is| match (was.definer, is.definer) {
            (false, true) => "it runs with the rights of its owner now".to_owned(),
            (true, false) => "it runs with the rights of whoever calls it now".to_owned(),
            _ if was.digest != is.digest => "it is made otherwise".to_owned(),
            _ => String::new(),
        },
    };
    functions.compare(&was.functions, &is.functions, told, all);
    let types = Sort {
        what: "type",
        name: |one: &TypeMade| one.name.clone(),
        line: type_line,
        extension: |one| &one.extension,
        says: |_| None,
        how: |_, _| String::new(),
    };
    types.compare(&was.types, &is.types, told, all);
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "none".to_owned());
    let operators = Sort {
        what: "operator",
        name: move |one: &Operator| format!("{} ({}, {})", one.name, side(&one.left), side(&one.right)),
        line: operator_line,
        extension: |one| &one.extension,
        says: |one| Some(format!("runs {}", one.function)),
        how: |_, _| String::new(),
    };
    operators.compare(&was.operators, &is.operators, told, all);
    let casts = Sort {
        what: "cast",
        name: |one: &Cast| format!("{} to {}", one.from, one.to),
        line: cast_line,
        extension: |one| &one.extension,
        says: |one| one.function.as_ref().map(|function| format!("runs {function}")),
        how: |_, _| String::new(),
    };
    casts.compare(&was.casts, &is.casts, told, all);
    if let Some(was) = before {
        let named = |how: String, what| Change::Differs { what, name: is.name.clone(), how: vec![how], lines: vec![] };
        if was.name != is.name {
            all.push(named(format!("it was {}", was.name), "database"));
        }
        if was.search_path != is.search_path {
            let (was, is) = (was.search_path.join(", "), is.search_path.join(", "));
            all.push(named(format!("({was}) became ({is})"), "search path of"));
        }
    }
}

/// Things of one sort, and what is said of them.
struct Sort<T, N: Fn(&T) -> String> {
    what: &'static str,
    name: N,
    line: fn(&T) -> String,
    extension: fn(&T) -> &Option<String>,
    says: fn(&T) -> Option<String>,
    how: fn(&T, &T) -> String,
}

impl<T: PartialEq, N: Fn(&T) -> String> Sort<T, N> {
    fn compare(&self, was: &[T], is: &[T], told: impl Fn(&Option<String>) -> bool, all: &mut Vec<Change>) {
        let by_name = |things: &[T]| -> BTreeMap<String, usize> {
            things.iter().enumerate().map(|(at, one)| ((self.name)(one), at)).collect()
        };
        let (known, new) = (by_name(was), by_name(is));
        for (name, one) in new.iter().filter_map(|(name, at)| Some((name, is.get(*at)?))) {
            if told((self.extension)(one)) {
                continue;
            }
            match known.get(name).and_then(|at| was.get(*at)) {
                Some(pinned) if pinned == one => {}
                Some(pinned) => {
                    let how: Vec<String> =
                        Some((self.how)(pinned, one)).filter(|how| !how.is_empty()).into_iter().collect();
                    let told = how.is_empty();
                    let lines = if told { difference(&(self.line)(pinned), &(self.line)(one)) } else { Vec::new() };
                    all.push(Change::Differs { what: self.what, name: name.clone(), how, lines });
                }
                None => {
                    let says = (self.says)(one).into_iter().collect();
                    all.push(Change::Added { what: self.what, name: name.clone(), arguments: Vec::new(), says });
                }
            }
        }
        for (name, one) in known.iter().filter_map(|(name, at)| Some((name, was.get(*at)?))) {
            if !new.contains_key(name) && !told((self.extension)(one)) {
                all.push(Change::Removed { what: self.what, name: name.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::relation::{Change as On, Identity, Policy, Rule, Statements};

    fn orders() -> Relation {
        Relation {
            columns: ["id", "customer_id"]
                .map(|name| Column { name: name.into(), type_name: "integer".into(), ..Column::default() })
                .into(),
            parents: vec!["public.papers".into()],
            definition: Some("select 1".into()),
            keys: vec![Key {
                name: "key".into(),
                columns: vec!["customer_id".into()],
                references: "public.customers".into(),
                referenced: vec!["id".into()],
                on_delete: KeyAction::NoAction,
                delete_sets: Vec::new(),
                on_update: KeyAction::NoAction,
            }],
            triggers: vec![Trigger {
                name: "note".into(),
                on: [On::Insert].into(),
                columns: Vec::new(),
                function: "audit.note".into(),
                definer: false,
                fires: Fires::Origin,
                definition: None,
            }],
            rules: vec![Rule { name: "rule".into(), definition: "nothing".into() }],
            policies: vec![Policy {
                name: "own".into(),
                statements: Statements::All,
                to: vec!["public".into()],
                restrictive: false,
                using: None,
                check: None,
            }],
            ..Relation::default()
        }
    }

    fn told(change: impl Fn(&mut Relation)) -> Vec<Change> {
        let system = |relation: Relation| System {
            kind: crate::config::Kind::Postgres,
            looked_at: "2026-11-28".into(),
            server: None,
            protocol: None,
            program: None,
            resources: false,
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
            database: Some(Database::default()),
            relations: [("public.orders".to_owned(), relation)].into(),
        };
        let mut is = orders();
        change(&mut is);
        let mut all = Vec::new();
        compare(Some(&system(orders())), &system(is), &mut all);
        all
    }

    #[test]
    fn nothing_that_changed_of_a_relation_is_passed_over() {
        assert_eq!(told(|_| {}), []);
        assert_eq!(told(|is| is.digest = Some(orders().digest_as("public.orders"))), []);
        let changes: &[fn(&mut Relation)] = &[
            |is| is.kind = RelationKind::ForeignTable,
            |is| is.extension = Some("x".into()),
            |is| is.columns.reverse(),
            |is| is.columns[0].identity = Some(Identity::Always),
            |is| is.columns[0].generated = Some("1".into()),
            |is| is.columns[0].not_null = true,
            |is| is.parents.clear(),
            |is| is.partition = Some("x".into()),
            |is| is.partitioned_by = Some("x".into()),
            |is| is.row_security = RowSecurity::On,
            |is| is.security_invoker = true,
            |is| is.definition = None,
            |is| is.keys.clear(),
            |is| is.keys[0].referenced = vec!["customer_id".into()],
            |is| is.keys[0].delete_sets = vec!["customer_id".into()],
            |is| is.keys[0].on_update = KeyAction::Cascade,
            |is| is.triggers[0].on = [On::Delete].into(),
            |is| is.triggers[0].definition = Some("when (old.x)".into()),
            |is| is.triggers[0].fires = Fires::Never,
            |is| is.rules[0].definition = "everything".into(),
            |is| is.policies[0].check = Some("false".into()),
            |is| is.policies[0].to = vec!["somebody".into()],
        ];
        for (at, change) in changes.iter().enumerate() {
            let all = told(change);
            let [Change::Differs { name, how, lines, .. }] = all.as_slice() else { panic!("{at}: {all:?}") };
            assert!(name == "public.orders" && (!how.is_empty() || !lines.is_empty()), "{at}: {all:?}");
        }
    }

    #[test]
    fn an_action_of_a_key_is_told_in_both_directions() {
        let [Change::Differs { how, .. }] = &told(|is| {
            is.keys[0].on_delete = KeyAction::Cascade;
            is.keys[0].on_update = KeyAction::SetNull;
        })[..] else {
            panic!()
        };
        assert_eq!(how, &["~ key key: on delete no-action became cascade, on update no-action became set-null"]);
    }
}
