//! What a call gives back: which part of a result is which field, and which of them the agent may see.
//!
//! A part is seen where a line lets the agent read its field, and no line forbids it. What is declared by nobody is seen by
//! nobody. The same, slowly, stands in `tests/it/reference.rs`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::catalog::ResourceId;
use crate::decide::{Facts, is_in_force};
use crate::decision::LineId;
use crate::effect::Verb;
use crate::policy::{Mask, Policy};
use crate::scope::Section;
use crate::truth::Truth;

/// A part of a result, from the outside in. Printed as `customers[].email`; the result itself is `.`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// At most [`Part::DEEPEST`]; none: the result itself.
    pub steps: Vec<Inward>,
}

/// One step into a result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Inward {
    /// The member of that name.
    Member(String),
    /// Each element of the array that stands there.
    Each,
}

impl Part {
    /// Steps of a part at most.
    pub const DEEPEST: usize = 16;
    /// Bytes of a member's name at most.
    pub const LONGEST: usize = 256;

    /// Reads `customers[].email`, `[].email`, or `.`; `None`: it is no part.
    #[must_use]
    pub fn parse(text: &str) -> Option<Part> {
        let mut steps = Vec::new();
        if text == "." {
            return Some(Part { steps });
        }
        for (at, piece) in text.split('.').enumerate() {
            let (name, mut each) = piece.split_at(piece.find('[').unwrap_or(piece.len()));
            if name.is_empty() {
                // Elements without a member before them: those of the result itself.
                if at > 0 || each.is_empty() {
                    return None;
                }
            } else if name.len() > Part::LONGEST || name.chars().any(|c| c.is_control() || matches!(c, ']' | '"')) {
                return None;
            } else {
                steps.push(Inward::Member(name.to_owned()));
            }
            while !each.is_empty() {
                each = each.strip_prefix("[]")?;
                steps.push(Inward::Each);
            }
        }
        (steps.len() <= Part::DEEPEST).then_some(Part { steps })
    }

    /// The part of that name within this one.
    #[must_use]
    pub fn member(&self, name: &str) -> Part {
        let steps = self.steps.iter().cloned().chain([Inward::Member(name.to_owned())]).collect();
        Part { steps }
    }

    /// Whether the other is this one, or lies within it.
    #[must_use]
    pub fn holds(&self, other: &Part) -> bool {
        other.steps.starts_with(&self.steps)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            return f.write_str(".");
        }
        for (at, step) in self.steps.iter().enumerate() {
            match step {
                Inward::Member(name) if at == 0 => f.write_str(name)?,
                Inward::Member(name) => write!(f, ".{name}")?,
                Inward::Each => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Part, D::Error> {
        let text = String::deserialize(deserializer)?;
        Part::parse(&text).ok_or_else(|| serde::de::Error::custom("no part of a result"))
    }
}

/// What a part of a tool's result is, as `ambit.toml` declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Which part: the whole value that stands there. No part lies within another.
    pub part: Part,
    /// Of which resource: a relation, or the tool itself.
    pub resource: ResourceId,
    /// Which of its fields; `None`: it belongs to the call itself, such as a count, and whoever may call may see it.
    pub field: Option<usize>,
}

/// What an agent may see of a result: the parts that are kept, and those that are withheld. Whatever stands in neither is
/// withheld too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returns {
    /// To be seen.
    pub kept: Vec<NamedPart>,
    /// Declared, and not to be seen.
    pub withheld: Vec<NamedPart>,
}

/// A part of a result with what it is, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedPart {
    /// Which part.
    pub part: Part,
    /// The path of its resource: `crm.customers`.
    pub resource: String,
    /// The field; `None`: it belongs to the call itself.
    pub field: Option<String>,
}

impl NamedPart {
    /// What it is: `crm.customers.email`; what belongs to the call itself is named by its part.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.field {
            Some(field) => format!("{}.{field}", self.resource),
            None => self.part.to_string(),
        }
    }
}

/// What becomes of a call's result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// What is seen of it. What waits for people is among it: they are asked before the call.
    pub returns: Returns,
    /// The lines that want a human asked before the agent may see a part of it, each once.
    pub confirm: Vec<LineId>,
}

/// What becomes of the result of calling that tool, now and in this task; `None`: nothing is declared of it, and it is
/// passed as it is.
#[must_use]
pub fn cut(policy: &Policy, tool: ResourceId, facts: &Facts<'_>) -> Option<Cut> {
    let catalog = policy.catalog();
    let declared = &catalog.resource(tool)?.declared.parts;
    if declared.is_empty() {
        return None;
    }
    let mut cut = Cut::default();
    for returned in declared {
        let field = returned.field.and_then(|at| catalog.resource(returned.resource)?.fields.get(at));
        let named = NamedPart {
            part: returned.part.clone(),
            resource: catalog.path(returned.resource),
            field: field.map(|field| field.name.clone()),
        };
        let seen = match returned.field {
            None => Seen::Yes,
            Some(at) => seen(policy, returned.resource, at, facts),
        };
        match seen {
            Seen::No => {
                cut.returns.withheld.push(named);
                continue;
            }
            Seen::Yes => {}
            Seen::AfterAsking(lines) => {
                for line in lines {
                    if !cut.confirm.contains(&line) {
                        cut.confirm.push(line);
                    }
                }
            }
        }
        cut.returns.kept.push(named);
    }
    Some(cut)
}

enum Seen {
    Yes,
    AfterAsking(Vec<LineId>),
    No,
}

/// Whether that field may come back. Nothing is known of the rows it stands in, so that no test on them can be answered;
/// and they are not counted, so that a line with a limit lets nothing come back.
fn seen(policy: &Policy, resource: ResourceId, field: usize, facts: &Facts<'_>) -> Seen {
    let mut asking = Vec::new();
    // The strictest stand first.
    for entry in policy.index.of(resource) {
        let Some(line) = policy.line(entry.line) else { continue };
        let reaches = match &entry.mask {
            Mask::Whole(_) if !entry.section.is_can() => true,
            Mask::Whole(fields) | Mask::Fields(fields) => fields.has(field),
        };
        if !reaches || !entry.verbs.has(Verb::Read) {
            continue;
        }
        let in_force = is_in_force(&line.line, facts);
        let tests = entry.tests.as_ref();
        if entry.section.is_can() {
            if !asking.is_empty() {
                break;
            }
            let holds = tests.map_or(Truth::Yes, |tests| tests.holds(None, facts.task));
            if in_force.grants() && holds.grants() && !entry.limited {
                return Seen::Yes;
            }
        } else if in_force.fires() && tests.map_or(Truth::Yes, |tests| tests.fires(None, facts.task)).fires() {
            if entry.section == Section::CannotTouch || entry.limited {
                return Seen::No;
            }
            asking.push(entry.line);
        }
    }
    if asking.is_empty() { Seen::No } else { Seen::AfterAsking(asking) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_as_it_is_printed() {
        for text in [".", "id", "customers[].email", "[].email", "[]", "rows[][].x y", "a.b.c[]"] {
            assert_eq!(Part::parse(text).map(|part| part.to_string()).as_deref(), Some(text));
        }
        for text in ["", "a.", ".a", "a..b", "a[", "a[0]", "a]", "a[].[]", "a\"b", "a\n", &"a.".repeat(20)] {
            assert_eq!(Part::parse(text), None, "{text:?}");
        }
        assert!(Part::parse(&["a"; 16].join(".")).is_some() && Part::parse(&["a"; 17].join(".")).is_none());
    }

    #[test]
    fn parts_within_one_another_are_told() {
        let part = |text| Part::parse(text).unwrap();
        assert!(part(".").holds(&part("a")) && part("a").holds(&part("a")) && part("a[]").holds(&part("a[].b")));
        assert!(!part("a").holds(&part("ab")) && !part("a[]").holds(&part("a.b")));
        assert_eq!(part("a[]").member("b"), part("a[].b"));
    }
}
