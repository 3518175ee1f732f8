//! The part of a catalog that concerns one agent.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::catalog::{Catalog, Resource, ResourceId};

/// The catalog of those systems alone, and of what their tools are declared to touch in others.
pub(super) fn only(all: &Catalog, systems: &BTreeSet<&str>) -> Catalog {
    let within =
        |resource: &Resource| all.system(resource.system).is_some_and(|system| systems.contains(system.name.as_str()));
    let mut kept: BTreeSet<ResourceId> =
        all.resources().filter(|(_, resource)| within(resource)).map(|(id, _)| id).collect();
    let touched: Vec<ResourceId> = all
        .resources()
        .filter(|(id, _)| kept.contains(id))
        .flat_map(|(_, resource)| {
            let effects = resource.declared.effects.iter().map(|effect| effect.resource);
            effects.chain(resource.declared.parts.iter().map(|part| part.resource))
        })
        .collect();
    kept.extend(touched);

    let mut catalog = Catalog::new();
    let mut places: BTreeMap<ResourceId, ResourceId> = BTreeMap::new();
    for (id, system) in all.systems() {
        let named = systems.contains(system.name.as_str());
        let used = all.resources_of(id).any(|(resource, _)| kept.contains(&resource));
        if !named && !used {
            continue;
        }
        let place = catalog.add_system(system.clone());
        for (old, resource) in all.resources_of(id).filter(|(resource, _)| kept.contains(resource)) {
            let mut resource = Resource { system: place, ..resource.clone() };
            if !named {
                // A tool that is only touched cannot be called through this agent's gate.
                resource.declared.effects.clear();
                resource.declared.parts.clear();
            }
            if let Some(new) = catalog.add_resource(resource) {
                places.insert(old, new);
            }
        }
    }
    let new_ids: Vec<ResourceId> = places.values().copied().collect();
    for id in new_ids {
        let Some(resource) = catalog.resource_mut(id) else { continue };
        let declared = &mut resource.declared;
        let effects = declared.effects.iter_mut().map(|effect| &mut effect.resource);
        for touched in effects.chain(declared.parts.iter_mut().map(|part| &mut part.resource)) {
            if let Some(new) = places.get(touched) {
                *touched = *new;
            }
        }
    }
    catalog
}
