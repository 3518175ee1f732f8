//! What became of an action, in the protocol's own words.

use serde_json::json;
use serde_json::value::RawValue;

use super::era::Form;
use super::names::PENDING;
use crate::gate::Answer;
use crate::gate::rpc::{self, Members, code};

/// What kind of result the request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// A tool's result, which has a place for a refusal: the model reads it and can do something else.
    ToolResult {
        /// The tool promises a shape for `structuredContent`, and clients throw away whatever does not have it.
        shaped: bool,
    },
    /// What a confirmed action came to, as the result of the tool that asks for it: a tool's result as it is, any other
    /// as its text, because clients throw away a tool's result that has not the shape of one.
    Collected,
    /// Another result, whose shape is fixed: what Ambit has to say becomes an error.
    Other,
}

/// Writes the line that answers request `id`. A live system's result or error goes in byte for byte.
pub(super) fn write(out: &mut Vec<u8>, id: &str, answer: &Answer, wants: Wants, form: Form) {
    match answer {
        Answer::Result(result) if wants == Wants::Collected && !is_of_a_tool(result) => {
            let text = String::from_utf8_lossy(result);
            form.result(out, id, json!({ "content": [{ "type": "text", "text": text }] }).to_string().as_bytes());
        }
        Answer::Result(result) if result.starts_with(b"{") => form.result(out, id, result),
        Answer::Error(error) if error.starts_with(b"{") => rpc::error_raw(out, id, error),
        Answer::Result(_) | Answer::Error(_) => {
            rpc::error(out, Some(id), code::INTERNAL, "the live system answered with something that is no JSON object");
        }
        Answer::Invalid(why) => rpc::error(out, Some(id), code::INVALID_PARAMS, why),
        Answer::Fault(why) => rpc::error(out, Some(id), code::INTERNAL, why),
        Answer::Refused(text) | Answer::NotHere(text) => {
            say(out, id, wants, form, &Words { status: "refused", code: code::REFUSED, text, hold: None })
        }
        Answer::OutcomeUnknown(text) => {
            say(out, id, wants, form, &Words { status: "outcome-unknown", code: code::INTERNAL, text, hold: None });
        }
        Answer::Pending { id: hold, text } => {
            say(out, id, wants, form, &Words { status: "pending", code: code::PENDING, text, hold: Some(hold) });
        }
    }
}

struct Words<'a> {
    status: &'static str,
    code: i32,
    text: &'a str,
    hold: Option<&'a str>,
}

fn say(out: &mut Vec<u8>, id: &str, wants: Wants, form: Form, words: &Words<'_>) {
    let mut facts = json!({ "status": words.status });
    if let Some(hold) = words.hold {
        facts = json!({ "status": words.status, "id": hold, "ask": PENDING });
    }
    let shaped = matches!(wants, Wants::ToolResult { shaped: true });
    let body = match wants {
        Wants::ToolResult { .. } | Wants::Collected => {
            // Waiting is no error. But a tool that promises a shape cannot say so in any other way that clients let through.
            let is_error = words.hold.is_none() || shaped;
            let facts_go_in = if shaped { "_meta" } else { "structuredContent" };
            let facts = if shaped { json!({ "ambit/answer": facts }) } else { facts };
            json!({ "content": [{ "type": "text", "text": words.text }], "isError": is_error, facts_go_in: facts })
        }
        Wants::Other => json!({ "code": words.code, "message": words.text, "data": facts }),
    };
    let body = body.to_string().into_bytes();
    match wants {
        // What is said instead of a result may not be kept for one.
        Wants::ToolResult { .. } | Wants::Collected => Form { cached: false, ..form }.result(out, id, &body),
        Wants::Other => rpc::error_raw(out, id, &body),
    }
}

/// Whether a result can be one of `tools/call`.
fn is_of_a_tool(result: &[u8]) -> bool {
    let raw: Option<&RawValue> = serde_json::from_slice(result).ok();
    raw.is_some_and(|raw| Members::of(raw).is_ok_and(|members| members.get("content").is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::mcp::era::Era;
    use serde_json::Value;

    const PLAIN: Form = Form { era: Era::Handshake, cached: false };

    fn written(answer: &Answer, wants: Wants) -> Value {
        let mut out = Vec::new();
        write(&mut out, "7", answer, wants, PLAIN);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn what_the_live_system_says_goes_byte_for_byte() {
        let mut out = Vec::new();
        write(&mut out, "\"a\"", &Answer::Result(br#"{ "n":1.0e0 }"#.to_vec()), Wants::Other, PLAIN);
        assert_eq!(out, b"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"result\":{ \"n\":1.0e0 }}\n");
        out.clear();
        write(&mut out, "1", &Answer::Error(br#"{"code":1,"message":"\u00e9"}"#.to_vec()), Wants::Other, PLAIN);
        assert_eq!(out, b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"\\u00e9\"}}\n");
    }

    #[test]
    fn a_refusal_is_a_tool_result_that_is_an_error() {
        let said = written(&Answer::Refused("no".into()), Wants::ToolResult { shaped: false });
        assert_eq!(said["result"]["isError"], true);
        assert_eq!(said["result"]["content"][0]["text"], "no");
        assert_eq!(said["result"]["structuredContent"]["status"], "refused");
    }

    #[test]
    fn waiting_is_no_error_and_says_whom_to_ask() {
        let pending = Answer::Pending { id: "h1".into(), text: "pending: a person must confirm".into() };
        let said = written(&pending, Wants::ToolResult { shaped: false });
        assert_eq!(said["result"]["isError"], false);
        assert_eq!(said["result"]["content"][0]["text"], "pending: a person must confirm");
        assert_eq!(
            said["result"]["structuredContent"],
            json!({"status": "pending", "id": "h1", "ask": "ambit_pending"})
        );
    }

    #[test]
    fn what_is_collected_is_a_tools_result_whatever_it_was() {
        let tool = br#"{ "content":[],"n":1.0e0 }"#;
        let mut out = Vec::new();
        write(&mut out, "1", &Answer::Result(tool.to_vec()), Wants::Collected, PLAIN);
        assert_eq!(out, b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{ \"content\":[],\"n\":1.0e0 }}\n");
        let resource = r#"{"contents":[{"uri":"x:y","text":"\u00e9"}]}"#;
        let said = written(&Answer::Result(resource.into()), Wants::Collected);
        assert_eq!(said["result"]["content"], json!([{ "type": "text", "text": resource }]));
        let said = written(&Answer::Pending { id: "h1".into(), text: "pending".into() }, Wants::Collected);
        assert_eq!(said["result"]["structuredContent"]["id"], "h1");
    }

    #[test]
    fn a_promised_shape_is_not_broken() {
        let pending = Answer::Pending { id: "h1".into(), text: "a person must confirm".into() };
        for answer in [pending, Answer::Refused("no".into())] {
            let said = written(&answer, Wants::ToolResult { shaped: true });
            assert_eq!(said["result"]["isError"], true);
            assert_eq!(said["result"].get("structuredContent"), None);
            assert!(said["result"]["_meta"]["ambit/answer"]["status"].is_string());
        }
    }

    #[test]
    fn other_results_have_no_place_for_it_so_it_is_an_error() {
        assert_eq!(written(&Answer::Refused("no".into()), Wants::Other)["error"]["code"], code::REFUSED);
        assert_eq!(written(&Answer::Invalid("no".into()), Wants::Other)["error"]["code"], -32602);
        assert_eq!(written(&Answer::Fault("no".into()), Wants::Other)["error"]["code"], -32603);
        assert_eq!(written(&Answer::Result(b"5".to_vec()), Wants::Other)["error"]["code"], -32603);
    }
}
