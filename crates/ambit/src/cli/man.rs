//! `ambit man [COMMAND…]`: the manual, out of the same definition as the help.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ambit_core::scope::diagnostics::nearest;
use clap::{Args as ClapArgs, Command, CommandFactory as _};
use clap_mangen::Man;

use super::args::Args;
use super::output::{self, say};
use super::{Exit, Trouble};

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct ManArgs {
    /// Of which command, such as `journal export` [default: of `ambit` itself]
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Write a page for every command into this directory, which is made if it is not there
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub to: Option<PathBuf>,
}

/// Prints a page, or writes all of them.
///
/// # Errors
/// When there is no such command, or the directory cannot be written to.
pub fn run(args: &ManArgs) -> anyhow::Result<Exit> {
    let mut whole = Args::command();
    whole.build();
    let Some(directory) = &args.to else {
        let mut page = Vec::new();
        manual(find(&whole, &args.command)?).render(&mut page)?;
        output::data().write_all(&page)?;
        return Ok(Exit::Fine);
    };
    std::fs::create_dir_all(directory).map_err(|why| unwritable(directory, &why))?;
    let pages = pages(&whole);
    for page in &pages {
        manual(page).generate_to(directory).map_err(|why| unwritable(directory, &why))?;
    }
    say(&format!("{} pages; `man -l {}` shows the first", pages.len(), directory.join("ambit.1").display()));
    Ok(Exit::Fine)
}

fn manual(command: &Command) -> Man {
    Man::new(command.clone()).source(concat!("ambit ", env!("CARGO_PKG_VERSION"))).manual("Ambit")
}

/// The command and all below it that people are told of.
fn pages(command: &Command) -> Vec<&Command> {
    let below = command.get_subcommands().filter(|sub| !sub.is_hide_set()).flat_map(pages);
    std::iter::once(command).chain(below).collect()
}

fn find<'a>(whole: &'a Command, words: &[String]) -> Result<&'a Command, Trouble> {
    let mut found = whole;
    for word in words {
        found = found.find_subcommand(word).ok_or_else(|| {
            let known = found.get_subcommands().filter(|sub| !sub.is_hide_set()).map(Command::get_name);
            let help = match nearest(word, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`ambit --help` lists the commands".to_owned(),
            };
            Trouble::new(Exit::Usage, format!("there is no command `{}`", words.join(" ")), help)
        })?;
    }
    Ok(found)
}

fn unwritable(directory: &Path, why: &std::io::Error) -> Trouble {
    let message = format!("`{}` cannot be written to: {why}", directory.display());
    Trouble::new(Exit::Fault, message, "name another directory with `--to DIR`")
}
