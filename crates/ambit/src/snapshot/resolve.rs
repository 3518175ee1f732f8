//! What a snapshot means: the same, whether it was taken a moment ago or kept for a year.

use std::sync::Arc;

use ambit_core::decimal::Decimal;
use ambit_core::policy::{self, Policy, Setting};
use ambit_core::ready;
use ambit_core::scope::diagnostics::{Diagnostic, Severity, nearest};
use ambit_core::scope::parse::{self, Parsed};
use ambit_core::scope::{Document, Literal, Span, compile};
use ambit_core::time::Date;

use super::{LIST, Shared, Snapshot};
use crate::catalog::catalog_of;
use crate::config::{self, Config, ListKind, Member};
use crate::lock::{self, Lock};
use crate::report::Findings;

/// What a snapshot means.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The agent.
    pub agent: String,
    /// `ambit.toml`; empty when it has errors.
    pub config: Arc<Config>,
    /// `ambit.lock`; empty when it has errors.
    pub lock: Arc<Lock>,
    /// What the scope is compiled against: the catalog, the lists, the people.
    pub setting: Setting,
    /// The scope as read; with an error among the findings it is what could be told.
    pub document: Document,
    /// What it means; `None` exactly when an error was found somewhere.
    pub policy: Option<Policy>,
    /// What was found, file by file: `ambit.toml`, `ambit.lock`, the lists' files, and the scope last. Whether the
    /// scope is ready is another question: see [`Resolved::checked`].
    pub findings: Vec<Findings>,
}

impl Resolved {
    /// What was found, and what keeps the scope from being ready on that day (`None`: whatever the day).
    #[must_use]
    pub fn checked(&self, today: Option<Date>) -> Vec<Findings> {
        let mut findings = self.findings.clone();
        if let (Some(policy), Some(scope)) = (&self.policy, findings.last_mut()) {
            scope.diagnostics.extend(ready::findings(policy, today));
            scope.diagnostics.sort_by_key(|one| one.at.bytes.start);
        }
        findings
    }

    /// Whether the scope is ready to be released on that day: nothing but notes.
    #[must_use]
    pub fn is_ready(&self, today: Option<Date>) -> bool {
        let findings = self.checked(today);
        self.policy.is_some() && findings.iter().all(|findings| findings.worst() < Some(Severity::NotReady))
    }
}

impl Snapshot {
    /// What it means, from its own text alone.
    #[must_use]
    pub fn resolve(&self) -> Resolved {
        self.resolve_sharing(&Shared::default())
    }

    /// The same, with what it has in common with others that are held.
    #[must_use]
    pub fn resolve_sharing(&self, shared: &Shared) -> Resolved {
        let (config, config_is_sound, mut in_config) = shared.config(self.config_text());
        let (lock, lock_is_sound, mut in_lock) = shared.lock_of(self.lock_text());
        let both = config_is_sound && lock_is_sound;
        let (mut setting, mut in_lists) = (Setting::default(), Vec::new());
        if both {
            in_config.extend(self.unknown_agent(&config));
            let (catalog, problems) = catalog_of(&config, &lock, Some(self.agent()));
            in_config.extend(problems.in_config);
            in_lock.extend(problems.in_lock);
            let systems = config.agents.get(self.agent()).into_iter().flat_map(|agent| &agent.systems);
            let of = [self.config_text(), self.lock_text()].into_iter().chain(systems.map(String::as_str));
            setting.catalog = shared.catalog(&of.map(str::as_bytes).collect::<Vec<_>>(), catalog);
            setting.people = people_of(&config);
            for (name, list) in &config.lists {
                let (members, found) = self.members(name, list, &config);
                setting.lists.insert(name.clone(), list_of(list, members));
                match self.parts.get(&format!("{LIST}{name}")) {
                    Some(text) => in_lists.push(in_file(list.file.as_deref().unwrap_or(name), text, found)),
                    None => in_config.extend(found),
                }
            }
        }
        in_config.sort_by_key(|one| one.at.bytes.start);
        let Parsed { document, diagnostics: mut in_scope } = parse::parse(self.scope_text());
        if in_scope.iter().all(|one| one.severity != Severity::Error) && document.front.agent != self.agent() {
            in_scope.push(self.other_agent(&document.front.agent));
        }
        let mut findings = vec![in_file(config::find::NAME, self.config_text(), in_config)];
        findings.push(in_file(lock::NAME, self.lock_text(), in_lock));
        findings.extend(in_lists);
        let mut policy = None;
        let sound = |findings: &Findings| findings.worst() < Some(Severity::Error);
        if findings.iter().all(sound) && in_scope.iter().all(|one| one.severity != Severity::Error) {
            let compiled = compile::compile(&document, &setting);
            policy = compiled.policy;
            in_scope.extend(compiled.diagnostics);
        }
        let scope_name = config.agents.get(self.agent()).map_or("SCOPE.md", |agent| agent.scope.as_str());
        findings.push(in_file(scope_name, self.scope_text(), in_scope));
        Resolved { agent: self.agent().to_owned(), config, lock, setting, document, policy, findings }
    }

    fn unknown_agent(&self, config: &Config) -> Option<Diagnostic> {
        if config.agents.contains_key(self.agent()) {
            return None;
        }
        let message = format!("there is no agent `{}`", self.agent());
        let help = match nearest(self.agent(), config.agents.keys().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("add `[agents.{}]` with its `scope` and its `systems`", self.agent()),
        };
        Some(Diagnostic::error("unknown-agent", config.at(&["agents"]), message, help))
    }

    fn other_agent(&self, named: &str) -> Diagnostic {
        let mut start = 0;
        let mut at = Span { bytes: 0..0, line: 1 };
        for (number, line) in self.scope_text().split_inclusive('\n').enumerate() {
            if line.starts_with("agent:") {
                at = Span { bytes: start..start + line.trim_end().len(), line: number + 1 };
                break;
            }
            start += line.len();
        }
        let message = format!("this is the scope of `{named}`, and `ambit.toml` has it for `{}`", self.agent());
        Diagnostic::error(
            "other-agent",
            at,
            message,
            format!("write `agent: {}`, or correct `ambit.toml`", self.agent()),
        )
    }

    /// The members of a list: those in `ambit.toml`, or those in its file.
    fn members(&self, name: &str, list: &config::List, config: &Config) -> (Vec<Literal>, Vec<Diagnostic>) {
        if let Some(members) = &list.members {
            return (members.iter().map(literal_of).collect(), Vec::new());
        }
        let Some(text) = self.parts.get(&format!("{LIST}{name}")) else {
            // A list whose file is not in the snapshot has no members, and says so: fail closed.
            let message = format!("the file of the list `{name}` is missing");
            let help = "take the snapshot again";
            return (Vec::new(), vec![Diagnostic::error("missing-list", config.at(&["lists", name]), message, help)]);
        };
        read_list(text, list.kind)
    }
}

fn in_file(file: &str, text: &str, diagnostics: Vec<Diagnostic>) -> Findings {
    Findings { file: file.to_owned(), text: text.to_owned(), diagnostics }
}

fn list_of(list: &config::List, members: Vec<Literal>) -> policy::List {
    let kind = list.kind.into();
    policy::List { kind, members, add: list.add.clone(), outsiders_can_extend: list.outsiders_can_extend }
}

/// The members that a list's file holds, one a line.
pub(super) fn read_list(text: &str, kind: ListKind) -> (Vec<Literal>, Vec<Diagnostic>) {
    let (mut members, mut found) = (Vec::new(), Vec::new());
    let mut start = 0;
    for (number, whole) in text.split_inclusive('\n').enumerate() {
        let line = whole.trim_end_matches(['\n', '\r']);
        if !line.is_empty() && !line.starts_with('#') {
            match kind.misfit(line) {
                None => members.push(Literal::Text(line.to_owned())),
                Some(wanted) => {
                    let at = Span { bytes: start..start + line.len(), line: number + 1 };
                    let help = "correct the line, or change the list's `kind`";
                    found.push(Diagnostic::error("wrong-member", at, format!("`{line}` is not {wanted}"), help));
                }
            }
        }
        start += whole.len();
    }
    (members, found)
}

fn literal_of(member: &Member) -> Literal {
    match member {
        Member::Text(text) => Literal::Text(text.clone()),
        Member::Truth(truth) => Literal::Bool(*truth),
        Member::Number(number) => {
            let magnitude = Decimal::from(number.unsigned_abs());
            let signed = if *number < 0 { Decimal::ZERO.checked_sub(magnitude) } else { Some(magnitude) };
            Literal::Number(signed.unwrap_or(magnitude))
        }
    }
}

fn people_of(config: &Config) -> Vec<policy::Person> {
    let person = |(name, person): (&String, &config::Person)| policy::Person {
        name: name.clone(),
        email: Some(person.email.clone()),
        roles: person.roles.clone(),
    };
    config.people.iter().map(person).collect()
}

impl From<ListKind> for policy::ListKind {
    fn from(kind: ListKind) -> policy::ListKind {
        match kind {
            ListKind::Value => policy::ListKind::Value,
            ListKind::Address => policy::ListKind::Address,
            ListKind::Domain => policy::ListKind::Domain,
            ListKind::Host => policy::ListKind::Host,
            ListKind::Path => policy::ListKind::Path,
        }
    }
}
