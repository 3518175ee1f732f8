//! The words: what a decision, and a whole scope, say to a person or an agent. Rendered from the compiled policy, so
//! that they cannot drift from what is enforced.

mod parts;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::catalog::{ResourceKind, SystemKind};
use crate::decision::{Bound, Decision, Ground, Verdict, Why};
use crate::effect::{Effect, Standing};
use crate::policy::{Policy, PolicyLine};
use crate::reading::{BuiltIn, Reading};
use crate::scope::print::{print_line, print_test};
use crate::scope::{Ask, Line, Outside, Section, Set, Target, Tasks, Who, Window};

/// One ground in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The line of the document, from 1; absent when no line is concerned.
    pub line: Option<usize>,
    /// The heading it stands under.
    pub section: Option<&'static str>,
    /// The line itself, in canonical words.
    pub text: Option<String>,
    /// What it makes of the action and why.
    pub why: String,
}

/// Says one ground.
#[must_use]
pub fn ground(policy: &Policy, reading: &Reading, ground: &Ground) -> Said {
    let line = ground.line.and_then(|id| policy.line(id));
    Said {
        line: line.map(|l| l.line.at.line),
        section: line.map(|l| l.line.section.title()),
        text: line.map(|l| print_line(&l.line)),
        why: why(policy, reading, ground, line),
    }
}

fn why(policy: &Policy, reading: &Reading, ground: &Ground, line: Option<&PolicyLine>) -> String {
    let effect = ground.effect.and_then(|at| reading.effects.get(usize::from(at)));
    let what = effect.map_or_else(|| "the action".to_owned(), |e| effect_words(policy, e));
    match ground.why {
        Why::Matches => match line.map(|l| l.line.section) {
            Some(Section::CannotTouch) => format!("it cannot {what}"),
            Some(Section::MustConfirm) => format!("a human must confirm before it may {what}"),
            _ => format!("it may {what}"),
        },
        Why::FiresInDoubt => {
            let asks = line.map(|l| unknown_tests(l, reading, effect)).unwrap_or_default();
            format!("whether the line applies cannot be told{asks}, and doubt counts as yes")
        }
        Why::Outside => match policy.document.front.outside {
            Outside::Confirm => format!("no line lets it {what}, so a human decides first"),
            Outside::Refuse => format!("no line lets it {what}, and what is outside the scope is refused"),
        },
        Why::TestFails => format!("the line lets it {what} only {}", tests_words(line)),
        Why::TestUnknown => format!("the line lets it {what} only {}, and that cannot be told", tests_words(line)),
        Why::FieldNotCovered => format!("the line does not cover {}", uncovered(policy, effect, line)),
        Why::OverLimit => {
            format!("the line's limit is used up: {}", line.map(|l| limits_words(&l.line)).unwrap_or_default())
        }
        Why::LimitUnknown => format!(
            "the line's limit cannot be counted here: {}",
            line.map(|l| limits_words(&l.line)).unwrap_or_default()
        ),
        Why::Ended => "the line is not in force now, or not in this task".to_owned(),
        Why::UnreadNearCannot => {
            format!("{}, and something it cannot touch lies within reach", unread_words(reading, ground))
        }
        Why::Unread => format!("{}, so a human decides first", unread_words(reading, ground)),
        Why::BuiltIn => format!(
            "it touches nothing that a line could name: {}",
            reading.built_in.iter().map(|one| one.words()).collect::<Vec<_>>().join("; ")
        ),
        Why::UnknownResource => "it names something that was never looked at".to_owned(),
        Why::Returned => {
            format!(
                "a human must confirm before it may {what}: what comes back has {}",
                parts::about(policy, effect, line)
            )
        }
    }
}

/// What an effect does, as an infinitive: "call `helpdesk.reply`", "update `crm.customers` (status)".
#[must_use]
pub fn effect_words(policy: &Policy, effect: &Effect) -> String {
    let path = policy.catalog().path(effect.resource);
    let Some(resource) = policy.catalog().resource(effect.resource) else {
        return format!("{} `{path}`", effect.verb.word());
    };
    let fields: Vec<&str> =
        effect.fields.iter().filter_map(|at| resource.fields.get(at)).map(|f| f.name.as_str()).collect();
    let fields = if resource.kind == ResourceKind::Relation && !fields.is_empty() {
        format!(" ({})", fields.join(", "))
    } else {
        String::new()
    };
    let kind = policy.catalog().system(resource.system).map(|system| system.kind);
    let by = match (effect.standing, kind) {
        (Standing::Own, _) => "",
        // Nobody declared it: a key, a view or a partition brings it about.
        (Standing::Declared, Some(SystemKind::Postgres)) => ", which follows from what was asked",
        (Standing::Declared, _) => ", which calling it is declared to do",
    };
    format!("{} `{path}`{fields}{by}", effect.verb.word())
}

fn unread_words(reading: &Reading, ground: &Ground) -> String {
    ground
        .unread
        .and_then(|at| reading.unread.get(usize::from(at)))
        .map_or_else(|| "what it does could not be read".to_owned(), |u| u.what.clone())
}

fn tests_words(line: Option<&PolicyLine>) -> String {
    let tests: Vec<String> = line.into_iter().flat_map(|l| &l.line.tests).map(print_test).collect();
    format!("where {}", tests.join(" and "))
}

fn unknown_tests(line: &PolicyLine, reading: &Reading, effect: Option<&Effect>) -> String {
    if effect.is_none_or(|e| e.subject.and_then(|s| reading.values.get(s)).is_none()) && line.is_conditional() {
        return " (nothing is known of what it would touch)".to_owned();
    }
    format!(" ({})", line.line.tests.iter().map(print_test).collect::<Vec<_>>().join(" and "))
}

fn limits_words(line: &Line) -> String {
    line.limits.iter().map(crate::scope::print::print_limit).collect::<Vec<_>>().join(", ")
}

fn uncovered(policy: &Policy, effect: Option<&Effect>, line: Option<&PolicyLine>) -> String {
    let (Some(effect), Some(line)) = (effect, line) else { return "this field".to_owned() };
    let Some(resource) = policy.catalog().resource(effect.resource) else { return "this field".to_owned() };
    let covered = line.reach.iter().find(|(r, ..)| *r == effect.resource).map(|(_, _, mask)| mask.fields());
    let mut names: Vec<String> = effect
        .fields
        .iter()
        .filter(|at| covered.is_none_or(|c| !c.has(*at)))
        .filter_map(|at| resource.fields.get(at))
        .map(|f| format!("`{}`", f.name))
        .collect();
    if effect.fields.has_unlisted() {
        names.push("something that the lock does not list".to_owned());
    }
    if names.is_empty() { "this".to_owned() } else { names.join(" and ") }
}

/// A bound in words.
#[must_use]
pub fn bound(bound: &Bound) -> String {
    match bound {
        Bound::RowsAtMost { rows, .. } => format!("at most {rows} rows, proved before it is committed"),
        Bound::Returns(returns) => format!(
            "of what comes back it sees {}{}",
            parts::words(&returns.kept).unwrap_or_else(|| "nothing".to_owned()),
            parts::words(&returns.withheld).map(|parts| format!("; withheld: {parts}")).unwrap_or_default()
        ),
    }
}

/// What an agent may read about a decision that did not let it through: the line that stopped this action, why, and what
/// it could do instead. Nothing about other lines than those that speak of the same resource.
#[must_use]
pub fn for_agent(policy: &Policy, reading: &Reading, decision: &Decision) -> String {
    said_to_agent(policy, reading, decision).text()
}

/// What an agent may read about a decision, in its parts; each ends with a full stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaidToAgent {
    /// What stopped it.
    pub why: String,
    /// The line that did, where one did.
    pub line: Option<String>,
    /// That nobody can confirm it, where that is so.
    pub never: Option<String>,
    /// What it can do instead.
    pub instead: Option<String>,
}

impl SaidToAgent {
    /// As one text.
    #[must_use]
    pub fn text(&self) -> String {
        let more = [&self.line, &self.never, &self.instead].into_iter().flatten();
        more.fold(self.why.clone(), |text, part| format!("{text} {part}"))
    }

    /// As lines: what stopped it, what else there is to say of that, and after `help: ` what it can do instead.
    #[must_use]
    pub fn lines(&self) -> String {
        let mut lines = vec![self.why.clone()];
        lines.extend([&self.line, &self.never].into_iter().flatten().cloned());
        lines.extend(self.instead.as_ref().map(|instead| format!("help: {instead}")));
        lines.join("\n")
    }
}

/// The same, in its parts.
#[must_use]
pub fn said_to_agent(policy: &Policy, reading: &Reading, decision: &Decision) -> SaidToAgent {
    let strictest: Vec<&Ground> = decision.grounds.iter().filter(|g| g.verdict == decision.verdict).collect();
    let mut all = SaidToAgent::default();
    // A line that says so comes first, then a limit that is used up, then that no line covers it; lines that came near
    // are told as what is allowed instead.
    let rank = |g: &&&Ground| match g.why {
        Why::Matches | Why::FiresInDoubt | Why::Returned => 0,
        Why::OverLimit | Why::LimitUnknown => 1,
        Why::Outside | Why::Unread | Why::UnreadNearCannot | Why::UnknownResource | Why::BuiltIn => 2,
        Why::TestFails | Why::TestUnknown | Why::FieldNotCovered | Why::Ended => 3,
    };
    let with_line = strictest.iter().min_by_key(rank);
    if let Some(stop) = with_line {
        let said = ground(policy, reading, stop);
        all.why = format!("{}.", capital(&said.why));
        if let (Some(line), Some(section), Some(words)) = (said.line, said.section, &said.text) {
            all.line = Some(format!("Line {line} of the scope, under “{section}”: {words}."));
        }
    }
    match decision.verdict {
        Verdict::Refuse
            if decision
                .grounds
                .iter()
                .any(|g| g.why == Why::Matches || g.why == Why::FiresInDoubt || g.why == Why::UnreadNearCannot) =>
        {
            all.never = Some("Nobody can confirm this; asking again gives the same answer.".to_owned());
        }
        Verdict::Refuse | Verdict::Hold | Verdict::Allow => {}
    }
    let near: Vec<String> = near_lines(policy, decision)
        .iter()
        .map(|line| format!("{}: {}", line.section.title(), print_line(line)))
        .collect();
    if decision.verdict != Verdict::Allow && !near.is_empty() {
        all.instead = Some(format!("Without asking, this is allowed: {}.", near.join("; ")));
    } else if decision.verdict == Verdict::Refuse {
        let rest = "Do the part of the task that the scope covers, and tell the person what you could not do and why.";
        all.instead = Some(rest.to_owned());
    }
    all
}

fn near_lines<'a>(policy: &'a Policy, decision: &Decision) -> Vec<&'a Line> {
    let near = |g: &&Ground| matches!(g.why, Why::TestFails | Why::TestUnknown | Why::FieldNotCovered | Why::OverLimit);
    let lines = decision
        .grounds
        .iter()
        .filter(near)
        .filter_map(|g| policy.line(g.line?))
        .map(|l| &l.line)
        .filter(|l| l.section.is_can());
    lines.take(3).collect()
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// How surely a sentence is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kept {
    /// Ambit stands between the agent and the system.
    Enforced,
    /// Ambit stands between, but agent and Ambit run as the same operating-system user: the agent could go around.
    Advised,
    /// No gate of Ambit sees this system yet.
    NotVisible,
}

impl Kept {
    /// Its words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Kept::Enforced => "enforced",
            Kept::Advised => "advised",
            Kept::NotVisible => "not visible here",
        }
    }
}

/// What the caller knows about how an installation stands.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The systems with a gate in front of them.
    pub gates: Vec<SystemKind>,
    /// Whether agent and Ambit run as the same operating-system user.
    pub same_user: bool,
}

/// A whole scope in plain sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// The agent.
    pub agent: String,
    /// The document's title.
    pub title: String,
    /// What it is for.
    pub purpose: String,
    /// Who answers for it.
    pub owner: String,
    /// The task in which it holds so; absent: the scope as it stands, with the lines for every task.
    pub task: Option<String>,
    /// The four answers.
    pub answers: Vec<Answer>,
    /// What it may do besides, whatever the lines say: one sentence a database that some line lets it reach.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub built_in: Vec<String>,
    /// What happens to everything else.
    pub otherwise: String,
}

/// The answer to one of the four questions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The heading it comes from.
    pub section: Section,
    /// The start of the sentence: "This agent can read".
    pub lead: String,
    /// How the sentence goes on; empty: nothing.
    pub items: Vec<Item>,
}

/// One line, said back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// The line in canonical words: reading it again gives the same policy.
    pub words: String,
    /// Where it stands in the document, from 1.
    pub line: usize,
    /// How surely it is kept.
    pub kept: Kept,
    /// What else is to be known: what a set stands for, who is asked, what a reading tool does besides.
    pub notes: Vec<String>,
}

/// Says a whole scope back; with a task's name, as it holds in that task: without the lines for others.
#[must_use]
pub fn tell(policy: &Policy, sight: &Sight, task: Option<&str>) -> Told {
    let holds = |line: &Line| match (task, &line.tasks) {
        (None, _) | (_, None) => true,
        (Some(task), Some(Tasks::Only(names))) => names.iter().any(|name| name == task),
        (Some(task), Some(Tasks::AnyBut(names))) => names.iter().all(|name| name != task),
    };
    let front = &policy.document.front;
    let answers = Section::ALL.into_iter().map(|section| Answer {
        section,
        lead: match section {
            Section::CanRead => "This agent can read",
            Section::CanWrite => "It can write",
            Section::MustConfirm => "A human must confirm before it may",
            Section::CannotTouch => "It cannot touch",
        }
        .to_owned(),
        items: policy
            .lines
            .iter()
            .filter(|l| l.line.section == section && holds(&l.line))
            .map(|l| item(policy, l, sight, task))
            .collect(),
    });
    Told {
        agent: front.agent.clone(),
        title: policy.document.title.clone(),
        purpose: policy.document.purpose.clone(),
        owner: front.owner.clone(),
        task: task.map(str::to_owned),
        answers: answers.collect(),
        built_in: built_in(policy, holds),
        otherwise: match front.outside {
            Outside::Confirm => "If it needs to do anything outside this scope, a human must confirm first.",
            Outside::Refuse => "Anything outside this scope is refused.",
        }
        .to_owned(),
    }
}

/// What is granted in every database that the lines let it reach.
fn built_in(policy: &Policy, holds: impl Fn(&Line) -> bool) -> Vec<String> {
    let lines = policy.lines.iter().filter(|l| l.line.section != Section::CannotTouch && holds(&l.line));
    let reached = lines.flat_map(|l| &l.reach).filter_map(|(resource, ..)| policy.catalog().resource(*resource));
    let systems: BTreeSet<_> = reached.map(|resource| resource.system).collect();
    let databases = systems.into_iter().filter_map(|system| policy.catalog().system(system));
    let what = [BuiltIn::Computes, BuiltIn::Session, BuiltIn::Names].map(BuiltIn::words).join("; ");
    databases
        .filter(|system| system.kind == SystemKind::Postgres)
        .map(|system| {
            format!(
                "In the database `{}` it may besides, whatever the lines say: {what}. The names of everything in it leak through that.",
                system.name
            )
        })
        .collect()
}

fn item(policy: &Policy, line: &PolicyLine, sight: &Sight, task: Option<&str>) -> Item {
    let kinds = line
        .reach
        .iter()
        .filter_map(|(r, ..)| policy.catalog().resource(*r))
        .filter_map(|r| policy.catalog().system(r.system))
        .map(|s| s.kind);
    let kept = kinds
        .map(|kind| {
            if !sight.gates.contains(&kind) {
                Kept::NotVisible
            } else if sight.same_user {
                Kept::Advised
            } else {
                Kept::Enforced
            }
        })
        .max()
        .unwrap_or(Kept::Enforced);
    let mut notes = Vec::new();
    if task.is_none()
        && let Some(note) = task_note(&line.line)
    {
        notes.push(note.to_owned());
    }
    if line.line.targets.iter().any(|t| !matches!(t, Target::Named { .. } | Target::Anything)) {
        let mut paths: Vec<String> = line.reach.iter().map(|(r, ..)| policy.catalog().path(*r)).collect();
        paths.sort();
        paths.dedup();
        let shown = if paths.len() > 12 {
            format!("{} and {} more", paths.iter().take(12).cloned().collect::<Vec<_>>().join(", "), paths.len() - 12)
        } else {
            paths.join(", ")
        };
        notes.push(format!(
            "today that is {shown}{}",
            if line.line.section.is_can() { "; what is added later is not covered" } else { "" }
        ));
    }
    for (resource, ..) in &line.reach {
        let Some(found) = policy.catalog().resource(*resource) else { continue };
        if line.line.section == Section::CanRead && found.kind.is_called() && !found.declared.effects.is_empty() {
            let does: Vec<String> = found
                .declared
                .effects
                .iter()
                .map(|e| format!("{} {}", e.verb.word(), policy.catalog().path(e.resource)))
                .collect();
            notes.push(format!("`{}` also does this: {}", policy.catalog().path(*resource), does.join(", ")));
        }
        notes.extend(parts::note(policy, line, *resource, task));
    }
    if line.line.section == Section::MustConfirm || line.line.otherwise_human {
        notes.push(who_words(policy, &line.line));
    }
    Item { words: print_line(&line.line), line: line.line.at.line, kept, notes }
}

/// What a line that speaks of tasks means where there is none; the words of `decide`'s `is_in_force`.
fn task_note(line: &Line) -> Option<&'static str> {
    let asks = |ask: &Ask| match ask {
        Ask::QuotedInRequest | Ask::TaskFact(_) => true,
        Ask::In(set) | Ask::AddressAt(set) | Ask::UrlAt(set) | Ask::Under(set) => *set == Set::Request,
        _ => false,
    };
    let looks = line.tests.iter().flat_map(|t| &t.any).any(|p| asks(&p.ask))
        || line.limits.iter().any(|l| l.per == Window::Task);
    match (&line.tasks, line.section.is_can()) {
        (Some(_), true) => Some("counts in such a task alone, which a person opens (`ambit task open`)"),
        (Some(Tasks::Only(_)), false) => Some("counts in such a task alone"),
        (Some(Tasks::AnyBut(_)), false) => Some("counts without a task as well"),
        (None, true) if looks => Some("counts in a task alone, which a person opens (`ambit task open`)"),
        (None, false) if looks => Some("without a task what it asks cannot be told, and doubt counts as yes"),
        (None, _) => None,
    }
}

/// Who is asked by a line, in words, with the names of today.
#[must_use]
pub fn who_words(policy: &Policy, line: &Line) -> String {
    let names = |fits: &dyn Fn(&crate::policy::Person) -> bool| {
        let names: Vec<&str> = policy.setting.people.iter().filter(|p| fits(p)).map(|p| p.name.as_str()).collect();
        if names.is_empty() { "nobody today".to_owned() } else { names.join(", ") }
    };
    match &line.by {
        None => {
            let owners: Vec<&str> = policy.owners().iter().map(|p| p.name.as_str()).collect();
            format!(
                "asked: the owner, the backup owner, or the person for whom the task runs{}",
                if owners.is_empty() { String::new() } else { format!(" ({})", owners.join(", ")) }
            )
        }
        Some(Who::Named(name)) => format!("asked: {} ({})", name, names(&|p| p.roles.contains(name) || p.is(name))),
        Some(Who::TwoOf(role)) => format!("asked: two of {} ({})", role, names(&|p| p.roles.contains(role))),
        Some(Who::SomeoneElse) => "asked: somebody else than the one who asks".to_owned(),
    }
}
