//! What is wrong with an `ambit.toml` whose shape is right: names that lead nowhere, secrets written out, programs
//! that are not pinned.

use std::net::SocketAddr;

use ambit_core::catalog::SystemKind;
use ambit_core::returns::{Inward, Part};
use ambit_core::scope::diagnostics::{Diagnostic, nearest};

use url::Url;

use super::{
    Agent, Config, Http, Kind, List, ListKind, Member, Person, Postgres, Returns, Secret, Setting, System, Tool,
    ToolNames,
};
use crate::loopback;

/// Everything that is wrong, in no order.
pub(super) fn check(config: &Config) -> Vec<Diagnostic> {
    let mut check = Check { config, found: Vec::new() };
    for (name, system) in &config.systems {
        check.system(name, system);
    }
    for (name, person) in &config.people {
        check.person(name, person);
    }
    for (name, list) in &config.lists {
        check.list(name, list);
    }
    for (path, tags) in &config.tags {
        check.tagged(path, tags);
    }
    for (name, agent) in &config.agents {
        check.agent(name, agent);
    }
    for (name, caller) in &config.callers {
        check.caller(name, caller);
    }
    if let Some(Http { listen, certificate, key, .. }) = &config.http {
        check.listen("http", "127.0.0.1:7171", listen, certificate.is_some() && key.is_some());
    }
    if let Some(Postgres { listen, certificate, key }) = &config.postgres {
        check.listen("postgres", "127.0.0.1:6432", listen, certificate.is_some() && key.is_some());
    }
    if let Some(digest) = &config.digest {
        check.digest(digest);
    }
    check.found
}

pub(super) struct Check<'a> {
    pub(super) config: &'a Config,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn listen(&mut self, table: &str, usual: &str, listen: &str, has_certificate: bool) {
        let at = [table, "listen"];
        match listen.parse::<SocketAddr>() {
            Err(_) => {
                let message = format!("`{listen}` is no address to listen at");
                self.error("bad-listen", &at, message, format!("write `{usual}`, or another address with its port"));
            }
            Ok(address) if !loopback::is_loopback(address.ip()) && !has_certificate => {
                let message = format!("`{address}` can be reached from other machines, and there is no certificate");
                self.error("bad-listen", &at, message, "add `certificate` and `key`, or listen on `127.0.0.1`");
            }
            Ok(_) => {}
        }
    }

    fn system(&mut self, name: &str, system: &System) {
        let here = ["systems", name];
        if !is_name(name) || name.contains('.') || name.contains("__") {
            let help = "a system's name is made of letters, digits, `-` and single `_`; it is the part of a target before the first dot";
            self.error("name-not-plain", &here, format!("`{name}` cannot be a system's name"), help);
        }
        match system.kind {
            Kind::Mcp | Kind::Shell
                if system.command.is_empty() && (system.kind == Kind::Shell || system.url.is_none()) =>
            {
                self.error(
                    "missing-key",
                    &here,
                    format!("the system `{name}` has no `command`"),
                    "add `command = [\"PROGRAM\", \"ARGUMENT\"]`",
                );
            }
            Kind::Mcp if !system.command.is_empty() && system.url.is_some() => {
                let message = format!("the system `{name}` has a `command` and a `url`");
                self.error("contradiction", &["systems", name, "url"], message, "say one of the two");
            }
            Kind::Postgres | Kind::Http if system.url.is_none() => {
                self.error(
                    "missing-key",
                    &here,
                    format!("the system `{name}` has no `url`"),
                    "add `url = { env = \"NAME_OF_A_VARIABLE\" }`",
                );
            }
            _ => {}
        }
        match system.kind {
            Kind::Shell => self.not_for(name, "url", system.url.is_some()),
            Kind::Mcp if system.url.is_some() => {
                self.not_for(name, "env", !system.env.is_empty());
                self.not_for(name, "cwd", system.cwd.is_some());
            }
            Kind::Mcp => {}
            Kind::Postgres | Kind::Http => {
                self.not_for(name, "command", !system.command.is_empty());
                self.not_for(name, "env", !system.env.is_empty());
                self.not_for(name, "cwd", system.cwd.is_some());
            }
        }
        if system.kind != Kind::Postgres {
            self.not_for(name, "schemas", !system.schemas.is_empty());
        }
        if system.kind != Kind::Mcp {
            self.not_for(name, "may-ask", !system.may_ask.is_empty());
        }
        if system.kind != Kind::Mcp || system.url.is_none() {
            self.not_for(name, "token", system.token.is_some());
            self.not_for(name, "oauth", system.oauth.is_some());
            self.not_for(name, "headers", !system.headers.is_empty());
        }
        for (key, setting) in &system.env {
            self.setting(&["systems", name, "env", key], key, setting);
        }
        for (key, setting) in &system.headers {
            self.setting(&["systems", name, "headers", key], key, setting);
        }
        if let (Kind::Mcp, Some(Setting::Plain(url))) = (system.kind, &system.url) {
            self.endpoint(&["systems", name, "url"], url);
        }
        if let Some(url) = &system.url {
            self.setting(&["systems", name, "url"], "url", url);
        }
        for word in &system.command {
            if has_password(word) {
                self.secret_written_out(&["systems", name, "command"], "an argument of `command`");
            }
        }
        self.tags(&["systems", name, "tags"], &system.tags);
        if system.kind == Kind::Mcp {
            for (relation, columns) in &system.relations {
                self.relation(name, relation, columns);
            }
        } else {
            self.not_for(name, "relations", !system.relations.is_empty());
        }
        for tool in &system.reading_tools {
            if system.tools.get(tool).is_some_and(|declared| declared.reads == Some(false)) {
                let message = format!("`{tool}` is among the `reading-tools` and says `reads = false`");
                self.error("contradiction", &["systems", name, "tools", tool, "reads"], message, "say one of the two");
            }
        }
        for (tool, declared) in &system.tools {
            self.tool(name, tool, declared);
        }
    }

    /// What goes to an endpoint and comes from it must not be anybody's to read on the way.
    pub(super) fn endpoint(&mut self, path: &[&str], url: &str) {
        let wrong = match Url::parse(url) {
            Err(_) => format!("`{url}` is no URL"),
            Ok(url) if url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url)) => {
                if url.query_pairs().any(|(name, value)| names_a_secret(&name) && !value.is_empty()) {
                    self.secret_written_out(path, "a parameter of `url`");
                }
                return;
            }
            Ok(url) => format!("`{url}` is not `https`, and not on this machine"),
        };
        self.error("bad-endpoint", path, wrong, "write `https://HOST/PATH`");
    }

    /// What tools return: plain names, and each column once.
    fn relation(&mut self, system: &str, relation: &str, columns: &[String]) {
        let at = ["systems", system, "relations", relation];
        if !is_name(relation) {
            let help = "a name is made of letters, digits, `-`, `_` and `.`";
            self.error("name-not-plain", &at, format!("`{relation}` cannot be a relation's name"), help);
        }
        if columns.is_empty() {
            let help = "write the names of its columns: `[\"id\", \"email\"]`";
            self.error("empty-list", &at, format!("`{relation}` has no columns"), help);
        }
        for (place, column) in columns.iter().enumerate() {
            // Each has to be a step into a result as well.
            let steps = Part::parse(column).map(|part| part.steps);
            if !matches!(steps.as_deref(), Some([Inward::Member(_)])) {
                let help = "a column's name has no dot, bracket or quote in it";
                self.error("name-not-plain", &at, format!("`{column}` cannot be a column's name"), help);
            }
            if columns.iter().take(place).any(|other| other == column) {
                let message = format!("`{column}` stands in `{relation}` twice");
                self.error("duplicate-column", &at, message, "remove one of the two");
            }
        }
    }

    fn not_for(&mut self, system: &str, key: &str, is_set: bool) {
        if is_set {
            let kind = self.config.systems.get(system).map_or("", |system| SystemKind::from(system.kind).word());
            let message = format!("a system of kind `{kind}` has no `{key}`");
            self.error("key-not-for-kind", &["systems", system, key], message, "remove it, or choose another `kind`");
        }
    }

    fn tool(&mut self, system: &str, tool: &str, declared: &Tool) {
        let here = ["systems", system, "tools", tool];
        let says_what = declared.resource.is_some() || declared.fields.is_some();
        if declared.verb.is_none() && says_what {
            let message = format!("`{tool}` says to what it does something, and not what it does");
            self.error("missing-key", &here, message, "add `verb = \"create\"`, or another verb");
        }
        let path = |last| ["systems", system, "tools", tool, last];
        self.tags(&path("tags"), &declared.tags);
        match &declared.returns {
            Returns::Tags(tags) => self.tags(&path("returns"), tags),
            Returns::Parts(parts) if parts.is_empty() => {
                let help = "write `{ \"customers[]\" = \"SYSTEM.RELATION\" }`, or take the key out";
                self.error("empty-list", &path("returns"), format!("`returns` of `{tool}` names no part"), help);
            }
            Returns::Parts(_) => {}
        }
    }

    pub(super) fn setting(&mut self, path: &[&str], key: &str, setting: &Setting) {
        match setting {
            Setting::Plain(text) if has_password(text) || (names_a_secret(key) && !text.is_empty()) => {
                self.secret_written_out(path, &format!("`{key}`"));
            }
            Setting::Secret(Secret::Command(words)) if words.is_empty() => {
                self.error(
                    "empty-list",
                    path,
                    format!("the command that gives `{key}` is empty"),
                    "write the program and its arguments",
                );
            }
            _ => {}
        }
    }

    fn secret_written_out(&mut self, path: &[&str], what: &str) {
        let help = "say where it is instead: `{ env = \"NAME\" }`, `{ file = \"PATH\" }` or `{ command = [\"PROGRAM\"] }`, and change the secret if this file was shared";
        self.error("secret-in-config", path, format!("{what} looks like a secret written out"), help);
    }

    fn person(&mut self, name: &str, person: &Person) {
        let here = ["people", name];
        if !is_name(name) {
            self.error(
                "name-not-plain",
                &here,
                format!("`{name}` cannot be a person's name"),
                "a name is made of letters, digits, `-`, `_` and `.`",
            );
        }
        if self.config.roles().contains(name) {
            let message = format!("`{name}` is a person and a role");
            self.error(
                "ambiguous-name",
                &here,
                message,
                "a scope says `by NAME`: give the person or the role another name",
            );
        }
        if !is_address(&person.email) {
            self.error(
                "bad-address",
                &["people", name, "email"],
                format!("`{}` is not a mail address", person.email),
                "write it as `name@domain.example`",
            );
        }
        let twin = self
            .config
            .people
            .iter()
            .find(|(other, twin)| other.as_str() < name && twin.email.eq_ignore_ascii_case(&person.email));
        if let Some((twin, _)) = twin {
            let message = format!("`{twin}` and `{name}` have the same address");
            self.error(
                "duplicate-person",
                &["people", name, "email"],
                message,
                "one person has one entry, with all their roles",
            );
        }
        for role in &person.roles {
            if !is_name(role) {
                self.error(
                    "name-not-plain",
                    &["people", name, "roles"],
                    format!("`{role}` cannot be a role's name"),
                    "a name is made of letters, digits, `-`, `_` and `.`",
                );
            }
        }
        if let Some(user) = &person.os_user {
            let twin = self
                .config
                .people
                .iter()
                .find(|(other, twin)| other.as_str() < name && twin.os_user.as_ref() == Some(user));
            if let Some((twin, _)) = twin {
                let message = format!("the user `{user}` is `{twin}` already");
                self.error(
                    "duplicate-person",
                    &["people", name, "os-user"],
                    message,
                    "an operating-system user proves one person",
                );
            }
        }
    }

    fn list(&mut self, name: &str, list: &List) {
        let here = ["lists", name];
        if !is_name(name) {
            self.error(
                "name-not-plain",
                &here,
                format!("`{name}` cannot be a list's name"),
                "a name is made of letters, digits, `-`, `_` and `.`",
            );
        }
        match (&list.members, &list.file) {
            (None, None) => {
                let help = "add `members = [\"…\"]`, or `file = \"PATH\"` with one member a line; an empty list is `members = []`";
                self.error("missing-key", &here, format!("the list `{name}` has no members"), help);
            }
            (Some(_), Some(_)) => {
                self.error(
                    "contradiction",
                    &here,
                    format!("the list `{name}` has `members` and a `file`"),
                    "keep one of the two",
                );
            }
            (Some(members), None) => {
                for member in members {
                    let wanted = match member {
                        Member::Text(text) => list.kind.misfit(text),
                        _ if list.kind == ListKind::Value => None,
                        _ => list.kind.misfit(""),
                    };
                    if let Some(wanted) = wanted {
                        let message = format!("`{member}` is not {wanted}");
                        let help = "correct it, or change the list's `kind`";
                        self.error("wrong-member", &["lists", name, "members"], message, help);
                    }
                }
            }
            (None, Some(_)) => {}
        }
        if let Some(who) = &list.add
            && !self.config.roles().contains(who.as_str())
            && self.config.person(who).is_none()
        {
            let known: Vec<&str> =
                self.config.roles().into_iter().chain(self.config.people.keys().map(String::as_str)).collect();
            self.unknown("unknown-person", &["lists", name, "add"], "person or role", who, &known);
        }
    }

    fn tagged(&mut self, path: &str, tags: &std::collections::BTreeSet<String>) {
        let (system, _) = path.split_once('.').unwrap_or((path, ""));
        if !self.config.systems.contains_key(system) {
            let known: Vec<&str> = self.config.systems.keys().map(String::as_str).collect();
            self.unknown("unknown-system", &["tags", path], "system", system, &known);
        }
        self.tags(&["tags", path], tags);
    }

    fn tags(&mut self, path: &[&str], tags: &std::collections::BTreeSet<String>) {
        for tag in tags.iter().filter(|tag| !is_name(tag)) {
            self.error(
                "name-not-plain",
                path,
                format!("`{tag}` cannot be a tag"),
                "a tag is made of letters, digits, `-`, `_` and `.`",
            );
        }
    }

    fn agent(&mut self, name: &str, agent: &Agent) {
        let here = ["agents", name];
        if !is_name(name) {
            self.error(
                "name-not-plain",
                &here,
                format!("`{name}` cannot be an agent's name"),
                "a name is made of letters, digits, `-`, `_` and `.`",
            );
        }
        if self.config.people.contains_key(name) {
            self.error(
                "ambiguous-name",
                &here,
                format!("`{name}` is an agent and a person"),
                "an agent is nobody: give it another name",
            );
        }
        for system in &agent.systems {
            if !self.config.systems.contains_key(system) {
                let known: Vec<&str> = self.config.systems.keys().map(String::as_str).collect();
                self.unknown("unknown-system", &["agents", name, "systems"], "system", system, &known);
            }
        }
        let servers = agent
            .systems
            .iter()
            .filter(|system| self.config.systems.get(*system).is_some_and(|system| system.kind == Kind::Mcp));
        let servers = servers.count();
        if agent.tool_names == ToolNames::Own && servers != 1 {
            let message = format!("`{name}` has {servers} MCP systems, and tools keep their own names with one alone");
            let help = "leave `tool-names` out: the agent then sees `SYSTEM__TOOL`";
            self.error("contradiction", &["agents", name, "tool-names"], message, help);
        }
        let shared = self.config.agents.iter().find(|(other, twin)| other.as_str() < name && twin.scope == agent.scope);
        if let Some((twin, _)) = shared {
            let message = format!("`{twin}` and `{name}` share the scope `{}`", agent.scope);
            self.error(
                "shared-scope",
                &["agents", name, "scope"],
                message,
                "an agent has exactly one scope and never shares it: write another document",
            );
        }
        if let Some(user) = &agent.os_user {
            let person = self.config.people.iter().find(|(_, person)| person.os_user.as_ref() == Some(user));
            if let Some((person, _)) = person {
                let message = format!("the agent `{name}` runs as the user of `{person}`");
                let help = "give the agent an operating-system user of its own; until then confirmations by that user count as *advised*";
                self.note("shared-os-user", &["agents", name, "os-user"], message, help);
            }
        }
    }

    pub(super) fn unknown(&mut self, name: &'static str, path: &[&str], what: &str, written: &str, known: &[&str]) {
        let help = match nearest(written, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("no {what} is declared yet"),
            None => {
                format!("known are {}", known.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", "))
            }
        };
        self.error(name, path, format!("there is no {what} `{written}`"), help);
    }

    pub(super) fn error(&mut self, name: &'static str, path: &[&str], message: String, help: impl Into<String>) {
        self.found.push(Diagnostic::error(name, self.config.at(path), message, help));
    }

    fn note(&mut self, name: &'static str, path: &[&str], message: String, help: impl Into<String>) {
        self.found.push(Diagnostic::note(name, self.config.at(path), message, help));
    }
}

impl std::fmt::Display for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Member::Text(text) => f.write_str(text),
            Member::Number(number) => number.fmt(f),
            Member::Truth(truth) => truth.fmt(f),
        }
    }
}

impl ListKind {
    /// What a member should be, when that one is not.
    #[must_use]
    pub fn misfit(self, member: &str) -> Option<&'static str> {
        let clean = !member.is_empty() && member.trim() == member && !member.chars().any(char::is_control);
        let dotted = |name: &str| {
            let labels: Vec<&str> = name.split('.').collect();
            labels
                .iter()
                .all(|label| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')))
        };
        let (fits, wanted) = match self {
            ListKind::Value => (true, "a value: text without white space at its ends"),
            ListKind::Address => (is_address(member), "a mail address"),
            ListKind::Domain => (dotted(member), "a domain, such as `acme.example`"),
            ListKind::Host => (
                dotted(member.strip_prefix("*.").unwrap_or(member)),
                "a host, such as `api.acme.example` or `*.acme.example`",
            ),
            ListKind::Path => (member.starts_with('/') || member.contains("://"), "a path from the root, or a URL"),
        };
        (!fits || !clean).then_some(wanted)
    }
}

/// What the scope's grammar reads as one word; ASCII, so that no two names look alike.
pub(crate) fn is_name(name: &str) -> bool {
    let inner = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    let is_dotted_name = |name: &str| !name.starts_with('.') && !name.ends_with('.');
    !name.is_empty()
        && name.len() <= 64
        && inner
        && is_dotted_name(name)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

pub(crate) fn is_address(text: &str) -> bool {
    let plain =
        text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | ';' | '<' | '>' | '"'));
    let parts: Vec<&str> = text.split('@').collect();
    plain
        && matches!(parts.as_slice(), [local, domain] if !local.is_empty() && !domain.is_empty() && !domain.starts_with('.') && !domain.ends_with('.'))
}

/// Whether a variable of that name holds a secret by every custom.
pub(crate) fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_uppercase().replace('-', "_");
    let words: Vec<&str> = key.split('_').collect();
    let secret = [
        "TOKEN",
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "CREDENTIAL",
        "CREDENTIALS",
        "APIKEY",
        "PGPASSWORD",
        "AUTHORIZATION",
        "COOKIE",
    ];
    let ends = ["API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "SECRET_KEY", "AUTH_KEY"];
    words.last().is_some_and(|last| secret.contains(last))
        || words.contains(&"SECRET")
        || ends.iter().any(|end| key.ends_with(end))
}

/// Whether a URL in it carries a password.
pub(crate) fn has_password(text: &str) -> bool {
    text.split_whitespace().any(|word| {
        let Some((_, rest)) = word.split_once("://") else { return false };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .and_then(|(user, _)| user.split_once(':'))
            .is_some_and(|(_, password)| !password.is_empty())
    })
}

fn is_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(loopback::is_this_machine)
}
