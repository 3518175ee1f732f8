//! Tools: those that an agent sees, and what a call of one is.

use std::borrow::Cow;
use std::sync::Arc;

use ambit_core::action::{Action, Gate};
use serde_json::value::RawValue;

use super::mirrored::{Mirrored, mirrored};
use super::names::{Named, Names, Naming, PENDING};
use super::params::Params;
use super::{Caller, Tool};
use crate::gate::rpc::{self, Members};

/// The tools of one moment, under the names that the agent sees.
pub(super) struct Tools {
    pinned: Arc<[Tool]>,
    naming: Naming,
    names: Names,
    listing: Vec<u8>,
}

/// What a call comes to.
pub(super) enum Call {
    /// An action, and whether its tool promises a shape for its structured content.
    Action(Action, bool),
    /// A question after a hold.
    Pending(String),
}

impl Tools {
    pub(super) fn of(pinned: Arc<[Tool]>, naming: Naming) -> Tools {
        let names = Names::of(naming, pinned.iter().map(|tool| (tool.system.as_str(), tool.name.as_str())));
        let listing = listing(&pinned, naming, &names);
        Tools { pinned, naming, names, listing }
    }

    /// Whether these are the tools of that list, under such names.
    pub(super) fn are_of(&self, pinned: &Arc<[Tool]>, naming: Naming) -> bool {
        Arc::ptr_eq(&self.pinned, pinned) && self.naming == naming
    }

    /// The arguments of a tool that a request over HTTP repeats; none where its definition does not say so as it has to.
    pub(super) fn mirrored(&self, name: &str) -> Vec<Mirrored> {
        let Named::One(place) = self.names.get(name) else { return Vec::new() };
        self.pinned.get(place).and_then(|tool| mirrored(&tool.definition).ok()).unwrap_or_default()
    }

    /// The result of `tools/list`.
    pub(super) fn listing(&self) -> &[u8] {
        &self.listing
    }

    /// Reads the parameters of `tools/call`. The payload of the action is their bytes, but for the tool's name.
    ///
    /// # Errors
    /// When they are no valid call; why, for the agent.
    pub(super) fn call(&self, caller: &Caller, systems: &[String], params: &RawValue) -> Result<Call, String> {
        let params = Params::read(params, "tools/call", &["name", "arguments"])?;
        let name = params.text("name")?;
        if name == PENDING {
            return pending(&params).map(Call::Pending);
        }
        let (system, tool, shaped) = match self.names.get(&name) {
            Named::One(place) => {
                let tool = self.pinned.get(place).ok_or("there is no such tool")?;
                (tool.system.clone(), tool.name.clone(), promises_shape(&tool.definition))
            }
            Named::Several => {
                return Err(format!(
                    "more than one tool would be called `{name}`; the person who runs Ambit must rename a system"
                ));
            }
            // Not in the lock, but asked for all the same: the decision says what becomes of it, and it is on record.
            Named::None => {
                let (system, tool) = self
                    .naming
                    .unlisted(systems, &name)
                    .ok_or_else(|| format!("there is no tool `{name}`; `tools/list` says which there are"))?;
                (system, tool, false)
            }
        };
        let payload = params.payload("name", &tool)?;
        Ok(Call::Action(action(caller, &system, "tools/call", &tool, payload), shaped))
    }
}

pub(super) fn action(caller: &Caller, system: &str, operation: &str, name: &str, payload: Vec<u8>) -> Action {
    Action {
        agent: caller.agent.clone(),
        gate: Gate::Mcp,
        session: caller.session.clone(),
        task: caller.task.clone(),
        system: system.to_owned(),
        operation: operation.to_owned(),
        name: name.to_owned(),
        payload,
    }
}

fn listing(pinned: &[Tool], naming: Naming, names: &Names) -> Vec<u8> {
    let mut out = b"{\"tools\":[".to_vec();
    for (place, tool) in pinned.iter().enumerate().filter(|(_, tool)| tool.visible) {
        let exposed = naming.exposed(&tool.system, &tool.name);
        if names.get(&exposed) == Named::One(place)
            && let Some(definition) = renamed(&in_full(&tool.definition), &exposed)
        {
            out.extend_from_slice(&definition);
            out.push(b',');
        }
    }
    out.extend_from_slice(OWN.as_bytes());
    out.extend_from_slice(b"]}");
    out
}

/// A definition that does not say that it is to be called as a task: whatever its server does, here it is called, and answers in
/// full. Clients that took it at its word would not call it.
fn in_full(definition: &RawValue) -> Cow<'_, RawValue> {
    let as_task = || {
        let members = Members::of(definition).ok()?;
        let support = Members::of(members.get("execution")?).ok()?.text("taskSupport")?;
        if support == "forbidden" {
            return None;
        }
        RawValue::from_string(String::from_utf8(rpc::without(&members, "execution")).ok()?).ok()
    };
    as_task().map_or(Cow::Borrowed(definition), Cow::Owned)
}

/// A definition under another name, otherwise byte for byte.
pub(super) fn renamed(definition: &RawValue, name: &str) -> Option<Vec<u8>> {
    let members = Members::of(definition).ok()?;
    rpc::with_text(definition, members.get("name")?, name)
}

fn promises_shape(definition: &RawValue) -> bool {
    Members::of(definition).is_ok_and(|members| members.get("outputSchema").is_some())
}

fn pending(params: &Params<'_>) -> Result<String, String> {
    let wrong = || format!("`{PENDING}` takes {{\"id\": \"…\"}}, the id that a pending result gave");
    let arguments = Members::of(params.get("arguments").ok_or_else(wrong)?)?;
    match arguments.0.as_slice() {
        [(key, id)] if key == "id" => rpc::text(id).map(Cow::into_owned).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

const OWN: &str = r#"{"name":"ambit_pending","title":"Ask after a pending call","description":"Asks what became of a call that waits for a person, or on which its system works in its own time: its result once there is one, that it still waits, or that it was refused. Waits up to a minute. Asking does not hurry anybody.","inputSchema":{"type":"object","properties":{"id":{"type":"string","description":"The id that the pending result gave."}},"required":["id"],"additionalProperties":false},"annotations":{"readOnlyHint":true,"openWorldHint":false}}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tool(system: &str, name: &str, visible: bool) -> Tool {
        let definition = format!(r#"{{ "description":"\u00e9", "name": "{name}","inputSchema":{{"type":"object"}} }}"#);
        Tool {
            system: system.into(),
            name: name.into(),
            definition: RawValue::from_string(definition).unwrap(),
            visible,
        }
    }

    fn tools() -> Tools {
        Tools::of(
            Arc::from([tool("crm", "notes.create", true), tool("crm", "get", true), tool("pay", "refund", false)]),
            Naming::WithSystem,
        )
    }

    fn call(params: &str) -> Result<Call, String> {
        let caller = Caller { agent: "a".into(), session: "s".into(), task: None };
        let params = RawValue::from_string(params.to_owned()).unwrap();
        tools().call(&caller, &["crm".into(), "pay".into()], &params)
    }

    fn action_of(params: &str) -> Action {
        match call(params) {
            Ok(Call::Action(action, _)) => action,
            Ok(Call::Pending(_)) => panic!("pending"),
            Err(why) => panic!("{why}"),
        }
    }

    #[test]
    fn a_listing_is_the_pinned_bytes_under_another_name_and_hides_what_cannot_be() {
        let tools = tools();
        let listing = std::str::from_utf8(tools.listing()).unwrap();
        let exposed = Naming::WithSystem.exposed("crm", "notes.create");
        let start = format!(
            r#"{{"tools":[{{ "description":"\u00e9", "name": "{exposed}","inputSchema":{{"type":"object"}} }},{{ "description":"\u00e9", "name": "crm__get","#
        );
        assert!(listing.starts_with(&start), "{listing}");
        assert!(!listing.contains("refund") && listing.contains(PENDING));
        serde_json::from_str::<serde_json::Value>(listing).unwrap();
    }

    #[test]
    fn a_call_keeps_its_bytes_but_for_the_name() {
        let action = action_of(r#"{ "arguments" : {"n":1.00, "name":"crm__get"}, "\u006eame" :  "crm__\u0067et"}"#);
        assert_eq!(
            (action.system.as_str(), action.name.as_str(), action.operation.as_str()),
            ("crm", "get", "tools/call")
        );
        let payload = String::from_utf8(action.payload).unwrap();
        assert_eq!(payload, r#"{ "arguments" : {"n":1.00, "name":"crm__get"}, "\u006eame" :  "get"}"#);
    }

    #[test]
    fn what_a_client_tells_about_the_request_goes_no_further() {
        let payload = |meta: &str| {
            let params = format!(r#"{{"_meta":{meta},"name":"crm__get","arguments":{{ "n":1.00 }}}}"#);
            String::from_utf8(action_of(&params).payload).unwrap()
        };
        assert_eq!(payload(r#"{"progressToken":1}"#), r#"{"name":"get","arguments":{ "n":1.00 }}"#);
        assert_eq!(payload(r#"{"progressToken":2}"#), payload("{}"));
    }

    #[test]
    fn what_is_hidden_or_unlisted_is_asked_about_by_name() {
        assert_eq!(action_of(r#"{"name":"pay__refund"}"#).name, "refund");
        assert_eq!(action_of(r#"{"name":"pay__no_such_tool"}"#).name, "no_such_tool");
    }

    #[test]
    fn what_is_no_valid_call_is_said() {
        let twice = r#"{"name":"crm__get","n\u0061me":"pay__refund"}"#;
        for (params, why) in [
            (r#"{}"#, "`name` is missing"),
            (r#"{"name":7}"#, "`name` must be a string"),
            (twice, "`name` is given twice"),
            (r#"{"name":"crm__get","task":{"ttl":1}}"#, "`task` is no parameter"),
            (r#"{"name":"nowhere"}"#, "there is no tool `nowhere`"),
            (r#"{"name":"ambit_pending"}"#, "takes {\"id\""),
            (r#"{"name":"ambit_pending","arguments":{"id":"h","x":1}}"#, "takes {\"id\""),
        ] {
            let said = call(params).err().unwrap();
            assert!(said.contains(why), "{params}: {said}");
        }
        assert!(
            matches!(call(r#"{"name":"ambit_pending","arguments":{"id":"h7"}}"#), Ok(Call::Pending(id)) if id == "h7")
        );
    }

    #[test]
    fn ambits_own_tool_is_a_tool() {
        let own: serde_json::Value = serde_json::from_str(OWN).unwrap();
        assert_eq!(own["name"], PENDING);
    }

    proptest! {
        #[test]
        fn only_the_name_is_written_anew(before in ".{0,20}", gap in "[ \t]{0,3}", after in "[ \t]{0,3}") {
            let before = serde_json::to_string(&before).unwrap();
            let whole = |name: &str| format!("{{\"arguments\":{gap}[{before}],{gap}\"name\":{gap}{name}{gap}{after}}}");
            let action = action_of(&whole("\"crm__get\""));
            prop_assert_eq!(String::from_utf8(action.payload).unwrap(), whole("\"get\""));
        }
    }
}
