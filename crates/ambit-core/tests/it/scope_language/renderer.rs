//! The twin: what a Markdown renderer shows of an accepted document is what was read, and nothing else.

use ambit_core::scope::{Document, Section};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// One block as a renderer shows it.
#[derive(Debug, Default, PartialEq)]
struct Page {
    title: String,
    headings: Vec<String>,
    /// Under which heading (from 1; 0 is the purpose) each bullet stands.
    bullets: Vec<(usize, String)>,
    cells: Vec<Vec<String>>,
    paragraphs: Vec<(usize, String)>,
    quotes: usize,
}

/// Holds a renderer's view of the document against what was read of it.
pub fn shows(text: &str, document: &Document) -> Result<(), String> {
    let page = render(text)?;
    let mut headings: Vec<&str> = Section::ALL.iter().map(|section| section.title()).collect();
    headings.extend((!document.scenarios.is_empty()).then_some("Scenarios"));
    headings.extend(document.notes.is_some().then_some("Notes"));
    same("title", &page.title, &document.title)?;
    same("headings", &page.headings, &headings)?;
    for (number, section) in Section::ALL.into_iter().enumerate() {
        let lines = document.lines.iter().filter(|line| line.section == section);
        let mut read: Vec<String> = lines.map(|line| line.text.clone()).collect();
        if read.is_empty() {
            read.push("nothing".to_owned());
        }
        let shown = page.bullets.iter().filter(|(under, _)| *under == number + 1).map(|(_, text)| text.clone());
        same(section.title(), &shown.collect::<Vec<_>>(), &read)?;
    }
    let purpose = document.purpose.split("\n\n").count();
    same("purpose", &page.paragraphs.iter().filter(|(under, _)| *under == 0).count(), &purpose)?;
    let notes = page.paragraphs.iter().filter(|(under, _)| (1..=4).contains(under)).count();
    same("paragraphs under the questions", &notes, &0)?;
    same("quotes", &page.quotes, &document.commentary.len())?;
    let rows: Vec<Vec<String>> = document
        .scenarios
        .iter()
        .map(|scenario| vec![scenario.told.clone(), scenario.tries.clone(), scenario.then.word().to_owned()])
        .collect();
    let shown: Vec<Vec<String>> =
        page.cells.iter().map(|row| row.iter().take(3).map(|cell| cell.trim().to_owned()).collect()).collect();
    same("scenarios", &shown, &rows)
}

fn same<A: std::fmt::Debug + PartialEq<B>, B: std::fmt::Debug>(what: &str, shown: &A, read: &B) -> Result<(), String> {
    if shown == read { Ok(()) } else { Err(format!("{what}: shown {shown:?}, read {read:?}")) }
}

fn render(text: &str) -> Result<Page, String> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
        | Options::ENABLE_GFM
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut page = Page::default();
    let mut open: Vec<TagEnd> = Vec::new();
    let mut text_of = String::new();
    let mut notes = false;
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(tag) => {
                let quoted = open.iter().any(|end| matches!(end, TagEnd::BlockQuote(_)));
                match &tag {
                    Tag::Heading { .. } | Tag::TableCell => text_of.clear(),
                    Tag::Paragraph | Tag::Item if !open.contains(&TagEnd::Item) => text_of.clear(),
                    Tag::Paragraph | Tag::Table(_) | Tag::TableHead | Tag::MetadataBlock(_) => {}
                    Tag::TableRow => page.cells.push(Vec::new()),
                    Tag::BlockQuote(None) if !quoted => page.quotes += usize::from(!notes),
                    Tag::List(None) if !open.contains(&TagEnd::Item) && !quoted => {}
                    other => return Err(format!("a renderer shows {other:?}")),
                }
                open.push(tag.to_end());
            }
            Event::End(end) => {
                open.pop();
                let under = page.headings.len();
                match end {
                    TagEnd::Heading(level) if level as usize == 1 => page.title = text_of.clone(),
                    TagEnd::Heading(_) => {
                        notes |= text_of == "Notes";
                        page.headings.push(text_of.clone());
                    }
                    TagEnd::Item => page.bullets.push((under, text_of.clone())),
                    TagEnd::Paragraph if open.is_empty() => page.paragraphs.push((under, text_of.clone())),
                    TagEnd::TableCell if !open.contains(&TagEnd::TableHead) => {
                        page.cells.last_mut().unwrap().push(text_of.clone());
                    }
                    _ => {}
                }
            }
            Event::Code(part) => text_of.push_str(&part),
            Event::Text(part) => {
                // On the page a run of spaces outside code is one.
                let start = text_of.len();
                for c in part.chars() {
                    if c != ' ' || !text_of[start..].ends_with(' ') {
                        text_of.push(c);
                    }
                }
            }
            Event::SoftBreak => text_of.push(' '),
            other => return Err(format!("a renderer shows {other:?}")),
        }
    }
    Ok(page)
}
