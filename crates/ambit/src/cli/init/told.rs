//! What `ambit init` found, writes, and leaves to the person.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ambit_core::scope::Section;
use ambit_core::scope::diagnostics::Severity;
use serde::Serialize;

use super::super::args::Format;
use super::super::output::{self, style};
use crate::escape::escape;
use crate::home::shown;
use crate::import::draft::Reach;
use crate::import::endpoint;
use crate::import::formats::{self, Client, ClientFile};
use crate::import::plan::{Plan, record_path, token_path};
use crate::import::questions::{Answers, Offer};
use crate::import::reach::{self, Own, reached};
use crate::import::server::{Server, Stays};
use crate::import::undo::Undone;
use crate::report::Findings;

/// All that there is to tell.
pub(super) struct Told<'a> {
    pub(super) dry_run: bool,
    pub(super) file: &'a ClientFile,
    pub(super) plan: &'a Plan,
    pub(super) servers: &'a [Server],
    pub(super) stays: &'a [Stays],
    pub(super) left_out: &'a [String],
    pub(super) answers: &'a Answers,
    pub(super) offers: &'a [Offer],
    pub(super) findings: &'a [Findings],
    pub(super) owner: &'a str,
    pub(super) person: &'a str,
    pub(super) here: &'a Path,
    /// Whether the person was shown what is written, and asked, before it was.
    pub(super) asked: bool,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Printout<'a> {
    dry_run: bool,
    client: Client,
    file: &'a Path,
    agent: &'a str,
    owner: &'a str,
    person: &'a str,
    dir: &'a Path,
    servers: Vec<Moved<'a>>,
    stays: &'a [Stays],
    page: std::collections::BTreeMap<&'static str, usize>,
    elsewhere: &'a std::collections::BTreeMap<String, usize>,
    left_out: &'a [String],
    findings: Vec<Open<'a>>,
    writes: Vec<Written<'a>>,
    backup: &'a Path,
    boundary: &'static str,
    /// Whether the client's file lies under version control.
    versioned: bool,
    /// Whether Ambit's own files lie in the project that the agent works in.
    within_project: bool,
    next: Vec<String>,
    undo: String,
}

#[derive(Serialize)]
struct Moved<'a> {
    server: &'a str,
    system: &'a str,
    /// The program and its arguments; nothing for an endpoint.
    command: &'a [String],
    /// Where an endpoint is; its host alone where the rest is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    offers: usize,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Open<'a> {
    name: &'a str,
    message: &'a str,
    help: &'a str,
}

#[derive(Serialize)]
struct Written<'a> {
    path: &'a Path,
    what: String,
}

impl Told<'_> {
    /// Everything, on standard output.
    pub(super) fn print(&self, format: Format) -> anyhow::Result<()> {
        match format {
            Format::Json => output::json(&self.printout()),
            Format::Human => Ok(write!(output::data(), "{}", self.human())?),
        }
    }

    fn printout(&self) -> Printout<'_> {
        Printout {
            dry_run: self.dry_run,
            client: self.plan.record.client,
            file: &self.plan.record.file,
            agent: &self.plan.record.agent,
            owner: self.owner,
            person: self.person,
            dir: &self.plan.dir,
            servers: self.servers.iter().map(|server| self.moved(server)).collect(),
            stays: self.stays,
            page: self.counts(),
            elsewhere: &self.file.elsewhere,
            left_out: self.left_out,
            findings: self.open().collect(),
            writes: self.written(),
            backup: &self.plan.record.backup,
            boundary: self.boundary().0,
            versioned: self.is_versioned(),
            within_project: self.is_within_project(),
            next: self.next(),
            undo: self.undo(),
        }
    }

    fn moved<'b>(&self, server: &'b Server) -> Moved<'b> {
        Moved {
            server: &server.entry,
            system: &server.system.name,
            command: server.system.command(),
            url: endpoint::shown(server),
            offers: self.offered(server),
            notes: &server.notes,
        }
    }

    fn offered(&self, server: &Server) -> usize {
        self.offers.iter().filter(|offer| offer.system == server.system.name).count()
    }

    fn open(&self) -> impl Iterator<Item = Open<'_>> {
        let all = self.findings.iter().flat_map(|findings| &findings.diagnostics);
        all.filter(|one| one.severity >= Severity::NotReady).map(|one| Open {
            name: one.name,
            message: &one.message,
            help: &one.help,
        })
    }

    fn written(&self) -> Vec<Written<'_>> {
        let record = &self.plan.record;
        let mut all: Vec<Written<'_>> =
            self.plan.files.iter().map(|file| Written { path: &file.path, what: file.what.to_owned() }).collect();
        all.push(Written { path: &record.backup, what: "the client's file as it was".to_owned() });
        let servers =
            if self.servers.len() == 1 { "1 server".to_owned() } else { format!("{} servers", self.servers.len()) };
        all.push(Written { path: &record.file, what: format!("one entry, `ambit`, in place of {servers}") });
        all
    }

    fn human(&self) -> String {
        let (head, quiet, bad) = (style::HEAD, style::QUIET, style::BAD);
        let mut out = format!(
            "{head}{}{head:#} for {}, {}\n",
            escape(&self.plan.record.agent),
            escape(self.owner),
            from(self.file)
        );
        for server in self.servers {
            let count = self.offered(server);
            out.push_str(&format!("\n  {}: {}\n", escape(&server.system.name), reached_by(server)));
            out.push_str(&format!("    {count} to be answered for\n"));
            for note in &server.notes {
                out.push_str(&format!("    {quiet}{}{quiet:#}\n", escape(note)));
            }
        }
        for one in self.left_out {
            out.push_str(&format!("  {bad}left out{bad:#} {}\n", escape(one)));
        }
        if !self.stays.is_empty() {
            out.push_str("\nnot behind Ambit, the agent reaches them past it:\n");
            for stays in self.stays {
                out.push_str(&format!("  {}: {}\n", escape(&stays.server), stays.why));
            }
        }
        for (project, count) in &self.file.elsewhere {
            out.push_str(&format!("not looked at: {count} of the project `{}`\n", escape(project)));
        }
        out.push_str(&format!("\n{}\n", self.answered()));
        let mut open = self.open().peekable();
        if open.peek().is_some() {
            out.push_str("\nopen (`ambit check` says where):\n");
        }
        for one in open {
            out.push_str(&format!("  {}: {}\n", one.name, escape(one.message)));
        }
        if !self.asked || self.dry_run {
            out.push_str(&format!("\n{}\n", self.writes()));
        }
        out.push_str(&format!("\n{}\n", self.boundary().1));
        if self.is_within_project() {
            out.push_str(
                "Ambit's own files lie in the project that the agent works in, where its own tools can change them (`--dir DIR` \
                 puts them elsewhere); what is in force changes by a release alone\n",
            );
        }
        if self.is_versioned() {
            out.push_str(
                "the client's file lies under version control: the backup beside it holds what it held, secrets included, and \
                 the new one holds paths of this machine; commit neither\n",
            );
        }
        out.push_str("\nwhat remains, in this order:\n");
        for (number, step) in self.next().iter().enumerate() {
            out.push_str(&format!("  {}. {step}\n", number + 1));
        }
        out.push_str(&format!("\nto undo: {}\n", self.undo()));
        if self.dry_run {
            out.push_str("nothing was written\n");
        }
        out
    }

    /// How Ambit stands to the agent, as far as the owner of the client's file tells who that is.
    fn boundary(&self) -> (&'static str, &'static str) {
        if formats::is_of_another(&self.file.real) {
            let text = "the client's file belongs to another operating-system user: name that user as `os-user` of the agent, and \
                        give both a shared socket, as docs/concepts/enforced-advised.md says; until then it is advised, not enforced";
            return ("advised", text);
        }
        let text = "advised, not enforced: the agent and Ambit run as the same operating-system user, so a program that looks \
                    for a way around finds one. docs/concepts/enforced-advised.md says how to separate them.";
        ("advised", text)
    }

    fn is_within_project(&self) -> bool {
        let bases = self.file.holders.iter().filter_map(|holder| holder.base.as_deref());
        bases.map(reach::settled).any(|base| self.plan.dir.starts_with(base))
    }

    fn is_versioned(&self) -> bool {
        self.file.real.ancestors().any(|dir| dir.join(".git").exists())
    }

    /// How many stand under each question.
    fn counts(&self) -> std::collections::BTreeMap<&'static str, usize> {
        let under = |section: Section| self.answers.values().filter(|one| **one == section).count();
        [
            ("can_read", under(Section::CanRead)),
            ("can_write", under(Section::CanWrite)),
            ("must_confirm", under(Section::MustConfirm)),
            ("cannot_touch", under(Section::CannotTouch)),
            ("outside", self.offers.len() - self.answers.len()),
        ]
        .into()
    }

    fn answered(&self) -> String {
        let counts = self.counts();
        let under = |key: &str| counts.get(key).copied().unwrap_or_default();
        format!(
            "the page: {} it can read, {} it can write, {} a human must confirm, {} it cannot touch, {} outside (a human decides first)",
            under("can_read"),
            under("can_write"),
            under("must_confirm"),
            under("cannot_touch"),
            under("outside")
        )
    }

    /// The files, and what each is.
    pub(super) fn writes(&self) -> String {
        let mut out = (if self.dry_run { "would write" } else { "files" }).to_owned();
        for one in self.written() {
            out.push_str(&format!("\n  {}\n    {}", escape(&shown(one.path)), one.what));
        }
        out.push_str(&format!("\n  {}\n    what `--undo` needs", escape(&shown(&record_path(&self.plan.dir)))));
        out
    }

    /// The commands that remain, in order.
    fn next(&self) -> Vec<String> {
        let agent = &self.plan.record.agent;
        let mut next = Vec::new();
        if self.plan.dir != self.here {
            next.push(format!("cd {}", quoted(&self.plan.dir)));
        }
        next.push(
            "edit SCOPE.md, then `ambit check` and `ambit test` (it suggests scenarios for every line)".to_owned(),
        );
        next.push(format!("ambit setup --person {}", self.person));
        next.push(format!("ambit release {agent} --because \"…\" (with `--anyway` while something is open)"));
        let token = token_path(&self.plan.dir, agent);
        next.push(format!("ambit token {agent} --to {}", quoted(token.strip_prefix(&self.plan.dir).unwrap_or(&token))));
        next.push(format!(
            "restart {}; until the steps above are done it has none of these servers",
            client(self.file)
        ));
        next
    }

    fn undo(&self) -> String {
        format!("ambit init --undo --dir {}", quoted(&self.plan.dir))
    }
}

/// The commands that would be started and the addresses that would be called, before they are.
pub(super) fn commands(file: &ClientFile, servers: &[Server]) -> String {
    let mut out = from(file);
    for server in servers {
        out.push_str(&format!("\n  {}: {}", escape(&server.entry), reached_by(server)));
    }
    out
}

/// Says of servers that can reach the client's own file that they can.
pub(super) fn note_reach(servers: &mut [Server], file: &ClientFile) {
    let own = [Own { path: file.real.clone(), what: "the client's file", moves: false }];
    for server in servers {
        let Reach::Program { command, cwd, .. } = &server.system.reach else { continue };
        if let Some(hit) = reached(command.iter().skip(1).map(String::as_str), cwd, &own) {
            let root = escape(&hit.root.display().to_string());
            server.notes.push(format!(
                "it can reach `{root}`, where the client's file and its backup are: whoever can write them can go around Ambit"
            ));
        }
    }
}

/// What `--undo` did.
pub(super) fn undone(undone: &Undone, dry_run: bool) -> String {
    let path = |path: &PathBuf| escape(&shown(path));
    let (is, removed) = if dry_run { ("would be", "would be removed") } else { ("is", "removed") };
    let mut out = format!("`{}` {is} as it was before, byte for byte\n", path(&undone.file));
    if let Some(kept) = &undone.kept_changed {
        out.push_str(&format!("as it stood until now: `{}`\n", path(kept)));
    }
    for one in &undone.removed {
        out.push_str(&format!("{removed}: `{}`\n", path(one)));
    }
    for one in &undone.left {
        out.push_str(&format!("left: `{}`\n", path(one)));
    }
    if undone.has_state {
        out.push_str(
            "Ambit's own files stay, because a journal belongs to them; a daemon that runs goes on until it is ended\n",
        );
    } else if !undone.left.is_empty() {
        out.push_str("what is left was changed since it was written\n");
    }
    out
}

fn from(file: &ClientFile) -> String {
    format!("from {} ({})", escape(&shown(&file.place.path)), client(file))
}

fn client(file: &ClientFile) -> &'static str {
    file.place.client.name()
}

/// The command that starts a server, or the address that it is called at.
fn reached_by(server: &Server) -> String {
    endpoint::shown(server).map_or_else(|| words(server.system.command()), |url| quoted(Path::new(&url)))
}

fn words(command: &[String]) -> String {
    let words: Vec<String> = command.iter().map(|word| quoted(Path::new(word))).collect();
    words.join(" ")
}

/// A word as a shell takes it, and as a terminal can show it.
fn quoted(word: &Path) -> String {
    let text = escape(&word.display().to_string());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:=+,%".contains(c);
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}
