//! Asking a person for their passphrase: on the terminal itself, or from a file of theirs.

use std::io;
use std::path::{Path, PathBuf};

use super::Secret;
use crate::store::private::{self, PrivateError};

/// A new passphrase has at least so many characters.
pub const SHORTEST: usize = 8;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// There is no terminal to ask on.
    #[error(
        "there is no terminal to ask for a passphrase on: {0}\nhelp: run this on a terminal, or keep the passphrase in a file of mode 0600 and name it (`--passphrase-file`)"
    )]
    NoTerminal(io::Error),
    /// The file is open to others or cannot be read.
    #[error(transparent)]
    Place(#[from] PrivateError),
    /// The file does not hold one line of text.
    #[error("`{path}` does not hold a passphrase\nhelp: one line of text", path = .0.display())]
    NotOneLine(PathBuf),
    /// Two different ones were typed.
    #[error("the two passphrases differ\nhelp: nothing was changed; try again")]
    Differ,
    /// Too easily guessed.
    #[error(
        "a passphrase has at least {SHORTEST} characters\nhelp: four words that do not belong together are easier to keep than eight odd characters"
    )]
    TooShort,
}

/// Where a passphrase comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The person, at the terminal of this process (not its standard input).
    Terminal,
    /// A file that only its owner may read, with one line of text.
    File(PathBuf),
}

impl Source {
    /// The passphrase of a key that exists; `prompt` is what the person reads.
    ///
    /// # Errors
    /// When there is no terminal, or the file does not hold one.
    pub fn ask(&self, prompt: &str) -> Result<Secret, PassphraseError> {
        match self {
            Source::Terminal => {
                rpassword::prompt_password(prompt).map(Secret::from).map_err(PassphraseError::NoTerminal)
            }
            Source::File(path) => from_file(path),
        }
    }

    /// A passphrase for a new key: asked twice on a terminal, and not too short.
    ///
    /// # Errors
    /// As [`Source::ask`], and `Differ`, `TooShort`.
    pub fn ask_new(&self, prompt: &str, again: &str) -> Result<Secret, PassphraseError> {
        let passphrase = self.ask(prompt)?;
        if passphrase.expose_text().is_none_or(|text| text.chars().count() < SHORTEST) {
            return Err(PassphraseError::TooShort);
        }
        if *self == Source::Terminal && self.ask(again)? != passphrase {
            return Err(PassphraseError::Differ);
        }
        Ok(passphrase)
    }
}

fn from_file(path: &Path) -> Result<Secret, PassphraseError> {
    let content = private::read(path)?;
    let line = content.strip_suffix(b"\n").unwrap_or(&content);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_line =
        !line.is_empty() && !line.iter().any(|byte| byte.is_ascii_control()) && std::str::from_utf8(line).is_ok();
    if is_line { Ok(Secret::new(line.to_vec())) } else { Err(PassphraseError::NotOneLine(path.into())) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_holds_one_line_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("passphrase");
        private::create(&path, b"").unwrap();
        let source = Source::File(path.clone());
        for (content, expected) in [
            ("correct horse\n", Some("correct horse")),
            ("correct horse", Some("correct horse")),
            ("correct horse\r\n", Some("correct horse")),
            (" spaces stay \n", Some(" spaces stay ")),
            ("", None),
            ("\n", None),
            ("two\nlines\n", None),
        ] {
            std::fs::write(&path, content).unwrap();
            let asked = source.ask("").ok();
            assert_eq!(asked.as_ref().and_then(Secret::expose_text), expected, "{content:?}");
        }
        std::fs::write(&path, b"\xff\xff\xff\xff\xff\xff\xff\xff").unwrap();
        assert!(matches!(source.ask(""), Err(PassphraseError::NotOneLine(_))));
        std::fs::write(&path, "short\n").unwrap();
        assert!(matches!(source.ask_new("", ""), Err(PassphraseError::TooShort)));
        std::fs::write(&path, "long enough\n").unwrap();
        source.ask_new("", "").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(source.ask(""), Err(PassphraseError::Place(_))));
    }
}
