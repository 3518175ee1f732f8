//! Everything that would be written, worked out before anything is. Touches nothing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ambit_core::action::Digest;
use ambit_core::scope::diagnostics::Severity;
use serde::{Deserialize, Serialize};

use super::document::{self, Change};
use super::draft;
use super::formats::{Client, ClientFile, Holder, Program, What};
use super::reach::{Own, reached};
use super::values::{self, Kept, Sources};
use super::{names, programs};
use crate::config::{self, Setting};
use crate::escape::escape;
use crate::home::Home;
use crate::keys::Secret;
use crate::lock::{self, Lock};
use crate::report::Findings;
use crate::snapshot::Snapshot;

/// The directory, private to its owner, beside `ambit.toml`: values that were moved, the token, and what `--undo` needs.
pub const PRIVATE: &str = "private";

/// Why there is no plan, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Blocked {
    /// What is in the way.
    pub message: String,
    /// The next step.
    pub help: String,
}

impl Blocked {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Blocked {
        Blocked { message: message.into(), help: help.into() }
    }
}

/// A server that is moved behind Ambit.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its name in the client's file.
    pub entry: String,
    /// In which of the file's objects it stands.
    pub holder: usize,
    /// As it will stand in `ambit.toml`.
    pub system: draft::System,
    /// The command as the client has it, where the written one says a version that the client's does not.
    pub unpinned: Option<Vec<String>>,
    /// What it finds in its environment today, to ask it what it offers.
    pub today: Vec<(String, Secret)>,
    /// The values that move into files of their own: name of the file and value.
    pub moved: Vec<(String, Secret)>,
    /// What the person should know.
    pub notes: Vec<String>,
}

/// A server that stays where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// Its name.
    pub server: String,
    /// Why.
    pub why: String,
}

/// Where the import happens.
pub struct Surroundings<'a> {
    /// The directory of the new `ambit.toml`, absolute.
    pub dir: &'a Path,
    /// The person's home.
    pub home: Option<&'a Path>,
    /// The search path for programs.
    pub path: Option<&'a std::ffi::OsStr>,
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Asks for an input of the client.
    pub ask: &'a dyn Fn(&str) -> Option<Secret>,
    /// Where people's keys are.
    pub people: Option<PathBuf>,
}

impl Surroundings<'_> {
    /// Ambit's own files, which no server may reach.
    #[must_use]
    pub fn own(&self) -> Vec<Own> {
        let moving = |name: &str, what| Own { path: self.dir.join(name), what, moves: true };
        let mut own = vec![
            moving(config::find::NAME, "`ambit.toml`"),
            moving(lock::NAME, "`ambit.lock`"),
            moving("SCOPE.md", "the page"),
            moving(&config::State::default().dir, "the state directory"),
            moving(PRIVATE, "the private files"),
        ];
        own.extend(self.people.clone().map(|path| Own { path, what: "the people's keys", moves: false }));
        own
    }
}

/// The servers of a file that go behind Ambit (`only`, where something is named), and those that stay.
///
/// # Errors
/// When one that should go cannot: nothing is imported by halves.
pub fn servers(
    file: &ClientFile,
    only: &[String],
    around: &Surroundings<'_>,
) -> Result<(Vec<Server>, Vec<Stays>), Blocked> {
    let all = || file.holders.iter().flat_map(|holder| &holder.entries);
    if let Some(unknown) = only.iter().find(|name| all().all(|entry| entry.name != **name)) {
        let known: Vec<String> = all().map(|entry| format!("`{}`", escape(&entry.name))).collect();
        return Err(Blocked::new(
            format!("there is no server `{}` in the file", escape(unknown)),
            if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) },
        ));
    }
    let (mut go, mut stay) = (Vec::new(), Vec::new());
    let mut taken = BTreeSet::new();
    for (at, holder) in file.holders.iter().enumerate() {
        for entry in &holder.entries {
            let wanted = only.is_empty() || only.contains(&entry.name);
            let stays = |why: &str| Stays { server: entry.name.clone(), why: why.to_owned() };
            match &entry.what {
                What::Ambit => {
                    return Err(Blocked::new(
                        format!("the file goes through Ambit already, by `{}`", escape(&entry.name)),
                        "`ambit init --undo` takes that back; to add a server, write it into `ambit.toml` and run `ambit inventory`",
                    ));
                }
                What::Stays(why) => stay.push(stays(why)),
                _ if !wanted => stay.push(stays("it was not asked for")),
                What::Wrong(why) => {
                    return Err(Blocked::new(
                        format!("the server `{}` cannot be imported: {why}", escape(&entry.name)),
                        "correct it in the client's file, or name the others with `--only`",
                    ));
                }
                What::Program(program) => {
                    let name = names::system(&entry.name, &mut taken);
                    go.push(server(&entry.name, at, name, program, holder, around)?);
                }
            }
        }
    }
    if go.is_empty() {
        let why: Vec<String> = stay.iter().map(|one| format!("`{}` is {}", escape(&one.server), one.why)).collect();
        let help = if why.is_empty() { "it has no servers".to_owned() } else { why.join("; ") };
        return Err(Blocked::new("no server of the file can go behind Ambit", help));
    }
    Ok((go, stay))
}

fn server(
    entry: &str,
    holder: usize,
    name: String,
    program: &Program,
    of: &Holder,
    around: &Surroundings<'_>,
) -> Result<Server, Blocked> {
    let shown = escape(entry);
    let mut notes = Vec::new();
    if name != entry {
        notes.push(format!("it is called `{name}` here, because a page could not say `{shown}`"));
    }
    if !program.unused.is_empty() {
        let keys: Vec<String> = program.unused.iter().map(|key| format!("`{}`", escape(key))).collect();
        notes.push(format!("not carried over: {}", keys.join(", ")));
    }
    let sources =
        Sources { workspace: of.base.as_deref(), home: around.home, variable: around.variable, ask: around.ask };
    let blocked = |what: String, error: &values::ValueError| {
        Blocked::new(format!("{what} of the server `{shown}` cannot be carried over: {error}"), error.help())
    };
    // Where the client says nothing, its programs start wherever it was started; the home is the best known of those.
    let base = of.base.as_deref().or(around.home).unwrap_or(Path::new("/"));
    let said: Vec<&str> = std::iter::once(&program.command).chain(&program.args).map(String::as_str).collect();
    let (mut command, filled) =
        values::words(&said, &sources).map_err(|error| blocked("the command".to_owned(), &error))?;
    notes.extend(filled.iter().map(|what| format!("the command holds {what}")));
    let cwd = match &program.cwd {
        None => base.to_owned(),
        Some(cwd) => {
            let (words, _) = values::words(&[cwd], &sources).map_err(|error| blocked("`cwd`".to_owned(), &error))?;
            base.join(words.first().map_or("", String::as_str))
        }
    };
    let first = command.first().cloned().unwrap_or_default();
    let at = programs::absolute(&first, &cwd, around.path).ok_or_else(|| {
        Blocked::new(
            format!("the program `{}` of the server `{shown}` is not here", escape(&first)),
            "install it, or name the other servers with `--only`",
        )
    })?;
    let at = at.to_str().map(str::to_owned).ok_or_else(|| {
        Blocked::new(format!("the path of the program of `{shown}` is not UTF-8"), "install it elsewhere")
    })?;
    command.splice(..1, [at]);
    let mut unpinned = None;
    if let Some((pinned, note)) = programs::pinned(&command, &cwd, around.home) {
        unpinned = Some(std::mem::replace(&mut command, pinned));
        notes.push(note);
    }
    if let Some(found) = config::program::unpinned(&command) {
        notes.push(format!("{} may be another one tomorrow (`unpinned-program`): {}", found.what, found.instead));
    }
    let mut server = Server {
        entry: entry.to_owned(),
        holder,
        system: draft::System { name, command, cwd, env: Vec::new() },
        unpinned,
        today: Vec::new(),
        moved: Vec::new(),
        notes,
    };
    environment(&mut server, program, &sources, &shown)?;
    keep_away(&server, around, &shown)?;
    Ok(server)
}

fn environment(server: &mut Server, program: &Program, sources: &Sources<'_>, shown: &str) -> Result<(), Blocked> {
    let mut files = BTreeSet::new();
    for (name, value) in &program.env {
        let what = format!("`{}`", escape(name));
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("{what} of the server `{shown}` cannot be the name of a variable");
            return Err(Blocked::new(message, "correct it in the client's file"));
        }
        let kept = values::environment(value, sources).map_err(|error| {
            Blocked::new(format!("{what} of the server `{shown}` cannot be carried over: {error}"), error.help())
        })?;
        let setting = match kept {
            Kept::Empty => Setting::Plain(String::new()),
            Kept::Variable(variable, today) => {
                server
                    .notes
                    .push(format!("{what} comes from the variable `{variable}`, which `ambit serve` must find set"));
                server.today.push((name.clone(), today));
                Setting::Secret(config::Secret::Env(variable))
            }
            Kept::File(value, note) => {
                let plain: String =
                    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect();
                let mut file = format!("{}.{plain}", server.system.name);
                while !files.insert(file.clone()) {
                    file.push('_');
                }
                let note = note.map_or_else(String::new, |note| format!(" ({note})"));
                server.notes.push(format!("{what} moves into `{PRIVATE}/{file}`{note}"));
                server.today.push((name.clone(), value.clone()));
                server.moved.push((file.clone(), value));
                Setting::Secret(config::Secret::File(format!("{PRIVATE}/{file}")))
            }
        };
        server.system.env.push((name.clone(), setting));
    }
    Ok(())
}

/// Refuses a server that could reach Ambit's own files.
fn keep_away(server: &Server, around: &Surroundings<'_>, shown: &str) -> Result<(), Blocked> {
    // These say where things are on the machine, not what a server is to work on.
    let told = |name: &str| !matches!(name, "HOME" | "PATH" | "PWD" | "TMPDIR") && !name.starts_with("XDG_");
    let values = server.today.iter().filter(|(name, _)| told(name)).filter_map(|(_, value)| value.expose_text());
    let words = server.system.command.iter().skip(1).map(String::as_str).chain(values);
    let Some(hit) = reached(words, &server.system.cwd, &around.own()) else { return Ok(()) };
    let help = if hit.own.moves {
        "give the server a narrower directory, or keep Ambit's files out of its reach with `--dir DIR`"
    } else {
        "give the server a narrower directory, or keep the keys elsewhere (AMBIT_PEOPLE names a directory)"
    };
    Err(Blocked::new(
        format!(
            "the server `{shown}` can reach `{}`, where {} would be (`{}`): an agent that changes it gives itself permission",
            escape(&hit.root.display().to_string()),
            hit.own.what,
            escape(&hit.own.path.display().to_string())
        ),
        help,
    ))
}

impl Server {
    /// The system, as it is started to ask what it offers: with its values, which stand in no file yet.
    #[must_use]
    pub fn for_today(&self) -> config::System {
        let plain = |(name, value): &(String, Secret)| {
            (name.clone(), Setting::Plain(value.expose_text().unwrap_or_default().to_owned()))
        };
        config::System {
            kind: config::Kind::Mcp,
            command: self.system.command.clone(),
            env: self.today.iter().map(plain).collect(),
            url: None,
            cwd: Some(self.system.cwd.display().to_string()),
            tags: BTreeSet::new(),
            timeout_seconds: 60,
            reading_tools: BTreeSet::new(),
            tools: std::collections::BTreeMap::new(),
        }
    }

    /// Takes the version away again that the client's file does not say.
    pub fn unpin(&mut self) {
        if let Some(command) = self.unpinned.take() {
            self.notes.retain(|note| !note.contains("is written as"));
            if let Some(found) = config::program::unpinned(&command) {
                self.notes.push(format!(
                    "{} may be another one tomorrow (`unpinned-program`): {}",
                    found.what, found.instead
                ));
            }
            self.system.command = command;
        }
    }
}

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
    files.push(new(config::find::NAME, &texts.config, "where things are"));
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
    let own = [config::find::NAME, lock::NAME, "SCOPE.md"].map(|name| dir.join(name));
    let left = [record_path(dir), backup_path(&file.real)];
    let stands = |path: &&PathBuf| std::fs::symlink_metadata(path).is_ok();
    if let Some(path) = left.iter().find(stands) {
        let help = "it is left from another `ambit init`: `ambit init --undo` takes that back, or move it away";
        return Err(Blocked::new(format!("`{}` exists already", escape(&path.display().to_string())), help));
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
    let config = text(&dir.join(config::find::NAME))?;
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
    let path = dir.join(config::find::NAME);
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
