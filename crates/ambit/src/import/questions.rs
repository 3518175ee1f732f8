//! The four questions, asked one at a time: what it can read, what it can write, what a human must confirm, what it cannot
//! touch. What a server says of its own tools is shown and never taken for an answer.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use ambit_core::scope::Section;

use crate::escape::escape;
use crate::lock;

/// Something that a server offers, and that a line of the page can name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// The system.
    pub system: String,
    /// What a line calls it.
    pub name: String,
    /// Whether it is a tool; else resources or prompts, which are read.
    pub tool: bool,
    /// What its server says that it does, cut short; shown, and never believed.
    pub says: String,
}

/// What a system offers, in the order in which it is asked about.
#[must_use]
pub fn offers(name: &str, system: &lock::System) -> Vec<Offer> {
    let offer = |what: &str, tool, says| Offer { system: name.to_owned(), name: what.to_owned(), tool, says };
    let tool = |(name, definition): (&String, &lock::Definition)| {
        let read = definition.read_tool().ok();
        offer(name, true, read.and_then(|tool| tool.description).map_or_else(String::new, |text| short(&text)))
    };
    let mut all: Vec<Offer> = system.tools.iter().map(tool).collect();
    // A tool of that name stands in their place: a line could not say which of the two it means.
    if system.resources && !system.tools.contains_key("resource") {
        all.push(offer("resource", false, "all of its resources".to_owned()));
    }
    if !system.prompts.is_empty() && !system.tools.contains_key("prompt") {
        all.push(offer("prompt", false, "all of its prompts".to_owned()));
    }
    all
}

/// Under which question each stands. What stands under none is outside: a human decides first.
pub type Answers = BTreeMap<Offer, Section>;

/// The most careful page: nobody answered, so a human must confirm each of them.
#[must_use]
pub fn careful(offers: &[Offer]) -> Answers {
    offers.iter().map(|offer| (offer.clone(), Section::MustConfirm)).collect()
}

/// Asks the four questions. What was answered is not asked again.
///
/// # Errors
/// When the terminal is gone.
pub fn ask(offers: &[Offer], from: &mut impl BufRead, to: &mut impl Write) -> io::Result<Answers> {
    let mut answers = Answers::new();
    for (number, section) in Section::ALL.into_iter().enumerate() {
        // Resources and prompts are read; there is nothing to write in them.
        let asked = |offer: &&Offer| !answers.contains_key(*offer) && (offer.tool || section != Section::CanWrite);
        let left: Vec<&Offer> = offers.iter().filter(asked).collect();
        if left.is_empty() {
            continue;
        }
        let long = |offer: &&Offer| escape(&offer.system).len() + escape(&offer.name).len() + 1;
        let width = left.iter().map(long).max().unwrap_or(0).min(40);
        writeln!(to, "\n{} of 4. {}", number + 1, question(section))?;
        for (number, offer) in left.iter().enumerate() {
            let name = format!("{}.{}", escape(&offer.system), escape(&offer.name));
            writeln!(to, "{}", format!("  {:>3}  {name:<width$}  {}", number + 1, escape(&offer.says)).trim_end())?;
        }
        let chosen = loop {
            write!(to, "numbers (such as 1 3-5), `all`, or nothing: ")?;
            to.flush()?;
            match chosen(&line(from)?, left.len()) {
                Ok(chosen) => break chosen,
                Err(why) => writeln!(to, "{why}")?,
            }
        };
        for offer in chosen.into_iter().filter_map(|at| left.get(at)) {
            answers.insert((*offer).clone(), section);
        }
    }
    Ok(answers)
}

/// The first sentence, or as much of it as stands on a line.
fn short(text: &str) -> String {
    const MOST: usize = 56;
    let first = text.split(['\n', '\r']).find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let first = first.split_once(". ").map_or(first, |(sentence, _)| sentence);
    let mut short: String = first.chars().take(MOST).collect();
    if first.chars().count() > MOST {
        short.push('…');
    }
    short
}

fn question(section: Section) -> &'static str {
    match section {
        Section::CanRead => {
            "What can it read, by itself? By answering you say that calling these changes nothing; what their server says of that is not believed."
        }
        Section::CanWrite => "What can it write, by itself?",
        Section::MustConfirm => "What must a human confirm, each time?",
        Section::CannotTouch => "What can it not touch, even if a human would confirm it?",
    }
}

/// One line of an answer, without white space at its ends.
///
/// # Errors
/// When there is no more input.
pub fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    // An answer is short; what is not is no answer.
    if io::Read::take(&mut *from, 64 << 10).read_line(&mut text)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answers ended before the questions did"));
    }
    Ok(text.trim().to_owned())
}

/// The places that an answer means, from 0.
///
/// # Errors
/// What is wrong with it, in words.
pub fn chosen(answer: &str, count: usize) -> Result<Vec<usize>, String> {
    let mut chosen = Vec::new();
    if answer.eq_ignore_ascii_case("all") {
        return Ok((0..count).collect());
    }
    for word in answer.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let numbers = (first.parse::<usize>(), last.parse::<usize>());
        let (Ok(first), Ok(last)) = numbers else { return Err(format!("`{}` is no number", escape(word))) };
        if first == 0 || last > count || first > last {
            return Err(format!("`{}` is none of 1 to {count}", escape(word)));
        }
        chosen.extend((first - 1)..last);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(name: &str) -> Offer {
        let says = if name == "read_file" { "Reads a \u{1b}[31mfile".to_owned() } else { String::new() };
        Offer { system: "fs".into(), name: name.into(), tool: name != "resource", says }
    }

    #[test]
    fn four_questions_are_asked_one_at_a_time() {
        let offers = ["read_file", "write_file", "move_file", "resource"].map(offer);
        let mut said = Vec::new();
        let answers = ask(&offers, &mut "1 9\n1,4\n\n1\nall\n".as_bytes(), &mut said).unwrap();
        let said = String::from_utf8(said).unwrap();
        insta::assert_snapshot!(said, @r"

        1 of 4. What can it read, by itself? By answering you say that calling these changes nothing; what their server says of that is not believed.
            1  fs.read_file   Reads a \u{1b}[31mfile
            2  fs.write_file
            3  fs.move_file
            4  fs.resource
        numbers (such as 1 3-5), `all`, or nothing: `9` is none of 1 to 4
        numbers (such as 1 3-5), `all`, or nothing: 
        2 of 4. What can it write, by itself?
            1  fs.write_file
            2  fs.move_file
        numbers (such as 1 3-5), `all`, or nothing: 
        3 of 4. What must a human confirm, each time?
            1  fs.write_file
            2  fs.move_file
        numbers (such as 1 3-5), `all`, or nothing: 
        4 of 4. What can it not touch, even if a human would confirm it?
            1  fs.move_file
        numbers (such as 1 3-5), `all`, or nothing:
        ");
        assert_eq!(answers[&offer("read_file")], Section::CanRead);
        assert_eq!(answers[&offer("resource")], Section::CanRead);
        assert_eq!(answers[&offer("write_file")], Section::MustConfirm);
        assert_eq!(answers[&offer("move_file")], Section::CannotTouch);
    }

    #[test]
    fn who_says_nothing_grants_nothing() {
        let offers = ["a", "b"].map(offer);
        assert!(ask(&offers, &mut "\n\n\n\n".as_bytes(), &mut Vec::new()).unwrap().is_empty());
        assert!(ask(&offers, &mut "\n".as_bytes(), &mut Vec::new()).is_err());
        assert!(careful(&offers).values().all(|section| *section == Section::MustConfirm));
    }

    #[test]
    fn an_answer_is_numbers() {
        assert_eq!(chosen("1 3-5,2", 5), Ok(vec![0, 2, 3, 4, 1]));
        assert_eq!(chosen("", 5), Ok(vec![]));
        for wrong in ["0", "6", "3-1", "x", "1-", "-1", "99999999999999999999", "1-9"] {
            assert!(chosen(wrong, 5).is_err(), "{wrong}");
        }
    }
}
