//! What the command line means: defaults filled in, files found.

use std::path::PathBuf;

use super::args::{Args, When};
use super::output::{self, Trouble};
use super::{Exit, output::say};
use crate::config::find::{self, FindError};
use crate::home::{Home, OpenError};
use crate::report;

/// What holds for every command.
#[derive(Clone, Debug)]
pub struct Options {
    config: Option<PathBuf>,
    /// The shared socket at which the daemon is reached, where one was named.
    pub socket: Option<PathBuf>,
}

impl Options {
    /// What was said, with colour settled for the whole process.
    #[must_use]
    pub fn of(args: &Args) -> Options {
        let choice = match args.color {
            When::Auto => anstream::ColorChoice::Auto,
            When::Always => anstream::ColorChoice::Always,
            When::Never => anstream::ColorChoice::Never,
        };
        if choice != anstream::ColorChoice::Auto {
            choice.write_global();
        }
        Options { config: args.config.clone(), socket: args.socket.clone() }
    }

    /// As if that `ambit.toml` had been named.
    #[must_use]
    pub fn at(config: PathBuf) -> Options {
        Options { config: Some(config), socket: None }
    }

    /// The directory of the `ambit.toml` that was named, whether it is there or not; `None` when none was.
    #[must_use]
    pub fn named_dir(&self) -> Option<PathBuf> {
        let named = self.config.as_ref()?;
        let is_file = named.file_name().is_some_and(|name| name == find::NAME) && !named.is_dir();
        Some(if is_file { find::dir_of(named).to_owned() } else { named.clone() })
    }

    /// Where `ambit.toml` is.
    ///
    /// # Errors
    /// A usage error when there is none.
    pub fn config_path(&self) -> Result<PathBuf, Trouble> {
        find::find(self.config.as_deref()).map_err(|error| match error {
            FindError::Nowhere(_) => Trouble::new(
                Exit::Usage,
                error.to_string(),
                "run it where `ambit.toml` stands, or name it with `--config PATH`",
            ),
            FindError::OfAnother(_) => Trouble::new(
                Exit::Usage,
                error.to_string(),
                "it says which programs are started; if you trust it, name it with `--config PATH`",
            ),
            FindError::NoDirectory(_) => {
                Trouble::new(Exit::Fault, error.to_string(), "name `ambit.toml` with `--config PATH`")
            }
        })
    }

    /// `ambit.toml` and the lock beside it. Errors in them are told on standard error.
    ///
    /// # Errors
    /// When there is no `ambit.toml`, or it or the lock cannot be read or has errors.
    pub fn home(&self) -> Result<Home, Trouble> {
        match Home::open(&self.config_path()?) {
            Ok(home) => Ok(home),
            Err(OpenError::Wrong(findings)) => {
                say(&report::human(&output::errors_only(findings)));
                Err(Trouble::new(
                    Exit::Refused,
                    "`ambit.toml` or `ambit.lock` has errors",
                    "correct what is shown above; `ambit check` shows everything",
                ))
            }
            Err(OpenError::Unreadable { path, why }) => {
                let message = OpenError::Unreadable { path, why }.to_string();
                Err(Trouble::new(Exit::Usage, message, "name another `ambit.toml` with `--config PATH`"))
            }
        }
    }
}
