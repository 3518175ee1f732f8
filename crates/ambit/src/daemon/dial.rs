//! Reaching the daemon from another process of the same user, and starting one when none runs. Blocking: whoever calls
//! has nothing else to do.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::hello::{self, Denied, Hello, Welcome};
use super::place::Place;
use crate::escape::escape_lines;
use crate::store::private::{self, PrivateError};

/// Why the daemon was not reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// It did not let us in.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// None runs.
    #[error("no daemon runs for `{}`", .0.display())]
    Nobody(std::path::PathBuf),
    /// It was reached and did not answer.
    #[error("the daemon does not answer: {0}")]
    Silent(String),
    /// None runs and none could be started.
    #[error("the daemon could not be started: {why}")]
    NotStarted {
        /// Why, with what it said.
        why: String,
    },
    /// Its directory is not ours alone.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The system said no.
    #[error("the daemon cannot be reached: {0}")]
    Io(#[from] io::Error),
}

// The daemon has so long to look at a token (and to find its disk).
const ANSWER: Duration = Duration::from_secs(20);
// And so long to start.
const START: Duration = Duration::from_secs(20);
// What is shown of what it said when it could not.
const SAID: usize = 2_000;

/// Connects and is let in; what follows on the stream is the protocol of the role.
///
/// # Errors
/// When no daemon runs, or it does not let us in.
pub fn dial(place: &Place, hello: &Hello) -> Result<UnixStream, DialError> {
    dial_at(&place.socket(), hello)
}

/// As [`dial`], at a socket named by its path: the one that is shared with other operating-system users.
///
/// # Errors
/// As [`dial`].
pub fn dial_at(socket: &Path, hello: &Hello) -> Result<UnixStream, DialError> {
    let mut stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => DialError::Nobody(socket.to_owned()),
        _ => DialError::Io(error),
    })?;
    stream.set_read_timeout(Some(ANSWER))?;
    let silent = |error: io::Error| DialError::Silent(error.to_string());
    stream.write_all(&hello.line()).map_err(silent)?;
    let line = first_line(&mut stream).map_err(silent)?;
    stream.set_read_timeout(None)?;
    match Welcome::read(&line) {
        Some(Welcome::In) => Ok(stream),
        Some(Welcome::Denied(denied)) => Err(denied.into()),
        None => Err(DialError::Silent("its answer is not one that this version of Ambit knows".into())),
    }
}

/// As [`dial`], and starts a daemon of this program for that `ambit.toml` when none runs. It ends by itself when nobody
/// needed it for a while.
///
/// # Errors
/// As [`dial`], and when none could be started.
pub fn dial_or_start(place: &Place, config: &Path, hello: &Hello) -> Result<UnixStream, DialError> {
    dial_or(place, hello, || spawn(place, config))
}

fn dial_or(
    place: &Place,
    hello: &Hello,
    spawn: impl Fn() -> Result<Child, DialError>,
) -> Result<UnixStream, DialError> {
    let start = Instant::now();
    let mut started: Option<(File, Child)> = None;
    loop {
        match dial(place, hello) {
            Err(DialError::Nobody(_)) => {}
            // One that was just closing its door: the next attempt finds another.
            Err(DialError::Silent(_)) if started.is_none() && start.elapsed() < Duration::from_secs(1) => {}
            reached => return reached,
        }
        if start.elapsed() > START {
            let why = format!("it did not open its socket within {} s{}", START.as_secs(), said(place));
            return Err(DialError::NotStarted { why });
        }
        match &mut started {
            None => {
                place.prepare()?;
                // Who comes second waits here, and finds the daemon that the first one started.
                let lock = private::open(&place.start_lock(), OpenOptions::new().write(true).create(true).mode(0o600))?;
                if lock.try_lock().is_ok() {
                    // It may have been started since we looked.
                    match dial(place, hello) {
                        Err(DialError::Nobody(_)) => started = Some((lock, spawn()?)),
                        reached => return reached,
                    }
                }
            }
            Some((_, daemon)) => {
                if let Some(status) = daemon.try_wait()? {
                    // One that found another in its place: that one will answer.
                    if let Ok(stream) = dial(place, hello) {
                        return Ok(stream);
                    }
                    return Err(DialError::NotStarted { why: ended(place, status) });
                }
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn spawn(place: &Place, config: &Path) -> Result<Child, DialError> {
    let not_started = |error: io::Error| DialError::NotStarted { why: error.to_string() };
    // Anew each time: what it says now is what matters.
    let log = private::open(&place.log(), OpenOptions::new().write(true).create(true).truncate(true).mode(0o600))?;
    let program = std::env::current_exe().map_err(not_started)?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--idle-exit").arg("--config").arg(config);
    // A group of its own: what ends the agent's client does not end the daemon that others may use.
    command.process_group(0).env_remove("AMBIT_TOKEN");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().map_err(not_started)
}

fn ended(place: &Place, status: ExitStatus) -> String {
    format!("it ended with {status}{}", said(place))
}

/// What the daemon wrote, from its end, as far as a message has room.
fn said(place: &Place) -> String {
    let text = std::fs::read(place.log()).unwrap_or_default();
    let text = String::from_utf8_lossy(text.get(text.len().saturating_sub(SAID)..).unwrap_or_default()).into_owned();
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!("; it said:\n{}", escape_lines(text)) }
}

/// Reads one line and not a byte more: what follows is the protocol's.
fn first_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0u8; 1];
    while line.len() < hello::LONGEST {
        if stream.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if byte == *b"\n" {
            return Ok(line);
        }
        line.extend_from_slice(&byte);
    }
    Err(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

    use super::*;
    use crate::daemon::socket::{Door, Host, Peer};
    use crate::daemon::visitor::Visitor;
    use crate::gate::mcp::{Ended, Passage};
    use crate::gate::rpc::Lines;
    use crate::world::Later;

    struct Hall;

    impl Host for Hall {
        fn agent<'a>(&'a self, _: &'a str, _: &'a str, _: Peer) -> Later<'a, Result<Arc<dyn Passage>, Denied>> {
            Box::pin(async { Err(Denied::new("no agents here", "be a person")) })
        }

        fn knows<'a>(&'a self, _: &'a str, _: &'a str, _: Peer) -> Later<'a, Result<Visitor, Denied>> {
            Box::pin(async { Err(Denied::new("no agents here", "be a person")) })
        }

        fn visit<'a>(&'a self, _: &'a str, _: &'a Visitor, _: Peer) -> Later<'a, Result<Arc<dyn Passage>, Denied>> {
            Box::pin(async { Err(Denied::new("no agents here", "be a person")) })
        }

        fn left<'a>(&'a self, _: &'a dyn Passage, _: &'a Ended) -> Later<'a, ()> {
            Box::pin(async {})
        }

        fn person(&self, _: Peer, mut from: Lines<OwnedReadHalf>, _: OwnedWriteHalf) -> Later<'_, ()> {
            Box::pin(async move {
                let _ = from.next().await;
            })
        }
    }

    fn child(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap()
    }

    /// A daemon that takes a while to open its door; the child stands for its process and ends with the test.
    fn daemon(place: &Place) -> Child {
        let place = place.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::time::sleep(Duration::from_millis(150)).await;
                let door = Door::open(&place).await.unwrap();
                door.serve(Arc::new(Hall), Some(Duration::from_secs(1)), std::future::pending()).await;
            });
        });
        child("read line")
    }

    #[test]
    fn those_who_come_together_start_one_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(&dir.path().join("state"));
        place.prepare().unwrap();
        let starts = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let start = || {
                        starts.fetch_add(1, Ordering::SeqCst);
                        Ok(daemon(&place))
                    };
                    dial_or(&place, &Hello::Person, start).unwrap();
                });
            }
        });
        assert_eq!(starts.load(Ordering::SeqCst), 1);
        assert!(matches!(
            dial(&place, &Hello::Agent { agent: "a".into(), token: crate::upstream::Secret::new("t".into()) }),
            Err(DialError::Denied(denied)) if denied.help == "be a person"
        ));
    }

    #[test]
    fn a_daemon_that_cannot_start_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::of(&dir.path().join("state"));
        place.prepare().unwrap();
        let start = || {
            std::fs::write(place.log(), "error: the disk is full\x1b[2J\n").unwrap();
            Ok(child("exit 3"))
        };
        let why = dial_or(&place, &Hello::Person, start).unwrap_err().to_string();
        assert!(why.contains("exit status: 3; it said:\nerror: the disk is full\\u{1b}[2J"), "{why}");
        assert!(matches!(dial(&place, &Hello::Person), Err(DialError::Nobody(_))));
    }
}
