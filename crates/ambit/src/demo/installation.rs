//! A directory in which Ambit stands before the sample company: its page, its `ambit.toml`, its people. What is done in
//! it is done with the commands that anybody would use.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ambit_core::time::Timestamp;

use super::company::Company;
use super::play::DemoError;
use super::session::Session;
use crate::store::private;
use crate::world::{Real, World as _};

/// The agent of the sample.
pub const AGENT: &str = "records-helper";
/// The person who answers for it.
pub const OWNER: &str = "dana";
/// The file with that person's passphrase, in the directory.
pub const PASSPHRASE: &str = "passphrase";
/// The file with the agent's token, in the directory.
pub const TOKEN: &str = "token";

const PAGE: &str = include_str!("SCOPE.md");
// The day in the page on which it is to be looked at again; in the sample that day is never past.
const REVIEW_BY: &str = "2027-02-28";
const REVIEW_MS: i64 = 90 * 86_400_000;
const CONFIG: &str = include_str!("ambit.toml");

/// The directory.
pub struct Installation {
    /// The page, as its owner wrote it.
    pub page: String,
    program: PathBuf,
    dir: PathBuf,
}

/// What a command said, and how it ended.
pub struct Said {
    /// On standard output.
    pub data: String,
    /// On standard error.
    pub talk: String,
    /// Whether it ended well.
    pub fine: bool,
}

/// The daemon, which ends with this value.
pub struct Daemon(Child);

impl Installation {
    /// Founds the company and writes what stands before it, into a directory that is there and empty.
    ///
    /// # Errors
    /// When something cannot be written.
    pub fn lay(program: &Path, dir: &Path) -> Result<Installation, DemoError> {
        Company::found(&dir.join("acme.db"))?;
        let exact = toml::Value::String(program.to_string_lossy().into_owned()).to_string();
        std::fs::write(dir.join("ambit.toml"), CONFIG.replace("\"ambit\"", &exact))?;
        let review_by = Timestamp(Real.now().0 + REVIEW_MS).date();
        let page = PAGE.replace(REVIEW_BY, &review_by.to_string());
        std::fs::write(dir.join("SCOPE.md"), &page)?;
        let passphrase = b"the sample owner's passphrase\n";
        private::create(&dir.join(PASSPHRASE), passphrase).map_err(io::Error::other)?;
        Ok(Installation { page, program: program.into(), dir: dir.into() })
    }

    /// The company behind it.
    ///
    /// # Errors
    /// When its database fails.
    pub fn company(&self) -> Result<Company, DemoError> {
        Ok(Company::open(&self.dir.join("acme.db"))?)
    }

    /// Runs a command of Ambit in it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn ambit(&self, words: &[&str]) -> io::Result<Said> {
        let output = self.command(words).stdin(Stdio::null()).output()?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { data: text(output.stdout), talk: text(output.stderr), fine: output.status.success() })
    }

    /// Starts the daemon, and waits until it serves.
    ///
    /// # Errors
    /// When it does not.
    pub fn serve(&self) -> Result<Daemon, DemoError> {
        // It holds our end of a pipe: were we ended without a word, it would end as well.
        let mut command = self.command(&["serve", "--until-eof"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let talk = child.stderr.take();
        let daemon = Daemon(child);
        let mut lines = talk.into_iter().flat_map(|talk| BufReader::new(talk).lines()).map_while(Result::ok);
        let first = lines.next().unwrap_or_default();
        if !first.starts_with("serving") {
            return Err(DemoError::Command { words: "serve".into(), said: first });
        }
        // What it says later is for its own log, which nobody reads here; but a full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(daemon)
    }

    /// The agent's client, connected as its configuration would have it.
    ///
    /// # Errors
    /// When the gate does not answer.
    pub fn agent(&self) -> Result<Session, DemoError> {
        Ok(Session::start("ambit mcp", self.command(&["mcp", "--agent", AGENT, "--token-file", TOKEN]))?)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        // The sample's people stay in the sample, whoever plays it.
        command.args(words).current_dir(&self.dir).env("AMBIT_PEOPLE", self.dir.join("people"));
        command
    }
}

impl Daemon {
    /// The daemon that this child is.
    pub(crate) fn of(child: Child) -> Daemon {
        Daemon(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ours, and there is nobody left to serve: first asked to end, then ended. A failure here leaves nothing more to do.
        if let Some(pid) = rustix::process::Pid::from_raw(self.0.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        for _ in 0..400 {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
