//! Whether a scope is *ready* to be released: what an owner should have answered, beyond what the language insists on.
//! One rule a file; each has a test beside it and a section of its name in the reference.

mod broad_grant_without_reason;
mod ends_by_itself;
mod expired_line;
mod loose_match;
mod money_unbounded;
mod never_returned;
mod no_scenarios;
mod nothing_returned;
mod outsiders_extend;
mod owner_unknown;
mod review_date;
mod unconfirmed_configuration;
mod unconfirmed_delete;
mod unconfirmed_external;
mod unconfirmed_money;
mod undeclared_tool;
mod unlimited_write;
mod whole_match;

use crate::catalog::Resource;
use crate::effect::Verb;
use crate::policy::{Policy, PolicyLine};
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

/// One rule.
pub struct Rule {
    /// Its name, which is also its anchor in the reference.
    pub name: &'static str,
    /// What it asks, in one sentence.
    pub about: &'static str,
    find: fn(&Policy, Option<Date>, &mut Vec<Diagnostic>),
}

/// Every rule, by name.
pub const RULES: &[Rule] = &[
    broad_grant_without_reason::RULE,
    ends_by_itself::RULE,
    expired_line::RULE,
    loose_match::RULE,
    money_unbounded::RULE,
    never_returned::RULE,
    no_scenarios::RULE,
    nothing_returned::RULE,
    outsiders_extend::RULE,
    owner_unknown::RULE,
    review_date::RULE,
    unconfirmed_configuration::RULE,
    unconfirmed_delete::RULE,
    unconfirmed_external::RULE,
    unconfirmed_money::RULE,
    undeclared_tool::RULE,
    unlimited_write::RULE,
    whole_match::RULE,
];

/// Everything that keeps a scope from being ready, and what is worth knowing besides, in document order. `today` is the
/// day it is looked at; without it nothing is said about dates.
#[must_use]
pub fn findings(policy: &Policy, today: Option<Date>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for rule in RULES {
        (rule.find)(policy, today, &mut found);
    }
    found.sort_by_key(|d| (d.at.line, d.name));
    found
}

/// The lines that grant, each with what it reaches.
fn grants(policy: &Policy) -> impl Iterator<Item = (&PolicyLine, Vec<&Resource>)> {
    policy
        .lines()
        .iter()
        .filter(|l| l.line.section.is_can())
        .map(|l| (l, l.reaches().filter_map(|(r, _)| policy.catalog().resource(r)).collect()))
}

/// Whether calling a tool, or a verb of the line, does that.
fn does(line: &PolicyLine, resource: &Resource, verb: Verb) -> bool {
    if resource.kind.is_called() {
        resource.declared.effects.iter().any(|e| e.verb == verb)
    } else {
        line.line.verbs.contains(&verb)
    }
}

/// Whether the owner has said why.
fn has_reason(line: &PolicyLine) -> bool {
    line.line.because.is_some()
}
