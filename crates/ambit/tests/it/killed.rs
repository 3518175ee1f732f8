//! kill -9 of the daemon at every stage of a held call: no hold is lost, nothing runs twice, and what was in flight is
//! told as `outcome unknown` at the next start.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const AMBIT: &str = env!("CARGO_BIN_EXE_ambit");

const SCOPE: &str = "---
agent: cashier
owner: dana@acme.example
---

# Cashier

Pays refunds that a person let it pay.

## It can read

- nothing

## It can write

- nothing

## A human must confirm

- call till.refund, because money leaves

## It cannot touch

- call till.refund where amount is above 1000
";

/// A till, a cashier before it, and Dana.
struct Shop(tempfile::TempDir);

impl Shop {
    fn open() -> Shop {
        let shop = Shop(tempfile::tempdir().unwrap());
        let till = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/till.py");
        let config = format!(
            "[systems.till]\nkind = \"mcp\"\ncommand = [\"python3\", {till:?}]\n\
             env = {{ LOG = {:?}, BEFORE = \"0.25\", AFTER = \"0.25\" }}\n\
             [people.dana]\nemail = \"dana@acme.example\"\n\
             [agents.cashier]\nscope = \"SCOPE.md\"\nsystems = [\"till\"]\n\
             [limits]\npending-wait-seconds = 0\ntrip-refusals = 1000\n",
            shop.path("log")
        );
        shop.write("ambit.toml", &config);
        shop.write("SCOPE.md", SCOPE);
        shop.write("dana.pass", "a passphrase of dana\n");
        std::fs::set_permissions(shop.path("dana.pass"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let dana = ["--passphrase-file", "dana.pass"];
        shop.fine(&["inventory"]);
        shop.fine(&[&["setup", "--person", "dana"], &dana[..]].concat());
        shop.fine(&[&["release", "cashier", "--because", "a test", "--anyway"], &dana[..]].concat());
        shop.fine(&[&["token", "cashier", "--to", "tok"], &dana[..]].concat());
        shop
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(AMBIT);
        command.args(args).current_dir(self.0.path()).env("AMBIT_PEOPLE", self.path("people")).stdin(Stdio::null());
        command.env_remove("AMBIT_CONFIG").env_remove("AMBIT_TOKEN").env_remove("AMBIT_SOCKET");
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    #[track_caller]
    fn fine(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.fine(&[args, &["--format", "json"]].concat())).unwrap()
    }

    /// The daemon's process; one is started where none runs.
    fn daemon(&self) -> u64 {
        self.json(&["status"])["process"].as_u64().unwrap()
    }

    fn kill(&self, daemon: u64) {
        assert!(Command::new("kill").args(["-9", &daemon.to_string()]).status().unwrap().success());
        // Only when it is gone may the next one begin.
        while Path::new(&format!("/proc/{daemon}/stat")).exists() && !is_zombie(daemon) {
            sleep(Duration::from_millis(2));
        }
    }

    fn confirm(&self, id: &str) -> Child {
        let mut command = self.command(&["confirm", id, "--passphrase-file", "dana.pass"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// How often the till heard of, or paid, an amount.
    fn times(&self, word: &str, amount: u64) -> usize {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().filter(|line| *line == format!("{word} {amount}")).count()
    }

    fn until(&self, what: &str, so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !so() {
            assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
            sleep(Duration::from_millis(5));
        }
    }

    fn state(&self, id: &str) -> String {
        self.json(&["show", id])["word"].as_str().unwrap().to_owned()
    }
}

fn is_zombie(process: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

impl Drop for Shop {
    fn drop(&mut self) {
        let status = self.run(&["status", "--format", "json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap_or(Value::Null);
        if let Some(process) = status["process"].as_u64() {
            let _ = Command::new("kill").arg(process.to_string()).status();
        }
    }
}

/// The cashier's client.
struct Cashier(Child, BufReader<std::process::ChildStdout>);

impl Cashier {
    fn of(shop: &Shop) -> Cashier {
        let mut command = shop.command(&["mcp", "--agent", "cashier", "--token-file", "tok"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut cashier = Cashier(child, output);
        let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
        cashier.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }));
        cashier.hear();
        cashier.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        cashier
    }

    fn refund(&mut self, amount: u64) {
        let params = json!({ "name": "till__refund", "arguments": { "amount": amount } });
        self.say(&json!({ "jsonrpc": "2.0", "id": amount + 10, "method": "tools/call", "params": params }));
    }

    fn say(&mut self, message: &Value) {
        let _ = writeln!(self.0.stdin.as_mut().unwrap(), "{message}");
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        let _ = self.1.read_line(&mut line);
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }
}

impl Drop for Cashier {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// When the daemon is killed.
#[derive(Clone, Copy, Debug)]
enum When {
    /// So many milliseconds after the call was sent.
    Asked(u64),
    /// When the agent was told that it waits.
    Waiting,
    /// So many milliseconds after Dana began to confirm.
    Confirming(u64),
    /// When the till has heard of it, and not paid.
    Heard,
    /// When the till has paid, and not answered.
    Paid,
    /// When Dana was told that it was done.
    Done,
}

#[test]
fn a_daemon_killed_at_every_stage_of_a_held_call_loses_nothing_and_runs_nothing_twice() {
    let shop = Shop::open();
    let idle = crate::weight::resident(&shop.daemon().to_string());
    assert!(idle < 40, "an idle daemon has {idle} MiB");
    let stages = [
        When::Asked(0),
        When::Asked(3),
        When::Waiting,
        When::Confirming(20),
        When::Confirming(120),
        When::Heard,
        When::Paid,
        When::Done,
    ];
    for (amount, when) in (1u64..).zip(stages) {
        let daemon = shop.daemon();
        let mut cashier = Cashier::of(&shop);
        cashier.refund(amount);
        let id = match when {
            When::Asked(after) => {
                sleep(Duration::from_millis(after));
                None
            }
            _ => {
                let told = cashier.hear();
                assert!(told.to_string().contains("pending"), "{told}");
                Some(shop.json(&["inbox"])["holds"][0]["id"].as_str().unwrap().to_owned())
            }
        };
        let mut dana = match (when, &id) {
            (When::Asked(_) | When::Waiting, _) | (_, None) => None,
            (_, Some(id)) => Some(shop.confirm(id)),
        };
        match when {
            When::Asked(_) | When::Waiting => {}
            When::Confirming(after) => sleep(Duration::from_millis(after)),
            When::Heard => shop.until("heard", || shop.times("heard", amount) > 0),
            When::Paid => shop.until("paid", || shop.times("paid", amount) > 0),
            When::Done => assert!(dana.as_mut().unwrap().wait().unwrap().success()),
        }
        shop.kill(daemon);
        drop(cashier);
        if let Some(mut dana) = dana {
            let _ = dana.wait();
        }
        // The next one: what was held is still there.
        assert_ne!(shop.daemon(), daemon);
        let Some(id) = id else {
            assert_eq!(shop.times("heard", amount), 0, "{when:?}");
            continue;
        };
        shop.until("settled", || !["confirmed", "executing"].contains(&shop.state(&id).as_str()));
        // What the till had heard of, it pays, whoever was killed.
        sleep(Duration::from_millis(400));
        let (state, heard, paid) = (shop.state(&id), shop.times("heard", amount), shop.times("paid", amount));
        let notices = shop.json(&["inbox"])["notices"].to_string();
        match state.as_str() {
            "waiting" => {
                assert_eq!(heard, 0, "{when:?}");
                assert!(shop.confirm(&id).wait().unwrap().success());
                assert_eq!((shop.state(&id).as_str(), shop.times("paid", amount)), ("done", 1), "{when:?}");
            }
            "done" => assert_eq!((heard, paid), (1, 1), "{when:?}"),
            "outcome unknown" => {
                assert!(heard <= 1 && notices.contains(&id), "{when:?}: {notices}");
            }
            other => panic!("{when:?}: {other}"),
        }
        match when {
            When::Waiting => assert_eq!(state, "waiting"),
            When::Heard | When::Paid => assert_eq!((state.as_str(), paid), ("outcome unknown", 1), "{when:?}"),
            When::Done => assert_eq!(state, "done"),
            When::Asked(_) | When::Confirming(_) => {}
        }
        // Once more, and nothing moves.
        shop.kill(shop.daemon());
        shop.daemon();
        sleep(Duration::from_millis(1_200));
        assert!(shop.times("heard", amount) <= 1 && shop.times("paid", amount) <= 1, "{when:?}");
    }
    shop.fine(&["journal", "verify"]);
}
