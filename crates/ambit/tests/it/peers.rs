//! Real servers and clients of others, at the exact versions that `.ci/peers` names.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

/// Where they are installed; installs them the first time, when they are not there yet.
pub fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new(house.join(".ci/peers/install")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| house.join("target"), PathBuf::from);
        target.join("peers").canonicalize().unwrap()
    })
}

/// The official clients, each driven by a script of the fixtures that reads requests from its standard input.
#[derive(Clone, Copy, Debug)]
pub enum Client {
    /// From PyPI.
    Python,
    /// From npm.
    TypeScript,
}

/// The Python that has the official SDK.
pub fn python() -> std::path::PathBuf {
    dir().join("venv/bin/python")
}

/// What the client says to those requests, with that command as its server.
pub fn talk(client: Client, server: &[&str], requests: &[Value]) -> Vec<Value> {
    let mut talk = Talk::open(client, server);
    requests.iter().map(|request| talk.ask(request)).collect()
}

/// A client and its server, by turns.
pub struct Talk {
    client: Client,
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Talk {
    /// Starts the client with that command as its server.
    pub fn open(client: Client, server: &[impl AsRef<OsStr>]) -> Talk {
        Talk::open_with(client, server, &[])
    }

    /// The same, with more in the client's environment.
    pub fn open_with(client: Client, server: &[impl AsRef<OsStr>], more: &[(&str, &str)]) -> Talk {
        let mut command = match client {
            Client::Python => Command::new(python()),
            Client::TypeScript => Command::new("node"),
        };
        let script = match client {
            Client::Python => "client.py",
            Client::TypeScript => "client.cjs",
        };
        command.arg(fixture(script)).args(server).env("AMBIT_PEERS", dir()).envs(more.iter().copied());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Talk { client, child, to, from }
    }

    /// What the client makes of one request.
    pub fn ask(&mut self, request: &Value) -> Value {
        self.begin(request);
        self.end()
    }

    /// Has the client ask, and does not wait.
    pub fn begin(&mut self, request: &Value) {
        writeln!(self.to.as_ref().unwrap(), "{request}").unwrap();
    }

    /// What the client made of it.
    pub fn end(&mut self) -> Value {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{:?} said {line:?}", self.client))
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        drop(self.to.take());
        let patience = Instant::now() + Duration::from_secs(10);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > patience {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A server over HTTP, on a port of its own.
pub struct Endpoint {
    child: Child,
    /// Where it listens, on loopback.
    pub port: u16,
}

impl Endpoint {
    /// One of the fixtures, at that port; it keeps a log there.
    pub fn start(script: &str, port: u16, log: &Path) -> Endpoint {
        Endpoint::start_with(script, port, log, &[])
    }

    /// The same, with more words of its command.
    pub fn start_with(script: &str, port: u16, log: &Path, more: &[&str]) -> Endpoint {
        let mut command = Command::new(python());
        command.arg(fixture(script)).arg(port.to_string()).arg(log).args(more);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let endpoint = Endpoint { child, port };
        let patience = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < patience, "{script} does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        endpoint
    }

    /// The same, at a port that is free.
    pub fn new(script: &str, log: &Path) -> Endpoint {
        Endpoint::start(script, free_port(), log)
    }
}

/// A port that nobody listens at.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of a fixture.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
