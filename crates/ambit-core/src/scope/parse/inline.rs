//! Text inside a block: code spans are opened, and whatever a renderer would show differently is an error.

use std::ops::Range;

use super::report::{Report, quoted};

/// Text as a renderer shows it, with the place in the document that each byte came from.
#[derive(Debug, Default)]
pub(super) struct Inline {
    /// Code spans opened, runs of white space outside them joined to one space, ends trimmed.
    pub(super) text: String,
    /// For each byte of `text`, its offset in the document.
    map: Vec<usize>,
    /// Places in `text` where several spaces were joined.
    joined: Vec<usize>,
    /// The bytes of the document this was read from.
    pub(super) bytes: Range<usize>,
}

impl Inline {
    /// The bytes of the document that a part of `text` came from.
    pub(super) fn source(&self, part: Range<usize>) -> Range<usize> {
        let place = |at: usize| self.map.get(at).copied();
        match (place(part.start), part.end.checked_sub(1).and_then(place)) {
            (Some(start), Some(last)) if part.start < part.end && start <= last => start..last + 1,
            (Some(start), _) => start..start,
            _ => self.bytes.end..self.bytes.end,
        }
    }

    /// Whether white space was joined within a part of `text`.
    pub(super) fn is_joined(&self, part: &Range<usize>) -> bool {
        self.joined.iter().any(|at| part.contains(at))
    }

    fn push(&mut self, c: char, offset: usize) {
        self.text.push(c);
        self.map.extend((0..c.len_utf8()).map(|byte| offset + byte));
    }

    fn drop_last_space(&mut self) {
        if self.text.ends_with(' ') {
            self.text.pop();
            self.map.pop();
        }
    }
}

/// A character with its offset in the document; a line end within a block is `\n`.
pub(super) type Placed = (usize, char);

/// Reads the lines of one block as one text.
pub(super) fn read(report: &mut Report<'_>, lines: &[Range<usize>]) -> Inline {
    let mut placed: Vec<Placed> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            placed.push((line.start.saturating_sub(1), '\n'));
        }
        let text = report.slice(line);
        placed.extend(text.char_indices().map(|(at, c)| (line.start + at, c)));
    }
    let bytes = lines.first().map_or(0, |line| line.start)..lines.last().map_or(0, |line| line.end);
    read_placed(report, &placed, bytes)
}

/// Text that was opened before: nothing in it is a mark.
pub(super) fn verbatim(placed: &[Placed], bytes: Range<usize>) -> Inline {
    let mut inline = Inline { bytes, ..Inline::default() };
    for (offset, c) in placed {
        inline.push(*c, *offset);
    }
    inline
}

/// Whether a renderer shows this text, outside code spans, exactly as it stands.
pub(in crate::scope) fn shows_as_written(text: &str) -> bool {
    if text.contains('\n') {
        return false;
    }
    let mut report = Report::new(text);
    let read = read(&mut report, std::slice::from_ref(&(0..text.len())));
    !report.has_error() && read.text == text && !text.contains('`')
}

/// Reads characters that stand in one block.
pub(super) fn read_placed(report: &mut Report<'_>, placed: &[Placed], bytes: Range<usize>) -> Inline {
    let last_of = |mark: char| placed.iter().rposition(|(_, c)| *c == mark);
    let mut dollars = placed.iter().zip(placed.iter().skip(1));
    let mut reader = Reader {
        placed,
        at: 0,
        out: Inline { bytes, ..Inline::default() },
        runs: Vec::new(),
        space: true,
        last_angle: last_of('>'),
        last_bracket: last_of(']'),
        last_dollar: dollars
            .rposition(|((_, before), (_, c))| *c == '$' && !matches!(before, ' ' | '\n'))
            .map(|before| before + 1),
    };
    while let Some(c) = reader.ahead(0) {
        reader.step(report, c);
    }
    if reader.space {
        reader.out.drop_last_space();
    }
    reader.emphasis(report);
    reader.out
}

struct Reader<'p> {
    placed: &'p [Placed],
    at: usize,
    out: Inline,
    runs: Vec<Run>,
    /// The last thing read was white space outside a code span, or nothing was read yet.
    space: bool,
    // Found once, so that no text makes the reader look for the same thing again and again.
    last_angle: Option<usize>,
    last_bracket: Option<usize>,
    /// The last `$` that may close a formula.
    last_dollar: Option<usize>,
}

/// A run of `*`, `_` or `~` outside code spans.
struct Run {
    mark: char,
    bytes: Range<usize>,
    opens: bool,
    closes: bool,
}

impl Reader<'_> {
    fn ahead(&self, by: usize) -> Option<char> {
        self.placed.get(self.at + by).map(|(_, c)| *c)
    }

    fn offset(&self, by: usize) -> usize {
        self.placed.get(self.at + by).map_or(self.out.bytes.end, |(offset, _)| *offset)
    }

    fn before(&self) -> Option<char> {
        self.at.checked_sub(1).and_then(|at| self.placed.get(at)).map(|(_, c)| *c)
    }

    fn take(&mut self, count: usize) {
        for _ in 0..count {
            if let Some((offset, c)) = self.placed.get(self.at) {
                self.out.push(*c, *offset);
                self.at += 1;
            }
        }
        self.space = false;
    }

    fn step(&mut self, report: &mut Report<'_>, c: char) {
        match c {
            '`' => self.code(report),
            ' ' | '\n' => self.white(),
            '\\' => {
                let help = "put the text in a code span, where a backslash is a backslash";
                let message = "a backslash outside a code span is dropped by renderers";
                report.error("backslash", self.offset(0)..self.offset(0) + 1, message, help);
                self.take(1);
            }
            '<' if self.ahead(1).is_some_and(|c| c.is_ascii_alphabetic() || "/!?".contains(c)) => {
                let end = self.end(report, '>', self.last_angle);
                let help = "write plain text; to keep the characters, put them in a code span";
                report.error("html", self.offset(0)..end, "HTML, a comment or an autolink", help);
                self.take(1);
            }
            '&' => self.entity(report),
            '[' if self.ahead(1) == Some(']') && !self.ahead(2).is_some_and(|c| "([:".contains(c)) => self.take(2),
            '[' => {
                let end = self.end(report, ']', self.last_bracket);
                let help = "write plain text; to keep the brackets, put the text in a code span; in a path only `[]` stands, \
                            for each element";
                let message = "square brackets make a link, an image, a footnote or a check box";
                report.error("link", self.offset(0)..end, message, help);
                self.take(1);
            }
            '*' | '_' | '~' => self.run(c),
            '$' => self.math(report),
            ':' => self.shortcode(report),
            _ => self.take(1),
        }
    }

    /// Where a span that starts here ends: behind the next `close`, if there is one and somebody will read of it.
    fn end(&self, report: &Report<'_>, close: char, last: Option<usize>) -> usize {
        let closed = !report.is_full() && last.is_some_and(|last| last >= self.at);
        let rest = if closed { self.placed.get(self.at..).unwrap_or(&[]) } else { &[] };
        rest.iter().find(|(_, c)| *c == close).map_or(self.offset(0), |(offset, _)| *offset) + 1
    }

    fn count(&self, mark: char) -> usize {
        self.placed.iter().skip(self.at).take_while(|(_, c)| *c == mark).count()
    }

    fn white(&mut self) {
        let start = self.at;
        while self.ahead(0).is_some_and(|c| matches!(c, ' ' | '\n')) {
            self.at += 1;
        }
        if self.space {
            return;
        }
        if self.at - start > 1 {
            self.out.joined.push(self.out.text.len());
        }
        let from = self.placed.get(start).map_or(0, |(offset, _)| *offset);
        self.out.push(' ', from);
        self.space = true;
    }

    /// A code span: as many backticks at its end as at its start; one space at both ends belongs to the marks.
    fn code(&mut self, report: &mut Report<'_>) {
        let marks = self.count('`');
        let open = self.at;
        let mut at = open + marks;
        let mut close = None;
        while let Some((_, c)) = self.placed.get(at) {
            if *c != '`' {
                at += 1;
                continue;
            }
            let run = self.placed.iter().skip(at).take_while(|(_, c)| *c == '`').count();
            if run == marks {
                close = Some(at);
                break;
            }
            at += run;
        }
        let Some(close) = close else {
            let message = "a code span that is not closed";
            report.error(
                "unclosed-code-span",
                self.offset(0)..self.offset(0) + marks,
                message,
                "close it with as many backticks as opened it, in the same line or cell",
            );
            self.take(marks);
            return;
        };
        let inside = self.placed.get(open + marks..close).unwrap_or(&[]);
        let blank = |placed: Option<&Placed>| placed.is_some_and(|(_, c)| matches!(c, ' ' | '\n'));
        let padded =
            blank(inside.first()) && blank(inside.last()) && inside.iter().any(|(_, c)| !matches!(c, ' ' | '\n'));
        let inside = if padded { inside.get(1..inside.len() - 1).unwrap_or(&[]) } else { inside };
        for (offset, c) in inside {
            self.out.push(if *c == '\n' { ' ' } else { *c }, *offset);
        }
        self.at = close + marks;
        self.space = false;
    }

    fn entity(&mut self, report: &mut Report<'_>) {
        let name =
            self.placed.iter().skip(self.at + 1).take_while(|(_, c)| c.is_ascii_alphanumeric() || *c == '#').count();
        if name > 0 && self.ahead(name + 1) == Some(';') {
            let bytes = self.offset(0)..self.offset(name + 1) + 1;
            let message = format!("{} is shown as another character", quoted(report.slice(&bytes)));
            report.error("entity", bytes, message, "write the character itself, or put the text in a code span");
        }
        self.take(1);
    }

    fn run(&mut self, mark: char) {
        let length = self.count(mark);
        let (before, after) = (self.before(), self.ahead(length));
        let opens = may_flank(before, after) && (mark != '_' || !must_flank(after, before) || may_punctuate(before));
        let closes = may_flank(after, before) && (mark != '_' || !must_flank(before, after) || may_punctuate(after));
        let bytes = self.offset(0)..self.offset(length - 1) + 1;
        self.runs.push(Run { mark, bytes, opens, closes });
        self.take(length);
    }

    fn emphasis(&self, report: &mut Report<'_>) {
        for mark in ['*', '_', '~'] {
            let mut runs = self.runs.iter().filter(|run| run.mark == mark);
            let Some(open) = runs.by_ref().find(|run| run.opens) else { continue };
            let Some(close) = runs.find(|run| run.closes) else { continue };
            let bytes = open.bytes.start..close.bytes.end;
            let help = "put the text in a code span to keep the characters, or leave them out";
            if mark == '~' {
                report.error("strikethrough", bytes, "text between tildes is struck through", help);
            } else {
                let message = format!("renderers take the `{mark}` away and show the text between them in italics");
                report.error("emphasis", bytes, message, help);
            }
        }
    }

    /// `$…$` is a formula to some renderers.
    fn math(&mut self, report: &mut Report<'_>) {
        let opens = self.ahead(1).is_some_and(|c| !matches!(c, ' ' | '\n'));
        let closes = self.last_dollar.is_some_and(|last| last > self.at);
        if opens && closes {
            let help = "put the text in a code span";
            let message = "text between two `$` is shown as a formula";
            report.error("renders-differently", self.offset(0)..self.offset(0) + 1, message, help);
        }
        self.take(1);
    }

    /// `:name:` is a picture to some renderers.
    fn shortcode(&mut self, report: &mut Report<'_>) {
        let word = |c: &char| c.is_ascii_alphanumeric() || "_+-".contains(*c);
        let name: String = self.placed.iter().skip(self.at + 1).map(|(_, c)| *c).take_while(word).collect();
        let digits = name.bytes().all(|byte| byte.is_ascii_digit()) && !matches!(name.as_str(), "100" | "1234");
        if !digits && self.ahead(name.len() + 1) == Some(':') {
            let bytes = self.offset(0)..self.offset(name.len() + 1) + 1;
            let message = format!("{} is shown as a picture", quoted(report.slice(&bytes)));
            report.error("renders-differently", bytes, message, "put the text in a code span");
        }
        self.take(1);
    }
}

/// CommonMark's "flanking", read so that whatever may be a delimiter to one edition of it or another is one here:
/// letters and digits are certain, white space is certain, ASCII punctuation is certain, anything else may be either.
fn may_flank(outer: Option<char>, inner: Option<char>) -> bool {
    !is_space(inner) && (may_be_letter(inner) || is_space(outer) || may_punctuate(outer))
}

fn must_flank(outer: Option<char>, inner: Option<char>) -> bool {
    !is_space(inner) && (!may_punctuate(inner) || is_space(outer) || !may_be_letter(outer))
}

fn is_space(c: Option<char>) -> bool {
    c.is_none_or(char::is_whitespace)
}

fn may_punctuate(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_punctuation() || (!c.is_ascii() && !c.is_alphanumeric() && !c.is_whitespace()))
}

fn may_be_letter(c: Option<char>) -> bool {
    c.is_some_and(|c| !c.is_ascii_punctuation() && !c.is_whitespace())
}
