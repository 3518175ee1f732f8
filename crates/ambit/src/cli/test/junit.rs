//! What came of the tests as JUnit's XML: a suite for the scenarios of a page, and one for its lines.

use std::io::{self, Write};

use super::Tested;

/// Writes one document.
pub(super) fn write(tested: &[Tested], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    writeln!(out, "<testsuites name=\"ambit test\">")?;
    for page in tested {
        let outcome = &page.outcome;
        let (count, failed) = (outcome.scenarios.len(), outcome.failed().count());
        suite(out, &format!("{}: scenarios", page.agent), count, failed)?;
        for played in &outcome.scenarios {
            let name = format!("{}:{}: {}", played.file, played.line, played.tries);
            let failure = (!played.passed).then(|| {
                let message = format!("expected {}, and it is {}", played.expected.word(), played.came.word());
                let whys: Vec<&str> = played.grounds.iter().map(|ground| ground.why.as_str()).collect();
                (message, whys.join("\n"))
            });
            case(out, &page.file, &name, failure)?;
        }
        writeln!(out, "  </testsuite>")?;
        suite(out, &format!("{}: lines", page.agent), outcome.lines.len(), outcome.unheld().count())?;
        for tried in &outcome.lines {
            let name = format!("line {}, {}: {}", tried.line, tried.section, tried.text);
            let open: Vec<String> = tried
                .unheld()
                .map(|step| match &step.suggestion {
                    Some(suggestion) => format!("{}: {}", step.done, suggestion.words),
                    None => step.done.clone(),
                })
                .collect();
            let failure = (!open.is_empty()).then(|| ("no scenario holds this line".to_owned(), open.join("\n")));
            case(out, &page.file, &name, failure)?;
        }
        writeln!(out, "  </testsuite>")?;
    }
    writeln!(out, "</testsuites>")
}

fn suite(out: &mut impl Write, name: &str, count: usize, failed: usize) -> io::Result<()> {
    writeln!(out, "  <testsuite name=\"{}\" tests=\"{count}\" failures=\"{failed}\" errors=\"0\">", xml(name))
}

fn case(out: &mut impl Write, of: &str, name: &str, failure: Option<(String, String)>) -> io::Result<()> {
    let (of, name) = (xml(of), xml(name));
    match failure {
        None => writeln!(out, "    <testcase classname=\"{of}\" name=\"{name}\"/>"),
        Some((message, text)) => writeln!(
            out,
            "    <testcase classname=\"{of}\" name=\"{name}\"><failure message=\"{}\">{}</failure></testcase>",
            xml(&message),
            xml(&text)
        ),
    }
}

/// Text for an attribute or an element. What XML has no way to write becomes the replacement character.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push_str(&format!("&#{};", u32::from(c))),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
