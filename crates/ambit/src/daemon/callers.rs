//! Programs that open tasks: how far the release in force lets one go, and what it is given when it asks the same again.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::action::Digest;
use ambit_core::difference::Way;
use ambit_core::time::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::opening::{Opening, TaskError};
use crate::config::{Caller, Config};
use crate::escape::escape;
use crate::gate::judge::Judge;
use crate::gate::means::{Fault, Means};
use crate::gate::session::OpenTask;
use crate::keys::hex;
use crate::store::Put;

/// A caller that proved who it is, and what it wants to be told apart by.
pub struct Calling {
    /// Its name.
    pub name: String,
    /// The id of the token that it came with.
    pub token: String,
    /// The token itself: what is drawn for an idempotency key comes out of it, and is kept nowhere.
    pub presented: Zeroizing<String>,
    /// Its idempotency key, where it gave one.
    pub key: Option<String>,
}

/// What a caller's idempotency key once opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Once {
    pub task: String,
    request: Digest,
    at: Timestamp,
}

impl Once {
    /// Whether the key is known no more.
    fn is_over(&self, means: &Means, agent: &str) -> bool {
        let now = means.now();
        now.0.saturating_sub(self.at.0) > KNOWN_MS && means.tasks.open_now(agent, &self.task, now).is_none()
    }
}

/// As long as the caller's tasks may last, and eight hours at most.
pub const AS_USUAL: u64 = 0;
const USUAL_SECONDS: u64 = 8 * 3600;
// A key is known for a day, and as long as its task is open.
const KNOWN_MS: i64 = 24 * 3_600_000;

/// The callers that may open tasks of that agent, as an `ambit.toml` has them.
#[must_use]
pub fn of(config: &Config, agent: &str) -> BTreeMap<String, Caller> {
    let concerned = config.callers.iter().filter(|(_, caller)| caller.concerns(agent));
    concerned.map(|(name, caller)| (name.clone(), caller.clone())).collect()
}

/// Whether the release in force lets that caller open that task; the person whose task it is then. What was left to the
/// caller's usual is filled in.
pub(super) fn check(
    means: &Means,
    calling: &Calling,
    opening: &mut Opening,
    judge: &Judge,
) -> Result<String, TaskError> {
    let (name, agent) = (escape(&calling.name), escape(&opening.agent));
    let not = |what: String, help: &str| Err(TaskError::MayNot { what, help: help.to_owned() });
    let Some(caller) = judge.callers().get(&calling.name) else {
        let what = format!("the release in force for `{agent}` lets no caller `{name}` open its tasks");
        let help =
            format!("the owner adds `{agent}` to `may-open` of `[callers.{name}]` in `ambit.toml`, and releases it");
        return Err(TaskError::MayNot { what, help });
    };
    let may = match &opening.name {
        Some(task) => caller.may_open.get(&opening.agent).is_some_and(|names| names.contains(task)),
        None => caller.may_open_unnamed.contains(&opening.agent),
    };
    if !may {
        let task = OpenTask::named(opening.name.as_deref().unwrap_or_default());
        let what = format!("`{name}` may not open the task `{}` of `{agent}`", escape(task));
        let none = BTreeSet::new();
        let names = caller.may_open.get(&opening.agent).unwrap_or(&none);
        let all: Vec<String> = names.iter().map(|name| format!("`{}`", escape(name))).collect();
        let help = if all.is_empty() {
            "it may open those without a name".into()
        } else {
            format!("it may open {}", all.join(", "))
        };
        return not(what, &help);
    }
    if let Some((fact, _)) =
        opening.facts.iter().find(|(fact, _)| caller.facts.as_ref().is_some_and(|may| !may.contains(fact)))
    {
        let what = format!("`{name}` may not vouch for the fact `{}`", escape(fact));
        return not(what, "leave it out, or have the owner add it to the caller's `facts` and release that");
    }
    if let Some(author) = &opening.author
        && judge.policy().is_insider(author)
        && !vouches(caller, judge, author)
    {
        let what = format!("`{name}` may not say that `{}` wrote a request: that is somebody inside", escape(author));
        return not(
            what,
            "name whoever wrote it; the caller's `vouches-for` says whose words it can tell to be theirs",
        );
    }
    match &opening.on_behalf_of {
        Some(person) if *person != caller.person && !caller.on_behalf_of.contains(person) => {
            let what = format!("`{name}` opens no task on behalf of `{}`", escape(person));
            return not(what, "leave it out: the task then runs for the person who answers for the caller");
        }
        _ => {}
    }
    let longest = caller.longest_minutes.saturating_mul(60);
    if opening.lasts_seconds == AS_USUAL {
        opening.lasts_seconds = longest.min(USUAL_SECONDS);
    } else if opening.lasts_seconds > longest {
        let what = format!("a task that `{name}` opens lasts at most {longest} seconds");
        return not(what, "ask for less; another can be opened when it is over");
    }
    let tasks = means.tasks.all(Some(&opening.agent));
    let open = tasks.iter().filter(|task| task.caller.as_deref() == Some(calling.name.as_str())).count();
    if u64::try_from(open).unwrap_or(u64::MAX) >= caller.open_tasks {
        return Err(TaskError::TooManyOf { caller: name, most: caller.open_tasks, agent });
    }
    let most = caller.openings_per_hour;
    if let Some(seconds) = means.openings.wait(&calling.name, &opening.agent, most, means.now()) {
        return Err(TaskError::TooOftenOf { caller: name, most, agent, seconds });
    }
    Ok(caller.person.clone())
}

/// Whether the caller can tell that person's words to be theirs.
fn vouches(caller: &Caller, judge: &Judge, author: &str) -> bool {
    let mut people = judge.policy().setting().people.iter();
    people.any(|person| {
        person.is(author)
            && (caller.vouches_for.contains(&person.name)
                || person.roles.iter().any(|role| caller.vouches_for.contains(role)))
    })
}

/// What a caller's idempotency key opened, when it is the same request that comes again; nothing for a new key.
///
/// # Errors
/// When the key was used for another request, or the store fails.
pub(super) fn once(means: &Means, calling: &Calling, opening: &Opening) -> Result<Option<Once>, TaskError> {
    let Some(key) = calling.key.as_deref() else { return Ok(None) };
    let key = place(&calling.name, &opening.agent, key);
    let Some(found) = means.store.get(&key).map_err(Fault::from)? else { return Ok(None) };
    let once: Once = serde_json::from_slice(&found.value)
        .map_err(|error| Fault::Damaged { key: key.clone(), why: error.to_string() })?;
    if once.is_over(means, &opening.agent) {
        return Ok(None);
    }
    if once.request == digest(opening) {
        return Ok(Some(once));
    }
    Err(TaskError::OtherRequest)
}

/// The changes that note what a key opens, and forget keys that are long over.
pub(super) fn note(means: &Means, calling: &Calling, opening: &Opening, task: &str) -> Result<Vec<Put>, Fault> {
    let Some(key) = calling.key.as_deref() else { return Ok(Vec::new()) };
    let place = place(&calling.name, &opening.agent, key);
    let (mut puts, mut expect) = (Vec::new(), 0);
    for found in means.store.scan(&format!("caller-key/{}/{}/", calling.name, opening.agent))? {
        let old = serde_json::from_slice::<Once>(&found.value).map_or(true, |once| once.is_over(means, &opening.agent));
        if found.key == place {
            // Whoever comes this far with a key that is there has one that is known no more.
            expect = found.version;
        } else if old {
            puts.push(Put { key: found.key, expect: found.version, value: None });
        }
    }
    let once = Once { task: task.to_owned(), request: digest(opening), at: means.now() };
    let value =
        serde_json::to_vec(&once).map_err(|error| Fault::Damaged { key: place.clone(), why: error.to_string() })?;
    puts.push(Put { key: place, expect, value: Some(value) });
    Ok(puts)
}

/// The secret of the token of a task that a key opens: whoever presents the same token and the same key is given the same,
/// and nobody keeps it meanwhile. Nothing for a caller that gave no key.
pub(super) fn secret(calling: &Calling, agent: &str, task: &str) -> Option<Zeroizing<[u8; 32]>> {
    let key = calling.key.as_deref()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(calling.presented.as_bytes()).ok()?;
    for part in ["ambit/task-token/1", agent, task, key] {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part.as_bytes());
    }
    Some(Zeroizing::new(mac.finalize().into_bytes().into()))
}

fn place(caller: &str, agent: &str, key: &str) -> String {
    let digest = Digest::of("ambit/idempotency-key/1", &[key.as_bytes()]);
    format!("caller-key/{caller}/{agent}/{}", hex::write(&digest.0))
}

fn digest(opening: &Opening) -> Digest {
    // An opening always serialises; were it not to, no request would be the same as another.
    Digest::of("ambit/opening/1", &[&serde_json::to_vec(opening).unwrap_or_default()])
}

/// What a release changes in who may open an agent's tasks, in words.
#[must_use]
pub fn difference(
    old: Option<&BTreeMap<String, Caller>>,
    new: &BTreeMap<String, Caller>,
    agent: &str,
) -> Vec<(Way, String)> {
    let none = BTreeMap::new();
    let old = old.unwrap_or(&none);
    let mut changes = Vec::new();
    for name in old.keys().filter(|name| !new.contains_key(*name)) {
        changes.push((Way::Narrows, format!("the caller `{name}` opens no tasks any more")));
    }
    for (name, caller) in new {
        let before = old.get(name);
        if before == Some(caller) {
            continue;
        }
        let (was, now) = (before.map(|caller| rights(caller, agent)).unwrap_or_default(), rights(caller, agent));
        let gained: Vec<&str> = now.difference(&was).map(String::as_str).collect();
        let lost: Vec<&str> = was.difference(&now).map(String::as_str).collect();
        if !gained.is_empty() {
            changes.push((Way::Widens, format!("the caller `{name}` {}", gained.join(", "))));
        }
        if !lost.is_empty() {
            changes.push((Way::Narrows, format!("the caller `{name}` no longer {}", lost.join(", "))));
        }
    }
    changes
}

/// What a caller may do about one agent, a phrase each.
fn rights(caller: &Caller, agent: &str) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    rights.extend(caller.may_open.get(agent).into_iter().flatten().map(|task| format!("opens the task `{task}`")));
    if caller.may_open_unnamed.contains(agent) {
        rights.insert("opens tasks without a name".to_owned());
    }
    match &caller.facts {
        Some(facts) => rights.extend(facts.iter().map(|fact| format!("vouches for the fact `{fact}`"))),
        None => _ = rights.insert("vouches for any fact".to_owned()),
    }
    rights.extend(caller.vouches_for.iter().map(|who| format!("vouches for what `{who}` wrote")));
    rights.extend(caller.on_behalf_of.iter().map(|person| format!("opens tasks on behalf of `{person}`")));
    rights.insert(format!("opens tasks for which `{}` answers", caller.person));
    rights.insert(format!("has {} open at most", caller.open_tasks));
    rights.insert(format!("opens them for {} minutes at most", caller.longest_minutes));
    rights.insert(format!("opens up to {} an hour", caller.openings_per_hour));
    rights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(toml: &str) -> BTreeMap<String, Caller> {
        [("desk".to_owned(), toml::from_str(toml).unwrap())].into()
    }

    #[test]
    fn a_release_says_what_it_changes_for_callers() {
        let one = caller("person = \"dana\"\nmay-open = { helper = [\"refund\"] }");
        let more =
            caller("person = \"dana\"\nmay-open = { helper = [\"refund\", \"close\"] }\nvouches-for = [\"lead\"]");
        let none = BTreeMap::new();
        let said = |old, new| difference(old, new, "helper");
        assert_eq!(said(Some(&one), &one), []);
        let wider = "the caller `desk` opens the task `close`, vouches for what `lead` wrote";
        assert_eq!(said(Some(&one), &more), [(Way::Widens, wider.to_owned())]);
        assert_eq!(said(Some(&more), &one)[0].0, Way::Narrows);
        assert_eq!(said(Some(&one), &none)[0].0, Way::Narrows);
        assert!(
            said(None, &one)[0].1.starts_with("the caller `desk` has 32 open at most, opens tasks for which `dana`")
        );
    }

    #[test]
    fn what_is_drawn_for_a_key_is_that_callers_that_tasks_and_that_keys() {
        let calling = |presented: &str, key: Option<&str>| Calling {
            name: "desk".into(),
            token: "t".into(),
            presented: presented.to_owned().into(),
            key: key.map(str::to_owned),
        };
        let drawn = |presented, key, agent, task| *secret(&calling(presented, Some(key)), agent, task).unwrap();
        let first = drawn("p", "k", "a", "t");
        assert_eq!(first, drawn("p", "k", "a", "t"));
        for other in
            [drawn("q", "k", "a", "t"), drawn("p", "l", "a", "t"), drawn("p", "k", "b", "t"), drawn("p", "k", "a", "u")]
        {
            assert_ne!(first, other);
        }
        assert!(secret(&calling("p", None), "a", "t").is_none());
    }
}
