//! What a server's messages come to, however it is reached: the answer to a call, or something that it does unasked.

use serde_json::value::RawValue;

use super::{Event, Listing};
use crate::escape::escape;
use crate::gate::rpc::{self, code};

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

/// The list that a notification says has changed; `None` for what Ambit does not act on.
pub(super) fn changed(method: &str) -> Option<Event> {
    let listing = match method {
        "notifications/tools/list_changed" => Listing::Tools,
        "notifications/resources/list_changed" => Listing::Resources,
        "notifications/prompts/list_changed" => Listing::Prompts,
        _ => return None,
    };
    Some(Event::ListChanged(listing))
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
