//! What the verbs of a line mean on a resource, and what stands when none is written.

use crate::catalog::{Resource, ResourceId, ResourceKind};
use crate::effect::{Verb, VerbSet};
use crate::policy::Setting;
use crate::scope::compile::kind_words;
use crate::scope::diagnostics::Diagnostic;
use crate::scope::print::print_target;
use crate::scope::{Line, Section, Target};

/// The verbs that a line is about on one resource; empty when it drops out of a set, or after an error.
pub(super) fn on(
    line: &Line,
    target: &Target,
    id: ResourceId,
    setting: &Setting,
    found: &mut Vec<Diagnostic>,
) -> VerbSet {
    let Some(resource) = setting.catalog.resource(id) else { return VerbSet::NONE };
    let said: VerbSet = line.verbs.iter().copied().collect();
    let named = matches!(target, Target::Named { .. });
    let mut error = |name, message: String, help: &str| {
        let is_new = !found.iter().any(|d| d.name == name && d.at == line.at);
        if is_new {
            found.push(Diagnostic::error(name, line.at.clone(), message, help));
        }
        VerbSet::NONE
    };
    let path = print_target(target);
    match line.section {
        Section::CanRead => {
            if said.iter().any(|v| v != Verb::Read && !(v == Verb::Call && resource.kind.is_called())) {
                return error(
                    "verb-not-here",
                    format!("`{}` does not belong under `{}`", words(said), line.section.title()),
                    "move the line to `## It can write`",
                );
            }
            if resource.kind.is_called() {
                if resource.declared.reads_only {
                    return Verb::Call.into();
                }
                if named {
                    let help = format!(
                        "if calling it changes nothing, add it to `reading-tools` of its system in ambit.toml; else move the line to `## It can write`: `call {path}`"
                    );
                    return error("not-a-read", format!("`{path}` is not declared to only read"), &help);
                }
                return VerbSet::NONE;
            }
            if resource.kind == ResourceKind::Command { VerbSet::NONE } else { Verb::Read.into() }
        }
        Section::CanWrite => {
            if said.has(Verb::Read) {
                return error(
                    "verb-not-here",
                    "`read` does not belong under `It can write`".into(),
                    "move the line to `## It can read`",
                );
            }
            if matches!(target, Target::EveryReadingTool(_)) {
                return error(
                    "verb-not-here",
                    "reading tools do not belong under `It can write`".into(),
                    "move the line to `## It can read`",
                );
            }
            if resource.kind.is_called() {
                if said.is_empty() || said.has(Verb::Call) {
                    return Verb::Call.into();
                }
                return if named {
                    error(
                        "verb-does-not-apply",
                        format!("`{path}` is a tool; it is called"),
                        "write `call`, or no verb",
                    )
                } else {
                    VerbSet::NONE
                };
            }
            if setting.catalog.only_returned(resource) {
                return if named {
                    let help = "name the tool that does it: `call SYSTEM.TOOL`; what comes back is granted under `## It can read`";
                    error(
                        "verb-does-not-apply",
                        format!("`{path}` only comes back from tools; nothing else can be done to it"),
                        help,
                    )
                } else {
                    VerbSet::NONE
                };
            }
            if said.is_empty() {
                return error(
                    "verb-missing",
                    format!("what may be done to `{path}`?"),
                    "write a verb before it: `create`, `update`, `delete`, or several joined by `or`",
                );
            }
            let fits = said.intersection(applicable(resource.kind));
            if fits.is_empty() && named {
                return error(
                    "verb-does-not-apply",
                    format!("`{path}` is {}; nothing can `{}` it", kind_words(resource.kind), words(said)),
                    "write a verb that fits, or move the line",
                );
            }
            fits
        }
        Section::MustConfirm | Section::CannotTouch => {
            if said.is_empty() {
                return VerbSet::ALL;
            }
            let fits = if resource.kind.is_called() {
                on_tool(said, resource)
            } else {
                said.intersection(applicable(resource.kind))
            };
            if fits.is_empty() && named {
                return error(
                    "verb-does-not-apply",
                    format!("`{path}` is {}; it is never `{}`", kind_words(resource.kind), words(said)),
                    "take the verb out: the line then stands for everything that can be done to it",
                );
            }
            fits
        }
    }
}

/// What a stricter line with these verbs means on a tool. What the tool does is known only as far as it is declared; where nothing is declared, any
/// verb may be what it does, so that the line fires.
fn on_tool(said: VerbSet, tool: &Resource) -> VerbSet {
    let declared = &tool.declared;
    let does: VerbSet = declared.effects.iter().map(|e| e.verb).collect();
    let unknown = does.is_empty() && !declared.reads_only;
    let reads = declared.reads_only || !declared.returns.is_empty();
    let called =
        said.has(Verb::Call) || unknown || (reads && said.has(Verb::Read)) || !said.intersection(does).is_empty();
    if called { said.union(Verb::Call.into()) } else { VerbSet::NONE }
}

fn applicable(kind: ResourceKind) -> VerbSet {
    match kind {
        ResourceKind::Relation => {
            [Verb::Read, Verb::Create, Verb::Update, Verb::Delete, Verb::Define].into_iter().collect()
        }
        ResourceKind::Document | ResourceKind::Prompt => Verb::Read.into(),
        ResourceKind::Tool | ResourceKind::Operation => Verb::Call.into(),
        ResourceKind::Command => Verb::Run.into(),
    }
}

fn words(verbs: VerbSet) -> String {
    verbs.iter().map(Verb::word).collect::<Vec<_>>().join(" or ")
}
