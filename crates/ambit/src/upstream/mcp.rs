//! A server of the Model Context Protocol, as its client: the handshake, the lists, and the calls that permits allow.

use std::collections::BTreeSet;
use std::sync::Arc;

use ambit_core::permit::Permit;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::stdio::{Failed, Outcome, Process};
use super::{Event, LaunchSpec, Limits, Listing, UpstreamError, Watch};
use crate::escape::escape;
use crate::gate::Sent;
use crate::gate::rpc::{self, ErrorWords};

/// Versions of the protocol that start with `initialize`, the newest first.
pub const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

// A server that lists more than this is broken or hostile.
const PAGES: usize = 1_000;
const ITEMS: usize = 20_000;

/// A running server that has shaken hands. It ends, with all that it started, when this is dropped.
pub struct UpstreamServer {
    process: Process,
    hello: Hello,
}

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
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// `initialize` first, then everything else, in this version (up to 2025-11-25). From 2026-07-28 on there is no
    /// handshake, each request says its version: a further variant, chosen when `initialize` is unknown to the server.
    Handshake(&'static str),
}

impl UpstreamServer {
    /// Starts a server and shakes hands. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When it cannot be started, does not answer in time, or speaks no version that Ambit speaks.
    pub async fn start(spec: &LaunchSpec, limits: Limits) -> Result<UpstreamServer, UpstreamError> {
        UpstreamServer::start_watched(spec, limits, Arc::new(|_: Event| {})).await
    }

    /// As [`start`](Self::start), and `watch` is told what the server does unasked.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_watched(
        spec: &LaunchSpec,
        limits: Limits,
        watch: Watch,
    ) -> Result<UpstreamServer, UpstreamError> {
        let process = Process::start(spec, limits, watch)?;
        let newest = VERSIONS.first().copied().unwrap_or_default();
        let params = format!(
            r#"{{"protocolVersion":"{newest}","capabilities":{{}},"clientInfo":{{"name":"ambit","version":"{}"}}}}"#,
            env!("CARGO_PKG_VERSION")
        );
        let answer = process.request_within("initialize", Some(params.as_bytes()), limits.start).await;
        let answer = result_of(answer).map_err(|error| match error {
            // Nothing that matters was sent: whatever happened, it is a failed start.
            UpstreamError::NotSent(why) | UpstreamError::NoAnswer(why) => {
                UpstreamError::Start { command: escape(&spec.command), why, said: process.last_words() }
            }
            other => other,
        })?;
        let hello = Hello::read(&answer)?;
        process.notify("notifications/initialized").await;
        Ok(UpstreamServer { process, hello })
    }

    /// What it said of itself.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Why it takes no calls any more; `None` while it does.
    #[must_use]
    pub fn dead(&self) -> Option<String> {
        self.process.dead()
    }

    /// Its tools, from all pages, each the bytes of its definition.
    ///
    /// # Errors
    /// When it does not answer, or not with a list.
    pub async fn list_tools(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.list(Listing::Tools).await
    }

    /// Its resources.
    ///
    /// # Errors
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_resources(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.list(Listing::Resources).await
    }

    /// Its templates of resources.
    ///
    /// # Errors
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_resource_templates(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.list(Listing::ResourceTemplates).await
    }

    /// Its prompts.
    ///
    /// # Errors
    /// As [`list_tools`](Self::list_tools).
    pub async fn list_prompts(&self) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.list(Listing::Prompts).await
    }

    /// Everything it lists of one sort, from all pages; nothing when it does not declare that it has any.
    ///
    /// # Errors
    /// As [`list_tools`](Self::list_tools).
    pub async fn list(&self, listing: Listing) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        if !self.hello.capabilities.contains(listing.capability()) {
            return Ok(Vec::new());
        }
        let mut items = Vec::new();
        let mut cursor: Option<Box<RawValue>> = None;
        for _ in 0..PAGES {
            let params = cursor.as_ref().map(|cursor| format!("{{\"cursor\":{cursor}}}"));
            let answer =
                match result_of(self.process.request(listing.method(), params.as_deref().map(str::as_bytes)).await) {
                    // Templates came later than resources, and not every server that has the one knows the other.
                    Err(UpstreamError::Answered { code, .. })
                        if listing == Listing::ResourceTemplates && code == i64::from(rpc::code::METHOD_NOT_FOUND) =>
                    {
                        return Ok(Vec::new());
                    }
                    answer => answer?,
                };
            let page = Page::read(&answer, listing)?;
            items.extend(page.items);
            if items.len() > ITEMS {
                return Err(UpstreamError::NoAnswer(format!(
                    "the server lists more than {ITEMS} items in `{}`",
                    listing.method()
                )));
            }
            match page.next {
                None => return Ok(items),
                Some(next) if cursor.as_ref().is_some_and(|cursor| cursor.get() == next.get()) => {
                    return Err(UpstreamError::NoAnswer(format!(
                        "the server gives the same page of `{}` again",
                        listing.method()
                    )));
                }
                Some(next) => cursor = Some(next),
            }
        }
        Err(UpstreamError::NoAnswer(format!("the server gives more than {PAGES} pages of `{}`", listing.method())))
    }

    /// Whether it answers at all.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), UpstreamError> {
        result_of(self.process.request("ping", None).await).map(|_| ())
    }

    /// Sends exactly what the permit owns, once. There is no other way to have a server act.
    pub async fn send(&self, permit: Permit) -> Sent {
        let action = permit.spend();
        if !matches!(action.operation.as_str(), "tools/call" | "resources/read" | "prompts/get") {
            return Sent::NotSent(format!("`{}` is no operation of an MCP server", escape(&action.operation)));
        }
        // The payload becomes the value of one member. Were it anything but one whole object, it could say more than that.
        if !serde_json::from_slice::<&RawValue>(&action.payload).is_ok_and(|params| params.get().starts_with('{')) {
            return Sent::NotSent("the payload is not one JSON object".into());
        }
        match self.process.request(&action.operation, Some(&action.payload)).await {
            Ok(Outcome::Result(result)) => Sent::Result(result),
            Ok(Outcome::Error(error)) => Sent::Error(error),
            Err(Failed::NotSent(why)) => Sent::NotSent(why),
            Err(Failed::Unknown(why)) => Sent::Unknown(why),
        }
    }

    /// Ends the server: closes its input, then asks, then kills its whole process group. Returns when it is gone.
    pub async fn stop(&self) {
        self.process.stop().await;
    }
}

impl Hello {
    fn read(answer: &[u8]) -> Result<Hello, UpstreamError> {
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
            capabilities: words.capabilities.into_iter().map(|(name, _)| name).collect(),
        })
    }
}

struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<Box<RawValue>>,
}

impl Page {
    fn read(answer: &[u8], listing: Listing) -> Result<Page, UpstreamError> {
        let wrong = |why: String| {
            UpstreamError::NoAnswer(escape(&format!(
                "the server's answer to `{}` cannot be read: {why}",
                listing.method()
            )))
        };
        let members: rpc::Members<'_> = serde_json::from_slice(answer).map_err(|error| wrong(error.to_string()))?;
        let items = members.get(listing.member()).ok_or_else(|| wrong(format!("`{}` is missing", listing.member())))?;
        let items = serde_json::from_str(items.get()).map_err(|error| wrong(error.to_string()))?;
        let next = members.get("nextCursor").filter(|next| next.get() != "null").map(ToOwned::to_owned);
        if next.as_ref().is_some_and(|next| !next.get().starts_with('"')) {
            return Err(wrong("`nextCursor` is no string".into()));
        }
        Ok(Page { items, next })
    }
}

fn result_of(answer: Result<Outcome, Failed>) -> Result<Vec<u8>, UpstreamError> {
    match answer {
        Ok(Outcome::Result(result)) => Ok(result),
        Ok(Outcome::Error(error)) => {
            let words = serde_json::from_slice::<ErrorWords>(&error)
                .unwrap_or_else(|_| ErrorWords { code: 0, message: "an error that cannot be read".into() });
            Err(UpstreamError::Answered {
                code: words.code,
                message: escape(&words.message.chars().take(400).collect::<String>()),
            })
        }
        Err(Failed::NotSent(why)) => Err(UpstreamError::NotSent(why)),
        Err(Failed::Unknown(why)) => Err(UpstreamError::NoAnswer(why)),
    }
}
