//! The tests after `where`: paths, predicates and values.

use std::ops::Range;

use super::cursor::{Cursor, MAX_NAME, RESERVED, Reads, Wrong, is_bare_step, steps};
use super::line::{MAX_JOINED, MAX_LISTED, too_many};
use super::report::quoted;
use super::token::{Kind, Token};
use crate::decimal::Decimal;
use crate::scope::diagnostics::nearest;
use crate::scope::{Ask, Line, Literal, Path, Predicate, Set, Step, Test};
use crate::time::Date;

/// At most this many steps in a path.
pub const MAX_PATH_STEPS: usize = 16;

/// Words that start a predicate.
const STARTS: [&str; 7] = ["is", "not", "does", "starts", "ends", "contains", "matches"];
const AFTER_IS: [&str; 14] =
    ["not", "one", "in", "quoted", "the", "at", "above", "below", "an", "a", "under", "given", "true", "false"];

pub(super) fn tests(cursor: &mut Cursor<'_>, line: &mut Line, wrong: &mut Vec<Wrong>) -> Reads<()> {
    loop {
        let start = cursor.place().start;
        let test = test(cursor)?;
        let at = cursor.since(start);
        if line.tests.contains(&test) {
            let message = format!("{} stands twice", cursor.shown_at(at.clone()));
            wrong.push(Wrong::new("repeated-item", at, message, "keep one of them"));
        } else {
            line.tests.push(test);
            too_many("tests", line.tests.len(), MAX_JOINED, at)?;
        }
        if !cursor.takes("and") {
            return Ok(());
        }
    }
}

fn test(cursor: &mut Cursor<'_>) -> Reads<Test> {
    if let Some(word) = cursor.bare().filter(|word| STARTS.contains(word)) {
        let message = format!("no argument or column before `{word}`");
        let help = "after `where` and after `and` the path stands first, as in `where amount is above 0 and amount is at \
                    most 200`";
        return Err(Wrong::new("malformed-path", cursor.place(), message, help));
    }
    let path = path(cursor)?;
    let mut any = vec![predicate(cursor)?];
    while cursor.bare() == Some("or") {
        let or = cursor.place();
        cursor.next();
        if !cursor.bare().is_some_and(|word| STARTS.contains(&word)) {
            same_path(cursor, &path, &or)?;
        }
        let start = cursor.place().start;
        let next = predicate(cursor)?;
        let at = cursor.since(start);
        if any.contains(&next) {
            let message = format!("{} stands twice", cursor.shown_at(at.clone()));
            return Err(Wrong::new("repeated-item", at, message, "keep one of them"));
        }
        any.push(next);
        too_many("alternatives", any.len(), MAX_JOINED, at)?;
    }
    Ok(Test { path, any })
}

/// After `or` the same path may be written again; another one may not.
fn same_path(cursor: &mut Cursor<'_>, path: &Path, or: &Range<usize>) -> Reads<()> {
    let is_value = cursor.peek().is_some_and(|token| literal(token).is_some() && token.bare() != Some("the"));
    if is_value && !cursor.peek_at(1).and_then(Token::bare).is_some_and(|word| STARTS.contains(&word)) {
        let help = "write `is one of (…, …)` to allow several values";
        let message = format!("a value after `or`: {}", cursor.shown());
        return Err(Wrong::new("unknown-predicate", cursor.place(), message, help));
    }
    let other = self::path(cursor)?;
    if other == *path {
        return Ok(());
    }
    let help = "`or` joins what is asked of one path; write two lines, one for each test";
    Err(Wrong::new("or-between-paths", or.clone(), "`or` between tests of two paths", help))
}

/// A path: `items[].amount`.
pub(super) fn path(cursor: &mut Cursor<'_>) -> Reads<Path> {
    let at = cursor.place();
    let shown = cursor.shown();
    let help = "write the name of an argument or column; `.` reaches inside, `[]` reaches each element: `items[].amount`; \
                quote a name with odd characters";
    let wrong = |message: String| Wrong::new("malformed-path", at.clone(), message, help);
    let Some(token) = cursor.next() else { return Err(wrong(String::from("the path is missing"))) };
    if token.bare().is_some_and(|word| RESERVED.contains(&word)) {
        return Err(wrong(format!("no path before {shown}")));
    }
    let Kind::Word(parts) = &token.kind else { return Err(wrong(format!("{shown} is no path"))) };
    let found = steps(parts).ok_or_else(|| wrong(format!("{shown} is no path")))?;
    let mut path = Path { steps: Vec::new() };
    for (part, behind) in found {
        let step = if part.quoted {
            (part.text.as_str(), behind.as_str())
        } else {
            part.text
                .split_once("[]")
                .map_or((part.text.as_str(), ""), |(name, _)| (name, part.text.get(name.len()..).unwrap_or("")))
        };
        let (name, behind) = step;
        let named = if part.quoted { !name.is_empty() } else { is_bare_step(name) };
        if !named || name.len() > MAX_NAME || !matches!(behind, "" | "[]") {
            return Err(wrong(format!("{shown} is no path")));
        }
        path.steps.push(Step { name: name.to_owned(), each: behind == "[]" });
    }
    if path.steps.len() > MAX_PATH_STEPS {
        let message = format!("a path of more than {MAX_PATH_STEPS} steps");
        return Err(Wrong::new("path-too-deep", at, message, "test something less deep"));
    }
    Ok(path)
}

fn predicate(cursor: &mut Cursor<'_>) -> Reads<Predicate> {
    let start = cursor.place();
    let shown = cursor.shown();
    let word = cursor.bare().unwrap_or("");
    match word {
        "is" => {
            cursor.next();
            let negated = cursor.takes("not");
            return after_is(cursor, start.start).map(|ask| Predicate { negated, ask });
        }
        "does" => {
            cursor.next();
            if cursor.takes("not") {
                return of_text(cursor, ["start", "end", "contain", "match"])
                    .map(|ask| Predicate { negated: true, ask });
            }
        }
        "not" => {
            cursor.next();
            if cursor.bare() == Some("is") {
                let help = "write `is not …`";
                return Err(Wrong::new("unknown-predicate", cursor.place(), "`not is`", help));
            }
            return of_text(cursor, STARTS_OF_TEXT).map(|ask| Predicate { negated: true, ask });
        }
        "starts" | "ends" | "contains" | "matches" => {
            return of_text(cursor, STARTS_OF_TEXT).map(|ask| Predicate { negated: false, ask });
        }
        _ => {}
    }
    let help = match word {
        "=" | "==" | ":" | "equals" => String::from("write `is`"),
        "!=" | "<>" | "isn't" => String::from("write `is not`"),
        "<" => String::from("write `is below`"),
        "<=" => String::from("write `is at most`"),
        ">" => String::from("write `is above`"),
        ">=" => String::from("write `is at least`"),
        "in" => String::from("write `is one of (…)` or `is in …`"),
        "like" | "~" => String::from("write `starts with`, `ends with`, `contains` or `matches`"),
        "under" | "given" | "at" | "above" | "below" => format!("write `is {word}`"),
        _ => match nearest(word, STARTS) {
            Some(near) if !word.is_empty() => format!("did you mean `{near}`?"),
            _ => String::from("after a path comes `is …`, `starts with`, `ends with`, `contains` or `matches`"),
        },
    };
    Err(Wrong::new("unknown-predicate", start, format!("{shown} asks nothing of the path"), help))
}

const STARTS_OF_TEXT: [&str; 4] = ["starts", "ends", "contains", "matches"];

/// `starts with`, `ends with`, `contains`, `matches`, in the form of the words given.
fn of_text(cursor: &mut Cursor<'_>, words: [&str; 4]) -> Reads<Ask> {
    let place = cursor.place();
    let shown = cursor.shown();
    let Some(kind) = cursor.bare().and_then(|word| words.iter().position(|known| *known == word)) else {
        let near = cursor.bare().and_then(|word| nearest(word, words));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("here one of {} can stand", words.map(|word| format!("`{word}`")).join(", ")),
        };
        return Err(Wrong::new("unknown-predicate", place, format!("{shown} asks nothing of the path"), help));
    };
    cursor.next();
    if kind < 2 && !cursor.takes("with") {
        let message = format!("{shown} without `with`");
        return Err(Wrong::new("unknown-predicate", place, message, "write `starts with` or `ends with`"));
    }
    let at = cursor.place();
    let value = value(cursor)?;
    let Literal::Text(text) = value else {
        return Err(Wrong::new("wrong-kind-of-value", at, "a text is needed here", "put it in double quotes"));
    };
    if text.is_empty() {
        let help = "write the text that must stand there; to ask whether there is any, write `is given`";
        return Err(Wrong::new("empty-text", at, "every text holds the empty text", help));
    }
    Ok(match kind {
        0 => Ask::StartsWith(text),
        1 => Ask::EndsWith(text),
        2 => Ask::Contains(text),
        _ => Ask::Matches(text),
    })
}

fn after_is(cursor: &mut Cursor<'_>, start: usize) -> Reads<Ask> {
    let Some(word) = cursor.bare().filter(|word| AFTER_IS.contains(word)) else { return plain_is(cursor) };
    cursor.next();
    match word {
        "true" => Ok(Ask::True),
        "false" => Ok(Ask::False),
        "given" => Ok(Ask::Given),
        "one" => words(cursor, start, &["of"], "is one of (…)").and_then(|()| set(cursor)).map(Ask::In),
        "in" => set(cursor).map(Ask::In),
        "quoted" => {
            words(cursor, start, &["in", "the", "request"], "is quoted in the request").map(|()| Ask::QuotedInRequest)
        }
        "the" => {
            let meant = if cursor.bare() == Some("request") { "is in the request" } else { "is the task's FACT" };
            words(cursor, start, &["task's"], meant)?;
            cursor.name("the name of a fact of the task").map(Ask::TaskFact)
        }
        "at" if cursor.takes("least") => ordered(cursor).map(Ask::AtLeast),
        "at" => {
            words(cursor, start, &["most"], "is at most …` or `is at least …")?;
            ordered(cursor).map(Ask::AtMost)
        }
        "above" => ordered(cursor).map(Ask::Above),
        "below" => ordered(cursor).map(Ask::Below),
        "an" => {
            words(cursor, start, &["address", "at"], "is an address at …")?;
            places(cursor).map(Ask::AddressAt)
        }
        "a" => {
            words(cursor, start, &["URL", "at"], "is a URL at …")?;
            places(cursor).map(Ask::UrlAt)
        }
        "under" => places(cursor).map(Ask::Under),
        // `is not not`.
        _ => Err(Wrong::new("unknown-predicate", cursor.since(start), "`not` stands twice", "keep one of them")),
    }
}

/// `is V`; a bare word is a value somebody forgot to quote, or a word of the language misspelt.
fn plain_is(cursor: &mut Cursor<'_>) -> Reads<Ask> {
    let near = cursor.bare().and_then(|word| nearest(word, AFTER_IS)).filter(|near| near.len() > 2);
    if let (Some(near), Some(word), None) = (near, cursor.bare(), cursor.peek().and_then(literal)) {
        let help = format!("did you mean `is {near}`? a value is quoted: {}", quoted(&format!("\"{word}\"")));
        return Err(Wrong::new(
            "unknown-predicate",
            cursor.place(),
            format!("{} is not known", quoted(&format!("is {word}"))),
            help,
        ));
    }
    if cursor.is(&Kind::Open) {
        let help = "write `is one of (…, …)`";
        return Err(Wrong::new("unknown-predicate", cursor.place(), "several values after `is`", help));
    }
    value(cursor).map(Ask::Is)
}

/// The rest of a phrase, word by word.
fn words(cursor: &mut Cursor<'_>, start: usize, rest: &[&str], phrase: &str) -> Reads<()> {
    for word in rest {
        if !cursor.takes(word) {
            let at = start..cursor.place().end;
            let message = format!("{} is not known", cursor.shown_at(at.clone()));
            return Err(Wrong::new("unknown-predicate", at, message, format!("did you mean `{phrase}`?")));
        }
    }
    Ok(())
}

fn ordered(cursor: &mut Cursor<'_>) -> Reads<Literal> {
    let at = cursor.place();
    match value(cursor)? {
        value @ (Literal::Number(_) | Literal::Date(_)) => Ok(value),
        Literal::Text(_) | Literal::Bool(_) => {
            let help = "write a number such as `200`, or a date such as `2026-12-31`, without quotes";
            Err(Wrong::new("wrong-kind-of-value", at, "only numbers and dates have an order", help))
        }
    }
}

/// A set of texts, a list, or the request.
fn places(cursor: &mut Cursor<'_>) -> Reads<Set> {
    let at = cursor.place();
    let set = set(cursor)?;
    match &set {
        Set::Values(values) if values.iter().any(|value| !matches!(value, Literal::Text(_))) => {
            Err(Wrong::new("wrong-kind-of-value", at, "texts are needed here", "put each value in double quotes"))
        }
        _ => Ok(set),
    }
}

fn set(cursor: &mut Cursor<'_>) -> Reads<Set> {
    if cursor.takes_kind(&Kind::Open) {
        return values(cursor).map(Set::Values);
    }
    if cursor.takes("the") {
        if cursor.takes("request") {
            return Ok(Set::Request);
        }
        let help = "write `the request`; a list of `ambit.toml` is named without `the`";
        return Err(Wrong::new("unknown-predicate", cursor.place(), format!("`the` before {}", cursor.shown()), help));
    }
    match cursor.peek() {
        Some(token)
            if token.bare().is_some_and(|word| is_bare_step(word) && literal(token).is_none() && !is_numeric(word)) =>
        {
            cursor.name("the name of a list").map(Set::List)
        }
        _ => value(cursor).map(|value| Set::Values(vec![value])),
    }
}

fn values(cursor: &mut Cursor<'_>) -> Reads<Vec<Literal>> {
    let mut values: Vec<Literal> = Vec::new();
    loop {
        let at = cursor.place();
        let value = value(cursor)?;
        if values.contains(&value) {
            let message = format!("{} stands twice", cursor.shown_at(at.clone()));
            return Err(Wrong::new("repeated-item", at, message, "keep one of them"));
        }
        values.push(value);
        too_many("values", values.len(), MAX_LISTED, at)?;
        if cursor.takes_kind(&Kind::Close) {
            return Ok(values);
        }
        if !cursor.takes_kind(&Kind::Comma) {
            let message = format!("{} in a set of values", cursor.shown());
            let help = "separate the values with commas: `(\"EUR\", \"USD\")`";
            return Err(Wrong::new("unknown-predicate", cursor.place(), message, help));
        }
    }
}

fn is_numeric(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-' || c == '.')
}

/// The value that a word is, if it is one.
fn literal(token: &Token) -> Option<Literal> {
    if let Some(text) = token.text() {
        return Some(Literal::Text(text.to_owned()));
    }
    match token.bare()? {
        "true" => Some(Literal::Bool(true)),
        "false" => Some(Literal::Bool(false)),
        word => number(word).map(Literal::Number).or_else(|| Date::parse(word).map(Literal::Date)),
    }
}

/// A number as a scope writes it: no exponent, no separators, no sign but `-`.
pub(super) fn number(word: &str) -> Option<Decimal> {
    if word.contains(['e', 'E']) { None } else { Decimal::parse(word) }
}

pub(super) fn value(cursor: &mut Cursor<'_>) -> Reads<Literal> {
    let at = cursor.place();
    let shown = cursor.shown();
    let Some(token) = cursor.next() else {
        return Err(Wrong::new("unquoted-value", at, "a value is missing", "write a quoted text, a number or a date"));
    };
    if let Some(literal) = literal(token) {
        return Ok(literal);
    }
    let Some(word) = token.bare() else {
        let help = "write a quoted text such as `\"EUR\"`, a number, a date, `true` or `false`";
        return Err(Wrong::new("unquoted-value", at, format!("{shown} is no value"), help));
    };
    let dated = word.len() == 10
        && word.bytes().enumerate().all(|(at, b)| if at == 4 || at == 7 { b == b'-' } else { b.is_ascii_digit() });
    if dated {
        return Err(Wrong::new("bad-date", at, format!("{shown} is no day of the calendar"), "write `YYYY-MM-DD`"));
    }
    if is_numeric(word) {
        return Err(bad_number(at, &shown));
    }
    let help = format!("put a text in double quotes: {}", quoted(&format!("\"{word}\"")));
    Err(Wrong::new("unquoted-value", at, format!("{shown} is no value"), help))
}

pub(super) fn bad_number(at: Range<usize>, shown: &str) -> Wrong {
    let help = "write digits with at most one point, as in `1000` or `0.5`: no thousands separators, no exponent, no unit, \
                at most 36 digits; in a set put a space after each comma";
    Wrong::new("bad-number", at, format!("{shown} is no number"), help)
}
