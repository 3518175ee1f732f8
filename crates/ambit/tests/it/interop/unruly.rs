//! Live systems that flood, and that change their tools while the session goes on: over a pipe and over HTTP.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::house::{House, until, word};
use super::wire::Wire;
use crate::peers::fixture;
use crate::weight::resident;

const PAGE: &str = "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nLooks.\n\n\
    ## It can read\n\n- unruly.look or unruly.line or unruly.messages\n- ledger.look\n\n## It can write\n\n- nothing\n\n\
    ## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- call ledger.purge\n\n\
    ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Look | `unruly.look {}` | allow |\n";

/// The server over HTTP, where it is; it ends with this.
struct Server(Option<Child>);

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A house with that server, and a well-behaved one beside it.
fn house(over_http: bool) -> (House, Server) {
    let place = |how: &str| {
        format!(
            "[systems.unruly]\nkind = \"mcp\"\n{how}\nreading-tools = [\"look\", \"line\", \"messages\"]\ntimeout-seconds = 120\n\
             [systems.ledger]\nkind = \"mcp\"\ncommand = [\"python3\", {}]\nreading-tools = [\"look\"]\n\
             [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"ledger\", \"unruly\"]\n",
            word(fixture("ledger.py"))
        )
    };
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let house = House::new(&place(&if over_http {
        format!("url = \"http://127.0.0.1:{port}/mcp\"")
    } else {
        format!("command = [\"python3\", {}, \"unruly\"]", word(fixture("unruly.py")))
    }));
    std::fs::create_dir(house.path("unruly")).unwrap();
    house.write("tools.json", super::house::TOOLS);
    let child = over_http.then(|| {
        let mut command = Command::new("python3");
        command.arg(fixture("unruly.py")).arg(house.path("unruly")).arg(port.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        child
    });
    (house.open(PAGE), Server(child))
}

fn process(house: &House) -> String {
    house.ambit(&["status", "--format", "json"]).fine().json()["process"].to_string()
}

/// The largest memory of the daemon, in MiB, and the longest call of the other system, while the unruly one floods.
fn while_it_floods(over_http: bool, tool: &str) {
    let (house, _server) = house(over_http);
    let daemon = process(&house);
    let mut other = Wire::open(&house.gate(), &house.path(""));
    let mut flooded = Wire::open(&house.gate(), &house.path(""));
    assert!(flooded.call("unruly__look", "{}").contains("look answered"));
    assert!(other.call("ledger__look", "{}").contains("look ran"));
    let before = resident(&daemon);
    let (over, most) = (AtomicBool::new(false), AtomicU64::new(before));
    let (mut calls, mut longest) = (0, Duration::ZERO);
    let said = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                most.fetch_max(resident(&daemon), Ordering::AcqRel);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let flooding = scope.spawn(|| flooded.call(&format!("unruly__{tool}"), "{}"));
        let started = Instant::now();
        // The others go on while it lasts, and for a moment longer.
        while !flooding.is_finished() || started.elapsed() < Duration::from_secs(1) {
            let at = Instant::now();
            assert!(other.call("ledger__look", "{}").contains("look ran"));
            (calls, longest) = (calls + 1, longest.max(at.elapsed()));
        }
        let said = flooding.join().unwrap();
        over.store(true, Ordering::Release);
        said
    });
    let most = most.into_inner();
    until("it says how much of it was taken", || !house.read("unruly/wrote").is_empty());
    let wrote: u64 = house.read("unruly/wrote").trim().parse().unwrap();
    println!(
        "{tool}, HTTP {over_http}: {} MiB of the flood were taken; the daemon had {before} MiB and at most {most} MiB; {calls} other calls, the longest {longest:?}; {said:.200}",
        wrote >> 20
    );
    assert!(most < before + 96, "{before} MiB became {most} MiB");
    assert!(calls > 2 && longest < Duration::from_secs(5), "{calls} calls, the longest {longest:?}");
    // A flood that ends in an answer is one that was read; any other is no answer at all.
    assert!(wrote >= 1 << 30 || !said.contains(&format!("{tool} answered")), "{said}");
    assert!(Wire::open(&house.gate(), &house.path("")).call("unruly__look", "{}").contains("look answered"), "again");
    house.ambit(&["journal", "verify"]).fine();
}

#[test]
fn a_gigabyte_without_a_line_break_over_the_pipe_costs_no_memory_and_nobody_else() {
    while_it_floods(false, "line");
}

#[test]
fn a_gigabyte_of_messages_over_the_pipe_costs_no_memory_and_nobody_else() {
    while_it_floods(false, "messages");
}

#[test]
fn a_gigabyte_without_an_end_over_http_costs_no_memory_and_nobody_else() {
    while_it_floods(true, "line");
}

#[test]
fn a_gigabyte_of_messages_over_http_costs_no_memory_and_nobody_else() {
    while_it_floods(true, "messages");
}

/// A tool that is not what it was is refused, and that is told in the journal.
fn while_it_changes(over_http: bool) {
    let (house, _server) = house(over_http);
    let mut client = Wire::open(&house.gate(), &house.path(""));
    let called = || house.read("unruly/called").lines().count();
    for (round, is_told) in [true, false].into_iter().enumerate() {
        assert!(client.call("unruly__look", "{}").contains("look answered"));
        let before = called();
        house.write("unruly/drift", if is_told { "told" } else { "silent" });
        // One that says nothing is noticed after five seconds at the latest.
        std::thread::sleep(Duration::from_millis(if is_told { 1_500 } else { 5_500 }));
        let said = client.call("unruly__look", "{}");
        assert!(said.contains("schema"), "told {is_told}: {said}");
        assert_eq!(called(), before, "told {is_told}: nothing arrived");
        let told = house.ambit(&["journal", "tail", "-n", "1000", "--format", "json"]).fine().out;
        let drifted = told.matches("\"cause\":\"drift\"").count();
        assert_eq!(drifted, round + 1, "{told}");
        // The other tools of the server, and of others, are as they were.
        assert!(client.call("ledger__look", "{}").contains("look ran"));
        std::fs::remove_file(house.path("unruly/drift")).unwrap();
        std::thread::sleep(Duration::from_millis(if is_told { 1_500 } else { 5_500 }));
    }
    assert!(client.call("unruly__look", "{}").contains("look answered"));
}

#[test]
fn a_server_on_a_pipe_that_changes_its_tools_is_refused_whether_it_says_so_or_not() {
    while_it_changes(false);
}

#[test]
fn a_server_over_http_that_changes_its_tools_is_refused_whether_it_says_so_or_not() {
    while_it_changes(true);
}

#[test]
fn what_servers_started_ends_when_the_daemon_is_killed() {
    let toml = format!(
        "[systems.stubborn]\nkind = \"mcp\"\ncommand = [\"python3\", {}]\nenv = {{ AT_START = \"stubborn\" }}\nreading-tools = [\"orphan\"]\n\
         [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"stubborn\"]\n",
        word(fixture("server.py"))
    );
    let page = PAGE.replace("- unruly.look or unruly.line or unruly.messages\n- ledger.look", "- stubborn.orphan");
    let page = page.replace("call ledger.purge", "call stubborn.die").replace("unruly.look", "stubborn.orphan");
    let mut house = House::new(&toml).open(&page);
    let daemon = process(&house);
    let said = Wire::open(&house.gate(), &house.path("")).call("stubborn__orphan", "{}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let orphan: i32 = said["content"][0]["text"].as_str().unwrap().parse().unwrap();
    // Everything below the daemon: the guard, the server that does not care that its input ended, and what it started.
    let parent = |pid: i32| -> Option<i32> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let mut family = vec![orphan];
    while let Some(above) = parent(*family.last().unwrap()).filter(|above| above.to_string() != daemon) {
        family.push(above);
        assert!(family.len() < 8, "{family:?} is not below {daemon}");
    }
    assert!(family.len() >= 3, "{family:?}");
    assert!(family.iter().all(|pid| crate::mcp_fixture::is_alive(*pid)));
    house.kill();
    until("all of it ends", || !family.iter().any(|pid| crate::mcp_fixture::is_alive(*pid)));
}
