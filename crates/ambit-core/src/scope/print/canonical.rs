//! The canonical text of a document, proved before anybody writes it over the one that a person wrote.

use std::fmt;

use super::print;
use crate::scope::Document;
use crate::scope::parse::parse;

/// The canonical text would not be read as the document that it was printed from. Whoever gets this has found a mistake
/// in the printer or the reader, and must keep the text that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// It would not be read without an error.
    Unsound,
    /// It would be read as something else.
    Other,
    /// It has another canonical text itself.
    Unsettled,
}

impl std::error::Error for NotKept {}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotKept::Unsound => "the canonical text would not be read without an error",
            NotKept::Other => "the canonical text would not be read as the same document",
            NotKept::Unsettled => "the canonical text would be written differently the next time",
        })
    }
}

/// The canonical text of what `parse` gave for a sound document; read again, it is the same tree, and its own canonical
/// text.
///
/// # Errors
/// When it is not: then it must not take the place of the text it comes from.
pub fn canonical(document: &Document) -> Result<String, NotKept> {
    let text = print(document);
    let again = parse(&text);
    if !again.is_sound() {
        return Err(NotKept::Unsound);
    }
    if print(&again.document) != text {
        return Err(NotKept::Unsettled);
    }
    if again.document.without_places() != document.clone().without_places() {
        return Err(NotKept::Other);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "---\nowner: dana@acme.example\nagent: helper\n---\n# Helper\nLooks\nthings up.\n\n> why it is there\n\n## It can read\n\n> a remark\n\n- docs.get,\n  because it   needs to\n## It can write\n- nothing\n## A human must confirm\n- nothing\n## It cannot touch\n- anything tagged `backup`\n\n## Notes\n\nKept as it is, with marks.\n";

    #[test]
    fn a_document_that_prints_as_itself_is_given_back() {
        let parsed = parse(PAGE);
        assert_eq!(parsed.diagnostics, vec![]);
        let text = canonical(&parsed.document).unwrap();
        for kept in ["> why it is there", "> a remark", "Kept as it is, with marks.", "Looks\nthings up."] {
            assert!(text.contains(kept), "{text}");
        }
    }

    #[test]
    fn what_would_be_lost_or_changed_is_not_given_back() {
        let sound = parse(PAGE).document;
        // No document reads so: each stands for a mistake that the printer or the reader could have.
        let mut heading = sound.clone();
        heading.purpose = "Looks things up.\n\n## It can write".into();
        assert_eq!(canonical(&heading), Err(NotKept::Unsound));
        let mut order = sound.clone();
        order.lines.reverse();
        assert_eq!(canonical(&order), Err(NotKept::Other));
        let mut lost = sound;
        lost.commentary[0].after = 99;
        assert_eq!(canonical(&lost), Err(NotKept::Other));
    }
}
