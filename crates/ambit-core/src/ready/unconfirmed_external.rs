//! An external call that cannot be taken back runs without a human and without a reason.

use super::Rule;
use crate::policy::Policy;
use crate::scope::Section;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "unconfirmed-external", about: "what leaves the house for good needs a human, or a reason", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for (line, resources) in super::grants(policy) {
        if super::has_reason(line) {
            continue;
        }
        if let Some(resource) = resources.into_iter().find(|resource| {
            resource.tags.contains("external")
                && resource.declared.reversible != Some(true)
                && line.line.section == Section::CanWrite
        }) {
            found.push(Diagnostic::not_ready(RULE.name, line.line.at.clone(), format!("`{}` reaches outside and cannot be taken back, and nobody confirms it", resource.name), "move the line under `## A human must confirm`, declare it `reversible = true` in ambit.toml, or add `because …`"));
        }
    }
}
