//! What a statement was found to touch, gathered while it is read, and made into a reading at the end.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::catalog::ResourceId;
use ambit_core::effect::{Effect, Extent, FieldSet, Standing, Verb};
use ambit_core::reading::{BuiltIn, Reading, Unread};
use ambit_core::value::Value;

use super::database::{Name, Relation};

/// A relation where it stands in a statement: the same one may stand in it more than once, and each time other rows are meant.
pub(super) struct Instance<'a> {
    pub name: Name,
    pub relation: &'a Relation,
    pub resource: ResourceId,
    pub standing: Standing,
    /// Whether its rows are read, be it only counted.
    pub read: bool,
    /// The columns that are read.
    pub fields: FieldSet,
    /// What is known of the rows that are meant, by column.
    pub facts: BTreeMap<usize, Value>,
}

/// A change of the rows of an instance.
pub(super) struct Change {
    pub verb: Verb,
    pub instance: usize,
    pub fields: FieldSet,
    /// How many rows, where that is known.
    pub rows: Option<u64>,
    /// What is known of the rows, by column.
    pub facts: BTreeMap<usize, Value>,
}

/// What follows from a change without being asked for, or cannot be placed.
pub(super) struct Besides {
    pub verb: Verb,
    pub resource: ResourceId,
    pub fields: FieldSet,
    /// Whose rights it is done with.
    pub standing: Standing,
}

/// Everything that was gathered.
#[derive(Default)]
pub(super) struct Touched<'a> {
    pub instances: Vec<Instance<'a>>,
    pub changes: Vec<Change>,
    pub besides: Vec<Besides>,
    pub unread: Vec<Unread>,
    pub built_in: BTreeSet<BuiltIn>,
}

/// The most rows of one statement that are told apart by what stands in them.
const MOST_ROWS: usize = 100;

impl Touched<'_> {
    /// The reading. `width`: the names of a resource's fields.
    pub(super) fn reading(self, width: impl Fn(ResourceId) -> Vec<String>) -> Reading {
        let mut made = Made { width: &width, values: Vec::new(), effects: BTreeMap::new(), subjects: BTreeMap::new() };
        for instance in &self.instances {
            if instance.read || !instance.fields.is_empty() {
                let subject = made.subject(instance.resource, &instance.facts);
                made.add(Verb::Read, instance.resource, instance.standing, subject, &instance.fields, None);
            }
        }
        for change in &self.changes {
            let Some(instance) = self.instances.get(change.instance) else { continue };
            let subject = made.subject(instance.resource, &change.facts);
            made.add(change.verb, instance.resource, instance.standing, subject, &change.fields, change.rows);
        }
        for besides in &self.besides {
            made.add(besides.verb, besides.resource, besides.standing, None, &besides.fields, None);
        }
        let Made { values, effects, .. } = made;
        let effects = effects.into_iter().map(|((verb, resource, declared, subject), (fields, rows))| Effect {
            verb,
            resource,
            fields,
            extent: Extent { rows, amount: None, reversible: (verb == Verb::Read).then_some(true) },
            standing: if declared { Standing::Declared } else { Standing::Own },
            subject,
        });
        let mut built_in: smallvec::SmallVec<[BuiltIn; 1]> = self.built_in.into_iter().collect();
        let effects: smallvec::SmallVec<[Effect; 1]> = effects.collect();
        if effects.is_empty() && self.unread.is_empty() && built_in.is_empty() {
            built_in.push(BuiltIn::Computes);
        }
        let mut unread = self.unread;
        unread.dedup();
        Reading { built_in, effects, unread, values }
    }
}

/// What is known of a row, in a form that can be compared.
type Told = BTreeMap<usize, String>;

type Key = (Verb, ResourceId, bool, Option<usize>);

struct Made<'w> {
    width: &'w dyn Fn(ResourceId) -> Vec<String>,
    values: Vec<Value>,
    effects: BTreeMap<Key, (FieldSet, Option<u64>)>,
    /// By resource, the rows of which something is known, each with its place among the values.
    subjects: BTreeMap<ResourceId, Vec<(Told, usize)>>,
}

impl Made<'_> {
    /// The place of the row of which that is known; `None` where nothing is.
    fn subject(&mut self, resource: ResourceId, facts: &BTreeMap<usize, Value>) -> Option<usize> {
        if facts.is_empty() {
            return None;
        }
        let told: Told = facts.iter().map(|(at, value)| (*at, format!("{value:?}"))).collect();
        let known = self.subjects.entry(resource).or_default();
        if let Some((_, at)) = known.iter().find(|(other, _)| *other == told) {
            return Some(*at);
        }
        if known.len() >= MOST_ROWS {
            return None;
        }
        let names = (self.width)(resource).into_iter().enumerate();
        let row = names.map(|(at, name)| (name, facts.get(&at).cloned().unwrap_or(Value::Unknown)));
        self.values.push(Value::Map(row.collect()));
        known.push((told, self.values.len() - 1));
        Some(self.values.len() - 1)
    }

    fn add(
        &mut self,
        verb: Verb,
        resource: ResourceId,
        standing: Standing,
        subject: Option<usize>,
        fields: &FieldSet,
        rows: Option<u64>,
    ) {
        let key = (verb, resource, standing == Standing::Declared, subject);
        match self.effects.get_mut(&key) {
            None => {
                self.effects.insert(key, (fields.clone(), rows));
            }
            Some((known, known_rows)) => {
                known.extend_with(fields);
                *known_rows = known_rows.zip(rows).and_then(|(a, b)| a.checked_add(b));
            }
        }
    }
}
