//! The journal as events of the Open Cybersecurity Schema Framework, for whoever collects events of many programs.
//!
//! Source of the mapping: OCSF 1.8.0, <https://github.com/ocsf/ocsf-schema/tree/v1.8.0>: the classes in `events/`, the
//! objects in `objects/`, the profile `profiles/security_control.json`. What a record says in its open part goes along
//! whole, as `unmapped`; payloads never do. `docs/reference/ocsf.md` is the same mapping for readers, and a test holds
//! the two together.

use std::collections::BTreeMap;
use std::io::Write;

use ambit_core::action::Digest;
use serde_json::{Map, Value, json};

use super::tail::{self, Filter};
use super::{JournalError, Kind, Record};
use crate::escape::{escape, is_hidden};
use crate::keys::PublicKey;
use crate::store::Store;

/// The version of the schema.
pub const VERSION: &str = "1.8.0";

/// A class of events: its number, its name, and its category's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    /// `class_uid`; the category's number stands before its last three digits.
    pub uid: u64,
    /// `class_name`.
    pub name: &'static str,
    /// `category_name`.
    pub category: &'static str,
}

const API: Class = Class { uid: 6003, name: "API Activity", category: "Application Activity" };
const LIFECYCLE: Class = Class { uid: 6002, name: "Application Lifecycle", category: "Application Activity" };
const ENTITY: Class = Class { uid: 3004, name: "Entity Management", category: "Identity & Access Management" };
const LOGON: Class = Class { uid: 3002, name: "Authentication", category: "Identity & Access Management" };
const FINDING: Class = Class { uid: 2004, name: "Detection Finding", category: "Findings" };
const BASE: Class = Class { uid: 0, name: "Base Event", category: "Uncategorized" };

/// What is done, by number and name.
type Activity = (u64, &'static str);

/// Which class and activity a kind of record is. Where a class has no activity that fits, 99 and the record's own word.
#[must_use]
pub fn class(kind: Kind, details: &Value) -> (Class, Activity) {
    let change = details.get("change").and_then(Value::as_str).unwrap_or_default();
    match kind {
        Kind::Asked
        | Kind::Decided
        | Kind::Held
        | Kind::Confirmed
        | Kind::HoldRefused
        | Kind::HoldExpired
        | Kind::HoldWithdrawn
        | Kind::Executing
        | Kind::Outcome
        | Kind::OutcomeUnknown => (API, (99, kind.word())),
        Kind::Erased => (API, (4, "Delete")),
        Kind::Released => (ENTITY, (10, "Activate")),
        Kind::Stopped => (ENTITY, (12, "Suspend")),
        Kind::Resumed => (ENTITY, (13, "Resume")),
        Kind::TaskOpened => (ENTITY, (1, "Create")),
        Kind::TaskClosed => (ENTITY, (4, "Delete")),
        Kind::Token if change == "revoked" => (ENTITY, (4, "Delete")),
        Kind::Token => (ENTITY, (1, "Create")),
        Kind::Person if change == "withdrawn" => (ENTITY, (7, "Unenroll")),
        Kind::Person => (ENTITY, (6, "Enroll")),
        Kind::SessionOpened => (LOGON, (1, "Logon")),
        Kind::SessionClosed => (LOGON, (2, "Logoff")),
        Kind::Flagged => (FINDING, (1, "Create")),
        Kind::Started => (LIFECYCLE, (3, "Start")),
        Kind::Checkpoint => (BASE, (99, "checkpoint")),
    }
}

/// Writes the records that the filter lets through as events, a line each. Gives back how many.
///
/// # Errors
/// When the journal cannot be read, or `out` fails.
pub fn export(
    store: &dyn Store,
    installation: &PublicKey,
    filter: &Filter,
    mut out: impl Write,
) -> Result<u64, JournalError> {
    let failed = |error: std::io::Error| JournalError::Failed(format!("the export could not be written: {error}"));
    let mut calls = Calls::default();
    let mut count = 0;
    for row in tail::rows(store, 1) {
        let record = Record::read(row?)?;
        // Also of what is not written: later records name an action by its digest only.
        calls.note(&record);
        if !filter.lets(&record) {
            continue;
        }
        let line = visible(&event(&record, &calls, installation).to_string());
        writeln!(out, "{line}").map_err(failed)?;
        count += 1;
    }
    out.flush().map_err(failed)?;
    Ok(count)
}

/// What each action calls, out of the records that say so.
#[derive(Debug, Default)]
struct Calls(BTreeMap<Digest, (String, String)>);

impl Calls {
    fn note(&mut self, record: &Record) {
        let text = |name: &str| record.details.get(name).and_then(Value::as_str).map(str::to_owned);
        if let (Kind::Asked, Some(action), Some(system), Some(name)) =
            (record.kind, record.action, text("system"), text("name"))
        {
            self.0.insert(action, (system, name));
        }
    }

    fn of(&self, record: &Record) -> Option<&(String, String)> {
        self.0.get(&record.action?)
    }
}

/// One record as an event.
fn event(record: &Record, calls: &Calls, installation: &PublicKey) -> Value {
    let (class, (activity, activity_name)) = class(record.kind, &record.details);
    let what = what(record, calls);
    let severity = severity(record);
    let mut event = Map::new();
    event.insert("class_uid".into(), class.uid.into());
    event.insert("class_name".into(), class.name.into());
    event.insert("category_uid".into(), (class.uid / 1_000).into());
    event.insert("category_name".into(), class.category.into());
    event.insert("activity_id".into(), activity.into());
    event.insert("activity_name".into(), activity_name.into());
    event.insert("type_uid".into(), (class.uid * 100 + activity).into());
    event.insert("severity_id".into(), severity.0.into());
    event.insert("severity".into(), severity.1.into());
    event.insert("time".into(), record.time.0.into());
    event.insert("message".into(), escape(&message(record, &what)).into());
    event.insert("metadata".into(), metadata(record, class, installation));
    event.insert("unmapped".into(), unmapped(record));
    let part = match class.uid {
        6003 => api(record, calls, &what),
        6002 => json!({ "app": product() }),
        3004 => entity(record),
        3002 => logon(record),
        2004 => finding(record),
        _ => Value::Null,
    };
    if let Value::Object(part) = part {
        event.extend(part);
    }
    Value::Object(event)
}

/// `dana: confirmed payments.create_refund for refund-helper`, `refund-helper: decided crm.list_notes, allow`.
fn message(record: &Record, what: &str) -> String {
    let who = record.person.as_deref().or(record.agent.as_deref()).unwrap_or("ambit");
    let of = record.agent.as_deref().filter(|agent| *agent != who).map(|agent| format!("for {agent}"));
    let words = [Some(record.kind.word()), Some(what), of.as_deref()];
    let words: Vec<&str> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
    let how = ["verdict", "outcome", "change"].iter().find_map(|name| record.details.get(name)?.as_str());
    format!("{who}: {}{}", words.join(" "), how.map(|how| format!(", {how}")).unwrap_or_default())
}

/// The call, or what else a record is about.
fn what(record: &Record, calls: &Calls) -> String {
    match (record.kind, calls.of(record)) {
        (Kind::Erased, _) => "journal.erase".to_owned(),
        (_, Some((system, name))) => format!("{system}.{name}"),
        (Kind::Flagged, None) => flag(record),
        (_, None) => String::new(),
    }
}

fn flag(record: &Record) -> String {
    let text = |name: &str| record.details.get(name).and_then(Value::as_str);
    text("flag").or(text("trip")).unwrap_or("something to look into").to_owned()
}

fn metadata(record: &Record, class: Class, installation: &PublicKey) -> Value {
    let ask = record.details.get("ask").and_then(Value::as_str);
    let mut metadata = json!({
        "version": VERSION,
        "product": product(),
        "log_name": "journal",
        "event_code": record.kind.word(),
        "sequence": record.sequence,
        "uid": record.hash.to_string(),
        "logged_time": record.time.0,
        "tenant_uid": installation.to_string(),
    });
    if let Value::Object(members) = &mut metadata {
        if let Some(about) = record.hold.as_deref().or(ask) {
            members.insert("correlation_uid".into(), about.into());
        }
        if class == API {
            members.insert("profiles".into(), json!(["security_control"]));
        }
    }
    metadata
}

fn product() -> Value {
    json!({ "name": "Ambit", "vendor_name": "Ambit", "version": env!("CARGO_PKG_VERSION") })
}

/// What the record says in the open and OCSF has no place for.
fn unmapped(record: &Record) -> Value {
    let mut rest = Map::new();
    if let Some(action) = record.action {
        rest.insert("action".into(), action.to_string().into());
    }
    if let Some(hold) = &record.hold {
        rest.insert("hold".into(), hold.as_str().into());
    }
    if !record.details.is_null() {
        rest.insert("details".into(), record.details.clone());
    }
    Value::Object(rest)
}

/// An agent's call, and what becomes of it; with the profile `security_control`.
fn api(record: &Record, calls: &Calls, what: &str) -> Value {
    let from = record.agent.as_deref().unwrap_or("ambit");
    let mut members = json!({
        "actor": actor(record),
        "src_endpoint": { "name": from },
        "api": { "operation": if what.is_empty() { record.kind.word() } else { what } },
    });
    let Value::Object(all) = &mut members else { return members };
    let target = |name: &str, kind: &str| json!([{ "name": name, "type": kind, "role_id": 1, "role": "Target" }]);
    if let Some((system, _)) = calls.of(record) {
        let ask = record.details.get("ask").and_then(Value::as_str);
        let mut api = json!({ "operation": what, "service": { "name": system } });
        if let (Value::Object(api), Some(ask)) = (&mut api, ask) {
            api.insert("request".into(), json!({ "uid": ask }));
        }
        all.insert("api".into(), api);
        all.insert("dst_endpoint".into(), json!({ "svc_name": system }));
        all.insert("resources".into(), target(what, "tool"));
    }
    if let (Kind::Erased, Some(number)) = (record.kind, record.details.get("sequence").and_then(Value::as_u64)) {
        all.insert("resources".into(), target(&format!("record {number}"), "journal payload"));
    }
    if let Some((id, status)) = status(record) {
        all.insert("status_id".into(), id.into());
        all.insert("status".into(), status.into());
    }
    if let Some((action, disposition)) = control(record) {
        all.insert("action_id".into(), action.0.into());
        all.insert("action".into(), action.1.into());
        all.insert("disposition_id".into(), disposition.0.into());
        all.insert("disposition".into(), disposition.1.into());
    }
    if record.kind == Kind::Decided {
        all.insert("authorizations".into(), json!([authorization(record)]));
    }
    members
}

fn actor(record: &Record) -> Value {
    let mut actor = Map::new();
    actor.insert("app_name".into(), record.agent.as_deref().unwrap_or("ambit").into());
    if let Some(session) = &record.session {
        actor.insert("session".into(), json!({ "uid": session }));
    }
    if let Some(person) = &record.person {
        actor.insert("user".into(), user(person, 1, "User"));
    }
    Value::Object(actor)
}

fn user(name: &str, type_id: u64, kind: &str) -> Value {
    json!({ "name": name, "type_id": type_id, "type": kind })
}

/// How it stands with the call after this record; nothing where that is not known yet.
fn status(record: &Record) -> Option<Activity> {
    let said = |name: &str| record.details.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match record.kind {
        Kind::Decided => match said("verdict") {
            "allow" => (1, "Success"),
            "refuse" => (2, "Failure"),
            _ => (99, "held"),
        },
        Kind::Held => (99, "held"),
        Kind::Confirmed | Kind::Erased => (1, "Success"),
        Kind::HoldRefused | Kind::HoldExpired | Kind::HoldWithdrawn => (2, "Failure"),
        Kind::Outcome if said("outcome") == "result" => (1, "Success"),
        Kind::Outcome => (2, "Failure"),
        Kind::OutcomeUnknown => (0, "Unknown"),
        _ => return None,
    })
}

/// What Ambit or a person did with the call: the action and the disposition of `security_control`.
fn control(record: &Record) -> Option<(Activity, Activity)> {
    let verdict = record.details.get("verdict").and_then(Value::as_str).unwrap_or_default();
    Some(match record.kind {
        Kind::Asked => ((3, "Observed"), (17, "Logged")),
        Kind::Decided => match verdict {
            "allow" => ((1, "Allowed"), (1, "Allowed")),
            "refuse" => ((2, "Denied"), (2, "Blocked")),
            _ => ((99, "held"), (14, "Delayed")),
        },
        Kind::Held => ((99, "held"), (14, "Delayed")),
        Kind::Confirmed => ((1, "Allowed"), (8, "Approved")),
        Kind::HoldRefused => ((2, "Denied"), (25, "Rejected")),
        Kind::HoldExpired | Kind::HoldWithdrawn => ((2, "Denied"), (2, "Blocked")),
        _ => return None,
    })
}

/// The decision, and the release it was made under.
fn authorization(record: &Record) -> Value {
    let details = &record.details;
    let mut all = Map::new();
    all.insert("decision".into(), details.get("verdict").cloned().unwrap_or_else(|| "unknown".into()));
    if let (Some(release), Some(digest)) = (details.get("release"), details.get("release-digest")) {
        let name = record.agent.as_deref().unwrap_or("ambit");
        all.insert("policy".into(), policy(name, release, digest));
    }
    Value::Object(all)
}

fn policy(agent: &str, release: &Value, digest: &Value) -> Value {
    json!({ "name": agent, "type": "scope", "uid": digest, "version": release.to_string(), "is_applied": true })
}

/// What was put in force, stopped, made or enrolled.
fn entity(record: &Record) -> Value {
    let details = &record.details;
    let caller = details.get("caller").and_then(Value::as_str).filter(|_| record.kind == Kind::Token);
    let agent = record.agent.as_deref().or(caller).unwrap_or("every agent");
    let entity = match record.kind {
        Kind::Released => {
            let none = Value::Null;
            let (release, digest) = (details.get("release").unwrap_or(&none), details.get("digest").unwrap_or(&none));
            json!({ "type_id": 5, "type": "Policy", "name": agent, "policy": policy(agent, release, digest) })
        }
        Kind::Token => json!({
            "type_id": 99, "type": "Token", "name": agent, "uid": details.get("token").cloned().unwrap_or_default(),
        }),
        Kind::TaskOpened | Kind::TaskClosed => json!({
            "type_id": 99, "type": "Task", "name": agent, "uid": details.get("task").cloned().unwrap_or_default(),
        }),
        Kind::Person => {
            let person = record.person.as_deref().unwrap_or("unknown");
            json!({ "type_id": 2, "type": "User", "name": person, "user": user(person, 1, "User") })
        }
        _ => json!({ "type_id": 99, "type": "Agent", "name": agent }),
    };
    let mut members = json!({ "entity": entity, "actor": actor(record), "status_id": 1, "status": "Success" });
    if let (Value::Object(all), Some(Value::String(because))) = (&mut members, details.get("because")) {
        all.insert("comment".into(), because.as_str().into());
    }
    members
}

/// An agent came in, or went.
fn logon(record: &Record) -> Value {
    let agent = record.agent.as_deref().unwrap_or("unknown");
    let mut members = json!({
        "user": user(agent, 4, "Service"),
        "service": { "name": "ambit" },
        "status_id": 1,
        "status": "Success",
    });
    if let (Value::Object(all), Some(session)) = (&mut members, &record.session) {
        all.insert("session".into(), json!({ "uid": session }));
    }
    members
}

fn finding(record: &Record) -> Value {
    json!({
        "finding_info": { "uid": record.hash.to_string(), "title": escape(&flag(record)), "created_time": record.time.0 },
        "is_alert": true,
        "status_id": 1,
        "status": "New",
    })
}

fn severity(record: &Record) -> Activity {
    let said = |name: &str| record.details.get(name).and_then(Value::as_str).unwrap_or_default();
    match record.kind {
        Kind::OutcomeUnknown => (4, "High"),
        Kind::Flagged | Kind::Stopped => (3, "Medium"),
        Kind::Decided if said("verdict") == "refuse" => (2, "Low"),
        Kind::Outcome if said("outcome") != "result" => (2, "Low"),
        _ => (1, "Informational"),
    }
}

/// JSON in which what a reader would not see is written `\uXXXX`: the same values, fit for a terminal.
fn visible(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests;
