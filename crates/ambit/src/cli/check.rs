//! `ambit check [PATH…]`: what is wrong, and whether it is ready to be released.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ambit_core::scope::diagnostics::{Diagnostic, Severity};
use ambit_core::scope::parse;
use ambit_core::time::Date;
use anyhow::Context as _;
use clap::{Args as ClapArgs, ValueEnum};
use serde::Serialize;

use super::options::Options;
use super::output::{self, style};
use super::{Exit, Trouble};
use crate::boundary;
use crate::catalog::catalog_of;
use crate::escape::escape;
use crate::home::{self, Home, OpenError};
use crate::keys::person::people_directory;
use crate::report::{self, Finding, Findings};
use crate::snapshot::Snapshot;
use crate::world::{Real, World as _};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct CheckArgs {
    /// Scope documents, or directories with a SCOPE.md [default: those of every agent in `ambit.toml`]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: CheckFormat,
}

/// For whom to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// For a person.
    #[default]
    Human,
    /// For a program: one JSON document.
    Json,
    /// For code scanning: SARIF 2.1.0.
    Sarif,
    /// For GitHub Actions: workflow commands, shown beside the lines.
    Github,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Printout<'a> {
    /// Whether every scope is ready.
    ready: bool,
    scopes: &'a [Checked],
    findings: Vec<Finding<'a>>,
}

/// One scope, checked.
#[derive(Debug, Serialize)]
struct Checked {
    agent: String,
    scope: String,
    ready: bool,
    errors: usize,
    not_ready: usize,
    /// `enforced`, or `advised`: no other operating-system user is known for the agent than Ambit's own.
    boundary: &'static str,
}

/// Checks, and ends with 1 when there is an error.
///
/// # Errors
/// When there is no `ambit.toml`, or something cannot be read.
pub fn run(args: &CheckArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut all = Vec::new();
    let mut scopes = Vec::new();
    match Home::open(&options.config_path()?) {
        Ok(home) => {
            collect(&mut all, home.findings.clone());
            let today = Real.now().date();
            for (agent, path) in wanted(&home, &args.paths)? {
                scopes.push(check_one(&home, &agent, &path, today, &mut all)?);
            }
            if args.paths.is_empty() {
                collect(&mut all, unclaimed(&home));
            }
            collect(&mut all, vec![boundary::findings(&home, people_directory())]);
        }
        Err(OpenError::Wrong(findings)) => all = findings,
        Err(error) => {
            return Err(Trouble::new(Exit::Usage, error.to_string(), "name another with `--config PATH`").into());
        }
    }
    print(&all, &scopes, args.format)?;
    let worst = all.iter().filter_map(Findings::worst).max();
    Ok(if worst == Some(Severity::Error) { Exit::Refused } else { Exit::Fine })
}

/// The scopes to check, each with its agent.
fn wanted(home: &Home, paths: &[PathBuf]) -> anyhow::Result<Vec<(String, PathBuf)>> {
    if paths.is_empty() {
        return Ok(home
            .config
            .agents
            .iter()
            .map(|(name, agent)| (name.clone(), home.dir().join(&agent.scope)))
            .collect());
    }
    let mut wanted = Vec::new();
    for path in paths {
        let path = if path.is_dir() { path.join("SCOPE.md") } else { path.clone() };
        let same = |scope: &str| same_file(&home.dir().join(scope), &path);
        let agent = match home.config.agents.iter().find(|(_, agent)| same(&agent.scope)) {
            Some((name, _)) => name.clone(),
            // A draft beside the scope in force is checked as the agent it names.
            None => parse::parse(&read(&path)?).document.front.agent,
        };
        wanted.push((agent, path));
    }
    Ok(wanted)
}

fn check_one(home: &Home, agent: &str, path: &Path, today: Date, all: &mut Vec<Findings>) -> anyhow::Result<Checked> {
    let resolved = Snapshot::with_scope(home, agent, read(path)?)?.resolve();
    let mut findings = resolved.checked(Some(today));
    for one in &mut findings {
        one.file = home::shown(&home.dir().join(&one.file));
    }
    if let Some(scope) = findings.last_mut() {
        scope.file = home::shown(&std::path::absolute(path)?);
    }
    let count = |severity| findings.iter().flat_map(|f| &f.diagnostics).filter(|d| d.severity == severity).count();
    let (errors, not_ready) = (count(Severity::Error), count(Severity::NotReady));
    let scope = findings.last().map(|scope| scope.file.clone()).unwrap_or_default();
    collect(all, findings);
    let boundary = if boundary::advised(home, [agent]).is_empty() { "enforced" } else { "advised" };
    Ok(Checked { agent: agent.to_owned(), scope, ready: errors + not_ready == 0, errors, not_ready, boundary })
}

/// What is wrong with systems that no agent has.
fn unclaimed(home: &Home) -> Vec<Findings> {
    let (_, problems) = catalog_of(&home.config, &home.lock, None);
    let in_file = |path: &Path, text: &str, diagnostics: Vec<Diagnostic>| Findings {
        file: home::shown(path),
        text: text.to_owned(),
        diagnostics,
    };
    vec![
        in_file(&home.path, &home.config_text, problems.in_config),
        in_file(&home.lock_path(), &home.lock_text, problems.in_lock),
    ]
}

/// Adds findings, each once: several agents share `ambit.toml`.
fn collect(all: &mut Vec<Findings>, more: Vec<Findings>) {
    for findings in more {
        match all.iter_mut().find(|known| known.file == findings.file && known.text == findings.text) {
            Some(known) => {
                for diagnostic in findings.diagnostics {
                    if !known.diagnostics.contains(&diagnostic) {
                        known.diagnostics.push(diagnostic);
                    }
                }
            }
            None => all.push(findings),
        }
    }
}

fn print(all: &[Findings], scopes: &[Checked], format: CheckFormat) -> anyhow::Result<()> {
    let worst = all.iter().filter_map(Findings::worst).max();
    let ready = worst < Some(Severity::NotReady);
    match format {
        CheckFormat::Human => human(all, scopes, ready),
        CheckFormat::Json => output::json(&Printout { ready, scopes, findings: report::plain(all) }),
        CheckFormat::Sarif => output::json(&report::sarif::log(all, report::top().as_deref())),
        CheckFormat::Github => {
            output::data().write_all(report::github::commands(all, report::top().as_deref()).as_bytes())?;
            // Commands alone say nothing when nothing is wrong; this line has no text of others in it.
            let open = scopes.iter().filter(|checked| !checked.ready).count();
            output::say(&format!("{} checked, {open} of them not ready", counted(scopes.len(), "scope")));
            Ok(())
        }
    }
}

/// Why a page is only advised, and what to read.
const SAME_USER: &str =
    "may run as Ambit's own operating-system user; docs/concepts/enforced-advised.md says how to separate them";

fn human(all: &[Findings], scopes: &[Checked], ready: bool) -> anyhow::Result<()> {
    let mut out = output::data();
    write!(out, "{}", report::human(all))?;
    let (good, bad) = (style::GOOD, style::BAD);
    for checked in scopes {
        let name = escape(&checked.agent);
        match (checked.errors, checked.not_ready) {
            (0, 0) => writeln!(out, "{name}: {good}ready{good:#}")?,
            (errors, not_ready) => {
                let mut why = Vec::new();
                why.extend((errors > 0).then(|| counted(errors, "error")));
                why.extend((not_ready > 0).then(|| counted(not_ready, "open question")));
                writeln!(out, "{name}: {bad}not ready{bad:#}, {}", why.join(" and "))?;
            }
        }
    }
    let advised: Vec<String> = scopes
        .iter()
        .filter(|checked| checked.boundary == "advised")
        .map(|checked| format!("`{}`", escape(&checked.agent)))
        .collect();
    if !advised.is_empty() {
        writeln!(out, "advised, not enforced: {} {}", advised.join(", "), SAME_USER)?;
    }
    if scopes.is_empty() {
        let text = if ready { "nothing is wrong; no agent has a scope yet" } else { "no scope was checked" };
        writeln!(out, "{text}")?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let missing = |why: std::io::Error| {
        let help = "name a scope document, or a directory with a SCOPE.md in it";
        Trouble::new(Exit::Usage, format!("`{}` cannot be read: {why}", path.display()), help)
    };
    let bytes = std::fs::read(path).map_err(missing)?;
    String::from_utf8(bytes).with_context(|| format!("`{}` is not UTF-8 text", path.display()))
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
