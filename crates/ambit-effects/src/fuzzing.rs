//! What must hold of any bytes whatever, one function a reader. The fuzz targets call these, and so do the tests that replay
//! their corpora; each gives back the promise that was broken, if one was.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use ambit_core::action::{Action, Gate};
use ambit_core::catalog::{
    Catalog, Declared, Field, Resource, ResourceId, ResourceKind, Shape, System, SystemKind, Type,
};
use ambit_core::effect::{Standing, Verb};
use ambit_core::returns::{NamedPart, Part, Returns};
use ambit_core::scope::diagnostics::Severity;
use ambit_core::scope::parse::{Parsed, parse_bytes};
use ambit_core::scope::print::print;
use ambit_core::scope::{Document, Span};
use ambit_core::time::Timestamp;
use ambit_core::value::Value;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value as Json, json};

use crate::attempt::Attempt;
use crate::definition::{Drift, PromptDefinition, ResourceDefinition, ToolDefinition};
use crate::json::{Limits, Problem, canonical, document, read, value_of, write};
use crate::mcp::cut::cut as cut_result;
use crate::mcp::{NotRead, Readers};
use crate::schema::{Validator, arguments, filled};
use crate::sql::asked::{Bound, Parameter};
use crate::sql::wire::client::{Client, Phase, length};
use crate::sql::wire::first::First;
use crate::sql::wire::{HEADER, WireError, server, write as wire};
use crate::token::{Expected, Unproved};

/// Whether a promise was kept; if not, which.
pub type Kept = Result<(), String>;

fn promise(kept: bool, what: &str) -> Kept {
    if kept { Ok(()) } else { Err(what.to_owned()) }
}

/// What is read, another reader reads alike; what only another reader reads was refused for a reason that is named.
///
/// # Errors
/// The promise that was broken.
pub fn json(bytes: &[u8]) -> Kept {
    let other = serde_json::from_slice::<Json>(bytes);
    match (read(bytes), other) {
        (Ok(value), Ok(other)) => {
            promise(same(&value, &other), "another reader sees another value")?;
            promise(read(write(&value).as_bytes()) == Ok(value), "what is written reads differently")?;
            let seen = document(bytes, Limits::CALL)
                .map_err(|error| format!("read as a value, not as a document: {error}"))?;
            let form = canonical(&seen);
            let again = document(form.as_bytes(), Limits { bytes: usize::MAX, ..Limits::CALL });
            promise(again.as_ref().map(canonical) == Ok(form), "the canonical form is not its own canonical form")
        }
        (Ok(_), Err(error)) => Err(format!("another reader refuses it: {error}")),
        (Err(error), Ok(_)) => promise(
            !matches!(error.problem, Problem::Encoding | Problem::Expected(_) | Problem::Control | Problem::Surrogate),
            "refused as no JSON, and another reader reads it",
        ),
        (Err(_), Err(_)) => Ok(()),
    }
}

fn same(value: &Value, other: &Json) -> bool {
    match (value, other) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(a), Json::Bool(b)) => a == b,
        (Value::Number(a), Json::Number(b)) => {
            // The other reader rounds, and not always to the nearest.
            let near = |a: f64, b: f64| a == b || ((a - b) / b).abs() < 1e-14;
            a.to_string().parse::<f64>().ok().zip(b.as_f64()).is_some_and(|(a, b)| near(a, b))
        }
        (Value::Text(a), Json::String(b)) => a == b,
        (Value::List(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Map(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => false,
    }
}

/// A schema and arguments, with a line feed between them: whatever fits the schema, its shape admits, with and without the
/// defaults filled in.
///
/// # Errors
/// The promise that was broken.
pub fn schema(bytes: &[u8]) -> Kept {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (schema, rest) = bytes.split_at_checked(at).unwrap_or((bytes, &[]));
    let Ok(schema) = document(schema, Limits::DEFINITION) else { return Ok(()) };
    let (shape, validator) = (arguments(&schema), Validator::of(&schema));
    promise(shape.is_ok() || validator.is_err(), "a validator without a shape")?;
    let (Ok(shape), Ok(validator), Ok(value)) = (shape, validator, read(rest)) else { return Ok(()) };
    if validator.fits(&value).is_err() {
        return Ok(());
    }
    let Value::Map(members) = &value else { return Ok(()) };
    let named = |name: &str| shape.fields.iter().find(|field| field.name == name);
    for field in &shape.fields {
        let given = value.get(&field.name);
        promise(!field.required || given.is_some(), "fits without an argument that is required")?;
        promise(given.is_none_or(|given| admits(&field.shape, given)), "fits the schema and not its shape")?;
    }
    promise(
        shape.open || members.iter().all(|(name, _)| named(name).is_some()),
        "fits with an argument that is not named",
    )?;
    let full = filled(value.clone(), &shape.fields);
    promise(members.iter().all(|(name, _)| full.get(name).is_some()), "filling in defaults lost an argument")?;
    promise(filled(full.clone(), &shape.fields) == full, "filling in defaults twice is not the same as once")
}

fn admits(shape: &Shape, value: &Value) -> bool {
    let kind = match value {
        Value::Null | Value::Unknown => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::Text(_) => Type::Text,
        Value::List(_) => Type::List,
        Value::Map(_) => Type::Map,
    };
    let named = |name: &str| shape.members.iter().find(|(known, _)| known == name).map(|(_, member)| member);
    (shape.types.is_empty() || shape.types.contains(&kind))
        && shape.only.as_ref().is_none_or(|only| only.iter().any(|allowed| alike(allowed, value)))
        && match value {
            Value::List(items) => shape.items.as_ref().is_none_or(|shape| items.iter().all(|item| admits(shape, item))),
            Value::Map(members) => {
                members.iter().all(|(name, value)| named(name).map_or(shape.open, |shape| admits(shape, value)))
            }
            _ => true,
        }
}

/// Equal as JSON Schema has it: the order of members does not matter.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::List(a), Value::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Map(c), Value::Map(d)) => {
            c.len() == d.len() && c.iter().all(|(key, value)| b.get(key).is_some_and(|other| alike(value, other)))
        }
        _ => a == b,
    }
}

/// A definition read once and read again from its canonical form has not drifted; and what is read has a name that can be seen.
///
/// # Errors
/// The promise that was broken.
pub fn definition(bytes: &[u8]) -> Kept {
    let seen =
        |name: &str| promise(!name.is_empty() && !name.chars().any(char::is_control), "a name that cannot be seen");
    let form = document(bytes, Limits::DEFINITION).map(|listed| canonical(&listed));
    let form = form.unwrap_or_default();
    let drifted = "the same definition, written otherwise, has drifted";
    if let Ok(tool) = ToolDefinition::read(bytes) {
        seen(&tool.name)?;
        let again = ToolDefinition::read(form.as_bytes()).map_err(|error| error.to_string())?;
        promise(again.digests.drift_from(&tool.digests) == Drift::None, drifted)?;
    }
    if let Ok(prompt) = PromptDefinition::read(bytes) {
        seen(&prompt.name)?;
        let again = PromptDefinition::read(form.as_bytes()).map_err(|error| error.to_string())?;
        promise(again.digests.drift_from(&prompt.digests) == Drift::None, drifted)?;
    }
    if let Ok(resource) = ResourceDefinition::read(bytes) {
        seen(&resource.uri)?;
        let again = ResourceDefinition::read(form.as_bytes()).map_err(|error| error.to_string())?;
        promise(again.digests.drift_from(&resource.digests) == Drift::None, drifted)?;
    }
    Ok(())
}

/// The parameters of a call, for each tool of a small catalog: what is read is what another reader reads, and every argument
/// given is among the fields.
///
/// # Errors
/// The promise that was broken.
pub fn call(bytes: &[u8]) -> Kept {
    static COMPANY: OnceLock<Company> = OnceLock::new();
    let Company { catalog, readers, tools } = COMPANY.get_or_init(company);
    for (id, name) in tools.iter().copied() {
        let action = Action {
            agent: "agent".into(),
            gate: Gate::Mcp,
            session: "session".into(),
            task: None,
            system: "company".into(),
            operation: "tools/call".into(),
            name: name.into(),
            payload: bytes.to_vec(),
        };
        let reading = match readers.read(catalog, &action) {
            Ok(reading) => reading,
            Err(NotRead::Invalid(_)) => continue,
            Err(error) => return Err(format!("a tool that is there is not read: {error}")),
        };
        let other: Json =
            serde_json::from_slice(bytes).map_err(|error| format!("another reader refuses it: {error}"))?;
        promise(other.get("name").and_then(Json::as_str) == Some(name), "another reader sees another tool")?;
        let given = other.get("arguments").and_then(Json::as_object);
        let own = reading.effects.first().ok_or("no effect")?;
        let is_call =
            own.verb == Verb::Call && own.resource == id && own.standing == Standing::Own && own.subject == Some(0);
        promise(is_call, "the first effect is not the call")?;
        let known = catalog.resource(id).ok_or("no resource")?;
        let tested = reading.values.first().ok_or("no value")?;
        let mut unlisted = false;
        for (argument, value) in given.into_iter().flatten() {
            promise(
                tested.get(argument).is_some_and(|tested| tests_same(tested, value)),
                "a test sees another argument",
            )?;
            match known.field_named(argument) {
                Some(place) => {
                    promise(own.fields.has(place) != value.is_null(), "an argument is not among the fields")?
                }
                None => unlisted |= !value.is_null(),
            }
        }
        promise(unlisted == own.fields.has_unlisted(), "an unlisted argument is not among the fields")?;
        let odd = other
            .as_object()
            .is_some_and(|all| all.keys().any(|key| !["name", "arguments", "_meta", "task"].contains(&key.as_str())));
        promise(!odd || !reading.unread.is_empty(), "a parameter that nobody knows is not unread")?;
    }
    Ok(())
}

/// Whether what tests look into is what was sent, defaults aside.
fn tests_same(tested: &Value, sent: &Json) -> bool {
    match (tested, sent) {
        (Value::Map(_), Json::Object(sent)) => {
            sent.iter().all(|(key, sent)| tested.get(key).is_some_and(|tested| tests_same(tested, sent)))
        }
        (Value::List(tested), Json::Array(sent)) => {
            tested.len() == sent.len() && tested.iter().zip(sent).all(|(tested, sent)| tests_same(tested, sent))
        }
        _ => same(tested, sent),
    }
}

struct Company {
    catalog: Catalog,
    readers: Readers,
    tools: [(ResourceId, &'static str); 2],
}

fn company() -> Company {
    let mut catalog = Catalog::new();
    let mut readers = Readers::new();
    let none = BTreeSet::new();
    let system = catalog.add_system(System { name: "company".into(), kind: SystemKind::Mcp, tags: none.clone() });
    let mut add = |name: &'static str, schema: Json| {
        let fields: Vec<Field> = arguments(&schema).map(|arguments| arguments.fields).unwrap_or_default();
        let declared = Declared { amount: Some("amount".into()), ..Declared::default() };
        let resource = Resource {
            system,
            name: name.into(),
            kind: ResourceKind::Tool,
            fields,
            tags: none.clone(),
            declared,
            digest: String::new(),
        };
        let id = catalog.add_resource(resource).unwrap_or(ResourceId(u32::MAX));
        readers.add(id, schema);
        (id, name)
    };
    let pay = add(
        "pay",
        json!({"type": "object", "required": ["amount"], "additionalProperties": false, "properties": {
            "amount": {"type": "number", "exclusiveMinimum": 0}, "currency": {"enum": ["EUR", "USD"], "default": "EUR"},
            "to": {"type": "array", "items": {"type": "object", "properties": {"iban": {"type": "string", "pattern": "^[A-Z]{2}"},
                "share": {"type": "number", "default": 1}}}}}}),
    );
    let any = add(
        "any",
        json!({"properties": {"force": {"type": "boolean", "default": false}, "in": {"properties": {"a": {"default": {}}}}}}),
    );
    Company { catalog, readers, tools: [pay, any] }
}

/// A tool's result: whatever it is, nothing comes through but the parts that are kept, each as it was written; and where none
/// is kept, nothing comes through.
///
/// # Errors
/// The promise that was broken.
pub fn cut(bytes: &[u8]) -> Kept {
    let named = |(part, field): &(&str, &str)| {
        let part = Part::parse(part)?;
        Some(NamedPart { part, resource: "crm.customers".into(), field: Some((*field).to_owned()) })
    };
    let of = |parts: &[(&str, &str)]| parts.iter().filter_map(named).collect::<Vec<_>>();
    let withheld = of(&[("customers[].ssn", "ssn"), ("note", "note"), ("in.deep.a", "a")]);
    let some = Returns { kept: of(&[("customers[].id", "id"), ("[].id", "id"), ("total", "total")]), withheld };
    let none = Returns { kept: Vec::new(), withheld: some.withheld.iter().chain(&some.kept).cloned().collect() };
    let sent = serde_json::from_slice::<Json>(bytes).unwrap_or_default();
    for (returns, is_none) in [(&some, false), (&none, true)] {
        let cut = cut_result(bytes, returns);
        let said: Json =
            serde_json::from_slice(&cut.bytes).map_err(|error| format!("what is cut is no JSON: {error}"))?;
        let content = said.get("content").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let text = match content {
            [] => None,
            [block] => {
                promise(block.as_object().is_some_and(|block| block.len() == 2), "a block of content holds more")?;
                promise(block.get("type") == Some(&json!("text")), "content that is no text comes through")?;
                Some(block.get("text").and_then(Json::as_str).ok_or("a text without text")?)
            }
            _ => return Err("more than one block of content comes through".into()),
        };
        if cut.withheld.whole.is_some() {
            let ours = text.is_some_and(|text| {
                text.starts_with("the call was made, but what came back is withheld: ")
                    || text.starts_with("the live system answered with an error; its words are withheld")
            });
            promise(ours && said.get("structuredContent").is_none(), "what is withheld whole says something")?;
            continue;
        }
        let members = said.as_object().ok_or("what is cut is no object")?;
        let known = ["content", "structuredContent", "isError", "resultType"];
        promise(members.keys().all(|name| known.contains(&name.as_str())), "another member comes through")?;
        let structured = said.get("structuredContent").filter(|structured| !structured.is_null());
        let text = text.map(serde_json::from_str::<Json>).transpose().map_err(|_| "the text is no JSON")?;
        promise(
            text.is_none() || structured.is_none() || text.as_ref() == structured,
            "text and structured content differ",
        )?;
        let Some(kept) = structured.or(text.as_ref()) else { continue };
        if is_none {
            promise(*kept == json!({}) || *kept == json!([]), "something comes through where nothing is kept")?;
            continue;
        }
        let written = || serde_json::from_str(sent.get("content")?.get(0)?.get("text")?.as_str()?).ok();
        let whole = sent.get("structuredContent").filter(|s| !s.is_null()).cloned().or_else(written);
        came_through(kept, &whole.ok_or("it comes from nowhere")?)?;
    }
    Ok(())
}

/// Whether what is kept is what [`cut`] keeps of that whole.
fn came_through(kept: &Json, whole: &Json) -> Kept {
    let list = |kept: &Json, whole: &Json| {
        let (Some(kept), Some(whole)) = (kept.as_array(), whole.as_array()) else {
            return promise(kept.is_null() && whole.is_null(), "a value stands where records were declared");
        };
        let mut rest = whole.iter();
        for record in kept {
            let is_it = |other: &Json| match record.as_object() {
                Some(record) => {
                    other.is_object()
                        && record.iter().all(|(name, value)| name == "id" && other.get(name) == Some(value))
                }
                None => record.is_null() && other.is_null(),
            };
            promise(rest.any(is_it), "a record holds something else than its granted fields")?;
        }
        Ok(())
    };
    let Some(members) = kept.as_object() else { return list(kept, whole) };
    for (name, value) in members {
        let there = whole.get(name).ok_or("a member comes from nowhere")?;
        match name.as_str() {
            "total" => promise(value == there, "a kept value is another")?,
            "customers" => list(value, there)?,
            _ => return Err(format!("`{name}` comes through")),
        }
    }
    Ok(())
}

/// An action in one line: what is read frames as parameters that are read again.
///
/// # Errors
/// The promise that was broken.
pub fn attempt(bytes: &[u8]) -> Kept {
    let Ok(line) = std::str::from_utf8(bytes) else { return Ok(()) };
    let Ok(attempt @ Attempt::Call { .. }) = Attempt::parse(line) else { return Ok(()) };
    let action = attempt.action(&Catalog::new(), "agent", "session", None);
    let Attempt::Call { name, arguments, .. } = &attempt else { return Ok(()) };
    let limits = Limits { depth: Limits::CALL.depth + 1, ..Limits::CALL };
    let framed = document(&action.payload, limits).map_err(|error| format!("the parameters are not read: {error}"))?;
    promise(framed.get("name").and_then(Json::as_str) == Some(name), "the parameters name another tool")?;
    let sent = framed.get("arguments").and_then(value_of);
    promise(
        sent == document(arguments.as_bytes(), limits).ok().as_ref().and_then(value_of),
        "the parameters hold other arguments",
    )
}

/// An access token: what is read has one text, says to another reader what it says here, and is nobody else's.
///
/// # Errors
/// The promise that was broken.
pub fn token(bytes: &[u8]) -> Kept {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
    let Ok(unproved) = Unproved::read(text) else { return Ok(()) };
    promise(unproved.clone().proved(|_, _| false).is_none(), "shown without a proof")?;
    let parts: Vec<Vec<u8>> = text.split('.').filter_map(|part| Base64UrlUnpadded::decode_vec(part).ok()).collect();
    let [header, claims, _] = parts.as_slice() else { return Err("read, and has not three parts".into()) };
    let written: Vec<String> = parts.iter().map(|part| Base64UrlUnpadded::encode_string(part)).collect();
    promise(written.join(".") == text, "read, and another text is the same token")?;
    let (header, other): (Json, Json) = match (serde_json::from_slice(header), serde_json::from_slice(claims)) {
        (Ok(header), Ok(claims)) => (header, claims),
        _ => return Err("another reader does not read it".into()),
    };
    let algorithm = header.get("alg").and_then(Json::as_str).unwrap_or_default();
    promise(
        ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"].contains(&algorithm),
        "signed in a way that proves nothing",
    )?;
    promise(header.get("kid").and_then(Json::as_str) == unproved.key(), "another reader sees another key")?;
    let (signed, signature) = text.rsplit_once('.').unwrap_or_default();
    let same =
        |bytes: &[u8], given: &[u8]| bytes == signed.as_bytes() && Base64UrlUnpadded::encode_string(given) == signature;
    let claims = unproved.proved(same).ok_or("what is proved is not what was signed")?;
    let said = |name: &str| other.get(name).and_then(Json::as_str);
    promise(
        said("iss") == Some(&claims.issuer) && said("sub") == Some(&claims.subject),
        "another reader sees another",
    )?;
    let expected = Expected { issuer: &claims.issuer, audience: "\u{0}", plain: true, now: Timestamp(0) };
    let alone = [json!("\u{0}"), json!(["\u{0}"])];
    promise(
        claims.check(&expected).is_err() || other.get("aud").is_some_and(|aud| alone.contains(aud)),
        "taken for somebody else",
    )?;
    let late = Expected { now: Timestamp(i64::MAX), ..expected };
    promise(claims.check(&late).is_err(), "taken for ever")
}

/// A scope document: every finding stands in it, and a document without errors is printed and read again as the same tree.
///
/// # Errors
/// The promise that was broken.
pub fn scope(bytes: &[u8]) -> Kept {
    let Parsed { document, diagnostics } = parse_bytes(bytes);
    for finding in &diagnostics {
        let at = &finding.at;
        let text =
            bytes.get(at.bytes.clone()).ok_or_else(|| format!("`{}` stands outside the document", finding.name))?;
        promise(finding.name == "not-utf8" || std::str::from_utf8(text).is_ok(), "a finding cuts a character in two")?;
        promise(
            at.line >= 1 && !finding.message.is_empty() && !finding.help.is_empty(),
            "a finding that says too little",
        )?;
    }
    if diagnostics.iter().any(|finding| finding.severity == Severity::Error) {
        return Ok(());
    }
    let printed = print(&document);
    let again = parse_bytes(printed.as_bytes());
    let wrong = again.diagnostics.iter().find(|finding| finding.severity == Severity::Error);
    promise(wrong.is_none(), &format!("what is printed is not sound: {wrong:?} in {printed:?}"))?;
    promise(print(&again.document) == printed, "what is printed is printed differently")?;
    promise(placeless(again.document) == placeless(document), "what is printed is read as another document")
}

/// The document without where things stand, and how they were spelt.
fn placeless(mut document: Document) -> Document {
    for line in &mut document.lines {
        (line.at, line.text) = (Span::default(), String::new());
    }
    document.scenarios.iter_mut().for_each(|scenario| scenario.at = Span::default());
    document.commentary.iter_mut().for_each(|remark| remark.at = Span::default());
    document
}

/// Whatever comes over the wire of a database is read or refused, by a length that was judged first; and what is read of a
/// statement, written for a server, reads as the same.
///
/// # Errors
/// The promise that was broken.
pub fn frames(bytes: &[u8]) -> Kept {
    let (mut rest, mut out) = (bytes, Vec::new());
    let _ = First::read(rest);
    while let Some(&[kind, a, b, c, d]) = rest.first_chunk::<HEADER>() {
        let said = u32::from_be_bytes([a, b, c, d]);
        rest = rest.get(HEADER..).unwrap_or_default();
        let Ok(count) = length(Phase::Ready, kind, said) else { break };
        let Some((body, after)) = rest.split_at_checked(count) else { break };
        rest = after;
        of_a_server(kind, body);
        out.clear();
        let read = Client::read(kind, body);
        match &read {
            Ok(Client::Parse { name, text, types }) => wire::parse(&mut out, name, text, types.iter().copied()),
            Ok(Client::Bind { portal, statement, values, results }) => {
                let parameters: Option<Vec<Parameter>> =
                    values.iter().map(|(binary, value)| bound(*binary, *value)).collect();
                let Some(parameters) = parameters else { continue };
                wire::bind(&mut out, portal, statement, &parameters, results);
                let again = out.get(HEADER..).map(|body| Client::read(kind, body));
                let Some(Ok(Client::Bind { values: second, .. })) = again else {
                    return Err("what is bound, written anew, is not read".to_owned());
                };
                let values = |all: &[(bool, Option<&[u8]>)]| {
                    all.iter().map(|(_, value)| value.map(<[u8]>::to_vec)).collect::<Vec<_>>()
                };
                promise(values(values_of(&read)) == values(&second), "what is bound, written anew, is another value")?;
                continue;
            }
            Ok(Client::Describe(what) | Client::Close(what)) => wire::about(&mut out, kind, *what),
            Ok(Client::Execute { portal, most }) => wire::execute(&mut out, portal, *most),
            Ok(_) => continue,
            Err(error) => {
                promise(!matches!(error, WireError::Kind(_)), "a kind that has a length has no reader")?;
                continue;
            }
        }
        let again = out.get(HEADER..).map(|body| Client::read(kind, body));
        promise(again == Some(read), "what was read, written anew, reads differently")?;
    }
    Ok(())
}

fn values_of<'a, 'b>(read: &'b Result<Client<'a>, WireError>) -> &'b [(bool, Option<&'a [u8]>)] {
    match read {
        Ok(Client::Bind { values, .. }) => values,
        _ => &[],
    }
}

fn bound(binary: bool, value: Option<&[u8]>) -> Option<Parameter> {
    let value = match (binary, value) {
        (_, None) => Bound::Null,
        (true, Some(bytes)) => Bound::Binary(bytes.to_vec()),
        (false, Some(bytes)) => Bound::Text(std::str::from_utf8(bytes).ok()?.to_owned()),
    };
    Some(Parameter { type_number: 0, value })
}

/// What a server sends is read by no less careful a reader.
fn of_a_server(kind: u8, body: &[u8]) {
    let _ = (server::fields(kind, body), server::tag(body), server::parameter(body), server::key(body));
    let _ = (server::types(body), server::columns(body), server::row(body), server::Login::read(body));
}
