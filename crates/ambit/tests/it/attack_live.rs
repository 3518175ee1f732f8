//! `ambit attack --live`: the pack at the front doors of a private gate, judged by what arrives behind it; and a gate with a
//! hole, so that the judgement is seen to fail.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ambit::gate::mcp::names::Naming;
use ambit::home::Home;
use ambit::offline::attack::pack::{self, Pack, Slow};
use ambit::offline::test::source;
use ambit::offline::{Page, Surroundings};
use ambit::range::door::{Door as _, Front, Pipe, Say};
use ambit::range::lay::Ground;
use ambit::range::{Player, play};
use ambit_core::time::Date;
use rustix::process::{Pid, Signal};
use serde_json::Value;

const AMBIT: &str = env!("CARGO_BIN_EXE_ambit");

fn house() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The installation in that directory of the repository, in a directory of its own.
fn copy(of: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["ambit.toml", "SCOPE.md", "ambit.lock"] {
        if let Ok(text) = std::fs::read_to_string(house().join(of).join(file)) {
            std::fs::write(dir.path().join(file), text.replace("\"ambit\"", &format!("{AMBIT:?}"))).unwrap();
        }
    }
    dir
}

fn ambit(dir: &Path, words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(AMBIT);
    command.args(words).current_dir(dir).env_remove("AMBIT_CONFIG").stdin(Stdio::null());
    let output = command.env("AMBIT_PEOPLE", dir.join("people")).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Every file below, with its bytes.
fn everything(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(dir).unwrap().flatten().map(|one| one.path()).collect();
    all.sort();
    all.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap_or_default())).collect()
}

/// Nothing gets through, everything was played, and the gate was open.
#[track_caller]
fn holds(dir: &Path, agent: &str) {
    let before = everything(dir);
    let (code, out, err) = ambit(dir, &["attack", agent, "--live", "--format", "json"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["got-through"], 0, "{out}");
    assert_eq!(said["fronts"].as_array().unwrap().len(), 4);
    assert_eq!(said["plain"], said["arrived"], "what the page allows comes in: {out}");
    assert_eq!(said["not-played"].as_array().unwrap().len(), 0, "{}", said["not-played"]);
    let attacks = said["attacks"].as_array().unwrap();
    for kind in ["name", "duplicate-key", "encoding", "envelope", "replay", "token", "drift", "flood"] {
        assert!(attacks.iter().any(|attack| attack["kind"] == kind), "{kind} was not played");
    }
    // One that was confirmed ran, once; of a flood something arrived, and no more than may.
    assert!(attacks.iter().any(|attack| attack["kind"] == "replay" && attack["arrived"] == 1), "{out}");
    // The person's own directory is as it was: no state, no journal, no token.
    assert_eq!(everything(dir), before);
}

#[test]
fn nothing_gets_through_a_running_gate_with_the_page_of_the_refund_helper() {
    holds(copy("examples/refund-helper").path(), "refund-helper");
}

#[test]
fn nothing_gets_through_a_running_gate_with_the_page_of_the_coding_agent() {
    holds(copy("examples/coding-agent").path(), "coding-agent");
}

#[test]
fn nothing_gets_through_a_running_gate_with_the_page_of_the_sample_company() {
    let dir = copy("crates/ambit/src/demo");
    let (code, _, err) = ambit(dir.path(), &["inventory"]);
    assert_eq!(code, 0, "{err}");
    for one in std::fs::read_dir(dir.path()).unwrap().flatten() {
        if one.file_name().to_string_lossy().starts_with("acme.db") {
            std::fs::remove_file(one.path()).unwrap();
        }
    }
    holds(dir.path(), "records-helper");
}

/// The processes that work in that directory, or did before it was gone.
pub fn at_work_in(dir: &Path) -> Vec<PathBuf> {
    let all = std::fs::read_dir("/proc").unwrap().flatten().map(|one| one.path());
    all.filter(|one| std::fs::read_link(one.join("cwd")).is_ok_and(|cwd| cwd.starts_with(dir))).collect()
}

#[track_caller]
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Attacks, sends that signal while it is played, and sees that no process is left. How it ended, and its temporary files.
#[track_caller]
fn interrupted(by: Signal) -> (ExitStatus, tempfile::TempDir) {
    let (dir, temporary) = (copy("examples/refund-helper"), tempfile::tempdir().unwrap());
    let mut command = Command::new(AMBIT);
    command.args(["attack", "refund-helper", "--live"]).current_dir(dir.path()).env_remove("AMBIT_CONFIG");
    command.env("AMBIT_PEOPLE", dir.path().join("people")).env("TMPDIR", temporary.path());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let has_arrived = || {
        let mut grounds = std::fs::read_dir(temporary.path()).unwrap().flatten();
        grounds.any(|ground| ground.path().join("arrivals").exists())
    };
    until("something arrives", has_arrived);
    assert!(!at_work_in(temporary.path()).is_empty());
    rustix::process::kill_process(Pid::from_child(&child), by).unwrap();
    let ended = child.wait().unwrap();
    until("every process of the private gate ends", || at_work_in(temporary.path()).is_empty());
    (ended, temporary)
}

#[test]
fn of_an_attack_that_is_asked_to_end_nothing_is_left() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let (ended, temporary) = interrupted(signal);
        assert_eq!(ended.code(), Some(code), "{ended}");
        assert_eq!(everything(temporary.path()), []);
    }
}

#[test]
fn the_private_gate_ends_with_an_attack_that_is_killed() {
    let (ended, _) = interrupted(Signal::KILL);
    assert_eq!(ended.code(), None);
}

#[test]
fn the_reference_has_every_attack_that_only_a_gate_that_runs_is_tried_with() {
    let reference = include_str!("../../../../docs/reference/trying-and-testing.md");
    let rows: String = play::KINDS.iter().map(|(kind, about)| format!("| `{kind}` | {about} |\n")).collect();
    assert!(reference.contains(&rows), "docs/reference/trying-and-testing.md should have\n{rows}");
}

/// The pack of the refund helper, and what it is read over.
struct Read {
    dir: tempfile::TempDir,
    home: Home,
    around: Surroundings,
    page: Page,
    pack: Pack,
}

const TODAY: &str = "2026-11-28";

fn read() -> Read {
    let dir = copy("examples/refund-helper");
    let home = Home::open(&dir.path().join("ambit.toml")).unwrap();
    let around = Surroundings::of(&home, "refund-helper").unwrap();
    let page = Page::of(&home, &around).unwrap();
    let sources = source::sources(&page.path, &page.policy).unwrap();
    let pack = pack::of(&page.policy, &around, &sources, Date::parse(TODAY).unwrap());
    Read { dir, home, around, page, pack }
}

/// The sample of a system with nobody before it.
fn bare(read: &Read, system: &'static str, arrivals: &Path) -> Pipe {
    let (lock, drift) = (read.dir.path().join("ambit.lock"), read.dir.path().join("drift"));
    let arrivals = arrivals.to_owned();
    Pipe::new(Front::Pipe, move || {
        let mut command = Command::new(AMBIT);
        command.arg("attack-server").arg("--lock").arg(&lock).args(["--system", system]);
        command.arg("--arrivals").arg(&arrivals).arg("--drift").arg(&drift);
        command
    })
}

#[test]
fn without_a_gate_the_attacks_get_through_and_are_told() {
    let read = read();
    let slow = Slow { policy: &read.page.policy, around: &read.around, today: Date::parse(TODAY).unwrap() };
    let arrivals = read.dir.path().join("arrivals");
    let mut player = Player::new(&slow, &arrivals, Naming::WithSystem);
    let mut door = bare(&read, "crm", &arrivals);
    let (mut played, mut through) = (0, 0);
    for play in read.pack.attacks.iter().filter(|play| play.most == 0).step_by(7) {
        let came = player.play(&mut door, &read.pack.tasks, play).unwrap();
        played += 1;
        through += usize::from(came.got_through);
        assert_eq!(came.got_through, came.arrived > 0, "{came:?}");
        assert_eq!(came.got_through, !came.let_by.is_empty());
    }
    assert!(played > 50 && through * 10 > played * 9, "{through} of {played}");
}

#[test]
fn a_call_that_comes_in_past_the_gate_is_told_as_one_that_got_through() {
    let read = read();
    let slow = Slow { policy: &read.page.policy, around: &read.around, today: Date::parse(TODAY).unwrap() };
    let mut ground = Ground::lay(&read.home, &read.page, "refund-helper", Path::new(AMBIT)).unwrap();
    // While the pack is played, somebody has a way around the gate to the system behind it.
    let mut past = bare(&read, "crm", &ground.arrivals());
    let mut forged = false;
    let attacks: Vec<_> = read.pack.attacks.iter().filter(|play| play.task == 0).take(24).cloned().collect();
    let some = Pack { attacks, tasks: read.pack.tasks.iter().take(1).cloned().collect(), ..Pack::default() };
    let mut watch = |done: usize, _: usize| {
        if done >= 20 && !forged {
            forged = true;
            let params = r#"{"name":"delete_notes","arguments":{"before":"2026-01-01"}}"#;
            past.say(&Say::Request("tools/call".to_owned(), params.to_owned())).unwrap();
        }
    };
    let told = play::run(&mut ground, &some, &slow, &mut watch).unwrap();
    let through: Vec<_> = told.through().collect();
    assert!(!through.is_empty(), "{told:?}");
    assert!(through.iter().any(|attack| attack.let_by.iter().any(|one| one.contains("delete_notes"))), "{through:?}");
}
