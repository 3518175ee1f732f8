//! Live systems that Ambit calls on an agent's behalf. What comes out of them is not trusted: a server that hangs, dies,
//! floods or answers nonsense hurts its own calls and nothing else.

mod calls;
pub mod credential;
pub mod endpoint;
mod errand;
mod events;
pub mod guard;
pub mod hello;
pub mod http;
pub mod mcp;
mod message;
mod more;
pub mod postgres;
mod stdio;
pub mod system;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::gate::talk::Asks;

pub use endpoint::HttpSpec;
pub use errand::Tasks;
pub use hello::{Generation, Hello};
pub use mcp::UpstreamServer;
pub use system::McpSystem;

/// How to start an upstream server. It sees no environment but `env` and the few variables that a program needs to run
/// at all (`PATH`, `HOME`, the locale), so that one system's credential does not reach another's server.
#[derive(Clone, Debug)]
pub struct LaunchSpec {
    /// The program, by path or looked up in `PATH`.
    pub command: String,
    /// What it is given.
    pub args: Vec<String>,
    /// Its environment, credentials resolved.
    pub env: Vec<(String, Secret)>,
    /// Where it runs; the current directory when `None`.
    pub cwd: Option<PathBuf>,
}

/// How a live system is reached.
#[derive(Clone, Debug)]
pub enum Reach {
    /// A program that is started, and spoken to over its standard input and output.
    Program(LaunchSpec),
    /// An endpoint that is there.
    Http(HttpSpec),
}

impl From<&LaunchSpec> for Reach {
    fn from(spec: &LaunchSpec) -> Reach {
        Reach::Program(spec.clone())
    }
}

impl From<LaunchSpec> for Reach {
    fn from(spec: LaunchSpec) -> Reach {
        Reach::Program(spec)
    }
}

impl From<&Reach> for Reach {
    fn from(reach: &Reach) -> Reach {
        reach.clone()
    }
}

/// A value that is never printed, and wiped when it is let go of.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value in.
    #[must_use]
    pub fn new(value: String) -> Secret {
        Secret(Zeroizing::new(value))
    }

    /// The value, for the one place that must have it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How long and how much a server may take, and what it may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To start and shake hands. Generous: `npx` may first fetch the program.
    pub start: Duration,
    /// To answer one call.
    pub call: Duration,
    /// Bytes in one line of its output.
    pub line: usize,
    /// What it may ask the client of the agent that calls it.
    pub asks: Asks,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            start: Duration::from_secs(60),
            call: Duration::from_secs(120),
            line: crate::gate::rpc::UPSTREAM_LINE,
            asks: Asks::default(),
        }
    }
}

/// What a server lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listing {
    /// `tools/list`.
    Tools,
    /// `resources/list`.
    Resources,
    /// `resources/templates/list`.
    ResourceTemplates,
    /// `prompts/list`.
    Prompts,
}

impl Listing {
    /// The method that asks for it.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Listing::Tools => "tools/list",
            Listing::Resources => "resources/list",
            Listing::ResourceTemplates => "resources/templates/list",
            Listing::Prompts => "prompts/list",
        }
    }

    /// The member of the answer that holds the items.
    fn member(self) -> &'static str {
        match self {
            Listing::Tools => "tools",
            Listing::Resources => "resources",
            Listing::ResourceTemplates => "resourceTemplates",
            Listing::Prompts => "prompts",
        }
    }

    /// The capability that a server declares when it has any.
    fn capability(self) -> &'static str {
        match self {
            Listing::Tools => "tools",
            Listing::Resources | Listing::ResourceTemplates => "resources",
            Listing::Prompts => "prompts",
        }
    }
}

/// What a server did that nobody asked it for. Text in it is escaped and short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It says that a list changed (resources stand for their templates too).
    ListChanged(Listing),
    /// It says that a resource changed that it was asked to tell of.
    Updated {
        /// Its URI.
        uri: String,
    },
    /// It asked Ambit for something (sampling, roots, elicitation) and was refused: to be flagged.
    Asked {
        /// The method.
        method: String,
    },
    /// It wrote something that is no message, or an answer that nobody waits for; told for the first few.
    Nonsense {
        /// What was wrong with it.
        what: String,
    },
    /// It is gone.
    Died {
        /// Why, as far as is known, with the last it said on standard error.
        why: String,
    },
}

/// Who is told of events. Called from the task that reads the server's output: it must not wait.
pub type Watch = Arc<dyn Fn(Event) + Send + Sync>;

/// Why a server could not be asked. Text in it is escaped, and what it prints may be told to an agent; what only a
/// person should read is in [`for_person`](Self::for_person).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// It could not be started.
    #[error("`{command}` could not be started: {why}")]
    Start {
        /// The program.
        command: String,
        /// Why, as far as is known.
        why: String,
        /// The last it said on standard error; empty when nothing. Servers that fail like to print how they connect.
        said: String,
    },
    /// It could not be reached over HTTP.
    #[error("the server at `{place}` could not be reached: {why}")]
    Unreached {
        /// Its host; a path may hold a secret.
        place: String,
        /// Why, as far as is known.
        why: String,
    },
    /// It does not speak a version of the protocol that Ambit speaks.
    #[error("the server speaks {theirs}, and Ambit speaks {ours}")]
    Version {
        /// What it answered.
        theirs: String,
        /// What Ambit speaks, in words.
        ours: String,
    },
    /// It is gone, and nothing was written to it.
    #[error("{0}")]
    NotSent(String),
    /// It did not answer, or answered what cannot be read.
    #[error("{0}")]
    NoAnswer(String),
    /// It answered with an error.
    #[error("the server answered with an error: {message} ({code})")]
    Answered {
        /// JSON-RPC's code.
        code: i64,
        /// Its message.
        message: String,
    },
}

impl UpstreamError {
    /// With what the server said on standard error, for the person who runs it.
    #[must_use]
    pub fn for_person(&self) -> String {
        match self {
            UpstreamError::Start { said, .. } if !said.is_empty() => format!("{self}; it last said: {said}"),
            other => other.to_string(),
        }
    }
}
