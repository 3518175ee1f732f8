//! `ambit init`: imports the servers that an MCP client starts by itself, and has the client go through Ambit; `--undo`
//! takes it back.

mod told;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;

use super::args::{Format, Printed};
use super::options::Options;
use super::output::{self, Progress, say};
use super::release::{self, ReleaseArgs};
use super::setup::{self, SetupArgs};
use super::token::{self, TokenArgs};
use super::{Exit, Trouble, link};
use crate::config::{self, find, is_address, is_name};
use crate::escape::escape;
use crate::import::entry::{NO_CREDENTIAL, What};
use crate::import::formats::{self, ClientFile, Place};
use crate::import::plan::{self, Texts};
use crate::import::questions::{self, Answers, Offer, offers};
use crate::import::server::{Blocked, Server, Stays, Surroundings, none_go, servers};
use crate::import::{draft, names, reach, undo, write};
use crate::inventory::look;
use crate::keys::Secret;
use crate::keys::person::people_directory;
use crate::lock::Lock;
use crate::report;
use crate::world::{Real, World as _};
use told::Told;

/// What was said.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The client's file [default: the one that is found in the known places]
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// What the agent is called [default: the project's directory, or the client]
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// The mail address of the person who answers for what the agent does
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Option<String>,
    /// Where `ambit.toml` and all that belongs to it go, or went [default: here]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Only these servers; the others stay where they are
    #[arg(long, value_name = "SERVER", num_args = 1.., value_delimiter = ',')]
    pub only: Vec<String>,
    /// Ask nothing: every tool is listed on the page, and a human must confirm each call
    #[arg(long, visible_alias = "yes")]
    pub draft: bool,
    /// Say everything that would be written, and write nothing; the servers are started to ask what they offer
    #[arg(long)]
    pub dry_run: bool,
    /// Put the client's file back as it was, byte for byte
    #[arg(long, conflicts_with_all = ["from", "agent", "owner", "only", "draft"])]
    pub undo: bool,
    /// Put it back although it was changed since; the changed file is kept beside it
    #[arg(long, requires = "undo")]
    pub force: bool,
    /// How to print it.
    #[command(flatten)]
    pub printed: Printed,
}

/// Imports, or takes an import back.
///
/// # Errors
/// When there is nothing to import, something is in the way, or it cannot be written. Nothing was changed then.
pub fn run(args: &InitArgs, options: &Options) -> anyhow::Result<Exit> {
    let here = std::env::current_dir()?;
    let dir = args.dir.clone().or_else(|| options.named_dir()).unwrap_or_default();
    let dir = reach::settled(&here.join(dir));
    if args.undo {
        return take_back(args, &dir);
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let talk = (terminal && !args.draft && args.printed.format == Format::Human).then_some(Talk);

    let place = match &args.from {
        Some(from) => formats::place_of(&named(&here.join(from)), home.as_deref()),
        None => choose(&here, home.as_deref(), talk.as_ref())?,
    };
    let file = formats::read(&place, &here).map_err(|error| {
        let message = format!("`{}` cannot be imported: {error}", place.path.display());
        Trouble::new(Exit::Usage, message, "name the client's file with `--from FILE`")
    })?;
    plan::is_free(&dir, &file).map_err(blocked)?;
    let agent = agent(args, &file)?;

    let (can_ask, path) = (talk.is_some(), std::env::var_os("PATH"));
    let around = Surroundings {
        dir: &dir,
        home: home.as_deref(),
        path: path.as_deref(),
        variable: &|name| std::env::var(name).ok(),
        ask: &|input| {
            // Typed at the terminal and not shown; who leaves it out stops the import.
            let prompt = format!("the client asks for `{}` (not shown): ", escape(input));
            can_ask.then(|| rpassword::prompt_password(prompt).ok()).flatten().map(Secret::from)
        },
        people: people_directory(),
    };
    let (mut servers, mut stays) = servers(&file, &args.only, &around).map_err(blocked)?;
    told::note_reach(&mut servers, &file);
    let owner = owner(args, talk.as_ref())?;
    let person = person_of(&owner, &agent);
    if let Some(talk) = &talk {
        say(&told::commands(&file, &servers));
        if !talk.agreed("start and call them, to ask what they offer?")? {
            say("nothing was started, and nothing was written");
            return Ok(Exit::Refused);
        }
    }
    let (lock, left_out) = look_at(&mut servers, &mut stays, &dir)?;
    let all: Vec<Offer> = lock.systems.iter().flat_map(|(name, system)| offers(name, system)).collect();
    let (answers, purpose) = match &talk {
        Some(talk) => {
            let answers = questions::ask(&all, &mut io::stdin().lock(), &mut io::stderr())?;
            (answers, talk.purpose()?)
        }
        None => (questions::careful(&all), None),
    };
    let answered = talk.is_some();
    let texts = texts(&file, &servers, lock, (&answers, answered), purpose.as_deref(), &agent, (&person, &owner));
    let findings = plan::checked(&texts, &agent, &dir, Real.now().date()).map_err(|(why, findings)| {
        say(&report::human(&findings));
        blocked(why)
    })?;
    let ambit = std::env::current_exe()?;
    let plan = plan::plan(&file, &servers, &texts, &agent, &dir, &ambit).map_err(blocked)?;

    let told = Told {
        dry_run: args.dry_run,
        file: &file,
        plan: &plan,
        servers: &servers,
        stays: &stays,
        left_out: &left_out,
        answers: &answers,
        offers: &all,
        findings: &findings,
        owner: &owner,
        person: &person,
        here: &here,
        asked: talk.is_some(),
    };
    if args.dry_run {
        told.print(args.printed.format)?;
        return Ok(Exit::Fine);
    }
    if let Some(talk) = &talk {
        say(&told.writes());
        if !talk.agreed("write this?")? {
            say("nothing was written");
            return Ok(Exit::Refused);
        }
    }
    write::write(&plan).map_err(|error| link::split(Exit::Fault, &error.to_string()))?;
    told.print(args.printed.format)?;
    if let Some(talk) = &talk {
        finish(talk, &plan, &agent, &person)?;
    }
    Ok(Exit::Fine)
}

/// The file as it was named, in the directory behind links: where its client would start things.
fn named(from: &Path) -> PathBuf {
    match (from.parent().map(Path::canonicalize), from.file_name()) {
        (Some(Ok(dir)), Some(name)) => dir.join(name),
        _ => from.to_owned(),
    }
}

fn blocked(why: Blocked) -> Trouble {
    Trouble::new(Exit::Refused, why.message, why.help)
}

/// The one file that was found, or the one that the person chooses.
fn choose(here: &Path, home: Option<&Path>, talk: Option<&Talk>) -> anyhow::Result<Place> {
    let mut found: Vec<(Place, String)> = Vec::new();
    for place in formats::known(here, home).into_iter().filter(|place| place.path.exists()) {
        let shown = escape(&crate::home::shown(&place.path));
        if formats::is_of_another(&place.path) {
            say(&format!("`{shown}` belongs to another user, and is left alone unless it is named with `--from`"));
            continue;
        }
        match formats::read(&place, here) {
            Ok(file) => {
                let entries = || file.holders.iter().flat_map(|holder| &holder.entries);
                if entries().any(|entry| entry.what == What::Ambit) {
                    say(&format!("`{shown}` goes through Ambit already"));
                    continue;
                }
                let names = servers_of(&file);
                if !names.is_empty() {
                    found.push((place, format!("{shown} ({}): {}", file.place.client.name(), names.join(", "))));
                }
            }
            Err(formats::FormatError::NoServers) => {}
            Err(error) => say(&format!("`{shown}` is left alone: {error}")),
        }
    }
    let list = |found: &[(Place, String)]| found.iter().map(|(_, what)| format!("\n  {what}")).collect::<String>();
    match (found.len(), talk) {
        (0, _) => Err(Trouble::new(
            Exit::Usage,
            "no client was found that has servers of its own",
            "name its file with `--from FILE`",
        )
        .into()),
        (1, _) => Ok(found.remove(0).0),
        (_, None) => {
            say(&format!("found{}", list(&found)));
            let message = "several clients have servers of their own";
            Err(Trouble::new(Exit::Usage, message, "say which one to import with `--from FILE`").into())
        }
        (count, Some(talk)) => loop {
            for (number, (_, what)) in found.iter().enumerate() {
                say(&format!("  {}  {what}", number + 1));
            }
            let answer = talk.ask("which one? ")?;
            match questions::chosen(&answer, count).as_deref() {
                Ok([one]) => return Ok(found.remove(*one).0),
                _ => say(&format!("one number from 1 to {count}")),
            }
        },
    }
}

fn servers_of(file: &ClientFile) -> Vec<String> {
    let entries = file.holders.iter().flat_map(|holder| &holder.entries);
    let servers = entries.filter(|entry| matches!(entry.what, What::Program(_) | What::Endpoint(_) | What::Wrong(_)));
    servers.map(|entry| escape(&entry.name)).collect()
}

fn agent(args: &InitArgs, file: &ClientFile) -> Result<String, Trouble> {
    if let Some(agent) = &args.agent {
        let help = "a name is made of letters, digits, `-`, `_` and `.`";
        let fits = is_name(agent);
        return if fits {
            Ok(agent.clone())
        } else {
            Err(Trouble::new(Exit::Usage, format!("`{agent}` cannot be an agent's name"), help))
        };
    }
    // Servers of one project are that project's; what a person has everywhere is the client's.
    let project = match file.holders.as_slice() {
        [one] => one.base.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default(),
        _ => "",
    };
    let name = names::plain(project, false);
    Ok(if name.is_empty() { file.place.client.agent().to_owned() } else { name })
}

fn owner(args: &InitArgs, talk: Option<&Talk>) -> anyhow::Result<String> {
    match (&args.owner, talk) {
        (Some(owner), _) if is_address(owner) => Ok(owner.clone()),
        (Some(owner), _) => {
            let help = "write it as `name@domain.example`";
            Err(Trouble::new(Exit::Usage, format!("`{owner}` is not a mail address"), help).into())
        }
        (None, Some(talk)) => loop {
            let owner = talk.ask("who answers for what this agent does (mail address)? ")?;
            if is_address(&owner) {
                return Ok(owner);
            }
            say(&format!("`{}` is not a mail address", escape(&owner)));
        },
        (None, None) => {
            let help = "name them with `--owner ADDRESS`";
            Err(Trouble::new(Exit::Usage, "nobody was named who answers for what this agent does", help).into())
        }
    }
}

/// A name for that person, which no agent has.
fn person_of(owner: &str, agent: &str) -> String {
    let mut name = names::plain(owner.split('@').next().unwrap_or_default(), true);
    if name.is_empty() {
        name.push_str("owner");
    }
    if name == agent {
        name.push_str("-owner");
    }
    name
}

/// Asks every server what it offers. One that does not start with the version that is installed is tried as its client
/// has it; one that wants a credential which nobody wrote down stays with its client.
fn look_at(servers: &mut Vec<Server>, stays: &mut Vec<Stays>, dir: &Path) -> anyhow::Result<(Lock, Vec<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let today = Real.now().date();
    let (mut lock, mut left_out) = (Lock::new(), Vec::new());
    let progress = Progress::new("looking", servers.len() as u64);
    let (mut go, mut signed_in) = (Vec::new(), Vec::new());
    for mut server in servers.drain(..) {
        progress.now(&server.entry);
        let mut seen = runtime.block_on(look(&server.for_today(), dir, None, today));
        if seen.is_err() && server.unpinned.is_some() {
            server.unpin();
            seen = runtime.block_on(look(&server.for_today(), dir, None, today));
        }
        progress.step();
        let seen = match seen {
            Err(error) if error.wants_credential() && !server.has_credential() => {
                signed_in.push(Stays { server: server.entry, why: NO_CREDENTIAL.to_owned() });
                continue;
            }
            Err(error) => {
                let message = format!("the server `{}` does not say what it offers: {error}", server.entry);
                let help = "mend it, or leave it out by naming the others with `--only`; nothing was written";
                return Err(Trouble::new(Exit::Fault, message, help).into());
            }
            Ok(seen) => seen,
        };
        left_out.extend(seen.left_out.iter().map(|what| format!("{}: {what}", server.system.name)));
        lock.systems.insert(server.system.name.clone(), seen.system);
        go.push(server);
    }
    *servers = go;
    stays.extend(signed_in);
    if servers.is_empty() {
        return Err(blocked(none_go(stays)).into());
    }
    Ok((lock, left_out))
}

fn texts(
    file: &ClientFile,
    servers: &[Server],
    lock: Lock,
    (answers, answered): (&Answers, bool),
    purpose: Option<&str>,
    agent: &str,
    (person, owner): (&str, &str),
) -> Texts {
    let today = Real.now().date();
    let systems: Vec<draft::System> = servers.iter().map(|server| server.system.clone()).collect();
    let from = file.place.path.display();
    let head = format!("Imported by `ambit init` on {today} from {} ({from}).", file.place.client.name());
    Texts {
        config: draft::config(&head, &systems, answers, agent, (person, owner)),
        scope: draft::page(agent, owner, purpose, answers, answered, today),
        lock,
    }
}

fn take_back(args: &InitArgs, dir: &Path) -> anyhow::Result<Exit> {
    let config = dir.join(find::NAME);
    let state = crate::daemon::place::state_dir(&config).unwrap_or_else(|_| dir.join(config::State::default().dir));
    let undone = undo::undo(dir, &state, args.force, args.dry_run)
        .map_err(|error| link::split(Exit::Refused, &error.to_string()))?;
    match args.printed.format {
        Format::Json => output::json(&undone)?,
        Format::Human => write!(output::data(), "{}", told::undone(&undone, args.dry_run))?,
    }
    Ok(Exit::Fine)
}

/// What only a person can do, where they want to do it now: their key, a release, a token.
fn finish(talk: &Talk, plan: &plan::Plan, agent: &str, person: &str) -> anyhow::Result<()> {
    if !talk.agreed("make your key, put the page in force and make the agent's token now?")? {
        return Ok(());
    }
    let options = Options::at(plan.dir.join(find::NAME));
    let who = link::Who { person: Some(person.to_owned()), passphrase_file: None };
    let setup = SetupArgs {
        person: Some(person.to_owned()),
        vouched_by: None,
        passphrase_file: None,
        voucher_passphrase_file: None,
    };
    setup::run(&setup, &options)?;
    let because = talk.ask("why is this page put in force, in your words? ")?;
    let anyway = talk.agreed("no scenario holds its lines yet; release it all the same, which is recorded?")?;
    let release = ReleaseArgs {
        agent: agent.to_owned(),
        because,
        until: None,
        anyway,
        dry_run: false,
        who: who.clone(),
        printed: Printed { format: Format::Human },
    };
    if release::release(&release, &options)? != Exit::Fine {
        return Ok(());
    }
    let token = TokenArgs {
        caller: None,
        agent: Some(agent.to_owned()),
        held_by: None,
        unattended: false,
        to: Some(plan::token_path(&plan.dir, agent)),
        revoke: None,
        who,
        printed: Printed { format: Format::Human },
    };
    token::run(&token, &options)?;
    say(&format!("restart {}: it goes through Ambit now", plan.record.client.name()));
    Ok(())
}

/// The person at the terminal.
struct Talk;

impl Talk {
    fn ask(&self, question: &str) -> io::Result<String> {
        write!(io::stderr(), "{question}")?;
        io::stderr().flush()?;
        questions::line(&mut io::stdin().lock())
    }

    /// Whether they say yes; anything else is no.
    fn agreed(&self, question: &str) -> io::Result<bool> {
        let answer = self.ask(&format!("{question} [y/N] "))?;
        Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// What the agent is for, as far as a page can say it.
    fn purpose(&self) -> io::Result<Option<String>> {
        loop {
            let purpose = self.ask("\nwhat is this agent for, in a sentence? ")?;
            if purpose.is_empty() {
                return Ok(None);
            }
            if draft::is_purpose(&purpose) {
                return Ok(Some(purpose));
            }
            say("a page cannot say that: plain text without links, lists or other marks");
        }
    }
}
