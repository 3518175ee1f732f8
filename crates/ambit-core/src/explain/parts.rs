//! The words about results: what is seen of them, and which lines are about them.

use super::bound;
use crate::catalog::ResourceId;
use crate::decide::{Facts, Unused};
use crate::decision::Bound;
use crate::effect::Effect;
use crate::policy::{Policy, PolicyLine};
use crate::returns::{self, NamedPart};
use crate::scope::Section;
use crate::task::Task;
use crate::time::Timestamp;

/// Parts of a result as what they are: `crm.customers` (id, name), `total`; `None`: there are none.
pub(super) fn words(parts: &[NamedPart]) -> Option<String> {
    let mut by_resource: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut said: Vec<String> = Vec::new();
    for part in parts {
        let Some(field) = part.field.as_deref() else { continue };
        match by_resource.iter_mut().find(|(resource, _)| *resource == part.resource) {
            Some((_, fields)) if fields.contains(&field) => {}
            Some((_, fields)) => fields.push(field),
            None => by_resource.push((&part.resource, vec![field])),
        }
    }
    said.extend(by_resource.iter().map(|(resource, fields)| format!("`{resource}` ({})", fields.join(", "))));
    said.extend(parts.iter().filter(|part| part.field.is_none()).map(|part| format!("`{}`", part.part)));
    (!said.is_empty()).then(|| said.join(", "))
}

/// What of a tool's result a line is about.
pub(super) fn about(policy: &Policy, effect: Option<&Effect>, line: Option<&PolicyLine>) -> String {
    let (Some(effect), Some(line)) = (effect, line) else { return "something that it asks for".to_owned() };
    let catalog = policy.catalog();
    let parts = catalog.resource(effect.resource).map(|tool| tool.declared.parts.as_slice()).unwrap_or_default();
    let named = parts.iter().filter_map(|returned| {
        let at = returned.field?;
        let mask = line.reach.iter().find(|(resource, ..)| *resource == returned.resource).map(|(_, _, mask)| mask)?;
        let field = catalog.resource(returned.resource)?.fields.get(at)?;
        mask.fields().has(at).then(|| NamedPart {
            part: returned.part.clone(),
            resource: catalog.path(returned.resource),
            field: Some(field.name.clone()),
        })
    });
    words(&named.collect::<Vec<_>>()).unwrap_or_else(|| "something that it asks for".to_owned())
}

/// What is to be known of results: what is seen of a tool's, and which tools give back a relation that only comes back.
pub(super) fn note(policy: &Policy, line: &PolicyLine, resource: ResourceId, task: Option<&str>) -> Option<String> {
    let catalog = policy.catalog();
    let found = catalog.resource(resource)?;
    if catalog.only_returned(found) {
        let tools: Vec<String> = catalog.returning(resource).map(|tool| catalog.path(tool)).collect();
        let path = catalog.path(resource);
        return Some(if tools.is_empty() {
            format!("no tool is declared to give back `{path}`")
        } else {
            format!(
                "`{path}` comes back from {}; what a line does not let it read is cut from the result",
                tools.join(", ")
            )
        });
    }
    if line.line.section == Section::CannotTouch {
        return None;
    }
    // As it stands: no line has ended yet.
    let task = task.map(|name| Task { name: name.to_owned(), request: None, facts: Vec::new() });
    let facts = Facts { now: Some(Timestamp(0)), task: task.as_ref(), usage: &Unused };
    let cut = returns::cut(policy, resource, &facts)?;
    Some(format!("`{}`: {}", catalog.path(resource), bound(&Bound::Returns(Box::new(cut.returns)))))
}
