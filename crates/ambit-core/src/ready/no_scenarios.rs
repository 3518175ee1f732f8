//! No scenario stands in the document.

use super::Rule;
use crate::policy::Policy;
use crate::scope::Span;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule = Rule { name: "no-scenarios", about: "scenarios show what the page is meant to do", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    if policy.document().scenarios.is_empty() {
        let at = Span { bytes: 0..3, line: 1 };
        found.push(Diagnostic::not_ready(RULE.name, at, "no scenario shows what this scope is meant to do", "add `## Scenarios` with a table: `| when it is told | and it tries | then |`; `ambit test` says which lines still need one"));
    }
}
