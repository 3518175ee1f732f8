//! Text is searched for in something that holds an address, a URL or a path.

use super::Rule;
use crate::catalog::Resource;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::scope::print::print_path;
use crate::scope::{Ask, Path};
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "loose-match", about: "addresses, URLs and paths are parsed, not searched", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for line in policy.lines() {
        for test in &line.line.tests {
            let loose =
                test.any.iter().any(|p| matches!(p.ask, Ask::EndsWith(_) | Ask::Contains(_) | Ask::StartsWith(_)));
            let resources = line.reaches().filter_map(|(r, _)| policy.catalog().resource(r));
            if let (true, Some(instead)) = (loose, resources.filter_map(|r| holds(r, &test.path)).next()) {
                found.push(Diagnostic::not_ready(
                    RULE.name,
                    line.line.at.clone(),
                    format!(
                        "`{}` holds {}; looking for a piece of text in it can be fooled",
                        print_path(&test.path),
                        instead.0
                    ),
                    format!("write `{}`, which parses it first", instead.1),
                ));
            }
        }
    }
}

/// What a field seems to hold, by its schema's format or its name, and the question to ask instead.
fn holds(resource: &Resource, path: &Path) -> Option<(&'static str, &'static str)> {
    let mut shape = &resource.fields.iter().find(|f| Some(&f.name) == path.steps.first().map(|s| &s.name))?.shape;
    for (at, step) in path.steps.iter().enumerate() {
        if at > 0 {
            shape = &shape.members.iter().find(|(name, _)| *name == step.name)?.1;
        }
        if step.each {
            shape = shape.items.as_deref()?;
        }
    }
    let address = ("an address", "is an address at \"…\"");
    let url = ("a URL", "is a URL at \"…\"");
    let place = ("a path", "is under \"…\"");
    match shape.format.as_deref() {
        Some("email" | "idn-email") => return Some(address),
        Some("uri" | "url" | "iri" | "uri-reference") => return Some(url),
        _ => {}
    }
    let name = path.steps.last()?.name.to_lowercase();
    let named = |words: &[&str]| {
        name.split(|c: char| !c.is_alphanumeric()).any(|part| words.contains(&part.trim_end_matches('s')))
    };
    if named(&["email", "mail", "recipient", "to", "cc", "bcc", "addres", "participant", "sender"]) {
        Some(address)
    } else if named(&["url", "uri", "link", "href", "host", "domain", "endpoint", "webhook"]) {
        Some(url)
    } else if named(&["path", "file", "dir", "directory", "folder", "filename"]) {
        Some(place)
    } else {
        None
    }
}
