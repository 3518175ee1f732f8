//! Tree and catalog to policy. Never fails: it reports everything it finds, and gives a policy only when nothing it
//! found is an error.

mod clauses;
mod conflict;
mod fields;
mod names;
mod paths;
mod targets;
mod verbs;

use std::sync::Arc;

use crate::catalog::{ResourceId, ResourceKind};
use crate::decision::{LimitId, LimitInfo, LineId};
use crate::effect::VerbSet;
use crate::policy::{Entry, Index, Mask, Place, Policy, PolicyLine, Setting};
use crate::scope::diagnostics::{Diagnostic, Severity};
use crate::scope::{Counted, Document, Line, Section};
use crate::test_tree::TestTree;

pub use names::FINDINGS;

/// What compiling gives: a policy unless something found is an error, and everything found.
#[derive(Debug)]
pub struct Compiled {
    /// The policy; `None` when `diagnostics` holds an error.
    pub policy: Option<Policy>,
    /// What was found, in document order.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles a document over a setting. The caller has already refused documents whose reading found errors.
#[must_use]
pub fn compile(document: &Document, setting: &Setting) -> Compiled {
    let mut found = Vec::new();
    let mut limits = Vec::new();
    let mut lines = Vec::new();
    for (at, line) in document.lines.iter().enumerate() {
        let id = LineId(u32::try_from(at).unwrap_or(u32::MAX));
        lines.push(compile_line(id, line, setting, &mut limits, &mut found));
    }
    conflict::find(&lines, setting, &mut found);
    found.sort_by_key(|d| (d.at.line, d.at.bytes.start));
    let broken = found.iter().any(|d| d.severity == Severity::Error);
    let policy = (!broken).then(|| {
        let index = index(&lines, setting);
        Policy { document: document.clone(), lines, limits, setting: setting.clone(), index }
    });
    Compiled { policy, diagnostics: found }
}

fn compile_line(
    id: LineId,
    line: &Line,
    setting: &Setting,
    limits: &mut Vec<LimitInfo>,
    found: &mut Vec<Diagnostic>,
) -> PolicyLine {
    clauses::check(line, setting, found);
    let mut reach: Vec<(ResourceId, VerbSet, Mask)> = Vec::new();
    for target in &line.targets {
        let Some(reached) = targets::resolve(target, line, setting, found) else { continue };
        let reached = fields::narrow(reached, target, line, setting, found);
        let mut here = Vec::new();
        for (resource, mask) in reached {
            let verbs = verbs::on(line, target, resource, setting, found);
            if !verbs.is_empty() {
                here.push((resource, verbs, mask));
            }
        }
        let here = paths::keep_testable(here, target, line, setting, found);
        for (resource, verbs, mask) in here {
            match reach.iter_mut().find(|(r, v, _)| *r == resource && *v == verbs) {
                Some((_, _, known)) => known.widen(&mask),
                None => reach.push((resource, verbs, mask)),
            }
        }
    }
    let tests = if line.tests.is_empty() {
        None
    } else {
        match TestTree::new(&line.tests, &setting.lists) {
            Ok(tree) => Some(Arc::new(tree)),
            Err(errors) => {
                found.extend(errors.into_iter().map(|e| Diagnostic::error(e.name, line.at.clone(), e.message, e.help)));
                None
            }
        }
    };
    let own = line.limits.iter().map(|limit| {
        let info = LimitInfo {
            line: id,
            section: line.section,
            most: limit.most,
            window: limit.per,
            sum_of: if let Counted::Sum(path) = &limit.of { Some(path.clone()) } else { None },
        };
        let limit_id = LimitId(u32::try_from(limits.len()).unwrap_or(u32::MAX));
        limits.push(info.clone());
        (limit_id, info)
    });
    PolicyLine { line: line.clone(), tests, limits: own.collect(), reach }
}

impl Mask {
    fn widen(&mut self, other: &Mask) {
        match (self, other) {
            (Mask::Whole(mine), _) => mine.extend_with(other.fields()),
            (Mask::Fields(mine), Mask::Fields(theirs)) => mine.extend_with(theirs),
            (mine, Mask::Whole(_)) => *mine = other.clone(),
        }
    }
}

pub(crate) fn index(lines: &[PolicyLine], setting: &Setting) -> Index {
    let count = setting.catalog.resources().count();
    let mut by_resource: Vec<Vec<Entry>> = vec![Vec::new(); count];
    let mut index = Index::default();
    // The strictest section first, document order within it: limits are charged to the first line with room.
    for section in [Section::CannotTouch, Section::MustConfirm, Section::CanRead, Section::CanWrite] {
        for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.line.section == section) {
            for (resource, verbs, mask) in &line.reach {
                let entry = Entry {
                    section,
                    line: LineId(u32::try_from(at).unwrap_or(u32::MAX)),
                    verbs: *verbs,
                    mask: mask.clone(),
                    always: line.line.tasks.is_none() && line.line.until.is_none(),
                    limited: !line.line.limits.is_empty(),
                    tests: line.tests.clone(),
                };
                if let Some(entries) = by_resource.get_mut(resource.0 as usize) {
                    entries.push(entry);
                }
                if section == Section::CannotTouch {
                    index.systems_with_cannot.extend(setting.catalog.resource(*resource).map(|r| r.system));
                }
            }
        }
    }
    let end = |index: &Index| u32::try_from(index.entries.len()).unwrap_or(u32::MAX);
    for ((_, resource), entries) in setting.catalog.resources().zip(by_resource) {
        let from = end(&index);
        index.entries.extend(entries);
        let (whole, returns) = (resource.kind != ResourceKind::Relation, !resource.declared.parts.is_empty());
        index.places.push(Place { from, to: end(&index), whole, returns });
    }
    index
}

/// What a kind of resource is called in a message.
fn kind_words(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Relation => "a relation",
        ResourceKind::Tool => "a tool",
        ResourceKind::Document => "the resources of a server",
        ResourceKind::Prompt => "the prompts of a server",
        ResourceKind::Operation => "an operation",
        ResourceKind::Command => "a program",
    }
}
