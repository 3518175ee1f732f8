//! Whether a schema can be checked in bounded time, before anybody compiles it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::SchemaError;
use super::positions::{Anchors, Place, address, within};

/// Steps that checking one value may take without going into its parts.
const STEPS: u64 = 4_096;
/// Schemas applied to the same value within one another: what bounds the stack.
const DEEP: usize = 32;
/// Steps of the whole schema, every part and reference followed, up to which a misfit is told in detail.
const DETAIL: u64 = 20_000;
/// How far the count of [`DETAIL`] follows; beyond, the schema counts as too large for it.
const FAR: usize = 128;

/// A schema that can be checked in bounded time.
pub(super) struct Bounds<'a> {
    anchors: Anchors<'a>,
    steps: BTreeMap<usize, Step>,
}

#[derive(Clone, Copy)]
enum Step {
    Under,
    Done { steps: u64, deep: usize },
}

/// Refuses a schema that leaves its document, is defined as itself, or takes too long to check.
pub(super) fn check(root: &Json) -> Result<Bounds<'_>, SchemaError> {
    if !root.is_object() && root != &Json::Bool(true) {
        return Err(SchemaError::NotAnObject);
    }
    let mut bounds = Bounds { anchors: Anchors::of(root)?, steps: BTreeMap::new() };
    // Every schema is a start of its own: which of them a reference or a part leads to does not matter.
    for schema in bounds.anchors.schemas().to_vec() {
        bounds.same(schema, 0)?;
    }
    Ok(bounds)
}

impl<'a> Bounds<'a> {
    pub(super) fn anchors(&self) -> &Anchors<'a> {
        &self.anchors
    }

    /// Steps and depth of applying the schema to one value, not counting its parts.
    fn same(&mut self, schema: &'a Json, above: usize) -> Result<(u64, usize), SchemaError> {
        if above > DEEP {
            return Err(SchemaError::TooDeep(DEEP));
        }
        match self.steps.get(&address(schema)) {
            Some(Step::Under) => return Err(SchemaError::Circular),
            Some(Step::Done { steps, deep }) => return Ok((*steps, *deep)),
            None => {}
        }
        self.steps.insert(address(schema), Step::Under);
        let mut inner: Vec<&'a Json> = self.anchors.referred(schema)?.into_iter().collect();
        within(schema, |_, place, inside| {
            if place == Place::Same {
                inner.push(inside);
            }
        });
        let (mut steps, mut deep) = (1, 1);
        for inside in inner {
            let (more, deeper) = self.same(inside, above + 1)?;
            steps += more;
            deep = deep.max(deeper + 1);
        }
        if steps > STEPS {
            return Err(SchemaError::TooCostly(STEPS));
        }
        if deep > DEEP {
            return Err(SchemaError::TooDeep(DEEP));
        }
        self.steps.insert(address(schema), Step::Done { steps, deep });
        Ok((steps, deep))
    }

    /// Whether the whole schema, every part and reference followed, is small enough to tell in detail what does not fit.
    pub(super) fn tells_detail(&self, root: &'a Json) -> bool {
        self.whole(root, 0, &mut BTreeMap::new()) <= DETAIL
    }

    fn whole(&self, schema: &'a Json, above: usize, known: &mut BTreeMap<usize, u64>) -> u64 {
        if above > FAR {
            return u64::MAX;
        }
        if let Some(steps) = known.get(&address(schema)) {
            return *steps;
        }
        // Met again under itself, it has no end.
        known.insert(address(schema), u64::MAX);
        let mut inner: Vec<&'a Json> = self.anchors.referred(schema).ok().flatten().into_iter().collect();
        within(schema, |_, place, inside| {
            if place != Place::Definition {
                inner.push(inside);
            }
        });
        let steps =
            inner.into_iter().fold(1u64, |sum, inside| sum.saturating_add(self.whole(inside, above + 1, known)));
        known.insert(address(schema), steps);
        steps
    }
}
