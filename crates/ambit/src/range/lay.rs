//! A private gate: a directory of its own with the agent's page, lock and configuration, its own people, tokens and state,
//! and sample systems behind it. It ends, and is gone, with the value.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::door::{Door, Front, Http, Pipe};
use super::sample::TOLD;
use super::{RangeError, over};
use crate::config::{self, Kind};
use crate::demo::installation::Daemon;
use crate::gate::mcp::names::Naming;
use crate::home::Home;
use crate::lock;
use crate::offline::{GivenTask, Page};
use crate::store::private;

/// Another agent, which may do nothing, and whose token opens nothing of the first one's.
pub const OTHER: &str = "another-agent";
const PASSPHRASE: &str = "passphrase";
const ARRIVALS: &str = "arrivals";
const DRIFT: &str = "drift";

/// A gate that runs, and what is behind it.
pub struct Ground {
    agent: String,
    person: String,
    program: PathBuf,
    naming: Naming,
    tokens: Vec<String>,
    place: String,
    // The daemon ends before its directory goes.
    _daemon: Daemon,
    dir: tempfile::TempDir,
}

impl Ground {
    /// Lays the ground for that agent and page, and starts the gate. `program` is Ambit itself.
    ///
    /// # Errors
    /// When something cannot be written, or a command goes wrong.
    pub fn lay(home: &Home, page: &Page, agent: &str, program: &Path) -> Result<Ground, RangeError> {
        let dir = tempfile::Builder::new().prefix("ambit-attack-").tempdir()?;
        let at = dir.path();
        let owner = owner(page);
        let (config, person) = config(home, agent, &owner, program, at);
        let text = |error: &dyn std::fmt::Display| RangeError::Text(error.to_string());
        std::fs::write(at.join(config::find::NAME), toml::to_string(&config).map_err(|error| text(&error))?)?;
        for (name, list) in &home.config.lists {
            if let (Some(from), Some(to)) = (&list.file, config.lists.get(name).and_then(|list| list.file.as_ref())) {
                std::fs::copy(home.dir().join(from), at.join(to))?;
            }
        }
        let mut lock = home.lock.clone();
        for (_, system) in lock.systems.iter_mut().filter(|(_, system)| system.kind == Kind::Mcp) {
            // Another program stands there; what it offers is what is pinned.
            system.program = None;
        }
        std::fs::write(at.join(lock::NAME), lock.text())?;
        std::fs::write(at.join("SCOPE.md"), &page.text)?;
        std::fs::write(at.join("OTHER.md"), other(&owner))?;
        private::create(&at.join(PASSPHRASE), b"the person of a private gate\n").map_err(io::Error::other)?;
        let url = |line: &str| line.strip_prefix("agents over HTTP at http://")?.split('/').next().map(str::to_owned);
        let (daemon, place) = Daemon::start(command(program, at, &["serve", "--until-eof"]), url)?;
        let mut ground = Ground {
            agent: agent.to_owned(),
            person,
            program: program.to_owned(),
            naming: Naming::of(&config, agent),
            tokens: Vec::new(),
            place,
            _daemon: daemon,
            dir,
        };
        ground.ambit(&["setup", "--person", &ground.person, "--passphrase-file", PASSPHRASE])?;
        for agent in [&ground.agent, OTHER] {
            ground.signed(&["release", agent, "--because", "it is attacked", "--anyway"])?;
            ground.signed(&["token", agent, "--unattended", "--to", &format!("token.{agent}")])?;
        }
        let token = std::fs::read_to_string(ground.path(&format!("token.{agent}")))?;
        ground.tokens.push(token);
        Ok(ground)
    }

    /// Opens the tasks of a pack, the first of which is none. Those that the gate does not open, with what it said: nothing
    /// can be played in them.
    ///
    /// # Errors
    /// When a token cannot be read.
    pub fn open(&mut self, tasks: &[GivenTask]) -> Result<Vec<(usize, String)>, RangeError> {
        let mut not = Vec::new();
        for (at, task) in tasks.iter().enumerate().skip(self.tokens.len()) {
            let file = format!("task.{at}");
            let opened = self.open_task(&self.agent, task, &file);
            if let Err(error) = &opened {
                not.push((at, error.to_string()));
            }
            let token = if opened.is_ok() { std::fs::read_to_string(self.path(&file))? } else { String::new() };
            self.tokens.push(token);
        }
        Ok(not)
    }

    /// Opens a task for an agent, whose token goes into that file.
    ///
    /// # Errors
    /// When it is not opened.
    pub fn open_task(&self, agent: &str, task: &GivenTask, file: &str) -> Result<(), RangeError> {
        let mut words = vec!["task".to_owned(), "open".to_owned(), agent.to_owned()];
        words.push(if task.name.is_empty() { "--unnamed".to_owned() } else { task.name.clone() });
        if let Some(request) = &task.request {
            let author = task.author.as_deref().unwrap_or(&self.person);
            words.extend([format!("--request={request}"), format!("--author={author}")]);
        }
        for (name, value) in &task.facts {
            words.push(format!("--fact={name}={}", ambit_effects::json::write(value)));
        }
        words.extend(["--to".to_owned(), file.to_owned()]);
        self.signed(&words.iter().map(String::as_str).collect::<Vec<_>>()).map(drop)
    }

    /// A door to that agent's gate, with the token of that task.
    #[must_use]
    pub fn door(&self, front: Front, task: usize) -> Box<dyn Door> {
        let token = self.tokens.get(task).map_or("", String::as_str);
        let file = if task == 0 { format!("token.{}", self.agent) } else { format!("task.{task}") };
        self.door_with(front, token, &file)
    }

    /// A door to that agent's gate with the token that stands in that file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn door_of(&self, front: Front, file: &str) -> Result<Box<dyn Door>, RangeError> {
        let token = std::fs::read_to_string(self.path(file))?;
        Ok(self.door_with(front, &token, file))
    }

    fn door_with(&self, front: Front, token: &str, file: &str) -> Box<dyn Door> {
        match front {
            Front::Pipe | Front::PipeStateless => {
                let (program, dir, agent) = (self.program.clone(), self.path(""), self.agent.clone());
                let file = file.to_owned();
                Box::new(Pipe::new(front, move || {
                    command(&program, &dir, &["mcp", "--agent", &agent, "--token-file", &file])
                }))
            }
            Front::Http | Front::HttpStateless => Box::new(Http::new(front, &self.place, &self.agent, token)),
        }
    }

    /// Writes a file that only its owner reads.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<(), RangeError> {
        private::create(&self.path(name), text.as_bytes()).map_err(|error| RangeError::Text(error.to_string()))
    }

    /// A person confirms what waits; whether they may, and did.
    #[must_use]
    pub fn confirms(&self, hold: &str) -> bool {
        self.signed(&["confirm", hold]).is_ok()
    }

    /// The sample systems' definitions are others from now on, and they say so or not; or are the pinned ones again.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn drift(&self, told: Option<bool>) -> io::Result<()> {
        match told {
            Some(told) => std::fs::write(self.path(DRIFT), if told { TOLD } else { "silent" }),
            None => match std::fs::remove_file(self.path(DRIFT)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }

    /// How the agent sees the names of tools.
    #[must_use]
    pub fn naming(&self) -> Naming {
        self.naming
    }

    /// The file of what arrived.
    #[must_use]
    pub fn arrivals(&self) -> PathBuf {
        self.path(ARRIVALS)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn signed(&self, words: &[&str]) -> Result<String, RangeError> {
        self.ambit(&[words, &["--as", &self.person, "--passphrase-file", PASSPHRASE]].concat())
    }

    fn ambit(&self, words: &[&str]) -> Result<String, RangeError> {
        over::go_on()?;
        let output = command(&self.program, self.dir.path(), words).stdin(Stdio::null()).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        Err(RangeError::Command { words: words.join(" "), said })
    }
}

/// A command of Ambit that sees nothing of the person's own Ambit.
fn command(program: &Path, dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).current_dir(dir).env("AMBIT_PEOPLE", dir.join("people")).env("HOME", dir);
    for name in ["AMBIT_CONFIG", "AMBIT_TOKEN", "AMBIT_SOCKET", "AMBIT_PERSON", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
        command.env_remove(name);
    }
    command
}

fn owner(page: &Page) -> String {
    ambit_core::scope::parse::parse(&page.text).document.front.owner
}

/// The configuration as it is, but for what stands behind it, what keeps people from being flooded, and where it is; and
/// the person who answers for the agent.
fn config(home: &Home, agent: &str, owner: &str, program: &Path, dir: &Path) -> (config::Config, String) {
    let mut config = home.config.clone();
    for (name, system) in config.systems.iter_mut().filter(|(_, system)| system.kind == Kind::Mcp) {
        let path = |name: &str| dir.join(name).display().to_string();
        let words = ["attack-server", "--lock", &path(lock::NAME), "--system", name, "--arrivals", &path(ARRIVALS)];
        system.command = std::iter::once(program.display().to_string())
            .chain(words.into_iter().map(str::to_owned))
            .chain(["--drift".to_owned(), path(DRIFT)])
            .collect();
        (system.env, system.headers) = (BTreeMap::new(), BTreeMap::new());
        (system.url, system.token, system.oauth, system.cwd) = (None, None, None, None);
    }
    for (number, list) in config.lists.values_mut().filter(|list| list.file.is_some()).enumerate() {
        list.file = Some(format!("list.{number}"));
    }
    let mut own = config.agents.get(agent).cloned();
    if let Some(own) = &mut own {
        own.scope = "SCOPE.md".to_owned();
        // Whoever plays the agent here is this process.
        own.os_user = None;
        // It comes in with a token of the private gate's own, whose HTTP has no issuer.
        own.oauth = None;
    }
    let systems = own.as_ref().map(|own| own.systems.clone()).unwrap_or_default();
    let tool_names = own.as_ref().map(|own| own.tool_names).unwrap_or_default();
    let other = config::Agent { scope: "OTHER.md".to_owned(), systems, os_user: None, tool_names, oauth: None };
    config.agents = own.map(|own| (agent.to_owned(), own)).into_iter().chain([(OTHER.to_owned(), other)]).collect();
    // They open tasks of agents that are not here.
    config.callers.clear();
    // Nothing of what is played is told to the person's own channel.
    config.digest = None;
    // What trips or is full refuses everything, and would hide what is to be seen.
    config.limits = config::Limits {
        pending_wait_seconds: 0,
        waiting_holds: 500,
        daily_holds: 100_000,
        trip_refusals: 100_000,
        ..config.limits
    };
    config.state = config::State::default();
    config.http = Some(config::Http { listen: "127.0.0.1:0".to_owned(), ..config::Http::default() });
    let person = match config.person(owner) {
        Some((name, _)) => name.to_owned(),
        None => {
            let email = if config::is_address(owner) { owner } else { "nobody@ambit.invalid" };
            let person = config::Person { email: email.to_owned(), roles: BTreeSet::new(), os_user: None };
            config.people.insert("attack-owner".to_owned(), person);
            "attack-owner".to_owned()
        }
    };
    (config, person)
}

/// The page of the other agent.
fn other(owner: &str) -> String {
    let owner = if config::is_address(owner) { owner } else { "nobody@ambit.invalid" };
    let nothing: String = ["It can read", "It can write", "A human must confirm", "It cannot touch"]
        .map(|title| format!("\n## {title}\n\n- nothing\n"))
        .concat();
    format!(
        "---\nagent: {OTHER}\nowner: {owner}\noutside: refuse\n---\n\n# Another agent\n\nMay do nothing.\n{nothing}"
    )
}

impl Daemon {
    /// Starts a daemon, and waits until it has said what `wanted` finds in one of its lines.
    ///
    /// # Errors
    /// When it ends before.
    pub fn start<T>(mut command: Command, wanted: impl Fn(&str) -> Option<T>) -> Result<(Daemon, T), RangeError> {
        // It holds the one end of its input and nobody else does, so that a daemon that ends with its input ends with this
        // process, however that ends. A signal from the terminal is not for it: it would go before those that need it.
        command.stdin(Stdio::piped()).process_group(0);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let talk = child.stderr.take();
        let daemon = Daemon::of(child);
        let mut said = String::new();
        let mut lines = talk.into_iter().flat_map(|talk| BufReader::new(talk).lines()).map_while(Result::ok);
        while let Some(line) = lines.next() {
            if let Some(found) = wanted(&line) {
                // What it says later nobody reads here; but a full pipe would stop it.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok((daemon, found));
            }
            said.push_str(&line);
            said.push('\n');
        }
        Err(RangeError::Command { words: "serve".into(), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: &str = r#"
[systems.crm]
kind = "mcp"
url = "https://crm.acme.example/mcp"
[systems.crm.oauth]
issuer = "https://login.acme.example"
client-id = "ambit"
client-secret = { env = "CRM_SECRET" }

[systems.desk]
kind = "mcp"
url = "https://desk.acme.example/mcp"
token = { env = "DESK_TOKEN" }
headers = { X-Region = "eu" }

[people.dana]
email = "dana@acme.example"

[agents.helper]
scope = "helper.md"
systems = ["crm", "desk"]
os-user = "helper"
oauth = { subject = "helper" }

[agents.filer]
scope = "filer.md"
systems = ["desk"]
oauth = { subject = "filer" }

[callers.tickets]
person = "dana"
may-open = { filer = ["File"] }

[http.oauth]
issuer = "https://login.acme.example"
base-url = "https://gate.acme.example"

[digest]
webhook = { url = "https://chat.acme.example/hook", secret = { env = "DIGEST_SECRET" } }
"#;

    #[test]
    fn a_private_gate_neither_trips_over_nor_uses_what_is_the_persons_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(config::find::NAME);
        std::fs::write(&path, EVERYTHING).unwrap();
        let home = Home::open(&path).unwrap();
        let (laid, person) = config(&home, "helper", "dana@acme.example", Path::new("/opt/ambit"), dir.path());
        let text = toml::to_string(&laid).unwrap();
        let (read, found) = config::read(&text);
        let read = read.unwrap_or_else(|| panic!("{found:?}\n{text}"));
        assert_eq!(person, "dana");
        assert!(read.digest.is_none() && read.callers.is_empty());
        assert!(read.http.unwrap().oauth.is_none());
        assert!(read.agents.keys().eq([OTHER, "helper"]));
        assert!(read.agents.values().all(|agent| agent.oauth.is_none() && agent.os_user.is_none()));
        assert!(read.systems.values().all(|system| {
            system.url.is_none() && system.token.is_none() && system.oauth.is_none() && system.headers.is_empty()
        }));
        for own in ["acme.example/", "login.acme", "SECRET", "DESK_TOKEN"] {
            assert!(!text.contains(own), "{own}: {text}");
        }
    }
}
