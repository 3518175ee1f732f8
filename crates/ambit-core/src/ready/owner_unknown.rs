//! The owner is none of the people of `ambit.toml`.

use super::Rule;
use crate::policy::Policy;
use crate::scope::Span;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule = Rule { name: "owner-unknown", about: "the owner is somebody who can be asked", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    if policy.owners().is_empty() {
        let at = Span { bytes: 0..3, line: 1 };
        let owner = &policy.document().front.owner;
        found.push(Diagnostic::not_ready(
            RULE.name,
            at,
            format!("`{owner}` is none of the people of ambit.toml, so nobody could confirm what waits for the owner"),
            format!("add to ambit.toml: `[people.NAME]` with `email = \"{owner}\"`"),
        ));
    }
}
