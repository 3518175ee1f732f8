//! `ambit fmt [PATH…]`: writes scope documents in their canonical text, and loses nothing of them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ambit_core::scope::parse;
use ambit_core::scope::print::canonical;
use clap::Args as ClapArgs;
use serde::Serialize;
use similar::{ChangeTag, TextDiff};

use super::args::{Format, Printed};
use super::input;
use super::options::Options;
use super::output::{self, say, style};
use super::{Exit, Trouble};
use crate::escape::escape;
use crate::home;
use crate::report::{self, Finding, Findings};
use crate::store::replace::{self, ReplaceError};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct FmtArgs {
    /// Scope documents, directories with a SCOPE.md, or `-` for standard input to standard output [default: those of
    /// every agent in `ambit.toml`]. A `*.scenarios.md` has no canonical text and is left alone
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Write nothing; name what would change, and end with 1 when something would
    #[arg(long)]
    pub check: bool,
    /// As `--check`, and show what would change
    #[arg(long)]
    pub diff: bool,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Printout<'a> {
    /// Whether every document stands, or stood, in its canonical text.
    canonical: bool,
    documents: &'a [Formatted],
    findings: Vec<Finding<'a>>,
}

/// One document in its canonical text.
#[derive(Debug, Serialize)]
struct Formatted {
    file: String,
    /// Whether its text is another one.
    changed: bool,
    /// Whether it was written.
    written: bool,
    /// The canonical text, where the document came by standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip)]
    path: Option<PathBuf>,
    #[serde(skip)]
    before: Vec<u8>,
    #[serde(skip)]
    after: String,
}

/// Puts documents in their canonical text. Nothing is written when one has an error.
///
/// # Errors
/// When a document cannot be read or written, or the canonical text would not be read as the same document.
pub fn run(args: &FmtArgs, options: &Options) -> anyhow::Result<Exit> {
    let only_look = args.check || args.diff;
    let mut wrong = Vec::new();
    let mut documents = Vec::new();
    for path in wanted(args, options)? {
        match read(path)? {
            Ok(document) => documents.push(document),
            Err(findings) => wrong.push(findings),
        }
    }
    if wrong.is_empty() && !only_look {
        for document in &mut documents {
            write(document)?;
        }
    }
    let canonical = documents.iter().all(|document| !document.changed);
    match args.printed.format {
        Format::Json => {
            output::json(&Printout { canonical, documents: &documents, findings: report::plain(&wrong) })?;
        }
        Format::Human => human(args, &documents, &wrong)?,
    }
    let fine = wrong.is_empty() && (canonical || !only_look);
    Ok(if fine { Exit::Fine } else { Exit::Refused })
}

/// The documents that were asked for, each once; `None` is standard input.
fn wanted(args: &FmtArgs, options: &Options) -> anyhow::Result<Vec<Option<PathBuf>>> {
    if args.paths.is_empty() {
        let home = options.home()?;
        let mut paths: Vec<PathBuf> = home.config.agents.values().map(|agent| home.dir().join(&agent.scope)).collect();
        paths.sort();
        paths.dedup();
        return Ok(paths.into_iter().map(Some).collect());
    }
    let is_input = |path: &Path| path.as_os_str() == "-";
    if args.paths.iter().any(|path| is_input(path)) {
        return match args.paths.as_slice() {
            [_] => Ok(vec![None]),
            _ => Err(Trouble::new(Exit::Usage, "`-` stands beside other paths", "give it alone").into()),
        };
    }
    let mut paths = Vec::new();
    for path in &args.paths {
        let path = if path.is_dir() { path.join("SCOPE.md") } else { path.clone() };
        if path.to_string_lossy().ends_with(".scenarios.md") {
            let message = format!("`{}` is a document of scenarios, which has no canonical text", path.display());
            return Err(Trouble::new(Exit::Usage, message, "name scope documents").into());
        }
        if !paths.contains(&Some(path.clone())) {
            paths.push(Some(path));
        }
    }
    Ok(paths)
}

/// A document in its canonical text, or what is wrong with it.
fn read(path: Option<PathBuf>) -> anyhow::Result<Result<Formatted, Findings>> {
    let file = path.as_deref().map_or_else(|| String::from("<standard input>"), shown_from_here);
    let before = input::bytes_of(path.as_deref(), home::LONGEST).map_err(|why| {
        let help = "name a scope document, or a directory with a SCOPE.md in it";
        Trouble::new(Exit::Usage, format!("`{file}` cannot be read: {why}"), help)
    })?;
    let mut parsed = parse::parse_bytes(&before);
    if !parsed.is_sound() {
        parsed.diagnostics.sort_by_key(|finding| finding.at.bytes.start);
        let text = String::from_utf8_lossy(&before).into_owned();
        return Ok(Err(Findings { file, text, diagnostics: parsed.diagnostics }));
    }
    let after = canonical(&parsed.document).map_err(|why| {
        let help = "this is a mistake in Ambit, and nothing was written: report it with the document";
        Trouble::new(Exit::Fault, format!("`{file}` stays as it is: {why}"), help)
    })?;
    let changed = before != after.as_bytes();
    let text = path.is_none().then(|| after.clone());
    Ok(Ok(Formatted { file, changed, written: false, text, path, before, after }))
}

/// A document's bytes. One that is cut here is too large to be read anyway.
fn shown_from_here(path: &Path) -> String {
    std::path::absolute(path).map_or_else(|_| path.display().to_string(), |path| home::shown(&path))
}

fn write(document: &mut Formatted) -> anyhow::Result<()> {
    let Some(path) = document.path.as_deref().filter(|_| document.changed) else { return Ok(()) };
    replace::replace(path, &document.before, document.after.as_bytes()).map_err(|error| {
        let help = match error {
            ReplaceError::Changed => "run it again",
            ReplaceError::ReadOnly => "make it writable, or use `--diff` to see what would change",
            ReplaceError::Io(_) => "what stood there still stands there",
        };
        Trouble::new(Exit::Fault, format!("`{}` was not written: {error}", document.file), help)
    })?;
    document.written = true;
    Ok(())
}

fn human(args: &FmtArgs, documents: &[Formatted], wrong: &[Findings]) -> anyhow::Result<()> {
    if !wrong.is_empty() {
        say(&report::human(wrong));
        let nothing = if args.check || args.diff { "" } else { "; nothing was written" };
        say(&format!("a document with errors has no canonical text{nothing}"));
    }
    let mut out = output::data();
    for document in documents {
        let name = escape(&document.file);
        if args.diff {
            diff(&mut out, document)?;
        } else if args.check {
            if document.changed {
                writeln!(out, "{name}: would change")?;
            }
        } else if document.written {
            writeln!(out, "{name}: written in its canonical text")?;
        } else if let Some(text) = document.text.as_ref().filter(|_| wrong.is_empty()) {
            // The document itself, for a program to read: no styles to take out.
            out.write_all(text.as_bytes())?;
        }
    }
    Ok(())
}

/// What would change, three lines around it.
fn diff(out: &mut impl std::io::Write, document: &Formatted) -> std::io::Result<()> {
    if !document.changed {
        return Ok(());
    }
    let before = String::from_utf8_lossy(&document.before);
    let name = escape(&document.file);
    let (head, good, bad, quiet) = (style::HEAD, style::GOOD, style::BAD, style::QUIET);
    writeln!(out, "{head}--- {name}{head:#}\n{head}+++ {name}, canonical{head:#}")?;
    let lines = TextDiff::from_lines(before.as_ref(), document.after.as_str());
    for hunk in lines.unified_diff().context_radius(3).iter_hunks() {
        writeln!(out, "{quiet}{}{quiet:#}", hunk.header())?;
        for change in hunk.iter_changes() {
            let (sign, colour) = match change.tag() {
                ChangeTag::Delete => ('-', bad),
                ChangeTag::Insert => ('+', good),
                ChangeTag::Equal => (' ', clap::builder::styling::Style::new()),
            };
            // A carriage return that goes is a change that one should see; the line feed is the line's end.
            let line = escape(change.value().strip_suffix('\n').unwrap_or(change.value()));
            writeln!(out, "{colour}{sign}{line}{colour:#}")?;
        }
    }
    Ok(())
}
