//! What listing asks: is there any call that is not refused? Hidden means every call is refused; what is hidden is
//! still refused by name.

use crate::catalog::ResourceId;
use crate::decide::{Facts, is_in_force};
use crate::effect::{FieldSet, Verb};
use crate::policy::{Mask, Policy};
use crate::scope::{Outside, Section};
use crate::truth::Truth;

/// Whether some call of that resource with that verb might not be refused, now and in this task.
#[must_use]
pub fn could(policy: &Policy, resource: ResourceId, verb: Verb, facts: &Facts<'_>) -> bool {
    let Some(found) = policy.catalog().resource(resource) else { return false };
    if always_refused(policy, resource, verb, None, facts) {
        return false;
    }
    let declared_refused = found.declared.effects.iter().any(|effect| {
        always_refused(policy, effect.resource, effect.verb, Some((effect.resource == resource, &effect.fields)), facts)
    });
    if declared_refused {
        return false;
    }
    policy.document().front.outside == Outside::Confirm
        || policy.index.of(resource).iter().any(|entry| {
            entry.section != Section::CannotTouch
                && entry.verbs.has(verb)
                && policy.line(entry.line).is_some_and(|line| {
                    let in_force = is_in_force(&line.line, facts);
                    if entry.section.is_can() { in_force.grants() } else { in_force.fires() }
                })
        })
}

/// Whether a *cannot* fires on this whatever the arguments are. `declared`: the effect is declared, whether its subject is
/// known, and its fields.
fn always_refused(
    policy: &Policy,
    resource: ResourceId,
    verb: Verb,
    declared: Option<(bool, &FieldSet)>,
    facts: &Facts<'_>,
) -> bool {
    policy.index.of(resource).iter().any(|entry| {
        entry.section == Section::CannotTouch
            && entry.verbs.has(verb)
            && match (&entry.mask, declared) {
                (Mask::Whole(_), _) => true,
                (Mask::Fields(_), _) if matches!(verb, Verb::Delete | Verb::Define) => true,
                (Mask::Fields(fields), Some((_, touched))) => touched.has_unlisted() || fields.intersects(touched),
                (Mask::Fields(_), None) => false,
            }
            && policy.line(entry.line).is_some_and(|line| {
                is_in_force(&line.line, facts).fires()
                    && match (&line.tests, declared) {
                        (None, _) => true,
                        // Nothing is known of what a declared effect touches elsewhere, so that every test on it is unknown.
                        (Some(tests), Some((false, _))) => tests.fires(None, facts.task) != Truth::No,
                        (Some(_), _) => false,
                    }
            })
    })
}
