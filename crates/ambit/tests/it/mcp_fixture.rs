//! What the tests of the MCP side share: the server that behaves as badly as it is told to, and permits.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ambit::upstream::{LaunchSpec, Limits, Secret};
use ambit_core::action::{Action, Digest, Gate};
use ambit_core::decision::{Decision, Verdict};
use ambit_core::permit::{Permit, Recorded};

/// `tests/fixtures/server.py` with these variables set.
pub fn server(env: &[(&str, &str)]) -> LaunchSpec {
    LaunchSpec {
        command: "python3".into(),
        args: vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/server.py").display().to_string()],
        env: env.iter().map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned()))).collect(),
        cwd: None,
    }
}

/// Limits that a busy machine keeps.
pub fn limits() -> Limits {
    Limits { start: Duration::from_secs(30), call: Duration::from_secs(20), line: 1 << 20, ..Limits::default() }
}

/// Limits for a call whose answer never comes.
pub fn hasty() -> Limits {
    Limits { call: Duration::from_millis(1_500), ..limits() }
}

pub fn action(operation: &str, name: &str, payload: &str) -> Action {
    Action {
        agent: "tester".into(),
        gate: Gate::Mcp,
        session: "s1".into(),
        task: None,
        system: "fixture".into(),
        operation: operation.into(),
        name: name.into(),
        payload: payload.into(),
    }
}

/// A permit for calling that tool with that payload.
pub fn call(tool: &str, payload: &str) -> Permit {
    permit(action("tools/call", tool, payload))
}

pub fn permit(action: Action) -> Permit {
    let decision = Decision {
        verdict: Verdict::Allow,
        grounds: Default::default(),
        bounds: Default::default(),
        charges: Default::default(),
        confirmers: Vec::new(),
    };
    Permit::allowed(action, &decision, Recorded { sequence: 1, hash: Digest([0; 32]) }).unwrap()
}

/// Whether a process is there and not a zombie.
pub fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

/// Waits until it holds, at most five seconds.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(5), "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
