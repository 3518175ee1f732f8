//! A stricter line with a verb reaches a tool of which nothing is declared.

use super::Rule;
use crate::effect::Verb;
use crate::policy::Policy;
use crate::scope::diagnostics::Diagnostic;
use crate::time::Date;

pub(super) const RULE: Rule =
    Rule { name: "undeclared-tool", about: "what a tool does is declared, or doubt decides", find };

fn find(policy: &Policy, _: Option<Date>, found: &mut Vec<Diagnostic>) {
    for line in policy
        .lines()
        .iter()
        .filter(|l| !l.line.section.is_can() && !l.line.verbs.is_empty() && !l.line.verbs.contains(&Verb::Call))
    {
        let undeclared: Vec<String> = line
            .reaches()
            .filter(|(_, verbs)| verbs.has(Verb::Call))
            .filter_map(|(id, _)| Some((id, policy.catalog().resource(id)?)))
            .filter(|(_, r)| r.kind.is_called() && r.declared.effects.is_empty() && !r.declared.reads_only)
            .map(|(id, _)| policy.catalog().path(id))
            .collect();
        if let Some(first) = undeclared.first() {
            let more = if undeclared.len() > 1 { format!(" and {} more", undeclared.len() - 1) } else { String::new() };
            found.push(Diagnostic::note(
                RULE.name,
                line.line.at.clone(),
                format!("what `{first}`{more} does is not declared, so this line stops every call of it"),
                "say in ambit.toml what the tool does (`verb = …`, or `reading-tools`)",
            ));
        }
    }
}
