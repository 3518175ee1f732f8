//! The smallest edit of the page that would change a decision. It is said, never made.

use serde::Serialize;

use crate::decide::{Facts, decide};
use crate::decision::{Decision, Verdict, Why};
use crate::effect::{Effect, Standing, Verb};
use crate::policy::Policy;
use crate::reading::Reading;
use crate::scope::compile::compile;
use crate::scope::print::{print_line, print_test};
use crate::scope::{Document, Fields, Line, Outside, Section, Target};

/// An edit of a scope document, and what the decision would be then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// The line it is about, from 1; absent for a new line.
    pub line: Option<usize>,
    /// What to do, in words.
    pub what: String,
    /// What the decision would be.
    pub verdict: Verdict,
}

/// The first of the smallest edits that makes the decision less strict; for an allowed action, the line whose removal
/// stops it. `None` when no edit of one or two lines does.
#[must_use]
pub fn smallest(policy: &Policy, reading: &Reading, decision: &Decision, facts: &Facts<'_>) -> Option<Edit> {
    let document = policy.document();
    let singles = candidates(policy, reading, decision);
    let trial = |edits: &[&Candidate]| -> Option<Verdict> {
        let mut changed = document.clone();
        let mut removed = Vec::new();
        for edit in edits {
            (edit.make)(&mut changed, &mut removed);
        }
        removed.sort_unstable();
        for at in removed.into_iter().rev() {
            changed.lines.remove(at);
        }
        let verdict = decide(&compile(&changed, policy.setting()).policy?, reading, facts).verdict;
        let better =
            if decision.verdict == Verdict::Allow { verdict > decision.verdict } else { verdict < decision.verdict };
        better.then_some(verdict)
    };
    let mut best: Option<(Verdict, &Candidate)> = None;
    for candidate in &singles {
        if let Some(verdict) = trial(&[candidate]) {
            if verdict == Verdict::Allow || decision.verdict == Verdict::Allow {
                return Some(Edit { line: candidate.line, what: candidate.what.clone(), verdict });
            }
            best = best.or(Some((verdict, candidate)));
        }
    }
    if let Some((verdict, candidate)) = best {
        return Some(Edit { line: candidate.line, what: candidate.what.clone(), verdict });
    }
    for (at, one) in singles.iter().enumerate() {
        for other in singles.iter().skip(at + 1) {
            if let Some(verdict) = trial(&[one, other]) {
                return Some(Edit { line: one.line, what: format!("{}, and {}", one.what, other.what), verdict });
            }
        }
    }
    None
}

/// Changes a document; lines to be taken out are noted by their place, and go last.
type Make = Box<dyn Fn(&mut Document, &mut Vec<usize>)>;

struct Candidate {
    line: Option<usize>,
    what: String,
    make: Make,
}

fn candidates(policy: &Policy, reading: &Reading, decision: &Decision) -> Vec<Candidate> {
    let mut all = Vec::new();
    let grounds: Vec<_> = decision
        .grounds
        .iter()
        .filter_map(|g| Some((g, usize::try_from(g.line?.0).ok()?, policy.line(g.line?)?)))
        .collect();
    // The lines that came near, the gentlest change first.
    for (ground, at, line) in &grounds {
        let (at, said) = (*at, &line.line);
        match ground.why {
            Why::TestFails | Why::TestUnknown => {
                for (test, dropped) in said.tests.iter().enumerate() {
                    all.push(Candidate {
                        line: Some(said.at.line),
                        what: format!(
                            "take the test `{}` out of line {} (or let it allow this value)",
                            print_test(dropped),
                            said.at.line
                        ),
                        make: Box::new(move |d, _| {
                            if let Some(line) = d.lines.get_mut(at) {
                                line.tests.remove(test);
                            }
                        }),
                    });
                }
            }
            Why::FieldNotCovered => {
                let names = missing_fields(policy, reading, ground.effect);
                all.push(Candidate {
                    line: Some(said.at.line),
                    what: format!("add {} to the fields of line {}", names.join(", "), said.at.line),
                    make: Box::new(move |d, _| {
                        if let Some(line) = d.lines.get_mut(at) {
                            match &mut line.fields {
                                Some(Fields::Only(list)) => {
                                    list.extend(names.iter().filter(|n| !list.contains(n)).cloned().collect::<Vec<_>>())
                                }
                                Some(Fields::AllBut(list)) => list.retain(|n| !names.contains(n)),
                                None => {}
                            }
                            if matches!(&line.fields, Some(Fields::AllBut(list)) if list.is_empty()) {
                                line.fields = None;
                            }
                        }
                    }),
                });
            }
            Why::OverLimit | Why::LimitUnknown => all.push(Candidate {
                line: Some(said.at.line),
                what: format!("raise the limit of line {}", said.at.line),
                make: Box::new(move |d, _| {
                    if let Some(line) = d.lines.get_mut(at) {
                        line.limits.clear();
                    }
                }),
            }),
            _ => {}
        }
    }
    // Lines that stop it, or (for an allowed action) let it through.
    for (ground, at, line) in &grounds {
        if matches!(ground.why, Why::Matches | Why::FiresInDoubt) {
            let at = *at;
            all.push(Candidate {
                line: Some(line.line.at.line),
                what: format!("take line {} out: `{}`", line.line.at.line, print_line(&line.line)),
                make: Box::new(move |_, removed| removed.push(at)),
            });
        }
    }
    for effect in reading.effects.iter().filter(|e| e.standing == Standing::Own) {
        all.extend(grants(policy, effect));
    }
    if policy.document().front.outside == Outside::Refuse {
        all.push(Candidate {
            line: None,
            what: "let a human decide on what is outside: `outside: confirm` in the front matter".into(),
            make: Box::new(|d, _| d.front.outside = Outside::Confirm),
        });
    }
    all
}

/// A new line that would cover one effect.
fn grants(policy: &Policy, effect: &Effect) -> Option<Candidate> {
    let resource = policy.catalog().resource(effect.resource)?;
    let system = policy.catalog().system(resource.system)?.name.clone();
    let called = resource.kind.is_called();
    let reads = (called && resource.declared.reads_only) || (!called && effect.verb == Verb::Read);
    let section = if reads { Section::CanRead } else { Section::CanWrite };
    let names: Vec<String> =
        effect.fields.iter().filter_map(|at| resource.fields.get(at)).map(|f| f.name.clone()).collect();
    let line = Line {
        verbs: if reads { Vec::new() } else { vec![effect.verb] },
        targets: vec![Target::Named { system, name: resource.name.clone() }],
        fields: (!called && !names.is_empty()).then_some(Fields::Only(names)),
        ..Line::new(section)
    };
    let words = print_line(&line);
    Some(Candidate {
        line: None,
        what: format!("add under `## {}`: `- {words}`", section.title()),
        make: Box::new(move |d, _| d.lines.push(line.clone())),
    })
}

fn missing_fields(policy: &Policy, reading: &Reading, effect: Option<u16>) -> Vec<String> {
    let Some(effect) = effect.and_then(|at| reading.effects.get(usize::from(at))) else { return Vec::new() };
    let Some(resource) = policy.catalog().resource(effect.resource) else { return Vec::new() };
    effect.fields.iter().filter_map(|at| resource.fields.get(at)).map(|f| f.name.clone()).collect()
}
