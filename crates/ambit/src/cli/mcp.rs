//! `ambit mcp`: the thin pipe between an agent's client and the daemon. It is the one line in the client's
//! configuration; it holds no state and reads nothing. Where it can it hands its own input and output to the daemon, and
//! waits; where it cannot, it copies.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::link::{Reach, reach};
use super::options::Options;
use super::{Exit, Trouble};
use crate::daemon::dial::DialError;
use crate::daemon::hello::{FAREWELL, Hello, LONGEST};
use crate::daemon::streams::Own;
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

/// Joins the client and the daemon until one of them ends.
///
/// # Errors
/// When there is no token, or the daemon cannot be reached or does not let the agent in.
pub fn run(said: &McpArgs, options: &Options) -> anyhow::Result<Exit> {
    let streams = Own::take();
    let hello = Hello::Agent { agent: said.agent.clone(), token: token(said)?, streams: streams.is_some() };
    let stream = reach(options, &hello).map_err(|error| match error {
        Reach::Options(trouble) => trouble,
        Reach::Dial(error) => trouble(&error),
    })?;
    drop(hello);
    match streams {
        Some(streams) => wait(streams, stream),
        None => carry(stream),
    }
}

/// Hands the streams over, and waits for the end.
fn wait(streams: Own, mut stream: UnixStream) -> anyhow::Result<Exit> {
    streams.send(&stream)?;
    let mut last = Vec::new();
    // A line at most; the daemon says nothing else.
    let _ = (&mut stream).take(LONGEST as u64).read_to_end(&mut last);
    if last == FAREWELL { Ok(Exit::Fine) } else { Err(ended().into()) }
}

/// Copies until one side ends.
fn carry(stream: UnixStream) -> anyhow::Result<Exit> {
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
        _ => Err(ended().into()),
    }
}

fn ended() -> Trouble {
    Trouble::new(
        Exit::Fault,
        "Ambit ended the connection",
        "the agent may have been stopped, its token revoked, or the daemon ended; `ambit journal` says which",
    )
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
