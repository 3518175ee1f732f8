//! A *cannot* or a *confirm* that ends on a date: from then on what it stopped is decided without it.

use super::Rule;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "ends-by-itself", about: "a protection that ends on a date is meant to", find };

fn find(policy: &Policy, today: Option<Date>, found: &mut Vec<Diagnostic>) {
    for line in policy.lines().iter().filter(|l| !l.line.section.is_can()) {
        if let Some(until) = line.line.until
            && today.is_none_or(|today| until >= today)
        {
            found.push(Diagnostic::note(
                RULE.name,
                line.line.at.clone(),
                format!("this protection ends by itself on {until}"),
                "take `until` out if it is to last; a grant that is to end carries its own `until`",
            ));
        }
    }
}
