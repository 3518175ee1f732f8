//! Callers over HTTP: `/agents/NAME/tasks`, where a program with a token of its own opens tasks, looks at those that it
//! opened, and closes them. Who asks is checked first; then the body, read as strictly as an agent's arguments.

use std::sync::Arc;

use ambit_core::decimal::Decimal;
use ambit_core::scope::diagnostics::nearest;
use ambit_core::value::Value;
use ambit_effects::json::{self, Limits};
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, Method, Request, StatusCode};
use serde_json::json;

use super::body::Room;
use super::endpoint::{accepts, bearer, is_json};
use super::said::{self, Answer};
use crate::daemon::callers::AS_USUAL;
use crate::daemon::calls::{Call, CallError, Called};
use crate::daemon::hello::Denied;
use crate::daemon::socket::{Host, Peer};
use crate::daemon::tasks::{Opening, SHORTEST_SECONDS, TaskError};
use crate::escape::escape;
use crate::gate::session::Fact;

/// Which tasks a path is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    agent: String,
    task: Option<String>,
}

// A request of 64 KiB in the longest way to write it, and room for the rest.
const BODY: Limits = Limits { bytes: 512 << 10, depth: 3, values: 256 };
const KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

/// `/agents/NAME/tasks` and `/agents/NAME/tasks/ID`.
pub(super) fn place_of(path: &str) -> Option<Place> {
    let (agent, rest) = path.strip_prefix("/agents/")?.split_once('/')?;
    let rest = rest.strip_prefix("tasks")?;
    let task = match rest.strip_prefix('/') {
        Some(id) => Some(id),
        None if rest.is_empty() => None,
        None => return None,
    };
    let plain = |text: &str| {
        !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    (plain(agent) && task.is_none_or(plain)).then(|| Place { agent: agent.to_owned(), task: task.map(str::to_owned) })
}

/// What becomes of a request.
pub(super) async fn answer(
    host: &Arc<dyn Host>,
    room: &Room,
    request: Request<Incoming>,
    place: Place,
    peer: Peer,
) -> Answer {
    let (head, body) = request.into_parts();
    let Some(token) = bearer(&head.headers) else {
        let why = "a caller's bearer token is missing\nhelp: a person makes one with `ambit token --caller NAME`";
        return unauthorized("no-token", why);
    };
    // Before anything else is looked at: whoever has no right to be here learns nothing but that, and costs nothing.
    let mut calling = match host.caller(&place.agent, &token, peer).await {
        Ok(calling) => calling,
        Err(Denied { message, help, .. }) => return unauthorized("no-caller", &format!("{message}\nhelp: {help}")),
    };
    if !accepts(&head.headers, "application/json") {
        let why = "the answer is `application/json`, which `Accept` does not let through";
        return refused(StatusCode::NOT_ACCEPTABLE, "not-acceptable", why);
    }
    let ask = match (&head.method, place.task) {
        (&Method::POST, None) => {
            if !is_json(&head.headers) {
                let why = "the body must be `application/json`";
                return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", why);
            }
            calling.key = match key_of(&head.headers) {
                Ok(key) => key,
                Err(why) => return refused(StatusCode::BAD_REQUEST, "bad-idempotency-key", why),
            };
            let (bytes, _place) = match room.take(body, BODY.bytes).await {
                Ok(body) => body,
                Err(not) => return refused(not.status(), "no-body", &not.to_string()),
            };
            let read = match json::read_within(&bytes, BODY) {
                Ok(read) => read,
                Err(error) => {
                    let why =
                        format!("the body is not JSON that everybody reads alike: {error}\nhelp: send one object");
                    return refused(StatusCode::BAD_REQUEST, "not-json", &why);
                }
            };
            match opening(&place.agent, &read) {
                Ok(opening) => Call::Open(Box::new(opening)),
                Err(why) => return refused(StatusCode::UNPROCESSABLE_ENTITY, "not-a-task", &why),
            }
        }
        (&Method::GET, None) => Call::List,
        (&Method::GET, Some(id)) => Call::Show(id),
        (&Method::DELETE, Some(id)) => Call::Close(id),
        (_, task) => {
            let allowed = if task.is_some() { "GET, DELETE" } else { "GET, POST" };
            let why = format!("here one may {allowed}");
            let mut answer = refused(StatusCode::METHOD_NOT_ALLOWED, "no-such-method", &why);
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            return answer;
        }
    };
    match host.call(calling, &place.agent, ask).await {
        Ok(Called::Opened(task)) => {
            let id = task.get("id").and_then(serde_json::Value::as_str).unwrap_or_default();
            let at = HeaderValue::from_str(&format!("/agents/{}/tasks/{id}", place.agent));
            let mut answer = said(StatusCode::CREATED, &task);
            if let Ok(at) = at {
                answer.headers_mut().insert(LOCATION, at);
            }
            answer
        }
        Ok(Called::Again(task) | Called::Said(task)) => said(StatusCode::OK, &task),
        Err(error) => wrong(&error),
    }
}

/// What a body asks for.
fn opening(agent: &str, body: &Value) -> Result<Opening, String> {
    let Value::Map(members) = body else {
        return Err("the body is no object\nhelp: send `{\"task\": \"NAME\"}`".into());
    };
    const NAMES: [&str; 6] = ["task", "request", "author", "facts", "expiry-seconds", "on-behalf-of"];
    if let Some((unknown, _)) = members.iter().find(|(name, _)| !NAMES.contains(&name.as_str())) {
        let help = match nearest(unknown, NAMES) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there is {}", NAMES.map(|name| format!("`{name}`")).join(", ")),
        };
        return Err(format!("a task has no `{}`\nhelp: {help}", escape(unknown)));
    }
    let text = |name: &str| match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("`{name}` is no text\nhelp: put it in quotes")),
    };
    if body.get("task").is_none() {
        return Err(
            "`task` is missing\nhelp: name the task as the scope does with `for`, or say `null` for one without a name"
                .into(),
        );
    }
    let lasts_seconds = match body.get("expiry-seconds") {
        None | Some(Value::Null) => AS_USUAL,
        Some(Value::Number(seconds)) if *seconds >= Decimal::from(SHORTEST_SECONDS) => seconds
            .to_u64()
            .ok_or("`expiry-seconds` is no whole number\nhelp: write it in seconds, without a fraction")?,
        Some(_) => {
            return Err(
                "`expiry-seconds` is no number of 60 or more\nhelp: write how many seconds the task may last".into()
            );
        }
    };
    let mut facts = Vec::new();
    match body.get("facts") {
        None | Some(Value::Null) => {}
        Some(Value::Map(members)) => {
            for (name, value) in members {
                let fact = Fact::of(value).ok_or_else(|| {
                    format!("the fact `{}` is neither text, a number, true nor false\nhelp: leave it out", escape(name))
                })?;
                facts.push((name.clone(), fact));
            }
        }
        Some(_) => return Err("`facts` is no object\nhelp: write `{\"customer\": 8812}`".into()),
    }
    Ok(Opening {
        agent: agent.to_owned(),
        name: text("task")?,
        request: text("request")?,
        author: text("author")?,
        facts,
        lasts_seconds,
        on_behalf_of: text("on-behalf-of")?,
    })
}

/// The idempotency key, where there is one: a text of visible characters, with or without quotes.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    let wrong = "`Idempotency-Key` is no key\nhelp: send one, of 1 to 255 visible characters of ASCII";
    let mut all = headers.get_all(KEY).iter();
    let (value, more) = (all.next(), all.next());
    let Some(value) = value else { return Ok(None) };
    let text = value.to_str().map_err(|_| wrong)?.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let fits =
        (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    if fits && more.is_none() { Ok(Some(text.to_owned())) } else { Err(wrong) }
}

fn wrong(error: &CallError) -> Answer {
    let (status, word) = match error {
        CallError::NoTask(_) => (StatusCode::NOT_FOUND, "no-such-task"),
        CallError::Nobody => (StatusCode::NOT_FOUND, "nobody-here"),
        CallError::Task(task) => match task {
            TaskError::NothingInForce { .. } => (StatusCode::CONFLICT, "nothing-in-force"),
            TaskError::Stopped(_) => (StatusCode::CONFLICT, "stopped"),
            TaskError::Nobody { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "no-such-person"),
            TaskError::NoSuchTask { .. } | TaskError::NoSuchFact { .. } | TaskError::Wrong(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "not-a-task")
            }
            TaskError::MayNot { .. } => (StatusCode::FORBIDDEN, "may-not"),
            TaskError::TooMany(..) | TaskError::TooManyOf { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-open"),
            TaskError::TooOftenOf { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-often"),
            TaskError::OtherRequest => (StatusCode::UNPROCESSABLE_ENTITY, "key-of-another-request"),
            TaskError::Over(_) => (StatusCode::GONE, "over"),
            TaskError::OtherToken(_) => (StatusCode::CONFLICT, "token-changed"),
            TaskError::Token(_) | TaskError::Fault(_) => (StatusCode::INTERNAL_SERVER_ERROR, "fault"),
        },
        CallError::Broken | CallError::Fault(_) => (StatusCode::INTERNAL_SERVER_ERROR, "fault"),
    };
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        // Where Ambit keeps what is nothing that a program needs to know.
        tracing::error!(%error, "a caller could not be answered");
        let why = "Ambit could not do its work\nhelp: ask again with the same idempotency key; if it lasts, the person who runs Ambit must look at its log";
        return refused(status, word, why);
    }
    let mut answer = refused(status, word, &error.to_string());
    if status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = match error {
            CallError::Task(TaskError::TooOftenOf { seconds, .. }) => *seconds,
            _ => 60,
        };
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// A no: a word that programs tell apart, what is wrong, and what to do about it.
pub(super) fn refused(status: StatusCode, word: &str, why: &str) -> Answer {
    let (message, help) = why.split_once("\nhelp: ").unwrap_or((why, ""));
    said(status, &json!({ "error": word, "message": message, "help": help }))
}

fn unauthorized(word: &str, why: &str) -> Answer {
    let mut answer = refused(StatusCode::UNAUTHORIZED, word, why);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ambit\""));
    answer
}

fn said(status: StatusCode, value: &serde_json::Value) -> Answer {
    let mut text = value.to_string().into_bytes();
    text.push(b'\n');
    said::json(status, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Opening, String> {
        opening("helper", &json::read_within(text.as_bytes(), BODY).map_err(|error| error.to_string())?)
    }

    #[test]
    fn paths_are_read_strictly() {
        let place =
            |agent: &str, task: Option<&str>| Some(Place { agent: agent.into(), task: task.map(str::to_owned) });
        assert_eq!(place_of("/agents/helper/tasks"), place("helper", None));
        assert_eq!(place_of("/agents/helper/tasks/0a1b"), place("helper", Some("0a1b")));
        for path in [
            "/agents/helper/tasks/",
            "/agents/helper/tasks/a/b",
            "/agents//tasks",
            "/agents/a/b/tasks",
            "/agents/a%2fb/tasks",
            "/agents/helper/tasksx",
            "/agents/helper/mcp",
            "/tasks",
        ] {
            assert_eq!(place_of(path), None, "{path}");
        }
    }

    #[test]
    fn who_opens_too_often_is_told_how_long_to_wait() {
        let error = TaskError::TooOftenOf { caller: "desk".into(), most: 3, agent: "helper".into(), seconds: 7 };
        let answer = wrong(&CallError::Task(error));
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()[RETRY_AFTER], "7");
    }

    #[test]
    fn a_body_says_what_a_task_is_and_nothing_else() {
        let body = r#"{"task":"refund","request":"Give her 16 EUR back","author":"her@elsewhere.example",
            "facts":{"customer":8812,"vip":false,"code":"8812"},"expiry-seconds":3600,"on-behalf-of":"dana"}"#;
        let read_whole = read(body).unwrap();
        assert_eq!(read_whole.lasts_seconds, 3600);
        let facts = [Fact::Number("8812".into()), Fact::Truth(false), Fact::Text("8812".into())];
        assert_eq!(read_whole.facts.into_iter().map(|(_, fact)| fact).collect::<Vec<_>>(), facts);
        assert_eq!(read(r#"{"task":null}"#).unwrap().name, None);
        for (wrong, says) in [
            ("[]", "no object"),
            ("{}", "`task` is missing"),
            (r#"{"task":1}"#, "no text"),
            (r#"{"task":"a","task":"b"}"#, "stands twice"),
            (r#"{"task":"a","facts":{"c":1,"c":2}}"#, "stands twice"),
            (r#"{"task":"a","facts":{"c":[1]}}"#, "neither text"),
            (r#"{"task":"a","facts":{"c":9007199254740993}}"#, "cannot be read exactly"),
            (r#"{"task":"a","expiry-seconds":0}"#, "60 or more"),
            (r#"{"task":"a","expiry-seconds":60.5}"#, "no whole number"),
            (r#"{"task":"a","expiry-seconds":"1h"}"#, "60 or more"),
            (r#"{"task":"a","expiry-second":1}"#, "did you mean `expiry-seconds`?"),
            (r#"{"task":"a","agent":"other"}"#, "a task has no `agent`"),
            (r#"{"task":"a"} x"#, "expected"),
            (r#"{"task":[[[["a"]]]]}"#, "within one another"),
        ] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains(says), "{wrong}: {said}");
        }
    }

    #[test]
    fn a_key_is_one_text_with_or_without_quotes() {
        let key = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            values.iter().for_each(|value| _ = headers.append(KEY, value.parse().unwrap()));
            key_of(&headers)
        };
        assert_eq!(key(&[]), Ok(None));
        for same in ["\"t-5122\"", "t-5122", " t-5122 "] {
            assert_eq!(key(&[same]), Ok(Some("t-5122".into())), "{same}");
        }
        for wrong in [&[""][..], &["\"\""], &["a b"], &["a\"b"], &["a", "a"], &[&"a".repeat(256)]] {
            assert!(key(wrong).is_err(), "{wrong:?}");
        }
    }
}
