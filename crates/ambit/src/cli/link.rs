//! A person's line to the daemon: requests and replies, and the signatures that some requests need.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use ambit_core::action::Digest;
use clap::Args;

use super::options::Options;
use super::{Exit, Trouble};
use crate::daemon::dial::{DialError, dial_at, dial_or_start};
use crate::daemon::hello::Hello;
use crate::daemon::place::Place;
use crate::daemon::request::{DOMAIN, Reply, Request, Signed, signed_parts};
use crate::escape::escape_lines;
use crate::keys::passphrase::Source;
use crate::keys::person::{self, PersonKey, people_directory};

/// The line.
pub struct Link {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

/// Who acts, and how they prove it; flattened into the arguments of commands that a person signs.
#[derive(Clone, Debug, Args)]
pub struct Who {
    /// Who you are, as `ambit.toml` names you [default: the one person with a key on this machine]
    #[arg(long = "as", value_name = "NAME", env = "AMBIT_PERSON", hide_env = true)]
    pub person: Option<String>,
    /// Read the passphrase from this file (mode 0600) instead of the terminal
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
}

impl Link {
    /// Reaches the daemon of this `ambit.toml`, and starts one when none runs.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn open(options: &Options) -> Result<Link, Trouble> {
        let fault = |message: String| {
            Trouble::new(Exit::Fault, message, "`ambit serve` in another terminal shows what is wrong")
        };
        let stream = reach(options, &Hello::Person).map_err(|error| match error {
            Reach::Options(trouble) => trouble,
            Reach::Dial(error) => fault(error.to_string()),
        })?;
        let writer = stream.try_clone().map_err(|e| fault(e.to_string()))?;
        Ok(Link { reader: BufReader::new(stream), writer })
    }

    /// Reaches the daemon where one runs; starts none. Nothing when none does.
    ///
    /// # Errors
    /// When there is no `ambit.toml`, or the daemon that runs does not let us in.
    pub fn if_running(options: &Options) -> Result<Option<Link>, Trouble> {
        let socket = match &options.socket {
            Some(socket) => socket.clone(),
            None => Place::of_config(&options.config_path()?).socket(),
        };
        let fault = |message: String| Trouble::new(Exit::Fault, message, "`ambit status` says how everything stands");
        match dial_at(&socket, &Hello::Person) {
            Ok(stream) => {
                let writer = stream.try_clone().map_err(|error| fault(error.to_string()))?;
                Ok(Some(Link { reader: BufReader::new(stream), writer }))
            }
            Err(DialError::Nobody(_)) => Ok(None),
            Err(error) => Err(fault(error.to_string())),
        }
    }

    /// Asks, and takes the reply.
    ///
    /// # Errors
    /// When the daemon says no (exit 1), or could not do its work (exit 4).
    pub fn ask(&mut self, request: &Request) -> Result<Reply, Trouble> {
        let fault = |message: String| Trouble::new(Exit::Fault, message, "`ambit journal` says how far it came");
        let mut line = serde_json::to_vec(request).map_err(|e| fault(e.to_string()))?;
        line.push(b'\n');
        self.writer.write_all(&line).map_err(|e| fault(format!("the daemon is gone: {e}")))?;
        let mut reply = String::new();
        let read = self.reader.read_line(&mut reply).map_err(|e| fault(format!("the daemon is gone: {e}")))?;
        if read == 0 {
            return Err(fault("the daemon ended the connection".into()));
        }
        match serde_json::from_str(&reply).map_err(|e| fault(format!("the daemon's reply cannot be read: {e}")))? {
            Reply::Failed { message, refused } => {
                let exit = if refused { Exit::Refused } else { Exit::Fault };
                let (what, help) =
                    message.split_once("\nhelp: ").unwrap_or((&message, "`ambit status` says how everything stands"));
                Err(Trouble::new(exit, escape_lines(what), escape_lines(help)))
            }
            reply => Ok(reply),
        }
    }

    /// Signs a request on this line.
    ///
    /// # Errors
    /// When the daemon gives no nonce.
    pub fn sign(&mut self, key: &PersonKey, word: &str, about: &[&str]) -> Result<Signed, Trouble> {
        let nonce = self.nonce()?;
        Ok(Signed { person: key.name().to_owned(), signature: key.sign(DOMAIN, &signed_parts(&nonce, word, about)) })
    }

    fn nonce(&mut self) -> Result<Digest, Trouble> {
        match self.ask(&Request::Challenge)? {
            Reply::Challenge { nonce } => Ok(nonce),
            other => Err(unexpected(&other)),
        }
    }
}

/// Why the daemon was not reached.
pub enum Reach {
    /// There is no `ambit.toml`.
    Options(Trouble),
    /// It was not there, or did not let us in.
    Dial(DialError),
}

/// Reaches the daemon: at the socket that was named, else at that of this `ambit.toml`, where one is started when none runs.
///
/// # Errors
/// When it cannot be reached.
pub fn reach(options: &Options, hello: &Hello) -> Result<UnixStream, Reach> {
    if let Some(socket) = &options.socket {
        return dial_at(socket, hello).map_err(Reach::Dial);
    }
    let config = options.config_path().map_err(Reach::Options)?;
    dial_or_start(&Place::of_config(&config), &config, hello).map_err(Reach::Dial)
}

/// A reply of another kind than was asked for.
#[must_use]
pub fn unexpected(reply: &Reply) -> Trouble {
    let kind =
        serde_json::to_value(reply).ok().and_then(|v| v.get("reply").and_then(|r| r.as_str().map(str::to_owned)));
    Trouble::new(
        Exit::Fault,
        format!("the daemon replied with `{}`, which was not asked for", kind.unwrap_or_default()),
        "is the running daemon of another version? end it and try again",
    )
}

impl Who {
    /// Where the passphrase comes from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.passphrase_file.clone().map_or(Source::Terminal, Source::File)
    }

    /// The name: what was said, or the one person with a key here.
    ///
    /// # Errors
    /// When nobody has a key here, or several do and none was named.
    pub fn name(&self) -> Result<String, Trouble> {
        if let Some(name) = &self.person {
            return Ok(name.clone());
        }
        let names = people_directory().map(|dir| person::names(&dir)).transpose();
        match names
            .map_err(|error| Trouble::new(Exit::Fault, error.to_string(), "name yourself with `--as NAME`"))?
            .as_deref()
        {
            Some([one]) => Ok(one.clone()),
            Some([]) | None => {
                Err(Trouble::new(Exit::Usage, "nobody has a key on this machine", "run `ambit setup` first"))
            }
            Some(several) => Err(Trouble::new(
                Exit::Usage,
                format!("several people have a key here: {}", several.join(", ")),
                "say who you are with `--as NAME`",
            )),
        }
    }

    /// The key, opened with the passphrase.
    ///
    /// # Errors
    /// When there is none, or the passphrase does not open it.
    pub fn key(&self) -> Result<PersonKey, Trouble> {
        let name = self.name()?;
        let directory = directory()?;
        // Before the question: whoever has no key here is not asked for a passphrase.
        person::public_key(&directory, &name).map_err(|error| split(Exit::Usage, &error.to_string()))?;
        let passphrase = self
            .source()
            .ask(&format!("passphrase of {name}: "))
            .map_err(|error| split(Exit::Usage, &error.to_string()))?;
        PersonKey::open(&directory, &name, &passphrase).map_err(|error| split(Exit::Refused, &error.to_string()))
    }
}

/// Where people's keys are.
///
/// # Errors
/// When there is no home.
pub fn directory() -> Result<PathBuf, Trouble> {
    people_directory().ok_or_else(|| {
        Trouble::new(
            Exit::Usage,
            "there is no home directory to keep keys in",
            "set AMBIT_PEOPLE to a directory of yours",
        )
    })
}

/// A message whose help stands behind `help:`.
#[must_use]
pub fn split(exit: Exit, message: &str) -> Trouble {
    let (what, help) = message.split_once("\nhelp: ").unwrap_or((message, "see `ambit --help`"));
    Trouble::new(exit, what, help)
}
