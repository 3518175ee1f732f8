//! A hold, or an errand, as a task of the protocol's own (the extension `io.modelcontextprotocol/tasks`), for clients that say
//! that they know such. Not to be taken for the task that an agent works on.

use serde_json::json;
use serde_json::value::RawValue;

use super::era::{CAPABILITIES, Form};
use super::reply::{self, Wants};
use crate::gate::Answer;
use crate::gate::rpc::{self, Members, code};

/// A hold, or an errand, as its agent may see it.
#[derive(Clone, Debug)]
pub struct Held {
    /// Its id.
    pub id: String,
    /// When it began to wait, in RFC 3339.
    pub opened: String,
    /// When it last changed, in RFC 3339.
    pub changed: String,
    /// How long it can be asked after, from when it began to wait, in milliseconds.
    pub keep_ms: u64,
    /// What its agent is told now.
    pub answer: Answer,
    /// Whether its agent withdrew it, or let go of it, so that nothing will come of it.
    pub withdrawn: bool,
}

/// The extension's name.
pub(crate) const EXTENSION: &str = "io.modelcontextprotocol/tasks";
// People take their time.
const POLL_MS: u64 = 5_000;

/// Whether a request's client knows such tasks.
pub(super) fn knows(params: Option<&RawValue>) -> bool {
    let extension = || {
        let meta = Members::of(params?).ok()?.get("_meta")?;
        let capabilities = Members::of(meta).ok()?.get(CAPABILITIES)?;
        let extensions = Members::of(capabilities).ok()?.get("extensions")?;
        Members::of(extensions).ok()?.get(EXTENSION)
    };
    extension().is_some_and(|extension| extension.get().starts_with('{'))
}

/// Writes the error for a client that does not say so.
pub(super) fn unknown_to_client(out: &mut Vec<u8>, id: &str) {
    let error = json!({
        "code": code::MISSING_CAPABILITY,
        "message": "Missing required client capability",
        "data": { "requiredCapabilities": { "extensions": { EXTENSION: {} } } },
    });
    rpc::error_raw(out, id, error.to_string().as_bytes());
}

/// Writes the answer to a call that waits for a person.
pub(super) fn begun(out: &mut Vec<u8>, id: &str, held: &Held) {
    let mut task = said(held, "working");
    task.insert("resultType".into(), "task".into());
    rpc::result(out, id, json!(task).to_string().as_bytes());
}

/// Writes the answer to `tasks/get`.
pub(super) fn asked_after(out: &mut Vec<u8>, id: &str, held: &Held, form: Form) {
    let (status, outcome) = match &held.answer {
        _ if held.withdrawn => ("cancelled", None),
        Answer::Pending { .. } => ("working", None),
        answer => match whole(answer, form) {
            (Some(result), _) => ("completed", Some(("result", result))),
            (None, error) => ("failed", Some(("error", error.unwrap_or_default()))),
        },
    };
    let task = json!(said(held, status)).to_string();
    let mut result = br#"{"resultType":"complete","#.to_vec();
    result.extend_from_slice(task.trim_start_matches('{').trim_end_matches('}').as_bytes());
    if let Some((member, bytes)) = outcome {
        result.extend_from_slice(format!(",\"{member}\":").as_bytes());
        result.extend_from_slice(&bytes);
    }
    result.push(b'}');
    rpc::result(out, id, &result);
}

fn said(held: &Held, status: &str) -> serde_json::Map<String, serde_json::Value> {
    let mut task = serde_json::Map::new();
    task.insert("taskId".into(), held.id.as_str().into());
    task.insert("status".into(), status.into());
    if let Answer::Pending { text, .. } | Answer::Refused(text) | Answer::OutcomeUnknown(text) = &held.answer {
        task.insert("statusMessage".into(), text.as_str().into());
    }
    task.insert("createdAt".into(), held.opened.as_str().into());
    task.insert("lastUpdatedAt".into(), held.changed.as_str().into());
    task.insert("ttlMs".into(), held.keep_ms.into());
    task.insert("pollIntervalMs".into(), POLL_MS.into());
    task
}

/// The result, or else the error, that the call would have been answered with; a live system's byte for byte.
fn whole(answer: &Answer, form: Form) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let mut message = Vec::new();
    reply::write(&mut message, "0", answer, Wants::Collected, form);
    let members = serde_json::from_slice::<&RawValue>(&message).ok().and_then(|raw| Members::of(raw).ok());
    let member = |name: &str| members.as_ref()?.get(name).map(|raw| raw.get().as_bytes().to_vec());
    (member("result"), member("error"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::mcp::era::Era;
    use serde_json::Value;

    const FORM: Form = Form { era: Era::Stateless, cached: false };

    fn of(answer: Answer, withdrawn: bool) -> (Value, String) {
        let (opened, changed) = ("2026-11-28T00:00:00Z".to_owned(), "2026-11-28T00:00:01Z".to_owned());
        let held = Held { id: "h1".into(), opened, changed, keep_ms: 5, answer, withdrawn };
        let mut out = Vec::new();
        asked_after(&mut out, "1", &held, FORM);
        let said: Value = serde_json::from_slice(&out).unwrap();
        (said["result"].clone(), String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_hold_is_a_task_whose_result_is_byte_for_byte() {
        let (said, _) = of(Answer::Pending { id: "h1".into(), text: "waits".into() }, false);
        assert_eq!((&said["status"], &said["statusMessage"]), (&json!("working"), &json!("waits")));
        let (said, raw) = of(Answer::Result(br#"{ "content":[],"n":1.0e0 }"#.to_vec()), false);
        assert_eq!(said["status"], "completed");
        assert!(raw.contains(r#""content":[],"n":1.0e0 }"#), "{raw}");
        assert_eq!(of(Answer::Error(br#"{"code":1,"message":"no"}"#.to_vec()), false).0["error"]["code"], 1);
        let (said, _) = of(Answer::Refused("no".into()), false);
        assert_eq!((&said["status"], &said["result"]["isError"]), (&json!("completed"), &json!(true)));
        let (said, _) = of(Answer::Refused("withdrawn".into()), true);
        assert_eq!((&said["status"], said.get("result")), (&json!("cancelled"), None));
    }

    #[test]
    fn a_client_knows_tasks_that_says_so() {
        let says = |extensions: &str| {
            let params = format!(r#"{{"_meta":{{"{CAPABILITIES}":{{"extensions":{extensions}}}}}}}"#);
            knows(Some(&RawValue::from_string(params).unwrap()))
        };
        assert!(says(&format!(r#"{{"{EXTENSION}":{{}}}}"#)));
        assert!(!says(&format!(r#"{{"{EXTENSION}":true}}"#)) && !says("{}") && !knows(None));
    }
}
