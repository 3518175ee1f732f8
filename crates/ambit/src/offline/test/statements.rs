//! Statements of SQL made up for a line over relations: ones that it speaks of, and ones just beyond its fields, its tests, its
//! limits and its tasks. They need not be right; whoever uses one tries it first.

use ambit_core::catalog::{Field, Resource, SystemKind};
use ambit_core::effect::{Verb, VerbSet};
use ambit_core::policy::{Policy, PolicyLine};
use ambit_core::scope::print::print_value;
use ambit_core::scope::{Ask, Line, Literal, Scenario, Span, Tasks, Test, Then, Window};
use ambit_core::weaken::Change;

use super::sample::{MOST_STEPS, TOLD, is_inside, literal, of_shape, taken, values};

/// So many relations of a line are tried.
const MOST_RELATIONS: usize = 4;
/// So many columns of a relation are tried.
const MOST_COLUMNS: usize = 6;

/// Scenarios that may come out differently with that change, the likeliest first.
pub(super) fn statements(policy: &Policy, line: &PolicyLine, change: Change) -> Vec<Scenario> {
    let catalog = policy.catalog();
    let in_database = line.reaches().filter_map(|(id, verbs)| {
        let resource = catalog.resource(id)?;
        let system = catalog.system(resource.system)?;
        (system.kind == SystemKind::Postgres).then_some((system.name.as_str(), resource, verbs))
    });
    let made = in_database.take(MOST_RELATIONS).flat_map(|(system, resource, verbs)| {
        let made = Made { system, resource, line: &line.line, change };
        made.rows(verbs)
    });
    made.collect()
}

struct Made<'a> {
    system: &'a str,
    resource: &'a Resource,
    line: &'a Line,
    change: Change,
}

impl Made<'_> {
    fn rows(&self, verbs: VerbSet) -> Vec<Scenario> {
        let verbs = verbs.iter().filter(|verb| !matches!(verb, Verb::Call | Verb::Run));
        let beyond = self.change == Change::DropFields;
        let columns = self.resource.fields.iter().filter(|field| is_inside(self.line, &field.name) != beyond);
        let columns: Vec<&Field> = columns.take(MOST_COLUMNS).collect();
        let conditions = self.conditions();
        let mut rows = Vec::new();
        for verb in verbs {
            for condition in &conditions {
                rows.extend(columns.iter().filter_map(|column| self.row(verb, column, condition)));
                if columns.is_empty() && matches!(verb, Verb::Delete | Verb::Define) {
                    rows.extend(self.resource.fields.first().and_then(|column| self.row(verb, column, condition)));
                }
            }
        }
        rows
    }

    /// What the rows are to be like: as the tests want, or beyond the one that is dropped.
    fn conditions(&self) -> Vec<Vec<(String, Literal)>> {
        let wanted = |skip: Option<usize>| -> Vec<(String, Literal)> {
            let tests = self.line.tests.iter().enumerate().filter(|(at, _)| Some(*at) != skip);
            tests.filter_map(|(_, test)| Some((column_of(test)?, self.fitting(test)?))).collect()
        };
        match self.change {
            Change::DropTest(at) => vec![wanted(Some(at))],
            _ => vec![wanted(None)],
        }
    }

    /// A value for which the test holds.
    fn fitting(&self, test: &Test) -> Option<Literal> {
        let shape = self.resource.fields.iter().find(|field| Some(&field.name) == column_of(test).as_ref());
        let shape = shape.map(|field| &field.shape);
        test.any.iter().filter(|predicate| !predicate.negated).find_map(|predicate| match predicate.ask {
            Ask::TaskFact(_) => shape.map(of_shape).and_then(|value| literal(&value)),
            _ => values(predicate, true, shape).first().and_then(literal),
        })
    }

    fn row(&self, verb: Verb, column: &Field, condition: &[(String, Literal)]) -> Option<Scenario> {
        let (table, name) = (relation(&self.resource.name), quoted(&column.name));
        let value = literal(&of_shape(&column.shape)).map_or_else(|| "NULL".to_owned(), |value| sql(&value));
        let tests: Vec<String> =
            condition.iter().map(|(column, value)| format!("{} = {}", quoted(column), sql(value))).collect();
        let filter = if tests.is_empty() { String::new() } else { format!(" WHERE {}", tests.join(" AND ")) };
        let statement = match verb {
            Verb::Read => format!("SELECT {name} FROM {table}{filter}"),
            Verb::Create => {
                let others = condition.iter().filter(|(other, _)| *other != column.name);
                let mut given = vec![(name, value)];
                given.extend(others.map(|(column, value)| (quoted(column), sql(value))));
                let (columns, values): (Vec<String>, Vec<String>) = given.into_iter().unzip();
                format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", "))
            }
            Verb::Update => format!("UPDATE {table} SET {name} = {value}{filter}"),
            Verb::Delete => format!("DELETE FROM {table}{filter}"),
            Verb::Define => format!("ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL"),
            Verb::Call | Verb::Run => return None,
        };
        let tries = format!("{}: {statement}", self.system);
        let steps = match self.change {
            Change::DropLimit(at) => self.line.limits.get(at).map_or(0, |limit| match limit.per {
                Window::AtOnce => 0,
                _ => limit.most.to_u64().filter(|most| *most <= MOST_STEPS).unwrap_or(0),
            }),
            _ => 0,
        };
        Some(Scenario {
            told: TOLD.to_owned(),
            after: taken(steps, &tries),
            tries,
            then: Then::Refuse,
            in_task: self.in_task(condition),
            author: None,
            at: Span::default(),
        })
    }

    /// The task, with the facts that the tests want: another fact than is asked for, where its test is dropped.
    fn in_task(&self, condition: &[(String, Literal)]) -> Option<String> {
        let name = match (&self.line.tasks, self.change) {
            (Some(Tasks::Only(names)), change) if change != Change::DropTasks => names.first().cloned(),
            (Some(Tasks::AnyBut(names)), Change::DropTasks) => names.first().cloned(),
            _ => None,
        };
        let mut facts = Vec::new();
        for test in &self.line.tests {
            for predicate in &test.any {
                let Ask::TaskFact(fact) = &predicate.ask else { continue };
                let Some((_, value)) = condition.iter().find(|(column, _)| Some(column) == column_of(test).as_ref())
                else {
                    continue;
                };
                facts.push(format!("{fact} = {}", print_value(value)));
            }
        }
        match (name, facts.is_empty()) {
            (name, true) => name,
            (name, false) => Some(format!("{} ({})", name.unwrap_or_else(|| "a-task".to_owned()), facts.join(", "))),
        }
    }
}

/// The column that a test is about.
fn column_of(test: &Test) -> Option<String> {
    match test.path.steps.as_slice() {
        [step] if !step.each => Some(step.name.clone()),
        _ => None,
    }
}

/// A relation's name in a statement; that of the schema `public` by itself.
fn relation(name: &str) -> String {
    let named = ambit_effects::sql::database::Name::parse(name);
    match named.schema.as_str() {
        "public" => quoted(&named.name),
        schema => format!("{}.{}", quoted(schema), quoted(&named.name)),
    }
}

/// A name that PostgreSQL reads as it stands; in quotes where it would read it otherwise.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && ambit_effects::sql::split(&format!("SELECT {name} FROM {name}")).is_ok();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn sql(value: &Literal) -> String {
    match value {
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Literal::Number(number) => number.to_string(),
        Literal::Bool(known) => known.to_string(),
        Literal::Date(date) => format!("'{date}'"),
    }
}

#[cfg(test)]
mod tests {
    use ambit_core::value::Value;

    use super::*;

    #[test]
    fn names_are_quoted_where_they_would_be_read_otherwise() {
        for (name, written) in
            [("id", "id"), ("Mixed Case", "\"Mixed Case\""), ("select", "\"select\""), ("a\"b", "\"a\"\"b\"")]
        {
            assert_eq!(quoted(name), written);
        }
        assert_eq!(relation("public.orders"), "orders");
        assert_eq!(relation("audit.log"), "audit.log");
        assert_eq!(sql(&Literal::Text("it's".into())), "'it''s'");
        assert_eq!(literal(&Value::Bool(true)).as_ref().map(sql).as_deref(), Some("true"));
    }
}
