//! How the demo is told on a terminal: at most 100 columns, readable without colour.

use std::fmt::Display;
use std::io::{self, Write};

use clap::builder::styling::Style;

use super::standing::Standing;
use crate::cli::output::style::{HEAD, QUIET};
use crate::escape::escape;
const WIDTH: usize = 100;

/// Where the demo is told.
pub struct Stage<W: Write> {
    out: W,
    /// Calls that went the same way, one after the other, are told as one.
    pending: Option<Told>,
}

struct Told {
    tool: String,
    arguments: String,
    style: Style,
    became: String,
    below: Vec<String>,
    times: usize,
}

impl<W: Write> Stage<W> {
    /// A stage that writes there.
    pub fn new(out: W) -> Stage<W> {
        Stage { out, pending: None }
    }

    /// A heading over the whole width.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn act(&mut self, title: &str) -> io::Result<()> {
        self.settle()?;
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4));
        writeln!(self.out, "\n{QUIET}──{QUIET:#} {HEAD}{title}{HEAD:#} {QUIET}{rule}{QUIET:#}\n")
    }

    /// A paragraph.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn says(&mut self, text: &str) -> io::Result<()> {
        self.settle()?;
        for line in wrap(text, WIDTH) {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }

    /// Lines as they are (already escaped), moved in.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn shows(&mut self, text: &str) -> io::Result<()> {
        self.settle()?;
        for line in text.lines() {
            for (part, line) in wrap(line, WIDTH - 18).iter().enumerate() {
                let indent = if part == 0 { 4 } else { 18 };
                writeln!(self.out, "{}", format!("{:indent$}{line}", "").trim_end())?;
            }
        }
        Ok(())
    }

    /// A document, its lines numbered as the document counts them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn numbers(&mut self, document: &str) -> io::Result<()> {
        self.settle()?;
        for (at, line) in document.lines().enumerate() {
            let style = if line.starts_with('#') { HEAD } else { Style::new() };
            for (part, line) in wrap(&escape(line), WIDTH - 6).iter().enumerate() {
                let number = if part == 0 { (at + 1).to_string() } else { String::new() };
                writeln!(self.out, "{QUIET}{number:>3} │{QUIET:#} {style}{line}{style:#}")?;
            }
        }
        Ok(())
    }

    /// A command of Ambit and the line of what it said that matters.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn command(&mut self, words: &[&str], said: &str) -> io::Result<()> {
        self.settle()?;
        let quoted = |word: &&str| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() };
        let words: Vec<String> = words.iter().map(quoted).collect();
        for (part, line) in wrap(&format!("$ ambit {}", words.join(" ")), WIDTH - 4).iter().enumerate() {
            writeln!(self.out, "{:1$}{HEAD}{line}{HEAD:#}", "", if part == 0 { 2 } else { 4 })?;
        }
        for line in wrap(&escape(said), WIDTH - 4) {
            writeln!(self.out, "    {QUIET}{line}{QUIET:#}")?;
        }
        self.out.flush()
    }

    /// A question, on the line of which the answer is typed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn asks(&mut self, question: &str) -> io::Result<()> {
        self.settle()?;
        write!(self.out, "{HEAD}{question}{HEAD:#}")?;
        self.out.flush()
    }

    /// What the agent is about to do.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn means(&mut self, purpose: &str) -> io::Result<()> {
        self.settle()?;
        writeln!(self.out, "{HEAD}{purpose}{HEAD:#}")
    }

    /// A call, what became of it, and what there is to say below it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn call(
        &mut self,
        tool: &str,
        arguments: &impl Display,
        style: Style,
        became: &str,
        below: Vec<String>,
    ) -> io::Result<()> {
        if let Some(told) = &mut self.pending
            && told.tool == tool
            && told.became == became
            && told.below == below
        {
            told.times += 1;
            return Ok(());
        }
        self.settle()?;
        let arguments = escape(&arguments.to_string());
        self.pending = Some(Told { tool: tool.into(), arguments, style, became: became.into(), below, times: 1 });
        Ok(())
    }

    /// How the company stands, beside how it stood.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn compares(&mut self, before: &Standing, after: &Standing) -> io::Result<()> {
        self.settle()?;

        writeln!(self.out, "{QUIET}{:<50}{:<14}after{QUIET:#}", "what the database shows", "before")?;
        for (was, is) in before.measures.iter().zip(&after.measures) {
            let style = if was.value == is.value { Style::new() } else { HEAD };
            let (was_value, is_value) = (escape(&was.value), escape(&is.value));
            writeln!(self.out, "{:<50}{was_value:<14}{style}{is_value}{style:#}", was.name)?;
        }
        Ok(())
    }

    /// An empty line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn pause(&mut self) -> io::Result<()> {
        self.settle()?;
        writeln!(self.out)
    }

    fn settle(&mut self) -> io::Result<()> {
        let Some(told) = self.pending.take() else { return Ok(()) };
        let Told { tool, arguments, style, became, below, times } = told;
        let shown = if times == 1 { format!("{tool} {arguments}") } else { format!("{tool} × {times}") };
        let room = WIDTH.saturating_sub(2 + became.chars().count() + 2);
        let lines = wrap(&shown, room);
        for (at, line) in lines.iter().enumerate() {
            if at == 0 {
                let gap = room.saturating_sub(line.chars().count()) + 2;
                writeln!(self.out, "  {line}{:gap$}{style}{became}{style:#}", "")?;
            } else {
                writeln!(self.out, "    {line}")?;
            }
        }
        for line in below.iter().flat_map(|text| text.lines()) {
            for line in wrap(&escape(line), WIDTH - 6) {
                writeln!(self.out, "      {QUIET}{line}{QUIET:#}")?;
            }
        }
        self.out.flush()
    }
}

/// Lines of at most `width` characters, broken at blanks where there are any. Blanks at its start stay.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let words = text.trim_start_matches(' ');
    let mut lines = Vec::new();
    let mut line = " ".repeat((text.len() - words.len()).min(width / 2));
    let mut count = line.len();
    for (at, word) in words.split(' ').enumerate() {
        if at > 0 && count + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
            count = 0;
        } else if at > 0 {
            line.push(' ');
            count += 1;
        }
        for character in word.chars() {
            if count == width {
                lines.push(std::mem::take(&mut line));
                count = 0;
            }
            line.push(character);
            count += 1;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::style::{BAD, GOOD};

    fn told(tell: impl FnOnce(&mut Stage<Vec<u8>>) -> io::Result<()>) -> String {
        let mut stage = Stage::new(Vec::new());
        tell(&mut stage).unwrap();
        stage.settle().unwrap();
        anstream::adapter::strip_str(&String::from_utf8(stage.out).unwrap()).to_string()
    }

    #[test]
    fn calls_that_go_the_same_way_are_told_as_one() {
        let text = told(|stage| {
            for id in 1..=3 {
                stage.call("crm.update_customer", &format!("{{\"id\":{id}}}"), GOOD, "done", vec![])?;
            }
            stage.call("crm.update_customer", &"{}", BAD, "failed", vec!["because".into()])
        });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("  crm.update_customer × 3 ") && lines[0].ends_with(" done"), "{text}");
        assert!(lines[1].ends_with(" failed"), "{text}");
        assert_eq!(lines[2], "      because");
    }

    #[test]
    fn no_line_is_wider_than_the_page_and_no_character_is_cut() {
        let long = "x".repeat(250);
        let text = told(|stage| {
            stage.says(&format!("one {long} two"))?;
            stage.call("a.tool", &long, GOOD, "done", vec![long.clone()])
        });
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.matches('x').count(), 750);
    }

    #[test]
    fn what_a_server_wrote_cannot_move_the_cursor() {
        let text = told(|stage| stage.call("a.tool", &"\u{1b}[2Jgone\u{202e}", GOOD, "done", vec![]));
        assert!(!text.contains('\u{202e}'), "{text:?}");
        assert!(text.contains("gone"), "{text:?}");
    }
}
