//! The scope language: the tree that a SCOPE.md is read into.
//!
//! `parse` turns text into this tree and diagnostics and never fails; `print` turns it back into the canonical text;
//! `compile` turns it into a policy over a catalog. The tree says what was written, `policy.rs` what it means.

pub mod compile;
pub mod diagnostics;
pub mod parse;
pub mod print;

use std::ops::Range;

use crate::decimal::Decimal;
use crate::effect::Verb;
use crate::time::Date;

/// A whole scope document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// The front matter.
    pub front: Front,
    /// The one H1.
    pub title: String,
    /// The prose under it as written, line breaks and code spans kept; paragraphs are separated by a blank line.
    pub purpose: String,
    /// The lines of the four sections, in document order.
    pub lines: Vec<Line>,
    /// The rows under `## Scenarios`, and under other documents' tables of the same shape.
    pub scenarios: Vec<Scenario>,
    /// What stands under `## Notes`, as written; binds nobody.
    pub notes: Option<String>,
    /// Block quotes: remarks that bind nobody, kept so that printing does not lose them.
    pub commentary: Vec<Commentary>,
}

impl Document {
    /// The tree without where things stood and how they were written: two documents are the same when these are equal.
    #[must_use]
    pub fn without_places(mut self) -> Document {
        for line in &mut self.lines {
            line.at = Span::default();
            line.text.clear();
        }
        for scenario in &mut self.scenarios {
            scenario.at = Span::default();
        }
        for remark in &mut self.commentary {
            remark.at = Span::default();
        }
        self
    }
}

/// A block quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commentary {
    /// In which part it stands.
    pub place: Place,
    /// After how many of that part's paragraphs, lines or scenarios.
    pub after: usize,
    /// Its text without the `>`, as written.
    pub text: String,
    /// Where it stands.
    pub at: Span,
}

/// A part of the document that may hold commentary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Under the title.
    Purpose,
    /// Under a question.
    Section(Section),
    /// Under `## Scenarios`.
    Scenarios,
}

/// The front matter, key by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// `agent`: the one agent whose scope this is.
    pub agent: String,
    /// `owner`: the person who answers for the workflow.
    pub owner: String,
    /// `backup-owner`.
    pub backup_owner: Option<String>,
    /// `workflow`.
    pub workflow: Option<String>,
    /// `review-by`.
    pub review_by: Option<Date>,
    /// `outside`: what becomes of an action that no line mentions.
    pub outside: Outside,
}

/// What becomes of an action that no line mentions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// Held for a human: `outside: confirm`, and what holds when nothing is said.
    #[default]
    Confirm,
    /// Refused: `outside: refuse`.
    Refuse,
}

/// The four questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// `## It can read`
    CanRead,
    /// `## It can write`
    CanWrite,
    /// `## A human must confirm`
    MustConfirm,
    /// `## It cannot touch`
    CannotTouch,
}

impl Section {
    /// In the order they must stand in.
    pub const ALL: [Section; 4] = [Section::CanRead, Section::CanWrite, Section::MustConfirm, Section::CannotTouch];

    /// The exact heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Section::CanRead => "It can read",
            Section::CanWrite => "It can write",
            Section::MustConfirm => "A human must confirm",
            Section::CannotTouch => "It cannot touch",
        }
    }

    /// Whether lines under it grant.
    #[must_use]
    pub fn is_can(self) -> bool {
        matches!(self, Section::CanRead | Section::CanWrite)
    }
}

/// Where something stands: bytes of the document, and the line a person counts from 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Byte offsets into the document.
    pub bytes: Range<usize>,
    /// The line it starts on, from 1.
    pub line: usize,
}

/// One bullet of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Under which question.
    pub section: Section,
    /// The verbs as written; empty when none stands.
    pub verbs: Vec<Verb>,
    /// At least one.
    pub targets: Vec<Target>,
    /// The field list.
    pub fields: Option<Fields>,
    /// The tests after `where`, joined by `and`.
    pub tests: Vec<Test>,
    /// `at most …`, each of them.
    pub limits: Vec<Limit>,
    /// `for …`.
    pub tasks: Option<Tasks>,
    /// `otherwise a human`.
    pub otherwise_human: bool,
    /// `by …`.
    pub by: Option<Who>,
    /// `within …`.
    pub within: Option<Duration>,
    /// `until …`, inclusive.
    pub until: Option<Date>,
    /// `because …`, in the person's words.
    pub because: Option<String>,
    /// The bullet's text as read (code spans opened, white space joined), without the dash.
    pub text: String,
    /// Where it stands.
    pub at: Span,
}

impl Line {
    /// A line under `section` that says nothing yet, and stands nowhere.
    #[must_use]
    pub fn new(section: Section) -> Line {
        Line {
            section,
            verbs: Vec::new(),
            targets: Vec::new(),
            fields: None,
            tests: Vec::new(),
            limits: Vec::new(),
            tasks: None,
            otherwise_human: false,
            by: None,
            within: None,
            until: None,
            because: None,
            text: String::new(),
            at: Span::default(),
        }
    }
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// `system.name`
    Named {
        /// The part before the first dot.
        system: String,
        /// The rest: one literal tool name, or `[schema.]relation`.
        name: String,
    },
    /// `every reading tool in system`
    EveryReadingTool(String),
    /// `anything in system`
    AnythingIn(String),
    /// `anything tagged tag`
    Tagged(String),
    /// `anything`
    Anything,
}

/// A field list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fields {
    /// `(a, b)`
    Only(Vec<String>),
    /// `(all but a, b)`
    AllBut(Vec<String>),
}

/// A path into arguments: `items[].amount`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    /// From the outside in; at least one.
    pub steps: Vec<Step>,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// The member's name.
    pub name: String,
    /// `[]`: each element of the array that stands there.
    pub each: bool,
}

/// A test on one path: any one of its predicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// What is looked at.
    pub path: Path,
    /// Joined by `or`; at least one.
    pub any: Vec<Predicate>,
}

/// A predicate, perhaps with *not*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predicate {
    /// `not` stands in it.
    pub negated: bool,
    /// What is asked.
    pub ask: Ask,
}

/// What a predicate asks of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// `is V`
    Is(Literal),
    /// `is one of (V, …)` and `is in SET`: the same question; `print` writes `is one of` for values, `is in` for a list and the request.
    In(Set),
    /// `is quoted in the request`
    QuotedInRequest,
    /// `is the task's FACT`
    TaskFact(String),
    /// `is at least V`
    AtLeast(Literal),
    /// `is at most V`
    AtMost(Literal),
    /// `is above V`
    Above(Literal),
    /// `is below V`
    Below(Literal),
    /// `starts with "…"`
    StartsWith(String),
    /// `ends with "…"`
    EndsWith(String),
    /// `contains "…"`
    Contains(String),
    /// `matches "…"`: the pattern must match the whole value; Rust `regex` syntax.
    Matches(String),
    /// `is an address at SET`
    AddressAt(Set),
    /// `is a URL at SET`
    UrlAt(Set),
    /// `is under SET`
    Under(Set),
    /// `is given`
    Given,
    /// `is true`
    True,
    /// `is false`
    False,
}

/// Where the allowed values come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// Written out; at least one.
    Values(Vec<Literal>),
    /// A list of `ambit.toml`, by name.
    List(String),
    /// `the request`
    Request,
}

/// A value written in a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// Between double quotes.
    Text(String),
    /// An exact decimal.
    Number(Decimal),
    /// `YYYY-MM-DD`, bare.
    Date(Date),
    /// `true` or `false`.
    Bool(bool),
}

/// `at most N … per …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many, or how much.
    pub most: Decimal,
    /// Of what.
    pub of: Counted,
    /// In which window.
    pub per: Window,
}

/// What a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Counted {
    /// `rows`
    Rows,
    /// `times`
    Times,
    /// `of PATH`: the sum of what stands there.
    Sum(Path),
}

/// The window of a limit; all but *at once* and *per task* roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Window {
    /// `at once`: one action.
    AtOnce,
    /// `per minute`
    Minute,
    /// `per hour`
    Hour,
    /// `per day`: 24 hours.
    Day,
    /// `per task`
    Task,
}

/// `for …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tasks {
    /// `for a or b`
    Only(Vec<String>),
    /// `for any task but a or b`
    AnyBut(Vec<String>),
}

/// `by …`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// A role or a person, by name; which of the two, `ambit.toml` says.
    Named(String),
    /// `two of ROLE`
    TwoOf(String),
    /// `someone else`: anyone who may confirm and is not the asker.
    SomeoneElse,
}

/// A span of time in whole seconds, with the unit it was written in: `30 minutes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    /// How many of the unit.
    pub count: u32,
    /// Seconds, minutes, hours or days.
    pub unit: DurationUnit,
}

/// The unit of a [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurationUnit {
    /// `second(s)`
    Second,
    /// `minute(s)`
    Minute,
    /// `hour(s)`
    Hour,
    /// `day(s)`
    Day,
}

impl Duration {
    /// How long it is.
    #[must_use]
    pub fn seconds(self) -> u64 {
        let unit = match self.unit {
            DurationUnit::Second => 1,
            DurationUnit::Minute => 60,
            DurationUnit::Hour => 3_600,
            DurationUnit::Day => 86_400,
        };
        u64::from(self.count) * unit
    }
}

/// One row under `## Scenarios`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// *when it is told*: the request.
    pub told: String,
    /// *and it tries*: a tool call `system.tool {json}` or `system: SQL`.
    pub tries: String,
    /// *then*.
    pub then: Then,
    /// *in task*, where the table has that column and the cell is not empty: `name` or `name (fact = value, …)`.
    pub in_task: Option<String>,
    /// *author*: who wrote the request; the owner unless said.
    pub author: Option<String>,
    /// *after*: earlier steps, in the form of *and it tries*, separated by `;`.
    pub after: Vec<String>,
    /// Where it stands.
    pub at: Span,
}

/// What *in task* says: a task with the facts that its opener vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InTask {
    /// The task's name.
    pub name: String,
    /// `fact = value`, in the order written; no fact twice.
    pub facts: Vec<(String, Literal)>,
}

/// What a scenario expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It runs.
    Allow,
    /// It waits for a human.
    Confirm,
    /// It is refused.
    Refuse,
}

impl Then {
    /// The word in the table.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Then::Allow => "allow",
            Then::Confirm => "confirm",
            Then::Refuse => "refuse",
        }
    }
}
