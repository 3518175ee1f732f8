//! The compiled scope: immutable, looked up by resource number, and the one source of everything said about a scope.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::{Catalog, ResourceId, SystemId};
use crate::decision::{LimitId, LimitInfo, LineId};
use crate::effect::{FieldSet, VerbSet};
use crate::scope::{Ask, Document, Line, Literal, Section, Tasks};
use crate::test_tree::TestTree;

/// What a scope is compiled against: what exists, the lists, the people.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// What exists.
    pub catalog: Arc<Catalog>,
    /// The typed lists of `ambit.toml`, by name.
    pub lists: BTreeMap<String, List>,
    /// The people of `ambit.toml`.
    pub people: Vec<Person>,
}

/// A typed set that the owner keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What its members are.
    pub kind: ListKind,
    /// The members, as they stood when the policy was compiled.
    pub members: Vec<Literal>,
    /// Who may add to it.
    pub add: Option<String>,
    /// Whether somebody outside can extend it (accounts "paid before", contacts built from mail).
    pub outsiders_can_extend: bool,
}

/// What the members of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ListKind {
    /// E-mail addresses.
    Address,
    /// Domains of addresses.
    Domain,
    /// Hosts of URLs; `*.` allowed.
    Host,
    /// Paths or URIs.
    Path,
    /// Any values, compared as they stand.
    Value,
}

impl ListKind {
    /// In the plural.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            ListKind::Address => "addresses",
            ListKind::Domain => "domains",
            ListKind::Host => "hosts",
            ListKind::Path => "paths",
            ListKind::Value => "values",
        }
    }
}

/// Somebody who may confirm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name in `ambit.toml`.
    pub name: String,
    /// The address, as `owner` and `by` may write it.
    pub email: Option<String>,
    /// Roles held.
    pub roles: BTreeSet<String>,
}

impl Person {
    /// Whether that text names this person.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.name == text || self.email.as_deref().is_some_and(|email| email.eq_ignore_ascii_case(text))
    }
}

/// A scope, compiled.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) document: Document,
    pub(crate) lines: Vec<PolicyLine>,
    pub(crate) limits: Vec<LimitInfo>,
    pub(crate) setting: Setting,
    pub(crate) index: Index,
}

/// One line, compiled.
#[derive(Clone, Debug)]
pub struct PolicyLine {
    /// What was written.
    pub line: Line,
    /// The tests, ready to be asked.
    pub(crate) tests: Option<Arc<TestTree>>,
    /// Its limits, in the order written.
    pub(crate) limits: Vec<(LimitId, LimitInfo)>,
    /// What it reaches, each once.
    pub(crate) reach: Vec<(ResourceId, VerbSet, Mask)>,
}

/// Which fields of a resource a line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mask {
    /// Every field there is, and the resource itself. Under a *can*, what the lock lists and not what is added later.
    Whole(FieldSet),
    /// Those fields alone.
    Fields(FieldSet),
}

/// Lines by resource, the strictest section first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// One for each resource of the catalog, by its number.
    pub(crate) places: Vec<Place>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) systems_with_cannot: BTreeSet<SystemId>,
}

/// Where the entries of a resource stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) from: u32,
    pub(crate) to: u32,
    /// It is covered by one line as a whole, as against column by column.
    pub(crate) whole: bool,
    /// What calling it gives back is declared, part by part.
    pub(crate) returns: bool,
}

/// A line that reaches a resource.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) section: Section,
    pub(crate) line: LineId,
    pub(crate) verbs: VerbSet,
    pub(crate) mask: Mask,
    // What is asked of almost every action stands here, so that the line itself need not be fetched.
    /// The line has neither `for` nor `until`.
    pub(crate) always: bool,
    /// The line has limits.
    pub(crate) limited: bool,
    /// The line's tests.
    pub(crate) tests: Option<Arc<TestTree>>,
}

impl Index {
    pub(crate) fn place(&self, resource: ResourceId) -> Option<Place> {
        self.places.get(resource.0 as usize).copied()
    }

    pub(crate) fn at(&self, place: Place) -> &[Entry] {
        self.entries.get(place.from as usize..place.to as usize).unwrap_or(&[])
    }

    pub(crate) fn of(&self, resource: ResourceId) -> &[Entry] {
        self.place(resource).map_or(&[], |place| self.at(place))
    }
}

impl Policy {
    /// The scope as it was read.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What it was compiled against.
    #[must_use]
    pub fn setting(&self) -> &Setting {
        &self.setting
    }

    /// What exists.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.setting.catalog
    }

    /// The lines, in document order; a [`LineId`] is a place in this list.
    #[must_use]
    pub fn lines(&self) -> &[PolicyLine] {
        &self.lines
    }

    /// The line of that number.
    #[must_use]
    pub fn line(&self, id: LineId) -> Option<&PolicyLine> {
        self.lines.get(id.0 as usize)
    }

    /// Every limit; a [`LimitId`] is a place in this list.
    #[must_use]
    pub fn limits(&self) -> &[LimitInfo] {
        &self.limits
    }

    /// The people who may confirm for a line without `by`: the owner and the backup owner.
    #[must_use]
    pub fn owners(&self) -> Vec<&Person> {
        let front = &self.document.front;
        let named = |p: &&Person| p.is(&front.owner) || front.backup_owner.as_deref().is_some_and(|b| p.is(b));
        self.setting.people.iter().filter(named).collect()
    }

    /// The tasks that some line names, with `for` or with `any task but`.
    #[must_use]
    pub fn task_names(&self) -> BTreeSet<&str> {
        let named = self.lines.iter().filter_map(|line| line.line.tasks.as_ref());
        named.flat_map(|(Tasks::Only(names) | Tasks::AnyBut(names))| names).map(String::as_str).collect()
    }

    /// The facts of a task that some line compares with.
    #[must_use]
    pub fn task_facts(&self) -> BTreeSet<&str> {
        let asked = self.lines.iter().flat_map(|line| &line.line.tests).flat_map(|test| &test.any);
        let facts = asked.filter_map(|predicate| match &predicate.ask {
            Ask::TaskFact(name) => Some(name.as_str()),
            _ => None,
        });
        facts.collect()
    }

    /// The lists of `ambit.toml` that some line asks for.
    #[must_use]
    pub fn list_names(&self) -> BTreeSet<&str> {
        let asked = self.lines.iter().flat_map(|line| &line.line.tests).flat_map(|test| &test.any);
        asked.filter_map(|predicate| crate::difference::list_of(&predicate.ask)).collect()
    }

    /// Whether that author is somebody inside: the owner, the backup owner, or one of the people of `ambit.toml`.
    #[must_use]
    pub fn is_insider(&self, author: &str) -> bool {
        let front = &self.document.front;
        let same = |name: &str| name.eq_ignore_ascii_case(author);
        same(&front.owner)
            || front.backup_owner.as_deref().is_some_and(same)
            || self.setting.people.iter().any(|p| p.is(author))
    }
}

impl PolicyLine {
    /// The resources it reaches, each once, with the verbs it is about there.
    pub fn reaches(&self) -> impl Iterator<Item = (ResourceId, VerbSet)> + '_ {
        self.reach.iter().map(|(resource, verbs, _)| (*resource, *verbs))
    }

    /// Whether it has tests.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.tests.is_some()
    }
}
