//! What the parts of a tool's result are: paths of `ambit.toml` into a result, as fields of the catalog.

use std::collections::BTreeMap;

use ambit_core::catalog::{ResourceId, ResourceKind};
use ambit_core::returns::{Inward, Part, Returned};
use ambit_core::scope::diagnostics::{Diagnostic, nearest};
use ambit_effects::schema::{members_near, not_promised};

use super::Build;

impl Build<'_> {
    /// The parts that are declared of the result of that tool, in the order of their paths and columns. What is wrong is reported and left
    /// out, and what is left out is withheld.
    pub(super) fn returned(
        &mut self,
        system: &str,
        tool: &str,
        own: ResourceId,
        said: &BTreeMap<String, String>,
    ) -> Vec<Returned> {
        let mut parts: Vec<Returned> = Vec::new();
        let mut written: Vec<Part> = Vec::new();
        for (text, of) in said {
            let at = ["systems", system, "tools", tool, "returns", text];
            let Some(part) = Part::parse(text) else {
                let message = format!("`{text}` is no path into a result");
                let help = "write `customer.email`, `customers[].email`, `[].email`, or `.` for the result itself";
                self.in_config("bad-returns", system, &at, message, help);
                continue;
            };
            written.push(part.clone());
            parts.extend(self.meant(system, own, part, of, &at));
        }
        let mut sorted: Vec<&Part> = parts.iter().map(|returned| &returned.part).collect();
        sorted.sort();
        // What lies within a part stands right behind it.
        if let Some((one, next)) = sorted.iter().zip(sorted.iter().skip(1)).find(|(one, next)| one.holds(next)) {
            let message = format!("`{next}` of the result of `{tool}` is said to be two things");
            let help = match one == next {
                true => "keep one of the two".to_owned(),
                false => format!("`{one}` stands for all that is in it: name each part that is something else"),
            };
            self.in_config("bad-returns", system, &["systems", system, "tools", tool, "returns"], message, help);
        }
        self.promised(system, tool, &written);
        parts
    }

    /// What a path stands for: a field, each field of a relation by its name, or the tool itself.
    fn meant(&mut self, system: &str, own: ResourceId, part: Part, of: &str, at: &[&str]) -> Vec<Returned> {
        if of == self.catalog.path(own) {
            return vec![Returned { part, resource: own, field: None }];
        }
        let (named, rest) = of.split_once('.').unwrap_or((of, ""));
        let found = self.catalog.system_named(named).map(|id| {
            // The longest name first: a relation's may have dots in it.
            let whole = self.catalog.resource_named(id, rest).map(|resource| (resource, None));
            let column = || {
                let (relation, column) = rest.rsplit_once('.')?;
                Some((self.catalog.resource_named(id, relation)?, Some(column)))
            };
            (id, whole.or_else(column))
        });
        let Some((id, found)) = found else {
            let known: Vec<String> = self.config.systems.keys().cloned().collect();
            self.unknown(system, at, format!("there is no system `{named}`"), named, &known);
            return Vec::new();
        };
        let relation = found.and_then(|(resource, column)| {
            let relation = self.catalog.resource(resource).filter(|found| found.kind == ResourceKind::Relation)?;
            Some((resource, relation, column))
        });
        let Some((resource, relation, column)) = relation else {
            let relations = self.catalog.resources_of(id).filter(|(_, found)| found.kind == ResourceKind::Relation);
            let known: Vec<String> = relations.map(|(_, relation)| relation.name.clone()).collect();
            let message = format!("`{of}` is no relation, no column of one, and not the tool itself");
            self.unknown(system, at, message, rest, &known);
            return Vec::new();
        };
        let Some(column) = column else {
            let fields = relation.fields.iter().enumerate();
            return fields
                .map(|(at, field)| Returned { part: part.member(&field.name), resource, field: Some(at) })
                .collect();
        };
        if let Some(field) = relation.field_named(column) {
            return vec![Returned { part, resource, field: Some(field) }];
        }
        let known: Vec<String> = relation.fields.iter().map(|field| field.name.clone()).collect();
        let path = self.catalog.path(resource);
        self.unknown(system, at, format!("`{path}` has no column `{column}`"), column, &known);
        Vec::new()
    }

    /// Says where a declaration does not fit what the tool promises to return.
    fn promised(&mut self, system: &str, tool: &str, parts: &[Part]) {
        let at = ["systems", system, "tools", tool, "returns"];
        let locked = self.lock.systems.get(system).and_then(|locked| locked.tools.get(tool));
        let Some(definition) = locked.and_then(|definition| definition.read_tool().ok()) else { return };
        let Some(schema) = &definition.output_schema else {
            let message = format!("`{tool}` does not promise a structured result");
            let help = "its result is cut where it is one text of JSON, and withheld whole where it is anything else";
            self.found(Diagnostic::note, "returns-not-promised", system, &at, message, help);
            return;
        };
        for part in not_promised(schema, parts.iter()) {
            let known = members_near(schema, part);
            let mut names = part.steps.iter().filter_map(|step| match step {
                Inward::Member(name) if !known.contains(name) => Some(name),
                _ => None,
            });
            let help = match names.find_map(|name| nearest(name, known.iter().map(String::as_str))) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "look at its output schema in `ambit.lock`; what comes back under another path is withheld"
                    .to_owned(),
            };
            let message = format!("the output schema of `{tool}` has no `{part}`");
            self.found(Diagnostic::note, "returns-not-promised", system, &at, message, help);
        }
    }
}
