//! How an installation stands: which systems have a gate in front of them, and whether an agent could go around it.

use ambit_core::catalog::SystemKind;
use ambit_core::explain::Sight;

use crate::config::Config;

/// The kinds of systems that Ambit has a gate for.
pub const GATES: [SystemKind; 1] = [SystemKind::Mcp];

/// How Ambit stands to that agent. An agent that is not known to run as another operating-system user counts as running
/// as this one.
#[must_use]
pub fn sight(config: &Config, agent: &str) -> Sight {
    let user = config.agents.get(agent).and_then(|agent| agent.os_user.as_deref());
    let same_user = user.is_none_or(|user| is_own_user(user).unwrap_or(true));
    Sight { gates: GATES.to_vec(), same_user }
}

/// Whether that is the operating-system user of this process, by name or by number; `None` when that cannot be told.
fn is_own_user(user: &str) -> Option<bool> {
    let own = rustix::process::getuid().as_raw();
    if let Ok(number) = user.parse::<u32>() {
        return Some(number == own);
    }
    // Users of a directory service do not stand in this file; of them nothing can be told.
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut named = users.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let (name, _, number) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name, number.parse::<u32>().ok()?))
    });
    named.find(|(name, _)| *name == user).map(|(_, number)| number == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_number_and_by_name() {
        let own = rustix::process::getuid().as_raw();
        assert_eq!(is_own_user(&own.to_string()), Some(true));
        assert_eq!(is_own_user(&(own + 1).to_string()), Some(false));
        assert_eq!(is_own_user("nobody-of-that-name"), None);
        assert_eq!(is_own_user("root"), Some(own == 0));
    }

    #[test]
    fn an_agent_of_an_unknown_user_is_only_advised() {
        let mut config = Config::default();
        assert!(sight(&config, "a").same_user);
        let other = rustix::process::getuid().as_raw() + 1;
        let agent = |os_user: Option<String>| crate::config::Agent {
            scope: "SCOPE.md".into(),
            systems: std::collections::BTreeSet::new(),
            tool_names: crate::config::ToolNames::default(),
            oauth: None,
            os_user,
        };
        for (user, same) in [(None, true), (Some("nobody-of-that-name".into()), true), (Some(other.to_string()), false)]
        {
            config.agents.insert("a".into(), agent(user));
            assert_eq!(sight(&config, "a").same_user, same);
        }
    }
}
