//! Under a stricter heading, a pattern that would have to be the whole value.

use super::Rule;
use crate::policy::Policy;
use crate::scope::Ask;
use crate::scope::diagnostics::Diagnostic;
use crate::scope::print::print_path;
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "whole-match", about: "a pattern that forbids is found anywhere, or says that it is the whole", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for line in policy.lines().iter().filter(|l| !l.line.section.is_can()) {
        for test in &line.line.tests {
            let whole = test.any.iter().find_map(|p| match &p.ask {
                Ask::Matches(pattern) if !p.negated && !open(pattern) => Some(pattern),
                _ => None,
            });
            if let Some(pattern) = whole {
                let message =
                    format!("`{}` must match `{pattern}` from its first to its last character", print_path(&test.path));
                let help = format!("to stop it anywhere in the value, write `matches \"(?s).*({pattern}).*\"`");
                found.push(Diagnostic::note(RULE.name, line.line.at.clone(), message, help));
            }
        }
    }
}

/// Whether a pattern reaches to both ends by itself.
fn open(pattern: &str) -> bool {
    let start = pattern.trim_start_matches("(?s)").trim_start_matches("(?is)").trim_start_matches("(?si)");
    (start.starts_with(".*") && pattern.ends_with(".*")) || (pattern.starts_with('^') && pattern.ends_with('$'))
}
