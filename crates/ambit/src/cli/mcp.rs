//! `ambit mcp`: the thin pipe between an agent's client and the daemon. It is the one line in the client's
//! configuration; it holds no state, reads nothing, and adds two copies of the bytes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::link::{Reach, reach};
use super::options::Options;
use super::{Exit, Trouble};
use crate::daemon::dial::DialError;
use crate::daemon::hello::Hello;
use crate::store::private;
use crate::upstream::Secret;

/// What `ambit mcp` is told.
#[derive(Debug, Args)]
pub struct McpArgs {
    /// The agent whose scope applies
    #[arg(long, value_name = "NAME")]
    agent: String,
    /// The file that holds the agent's token; else the variable AMBIT_TOKEN does
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Copies until one side ends.
///
/// # Errors
/// When there is no token, or the daemon cannot be reached or does not let the agent in.
pub fn run(said: &McpArgs, options: &Options) -> anyhow::Result<Exit> {
    let hello = Hello::Agent { agent: said.agent.clone(), token: token(said)? };
    let stream = reach(options, &hello).map_err(|error| match error {
        Reach::Options(trouble) => trouble,
        Reach::Dial(error) => trouble(&error),
    })?;
    drop(hello);
    // Unbuffered: a message waits for nothing.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let (mut from, mut to) = (stream.try_clone()?, stream);
    let asked_all = Arc::new(AtomicBool::new(false));
    let asking = Arc::clone(&asked_all);
    std::thread::spawn(move || {
        let _ = copy(&mut input, &mut to);
        asking.store(true, Ordering::Release);
        // What was asked is still answered.
        let _ = to.shutdown(Shutdown::Write);
    });
    match copy(&mut from, &mut output) {
        // The client asks no more, or is gone.
        _ if asked_all.load(Ordering::Acquire) => Ok(Exit::Fine),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Fine),
        _ => Err(Trouble::new(
            Exit::Fault,
            "Ambit ended the connection",
            "the agent may have been stopped, its token revoked, or the daemon ended; `ambit journal` says which",
        )
        .into()),
    }
}

fn token(said: &McpArgs) -> Result<Secret, Trouble> {
    let help =
        format!("make one with `ambit token {}`, and pass it in AMBIT_TOKEN or with `--token-file FILE`", said.agent);
    let token = match &said.token_file {
        Some(path) => {
            let bytes = private::read(path).map_err(|error| super::link::split(Exit::Usage, &error.to_string()))?;
            String::from_utf8(bytes.to_vec()).unwrap_or_default()
        }
        None => std::env::var("AMBIT_TOKEN").unwrap_or_default(),
    };
    match token.trim() {
        "" => Err(Trouble::new(Exit::Usage, format!("there is no token for `{}`", said.agent), help)),
        token => Ok(Secret::new(token.to_owned())),
    }
}

fn trouble(error: &DialError) -> Trouble {
    let (exit, help) = match error {
        DialError::Denied(denied) => (Exit::Refused, denied.help.clone()),
        _ => (Exit::Fault, "run `ambit serve` in a terminal and see what it says".to_owned()),
    };
    Trouble::new(exit, error.to_string(), help)
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..count).unwrap_or_default())?;
    }
}
