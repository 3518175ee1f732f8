//! Everything that a policy uses, as one value: the scope, `ambit.toml`, `ambit.lock` and the lists' files.
//!
//! A release is the bytes of a snapshot, and what is in force is read back from those bytes, never from the disk. So
//! that the two cannot differ, there is one way from a snapshot to a policy, whether it was just taken or was kept.

mod readers;
mod resolve;
mod shared;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ambit_core::action::Digest;
use ambit_core::scope::diagnostics::nearest;

use crate::home::{Home, OpenError, read_text};

pub use resolve::Resolved;
pub use shared::Shared;

/// The most bytes of a scope document or a list's file that are read.
pub const MOST_BYTES: usize = 4 << 20;

const HEAD: &str = "ambit snapshot 1\n";
const AGENT: &str = "agent";
const SCOPE: &str = "scope";
const CONFIG: &str = "config";
const LOCK: &str = "lock";
const LIST: &str = "list/";

/// Everything that the policy of one agent uses, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// By part: `agent`, `scope`, `config`, `lock`, and `list/NAME` for each list that is kept in a file.
    parts: BTreeMap<String, String>,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// `ambit.toml` has no such agent.
    #[error("there is no agent `{agent}` in `ambit.toml`")]
    NoAgent {
        /// Which.
        agent: String,
        /// The nearest there is.
        near: Option<String>,
    },
    /// A file that it needs cannot be read.
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    /// A file is larger than any such file ought to be.
    #[error("`{}` has more than {MOST_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The bytes are not those of a snapshot.
    #[error("these bytes are no snapshot: {0}")]
    NotOne(&'static str),
}

impl Snapshot {
    /// Everything that the policy of that agent uses, as it stands on the disk now.
    ///
    /// # Errors
    /// When there is no such agent, or a file cannot be read.
    pub fn take(home: &Home, agent: &str) -> Result<Snapshot, SnapshotError> {
        let Some(path) = home.scope_path(agent) else {
            let near = nearest(agent, home.config.agents.keys().map(String::as_str)).map(str::to_owned);
            return Err(SnapshotError::NoAgent { agent: agent.to_owned(), near });
        };
        Snapshot::with_scope(home, agent, read_bounded(&path)?)
    }

    /// The same with another text for the scope document.
    ///
    /// # Errors
    /// When a list's file cannot be read.
    pub fn with_scope(home: &Home, agent: &str, scope: String) -> Result<Snapshot, SnapshotError> {
        let mut parts = BTreeMap::new();
        for (name, list) in &home.config.lists {
            if let Some(file) = &list.file {
                parts.insert(format!("{LIST}{name}"), read_bounded(&home.dir().join(file))?);
            }
        }
        parts.insert(AGENT.to_owned(), agent.to_owned());
        parts.insert(SCOPE.to_owned(), scope);
        parts.insert(CONFIG.to_owned(), home.config_text.clone());
        parts.insert(LOCK.to_owned(), home.lock_text.clone());
        Ok(Snapshot { parts })
    }

    /// Its canonical bytes: the parts in the order of their names, each with its length before it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = HEAD.as_bytes().to_vec();
        for (name, text) in &self.parts {
            bytes.extend_from_slice(format!("{name} {}\n", text.len()).as_bytes());
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    /// The digest of its bytes: that of a release.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of("ambit/snapshot/1", &[&self.bytes()])
    }

    /// Reads a snapshot back.
    ///
    /// # Errors
    /// When the bytes are not exactly those that a snapshot has.
    pub fn from_bytes(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
        let text = std::str::from_utf8(bytes).map_err(|_| SnapshotError::NotOne("not UTF-8"))?;
        let mut rest = text.strip_prefix(HEAD).ok_or(SnapshotError::NotOne("another form"))?;
        let mut parts = BTreeMap::new();
        while !rest.is_empty() {
            let cut = SnapshotError::NotOne("cut off");
            let Some((name, length, after)) = part(rest) else { return Err(cut) };
            let Some((text, after)) = after.split_at_checked(length) else { return Err(cut) };
            rest = after.strip_prefix('\n').ok_or(cut)?;
            parts.insert(name.to_owned(), text.to_owned());
        }
        let snapshot = Snapshot { parts };
        let known = |name: &str| [AGENT, SCOPE, CONFIG, LOCK].contains(&name) || name.starts_with(LIST);
        if ![AGENT, SCOPE, CONFIG, LOCK].iter().all(|name| snapshot.parts.contains_key(*name)) {
            return Err(SnapshotError::NotOne("a part is missing"));
        }
        // One snapshot, one text of it: else two digests could stand for the same policy.
        if !snapshot.parts.keys().all(|name| known(name)) || snapshot.bytes() != bytes {
            return Err(SnapshotError::NotOne("not in its canonical form"));
        }
        Ok(snapshot)
    }

    /// The agent whose policy it is.
    #[must_use]
    pub fn agent(&self) -> &str {
        self.part(AGENT)
    }

    /// The text of the scope document.
    #[must_use]
    pub fn scope_text(&self) -> &str {
        self.part(SCOPE)
    }

    /// The text of `ambit.toml`.
    #[must_use]
    pub fn config_text(&self) -> &str {
        self.part(CONFIG)
    }

    /// The text of `ambit.lock`; empty when there was none.
    #[must_use]
    pub fn lock_text(&self) -> &str {
        self.part(LOCK)
    }

    /// The text of the file of a list; `None`: it has no such list, or its members stand in `ambit.toml`.
    #[must_use]
    pub fn list_text(&self, name: &str) -> Option<&str> {
        self.parts.get(&format!("{LIST}{name}")).map(String::as_str)
    }

    /// The same with another text for the file of a list; `None` where there is no such file.
    #[must_use]
    pub fn with_list(&self, name: &str, text: String) -> Option<Snapshot> {
        let mut changed = self.clone();
        *changed.parts.get_mut(&format!("{LIST}{name}"))? = text;
        Some(changed)
    }

    /// The one list by whose file two snapshots differ; `None` where they are the same, or differ in something else.
    #[must_use]
    pub fn differs_in_list(&self, other: &Snapshot) -> Option<&str> {
        if self.parts.len() != other.parts.len() {
            return None;
        }
        let mut differing = self.parts.iter().filter(|(name, text)| other.parts.get(*name) != Some(text));
        match (differing.next(), differing.next()) {
            (Some((name, _)), None) if other.parts.contains_key(name) => name.strip_prefix(LIST),
            _ => None,
        }
    }

    fn part(&self, name: &str) -> &str {
        self.parts.get(name).map_or("", String::as_str)
    }
}

/// `NAME LENGTH` and a line break: the name, the length, and what follows.
fn part(text: &str) -> Option<(&str, usize, &str)> {
    let (line, after) = text.split_once('\n')?;
    let (name, length) = line.split_once(' ')?;
    Some((name, length.parse().ok()?, after))
}

/// The members that the text of a list's file holds, in their order.
#[must_use]
pub fn members_of(text: &str) -> Vec<&str> {
    let lines = text.split_inclusive('\n').map(|line| line.trim_end_matches(['\n', '\r']));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn read_bounded(path: &Path) -> Result<String, SnapshotError> {
    let text = read_text(path)?;
    if text.len() > MOST_BYTES { Err(SnapshotError::TooLarge(path.to_owned())) } else { Ok(text) }
}

#[cfg(test)]
mod tests;
