//! What is said to a client over HTTP: statuses, and messages in them.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use super::body::Answered;
use super::sessions::NoSession;
use crate::daemon::hello::Denied;
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

pub(super) fn unauthorized(why: &str) -> Answer {
    let mut answer = wrong(StatusCode::UNAUTHORIZED, None, code::INVALID_REQUEST, why);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ambit\""));
    answer
}

pub(super) fn no_session(none: NoSession, id: Option<&str>) -> Answer {
    match none {
        NoSession::Denied(Denied { message, help, busy: true }) => {
            let mut answer = wrong(StatusCode::TOO_MANY_REQUESTS, id, code::BUSY, &format!("{message}\nhelp: {help}"));
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            answer
        }
        NoSession::Denied(Denied { message, help, busy: false }) => {
            let mut answer = unauthorized(&format!("{message}\nhelp: {help}"));
            let invalid = HeaderValue::from_static("Bearer realm=\"ambit\", error=\"invalid_token\"");
            answer.headers_mut().insert(WWW_AUTHENTICATE, invalid);
            answer
        }
        NoSession::Unknown => wrong(
            StatusCode::NOT_FOUND,
            id,
            code::INVALID_REQUEST,
            "there is no such session; begin a new one with `initialize`",
        ),
    }
}
