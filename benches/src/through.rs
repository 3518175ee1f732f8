//! What the way through Ambit adds: an allowed read and a durable write through `ambit mcp` against the same server called
//! directly, in turns, and what the daemon weighs. Prints a Markdown table.
//!
//! `through PATH-OF-AMBIT` measures; `through server` is the trivial server that stands on both sides.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const WARM_UP: usize = 500;
const READS: usize = 10_000;
const WRITES: usize = 1_500;
const HOLDS: usize = 10_000;
// What a durable write leaves in the store's log, about: four pages before it is sent and two after.
const COMMIT: usize = 6 * 4096;
// Under the 256 that one connection may have under way.
const AT_ONCE: usize = 200;

const CONFIG: &str = r#"
reading-tools = ["look"]
[people.dana]
email = "dana@acme.example"
[agents.helper]
scope = "SCOPE.md"
systems = ["bench"]
[limits]
pending-wait-seconds = 0
waiting-holds = 100000
daily-holds = 100000
trip-refusals = 100000
"#;

const PAGE: &str = r#"---
agent: helper
owner: dana@acme.example
review-by: 9999-12-31
---

# Helper

Is measured.

## It can read

- bench.look where at starts with "row-"

## It can write

- call bench.note

## A human must confirm

- call bench.pay where amount is above 0

## It cannot touch

- call bench.purge

## Scenarios

| when it is told | and it tries | then |
|---|---|---|
| Look | `bench.look {"at": "row-1"}` | allow |
"#;

fn main() -> Result<()> {
    let said: Vec<String> = std::env::args().skip(1).collect();
    match said.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["server"] => serve(),
        [ambit] => measure(&std::fs::canonicalize(ambit)?),
        _ => Err("say which ambit: through ../target/release/ambit".into()),
    }
}

fn measure(ambit: &Path) -> Result<()> {
    let house = House::new(ambit)?;
    std::thread::sleep(Duration::from_secs(2));
    let idle = resident(house.daemon.id())?;
    let own = std::env::current_exe()?.display().to_string();
    let mut direct = Client::new(&[own, "server".into()])?;
    let mut through = house.client()?;

    let disk = Disk::new(&house)?;
    let mut spent = Vec::new();
    println!("| a call | direct p50 | direct p99 | through p50 | through p99 | added p50 |");
    println!("|---|---|---|---|---|---|");
    for awake in [false, true] {
        // The kernel keeps cores from sleeping for as long as this is open. What waking them costs is the machine's.
        let held = if awake { Some(keep_awake()?) } else { None };
        let how = if awake { ", cores kept awake" } else { "" };
        for (what, tool, rounds) in [("an allowed read", "look", READS), ("a durable write", "note", WRITES)] {
            let (mut without, mut with, mut commits) = (Vec::new(), Vec::new(), Vec::new());
            let processes = [direct.child.id(), through.child.id(), house.daemon.id()];
            let mut before = [Duration::ZERO; 3];
            for round in 0..WARM_UP + rounds {
                if round == WARM_UP {
                    before = cpus(processes)?;
                }
                let arguments = format!(r#"{{"at":"row-{round}"}}"#);
                let times = (direct.timed(tool, &arguments)?, through.timed(&format!("bench__{tool}"), &arguments)?);
                // Asked in turns as well: what the disk takes varies from one minute to the next.
                let commit = if tool == "note" { Some(disk.commit(round as u64)?) } else { None };
                if round >= WARM_UP {
                    without.push(times.0);
                    with.push(times.1);
                    commits.extend(commit);
                }
            }
            let after = cpus(processes)?;
            spent.push((format!("{what}{how}"), [0, 1, 2].map(|at| (after[at] - before[at]) / rounds as u32)));
            let (without, with) = (Spread::of(without), Spread::of(with));
            let added = with.p50.saturating_sub(without.p50);
            println!("| {what}{how} ({rounds} each, in turns) | {without} | {with} | {added:.1?} |");
            if !commits.is_empty() {
                let commits = Spread::of(commits);
                println!(
                    "| one commit{how}: {COMMIT} bytes and `fdatasync`, in turns with the writes | {commits} | | | |"
                );
            }
        }
        if awake {
            let before = (Instant::now(), cpu(house.daemon.id())?);
            through.flood(READS)?;
            let (took, busy) = (before.0.elapsed() / READS as u32, (cpu(house.daemon.id())? - before.1) / READS as u32);
            let what = format!("an allowed read{how}, {AT_ONCE} at once: one every {took:.1?}");
            spent.push((what, [Duration::ZERO, Duration::ZERO, busy]));
        }
        drop(held);
    }
    println!("\n| processor time a call | the server | `ambit mcp` | the daemon |\n|---|---|---|---|");
    for (what, times) in spent {
        let [server, pipe, daemon] =
            times.map(|time| if time.is_zero() { String::new() } else { format!("{time:.1?}") });
        println!("| {what} | {server} | {pipe} | {daemon} |");
    }
    drop(direct);

    println!("\n| the daemon's resident memory | MiB |\n|---|---|");
    println!("| idle, one agent's release in force | {:.1} |", mib(idle));
    println!("| after these calls, one session open | {:.1} |", mib(resident(house.daemon.id())?));
    let before = Instant::now();
    through.hold(HOLDS)?;
    let (took, resident) = (before.elapsed(), resident(house.daemon.id())?);
    println!("| with {HOLDS} holds that wait (asked in {took:.1?}, {AT_ONCE} at once) | {:.1} |", mib(resident));
    Ok(())
}

/// A middle and a tail.
struct Spread {
    p50: Duration,
    p99: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Spread {
        times.sort_unstable();
        let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
        Spread { p50: at(50), p99: at(99) }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1?} | {:.1?}", self.p50, self.p99)
    }
}

/// What the disk itself takes for a commit, where the store stands.
struct Disk(std::fs::File);

impl Disk {
    fn new(house: &House) -> Result<Disk> {
        let file = std::fs::File::create(house.path("commit"))?;
        // A log that is written over does not grow, and neither does this.
        file.write_all_at(&[0; 64 * COMMIT], 0)?;
        file.sync_all()?;
        Ok(Disk(file))
    }

    fn commit(&self, place: u64) -> Result<Duration> {
        let before = Instant::now();
        self.0.write_all_at(&[7; COMMIT], place % 64 * COMMIT as u64)?;
        self.0.sync_data()?;
        Ok(before.elapsed())
    }
}

/// Has the kernel keep all cores awake, as measurements of latency do, until what it gives back is dropped.
fn keep_awake() -> Result<std::fs::File> {
    let mut asked = std::fs::OpenOptions::new().write(true).open("/dev/cpu_dma_latency")?;
    asked.write_all(&0i32.to_ne_bytes())?;
    Ok(asked)
}

fn cpus(processes: [u32; 3]) -> Result<[Duration; 3]> {
    let [a, b, c] = processes.map(cpu);
    Ok([a?, b?, c?])
}

/// The processor time that a process has had, all its threads together.
fn cpu(process: u32) -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let said = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += said.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
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

/// An installation with a release in force and a daemon, in a directory that goes away with it.
struct House {
    ambit: PathBuf,
    dir: PathBuf,
    daemon: Child,
}

impl House {
    fn new(ambit: &Path) -> Result<House> {
        let dir = std::env::temp_dir().join(format!("ambit-through-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("people"))?;
        std::fs::set_permissions(dir.join("people"), std::fs::Permissions::from_mode(0o700))?;
        let server = std::env::current_exe()?;
        let system =
            format!("[systems.bench]\nkind = \"mcp\"\ncommand = [{:?}, \"server\"]", server.display().to_string());
        std::fs::write(dir.join("ambit.toml"), format!("{system}{CONFIG}"))?;
        std::fs::write(dir.join("SCOPE.md"), PAGE)?;
        std::fs::write(dir.join("passphrase"), "correct horse battery\n")?;
        std::fs::set_permissions(dir.join("passphrase"), std::fs::Permissions::from_mode(0o600))?;
        run(ambit, &dir, &["inventory"])?;
        let mut daemon = command(ambit, &dir, &["serve"]).stderr(Stdio::piped()).spawn()?;
        let mut told = BufReader::new(daemon.stderr.take().ok_or("no stderr")?);
        let mut line = String::new();
        told.read_line(&mut line)?;
        let house = House { ambit: ambit.to_owned(), dir, daemon };
        if !line.starts_with("serving") {
            return Err(line.into());
        }
        std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::stderr()));
        let dana = ["--passphrase-file", "passphrase"];
        for words in [
            &["setup", "--person", "dana"][..],
            &["release", "helper", "--because", "to measure", "--anyway"],
            &["token", "helper", "--to", "token"],
        ] {
            run(ambit, &house.dir, &[words, &dana].concat())?;
        }
        Ok(house)
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn client(&self) -> Result<Client> {
        let (token, dir) = (self.path("token"), self.path(""));
        let words = ["mcp", "--agent", "helper", "--token-file", &token, "--config", &dir].map(str::to_owned);
        Client::new(&[&[self.ambit.display().to_string()], &words[..]].concat())
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

/// A client that does as little as it can.
struct Client {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    line: String,
    asked: u64,
}

impl Client {
    fn new(words: &[String]) -> Result<Client> {
        let (program, rest) = words.split_first().ok_or("no command")?;
        let mut child = Command::new(program).args(rest).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let to = child.stdin.take().ok_or("no stdin")?;
        let from = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut client = Client { child, to, from, line: String::new(), asked: 0 };
        client.ask("initialize", r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#)?;
        client.hear()?;
        client.to.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")?;
        Ok(client)
    }

    fn ask(&mut self, method: &str, params: &str) -> Result<()> {
        self.asked += 1;
        let line =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"{method}\",\"params\":{params}}}\n", self.asked);
        Ok(self.to.write_all(line.as_bytes())?)
    }

    fn hear(&mut self) -> Result<&str> {
        loop {
            self.line.clear();
            if self.from.read_line(&mut self.line)? == 0 {
                return Err("the other end is gone".into());
            }
            // What is said unasked is passed over.
            if self.line.contains("\"id\":") {
                return Ok(&self.line);
            }
        }
    }

    /// How long a call takes, from writing the first byte to having read the last.
    fn timed(&mut self, tool: &str, arguments: &str) -> Result<Duration> {
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
        let before = Instant::now();
        self.ask("tools/call", &params)?;
        let said = self.hear()?;
        let time = before.elapsed();
        if said.contains("fine") { Ok(time) } else { Err(format!("`{tool}` came back as {said}").into()) }
    }

    /// Asks to look so many times, as fast as answers come.
    fn flood(&mut self, many: usize) -> Result<()> {
        for round in 1..=many + AT_ONCE {
            if round > AT_ONCE && !self.hear()?.contains("fine") {
                return Err("`look` came back without its answer".into());
            }
            if round <= many {
                let at = format!(r#"{{"name":"bench__look","arguments":{{"at":"row-{round}"}}}}"#);
                self.ask("tools/call", &at)?;
            }
        }
        Ok(())
    }

    /// Asks for so many payments, all of which wait.
    fn hold(&mut self, many: usize) -> Result<()> {
        let ask = |client: &mut Client, amount: usize| {
            client.ask("tools/call", &format!(r#"{{"name":"bench__pay","arguments":{{"amount":{amount}}}}}"#))
        };
        for amount in 1..=many + AT_ONCE {
            if amount > AT_ONCE {
                let said = self.hear()?;
                if !said.contains("pending: ") {
                    return Err(format!("`pay` came back as {said}").into());
                }
            }
            if amount <= many {
                ask(self, amount)?;
            }
        }
        Ok(())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The trivial server: as little work for a call as there can be.
fn serve() -> Result<()> {
    let (mut line, mut input, mut output) = (String::new(), std::io::stdin().lock(), std::io::stdout().lock());
    while input.read_line(&mut line)? > 0 {
        let id: String = match line.split_once("\"id\":") {
            Some((_, rest)) => rest.chars().take_while(char::is_ascii_digit).collect(),
            None => String::new(),
        };
        let result = if line.contains("\"tools/call\"") {
            r#"{"content":[{"type":"text","text":"fine"}]}"#
        } else if line.contains("\"tools/list\"") {
            TOOLS
        } else if line.contains("\"initialize\"") {
            r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"1"}}"#
        } else {
            "{}"
        };
        if !id.is_empty() {
            writeln!(output, "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")?;
            output.flush()?;
        }
        line.clear();
    }
    Ok(())
}

const TOOLS: &str = r#"{"tools":[{"name":"look","inputSchema":{"type":"object","properties":{"at":{"type":"string"}}}},{"name":"note","inputSchema":{"type":"object","properties":{"at":{"type":"string"}}}},{"name":"pay","inputSchema":{"type":"object","properties":{"amount":{"type":"integer"}}}},{"name":"purge","inputSchema":{"type":"object"}}]}"#;
