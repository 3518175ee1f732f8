//! What a client writes where Ambit wants a reference: literal values, `${VAR}`, `${env:VAR}`, `${input:ID}`. No value of
//! an environment stands in `ambit.toml` afterwards, and none is printed.

use std::path::Path;

use crate::config::{has_password, names_a_secret};
use crate::keys::Secret;

/// Where values come from while a client's file is imported.
pub struct Sources<'a> {
    /// The directory that the client calls its workspace.
    pub workspace: Option<&'a Path>,
    /// The person's home.
    pub home: Option<&'a Path>,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Asks the person for an input, without showing what they type; `None` where nobody can be asked.
    pub ask: &'a dyn Fn(&str) -> Option<Secret>,
}

/// What becomes of a value of an environment.
#[derive(Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing stands there.
    Empty,
    /// It stays in a variable; its value today.
    Variable(String, Secret),
    /// It goes into a file of its own; what was noteworthy about that.
    File(Secret, Option<String>),
}

/// Why a value cannot be carried over. Names places, never values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ValueError {
    /// A variable is not set.
    #[error("the variable `{0}` is not set")]
    NotSet(String),
    /// Something only its client can fill in.
    #[error("only its client can say what `${{{0}}}` is")]
    OfTheClient(String),
    /// A secret among the arguments.
    #[error("an argument ({0}) holds a secret, and a command stands in `ambit.toml` as it is")]
    InArgument(String),
    /// No program takes it.
    #[error("it holds a character that no environment can")]
    Nul,
    /// Longer than a secret is ever long.
    #[error("it has more than 64 KiB")]
    TooLong,
}

impl ValueError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            ValueError::NotSet(name) => format!("set `{name}` in this terminal, and where `ambit serve` will run, and try again"),
            ValueError::OfTheClient(_) => "write the value itself into the client's file, or leave the server out with `--only`".to_owned(),
            ValueError::InArgument(_) => "have the program read it from its environment (`env` in the client's file), or leave the server out with `--only`".to_owned(),
            ValueError::Nul | ValueError::TooLong => "leave the server out with `--only`".to_owned(),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Variable { name: &'a str, unless: Option<&'a str> },
    Input(&'a str),
    Workspace,
    WorkspaceName,
    Home,
    Separator,
    Other(&'a str),
}

/// What becomes of a value of an environment.
///
/// # Errors
/// When it cannot be known, or no program could take it.
pub fn environment(value: &str, sources: &Sources<'_>) -> Result<Kept, ValueError> {
    let pieces = pieces(value);
    let kept = match pieces.as_slice() {
        [] => return Ok(Kept::Empty),
        [Piece::Variable { name, unless }] => match ((sources.variable)(name), unless) {
            (Some(today), _) => Kept::Variable((*name).to_owned(), Secret::from(today)),
            (None, Some(unless)) => {
                let note = format!("`{name}` is not set, so what the client's file says instead was taken");
                Kept::File(Secret::from((*unless).to_owned()), Some(note))
            }
            (None, None) => return Err(ValueError::NotSet((*name).to_owned())),
        },
        [Piece::Input(id)] => {
            let name = variable_of(id);
            match (sources.variable)(&name) {
                Some(today) => Kept::Variable(name, Secret::from(today)),
                None => Kept::File((sources.ask)(id).ok_or(ValueError::NotSet(name))?, None),
            }
        }
        several => {
            let put_together = several.iter().any(|piece| matches!(piece, Piece::Variable { .. } | Piece::Input(_)));
            let note = put_together.then(|| "it was put together out of variables as they are today".to_owned());
            Kept::File(Secret::from(joined(several, sources)?), note)
        }
    };
    let (Kept::Variable(_, secret) | Kept::File(secret, _)) = &kept else { return Ok(kept) };
    let text = secret.expose_text().unwrap_or_default();
    match text {
        "" => Ok(Kept::Empty),
        text if text.contains('\0') => Err(ValueError::Nul),
        text if text.len() > 64 * 1024 - 1 => Err(ValueError::TooLong),
        _ => Ok(kept),
    }
}

/// The words of a command as they are today, and what was filled in.
///
/// # Errors
/// When a secret would stand in them, or something cannot be known.
pub fn words(words: &[&str], sources: &Sources<'_>) -> Result<(Vec<String>, Vec<String>), ValueError> {
    let mut out = Vec::new();
    let mut filled = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let pieces = pieces(word);
        for piece in &pieces {
            match piece {
                Piece::Input(_) => return Err(ValueError::InArgument(format!("number {at}"))),
                Piece::Variable { name, .. } if names_a_secret(name) => {
                    return Err(ValueError::InArgument(format!("number {at}")));
                }
                Piece::Variable { name, .. } => filled.push(format!("`{name}` as it is today")),
                _ => {}
            }
        }
        let text = joined(&pieces, sources)?;
        let before = at.checked_sub(1).and_then(|before| words.get(before)).copied().unwrap_or_default();
        if at > 0 && is_secret(before, &text) {
            return Err(ValueError::InArgument(format!("number {at}")));
        }
        if text.contains('\0') {
            return Err(ValueError::Nul);
        }
        out.push(text);
    }
    Ok((out, filled))
}

/// The bytes of a file from which that value is read back: one line break at the end of such a file is not part of it.
#[must_use]
pub fn file_of(value: &Secret) -> Vec<u8> {
    let mut bytes = value.expose().to_vec();
    if bytes.ends_with(b"\n") {
        bytes.push(b'\n');
    }
    bytes
}

/// Whether a word of a command is a secret by every custom: by the option before it or in it, or by its own shape.
fn is_secret(before: &str, word: &str) -> bool {
    let names =
        |option: &str| option.starts_with('-') && names_a_secret(&option.trim_start_matches('-').replace('-', "_"));
    let in_option = word
        .split_once('=')
        .is_some_and(|(option, value)| !value.is_empty() && (names(option) || names_a_secret(option)));
    let shapes =
        ["sk-", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xapp-", "AKIA", "AIza", "ya29."];
    let value = word.rsplit(['=', ' ', ':']).next().unwrap_or(word);
    let by_shape = value.len() >= 16 && shapes.iter().any(|shape| value.starts_with(shape));
    let header = word.to_ascii_lowercase();
    let header = header.starts_with("authorization:") || header.contains("bearer ") || header.starts_with("x-api-key:");
    has_password(word)
        || (names(before) && !before.contains('=') && !word.starts_with('-'))
        || in_option
        || by_shape
        || header
}

fn variable_of(input: &str) -> String {
    input.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

fn joined(pieces: &[Piece<'_>], sources: &Sources<'_>) -> Result<String, ValueError> {
    let mut out = String::new();
    let path = |path: Option<&Path>, of: &str| {
        path.map(|path| path.display().to_string()).ok_or_else(|| ValueError::OfTheClient(of.to_owned()))
    };
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable { name, unless } => match ((sources.variable)(name), unless) {
                (Some(today), _) => out.push_str(&today),
                (None, Some(unless)) => out.push_str(unless),
                (None, None) => return Err(ValueError::NotSet((*name).to_owned())),
            },
            Piece::Input(id) => {
                let name = variable_of(id);
                let given = (sources.variable)(&name).map(Secret::from).or_else(|| (sources.ask)(id));
                out.push_str(given.ok_or(ValueError::NotSet(name))?.expose_text().unwrap_or_default());
            }
            Piece::Workspace => out.push_str(&path(sources.workspace, "workspaceFolder")?),
            Piece::WorkspaceName => {
                let name = sources.workspace.and_then(Path::file_name).map(Path::new);
                out.push_str(&path(name, "workspaceFolderBasename")?);
            }
            Piece::Home => out.push_str(&path(sources.home, "userHome")?),
            Piece::Separator => out.push('/'),
            Piece::Other(other) => return Err(ValueError::OfTheClient(crate::escape::escape(other))),
        }
    }
    Ok(out)
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = rest.split_at(start);
        let inside = after.get(2..).unwrap_or_default();
        let Some(end) = inside.find('}') else { break };
        let (inside, left) = (inside.get(..end).unwrap_or_default(), inside.get(end + 1..).unwrap_or_default());
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(piece(inside));
        rest = left;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

fn piece(inside: &str) -> Piece<'_> {
    let is_variable = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    if let Some(id) = inside.strip_prefix("input:") {
        return Piece::Input(id);
    }
    let (name, unless) = match inside.split_once(":-") {
        Some((name, unless)) => (name, Some(unless)),
        None => (inside.strip_prefix("env:").unwrap_or(inside), None),
    };
    match inside {
        "workspaceFolder" | "workspaceRoot" => Piece::Workspace,
        "workspaceFolderBasename" => Piece::WorkspaceName,
        "userHome" => Piece::Home,
        "pathSeparator" | "/" => Piece::Separator,
        _ if is_variable(name) => Piece::Variable { name, unless },
        _ => Piece::Other(inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(use_them: impl FnOnce(&Sources<'_>) -> T) -> T {
        let variable = |name: &str| match name {
            "TOKEN" => Some("hunter2".to_owned()),
            "GITHUB_PAT" => Some("pat".to_owned()),
            "HOME" => Some("/home/dana".to_owned()),
            _ => None,
        };
        let ask = |id: &str| (id == "asked").then(|| Secret::from("typed".to_owned()));
        use_them(&Sources {
            workspace: Some(Path::new("/srv/shop")),
            home: Some(Path::new("/home/dana")),
            variable: &variable,
            ask: &ask,
        })
    }

    fn said(value: &str) -> String {
        with(|sources| match environment(value, sources) {
            Ok(Kept::Empty) => "empty".to_owned(),
            Ok(Kept::Variable(name, secret)) => format!("variable {name} = {}", secret.expose_text().unwrap()),
            Ok(Kept::File(secret, note)) => {
                format!("file {:?}{}", secret.expose_text().unwrap(), note.map_or("", |_| " noted"))
            }
            Err(error) => error.to_string(),
        })
    }

    #[test]
    fn a_value_becomes_a_reference() {
        for (value, expected) in [
            ("", "empty"),
            ("production", "file \"production\""),
            ("${TOKEN}", "variable TOKEN = hunter2"),
            ("${env:TOKEN}", "variable TOKEN = hunter2"),
            ("${TOKEN:-none}", "variable TOKEN = hunter2"),
            ("${GONE:-none}", "file \"none\" noted"),
            ("${GONE:-}", "empty"),
            ("${GONE}", "the variable `GONE` is not set"),
            ("Bearer ${TOKEN}", "file \"Bearer hunter2\" noted"),
            ("${input:github-pat}", "variable GITHUB_PAT = pat"),
            ("${input:asked}", "file \"typed\""),
            ("${input:silent}", "the variable `SILENT` is not set"),
            ("${workspaceFolder}/db", "file \"/srv/shop/db\""),
            ("${command:x}", "only its client can say what `${command:x}` is"),
            ("$5 ${", "file \"$5 ${\""),
            ("a\0b", "it holds a character that no environment can"),
        ] {
            assert_eq!(said(value), expected, "{value}");
        }
        assert_eq!(said(&"x".repeat(70_000)), "it has more than 64 KiB");
    }

    #[test]
    fn what_is_read_back_from_its_file_is_the_value() {
        let dir = tempfile::tempdir().unwrap();
        for value in ["a", "a\n", "a\r", "a\r\n", "\n\n", "a\n\nb"] {
            std::fs::write(dir.path().join("v"), file_of(&Secret::from(value.to_owned()))).unwrap();
            let read = crate::config::Secret::File("v".into()).reveal(dir.path()).unwrap();
            assert_eq!(read.reveal(), value, "{value:?}");
        }
    }

    #[test]
    fn a_secret_among_the_arguments_is_not_written_down() {
        let of = |all: &[&str]| with(|sources| words(all, sources));
        let (words, filled) = of(&["npx", "${HOME}/x", "${workspaceFolder}", "--mode=fast"]).unwrap();
        assert_eq!(words, ["npx", "/home/dana/x", "/srv/shop", "--mode=fast"]);
        assert_eq!(filled, ["`HOME` as it is today"]);
        for secret in [
            &["s", "--token", "abc"][..],
            &["s", "--api-key=abc"],
            &["s", "API_KEY=abc"],
            &["s", "postgresql://dana:pw@db/crm"],
            &["s", "--header", "Authorization: Bearer x"],
            &["s", "ghp_0123456789abcdef0123"],
            &["s", "${TOKEN}"],
            &["s", "${input:x}"],
        ] {
            let error = of(secret).unwrap_err();
            assert!(matches!(error, ValueError::InArgument(_)), "{secret:?}: {error}");
        }
        assert!(of(&["s", "--token-file", "/run/token", "--token"]).is_ok());
    }
}
