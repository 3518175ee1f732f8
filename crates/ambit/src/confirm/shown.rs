//! What a person must see before confirming: the exact arguments with nothing cut, the effects in words, the lines that
//! ask, the release, the digests, and what to be careful about. Every text in it is already escaped, so that whoever
//! displays it cannot be made to lie by it. Its digest is part of what a confirmation is bound to.

use ambit_core::action::{Digest, Gate};
use ambit_core::decision::{Decision, Verdict};
use ambit_core::explain;
use ambit_core::hold::Hold;
use ambit_core::reading::{Reach, Reading};
use ambit_core::time::Timestamp;
use ambit_core::value::Value;
use ambit_effects::json;
use ambit_effects::sql::asked::Asked;
use serde::{Deserialize, Serialize};

use crate::escape::{escape, is_hidden};
use crate::gate::judge::Judge;
use crate::gate::pass::Case;
use crate::gate::session::OpenTask;

/// What a person must see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The hold.
    pub hold: String,
    /// Whose action.
    pub agent: String,
    /// The workflow, where the scope names it.
    pub workflow: Option<String>,
    /// The task it belongs to.
    pub task: Option<ShownTask>,
    /// The system.
    pub system: String,
    /// The operation: `tools/call`, `resources/read`, `prompts/get`.
    pub operation: String,
    /// What it names there.
    pub name: String,
    /// All that would be sent, laid out line by line; strings with everything hidden spelt out.
    pub arguments: String,
    /// What it does, a sentence each.
    pub effects: Vec<String>,
    /// What of it could not be read, a sentence each.
    pub unread: Vec<String>,
    /// What execution will prove, a sentence each.
    pub bounds: Vec<String>,
    /// Why it is held, each with the line that asks.
    pub grounds: Vec<ShownGround>,
    /// Who must confirm, all of them.
    pub people: Vec<String>,
    /// What to be careful about, a sentence each.
    pub warnings: Vec<String>,
    /// The release in force.
    pub release: ShownRelease,
    /// The digest of the exact action.
    pub action: Digest,
    /// The pinned digest of the definition of what is called.
    pub definition: String,
    /// When it was held.
    pub opened: Timestamp,
    /// Until when it may be confirmed.
    pub expires: Timestamp,
}

/// The task, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownTask {
    /// Its name.
    pub name: String,
    /// The request in its own words.
    pub request: Option<String>,
    /// Who wrote it.
    pub author: Option<String>,
    /// What the caller vouches for, `name = value` each.
    #[serde(default)]
    pub facts: Vec<String>,
    /// Who opened it.
    pub opened_by: String,
}

/// One ground, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownGround {
    /// The line of the document, from 1.
    pub line: Option<usize>,
    /// The heading it stands under.
    pub section: Option<String>,
    /// Its words.
    pub text: Option<String>,
    /// What it makes of the action.
    pub why: String,
}

/// The release, as shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownRelease {
    /// Its number.
    pub number: u64,
    /// Its digest.
    pub digest: Digest,
    /// Who put it in force.
    pub by: String,
    /// What was waived to put it in force.
    pub overrides: Vec<String>,
}

impl Shown {
    pub(crate) fn of(case: &Case<'_>, decision: &Decision, hold: &Hold) -> Shown {
        let (judge, action, reading) = (case.judge, case.ask.action, case.reading);
        let policy = judge.policy();
        let task = case.ask.session.task.as_deref();
        let held = decision.grounds.iter().filter(|ground| ground.verdict == Verdict::Hold);
        let arguments = match action.gate {
            Gate::Postgres => statement(&action.payload),
            Gate::Mcp | Gate::Http | Gate::Shell => laid_out(&action.payload),
        };
        Shown {
            hold: hold.id.clone(),
            agent: escape(&action.agent),
            workflow: policy.document().front.workflow.as_deref().map(escape),
            task: task.map(|task| ShownTask {
                name: escape(OpenTask::named(&task.name)),
                facts: task.facts.iter().map(|(name, fact)| format!("{} = {fact}", escape(name))).collect(),
                request: task.request.as_deref().map(escape),
                author: task.author.as_deref().map(escape),
                opened_by: escape(&task.opened_by),
            }),
            system: escape(&action.system),
            operation: escape(&action.operation),
            name: escape(&action.name),
            effects: effects(judge, reading),
            unread: reading.unread.iter().map(|unread| escape(&unread.what)).collect(),
            bounds: decision.bounds.iter().map(|bound| escape(&explain::bound(bound))).collect(),
            grounds: held
                .map(|ground| explain::ground(policy, reading, ground))
                .map(|said| ShownGround {
                    line: said.line,
                    section: said.section.map(str::to_owned),
                    text: said.text.as_deref().map(escape),
                    why: escape(&said.why),
                })
                .collect(),
            people: hold.missing(judge.circle()).iter().map(|words| escape(words)).collect(),
            warnings: warnings(judge, reading, &arguments, task.is_some_and(|task| judge_outsider(judge, task))),
            arguments: arguments.text,
            release: ShownRelease {
                number: judge.release().number,
                digest: judge.release_digest(),
                by: escape(&judge.release().by),
                overrides: judge.release().overrides.iter().map(|said| escape(said)).collect(),
            },
            action: hold.binding.action,
            definition: hold.binding.definition.clone(),
            opened: hold.opened,
            expires: hold.binding.expires,
        }
    }

    /// The bytes whose digest people confirm.
    ///
    /// # Errors
    /// Never for what [`Shown`] can hold; that it could is for the caller to refuse.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Reads those bytes back.
    ///
    /// # Errors
    /// When they are not what [`Shown::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Shown, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// The digest of what is shown, over its bytes.
#[must_use]
pub fn digest(shown: &[u8]) -> Digest {
    Digest::of("ambit/shown/1", &[shown])
}

/// The digest of the effects of an action, as read: another reading of the same bytes is another action to confirm.
#[must_use]
pub fn effects_digest(judge: &Judge, reading: &Reading) -> Digest {
    let catalog = judge.catalog();
    let mut said: Vec<String> = Vec::new();
    for effect in &reading.effects {
        let fields: Vec<String> = effect.fields.iter().map(|at| at.to_string()).collect();
        said.push(format!(
            "{} {} ({}{}) rows {:?} amount {} reversible {:?} {:?}",
            effect.verb.word(),
            catalog.path(effect.resource),
            fields.join(" "),
            if effect.fields.has_unlisted() { " unlisted" } else { "" },
            effect.extent.rows,
            effect.extent.amount.map_or_else(|| "unknown".to_owned(), |amount| amount.to_string()),
            effect.extent.reversible,
            effect.standing,
        ));
    }
    for unread in &reading.unread {
        let reach = match unread.reach {
            Reach::Field(resource, field) => format!("{} field {field}", catalog.path(resource)),
            Reach::Resource(resource) => catalog.path(resource),
            Reach::System(system) => catalog.system(system).map_or_else(|| "?".to_owned(), |s| s.name.clone()),
            Reach::Anything => "anything".to_owned(),
        };
        said.push(format!("unread {reach}: {}", unread.what));
    }
    let parts: Vec<&[u8]> = said.iter().map(String::as_bytes).collect();
    Digest::of("ambit/effects/1", &parts)
}

fn effects(judge: &Judge, reading: &Reading) -> Vec<String> {
    let words = |effect: &ambit_core::effect::Effect| {
        let mut words = explain::effect_words(judge.policy(), effect);
        if let Some(rows) = effect.extent.rows {
            words.push_str(&format!(", at most {rows} rows"));
        }
        if let Some(amount) = effect.extent.amount {
            words.push_str(&format!(", an amount of {amount}"));
        }
        escape(&words)
    };
    reading.effects.iter().map(words).collect()
}

fn judge_outsider(judge: &Judge, task: &OpenTask) -> bool {
    task.request.is_some() && !task.author.as_deref().is_some_and(|author| judge.policy().is_insider(author))
}

fn warnings(judge: &Judge, reading: &Reading, arguments: &LaidOut, outsider: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |if_so: bool, text: &str| {
        if if_so {
            warnings.push(text.to_owned());
        }
    };
    warn(
        crate::gate::entries::changes(judge, reading)
            && !reading.effects.iter().all(|effect| effect.extent.reversible == Some(true)),
        "it cannot be taken back, as far as is known",
    );
    warn(!reading.unread.is_empty(), "part of what it does could not be read");
    warn(arguments.hidden, "its arguments hold characters that cannot be seen; they are spelt out as \\u{…}");
    warn(arguments.unread, "a value that is bound to it came in a form that cannot be shown");
    warn(arguments.not_json, "what it would send is not JSON; its bytes are spelt out");
    warn(arguments.lookalikes, "its arguments mix scripts within a word; letters may not be what they look like");
    warn(outsider, "the request of its task was written by somebody outside");
    warn(!judge.release().overrides.is_empty(), "the scope was released although checks did not pass; see its release");
    warnings
}

struct LaidOut {
    text: String,
    hidden: bool,
    lookalikes: bool,
    not_json: bool,
    unread: bool,
}

/// A statement as it was written, each of its lines set in, and what is bound to it below, with nothing before it.
fn statement(payload: &[u8]) -> LaidOut {
    let Ok(asked) = Asked::read(payload) else { return laid_out(payload) };
    let mut out = LaidOut { text: String::new(), hidden: false, lookalikes: false, not_json: false, unread: false };
    let spelt = |text: &str| escape(&text.replace('\\', "\\\\"));
    for row in asked.statement.split('\n') {
        look(&mut out, row);
        out.text.push_str(&format!("  {}\n", spelt(row)));
    }
    for (at, parameter) in asked.parameters.iter().enumerate() {
        let told = parameter.told();
        out.unread |= told.is_none();
        let value = told.unwrap_or_else(|| "bytes that cannot be read here".to_owned());
        look(&mut out, &value);
        out.text.push_str(&format!("${} = {}\n", at + 1, spelt(&value)));
    }
    out.text.truncate(out.text.trim_end().len());
    out
}

/// Notes what of a text a person could be deceived by.
fn look(out: &mut LaidOut, text: &str) {
    out.hidden |= text.chars().any(|c| is_hidden(c) && !matches!(c, '\n' | '\r' | '\t'));
    out.lookalikes |= text.split(|c: char| !c.is_alphanumeric()).any(mixes_scripts);
}

/// All of the payload, one value a line.
fn laid_out(payload: &[u8]) -> LaidOut {
    let mut out = LaidOut { text: String::new(), hidden: false, lookalikes: false, not_json: false, unread: false };
    match json::read(payload) {
        Ok(value) => write_value(&mut out, &value, 0),
        Err(_) => {
            out.not_json = true;
            match std::str::from_utf8(payload) {
                // A backslash is doubled, so that what is spelt out cannot be confused with what was written.
                Ok(text) => out.text = escape(&text.replace('\\', "\\\\")),
                Err(_) => out.text = payload.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
            }
        }
    }
    out
}

fn write_value(out: &mut LaidOut, value: &Value, depth: usize) {
    match value {
        Value::Null | Value::Unknown => out.text.push_str("null"),
        Value::Bool(known) => out.text.push_str(if *known { "true" } else { "false" }),
        Value::Number(number) => out.text.push_str(&number.to_string()),
        Value::Text(text) => write_text(out, text),
        Value::List(items) if items.is_empty() => out.text.push_str("[]"),
        Value::List(items) => {
            out.text.push('[');
            for (at, item) in items.iter().enumerate() {
                line(out, at > 0, depth + 1);
                write_value(out, item, depth + 1);
            }
            line(out, false, depth);
            out.text.push(']');
        }
        Value::Map(members) if members.is_empty() => out.text.push_str("{}"),
        Value::Map(members) => {
            out.text.push('{');
            for (at, (name, member)) in members.iter().enumerate() {
                line(out, at > 0, depth + 1);
                write_text(out, name);
                out.text.push_str(": ");
                write_value(out, member, depth + 1);
            }
            line(out, false, depth);
            out.text.push('}');
        }
    }
}

fn line(out: &mut LaidOut, comma: bool, depth: usize) {
    if comma {
        out.text.push(',');
    }
    out.text.push('\n');
    out.text.extend(std::iter::repeat_n("  ", depth));
}

fn write_text(out: &mut LaidOut, text: &str) {
    look(out, text);
    out.text.push('"');
    out.text.push_str(&escape(&text.replace('\\', "\\\\").replace('"', "\\\"")));
    out.text.push('"');
}

/// Whether a word has Latin letters beside Greek or Cyrillic ones, which look alike.
fn mixes_scripts(word: &str) -> bool {
    let latin = word.chars().any(|c| c.is_ascii_alphabetic());
    latin
        && word
            .chars()
            .any(|c| matches!(u32::from(c), 0x370..=0x3FF | 0x400..=0x52F | 0x1F00..=0x1FFF | 0xFF21..=0xFF5A))
}

#[cfg(test)]
mod tests {
    use ambit_effects::sql::asked::{Bound, Parameter};

    use super::*;

    #[test]
    fn everything_is_laid_out_and_nothing_is_cut() {
        let long = "x".repeat(10_000);
        let payload = format!(
            r#"{{"name":"reply","arguments":{{"to":["a@acme.example"],"body":"{long}","n":9007199254740991,"s":"5","e":{{}},"l":[]}}}}"#
        );
        let out = laid_out(payload.as_bytes());
        assert!(out.text.contains(&long));
        assert!(out.text.contains("\"n\": 9007199254740991") && out.text.contains("\"s\": \"5\""));
        assert!(!out.hidden && !out.lookalikes && !out.not_json);
        assert_eq!(json::read(out.text.as_bytes()).unwrap(), json::read(payload.as_bytes()).unwrap());
    }

    #[test]
    fn five_is_not_the_text_five_and_absent_is_not_null() {
        let shown = |payload: &str| laid_out(payload.as_bytes()).text;
        assert_ne!(shown(r#"{"a":5}"#), shown(r#"{"a":"5"}"#));
        assert_ne!(shown(r#"{"a":null}"#), shown("{}"));
        assert_ne!(shown(r#"{"a":"null"}"#), shown(r#"{"a":null}"#));
    }

    #[test]
    fn a_statement_stands_as_it_was_written_and_cannot_pretend_a_value() {
        let asked = Asked {
            statement: "UPDATE t SET a = $1\n$2 = \"x\" -- \u{202e}".into(),
            parameters: vec![
                Parameter { type_number: 23, value: Bound::Binary(vec![0, 0, 0, 7]) },
                Parameter { type_number: 25, value: Bound::Text("vip\n$3".into()) },
                Parameter { type_number: 999_999, value: Bound::Binary(vec![1]) },
            ],
        };
        let out = statement(&asked.payload());
        assert_eq!(
            out.text,
            "  UPDATE t SET a = $1\n  $2 = \"x\" -- \\u{202e}\n$1 = 7\n$2 = \"vip\\n$3\"\n$3 = bytes that cannot be read here"
        );
        assert!(out.hidden && out.unread && !out.not_json);
    }

    #[test]
    fn terminal_escapes_and_hidden_characters_are_spelt_out() {
        let out = laid_out("{\"a\":\"\\u001b[2Jpaid\u{202e}gpj.\u{200b}exe\"}".as_bytes());
        assert_eq!(out.text, "{\n  \"a\": \"\\u{1b}[2Jpaid\\u{202e}gpj.\\u{200b}exe\"\n}");
        assert!(out.hidden);
        // What is spelt out cannot be forged by writing it.
        let forged = laid_out(r#"{"a":"\\u{1b}[2J"}"#.as_bytes());
        assert_eq!(forged.text, "{\n  \"a\": \"\\\\u{1b}[2J\"\n}");
        assert!(laid_out("{\"to\":\"p\u{0430}ypal\"}".as_bytes()).lookalikes);
    }

    #[test]
    fn what_is_no_json_is_spelt_out_whole() {
        assert_eq!(laid_out(b"a\x1b\\u{1b}").text, "a\\u{1b}\\\\u{1b}");
        assert_eq!(laid_out(&[0xff, 0x00]).text, "ff 00");
        assert!(laid_out(br#"{"a":1,"a":2}"#).not_json);
    }
}
