//! Lines that can never do anything beside the others: a *can* wholly under something stricter, a *confirm* wholly inside
//! a *cannot*, a line that stands twice, tests that exclude each other.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::ResourceId;
use crate::decimal::Decimal;
use crate::effect::VerbSet;
use crate::policy::{Mask, PolicyLine, Setting};
use crate::scope::compile::targets::listed;
use crate::scope::diagnostics::{Diagnostic, Severity};
use crate::scope::print::{print_line, print_path};
use crate::scope::{Ask, Line, Literal, Section, Set, Test};

/// Reports them.
pub(super) fn find(lines: &[PolicyLine], setting: &Setting, found: &mut Vec<Diagnostic>) {
    let broken: BTreeSet<usize> = found.iter().filter(|d| d.severity == Severity::Error).map(|d| d.at.line).collect();
    let stricter = Stricter::of(lines);
    let mut stood: BTreeMap<(Section, String), usize> = BTreeMap::new();
    for line in lines.iter().filter(|l| !broken.contains(&l.line.at.line)) {
        let at = line.line.at.clone();
        if line.reach.is_empty() {
            found.push(Diagnostic::error(
                "line-reaches-nothing",
                at,
                format!("`{}` matches nothing", line.line.text),
                "nothing that it names has the verb, field or argument that it asks for: name the resource itself to see why",
            ));
            continue;
        }
        let words = print_line(&Line { because: None, ..line.line.clone() });
        if let Some(first) = stood.get(&(line.line.section, words.clone())) {
            found.push(Diagnostic::error(
                "duplicate-line",
                at,
                format!("`{}` stands on line {first} already", line.line.text),
                "take one of the two out; limits add up only where two lines are meant",
            ));
            continue;
        }
        stood.insert((line.line.section, words), at.line);
        if let Some((one, other)) = exclusive(&line.line.tests) {
            let (one, other) = (print_path(&one.path), print_path(&other.path));
            let which = if one == other { format!("on `{one}`") } else { format!("on `{one}` and `{other}`") };
            found.push(Diagnostic::error(
                "tests-exclude-each-other",
                at,
                format!("the tests {which} can never hold together"),
                "tests joined by `and` must all hold: write two lines, or join alternatives on one path with `or`",
            ));
            continue;
        }
        absent(line, setting, found);
        shadowed(line, lines, &stricter, found);
    }
}

/// The lines of the stricter sections, by what they reach.
struct Stricter(BTreeMap<ResourceId, Vec<usize>>);

impl Stricter {
    fn of(lines: &[PolicyLine]) -> Stricter {
        let mut by_resource: BTreeMap<ResourceId, Vec<usize>> = BTreeMap::new();
        for (at, line) in lines.iter().enumerate().filter(|(_, l)| !l.line.section.is_can()) {
            for (resource, ..) in &line.reach {
                by_resource.entry(*resource).or_default().push(at);
            }
        }
        Stricter(by_resource)
    }
}

/// A *can* or *confirm* every part of which is under something stricter that always fires with it.
fn shadowed(line: &PolicyLine, lines: &[PolicyLine], stricter: &Stricter, found: &mut Vec<Diagnostic>) {
    let mut by: Option<&PolicyLine> = None;
    let covered = line.reach.iter().all(|part| {
        let near = stricter.0.get(&part.0).into_iter().flatten().filter_map(|at| lines.get(*at));
        let over = near
            .filter(|other| other.line.section > line.line.section)
            .find(|other| always_with(&other.line, &line.line) && covers(other, part));
        by = over.or(by);
        over.is_some()
    });
    let Some(by) = by.filter(|_| covered) else { return };
    let (name, what) = if line.line.section.is_can() {
        ("can-never-applies", "this grant")
    } else {
        ("confirm-never-applies", "this confirmation")
    };
    let covers = if by.line.section == Section::CannotTouch { "a *cannot* covers" } else { "a *confirm* covers" };
    let help = format!(
        "line {} (`{}`) always wins: take this line out, or narrow that one",
        by.line.at.line,
        print_line(&by.line)
    );
    found.push(Diagnostic::error(
        name,
        line.line.at.clone(),
        format!("{what} can never apply: {covers} it wholly"),
        help,
    ));
}

fn covers(other: &PolicyLine, (resource, verbs, mask): &(ResourceId, VerbSet, Mask)) -> bool {
    other.reach.iter().any(|(r, v, m)| {
        r == resource
            && v.intersection(*verbs) == *verbs
            && match (m, mask) {
                (Mask::Whole(_), _) => true,
                // Column by column: every column granted must be one that is taken away.
                (Mask::Fields(theirs), Mask::Fields(mine)) => mine.is_subset(theirs),
                (Mask::Fields(_), Mask::Whole(_)) => false,
            }
    })
}

/// Whether `one` fires whenever `other` does: no time limit of its own, a task list at least as wide, and tests that follow from the other's.
fn always_with(one: &Line, other: &Line) -> bool {
    one.until.is_none()
        && (one.tasks.is_none() || one.tasks == other.tasks)
        && one.tests.iter().all(|test| other.tests.iter().any(|given| implies(given, test)))
}

/// Whether the first test, where it holds, makes the second hold.
fn implies(given: &Test, test: &Test) -> bool {
    if given.path != test.path {
        return false;
    }
    if given.any == test.any {
        return true;
    }
    match (Range::of(given), Range::of(test)) {
        (Some(given), Some(test)) => given.within(&test),
        _ => {
            // Each alternative given must be one that is asked for.
            given.any.iter().all(|g| test.any.contains(g))
        }
    }
}

/// Two tests of one line that can never hold together.
fn exclusive(tests: &[Test]) -> Option<(&Test, &Test)> {
    for (at, one) in tests.iter().enumerate() {
        if Range::of(one).is_some_and(|r| r.is_empty()) {
            return Some((one, one));
        }
        for other in tests.iter().skip(at + 1).filter(|t| t.path == one.path) {
            let apart = match (Range::of(one), Range::of(other)) {
                (Some(a), Some(b)) => a.and(&b).is_empty(),
                _ => {
                    values(one).zip(values(other)).is_some_and(|(a, b)| !a.iter().any(|v| b.contains(v)))
                        || opposite(one, other)
                }
            };
            if apart {
                return Some((one, other));
            }
        }
    }
    None
}

fn opposite(one: &Test, other: &Test) -> bool {
    matches!((one.any.as_slice(), other.any.as_slice()), ([a], [b]) if (a.ask == b.ask && a.negated != b.negated) || matches!((&a.ask, &b.ask), (Ask::True, Ask::False) | (Ask::False, Ask::True)) && !a.negated && !b.negated)
}

/// The literals that a test allows, where it is a plain list of them.
fn values(test: &Test) -> Option<Vec<&Literal>> {
    let mut all = Vec::new();
    for predicate in &test.any {
        match (&predicate.ask, predicate.negated) {
            (Ask::Is(literal), false) => all.push(literal),
            (Ask::In(Set::Values(literals)), false) => all.extend(literals),
            _ => return None,
        }
    }
    Some(all)
}

/// The numbers a test allows, where it is one comparison.
struct Range {
    low: Option<(Decimal, bool)>,
    high: Option<(Decimal, bool)>,
}

impl Range {
    fn of(test: &Test) -> Option<Range> {
        let [predicate] = test.any.as_slice() else { return None };
        let number = |l: &Literal| if let Literal::Number(n) = l { Some(*n) } else { None };
        let (low, high) = match &predicate.ask {
            Ask::Is(l) => (Some((number(l)?, true)), Some((number(l)?, true))),
            Ask::AtLeast(l) => (Some((number(l)?, true)), None),
            Ask::Above(l) => (Some((number(l)?, false)), None),
            Ask::AtMost(l) => (None, Some((number(l)?, true))),
            Ask::Below(l) => (None, Some((number(l)?, false))),
            _ => return None,
        };
        match (predicate.negated, &predicate.ask) {
            (false, _) => Some(Range { low, high }),
            (true, Ask::Is(_)) => None,
            // The complement of a half-line is the other half-line.
            (true, _) => {
                Some(Range { low: high.map(|(n, closed)| (n, !closed)), high: low.map(|(n, closed)| (n, !closed)) })
            }
        }
    }

    fn and(&self, other: &Range) -> Range {
        let tighter = |a: Option<(Decimal, bool)>, b: Option<(Decimal, bool)>, wanted: Ordering| match (a, b) {
            (Some(x), Some(y)) => Some(match x.0.cmp(&y.0) {
                Ordering::Equal => (x.0, x.1 && y.1),
                order if order == wanted => x,
                _ => y,
            }),
            (x, y) => x.or(y),
        };
        Range {
            low: tighter(self.low, other.low, Ordering::Greater),
            high: tighter(self.high, other.high, Ordering::Less),
        }
    }

    fn is_empty(&self) -> bool {
        match (self.low, self.high) {
            (Some((low, a)), Some((high, b))) => low > high || (low == high && !(a && b)),
            _ => false,
        }
    }

    fn within(&self, other: &Range) -> bool {
        let both = self.and(other);
        both.low == self.low && both.high == self.high
    }
}

/// A stricter line that asks for an argument fires where it is left out, and where there is none: worth knowing.
fn absent(line: &PolicyLine, setting: &Setting, found: &mut Vec<Diagnostic>) {
    if line.line.section.is_can() {
        return;
    }
    for test in &line.line.tests {
        let Some(first) = test.path.steps.first() else { continue };
        let asked = |t: &Test| t.path.steps.first() == Some(first) && t.any.iter().any(|p| p.ask == Ask::Given);
        if line.line.tests.iter().any(asked) {
            continue;
        }
        let lacking: Vec<&str> = line
            .reach
            .iter()
            .filter_map(|(id, ..)| setting.catalog.resource(*id))
            .filter(|resource| resource.field_named(&first.name).is_none())
            .map(|resource| resource.name.as_str())
            .collect();
        if !lacking.is_empty() {
            found.push(Diagnostic::note(
                "fires-where-missing",
                line.line.at.clone(),
                format!(
                    "there is no `{}` in {}; this line fires there unless somebody gives one all the same",
                    first.name,
                    listed(&lacking)
                ),
                format!(
                    "that is the strict reading; to stop only what has it, name that, or add `and {} is given`",
                    first.name
                ),
            ));
        }
        let optional = line.reach.iter().filter_map(|(id, ..)| setting.catalog.resource(*id)).find(|resource| {
            resource.kind.is_called()
                && resource.fields.iter().any(|f| {
                    f.name == first.name
                        && !f.required
                        && f.shape.default.as_ref().is_none_or(|d| *d == crate::value::Value::Null)
                })
        });
        if let Some(resource) = optional {
            found.push(Diagnostic::note(
                "fires-when-absent",
                line.line.at.clone(),
                format!(
                    "`{}` may be left out of a call of `{}`; this line fires then",
                    print_path(&test.path),
                    resource.name
                ),
                format!(
                    "that is the strict reading; to stop only calls that give it, add `and {} is given`",
                    first.name
                ),
            ));
        }
    }
}
