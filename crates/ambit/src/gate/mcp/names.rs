//! The names under which agents see tools and prompts: `system__tool`, because clients take only
//! `^[a-zA-Z0-9_-]{1,64}$` and no dots; or their own, for an agent that has one system.

use std::collections::BTreeMap;

use ambit_core::action::Digest;

use crate::config::{Config, Kind, ToolNames};

/// Ambit's own tool: asks what became of a call that waits for a person. No exposed name is this one.
pub const PENDING: &str = "ambit_pending";

const MOST: usize = 64;
const HASH: usize = 8;

/// How the tools and prompts of an agent's systems are named to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// `system__tool`.
    #[default]
    WithSystem,
    /// As their server names them; for an agent of one system, where nothing has to be told apart.
    Own,
}

impl Naming {
    /// How that agent sees them: under their own names where it wants so and has one MCP system. With several nobody could
    /// tell their tools apart; `check` says so.
    #[must_use]
    pub fn of(config: &Config, agent: &str) -> Naming {
        let Some(agent) = config.agents.get(agent) else { return Naming::default() };
        let is_served = |name: &&String| config.systems.get(*name).is_some_and(|system| system.kind == Kind::Mcp);
        let is_one = agent.systems.iter().filter(is_served).count() == 1;
        if agent.tool_names == ToolNames::Own && is_one { Naming::Own } else { Naming::WithSystem }
    }

    /// The name under which an agent sees a tool (or prompt) of a system. One that would not fit is made to fit and gets
    /// eight digits of a hash of the exact name, so that it stays the same for as long as the tool keeps its name.
    #[must_use]
    pub fn exposed(self, system: &str, name: &str) -> String {
        let whole = match self {
            Naming::WithSystem => format!("{system}__{name}"),
            Naming::Own => name.to_owned(),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        // A server that names its tool as Ambit names its own must not be taken for it.
        if (1..=MOST).contains(&whole.len()) && whole.chars().all(fits) && whole != PENDING {
            return whole;
        }
        let hash = Digest::of("ambit/name/1", &[system.as_bytes(), name.as_bytes()]).to_string();
        let kept = whole.chars().map(|c| if fits(c) { c } else { '_' }).take(MOST - HASH - 1);
        kept.chain(['_']).chain(hash.chars().take(HASH)).collect()
    }

    /// System and name that an exposed name stands for though no list has it.
    #[must_use]
    pub fn unlisted(self, systems: &[String], exposed: &str) -> Option<(String, String)> {
        let split = |system: &String| {
            let name = match self {
                Naming::WithSystem => exposed.strip_prefix(system.as_str())?.strip_prefix("__")?,
                Naming::Own => exposed,
            };
            let exact = !name.is_empty() && self.exposed(system, name) == exposed;
            exact.then(|| (system.clone(), name.to_owned()))
        };
        // The longest, where one system's name begins another's.
        systems.iter().filter_map(split).max_by_key(|(system, _)| system.len())
    }
}

/// Exposed names, and which of a list each stands for.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, Option<usize>>);

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The one at that place of the list.
    One(usize),
    /// More than one: it can be neither listed nor called.
    Several,
    /// Nothing.
    None,
}

impl Names {
    /// The exposed names of a list of (system, name).
    pub fn of<'a>(naming: Naming, list: impl IntoIterator<Item = (&'a str, &'a str)>) -> Names {
        let mut names = BTreeMap::new();
        for (place, (system, name)) in list.into_iter().enumerate() {
            names.entry(naming.exposed(system, name)).and_modify(|place| *place = None).or_insert(Some(place));
        }
        Names(names)
    }

    /// What that name stands for.
    #[must_use]
    pub fn get(&self, exposed: &str) -> Named {
        match self.0.get(exposed) {
            Some(Some(place)) => Named::One(*place),
            Some(None) => Named::Several,
            None => Named::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn exposed(system: &str, name: &str) -> String {
        Naming::WithSystem.exposed(system, name)
    }

    #[test]
    fn names_that_fit_stay() {
        assert_eq!(exposed("payments", "create_refund"), "payments__create_refund");
    }

    #[test]
    fn names_that_do_not_fit_are_told_apart_by_a_hash() {
        let dotted = exposed("crm", "notes.create");
        assert!(dotted.starts_with("crm__notes_create_"), "{dotted}");
        assert_ne!(dotted, exposed("crm", "notes/create"));
        let long = exposed("crm", &"x".repeat(80));
        assert_eq!(long.len(), 64);
        assert_ne!(long, exposed("crm", &"x".repeat(81)));
    }

    #[test]
    fn one_systems_own_names_stay_but_for_ambits() {
        assert_eq!(Naming::Own.exposed("crm", "get_ticket"), "get_ticket");
        assert!(Naming::Own.exposed("crm", "notes.create").starts_with("notes_create_"));
        assert!(Naming::Own.exposed("crm", PENDING).starts_with("ambit_pending_"));
        let systems = ["crm".to_owned()];
        assert_eq!(Naming::Own.unlisted(&systems, "anything"), Some(("crm".into(), "anything".into())));
        assert_eq!(Naming::Own.unlisted(&systems, "notes.create"), None);
        assert_eq!(Naming::WithSystem.unlisted(&systems, "crm__x"), Some(("crm".into(), "x".into())));
        assert_eq!(Naming::WithSystem.unlisted(&systems, "x"), None);
    }

    #[test]
    fn a_name_for_two_is_a_collision() {
        let names = Names::of(Naming::WithSystem, [("a", "b__c"), ("a__b", "c"), ("a", "d")]);
        assert_eq!(names.get("a__b__c"), Named::Several);
        assert_eq!(names.get("a__d"), Named::One(2));
        assert_eq!(names.get("a__e"), Named::None);
    }

    proptest! {
        #[test]
        fn every_name_fits_every_client(system in ".{0,40}", name in ".{0,80}") {
            for naming in [Naming::WithSystem, Naming::Own] {
                let exposed = naming.exposed(&system, &name);
                prop_assert!((1..=64).contains(&exposed.len()));
                prop_assert!(exposed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
                prop_assert_ne!(exposed, PENDING);
            }
        }
    }
}
