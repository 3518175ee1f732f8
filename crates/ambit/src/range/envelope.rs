//! Messages around a call that two readers would read differently: which of two calls is meant, of which generation, and
//! whether it is one at all.

use super::door::{Front, Say, message};

/// A call as it is said on the wire: its exposed name, as a JSON text, and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The exposed name.
    pub name: String,
    /// The arguments, as JSON.
    pub arguments: String,
}

impl Call {
    fn params(&self) -> String {
        format!("{{\"name\":{},\"arguments\":{}}}", quoted(&self.name), self.arguments)
    }
}

/// JSON of a text.
pub(super) fn quoted(text: &str) -> String {
    ambit_effects::json::write(&ambit_core::value::Value::Text(text.to_owned()))
}

/// Messages in which a call that is not allowed hides, in the generation of that front: what is done, and the message.
/// `allowed` is one that is, `not` the one that hides.
#[must_use]
pub fn messages(front: Front, allowed: &Call, not: &Call) -> Vec<(&'static str, Say)> {
    let (good, bad) = (allowed.params(), not.params());
    let of = |params: &str| String::from_utf8_lossy(&message(front, "tools/call", params)).into_owned();
    let (whole_good, whole_bad) = (of(&good), of(&bad));
    let (inner_good, inner_bad) = (params_of(&whole_good), params_of(&whole_bad));
    let head = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":";
    let name = quoted(&not.name);
    let escaped_name =
        format!("{head}\"tools/call\",\"params\":{}}}", inner_good.replacen("\"name\":", "\"n\\u0061me\":", 1));
    let all: Vec<(&'static str, Vec<u8>)> = vec![
        ("two calls in one message, the first allowed", format!("[{whole_good},{whole_bad}]").into_bytes()),
        ("one call in a list", format!("[{whole_bad}]").into_bytes()),
        (
            "parameters twice, the first allowed",
            format!("{head}\"tools/call\",\"params\":{inner_good},\"params\":{inner_bad}}}").into_bytes(),
        ),
        (
            "parameters twice, the last allowed",
            format!("{head}\"tools/call\",\"params\":{inner_bad},\"params\":{inner_good}}}").into_bytes(),
        ),
        (
            "a method twice, the first a ping",
            format!("{head}\"ping\",\"method\":\"tools/call\",\"params\":{inner_bad}}}").into_bytes(),
        ),
        (
            "a method twice, the last a ping",
            format!("{head}\"tools/call\",\"method\":\"ping\",\"params\":{inner_bad}}}").into_bytes(),
        ),
        ("the name twice, the first allowed", with_member(&whole_good, &format!("\"name\":{name}"))),
        ("the name twice, the last in escapes", with_member(&whole_good, &format!("\"n\\u0061me\":{name}"))),
        ("the arguments twice", with_member(&whole_bad, "\"arguments\":{}")),
        (
            "the key of the name in escapes, and the name in clear",
            with_member(&escaped_name, &format!("\"name\":{name}")),
        ),
        ("the key of the name in capitals beside", with_member(&whole_good, &format!("\"Name\":{name}"))),
        ("the method in capitals", whole_bad.replacen("tools/call", "TOOLS/CALL", 1).into_bytes()),
        ("the method with a slash in escapes", whole_bad.replacen("tools/call", "tools\\/call", 1).into_bytes()),
        ("no id, as something that wants no answer", whole_bad.replacen("\"id\":7,", "", 1).into_bytes()),
        ("an id of nothing", whole_bad.replacen("\"id\":7", "\"id\":null", 1).into_bytes()),
        ("an id that is an object", whole_bad.replacen("\"id\":7", "\"id\":{}", 1).into_bytes()),
        ("another version of JSON-RPC", whole_bad.replacen("\"2.0\"", "\"1.0\"", 1).into_bytes()),
        ("a second message behind the first", format!("{whole_good}{whole_bad}").into_bytes()),
        ("a result and a call in one", whole_bad.replacen("\"id\":7", "\"id\":7,\"result\":{}", 1).into_bytes()),
        ("a byte in the name that is no UTF-8", broken_name(&whole_bad, &not.name)),
        ("a version that there is not", versioned(&bad, "2099-01-01")),
        ("the version of the other generation", versioned(&bad, "2025-11-25")),
        ("the generation without a handshake", versioned(&bad, "2026-07-28")),
        ("the generation with a handshake", format!("{head}\"tools/call\",\"params\":{bad}}}").into_bytes()),
    ];
    let mut messages: Vec<(&'static str, Say)> = all
        .into_iter()
        .map(|(done, bytes)| (done, Say::Raw(bytes, "tools/call".to_owned(), not.name.clone())))
        .collect();
    if front == Front::HttpStateless {
        let (bad, good) = (whole_bad.into_bytes(), allowed.name.clone());
        messages.push(("another name in the headers", Say::Raw(bad.clone(), "tools/call".to_owned(), good.clone())));
        messages.push(("another method in the headers", Say::Raw(bad, "tools/list".to_owned(), good)));
    }
    messages
}

/// The parameters of a message that ends with them.
fn params_of(message: &str) -> String {
    let params = message.split_once("\"params\":").map_or("", |(_, params)| params);
    params.strip_suffix('}').unwrap_or(params).to_owned()
}

/// The message with that member at the end of its parameters.
fn with_member(message: &str, member: &str) -> Vec<u8> {
    let inside = message.strip_suffix("}}").unwrap_or(message);
    format!("{inside},{member}}}}}").into_bytes()
}

fn versioned(params: &str, version: &str) -> Vec<u8> {
    let meta = format!(
        "\"_meta\":{{\"io.modelcontextprotocol/protocolVersion\":\"{version}\",\"io.modelcontextprotocol/clientCapabilities\":{{}}}}"
    );
    let rest = params.strip_prefix('{').unwrap_or(params);
    format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{{{meta},{rest}}}").into_bytes()
}

fn broken_name(message: &str, name: &str) -> Vec<u8> {
    match message.find(name) {
        Some(at) => {
            let (before, after) = (message.get(..at).unwrap_or_default(), message.get(at..).unwrap_or_default());
            [before.as_bytes(), b"\xff", after.as_bytes()].concat()
        }
        None => message.as_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_holds_the_call_that_hides_in_it() {
        let allowed = Call { name: "crm__look".into(), arguments: "{}".into() };
        let not = Call { name: "crm__purge".into(), arguments: "{\"all\":true}".into() };
        for front in Front::ALL {
            let messages = messages(front, &allowed, &not);
            assert!(messages.len() >= 24);
            for (done, say) in messages {
                let Say::Raw(bytes, ..) = say else { panic!("{done}") };
                assert!(String::from_utf8_lossy(&bytes).contains("crm__purge"), "{done}");
            }
        }
    }

    #[test]
    fn what_is_put_into_a_message_stands_in_its_parameters() {
        let call = Call { name: "a".into(), arguments: "{\"x\":{}}".into() };
        let whole = message(Front::Pipe, "tools/call", &call.params());
        let whole = String::from_utf8(whole).unwrap();
        assert_eq!(params_of(&whole), call.params());
        let more = String::from_utf8(with_member(&whole, "\"b\":1")).unwrap();
        let read: serde_json::Value = serde_json::from_str(&more).unwrap();
        assert_eq!(read["params"], serde_json::json!({"name": "a", "arguments": {"x": {}}, "b": 1}));
    }
}
