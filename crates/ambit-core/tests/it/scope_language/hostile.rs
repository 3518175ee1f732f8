//! Documents made to be slow to read, at the largest size that is read at all.

use std::time::{Duration, Instant};

use ambit_core::scope::parse::{MAX_DOCUMENT_BYTES, parse};

/// A whole document with that purpose, repeated until the document is full.
fn full(purpose: &str, bullets: &str) -> String {
    let head = "---\nagent: a\nowner: o\n---\n\n# T\n\n";
    let tail = "\n\n## It can read\n\n- nothing\n\n## It can write\n\n";
    let rest = "\n## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- nothing\n";
    let room = MAX_DOCUMENT_BYTES - head.len() - tail.len() - rest.len() - 20;
    let (purpose, bullets) = if purpose.is_empty() {
        ("P".to_owned(), bullets.repeat(room / bullets.len()))
    } else {
        (purpose.repeat(room / purpose.len()), "- nothing\n".to_owned())
    };
    format!("{head}{purpose}{tail}{bullets}{rest}")
}

#[expect(clippy::disallowed_methods, reason = "how long reading takes is what is tested")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn no_document_within_the_bounds_takes_long() {
    let purposes = [
        "$a ",
        "<a",
        "<a \n",
        "[a",
        "*a ",
        "*a* ",
        "_a ",
        "~",
        "&a",
        ":a",
        "`a``b```c",
        "` ``",
        "a  ",
        "é\u{301}",
        "\u{200b}",
    ];
    let bullets = [
        "- a.b\n",
        "- a.b, a.b, a.b, a.b\n",
        "- a.b where a is \"x\" or is \"y\" and b is in (1, 2, 3)\n",
        "- a\n",
        "-\n",
        "## It can raed\n",
        "> a\n",
        "- a.b,\n  because\n",
        "- \"\n",
        "- (((((((((((((\n",
        "\n",
    ];
    for document in purposes.iter().map(|p| full(p, "")).chain(bullets.iter().map(|b| full("", b))) {
        assert!(document.len() <= MAX_DOCUMENT_BYTES);
        let start = now();
        let parsed = parse(&document);
        let (taken, text) = (start.elapsed(), document.chars().skip(30).take(60).collect::<String>());
        assert!(
            taken < Duration::from_secs(10),
            "{taken:?} for {text:?}: a tenth of a second is usual, quadratic is minutes"
        );
        assert!(parsed.document.lines.len() <= 4_096 && parsed.diagnostics.len() <= 501);
    }
}

#[test]
fn a_scope_of_a_thousand_lines_is_read() {
    let bullets: String = (0..1_000).map(|n| format!("- call x.tool_{n} where amount is at most {n} and currency is one of (\"EUR\", \"USD\"), at most 5 times per hour, because line {n} needs it\n")).collect();
    let parsed =
        parse(&full("Does its work.\n", "").replacen("- nothing\n\n## A human", &format!("{bullets}\n## A human"), 1));
    assert!(!parsed.is_sound(), "it is past the bound");
    let text = format!(
        "---\nagent: a\nowner: o\n---\n\n# T\n\nP.\n\n## It can read\n\n- nothing\n\n## It can write\n\n{bullets}\n## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- nothing\n"
    );
    let parsed = parse(&text);
    assert_eq!((parsed.diagnostics.as_slice(), parsed.document.lines.len()), ([].as_slice(), 1_000));
}
