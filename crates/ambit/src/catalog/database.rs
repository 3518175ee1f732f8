//! A database of the lock, as those who read statements and those who write lines need it.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::catalog::{Shape, Type};
use ambit_effects::sql::database as read;
use ambit_effects::sql::database::Name;
use ambit_effects::sql::is_trusted_extension;

use crate::lock;
use crate::lock::database::{TypeKind, TypeMade, Volatility};
use crate::lock::relation::{Change, Column, Fires, Key, KeyAction, Relation, RelationKind, Trigger};

/// What statements about that system can reach. Of what was written by hand little is known: it has columns, and sets nothing
/// off.
#[must_use]
pub fn database(system: &lock::System) -> read::Database {
    let nothing = lock::Database { search_path: vec!["public".to_owned()], ..lock::Database::default() };
    let made = system.database.as_ref().unwrap_or(&nothing);
    let types = Types::of(&made.types);
    let relations = system.relations.iter().map(|(name, one)| (Name::parse(name), relation(one, &types))).collect();
    let functions = made.functions.iter().map(|function| read::Function {
        name: Name::parse(&function.name),
        arguments: function.arguments.clone(),
        definer: function.definer,
        immutable: function.volatility == Volatility::Immutable,
        language: function.language.clone(),
        extension: function.extension.clone(),
    });
    let casts = made.casts.iter().filter(|cast| cast.function.is_some() && !only_computes(cast.extension.as_deref()));
    let operators = made.operators.iter().filter(|operator| !only_computes(operator.extension.as_deref()));
    read::Database {
        search_path: made.search_path.clone(),
        relations,
        functions: functions.collect(),
        operators: operators.map(|operator| Name::parse(&operator.name).name).collect(),
        types: types.that_run().into_iter().map(Name::parse).collect(),
        casts: casts.map(|cast| (cast.from.clone(), cast.to.clone())).collect(),
    }
}

/// Whether all that is of that extension only computes.
fn only_computes(extension: Option<&str>) -> bool {
    extension.is_some_and(is_trusted_extension)
}

fn relation(one: &Relation, types: &Types<'_>) -> read::Relation {
    read::Relation {
        kind: match one.kind {
            RelationKind::Table => read::RelationKind::Table,
            RelationKind::View => read::RelationKind::View,
            RelationKind::MaterializedView => read::RelationKind::Materialized,
            RelationKind::ForeignTable => read::RelationKind::Foreign,
            RelationKind::Sequence => read::RelationKind::Sequence,
        },
        columns: one.columns.iter().map(|one| column(one, types)).collect(),
        parents: one.parents.iter().map(|parent| Name::parse(parent)).collect(),
        keys: one.keys.iter().map(key).collect(),
        triggers: one.triggers.iter().filter(|trigger| trigger.fires != Fires::Never).map(trigger).collect(),
        rules: !one.rules.is_empty(),
        view: one
            .definition
            .as_ref()
            .map(|definition| read::View { invoker: one.security_invoker, definition: definition.clone() }),
    }
}

fn column(column: &Column, types: &Types<'_>) -> read::Column {
    let own = column.default.as_ref().or(column.generated.as_ref());
    read::Column {
        name: column.name.clone(),
        type_name: column.type_name.clone(),
        default: own.map(String::as_str).or_else(|| types.default(&column.type_name)).map(str::to_owned),
    }
}

fn key(key: &Key) -> read::ForeignKey {
    let action = |action| match action {
        KeyAction::NoAction | KeyAction::Restrict => read::KeyAction::Nothing,
        KeyAction::Cascade => read::KeyAction::Cascade,
        KeyAction::SetNull => read::KeyAction::SetNull,
        KeyAction::SetDefault => read::KeyAction::SetDefault,
    };
    read::ForeignKey {
        columns: key.columns.clone(),
        references: Name::parse(&key.references),
        referenced: key.referenced.clone(),
        on_delete: action(key.on_delete),
        on_update: action(key.on_update),
    }
}

fn trigger(trigger: &Trigger) -> read::Trigger {
    let on = |change| trigger.on.contains(&change);
    read::Trigger {
        name: trigger.name.clone(),
        on_insert: on(Change::Insert),
        on_update: on(Change::Update),
        update_columns: trigger.columns.clone(),
        on_delete: on(Change::Delete),
        on_truncate: on(Change::Truncate),
        function: Name::parse(&trigger.function),
        definer: trigger.definer,
    }
}

/// The types that are not PostgreSQL's own, by the name that a column says.
pub(super) struct Types<'a>(BTreeMap<String, &'a TypeMade>);

/// Domains over domains are followed so far.
const DEEPEST: usize = 32;

impl<'a> Types<'a> {
    pub(super) fn of(made: &'a [TypeMade]) -> Types<'a> {
        Types(made.iter().map(|made| (written(&made.name), made)).collect())
    }

    /// What stands in a column of that type when neither it nor anybody says anything.
    fn default(&self, type_name: &str) -> Option<&'a str> {
        self.0.get(type_name).and_then(|made| made.default.as_deref())
    }

    /// Those whose values are made by functions that are not PostgreSQL's own, or are made of such.
    fn that_run(&self) -> BTreeSet<&'a str> {
        let mut run: BTreeSet<&str> = BTreeSet::new();
        loop {
            let before = run.len();
            for made in self.0.values() {
                let of = made.of.iter().chain(made.parts.iter().map(|part| &part.type_name));
                let runs =
                    |name: &String| self.0.get(element(name).0).is_some_and(|made| run.contains(made.name.as_str()));
                let own = made.runs_functions && !only_computes(made.extension.as_deref());
                if own || of.into_iter().any(runs) {
                    run.insert(&made.name);
                }
            }
            if run.len() == before {
                return run;
            }
        }
    }

    /// What may stand in a column; where its type does not say, anything.
    pub(super) fn shape(&self, column: &Column) -> Shape {
        let mut shape = self.shape_of(&column.type_name, DEEPEST);
        if !column.not_null && !shape.types.is_empty() {
            shape.types.insert(Type::Null);
        }
        shape
    }

    fn shape_of(&self, type_name: &str, deepest: usize) -> Shape {
        let (name, is_list) = element(type_name);
        if is_list {
            let mut items = self.shape_of(name, deepest);
            if !items.types.is_empty() {
                items.types.insert(Type::Null);
            }
            return Shape { types: [Type::List].into(), items: Some(Box::new(items)), ..Shape::default() };
        }
        let of = |types: &[Type]| Shape { types: types.iter().copied().collect(), ..Shape::default() };
        match self.0.get(name) {
            Some(made) => match (made.kind, &made.of) {
                (TypeKind::Domain, Some(narrowed)) if deepest > 0 => self.shape_of(narrowed, deepest - 1),
                (TypeKind::Enum, _) => of(&[Type::Text]),
                _ if made.extension.as_deref() == Some("citext") => of(&[Type::Text]),
                _ => Shape::default(),
            },
            None => word(name).map(|one| of(&[one])).unwrap_or_default(),
        }
    }
}

/// The name of a type as `format_type` writes it, out of its name in the lock: parts that are no plain words stand in quotes.
fn written(name: &str) -> String {
    let Name { schema, name } = Name::parse(name);
    let part = |part: &str| {
        let plain = part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if plain { part.to_owned() } else { format!("\"{}\"", part.replace('"', "\"\"")) }
    };
    format!("{}.{}", part(&schema), part(&name))
}

/// A type, and whether it is of lists of that.
fn element(type_name: &str) -> (&str, bool) {
    let bare = type_name.trim_end_matches("[]");
    (bare, bare.len() < type_name.len())
}

/// What a value of one of PostgreSQL's own types is to a line.
fn word(type_name: &str) -> Option<Type> {
    let mut name = type_name.to_ascii_lowercase();
    // A number of digits, or a length.
    if let (Some(from), Some(to)) = (name.find('('), name.find(')'))
        && from < to
    {
        name.replace_range(from..=to, "");
    }
    match name.trim() {
        "smallint" | "integer" | "bigint" | "int" | "int2" | "int4" | "int8" | "numeric" | "decimal" | "real"
        | "double precision" | "float4" | "float8" | "oid" => Some(Type::Number),
        "boolean" | "bool" => Some(Type::Bool),
        "text"
        | "character varying"
        | "varchar"
        | "character"
        | "char"
        | "bpchar"
        | "\"char\""
        | "name"
        | "uuid"
        | "date"
        | "timestamp"
        | "timestamptz"
        | "timestamp without time zone"
        | "timestamp with time zone"
        | "time"
        | "timetz"
        | "time without time zone"
        | "time with time zone"
        | "interval"
        | "inet"
        | "cidr"
        | "macaddr"
        | "macaddr8" => Some(Type::Text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str, kind: TypeKind, of: Option<&str>) -> TypeMade {
        TypeMade {
            name: name.to_owned(),
            kind,
            extension: None,
            of: of.map(str::to_owned),
            not_null: false,
            default: None,
            checks: Vec::new(),
            runs_functions: kind == TypeKind::Base,
            labels: Vec::new(),
            parts: Vec::new(),
        }
    }

    #[test]
    fn a_column_holds_what_its_type_says() {
        let all = [
            made("public.mood", TypeKind::Enum, None),
            made("public.code", TypeKind::Domain, Some("public.\"Small Text\"")),
            made("public.Small Text", TypeKind::Domain, Some("character varying(3)")),
            made("public.odd", TypeKind::Base, None),
            made("public.spin", TypeKind::Domain, Some("public.spin")),
        ];
        let types = Types::of(&all);
        let said = |type_name: &str, not_null| {
            let column = Column { type_name: type_name.into(), not_null, ..Column::default() };
            let shape = types.shape(&column);
            let items = shape.items.map(|items| items.types.into_iter().collect::<Vec<_>>());
            (shape.types.into_iter().collect::<Vec<_>>(), items)
        };
        use Type::{Bool, List, Null, Number, Text};
        assert_eq!(said("numeric(12,2)", true), (vec![Number], None));
        assert_eq!(said("timestamp(3) with time zone", false), (vec![Null, Text], None));
        assert_eq!(said("boolean", false), (vec![Null, Bool], None));
        assert_eq!(said("jsonb", true), (vec![], None));
        assert_eq!(said("integer[]", true), (vec![List], Some(vec![Null, Number])));
        assert_eq!(said("public.mood", true), (vec![Text], None));
        assert_eq!(said("public.code[]", true), (vec![List], Some(vec![Null, Text])));
        for unsaid in ["public.odd", "public.spin", "public.unknown", "", "()", ")(", "tsvector"] {
            assert_eq!(said(unsaid, false), (vec![], None), "{unsaid}");
        }
    }

    #[test]
    fn a_type_runs_what_it_is_made_of() {
        let mut row = made("public.row", TypeKind::Row, None);
        row.parts.push(lock::database::Part { name: "x".into(), type_name: "public.narrow[]".into() });
        let all = [
            row,
            made("public.narrow", TypeKind::Domain, Some("public.\"Odd.One\"")),
            made("public.Odd.One", TypeKind::Base, None),
            made("public.mood", TypeKind::Enum, None),
        ];
        let run: Vec<&str> = Types::of(&all).that_run().into_iter().collect();
        assert_eq!(run, ["public.Odd.One", "public.narrow", "public.row"]);
    }
}
