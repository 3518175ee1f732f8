//! An action in one line, as scenarios and `ambit try` write it: `payments.create_refund {"amount": 80}`,
//! `docs.resource {"uri": "file:///a"}`, `crm: SELECT 1`.

use ambit_core::action::{Action, Gate};
use ambit_core::catalog::{Catalog, ResourceKind};
use ambit_core::value::Value;
use thiserror::Error;

use crate::json::{self, JsonError, Limits};
use crate::sql::asked::{self, Asked};

/// An action in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// `system.name {json}`: a tool, `resource` or `prompt` of a system.
    Call {
        /// The part before the first dot.
        system: String,
        /// The rest.
        name: String,
        /// The arguments as written; `{}` when none stand.
        arguments: String,
    },
    /// `system: statement`.
    Sql {
        /// The part before the colon.
        system: String,
        /// The rest.
        statement: String,
    },
}

/// Why a line is no attempt.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AttemptError {
    /// Neither of the two forms.
    #[error("this is neither `system.tool {{json}}` nor `system: statement`")]
    Form,
    /// A quote that is not closed, or an escape that is none.
    #[error("a name in quotes is not closed, or holds an escape that is none")]
    Quote,
    /// The arguments are not JSON that every reader reads alike.
    #[error("the arguments cannot be read: {0}")]
    Arguments(#[from] JsonError),
    /// The arguments are JSON, but no object.
    #[error("the arguments are not an object")]
    NotAnObject,
}

impl Attempt {
    /// Reads one line. A name in double quotes may hold anything (`""` is a quote, `\u{…}` a character that cannot be typed).
    ///
    /// # Errors
    /// When the line has neither form, or its arguments are not an object of JSON.
    pub fn parse(line: &str) -> Result<Attempt, AttemptError> {
        let (system, rest) = name(line.trim(), &['.', ':'])?;
        if system.is_empty() {
            return Err(AttemptError::Form);
        }
        if let Some(statement) = rest.strip_prefix(':') {
            let statement = statement.trim().to_owned();
            return if statement.is_empty() { Err(AttemptError::Form) } else { Ok(Attempt::Sql { system, statement }) };
        }
        let (name, rest) = name(rest.strip_prefix('.').ok_or(AttemptError::Form)?, &[' ', '\t', '{'])?;
        let arguments = match rest.trim() {
            "" => "{}",
            arguments => arguments,
        };
        if name.is_empty() || !arguments.starts_with(['{', '[', '"']) {
            return Err(AttemptError::Form);
        }
        match json::read_within(arguments.as_bytes(), Limits::CALL)? {
            Value::Map(_) => Ok(Attempt::Call { system, name, arguments: arguments.to_owned() }),
            _ => Err(AttemptError::NotAnObject),
        }
    }

    /// The action that the gate would make of it for an agent.
    #[must_use]
    pub fn action(&self, catalog: &Catalog, agent: &str, session: &str, task: Option<&str>) -> Action {
        let made = |gate, system: &str, operation: &str, name: &str, payload| Action {
            agent: agent.to_owned(),
            gate,
            session: session.to_owned(),
            task: task.map(str::to_owned),
            system: system.to_owned(),
            operation: operation.to_owned(),
            name: name.to_owned(),
            payload,
        };
        let (system, name, arguments) = match self {
            Attempt::Call { system, name, arguments } => (system, name, arguments),
            Attempt::Sql { system, statement } => {
                let payload = Asked::plain(statement).payload();
                return made(Gate::Postgres, system, asked::OPERATION, asked::NAME, payload);
            }
        };
        let found = catalog.system_named(system).and_then(|id| catalog.resource_named(id, name));
        let kind = found.and_then(|id| catalog.resource(id)).map_or(ResourceKind::Tool, |resource| resource.kind);
        let text = |member: &str| match json::read(arguments.as_bytes()).ok()?.get(member) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let (operation, name, payload) = match kind {
            ResourceKind::Document => ("resources/read", text("uri").unwrap_or_default(), arguments.clone()),
            ResourceKind::Prompt => ("prompts/get", text("name").unwrap_or_default(), arguments.clone()),
            _ => ("tools/call", name.clone(), call_params(name, arguments)),
        };
        made(Gate::Mcp, system, operation, &name, payload.into_bytes())
    }
}

/// The parameters of `tools/call`: the name at the server, and the arguments as they were written, which have to be JSON.
#[must_use]
pub fn call_params(name: &str, arguments: &str) -> String {
    format!("{{\"name\":{},\"arguments\":{arguments}}}", json::write(&Value::Text(name.to_owned())))
}

/// The name at the start, quotes opened, and what follows it from one of the stops on.
fn name<'a>(text: &'a str, stops: &[char]) -> Result<(String, &'a str), AttemptError> {
    let mut name = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if stops.contains(&c) {
            break;
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '"' { rest = quoted(rest, &mut name)? } else { name.push(c) }
    }
    // Outside quotes, what separates words is no part of a name.
    if text.starts_with('"') || !name.contains(char::is_whitespace) {
        Ok((name, rest))
    } else {
        Err(AttemptError::Form)
    }
}

fn quoted<'a>(text: &'a str, name: &mut String) -> Result<&'a str, AttemptError> {
    let mut rest = text;
    loop {
        let c = rest.chars().next().ok_or(AttemptError::Quote)?;
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match c {
            '"' => match rest.strip_prefix('"') {
                Some(after) => {
                    name.push('"');
                    rest = after;
                }
                None => return Ok(rest),
            },
            '\\' if rest.starts_with("u{") => {
                let (digits, after) = rest.get(2..).and_then(|rest| rest.split_once('}')).ok_or(AttemptError::Quote)?;
                let code = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 6).and_then(char::from_u32);
                name.push(code.ok_or(AttemptError::Quote)?);
                rest = after;
            }
            c => name.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use ambit_core::catalog::{Resource, System, SystemKind};

    use super::*;

    fn call(system: &str, name: &str, arguments: &str) -> Attempt {
        Attempt::Call { system: system.into(), name: name.into(), arguments: arguments.into() }
    }

    #[test]
    fn both_forms_are_read() {
        for (line, expected) in [
            ("payments.create_refund {\"amount\": 80}", call("payments", "create_refund", "{\"amount\": 80}")),
            ("  gateway.limits{} ", call("gateway", "limits", "{}")),
            ("helpdesk.get_ticket", call("helpdesk", "get_ticket", "{}")),
            ("files.read.text {\"a.b\": \"c: d\"}", call("files", "read.text", "{\"a.b\": \"c: d\"}")),
            ("\"my files\".\"read \"\"it\"\"\\u{e9}\" {}", call("my files", "read \"it\"é", "{}")),
            ("crm: SELECT a.b FROM c", Attempt::Sql { system: "crm".into(), statement: "SELECT a.b FROM c".into() }),
        ] {
            assert_eq!(Attempt::parse(line).as_ref(), Ok(&expected), "{line}");
        }
    }

    #[test]
    fn what_is_neither_is_an_error() {
        for (line, expected) in [
            ("", AttemptError::Form),
            ("crm", AttemptError::Form),
            ("crm:", AttemptError::Form),
            (".a {}", AttemptError::Form),
            ("crm. {}", AttemptError::Form),
            ("my crm.tool {}", AttemptError::Form),
            ("crm.tool 5", AttemptError::Form),
            ("crm.tool [5]", AttemptError::NotAnObject),
            ("crm.\"tool {}", AttemptError::Quote),
            ("crm.\"\\u{110000}\" {}", AttemptError::Quote),
        ] {
            assert_eq!(Attempt::parse(line), Err(expected), "{line}");
        }
        assert!(matches!(Attempt::parse("crm.tool {\"a\":1,\"a\":2}"), Err(AttemptError::Arguments(_))));
        assert!(matches!(Attempt::parse("crm.tool {} x"), Err(AttemptError::Arguments(_))));
    }

    #[test]
    fn an_attempt_is_the_action_that_the_gate_would_make() {
        let mut catalog = Catalog::new();
        let tags = std::collections::BTreeSet::new();
        let system = catalog.add_system(System { name: "docs".into(), kind: SystemKind::Mcp, tags: tags.clone() });
        for (name, kind) in
            [("find", ResourceKind::Tool), ("resource", ResourceKind::Document), ("prompt", ResourceKind::Prompt)]
        {
            let declared = ambit_core::catalog::Declared::default();
            let resource = Resource {
                system,
                name: name.into(),
                kind,
                fields: vec![],
                tags: tags.clone(),
                declared,
                digest: String::new(),
            };
            catalog.add_resource(resource).unwrap();
        }
        let framed = |line: &str| {
            let action = Attempt::parse(line).unwrap().action(&catalog, "a", "s", None);
            (action.operation, action.name, String::from_utf8(action.payload).unwrap())
        };
        let is =
            |operation: &str, name: &str, payload: &str| (operation.to_owned(), name.to_owned(), payload.to_owned());
        assert_eq!(
            framed("docs.find {\"q\": 1.50}"),
            is("tools/call", "find", "{\"name\":\"find\",\"arguments\":{\"q\": 1.50}}")
        );
        assert_eq!(
            framed("docs.resource {\"uri\":\"file:///a\"}"),
            is("resources/read", "file:///a", "{\"uri\":\"file:///a\"}")
        );
        assert_eq!(framed("docs.prompt {\"name\":\"x\"}"), is("prompts/get", "x", "{\"name\":\"x\"}"));
        assert_eq!(framed("docs: SELECT 1"), is("statement", "sql", "{\"statement\":\"SELECT 1\"}"));
        assert_eq!(
            framed("docs.\"un\"\"known\""),
            is("tools/call", "un\"known", "{\"name\":\"un\\\"known\",\"arguments\":{}}")
        );
    }
}
