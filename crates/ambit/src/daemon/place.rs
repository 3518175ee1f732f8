//! Where the daemon of a state directory is found.

use std::path::{Path, PathBuf};

use ambit_core::action::Digest;
use rustix::process::geteuid;

use crate::config::{State, find};
use crate::store::private::{self, PrivateError};

/// The directory, private to its owner, in which a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(PathBuf);

// The address of a socket has room for about a hundred bytes of path on every system.
const LONGEST: usize = 90;

/// Nobody can say where the state stands.
#[derive(Debug, thiserror::Error)]
#[error("`{}` does not say where the state stands: {why}\nhelp: mend it (`ambit check` shows where); no other state is opened in its place", .config.display())]
pub struct NotSaid {
    /// The `ambit.toml`.
    pub config: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// The state directory of an `ambit.toml`, which may have other errors: what is in force does not hang on it. But it must
/// be said, or a daemon would open another state, and releases and stops would be out of sight.
///
/// # Errors
/// When the file cannot be read, is no TOML, or says something else than a path.
pub fn state_dir(config: &Path) -> Result<PathBuf, NotSaid> {
    let not_said = |why: String| NotSaid { config: config.to_owned(), why };
    let text = std::fs::read_to_string(config).map_err(|error| not_said(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| not_said(error.message().to_owned()))?;
    let said = match table.get("state") {
        None => None,
        Some(toml::Value::Table(state)) => state.get("dir"),
        Some(_) => return Err(not_said("`state` is no table".to_owned())),
    };
    match said {
        None => Ok(find::dir_of(config).join(State::default().dir)),
        Some(toml::Value::String(dir)) if !dir.is_empty() => Ok(find::dir_of(config).join(dir)),
        Some(_) => Err(not_said("`dir` is no path".to_owned())),
    }
}

impl Place {
    /// The place that belongs to a state directory: `run` in it, or, where that path is too long for a socket's
    /// address, a directory under the user's runtime directory named by its hash.
    #[must_use]
    pub fn of(state_dir: &Path) -> Place {
        let near = state_dir.join("run");
        if near.as_os_str().len() <= LONGEST {
            return Place(near);
        }
        // Through links, so that the same directory is the same place however it was named.
        let exact = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
        let hash = Digest::of("ambit/place/1", &[exact.as_os_str().as_encoded_bytes()]).to_string();
        let name = format!("ambit-{}-{}", geteuid().as_raw(), hash.get(..16).unwrap_or_default());
        let under = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let under = if under.as_os_str().len() + name.len() < LONGEST { under } else { PathBuf::from("/tmp") };
        Place(under.join(name))
    }

    /// The place that belongs to an `ambit.toml`: where a daemon that runs is found. One that does not say where its state
    /// stands is looked for where it stands unless said.
    #[must_use]
    pub fn of_config(config: &Path) -> Place {
        Place::of(&state_dir(config).unwrap_or_else(|_| find::dir_of(config).join(State::default().dir)))
    }

    /// Makes the directory, or checks that nobody else can use it.
    ///
    /// # Errors
    /// When others can, or it cannot be made.
    pub fn prepare(&self) -> Result<(), PrivateError> {
        if let Some(state_dir) = self.0.parent().filter(|_| self.0.ends_with("run")) {
            private::directory(state_dir)?;
        }
        private::directory(&self.0)
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("ambit.sock")
    }

    /// The file that the one running daemon keeps locked.
    #[must_use]
    pub fn daemon_lock(&self) -> PathBuf {
        self.0.join("daemon.lock")
    }

    /// The file that whoever starts a daemon keeps locked meanwhile.
    #[must_use]
    pub fn start_lock(&self) -> PathBuf {
        self.0.join("start.lock")
    }

    /// What a daemon that nobody watches has to say.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("serve.log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_an_address_however_long_the_path() {
        assert_eq!(Place::of(Path::new("/srv/acme/.ambit")).socket(), Path::new("/srv/acme/.ambit/run/ambit.sock"));
        let long = Path::new("/srv").join("x".repeat(200));
        assert!(Place::of(&long).socket().as_os_str().len() < 104);
        assert_eq!(Place::of(&long), Place::of(&long));
        assert_ne!(Place::of(&long), Place::of(&long.join("y")));
    }

    #[test]
    fn a_config_with_errors_still_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("ambit.toml");
        assert_eq!(Place::of_config(&config), Place::of(&dir.path().join(".ambit")));
        std::fs::write(&config, "no-such-key = 1\n[state]\ndir = \"var\"\n").unwrap();
        assert_eq!(Place::of_config(&config), Place::of(&dir.path().join("var")));
        for said in ["= 1\n[state]\ndir = \"var\"\n", "state = 1\n", "[state]\ndir = 5\n", "[state]\ndir = \"\"\n"] {
            std::fs::write(&config, said).unwrap();
            assert!(state_dir(&config).is_err(), "{said}");
        }
    }
}
