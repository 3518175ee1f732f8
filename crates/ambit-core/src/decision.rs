//! What the decision says: allow, hold or refuse, with every ground.

use serde::Serialize;
use smallvec::SmallVec;

use crate::decimal::Decimal;
use crate::returns::Returns;
use crate::scope::{Path, Section, Who, Window};

/// A line's place in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LineId(pub u32);

/// A limit's place in its policy: every `at most` of every line has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LimitId(pub u32);

/// The three answers, the strictest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Send it.
    Allow,
    /// Wait for a person.
    Hold,
    /// Do not send it.
    Refuse,
}

/// The decision over one action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The strictest over all effects and unread parts.
    pub verdict: Verdict,
    /// Why, each pointing at a line where one is concerned.
    pub grounds: SmallVec<[Ground; 2]>,
    /// What execution must prove; only on an allow.
    pub bounds: SmallVec<[Bound; 1]>,
    /// What the action uses up; charged together with the record of the decision (allow) or of the execution (hold).
    pub charges: SmallVec<[Charge; 2]>,
    /// Who must confirm; only on a hold. All of them must.
    pub confirmers: Vec<Confirmer>,
}

/// One reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ground {
    /// What it makes of the action.
    pub verdict: Verdict,
    /// The line, where one is concerned.
    pub line: Option<LineId>,
    /// Which effect of the reading, where one is concerned.
    pub effect: Option<u16>,
    /// Which unread part of the reading, where one is concerned.
    pub unread: Option<u16>,
    /// What happened.
    pub why: Why,
}

/// What happened, in the words that `explain` turns into sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The line says so.
    Matches,
    /// The line fires because a fact it asks for is not known.
    FiresInDoubt,
    /// No line mentions it.
    Outside,
    /// A line mentions it, but one of the line's tests does not hold.
    TestFails,
    /// A line mentions it, but a fact that it asks for is not known.
    TestUnknown,
    /// A line mentions it, but not this field or argument.
    FieldNotCovered,
    /// The line's limit is used up.
    OverLimit,
    /// The line's limit cannot be counted.
    LimitUnknown,
    /// The line ended (`until`).
    Ended,
    /// It could not be read, and a *cannot* lies in its reach.
    UnreadNearCannot,
    /// It could not be read.
    Unread,
    /// The resource is not in the catalog.
    UnknownResource,
    /// What the call gives back has fields that the line is about.
    Returned,
    /// It touches nothing that a line could name.
    BuiltIn,
}

/// What execution must prove before it may stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// At most so many rows are touched.
    RowsAtMost {
        /// The effect concerned.
        effect: u16,
        /// The most.
        rows: u64,
    },
    /// The agent sees no more of the result than these parts.
    Returns(Box<Returns>),
}

impl Bound {
    /// What the agent sees of the result, where these bounds say so.
    #[must_use]
    pub fn returns(bounds: &[Bound]) -> Option<&Returns> {
        bounds.iter().find_map(|bound| match bound {
            Bound::Returns(returns) => Some(returns.as_ref()),
            Bound::RowsAtMost { .. } => None,
        })
    }

    /// The fewest rows that any of these bounds leaves; `None` where none does.
    #[must_use]
    pub fn rows(bounds: &[Bound]) -> Option<u64> {
        let most = bounds.iter().filter_map(|bound| match bound {
            Bound::RowsAtMost { rows, .. } => Some(*rows),
            Bound::Returns(_) => None,
        });
        most.min()
    }
}

/// A use of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Which.
    pub limit: LimitId,
    /// How much of it.
    pub amount: Decimal,
}

/// Somebody who must confirm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confirmer {
    /// The line that asks; `None` when the action is outside the scope or unread.
    pub line: Option<LineId>,
    /// Who; `None`: the owner, the backup owner, or the person for whom the task runs.
    #[serde(skip)]
    pub who: Option<Who>,
    /// Seconds they have to decide.
    pub within_seconds: u64,
}

/// Seconds a person has to decide unless a line says otherwise.
pub const WITHIN_SECONDS: u64 = 30 * 60;

/// A limit as the counters outside core need to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitInfo {
    /// The line it stands in.
    pub line: LineId,
    /// The section of that line.
    pub section: Section,
    /// The most.
    pub most: Decimal,
    /// The window.
    pub window: Window,
    /// The path summed; `None` counts times or rows.
    pub sum_of: Option<Path>,
}
