//! Something is deleted without a human and without a reason.

use super::Rule;
use crate::effect::Verb;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule = Rule { name: "unconfirmed-delete", about: "deleting needs a human, or a reason", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for (line, resources) in super::grants(policy) {
        if super::has_reason(line) {
            continue;
        }
        if let Some(resource) = resources.into_iter().find(|resource| {
            super::does(line, resource, Verb::Delete)
                || (resource.declared.destructive_hint && !resource.declared.reads_only)
        }) {
            found.push(Diagnostic::not_ready(
                RULE.name,
                line.line.at.clone(),
                format!("`{}` deletes, and nobody confirms it", resource.name),
                "move the line under `## A human must confirm`, or add `because …` to say why it may run by itself",
            ));
        }
    }
}
