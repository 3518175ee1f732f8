//! Money moves without a human and without a reason.

use super::Rule;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "unconfirmed-money", about: "moving money needs a human, or a reason", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for (line, resources) in super::grants(policy) {
        if super::has_reason(line) {
            continue;
        }
        if let Some(resource) =
            resources.into_iter().find(|resource| resource.declared.amount.is_some() || resource.tags.contains("money"))
        {
            found.push(Diagnostic::not_ready(
                RULE.name,
                line.line.at.clone(),
                format!("`{}` moves money, and nobody confirms it", resource.name),
                "move the line under `## A human must confirm`, or add `because …` to say why it may run by itself",
            ));
        }
    }
}
