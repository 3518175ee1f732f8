//! Documents that nobody would write: nothing panics, and whatever is accepted shows as it is read and survives printing.
//! `PROPTEST_CASES` sets how many are tried.

use ambit_core::scope::Section;
use ambit_core::scope::diagnostics::Diagnostic;
use ambit_core::scope::parse::{
    PARSE_FINDINGS, Parsed, parse, parse_bytes, parse_in_task, parse_line, parse_scenarios,
};
use ambit_core::scope::print::{print, print_line};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::trees::{line, odd};
use super::{REFUND_HELPER, renderer};

const EVERYTHING: &str = include_str!("../scopes/everything.md");

/// One change to a text.
#[derive(Clone, Debug)]
enum Change {
    Insert(Index, String),
    Delete(Index, usize),
    Double(Index, usize),
    SwapLines(Index, Index),
    DeleteLine(Index),
    DoubleLine(Index),
    JoinLine(Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (any::<Index>(), odd()).prop_map(|(at, text)| Change::Insert(at, text)),
        3 => (any::<Index>(), word()).prop_map(|(at, text)| Change::Insert(at, format!(" {text} "))),
        3 => (any::<Index>(), 1..6usize).prop_map(|(at, length)| Change::Delete(at, length)),
        1 => (any::<Index>(), 1..30usize).prop_map(|(at, length)| Change::Double(at, length)),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Change::SwapLines(a, b)),
        1 => any::<Index>().prop_map(Change::DeleteLine),
        1 => any::<Index>().prop_map(Change::DoubleLine),
        1 => any::<Index>().prop_map(Change::JoinLine),
    ]
}

fn changed(text: &str, change: &Change) -> String {
    let characters: Vec<char> = text.chars().collect();
    let lines: Vec<&str> = text.lines().collect();
    if characters.is_empty() || lines.is_empty() {
        return text.to_owned();
    }
    let cut = |at: &Index, length: usize| {
        let at = at.index(characters.len());
        (at, (at + length).min(characters.len()))
    };
    match change {
        Change::Insert(at, piece) => {
            let at = at.index(characters.len());
            characters[..at].iter().copied().chain(piece.chars()).chain(characters[at..].iter().copied()).collect()
        }
        Change::Delete(at, length) => {
            let (start, end) = cut(at, *length);
            characters[..start].iter().chain(&characters[end..]).collect()
        }
        Change::Double(at, length) => {
            let (start, end) = cut(at, *length);
            characters[..end].iter().chain(&characters[start..]).collect()
        }
        Change::SwapLines(a, b) => {
            let (a, b) = (a.index(lines.len()), b.index(lines.len()));
            let mut lines = lines.clone();
            lines.swap(a, b);
            lines.join("\n")
        }
        Change::DeleteLine(at) => {
            let mut lines = lines.clone();
            lines.remove(at.index(lines.len()));
            lines.join("\n")
        }
        Change::DoubleLine(at) => {
            let mut lines = lines.clone();
            let at = at.index(lines.len());
            lines.insert(at, lines[at]);
            lines.join("\n")
        }
        Change::JoinLine(at) => {
            let at = at.index(lines.len());
            let joined = lines
                .iter()
                .enumerate()
                .map(|(number, line)| if number == at { (*line).to_owned() } else { format!("{line}\n") });
            joined.collect()
        }
    }
}

fn word() -> impl Strategy<Value = String> {
    const WORDS: &[&str] = &[
        "read",
        "create",
        "update",
        "delete",
        "call",
        "run",
        "define",
        "or",
        "and",
        "where",
        "is",
        "is not",
        "one of",
        "in",
        "crm.customers",
        "crm.\"Order Items\"",
        "fs.read-file",
        "anything",
        "anything in",
        "anything tagged",
        "every reading tool in",
        "crm",
        "(",
        ")",
        "(id, name)",
        "(all but ssn)",
        "amount",
        "items[].amount",
        "\"a b\"[].c",
        "at least",
        "at most",
        "above",
        "below",
        "5",
        "1 rows",
        "3 times",
        "of amount",
        "at once",
        "per hour",
        "per task",
        "\"EUR\"",
        "(\"EUR\", 2)",
        "2026-12-31",
        "true",
        "false",
        "given",
        "under",
        "an address at",
        "a URL at",
        "the request",
        "quoted in the request",
        "the task's customer",
        "starts with",
        "does not contain",
        "not matches",
        ",",
        ", for refund",
        ", for any task but audit",
        ", otherwise a human",
        ", by support",
        ", by two of finance",
        ", by someone else",
        ", within 30 minutes",
        ", until 2027-01-01",
        ", because it is so",
        ", at most",
        "payees",
        "nothing",
        "`",
        "\"",
        "`x`",
        "1,000",
        "=",
    ];
    select(WORDS).prop_map(str::to_owned)
}

fn page_line() -> impl Strategy<Value = String> {
    const STARTS: &[&str] = &[
        "---",
        "agent: a",
        "owner: o",
        "# T",
        "Does its work.",
        "## It can read",
        "## It can write",
        "## A human must confirm",
        "## It cannot touch",
        "## Scenarios",
        "## Notes",
        "",
        "",
        "- nothing",
        "- ",
        "  ",
        "> ",
        ">",
        "| when it is told | and it tries | then |",
        "|---|---|---|",
        "| a | `b.c {}` | allow |",
        "| ",
        "* ",
        "1. ",
        "===",
        "```",
        "    ",
        "- crm.customers",
        "<div>",
        "[a]: b",
        "--- | ---",
        "a | b",
    ];
    (select(STARTS), prop_oneof![3 => Just(String::new()), 1 => odd(), 1 => word()])
        .prop_map(|(start, rest)| format!("{start}{rest}"))
}

fn whole(page: &str) -> String {
    format!("---\nagent: a\nowner: o\n---\n\n# T\n\nDoes its work.\n\n## It can read\n\n- nothing\n{page}")
}

/// What must hold for any text: findings are of known names and inside the document, and what is accepted survives.
fn holds(text: &str) -> Result<Parsed, TestCaseError> {
    let parsed = parse(text);
    for finding in &parsed.diagnostics {
        prop_assert!(PARSE_FINDINGS.iter().any(|(name, _)| *name == finding.name), "{}", finding.name);
        prop_assert!(text.get(finding.at.bytes.clone()).is_some(), "{finding:?}");
        prop_assert_eq!(finding.at.line, text[..finding.at.bytes.start].matches('\n').count() + 1);
        readable(finding)?;
    }
    if parsed.is_sound() {
        prop_assert_eq!(renderer::shows(text, &parsed.document), Ok(()), "{}", text);
        let printed = print(&parsed.document);
        let again = parse(&printed);
        prop_assert_eq!(&again.diagnostics, &vec![], "{}", printed);
        prop_assert_eq!(print(&again.document), printed);
        prop_assert_eq!(again.document.without_places(), parsed.document.clone().without_places());
    }
    Ok(parsed)
}

/// What a finding says can be shown to anybody: short, and with nothing in it that a terminal would obey.
fn readable(finding: &Diagnostic) -> Result<(), TestCaseError> {
    for said in [&finding.message, &finding.help] {
        prop_assert!(!said.is_empty() && said.len() < 500, "{finding:?}");
        let unseen = |c: char| c.is_control() || "\u{200b}\u{202e}\u{e000}\u{3000}".contains(c);
        prop_assert!(!said.contains(unseen) && !said.ends_with('.'), "{finding:?}");
    }
    Ok(())
}

/// The same for one line.
fn line_holds(section: Section, text: &str) -> Result<(), TestCaseError> {
    let (line, found) = parse_line(section, text);
    found.iter().try_for_each(readable)?;
    if found.is_empty() {
        let line = line.unwrap();
        let printed = print_line(&line);
        let (again, found) = parse_line(section, &printed);
        prop_assert_eq!(found, vec![], "{}", printed);
        let mut again = again.unwrap();
        prop_assert_eq!(print_line(&again), printed);
        (again.text, again.at) = (line.text.clone(), line.at.clone());
        prop_assert_eq!(again, line);
    }
    Ok(())
}

#[test]
fn every_form_is_accepted() {
    let parsed = holds(EVERYTHING).unwrap();
    assert_eq!(parsed.diagnostics, vec![]);
    assert_eq!(parsed.document.lines.len(), 18);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_document_is_refused_or_survives(
        base in select(&[REFUND_HELPER, EVERYTHING]),
        changes in vec(change(), 1..4),
    ) {
        let text = changes.iter().fold(base.to_owned(), |text, change| changed(&text, change));
        holds(&text)?;
    }

    #[test]
    fn a_soup_of_words_is_refused_or_survives(words in vec(word(), 1..10), section in select(Section::ALL.to_vec())) {
        line_holds(section, &words.join(" "))?;
    }

    #[test]
    fn a_changed_line_is_refused_or_survives(tree in line(), changes in vec(change(), 1..3)) {
        line_holds(tree.section, &changes.iter().fold(print_line(&tree), |text, change| changed(&text, change)))?;
    }

    #[test]
    fn a_soup_of_lines_is_refused_or_survives(lines in vec(page_line(), 0..14), framed in any::<bool>()) {
        let page = lines.join("\n");
        holds(&if framed { whole(&page) } else { page.clone() })?;
        let (scenarios, found) = parse_scenarios(&page);
        prop_assert!(!scenarios.is_empty() || !found.is_empty());
    }

    #[test]
    fn any_bytes_give_a_result(bytes in vec(any::<u8>(), 0..300)) {
        let parsed = parse_bytes(&bytes);
        prop_assert!(!parsed.is_sound());
    }

    #[test]
    fn any_cell_gives_a_result(words in vec(prop_oneof![word(), odd()], 0..6)) {
        let cell = words.join(" ");
        prop_assert!(parse_in_task(&cell).is_err_and(|found| !found.is_empty()) || !cell.trim().is_empty());
    }
}
