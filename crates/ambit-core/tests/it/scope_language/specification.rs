//! What `docs/reference/scope.md` says is so.

use ambit_core::scope::parse::{
    COLUMNS, FRONT_KEYS, MAX_BULLET_BYTES, MAX_BULLETS, MAX_DOCUMENT_BYTES, MAX_FINDINGS, MAX_FRONT_VALUE, MAX_JOINED,
    MAX_LINE_BYTES, MAX_LINES, MAX_LISTED, MAX_NAME, MAX_PATH_STEPS, MAX_SCENARIOS, PARSE_FINDINGS, RESERVED, parse,
};
use ambit_core::scope::print::print;

const SPECIFICATION: &str = include_str!("../../../../../docs/reference/scope.md");

#[test]
fn its_example_is_canonical() {
    let (_, rest) = SPECIFICATION.split_once("```scope\n").unwrap();
    let (example, _) = rest.split_once("```\n").unwrap();
    let parsed = parse(example);
    assert_eq!(parsed.diagnostics, vec![]);
    assert_eq!(print(&parsed.document), example);
}

#[test]
fn it_names_every_bound() {
    let bounds: &[(&str, &[usize])] = &[
        ("a document", &[MAX_DOCUMENT_BYTES, MAX_LINES]),
        ("a line", &[MAX_LINE_BYTES]),
        ("a bullet's text", &[MAX_BULLET_BYTES]),
        ("bullets in a document", &[MAX_BULLETS]),
        ("scenarios in a document", &[MAX_SCENARIOS]),
        ("targets, verbs,", &[MAX_JOINED]),
        ("fields or values", &[MAX_LISTED]),
        ("steps in a path", &[MAX_PATH_STEPS]),
        ("a name", &[MAX_NAME]),
        ("a value of the front matter", &[MAX_FRONT_VALUE]),
        ("findings reported", &[MAX_FINDINGS]),
    ];
    for (what, most) in bounds {
        let row = SPECIFICATION.lines().find(|line| line.starts_with(&format!("| {what}"))).unwrap();
        let found: Vec<usize> = row
            .replace(',', "")
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|number| number.parse().ok())
            .collect();
        assert_eq!(found, *most, "{what}");
    }
}

#[test]
fn it_names_every_finding_key_column_and_reserved_word() {
    let words: Vec<&str> = SPECIFICATION.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    for (name, _) in PARSE_FINDINGS {
        assert!(words.contains(name), "{name}");
    }
    for word in RESERVED {
        assert!(words.contains(&word), "{word}");
    }
    for name in FRONT_KEYS.iter().chain(&COLUMNS) {
        assert!(SPECIFICATION.contains(&format!("| `{name}` |")), "{name}");
    }
}
