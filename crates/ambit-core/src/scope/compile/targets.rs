//! Which resources a target means. A line that can never match is an error.

use crate::catalog::{Resource, ResourceId, SystemId};
use crate::effect::FieldSet;
use crate::policy::{Mask, Setting};
use crate::scope::diagnostics::{Diagnostic, nearest};
use crate::scope::print::print_target;
use crate::scope::{Line, Section, Target};

/// The resources with the fields that the target itself narrows to (a tag on a column); `None` after an error.
pub(super) fn resolve(
    target: &Target,
    line: &Line,
    setting: &Setting,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<(ResourceId, Mask)>> {
    let catalog = &setting.catalog;
    let whole = |(id, resource): (ResourceId, &Resource)| (id, Mask::Whole(FieldSet::first(resource.fields.len())));
    let reached: Vec<_> = match target {
        Target::Named { system, name } => {
            let system_id = system_named(system, line, setting, found)?;
            let Some(id) = catalog.resource_named(system_id, name) else {
                let known: Vec<&str> = catalog.resources_of(system_id).map(|(_, r)| r.name.as_str()).collect();
                let help = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{system}.{near}`?"),
                    None if known.is_empty() => {
                        format!("the lock knows nothing of `{system}`: run `ambit inventory {system}`")
                    }
                    None => {
                        format!("`{system}` has {}; if it is new there, run `ambit inventory {system}`", listed(&known))
                    }
                };
                found.push(Diagnostic::error(
                    "unknown-resource",
                    line.at.clone(),
                    format!("there is no `{}`", print_target(target)),
                    help,
                ));
                return None;
            };
            vec![whole((id, catalog.resource(id)?))]
        }
        Target::EveryReadingTool(system) => {
            let system_id = system_named(system, line, setting, found)?;
            let reading: Vec<_> = catalog
                .resources_of(system_id)
                .filter(|(_, r)| r.kind.is_called() && r.declared.reads_only)
                .map(whole)
                .collect();
            if reading.is_empty() {
                found.push(Diagnostic::error(
                    "no-reading-tool",
                    line.at.clone(),
                    format!("no tool of `{system}` is declared to only read"),
                    format!(
                        "list the tools that change nothing under `reading-tools` of `[systems.{system}]` in ambit.toml"
                    ),
                ));
                return None;
            }
            reading
        }
        Target::AnythingIn(system) => {
            let system_id = system_named(system, line, setting, found)?;
            let all: Vec<_> = catalog.resources_of(system_id).map(whole).collect();
            if all.is_empty() {
                found.push(Diagnostic::error(
                    "empty-system",
                    line.at.clone(),
                    format!("the lock knows nothing in `{system}`"),
                    format!("run `ambit inventory {system}`"),
                ));
                return None;
            }
            all
        }
        Target::Tagged(tag) => tagged(tag, line, setting, found)?,
        Target::Anything if line.section.is_can() => {
            found.push(Diagnostic::error(
                "anything-under-can",
                line.at.clone(),
                "`anything` alone cannot be granted",
                "name the systems: `anything in helpdesk`, or `every reading tool in helpdesk`",
            ));
            return None;
        }
        Target::Anything => catalog.resources().map(whole).collect(),
    };
    Some(reached)
}

fn system_named(name: &str, line: &Line, setting: &Setting, found: &mut Vec<Diagnostic>) -> Option<SystemId> {
    let id = setting.catalog.system_named(name);
    if id.is_none() {
        let known: Vec<&str> = setting.catalog.systems().map(|(_, s)| s.name.as_str()).collect();
        let help = match nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "name the systems in ambit.toml under `[systems.NAME]`".to_owned(),
            None => format!("ambit.toml has {}; a target is `system.name`", listed(&known)),
        };
        found.push(Diagnostic::error("unknown-system", line.at.clone(), format!("there is no system `{name}`"), help));
    }
    id
}

fn tagged(tag: &str, line: &Line, setting: &Setting, found: &mut Vec<Diagnostic>) -> Option<Vec<(ResourceId, Mask)>> {
    let strict = !line.section.is_can();
    let mut reached = Vec::new();
    for (id, resource) in setting.catalog.resources() {
        // What a tool returns counts for what is stricter; it does not make the tool grantable by its tag.
        if resource.tags.contains(tag) || (strict && resource.declared.returns.contains(tag)) {
            reached.push((id, Mask::Whole(FieldSet::first(resource.fields.len()))));
        } else {
            let fields: FieldSet =
                resource.fields.iter().enumerate().filter(|(_, f)| f.tags.contains(tag)).map(|(at, _)| at).collect();
            if !fields.is_empty() {
                reached.push((id, Mask::Fields(fields)));
            }
        }
    }
    if reached.is_empty() {
        let mut known: Vec<&str> = setting
            .catalog
            .resources()
            .flat_map(|(_, r)| r.tags.iter().chain(r.fields.iter().flat_map(|f| &f.tags)))
            .map(String::as_str)
            .collect();
        known.sort_unstable();
        known.dedup();
        let help = match nearest(tag, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!(
                "give the tag to something in ambit.toml under `[tags]`{}",
                if line.section == Section::CannotTouch { "; until then this line stops nothing" } else { "" }
            ),
        };
        found.push(Diagnostic::error("unknown-tag", line.at.clone(), format!("nothing is tagged `{tag}`"), help));
        return None;
    }
    Some(reached)
}

/// The first few names, for a help line.
pub(super) fn listed(names: &[&str]) -> String {
    let mut shown: Vec<String> = names.iter().take(8).map(|n| format!("`{n}`")).collect();
    if names.len() > 8 {
        shown.push(format!("{} more", names.len() - 8));
    }
    shown.join(", ")
}
