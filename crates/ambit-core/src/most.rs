//! The most that a policy lets its agent do to each resource, by itself or with a person's word: what a second fence behind
//! Ambit may let through, and must not exceed.

use std::collections::BTreeMap;

use crate::catalog::ResourceId;
use crate::effect::{FieldSet, Verb};
use crate::policy::{Mask, Policy};
use crate::scope::Section;

/// The most that may be done to one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Most {
    /// The fields that may be read.
    pub read: FieldSet,
    /// The fields that may be given to something new.
    pub create: FieldSet,
    /// The fields that may be changed.
    pub update: FieldSet,
    /// Whether it may be deleted from.
    pub delete: bool,
    /// Whether its definition may be changed.
    pub define: bool,
    /// Whether some line that lets it asks for more than verbs and fields: tests, limits, tasks, an end.
    pub conditional: bool,
}

impl Most {
    /// Whether nothing may be done to it.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.read.is_empty() && self.create.is_empty() && self.update.is_empty() && !self.delete && !self.define
    }

    /// The fields of a verb that has some.
    fn fields(&mut self, verb: Verb) -> Option<&mut FieldSet> {
        match verb {
            Verb::Read => Some(&mut self.read),
            Verb::Create => Some(&mut self.create),
            Verb::Update => Some(&mut self.update),
            Verb::Delete | Verb::Define | Verb::Call | Verb::Run => None,
        }
    }
}

/// The most that may be done to each resource that some *can* or *confirm* reaches. What a *cannot* without conditions takes away
/// is not in it; what one with conditions takes away, only the decision sees.
#[must_use]
pub fn most(policy: &Policy) -> BTreeMap<ResourceId, Most> {
    let mut all: BTreeMap<ResourceId, Most> = BTreeMap::new();
    let lines = policy.lines().iter();
    for line in lines.clone().filter(|line| line.line.section != Section::CannotTouch) {
        for (resource, verbs, mask) in &line.reach {
            let most = all.entry(*resource).or_default();
            let said = &line.line;
            most.conditional |=
                !said.tests.is_empty() || !said.limits.is_empty() || said.tasks.is_some() || said.until.is_some();
            for verb in verbs.iter() {
                match verb {
                    Verb::Delete => most.delete = true,
                    Verb::Define => most.define = true,
                    _ => {
                        if let Some(fields) = most.fields(verb) {
                            fields.extend_with(mask.fields());
                        }
                    }
                }
            }
        }
    }
    let without = lines.filter(|line| {
        let said = &line.line;
        said.section == Section::CannotTouch && said.tests.is_empty() && said.tasks.is_none() && said.until.is_none()
    });
    for line in without {
        for (resource, verbs, mask) in &line.reach {
            let Some(most) = all.get_mut(resource) else { continue };
            for verb in verbs.iter() {
                match (verb, mask) {
                    // To delete a row is to delete its fields, and to define a relation may define any of them.
                    (Verb::Delete, _) => most.delete = false,
                    (Verb::Define, _) => most.define = false,
                    (_, Mask::Whole(_)) => {
                        if let Some(fields) = most.fields(verb) {
                            *fields = FieldSet::new();
                        }
                    }
                    (_, Mask::Fields(taken)) => {
                        if let Some(fields) = most.fields(verb) {
                            taken.iter().for_each(|at| fields.remove(at));
                        }
                    }
                }
            }
        }
    }
    all.retain(|_, most| !most.is_nothing());
    all
}
