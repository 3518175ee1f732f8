//! Tree to canonical text: what `parse` gave for a sound document, printed, is read as the same tree.
//!
//! Words that a renderer would show differently stand in code spans; everything else stands bare.

use super::parse::RESERVED;
use super::parse::cursor;
use super::parse::{characters, clause, inline};
use super::{
    Ask, Counted, Document, Duration, DurationUnit, Fields, Limit, Line, Literal, Outside, Path, Place, Predicate,
    Scenario, Section, Set, Target, Tasks, Test, Who, Window,
};
use crate::effect::Verb;

/// The whole document. Commentary keeps its place; bullets and paragraphs are not wrapped.
#[must_use]
pub fn print(document: &Document) -> String {
    let mut out = front(document);
    out.push_str(&format!("\n# {}\n", shown(&document.title)));
    let paragraphs: Vec<&str> = document.purpose.split("\n\n").filter(|paragraph| !paragraph.is_empty()).collect();
    for count in 0..=paragraphs.len() {
        remarks(&mut out, document, Place::Purpose, count);
        if let Some(paragraph) = paragraphs.get(count) {
            out.push_str(&format!("\n{paragraph}\n"));
        }
    }
    for section in Section::ALL {
        section_lines(&mut out, document, section);
    }
    let has_remarks = document.commentary.iter().any(|remark| remark.place == Place::Scenarios);
    if !document.scenarios.is_empty() || has_remarks {
        out.push_str("\n## Scenarios\n");
        scenarios(&mut out, document);
    }
    if let Some(notes) = &document.notes {
        out.push_str(&format!("\n## Notes\n\n{notes}\n"));
    }
    out
}

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

fn is_bare_name(text: &str) -> bool {
    cursor::is_bare_name(text) && characters::is_plain(text)
}

fn is_bare_step(text: &str) -> bool {
    cursor::is_bare_step(text) && characters::is_plain(text)
}

fn print_because(reason: &str) -> String {
    let bare = !reason.is_empty()
        && !reason.starts_with('"')
        && reason.trim_matches(' ') == reason
        && clause::clause_in(reason).is_none()
        && characters::is_plain(reason);
    shown(&if bare { reason.to_owned() } else { quote(reason) })
}

/// A text in double quotes: `""` for a quote, `\u{…}` for what cannot stand in a document.
fn quote(text: &str) -> String {
    let odd = !characters::is_plain(text);
    let mut out = String::from("\"");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => out.push_str("\"\""),
            '\\' if rest.peek() == Some(&'u') && rest.clone().nth(1) == Some('{') => out.push_str("\\u{5c}"),
            ' '..='~' => out.push(c),
            _ if odd => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Text in a code span if a renderer would show it differently outside one, or together with the like of it.
fn code(text: String) -> String {
    let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    let mut before = None;
    let mut characters = text.chars().peekable();
    let mut risky = false;
    while let Some(c) = characters.next() {
        risky |= match c {
            '*' | '~' | '$' | '&' | '<' => true,
            '_' => edge(before) || edge(characters.peek().copied()),
            _ => false,
        };
        before = Some(c);
    }
    if risky || !inline::shows_as_written(&text) { code_span(&text) } else { text }
}

/// Text as it is shown: in a code span only where it must be.
fn shown(text: &str) -> String {
    // A heading may not end in hashes.
    if !text.ends_with('#') && inline::shows_as_written(text) { text.to_owned() } else { code_span(text) }
}

fn code_span(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let marks = "`".repeat(longest + 1);
    let pad = text.starts_with('`') || text.ends_with('`') || (text.starts_with(' ') && text.ends_with(' '));
    let pad = if pad && !text.trim_matches(' ').is_empty() { " " } else { "" };
    format!("{marks}{pad}{text}{pad}{marks}")
}

fn joined<T>(items: &[T], between: &str, print: impl Fn(&T) -> String) -> String {
    items.iter().map(print).collect::<Vec<_>>().join(between)
}

fn front(document: &Document) -> String {
    let front = &document.front;
    let mut out = format!("---\nagent: {}\nowner: {}\n", front.agent, front.owner);
    if let Some(person) = &front.backup_owner {
        out.push_str(&format!("backup-owner: {person}\n"));
    }
    if let Some(workflow) = &front.workflow {
        out.push_str(&format!("workflow: {workflow}\n"));
    }
    if let Some(date) = front.review_by {
        out.push_str(&format!("review-by: {date}\n"));
    }
    if front.outside == Outside::Refuse {
        out.push_str("outside: refuse\n");
    }
    out.push_str("---\n");
    out
}

fn remarks(out: &mut String, document: &Document, place: Place, after: usize) -> bool {
    let mut any = false;
    for remark in document.commentary.iter().filter(|remark| remark.place == place && remark.after == after) {
        out.push('\n');
        for line in remark.text.split('\n') {
            out.push_str(if line.is_empty() { ">" } else { "> " });
            out.push_str(line);
            out.push('\n');
        }
        any = true;
    }
    any
}

fn section_lines(out: &mut String, document: &Document, section: Section) {
    out.push_str(&format!("\n## {}\n", section.title()));
    let lines: Vec<&Line> = document.lines.iter().filter(|line| line.section == section).collect();
    let mut apart = true;
    for count in 0..=lines.len() {
        apart |= remarks(out, document, Place::Section(section), count);
        let bullet = match lines.get(count) {
            Some(line) => print_line(line),
            None if lines.is_empty() => String::from("nothing"),
            None => return,
        };
        if apart {
            out.push('\n');
        }
        out.push_str(&format!("- {bullet}\n"));
        apart = false;
    }
}

fn scenarios(out: &mut String, document: &Document) {
    let mut from = 0;
    for count in 0..=document.scenarios.len() {
        let here = document.commentary.iter().any(|remark| remark.place == Place::Scenarios && remark.after == count);
        if here || count == document.scenarios.len() {
            out.push_str(&print_table(document.scenarios.get(from..count).unwrap_or(&[])));
            from = count;
        }
        remarks(out, document, Place::Scenarios, count);
    }
}

/// What a scenario says in a column that may be left out.
type OptionalCell = fn(&Scenario) -> Option<String>;

/// A table of scenarios with a blank line before it; nothing for none.
#[must_use]
pub fn print_table(scenarios: &[Scenario]) -> String {
    if scenarios.is_empty() {
        return String::new();
    }
    let optional: [(&str, OptionalCell); 3] = [
        ("in task", |scenario| scenario.in_task.clone()),
        ("author", |scenario| scenario.author.clone()),
        ("after", |scenario| (!scenario.after.is_empty()).then(|| scenario.after.join("; "))),
    ];
    let optional: Vec<_> = optional.into_iter().filter(|(_, get)| scenarios.iter().any(|s| get(s).is_some())).collect();
    let mut table: Vec<Vec<String>> = vec![["when it is told", "and it tries", "then"].map(str::to_owned).to_vec()];
    if let Some(head) = table.first_mut() {
        head.extend(optional.iter().map(|(name, _)| (*name).to_owned()));
    }
    for scenario in scenarios {
        let mut row = vec![cell(&scenario.told), step_cell(&scenario.tries), scenario.then.word().to_owned()];
        row.extend(optional.iter().map(|(name, get)| match get(scenario) {
            Some(text) if *name == "after" => step_cell(&text),
            Some(text) => cell(&text),
            None => String::new(),
        }));
        table.push(row);
    }
    let widths: Vec<usize> = (0..3 + optional.len())
        .map(|column| {
            let lengths = table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            lengths.filter(|length| *length <= MAX_ALIGNED).max().unwrap_or(0).max(3)
        })
        .collect();
    let mut out = String::from("\n");
    for (number, row) in table.iter().enumerate() {
        out.push('|');
        for (cell, width) in row.iter().zip(&widths) {
            out.push_str(&format!(" {cell:<width$} |"));
        }
        out.push('\n');
        if number == 0 {
            let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            out.push_str(&format!("|{}|\n", dashes.join("|")));
        }
    }
    out
}

/// Cells longer than this are not lined up with the others.
const MAX_ALIGNED: usize = 60;

fn cell(text: &str) -> String {
    shown(text).replace('|', "\\|")
}

fn step_cell(text: &str) -> String {
    code_span(text).replace('|', "\\|")
}
