//! The same ticket, through the gate: the page, its release, the daemon, and an agent that has nothing but the gate.

use std::io::{self, BufRead as _, IsTerminal as _, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::installation::{AGENT, Installation, OWNER, PASSPHRASE, TOKEN};
use super::play::DemoError;
use super::script::{self, Hands};
use super::session::{Reply, Session, SessionError};
use super::stage::Stage;
use super::standing::Standing;
use crate::cli::output::style::{BAD, GOOD, WAITING};

/// Plays it in a directory that is there and empty.
pub(super) fn play<W: Write>(program: &Path, dir: &Path, stage: &mut Stage<W>) -> Result<(), DemoError> {
    stage.act("With Ambit: the same agent and the same ticket, and one page in between")?;
    let installation = Installation::lay(program, dir)?;
    show_page(&installation.page, stage)?;
    let daemon = installation.serve()?;
    prepare(&installation, stage)?;
    let company = installation.company()?;
    let before = Standing::of(&company)?;
    stage.pause()?;
    stage.says("The agent starts. Its client's configuration has one line: `ambit mcp --agent records-helper`.")?;
    stage.pause()?;
    let mut hands =
        Gated { session: installation.agent()?, installation: &installation, stage, seen: 0, counts: [0; 3] };
    script::work(&mut hands)?;
    let tally = hands.tally();
    drop(hands);
    // Ends as it should: what was recorded is signed to the last record.
    drop(daemon);
    let after = Standing::of(&company)?;
    stage.pause()?;
    stage.compares(&before, &after)?;
    stage.pause()?;
    stage.says(&differences(&before, &after))?;
    stage.pause()?;
    step(&installation, stage, &["journal", "verify"], "the journal")?;
    stage.pause()?;
    stage.says(&format!(
        "The same agent did the same. {tally} In this demo agent and gate run as one user of this machine, so \
         Ambit calls the page advised; it is enforced where the agent runs as another."
    ))?;
    Ok(())
}

fn show_page<W: Write>(page: &str, stage: &mut Stage<W>) -> io::Result<()> {
    stage.says(
        "Dana Ortiz answers for the customer records. This page is hers; what no line of it mentions is asked first:",
    )?;
    stage.pause()?;
    let (page, scenarios) = page.split_once("## Scenarios").unwrap_or((page, ""));
    stage.numbers(page.trim_end())?;
    stage.pause()?;
    let count = scenarios.lines().filter(|line| line.starts_with("| ") && line.contains('`')).count();
    stage.says(&format!(
        "Below stand {count} scenarios, by which she tests it. Only then is it put in force, signed by her:"
    ))?;
    stage.pause()
}

fn prepare<W: Write>(installation: &Installation, stage: &mut Stage<W>) -> Result<(), DemoError> {
    let because = "it goes live";
    for (words, shows) in [
        (vec!["inventory"], "wrote"),
        (vec!["check"], AGENT),
        (vec!["test"], "10 of 10"),
        (vec!["setup", "--person", OWNER, "--passphrase-file", PASSPHRASE], "enrolled"),
        (
            vec!["release", AGENT, "--because", because, "--passphrase-file", PASSPHRASE],
            "release 1 of records-helper is",
        ),
        (vec!["token", AGENT, "--passphrase-file", PASSPHRASE, "--to", TOKEN], "made"),
    ] {
        step(installation, stage, &words, shows)?;
    }
    Ok(())
}

/// Runs a command and shows it, with the line of what it said that starts so.
fn step<W: Write>(
    installation: &Installation,
    stage: &mut Stage<W>,
    words: &[&str],
    shows: &str,
) -> Result<(), DemoError> {
    let said = installation.ambit(words)?;
    let mut lines = said.data.lines().chain(said.talk.lines());
    match lines.find(|line| line.starts_with(shows)) {
        Some(line) if said.fine => Ok(stage.command(words, line)?),
        _ => Err(DemoError::Command { words: words.join(" "), said: format!("{}{}", said.data, said.talk) }),
    }
}

/// Row by row, what is different now; and that it is all.
fn differences(before: &Standing, after: &Standing) -> String {
    let mut told = Vec::new();
    for difference in before.differences(after) {
        let rows = [(&difference.changed, "changed"), (&difference.added, "added"), (&difference.removed, "removed")];
        for (rows, what) in rows.into_iter().filter(|(rows, _)| !rows.is_empty()) {
            let table = difference.table.replace('_', " ");
            told.push(format!("{table}: {} {what} ({})", rows.len(), rows.join(", ")));
        }
    }
    format!("Every row of every table, compared: {}. Everything else is as it was.", told.join("; "))
}

/// The agent with nothing but the gate in its hands.
struct Gated<'a, W: Write> {
    session: Session,
    installation: &'a Installation,
    stage: &'a mut Stage<W>,
    /// The last record of a decision that was told.
    seen: u64,
    /// So many calls were allowed, held and refused.
    counts: [usize; 3],
}

impl<W: Write> Hands for Gated<'_, W> {
    fn means(&mut self, purpose: &str) -> io::Result<()> {
        self.stage.means(purpose)
    }

    fn call(&mut self, system: &str, tool: &str, arguments: Value) -> Result<Reply, SessionError> {
        let reply = self.session.call(&format!("{system}__{tool}"), &arguments)?;
        let (verdict, line) = self.decision()?;
        let [allowed, held, refused] = &mut self.counts;
        let (count, style, became) = match verdict.as_str() {
            "allow" => (allowed, GOOD, "allowed"),
            "hold" => (held, WAITING, "held"),
            _ => (refused, BAD, "refused"),
        };
        *count += 1;
        let became = line.map_or_else(|| became.to_owned(), |line| format!("{became}  line {line:>2}"));
        let mut below = Vec::new();
        match &reply {
            _ if verdict != "allow" => below.extend(line.and_then(|line| of_page(&self.installation.page, line))),
            Reply::Not { says, .. } => below.push(says.clone()),
            Reply::Done(_) => {}
        }
        self.stage.call(&format!("{system}.{tool}"), &arguments, style, &became, below)?;
        match &reply {
            Reply::Done(given) if given.get("status") == Some(&json!("pending")) => {
                let hold = given.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
                self.ask_person(&hold)
            }
            _ => Ok(reply),
        }
    }
}

impl<W: Write> Gated<'_, W> {
    fn tally(&self) -> String {
        let [allowed, held, refused] = self.counts;
        format!(
            "Of its {} calls {allowed} were allowed, {held} was held for a person, and {refused} were refused.",
            allowed + held + refused
        )
    }

    /// The decision that was just recorded: the verdict, and the line of the page that its strictest ground names.
    fn decision(&mut self) -> Result<(String, Option<usize>), SessionError> {
        let words = ["journal", "tail", "--kind", "decided", "--agent", AGENT, "-n", "1", "--format", "json"];
        let said = self.installation.ambit(&words)?;
        let record: Value = serde_json::from_str(said.data.trim()).unwrap_or_default();
        let sequence = record.get("sequence").and_then(Value::as_u64).filter(|sequence| *sequence > self.seen);
        let verdict = record.pointer("/details/verdict").and_then(Value::as_str);
        let (Some(sequence), Some(verdict)) = (sequence, verdict) else {
            return Err(SessionError::Nonsense {
                name: "the journal".into(),
                reason: "the call was not recorded".into(),
            });
        };
        self.seen = sequence;
        let grounds = record.pointer("/details/grounds").and_then(Value::as_array);
        let decisive = grounds.into_iter().flatten().find(|ground| ground.get("verdict") == Some(&json!(verdict)));
        let line = decisive.and_then(|ground| ground.get("line")?.as_u64());
        Ok((verdict.to_owned(), line.and_then(|line| usize::try_from(line).ok())))
    }

    /// Shows the person what waits for them, takes their answer, and lets the agent collect what came of it.
    fn ask_person(&mut self, hold: &str) -> Result<Reply, SessionError> {
        self.stage.pause()?;
        self.stage.says("It waits for Dana. This is what she is shown, all of it:")?;
        self.stage.pause()?;
        let shown = self.installation.ambit(&["show", hold])?;
        self.stage.shows(&shown.data)?;
        self.stage.pause()?;
        let words = if self.says_yes()? {
            vec!["confirm", hold, "--passphrase-file", PASSPHRASE]
        } else {
            vec!["refuse", hold, "--because", "not now", "--passphrase-file", PASSPHRASE]
        };
        let answered = self.installation.ambit(&words)?;
        self.stage.command(&words, answered.talk.lines().last().unwrap_or_default())?;
        self.stage.pause()?;
        self.stage.means("The agent asks what came of it.")?;
        let reply = self.session.call("ambit_pending", &json!({ "id": hold }))?;
        let (style, became, below) = match &reply {
            Reply::Done(_) => (GOOD, "done", vec![]),
            Reply::Not { says, .. } => (BAD, "refused", vec![says.clone()]),
        };
        self.stage.call("ambit_pending", &json!({ "id": hold }), style, became, below)?;
        Ok(reply)
    }

    fn says_yes(&mut self) -> io::Result<bool> {
        if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
            self.stage.says("Nobody is at this terminal, so a scripted person answers for her: yes.")?;
            self.stage.pause()?;
            return Ok(true);
        }
        self.stage.asks("You are Dana. Let exactly this run, once? [y/n] ")?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        self.stage.pause()?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

/// A line of the page, as it stands.
fn of_page(page: &str, line: usize) -> Option<String> {
    page.lines().nth(line.checked_sub(1)?).map(str::to_owned)
}
