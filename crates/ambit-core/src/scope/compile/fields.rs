//! The field list of a line: columns of a relation, arguments of a tool.

use crate::catalog::ResourceId;
use crate::effect::FieldSet;
use crate::policy::{Mask, Setting};
use crate::scope::compile::targets::listed;
use crate::scope::diagnostics::{Diagnostic, nearest};
use crate::scope::print::print_target;
use crate::scope::{Fields, Line, Target};

/// Narrows what a target reaches to the fields that the line names. Over a set of resources, those that have none of
/// the fields drop out; a field that none of them has is an error.
pub(super) fn narrow(
    reached: Vec<(ResourceId, Mask)>,
    target: &Target,
    line: &Line,
    setting: &Setting,
    found: &mut Vec<Diagnostic>,
) -> Vec<(ResourceId, Mask)> {
    let Some(fields) = &line.fields else { return reached };
    let (names, but) = match fields {
        Fields::Only(names) => (names, false),
        Fields::AllBut(names) => (names, true),
    };
    for name in names {
        let known = |id: &ResourceId| setting.catalog.resource(*id).is_some_and(|r| r.field_named(name).is_some());
        if !reached.iter().any(|(id, _)| known(id)) {
            let all: Vec<&str> = reached
                .iter()
                .filter_map(|(id, _)| setting.catalog.resource(*id))
                .flat_map(|r| r.fields.iter().map(|f| f.name.as_str()))
                .collect();
            let help = match nearest(name, all.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None if all.is_empty() => "leave the field list out: the lock knows no fields there".to_owned(),
                None => format!("it has {}", listed(&all)),
            };
            found.push(Diagnostic::error(
                "unknown-field",
                line.at.clone(),
                format!("`{}` has no `{name}`", print_target(target)),
                help,
            ));
        }
    }
    let narrowed = reached.into_iter().filter_map(|(id, mask)| {
        let resource = setting.catalog.resource(id)?;
        let named: FieldSet = names.iter().filter_map(|name| resource.field_named(name)).collect();
        let kept: FieldSet = mask.fields().iter().filter(|at| named.has(*at) != but).collect();
        let mut kept = kept;
        if but && !line.section.is_can() && matches!(mask, Mask::Whole(_)) {
            // "All but" under a stricter section reaches what the lock does not list as well.
            kept.insert_unlisted();
        }
        (!kept.is_empty()).then_some((id, Mask::Fields(kept)))
    });
    let narrowed: Vec<_> = narrowed.collect();
    if narrowed.is_empty() && but {
        found.push(Diagnostic::error(
            "no-field-left",
            line.at.clone(),
            format!("`{}` has no other fields", print_target(target)),
            "take a name out of the list, or take the line out",
        ));
    }
    narrowed
}
