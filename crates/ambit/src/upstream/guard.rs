//! A small process between the daemon and an upstream server. It touches no data: the server inherits its standard
//! streams. It only sees to it that the server, with all that the server started, ends when the daemon does, even when
//! the daemon is killed and the server does not care that its standard input ended.

use std::ffi::OsString;
use std::os::fd::AsFd as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process_group};

/// The first argument that makes this program the guard of the command that follows.
pub const WORD: &str = "__guard";

/// How long a server has to end by itself once its standard input has.
const GRACE: Duration = Duration::from_secs(2);

static ARMED: OnceLock<()> = OnceLock::new();

/// Says that this program answers to [`WORD`], so that servers can be started under a guard. The `ambit` binary calls
/// it first thing; a test binary, which would not know the word, does not.
pub fn arm() {
    let _ = ARMED.set(());
}

/// The command that starts `program`, under a guard where there is one.
pub(super) fn command(program: &str) -> Command {
    // The link and not the path it stands for: it still works when the file was replaced by an upgrade.
    let own = if cfg!(target_os = "linux") { Some("/proc/self/exe".into()) } else { std::env::current_exe().ok() };
    match (ARMED.get(), own) {
        (Some(()), Some(own)) if Path::new(&own).exists() => {
            let mut command = Command::new(own);
            command.arg(WORD).arg(program);
            command
        }
        _ => Command::new(program),
    }
}

/// Runs the command and waits for it; ends its whole process group when standard input ends and it does not.
/// Must be the leader of its own process group.
pub fn run(mut words: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(program) = words.next() else { return ExitCode::from(2) };
    if getpgrp() != getpid() {
        // It would end processes that it did not start.
        return ExitCode::from(2);
    }
    let mut child = match Command::new(&program).args(words).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("`{}` could not be started: {error}", program.display());
            return ExitCode::from(127);
        }
    };
    std::thread::spawn(|| {
        wait_for_the_end_of_input();
        std::thread::sleep(GRACE);
        // The group includes this process.
        let _ = kill_process_group(getpgrp(), Signal::KILL);
    });
    match child.wait() {
        Ok(status) => ExitCode::from(
            status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal))
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(255),
        ),
        Err(_) => ExitCode::from(255),
    }
}

/// Returns when nobody can write to standard input any more. It does not read: the input is the server's.
fn wait_for_the_end_of_input() {
    let input = std::io::stdin();
    loop {
        // No event is asked for; a hang-up is told all the same.
        let mut fds = [PollFd::from_borrowed_fd(input.as_fd(), PollFlags::empty())];
        match poll(&mut fds, None) {
            Ok(_) if fds.iter().any(|fd| !fd.revents().is_empty()) => return,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
