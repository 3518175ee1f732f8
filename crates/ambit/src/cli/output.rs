//! How commands speak: data to standard output, talk to standard error, and what went wrong with the next step.

use std::io::{self, Write as _};
use std::time::Duration;

use ambit_core::scope::diagnostics::Severity;
use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use unicode_width::UnicodeWidthStr as _;

use super::Exit;
use crate::escape::escape;
use crate::report::Findings;

/// Standard output for data. Styles written to it are taken out where they do not belong.
#[must_use]
pub fn data() -> anstream::AutoStream<io::StdoutLock<'static>> {
    anstream::AutoStream::auto(io::stdout()).lock()
}

/// Prints a value as one JSON document on standard output.
///
/// # Errors
/// When standard output is gone.
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Says something to the person, on standard error. Foreign text in it must be escaped already.
pub fn say(text: &str) {
    // Where there is nobody to tell, there is nobody to tell that.
    let _ = writeln!(anstream::AutoStream::auto(io::stderr()).lock(), "{}", text.trim_end());
}

/// What stopped a command, with the next step. Any other error that ends a command is a fault.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Trouble {
    exit: Exit,
    message: String,
    help: String,
}

impl Trouble {
    /// What went wrong, lowercase and without a full stop, and what to do about it.
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>, help: impl Into<String>) -> Trouble {
        Trouble { exit, message: message.into(), help: help.into() }
    }
}

/// Tells what stopped a command on standard error, and says how to end.
#[must_use]
pub fn tell(stopped: &anyhow::Error) -> Exit {
    let io = stopped.chain().find_map(|error| error.downcast_ref::<io::Error>());
    if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        // A reader that had enough (`| head`) is no fault and wants no message.
        return Exit::Fine;
    }
    let trouble = stopped.downcast_ref::<Trouble>();
    let (error, help) = (AnsiColor::Red.on_default().bold(), AnsiColor::Cyan.on_default().bold());
    let mut text = format!("{error}error{error:#}: {}", escape(&format!("{stopped:#}")));
    if let Some(trouble) = trouble {
        text.push_str(&format!("\n{help}help{help:#}: {}", escape(&trouble.help)));
    }
    say(&text);
    trouble.map_or(Exit::Fault, |trouble| trouble.exit)
}

/// The errors among the findings.
#[must_use]
pub fn errors_only(mut all: Vec<Findings>) -> Vec<Findings> {
    for findings in &mut all {
        findings.diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
    }
    all
}

/// The styles of words that mean the same everywhere.
pub mod style {
    use super::{AnsiColor, Style};

    /// What went well: *allow*, *ready*.
    pub const GOOD: Style = AnsiColor::Green.on_default();
    /// What waits: *hold*.
    pub const WAITING: Style = AnsiColor::Yellow.on_default();
    /// What is wrong or refused.
    pub const BAD: Style = AnsiColor::Red.on_default();
    /// A heading.
    pub const HEAD: Style = Style::new().bold();
    /// What matters less.
    pub const QUIET: Style = Style::new().dimmed();
}

/// Rows in columns. Cells are escaped; the last column is as wide as it needs.
#[derive(Clone, Debug, Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    #[must_use]
    pub fn new(headings: &[&str]) -> Table {
        Table { rows: vec![headings.iter().map(|&heading| heading.to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| escape(cell.as_ref())).collect());
    }

    /// Whether no row was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() < 2
    }

    /// Its text, the headings in bold, each line ended.
    #[must_use]
    pub fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        let mut out = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
            }
            let line = line.trim_end();
            let style = if number == 0 { style::HEAD } else { Style::new() };
            out.push_str(&format!("{style}{line}{style:#}\n"));
        }
        out
    }
}

/// A progress bar on standard error, for work that takes longer than a second. Nothing is drawn where standard error is
/// no terminal.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Work of so many steps.
    #[must_use]
    pub fn new(what: &'static str, steps: u64) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {bar:30} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        let later = bar.downgrade();
        // A step may itself take longer than a second, so somebody else has to look at the clock.
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_secs(1));
            if let Some(bar) = later.upgrade().filter(|bar| !bar.is_finished()) {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                bar.enable_steady_tick(Duration::from_millis(200));
            }
        });
        Progress { bar }
    }

    /// Says what is being done now.
    pub fn now(&self, what: &str) {
        self.bar.set_message(escape(what));
    }

    /// One step is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_by_what_is_seen() {
        let mut table = Table::new(&["agent", "said"]);
        table.row(["日本", "x\u{1b}[31m"]);
        table.row(["refund-helper", "ok"]);
        let text = anstream::adapter::strip_str(&table.text()).to_string();
        assert_eq!(text, "agent          said\n日本           x\\u{1b}[31m\nrefund-helper  ok\n");
    }

    #[test]
    fn a_reader_that_had_enough_is_no_fault() {
        assert_eq!(tell(&io::Error::from(io::ErrorKind::BrokenPipe).into()), Exit::Fine);
        assert_eq!(tell(&io::Error::other("disk").into()), Exit::Fault);
        assert_eq!(tell(&Trouble::new(Exit::Held, "it waits", "ask again").into()), Exit::Held);
    }
}
