//! What a server's messages come to, however it is reached: the answer to a call, or something that it does unasked.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Event, Listing, errand};
use crate::escape::escape;
use crate::gate::mcp::era::STATELESS;
use crate::gate::rpc::{self, Members, code};
use crate::gate::talk::{Log, Question, Reply, Talk, Wants};

/// What a server made of a request, as the bytes it wrote.
pub(super) enum Outcome {
    /// Its `result`.
    Result(Vec<u8>),
    /// Its `error`.
    Error(Vec<u8>),
}

/// No answer. The text is escaped.
pub(super) enum Failed {
    /// It is certain that not one byte of the request was written.
    NotSent(String),
    /// Some of it was written, or all.
    Unknown(String),
}

impl Outcome {
    /// Out of a response.
    pub(super) fn of(response: Result<&RawValue, &RawValue>) -> Outcome {
        match response {
            Ok(result) => Outcome::Result(result.get().as_bytes().to_vec()),
            Err(error) => Outcome::Error(error.get().as_bytes().to_vec()),
        }
    }
}

/// The parameters of request `id` with what goes beside them, otherwise byte for byte: what the generation without a
/// handshake wants in each request, and what whoever asked wants to hear of.
/// `errands`: whether the server may work on it in its own time.
pub(super) fn beside(
    params: Option<&[u8]>,
    stateless: bool,
    id: u64,
    wants: Wants,
    errands: bool,
) -> Option<Cow<'_, [u8]>> {
    let mut meta = Vec::new();
    if stateless {
        meta.push(format!(
            r#""io.modelcontextprotocol/protocolVersion":"{STATELESS}","io.modelcontextprotocol/clientInfo":{{"name":"ambit","version":"{}"}},"io.modelcontextprotocol/clientCapabilities":{}"#,
            env!("CARGO_PKG_VERSION"),
            wants.asks.capabilities(errands.then(errand::extension).as_deref())
        ));
    }
    if wants.progress {
        meta.push(format!(r#""progressToken":{id}"#));
    }
    if let (Log::From(level), true) = (wants.log, stateless) {
        meta.push(format!(r#""io.modelcontextprotocol/logLevel":"{}""#, level.name()));
    }
    if meta.is_empty() {
        return params.map(Cow::Borrowed);
    }
    let rest = params.and_then(|params| params.trim_ascii().strip_prefix(b"{")).unwrap_or(b"}");
    let mut out = format!(r#"{{"_meta":{{{}}}"#, meta.join(",")).into_bytes();
    if rest.trim_ascii() != b"}" {
        out.push(b',');
    }
    out.extend_from_slice(rest);
    Some(out.into())
}

/// The parameters of `subscriptions/listen`: for what changes in the lists, or for one resource.
pub(super) fn listening(of: Option<&str>) -> Vec<u8> {
    match of {
        None => br#"{"notifications":{"toolsListChanged":true,"resourcesListChanged":true,"promptsListChanged":true}}"#
            .to_vec(),
        Some(uri) => {
            let mut out = b"{\"notifications\":{\"resourceSubscriptions\":[".to_vec();
            rpc::quote(&mut out, uri);
            out.extend_from_slice(b"]}}");
            out
        }
    }
}

/// Whether the parameters of `notifications/subscriptions/acknowledged` agree to tell of that resource.
pub(super) fn agrees(params: Option<&RawValue>, uri: &str) -> bool {
    let of = || {
        let agreed = Members::of(params?).ok()?.get("notifications")?;
        serde_json::from_str::<Vec<String>>(Members::of(agreed).ok()?.get("resourceSubscriptions")?.get()).ok()
    };
    of().is_some_and(|of| of.iter().any(|one| one == uri))
}

/// The id of the request for the subscription that a notification belongs to.
pub(super) fn subscription_of(params: Option<&RawValue>) -> Option<u64> {
    let meta = Members::of(params?).ok()?.get("_meta")?;
    own_id(Members::of(meta).ok()?.get("io.modelcontextprotocol/subscriptionId")?.get())
}

/// The id of the request that a `notifications/progress` is about: our tokens are the ids of our requests.
pub(super) fn progress_of(params: Option<&RawValue>) -> Option<u64> {
    own_id(Members::of(params?).ok()?.get("progressToken")?.get())
}

/// Whether a request is one that a server may work on in its own time, or asks after what it works on.
pub(super) fn is_of_errands(method: &str, talk: &Talk) -> bool {
    (method == "tools/call" && talk.takes_errands()) || method.starts_with("tasks/")
}

/// Our ids are numbers from 1 on, and answers carry them as we wrote them.
pub(super) fn own_id(raw: &str) -> Option<u64> {
    raw.parse().ok().filter(|id: &u64| raw.len() == id.checked_ilog10().unwrap_or(0) as usize + 1)
}

/// Tells a server that nobody waits for the answer to request `id` any more.
pub(super) fn cancel(out: &mut Vec<u8>, id: u64, reason: &str) {
    let params = format!("{{\"requestId\":{id},\"reason\":\"{reason}\"}}");
    rpc::notification(out, "notifications/cancelled", Some(params.as_bytes()));
}

/// What came of a call that whoever asked cancelled, and of which the server said no more.
pub(super) fn let_go() -> Failed {
    Failed::Unknown("whoever asked cancelled it while it was under way, and the server said no more".into())
}

/// Passes on what a server says about a call of which it is certain that it is that one; whether it still may.
pub(super) fn pass_on(method: &str, params: Option<&RawValue>, talk: &Talk) -> Option<bool> {
    match method {
        "notifications/progress" => Some(talk.progress(params?)),
        "notifications/message" => Some(talk.log(params?)),
        _ => None,
    }
}

/// What a notification says has changed; `None` for what Ambit does not act on.
pub(super) fn changed(method: &str, params: Option<&RawValue>) -> Option<Event> {
    let listing = match method {
        "notifications/tools/list_changed" => Listing::Tools,
        "notifications/resources/list_changed" => Listing::Resources,
        "notifications/prompts/list_changed" => Listing::Prompts,
        "notifications/resources/updated" => {
            return Some(Event::Updated { uri: Members::of(params?).ok()?.text("uri")?.into_owned() });
        }
        _ => return None,
    };
    Some(Event::ListChanged(listing))
}

/// Has the client answer one question that a server asks during a call; `None` where it may not, or cannot.
pub(super) async fn relay(method: &str, params: Option<Box<RawValue>>, talk: &Talk) -> Option<Reply> {
    let params = params.and_then(|params| {
        let said = errand::unrelated(params.get().as_bytes().to_vec());
        serde_json::from_slice::<&RawValue>(&said).ok().map(ToOwned::to_owned)
    });
    let question = Question { key: "question".into(), method: method.to_owned(), params };
    talk.ask(vec![question]).await?.pop().map(|(_, reply)| reply)
}

/// The answer to a server's own request, written to `out`, and what people are told of it: a server asks nothing of Ambit
/// but whether it is there.
pub(super) fn decline(out: &mut Vec<u8>, id: &str, method: &str) -> Option<Event> {
    if method == "ping" {
        rpc::result(out, id, b"{}");
        return None;
    }
    let why = "Ambit declares no such capability to upstream servers";
    rpc::error(out, Some(id), code::METHOD_NOT_FOUND, why);
    Some(Event::Asked { method: escape(&method.chars().take(100).collect::<String>()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::talk::Level;

    #[test]
    fn parameters_get_what_goes_beside_them_and_stay_as_they_are() {
        let nothing = Wants::default();
        let meta = |params: Option<&str>, stateless: bool, wants: Wants| {
            let out = beside(params.map(str::as_bytes), stateless, 7, wants, false);
            out.map(|out| String::from_utf8(out.into_owned()).unwrap())
        };
        for params in [None, Some("{}"), Some("{ }"), Some(r#"{ "n":1.0e0,"_x":[] }"#)] {
            assert_eq!(meta(params, false, nothing).as_deref(), params);
            let said = meta(params, true, nothing).unwrap();
            let raw: &RawValue = serde_json::from_str(&said).unwrap();
            assert!(Members::of(raw).unwrap().get("_meta").unwrap().get().contains(STATELESS));
            assert!(said.ends_with(params.map_or("}", |params| params.trim_start_matches('{').trim_start())), "{said}");
        }
        let wants = Wants { progress: true, log: Log::From(Level::Warning), ..Wants::default() };
        assert_eq!(meta(Some(r#"{"a":1}"#), false, wants).unwrap(), r#"{"_meta":{"progressToken":7},"a":1}"#);
        assert!(meta(None, true, wants).unwrap().contains(r#""io.modelcontextprotocol/logLevel":"warning""#));
    }

    #[test]
    fn only_our_own_tokens_are_ours() {
        let of = |params: &str| progress_of(Some(&RawValue::from_string(params.to_owned()).unwrap()));
        assert_eq!(of(r#"{"progressToken":12,"progress":1}"#), Some(12));
        for other in [r#"{"progressToken":"12"}"#, r#"{"progressToken":012}"#, r#"{"progressToken":-1}"#, "{}"] {
            if let Ok(raw) = RawValue::from_string(other.to_owned()) {
                assert_eq!(progress_of(Some(&raw)), None, "{other}");
            }
        }
    }
}
