//! What is said to a client over HTTP: statuses, and messages in them.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::body::Answered;
use super::resource::About;
use super::sessions::NoSession;
use crate::daemon::hello::{Barrier, Denied};
use crate::gate::mcp::era::{Era, Wrong};
use crate::gate::rpc::{self, code};

/// An answer.
pub(super) type Answer = Response<Answered>;

/// The status that goes with an error; the older generation knows none.
pub(super) fn status(era: Era, error: Option<i32>) -> StatusCode {
    match (era, error) {
        (Era::Stateless, Some(code::METHOD_NOT_FOUND)) => StatusCode::NOT_FOUND,
        (Era::Stateless, Some(_)) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

/// The status of the answer to `id` that work came to. What of a live system's errors has a status of its own keeps it; any
/// other is an answer like a result.
pub(super) fn status_of(era: Era, id: &str, answer: &[u8]) -> StatusCode {
    let own = [code::METHOD_NOT_FOUND, code::MISSING_CAPABILITY];
    let said = (era == Era::Stateless).then(|| rpc::error_code(answer, id)).flatten();
    status(era, own.into_iter().find(|code| said == Some(i64::from(*code))))
}

pub(super) fn json(status: StatusCode, message: Vec<u8>) -> Answer {
    let mut answer = Response::new(Answered::whole(message));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Answered::nothing());
    *answer.status_mut() = status;
    answer
}

pub(super) fn wrong(status: StatusCode, id: Option<&str>, code: i32, why: &str) -> Answer {
    let mut out = Vec::new();
    rpc::error(&mut out, id, code, why);
    json(status, out)
}

pub(super) fn said_wrong(id: &str, wrong: &Wrong) -> Answer {
    let mut out = Vec::new();
    wrong.write(&mut out, Some(id).filter(|id| *id != "null"));
    json(StatusCode::BAD_REQUEST, out)
}

/// What is said to who may not come in, or not yet (RFC 6750, RFC 9728). `about`: the gate, when an issuer is named.
pub(super) fn unauthorized(why: &str, error: Option<&str>, about: Option<&About>) -> Answer {
    challenge(wrong(StatusCode::UNAUTHORIZED, None, code::INVALID_REQUEST, why), error, about)
}

fn challenge(mut answer: Answer, error: Option<&str>, about: Option<&About>) -> Answer {
    let mut said = "Bearer realm=\"ambit\"".to_owned();
    let mut say = |name: &str, value: &str| said.push_str(&format!(", {name}=\"{value}\""));
    if let Some(error) = error {
        say("error", error);
    }
    if let Some(About { metadata, scopes }) = about {
        if !scopes.is_empty() {
            say("scope", scopes);
        }
        say("resource_metadata", metadata);
    }
    // What stands in it was looked at when it was configured; were it no header after all, less is said.
    let value = HeaderValue::from_str(&said).unwrap_or_else(|_| HeaderValue::from_static("Bearer realm=\"ambit\""));
    answer.headers_mut().insert(WWW_AUTHENTICATE, value);
    answer
}

/// Why somebody is not let in. `about`: as for [`unauthorized`].
pub(super) fn denied(denied: &Denied, id: Option<&str>, about: Option<&About>) -> Answer {
    let Denied { message, help, by } = denied;
    let why = format!("{message}\nhelp: {help}");
    let later = |status, code, seconds| {
        let mut answer = wrong(status, id, code, &why);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        answer
    };
    match by {
        Barrier::Who => unauthorized(&why, Some("invalid_token"), about),
        Barrier::Busy => later(StatusCode::TOO_MANY_REQUESTS, code::BUSY, "60"),
        Barrier::Unheard => later(StatusCode::SERVICE_UNAVAILABLE, code::BUSY, "5"),
        Barrier::Scopes => {
            let answer = wrong(StatusCode::FORBIDDEN, id, code::INVALID_REQUEST, &why);
            challenge(answer, Some("insufficient_scope"), about)
        }
    }
}

pub(super) fn no_session(none: &NoSession, id: Option<&str>, about: Option<&About>) -> Answer {
    match none {
        NoSession::Denied(why) => denied(why, id, about),
        NoSession::Unknown => wrong(
            StatusCode::NOT_FOUND,
            id,
            code::INVALID_REQUEST,
            "there is no such session; begin a new one with `initialize`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_with_a_status_of_their_own_keep_it() {
        let of = |era, error: &[u8]| {
            let mut line = Vec::new();
            rpc::error_raw(&mut line, "\"a\"", error);
            status_of(era, "\"a\"", &line).as_u16()
        };
        let missing: &[u8] = br#"{"code":-32021,"message":"no","data":{"requiredCapabilities":{"sampling":{}}}}"#;
        assert_eq!((of(Era::Stateless, missing), of(Era::Handshake, missing)), (400, 200));
        assert_eq!(of(Era::Stateless, br#"{"code":-32601,"message":"no"}"#), 404);
        assert_eq!(of(Era::Stateless, br#"{"code":-32602,"message":"no"}"#), 200);
        let mut line = Vec::new();
        rpc::result(&mut line, "1", br#"{"code":-32021,"message":"no"}"#);
        assert_eq!(status_of(Era::Stateless, "1", &line), StatusCode::OK);
    }
}
