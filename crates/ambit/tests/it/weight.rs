//! What the gate weighs: memory with very many holds, and what an allowed read costs.

use std::future::Future as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ambit::confirm::key;
use ambit::confirm::queue::Queue;
use ambit::daemon::releases::Releases;
use ambit::gate::Answer;
use ambit::gate::means::Means;
use ambit::journal::{Journal, Mode};
use ambit::keys::InstallationKeys;
use ambit::store::sqlite::Sqlite;
use ambit::store::{Batch, Durability, Put, Store};

use crate::rig::{Keys, Live, Rig, pass, settings};

/// Resident memory of a process, in MiB.
pub fn resident(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn ten_thousand_waiting_holds_weigh_little() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(settings());
    let kept = rig.kept(&rig.held(80));
    let store = Sqlite::open(&dir.path().join("state")).unwrap();
    for batch in 0..20 {
        let puts = (0..500).map(|n| {
            let mut one = kept.clone();
            one.hold.id = format!("{:04}-{n:04}-wait", batch);
            one.hold.binding.agent = format!("agent-{}", (batch * 500 + n) / 20);
            Put { key: key(&one.hold.id), expect: 0, value: serde_json::to_vec(&one).ok() }
        });
        store.commit(&Batch { puts: puts.collect(), ..Batch::default() }, Durability::Soon).unwrap();
    }
    store.sync().unwrap();
    drop(rig);
    let before = resident("self");
    let started = Instant::now();
    let queue = Queue::open(&store).unwrap();
    assert_eq!(queue.waiting(None).len(), 10_000);
    let after = resident("self");
    println!("{before} MiB before, {after} MiB with 10,000 holds, found in {:?}", started.elapsed());
    assert!(after < 150, "{after} MiB");
    assert!(after.saturating_sub(before) < 60, "{} MiB", after - before);
}

/// `cargo nextest run -p ambit --run-ignored only what_an_allowed_read_costs --no-capture`
#[test]
#[ignore = "a measurement, not a test"]
fn what_an_allowed_read_costs() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(settings());
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&dir.path().join("state")).unwrap());
    let mode = Mode::Threaded { checkpoints: dir.path().join("state/checkpoints") };
    let journal = Journal::open(store.clone(), rig.world.clone(), InstallationKeys::from_seed(&[7; 64]), mode).unwrap();
    let releases = Arc::new(Releases::new(store.clone()));
    let (live, people) = (Arc::new(Live::default()), Arc::new(Keys));
    let means =
        Means::open(rig.world.clone(), store, Arc::new(journal), releases.clone(), live, people, settings()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let release = crate::rig::release(1, &crate::rig::snapshot(crate::rig::SCOPE, crate::rig::LOCK));
        ambit::daemon::releases::put_in_force(&means, &releases, release).await.unwrap();
        for (what, name, arguments, count) in [
            ("allowed read", "get_ticket", r#"{"id":"7"}"#, 3000),
            ("held again (joins)", "close", r#"{"id":"7"}"#, 200),
        ] {
            let mut times = Vec::new();
            for _ in 0..count {
                let action = rig.action("helpdesk", name, arguments);
                let started = Instant::now();
                let mut journey = std::pin::pin!(pass(&means, &rig.session, action));
                // The rig's systems wake nobody: poll again at once.
                let answer = std::future::poll_fn(|context| {
                    context.waker().wake_by_ref();
                    journey.as_mut().poll(context)
                })
                .await;
                times.push(started.elapsed());
                assert!(
                    matches!(answer, Answer::Result(_) | Answer::Pending { .. } | Answer::Refused(_)),
                    "{answer:?}"
                );
            }
            times.sort();
            println!("{what}: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
        }
    });
}

/// `cargo nextest run -p ambit --run-ignored only what_knowing_a_token_costs --no-capture`
#[test]
#[ignore = "a measurement, not a test"]
fn what_knowing_a_token_costs() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(settings());
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&dir.path().join("state")).unwrap());
    let keys = InstallationKeys::from_seed(&[7; 64]);
    let journal = Journal::open(store.clone(), rig.world.clone(), keys, Mode::Inline).unwrap();
    let mut known = None;
    for agent in 0..1_000 {
        let drawn = ambit::keys::token::draw(&journal, &format!("agent-{agent}"), None, None, None).unwrap();
        store.commit(&Batch { puts: drawn.puts, ..Batch::default() }, Durability::Soon).unwrap();
        known = Some(drawn.text);
    }
    let known = known.unwrap();
    let text = known.expose_text().unwrap();
    let made_up = format!("ambit_{}_{}", "0".repeat(16), "0".repeat(64));
    for (what, text) in [("one of 1,000", text), ("none of them", made_up.as_str())] {
        let started = Instant::now();
        for _ in 0..200 {
            ambit::keys::token::verify(store.as_ref(), text).unwrap();
        }
        println!("{what}: {:?} each", started.elapsed() / 200);
    }
}

/// What the daemon weighs, in MiB, before and after a client of each of so many agents came in over HTTP and opened its stream.
/// Each agent has a release and a token of its own. `AMBIT` names another program than the one that is tested.
fn weighs_with_a_client_of_each(agents: usize) -> (u64, u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = "[systems.desk]\nkind = \"mcp\"\nurl = \"http://127.0.0.1:9/mcp\"\nreading-tools = [\"find\"]\n\
                      [people.dana]\nemail = \"dana@acme.example\"\n[http]\nlisten = \"127.0.0.1:0\"\n"
        .to_owned();
    for agent in 0..agents {
        config.push_str(&format!("[agents.helper-{agent}]\nscope = \"helper-{agent}.md\"\nsystems = [\"desk\"]\n"));
    }
    let mut lock =
        "version = 1\n[systems.desk]\nkind = \"mcp\"\nlooked-at = \"2026-11-23\"\n[systems.desk.tools]\n".to_owned();
    for tool in std::iter::once("find".to_owned()).chain((0..19).map(|tool| format!("change_{tool}"))) {
        let field = |name: &str| format!(r#""{name}":{{"type":"string","description":"what it is about"}}"#);
        let fields = ["customer", "ticket", "subject", "body", "author"].map(field).join(",");
        let schema = format!(r#"{{"type":"object","properties":{{{fields}}},"required":["customer"]}}"#);
        lock.push_str(&format!(
            "{tool}.definition = '{{\"name\":\"{tool}\",\"description\":\"does it\",\"inputSchema\":{schema}}}'\n"
        ));
    }
    std::fs::write(dir.path().join("ambit.toml"), &config).unwrap();
    std::fs::write(dir.path().join("ambit.lock"), &lock).unwrap();
    let state = ambit::daemon::place::state_dir(&dir.path().join("ambit.toml")).unwrap();
    let mut tokens = Vec::new();
    {
        let world: Arc<dyn ambit::world::World> = Arc::new(ambit::world::Real);
        let keys = InstallationKeys::open(&state, world.as_ref()).unwrap();
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&state).unwrap());
        let mode = Mode::Threaded { checkpoints: state.join(ambit::journal::checkpoints::FILE) };
        let journal = Arc::new(Journal::open(store.clone(), world.clone(), keys, mode).unwrap());
        let releases = Arc::new(Releases::new(store.clone()));
        let means =
            Means::open(world, store, journal, releases.clone(), Arc::new(Live::default()), Arc::new(Keys), settings());
        let means = means.unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for agent in 0..agents {
            let name = format!("helper-{agent}");
            let scope = format!(
                "---\nagent: {name}\nowner: dana@acme.example\n---\n\n# Helper\n\nIs weighed.\n\n## It can read\n\n- every reading tool in desk\n\n\
                 ## It can write\n\n- call desk.change_1 where customer starts with \"C-\"\n\n## A human must confirm\n\n- call desk.change_2\n\n\
                 ## It cannot touch\n\n- call desk.change_3\n"
            );
            let parts = [("agent", name.as_str()), ("config", &config), ("lock", &lock), ("scope", &scope)];
            let parts: String = parts.iter().map(|(name, text)| format!("{name} {}\n{text}\n", text.len())).collect();
            let snapshot =
                ambit::snapshot::Snapshot::from_bytes(format!("ambit snapshot 1\n{parts}").as_bytes()).unwrap();
            let release = crate::rig::release(1, &snapshot);
            runtime.block_on(ambit::daemon::releases::put_in_force(&means, &releases, release)).unwrap();
            let made = runtime.block_on(ambit::keys::token::make(&means.journal, &name, None)).unwrap();
            tokens.push(made.0.expose_text().unwrap().to_owned());
        }
    }
    let program = std::env::var("AMBIT").unwrap_or_else(|_| env!("CARGO_BIN_EXE_ambit").to_owned());
    let mut command = Command::new(program);
    command.arg("serve").current_dir(dir.path()).env_remove("AMBIT_CONFIG").stderr(Stdio::piped());
    let mut daemon = Ended(command.spawn().unwrap());
    let mut told = BufReader::new(daemon.0.stderr.take().unwrap());
    let address = loop {
        let mut line = String::new();
        assert!(told.read_line(&mut line).unwrap() > 0, "it does not serve");
        if let Some((_, rest)) = line.split_once("http://") {
            break rest.split('/').next().unwrap().to_owned();
        }
    };
    std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    let process = daemon.0.id().to_string();
    let before = resident(&process);
    let clients: Vec<_> = tokens.iter().enumerate().map(|(agent, token)| connected(&address, agent, token)).collect();
    let after = resident(&process);
    assert_eq!(clients.len(), agents);
    (before, after)
}

/// A process that ends with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A client of an agent that shook hands, and has its stream open.
fn connected(address: &str, agent: usize, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut ask = |method: &str, more: &str, body: &str| {
        let head = format!(
            "{method} /agents/helper-{agent}/mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n{more}Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut said = String::new();
        while !said.contains("\r\n\r\n") {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "{said}");
            said.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        said
    };
    let hello =
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
    let said = ask("POST", "", hello);
    let session = said.split("mcp-session-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    ask("GET", &format!("Mcp-Session-Id: {session}\r\n"), "");
    stream
}

#[test]
fn what_agents_of_one_installation_have_in_common_is_kept_once() {
    let (before, after) = weighs_with_a_client_of_each(200);
    println!("{before} MiB before, {after} MiB with 200 agents");
    assert!(after.saturating_sub(before) < 40, "{before} MiB before, {after} MiB after");
}

/// `cargo nextest run -p ambit --run-ignored only a_thousand_agents --no-capture`
#[test]
#[ignore = "a measurement, which takes a minute"]
fn a_thousand_agents_with_a_client_each_weigh_under_200_mib() {
    let (before, after) = weighs_with_a_client_of_each(1_000);
    println!("{before} MiB before, {after} MiB with 1,000 agents, each with its client and stream");
    assert!(after < 200, "{after} MiB");
}
