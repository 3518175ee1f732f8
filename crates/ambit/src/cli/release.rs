//! `ambit release` and `ambit releases`: putting a scope in force, and what was in force before.

use std::io::{IsTerminal as _, Write as _};

use ambit_core::release::Release;
use ambit_core::scope::diagnostics::Severity;
use ambit_core::time::{Date, Timestamp};
use clap::Args;

use super::args::{Format, Printed};
use super::link::{Link, Who, unexpected};
use super::options::Options;
use super::output::{self, Table, say};
use super::{Exit, Trouble};
use crate::boundary;
use crate::confirm::wait::clock;
use crate::daemon::releases::DOMAIN;
use crate::daemon::request::{Reply, Request, Words};
use crate::escape::escape;
use crate::keys::person::{PersonKey, people_directory};
use crate::snapshot::Snapshot;
use crate::world::{Real, World as _};

/// What was said to `ambit release`.
#[derive(Clone, Debug, Args)]
pub struct ReleaseArgs {
    /// The agent whose scope is put in force
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// Why, in your words; recorded and shown
    #[arg(long, value_name = "TEXT")]
    pub because: String,
    /// The last day on which it is in force, in UTC; what was in force before comes back then
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub until: Option<String>,
    /// Release although `ambit check` or `ambit test` found something; what was found is recorded and shown everywhere
    #[arg(long)]
    pub anyway: bool,
    /// Show what would be released, and release nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Who signs it.
    #[command(flatten)]
    pub who: Who,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit releases`.
#[derive(Clone, Debug, Args)]
pub struct ReleasesArgs {
    /// The agent
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// Put the release of that number in force again
    #[arg(long, value_name = "NUMBER", requires = "because")]
    pub revert: Option<u64>,
    /// Why it is put in force again
    #[arg(long, value_name = "TEXT", requires = "revert")]
    pub because: Option<String>,
    /// Who signs it.
    #[command(flatten)]
    pub who: Who,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// Puts a scope in force.
///
/// # Errors
/// When it has errors, is not ready, or the person may not release it.
pub fn release(args: &ReleaseArgs, options: &Options) -> anyhow::Result<Exit> {
    let until = args.until.as_deref().map(last_moment).transpose()?;
    let home = options.home()?;
    let snapshot = Snapshot::take(&home, &args.agent)
        .map_err(|e| Trouble::new(Exit::Usage, e.to_string(), "`ambit check` shows what there is"))?;
    let found = shortcomings(&home, &snapshot)?;
    if !found.is_empty() && !args.anyway {
        for one in &found {
            say(&format!("not ready: {one}"));
        }
        let help = "mend it (`ambit check`, `ambit test` say how), or release it all the same with `--anyway`, which is recorded";
        return Err(Trouble::new(
            Exit::Refused,
            format!("the scope of `{}` is not ready to be released", args.agent),
            help,
        )
        .into());
    }
    let words =
        Words { by: args.who.name()?, because: args.because.clone(), overrides: found, until, reverts_to: None };
    let text = String::from_utf8(snapshot.bytes())?;
    sign_and_send(&mut Link::open(options)?, text, words, &args.who, args.dry_run, args.printed.format)
}

/// Lists releases, or puts an earlier one in force again.
///
/// # Errors
/// When there is none of that number.
pub fn releases(args: &ReleasesArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut link = Link::open(options)?;
    if let (Some(number), Some(because)) = (args.revert, &args.because) {
        let text = match link.ask(&Request::Snapshot { agent: args.agent.clone(), number })? {
            Reply::Snapshot(text) => text,
            other => return Err(unexpected(&other).into()),
        };
        let words = Words {
            by: args.who.name()?,
            because: because.clone(),
            overrides: Vec::new(),
            until: None,
            reverts_to: Some(number),
        };
        return sign_and_send(&mut link, text, words, &args.who, false, args.printed.format);
    }
    let reply = link.ask(&Request::Releases { agent: args.agent.clone() })?;
    let Reply::Releases { releases, in_force } = reply else { return Err(unexpected(&reply).into()) };
    if args.printed.format == Format::Json {
        output::json(&serde_json::json!({ "in-force": in_force, "releases": releases }))?;
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&["", "number", "since", "until", "by", "because", "waived"]);
    for release in &releases {
        let mark = if Some(release.number) == in_force { "in force" } else { "" };
        let until = release.until.map_or_else(String::new, clock);
        let waived = release.overrides.join("; ");
        table.row([
            mark,
            &release.number.to_string(),
            &clock(release.at),
            &until,
            &release.by,
            &release.because,
            &waived,
        ]);
    }
    if table.is_empty() {
        say(&format!("nothing was ever released for {}\nnext: `ambit release {} --because …`", args.agent, args.agent));
    } else {
        write!(output::data(), "{}", table.text())?;
    }
    Ok(Exit::Fine)
}

fn sign_and_send(
    link: &mut Link,
    snapshot: String,
    words: Words,
    who: &Who,
    dry_run: bool,
    format: Format,
) -> anyhow::Result<Exit> {
    let draft = draft(link, &snapshot, words)?;
    say(&told(&draft));
    if dry_run {
        if format == Format::Json {
            output::json(&draft)?;
        }
        say("nothing was released");
        return Ok(Exit::Fine);
    }
    if std::io::stdin().is_terminal() && who.passphrase_file.is_none() && !agreed()? {
        say("nothing was released");
        return Ok(Exit::Refused);
    }
    let release = (*draft).clone();
    let withdrawn = send(link, &who.key()?, draft, snapshot)?;
    if format == Format::Json {
        output::json(&serde_json::json!({ "release": release, "digest": release.digest(), "withdrawn": withdrawn }))?;
    }
    say_in_force(&release, &withdrawn);
    Ok(Exit::Fine)
}

/// What a release of that snapshot would be.
pub(super) fn draft(link: &mut Link, snapshot: &str, words: Words) -> Result<Box<Release>, Trouble> {
    match link.ask(&Request::Draft { snapshot: snapshot.to_owned(), words })? {
        Reply::Draft(draft) => Ok(draft),
        other => Err(unexpected(&other)),
    }
}

/// Signs a draft and puts it in force; the holds that were withdrawn.
pub(super) fn send(
    link: &mut Link,
    key: &PersonKey,
    draft: Box<Release>,
    snapshot: String,
) -> Result<Vec<String>, Trouble> {
    let signature = key.sign(DOMAIN, &[&draft.digest().0]);
    match link.ask(&Request::Release { release: draft, snapshot, person: key.name().to_owned(), signature })? {
        Reply::Released(withdrawn) => Ok(withdrawn),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn say_in_force(release: &Release, withdrawn: &[String]) {
    say(&format!("release {} of {} is in force", release.number, escape(&release.agent)));
    if !withdrawn.is_empty() {
        say(&format!("withdrawn, because they waited under the release before: {}", withdrawn.join(", ")));
    }
}

fn told(release: &Release) -> String {
    let mut text = format!(
        "release {} of {}, signed by {}\nbecause {}\n",
        release.number,
        escape(&release.agent),
        escape(&release.by),
        escape(&release.because)
    );
    for (label, all) in [("widens", &release.widens), ("narrows", &release.narrows), ("waived", &release.overrides)] {
        for one in all {
            text.push_str(&format!("  {label:<8} {}\n", escape(one)));
        }
    }
    if release.widens.is_empty() && release.narrows.is_empty() {
        text.push_str("  nothing changes in what is allowed\n");
    }
    match release.until {
        Some(until) => text.push_str(&format!("ends {}\n", clock(until))),
        None if !release.widens.is_empty() => text.push_str("it has no end date (`--until YYYY-MM-DD` gives it one)\n"),
        None => {}
    }
    text
}

pub(super) fn agreed() -> anyhow::Result<bool> {
    let mut err = std::io::stderr();
    write!(err, "type `yes` to put this in force: ")?;
    err.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

fn last_moment(text: &str) -> Result<Timestamp, Trouble> {
    let date = Date::parse(text)
        .ok_or_else(|| Trouble::new(Exit::Usage, format!("`{text}` is no day"), "write it as YYYY-MM-DD"))?;
    if date.end() < Real.now() {
        return Err(Trouble::new(Exit::Usage, format!("{date} has passed"), "give a day to come"));
    }
    Ok(date.end())
}

/// What keeps a snapshot from being released, a sentence each; its errors end the command.
fn shortcomings(home: &crate::home::Home, snapshot: &Snapshot) -> anyhow::Result<Vec<String>> {
    let resolved = snapshot.resolve();
    let mut findings = resolved.checked(Some(Real.now().date()));
    let reach = boundary::findings(home, people_directory());
    // Whoever can write what is released next decides it: not even `--anyway` puts a page in force over that.
    let is_open = !reach.diagnostics.is_empty();
    findings.push(reach);
    if resolved.policy.is_none() || is_open {
        say(&crate::report::human(&output::errors_only(findings)));
        return Err(Trouble::new(
            Exit::Refused,
            "the scope, or what stands around it, has errors",
            "correct what is shown above; `ambit check` shows everything",
        )
        .into());
    }
    let mut found: Vec<String> = Vec::new();
    for (file, one) in findings.iter().flat_map(|f| f.diagnostics.iter().map(move |d| (&f.file, d))) {
        if one.severity == Severity::NotReady {
            found.push(format!("{file} line {}: {} ({})", one.at.line, one.message, one.name));
        }
    }
    found.extend(super::test::shortcomings(home, snapshot.agent())?);
    // What was tested was read after the snapshot was taken; it must be the same.
    if Snapshot::take(home, snapshot.agent()).ok().as_ref() != Some(snapshot) {
        return Err(Trouble::new(Exit::Refused, "the files changed while they were tested", "run it again").into());
    }
    Ok(found)
}
