//! What stands on the disk around an `ambit.toml`: the file itself, the lock beside it, and where the rest is.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ambit_core::scope::diagnostics::Severity;

use crate::config::{self, Config, find};
use crate::lock::{self, Lock};
use crate::report::Findings;

/// An `ambit.toml` that was read without an error, and the lock beside it.
#[derive(Clone, Debug)]
pub struct Home {
    /// The path of `ambit.toml`, absolute.
    pub path: PathBuf,
    /// The text of `ambit.toml`.
    pub config_text: String,
    /// What it says.
    pub config: Config,
    /// The text of `ambit.lock`; empty when there is none yet.
    pub lock_text: String,
    /// What it says; nothing when there is none yet.
    pub lock: Lock,
    /// What was found in the two, short of errors.
    pub findings: Vec<Findings>,
}

/// Why there is nothing to work from.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file cannot be read.
    #[error("`{}` cannot be read: {why}", .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// `ambit.toml` or `ambit.lock` is wrong.
    #[error("`ambit.toml` or `ambit.lock` has errors")]
    Wrong(Vec<Findings>),
}

impl Home {
    /// Reads `ambit.toml` at that path, and the lock beside it.
    ///
    /// # Errors
    /// When one cannot be read, or has errors.
    pub fn open(path: &Path) -> Result<Home, OpenError> {
        let path = std::path::absolute(path).map_err(|why| OpenError::Unreadable { path: path.to_owned(), why })?;
        let config_text = read_text(&path)?;
        let lock_path = find::dir_of(&path).join(lock::NAME);
        let lock_text = if lock_path.exists() { read_text(&lock_path)? } else { String::new() };
        let (config, in_config) = config::read(&config_text);
        let (lock, in_lock) =
            if lock_text.is_empty() { (Some(Lock::new()), Vec::new()) } else { lock::read(&lock_text) };
        let findings = vec![
            Findings { file: shown(&path), text: config_text.clone(), diagnostics: in_config },
            Findings { file: shown(&lock_path), text: lock_text.clone(), diagnostics: in_lock },
        ];
        match (config, lock) {
            (Some(config), Some(lock)) => Ok(Home { path, config_text, config, lock_text, lock, findings }),
            _ => Err(OpenError::Wrong(findings)),
        }
    }

    /// The directory that paths in `ambit.toml` are relative to.
    #[must_use]
    pub fn dir(&self) -> &Path {
        find::dir_of(&self.path)
    }

    /// Where Ambit keeps its own state.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.dir().join(&self.config.state.dir)
    }

    /// Where the lock stands, or will.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.dir().join(lock::NAME)
    }

    /// Where that agent's scope stands; `None` when there is no such agent.
    #[must_use]
    pub fn scope_path(&self, agent: &str) -> Option<PathBuf> {
        self.config.agents.get(agent).map(|agent| self.dir().join(&agent.scope))
    }

    /// Whether nothing worse than a note was found.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.findings.iter().all(|findings| findings.worst() < Some(Severity::NotReady))
    }
}

/// No file that Ambit reads is ever larger, in bytes.
pub const LONGEST: u64 = 64 << 20;

/// The text of a file.
///
/// # Errors
/// When it cannot be read, is too large, or is not UTF-8.
pub fn read_text(path: &Path) -> Result<String, OpenError> {
    let read = || {
        let mut text = String::new();
        let count = std::fs::File::open(path)?.take(LONGEST + 1).read_to_string(&mut text)?;
        if count as u64 > LONGEST { Err(std::io::Error::other("it has more than 64 MiB")) } else { Ok(text) }
    };
    read().map_err(|why| OpenError::Unreadable { path: path.to_owned(), why })
}

/// A path as the person knows it: relative to where they are, where it lies below.
#[must_use]
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    below.filter(|below| !below.as_os_str().is_empty()).unwrap_or(path).display().to_string()
}
