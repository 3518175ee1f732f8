//! A grant over a set, or over a whole relation, without a reason.

use super::Rule;
use crate::catalog::ResourceKind;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::scope::{Section, Target};
use crate::time::Date;

pub(super) const RULE: Rule = Rule { name: "broad-grant-without-reason", about: "a broad grant says why", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for (line, resources) in super::grants(policy) {
        if super::has_reason(line) {
            continue;
        }
        let set = line.line.targets.iter().any(|t| !matches!(t, Target::Named { .. }));
        let whole = line.line.section == Section::CanRead
            && line.line.fields.is_none()
            && line.line.tests.is_empty()
            && resources.iter().any(|r| r.kind == ResourceKind::Relation);
        if set || whole {
            let what =
                if set { format!("it covers {} things", resources.len()) } else { "it covers every column".to_owned() };
            found.push(Diagnostic::not_ready(
                RULE.name,
                line.line.at.clone(),
                format!("a broad grant without a reason: {what}"),
                "add `because …` in a few words, or name only what the work needs",
            ));
        }
    }
}
