//! What a server says of itself when it is first spoken to, and of which generation it is by that.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::mcp::VERSIONS;
use super::{Tasks, UpstreamError};
use crate::escape::escape;
use crate::gate::mcp::era::{STATELESS, supported};

/// What a server said of itself.
#[derive(Clone, Debug)]
pub struct Hello {
    /// How this server is spoken to.
    pub generation: Generation,
    /// Its name, escaped.
    pub name: String,
    /// Its version, escaped.
    pub version: String,
    /// The capabilities that it declares, by name.
    pub capabilities: BTreeSet<String>,
    /// Whether it tells of single resources that they changed.
    pub tells_of_resources: bool,
    /// What it says of tasks, in the version that shakes hands and has them; `None` where it has none. In the generation without a
    /// handshake it need not say so.
    pub tasks: Option<Tasks>,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// `initialize` first, then everything else, in this version (up to 2025-11-25).
    Handshake(&'static str),
    /// There is no handshake, each request says its version.
    Stateless(&'static str),
}

impl Generation {
    /// The version that is spoken.
    #[must_use]
    pub fn version(self) -> &'static str {
        match self {
            Generation::Handshake(version) | Generation::Stateless(version) => version,
        }
    }
}

impl Hello {
    /// Out of the answer to `server/discover`; `None` for a server that shakes hands all the same: because it says so, or
    /// because it answers whatever it is asked with something.
    pub(super) fn discovered(answer: &[u8]) -> Result<Option<Hello>, UpstreamError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Words {
            supported_versions: Vec<String>,
            #[serde(default)]
            capabilities: serde_json::Map<String, serde_json::Value>,
            #[serde(rename = "_meta", default)]
            meta: serde_json::Map<String, serde_json::Value>,
        }
        let Ok(words) = serde_json::from_slice::<Words>(answer) else { return Ok(None) };
        let speaks = |known: &str| words.supported_versions.iter().any(|version| version == known);
        if !speaks(STATELESS) && VERSIONS.into_iter().any(speaks) {
            // It knows the question, and shakes hands.
            return Ok(None);
        }
        if !speaks(STATELESS) {
            let theirs = escape(&words.supported_versions.join(", ").chars().take(80).collect::<String>());
            return Err(UpstreamError::Version { theirs, ours: supported().join(", ") });
        }
        let tells_of_resources = tells_of_resources(&words.capabilities);
        let info = words.meta.get("io.modelcontextprotocol/serverInfo");
        let said = |name: &str| {
            let text = info.and_then(|info| info.get(name)?.as_str()).unwrap_or_default();
            escape(&text.chars().take(100).collect::<String>())
        };
        Ok(Some(Hello {
            generation: Generation::Stateless(STATELESS),
            name: said("name"),
            version: said("version"),
            tells_of_resources,
            tasks: None,
            capabilities: words.capabilities.into_iter().map(|(name, _)| name).collect(),
        }))
    }

    pub(super) fn read(answer: &[u8]) -> Result<Hello, UpstreamError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Words {
            protocol_version: String,
            #[serde(default)]
            capabilities: serde_json::Map<String, serde_json::Value>,
            #[serde(default)]
            server_info: Info,
        }
        #[derive(Default, Deserialize)]
        struct Info {
            #[serde(default)]
            name: String,
            #[serde(default)]
            version: String,
        }
        let words: Words = serde_json::from_slice(answer).map_err(|error| {
            UpstreamError::NoAnswer(escape(&format!("the server's answer to `initialize` cannot be read: {error}")))
        })?;
        let Some(version) = VERSIONS.into_iter().find(|version| *version == words.protocol_version) else {
            return Err(UpstreamError::Version {
                theirs: escape(&words.protocol_version.chars().take(40).collect::<String>()),
                ours: VERSIONS.join(", "),
            });
        };
        let short = |text: &str| escape(&text.chars().take(100).collect::<String>());
        Ok(Hello {
            generation: Generation::Handshake(version),
            name: short(&words.server_info.name),
            version: short(&words.server_info.version),
            tells_of_resources: tells_of_resources(&words.capabilities),
            tasks: tasks(&words.capabilities).filter(|_| version == "2025-11-25"),
            capabilities: words.capabilities.into_iter().map(|(name, _)| name).collect(),
        })
    }
}

fn tells_of_resources(capabilities: &serde_json::Map<String, serde_json::Value>) -> bool {
    capabilities.get("resources").and_then(|resources| resources.get("subscribe")?.as_bool()) == Some(true)
}

fn tasks(capabilities: &serde_json::Map<String, serde_json::Value>) -> Option<Tasks> {
    let tasks = capabilities.get("tasks")?;
    tasks.get("requests")?.get("tools")?.get("call")?.as_object()?;
    Some(Tasks { cancel: tasks.get("cancel").is_some_and(serde_json::Value::is_object) })
}
