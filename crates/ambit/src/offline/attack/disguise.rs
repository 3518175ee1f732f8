//! The same call in other bytes: whatever a server would make of it, it must come out as strict as the call itself.

use ambit_core::catalog::ResourceKind;
use ambit_core::decision::Verdict;
use ambit_core::scope::Ask;
use ambit_core::value::Value;
use ambit_effects::attempt::Attempt;
use ambit_effects::json;

use super::base::Base;
use super::{Plan, Target, pose};
use crate::offline::test::sample::with_member;

pub(super) fn plans(target: &Target<'_>, base: &Base) -> Vec<Plan> {
    let mut plans = twice(base);
    // Nothing is weaker than what is allowed.
    if base.verdict > Verdict::Allow {
        plans.extend(names(target, base));
        plans.extend(twins(base));
        plans.extend(encodings(base));
        plans.extend(oversized(base));
        plans.extend(paths(target, base));
    }
    plans
}

fn plan(kind: &'static str, done: impl Into<String>, attempt: Attempt, at_least: Verdict) -> Plan {
    Plan { kind, done: done.into(), attempt, at_least }
}

fn names(target: &Target<'_>, base: &Base) -> Vec<Plan> {
    let catalog = target.policy.catalog();
    let known = |name: &str| catalog.system_named(&base.system).and_then(|system| catalog.resource_named(system, name));
    let is_tool = |id| catalog.resource(id).is_some_and(|resource| resource.kind == ResourceKind::Tool);
    if !known(&base.name).is_some_and(is_tool) {
        return Vec::new();
    }
    let name = &base.name;
    let spelt = [
        ("in capitals", name.to_uppercase()),
        ("with a space behind it", format!("{name} ")),
        ("with a line feed behind it", format!("{name}\n")),
        ("with a character in it that nobody sees", pose::unseen(name)),
        ("with letters that look like its own", pose::look_alike(name)),
        ("with letters of full width", pose::full_width(name)),
        ("with a zero behind it", format!("{name}\0")),
        ("with its system before it", format!("{}.{name}", base.system)),
        ("with its system before it, as agents see it", format!("{}__{name}", base.system)),
        ("percent-encoded", name.replace('_', "%5F")),
    ];
    spelt
        .into_iter()
        // Where something else is called so, it is another tool and no disguise.
        .filter(|(_, spelt)| spelt != name && known(spelt).is_none())
        .map(|(how, name)| {
            let (system, arguments) = (base.system.clone(), json::write(&base.arguments));
            plan("name", format!("write the tool {how}"), Attempt::Call { system, name, arguments }, base.verdict)
        })
        .collect()
}

/// Readers differ in which of two they take, so that neither may be decided over.
fn twice(base: &Base) -> Vec<Plan> {
    let all = json::write(&base.arguments);
    let Some(inside) = all.strip_prefix('{').and_then(|all| all.strip_suffix('}')) else { return Vec::new() };
    let mut plans = Vec::new();
    for (key, value) in base.arguments.members() {
        let key_text = json::write(&Value::Text(key.clone()));
        let other = json::write(&tame(value));
        let bytes = [
            ("first a tame one", format!("{{{key_text}:{other},{inside}}}")),
            ("last a tame one", format!("{{{inside},{key_text}:{other}}}")),
            ("last a tame one, its key in escapes", format!("{{{inside},{}:{other}}}", escaped(key))),
        ];
        plans.extend(bytes.into_iter().map(|(how, bytes)| {
            plan("duplicate-key", format!("give `{key}` twice, {how}"), base.raw(bytes), Verdict::Refuse)
        }));
    }
    plans
}

/// A value that nobody would mind.
fn tame(value: &Value) -> Value {
    match value {
        Value::Number(_) => Value::Number(1.into()),
        Value::Bool(_) => Value::Bool(false),
        Value::Text(_) => Value::Text("x".to_owned()),
        other => other.clone(),
    }
}

/// The argument itself stands under its name in another case, and a tame one under its name.
fn twins(base: &Base) -> Vec<Plan> {
    let members = base.arguments.members().iter();
    members
        .filter_map(|(key, value)| {
            let twin = capital(key);
            (twin != *key && base.arguments.get(&twin).is_none()).then(|| {
                let tamed = with_member(base.arguments.clone(), key, tame(value));
                let both = with_member(tamed, &twin, value.clone());
                plan("case-twin", format!("give `{twin}` beside a tame `{key}`"), base.with(&both), base.verdict)
            })
        })
        .collect()
}

fn capital(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A way to write arguments down.
type Write = fn(&Value) -> String;

fn encodings(base: &Base) -> Vec<Plan> {
    let written = |write: Write| base.raw(write(&base.arguments));
    let forms: [(&str, Write); 4] = [
        ("write every text and key in escapes", |value| rewritten(value, &escaped, &|number| number)),
        ("write every number with an exponent", |value| rewritten(value, &plain, &|number| format!("{number}e0"))),
        ("write every number with zeros behind it", |value| rewritten(value, &plain, &zeros)),
        ("write every number as text", |value| rewritten(value, &plain, &|number| format!("\"{number}\""))),
    ];
    let same = json::write(&base.arguments);
    let mut plans: Vec<Plan> = forms
        .into_iter()
        .map(|(how, write)| plan("encoding", how, written(write), base.verdict))
        .filter(|plan| !matches!(&plan.attempt, Attempt::Call { arguments, .. } if *arguments == same))
        .collect();
    plans.push(plan(
        "encoding",
        "put white space around everything",
        base.raw(format!("\n\t {same} \r\n")),
        base.verdict,
    ));
    plans.push(plan("encoding", "give the arguments as text", base.raw(plain(&same)), Verdict::Refuse));
    plans.push(plan("encoding", "give the arguments in a list", base.raw(format!("[{same}]")), Verdict::Refuse));
    plans.push(plan(
        "encoding",
        "put a byte order mark before them",
        base.raw(format!("\u{feff}{same}")),
        base.verdict,
    ));
    plans
}

fn plain(text: &str) -> String {
    json::write(&Value::Text(text.to_owned()))
}

fn escaped(text: &str) -> String {
    let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    format!("\"{units}\"")
}

fn zeros(number: String) -> String {
    if number.contains('.') { format!("{number}000") } else { format!("{number}.000") }
}

/// JSON with texts and numbers written as they are told.
fn rewritten(value: &Value, text: &dyn Fn(&str) -> String, number: &dyn Fn(String) -> String) -> String {
    match value {
        Value::Text(known) => text(known),
        Value::Number(known) => number(known.to_string()),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| rewritten(item, text, number)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Map(members) => {
            let members =
                members.iter().map(|(key, value)| format!("{}:{}", text(key), rewritten(value, text, number)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Null | Value::Unknown | Value::Bool(_) => json::write(value),
    }
}

fn oversized(base: &Base) -> Vec<Plan> {
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let beside = [
        ("put a megabyte beside them", format!("\"{}\"", "x".repeat(1 << 20))),
        ("put a hundred levels beside them", deep),
    ];
    let all = json::write(&base.arguments);
    let Some(inside) = all.strip_suffix('}') else { return Vec::new() };
    let comma = if base.arguments.members().is_empty() { "" } else { "," };
    beside
        .into_iter()
        .map(|(how, more)| plan("oversized", how, base.raw(format!("{inside}{comma}\"zzz\":{more}}}")), base.verdict))
        .collect()
}

/// The same file by other spellings of its path.
fn paths(target: &Target<'_>, base: &Base) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (path, value) in pose::tested(target, base, |ask| matches!(ask, Ask::Under(_))) {
        let Some((before, after)) = value.rsplit_once('/').filter(|(before, _)| !before.is_empty()) else { continue };
        let spelt = [
            ("with `.` in it", format!("{before}/./{after}")),
            ("with a slash twice", format!("{before}//{after}")),
            ("in and out of a directory", format!("{before}/zzz/../{after}")),
        ];
        for (how, spelt) in spelt {
            let call = pose::set(base, &path, &spelt);
            plans.push(plan("path", format!("write the path {how}"), base.with(&call), base.verdict));
        }
    }
    plans
}
