//! The clauses after a line's head, in any order, `because` last.

use std::ops::Range;

use super::cursor::{Cursor, Reads, Wrong};
use super::inline::Inline;
use super::line::{MAX_JOINED, too_many, trailing};
use super::predicate::{bad_number, number, path};
use super::report::Report;
use super::token::{Kind, Token, quoted_text};
use crate::decimal::Decimal;
use crate::scope::diagnostics::nearest;
use crate::scope::{Counted, Duration, DurationUnit, Limit, Line, Tasks, Who, Window};
use crate::time::Date;

/// The words that start a clause.
pub const CLAUSE_WORDS: [&str; 7] = ["at", "for", "otherwise", "by", "within", "until", "because"];

pub(super) fn read_all(cursor: &mut Cursor<'_>, line: &mut Line, wrong: &mut Vec<Wrong>) {
    while cursor.takes_kind(&Kind::Comma) {
        if let Err(mistake) = clause(cursor, line) {
            wrong.push(mistake);
            cursor.skip_to_comma(|_| true);
        }
    }
}

fn clause(cursor: &mut Cursor<'_>, line: &mut Line) -> Reads<()> {
    let place = cursor.place();
    let word = cursor.bare().unwrap_or("");
    let known = CLAUSE_WORDS.contains(&word);
    if !known {
        return Err(unknown(cursor, line, word));
    }
    cursor.next();
    let stood = match word {
        "at" => {
            limit(cursor, line, place.start)?;
            false
        }
        "for" => {
            let tasks = tasks(cursor)?;
            line.tasks.replace(tasks).is_some()
        }
        "otherwise" => {
            if !(cursor.takes("a") && cursor.takes("human")) {
                let message = format!("{} after `otherwise`", cursor.shown());
                return Err(Wrong::new("unknown-clause", cursor.place(), message, "write `otherwise a human`"));
            }
            std::mem::replace(&mut line.otherwise_human, true)
        }
        "by" => {
            let who = who(cursor)?;
            line.by.replace(who).is_some()
        }
        "within" => {
            let duration = duration(cursor)?;
            line.within.replace(duration).is_some()
        }
        _ => {
            let date = date(cursor)?;
            line.until.replace(date).is_some()
        }
    };
    if stood {
        let message = format!("`{word}` stands twice");
        return Err(Wrong::new("repeated-clause", cursor.since(place.start), message, "keep one of the two clauses"));
    }
    match cursor.bare() {
        _ if cursor.peek().is_none() || cursor.is(&Kind::Comma) => Ok(()),
        Some(next) if CLAUSE_WORDS.contains(&next) => {
            let message = format!("`{next}` without a comma before it");
            Err(Wrong::new("missing-comma", cursor.place(), message, format!("put a comma before `{next}`")))
        }
        Some("or") if word == "by" => {
            let help = "name one role; who may do it under either name gets that role in `ambit.toml`";
            Err(Wrong::new("trailing-text", cursor.place(), "`or` between people", help))
        }
        _ => Err(trailing(cursor, "a clause ends with a comma or with the line")),
    }
}

fn unknown(cursor: &Cursor<'_>, line: &Line, word: &str) -> Wrong {
    let place = cursor.place();
    let help = match word {
        "where" => String::from("`where` follows the target and its fields, without a comma"),
        "and" | "or" => String::from("leave the comma out; tests are joined by `and`, targets by `or`"),
        "most" => String::from("write `at most`"),
        "up" | "max" | "maximum" | "limit" => String::from("write `at most 20 rows per hour`"),
        "not" | "except" => String::from("say what it cannot touch under `## It cannot touch`"),
        "if" | "when" => String::from("conditions follow `where`, before the first comma"),
        _ if word.contains('.') => String::from("join targets with `or`, or write a line for each"),
        _ => match nearest(word, CLAUSE_WORDS) {
            Some(near) if !word.is_empty() => format!("did you mean `{near}`?"),
            _ => String::from(
                "after a comma comes `at most`, `for`, `otherwise a human`, `by`, `within`, `until` or `because`",
            ),
        },
    };
    let message = match cursor.peek() {
        None | Some(Token { kind: Kind::Comma, .. }) => String::from("a comma with nothing after it"),
        Some(_) if line.targets.is_empty() => format!("{} is no clause", cursor.shown()),
        Some(_) => format!("{} starts no clause", cursor.shown()),
    };
    Wrong::new("unknown-clause", place, message, help)
}

fn limit(cursor: &mut Cursor<'_>, line: &mut Line, start: usize) -> Reads<()> {
    let wrong = |cursor: &Cursor<'_>, what: &str, help: &str| {
        let message = format!("{} where {what} should stand", cursor.shown());
        Wrong::new("bad-limit", cursor.place(), message, help)
    };
    if !cursor.takes("most") {
        return Err(wrong(cursor, "`most`", "a limit starts with `at most`, as in `at most 20 rows per hour`"));
    }
    let (at, shown) = (cursor.place(), cursor.shown());
    let most = match cursor.bare().map(|word| (word, number(word))) {
        Some((_, Some(most))) => most,
        Some((word, None)) if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            return Err(bad_number(at, &shown));
        }
        Some(("once", _)) => return Err(wrong(cursor, "a number", "write `at most 1 times per hour`")),
        _ => return Err(wrong(cursor, "a number", "write the number in digits: `at most 20 rows per hour`")),
    };
    cursor.next();
    let of = if cursor.takes("rows") || cursor.takes("row") {
        Counted::Rows
    } else if cursor.takes("times") || cursor.takes("time") {
        Counted::Times
    } else if cursor.takes("of") {
        Counted::Sum(path(cursor)?)
    } else {
        let help = "say of what: `5 rows per hour`, `5 times per hour`, or `500 of amount per day` for a sum";
        return Err(wrong(cursor, "`rows`, `times` or `of`", help));
    };
    check_most(most, &of, at, &shown)?;
    let Some(per) = window(cursor) else {
        let help = "say in which window: `at once`, `per minute`, `per hour`, `per day` or `per task`";
        return Err(wrong(cursor, "the window", help));
    };
    let whole = cursor.since(start);
    if line.limits.iter().any(|limit| limit.of == of && limit.per == per) {
        let message = "a second limit on the same thing in the same window";
        return Err(Wrong::new("repeated-clause", whole, message, "keep the smaller one"));
    }
    line.limits.push(Limit { most, of, per });
    too_many("limits", line.limits.len(), MAX_JOINED, whole)
}

fn check_most(most: Decimal, of: &Counted, at: Range<usize>, shown: &str) -> Reads<()> {
    let whole = matches!(of, Counted::Sum(_)) || most.is_integer();
    if whole && !most.is_negative() {
        return Ok(());
    }
    let help = "rows and times are counted in whole numbers from 0 up";
    Err(Wrong::new("bad-limit", at, format!("{shown} is no number of things"), help))
}

fn window(cursor: &mut Cursor<'_>) -> Option<Window> {
    if cursor.bare() == Some("at") && cursor.peek_at(1).and_then(Token::bare) == Some("once") {
        cursor.next();
        cursor.next();
        return Some(Window::AtOnce);
    }
    if !cursor.takes("per") {
        return None;
    }
    let window = match cursor.bare()? {
        "minute" => Window::Minute,
        "hour" => Window::Hour,
        "day" => Window::Day,
        "task" => Window::Task,
        _ => return None,
    };
    cursor.next();
    Some(window)
}

fn tasks(cursor: &mut Cursor<'_>) -> Reads<Tasks> {
    let but = cursor.takes("any");
    for word in if but { ["task", "but"].as_slice() } else { &[] } {
        if !cursor.takes(word) {
            let help = "write `for TASK or TASK`, or `for any task but TASK`";
            let message = format!("{} after `for any`", cursor.shown());
            return Err(Wrong::new("unknown-clause", cursor.place(), message, help));
        }
    }
    let mut names: Vec<String> = Vec::new();
    loop {
        let at = cursor.place();
        let name = cursor.name("the name of a task")?;
        if names.contains(&name) {
            let message = format!("{} stands twice", cursor.shown_at(at.clone()));
            return Err(Wrong::new("repeated-item", at, message, "keep one of them"));
        }
        names.push(name);
        too_many("tasks", names.len(), MAX_JOINED, at)?;
        if !cursor.takes("or") {
            return Ok(if but { Tasks::AnyBut(names) } else { Tasks::Only(names) });
        }
    }
}

fn who(cursor: &mut Cursor<'_>) -> Reads<Who> {
    if cursor.bare() == Some("someone") {
        let place = cursor.place();
        cursor.next();
        if cursor.takes("else") {
            return Ok(Who::SomeoneElse);
        }
        let help = "write `by someone else`, or name a role";
        return Err(Wrong::new("unknown-clause", place, "`someone` without `else`", help));
    }
    if cursor.bare() == Some("two") {
        let place = cursor.place();
        cursor.next();
        if cursor.takes("of") {
            return cursor.name("the name of a role").map(Who::TwoOf);
        }
        return Err(Wrong::new("unknown-clause", place, "`two` without `of`", "write `by two of ROLE`"));
    }
    cursor.name("the name of a role or a person").map(Who::Named)
}

fn duration(cursor: &mut Cursor<'_>) -> Reads<Duration> {
    let place = cursor.place();
    let shown = cursor.shown();
    let wrong = |at: Range<usize>, message: String| {
        Wrong::new(
            "bad-duration",
            at,
            message,
            "write a whole number and a unit: `45 seconds`, `30 minutes`, `2 hours`, `1 day`",
        )
    };
    let digits = cursor.bare().filter(|word| word.bytes().all(|b| b.is_ascii_digit()) && !word.starts_with('0'));
    let Some(count) = digits.and_then(|word| word.parse::<u32>().ok()) else {
        return Err(wrong(place, format!("{shown} is no number of minutes, hours or days")));
    };
    cursor.next();
    let unit = match cursor.bare() {
        Some("second" | "seconds") => DurationUnit::Second,
        Some("minute" | "minutes") => DurationUnit::Minute,
        Some("hour" | "hours") => DurationUnit::Hour,
        Some("day" | "days") => DurationUnit::Day,
        _ => return Err(wrong(cursor.place(), format!("{} is no unit of time", cursor.shown()))),
    };
    cursor.next();
    Ok(Duration { count, unit })
}

fn date(cursor: &mut Cursor<'_>) -> Reads<Date> {
    let (at, shown) = (cursor.place(), cursor.shown());
    let date = cursor.next().and_then(Token::bare).and_then(Date::parse);
    let help = "write a day of the calendar as `YYYY-MM-DD`; it is the last day on which the line holds";
    date.ok_or_else(|| Wrong::new("bad-date", at, format!("{shown} is no date"), help))
}

/// The reason: the rest of the line as it stands, or one quoted text.
pub(super) fn because(
    report: &mut Report<'_>,
    inline: &Inline,
    word: Range<usize>,
    rest: Range<usize>,
    line: &mut Line,
    wrong: &mut Vec<Wrong>,
) {
    let text = inline.text.get(rest.clone()).unwrap_or("");
    let trimmed = text.trim_matches(' ');
    let start = rest.start + (text.len() - text.trim_start_matches(' ').len());
    if trimmed.is_empty() {
        wrong.push(Wrong::new("empty-reason", word, "`because` without a reason", "write the reason, or leave it out"));
        return;
    }
    if !trimmed.starts_with('"') {
        if let Some(at) = clause_in(trimmed) {
            let help =
                "put the clause before `because`; if it belongs to the reason, quote the reason: `because \"…\"`";
            let at = start + at.start..start + at.end;
            let message = "a clause word after `because`, where it would not count";
            wrong.push(Wrong::new("clause-after-because", at, message, help));
        }
        line.because = Some(trimmed.to_owned());
        return;
    }
    let (reason, end) = quoted_text(report, inline, start);
    if reason.trim().is_empty() {
        wrong.push(Wrong::new("empty-reason", word, "`because` without a reason", "write the reason, or leave it out"));
    }
    let after = inline.text.get(end..).unwrap_or("");
    let behind = after.trim_matches(' ');
    if !behind.is_empty() {
        let at = end + (after.len() - after.trim_start_matches(' ').len())..inline.text.trim_end_matches(' ').len();
        if clause_in(behind).is_some() {
            let help = "`because` stands last; put the clause before it";
            wrong.push(Wrong::new("clause-after-because", at, "a clause after the reason", help));
        } else {
            let help = "quote the whole reason, or none of it at its start";
            wrong.push(Wrong::new("trailing-text", at, "text after the quoted reason", help));
        }
    }
    line.because = Some(reason);
}

/// Where a reason holds what looks like a clause: a clause word, or `where`, right after a comma or semicolon; or
/// anywhere a phrase that only a clause has.
pub(in crate::scope) fn clause_in(reason: &str) -> Option<Range<usize>> {
    let words = words(reason);
    let starts = |first: &str| CLAUSE_WORDS.contains(&first) || first == "where";
    let digit = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit());
    words.iter().enumerate().find_map(|(at, (place, word))| {
        let mark = reason.get(..place.start)?.trim_end_matches(' ').chars().next_back();
        if matches!(mark, Some(',' | ';')) && starts(word) {
            return Some(place.clone());
        }
        let next = |by: usize| words.get(at + by).map(|(_, word)| word.as_str());
        let phrase = match word.as_str() {
            "at" => next(1) == Some("most") && next(2).as_ref().is_some_and(digit),
            "within" | "until" => next(1).as_ref().is_some_and(digit),
            "otherwise" => next(1) == Some("a") && next(2) == Some("human"),
            "by" => {
                (next(1), next(2)) == (Some("someone"), Some("else")) || (next(1), next(2)) == (Some("two"), Some("of"))
            }
            _ => false,
        };
        phrase.then(|| place.clone())
    })
}

/// The words of a text in lower case, each with its place.
fn words(text: &str) -> Vec<(Range<usize>, String)> {
    let mut words: Vec<(Range<usize>, String)> = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, c.is_alphanumeric()) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push((from..at, text.get(from..at).unwrap_or("").to_lowercase()));
                start = None;
            }
            _ => {}
        }
    }
    words
}
