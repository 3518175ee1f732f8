//! `ambit inbox`, `ambit show`, `ambit confirm`, `ambit refuse`: what waits for a person, and their answer.

use std::io::{IsTerminal as _, Write as _};

use ambit_effects::sql::asked;
use clap::Args;

use super::args::{Format, Printed};
use super::link::{Link, Who, unexpected};
use super::options::Options;
use super::output::{self, Table, say};
use super::{Exit, Trouble};
use crate::confirm::answer::Answered;
use crate::confirm::people::{self, Proof, Say};
use crate::confirm::shown::{self, Shown};
use crate::confirm::wait::clock;
use crate::daemon::request::{Reply, Request, ShownHold};
use crate::escape::{escape, escape_lines};

/// What was said to `ambit inbox`.
#[derive(Clone, Debug, Args)]
pub struct InboxArgs {
    /// Of that agent alone
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit show`.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The hold, or the start of its id
    #[arg(value_name = "ID")]
    pub id: String,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// What was said to `ambit confirm`.
#[derive(Clone, Debug, Args)]
pub struct ConfirmArgs {
    /// The hold, or the start of its id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Who confirms.
    #[command(flatten)]
    pub who: Who,
    /// Prove who you are by the operating-system user you run as, where `ambit.toml` names it, instead of a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    pub by_user: bool,
}

/// What was said to `ambit refuse`.
#[derive(Clone, Debug, Args)]
pub struct RefuseArgs {
    /// The hold, or the start of its id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Why; the agent reads it
    #[arg(long, value_name = "TEXT")]
    pub because: String,
    /// Who refuses.
    #[command(flatten)]
    pub who: Who,
    /// Prove who you are by the operating-system user you run as, where `ambit.toml` names it, instead of a passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    pub by_user: bool,
}

/// Lists what waits.
///
/// # Errors
/// When the daemon cannot be reached.
pub fn inbox(args: &InboxArgs, options: &Options) -> anyhow::Result<Exit> {
    let reply = Link::open(options)?.ask(&Request::Inbox { agent: args.agent.clone() })?;
    let Reply::Inbox { holds, notices } = reply else { return Err(unexpected(&reply).into()) };
    if args.printed.format == Format::Json {
        output::json(&serde_json::json!({ "holds": holds, "notices": notices }))?;
        return Ok(Exit::Fine);
    }
    for notice in &notices {
        say(&format!("note: {}", escape(notice)));
    }
    let mut table = Table::new(&["id", "agent", "would call", "asks", "until"]);
    for hold in &holds {
        table.row([&hold.id, &hold.agent, &hold.what, &hold.people.join("; "), &clock(hold.expires)]);
    }
    if table.is_empty() {
        say("nothing waits");
    } else {
        write!(output::data(), "{}", table.text())?;
        say("next: `ambit show ID` shows all of it; then `ambit confirm ID` or `ambit refuse ID --because …`");
    }
    Ok(Exit::Fine)
}

/// Shows everything about a hold.
///
/// # Errors
/// When there is none.
pub fn show(args: &ShowArgs, options: &Options) -> anyhow::Result<Exit> {
    let held = held(&mut Link::open(options)?, &args.id)?;
    if args.printed.format == Format::Json {
        output::json(&held)?;
    } else {
        write!(output::data(), "{}", words(&held))?;
    }
    Ok(Exit::Fine)
}

/// Confirms: shows all of it, asks on the terminal, proves who confirms.
///
/// # Errors
/// When it cannot be confirmed, or by this person.
pub fn confirm(args: &ConfirmArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut link = Link::open(options)?;
    let held = held(&mut link, &args.id)?;
    say(&words(&held));
    if std::io::stdin().is_terminal() && !agreed(&held)? {
        say("nothing was confirmed");
        return Ok(Exit::Refused);
    }
    answer(&mut link, &held, Say::Confirm, "", &args.who, args.by_user)
}

/// Refuses, with a reason.
///
/// # Errors
/// When there is no such hold, or the person is not proved.
pub fn refuse(args: &RefuseArgs, options: &Options) -> anyhow::Result<Exit> {
    let mut link = Link::open(options)?;
    let held = held(&mut link, &args.id)?;
    answer(&mut link, &held, Say::Refuse, &args.because, &args.who, args.by_user)
}

fn held(link: &mut Link, id: &str) -> Result<ShownHold, Trouble> {
    match link.ask(&Request::Show { id: id.to_owned() })? {
        Reply::Show(held) => {
            // What is signed is computed here from what is shown here, not taken from anybody.
            let seen = held.shown.to_bytes().map(|bytes| shown::digest(&bytes)).ok();
            if seen != Some(held.binding.shown) || held.shown.action != held.binding.action {
                let help = "`ambit journal verify` says whether the state is whole; do not answer it";
                return Err(Trouble::new(Exit::Fault, "what is shown is not what the hold is bound to", help));
            }
            Ok(*held)
        }
        other => Err(unexpected(&other)),
    }
}

fn agreed(held: &ShownHold) -> anyhow::Result<bool> {
    let mut err = std::io::stderr();
    write!(err, "type `yes` to let {} do exactly this, once: ", escape(&held.shown.agent))?;
    err.flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim() == "yes")
}

fn answer(
    link: &mut Link,
    held: &ShownHold,
    say_what: Say,
    because: &str,
    who: &Who,
    by_user: bool,
) -> anyhow::Result<Exit> {
    let (id, binding) = (held.shown.hold.clone(), held.binding.digest());
    let proof = if by_user {
        Proof { person: who.name()?, signature: None }
    } else {
        let key = who.key()?;
        let parts = people::statement(say_what, &id, &binding, because);
        Proof { person: key.name().to_owned(), signature: Some(key.sign(people::DOMAIN, &parts)) }
    };
    let request = Request::Answer { id: id.clone(), binding, say: say_what, because: because.to_owned(), proof };
    match link.ask(&request)? {
        Reply::Answered { answered, state } => {
            say(&match &answered {
                Answered::Counted { missing } => {
                    format!("your confirmation of `{id}` counts; still needed: {}", missing.join("; "))
                }
                Answered::Complete => format!("`{id}` was confirmed and sent: {state}"),
                Answered::Already => format!("you had confirmed `{id}` already; nothing changed ({state})"),
                Answered::Refused => format!("`{id}` was refused and will not run"),
            });
            Ok(Exit::Fine)
        }
        other => Err(unexpected(&other).into()),
    }
}

/// Everything that a person must see, laid out for a terminal. What an agent wrote is escaped where it was shown.
fn words(held: &ShownHold) -> String {
    let Shown {
        hold,
        agent,
        workflow,
        task,
        system,
        operation,
        name,
        arguments,
        effects,
        unread,
        bounds,
        grounds,
        people,
        warnings,
        release,
        action,
        definition,
        opened,
        expires,
    } = &held.shown;
    let mut text = String::new();
    let mut line = |label: &str, value: &str| text.push_str(&format!("{label:<14}{value}\n"));
    line("hold", &format!("{} ({})", escape(hold), held.word));
    line(
        "agent",
        &format!("{}{}", escape(agent), workflow.as_ref().map_or_else(String::new, |w| format!(", for {}", escape(w)))),
    );
    if let Some(task) = task {
        line("task", &format!("{}, opened by {}", escape(&task.name), escape(&task.opened_by)));
        if !task.facts.is_empty() {
            line("facts", &task.facts.iter().map(|fact| escape(fact)).collect::<Vec<_>>().join(", "));
        }
        if let Some(request) = &task.request {
            let author = task.author.as_deref().map_or_else(|| "nobody knows who".to_owned(), escape);
            line("request", &format!("{author} wrote: {}", escape(request)));
        }
    }
    match operation.as_str() {
        asked::OPERATION => line("would do", &format!("this statement on `{}`", escape(system))),
        _ => line("would do", &format!("{} on `{}.{}`", escape(operation), escape(system), escape(name))),
    }
    text.push_str("with\n");
    for row in escape_lines(arguments).lines() {
        text.push_str(&format!("              {row}\n"));
    }
    let mut list = |label: &str, rows: &mut dyn Iterator<Item = String>| {
        for (at, row) in rows.enumerate() {
            text.push_str(&format!("{:<14}{row}\n", if at == 0 { label } else { "" }));
        }
    };
    list("that is to", &mut effects.iter().map(|e| escape(e)));
    list("not read", &mut unread.iter().map(|u| escape(u)));
    list("proved", &mut bounds.iter().map(|b| escape(b)));
    list(
        "held because",
        &mut grounds.iter().map(|g| {
            let line = match (g.line, &g.section, &g.text) {
                (Some(line), Some(section), Some(text)) => format!(" (line {line}, {section}: {})", escape(text)),
                _ => String::new(),
            };
            format!("{}{line}", escape(&g.why))
        }),
    );
    list("asks", &mut people.iter().map(|p| escape(p)));
    list("confirmed by", &mut held.votes.iter().map(|v| escape(v)));
    list("careful", &mut warnings.iter().map(|w| escape(w)));
    let mut line = |label: &str, value: &str| text.push_str(&format!("{label:<14}{value}\n"));
    let overrides = if release.overrides.is_empty() {
        String::new()
    } else {
        format!("; waived: {}", release.overrides.iter().map(|o| escape(o)).collect::<Vec<_>>().join("; "))
    };
    line("release", &format!("{} by {}{overrides}", release.number, escape(&release.by)));
    line("held since", &clock(*opened));
    line("lapses", &clock(*expires));
    line("action", &action.to_string());
    line("definition", if definition.is_empty() { "none pinned" } else { definition });
    line("you confirm", &held.binding.digest().to_string());
    text
}
