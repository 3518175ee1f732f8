//! `ambit attack AGENT`: known ways around a boundary, tried against an agent's own page with nothing live.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::Exit;
use super::args::{Format, Printed};
use super::attempt::{no_page, word};
use super::options::Options;
use super::output::{self, Progress, Table, style};
use crate::escape::escape;
use crate::offline::attack::{self, Attack, Attacked, KINDS, NOT_TRIED};
use crate::offline::test::source;
use crate::offline::{Page, Surroundings};
use crate::world::{Real, World as _};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct AttackArgs {
    /// Whose page
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// Another page than the one that `ambit.toml` names
    #[arg(long, value_name = "PATH")]
    pub scope: Option<PathBuf>,
    /// Show every attack, not only those that got through
    #[arg(long)]
    pub all: bool,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `--format json` prints: every attack.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Printout<'a> {
    agent: &'a str,
    file: &'a str,
    got_through: usize,
    not_tried: &'static str,
    #[serde(flatten)]
    attacked: &'a Attacked,
}

/// Attacks; ends with 1 when one got through.
///
/// # Errors
/// When there is no such agent, or its page has errors.
pub fn run(args: &AttackArgs, options: &Options) -> anyhow::Result<Exit> {
    let home = options.home()?;
    let around = Surroundings::of(&home, &args.agent).map_err(no_page)?;
    let page = match &args.scope {
        Some(path) => Page::read(path, &around),
        None => Page::of(&home, &around),
    };
    let page = page.map_err(no_page)?;
    let sources = source::sources(&page.path, &page.policy).map_err(no_page)?;
    let mut progress = None;
    let mut watch = |_, all: usize| progress.get_or_insert_with(|| Progress::new("attacking", all as u64)).step();
    let attacked = attack::run(&page.policy, &around, &sources, Real.now().date(), &mut watch);
    drop(progress);
    let got_through = attacked.through().count();
    let file = page.shown();
    match args.printed.format {
        Format::Json => {
            let (agent, file) = (args.agent.as_str(), file.as_str());
            output::json(&Printout { agent, file, got_through, not_tried: NOT_TRIED, attacked: &attacked })?;
        }
        Format::Human => human(args, &file, &attacked, &mut output::data())?,
    }
    Ok(if got_through == 0 { Exit::Fine } else { Exit::Refused })
}

fn human(args: &AttackArgs, file: &str, attacked: &Attacked, out: &mut impl Write) -> io::Result<()> {
    let (head, good, bad, quiet) = (style::HEAD, style::GOOD, style::BAD, style::QUIET);
    let (agent, file) = (escape(&args.agent), escape(file));
    writeln!(out, "{head}{agent}{head:#} {quiet}({file}, as of {}){quiet:#}\n", attacked.as_of)?;
    let mut table = Table::new(&["attack", "tried", "through", "what it is"]);
    for (kind, about) in KINDS {
        let of_kind = || attacked.attacks.iter().filter(|attack| attack.kind == *kind);
        let through = of_kind().filter(|attack| attack.got_through).count();
        table.row([*kind, &of_kind().count().to_string(), &through.to_string(), about]);
    }
    write!(out, "{}", table.text())?;
    for attack in attacked.attacks.iter().filter(|attack| args.all || attack.got_through) {
        one(attack, out)?;
    }
    let (tried, through) = (attacked.attacks.len(), attacked.through().count());
    let colour = if through == 0 { good } else { bad };
    writeln!(out, "\n{colour}{through} of {tried} attacks{colour:#} got through, from {} calls", attacked.calls)?;
    writeln!(out, "{quiet}{NOT_TRIED}{quiet:#}")
}

fn one(attack: &Attack, out: &mut impl Write) -> io::Result<()> {
    let (good, bad, quiet) = (style::GOOD, style::BAD, style::QUIET);
    let (colour, how) = if attack.got_through { (bad, "got through") } else { (good, "held off") };
    writeln!(
        out,
        "\n{colour}{how}{colour:#} {}, from {}: {}",
        attack.kind,
        escape(&attack.from),
        escape(&attack.done)
    )?;
    writeln!(out, "  {}", escape(&attack.tries))?;
    writeln!(out, "  {}, and must be at least {}", word(attack.came), word(attack.at_least))?;
    for ground in &attack.grounds {
        writeln!(out, "  {}", escape(&ground.why))?;
        if let (Some(line), Some(text)) = (ground.line, &ground.text) {
            writeln!(out, "    {quiet}line {line}:{quiet:#} {}", escape(text))?;
        }
    }
    Ok(())
}
