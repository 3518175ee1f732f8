//! What a statement proves of the rows that it is about: a conjunct `column = constant` of its WHERE, and the values of a row that
//! it gives. Nothing else is proved: what is not of that form is not known.

use std::collections::BTreeMap;

use ambit_core::decimal::Decimal;
use ambit_core::value::Value;
use pg_raw_parse::const_val::ConstValue;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{A_Expr, ColumnRef, TypeCast};
use pg_raw_parse::{Node, raw};

use super::asked::{Bound, Parameter};
use super::names::{Env, Marks};
use super::reader::{Reader, parts};

/// A constant as it was written or bound.
enum Constant {
    Null,
    Bool(bool),
    /// Digits.
    Number(String),
    /// Text that the database makes a value of the column's type of.
    Text(String),
}

impl Parameter {
    /// The value in words for a person, not escaped: text between double quotes, digits as they are. `None`: it came in a
    /// form that is not read here.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        bound(self.type_number, &self.value).map(|constant| match constant {
            Constant::Null => "NULL".to_owned(),
            Constant::Bool(known) => known.to_string(),
            Constant::Number(digits) => digits,
            Constant::Text(text) => format!("\"{text}\""),
        })
    }
}

impl Reader<'_> {
    /// Learns what the condition of a query and what its joins are on prove of the rows of the instances that stand in it.
    pub(super) fn learn_from(&mut self, condition: Node<'_>, from: &NodeList, env: &Env) {
        // Where a row may be missing (an outer join), that a column is null says nothing of those that are there.
        self.learn(condition, env, !from.iter().any(is_outer));
        // What a join is on sees its own two sides and what is around the query, not what stands beside it.
        let has_outer = env.scope.as_ref().is_some_and(|scope| scope.outer.is_some());
        if from.len() == 1 || !has_outer {
            self.learn_joins(from, env);
        }
    }

    /// Learns what a condition proves; `nulls`: also that a column is null.
    fn learn(&mut self, condition: Node<'_>, env: &Env, nulls: bool) {
        match condition {
            Node::BoolExpr(terms) if terms.boolop == raw::BoolExprType::AND_EXPR => {
                terms.args().iter().for_each(|term| self.learn(term, env, nulls));
            }
            Node::A_Expr(comparison) => self.learn_equal(comparison, env),
            Node::NullTest(test) if nulls && test.nulltesttype == raw::NullTestType::IS_NULL => {
                if let Node::ColumnRef(column) = test.arg() {
                    self.note(column, &Constant::Null, env);
                }
            }
            _ => {}
        }
    }

    /// The same of what inner joins are on: rows for which it does not hold are not among the rows that are read.
    fn learn_joins(&mut self, from: &NodeList, env: &Env) {
        for item in from {
            if let Node::JoinExpr(join) = item
                && join.jointype == raw::JoinType::JOIN_INNER
                && join.alias().is_none()
            {
                self.learn(join.quals(), env, false);
            }
        }
    }

    fn learn_equal(&mut self, comparison: &A_Expr, env: &Env) {
        let is_equals = comparison.kind == raw::A_Expr_Kind::AEXPR_OP
            && matches!(parts(comparison.name()).as_slice(), [Some("=")])
            && !self.database.operators.contains("=");
        if !is_equals {
            return;
        }
        let (column, constant) = match (comparison.lexpr(), comparison.rexpr()) {
            (Node::ColumnRef(column), other) | (other, Node::ColumnRef(column)) => (column, other),
            _ => return,
        };
        // `= null` is never true, which proves nothing worth knowing.
        if let Some(constant) = self.constant(constant).filter(|constant| !matches!(constant, Constant::Null)) {
            self.note(column, &constant, env);
        }
    }

    fn note(&mut self, column: &ColumnRef, constant: &Constant, env: &Env) {
        for (instance, field) in self.only_here(column, env) {
            let Some(value) = self.value_of(instance, field, constant) else { continue };
            let Some(instance) = self.touched.instances.get_mut(instance) else { continue };
            // Two that differ leave no row; then it does not matter which is told.
            instance.facts.entry(field).or_insert(value);
        }
    }

    /// The column of the query's own ranges that is meant, where that is certain.
    fn only_here(&self, column: &ColumnRef, env: &Env) -> Marks {
        let Some(scope) = &env.scope else { return Marks::new() };
        let parts = parts(column.fields());
        let (range, name) = match parts.as_slice() {
            [Some(name)] => (None, *name),
            [Some(range), Some(name)] => (Some(*range), *name),
            _ => return Marks::new(),
        };
        let mut found = scope
            .ranges
            .iter()
            .filter(|visible| match range {
                Some(range) => visible.by_name && visible.range.name == range,
                None => visible.columns,
            })
            .flat_map(|visible| visible.range.columns.iter().filter(|column| column.name == name));
        match (found.next(), found.next()) {
            (Some(column), None) if !column.maybe => column.marks.clone(),
            _ => Marks::new(),
        }
    }

    /// What is known of a row that stores those values in those columns: where a column's type has a length or a scale, what is
    /// stored may be cut or rounded.
    pub(super) fn stored_facts(&self, instance: usize, given: &[(Option<usize>, Node<'_>)]) -> BTreeMap<usize, Value> {
        let mut facts = self.row_facts(instance, given);
        facts.retain(|field, value| self.is_kept(instance, *field, value));
        facts
    }

    fn is_kept(&self, instance: usize, field: usize, value: &Value) -> bool {
        let column = self.touched.instances.get(instance).and_then(|instance| {
            let name = self.catalog.resource(instance.resource)?.fields.get(field)?.name.as_str();
            instance.relation.columns.iter().find(|column| column.name == name)
        });
        let Some((_, modifier)) = column.and_then(|column| column.type_name.split_once('(')) else { return true };
        match value {
            Value::Text(text) => !text.ends_with(' '),
            Value::Number(number) => {
                let modifier = modifier.trim_end_matches(')');
                let scale = modifier.split_once(',').map_or("0", |(_, scale)| scale.trim());
                let written = number.to_string();
                let digits = written.split_once('.').map_or(0, |(_, fraction)| fraction.len());
                scale.parse::<usize>().is_ok_and(|scale| digits <= scale)
            }
            _ => true,
        }
    }

    /// What is known of a row that gives those values to those columns.
    fn row_facts(&self, instance: usize, given: &[(Option<usize>, Node<'_>)]) -> BTreeMap<usize, Value> {
        let known = given.iter().filter_map(|(field, value)| {
            let field = (*field)?;
            Some((field, self.value_of(instance, field, &self.constant(*value)?)?))
        });
        known.collect()
    }

    /// The constant that an expression is; `None`: it is none, or not one that is read here.
    fn constant(&self, node: Node<'_>) -> Option<Constant> {
        match node {
            Node::A_Const(constant) if constant.isnull => Some(Constant::Null),
            Node::A_Const(constant) => match constant.val()? {
                ConstValue::Integer(number) => Some(Constant::Number(number.to_string())),
                ConstValue::Float(digits) => Some(Constant::Number(digits.to_owned())),
                ConstValue::Boolean(known) => Some(Constant::Bool(known)),
                ConstValue::String(text) => Some(Constant::Text(text.to_owned())),
                _ => None,
            },
            Node::ParamRef(parameter) => {
                let at = usize::try_from(parameter.number).ok()?.checked_sub(1)?;
                let parameter = self.parameters.get(at)?;
                bound(parameter.type_number, &parameter.value)
            }
            Node::TypeCast(cast) if is_plain(cast) => match cast.arg() {
                Node::TypeCast(_) => None,
                inner => self.constant(inner),
            },
            _ => None,
        }
    }

    /// The value of a column of that type.
    fn value_of(&self, instance: usize, field: usize, constant: &Constant) -> Option<Value> {
        let instance = self.touched.instances.get(instance)?;
        let name = self.catalog.resource(instance.resource)?.fields.get(field)?.name.as_str();
        let column = instance.relation.columns.iter().find(|column| column.name == name)?;
        let kind = column.type_name.split('(').next().unwrap_or_default().trim();
        match (kind, constant) {
            (_, Constant::Null) => Some(Value::Null),
            ("smallint" | "integer" | "bigint", Constant::Number(digits) | Constant::Text(digits)) => {
                Decimal::parse(digits.trim()).filter(|number| number.is_integer()).map(Value::Number)
            }
            ("numeric", Constant::Number(digits) | Constant::Text(digits)) => {
                Decimal::parse(digits.trim()).map(Value::Number)
            }
            ("text" | "character varying", Constant::Text(text)) => Some(Value::Text(text.clone())),
            ("uuid", Constant::Text(text)) => uuid(text).map(Value::Text),
            ("date", Constant::Text(text)) => is_day(text).then(|| Value::Text(text.clone())),
            ("boolean", Constant::Bool(known)) => Some(Value::Bool(*known)),
            ("boolean", Constant::Text(text)) => match text.as_str() {
                "true" | "t" => Some(Value::Bool(true)),
                "false" | "f" => Some(Value::Bool(false)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Whether it may give rows where one side is missing.
fn is_outer(item: Node<'_>) -> bool {
    // It was read before, and is no deeper than what may be read.
    match item {
        Node::JoinExpr(join) => {
            join.jointype != raw::JoinType::JOIN_INNER || is_outer(join.larg()) || is_outer(join.rarg())
        }
        _ => false,
    }
}

/// A cast that changes nothing of a value of the column's own type.
fn is_plain(cast: &TypeCast) -> bool {
    let Some(to) = cast.type_name() else { return false };
    let names: Vec<&str> = to.names().iter().filter_map(|name| name.sval()).collect();
    to.typmods().is_empty()
        && to.array_bounds().is_empty()
        && matches!(
            names.as_slice(),
            ["text" | "uuid" | "date"] | ["pg_catalog", "int2" | "int4" | "int8" | "numeric" | "varchar" | "bool"]
        )
}

/// A value that is bound, by the number of its type.
fn bound(type_number: u32, value: &Bound) -> Option<Constant> {
    const BOOL: u32 = 16;
    const INT8: u32 = 20;
    const INT2: u32 = 21;
    const INT4: u32 = 23;
    const TEXT: u32 = 25;
    const VARCHAR: u32 = 1043;
    const UNKNOWN: u32 = 705;
    const DATE: u32 = 1082;
    const NUMERIC: u32 = 1700;
    const UUID: u32 = 2950;
    match value {
        Bound::Null => Some(Constant::Null),
        // Of another type, what is compared is not what is written: a `char(3)` is padded, a `float8` is rounded.
        Bound::Text(text) => {
            matches!(type_number, 0 | BOOL | INT8 | INT2 | INT4 | TEXT | UNKNOWN | VARCHAR | DATE | NUMERIC | UUID)
                .then(|| Constant::Text(text.clone()))
        }
        Bound::Binary(bytes) => match (type_number, bytes.as_slice()) {
            (BOOL, [0]) => Some(Constant::Bool(false)),
            (BOOL, [1]) => Some(Constant::Bool(true)),
            (INT2, bytes) => Some(Constant::Number(i16::from_be_bytes(bytes.try_into().ok()?).to_string())),
            (INT4, bytes) => Some(Constant::Number(i32::from_be_bytes(bytes.try_into().ok()?).to_string())),
            (INT8, bytes) => Some(Constant::Number(i64::from_be_bytes(bytes.try_into().ok()?).to_string())),
            (TEXT | VARCHAR, bytes) => Some(Constant::Text(std::str::from_utf8(bytes).ok()?.to_owned())),
            (UUID, bytes) => {
                let number = u128::from_be_bytes(bytes.try_into().ok()?);
                let digits = format!("{number:032x}");
                let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
                let text = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-");
                Some(Constant::Text(text))
            }
            _ => None,
        },
    }
}

/// A UUID in its usual form, in lower case.
fn uuid(text: &str) -> Option<String> {
    let lengths = text.split('-').map(str::len);
    let fits = lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    fits.then(|| text.to_ascii_lowercase())
}

/// A day as `YYYY-MM-DD`, which every `DateStyle` reads alike.
fn is_day(text: &str) -> bool {
    ambit_core::time::Date::parse(text).is_some()
}
