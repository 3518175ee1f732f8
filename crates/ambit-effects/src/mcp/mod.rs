//! What a request of the Model Context Protocol does: `tools/call`, `resources/read`, `prompts/get`, and what hears of a
//! resource (`resources/subscribe`) or has an argument completed (`completion/complete`), which read it too.
//!
//! A call is read with the schema that was pinned, never with one that the server gives today, and never with what the tool
//! says it does: what a call touches besides the tool itself is what `ambit.toml` declares.

mod completion;
pub mod cut;
mod params;
#[cfg(test)]
mod tests;
mod twins;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ambit_core::action::Action;
use ambit_core::catalog::{Catalog, Declared, Resource, ResourceId, ResourceKind};
use ambit_core::decimal::Decimal;
use ambit_core::effect::{Effect, Extent, FieldSet, Standing, Verb};
use ambit_core::reading::{Reach, Reading, Unread};
use ambit_core::value::Value;
use thiserror::Error;

use crate::json::{JsonError, escape};
use crate::schema::{Misfit, SchemaError, Validator, filled};
use params::Params;

/// The schemas of the tools of a catalog; each is compiled when its tool is first called, and once.
#[derive(Debug, Default)]
pub struct Readers {
    tools: BTreeMap<ResourceId, Tool>,
}

#[derive(Debug)]
struct Tool {
    schema: serde_json::Value,
    validator: OnceLock<Result<Validator, SchemaError>>,
}

/// Why an action has no reading.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotRead {
    /// The catalog has nothing of that name: to be refused.
    #[error("`{}.{}` is not in the catalog", escape(.system), escape(.name))]
    Unknown {
        /// The system, as it was named.
        system: String,
        /// The tool, or what else was named.
        name: String,
    },
    /// The pinned schema of the tool cannot be used: to be refused, until somebody looks at the tool.
    #[error("the schema of `{}` cannot be used: {error}", escape(.path))]
    Schema {
        /// `system.tool`.
        path: String,
        /// Why.
        error: SchemaError,
    },
    /// The request is not one that the server could take: to be answered with an error of the protocol.
    #[error("{0}")]
    Invalid(#[from] Invalid),
}

/// What is wrong with a request, in words for the agent that made it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Invalid {
    /// A method that is not read here.
    #[error("the method `{0}` is not supported")]
    Method(String),
    /// The parameters are not JSON that every reader reads alike.
    #[error("the parameters cannot be read: {0}")]
    Json(#[from] JsonError),
    /// The parameters are JSON, but no object.
    #[error("the parameters are not an object")]
    NotAnObject,
    /// A member of the parameters that is missing, or of another type.
    #[error("`{member}` of the parameters is not {expected}")]
    Member {
        /// The member.
        member: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// The parameters name something else than the request was sent to.
    #[error("the parameters name `{0}`, which is not what was asked for")]
    Name(String),
    /// The arguments do not fit the schema of the tool.
    #[error("the arguments do not fit `{path}`: {misfit}")]
    Arguments {
        /// `system.tool`, escaped.
        path: String,
        /// What does not fit.
        misfit: Misfit,
    },
}

impl Invalid {
    /// The code of JSON-RPC: method not found, or invalid parameters.
    #[must_use]
    pub fn code(&self) -> i32 {
        if matches!(self, Invalid::Method(_)) { -32601 } else { -32602 }
    }

    /// What the agent can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Invalid::Method(_) => "use `tools/call`, `resources/read` or `prompts/get`",
            Invalid::Json(_) => "send each key once, and numbers that are exact in JSON",
            Invalid::NotAnObject | Invalid::Member { .. } | Invalid::Name(_) => {
                "send the parameters as the protocol has them"
            }
            Invalid::Arguments { .. } => "call it again with arguments that fit its input schema",
        }
    }
}

impl Readers {
    /// No tools yet.
    #[must_use]
    pub fn new() -> Readers {
        Readers::default()
    }

    /// Adds a tool with the schema of its arguments, as pinned.
    pub fn add(&mut self, tool: ResourceId, input_schema: serde_json::Value) {
        self.tools.insert(tool, Tool { schema: input_schema, validator: OnceLock::new() });
    }

    /// Why the tool cannot be called, where its schema is the reason.
    #[must_use]
    pub fn problem(&self, tool: ResourceId) -> Option<&SchemaError> {
        self.tools.get(&tool).and_then(|tool| tool.validator().as_ref().err())
    }

    /// Reads an action of the MCP gate.
    ///
    /// # Errors
    /// When the catalog does not have what it names, or the request is none that the server could take.
    pub fn read(&self, catalog: &Catalog, action: &Action) -> Result<Reading, NotRead> {
        let (kind, name) = match action.operation.as_str() {
            "tools/call" => (ResourceKind::Tool, action.name.as_str()),
            "resources/read" | "resources/subscribe" => (ResourceKind::Document, "resource"),
            "prompts/get" => (ResourceKind::Prompt, "prompt"),
            "completion/complete" => match completion::about(&action.payload)? {
                completion::About::Prompt => (ResourceKind::Prompt, "prompt"),
                completion::About::Resource => (ResourceKind::Document, "resource"),
            },
            other => return Err(Invalid::Method(escape(other)).into()),
        };
        let found = catalog.system_named(&action.system).and_then(|system| catalog.resource_named(system, name));
        let found = found.and_then(|id| catalog.resource(id).filter(|resource| resource.kind == kind).map(|r| (id, r)));
        let Some((id, resource)) = found else {
            return Err(NotRead::Unknown { system: action.system.clone(), name: name.to_owned() });
        };
        let target = Target { catalog, id, resource };
        if action.operation == "completion/complete" {
            return completion::read(&target, &action.name, &action.payload).map_err(NotRead::from);
        }
        match kind {
            ResourceKind::Tool => self.read_call(&target, &action.name, &action.payload),
            ResourceKind::Prompt => read_prompt(&target, &action.name, &action.payload).map_err(NotRead::from),
            _ => read_document(&target, &action.name, &action.payload).map_err(NotRead::from),
        }
    }

    fn read_call(&self, target: &Target<'_>, name: &str, payload: &[u8]) -> Result<Reading, NotRead> {
        let Some(tool) = self.tools.get(&target.id) else {
            let path = target.catalog.path(target.id);
            return Err(NotRead::Schema { path, error: SchemaError::Missing });
        };
        let validator = tool
            .validator()
            .as_ref()
            .map_err(|error| NotRead::Schema { path: target.catalog.path(target.id), error: error.clone() })?;
        let mut params = Params::read(payload)?;
        params.name("name", name)?;
        let arguments = params.object("arguments")?;
        validator
            .fits(&arguments)
            .map_err(|misfit| Invalid::Arguments { path: escape(&target.catalog.path(target.id)), misfit })?;

        let fields = target.given(&arguments);
        let mut unread = params.unread(&["_meta", "task"], Reach::Resource(target.id))?;
        twins::find(&arguments, target, &mut unread);
        let arguments = filled(arguments, &target.resource.fields);
        Ok(target.reading(Verb::Call, fields, unread, arguments))
    }
}

impl Tool {
    fn validator(&self) -> &Result<Validator, SchemaError> {
        self.validator.get_or_init(|| Validator::of(&self.schema))
    }
}

fn read_document(target: &Target<'_>, uri: &str, payload: &[u8]) -> Result<Reading, Invalid> {
    let mut params = Params::read(payload)?;
    let uri = params.name("uri", uri)?;
    let values = Value::Map(vec![("uri".to_owned(), uri)]);
    let unread = params.unread(&["_meta"], Reach::Resource(target.id))?;
    Ok(target.reading(Verb::Read, target.given(&values), unread, values))
}

fn read_prompt(target: &Target<'_>, name: &str, payload: &[u8]) -> Result<Reading, Invalid> {
    let mut params = Params::read(payload)?;
    let mut values = vec![("name".to_owned(), params.name("name", name)?)];
    let arguments = params.object("arguments")?;
    if arguments.members().iter().any(|(_, value)| !matches!(value, Value::Text(_))) {
        return Err(Invalid::Member { member: "arguments", expected: "an object of strings" });
    }
    if !arguments.members().is_empty() {
        values.push(("arguments".to_owned(), arguments));
    }
    let values = Value::Map(values);
    let unread = params.unread(&["_meta"], Reach::Resource(target.id))?;
    Ok(target.reading(Verb::Read, target.given(&values), unread, values))
}

/// What a request is for.
struct Target<'a> {
    catalog: &'a Catalog,
    id: ResourceId,
    resource: &'a Resource,
}

impl Target<'_> {
    /// The top-level arguments that are given, `null` being not given.
    fn given(&self, arguments: &Value) -> FieldSet {
        let mut fields = FieldSet::new();
        for (name, value) in arguments.members() {
            if *value == Value::Null {
                continue;
            }
            match self.resource.field_named(name) {
                Some(place) => fields.insert(place),
                None => fields.insert_unlisted(),
            }
        }
        fields
    }

    fn reading(&self, verb: Verb, fields: FieldSet, unread: Vec<Unread>, values: Value) -> Reading {
        let declared = &self.resource.declared;
        let extent = Extent { rows: None, amount: amount(declared, &values), reversible: reversible(declared) };
        let own = Effect {
            verb,
            resource: self.id,
            fields,
            extent: extent.clone(),
            standing: Standing::Own,
            subject: Some(0),
        };
        let besides = declared.effects.iter().map(|effect| Effect {
            verb: effect.verb,
            resource: effect.resource,
            fields: effect.fields.clone(),
            extent: extent.clone(),
            standing: Standing::Declared,
            // The columns of a relation are not the arguments of the tool: nothing is known of them.
            subject: (effect.resource == self.id).then_some(0),
        });
        let effects = std::iter::once(own).chain(besides).collect();
        Reading { effects, unread, values: vec![values], ..Reading::default() }
    }
}

/// The amount moved: the number at the declared path, or the sum of those in its arrays. Where one is absent, is no number or
/// lies below nought, the amount is not known: which way that moves, nobody said.
fn amount(declared: &Declared, values: &Value) -> Option<Decimal> {
    let mut reached = vec![values];
    for step in declared.amount.as_deref()?.split('.') {
        let name = step.strip_suffix("[]");
        let members = reached.iter().map(|value| value.get(name.unwrap_or(step))).collect::<Option<Vec<_>>>()?;
        reached = match name {
            None => members,
            Some(_) => {
                let lists = members.into_iter().map(|member| match member {
                    Value::List(items) => Some(items.iter()),
                    _ => None,
                });
                lists.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect()
            }
        };
    }
    if reached.is_empty() {
        return None;
    }
    reached.into_iter().try_fold(Decimal::ZERO, |sum, value| match value {
        Value::Number(amount) if !amount.is_negative() => sum.checked_add(*amount),
        _ => None,
    })
}

/// Whether it can be taken back: as declared, unless the server itself warns that it destroys.
fn reversible(declared: &Declared) -> Option<bool> {
    if declared.destructive_hint { Some(false) } else { declared.reversible }
}
