//! `ambit check [PATH…]`: what is wrong, and whether it is ready to be released.

use std::io::Write as _;
use std::path::PathBuf;

use ambit_core::scope::diagnostics::Severity;
use clap::Args as ClapArgs;
use serde::Serialize;

use super::args::{Format, Printed};
use super::options::Options;
use super::output::{self, style};
use super::{Exit, Trouble};
use crate::home::{Home, OpenError};
use crate::report::{self, Finding, Findings};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct CheckArgs {
    /// Scope documents [default: those of every agent in `ambit.toml`]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What `--format json` prints.
#[derive(Debug, Serialize)]
struct Printout<'a> {
    ready: bool,
    findings: Vec<Finding<'a>>,
}

/// Checks, and ends with 1 when there is an error.
///
/// # Errors
/// When there is no `ambit.toml`, or something cannot be read.
pub fn run(args: &CheckArgs, options: &Options) -> anyhow::Result<Exit> {
    let all = match Home::open(&options.config_path()?) {
        Ok(home) => home.findings,
        Err(OpenError::Wrong(findings)) => findings,
        Err(error) => {
            return Err(Trouble::new(Exit::Usage, error.to_string(), "name another with `--config PATH`").into());
        }
    };
    print(&all, args.printed.format)?;
    let worst = all.iter().filter_map(Findings::worst).max();
    Ok(if worst == Some(Severity::Error) { Exit::Refused } else { Exit::Fine })
}

fn print(all: &[Findings], format: Format) -> anyhow::Result<()> {
    let worst = all.iter().filter_map(Findings::worst).max();
    let ready = worst < Some(Severity::NotReady);
    if format == Format::Json {
        return output::json(&Printout { ready, findings: report::plain(all) });
    }
    let count = |severity| all.iter().flat_map(|f| &f.diagnostics).filter(|d| d.severity == severity).count();
    let (errors, open) = (count(Severity::Error), count(Severity::NotReady));
    let mut out = output::data();
    write!(out, "{}", report::human(all))?;
    let (good, bad) = (style::GOOD, style::BAD);
    match (errors, open) {
        (0, 0) => writeln!(out, "{good}ready{good:#}")?,
        (0, open) => writeln!(out, "{bad}not ready{bad:#}: {}", counted(open, "finding"))?,
        (errors, _) => writeln!(out, "{bad}not ready{bad:#}: {}", counted(errors, "error"))?,
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
