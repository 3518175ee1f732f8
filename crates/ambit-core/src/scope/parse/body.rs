//! The document after its front matter: title, purpose, the four questions, scenarios, notes.

use std::ops::Range;

use super::block::{missing_blank, quote_lines, rows_while, spaced, verbatim};
use super::heading::{Part, TITLES, nearest_place, part_of, place_of};
use super::inline::{self, Inline};
use super::line;
use super::report::{Report, quoted};
use super::rows::{Fault, HASHES, Row, Shape, nested_fault};
use super::scenario;
use crate::scope::{Commentary, Document, Place, Section};

/// At most this many bytes in the text of a bullet, so that its canonical form fits in one line.
pub const MAX_BULLET_BYTES: usize = 8_192;
/// At most this many bullets in a document.
pub const MAX_BULLETS: usize = 4_096;

/// What is being read and what stood so far.
struct Body<'r, 's> {
    report: &'r mut Report<'s>,
    rows: &'r [Row],
    document: Document,
    part: Part,
    /// The place in [`TITLES`] and the heading's bytes of each heading that stood.
    stood: Vec<(usize, Range<usize>)>,
    /// Bullets under each question, `- nothing` with them.
    bullets: [usize; 4],
    nothing: [Option<Range<usize>>; 4],
    paragraphs: Vec<String>,
    notes: Vec<Range<usize>>,
    tables: usize,
    has_title: bool,
}

/// Reads the rows after the front matter into the document.
pub(super) fn read(report: &mut Report<'_>, rows: &[Row], document: Document) -> Document {
    let mut body = Body {
        report,
        rows,
        document,
        part: Part::Top,
        stood: Vec::new(),
        bullets: [0; 4],
        nothing: [const { None }; 4],
        paragraphs: Vec::new(),
        notes: Vec::new(),
        tables: 0,
        has_title: false,
    };
    let mut at = 0;
    while at < rows.len() && !body.report.is_full() {
        at += body.block(at).max(1);
    }
    body.finish()
}

impl Body<'_, '_> {
    /// Reads the block that starts at that row; gives back how many rows it took.
    fn block(&mut self, at: usize) -> usize {
        let Some(row) = self.rows.get(at) else { return 1 };
        let bytes = row.bytes.clone();
        match &row.shape {
            Shape::Blank => 1,
            Shape::Heading(level, title) => {
                self.heading(*level, title.clone(), bytes);
                1
            }
            Shape::Bullet(first) => self.bullet(at, first.clone()),
            Shape::Continuation(_) => {
                let help = "start the line at the margin; a bullet goes on only in the line right after it";
                self.report.error("indented-text", bytes, "indented text that belongs to no bullet", help);
                1
            }
            Shape::Quote(_) => self.quote(at),
            Shape::TableRow => self.table(at),
            Shape::Prose => self.prose(at),
            Shape::Fault(fault) => {
                self.fault(*fault, bytes.clone());
                if *fault == HASHES {
                    let text = self.report.slice(&bytes).trim_start_matches('#');
                    self.enter(place_of(text).or(nearest_place(text)), bytes);
                }
                1
            }
        }
    }

    fn fault(&mut self, fault: Fault, bytes: Range<usize>) {
        self.report.error(fault.name, bytes, fault.message, fault.help);
    }

    fn shape_before(&self, at: usize) -> Option<&Shape> {
        at.checked_sub(1).and_then(|at| self.rows.get(at)).map(|row| &row.shape)
    }

    fn heading(&mut self, level: usize, title: Range<usize>, bytes: Range<usize>) {
        let text = inline::read(self.report, std::slice::from_ref(&title)).text;
        let before = self.report.slice(&title).trim_end_matches('#');
        if before.len() < title.len() && (before.is_empty() || before.ends_with(' ')) {
            let help = "delete the hashes at its end";
            self.report.error("renders-differently", bytes.clone(), "a heading that ends in hashes", help);
        }
        match level {
            1 => self.title(text, bytes),
            2 => self.question(&text, bytes),
            _ => {
                let message = format!("a heading of level {level}");
                let help = "a scope has one `#` title and `##` headings";
                self.report.error("heading-level", bytes, message, help);
            }
        }
    }

    fn title(&mut self, text: String, bytes: Range<usize>) {
        if self.has_title {
            self.report.error("repeated-title", bytes, "a second title", "a scope has one `#` title");
            return;
        }
        if self.part != Part::Top {
            let help = "put the title and the purpose before the first `##` heading";
            self.report.error("heading-out-of-order", bytes.clone(), "the title stands after a section", help);
        }
        if text.is_empty() {
            let help = "write what the agent is called: `# Refund helper`";
            self.report.error("missing-title", bytes, "a title with nothing in it", help);
        }
        self.has_title = true;
        self.document.title = text;
        self.part = if self.part == Part::Top { Part::Purpose } else { self.part };
    }

    fn question(&mut self, text: &str, bytes: Range<usize>) {
        if place_of(text).is_some() {
            return self.enter(place_of(text), bytes);
        }
        let near = nearest_place(text);
        let help = match near.and_then(|near| TITLES.get(near)) {
            Some(near) => format!("did you mean `## {near}`?"),
            None => format!("the headings are {}", TITLES.map(|title| format!("`## {title}`")).join(", ")),
        };
        let message = format!("{} is no heading of a scope", quoted(text));
        self.report.error("unknown-heading", bytes.clone(), message, help);
        // A slip still says which question is meant, so that its lines are read and it is not called missing.
        self.enter(near.filter(|near| !self.stood.iter().any(|(stood, _)| stood == near)), bytes);
    }

    /// Goes on to the part of that heading.
    fn enter(&mut self, place: Option<usize>, bytes: Range<usize>) {
        let Some(place) = place else {
            self.part = Part::Unknown;
            return;
        };
        let title = TITLES.get(place).copied().unwrap_or_default();
        if self.stood.iter().any(|(stood, _)| *stood == place) {
            let message = format!("`## {title}` stands twice");
            self.report.error("repeated-heading", bytes, message, "put all of its lines under one heading");
        } else {
            if self.stood.iter().any(|(stood, _)| *stood > place) {
                let message = format!("`## {title}` stands too late");
                let help = format!("the order is {}", TITLES.map(|title| format!("`{title}`")).join(", "));
                self.report.error("heading-out-of-order", bytes.clone(), message, help);
            }
            self.stood.push((place, bytes));
        }
        self.part = part_of(place);
    }

    fn bullet(&mut self, at: usize, first: Range<usize>) -> usize {
        let mut lines = vec![first];
        for row in self.rows.get(at + 1..).unwrap_or(&[]) {
            let Shape::Continuation(part) = &row.shape else { break };
            lines.push(part.clone());
        }
        let taken = lines.len();
        let bytes = lines.first().map_or(0, |line| line.start)..lines.last().map_or(0, |line| line.end);
        let mut whole = true;
        for line in &lines {
            if let Some(fault) = nested_fault(self.report, line) {
                self.fault(fault, line.clone());
                whole = false;
            }
        }
        match self.part {
            Part::Section(section) => {
                if let Some(count) = self.bullets.get_mut(section as usize) {
                    *count += 1;
                }
                let inline = inline::read(self.report, &lines);
                if whole {
                    self.line(section, &inline);
                }
            }
            Part::Notes => {
                inline::read(self.report, &lines);
                let rows = self.rows.get(at..at + taken).unwrap_or(&[]);
                self.notes.extend(rows.iter().map(|row| row.bytes.clone()));
            }
            Part::Unknown => {
                inline::read(self.report, &lines);
            }
            Part::Top | Part::Purpose | Part::Scenarios => {
                let help = "bullets stand under the four questions; the purpose is running text, scenarios are a table";
                self.report.error("stray-bullet", bytes, "a bullet outside the four questions", help);
            }
        }
        taken
    }

    fn line(&mut self, section: Section, inline: &Inline) {
        let bullets: usize = self.bullets.iter().sum();
        if bullets > MAX_BULLETS {
            if bullets == MAX_BULLETS + 1 {
                let message = format!("more than {MAX_BULLETS} lines in the four sections");
                let help = "keep long lists in `ambit.toml`, or tag what belongs together";
                self.report.error("list-too-long", inline.bytes.clone(), message, help);
            }
            return;
        }
        if inline.text == "nothing" {
            if let Some(nothing) = self.nothing.get_mut(section as usize) {
                *nothing = Some(inline.bytes.clone());
            }
            return;
        }
        if inline.text.len() > MAX_BULLET_BYTES {
            let message = format!("a bullet of more than {MAX_BULLET_BYTES} bytes");
            let help = "write several lines, or keep the values in a list of `ambit.toml`";
            self.report.error("line-too-long", inline.bytes.clone(), message, help);
            return;
        }
        self.document.lines.extend(line::read(self.report, section, inline));
    }

    fn quote(&mut self, at: usize) -> usize {
        let (paragraphs, taken, text) = quote_lines(self.report, self.rows, at);
        for paragraph in &paragraphs {
            inline::read(self.report, paragraph);
        }
        let rows = self.rows.get(at..at + taken).unwrap_or(&[]);
        let bytes = rows.first().map_or(0, |row| row.bytes.start)..rows.last().map_or(0, |row| row.bytes.end);
        let count = |section: Section| self.document.lines.iter().filter(|line| line.section == section).count();
        let (place, after) = match self.part {
            Part::Purpose => (Place::Purpose, self.paragraphs.len()),
            Part::Section(section) => (Place::Section(section), count(section)),
            Part::Scenarios => (Place::Scenarios, self.document.scenarios.len()),
            Part::Notes => {
                self.notes.extend(rows.iter().map(|row| row.bytes.clone()));
                return taken;
            }
            Part::Top | Part::Unknown => {
                if self.part == Part::Top {
                    let help = "put it after the title";
                    self.report.error("stray-text", bytes, "a quote before the title", help);
                }
                return taken;
            }
        };
        self.document.commentary.push(Commentary { place, after, text, at: self.report.span(bytes) });
        taken
    }

    fn table(&mut self, at: usize) -> usize {
        let taken = rows_while(self.rows, at, |shape| *shape == Shape::TableRow);
        let rows = self.rows.get(at..at + taken).unwrap_or(&[]);
        let bytes = rows.first().map_or(0, |row| row.bytes.start)..rows.last().map_or(0, |row| row.bytes.end);
        if self.part == Part::Scenarios {
            if !matches!(self.shape_before(at), None | Some(Shape::Blank | Shape::Heading(..))) {
                missing_blank(self.report, bytes);
            }
            self.tables += 1;
            self.document.scenarios.extend(scenario::table(self.report, rows));
        } else {
            let help = "tables stand under `## Scenarios`";
            self.report.error("stray-table", bytes, "a table outside the scenarios", help);
        }
        taken
    }

    fn prose(&mut self, at: usize) -> usize {
        let taken = rows_while(self.rows, at, |shape| *shape == Shape::Prose);
        let rows = self.rows.get(at..at + taken).unwrap_or(&[]);
        let lines: Vec<Range<usize>> = rows.iter().map(|row| row.bytes.clone()).collect();
        let bytes = lines.first().map_or(0, |line| line.start)..lines.last().map_or(0, |line| line.end);
        let lazy = matches!(self.shape_before(at), Some(Shape::Bullet(_) | Shape::Continuation(_)));
        if lazy {
            let help = "start a new bullet with `- `, or go on with the last one by indenting the line by two spaces";
            self.report.error("stray-text", bytes, "text at the margin right after a bullet", help);
            return taken;
        }
        if matches!(self.shape_before(at), Some(Shape::Quote(_) | Shape::TableRow)) {
            missing_blank(self.report, bytes.clone());
        }
        match self.part {
            Part::Purpose => {
                inline::read(self.report, &lines);
                self.paragraphs.push(verbatim(self.report, &lines));
            }
            Part::Notes => {
                inline::read(self.report, &lines);
                self.notes.extend(lines);
            }
            Part::Unknown => {
                inline::read(self.report, &lines);
            }
            Part::Top => {
                let help = "the document goes on with `# ` and a title; the purpose follows it";
                self.report.error("stray-text", bytes, "text before the title", help);
            }
            Part::Section(_) | Part::Scenarios => {
                let help = "under a heading stand only lines that start with `- ` (under `## Scenarios` a table); write \
                            commentary as `> …`";
                self.report.error("stray-text", bytes, "text that is no line of the section", help);
            }
        }
        taken
    }

    fn finish(mut self) -> Document {
        self.missing();
        self.document.purpose = self.paragraphs.join("\n\n");
        if self.stood.iter().any(|(place, _)| part_of(*place) == Part::Notes) {
            self.document.notes = Some(spaced(self.report, &self.notes));
        }
        self.document.lines.sort_by_key(|line| line.section);
        self.document
    }

    fn missing(&mut self) {
        let end = self.report.source().len();
        if !self.has_title {
            let help = "write `# ` and what the agent is called, after the front matter";
            self.report.error("missing-title", end..end, "the document has no title", help);
        } else if self.paragraphs.is_empty() {
            let at = self.stood.first().map_or(end..end, |(_, bytes)| bytes.clone());
            let help = "write under the title, in plain words, what the agent is for";
            self.report.error("missing-purpose", at, "the purpose is missing", help);
        }
        for (place, section) in Section::ALL.into_iter().enumerate() {
            let title = section.title();
            let Some((_, bytes)) = self.stood.iter().find(|(stood, _)| *stood == place) else {
                let next = self.stood.iter().find(|(stood, _)| *stood > place);
                let at = next.map_or(end..end, |(_, bytes)| bytes.clone());
                let message = format!("`## {title}` is missing");
                let help = format!("write `## {title}` here; `- nothing` under it is an answer");
                self.report.error("missing-section", at, message, help);
                continue;
            };
            let bullets = self.bullets.get(place).copied().unwrap_or(0);
            match self.nothing.get(place).cloned().flatten() {
                _ if bullets == 0 => {
                    let message = format!("nothing stands under `## {title}`");
                    self.report.error(
                        "empty-section",
                        bytes.clone(),
                        message,
                        "if that is the answer, write `- nothing`",
                    );
                }
                Some(nothing) if bullets > 1 => {
                    let help = "delete `- nothing`, or everything else under the heading";
                    self.report.error("nothing-and-something", nothing, "`- nothing` beside other lines", help);
                }
                _ => {}
            }
        }
        for (place, bytes) in &self.stood {
            match part_of(*place) {
                Part::Scenarios
                    if self.tables == 0 || (self.document.scenarios.is_empty() && !self.report.has_error()) =>
                {
                    let help = "write a table with the columns `when it is told`, `and it tries`, `then`";
                    self.report.error("no-scenarios", bytes.clone(), "no scenario under `## Scenarios`", help);
                }
                Part::Notes if self.notes.is_empty() => {
                    let help = "write the notes, or delete the heading";
                    self.report.error("empty-section", bytes.clone(), "nothing stands under `## Notes`", help);
                }
                _ => {}
            }
        }
    }
}
