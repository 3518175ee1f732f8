//! What the tests and sums of a line look at must exist, and be of a type that the question fits.

use crate::catalog::{Catalog, Resource, ResourceId, ResourceKind, Shape, Type};
use crate::effect::VerbSet;
use crate::policy::{Mask, Setting};
use crate::scope::compile::targets::listed;
use crate::scope::diagnostics::{Diagnostic, nearest};
use crate::scope::print::{print_path, print_target};
use crate::scope::{Ask, Counted, Limit, Line, Literal, Path, Predicate, Set, Target};

type Reached = (ResourceId, VerbSet, Mask);

/// Drops from a *can* the resources of a set that lack what is tested; keeps them under what is stricter, where the
/// test is then Unknown and fires. What is missing from everything reached is an error.
pub(super) fn keep_testable(
    reached: Vec<Reached>,
    target: &Target,
    line: &Line,
    setting: &Setting,
    found: &mut Vec<Diagnostic>,
) -> Vec<Reached> {
    let wanted: Vec<Wanted<'_>> = line
        .tests
        .iter()
        .map(|t| Wanted { path: &t.path, ask: &t.any })
        .chain(line.limits.iter().filter_map(summed))
        .collect();
    let mut problems: Vec<(usize, Problem)> = Vec::new();
    let mut kept = Vec::new();
    let count = reached.len();
    for (id, verbs, mask) in reached {
        let Some(resource) = setting.catalog.resource(id) else { continue };
        let here: Vec<(usize, Problem)> = wanted
            .iter()
            .enumerate()
            .filter_map(|(at, wanted)| Some((at, wanted.problem(resource, &setting.catalog)?)))
            .collect();
        if here.is_empty() || !line.section.is_can() {
            kept.push((id, verbs, mask));
        }
        problems.extend(here);
    }
    for at in 0..wanted.len() {
        let mut of_this = problems.iter().filter(|(wanted, _)| *wanted == at);
        if let (Some((_, first)), true) =
            (of_this.next(), problems.iter().filter(|(wanted, _)| *wanted == at).count() == count)
        {
            found.push(first.diagnostic(line, target));
        }
    }
    kept
}

struct Wanted<'a> {
    path: &'a Path,
    ask: &'a [Predicate],
}

fn summed(limit: &Limit) -> Option<Wanted<'_>> {
    if let Counted::Sum(path) = &limit.of { Some(Wanted { path, ask: &[] }) } else { None }
}

enum Problem {
    NoSuch { path: String, at: String, known: Vec<String> },
    IsAList { path: String, each: String },
    IsNoList { path: String, step: String },
    WrongType { path: String, why: String },
    NotSeen { path: String },
}

impl Problem {
    fn diagnostic(&self, line: &Line, target: &Target) -> Diagnostic {
        let target = print_target(target);
        let error = |name, message, help: String| Diagnostic::error(name, line.at.clone(), message, help);
        match self {
            Problem::NoSuch { path, at, known } => {
                let names: Vec<&str> = known.iter().map(String::as_str).collect();
                let help = match nearest(at, names.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if names.is_empty() => {
                        "it takes none: a condition on what is not there never holds".to_owned()
                    }
                    None => format!("it has {}", listed(&names)),
                };
                error("unknown-argument", format!("`{target}` has no `{path}`"), help)
            }
            Problem::IsAList { path, each } => error(
                "needs-each",
                format!("`{path}` holds a list"),
                format!("write `{each}` to test each of its elements"),
            ),
            Problem::IsNoList { path, step } => error(
                "not-a-list",
                format!("`{path}` looks into each element of `{step}`, which is no list"),
                format!("write `{step}` without `[]`"),
            ),
            Problem::WrongType { path, why } => error(
                "wrong-type",
                format!("the test on `{path}` can never hold: {why}"),
                "compare text with quoted text, numbers with bare numbers, and true or false with `is true`".to_owned(),
            ),
            Problem::NotSeen { path } => error(
                "not-seen",
                format!("the gate cannot see `{path}` when it decides on `{target}`"),
                "test something that is part of the call".to_owned(),
            ),
        }
    }
}

impl Wanted<'_> {
    fn problem(&self, resource: &Resource, catalog: &Catalog) -> Option<Problem> {
        let path = print_path(self.path);
        if resource.kind == ResourceKind::Command || catalog.only_returned(resource) {
            return Some(Problem::NotSeen { path });
        }
        let steps = &self.path.steps;
        let first = steps.first()?;
        let Some(field) = resource.fields.iter().find(|f| f.name == first.name) else {
            return Some(Problem::NoSuch {
                path,
                at: first.name.clone(),
                known: resource.fields.iter().map(|f| f.name.clone()).collect(),
            });
        };
        let mut shape = &field.shape;
        let mut walked = first.name.clone();
        for (at, step) in steps.iter().enumerate() {
            if at > 0 {
                if shape.types.is_empty() || (shape.types.contains(&Type::Map) && shape.members.is_empty()) {
                    return None; // nothing is said of what is inside: Unknown at worst
                }
                let Some((_, member)) = shape.members.iter().find(|(name, _)| *name == step.name) else {
                    return Some(Problem::NoSuch {
                        path,
                        at: step.name.clone(),
                        known: shape.members.iter().map(|(n, _)| n.clone()).collect(),
                    });
                };
                shape = member;
                walked = format!("{walked}.{}", step.name);
            }
            if step.each {
                if !shape.types.is_empty() && !shape.types.contains(&Type::List) {
                    return Some(Problem::IsNoList { path, step: walked });
                }
                match &shape.items {
                    Some(items) => shape = items,
                    None => return None,
                }
                walked = format!("{walked}[]");
            } else if only(shape, Type::List)
                && (at + 1 < steps.len() || self.ask.iter().any(|p| p.ask != Ask::Given) || self.ask.is_empty())
            {
                return Some(Problem::IsAList { path, each: format!("{walked}[]") });
            }
        }
        self.type_problem(shape, path)
    }

    fn type_problem(&self, shape: &Shape, path: String) -> Option<Problem> {
        if shape.types.is_empty() {
            return None;
        }
        let wrong = |why: &str| Some(Problem::WrongType { path: path.clone(), why: why.to_owned() });
        if self.ask.is_empty() && !shape.types.contains(&Type::Number) {
            return wrong("only numbers can be added up");
        }
        // One alternative that fits is enough for the test to be able to hold.
        let fits =
            |p: &Predicate| types_asked(&p.ask).is_none_or(|types| types.iter().any(|t| shape.types.contains(t)));
        let misfit = self.ask.iter().find(|p| !fits(p))?;
        let has: Vec<&str> = shape.types.iter().map(|t| type_words(*t)).collect();
        let asked: Vec<&str> = types_asked(&misfit.ask).unwrap_or_default().into_iter().map(type_words).collect();
        wrong(&format!("it is {}, and the question is one of {}", has.join(" or "), asked.join(" or ")))
    }
}

fn only(shape: &Shape, wanted: Type) -> bool {
    shape.types.contains(&wanted) && shape.types.iter().all(|t| *t == wanted || *t == Type::Null)
}

fn types_asked(ask: &Ask) -> Option<Vec<Type>> {
    let of = |literal: &Literal| match literal {
        Literal::Text(_) | Literal::Date(_) => Type::Text,
        Literal::Number(_) => Type::Number,
        Literal::Bool(_) => Type::Bool,
    };
    match ask {
        Ask::Is(l) | Ask::AtLeast(l) | Ask::AtMost(l) | Ask::Above(l) | Ask::Below(l) => Some(vec![of(l)]),
        Ask::In(Set::Values(values)) => Some(values.iter().map(of).collect()),
        Ask::In(Set::Request) => Some(vec![Type::Text, Type::Number]),
        Ask::In(Set::List(_)) | Ask::TaskFact(_) | Ask::Given => None,
        Ask::QuotedInRequest
        | Ask::StartsWith(_)
        | Ask::EndsWith(_)
        | Ask::Contains(_)
        | Ask::Matches(_)
        | Ask::AddressAt(_)
        | Ask::UrlAt(_)
        | Ask::Under(_) => Some(vec![Type::Text]),
        Ask::True | Ask::False => Some(vec![Type::Bool]),
    }
}

fn type_words(t: Type) -> &'static str {
    match t {
        Type::Null => "nothing",
        Type::Bool => "true or false",
        Type::Number => "a number",
        Type::Text => "text",
        Type::List => "a list",
        Type::Map => "an object",
    }
}
