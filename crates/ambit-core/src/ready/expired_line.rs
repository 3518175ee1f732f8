//! A line whose `until` has passed.

use super::Rule;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule = Rule { name: "expired-line", about: "a line that has ended does nothing", find };

fn find(policy: &Policy, today: Option<Date>, found: &mut Vec<Diagnostic>) {
    for line in policy.lines() {
        if let (Some(until), Some(today)) = (line.line.until, today)
            && until < today
        {
            found.push(Diagnostic::not_ready(
                RULE.name,
                line.line.at.clone(),
                format!("this line ended on {until}"),
                "take it out, or give it a new date",
            ));
        }
    }
}
