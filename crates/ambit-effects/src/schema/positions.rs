//! Where schemas stand in a schema, and where references lead.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::SchemaError;
use crate::json::escape;

/// How a schema stands to the one it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Applied to the same value.
    Same,
    /// Applied to a part of the value.
    Part,
    /// Applied only by reference.
    Definition,
}

/// What a keyword's value is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    One,
    Many,
    Named,
    /// `items` before 2020-12: one or many.
    OneOrMany,
    /// `dependencies`: by name, a schema or a list of names.
    NamedOrNames,
}

const KEYWORDS: &[(&str, Holds, Place)] = &[
    ("allOf", Holds::Many, Place::Same),
    ("anyOf", Holds::Many, Place::Same),
    ("oneOf", Holds::Many, Place::Same),
    ("not", Holds::One, Place::Same),
    ("if", Holds::One, Place::Same),
    ("then", Holds::One, Place::Same),
    ("else", Holds::One, Place::Same),
    ("dependentSchemas", Holds::Named, Place::Same),
    ("dependencies", Holds::NamedOrNames, Place::Same),
    ("properties", Holds::Named, Place::Part),
    ("patternProperties", Holds::Named, Place::Part),
    ("additionalProperties", Holds::One, Place::Part),
    ("unevaluatedProperties", Holds::One, Place::Part),
    ("propertyNames", Holds::One, Place::Part),
    ("items", Holds::OneOrMany, Place::Part),
    ("prefixItems", Holds::Many, Place::Part),
    ("additionalItems", Holds::One, Place::Part),
    ("unevaluatedItems", Holds::One, Place::Part),
    ("contains", Holds::One, Place::Part),
    ("contentSchema", Holds::One, Place::Definition),
    ("$defs", Holds::Named, Place::Definition),
    ("definitions", Holds::Named, Place::Definition),
];

/// Calls `each` with every schema that stands directly in this one, and the keyword it stands under.
pub(crate) fn within<'a>(schema: &'a Json, mut each: impl FnMut(&'static str, Place, &'a Json)) {
    let Some(members) = schema.as_object() else { return };
    for (keyword, holds, place) in KEYWORDS {
        let Some(held) = members.get(*keyword) else { continue };
        match (holds, held) {
            (Holds::Many | Holds::OneOrMany, Json::Array(schemas)) => {
                schemas.iter().for_each(|s| each(keyword, *place, s))
            }
            (Holds::Named | Holds::NamedOrNames, Json::Object(schemas)) => {
                schemas.values().filter(|s| s.is_object() || s.is_boolean()).for_each(|s| each(keyword, *place, s));
            }
            (Holds::One | Holds::OneOrMany, Json::Object(_) | Json::Bool(_)) => each(keyword, *place, held),
            _ => {}
        }
    }
}

/// A copy of the schema in which every schema was passed through `each`, the innermost first.
pub(crate) fn rewritten(schema: &Json, each: &mut impl FnMut(&mut serde_json::Map<String, Json>)) -> Json {
    let Json::Object(members) = schema else { return schema.clone() };
    let mut members = members.clone();
    for (keyword, holds, _) in KEYWORDS {
        let Some(held) = members.get_mut(*keyword) else { continue };
        match (holds, held) {
            (Holds::Many | Holds::OneOrMany, Json::Array(schemas)) => {
                schemas.iter_mut().for_each(|schema| *schema = rewritten(schema, each));
            }
            (Holds::Named | Holds::NamedOrNames, Json::Object(schemas)) => {
                schemas.values_mut().for_each(|schema| *schema = rewritten(schema, each));
            }
            (Holds::One | Holds::OneOrMany, held @ Json::Object(_)) => *held = rewritten(held, each),
            _ => {}
        }
    }
    each(&mut members);
    Json::Object(members)
}

/// The document that references lead into.
pub(crate) struct Anchors<'a> {
    root: &'a Json,
    identity: Option<&'a str>,
    named: BTreeMap<&'a str, &'a Json>,
    schemas: Vec<&'a Json>,
    old: bool,
}

impl<'a> Anchors<'a> {
    /// Finds every schema in the document, those that only a reference leads to included.
    pub(crate) fn of(root: &'a Json) -> Result<Anchors<'a>, SchemaError> {
        // Before 2019-09 a reference stands alone, and what is written beside it is ignored.
        let old = keyword_text(root, "$schema").is_some_and(|draft| draft.contains("/draft-0"));
        let oldest = keyword_text(root, "$schema").is_some_and(|draft| draft.contains("/draft-04"));
        let identify = if oldest { "id" } else { "$id" };
        let identity = keyword_text(root, identify).map(|id| id.trim_end_matches('#'));
        let mut anchors = Anchors { root, identity, named: BTreeMap::new(), schemas: Vec::new(), old };
        let mut seen = BTreeSet::new();
        let mut waiting = vec![root];
        while let Some(schema) = waiting.pop() {
            if !seen.insert(address(schema)) {
                continue;
            }
            anchors.schemas.push(schema);
            for keyword in ["$dynamicRef", "$recursiveRef"] {
                if schema.get(keyword).is_some() {
                    return Err(SchemaError::Keyword(keyword));
                }
            }
            // A schema with an identity of its own turns every reference within it somewhere else.
            if let Some(own) = keyword_text(schema, identify).filter(|_| !std::ptr::eq(schema, root)) {
                match own.strip_prefix('#') {
                    Some(anchor) => anchors.add(anchor, schema)?,
                    None => return Err(SchemaError::Keyword(identify)),
                }
            }
            for keyword in ["$anchor", "$dynamicAnchor"] {
                if let Some(anchor) = keyword_text(schema, keyword) {
                    anchors.add(anchor, schema)?;
                }
            }
            within(schema, |_, _, inner| waiting.push(inner));
            waiting.extend(keyword_text(schema, "$ref").and_then(|reference| anchors.resolve(reference)));
        }
        Ok(anchors)
    }

    /// Every schema in the document.
    pub(crate) fn schemas(&self) -> &[&'a Json] {
        &self.schemas
    }

    /// Whether what stands beside a reference is ignored.
    pub(crate) fn references_stand_alone(&self) -> bool {
        self.old
    }

    fn add(&mut self, anchor: &'a str, schema: &'a Json) -> Result<(), SchemaError> {
        match self.named.insert(anchor, schema) {
            Some(other) if !std::ptr::eq(other, schema) => Err(SchemaError::Reference(format!("#{}", escape(anchor)))),
            _ => Ok(()),
        }
    }

    /// The schema that this one refers to; `None` when it refers to none.
    pub(crate) fn referred(&self, schema: &Json) -> Result<Option<&'a Json>, SchemaError> {
        let Some(reference) = schema.get("$ref") else { return Ok(None) };
        let found = reference.as_str().and_then(|text| self.resolve(text));
        found.map(Some).ok_or_else(|| SchemaError::Reference(escape(reference.as_str().unwrap_or("?"))))
    }

    fn resolve(&self, reference: &str) -> Option<&'a Json> {
        let (document, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if !document.is_empty() && Some(document) != self.identity {
            return None;
        }
        let fragment = percent_decoded(fragment)?;
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.root.pointer(&fragment).filter(|found| found.is_object() || found.is_boolean());
        }
        self.named.get(fragment.as_str()).copied()
    }
}

/// What tells one schema of a document from another.
pub(crate) fn address(schema: &Json) -> usize {
    std::ptr::from_ref(schema) as usize
}

fn keyword_text<'a>(schema: &'a Json, keyword: &str) -> Option<&'a str> {
    schema.get(keyword).and_then(Json::as_str)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
