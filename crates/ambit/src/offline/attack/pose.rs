//! Foreign values that pose as ones the page knows: each must come out as strict as one that is plainly foreign.

use ambit_core::catalog::ResourceId;
use ambit_core::decision::Verdict;
use ambit_core::scope::{Ask, Path, Set, Step};
use ambit_core::value::Value;

use super::base::Base;
use super::{Plan, Target};
use crate::offline::test::sample;

/// What poses, and how it is done.
type Posing = (&'static str, String);

pub(super) fn plans(target: &Target<'_>, base: &Base) -> Vec<Plan> {
    let under = tested(target, base, |ask| matches!(ask, Ask::Under(_)));
    let mut plans = Vec::new();
    for (path, known) in tested(target, base, is_known_by) {
        let is_path = under.iter().any(|(known, _)| *known == path);
        let (kind, control, posing) = if is_path || (known.contains('/') && !known.contains("://")) {
            let (control, posing) = paths(&known);
            ("path", control, posing)
        } else if known.contains("://") {
            ("url", "https://evil.example/".to_owned(), urls(&known))
        } else if known.contains('@') {
            ("address", FOREIGN.to_owned(), addresses(&known))
        } else {
            ("look-alike", "something else altogether".to_owned(), words(&known))
        };
        let at_least = target.trial(&base.with(&set(base, &path, &control)), base).verdict();
        // Where anything may stand, nothing has to pose.
        if at_least == Verdict::Allow || at_least <= base.verdict {
            continue;
        }
        plans.extend(posing.into_iter().filter(|(_, value)| *value != known).map(|(how, value)| Plan {
            kind,
            done: how.to_owned(),
            attempt: base.with(&set(base, &path, &value)),
            at_least,
        }));
    }
    plans
}

/// Whether a test knows values by what they are. What the request or the task says differs from call to call.
fn is_known_by(ask: &Ask) -> bool {
    match ask {
        Ask::In(set) | Ask::AddressAt(set) | Ask::UrlAt(set) | Ask::Under(set) => !matches!(set, Set::Request),
        Ask::Is(_) | Ask::StartsWith(_) | Ask::EndsWith(_) | Ask::Contains(_) | Ask::Matches(_) => true,
        _ => false,
    }
}

/// The texts of a call that some line about it tests by such a question, each place once.
pub(super) fn tested(target: &Target<'_>, base: &Base, wanted: impl Fn(&Ask) -> bool) -> Vec<(Path, String)> {
    let mut found: Vec<(Path, String)> = Vec::new();
    for line in target.policy.lines() {
        if !line.reaches().any(|(id, _)| is_called(target, base, id)) {
            continue;
        }
        for test in &line.line.tests {
            let Some(Value::Text(text)) = sample::get(&base.arguments, &test.path) else { continue };
            let asked = test.any.iter().any(|predicate| wanted(&predicate.ask));
            if asked && !found.iter().any(|(path, _)| *path == test.path) {
                found.push((test.path.clone(), text.clone()));
            }
        }
    }
    found
}

fn is_called(target: &Target<'_>, base: &Base, id: ResourceId) -> bool {
    let catalog = target.policy.catalog();
    catalog.system_named(&base.system).and_then(|system| catalog.resource_named(system, &base.name)) == Some(id)
}

/// The call's arguments with that text at the path: in the first element of a list, the others stay.
pub(super) fn set(base: &Base, path: &Path, text: &str) -> Value {
    put(&base.arguments, &path.steps, text)
}

fn put(here: &Value, steps: &[Step], text: &str) -> Value {
    let Some((step, rest)) = steps.split_first() else { return Value::Text(text.to_owned()) };
    let below = here.get(&step.name).unwrap_or(&Value::Null);
    let below = match below {
        Value::List(items) if step.each => {
            let mut items = items.clone();
            if let Some(first) = items.first_mut() {
                *first = put(first, rest, text);
            }
            Value::List(items)
        }
        one => put(one, rest, text),
    };
    sample::with_member(here.clone(), &step.name, below)
}

const FOREIGN: &str = "mallory@evil.example";

fn addresses(known: &str) -> Vec<Posing> {
    let (user, domain) = known.rsplit_once('@').unwrap_or((known, known));
    vec![
        ("put a foreign address before the known one", format!("{FOREIGN},{known}")),
        ("put a foreign address behind the known one", format!("{known},{FOREIGN}")),
        ("put a foreign address behind a semicolon", format!("{known};{FOREIGN}")),
        ("put a foreign address behind a space", format!("{known} {FOREIGN}")),
        ("put a header behind a line feed", format!("{known}\nBcc: {FOREIGN}")),
        ("make the known address a name before a foreign one", format!("{known} <{FOREIGN}>")),
        ("make the known address the user of a foreign host", format!("{known}@evil.example")),
        ("quote the known address as a foreign user", format!("\"{known}\"@evil.example")),
        ("make the known domain the start of a foreign one", format!("{user}@{domain}.evil.example")),
        ("make the known domain the end of a foreign one", format!("{user}@not-{domain}")),
        ("make the known domain a remark", format!("{FOREIGN} ({domain})")),
        ("write the known domain with look-alike letters", format!("{user}@{}", look_alike(domain))),
        ("write the known domain with a character that nobody sees", format!("{user}@{}", unseen(domain))),
    ]
}

fn urls(known: &str) -> Vec<Posing> {
    let rest = known.split_once("://").map_or(known, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    vec![
        ("make the known host a path of a foreign one", format!("https://evil.example/{host}")),
        ("make the known URL a question to a foreign host", format!("https://evil.example/?to={known}")),
        ("make the known URL the fragment of a foreign one", format!("https://evil.example#{known}")),
        ("make the known host the user at a foreign one", format!("https://{host}@evil.example/")),
        ("make the known host user and password", format!("https://{host}:443@evil.example/")),
        ("hide the foreign host behind a backslash", format!("https://evil.example\\@{host}/")),
        ("make the known host the start of a foreign one", format!("https://{host}.evil.example/")),
        ("make the known host the end of a foreign one", format!("https://not-{host}/")),
        ("leave the scheme out", format!("//evil.example/{host}")),
        ("take a scheme that runs something", format!("javascript://{host}/%0aalert(1)")),
        ("write the known host with look-alike letters", format!("https://{}/", look_alike(host))),
        ("put a line feed and a foreign URL behind it", format!("{known}\nhttps://evil.example/")),
    ]
}

/// A path that is plainly foreign, of the same form (relative, absolute, a URI), and those that pose.
fn paths(known: &str) -> (String, Vec<Posing>) {
    let (scheme, path) = match known.split_once("://") {
        Some((scheme, path)) => (format!("{scheme}://"), path),
        None => (String::new(), known),
    };
    let up = "../".repeat(12);
    let root = path.trim_end_matches('/').rsplit_once('/').map_or(path, |(root, _)| root);
    let mut posing = vec![
        ("go up out of the known directory", format!("{path}/{up}etc/passwd")),
        ("go up from its root", format!("{root}/{up}etc/passwd")),
        ("go up with slashes twice", format!("{root}//..//{up}etc/passwd")),
        ("take a directory whose name only begins like it", format!("{}-elsewhere/file", first(path))),
        ("put a zero and a foreign path behind it", format!("{path}\0/etc/passwd")),
        ("write its directory with look-alike letters", format!("{}/file", look_alike(first(path)))),
    ];
    if !scheme.is_empty() {
        posing.push(("go up percent-encoded", format!("{root}/{}etc/passwd", "%2e%2e/".repeat(12))));
        posing.push(("go up with the slash percent-encoded", format!("{root}/{}etc/passwd", "..%2f".repeat(12))));
        posing.push(("stand on another host", format!("evil.example{path}")));
    }
    let foreign = if path.starts_with('/') { "/outside/of/everything" } else { "outside/of/everything" };
    let posing = posing.into_iter().map(|(how, path)| (how, format!("{scheme}{path}")));
    (format!("{scheme}{foreign}"), posing.collect())
}

/// The path down to its first directory.
fn first(known: &str) -> &str {
    let from = known.len() - known.trim_start_matches('/').len();
    let end = known.get(from..).and_then(|rest| rest.find('/')).map_or(known.len(), |at| from + at);
    known.get(..end).unwrap_or(known)
}

fn words(known: &str) -> Vec<Posing> {
    vec![
        ("write it with letters that look like its own", look_alike(known)),
        ("write it with a character that nobody sees", unseen(known)),
        ("write it in full width", full_width(known)),
        ("put a zero behind it", format!("{known}\0")),
        ("put another word behind a line feed", format!("{known}\nsomething else")),
    ]
}

/// The text with its first letter that has a Cyrillic or Greek double replaced by that. They are written by number here, so
/// that whoever reads this sees which is which.
pub(super) fn look_alike(text: &str) -> String {
    const DOUBLES: [(char, char); 12] = [
        ('a', '\u{430}'),
        ('c', '\u{441}'),
        ('e', '\u{435}'),
        ('i', '\u{456}'),
        ('o', '\u{43e}'),
        ('p', '\u{440}'),
        ('s', '\u{455}'),
        ('x', '\u{445}'),
        ('A', '\u{410}'),
        ('E', '\u{395}'),
        ('R', '\u{1a6}'),
        ('U', '\u{54d}'),
    ];
    let double = |c: char| DOUBLES.iter().find(|(plain, _)| *plain == c).map(|(_, double)| *double);
    let Some((at, found)) = text.char_indices().find(|(_, c)| double(*c).is_some()) else { return text.to_owned() };
    let end = at + found.len_utf8();
    let (before, after) = (text.get(..at).unwrap_or_default(), text.get(end..).unwrap_or_default());
    format!("{before}{}{after}", double(found).unwrap_or(found))
}

/// The text with a space of no width behind its first character.
pub(super) fn unseen(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().chain(['\u{200b}']).chain(letters).collect()
}

/// The text in letters of full width.
pub(super) fn full_width(text: &str) -> String {
    let wide = |c: char| match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).unwrap_or(c),
        other => other,
    };
    text.chars().map(wide).collect()
}
