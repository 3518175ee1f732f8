//! `ambit explain AGENT`: a scope said back in plain sentences, from what is enforced.

mod budgets;

use std::io::{self, Write};

use ambit_core::explain::{self, Item, Kept, Told};
use ambit_core::policy::Policy;
use ambit_core::scope::Section;
use ambit_core::scope::diagnostics::nearest;
use clap::{Args as ClapArgs, ValueEnum};
use serde_json::Value;

use self::budgets::Budgets;
use super::attempt::no_page;
use super::options::Options;
use super::output::{self, style};
use super::{Exit, Trouble};
use crate::escape::{escape, escape_lines};
use crate::offline::{Page, Surroundings, sight};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct ExplainArgs {
    /// Whose scope
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// As it holds in that task: without the lines for others
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ExplainFormat,
}

/// For whom to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// For a person at a terminal.
    #[default]
    Human,
    /// For a page.
    Markdown,
    /// For a program: one JSON document.
    Json,
}

/// Says it.
///
/// # Errors
/// When there is no such agent, or its page has errors.
pub fn run(args: &ExplainArgs, options: &Options) -> anyhow::Result<Exit> {
    let home = options.home()?;
    let around = Surroundings::of(&home, &args.agent).map_err(no_page)?;
    let page = Page::of(&home, &around).map_err(no_page)?;
    if let Some(task) = &args.task {
        is_named(&page.policy, task)?;
    }
    let told = explain::tell(&page.policy, &sight(&home.config, &args.agent), args.task.as_deref());
    let budgets = Budgets::of(&page.policy, &told, &args.agent, options);
    let mut out = output::data();
    match args.format {
        ExplainFormat::Human => human(&told, &budgets, &mut out)?,
        ExplainFormat::Markdown => markdown(&told, &budgets, &mut out)?,
        ExplainFormat::Json => {
            drop(out);
            output::json(&with_budgets(&told, &budgets)?)?;
        }
    }
    Ok(Exit::Fine)
}

/// For a program: the scope, and beside each line its limits with what is used of them.
fn with_budgets(told: &Told, budgets: &Budgets) -> serde_json::Result<Value> {
    let mut value = serde_json::to_value(told)?;
    let answers = value.get_mut("answers").and_then(Value::as_array_mut).into_iter().flatten();
    let items = answers.filter_map(|answer| answer.get_mut("items")?.as_array_mut()).flatten();
    for item in items.filter_map(Value::as_object_mut) {
        let line = item.get("line").and_then(Value::as_u64).and_then(|line| usize::try_from(line).ok());
        if let Some(line) = line {
            item.insert("limits".into(), budgets.json(line));
        }
    }
    if let (Some(ground), Some(value)) = (&budgets.ground, value.as_object_mut()) {
        value.insert("used".into(), ground.json());
    }
    Ok(value)
}

/// A task that no line names would be explained as if it were one that some line is for.
fn is_named(policy: &Policy, task: &str) -> Result<(), Trouble> {
    let names = policy.task_names();
    if names.contains(task) {
        return Ok(());
    }
    let help = match nearest(task, names.iter().copied()) {
        Some(near) => format!("did you mean `{}`?", escape(near)),
        None if names.is_empty() => "it names no task at all".to_owned(),
        None => format!("it names {}", names.iter().map(|name| code(name)).collect::<Vec<_>>().join(", ")),
    };
    Err(Trouble::new(Exit::Usage, format!("no line of the scope names a task `{}`", escape(task)), help))
}

fn human(told: &Told, budgets: &Budgets, out: &mut impl Write) -> io::Result<()> {
    let (head, quiet) = (style::HEAD, style::QUIET);
    writeln!(out, "{head}{}{head:#}", escape(&told.title))?;
    writeln!(out, "{quiet}{}, for which {} answers{quiet:#}", escape(&told.agent), escape(&told.owner))?;
    if let Some(task) = &told.task {
        writeln!(out, "{quiet}as it holds in the task {}{quiet:#}", escape(task))?;
    }
    writeln!(out)?;
    writeln!(out, "{}", escape_lines(&told.purpose))?;
    for answer in &told.answers {
        writeln!(out)?;
        if answer.items.is_empty() {
            writeln!(out, "{head}{}{head:#}", nothing(answer.section))?;
            continue;
        }
        writeln!(out, "{head}{}{head:#}", answer.lead)?;
        for item in &answer.items {
            let kept = style_of(item.kept);
            writeln!(out, "  - {} {kept}[{}]{kept:#}", escape(&item.words), item.kept.words())?;
            for note in item.notes.iter().chain(&budgets.notes(item.line)) {
                writeln!(out, "    {quiet}{}{quiet:#}", escape(note))?;
            }
        }
    }
    writeln!(out)?;
    for built_in in &told.built_in {
        writeln!(out, "{}", escape(built_in))?;
    }
    writeln!(out, "{}", told.otherwise)?;
    for line in legend(told).into_iter().map(str::to_owned).chain(budgets.last()) {
        writeln!(out, "{quiet}{line}{quiet:#}")?;
    }
    Ok(())
}

fn style_of(kept: Kept) -> clap::builder::styling::Style {
    match kept {
        Kept::Enforced => style::GOOD,
        Kept::Advised => style::WAITING,
        Kept::NotVisible => style::BAD,
    }
}

fn markdown(told: &Told, budgets: &Budgets, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# {}\n", escape(&told.title))?;
    writeln!(out, "{}, for which {} answers.\n", code(&told.agent), code(&told.owner))?;
    if let Some(task) = &told.task {
        writeln!(out, "As it holds in the task {}.\n", code(task))?;
    }
    writeln!(out, "{}", escape_lines(&told.purpose))?;
    for answer in &told.answers {
        if answer.items.is_empty() {
            writeln!(out, "\n{}", nothing(answer.section))?;
            continue;
        }
        writeln!(out, "\n{}:\n", answer.lead)?;
        for item in &answer.items {
            writeln!(out, "- {} ({})", code(&item.words), item.kept.words())?;
            for note in item.notes.iter().chain(&budgets.notes(item.line)) {
                writeln!(out, "  - {}", code(note))?;
            }
        }
    }
    for built_in in &told.built_in {
        writeln!(out, "\n{}", escape(built_in))?;
    }
    writeln!(out, "\n{}", told.otherwise)?;
    for line in legend(told).into_iter().map(str::to_owned).chain(budgets.last()) {
        writeln!(out, "\n{line}")?;
    }
    Ok(())
}

/// The answer to a question under which no line stands.
fn nothing(section: Section) -> &'static str {
    match section {
        Section::CanRead => "This agent can read nothing without asking.",
        Section::CanWrite => "It can write nothing without asking.",
        Section::MustConfirm => "No line asks for a human.",
        Section::CannotTouch => "Nothing is named that it cannot touch.",
    }
}

/// What the words behind the lines mean; only those that stand there.
fn legend(told: &Told) -> Vec<&'static str> {
    let items: Vec<&Item> = told.answers.iter().flat_map(|answer| &answer.items).collect();
    [
        (Kept::Enforced, "enforced: Ambit stands between the agent and the system."),
        (
            Kept::Advised,
            "advised: Ambit stands between, but the agent runs as the same operating-system user and could go around.",
        ),
        (Kept::NotVisible, "not visible here: no gate of Ambit sees this yet."),
    ]
    .into_iter()
    .filter(|(kept, _)| items.iter().any(|item| item.kept == *kept))
    .map(|(_, words)| words)
    .collect()
}

/// A code span that shows exactly this text.
fn code(text: &str) -> String {
    let text = escape(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}
