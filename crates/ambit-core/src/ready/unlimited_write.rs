//! A write has no limit over time and no reason.

use super::Rule;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::scope::{Section, Window};
use crate::time::Date;

pub(super) const RULE: Rule = Rule { name: "unlimited-write", about: "a write needs a limit, or a reason", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for (line, resources) in super::grants(policy) {
        if super::has_reason(line) {
            continue;
        }
        if let Some(resource) = resources.into_iter().find(|resource| {
            !resource.declared.reads_only
                && line.line.section == Section::CanWrite
                && !line.line.limits.iter().any(|l| l.per != Window::AtOnce)
        }) {
            found.push(Diagnostic::not_ready(
                RULE.name,
                line.line.at.clone(),
                format!("`{}` may be written without end", resource.name),
                "add a limit such as `at most 30 times per hour`, or `because …` to say why it needs none",
            ));
        }
    }
}
