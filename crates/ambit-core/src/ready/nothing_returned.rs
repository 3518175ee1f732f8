//! A tool may be called, and no line lets the agent read anything of what it gives back.

use super::Rule;
use crate::catalog::Resource;
use crate::effect::Verb;
use crate::policy::Policy;
use crate::scope::Section;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "nothing-returned", about: "something of what a tool gives back may be read", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    let catalog = policy.catalog();
    for line in policy.lines().iter().filter(|line| line.line.section != Section::CannotTouch) {
        for (id, verbs) in line.reaches() {
            let Some(tool) = catalog.resource(id).filter(|_| verbs.has(Verb::Call)) else { continue };
            if tool.declared.parts.iter().all(|part| part.field.is_none()) || is_read(policy, tool) {
                continue;
            }
            let mut of: Vec<String> =
                tool.declared.parts.iter().filter(|p| p.field.is_some()).map(|p| catalog.path(p.resource)).collect();
            of.sort();
            of.dedup();
            let (path, of) = (catalog.path(id), of.join("` or `"));
            found.push(Diagnostic::note(
                RULE.name,
                line.line.at.clone(),
                format!("`{path}` gives back fields of `{of}`, and no line lets the agent read any"),
                format!("add a line under `## It can read`: `{of} (FIELD, FIELD)`; until then all of it is withheld"),
            ));
        }
    }
}

/// Whether some line lets the agent read, or have confirmed, something of what the tool gives back.
fn is_read(policy: &Policy, tool: &Resource) -> bool {
    policy.lines().iter().filter(|line| line.line.section != Section::CannotTouch).any(|line| {
        line.reach.iter().filter(|(_, verbs, _)| verbs.has(Verb::Read)).any(|(resource, _, mask)| {
            let mut parts = tool.declared.parts.iter().filter(|part| part.resource == *resource);
            parts.any(|part| part.field.is_some_and(|at| mask.fields().has(at)))
        })
    })
}
