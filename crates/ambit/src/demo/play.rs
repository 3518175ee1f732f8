//! The incident, told twice.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::company::{Company, CompanyError};
use super::script::{self, Hands};
use super::session::{Reply, Session, SessionError};
use super::stage::Stage;
use super::standing::Standing;
use crate::cli::output::style::{BAD, GOOD};

/// Why the demo could not be played.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The sample company failed.
    #[error(transparent)]
    Company(#[from] CompanyError),
    /// A command of Ambit said something else than it should.
    #[error("`ambit {words}` went wrong:\n{said}")]
    Command {
        /// Its words.
        words: String,
        /// What it said.
        said: String,
    },
    /// A server failed.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The terminal or the temporary directory failed.
    #[error("the demo cannot go on: {0}")]
    Io(#[from] io::Error),
}

/// Plays the whole demo. `program` is this program, which is started again for each of the company's servers.
///
/// # Errors
/// When the temporary directory, a server or the terminal fails.
pub fn play(program: &Path, out: impl Write) -> Result<(), DemoError> {
    let mut stage = Stage::new(out);
    stage.pause()?;
    stage.says(
        "Acme Home, a sample company, lives in a temporary directory. Its head of support has opened a ticket:",
    )?;
    stage.pause()?;
    stage.shows("\"Brightline moves to brightline.example. Please update the customer records and clean up.\"")?;
    stage.pause()?;
    stage.says(
        "An agent is given the ticket. It is a script and no model: it takes the steps that the agent of a known \
         kind of incident takes. Its tools are real servers of the Model Context Protocol.",
    )?;
    let dir = tempfile::Builder::new().prefix("ambit-demo-").tempdir()?;
    without(program, &dir.path().join("without.db"), &mut stage)?;
    let with = dir.path().join("with");
    std::fs::create_dir(&with)?;
    super::with::play(program, &with, &mut stage)
}

fn without<W: Write>(program: &Path, path: &Path, stage: &mut Stage<W>) -> Result<(), DemoError> {
    stage.act("Without Ambit: the agent has every tool, as the engineer beside it has")?;
    let company = Company::found(path)?;
    let before = Standing::of(&company)?;
    let mut hands = Direct { program: program.into(), db: path.into(), sessions: BTreeMap::new(), stage };
    script::work(&mut hands)?;
    hands.sessions.clear();
    let after = Standing::of(&company)?;
    stage.pause()?;
    stage.compares(&before, &after)?;
    stage.pause()?;
    stage.says("Nobody asked for any of this, and nobody was asked.")?;
    Ok(())
}

/// The agent with the systems in its own hands.
struct Direct<'a, W: Write> {
    program: PathBuf,
    db: PathBuf,
    sessions: BTreeMap<String, Session>,
    stage: &'a mut Stage<W>,
}

impl<W: Write> Hands for Direct<'_, W> {
    fn means(&mut self, purpose: &str) -> io::Result<()> {
        self.stage.means(purpose)
    }

    fn call(&mut self, system: &str, tool: &str, arguments: Value) -> Result<Reply, SessionError> {
        let session = match self.sessions.entry(system.to_owned()) {
            std::collections::btree_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Session::start(system, server(&self.program, system, &self.db))?)
            }
        };
        let reply = session.call(tool, &arguments)?;
        let (style, became, below) = match &reply {
            Reply::Done(_) => (GOOD, "done", vec![]),
            Reply::Not { says, .. } => (BAD, "failed", vec![says.clone()]),
        };
        self.stage.call(&format!("{system}.{tool}"), &arguments, style, became, below)?;
        Ok(reply)
    }
}

fn server(program: &Path, system: &str, db: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["demo-server", "--system", system, "--db"]).arg(db);
    command
}
