//! The whole document.

use super::marks::shown;
use super::print_line;
use super::table::print_table;
use crate::scope::{Document, Line, Outside, Place, Section};

/// The whole document. Commentary keeps its place; bullets and paragraphs are not wrapped.
#[must_use]
pub fn print(document: &Document) -> String {
    let mut out = front(document);
    out.push_str(&format!("\n# {}\n", shown(&document.title)));
    let paragraphs: Vec<&str> = document.purpose.split("\n\n").filter(|paragraph| !paragraph.is_empty()).collect();
    for count in 0..=paragraphs.len() {
        remarks(&mut out, document, Place::Purpose, count);
        if let Some(paragraph) = paragraphs.get(count) {
            out.push_str(&format!("\n{paragraph}\n"));
        }
    }
    for section in Section::ALL {
        section_lines(&mut out, document, section);
    }
    let has_remarks = document.commentary.iter().any(|remark| remark.place == Place::Scenarios);
    if !document.scenarios.is_empty() || has_remarks {
        out.push_str("\n## Scenarios\n");
        scenarios(&mut out, document);
    }
    if let Some(notes) = &document.notes {
        out.push_str(&format!("\n## Notes\n\n{notes}\n"));
    }
    out
}

fn front(document: &Document) -> String {
    let front = &document.front;
    let mut out = format!("---\nagent: {}\nowner: {}\n", front.agent, front.owner);
    if let Some(person) = &front.backup_owner {
        out.push_str(&format!("backup-owner: {person}\n"));
    }
    if let Some(workflow) = &front.workflow {
        out.push_str(&format!("workflow: {workflow}\n"));
    }
    if let Some(date) = front.review_by {
        out.push_str(&format!("review-by: {date}\n"));
    }
    if front.outside == Outside::Refuse {
        out.push_str("outside: refuse\n");
    }
    out.push_str("---\n");
    out
}

fn remarks(out: &mut String, document: &Document, place: Place, after: usize) -> bool {
    let mut any = false;
    for remark in document.commentary.iter().filter(|remark| remark.place == place && remark.after == after) {
        out.push('\n');
        for line in remark.text.split('\n') {
            out.push_str(if line.is_empty() { ">" } else { "> " });
            out.push_str(line);
            out.push('\n');
        }
        any = true;
    }
    any
}

fn section_lines(out: &mut String, document: &Document, section: Section) {
    out.push_str(&format!("\n## {}\n", section.title()));
    let lines: Vec<&Line> = document.lines.iter().filter(|line| line.section == section).collect();
    let mut apart = true;
    for count in 0..=lines.len() {
        apart |= remarks(out, document, Place::Section(section), count);
        let bullet = match lines.get(count) {
            Some(line) => print_line(line),
            None if lines.is_empty() => String::from("nothing"),
            None => return,
        };
        if apart {
            out.push('\n');
        }
        out.push_str(&format!("- {bullet}\n"));
        apart = false;
    }
}

fn scenarios(out: &mut String, document: &Document) {
    let mut from = 0;
    for count in 0..=document.scenarios.len() {
        let here = document.commentary.iter().any(|remark| remark.place == Place::Scenarios && remark.after == count);
        if here || count == document.scenarios.len() {
            out.push_str(&print_table(document.scenarios.get(from..count).unwrap_or(&[])));
            from = count;
        }
        remarks(out, document, Place::Scenarios, count);
    }
}
