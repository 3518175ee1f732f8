//! One server of a client's file as a system of `ambit.toml`: its program found and pinned, its values by reference, and
//! kept away from Ambit's own files. Servers over HTTP are in `endpoint.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::draft::Reach;
use super::entry::{Program, What};
use super::formats::{ClientFile, Holder};
use super::plan::PRIVATE;
use super::reach::{Own, reached, words};
use super::values::{self, Kept, Sources};
use super::{draft, endpoint, names, programs};
use crate::config::{self, Setting};
use crate::escape::escape;
use crate::keys::Secret;
use crate::lock;

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
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Blocked {
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
    /// What it finds in its environment today, or in the headers of each request, to ask it what it offers.
    pub today: Vec<(String, Secret)>,
    /// Where an endpoint is today; `None` for a program.
    pub today_url: Option<Secret>,
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
                What::Endpoint(endpoint) => {
                    let mut after = taken.clone();
                    let name = names::system(&entry.name, &mut after);
                    match endpoint::server(&entry.name, at, name, endpoint, holder, around)? {
                        Ok(server) => {
                            taken = after;
                            go.push(server);
                        }
                        Err(why) => stay.push(stays(&why)),
                    }
                }
            }
        }
    }
    if go.is_empty() { Err(none_go(&stay)) } else { Ok((go, stay)) }
}

/// No server of the file can go behind Ambit; these stay.
#[must_use]
pub fn none_go(stay: &[Stays]) -> Blocked {
    let why: Vec<String> = stay.iter().map(|one| format!("`{}` is {}", escape(&one.server), one.why)).collect();
    let help = if why.is_empty() { "it has no servers".to_owned() } else { why.join("; ") };
    Blocked::new("no server of the file can go behind Ambit", help)
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
    let mut notes = remarks(entry, &name, &program.unused);
    let sources = sources(of, around);
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
    if cwd.to_str().is_none() {
        let message = format!("the directory in which `{shown}` starts has a path that is not UTF-8");
        return Err(Blocked::new(message, "use another directory, or name the other servers with `--only`"));
    }
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
        system: draft::System { name, reach: Reach::Program { command, cwd, env: Vec::new() } },
        unpinned,
        today: Vec::new(),
        today_url: None,
        moved: Vec::new(),
        notes,
    };
    environment(&mut server, program, &sources, &shown)?;
    keep_away(&server, around, &shown)?;
    Ok(server)
}

/// What is worth saying of how an entry was read.
pub(super) fn remarks(entry: &str, name: &str, unused: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    if name != entry {
        notes.push(format!("it is called `{name}` here, because a page could not say `{}`", escape(entry)));
    }
    if !unused.is_empty() {
        let keys: Vec<String> = unused.iter().map(|key| format!("`{}`", escape(key))).collect();
        notes.push(format!("not carried over: {}", keys.join(", ")));
    }
    notes
}

/// Where the values of a server in that object come from.
pub(super) fn sources<'a>(of: &'a Holder, around: &'a Surroundings<'_>) -> Sources<'a> {
    Sources { workspace: of.base.as_deref(), home: around.home, variable: around.variable, ask: around.ask }
}

fn environment(server: &mut Server, program: &Program, sources: &Sources<'_>, shown: &str) -> Result<(), Blocked> {
    let mut settings = Vec::new();
    for (name, value) in &program.env {
        if name.is_empty() || name.contains(['=', '\0']) {
            let message = format!("`{}` of the server `{shown}` cannot be the name of a variable", escape(name));
            return Err(Blocked::new(message, "correct it in the client's file"));
        }
        let (setting, today) = server.kept(name, value, sources, shown)?;
        server.today.extend(today.map(|today| (name.clone(), today)));
        settings.push((name.clone(), setting));
    }
    if let Reach::Program { env, .. } = &mut server.system.reach {
        *env = settings;
    }
    Ok(())
}

/// Refuses a server that could reach Ambit's own files.
fn keep_away(server: &Server, around: &Surroundings<'_>, shown: &str) -> Result<(), Blocked> {
    let Reach::Program { command, cwd, .. } = &server.system.reach else { return Ok(()) };
    let env = server.today.iter().filter_map(|(name, value)| Some((name.as_str(), value.expose_text()?)));
    let Some(hit) = reached(words(command, env), cwd, &around.own()) else { return Ok(()) };
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
    /// The system, as it is asked what it offers: with its values, which stand in no file yet.
    #[must_use]
    pub fn for_today(&self) -> config::System {
        let plain = |(name, value): &(String, Secret)| {
            (name.clone(), Setting::Plain(value.expose_text().unwrap_or_default().to_owned()))
        };
        let today: BTreeMap<String, Setting> = self.today.iter().map(plain).collect();
        let (env, headers, cwd) = match &self.system.reach {
            Reach::Program { cwd, .. } => (today, BTreeMap::new(), Some(cwd.display().to_string())),
            Reach::Endpoint { .. } => (BTreeMap::new(), today, None),
        };
        config::System {
            may_ask: std::collections::BTreeSet::new(),
            kind: config::Kind::Mcp,
            command: self.system.command().to_vec(),
            env,
            url: self.today_url.as_ref().and_then(Secret::expose_text).map(|url| Setting::Plain(url.to_owned())),
            token: None,
            oauth: None,
            headers,
            cwd,
            tags: BTreeSet::new(),
            timeout_seconds: 60,
            relations: std::collections::BTreeMap::new(),
            schemas: BTreeSet::new(),
            reading_tools: BTreeSet::new(),
            tools: BTreeMap::new(),
        }
    }

    /// Whether something goes with its requests that says who calls: a token, or a header with the name of a secret.
    #[must_use]
    pub fn has_credential(&self) -> bool {
        let says_who = |name: &str| config::names_a_secret(name) || name.to_ascii_lowercase().ends_with("key");
        let Reach::Endpoint { token, headers, .. } = &self.system.reach else { return false };
        token.is_some() || headers.iter().any(|(name, _)| says_who(name))
    }

    /// Takes the version away again that the client's file does not say.
    pub fn unpin(&mut self) {
        if let (Some(unpinned), Reach::Program { command, .. }) = (self.unpinned.take(), &mut self.system.reach) {
            self.notes.retain(|note| !note.contains("is written as"));
            if let Some(found) = config::program::unpinned(&unpinned) {
                self.notes.push(format!(
                    "{} may be another one tomorrow (`unpinned-program`): {}",
                    found.what, found.instead
                ));
            }
            *command = unpinned;
        }
    }

    /// Where a value of that name goes, and what it is today; `None` where nothing stands there. A value that was written
    /// out moves into a file of its own.
    pub(super) fn kept(
        &mut self,
        name: &str,
        value: &str,
        sources: &Sources<'_>,
        shown: &str,
    ) -> Result<(Setting, Option<Secret>), Blocked> {
        let what = format!("`{}`", escape(name));
        let kept = values::environment(value, sources).map_err(|error| {
            Blocked::new(format!("{what} of the server `{shown}` cannot be carried over: {error}"), error.help())
        })?;
        Ok(match kept {
            Kept::Empty => (Setting::Plain(String::new()), None),
            Kept::Variable(variable, today) => {
                let note = format!("{what} comes from the variable `{variable}`, which `ambit serve` must find set");
                self.notes.push(note);
                (Setting::Secret(config::Secret::Env(variable)), Some(today))
            }
            Kept::File(value, note) => {
                let plain: String =
                    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(64).collect();
                let mut file = format!("{}.{plain}", self.system.name);
                while self.moved.iter().any(|(known, _)| *known == file) {
                    file.push('_');
                }
                let note = note.map_or_else(String::new, |note| format!(" ({note})"));
                self.notes.push(format!("{what} moves into `{PRIVATE}/{file}`{note}"));
                self.moved.push((file.clone(), value.clone()));
                (Setting::Secret(config::Secret::File(format!("{PRIVATE}/{file}"))), Some(value))
            }
        })
    }
}
