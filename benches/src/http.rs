//! What the way through Ambit takes over HTTP on both sides: 64 calls at once of a tool that takes a millisecond, by turns with
//! the same server called directly; the processor time a call; and what the daemon weighs with a thousand clients connected.
//! Prints Markdown tables.
//!
//! `http PATH-OF-AMBIT` measures; `http PATH-OF-AMBIT AGENTS SESSIONS` only what the daemon weighs, with so many agents and so
//! many clients of each; `http server` is the server that stands on both sides.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const AT_ONCE: usize = 64;
const TURNS: usize = 4;
const TURN: Duration = Duration::from_secs(2);
const AGENTS: usize = 67;
// One less than one agent may have: the calls before have one of the first agent.
const SESSIONS: usize = 15;

fn main() -> Result<()> {
    let said: Vec<String> = std::env::args().skip(1).collect();
    match said.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["server"] => serve(),
        [ambit] => measure(&std::fs::canonicalize(ambit)?, AGENTS, SESSIONS, TURNS),
        [ambit, agents, sessions] => measure(&std::fs::canonicalize(ambit)?, agents.parse()?, sessions.parse()?, 0),
        _ => Err("say which ambit: http ../target/release/ambit".into()),
    }
}

fn measure(ambit: &Path, agents: usize, sessions: usize, turns: usize) -> Result<()> {
    let server = Server::start()?;
    let house = House::new(ambit, server.port, agents)?;
    if turns > 0 {
        calls(&server, &house, turns)?;
    }
    weight(&house, agents, sessions)
}

/// What the way through takes, beside the direct one.
fn calls(server: &Server, house: &House, turns: usize) -> Result<()> {
    let direct = Target { port: server.port, path: "/mcp".into(), token: String::new(), prefix: "" };
    let token = std::fs::read_to_string(house.dir.join("token-0"))?.trim().to_owned();
    let through = Target { port: house.port, path: "/agents/helper-0/mcp".into(), token, prefix: "bench__" };
    println!("| a tool, {AT_ONCE} calls at once | direct | through | of direct | server a call | daemon a call |");
    println!("|---|---|---|---|---|---|");
    for (what, tool) in [
        ("that does nothing", "nothing"),
        ("that waits for a millisecond, two calls at a time", "queue"),
        ("that works for a millisecond", "work"),
    ] {
        let (mut without, mut with) = (0.0, 0.0);
        let (mut calls, mut busy) = (0, [Duration::ZERO; 2]);
        flood(&direct, tool, TURN)?;
        flood(&through, tool, TURN)?;
        for _ in 0..turns {
            let (made, took) = flood(&direct, tool, TURN)?;
            without += made as f64 / took.as_secs_f64();
            let before = [cpu(server.child.id())?, cpu(house.daemon.id())?];
            let (made, took) = flood(&through, tool, TURN)?;
            with += made as f64 / took.as_secs_f64();
            let after = [cpu(server.child.id())?, cpu(house.daemon.id())?];
            busy = [0, 1].map(|at| busy[at] + (after[at] - before[at]));
            calls += made as u32;
        }
        let (without, with) = (without / turns as f64, with / turns as f64);
        let [of_server, of_daemon] = busy.map(|busy| busy / calls);
        println!(
            "| {what} | {without:.0}/s | {with:.0}/s | {:.2} | {of_server:.1?} | {of_daemon:.1?} |",
            with / without
        );
    }

    Ok(())
}

/// What the daemon weighs, before and after they all came.
fn weight(house: &House, agents: usize, sessions: usize) -> Result<()> {
    println!("\n| the daemon's resident memory | MiB |\n|---|---|");
    println!("| before they come | {:.1} |", mib(resident(house.daemon.id())?));
    let mut connected = Vec::new();
    for agent in 0..agents {
        let token = std::fs::read_to_string(house.dir.join(format!("token-{agent}")))?.trim().to_owned();
        for _ in 0..sessions {
            connected.push(connect(house.port, &format!("/agents/helper-{agent}/mcp"), &token)?);
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    let weighs = mib(resident(house.daemon.id())?);
    println!(
        "| with {} clients of {agents} agents connected, each with its stream open | {weighs:.1} |",
        connected.len()
    );
    Ok(())
}

/// Where calls go.
struct Target {
    port: u16,
    path: String,
    token: String,
    prefix: &'static str,
}

/// Calls a tool from so many connections for so long; how many calls came back, and how long it took.
fn flood(target: &Target, tool: &str, time: Duration) -> Result<(u64, Duration)> {
    let (made, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let before = Instant::now();
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let request = call(target, tool);
                    let mut connection = Connection::open(target.port)?;
                    while !over.load(Ordering::Relaxed) {
                        let (status, body) = connection.ask(&request)?;
                        if status != 200 || !body.windows(4).any(|part| part == b"fine") {
                            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
                        }
                        made.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        clients.into_iter().try_for_each(|client| client.join().map_err(|_| "a client broke off")?)
    })?;
    Ok((made.into_inner(), before.elapsed()))
}

/// One call, as a client of the generation without a handshake makes it.
fn call(target: &Target, tool: &str) -> Vec<u8> {
    let name = format!("{}{tool}", target.prefix);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}},"name":"{name}","arguments":{{"at":"row-1"}}}}}}"#
    );
    let more = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {name}\r\n");
    request("POST", &target.path, &target.token, &more, &body)
}

fn request(method: &str, path: &str, token: &str, more: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A client that shook hands and has its stream open.
fn connect(port: u16, path: &str, token: &str) -> Result<Connection> {
    let opening =
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    let mut connection = Connection::open(port)?;
    let (status, _) = connection.ask(&request("POST", path, token, "", opening))?;
    let session = connection.session.clone().ok_or_else(|| format!("{status}: no session"))?;
    let more = format!("Mcp-Session-Id: {session}\r\n");
    connection.to.write_all(&request("GET", path, token, &more, ""))?;
    let (status, _) = connection.head()?;
    if status == 200 { Ok(connection) } else { Err(format!("{status}: no stream").into()) }
}

struct Connection {
    to: TcpStream,
    from: BufReader<TcpStream>,
    session: Option<String>,
}

impl Connection {
    fn open(port: u16) -> Result<Connection> {
        let to = TcpStream::connect(("127.0.0.1", port))?;
        to.set_nodelay(true)?;
        to.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Connection { from: BufReader::new(to.try_clone()?), to, session: None })
    }

    fn ask(&mut self, request: &[u8]) -> Result<(u16, Vec<u8>)> {
        self.to.write_all(request)?;
        let (status, length) = self.head()?;
        let mut body = vec![0; length];
        self.from.read_exact(&mut body)?;
        Ok((status, body))
    }

    /// The status, and how long the body is.
    fn head(&mut self) -> Result<(u16, usize)> {
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        loop {
            line.clear();
            if self.from.read_line(&mut line)? == 0 {
                return Err("the other end is gone".into());
            }
            let said = line.trim_end();
            if said.is_empty() {
                return Ok((status, length));
            }
            if status == 0 {
                status = said.split(' ').nth(1).unwrap_or_default().parse()?;
            } else if let Some((name, value)) = said.split_once(':') {
                match name.to_ascii_lowercase().as_str() {
                    "content-length" => length = value.trim().parse()?,
                    "mcp-session-id" => self.session = Some(value.trim().to_owned()),
                    _ => {}
                }
            }
        }
    }
}

/// The server, in a process of its own.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start() -> Result<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("server").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        Ok(Server { child, port: line.trim().parse()? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An installation with many agents, in a directory that goes away with it.
struct House {
    dir: PathBuf,
    daemon: Child,
    port: u16,
}

impl House {
    fn new(ambit: &Path, server: u16, agents: usize) -> Result<House> {
        let dir = std::env::temp_dir().join(format!("ambit-http-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("people"))?;
        std::fs::set_permissions(dir.join("people"), std::fs::Permissions::from_mode(0o700))?;
        let mut config = format!(
            "[systems.bench]\nkind = \"mcp\"\nurl = \"http://127.0.0.1:{server}/mcp\"\nreading-tools = [\"nothing\", \"queue\", \"work\"]\n\
             [people.dana]\nemail = \"dana@acme.example\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
        );
        for agent in 0..agents {
            let name = format!("helper-{agent}");
            config.push_str(&format!("[agents.{name}]\nscope = \"{name}.md\"\nsystems = [\"bench\"]\n"));
            std::fs::write(dir.join(format!("{name}.md")), PAGE.replace("AGENT", &name))?;
        }
        std::fs::write(dir.join("ambit.toml"), config)?;
        std::fs::write(dir.join("passphrase"), "correct horse battery\n")?;
        std::fs::set_permissions(dir.join("passphrase"), std::fs::Permissions::from_mode(0o600))?;
        run(ambit, &dir, &["inventory"])?;
        let mut daemon = command(ambit, &dir, &["serve"]).stderr(Stdio::piped()).spawn()?;
        let mut told = BufReader::new(daemon.stderr.take().ok_or("no stderr")?);
        let mut port = None;
        while port.is_none() {
            let mut line = String::new();
            if told.read_line(&mut line)? == 0 {
                return Err("the daemon did not come up".into());
            }
            let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next());
            port = address.and_then(|address| address.rsplit(':').next()?.parse().ok());
        }
        std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::stderr()));
        let house = House { dir, daemon, port: port.ok_or("no port")? };
        let dana = ["--passphrase-file", "passphrase"];
        run(ambit, &house.dir, &[&["setup", "--person", "dana"][..], &dana].concat())?;
        for agent in 0..agents {
            let (name, token) = (format!("helper-{agent}"), format!("token-{agent}"));
            run(ambit, &house.dir, &[&["release", &name, "--because", "to measure", "--anyway"][..], &dana].concat())?;
            run(ambit, &house.dir, &[&["token", &name, "--to", &token][..], &dana].concat())?;
        }
        Ok(house)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn command(ambit: &Path, dir: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(ambit);
    command.args(words).current_dir(dir).env("AMBIT_PEOPLE", dir.join("people"));
    command.env_remove("AMBIT_CONFIG").env_remove("AMBIT_TOKEN").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn run(ambit: &Path, dir: &Path, words: &[&str]) -> Result<()> {
    let output = command(ambit, dir, words).stderr(Stdio::piped()).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// The processor time that a process has had, all its threads together, those that ended as well.
fn cpu(process: u32) -> Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().ok_or("no stat")?.split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum();
    // Linux counts in hundredths of a second towards programs.
    Ok(Duration::from_millis(ticks * 10))
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Resident memory of a process, in KiB.
fn resident(process: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

/// How many may be in it at a time.
struct Turnstile(Mutex<usize>, Condvar);

impl Turnstile {
    fn enter(&self) {
        if let Ok(mut free) = self.0.lock() {
            while *free == 0 {
                match self.1.wait(free) {
                    Ok(again) => free = again,
                    Err(_) => return,
                }
            }
            *free -= 1;
        }
    }

    fn leave(&self) {
        if let Ok(mut free) = self.0.lock() {
            *free += 1;
        }
        self.1.notify_one();
    }
}

/// The server: as little work for a call as there can be, beside what its tools are for. A thread a connection.
fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    let turnstile = Arc::new(Turnstile(Mutex::new(2), Condvar::new()));
    for stream in listener.incoming() {
        let (stream, turnstile) = (stream?, Arc::clone(&turnstile));
        std::thread::spawn(move || answer(&stream, &turnstile));
    }
    Ok(())
}

fn answer(stream: &TcpStream, turnstile: &Turnstile) -> Result<()> {
    stream.set_nodelay(true)?;
    let (mut to, mut from) = (stream.try_clone()?, BufReader::new(stream.try_clone()?));
    loop {
        let (mut line, mut length, mut first) = (String::new(), 0, String::new());
        loop {
            line.clear();
            if from.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if first.is_empty() {
                first.clone_from(&line);
            }
            let lower = line.trim_end().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if let Some(said) = lower.strip_prefix("content-length:") {
                length = said.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        let body = String::from_utf8(body)?;
        let id: String = match body.split_once("\"id\":") {
            Some((_, rest)) => rest.chars().take_while(char::is_ascii_digit).collect(),
            None => String::new(),
        };
        let (status, result) = if body.contains("\"tools/call\"") {
            if body.contains("\"name\":\"queue\"") {
                turnstile.enter();
                std::thread::sleep(Duration::from_millis(1));
                turnstile.leave();
            } else if body.contains("\"name\":\"work\"") {
                let before = Instant::now();
                while before.elapsed() < Duration::from_millis(1) {
                    std::hint::spin_loop();
                }
            }
            ("200 OK", r#"{"resultType":"complete","content":[{"type":"text","text":"fine"}]}"#)
        } else if body.contains("\"tools/list\"") {
            ("200 OK", TOOLS)
        } else if body.contains("\"server/discover\"") {
            ("200 OK", DISCOVERED)
        } else {
            ("404 Not Found", "")
        };
        let message = if result.is_empty() {
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":-32601,\"message\":\"no such method\"}}}}")
        } else {
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
        };
        write!(
            to,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{message}",
            message.len()
        )?;
    }
}

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"bench","version":"1"}}}"#;
const TOOLS: &str = r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{"name":"nothing","inputSchema":{"type":"object","properties":{"at":{"type":"string"}}}},{"name":"queue","inputSchema":{"type":"object","properties":{"at":{"type":"string"}}}},{"name":"work","inputSchema":{"type":"object","properties":{"at":{"type":"string"}}}}]}"#;

const PAGE: &str = r#"---
agent: AGENT
owner: dana@acme.example
review-by: 9999-12-31
---

# Helper

Is measured.

## It can read

- every reading tool in bench

## It can write

- nothing

## A human must confirm

- nothing

## It cannot touch

- nothing

## Scenarios

| when it is told | and it tries | then |
|---|---|---|
| Look | `bench.nothing {"at": "row-1"}` | allow |
"#;
