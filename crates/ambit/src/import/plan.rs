//! Everything that would be written, worked out before anything is. Touches nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ambit_core::action::Digest;
use ambit_core::scope::diagnostics::Severity;
use serde::{Deserialize, Serialize};

use super::document::{self, Change};
use super::formats::{Client, ClientFile};
use super::server::{Blocked, Server};
use super::values;
use crate::config::{self, find};
use crate::escape::escape;
use crate::home::Home;
use crate::keys::Secret;
use crate::lock::{self, Lock};
use crate::report::Findings;
use crate::snapshot::Snapshot;

/// The directory, private to its owner, beside `ambit.toml`: values that were moved, the token, and what `--undo` needs.
pub const PRIVATE: &str = "private";

/// A file that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Where.
    pub path: PathBuf,
    /// Its content, which may be a secret.
    pub content: Secret,
    /// What it is.
    pub what: &'static str,
}

/// What `--undo` needs to know. Stands in the private directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The format of this record.
    pub version: u64,
    /// The agent.
    pub agent: String,
    /// Whose file.
    pub client: Client,
    /// The client's file.
    pub file: PathBuf,
    /// Its backup.
    pub backup: PathBuf,
    /// The digest of the file before.
    pub before: String,
    /// The digest of the file after.
    pub after: String,
    /// The files that were made, with the digests of what was written.
    pub made: Vec<(PathBuf, String)>,
    /// Whether the directory was made for them.
    pub made_dir: bool,
}

/// Everything that would be written.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The directory of `ambit.toml`.
    pub dir: PathBuf,
    /// The new files, in the order in which they are made.
    pub files: Vec<NewFile>,
    /// What `--undo` will need.
    pub record: Record,
    /// The client's text before.
    pub before: String,
    /// The client's text after.
    pub after: String,
}

/// The digest of a file's bytes, as the record keeps it.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    Digest::of("ambit/init/file/1", &[bytes]).to_string()
}

/// Where the record stands.
#[must_use]
pub fn record_path(dir: &Path) -> PathBuf {
    dir.join(PRIVATE).join("init.json")
}

/// Where the agent's token will stand.
#[must_use]
pub fn token_path(dir: &Path, agent: &str) -> PathBuf {
    dir.join(PRIVATE).join(format!("{agent}.token"))
}

/// Where the client's file is kept as it was.
#[must_use]
pub fn backup_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".before-ambit");
    PathBuf::from(name)
}

/// What is to be written, in texts.
pub struct Texts {
    /// `ambit.toml`.
    pub config: String,
    /// `ambit.lock`.
    pub lock: Lock,
    /// `SCOPE.md`.
    pub scope: String,
}

/// The plan. `ambit` is the path of this program.
///
/// # Errors
/// When something stands in the way already, or what would be written is not sound.
pub fn plan(
    file: &ClientFile,
    servers: &[Server],
    texts: &Texts,
    agent: &str,
    dir: &Path,
    ambit: &Path,
) -> Result<Plan, Blocked> {
    is_free(dir, file)?;
    let lock_text = texts.lock.text();
    let mut files: Vec<NewFile> = servers
        .iter()
        .flat_map(|server| &server.moved)
        .map(|(name, value)| NewFile {
            path: dir.join(PRIVATE).join(name),
            content: Secret::new(values::file_of(value)),
            what: "a value that stood in the client's file",
        })
        .collect();
    let new =
        |name: &str, text: &str, what| NewFile { path: dir.join(name), content: Secret::from(text.to_owned()), what };
    files.push(new("SCOPE.md", &texts.scope, "the page"));
    files.push(new(lock::NAME, &lock_text, "what the servers offer"));
    files.push(new(find::NAME, &texts.config, "where things are"));
    let after = edited(file, servers, agent, dir, ambit)?;
    let backup = backup_path(&file.real);
    let record = Record {
        version: 1,
        agent: agent.to_owned(),
        client: file.place.client,
        file: file.real.clone(),
        backup: backup.clone(),
        before: digest(file.text.as_bytes()),
        after: digest(after.as_bytes()),
        made: files.iter().map(|one| (one.path.clone(), digest(one.content.expose()))).collect(),
        made_dir: !dir.exists(),
    };
    Ok(Plan { dir: dir.to_owned(), files, record, before: file.text.clone(), after })
}

/// Whether nothing stands where something is to be made.
///
/// # Errors
/// When something does.
pub fn is_free(dir: &Path, file: &ClientFile) -> Result<(), Blocked> {
    let own = [find::NAME, lock::NAME, "SCOPE.md"].map(|name| dir.join(name));
    let left = [record_path(dir), backup_path(&file.real)];
    let stands = |path: &&PathBuf| std::fs::symlink_metadata(path).is_ok();
    if let Some(path) = left.iter().find(stands) {
        let help = "it is left from another `ambit init`: `ambit init --undo` takes that back, or move it away";
        return Err(Blocked::new(format!("`{}` exists already", escape(&path.display().to_string())), help));
    }
    // A link there would lead the values, and the record, to wherever somebody else wants them.
    let private = dir.join(PRIVATE);
    if std::fs::symlink_metadata(&private).is_ok_and(|found| !found.is_dir()) {
        let message = format!("`{}` is not a directory", escape(&private.display().to_string()));
        return Err(Blocked::new(
            message,
            "links are not followed: look at what stands there, or name another directory",
        ));
    }
    if let Some(path) = own.iter().find(stands) {
        let help = "nothing is written over it: name another directory with `--dir DIR`, or move it away";
        return Err(Blocked::new(format!("`{}` exists already", escape(&path.display().to_string())), help));
    }
    Ok(())
}

/// The client's text with one entry in place of those that go.
fn edited(file: &ClientFile, servers: &[Server], agent: &str, dir: &Path, ambit: &Path) -> Result<String, Blocked> {
    let text = |path: &Path| {
        path.to_str().map(str::to_owned).ok_or_else(|| {
            Blocked::new(
                format!("the path `{}` is not UTF-8", escape(&path.display().to_string())),
                "use another directory",
            )
        })
    };
    let config = text(&dir.join(find::NAME))?;
    let token = text(&token_path(dir, agent))?;
    let mut entry: Vec<(String, serde_json::Value)> = Vec::new();
    if file.place.client == Client::VsCode {
        entry.push(("type".to_owned(), "stdio".into()));
    }
    entry.push(("command".to_owned(), text(ambit)?.into()));
    let args = ["--config", &config, "mcp", "--agent", agent, "--token-file", &token];
    entry.push(("args".to_owned(), args.to_vec().into()));
    // Of several objects the first that loses something: it holds wherever the others do.
    let first = servers.iter().map(|server| server.holder).min().unwrap_or(0);
    let mut changes = Vec::new();
    for (at, holder) in file.holders.iter().enumerate() {
        let remove: BTreeSet<String> =
            servers.iter().filter(|server| server.holder == at).map(|server| server.entry.clone()).collect();
        let add = (at == first).then(|| ("ambit".to_owned(), entry.clone()));
        let stands = holder.entries.iter().any(|entry| entry.name == "ambit" && !remove.contains("ambit"));
        if add.is_some() && stands {
            return Err(Blocked::new(
                "a server that stays is called `ambit`",
                "call it something else in the client's file first",
            ));
        }
        if !remove.is_empty() || add.is_some() {
            changes.push(Change { path: holder.path.clone(), remove, add });
        }
    }
    document::edit(&file.text, &changes)
        .map_err(|error| Blocked::new(format!("the client's file cannot be rewritten: {error}"), "rewrite it by hand"))
}

/// What `ambit check` would say of the texts, before they are written: errors are in the way, the rest is worth saying.
///
/// # Errors
/// When one of them has an error.
pub fn checked(
    texts: &Texts,
    agent: &str,
    dir: &Path,
    today: ambit_core::time::Date,
) -> Result<Vec<Findings>, (Blocked, Vec<Findings>)> {
    let path = dir.join(find::NAME);
    let (read, found) = config::read(&texts.config);
    let lock_text = texts.lock.text();
    let wrong = |findings: Vec<Findings>| {
        let help = "leave out the server that it comes from (`--only` names the others), or write the files by hand";
        (Blocked::new("what would be written is not sound", help), findings)
    };
    let Some(config) = read else {
        return Err(wrong(vec![Findings {
            file: path.display().to_string(),
            text: texts.config.clone(),
            diagnostics: found,
        }]));
    };
    let home = Home {
        path,
        config_text: texts.config.clone(),
        config,
        lock_text,
        lock: texts.lock.clone(),
        findings: Vec::new(),
    };
    let resolved = match Snapshot::with_scope(&home, agent, texts.scope.clone()) {
        Ok(snapshot) => snapshot.resolve(),
        Err(error) => return Err((Blocked::new(error.to_string(), "leave servers out with `--only`"), Vec::new())),
    };
    let mut findings = resolved.checked(Some(today));
    if findings.iter().any(|one| one.worst() == Some(Severity::Error)) {
        for one in &mut findings {
            one.diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
        }
        return Err(wrong(findings));
    }
    Ok(findings)
}
