//! Secrets by reference: `ambit.toml` says where a secret is, never what it is.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Setting;
use crate::upstream::Secret as Revealed;

/// Where a secret is. Prints as `***`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Secret {
    /// In a variable of Ambit's own environment.
    Env(String),
    /// In a file; one line break at its end is not part of it.
    File(String),
    /// On the standard output of a program; one line break at its end is not part of it.
    Command(Vec<String>),
}

/// Why a secret could not be looked up. Says where it should be, never anything of what it is.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or is not text.
    #[error("the environment has no variable `{0}`")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("the secret file `{0}` cannot be read: {1}")]
    NoFile(String, std::io::Error),
    /// The program could not be run.
    #[error("the program `{0}` that gives a secret cannot be run: {1}")]
    NoProgram(String, std::io::Error),
    /// The program ended with an error.
    #[error("the program `{0}` that gives a secret ended with an error")]
    Failed(String),
    /// What was found is no text, or more than a secret is ever long.
    #[error("what {0} gives is not text of at most 64 KiB")]
    NotText(String),
    /// What was found is empty.
    #[error("what {0} gives is empty")]
    Empty(String),
}

const MOST_BYTES: u64 = 64 * 1024;

impl Secret {
    /// Looks the secret up; paths are relative to `dir`. Blocks while a program runs.
    ///
    /// # Errors
    /// When it is not where it should be, is empty, or is no text.
    pub fn reveal(&self, dir: &Path) -> Result<Revealed, SecretError> {
        let bytes = match self {
            Secret::Env(name) => {
                let value = std::env::var(name).map_err(|_| SecretError::NoVariable(name.clone()))?;
                Zeroizing::new(value.into_bytes())
            }
            Secret::File(path) => {
                let failed = |error| SecretError::NoFile(path.clone(), error);
                read_most(std::fs::File::open(dir.join(path)).map_err(failed)?).map_err(failed)?
            }
            Secret::Command(words) => from_program(words, dir)?,
        };
        let text =
            std::str::from_utf8(&bytes).ok().filter(|text| text.len() as u64 <= MOST_BYTES && !text.contains('\0'));
        let text = text.ok_or_else(|| SecretError::NotText(self.place()))?;
        let text = match self {
            Secret::Env(_) => text,
            _ => text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text)),
        };
        if text.is_empty() {
            return Err(SecretError::Empty(self.place()));
        }
        Ok(Revealed::new(text.to_owned()))
    }

    /// Where it is, in words.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Secret::Env(name) => format!("the variable `{name}`"),
            Secret::File(path) => format!("the file `{path}`"),
            Secret::Command(words) => format!("the program `{}`", words.first().map_or("", String::as_str)),
        }
    }
}

fn from_program(words: &[String], dir: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let program = words.first().cloned().unwrap_or_default();
    let failed = |error| SecretError::NoProgram(program.clone(), error);
    let mut child = Command::new(&program)
        .args(words.get(1..).unwrap_or_default())
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let read = child.stdout.take().map(read_most).transpose();
    // Dropping the pipe above ends a program that writes without end.
    let status = child.wait().map_err(failed)?;
    let bytes = read.map_err(failed)?.unwrap_or_default();
    if status.success() { Ok(bytes) } else { Err(SecretError::Failed(program)) }
}

fn read_most(from: impl std::io::Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Setting {
    /// The text itself, looked up where it is a secret.
    ///
    /// # Errors
    /// As [`Secret::reveal`].
    pub fn reveal(&self, dir: &Path) -> Result<Revealed, SecretError> {
        match self {
            Setting::Plain(text) => Ok(Revealed::new(text.clone())),
            Setting::Secret(secret) => secret.reveal(dir),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Plain(text) => f.write_str(text),
            Setting::Secret(secret) => secret.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_by_reference_and_never_printed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "hunter2\n").unwrap();
        let file = Secret::File("token".into());
        let command = Secret::Command(vec!["cat".into(), "token".into()]);
        for secret in [file, command] {
            let revealed = secret.reveal(dir.path()).unwrap();
            assert_eq!(revealed.reveal(), "hunter2");
            assert_eq!(format!("{secret} {revealed:?}"), "*** ***");
        }
    }

    #[test]
    fn what_is_not_there_is_an_error_that_says_where() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("empty"), "\n").unwrap();
        std::fs::write(dir.path().join("binary"), [0xff, 0xfe]).unwrap();
        std::fs::write(dir.path().join("long"), "x".repeat(70_000)).unwrap();
        let said = |secret: Secret| secret.reveal(dir.path()).unwrap_err().to_string();
        assert!(said(Secret::Env("AMBIT_TEST_NOT_SET".into())).contains("`AMBIT_TEST_NOT_SET`"));
        assert!(said(Secret::File("gone".into())).contains("`gone`"));
        assert!(said(Secret::File("empty".into())).contains("empty"));
        assert!(said(Secret::File("binary".into())).contains("not text"));
        assert!(said(Secret::File("long".into())).contains("64 KiB"));
        assert!(said(Secret::Command(vec!["false".into()])).contains("ended with an error"));
        assert!(said(Secret::Command(vec!["yes".into()])).contains("ended with an error"));
        assert!(said(Secret::Command(vec!["./no-such-program".into()])).contains("cannot be run"));
    }
}
