//! Clauses must mean something where they stand: what would say nothing would be believed to say something.

use crate::catalog::{ResourceKind, SystemKind};
use crate::policy::Setting;
use crate::scope::diagnostics::{Diagnostic, nearest};
use crate::scope::print::{print_limit, print_target};
use crate::scope::{Counted, Line, Section, Target, Who, Window};

/// Reports the clauses of a line that could never do anything, and people who are nobody.
pub(super) fn check(line: &Line, setting: &Setting, found: &mut Vec<Diagnostic>) {
    let mut error =
        |name, message: String, help: String| found.push(Diagnostic::error(name, line.at.clone(), message, help));
    let title = line.section.title();
    let asks = line.section == Section::MustConfirm || (line.section.is_can() && line.otherwise_human);
    if line.otherwise_human && !line.section.is_can() {
        error(
            "clause-not-here",
            format!("`otherwise a human` means nothing under `{title}`"),
            "it belongs to a line under `It can read` or `It can write`".into(),
        );
    }
    if line.otherwise_human && line.section.is_can() && line.tests.is_empty() && line.limits.is_empty() {
        error(
            "clause-not-here",
            "`otherwise a human` has no *otherwise*: the line has no test and no limit".into(),
            "add a test (`where …`) or a limit (`at most …`), or take the clause out".into(),
        );
    }
    for (stands, clause) in [(line.by.is_some(), "by"), (line.within.is_some(), "within")] {
        if stands && !asks {
            let help = if line.section.is_can() {
                "add `otherwise a human`, or move the line to `## A human must confirm`"
            } else {
                "nobody confirms what it cannot touch: take the clause out"
            };
            error("clause-not-here", format!("`{clause}` means nothing here: nobody is asked"), help.into());
        }
    }
    for limit in &line.limits {
        let words = print_limit(limit);
        if line.section == Section::CannotTouch {
            let help = "what it cannot touch has no limit; put the limit on a line that grants";
            error("limit-on-cannot", format!("`{words}` means nothing under `{title}`"), help.into());
            continue;
        }
        match &limit.of {
            Counted::Times if limit.per == Window::AtOnce => {
                let help = "write `per hour`, `per day` or `per task`";
                error("limit-never-counts", format!("`{words}`: one action happens once"), help.into());
            }
            Counted::Rows | Counted::Times if names_returned(line, setting) => {
                error(
                    "limit-not-provable",
                    format!("`{words}` cannot be counted: what comes back from tools is not"),
                    "put the limit on the line that lets it call the tool".into(),
                );
            }
            Counted::Rows if !reaches_only(line, setting, |k| k == ResourceKind::Relation) => {
                error(
                    "limit-not-provable",
                    format!("`{words}` cannot be counted at this gate"),
                    "rows are counted on relations; for a tool write `at most N times …` or `at most N of ARGUMENT …`"
                        .into(),
                );
            }
            Counted::Sum(_) if !reaches_only(line, setting, ResourceKind::is_called) => {
                error(
                    "limit-not-provable",
                    format!("`{words}` cannot be added up at this gate"),
                    "sums are taken over the arguments of tools".into(),
                );
            }
            _ => {}
        }
    }
    if asks {
        people(line, setting, found);
    }
}

/// Whether the line names something that only comes back from tools.
fn names_returned(line: &Line, setting: &Setting) -> bool {
    let catalog = &setting.catalog;
    line.targets.iter().any(|target| match target {
        Target::Named { system, name } => {
            let found = catalog.system_named(system).and_then(|system| catalog.resource_named(system, name));
            found.and_then(|id| catalog.resource(id)).is_some_and(|resource| catalog.only_returned(resource))
        }
        _ => false,
    })
}

fn reaches_only(line: &Line, setting: &Setting, fits: impl Fn(ResourceKind) -> bool) -> bool {
    let catalog = &setting.catalog;
    line.targets.iter().all(|target| match target {
        Target::Named { system, name } => {
            let found = catalog
                .system_named(system)
                .and_then(|s| catalog.resource_named(s, name))
                .and_then(|r| catalog.resource(r));
            found.is_none_or(|r| fits(r.kind))
        }
        Target::EveryReadingTool(_) => fits(ResourceKind::Tool),
        Target::AnythingIn(system) => {
            let kind = catalog.system_named(system).and_then(|s| catalog.system(s)).map(|s| s.kind);
            fits(match kind {
                Some(SystemKind::Postgres) => ResourceKind::Relation,
                Some(SystemKind::Http) => ResourceKind::Operation,
                Some(SystemKind::Shell) => ResourceKind::Command,
                Some(SystemKind::Mcp) | None => ResourceKind::Tool,
            })
        }
        Target::Tagged(tag) => catalog.resources().filter(|(_, r)| r.tags.contains(tag)).all(|(_, r)| fits(r.kind)),
        Target::Anything => false,
    })
}

fn people(line: &Line, setting: &Setting, found: &mut Vec<Diagnostic>) {
    let (name, needed) = match &line.by {
        Some(Who::Named(name)) => (name, 1),
        Some(Who::TwoOf(role)) => (role, 2),
        Some(Who::SomeoneElse) | None => return,
    };
    let fitting = setting.people.iter().filter(|p| p.roles.contains(name) || (needed == 1 && p.is(name))).count();
    if fitting >= needed {
        return;
    }
    let known: Vec<&str> =
        setting.people.iter().flat_map(|p| p.roles.iter().map(String::as_str).chain([p.name.as_str()])).collect();
    let targets: Vec<String> = line.targets.iter().map(print_target).collect();
    let help = match nearest(name, known.iter().copied()).filter(|near| near != name) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("give somebody the role in ambit.toml: `roles = [\"{name}\"]` under `[people.NAME]`"),
    };
    let message = if fitting == 0 {
        format!("nobody is `{name}`, so nobody could confirm {}", targets.join(" or "))
    } else {
        format!("`two of {name}` needs two people, and only one has that role")
    };
    found.push(Diagnostic::error("nobody-to-confirm", line.at.clone(), message, help));
}
