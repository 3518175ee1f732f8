//! Tree to canonical text: what `parse` gave for a sound document, printed, is read as the same tree.
//!
//! Words that a renderer would show differently stand in code spans; everything else stands bare.

mod canonical;
mod document;
mod marks;
mod table;

pub use canonical::{NotKept, canonical};
pub use document::print;
pub use table::print_table;

use marks::{code, is_bare_name, is_bare_step, quote, shown};

use super::parse::{RESERVED, characters, clause};
use super::{
    Ask, Counted, Duration, DurationUnit, Fields, Limit, Line, Literal, Path, Predicate, Set, Target, Tasks, Test, Who,
    Window,
};
use crate::effect::Verb;

/// One bullet without its dash, as canonical Markdown.
#[must_use]
pub fn print_line(line: &Line) -> String {
    let mut out = String::new();
    if !line.verbs.is_empty() {
        out.push_str(&joined(&line.verbs, " or ", |verb: &Verb| verb.word().to_owned()));
        out.push(' ');
    }
    out.push_str(&joined(&line.targets, " or ", print_target));
    if let Some(fields) = &line.fields {
        out.push_str(&format!(" {}", print_fields(fields)));
    }
    if !line.tests.is_empty() {
        out.push_str(" where ");
        out.push_str(&joined(&line.tests, " and ", print_test));
    }
    for limit in &line.limits {
        out.push_str(&format!(", {}", print_limit(limit)));
    }
    if let Some(tasks) = &line.tasks {
        out.push_str(&format!(", {}", print_tasks(tasks)));
    }
    if line.otherwise_human {
        out.push_str(", otherwise a human");
    }
    if let Some(who) = &line.by {
        out.push_str(&format!(", {}", print_who(who)));
    }
    if let Some(within) = line.within {
        out.push_str(&format!(", within {}", print_duration(within)));
    }
    if let Some(until) = line.until {
        out.push_str(&format!(", until {until}"));
    }
    if let Some(because) = &line.because {
        out.push_str(&format!(", because {}", print_because(because)));
    }
    out
}

/// A target: `crm.customers`, `anything tagged backup`.
#[must_use]
pub fn print_target(target: &Target) -> String {
    match target {
        Target::Named { system, name } => {
            let step = |text: &str| if is_bare_step(text) { text.to_owned() } else { quote(text) };
            let rest = if is_bare_name(name) { name.clone() } else { quote(name) };
            code(format!("{}.{rest}", step(system)))
        }
        Target::EveryReadingTool(system) => format!("every reading tool in {}", print_name(system)),
        Target::AnythingIn(system) => format!("anything in {}", print_name(system)),
        Target::Tagged(tag) => format!("anything tagged {}", print_name(tag)),
        Target::Anything => String::from("anything"),
    }
}

/// A list of fields: `(id, name)`, `(all but ssn)`.
#[must_use]
pub fn print_fields(fields: &Fields) -> String {
    let field = |name: &String| {
        let first_of_all_but = name == "all";
        code(if is_bare_step(name) && !first_of_all_but { name.clone() } else { quote(name) })
    };
    match fields {
        Fields::Only(names) => format!("({})", joined(names, ", ", field)),
        Fields::AllBut(names) => format!("(all but {})", joined(names, ", ", field)),
    }
}

/// A test: `amount is above 0`, its alternatives joined by `or` without the path again.
#[must_use]
pub fn print_test(test: &Test) -> String {
    format!("{} {}", print_path(&test.path), joined(&test.any, " or ", print_predicate))
}

/// A path: `items[].amount`.
#[must_use]
pub fn print_path(path: &Path) -> String {
    let alone = path.steps.len() == 1;
    let step = |step: &super::Step| {
        let word = alone && !step.each && RESERVED.contains(&step.name.as_str());
        let name = if is_bare_step(&step.name) && !word { step.name.clone() } else { quote(&step.name) };
        if step.each { format!("{name}[]") } else { name }
    };
    code(joined(&path.steps, ".", step))
}

/// A predicate: `is not one of ("EUR", "USD")`.
#[must_use]
pub fn print_predicate(predicate: &Predicate) -> String {
    let of_text = |word: &str, negated: &str, text: &str| {
        let word = if predicate.negated { negated } else { word };
        format!("{word} {}", code(quote(text)))
    };
    let is = if predicate.negated { "is not" } else { "is" };
    match &predicate.ask {
        Ask::Is(value) => format!("{is} {}", print_value(value)),
        Ask::In(Set::Values(values)) => format!("{is} one of ({})", joined(values, ", ", print_value)),
        Ask::In(set) => format!("{is} in {}", print_set(set)),
        Ask::QuotedInRequest => format!("{is} quoted in the request"),
        Ask::TaskFact(fact) => format!("{is} the task's {}", print_name(fact)),
        Ask::AtLeast(value) => format!("{is} at least {}", print_value(value)),
        Ask::AtMost(value) => format!("{is} at most {}", print_value(value)),
        Ask::Above(value) => format!("{is} above {}", print_value(value)),
        Ask::Below(value) => format!("{is} below {}", print_value(value)),
        Ask::StartsWith(text) => of_text("starts with", "does not start with", text),
        Ask::EndsWith(text) => of_text("ends with", "does not end with", text),
        Ask::Contains(text) => of_text("contains", "does not contain", text),
        Ask::Matches(text) => of_text("matches", "does not match", text),
        Ask::AddressAt(set) => format!("{is} an address at {}", print_set(set)),
        Ask::UrlAt(set) => format!("{is} a URL at {}", print_set(set)),
        Ask::Under(set) => format!("{is} under {}", print_set(set)),
        Ask::Given => format!("{is} given"),
        Ask::True => format!("{is} true"),
        Ask::False => format!("{is} false"),
    }
}

/// A set: one value, values in parentheses, the name of a list, or `the request`.
#[must_use]
pub fn print_set(set: &Set) -> String {
    match set {
        Set::Values(values) => match values.as_slice() {
            [value] => print_value(value),
            _ => format!("({})", joined(values, ", ", print_value)),
        },
        Set::List(name) => code(name.clone()),
        Set::Request => String::from("the request"),
    }
}

/// A value: `"EUR"`, `200`, `2026-12-31`, `true`.
#[must_use]
pub fn print_value(value: &Literal) -> String {
    match value {
        Literal::Text(text) => code(quote(text)),
        Literal::Number(number) => number.to_string(),
        Literal::Date(date) => date.to_string(),
        Literal::Bool(value) => value.to_string(),
    }
}

/// A limit: `at most 20 rows per hour`.
#[must_use]
pub fn print_limit(limit: &Limit) -> String {
    let of = match &limit.of {
        Counted::Rows => String::from("rows"),
        Counted::Times => String::from("times"),
        Counted::Sum(path) => format!("of {}", print_path(path)),
    };
    let per = match limit.per {
        Window::AtOnce => "at once",
        Window::Minute => "per minute",
        Window::Hour => "per hour",
        Window::Day => "per day",
        Window::Task => "per task",
    };
    format!("at most {} {of} {per}", limit.most)
}

/// Tasks: `for refund or return`, `for any task but audit`.
#[must_use]
pub fn print_tasks(tasks: &Tasks) -> String {
    let task = |name: &String| print_name(name);
    match tasks {
        Tasks::Only(names) => format!("for {}", joined(names, " or ", task)),
        Tasks::AnyBut(names) => format!("for any task but {}", joined(names, " or ", task)),
    }
}

/// People: `by support-lead`, `by two of finance`, `by someone else`.
#[must_use]
pub fn print_who(who: &Who) -> String {
    match who {
        Who::Named(name) => format!("by {}", print_name(name)),
        Who::TwoOf(role) => format!("by two of {}", print_name(role)),
        Who::SomeoneElse => String::from("by someone else"),
    }
}

/// A span of time: `30 minutes`, `1 hour`.
#[must_use]
pub fn print_duration(duration: Duration) -> String {
    let unit = match duration.unit {
        DurationUnit::Second => "second",
        DurationUnit::Minute => "minute",
        DurationUnit::Hour => "hour",
        DurationUnit::Day => "day",
    };
    let plural = if duration.count == 1 { "" } else { "s" };
    format!("{} {unit}{plural}", duration.count)
}

/// A name of a system, tag, task, role, person or fact, quoted where it must be.
#[must_use]
pub fn print_name(name: &str) -> String {
    let bare = is_bare_name(name) && !RESERVED.contains(&name);
    code(if bare { name.to_owned() } else { quote(name) })
}

fn print_because(reason: &str) -> String {
    let bare = !reason.is_empty()
        && !reason.starts_with('"')
        && reason.trim_matches(' ') == reason
        && clause::clause_in(reason).is_none()
        && characters::is_plain(reason);
    shown(&if bare { reason.to_owned() } else { quote(reason) })
}

fn joined<T>(items: &[T], between: &str, print: impl Fn(&T) -> String) -> String {
    items.iter().map(print).collect::<Vec<_>>().join(between)
}
