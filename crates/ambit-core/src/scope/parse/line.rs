//! One bullet of a section.

use super::clause::{self, CLAUSE_WORDS};
use super::cursor::{Cursor, MAX_NAME, RESERVED, Reads, Wrong, is_bare_name, is_bare_step, steps};
use super::inline::Inline;
use super::predicate;
use super::report::{Report, quoted};
use super::token::{Kind, Part, Token, tokens};
use crate::effect::Verb;
use crate::scope::diagnostics::nearest;
use crate::scope::{Fields, Line, Section, Target};

/// At most this many targets, verbs, tests, alternatives of a test, tasks or limits in a line.
pub const MAX_JOINED: usize = 64;
/// At most this many fields, or values of a set, in a line.
pub const MAX_LISTED: usize = 1_024;

/// Reads one bullet; `None` when not even its targets can be told.
pub(super) fn read(report: &mut Report<'_>, section: Section, inline: &Inline) -> Option<Line> {
    let found = tokens(report, inline);
    let end = found.because.as_ref().map_or(inline.text.len(), |(word, _)| word.start);
    let mut line = Line { text: inline.text.clone(), at: report.span(inline.bytes.clone()), ..Line::new(section) };
    let mut wrong: Vec<Wrong> = Vec::new();
    // The comma before `because` belongs to it.
    let words = match (&found.because, found.tokens.split_last()) {
        (Some(_), Some((last, before))) if last.kind == Kind::Comma => before,
        (Some((word, _)), Some(_)) => {
            let help = "put a comma before `because`";
            wrong.push(Wrong::new("missing-comma", word.clone(), "`because` without a comma before it", help));
            found.tokens.as_slice()
        }
        _ => found.tokens.as_slice(),
    };
    let mut cursor = Cursor::new(words, &inline.text, end);
    if let Err(mistake) = head(&mut cursor, &mut line, &mut wrong) {
        wrong.push(mistake);
        cursor.skip_to_comma(|word| word.is_some_and(|word| CLAUSE_WORDS.contains(&word)));
    }
    clause::read_all(&mut cursor, &mut line, &mut wrong);
    if let Some((word, rest)) = found.because {
        clause::because(report, inline, word, rest, &mut line, &mut wrong);
    }
    for Wrong { name, at, message, help } in wrong {
        // Where the page itself is wrong, what the words there would mean is no news.
        let bytes = inline.source(at);
        if !report.has_error_in(&bytes) {
            report.error(name, bytes, message, help);
        }
    }
    (!line.targets.is_empty()).then_some(line)
}

fn head(cursor: &mut Cursor<'_>, line: &mut Line, wrong: &mut Vec<Wrong>) -> Reads<()> {
    verbs(cursor, line, wrong);
    targets(cursor, line, wrong)?;
    if cursor.is(&Kind::Open) {
        line.fields = Some(fields(cursor, wrong)?);
        if cursor.bare() == Some("or") {
            let help = "write a line for each list of fields";
            return Err(Wrong::new("trailing-text", cursor.place(), "`or` after a list of fields", help));
        }
    }
    if cursor.takes("where") {
        predicate::tests(cursor, line, wrong)?;
    }
    match cursor.bare() {
        _ if cursor.peek().is_none() || cursor.is(&Kind::Comma) => Ok(()),
        Some(word) if CLAUSE_WORDS.contains(&word) => {
            let message = format!("`{word}` without a comma before it");
            Err(Wrong::new("missing-comma", cursor.place(), message, format!("put a comma before `{word}`")))
        }
        _ => Err(trailing(cursor, "a line is `[verbs] targets (fields) where tests, clauses`")),
    }
}

/// Text where the line should have ended.
pub(super) fn trailing(cursor: &Cursor<'_>, help: &str) -> Wrong {
    let help = match cursor.bare() {
        Some("if" | "when" | "with") => "conditions follow `where`, as in `where amount is at most 200`",
        Some("and") => "`or` joins targets, `and` joins tests; write two lines for anything else",
        _ => help,
    };
    Wrong::new("trailing-text", cursor.place(), format!("{} does not belong here", cursor.shown()), help)
}

fn verbs(cursor: &mut Cursor<'_>, line: &mut Line, wrong: &mut Vec<Wrong>) {
    loop {
        let Some(word) = cursor.bare() else { return };
        let place = cursor.place();
        if let Some(verb) = Verb::from_word(word) {
            cursor.next();
            push_verb(line, verb, place, wrong);
        } else if is_verb_like(cursor, word) {
            cursor.next();
            let help = match nearest(word, Verb::ALL.map(Verb::word)).or_else(|| synonym(word)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the verbs are {}", Verb::ALL.map(|verb| format!("`{}`", verb.word())).join(", ")),
            };
            wrong.push(Wrong::new("unknown-verb", place, format!("{} is no verb", quoted(word)), help));
        } else {
            return;
        }
        let another = cursor.peek_at(1).and_then(Token::bare);
        let more = another.is_some_and(|next| Verb::from_word(next).is_some() || is_plain_word(next));
        if cursor.bare() != Some("or") || !more {
            return;
        }
        cursor.next();
    }
}

/// The verb of the language for a word that people use in its place.
fn synonym(word: &str) -> Option<&'static str> {
    let verb = match word.to_lowercase().as_str() {
        "see" | "view" | "get" | "list" | "select" | "query" | "look" | "search" => Verb::Read,
        "add" | "insert" | "make" | "new" | "append" => Verb::Create,
        "change" | "edit" | "modify" | "set" | "write" | "patch" => Verb::Update,
        "remove" | "erase" | "purge" | "clear" => Verb::Delete,
        "use" | "send" | "invoke" | "post" => Verb::Call,
        "execute" | "exec" | "start" => Verb::Run,
        "drop" | "alter" | "configure" | "truncate" | "migrate" => Verb::Define,
        _ => return None,
    };
    Some(verb.word())
}

/// A bare word without a dot before another word: it stands where a verb would.
fn is_verb_like(cursor: &Cursor<'_>, word: &str) -> bool {
    let next = cursor.peek_at(1);
    is_plain_word(word) && next.is_some_and(|next| matches!(next.kind, Kind::Word(_)))
}

fn is_plain_word(word: &str) -> bool {
    !word.contains('.') && !matches!(word, "anything" | "every") && word.chars().all(char::is_alphabetic)
}

fn push_verb(line: &mut Line, verb: Verb, place: std::ops::Range<usize>, wrong: &mut Vec<Wrong>) {
    let word = verb.word();
    if line.verbs.contains(&verb) {
        wrong.push(Wrong::new("repeated-item", place, format!("`{word}` stands twice"), "keep one of them"));
    } else {
        line.verbs.push(verb);
    }
}

fn targets(cursor: &mut Cursor<'_>, line: &mut Line, wrong: &mut Vec<Wrong>) -> Reads<()> {
    loop {
        let start = cursor.place().start;
        let target = target(cursor)?;
        let at = cursor.since(start);
        if line.targets.contains(&target) {
            let message = format!("{} stands twice", cursor.shown_at(at.clone()));
            wrong.push(Wrong::new("repeated-item", at, message, "keep one of them"));
        } else {
            line.targets.push(target);
            too_many("targets", line.targets.len(), MAX_JOINED, at)?;
        }
        if !cursor.takes("or") {
            return Ok(());
        }
    }
}

/// Refuses a list that grows past its bound.
pub(super) fn too_many(what: &str, count: usize, most: usize, at: std::ops::Range<usize>) -> Reads<()> {
    if count <= most {
        return Ok(());
    }
    let message = format!("more than {most} {what} in one line");
    Err(Wrong::new("list-too-long", at, message, "write several lines, or keep the values in a list of `ambit.toml`"))
}

fn target(cursor: &mut Cursor<'_>) -> Reads<Target> {
    match cursor.bare() {
        Some("anything") => {
            cursor.next();
            if cursor.takes("in") {
                return cursor.name("the name of a system").map(Target::AnythingIn);
            }
            if cursor.takes("tagged") {
                return cursor.name("the name of a tag").map(Target::Tagged);
            }
            Ok(Target::Anything)
        }
        Some("every") => {
            cursor.next();
            for word in ["reading", "tool", "in"] {
                if !cursor.takes(word) {
                    let message = format!("{} after `every`", cursor.shown());
                    let help = "write `every reading tool in SYSTEM`, or `anything in SYSTEM`";
                    return Err(Wrong::new("bad-target", cursor.place(), message, help));
                }
            }
            cursor.name("the name of a system").map(Target::EveryReadingTool)
        }
        _ => named(cursor),
    }
}

fn named(cursor: &mut Cursor<'_>) -> Reads<Target> {
    let at = cursor.place();
    let shown = cursor.shown();
    let help = "write `system.name` as in `crm.customers`, `anything in SYSTEM`, `anything tagged TAG` or `every reading \
                tool in SYSTEM`; quote a name with odd characters";
    let wrong = |message: String, help: &str| Wrong::new("bad-target", at.clone(), message, help);
    let Some(token) = cursor.next() else {
        return Err(wrong(String::from("the line names nothing"), help));
    };
    let Kind::Word(parts) = &token.kind else {
        return Err(wrong(format!("{shown} where a target should stand"), help));
    };
    if let Some(word) = token.bare() {
        if matches!(word.trim_end_matches('.').to_lowercase().as_str(), "nothing" | "none" | "n/a") {
            let help = "an empty answer is `- nothing`, alone in its section; write a reason as a remark: `> …`";
            return Err(wrong(format!("{shown} is no target"), help));
        }
        if RESERVED.contains(&word) || Verb::from_word(word).is_some() {
            return Err(wrong(format!("no target before `{word}`"), help));
        }
        if let Some(stem) = word.strip_suffix('.').filter(|stem| stem.contains('.')) {
            return Err(wrong(
                format!("{shown} ends in a full stop"),
                &format!("write {}; lines need no full stop", quoted(stem)),
            ));
        }
    }
    let Some(steps) = steps(parts) else {
        return Err(wrong(format!("{shown} is no target"), help));
    };
    let whole = |(part, behind): &(Part, String)| behind.is_empty() && (part.quoted || is_bare_step(&part.text));
    if steps.len() < 2 {
        return Err(wrong(format!("{shown} names no system"), help));
    }
    if !steps.iter().all(whole) {
        return Err(wrong(format!("{shown} holds characters that a bare name cannot"), help));
    }
    let mut texts = steps.into_iter().map(|(part, _)| part.text);
    let system = texts.next().unwrap_or_default();
    let name = texts.collect::<Vec<_>>().join(".");
    if system.is_empty() || name.is_empty() || system.len() > MAX_NAME || name.len() > MAX_NAME {
        return Err(wrong(format!("{shown} holds a name that is empty or longer than {MAX_NAME} bytes"), help));
    }
    Ok(Target::Named { system, name })
}

fn fields(cursor: &mut Cursor<'_>, wrong: &mut Vec<Wrong>) -> Reads<Fields> {
    let open = cursor.place();
    cursor.next();
    let all_but = cursor.bare() == Some("all") && cursor.peek_at(1).and_then(Token::bare) == Some("but");
    if all_but {
        cursor.next();
        cursor.next();
    }
    let mut names: Vec<String> = Vec::new();
    loop {
        let at = cursor.place();
        let name = field(cursor)?;
        if names.contains(&name) {
            let message = format!("{} stands twice", cursor.shown_at(at.clone()));
            wrong.push(Wrong::new("repeated-item", at, message, "keep one of them"));
        } else {
            names.push(name);
            too_many("fields", names.len(), MAX_LISTED, at)?;
        }
        if cursor.takes_kind(&Kind::Close) {
            return Ok(if all_but { Fields::AllBut(names) } else { Fields::Only(names) });
        }
        if !cursor.takes_kind(&Kind::Comma) {
            let at = if cursor.peek().is_none() { open } else { cursor.place() };
            let message = format!("{} in a list of fields", cursor.shown());
            return Err(Wrong::new("bad-fields", at, message, "separate the names with commas: `(id, name)`"));
        }
    }
}

fn field(cursor: &mut Cursor<'_>) -> Reads<String> {
    let at = cursor.place();
    let shown = cursor.shown();
    let wrong = |help: &str| Wrong::new("bad-fields", at.clone(), format!("{shown} is no field"), help);
    let Some(token) = cursor.next() else { return Err(wrong("write `(id, name)` or `(all but id, name)`")) };
    match (token.text(), token.bare()) {
        (Some(text), _) if !text.is_empty() && text.len() <= MAX_NAME => Ok(text.to_owned()),
        (_, Some(word)) if is_bare_step(word) && word.len() <= MAX_NAME => Ok(word.to_owned()),
        (_, Some(word)) if is_bare_name(word) || word.contains("[]") => Err(wrong(
            "a field is a column or a whole argument; say what lies inside an argument with `where`, and quote a name that \
             holds a dot",
        )),
        _ => Err(wrong("write `(id, name)` or `(all but id, name)`; quote a name with odd characters")),
    }
}
