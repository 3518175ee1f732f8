//! A line lets the agent read a field that no tool is declared to give back.

use super::Rule;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "never-returned", about: "what it may read comes back from some tool", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    let catalog = policy.catalog();
    for line in policy.lines().iter().filter(|line| line.line.section.is_can()) {
        for (resource, _, mask) in &line.reach {
            let Some(relation) = catalog.resource(*resource).filter(|relation| catalog.only_returned(relation)) else {
                continue;
            };
            let comes_back = |at: usize| {
                let mut tools = catalog.returning(*resource).filter_map(|tool| catalog.resource(tool));
                tools.any(|tool| tool.declared.parts.iter().any(|p| p.resource == *resource && p.field == Some(at)))
            };
            let (back, never): (Vec<usize>, Vec<usize>) = mask.fields().iter().partition(|at| comes_back(*at));
            // A line without a list means what there is.
            if never.is_empty() || (line.line.fields.is_none() && !back.is_empty()) {
                continue;
            }
            let names: Vec<&str> =
                never.iter().filter_map(|at| relation.fields.get(*at)).map(|field| field.name.as_str()).collect();
            found.push(Diagnostic::note(
                RULE.name,
                line.line.at.clone(),
                format!("no tool is declared to give back `{}` ({})", catalog.path(*resource), names.join(", ")),
                "say under `returns` of a tool in ambit.toml which part of its result it is, or take it out of the line",
            ));
        }
    }
}
