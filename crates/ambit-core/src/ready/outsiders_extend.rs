//! A grant rests on a list that somebody outside can extend.

use super::Rule;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::scope::{Ask, Set};
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "outsiders-extend", about: "a list that a grant rests on is kept by the owner", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for line in policy.lines().iter().filter(|l| l.line.section.is_can()) {
        for predicate in line.line.tests.iter().flat_map(|t| &t.any) {
            let (Ask::In(Set::List(name))
            | Ask::AddressAt(Set::List(name))
            | Ask::UrlAt(Set::List(name))
            | Ask::Under(Set::List(name))) = &predicate.ask
            else {
                continue;
            };
            if policy.setting().lists.get(name).is_some_and(|l| l.outsiders_can_extend) {
                found.push(Diagnostic::not_ready(
                    RULE.name,
                    line.line.at.clone(),
                    format!("outsiders can extend the list `{name}`, and with it this grant"),
                    "rest the grant on a list that only your own people add to, or move the line under `## A human must confirm`",
                ));
            }
        }
    }
}
