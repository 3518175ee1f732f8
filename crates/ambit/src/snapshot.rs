//! Everything that a policy uses, as one value: the scope, `ambit.toml`, `ambit.lock` and the lists' files.
//!
//! A release is the bytes of a snapshot, and what is in force is read back from those bytes, never from the disk. So
//! that the two cannot differ, there is one way from a snapshot to a policy, whether it was just taken or was kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ambit_core::action::Digest;
use ambit_core::policy::{self, Setting};
use ambit_core::scope::diagnostics::{Diagnostic, Severity, nearest};
use ambit_core::scope::{Literal, Span};

use crate::catalog::catalog_of;
use crate::config::{self, Config, ListKind, Member};
use crate::home::{Home, OpenError, read_text};
use crate::lock::{self, Lock};
use crate::report::Findings;

/// The most bytes of a scope document or a list's file that are read.
pub const MOST_BYTES: usize = 4 << 20;

const HEAD: &str = "ambit snapshot 1\n";
const AGENT: &str = "agent";
const SCOPE: &str = "scope";
const CONFIG: &str = "config";
const LOCK: &str = "lock";
const LIST: &str = "list/";

/// Everything that the policy of one agent uses, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// By part: `agent`, `scope`, `config`, `lock`, and `list/NAME` for each list that is kept in a file.
    parts: BTreeMap<String, String>,
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// `ambit.toml` has no such agent.
    #[error("there is no agent `{agent}` in `ambit.toml`")]
    NoAgent {
        /// Which.
        agent: String,
        /// The nearest there is.
        near: Option<String>,
    },
    /// A file that it needs cannot be read.
    #[error(transparent)]
    Unreadable(#[from] OpenError),
    /// A file is larger than any such file ought to be.
    #[error("`{}` has more than {MOST_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// The bytes are not those of a snapshot.
    #[error("these bytes are no snapshot: {0}")]
    NotOne(&'static str),
}

/// What a snapshot means.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The agent.
    pub agent: String,
    /// `ambit.toml`; empty when it has errors.
    pub config: Config,
    /// `ambit.lock`; empty when it has errors.
    pub lock: Lock,
    /// The text of the scope document.
    pub scope_text: String,
    /// What the scope is compiled against: the catalog, the lists, the people.
    pub setting: Setting,
    /// What was found, file by file: `ambit.toml`, `ambit.lock`, the lists' files. The scope has findings of its own.
    pub findings: Vec<Findings>,
}

impl Resolved {
    /// Whether nothing that was found is an error. Compile nothing over a resolution that is not sound.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|findings| findings.worst() < Some(Severity::Error))
    }
}

impl Snapshot {
    /// Everything that the policy of that agent uses, as it stands on the disk now.
    ///
    /// # Errors
    /// When there is no such agent, or a file cannot be read.
    pub fn take(home: &Home, agent: &str) -> Result<Snapshot, SnapshotError> {
        let Some(path) = home.scope_path(agent) else {
            let near = nearest(agent, home.config.agents.keys().map(String::as_str)).map(str::to_owned);
            return Err(SnapshotError::NoAgent { agent: agent.to_owned(), near });
        };
        Snapshot::with_scope(home, agent, read_bounded(&path)?)
    }

    /// The same with another text for the scope document.
    ///
    /// # Errors
    /// When a list's file cannot be read.
    pub fn with_scope(home: &Home, agent: &str, scope: String) -> Result<Snapshot, SnapshotError> {
        let mut parts = BTreeMap::new();
        for (name, list) in &home.config.lists {
            if let Some(file) = &list.file {
                parts.insert(format!("{LIST}{name}"), read_bounded(&home.dir().join(file))?);
            }
        }
        parts.insert(AGENT.to_owned(), agent.to_owned());
        parts.insert(SCOPE.to_owned(), scope);
        parts.insert(CONFIG.to_owned(), home.config_text.clone());
        parts.insert(LOCK.to_owned(), home.lock_text.clone());
        Ok(Snapshot { parts })
    }

    /// Its canonical bytes: the parts in the order of their names, each with its length before it.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = HEAD.as_bytes().to_vec();
        for (name, text) in &self.parts {
            bytes.extend_from_slice(format!("{name} {}\n", text.len()).as_bytes());
            bytes.extend_from_slice(text.as_bytes());
            bytes.push(b'\n');
        }
        bytes
    }

    /// The digest of its bytes: that of a release.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of("ambit/snapshot/1", &[&self.bytes()])
    }

    /// Reads a snapshot back.
    ///
    /// # Errors
    /// When the bytes are not exactly those that a snapshot has.
    pub fn from_bytes(bytes: &[u8]) -> Result<Snapshot, SnapshotError> {
        let text = std::str::from_utf8(bytes).map_err(|_| SnapshotError::NotOne("not UTF-8"))?;
        let mut rest = text.strip_prefix(HEAD).ok_or(SnapshotError::NotOne("another form"))?;
        let mut parts = BTreeMap::new();
        while !rest.is_empty() {
            let cut = SnapshotError::NotOne("cut off");
            let Some((name, length, after)) = part(rest) else { return Err(cut) };
            let Some((text, after)) = after.split_at_checked(length) else { return Err(cut) };
            rest = after.strip_prefix('\n').ok_or(cut)?;
            parts.insert(name.to_owned(), text.to_owned());
        }
        let snapshot = Snapshot { parts };
        let known = |name: &str| [AGENT, SCOPE, CONFIG, LOCK].contains(&name) || name.starts_with(LIST);
        if ![AGENT, SCOPE, CONFIG, LOCK].iter().all(|name| snapshot.parts.contains_key(*name)) {
            return Err(SnapshotError::NotOne("a part is missing"));
        }
        // One snapshot, one text of it: else two digests could stand for the same policy.
        if !snapshot.parts.keys().all(|name| known(name)) || snapshot.bytes() != bytes {
            return Err(SnapshotError::NotOne("not in its canonical form"));
        }
        Ok(snapshot)
    }

    /// The agent whose policy it is.
    #[must_use]
    pub fn agent(&self) -> &str {
        self.part(AGENT)
    }

    /// The text of the scope document.
    #[must_use]
    pub fn scope_text(&self) -> &str {
        self.part(SCOPE)
    }

    /// The text of `ambit.toml`.
    #[must_use]
    pub fn config_text(&self) -> &str {
        self.part(CONFIG)
    }

    /// The text of `ambit.lock`; empty when there was none.
    #[must_use]
    pub fn lock_text(&self) -> &str {
        self.part(LOCK)
    }

    /// What it means, from its own text alone.
    #[must_use]
    pub fn resolve(&self) -> Resolved {
        let (config, mut in_config) = config::read(self.config_text());
        let (lock, mut in_lock) = match self.lock_text() {
            "" => (Some(Lock::new()), Vec::new()),
            text => lock::read(text),
        };
        let is_sound = config.is_some() && lock.is_some();
        let (config, lock) = (config.unwrap_or_default(), lock.unwrap_or_default());
        let mut setting = Setting::default();
        let mut findings = Vec::new();
        if is_sound {
            if !config.agents.contains_key(self.agent()) {
                let message = format!("there is no agent `{}`", self.agent());
                let help = match nearest(self.agent(), config.agents.keys().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add `[agents.{}]` with its `scope` and its `systems`", self.agent()),
                };
                in_config.push(Diagnostic::error("unknown-agent", config.at(&["agents"]), message, help));
            }
            let (catalog, problems) = catalog_of(&config, &lock, Some(self.agent()));
            in_config.extend(problems.in_config);
            in_lock.extend(problems.in_lock);
            setting.catalog = Arc::new(catalog);
            setting.people = people_of(&config);
            for (name, list) in &config.lists {
                let (members, found) = self.members(name, list, &config);
                let add = list.add.clone();
                let outsiders_can_extend = list.outsiders_can_extend;
                setting
                    .lists
                    .insert(name.clone(), policy::List { kind: list.kind.into(), members, add, outsiders_can_extend });
                match &list.file {
                    Some(file) => {
                        let text = self.parts.get(&format!("{LIST}{name}")).cloned().unwrap_or_default();
                        findings.push(Findings { file: file.clone(), text, diagnostics: found });
                    }
                    None => in_config.extend(found),
                }
            }
        }
        in_config.sort_by_key(|one| one.at.bytes.start);
        let lock_findings =
            Findings { file: lock::NAME.to_owned(), text: self.lock_text().to_owned(), diagnostics: in_lock };
        findings.insert(0, lock_findings);
        let config_text = self.config_text().to_owned();
        findings.insert(0, Findings { file: config::find::NAME.to_owned(), text: config_text, diagnostics: in_config });
        Resolved {
            agent: self.agent().to_owned(),
            config,
            lock,
            scope_text: self.scope_text().to_owned(),
            setting,
            findings,
        }
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

    fn part(&self, name: &str) -> &str {
        self.parts.get(name).map_or("", String::as_str)
    }
}

/// `NAME LENGTH` and a line break: the name, the length, and what follows.
fn part(text: &str) -> Option<(&str, usize, &str)> {
    let (line, after) = text.split_once('\n')?;
    let (name, length) = line.split_once(' ')?;
    Some((name, length.parse().ok()?, after))
}

/// The members that a list's file holds, one a line.
fn read_list(text: &str, kind: ListKind) -> (Vec<Literal>, Vec<Diagnostic>) {
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
            let magnitude = ambit_core::decimal::Decimal::from(number.unsigned_abs());
            let signed =
                if *number < 0 { ambit_core::decimal::Decimal::ZERO.checked_sub(magnitude) } else { Some(magnitude) };
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

fn read_bounded(path: &Path) -> Result<String, SnapshotError> {
    let text = read_text(path)?;
    if text.len() > MOST_BYTES { Err(SnapshotError::TooLarge(path.to_owned())) } else { Ok(text) }
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CONFIG_TEXT: &str = "
[systems.docs]
kind = \"mcp\"
command = [\"docs\"]
[people.dana]
email = \"dana@acme.example\"
roles = [\"lead\"]
[lists.payees]
kind = \"value\"
file = \"payees.txt\"
[lists.codes]
kind = \"value\"
members = [\"5\", 5, -3, true]
[agents.helper]
scope = \"SCOPE.md\"
systems = [\"docs\"]
";
    const LOCK_TEXT: &str = "version = 1
[systems.docs]
kind = \"mcp\"
looked-at = \"2026-11-23\"
[systems.docs.tools.reply]
definition = '{\"name\":\"reply\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"to\":{\"type\":\"string\"}}}}'
";

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("ambit.toml", CONFIG_TEXT),
            ("ambit.lock", LOCK_TEXT),
            ("SCOPE.md", "# Helper\n"),
            ("payees.txt", "# who was paid\nDE02 1001\n\nFR76\n"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let home = Home::open(&dir.path().join("ambit.toml")).unwrap();
        (dir, home)
    }

    #[test]
    fn what_is_kept_means_what_was_on_the_disk() {
        let (dir, home) = home();
        let taken = Snapshot::take(&home, "helper").unwrap();
        let kept = taken.bytes();
        // What happens to the files afterwards changes nothing.
        drop(dir);
        let back = Snapshot::from_bytes(&kept).unwrap();
        assert_eq!((&back, back.digest()), (&taken, taken.digest()));
        let (was, is) = (taken.resolve(), back.resolve());
        assert!(was.is_sound(), "{:?}", was.findings);
        assert_eq!((&was.config, &was.lock, &was.scope_text), (&is.config, &is.lock, &is.scope_text));
        assert_eq!(
            (&was.setting.catalog, &was.setting.lists, &was.setting.people),
            (&is.setting.catalog, &is.setting.lists, &is.setting.people)
        );
        assert_eq!(is.scope_text, "# Helper\n");
        let text = |text: &str| Literal::Text(text.into());
        assert_eq!(is.setting.lists["payees"].members, [text("DE02 1001"), text("FR76")]);
        let number = |text| Literal::Number(ambit_core::decimal::Decimal::parse(text).unwrap());
        assert_eq!(is.setting.lists["codes"].members, [text("5"), number("-3"), number("5"), Literal::Bool(true)]);
        assert!(is.setting.people[0].is("dana@acme.example"));
        assert_eq!(is.setting.catalog.resources().count(), 1);
    }

    #[test]
    fn the_digest_is_of_everything_and_of_nothing_else() {
        let (dir, home) = home();
        let before = Snapshot::take(&home, "helper").unwrap().digest();
        assert_eq!(Snapshot::take(&home, "helper").unwrap().digest(), before);
        std::fs::write(dir.path().join("README.md"), "not used").unwrap();
        let again = |dir: &tempfile::TempDir| {
            Snapshot::take(&Home::open(&dir.path().join("ambit.toml")).unwrap(), "helper").unwrap().digest()
        };
        assert_eq!(again(&dir), before);
        let mut seen = vec![before];
        for name in ["ambit.toml", "ambit.lock", "SCOPE.md", "payees.txt"] {
            let path = dir.path().join(name);
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, format!("{text}\n# one more line\n")).unwrap();
            let digest = again(&dir);
            assert!(!seen.contains(&digest), "{name}");
            seen.push(digest);
        }
        // The digest stands in journals: changing how it is made makes every release of before unknown.
        let fixed = Snapshot {
            parts: [("agent", "a"), ("config", ""), ("lock", ""), ("scope", "s")]
                .map(|(k, v)| (k.into(), v.into()))
                .into(),
        };
        assert_eq!(fixed.bytes(), b"ambit snapshot 1\nagent 1\na\nconfig 0\n\nlock 0\n\nscope 1\ns\n");
        insta::assert_snapshot!(fixed.digest(), @"
        5b37fd4f8e8b45ef9726084a0df34231d91a798643a039ef44127a29067fb1f4
        ");
    }

    #[test]
    fn what_is_missing_is_an_error_and_not_an_empty_list() {
        let (dir, home) = home();
        let near = Snapshot::take(&home, "helpr").unwrap_err();
        assert!(matches!(near, SnapshotError::NoAgent { near: Some(near), .. } if near == "helper"));
        let mut snapshot = Snapshot::take(&home, "helper").unwrap();
        snapshot.parts.remove("list/payees");
        let resolved = snapshot.resolve();
        assert!(!resolved.is_sound());
        std::fs::remove_file(dir.path().join("payees.txt")).unwrap();
        assert!(matches!(Snapshot::take(&home, "helper"), Err(SnapshotError::Unreadable(_))));
    }

    #[test]
    fn a_list_with_a_line_that_does_not_fit_is_an_error_at_that_line() {
        let (members, found) = read_list("a@b.example\nnobody\n# c\n\r\nd@e.example", ListKind::Address);
        assert_eq!(members.len(), 2);
        assert_eq!((found[0].name, found[0].at.clone()), ("wrong-member", Span { bytes: 12..18, line: 2 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn bytes_are_read_back_or_refused(scope in ".{0,40}", config in ".{0,40}", cut in 0usize..200, byte in any::<u8>()) {
            let parts = [("agent", "a"), ("config", &config), ("lock", ""), ("scope", &scope), ("list/x", "1\n")];
            let snapshot = Snapshot { parts: parts.map(|(k, v)| (k.to_owned(), v.to_owned())).into() };
            let mut bytes = snapshot.bytes();
            prop_assert_eq!(Snapshot::from_bytes(&bytes).unwrap(), snapshot.clone());
            let cut = cut % bytes.len();
            prop_assert!(Snapshot::from_bytes(&bytes[..cut]).is_err() || cut == bytes.len());
            bytes[cut] = byte;
            if let Ok(other) = Snapshot::from_bytes(&bytes) {
                prop_assert_eq!(other.bytes(), bytes);
            }
        }
    }
}
