//! Who may change a list without answering for the agent: whoever `ambit.toml` lets add to it. They put a release in force
//! that is the one before but for the members of that list.

use std::collections::BTreeSet;

use ambit_core::release::Release;

use crate::config::Config;
use crate::snapshot::{Snapshot, members_of};

/// Whether that person may put `new` in force as `release` over `old`, which is in force as `current`, though they do not answer for the agent. Adding is
/// what `add` is for; taking out they may only where that narrows.
#[must_use]
pub fn may_keep(current: &Release, old: &Snapshot, new: &Snapshot, release: &Release, person: &str) -> bool {
    let Some(name) = old.differs_in_list(new) else { return false };
    // Waivers, ends and reverts are not theirs to say.
    let said = (&release.overrides, release.until, release.reverts_to);
    if said != (&current.overrides, current.until, None) {
        return false;
    }
    let members = |snapshot: &Snapshot| -> BTreeSet<String> {
        snapshot.list_text(name).map(members_of).unwrap_or_default().into_iter().map(str::to_owned).collect()
    };
    let (was, now) = (members(old), members(new));
    // What is in force says who may add, not what the person brings.
    may_add(&old.resolve().config, name, person)
        && (was.is_subset(&now) || (now.is_subset(&was) && release.widens.is_empty()))
}

/// Whether a configuration lets that person add to the list.
#[must_use]
pub fn may_add(config: &Config, list: &str, person: &str) -> bool {
    let Some(who) = config.lists.get(list).and_then(|list| list.add.as_deref()) else { return false };
    let is_named = config.person(who).is_some_and(|(name, _)| name == person);
    // A role wins over a person of the same name, as it does where a line says `by`.
    if config.roles().contains(who) {
        return config.people.get(person).is_some_and(|person| person.roles.contains(who));
    }
    is_named
}
