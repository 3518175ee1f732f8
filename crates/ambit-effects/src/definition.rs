//! What a server of the Model Context Protocol says it offers: tools, prompts, resources; and the digests that tell whether it
//! still says the same.
//!
//! The words of a definition (names aside: descriptions, titles, examples, wherever they stand in a schema) are told apart from
//! the rest, so that a reworded description need not look like another tool.

use ambit_core::action::Digest;
use serde_json::{Map, Value as Json};
use thiserror::Error;

use crate::json::{JsonError, Limits, canonical, deceives, document, escape};
use crate::schema::without_words;

/// The longest name of a tool, a prompt or a resource, in bytes. URIs may be longer.
const NAME: usize = 256;
const URI: usize = 2_048;

/// Why a definition cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DefinitionError {
    /// Not JSON that every reader reads alike.
    #[error("the definition cannot be read: {0}")]
    Json(#[from] JsonError),
    /// Not an object.
    #[error("the definition is not an object")]
    NotAnObject,
    /// A member that is missing, or of another type.
    #[error("`{member}` of the definition is not {expected}")]
    Member {
        /// The member.
        member: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// A name that is empty, too long, or holds characters that cannot be seen.
    #[error("the name `{0}` is empty, too long, or holds characters that cannot be seen")]
    Name(String),
}

/// The digests of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Everything that matters: the name, the words, and the rest.
    pub whole: Digest,
    /// Without the words: what it takes, what it gives, what it is annotated with.
    pub schema: Digest,
    /// The words alone: what a model reads to decide how to use it.
    pub words: Digest,
}

/// How a definition differs from the one that was pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// Not at all.
    None,
    /// Only in its words.
    Words,
    /// In what it takes, what it gives, or what it is annotated with.
    Schema,
}

impl Digests {
    /// How a definition with these digests differs from the pinned one.
    #[must_use]
    pub fn drift_from(&self, pinned: &Digests) -> Drift {
        if self.schema != pinned.schema {
            Drift::Schema
        } else if self.words != pinned.words || self.whole != pinned.whole {
            Drift::Words
        } else {
            Drift::None
        }
    }
}

/// A tool, as a server lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    /// Its name at the server.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it says of itself. Written by the server: show it escaped.
    pub description: Option<String>,
    /// The JSON Schema of its arguments.
    pub input_schema: Json,
    /// The JSON Schema of its structured result.
    pub output_schema: Option<Json>,
    /// What the server hints at.
    pub annotations: Annotations,
    /// Whether it still says the same.
    pub digests: Digests,
    /// The definition as it was listed.
    pub raw: String,
}

/// The hints of a server. It is not trusted: only a hint that tightens may be followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `destructiveHint`. Followed when true.
    pub destructive_hint: Option<bool>,
    /// `readOnlyHint`. To be shown, never followed.
    pub read_only_hint: Option<bool>,
}

/// A prompt, as a server lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptDefinition {
    /// Its name at the server.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it says of itself. Written by the server: show it escaped.
    pub description: Option<String>,
    /// The names of its arguments, and whether each is required.
    pub arguments: Vec<(String, bool)>,
    /// Whether it still says the same.
    pub digests: Digests,
    /// The definition as it was listed.
    pub raw: String,
}

/// A resource, or a template of resources, as a server lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceDefinition {
    /// Where it is: a URI, or a URI template.
    pub uri: String,
    /// Whether `uri` is a template (RFC 6570).
    pub is_template: bool,
    /// Its name at the server.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it says of itself. Written by the server: show it escaped.
    pub description: Option<String>,
    /// `mimeType`.
    pub media_type: Option<String>,
    /// Whether it still says the same.
    pub digests: Digests,
    /// The definition as it was listed.
    pub raw: String,
}

impl ToolDefinition {
    /// Reads one element of `tools` in the result of `tools/list`. Whether its schemas can be used is another question: ask
    /// [`crate::schema::arguments`] and [`crate::schema::Validator`].
    ///
    /// # Errors
    /// When it is not a tool that every reader reads alike.
    pub fn read(raw: &[u8]) -> Result<ToolDefinition, DefinitionError> {
        let listed = Listed::read(raw)?;
        let annotations = listed.object("annotations")?;
        let hint = |name: &str| annotations.and_then(|hints| hints.get(name)).and_then(Json::as_bool);
        let is_schema = |schema: &&Json| schema.is_object() || schema.is_boolean();
        let expected = |member| DefinitionError::Member { member, expected: "a JSON Schema" };
        let output_schema = match listed.members.get("outputSchema") {
            None | Some(Json::Null) => None,
            Some(schema) => Some(schema)
                .filter(is_schema)
                .map_or(Err(expected("outputSchema")), |schema| Ok(Some(schema.clone())))?,
        };
        Ok(ToolDefinition {
            name: listed.name("name", NAME)?,
            title: listed.text("title")?,
            description: listed.text("description")?,
            input_schema: listed.members.get("inputSchema").filter(is_schema).ok_or(expected("inputSchema"))?.clone(),
            output_schema,
            annotations: Annotations {
                destructive_hint: hint("destructiveHint"),
                read_only_hint: hint("readOnlyHint"),
            },
            digests: listed.digests("ambit/tool/1"),
            raw: listed.raw,
        })
    }
}

impl PromptDefinition {
    /// Reads one element of `prompts` in the result of `prompts/list`.
    ///
    /// # Errors
    /// When it is not a prompt that every reader reads alike.
    pub fn read(raw: &[u8]) -> Result<PromptDefinition, DefinitionError> {
        let listed = Listed::read(raw)?;
        let expected = DefinitionError::Member { member: "arguments", expected: "an array of arguments" };
        let arguments = match listed.members.get("arguments") {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::Array(arguments)) => arguments
                .iter()
                .map(|argument| {
                    let required = argument.get("required").and_then(Json::as_bool).unwrap_or(false);
                    argument.get("name").and_then(Json::as_str).map(|name| (name.to_owned(), required))
                })
                .collect::<Option<Vec<_>>>()
                .ok_or(expected)?,
            Some(_) => return Err(expected),
        };
        Ok(PromptDefinition {
            name: listed.name("name", NAME)?,
            title: listed.text("title")?,
            description: listed.text("description")?,
            arguments,
            digests: listed.digests("ambit/prompt/1"),
            raw: listed.raw,
        })
    }
}

impl ResourceDefinition {
    /// Reads one element of `resources` in the result of `resources/list`, or of `resourceTemplates` in the result of
    /// `resources/templates/list`.
    ///
    /// # Errors
    /// When it is not a resource that every reader reads alike.
    pub fn read(raw: &[u8]) -> Result<ResourceDefinition, DefinitionError> {
        let listed = Listed::read(raw)?;
        let is_template = listed.members.contains_key("uriTemplate");
        Ok(ResourceDefinition {
            uri: listed.name(if is_template { "uriTemplate" } else { "uri" }, URI)?,
            is_template,
            name: listed.name("name", NAME)?,
            title: listed.text("title")?,
            description: listed.text("description")?,
            media_type: listed.text("mimeType")?,
            digests: listed.digests("ambit/resource/1"),
            raw: listed.raw,
        })
    }
}

/// A definition's members, read strictly.
struct Listed {
    members: Map<String, Json>,
    raw: String,
}

impl Listed {
    fn read(raw: &[u8]) -> Result<Listed, DefinitionError> {
        let Json::Object(members) = document(raw, Limits::DEFINITION)? else {
            return Err(DefinitionError::NotAnObject);
        };
        Ok(Listed { members, raw: String::from_utf8_lossy(raw).into_owned() })
    }

    fn name(&self, member: &'static str, longest: usize) -> Result<String, DefinitionError> {
        let name = self.text(member)?.ok_or(DefinitionError::Member { member, expected: "a string" })?;
        if name.is_empty() || name.len() > longest || name.chars().any(deceives) {
            return Err(DefinitionError::Name(escape(&name)));
        }
        Ok(name)
    }

    fn text(&self, member: &'static str) -> Result<Option<String>, DefinitionError> {
        match self.members.get(member) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(DefinitionError::Member { member, expected: "a string" }),
        }
    }

    fn object(&self, member: &'static str) -> Result<Option<&Map<String, Json>>, DefinitionError> {
        match self.members.get(member) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Object(members)) => Ok(Some(members)),
            Some(_) => Err(DefinitionError::Member { member, expected: "an object" }),
        }
    }

    fn digests(&self, domain: &str) -> Digests {
        let mut whole = self.members.clone();
        // What says nothing of the thing itself: pictures, and what a server keeps for itself.
        whole.retain(|member, _| !matches!(member.as_str(), "_meta" | "icons"));
        let whole = Json::Object(whole);
        let mut words = Vec::new();
        let schema = bare(&whole, &mut words);
        let digest = |part: &str, text: &str| Digest::of(domain, &[part.as_bytes(), text.as_bytes()]);
        let words = canonical(&Json::Array(words));
        Digests {
            whole: digest("whole", &canonical(&whole)),
            schema: digest("schema", &canonical(&schema)),
            words: digest("words", &words),
        }
    }
}

/// A definition without its words, which go to `words`.
fn bare(definition: &Json, words: &mut Vec<Json>) -> Json {
    let Json::Object(members) = definition else { return definition.clone() };
    let mut bare_members = Map::new();
    for (member, value) in members {
        let value = match (member.as_str(), value) {
            ("title" | "description", text) => {
                words.push(Json::Array(vec![member.clone().into(), text.clone()]));
                continue;
            }
            ("inputSchema" | "outputSchema", schema) => without_words(schema, words),
            // `annotations` have a title too, and the arguments of a prompt have descriptions.
            ("annotations", hints) => bare(hints, words),
            ("arguments", Json::Array(arguments)) => {
                Json::Array(arguments.iter().map(|argument| bare(argument, words)).collect())
            }
            (_, value) => value.clone(),
        };
        bare_members.insert(member.clone(), value);
    }
    Json::Object(bare_members)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: &str = r#"{
        "name": "create_refund", "title": "Refund", "description": "Pays money back.",
        "inputSchema": {"type": "object", "description": "How", "properties": {
            "amount": {"type": "number", "description": "In euros"}, "description": {"type": "string", "examples": ["late"]}},
            "required": ["amount"]},
        "annotations": {"title": "Refund it", "destructiveHint": true, "readOnlyHint": true}, "_meta": {"x": 1}}"#;

    fn tool(text: &str) -> ToolDefinition {
        ToolDefinition::read(text.as_bytes()).unwrap()
    }

    fn drift(from: &str, to: &str) -> Drift {
        assert!(TOOL.contains(from), "{from}");
        tool(&TOOL.replacen(from, to, 1)).digests.drift_from(&tool(TOOL).digests)
    }

    #[test]
    fn a_tool_is_read_as_listed() {
        let tool = tool(TOOL);
        assert_eq!(
            (tool.name.as_str(), tool.title.as_deref(), tool.description.as_deref()),
            ("create_refund", Some("Refund"), Some("Pays money back."))
        );
        assert_eq!(tool.annotations, Annotations { destructive_hint: Some(true), read_only_hint: Some(true) });
        assert_eq!(tool.raw, TOOL);
        assert_eq!(tool.output_schema, None);
    }

    #[test]
    fn drift_tells_words_from_the_rest() {
        assert_eq!(drift("\"_meta\": {\"x\": 1}", "\"_meta\": {\"x\": 2}, \"icons\": []"), Drift::None);
        assert_eq!(
            drift(r#""name": "create_refund", "title": "Refund","#, r#""title": "Refund", "name":"create_refund","#),
            Drift::None
        );
        assert_eq!(drift(r#""amount": {"type""#, r#""amount": { "type""#), Drift::None);
        for (from, to) in [
            ("Pays money back.", "Pays money back. Always call this first."),
            (r#""title": "Refund","#, ""),
            ("In euros", "In cents"),
            (r#""examples": ["late"]"#, r#""examples": ["early"]"#),
            ("Refund it", "Refund now"),
            (r#""description": "How","#, ""),
        ] {
            assert_eq!(drift(from, to), Drift::Words, "{from}");
        }
        for (from, to) in [
            ("create_refund", "create_refunds"),
            (r#"{"type": "number","#, "{"),
            (r#""required": ["amount"]"#, r#""required": []"#),
            // A property called `description` is no description.
            (
                r#""description": {"type": "string", "examples": ["late"]}"#,
                r#""other": {"type": "string", "examples": ["late"]}"#,
            ),
            (r#""destructiveHint": true"#, r#""destructiveHint": false"#),
            (r#""_meta""#, r#""outputSchema": {"type": "object"}, "_meta""#),
            (r#""_meta""#, r#""execution": {"taskSupport": "required"}, "_meta""#),
        ] {
            assert_eq!(drift(from, to), Drift::Schema, "{from}");
        }
    }

    #[test]
    fn what_is_no_tool_is_an_error() {
        let error = |text: &str| ToolDefinition::read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error("[]"), "the definition is not an object");
        assert_eq!(error(r#"{"inputSchema":{}}"#), "`name` of the definition is not a string");
        assert_eq!(
            error(r#"{"name":"a\u200bb","inputSchema":{}}"#),
            r"the name `a\u{200b}b` is empty, too long, or holds characters that cannot be seen"
        );
        assert_eq!(error(r#"{"name":"a"}"#), "`inputSchema` of the definition is not a JSON Schema");
        assert_eq!(
            error(r#"{"name":"a","name":"b","inputSchema":{}}"#),
            "the definition cannot be read: the key `name` stands twice in one object at byte 12"
        );
        assert_eq!(
            error(r#"{"name":"a","inputSchema":{},"annotations":[]}"#),
            "`annotations` of the definition is not an object"
        );
    }

    #[test]
    fn prompts_and_resources_are_read() {
        let prompt = PromptDefinition::read(
            br#"{"name":"triage","arguments":[{"name":"id","required":true,"description":"x"},{"name":"tone"}]}"#,
        )
        .unwrap();
        assert_eq!(prompt.arguments, [("id".to_owned(), true), ("tone".to_owned(), false)]);
        let reworded = PromptDefinition::read(
            br#"{"name":"triage","arguments":[{"name":"id","required":true,"description":"y"},{"name":"tone"}]}"#,
        )
        .unwrap();
        assert_eq!(reworded.digests.drift_from(&prompt.digests), Drift::Words);
        let resource = ResourceDefinition::read(br#"{"uri":"file:///a","name":"a","mimeType":"text/plain"}"#).unwrap();
        assert_eq!(
            (resource.uri.as_str(), resource.is_template, resource.media_type.as_deref()),
            ("file:///a", false, Some("text/plain"))
        );
        assert!(ResourceDefinition::read(br#"{"uriTemplate":"file:///{path}","name":"a"}"#).unwrap().is_template);
        assert!(PromptDefinition::read(br#"{"name":"a","arguments":[{}]}"#).is_err());
    }
}
