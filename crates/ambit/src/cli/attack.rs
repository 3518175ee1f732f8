//! `ambit attack AGENT`: known ways around a boundary, tried against an agent's own page with nothing live, or with `--live`
//! on a private gate that runs.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Serialize;

use super::args::{Format, Printed};
use super::asked::Asked;
use super::attempt::{no_page, word};
use super::options::Options;
use super::output::{self, Progress, Table, style};
use super::{Exit, Trouble};
use crate::escape::{escape, escape_lines};
use crate::home::{Home, read_text};
use crate::lock;
use crate::offline::attack::pack::{self, Slow};
use crate::offline::attack::{self, Attack, Attacked, KINDS, NOT_TRIED};
use crate::offline::test::source;
use crate::offline::{Page, Source, Surroundings};
use crate::range::lay::Ground;
use crate::range::sample::Sample;
use crate::range::{self, LiveAttacked, RangeError};
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
    /// Play them on a private gate that runs, before sample systems: what counts is what arrives there
    #[arg(long)]
    pub live: bool,
    /// Show every attack, not only those that got through
    #[arg(long)]
    pub all: bool,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `ambit attack-server` is told.
#[derive(Clone, Debug, ClapArgs)]
pub struct ServerArgs {
    /// The lock that says what is offered
    #[arg(long, value_name = "FILE")]
    lock: PathBuf,
    /// The system of the lock
    #[arg(long, value_name = "NAME")]
    system: String,
    /// The file in which every call that arrives is written down
    #[arg(long, value_name = "FILE")]
    arrivals: PathBuf,
    /// While this file is there, the definitions are others
    #[arg(long, value_name = "FILE")]
    drift: PathBuf,
}

/// Serves one system until its input ends.
///
/// # Errors
/// When the lock cannot be read, or does not have it.
pub fn serve(said: &ServerArgs) -> anyhow::Result<Exit> {
    let (lock, _) = lock::read(&read_text(&said.lock)?);
    let sample = lock.and_then(|lock| Sample::of(&lock, &said.system, &said.arrivals, &said.drift));
    let none =
        || Trouble::new(Exit::Usage, format!("the lock has no system `{}`", said.system), "name one that it has");
    sample.ok_or_else(none)?.serve(io::stdin().lock(), io::stdout())?;
    Ok(Exit::Fine)
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

/// What `--live --format json` prints: every attack at every door.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct LivePrintout<'a> {
    agent: &'a str,
    file: &'a str,
    live: bool,
    got_through: usize,
    #[serde(flatten)]
    attacked: &'a LiveAttacked,
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
    if args.live {
        return live(args, &home, &page, &around, &sources);
    }
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

/// Plays them on a gate of its own.
fn live(
    args: &AttackArgs,
    home: &Home,
    page: &Page,
    around: &Surroundings,
    sources: &[Source],
) -> anyhow::Result<Exit> {
    let today = Real.now().date();
    let pack = pack::of(&page.policy, around, sources, today);
    let program = std::env::current_exe()?;
    let slow = Slow { policy: &page.policy, around, today };
    let mut progress = None;
    let mut watch = |_, all: usize| progress.get_or_insert_with(|| Progress::new("attacking", all as u64)).step();
    let asked = Asked::listen(range::over::end)?;
    // The ground is gone with the end of this, whichever way it ends.
    let attacked = Ground::lay(home, page, &args.agent, &program)
        .and_then(|mut ground| range::run(&mut ground, &pack, &slow, &mut watch));
    drop(progress);
    if let Some(exit) = asked.over() {
        let help = "nothing of yours was touched, and nothing is left of the private gate; begin again for a result";
        return Err(Trouble::new(exit, "it was asked to end before everything was played", help).into());
    }
    let attacked = attacked.map_err(no_ground)?;
    let got_through = attacked.through().count();
    let file = page.shown();
    match args.printed.format {
        Format::Json => {
            let (agent, file) = (args.agent.as_str(), file.as_str());
            output::json(&LivePrintout { agent, file, live: true, got_through, attacked: &attacked })?;
        }
        Format::Human => live_human(args, &file, &attacked, &mut output::data())?,
    }
    Ok(if got_through == 0 { Exit::Fine } else { Exit::Refused })
}

fn no_ground(error: RangeError) -> Trouble {
    let help = "nothing of yours was touched; `ambit check` says whether the page could be released at all";
    Trouble::new(Exit::Fault, escape_lines(&error.to_string()), help)
}

fn live_human(args: &AttackArgs, file: &str, attacked: &LiveAttacked, out: &mut impl Write) -> io::Result<()> {
    let (head, good, bad, quiet) = (style::HEAD, style::GOOD, style::BAD, style::QUIET);
    let (agent, file) = (escape(&args.agent), escape(file));
    writeln!(out, "{head}{agent}{head:#} {quiet}({file}, on a private gate){quiet:#}\n")?;
    let mut table = Table::new(&["attack", "played", "through", "what it is"]);
    for (kind, about) in range::play::kinds() {
        let of_kind = || attacked.attacks.iter().filter(|attack| attack.kind == kind);
        let through = of_kind().filter(|attack| attack.got_through).count();
        table.row([kind, &of_kind().count().to_string(), &through.to_string(), about]);
    }
    write!(out, "{}", table.text())?;
    for attack in attacked.attacks.iter().filter(|attack| args.all || attack.got_through) {
        let (colour, how) = if attack.got_through { (bad, "got through") } else { (good, "held off") };
        let (from, done) = (escape(&attack.from), escape(&attack.done));
        writeln!(out, "\n{colour}{how}{colour:#} {} by {}, from {from}: {done}", attack.kind, attack.front.name())?;
        writeln!(out, "  {}", escape(&attack.tries))?;
        writeln!(out, "  {} arrived, and at most {} may", attack.arrived, attack.most)?;
        for one in &attack.let_by {
            writeln!(out, "    {quiet}{}{quiet:#}", escape(one))?;
        }
    }
    for one in &attacked.not_played {
        writeln!(out, "\nnot played: {}", escape(one))?;
    }
    let (played, through) = (attacked.attacks.len(), attacked.through().count());
    let colour = if through == 0 { good } else { bad };
    writeln!(out, "\n{colour}{through} of {played} attacks{colour:#} got through, by {} doors", attacked.fronts.len())?;
    let (arrived, plain) = (attacked.arrived, attacked.plain);
    writeln!(
        out,
        "{quiet}the gate was open: of {plain} calls that the page allows by themselves {arrived} arrived{quiet:#}"
    )
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
