//! `ambit list`: what stands on a list, and putting it in force with a member more or less.
//!
//! A change goes into the list's file, and into a release of each agent whose lines ask for the list: the one in force but
//! for those members. What else was edited on the disk, the file itself included, stays what it was: not in force.

mod file;
pub mod standing;

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};

use ambit_core::release::Release;
use ambit_core::scope::diagnostics::nearest;
use clap::{Args, Subcommand};
use serde::Serialize;

use self::standing::{Differs, InForce, differing, some_of};
use super::args::{Format, Printed};
use super::link::{Link, Who};
use super::options::Options;
use super::output::{self, Table, say};
use super::release::{agreed, draft, say_in_force, send};
use super::{Exit, Trouble};
use crate::config::{self, ListKind};
use crate::confirm::wait::clock;
use crate::daemon::request::Words;
use crate::escape::escape;
use crate::home::{Home, read_text};
use crate::snapshot::members_of;

/// What was said.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Show the lists, or what stands on one, and whether that is in force
    Show(ShowArgs),
    /// Put values on a list, in force at once for every agent whose lines ask for it
    Add(ChangeArgs),
    /// Take values off a list, in force at once for every agent whose lines ask for it
    Remove(ChangeArgs),
}

/// What was said to `ambit list show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The list, as `ambit.toml` names it
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit list add` and `ambit list remove`.
#[derive(Clone, Debug, Args)]
pub struct ChangeArgs {
    /// The list, as `ambit.toml` names it
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The values
    #[arg(value_name = "VALUE", required = true)]
    pub values: Vec<String>,
    /// Why, in your words; recorded and shown
    #[arg(long, value_name = "TEXT")]
    pub because: String,
    /// Show what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Who signs it.
    #[command(flatten)]
    pub who: Who,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// Which way a list changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Add,
    Remove,
}

/// Shows or changes.
///
/// # Errors
/// When there is no such list, or the person may not change it.
pub fn run(args: &ListArgs, options: &Options) -> anyhow::Result<Exit> {
    match &args.what {
        What::Show(args) => show(args, options),
        What::Add(args) => change(args, options, Way::Add),
        What::Remove(args) => change(args, options, Way::Remove),
    }
}

fn change(args: &ChangeArgs, options: &Options, way: Way) -> anyhow::Result<Exit> {
    let home = options.home()?;
    let list = known(&home, &args.name)?;
    let Some(file) = list.file.as_ref().map(|file| home.dir().join(file)) else {
        let help = "move them to a file (`file = \"PATH\"`, one a line), and release";
        return Err(
            Trouble::new(Exit::Usage, format!("the members of `{}` stand in `ambit.toml`", args.name), help).into()
        );
    };
    let values: BTreeSet<String> = args.values.iter().cloned().collect();
    if way == Way::Add {
        values.iter().try_for_each(|value| fits(list.kind, value))?;
    }
    let on_disk = read_text(&file).map_err(|e| Trouble::new(Exit::Fault, e.to_string(), "correct `ambit.toml`"))?;
    let mut link = Link::open(options)?;
    let in_force = standing::in_force(&mut link)?;
    let users: Vec<&InForce> = in_force.iter().filter(|one| one.uses(&args.name)).collect();
    if way == Way::Remove {
        let texts = users.iter().filter_map(|one| one.snapshot.list_text(&args.name)).chain([on_disk.as_str()]);
        stand_somewhere(&args.name, &values, texts)?;
    }
    let changed = |text: &str| match way {
        Way::Add => file::with(text, &values),
        Way::Remove => file::without(text, &values),
    };
    let by = args.who.name()?;
    let mut drafts = Vec::new();
    for one in users {
        let Some(text) = one.snapshot.list_text(&args.name) else {
            let message = format!("in the release in force for `{}`, `{}` is not kept in a file", one.agent, args.name);
            let help = format!("`ambit release {}` puts the file in force", one.agent);
            return Err(Trouble::new(Exit::Refused, message, help).into());
        };
        let Some(snapshot) = one.snapshot.with_list(&args.name, changed(text)).filter(|new| *new != one.snapshot)
        else {
            continue;
        };
        let snapshot = String::from_utf8(snapshot.bytes())?;
        // What was waived stands: nothing else changes, so all of it still is so.
        let overrides = one.release.overrides.clone();
        let words = Words { by: by.clone(), because: args.because.clone(), overrides, until: None, reverts_to: None };
        let release = draft(&mut link, &snapshot, words)?;
        say(&in_words(&release, way, &values));
        drafts.push((release, snapshot));
    }
    let after = changed(&on_disk);
    if drafts.is_empty() && after == on_disk {
        say("that is so already; nothing was changed");
        return Ok(Exit::Fine);
    }
    if args.dry_run {
        print(args, &drafts.into_iter().map(|(release, _)| *release).collect::<Vec<_>>())?;
        say("nothing was changed");
        return Ok(Exit::Fine);
    }
    let widens = drafts.iter().any(|(release, _)| !release.widens.is_empty());
    if widens && std::io::stdin().is_terminal() && args.who.passphrase_file.is_none() && !agreed()? {
        say("nothing was changed");
        return Ok(Exit::Refused);
    }
    let mut released = Vec::new();
    if !drafts.is_empty() {
        let key = args.who.key()?;
        for (draft, snapshot) in drafts {
            let release = (*draft).clone();
            let withdrawn = send(&mut link, &key, draft, snapshot)?;
            say_in_force(&release, &withdrawn);
            released.push(release);
        }
    }
    if after != on_disk {
        file::replace(&file, &after)?;
        say(&format!("wrote {}", crate::home::shown(&file)));
    }
    if released.is_empty() {
        say("no release in force changes by it");
    }
    print(args, &released)?;
    differing(&home, &standing::in_force(&mut link)?).iter().for_each(|one| say(&one.words()));
    Ok(Exit::Fine)
}

/// What the change of a list does to one agent, for whoever is to sign it. What was waived before is not said again.
fn in_words(release: &Release, way: Way, values: &BTreeSet<String>) -> String {
    let word = if way == Way::Add { "on" } else { "off" };
    let values: Vec<String> = values.iter().cloned().collect();
    let mut text =
        format!("release {} of {}, because {}\n", release.number, escape(&release.agent), escape(&release.because));
    text.push_str(&format!("  {word:<8} {}\n", some_of(&values)));
    for (label, all) in [("widens", &release.widens), ("narrows", &release.narrows)] {
        for one in all {
            text.push_str(&format!("  {label:<8} {}\n", escape(one)));
        }
    }
    if let Some(until) = release.until {
        text.push_str(&format!("  {:<8} {}\n", "ends", clock(until)));
    }
    if !release.overrides.is_empty() {
        text.push_str(&format!("  {:<8} {} findings, as before\n", "waived", release.overrides.len()));
    }
    text
}

fn print(args: &ChangeArgs, releases: &[Release]) -> anyhow::Result<()> {
    if args.printed.format == Format::Json {
        output::json(&serde_json::json!({ "list": args.name, "releases": releases }))?;
    }
    Ok(())
}

/// One list, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Shown<'a> {
    name: &'a str,
    kind: ListKind,
    file: Option<&'a str>,
    add: Option<&'a str>,
    outsiders_can_extend: bool,
    members: Vec<String>,
    used_by: Vec<&'a str>,
    differs: Vec<Differs>,
}

fn show(args: &ShowArgs, options: &Options) -> anyhow::Result<Exit> {
    let home = options.home()?;
    if let Some(name) = &args.name {
        known(&home, name)?;
    }
    let in_force = standing::in_force(&mut Link::open(options)?)?;
    let differs = differing(&home, &in_force);
    let mut all = Vec::new();
    for (name, list) in home.config.lists.iter().filter(|(name, _)| args.name.as_ref().is_none_or(|one| one == *name)) {
        let members = match (&list.members, &list.file) {
            (Some(members), _) => members.iter().map(ToString::to_string).collect(),
            (None, Some(file)) => {
                let text = read_text(&home.dir().join(file));
                let text = text.map_err(|e| Trouble::new(Exit::Fault, e.to_string(), "correct `ambit.toml`"))?;
                members_of(&text).into_iter().map(str::to_owned).collect()
            }
            (None, None) => Vec::new(),
        };
        all.push(Shown {
            name,
            kind: list.kind,
            file: list.file.as_deref(),
            add: list.add.as_deref(),
            outsiders_can_extend: list.outsiders_can_extend,
            members,
            used_by: in_force.iter().filter(|one| one.uses(name)).map(|one| one.agent.as_str()).collect(),
            differs: differs.iter().filter(|one| one.list == *name).cloned().collect(),
        });
    }
    if args.printed.format == Format::Json {
        output::json(&all)?;
        return Ok(Exit::Fine);
    }
    let mut out = output::data();
    match (&args.name, all.first()) {
        (Some(_), Some(one)) => {
            for member in &one.members {
                writeln!(out, "{}", escape(member))?;
            }
            let who = one.add.map_or_else(|| "the owners of its agents".to_owned(), escape);
            let count = one.members.len();
            say(&format!("{count} {}; {who} may add to it", if count == 1 { "member" } else { "members" }));
        }
        _ => {
            let mut table = Table::new(&["list", "of", "members", "may add", "used by", "file"]);
            for one in &all {
                let count = one.members.len().to_string();
                let (add, file) = (one.add.unwrap_or("owners"), one.file.unwrap_or("ambit.toml"));
                table.row([one.name, words(one.kind), &count, add, &one.used_by.join(", "), file].map(escape));
            }
            if table.is_empty() {
                say("`ambit.toml` has no lists\nnext: `[lists.NAME]` with `kind`, `file` and `add` makes one");
            } else {
                write!(out, "{}", table.text())?;
            }
        }
    }
    all.iter().flat_map(|one| &one.differs).for_each(|one| say(&one.words()));
    Ok(Exit::Fine)
}

fn words(kind: ListKind) -> &'static str {
    ambit_core::policy::ListKind::from(kind).words()
}

fn known<'a>(home: &'a Home, name: &str) -> Result<&'a config::List, Trouble> {
    let lists = &home.config.lists;
    lists.get(name).ok_or_else(|| {
        let help = match nearest(name, lists.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if lists.is_empty() => {
                "it has none; `[lists.NAME]` with `kind`, `file` and `add` makes one".to_owned()
            }
            None => format!("it has {}", lists.keys().cloned().collect::<Vec<_>>().join(", ")),
        };
        Trouble::new(Exit::Usage, format!("`ambit.toml` has no list `{}`", escape(name)), help)
    })
}

/// Whether a value can stand on a list of that kind, one a line.
fn fits(kind: ListKind, value: &str) -> Result<(), Trouble> {
    if let Some(wanted) = kind.misfit(value) {
        let message = format!("`{}` is not {wanted}", escape(value));
        return Err(Trouble::new(Exit::Usage, message, "correct it; nothing was changed"));
    }
    if value.starts_with('#') {
        let message = format!("`{}` would be a comment in the list's file", escape(value));
        return Err(Trouble::new(Exit::Usage, message, "a member cannot begin with `#`; nothing was changed"));
    }
    Ok(())
}

/// A value to be taken off stands on the list somewhere, or it is a slip of the pen.
fn stand_somewhere<'a>(
    list: &str,
    values: &BTreeSet<String>,
    texts: impl Iterator<Item = &'a str>,
) -> Result<(), Trouble> {
    let all: BTreeSet<&str> = texts.flat_map(members_of).collect();
    let Some(missing) = values.iter().find(|value| !all.contains(value.as_str())) else { return Ok(()) };
    let help = match nearest(missing, all.iter().copied()) {
        Some(near) => format!("did you mean `{}`? nothing was changed", escape(near)),
        None => format!("`ambit list show {list}` says what stands there; nothing was changed"),
    };
    Err(Trouble::new(Exit::Usage, format!("`{}` is not on the list `{list}`", escape(missing)), help))
}
