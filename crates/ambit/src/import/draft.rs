//! The texts that are written: `ambit.toml` and the first page.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use ambit_core::effect::Verb;
use ambit_core::scope::print::print;
use ambit_core::scope::{Commentary, Document, Front, Line, Outside, Place, Section, Span, Target};
use ambit_core::time::{Date, Timestamp};

use super::questions::Answers;
use crate::config::{Secret, Setting};

/// A system as it stands in `ambit.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name.
    pub name: String,
    /// How it is reached.
    pub reach: Reach,
}

/// How a system is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// A program that is started.
    Program {
        /// The program and its arguments.
        command: Vec<String>,
        /// Where it starts.
        cwd: PathBuf,
        /// What it finds in its environment, by reference.
        env: Vec<(String, Setting)>,
    },
    /// An endpoint over HTTP.
    Endpoint {
        /// Where it is, by reference where it holds a secret.
        url: Setting,
        /// The bearer token, by reference.
        token: Option<Secret>,
        /// What else goes with every request, by reference.
        headers: Vec<(String, Setting)>,
    },
}

impl System {
    /// The program and its arguments; nothing for an endpoint.
    #[must_use]
    pub fn command(&self) -> &[String] {
        match &self.reach {
            Reach::Program { command, .. } => command,
            Reach::Endpoint { .. } => &[],
        }
    }
}

/// The text of `ambit.toml`.
#[must_use]
pub fn config(head: &str, systems: &[System], answers: &Answers, agent: &str, person: (&str, &str)) -> String {
    let mut out = format!("# {}\n", crate::escape::escape(head));
    // Writing to a string does not fail.
    for system in systems {
        let _ = write!(out, "\n[systems.{}]\nkind = \"mcp\"\n", system.name);
        let (table, settings) = match &system.reach {
            Reach::Program { command, cwd, env } => {
                let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
                let _ = writeln!(out, "command = [{}]", words.join(", "));
                let _ = writeln!(out, "cwd = {}", quoted(&cwd.display().to_string()));
                ("env", env)
            }
            Reach::Endpoint { url, token, headers } => {
                let _ = writeln!(out, "url = {}", reference(url));
                if let Some(token) = token {
                    let _ = writeln!(out, "token = {}", reference(&Setting::Secret(token.clone())));
                }
                ("headers", headers)
            }
        };
        let reading: BTreeSet<&str> = answers
            .iter()
            .filter(|(offer, section)| offer.system == system.name && offer.tool && **section == Section::CanRead)
            .map(|(offer, _)| offer.name.as_str())
            .collect();
        if !reading.is_empty() {
            let words: Vec<String> = reading.into_iter().map(quoted).collect();
            let _ = writeln!(out, "reading-tools = [{}]", words.join(", "));
        }
        if !settings.is_empty() {
            let _ = write!(out, "\n[systems.{}.{table}]\n", system.name);
            for (name, setting) in settings {
                let _ = writeln!(out, "{} = {}", key(name), reference(setting));
            }
        }
    }
    let (name, address) = person;
    let _ = write!(out, "\n[people.{}]\nemail = {}\n", key(name), quoted(address));
    let names: Vec<String> = systems.iter().map(|system| quoted(&system.name)).collect();
    let _ = write!(out, "\n[agents.{}]\nscope = \"SCOPE.md\"\nsystems = [{}]\n", key(agent), names.join(", "));
    out
}

/// Whether a text can stand as the purpose of a page.
#[must_use]
pub fn is_purpose(text: &str) -> bool {
    let page = page("agent", "owner@domain.example", Some(text), &Answers::new(), true, Timestamp(0).date());
    let parsed = ambit_core::scope::parse::parse(&page);
    parsed.diagnostics.is_empty() && parsed.document.purpose == text
}

/// The text of the first page.
#[must_use]
pub fn page(agent: &str, owner: &str, purpose: Option<&str>, answers: &Answers, answered: bool, today: Date) -> String {
    let lines = Section::ALL.into_iter().flat_map(|section| {
        answers.iter().filter(move |(_, under)| **under == section).map(move |(offer, _)| {
            let verb = match (section, offer.tool) {
                (Section::CanWrite | Section::MustConfirm, true) => vec![Verb::Call],
                (_, false) => vec![Verb::Read],
                _ => vec![],
            };
            line(section, verb, Target::Named { system: offer.system.clone(), name: offer.name.clone() })
        })
    });
    let remark = "Nobody has answered the four questions yet. Until somebody does, a human confirms every call. Move each \
                  line under the question that you would answer with it: what only reads under the first (without `call`, \
                  and its name into `reading-tools` of its system in `ambit.toml`), what it may do by itself under the \
                  second, what nobody should ever confirm under the last.";
    let commentary = Commentary {
        place: Place::Section(Section::MustConfirm),
        after: 0,
        text: remark.to_owned(),
        at: Span::default(),
    };
    print(&Document {
        front: Front {
            agent: agent.to_owned(),
            owner: owner.to_owned(),
            // Long enough to see what it does, short enough to be remembered.
            review_by: Some(Timestamp(today.end().0 + 90 * 86_400_000).date()),
            outside: Outside::Confirm,
            ..Front::default()
        },
        title: agent.to_owned(),
        purpose: purpose
            .unwrap_or("Not written yet: say here, in a sentence or two, what this agent is for.")
            .to_owned(),
        lines: lines.collect(),
        commentary: if answered { Vec::new() } else { vec![commentary] },
        ..Document::default()
    })
}

fn line(section: Section, verbs: Vec<Verb>, target: Target) -> Line {
    Line { verbs, targets: vec![target], ..Line::new(section) }
}

fn reference(setting: &Setting) -> String {
    match setting {
        Setting::Plain(text) => quoted(text),
        Setting::Secret(Secret::Env(name)) => format!("{{ env = {} }}", quoted(name)),
        Setting::Secret(Secret::File(path)) => format!("{{ file = {} }}", quoted(path)),
        Setting::Secret(Secret::Command(words)) => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            format!("{{ command = [{}] }}", words.join(", "))
        }
    }
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}

/// A TOML string on one line.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // Whatever a reader of the file would not see stands there as its number.
            c if crate::escape::is_hidden(c) => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::super::questions::Offer;
    use super::*;
    use ambit_core::scope::parse::parse;

    fn answers() -> Answers {
        let offer = |name: &str, tool| Offer { system: "fs".into(), name: name.into(), tool, says: String::new() };
        [
            (offer("read_file", true), Section::CanRead),
            (offer("resource", false), Section::CanRead),
            (offer("write_file", true), Section::CanWrite),
            (offer("move it, where?", true), Section::MustConfirm),
            (offer("wipe*", true), Section::CannotTouch),
        ]
        .into()
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let settings = |token: &str| -> Vec<(String, Setting)> {
            vec![
                (token.into(), Setting::Secret(Secret::File(format!("private/fs.{token}")))),
                ("odd name".into(), Setting::Secret(Secret::Env("X".into()))),
                ("EMPTY".into(), Setting::Plain(String::new())),
            ]
        };
        let command = vec!["/usr/bin/npx".into(), "a \"b\" \\ \u{1b}[31m\n".into()];
        let reach = Reach::Program { command, cwd: "/srv/shop".into(), env: settings("A_TOKEN") };
        let token = Secret::Env("TICKETS".into());
        let url = Setting::Plain("https://tickets.example/mcp".into());
        let far = Reach::Endpoint { url, token: Some(token), headers: settings("X-Api-Key") };
        let systems = [System { name: "fs".into(), reach }, System { name: "tickets".into(), reach: far }];
        let text = config("Written\nby", &systems, &answers(), "shop", ("dana.o", "dana.o@acme.example"));
        let (config, found) = crate::config::read(&text);
        let config = config.unwrap_or_else(|| panic!("{found:?}\n{text}"));
        let system = &config.systems["fs"];
        assert_eq!(system.command, systems[0].command());
        assert_eq!(system.env, settings("A_TOKEN").into_iter().collect());
        let far = &config.systems["tickets"];
        assert_eq!(Some(Setting::Plain("https://tickets.example/mcp".into())), far.url);
        assert_eq!(Some(Secret::Env("TICKETS".into())), far.token);
        assert_eq!(far.headers, settings("X-Api-Key").into_iter().collect());
        assert!(system.reads("read_file") && !system.reads("resource") && !system.reads("write_file"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(text in "\\PC*|[\u{0}-\u{10ffff}]*") {
            let table: toml::Table = format!("k = {}", quoted(&text)).parse().unwrap();
            proptest::prop_assert_eq!(table["k"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn the_page_is_the_answers() {
        let today = Date::parse("2026-11-28").unwrap();
        let text = page("shop", "dana@acme.example", Some("Sells."), &answers(), true, today);
        insta::assert_snapshot!(text, @r#"
        ---
        agent: shop
        owner: dana@acme.example
        review-by: 2027-02-26
        ---

        # shop

        Sells.

        ## It can read

        - fs.read_file
        - read fs.resource

        ## It can write

        - call fs.write_file

        ## A human must confirm

        - call fs."move it, where?"

        ## It cannot touch

        - `fs."wipe*"`
        "#);
        let parsed = parse(&text);
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        assert_eq!(parsed.document.lines.len(), 5);
    }

    #[test]
    fn a_page_that_nobody_answered_says_so_and_is_sound() {
        let today = Date::parse("2026-11-28").unwrap();
        let text = page("shop", "dana@acme.example", None, &answers(), false, today);
        let parsed = parse(&text);
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        assert!(text.contains("> Nobody has answered the four questions yet."), "{text}");
    }
}
