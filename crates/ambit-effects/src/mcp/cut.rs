//! What an agent may have of a tool's result: the parts that are granted, and nothing else.
//!
//! Every kept value is a slice of what the server wrote; only what stands around it is written anew. What cannot be looked into
//! is withheld whole: text that is no JSON, pictures, links, errors. The same bytes and the same bound give the same cut.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ambit_core::returns::{Inward, NamedPart, Returns};
use serde::Serialize;

use crate::json::{JsonError, Kind, Limits, Placed, Problem};

/// A result, cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The result for the agent: the server's own bytes where nothing had to be withheld.
    pub bytes: Vec<u8>,
    /// What was withheld.
    pub withheld: Withheld,
}

/// What was withheld of an answer: names of fields, never values, and nothing that the server chose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Withheld {
    /// Declared fields that were there: `crm.customers.ssn`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<String>,
    /// How many values were there that nobody declared.
    #[serde(skip_serializing_if = "is_zero")]
    pub undeclared: usize,
    /// What stood beside the structured result: `text`, `image`, `_meta`, …
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub beside: BTreeSet<&'static str>,
    /// Why all of it was withheld, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<&'static str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Withheld {
    /// Whether anything was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Withheld::default()
    }
}

/// Cuts the `result` of `tools/call` to those parts. Total: what cannot be cut comes back as a result in Ambit's own words that
/// says so.
#[must_use]
pub fn cut(result: &[u8], returns: &Returns) -> Cut {
    let wanted = Wanted::of(returns);
    let mut cutter = Cutter { whole: result, withheld: Withheld::default() };
    match cutter.result(&wanted) {
        Ok(bytes) => Cut { bytes, withheld: cutter.withheld },
        Err(why) => Cut { bytes: words(why, false), withheld: Withheld { whole: Some(why), ..Withheld::default() } },
    }
}

/// Cuts the `error` that answers `tools/call`: its code is kept, its words are not, because they could hold anything.
#[must_use]
pub fn cut_error(error: &[u8]) -> Cut {
    let read = Placed::read(error, Limits::RESULT).ok();
    let code = read.as_ref().and_then(|error| error.get("code")).filter(|code| code.kind == Kind::Number);
    let code = code.and_then(|code| std::str::from_utf8(code.bytes(error)).ok()?.parse::<i32>().ok()).unwrap_or(-32603);
    let error = serde_json::json!({ "code": code, "message": format!("{ERROR}\n{HELP}") });
    Cut { bytes: error.to_string().into_bytes(), withheld: Withheld { whole: Some(IS_ERROR), ..Withheld::default() } }
}

const ERROR: &str = "the live system answered with an error; its words are withheld, because they could hold fields that \
     the scope does not let you read";
const HELP: &str = "help: asking again shows no more; tell the person you work for what you could not see";

const IS_ERROR: &str = "it is an error, whose words could hold anything";
const NOT_READ: &str = "it is not JSON that every reader reads alike";
const TOO_LARGE: &str = "it is too large to be looked into";
const NO_RESULT: &str = "it is no result of a tool";
const NOT_DONE: &str = "it asks for something before it answers";
const NO_STRUCTURE: &str = "it has no structured content, and its content is not one text of JSON";
const OTHER_SHAPE: &str = "it does not have the shape that is declared";

/// A tool's result in Ambit's own words: that it is withheld, and why.
fn words(why: &'static str, complete: bool) -> Vec<u8> {
    let text = if why == IS_ERROR {
        format!("{ERROR}\n{HELP}")
    } else {
        format!(
            "the call was made, but what came back is withheld: {why}, so it cannot be cut to what the scope lets you read\n{HELP}"
        )
    };
    let mut result = serde_json::json!({ "content": [{ "type": "text", "text": text }], "isError": true });
    if let (true, Some(members)) = (complete, result.as_object_mut()) {
        members.insert("resultType".into(), "complete".into());
    }
    result.to_string().into_bytes()
}

/// The declared parts, as a tree.
#[derive(Default)]
struct Wanted<'a> {
    /// What it is, where it is a part itself, and whether it is kept.
    leaf: Option<(&'a NamedPart, bool)>,
    members: BTreeMap<&'a str, Wanted<'a>>,
    each: Option<Box<Wanted<'a>>>,
    /// Whether anything in it is kept.
    keeps: bool,
}

impl<'a> Wanted<'a> {
    fn of(returns: &'a Returns) -> Wanted<'a> {
        let mut root = Wanted::default();
        for (part, keep) in returns.kept.iter().map(|p| (p, true)).chain(returns.withheld.iter().map(|p| (p, false))) {
            let mut place = &mut root;
            for step in &part.part.steps {
                place.keeps |= keep;
                place = match step {
                    Inward::Member(name) => place.members.entry(name).or_default(),
                    Inward::Each => place.each.get_or_insert_default(),
                };
            }
            place.keeps |= keep;
            // Of two that name one part the stricter holds.
            place.leaf = Some((part, keep && place.leaf.is_none_or(|(_, kept)| kept)));
        }
        root
    }
}

/// What is kept of a value.
enum Piece {
    /// All of it.
    Whole(Range<usize>),
    /// Some of it, written anew around slices.
    Written(Vec<u8>),
}

struct Cutter<'a> {
    whole: &'a [u8],
    withheld: Withheld,
}

impl Cutter<'_> {
    fn result(&mut self, wanted: &Wanted<'_>) -> Result<Vec<u8>, &'static str> {
        let root = read(self.whole)?;
        let members = root.members().ok_or(NO_RESULT)?;
        let complete = match root.get("resultType") {
            None => false,
            Some(kind) if kind.text() == Some("complete") => true,
            Some(_) => return Err(NOT_DONE),
        };
        match root.get("isError").map(|is_error| &is_error.kind) {
            None | Some(Kind::Bool(false)) => {}
            Some(Kind::Bool(true)) => {
                self.withheld.whole = Some(IS_ERROR);
                return Ok(words(IS_ERROR, complete));
            }
            Some(_) => return Err(NO_RESULT),
        }
        let content = match root.get("content").map(|content| &content.kind) {
            None => &[][..],
            Some(Kind::List(content)) => content,
            Some(_) => return Err(NO_RESULT),
        };
        let mut beside = members.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())).peekable();
        let mut as_it_is = beside.peek().is_none();
        for (name, _) in beside {
            self.withheld.beside.insert(if name == "_meta" { "_meta" } else { "other members" });
        }
        let structured = root.get("structuredContent").filter(|structured| structured.kind != Kind::Null);
        let (text, cut) = match structured {
            Some(structured) => {
                let piece = self.top(structured, wanted)?;
                as_it_is &= matches!(piece, Piece::Whole(_)) & self.repeats(content, structured);
                let cut = self.bytes(&piece);
                (Some(cut.clone()), Some(cut))
            }
            None if content.is_empty() => (None, None),
            None => {
                let text = only_text(content).ok_or(NO_STRUCTURE)?;
                let read = Placed::read(text.as_bytes(), Limits::RESULT).map_err(|_| NO_STRUCTURE)?;
                let mut within = Cutter { whole: text.as_bytes(), withheld: std::mem::take(&mut self.withheld) };
                let piece = within.top(&read, wanted).map_err(|_| NO_STRUCTURE)?;
                let cut = within.bytes(&piece);
                self.withheld = within.withheld;
                as_it_is &= matches!(piece, Piece::Whole(_));
                (Some(cut), None)
            }
        };
        if as_it_is {
            return Ok(self.whole.to_vec());
        }
        let mut out = b"{".to_vec();
        if complete {
            out.extend_from_slice(br#""resultType":"complete","#);
        }
        out.extend_from_slice(br#""content":["#);
        if let Some(text) = text {
            out.extend_from_slice(br#"{"type":"text","text":"#);
            quote(&mut out, &String::from_utf8_lossy(&text));
            out.push(b'}');
        }
        out.push(b']');
        if let Some(cut) = cut {
            out.extend_from_slice(br#","structuredContent":"#);
            out.extend_from_slice(&cut);
        }
        if root.get("isError").is_some() {
            out.extend_from_slice(br#","isError":false"#);
        }
        out.push(b'}');
        Ok(out)
    }

    /// The structured result itself, of which something always comes back: an empty one where nothing of it is kept.
    fn top(&mut self, value: &Placed, wanted: &Wanted<'_>) -> Result<Piece, &'static str> {
        let fits = match &value.kind {
            Kind::Map(_) => wanted.leaf.is_some() || !wanted.members.is_empty(),
            Kind::List(_) => wanted.leaf.is_some() || wanted.each.is_some(),
            // A value alone says nothing of what it is.
            _ => false,
        };
        if !fits {
            return Err(OTHER_SHAPE);
        }
        let empty = if matches!(value.kind, Kind::List(_)) { b"[]" } else { b"{}" };
        Ok(self.part(value, wanted).unwrap_or_else(|| Piece::Written(empty.to_vec())))
    }

    /// What is kept of a value; `None`: nothing, and it is left out.
    fn part(&mut self, value: &Placed, wanted: &Wanted<'_>) -> Option<Piece> {
        if let Some((part, keep)) = wanted.leaf {
            if keep {
                return Some(Piece::Whole(value.at.clone()));
            }
            self.withheld.fields.insert(part.name());
            return None;
        }
        let piece = match (&value.kind, &wanted.each) {
            (Kind::Map(members), _) if !wanted.members.is_empty() => self.map(value, members, wanted),
            (Kind::List(items), Some(each)) => self.list(value, items, each),
            // That there is nothing is no field's value.
            (Kind::Null, _) => Piece::Whole(value.at.clone()),
            _ => {
                self.withheld.undeclared += 1;
                return None;
            }
        };
        wanted.keeps.then_some(piece)
    }

    fn map(&mut self, value: &Placed, members: &[(String, Placed)], wanted: &Wanted<'_>) -> Piece {
        let mut kept: Vec<(&str, Piece)> = Vec::new();
        for (name, member) in members {
            match wanted.members.get(name.as_str()) {
                Some(inner) => kept.extend(self.part(member, inner).map(|piece| (name.as_str(), piece))),
                None => self.withheld.undeclared += 1,
            }
        }
        if kept.len() == members.len() && kept.iter().all(|(_, piece)| matches!(piece, Piece::Whole(_))) {
            return Piece::Whole(value.at.clone());
        }
        let mut out = b"{".to_vec();
        for (at, (name, piece)) in kept.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            quote(&mut out, name);
            out.push(b':');
            out.extend_from_slice(&self.bytes(piece));
        }
        out.push(b'}');
        Piece::Written(out)
    }

    fn list(&mut self, value: &Placed, items: &[Placed], each: &Wanted<'_>) -> Piece {
        let kept: Vec<Piece> = items.iter().filter_map(|item| self.part(item, each)).collect();
        if kept.len() == items.len() && kept.iter().all(|piece| matches!(piece, Piece::Whole(_))) {
            return Piece::Whole(value.at.clone());
        }
        let mut out = b"[".to_vec();
        for (at, piece) in kept.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&self.bytes(piece));
        }
        out.push(b']');
        Piece::Written(out)
    }

    fn bytes(&self, piece: &Piece) -> Vec<u8> {
        match piece {
            Piece::Whole(at) => self.whole.get(at.clone()).unwrap_or_default().to_vec(),
            Piece::Written(bytes) => bytes.clone(),
        }
    }

    /// Whether the content is nothing, or one text that says what the structured content says; what is more is noted.
    fn repeats(&mut self, content: &[Placed], structured: &Placed) -> bool {
        let is_mirror = |text: &str| {
            Placed::read(text.as_bytes(), Limits::RESULT)
                .is_ok_and(|read| read.same(text.as_bytes(), structured, self.whole))
        };
        let mirror = only_text(content).is_some_and(is_mirror);
        if !mirror {
            let of = |kind: Option<&str>| match kind {
                Some("text") => "text",
                Some("image") => "image",
                Some("audio") => "audio",
                Some("resource") => "resource",
                Some("resource_link") => "resource link",
                _ => "other content",
            };
            let kinds = content.iter().map(|block| of(block.get("type").and_then(Placed::text)));
            self.withheld.beside.extend(kinds);
        }
        mirror || content.is_empty()
    }
}

const KNOWN: [&str; 4] = ["content", "structuredContent", "isError", "resultType"];

fn read(bytes: &[u8]) -> Result<Placed, &'static str> {
    Placed::read(bytes, Limits::RESULT).map_err(|JsonError { problem, .. }| match problem {
        Problem::TooLarge(_) | Problem::TooDeep(_) | Problem::TooMany(_) => TOO_LARGE,
        _ => NOT_READ,
    })
}

/// The text of content that is one block of text and nothing beside it.
fn only_text(content: &[Placed]) -> Option<&str> {
    let [block] = content else { return None };
    let plain = block.members()?.iter().all(|(name, _)| name == "type" || name == "text");
    (plain && block.get("type")?.text() == Some("text")).then(|| block.get("text")?.text()).flatten()
}

fn quote(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail, and a string has a JSON form.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests;
