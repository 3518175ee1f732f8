//! What a new policy widens and what it narrows against the one in force, line by line and in words. The price of a
//! widening (the worst case before and after) is another matter.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalog::Resource;
use crate::policy::{List, Policy, PolicyLine};
use crate::returns::Returned;
use crate::scope::print::print_line;
use crate::scope::{Ask, Line, Outside, Section, Set, Span};

/// Which way a change goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// It only takes away.
    Narrows,
    /// It lets more happen, or with fewer people; also every change whose direction cannot be told.
    Widens,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Which way.
    pub way: Way,
    /// What changes, in words.
    pub words: String,
}

/// Every change from `old` (nothing in force: `None`) to `new`; widenings first.
#[must_use]
pub fn difference(old: Option<&Policy>, new: &Policy) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut say = |way, words: String| changes.push(Change { way, words });
    let Some(old) = old else {
        for line in &new.lines {
            let way = if line.line.section == Section::CannotTouch { Way::Narrows } else { Way::Widens };
            say(way, format!("{}: {}", line.line.section.title(), print_line(&line.line)));
        }
        changes.sort_by_key(|c| std::cmp::Reverse(c.way));
        return changes;
    };
    match (old.document.front.outside, new.document.front.outside) {
        (Outside::Refuse, Outside::Confirm) => {
            say(Way::Widens, "what is outside the scope was refused, and now waits for a human".into())
        }
        (Outside::Confirm, Outside::Refuse) => {
            say(Way::Narrows, "what is outside the scope waited for a human, and is now refused".into())
        }
        _ => {}
    }
    people(old, new, &mut say);
    let mut gone: Vec<&PolicyLine> = old.lines.iter().filter(|l| !has(new, &l.line)).collect();
    for line in new.lines.iter().filter(|l| !has(old, &l.line)) {
        let same_place =
            gone.iter().position(|g| g.line.section == line.line.section && g.line.targets == line.line.targets);
        match same_place.map(|at| gone.remove(at)) {
            Some(was) => say(
                changed_way(&was.line, &line.line),
                format!(
                    "{}: `{}` becomes `{}`",
                    line.line.section.title(),
                    print_line(&was.line),
                    print_line(&line.line)
                ),
            ),
            None => say(
                added_way(line.line.section),
                format!("{}, new: `{}`", line.line.section.title(), print_line(&line.line)),
            ),
        }
    }
    for line in gone {
        let way = if added_way(line.line.section) == Way::Widens && line.line.section.is_can() {
            Way::Narrows
        } else {
            Way::Widens
        };
        say(way, format!("{}, gone: `{}`", line.line.section.title(), print_line(&line.line)));
    }
    for line in &new.lines {
        if let Some(before) = old.lines.iter().find(|l| bare(&l.line) == bare(&line.line)) {
            reach(old, before, new, line, &mut say);
            lists(old, new, &line.line, &mut say);
        }
    }
    declared(old, new, &mut say);
    changes.sort_by_key(|c| std::cmp::Reverse(c.way));
    changes.dedup();
    changes
}

fn bare(line: &Line) -> Line {
    Line { because: None, text: String::new(), at: Span::default(), ..line.clone() }
}

fn has(policy: &Policy, line: &Line) -> bool {
    policy.lines.iter().any(|l| bare(&l.line) == bare(line))
}

/// A new *can* or *confirm* line lets more happen (a confirmation may stand where a refusal stood); a new *cannot* less.
fn added_way(section: Section) -> Way {
    if section == Section::CannotTouch { Way::Narrows } else { Way::Widens }
}

/// A changed line narrows only where each part that differs does so for certain.
fn changed_way(was: &Line, now: &Line) -> Way {
    let grants = now.section != Section::CannotTouch;
    let same_but = |f: &dyn Fn(&mut Line)| {
        let (mut a, mut b) = (bare(was), bare(now));
        f(&mut a);
        f(&mut b);
        a == b
    };
    let more_tests = same_but(&|l| l.tests.clear()) && was.tests.iter().all(|t| now.tests.contains(t));
    let fewer_tests = same_but(&|l| l.tests.clear()) && now.tests.iter().all(|t| was.tests.contains(t));
    let tighter_limits = same_but(&|l| l.limits.clear())
        && was.limits.iter().all(|w| now.limits.iter().any(|n| n.of == w.of && n.per == w.per && n.most <= w.most));
    let narrower = if now.section.is_can() {
        more_tests || tighter_limits
    } else if grants {
        tighter_limits
    } else {
        fewer_tests
    };
    if narrower { Way::Narrows } else { Way::Widens }
}

/// The same words that now mean other things, because tags or the catalog changed.
fn reach(old: &Policy, before: &PolicyLine, new: &Policy, line: &PolicyLine, say: &mut impl FnMut(Way, String)) {
    let paths = |policy: &Policy, line: &PolicyLine| -> BTreeMap<String, Vec<String>> {
        let parts = line.reach.iter().filter_map(|(id, verbs, mask)| {
            let resource = policy.catalog().resource(*id)?;
            let mut fields: Vec<String> =
                mask.fields().iter().filter_map(|at| resource.fields.get(at)).map(|f| f.name.clone()).collect();
            fields.sort();
            fields.extend(verbs.iter().map(|v| format!("!{}", v.word())));
            Some((policy.catalog().path(*id), fields))
        });
        parts.collect()
    };
    let (was, now) = (paths(old, before), paths(new, line));
    let words = print_line(&line.line);
    for (path, fields) in &now {
        match was.get(path) {
            None => say(added_way(line.line.section), format!("`{words}` now also means `{path}`")),
            Some(before) if before != fields => {
                say(Way::Widens, format!("`{words}` now means something else on `{path}`"))
            }
            Some(_) => {}
        }
    }
    for path in was.keys().filter(|p| !now.contains_key(*p)) {
        let way = if line.line.section.is_can() { Way::Narrows } else { Way::Widens };
        say(way, format!("`{words}` no longer means `{path}`"));
    }
}

fn lists(old: &Policy, new: &Policy, line: &Line, say: &mut impl FnMut(Way, String)) {
    for name in line.tests.iter().flat_map(|t| &t.any).filter_map(|p| list_of(&p.ask)) {
        let members = |policy: &Policy| {
            policy.setting.lists.get(name).map(|List { members, .. }| members.clone()).unwrap_or_default()
        };
        let (was, now) = (members(old), members(new));
        let added = now.iter().filter(|m| !was.contains(m)).count();
        let removed = was.iter().filter(|m| !now.contains(m)).count();
        if added > 0 || removed > 0 {
            let negated = line.tests.iter().flat_map(|t| &t.any).any(|p| p.negated);
            // A *confirm* that is about fewer or other members may leave the rest to a *can*, or let people say yes to it.
            let narrows = !negated
                && match line.section {
                    Section::CannotTouch => removed == 0,
                    Section::CanRead | Section::CanWrite => added == 0,
                    Section::MustConfirm => false,
                };
            say(
                if narrows { Way::Narrows } else { Way::Widens },
                format!("the list `{name}` of `{}`: {added} added, {removed} taken out", print_line(line)),
            );
        }
    }
}

/// The list that a test asks for.
pub(crate) fn list_of(ask: &Ask) -> Option<&str> {
    match ask {
        Ask::In(Set::List(name))
        | Ask::AddressAt(Set::List(name))
        | Ask::UrlAt(Set::List(name))
        | Ask::Under(Set::List(name)) => Some(name),
        _ => None,
    }
}

fn people(old: &Policy, new: &Policy, say: &mut impl FnMut(Way, String)) {
    let (was, now) = (&old.document.front, &new.document.front);
    if was.owner != now.owner {
        say(Way::Widens, format!("the owner was {}, and is now {}", was.owner, now.owner));
    }
    if was.backup_owner != now.backup_owner {
        let way = if now.backup_owner.is_none() { Way::Narrows } else { Way::Widens };
        say(
            way,
            format!(
                "the backup owner was {}, and is now {}",
                was.backup_owner.as_deref().unwrap_or("nobody"),
                now.backup_owner.as_deref().unwrap_or("nobody")
            ),
        );
    }
    for person in &new.setting.people {
        let before = old.setting.people.iter().find(|p| p.name == person.name);
        match before {
            None => say(Way::Widens, format!("`{}` is one of the people now{}", person.name, roles(&person.roles))),
            Some(before) => {
                for role in person.roles.difference(&before.roles) {
                    say(Way::Widens, format!("`{}` now has the role `{role}`", person.name));
                }
                for role in before.roles.difference(&person.roles) {
                    say(Way::Narrows, format!("`{}` no longer has the role `{role}`", person.name));
                }
                if before.email != person.email {
                    say(Way::Widens, format!("the address of `{}` changed", person.name));
                }
            }
        }
    }
    for person in old.setting.people.iter().filter(|p| !new.setting.people.iter().any(|n| n.name == p.name)) {
        say(Way::Narrows, format!("`{}` is no longer one of the people", person.name));
    }
}

fn roles(roles: &std::collections::BTreeSet<String>) -> String {
    if roles.is_empty() {
        String::new()
    } else {
        format!(", with {}", roles.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

/// What the parts of a result are, in words that mean the same in every catalog.
fn parts(policy: &Policy, tool: &Resource) -> Vec<(String, String, Option<String>)> {
    let catalog = policy.catalog();
    let words = |returned: &Returned| {
        let field = returned.field.and_then(|at| catalog.resource(returned.resource)?.fields.get(at));
        (returned.part.to_string(), catalog.path(returned.resource), field.map(|field| field.name.clone()))
    };
    tool.declared.parts.iter().map(words).collect()
}

/// Definitions and declared readings that differ behind the same words.
fn declared(old: &Policy, new: &Policy, say: &mut impl FnMut(Way, String)) {
    for (id, resource) in new.catalog().resources() {
        let path = new.catalog().path(id);
        let before = old.catalog().resources().find(|(other, _)| old.catalog().path(*other) == path).map(|(_, r)| r);
        let Some(before) = before else { continue };
        if before.digest != resource.digest {
            say(Way::Widens, format!("the definition of `{path}` changed since it was released"));
        }
        if before.tags != resource.tags {
            say(Way::Widens, format!("the tags of `{path}` changed"));
        }
        let same_reading = before.declared.reads_only == resource.declared.reads_only
            && before.declared.effects.len() == resource.declared.effects.len()
            && before.declared.returns == resource.declared.returns
            && parts(old, before) == parts(new, resource);
        if !same_reading {
            say(Way::Widens, format!("what `{path}` is declared to do or to give back changed"));
        }
    }
}
