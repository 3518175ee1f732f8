//! The first line of a connection to the daemon, and the daemon's answer to it.

use serde::{Deserialize, Serialize};

use crate::upstream::Secret;

/// The longest first line, in bytes.
pub const LONGEST: usize = 8 << 10;

/// The version of this exchange.
const VERSION: u32 = 1;

/// Who connects.
#[derive(Clone, Debug)]
pub enum Hello {
    /// An agent: what follows is the Model Context Protocol.
    Agent {
        /// Its name.
        agent: String,
        /// Its token.
        token: Secret,
    },
    /// A person: what follows are requests of the command line.
    Person,
}

/// What the daemon says to that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Welcome {
    /// Go on.
    In,
    /// The connection is ended.
    Denied(Denied),
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// What is wrong, lowercase and without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: String,
    /// What stands in the way.
    pub by: Barrier,
}

/// What stands in the way of somebody who is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barrier {
    /// Who they are, or cannot prove to be.
    Who,
    /// How much is going on: later it may be otherwise.
    Busy,
    /// What their token was not given for.
    Scopes,
    /// Whoever vouches for them cannot be asked now.
    Unheard,
}

impl Denied {
    /// Why, and what to do about it.
    #[must_use]
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Denied {
        Denied { message: message.into(), help: help.into(), by: Barrier::Who }
    }

    /// The same, because of something else than who they are.
    #[must_use]
    pub fn by(self, by: Barrier) -> Denied {
        Denied { by, ..self }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    ambit: u32,
    role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Agent,
    Person,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    ambit: u32,
    ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Hello {
    /// Reads the line.
    ///
    /// # Errors
    /// When it is none; never with anything of what stood in it, which may be a token.
    pub fn read(line: &[u8]) -> Result<Hello, Denied> {
        let wrong = || {
            Denied::new(
                "the first line of the connection is not one that Ambit knows",
                "connect with `ambit mcp --agent NAME`",
            )
        };
        let Line { ambit, role, agent, token } = serde_json::from_slice(line).map_err(|_| wrong())?;
        if ambit != VERSION {
            let message = "the program that connects is of another version than the running daemon";
            return Err(Denied::new(message, "end the daemon, so that one of the installed version is started"));
        }
        match (role, agent, token) {
            (Role::Agent, Some(agent), Some(token)) => Ok(Hello::Agent { agent, token: Secret::new(token) }),
            (Role::Person, None, None) => Ok(Hello::Person),
            _ => Err(wrong()),
        }
    }

    /// The line, with its newline.
    #[must_use]
    pub fn line(&self) -> zeroize::Zeroizing<Vec<u8>> {
        let line = match self {
            Hello::Agent { agent, token } => Line {
                ambit: VERSION,
                role: Role::Agent,
                agent: Some(agent.clone()),
                token: Some(token.reveal().to_owned()),
            },
            Hello::Person => Line { ambit: VERSION, role: Role::Person, agent: None, token: None },
        };
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        zeroize::Zeroizing::new(bytes)
    }
}

impl Welcome {
    /// Reads the line; `None` when it is none.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Welcome> {
        let answer: Answer = serde_json::from_slice(line).ok()?;
        match answer {
            Answer { ok: true, .. } => Some(Welcome::In),
            Answer { error: Some(error), help, .. } => {
                Some(Welcome::Denied(Denied::new(error, help.unwrap_or_default())))
            }
            Answer { .. } => None,
        }
    }

    /// The line, with its newline.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let answer = match self {
            Welcome::In => Answer { ambit: VERSION, ok: true, error: None, help: None },
            Welcome::Denied(denied) => Answer {
                ambit: VERSION,
                ok: false,
                error: Some(denied.message.clone()),
                help: Some(denied.help.clone()),
            },
        };
        let mut bytes = serde_json::to_vec(&answer).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_read_back() {
        let hello = Hello::Agent { agent: "a \"b\"".into(), token: Secret::new("t\n".into()) };
        let line = hello.line();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let Ok(Hello::Agent { agent, token }) = Hello::read(&line) else { panic!() };
        assert_eq!((agent.as_str(), token.reveal()), ("a \"b\"", "t\n"));
        assert!(matches!(Hello::read(&Hello::Person.line()), Ok(Hello::Person)));
        for welcome in [Welcome::In, Welcome::Denied(Denied::new("no", "do"))] {
            assert_eq!(Welcome::read(&welcome.line()), Some(welcome));
        }
        assert_eq!(Welcome::read(b"{}"), None);
    }

    #[test]
    fn a_line_that_is_none_is_denied_without_its_words() {
        for line in [
            r#"{"ambit":1,"role":"agent","agent":"a"}"#,
            r#"{"ambit":1,"role":"person","token":"sesame"}"#,
            r#"{"ambit":1,"role":"root","token":"sesame"}"#,
            r#"{"ambit":2,"role":"agent","agent":"a","token":"sesame"}"#,
            r#"{"ambit":1,"role":"agent","agent":"a","token":"sesame","x":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"t":"sesame"}}"#,
            "",
        ] {
            let denied = Hello::read(line.as_bytes()).unwrap_err();
            assert!(!format!("{denied:?}").contains("sesame"), "{line}");
        }
    }
}
