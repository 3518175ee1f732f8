//! No date on which the scope is looked at again, or one that has passed.

use super::Rule;
use crate::policy::Policy;
use crate::scope::Span;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule = Rule { name: "review-date", about: "a scope says when it is looked at again", find };

fn find(policy: &Policy, today: Option<Date>, found: &mut Vec<Diagnostic>) {
    let at = Span { bytes: 0..3, line: 1 };
    match (policy.document().front.review_by, today) {
        (None, _) => found.push(Diagnostic::not_ready(
            RULE.name,
            at,
            "nothing says when this scope is looked at again",
            "add `review-by: YYYY-MM-DD` to the front matter",
        )),
        (Some(by), Some(today)) if by < today => found.push(Diagnostic::not_ready(
            RULE.name,
            at,
            format!("this scope was to be looked at again by {by}"),
            "read it once more with the owner, then set a new `review-by`",
        )),
        _ => {}
    }
}
