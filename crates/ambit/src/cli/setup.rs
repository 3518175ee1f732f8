//! `ambit setup`: makes a person's key and enrols it.

use clap::Args;

use super::link::{self, Link, Who, unexpected};
use super::options::Options;
use super::output::say;
use super::{Exit, Trouble};
use crate::daemon::request::{Reply, Request};
use crate::keys::person::{self, Cost, PersonKey};
use crate::world::Real;

/// What was said.
#[derive(Clone, Debug, Args)]
pub struct SetupArgs {
    /// Who gets a key, as `ambit.toml` names them [default: the only person in `ambit.toml`]
    #[arg(long, value_name = "NAME")]
    pub person: Option<String>,
    /// The enrolled person who vouches for this key; needed for everybody but the first
    #[arg(long, value_name = "NAME")]
    pub vouched_by: Option<String>,
    /// Read the new passphrase from this file (mode 0600) instead of the terminal
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<std::path::PathBuf>,
    /// Read the passphrase of the person who vouches from this file (mode 0600)
    #[arg(long, value_name = "FILE", requires = "vouched_by")]
    pub voucher_passphrase_file: Option<std::path::PathBuf>,
}

/// Makes the key where there is none yet, and enrols it where it is not.
///
/// # Errors
/// When there is no such person, no passphrase, or nobody to vouch.
pub fn run(args: &SetupArgs, options: &Options) -> anyhow::Result<Exit> {
    let home = options.home()?;
    let people: Vec<&String> = home.config.people.keys().collect();
    let person = match (&args.person, people.as_slice()) {
        (Some(name), people) if people.contains(&name) => name.clone(),
        (Some(name), people) => {
            let known: Vec<&str> = people.iter().map(|name| name.as_str()).collect();
            return Err(Trouble::new(
                Exit::Usage,
                format!("`ambit.toml` has no person `{name}`"),
                format!("it has {}; add `[people.{name}]` for another", known.join(", ")),
            )
            .into());
        }
        (None, [one]) => (*one).clone(),
        (None, []) => {
            return Err(Trouble::new(
                Exit::Usage,
                "`ambit.toml` has no people",
                "add `[people.NAME]` with an `email` first",
            )
            .into());
        }
        (None, _) => {
            return Err(Trouble::new(
                Exit::Usage,
                "`ambit.toml` has several people",
                "say whose key to make with `--person NAME`",
            )
            .into());
        }
    };
    let directory = link::directory()?;
    let who = Who { person: Some(person.clone()), passphrase_file: args.passphrase_file.clone() };
    let public = match person::public_key(&directory, &person) {
        Ok(public) => {
            say(&format!("{person} has a key already, in {}", directory.display()));
            public
        }
        Err(_) => {
            let prompt = format!("a new passphrase for {person}: ");
            let passphrase =
                who.source().ask_new(&prompt, "once more: ").map_err(|e| link::split(Exit::Usage, &e.to_string()))?;
            let key = PersonKey::create(&directory, &person, &passphrase, Cost::STRONG, &Real)
                .map_err(|e| link::split(Exit::Fault, &e.to_string()))?;
            say(&format!("made a key for {person}, sealed under the passphrase, in {}", directory.display()));
            key.public()
        }
    };
    let mut link = Link::open(options)?;
    if enrolled(&mut link)?.contains(&person) {
        say(&format!("{person} is enrolled here already"));
        return Ok(Exit::Fine);
    }
    let vouched = match &args.vouched_by {
        Some(name) => {
            let voucher =
                Who { person: Some(name.clone()), passphrase_file: args.voucher_passphrase_file.clone() }.key()?;
            let key = serde_json::to_string(&public)?;
            Some(link.sign(&voucher, "enrol", &[&person, &key])?)
        }
        None => None,
    };
    match link.ask(&Request::Enrol { person: person.clone(), key: public, vouched })? {
        Reply::Done => {
            say(&format!(
                "enrolled {person}: what they sign counts from now on\nnext: `ambit release AGENT --because …` puts a scope in force"
            ));
            Ok(Exit::Fine)
        }
        other => Err(unexpected(&other).into()),
    }
}

fn enrolled(link: &mut Link) -> Result<Vec<String>, Trouble> {
    match link.ask(&Request::Status)? {
        Reply::Status(status) => {
            let people = status.get("people").and_then(|p| p.as_array()).cloned().unwrap_or_default();
            Ok(people.iter().filter_map(|p| p.as_str().map(str::to_owned)).collect())
        }
        other => Err(unexpected(&other)),
    }
}
