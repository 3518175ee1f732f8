//! An installation: a directory with its `ambit.toml` and its page, one person with a key, and a daemon.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peers::fixture;

/// An installation with one agent, `helper`, and one person, `dana`, who owns it.
pub struct House {
    dir: tempfile::TempDir,
    daemon: Option<Child>,
    told: Arc<Mutex<String>>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Its exit code.
    pub code: i32,
    /// Its data.
    pub out: String,
    /// Its talk.
    pub err: String,
}

const PEOPLE: &str = "[people.dana]\nemail = \"dana@acme.example\"\n[people.lena]\nemail = \"lena@acme.example\"\n";

impl House {
    /// An installation in which nothing runs yet. `toml`: systems, the agent and what else there is but people.
    pub fn new(toml: &str) -> House {
        let house = House { dir: tempfile::tempdir().unwrap(), daemon: None, told: Arc::default() };
        house.write("ambit.toml", &format!("{toml}\n{PEOPLE}"));
        house.write("passphrase", "correct horse battery\n");
        std::fs::create_dir(house.path("people")).unwrap();
        for private in ["passphrase", "people"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = if private == "people" { 0o700 } else { 0o600 };
            std::fs::set_permissions(house.path(private), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        house
    }

    /// Looks at the systems, starts the daemon, and puts that page in force; the agent gets a token.
    pub fn open(mut self, page: &str) -> House {
        self.ambit(&["inventory"]).fine();
        self.serve();
        self.ambit(&["setup", "--person", "dana", "--passphrase-file", "passphrase"]).fine();
        self.release(page);
        self.sign(&["token", "helper", "--to", "token"]).fine();
        self
    }

    /// Puts a page in force. Pages of tests need not be ready.
    pub fn release(&self, page: &str) -> Said {
        self.write("SCOPE.md", page);
        let said = self.sign(&["release", "helper", "--because", "a test", "--anyway", "--format", "json"]);
        said.fine()
    }

    /// A file of the installation.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// What a file holds; nothing, when there is none.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts the daemon, and waits until it serves.
    pub fn serve(&mut self) {
        let mut command = self.command(&["serve"]);
        let mut daemon = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut from = BufReader::new(daemon.stderr.take().unwrap());
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        if !line.starts_with("serving on ") {
            let _ = from.read_to_string(&mut line);
            panic!("the daemon said {line}");
        }
        *self.told.lock().unwrap() = line;
        let told = Arc::clone(&self.told);
        std::thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                told.lock().unwrap().push_str(&format!("{line}\n"));
            }
        });
        self.daemon = Some(daemon);
    }

    /// Ends the daemon as a power cut would.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.kill().unwrap();
        daemon.wait().unwrap();
    }

    /// Has the daemon end of its own accord.
    pub fn end(&mut self) -> i32 {
        let mut daemon = self.daemon.take().unwrap();
        let pid = i32::try_from(daemon.id()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::TERM)
            .unwrap();
        daemon.wait().unwrap().code().unwrap()
    }

    /// What the running daemon has said.
    pub fn told(&self) -> String {
        self.told.lock().unwrap().clone()
    }

    /// Runs `ambit` with those words.
    pub fn ambit(&self, words: &[&str]) -> Said {
        let output = self.command(words).output().unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The same, as dana, with her passphrase.
    pub fn sign(&self, words: &[&str]) -> Said {
        self.ambit(&[words, &["--as", "dana", "--passphrase-file", "passphrase"]].concat())
    }

    /// `ambit` with those words, still to be started.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ambit"));
        command.args(words).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("AMBIT_PEOPLE", self.path("people")).env_remove("AMBIT_CONFIG").env_remove("AMBIT_TOKEN");
        command
    }

    /// What an agent's client starts as its server.
    pub fn gate(&self) -> Vec<String> {
        let (dir, token) = (self.dir.path().display().to_string(), self.path("token").display().to_string());
        [env!("CARGO_BIN_EXE_ambit"), "mcp", "--agent", "helper", "--token-file", &token, "--config", &dir]
            .map(str::to_owned)
            .to_vec()
    }

    /// The ids of what waits.
    pub fn waiting(&self) -> Vec<String> {
        let inbox = self.ambit(&["inbox", "--format", "json"]).fine().json();
        inbox["holds"].as_array().unwrap().iter().map(|hold| hold["id"].as_str().unwrap().to_owned()).collect()
    }

    /// What people are told unasked.
    pub fn notices(&self) -> String {
        self.ambit(&["inbox", "--format", "json"]).fine().json()["notices"].to_string()
    }

    /// Where a hold stands, in a word.
    pub fn state(&self, id: &str) -> String {
        self.ambit(&["show", id, "--format", "json"]).fine().json()["word"].as_str().unwrap().to_owned()
    }

    /// Dana confirms.
    pub fn confirm(&self, id: &str) -> Said {
        self.sign(&["confirm", id])
    }

    /// The kinds of record about a hold, in order.
    pub fn records(&self, hold: &str) -> Vec<String> {
        let records = self.ambit(&["journal", "tail", "--hold", hold, "--format", "json"]).fine().out;
        let kind = |line: &str| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned();
        records.lines().map(kind).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if std::thread::panicking() {
            eprintln!("the daemon had said:\n{}", self.told());
        }
    }
}

impl Said {
    /// It must have worked.
    #[track_caller]
    pub fn fine(self) -> Said {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// It must not have worked.
    #[track_caller]
    pub fn not_fine(self) -> Said {
        assert_ne!(self.code, 0, "{}{}", self.out, self.err);
        self
    }

    /// Its data as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// Waits until it holds, at most ten seconds.
#[track_caller]
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(10), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A fixture as a word of a command in `ambit.toml`.
pub fn word(path: impl AsRef<Path>) -> String {
    format!("{:?}", path.as_ref().display().to_string())
}

/// An installation whose one system, `ledger`, writes down what ran; `more` are further lines of `ambit.toml`.
pub fn ledger(more: &str) -> House {
    let toml = format!(
        "[systems.ledger]\nkind = \"mcp\"\ncommand = [\"python3\", {}]\nreading-tools = [\"look\"]\n\
         [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"ledger\"]\n{more}",
        word(fixture("ledger.py"))
    );
    let house = House::new(&toml);
    house.write("tools.json", TOOLS);
    house
}

/// What the ledger offers.
pub const TOOLS: &str = r#"[
  {"name": "look", "description": "Looks.", "inputSchema": {"type": "object"}},
  {"name": "note", "description": "Notes.", "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}},
  {"name": "pay", "description": "Pays.", "inputSchema": {"type": "object", "properties": {"amount": {"type": "integer"}, "to": {"type": "string"}}, "required": ["amount"]}},
  {"name": "purge", "description": "Purges.", "inputSchema": {"type": "object"}}
]"#;

/// The page of the ledger's agent. The clause stands behind the line that asks for a human.
pub fn page(clause: &str) -> String {
    format!(
        "---\nagent: helper\nowner: dana@acme.example\nbackup-owner: lena@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nKeeps the books.\n\n\
         ## It can read\n\n- ledger.look\n\n## It can write\n\n- call ledger.note\n\n\
         ## A human must confirm\n\n- call ledger.pay where amount is at most 100{clause}\n\n\
         ## It cannot touch\n\n- call ledger.pay where amount is above 100\n- call ledger.purge\n\n\
         ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Look | `ledger.look {{}}` | allow |\n"
    )
}
