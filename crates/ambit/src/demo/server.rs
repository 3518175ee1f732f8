//! One system of the sample company as a real server of the Model Context Protocol: JSON-RPC on lines, for the
//! generations of the protocol that begin with `initialize`.

use std::io::{BufRead, Write};

use serde_json::{Value, json};

use super::company::Company;
pub use super::tools::System;
use super::tools::{Tool, Trouble};

/// The generations spoken, the newest first.
pub const GENERATIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;
const METHOD_NOT_FOUND: i64 = -32601;
const INVALID_PARAMS: i64 = -32602;
const RESOURCE_NOT_FOUND: i64 = -32002;

const HANDBOOK_URI: &str = "acme://handbook/records";
const HANDBOOK: &str = "Customer records\n\nAn address is changed when the customer says so. Agreements and open \
disputes are kept for ten years. A note that was entered twice may be deleted once.\n";

/// Answers requests until the input ends.
///
/// # Errors
/// When the input cannot be read or the output cannot be written: the client is gone.
pub fn serve(company: &Company, system: System, input: impl BufRead, mut output: impl Write) -> std::io::Result<()> {
    let server = Server { company, system, tools: system.tools() };
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        if let Some(reply) = server.line(&line) {
            serde_json::to_writer(&mut output, &reply)?;
            output.write_all(b"\n")?;
            output.flush()?;
        }
    }
    Ok(())
}

struct Server<'a> {
    company: &'a Company,
    system: System,
    tools: Vec<Tool>,
}

/// A JSON-RPC error.
struct Fault {
    code: i64,
    message: String,
}

impl Fault {
    fn new(code: i64, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into() }
    }
}

impl Server<'_> {
    fn line(&self, line: &str) -> Option<Value> {
        match serde_json::from_str(line) {
            Ok(Value::Array(batch)) if !batch.is_empty() => {
                // Generation 2025-03-26 lets a client send several at once.
                let replies: Vec<Value> = batch.iter().filter_map(|message| self.message(message)).collect();
                (!replies.is_empty()).then_some(Value::Array(replies))
            }
            Ok(message) => self.message(&message),
            Err(error) => Some(failed(&Value::Null, &Fault::new(PARSE_ERROR, error.to_string()))),
        }
    }

    fn message(&self, message: &Value) -> Option<Value> {
        let id = message.get("id");
        let method = message.get("method").and_then(Value::as_str);
        let Some(method) = method.filter(|_| message.get("jsonrpc") == Some(&json!("2.0"))) else {
            // An answer to something we never asked is no request; anything else is a malformed one.
            let is_answer = message.get("result").is_some() || message.get("error").is_some();
            let fault = Fault::new(INVALID_REQUEST, "not a JSON-RPC 2.0 request");
            return (!is_answer).then(|| failed(id.unwrap_or(&Value::Null), &fault));
        };
        let id = id?;
        if !(id.is_string() || id.is_number()) {
            return Some(failed(&Value::Null, &Fault::new(INVALID_REQUEST, "`id` must be a string or a number")));
        }
        let params = message.get("params").unwrap_or(&Value::Null);
        Some(match self.answer(method, params) {
            Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            Err(fault) => failed(id, &fault),
        })
    }

    fn answer(&self, method: &str, params: &Value) -> Result<Value, Fault> {
        match method {
            "initialize" => Ok(self.initialize(params)),
            "ping" => Ok(json!({})),
            "tools/list" => Ok(json!({ "tools": self.tools.iter().map(Tool::definition).collect::<Vec<_>>() })),
            "tools/call" => self.call(params),
            "resources/list" if self.has_handbook() => Ok(json!({ "resources": [{
                "uri": HANDBOOK_URI, "name": "handbook-records", "description": "How customer records are kept.",
                "mimeType": "text/plain",
            }] })),
            "resources/templates/list" if self.has_handbook() => Ok(json!({ "resourceTemplates": [] })),
            "resources/read" if self.has_handbook() => {
                let uri = text(params, "uri")?;
                if uri != HANDBOOK_URI {
                    return Err(Fault::new(RESOURCE_NOT_FOUND, format!("there is no resource `{uri}`")));
                }
                Ok(json!({ "contents": [{ "uri": uri, "mimeType": "text/plain", "text": HANDBOOK }] }))
            }
            "prompts/list" if self.has_handbook() => Ok(json!({ "prompts": [{
                "name": "tidy_customer", "description": "Asks for one customer's record to be put in order.",
                "arguments": [{ "name": "customer", "description": "The customer's number.", "required": true }],
            }] })),
            "prompts/get" if self.has_handbook() => prompt(params),
            _ => Err(Fault::new(METHOD_NOT_FOUND, format!("there is no method `{method}`"))),
        }
    }

    fn has_handbook(&self) -> bool {
        self.system == System::Crm
    }

    fn initialize(&self, params: &Value) -> Value {
        let asked = params.get("protocolVersion").and_then(Value::as_str);
        let [newest, ..] = GENERATIONS;
        let spoken = GENERATIONS.into_iter().find(|generation| Some(*generation) == asked).unwrap_or(newest);
        let mut capabilities = json!({ "tools": {} });
        if let Some(members) = capabilities.as_object_mut().filter(|_| self.has_handbook()) {
            members.insert("resources".into(), json!({}));
            members.insert("prompts".into(), json!({}));
        }
        json!({
            "protocolVersion": spoken,
            "capabilities": capabilities,
            "serverInfo": { "name": format!("acme-{}", self.system.name()), "version": env!("CARGO_PKG_VERSION") },
        })
    }

    fn call(&self, params: &Value) -> Result<Value, Fault> {
        let name = text(params, "name")?;
        let tool = self
            .tools
            .iter()
            .find(|tool| tool.name == name)
            .ok_or_else(|| Fault::new(INVALID_PARAMS, format!("there is no tool `{name}`")))?;
        let arguments = params.get("arguments").cloned().unwrap_or_else(|| json!({}));
        Ok(match tool.call(self.company, arguments) {
            Ok(result) => json!({
                "content": [{ "type": "text", "text": result.to_string() }],
                "structuredContent": result,
                "isError": false,
            }),
            Err(trouble) => {
                let mut result = json!({
                    "content": [{ "type": "text", "text": trouble.to_string() }],
                    "isError": true,
                });
                if let (Trouble::Throttled { retry_after_ms, every_ms, .. }, Some(members)) =
                    (&trouble, result.as_object_mut())
                {
                    let pace = json!({ "retry_after_ms": retry_after_ms, "every_ms": every_ms });
                    members.insert("structuredContent".into(), pace);
                }
                result
            }
        })
    }
}

fn prompt(params: &Value) -> Result<Value, Fault> {
    let name = text(params, "name")?;
    if name != "tidy_customer" {
        return Err(Fault::new(INVALID_PARAMS, format!("there is no prompt `{name}`")));
    }
    let customer = params
        .get("arguments")
        .map_or_else(|| Err(Fault::new(INVALID_PARAMS, "`customer` is missing")), |given| text(given, "customer"))?;
    let asks = format!("Put the record of customer {customer} in order, as the handbook says.");
    Ok(json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": asks } }] }))
}

fn text<'p>(params: &'p Value, member: &str) -> Result<&'p str, Fault> {
    let value = params.get(member).and_then(Value::as_str);
    value.ok_or_else(|| Fault::new(INVALID_PARAMS, format!("`{member}` must be given, as text")))
}

fn failed(id: &Value, fault: &Fault) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": fault.code, "message": fault.message } })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the server writes when those lines are what it reads.
    fn talk(system: System, lines: &[Value]) -> Vec<Value> {
        let dir = tempfile::tempdir().unwrap();
        let company = Company::found(&dir.path().join("company.db")).unwrap();
        let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let mut output = Vec::new();
        serve(&company, system, input.as_bytes(), &mut output).unwrap();
        String::from_utf8(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn call(system: System, name: &str, arguments: Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments });
        talk(system, &[json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })]).remove(0)
    }

    #[test]
    fn it_speaks_the_generation_that_is_asked_for_or_else_the_newest() {
        for (asked, spoken) in
            [("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("2031-01-01", "2025-11-25")]
        {
            let params =
                json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
            let said =
                talk(System::Crm, &[json!({ "jsonrpc": "2.0", "id": "a", "method": "initialize", "params": params })]);
            assert_eq!(said[0]["result"]["protocolVersion"], spoken);
            assert_eq!(said[0]["id"], "a");
        }
    }

    #[test]
    fn every_request_has_one_answer_and_a_notification_none() {
        let said = talk(
            System::Gateway,
            &[
                json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
                json!({ "jsonrpc": "2.0", "id": 7, "method": "ping" }),
                json!({ "jsonrpc": "2.0", "id": 8, "method": "no/such" }),
                json!({ "jsonrpc": "2.0", "id": 9, "method": "resources/list" }),
                json!({ "id": 10, "method": "ping" }),
                json!({ "jsonrpc": "2.0", "id": 11, "result": {} }),
                json!([{ "jsonrpc": "2.0", "id": 12, "method": "ping" }, { "jsonrpc": "2.0", "method": "n" }]),
            ],
        );
        let codes: Vec<(Value, Value)> = said.iter().map(|m| (m["id"].clone(), m["error"]["code"].clone())).collect();
        assert_eq!(
            codes,
            [
                (json!(7), Value::Null),
                (json!(8), json!(METHOD_NOT_FOUND)),
                (json!(9), json!(METHOD_NOT_FOUND)),
                (json!(10), json!(INVALID_REQUEST)),
                (Value::Null, Value::Null),
            ]
        );
        assert_eq!(said[4], json!([{ "jsonrpc": "2.0", "id": 12, "result": {} }]));
    }

    #[test]
    fn a_line_that_is_no_json_is_a_parse_error_and_the_next_is_answered() {
        let dir = tempfile::tempdir().unwrap();
        let company = Company::found(&dir.path().join("company.db")).unwrap();
        let mut output = Vec::new();
        let input = "{ no\n\n{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
        serve(&company, System::Crm, input.as_bytes(), &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        assert!(output.contains("-32700") && output.contains(r#""id":1"#), "{output}");
    }

    #[test]
    fn what_a_tool_cannot_do_is_a_result_that_says_so_and_changes_nothing() {
        for (system, name, arguments, says) in [
            (System::Crm, "get_customer", json!({ "id": 1 }), "there is no customer 1"),
            (System::Crm, "get_customer", json!({ "id": 8801, "fields": ["salary"] }), "unknown variant `salary`"),
            (System::Crm, "update_customer", json!({ "id": 8801, "credit": 5 }), "unknown field `credit`"),
            (System::Crm, "delete_notes", json!({ "before": "soon" }), "is not a day"),
            (System::Gateway, "set_rate_limit", json!({ "route": "crm.write", "per_minute": 0 }), "between 1 and"),
            (System::Warehouse, "delete_backup", json!({ "id": "x" }), "there is no backup `x`"),
            (
                System::Payments,
                "create_refund",
                json!({ "order": 70369, "amount": 96.01, "currency": "EUR", "reason": "r" }),
                "has less left to refund",
            ),
        ] {
            let said = call(system, name, arguments);
            assert_eq!(said["result"]["isError"], true, "{said}");
            assert!(said["result"]["content"][0]["text"].as_str().unwrap().contains(says), "{said}");
        }
        assert_eq!(call(System::Crm, "drop_everything", json!({}))["error"]["code"], INVALID_PARAMS);
    }

    #[test]
    fn the_secret_fields_of_a_customer_come_only_when_asked_for() {
        let usual = call(System::Crm, "get_customer", json!({ "id": 8801 }));
        assert!(!usual.to_string().contains("900-00-"), "{usual}");
        let asked = call(System::Crm, "get_customer", json!({ "id": 8801, "fields": ["ssn"] }));
        assert_eq!(asked["result"]["structuredContent"], json!({ "ssn": "900-00-1000" }));
    }

    #[test]
    fn the_handbook_and_the_prompt_are_there_and_nothing_beside_them() {
        let said = talk(
            System::Crm,
            &[
                json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": HANDBOOK_URI } }),
                json!({ "jsonrpc": "2.0", "id": 2, "method": "resources/read", "params": { "uri": "file:///etc/passwd" } }),
                json!({ "jsonrpc": "2.0", "id": 3, "method": "prompts/get",
                        "params": { "name": "tidy_customer", "arguments": { "customer": "8801" } } }),
            ],
        );
        assert_eq!(said[0]["result"]["contents"][0]["text"], HANDBOOK);
        assert_eq!(said[1]["error"]["code"], RESOURCE_NOT_FOUND);
        assert!(said[2]["result"]["messages"][0]["content"]["text"].as_str().unwrap().contains("8801"));
    }
}
