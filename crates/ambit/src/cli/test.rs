//! `ambit test [PATH|AGENT…]`: runs the scenarios of a page, then weakens every line of it and says which no scenario
//! holds.

mod junit;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, ValueEnum};
use serde::Serialize;

use super::attempt::no_page;
use super::options::Options;
use super::output::{self, Progress, style};
use super::{Exit, Trouble};
use crate::escape::{escape, escape_lines};
use crate::home::{self, Home};
use crate::offline::test::{self, Played, TestOutcome, Tried, source};
use crate::offline::{Page, PageError, Surroundings};
use crate::world::{Real, World as _};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct TestArgs {
    /// Scope documents, or agents [default: every agent in `ambit.toml`]
    #[arg(value_name = "PATH|AGENT")]
    pub pages: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: TestFormat,
}

/// For whom to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For a person.
    #[default]
    Human,
    /// For a program: one JSON document.
    Json,
    /// For continuous integration: JUnit's XML.
    Junit,
}

/// What came of one page.
#[derive(Debug, Serialize)]
struct Tested {
    agent: String,
    file: String,
    fine: bool,
    #[serde(flatten)]
    outcome: TestOutcome,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Printout<'a> {
    fine: bool,
    pages: &'a [Tested],
}

/// Tests; ends with 1 when a scenario fails or a line is not held.
///
/// # Errors
/// When there is no such page, or one has errors.
pub fn run(args: &TestArgs, options: &Options) -> anyhow::Result<Exit> {
    let home = options.home()?;
    let mut tested = Vec::new();
    for asked in pages(&home, args)? {
        tested.push(asked.test(&home)?);
    }
    let fine = tested.iter().all(|page| page.fine);
    match args.format {
        TestFormat::Human => human(&tested, &mut output::data())?,
        TestFormat::Json => output::json(&Printout { fine, pages: &tested })?,
        TestFormat::Junit => junit::write(&tested, &mut io::stdout().lock())?,
    }
    Ok(if fine { Exit::Fine } else { Exit::Refused })
}

/// What testing an agent's page, as it stands on the disk, finds wrong, a sentence each: scenarios that fail, lines that
/// none holds.
///
/// # Errors
/// When the page or a document of scenarios cannot be read, or has errors.
pub fn shortcomings(home: &Home, agent: &str) -> anyhow::Result<Vec<String>> {
    let Tested { outcome, file, .. } = Asked { agent: agent.to_owned(), path: None }.test(home)?;
    let mut found: Vec<String> = outcome
        .failed()
        .map(|played| {
            format!("{} line {}: the scenario does not come out as expected (`ambit test`)", played.file, played.line)
        })
        .collect();
    for tried in outcome.unheld() {
        let open = tried
            .unheld()
            .map(|step| format!("{file} line {}: no scenario notices when you {}", tried.line, step.done));
        found.extend(open);
    }
    Ok(found)
}

/// A page that is to be tested.
struct Asked {
    agent: String,
    /// Instead of the one that `ambit.toml` names.
    path: Option<PathBuf>,
}

fn pages(home: &Home, args: &TestArgs) -> Result<Vec<Asked>, Trouble> {
    let agents = &home.config.agents;
    if args.pages.is_empty() {
        let all: Vec<Asked> = agents.keys().map(|agent| Asked { agent: agent.clone(), path: None }).collect();
        if all.is_empty() {
            return Err(Trouble::new(Exit::Usage, "`ambit.toml` has no agent", "add `[agents.NAME]`"));
        }
        return Ok(all);
    }
    args.pages.iter().map(|said| asked(home, said)).collect()
}

/// An agent by its name, or a document: one that an agent has, or else one whose front matter names an agent.
fn asked(home: &Home, said: &Path) -> Result<Asked, Trouble> {
    let agents = &home.config.agents;
    let name = said.to_str().filter(|name| agents.contains_key(*name));
    if let Some(agent) = name {
        return Ok(Asked { agent: agent.to_owned(), path: None });
    }
    let text = home::read_text(said).map_err(|error| {
        let help = "name a scope document, or an agent of `ambit.toml`";
        Trouble::new(Exit::Usage, error.to_string(), help)
    })?;
    let agent = ambit_core::scope::parse::parse(&text).document.front.agent;
    let own = agents.keys().find(|agent| home.scope_path(agent).is_some_and(|path| same_file(&path, said)));
    let agent = own.cloned().unwrap_or(agent);
    Ok(Asked { agent, path: Some(said.to_owned()) })
}

fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

impl Asked {
    fn test(self, home: &Home) -> anyhow::Result<Tested> {
        let (page, around, sources) = self.read(home).map_err(no_page)?;
        let progress = Progress::new("weakening lines", page.policy.lines().len() as u64);
        let mut done = 0;
        let mut watch = |lines: usize| {
            for _ in done..lines {
                progress.step();
            }
            done = lines;
        };
        let outcome = test::run(&page.policy, &around, &sources, Real.now().date(), &mut watch);
        Ok(Tested { agent: self.agent, file: page.shown(), fine: outcome.is_fine(), outcome })
    }

    fn read(&self, home: &Home) -> Result<(Page, Surroundings, Vec<test::Source>), PageError> {
        let around = Surroundings::of(home, &self.agent)?;
        let page = match &self.path {
            Some(path) => Page::read(path, &around)?,
            None => Page::of(home, &around)?,
        };
        let sources = source::sources(&page.path, &page.policy)?;
        Ok((page, around, sources))
    }
}

fn human(tested: &[Tested], out: &mut impl Write) -> io::Result<()> {
    let (head, good, bad, quiet) = (style::HEAD, style::GOOD, style::BAD, style::QUIET);
    for (at, page) in tested.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let outcome = &page.outcome;
        writeln!(out, "{head}{}{head:#} {quiet}({}, as of {}){quiet:#}", page.agent, page.file, outcome.as_of)?;
        for played in outcome.scenarios.iter().filter(|played| !played.passed || played.note.is_some()) {
            scenario(played, out)?;
        }
        for tried in outcome.unheld() {
            unheld(tried, out)?;
        }
        redundant(&outcome.lines, out)?;
        let failed = outcome.failed().count();
        let steps: usize = outcome.lines.iter().map(|tried| tried.steps.len()).sum();
        let open: usize = outcome.lines.iter().map(|tried| tried.unheld().count()).sum();
        let lines = outcome.unheld().count();
        let colour = if failed == 0 { good } else { bad };
        writeln!(
            out,
            "\n{colour}{} of {}{colour:#} come out as expected",
            outcome.scenarios.len() - failed,
            counted(outcome.scenarios.len(), "scenario")
        )?;
        let colour = if open == 0 { good } else { bad };
        writeln!(
            out,
            "{colour}{} of {}{colour:#} held ({} of {})",
            outcome.lines.len() - lines,
            counted(outcome.lines.len(), "line"),
            steps - open,
            counted(steps, "step of weakening")
        )?;
    }
    Ok(())
}

fn scenario(played: &Played, out: &mut impl Write) -> io::Result<()> {
    let (good, bad, quiet) = (style::GOOD, style::BAD, style::QUIET);
    let place = format!("{}:{}", escape(&played.file), played.line);
    let tries = escape(&played.tries);
    if played.passed {
        writeln!(out, "\n{good}passes{good:#} {place}: {tries}")?;
    } else {
        let (came, expected) = (played.came.word(), played.expected.word());
        writeln!(out, "\n{bad}fails{bad:#} {place}: {tries}")?;
        writeln!(out, "  expected {expected}, and it is {came}")?;
    }
    for ground in &played.grounds {
        writeln!(out, "  {}", escape(&ground.why))?;
        if let (Some(line), Some(text)) = (ground.line, &ground.text) {
            writeln!(out, "    {quiet}line {line}:{quiet:#} {}", escape(text))?;
        }
    }
    if let Some(note) = &played.note {
        writeln!(out, "  {quiet}{note}{quiet:#}")?;
    }
    Ok(())
}

fn unheld(tried: &Tried, out: &mut impl Write) -> io::Result<()> {
    let (bad, quiet) = (style::BAD, style::QUIET);
    writeln!(out, "\n{bad}not held{bad:#} line {}, {}: {}", tried.line, tried.section, escape(&tried.text))?;
    for step in tried.unheld() {
        writeln!(out, "  {}: every scenario still comes out as expected", escape(&step.done))?;
        let Some(suggestion) = &step.suggestion else { continue };
        writeln!(out, "    {quiet}what would hold it:{quiet:#} {}", escape(&suggestion.words))?;
        for row in suggestion.table.iter().flat_map(|table| table.lines()) {
            writeln!(out, "    {}", escape_lines(row))?;
        }
    }
    Ok(())
}

/// What no scenario can hold, because other lines decide the same.
fn redundant(lines: &[Tried], out: &mut impl Write) -> io::Result<()> {
    let quiet = style::QUIET;
    for tried in lines {
        for step in tried.steps.iter().filter(|step| step.redundant) {
            let done = escape(&step.done);
            writeln!(out, "\n{quiet}line {}: {done}: the other lines decide every call the same{quiet:#}", tried.line)?;
        }
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    match (count, what.split_once(' ')) {
        (1, _) => format!("1 {what}"),
        (_, Some((noun, rest))) => format!("{count} {noun}s {rest}"),
        (_, None) => format!("{count} {what}s"),
    }
}
