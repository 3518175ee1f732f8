//! The conformance suite as a program: what it says, scenario by scenario and check by check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::peers;

/// A generation of the protocol, by the revision whose requirements are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Generation {
    /// 2025-11-25, which shakes hands.
    Older,
    /// 2026-07-28, in which every request says its version.
    Later,
}

impl Generation {
    pub const ALL: [Generation; 2] = [Generation::Older, Generation::Later];

    pub fn revision(self) -> &'static str {
        match self {
            Generation::Older => "2025-11-25",
            Generation::Later => "2026-07-28",
        }
    }
}

/// What became of a check; of several with one name, the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Became {
    Passed,
    Skipped,
    Warned,
    Failed,
}

impl Became {
    pub fn word(self) -> &'static str {
        match self {
            Became::Passed => "passed",
            Became::Skipped => "skipped",
            Became::Warned => "warned",
            Became::Failed => "failed",
        }
    }
}

/// Checks by name, each with what the suite said of it.
pub type Checks = BTreeMap<String, (Became, String)>;
/// Scenarios by name.
pub type Results = BTreeMap<String, Checks>;

/// Which side of the protocol is tried.
#[derive(Clone, Copy, Debug)]
pub enum Side {
    Server,
    Client,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Side::Server => "server",
            Side::Client => "client",
        }
    }
}

/// What the suite says of the server at that address.
pub fn of_server(url: &str, generation: Generation) -> Results {
    run(Side::Server, &["--url", url], generation)
}

fn run(side: Side, words: &[&str], generation: Generation) -> Results {
    let out = tempfile::tempdir().unwrap();
    let mut suite = program();
    suite.arg(side.word()).args(words).args(["--requirements", generation.revision(), "-o"]).arg(out.path());
    read(suite, side, out.path())
}

/// The suite, still to be told what to do.
pub fn program() -> Command {
    let mut command = Command::new(node());
    command.arg(package().join("dist/index.js")).stdin(Stdio::null());
    command
}

/// The suite needs a later Node than many systems have.
fn node() -> PathBuf {
    let cpu = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    peers::dir().join(format!("node_modules/node-linux-{cpu}/bin/node"))
}

fn package() -> PathBuf {
    peers::dir().join("node_modules/@modelcontextprotocol/conformance")
}

fn read(mut suite: Command, side: Side, out: &Path) -> Results {
    let output = suite.output().unwrap();
    let talk = || format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut results = Results::new();
    collect(out, String::new(), &mut results);
    assert!(!results.is_empty(), "the {} side gave no results: {}", side.word(), talk());
    results
}

/// Reads `DIR/[server-]SCENARIO-TIME/checks.json`, where a scenario may be `auth/NAME`.
pub fn collect(dir: &Path, above: String, results: &mut Results) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{above}{}", entry.file_name().to_str().unwrap());
        let Ok(checks) = std::fs::read_to_string(entry.path().join("checks.json")) else {
            if entry.path().is_dir() {
                collect(&entry.path(), format!("{name}/"), results);
            }
            continue;
        };
        // `-2026-11-28T03-12-06-109Z`
        let scenario = name.strip_prefix("server-").unwrap_or(&name);
        let scenario = scenario.get(..scenario.len() - 25).unwrap();
        let into = results.entry(scenario.to_owned()).or_default();
        let checks: Vec<Value> = serde_json::from_str(&checks).unwrap();
        for check in &checks {
            let became = match check["status"].as_str().unwrap() {
                "SUCCESS" | "INFO" => Became::Passed,
                "SKIPPED" => Became::Skipped,
                "WARNING" => Became::Warned,
                "FAILURE" => Became::Failed,
                other => panic!("{scenario}: {other}"),
            };
            let why = check["errorMessage"].as_str().unwrap_or_default().to_owned();
            // Where one requirement is checked in several places, the place tells them apart.
            let several = checks.iter().any(|other| other["id"] == check["id"] && other["name"] != check["name"]);
            let name = |member: &str| check[member].as_str().unwrap().to_owned();
            let key = if several { format!("{} {}", name("id"), name("name")) } else { name("id") };
            let said = into.entry(key).or_insert((became, why.clone()));
            if became > said.0 {
                *said = (became, why);
            }
        }
    }
}

/// The scenarios of extensions, which the server that is tried does not have: what the suite says of them means nothing.
pub fn extensions(generation: Generation) -> BTreeSet<String> {
    let text = requirements(generation);
    let entries = text.split("- scenario: ").skip(1);
    let extensions = entries.filter(|entry| entry.contains("reason: extension"));
    extensions.map(|entry| entry.lines().next().unwrap().to_owned()).collect()
}

/// The scenarios that a revision requires, as the suite's own file lists them.
pub fn required(side: Side, generation: Generation) -> Vec<String> {
    let (text, key) = (requirements(generation), format!("{}:", side.word()));
    let list = text.lines().skip_while(|line| *line != key).skip(1);
    list.map_while(|line| line.strip_prefix("  - ")).map(str::to_owned).collect()
}

fn requirements(generation: Generation) -> String {
    std::fs::read_to_string(package().join(format!("requirements/{}.yaml", generation.revision()))).unwrap()
}
