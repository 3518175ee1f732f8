//! One value of every kind that questions tell apart.

use std::collections::BTreeMap;

use ambit_core::catalog::{Shape, Type};
use ambit_core::check::Check;
use ambit_core::decimal::Decimal;
use ambit_core::policy::List;
use ambit_core::scope::{Ask, Literal, Predicate, Set};
use ambit_core::truth::Truth;
use ambit_core::value::Value;

use super::sample;

/// One value of each kind that these questions tell apart, of every type that the shape lets stand there. `None`: that
/// cannot be told.
pub(super) fn of(asks: &[Ask], shape: &Shape, lists: &BTreeMap<String, List>) -> Option<Vec<Value>> {
    if let Some(only) = &shape.only {
        return Some(only.clone());
    }
    let mut constants: Vec<&Literal> = Vec::new();
    let mut other: Option<&Ask> = None;
    for ask in asks {
        match (told_apart(ask), other) {
            (Some(more), _) => constants.extend(more),
            (None, None) => other = Some(ask),
            (None, Some(known)) if known == ask => {}
            (None, Some(_)) => return None,
        }
    }
    let may_be = |one: Type| shape.types.is_empty() || shape.types.contains(&one);
    let mut values = Vec::new();
    if may_be(Type::Text) {
        values.extend(match other {
            // A question about what a text says, beside others about which text it is: their answers hang together.
            Some(_) if constants.iter().any(|literal| matches!(literal, Literal::Text(_))) => return None,
            Some(ask) => answers(ask, lists)?,
            None => texts(&constants),
        });
    }
    if may_be(Type::Number) {
        let numbers = constants.iter().filter_map(|one| if let Literal::Number(n) = one { Some(*n) } else { None });
        values.extend(numbers_apart(numbers.collect())?.into_iter().map(Value::Number));
    }
    if may_be(Type::Bool) {
        values.extend([Value::Bool(true), Value::Bool(false)]);
    }
    if may_be(Type::List) || may_be(Type::Map) {
        values.extend([Value::List(Vec::new()), Value::Map(Vec::new())]);
    }
    Some(values)
}

/// The constants that a question tells values apart by; `None`: it tells more apart than that.
fn told_apart(ask: &Ask) -> Option<Vec<&Literal>> {
    let constants = match ask {
        Ask::Is(literal) | Ask::AtLeast(literal) | Ask::AtMost(literal) | Ask::Above(literal) | Ask::Below(literal) => {
            vec![literal]
        }
        Ask::In(Set::Values(literals)) => literals.iter().collect(),
        Ask::Given | Ask::True | Ask::False => Vec::new(),
        _ => return None,
    };
    // A date is told from a text that is none, and that in turn from another type.
    (!constants.iter().any(|literal| matches!(literal, Literal::Date(_)))).then_some(constants)
}

/// One text for each answer that the question can have about a text. `None`: one of them was not found.
fn answers(ask: &Ask, lists: &BTreeMap<String, List>) -> Option<Vec<Value>> {
    // Whether the question can be open about a text: whether the text is of the kind that is asked about.
    let may_be_open = match ask {
        Ask::StartsWith(_) | Ask::EndsWith(_) | Ask::Contains(_) => false,
        Ask::AddressAt(Set::Values(_) | Set::List(_)) | Ask::UrlAt(Set::Values(_) | Set::List(_)) => true,
        Ask::Under(Set::Values(_) | Set::List(_)) => true,
        _ => return None,
    };
    let check = Check::new(false, ask, lists).ok()?;
    let predicate = Predicate { negated: false, ask: ask.clone() };
    let samples = [true, false].into_iter().flat_map(|yes| sample::values(&predicate, yes, None));
    let samples = samples.chain(members(ask, lists)).chain(
        ["something else", "", "somewhere/else", "/somewhere/else", "file:///somewhere/else", "~/else"]
            .map(|text| Value::Text(text.to_owned())),
    );
    let mut found: Vec<(Truth, Value)> = Vec::new();
    for value in samples {
        let truth = check.of(Some(&value), None);
        if !found.iter().any(|(known, _)| *known == truth) {
            found.push((truth, value));
        }
    }
    let has = |truth| found.iter().any(|(known, _)| *known == truth);
    let all = has(Truth::Yes) && has(Truth::No) && (!may_be_open || has(Truth::Unknown));
    all.then(|| found.into_iter().map(|(_, value)| value).collect())
}

/// Something at, or under, a member of the list that is asked about.
fn members(ask: &Ask, lists: &BTreeMap<String, List>) -> Vec<Value> {
    let (Ask::AddressAt(Set::List(name)) | Ask::UrlAt(Set::List(name)) | Ask::Under(Set::List(name))) = ask else {
        return Vec::new();
    };
    let members = lists.get(name).map(|list| list.members.clone()).unwrap_or_default();
    let set = Set::Values(members);
    let ask = match ask {
        Ask::AddressAt(_) => Ask::AddressAt(set),
        Ask::UrlAt(_) => Ask::UrlAt(set),
        _ => Ask::Under(set),
    };
    sample::values(&Predicate { negated: false, ask }, true, None)
}

/// Each text, and one that is none of them.
fn texts(constants: &[&Literal]) -> Vec<Value> {
    let known =
        constants.iter().filter_map(|one| if let Literal::Text(text) = one { Some(text.clone()) } else { None });
    let mut texts: Vec<String> = known.collect();
    let mut other = "something else".to_owned();
    while texts.contains(&other) {
        other.push('x');
    }
    texts.push(other);
    texts.into_iter().map(Value::Text).collect()
}

/// Each number, one between each two that follow on one another, one below and one above all. `None`: two of them are too
/// close to find a number between.
fn numbers_apart(mut numbers: Vec<Decimal>) -> Option<Vec<Decimal>> {
    numbers.sort();
    numbers.dedup();
    let one = Decimal::from(1);
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return Some(vec![one]) };
    let mut apart = vec![first.checked_sub(one)?, last.checked_add(one)?];
    for (low, high) in numbers.iter().zip(numbers.iter().skip(1)) {
        let steps = ["1", "0.5", "0.01", "0.0001"].iter().filter_map(|step| Decimal::parse(step));
        apart.push(steps.filter_map(|step| low.checked_add(step)).find(|number| number < high)?);
    }
    apart.extend(&numbers);
    Some(apart)
}
