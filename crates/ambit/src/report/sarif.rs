//! Findings as SARIF 2.1.0 (OASIS), which code scanning reads.
//!
//! The members are those of the specification's sections 3.13 (log), 3.14 (run), 3.19 (tool component), 3.27 (result),
//! 3.29 and 3.30 (place). Columns are UTF-16 code units, the specification's own default, because not every reader
//! looks at `columnKind`.

use std::collections::BTreeMap;
use std::path::Path;

use ambit_core::ready::RULES;
use ambit_core::scope::compile;
use ambit_core::scope::diagnostics::{Diagnostic, Severity};
use ambit_core::scope::parse::PARSE_FINDINGS;
use serde_json::{Value, json};

use super::place::{Document, document, points};
use super::{Findings, escape};
use crate::findings::FINDINGS;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The findings as one log with one run. Documents below `top`, the top of the work tree, have relative URIs; others
/// have the URI of their file.
#[must_use]
pub fn log(all: &[Findings], top: Option<&Path>) -> Value {
    let rules = rules();
    let indices: BTreeMap<&str, usize> = rules.keys().enumerate().map(|(at, name)| (*name, at)).collect();
    let mut results = Vec::new();
    for findings in all {
        let uri = uri(&document(&findings.file, top));
        results.extend(findings.diagnostics.iter().map(|one| result(findings, one, &uri, &indices)));
    }
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "ambit",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": REPOSITORY,
                "rules": rules.iter().map(|(name, about)| rule(name, about)).collect::<Vec<_>>(),
            } },
            "columnKind": "utf16CodeUnits",
            "results": results,
        }],
    })
}

/// Every finding there is, by name, with its sentence. A name that stands in two lists means the same in both.
fn rules() -> BTreeMap<&'static str, &'static str> {
    let mut all = BTreeMap::new();
    all.extend(FINDINGS.iter().copied());
    all.extend(RULES.iter().map(|rule| (rule.name, rule.about)));
    all.extend(compile::FINDINGS.iter().copied());
    all.extend(PARSE_FINDINGS.iter().copied());
    all
}

fn rule(name: &str, about: &str) -> Value {
    let anchor = format!("{REPOSITORY}/blob/main/docs/reference/findings.md#{name}");
    json!({
        "id": name,
        "shortDescription": { "text": text(about) },
        "help": { "text": format!("What it means and what to do about it: {anchor}") },
        "helpUri": anchor,
    })
}

fn result(findings: &Findings, one: &Diagnostic, uri: &str, indices: &BTreeMap<&str, usize>) -> Value {
    let level = match one.severity {
        Severity::Error => "error",
        Severity::NotReady => "warning",
        Severity::Note => "note",
    };
    let (start, end) = points(findings, &one.at);
    let artifact = match uri.starts_with("file:") {
        true => json!({ "uri": uri }),
        false => json!({ "uri": uri, "uriBaseId": "%SRCROOT%" }),
    };
    json!({
        "ruleId": one.name,
        // -1 is how the specification says "none"; every finding is listed, and a test says so.
        "ruleIndex": indices.get(one.name).map_or(json!(-1), |index| json!(index)),
        "level": level,
        "message": { "text": text(&format!("{}\nhelp: {}", escape(&one.message), escape(&one.help))) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": artifact,
            "region": {
                "startLine": start.line, "startColumn": start.utf16,
                "endLine": end.line, "endColumn": end.utf16,
            },
        } }],
    })
}

/// Text as a message that says just this: braces would be places for arguments, and `[…](…)` a link (3.11.5, 3.11.6).
fn text(plain: &str) -> String {
    plain.replace('{', "{{").replace('}', "}}").replace("](", "] (")
}

/// A document as a URI reference: what RFC 3986 lets stand in a path by itself, and the rest by its bytes.
fn uri(document: &Document) -> String {
    match document {
        Document::Below(parts) => parts.iter().map(|part| segment(part)).collect::<Vec<_>>().join("/"),
        Document::Elsewhere(path) if path.starts_with('/') => {
            format!("file://{}", path.split('/').map(segment).collect::<Vec<_>>().join("/"))
        }
        Document::Elsewhere(path) => path.split('/').map(segment).collect::<Vec<_>>().join("/"),
    }
}

fn segment(part: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    part.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use ambit_core::scope::Span;

    use super::*;

    #[test]
    fn a_document_of_any_name_is_a_uri() {
        let below = |parts: &[&str]| uri(&Document::Below(parts.iter().map(|&part| part.to_owned()).collect()));
        assert_eq!(below(&["a b", "SCOPE.md"]), "a%20b/SCOPE.md");
        assert_eq!(below(&["c:d", "é%?#.md"]), "c%3Ad/%C3%A9%25%3F%23.md");
        assert_eq!(uri(&Document::Elsewhere("/etc/x y.md".into())), "file:///etc/x%20y.md");
    }

    #[test]
    fn a_message_is_neither_a_template_nor_a_link() {
        let at = Span { bytes: 0..3, line: 1 };
        let one = Diagnostic::error("unknown-key", at, "`{0}` [here](https://evil.example)\u{202e}", "h");
        let findings = Findings { file: "f".into(), text: "one\n".into(), diagnostics: vec![one] };
        let log = log(&[findings], None);
        assert_eq!(
            log["runs"][0]["results"][0]["message"]["text"],
            "`{{0}}` [here] (https://evil.example)\\u{{202e}}\nhelp: h"
        );
    }

    #[test]
    fn every_result_points_at_its_rule() {
        let at = Span { bytes: 0..3, line: 1 };
        let names = ["unknown-key", "unlimited-write", "backslash", "unknown-resource"];
        let diagnostics = names.map(|name| Diagnostic::not_ready(name, at.clone(), "m", "h")).to_vec();
        let log = log(&[Findings { file: "f".into(), text: "one\n".into(), diagnostics }], None);
        let run = &log["runs"][0];
        for (result, name) in run["results"].as_array().unwrap().iter().zip(names) {
            let rule = &run["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
            assert_eq!((&rule["id"], &result["ruleId"]), (&name.into(), &name.into()));
            assert!(rule["helpUri"].as_str().unwrap().ends_with(&format!("/docs/reference/findings.md#{name}")));
            assert_eq!(result["level"], "warning");
        }
    }
}
