//! The headings of a scope, and the parts of the document under them.

use crate::scope::Section;
use crate::scope::diagnostics::nearest;

/// Which part of the document a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Before the title.
    Top,
    Purpose,
    Section(Section),
    Scenarios,
    Notes,
    /// Under a heading that is not known.
    Unknown,
}

/// The headings of level 2, in their order.
pub(super) const TITLES: [&str; 6] = [
    Section::CanRead.title(),
    Section::CanWrite.title(),
    Section::MustConfirm.title(),
    Section::CannotTouch.title(),
    "Scenarios",
    "Notes",
];

/// The place of a heading in [`TITLES`].
pub(super) fn place_of(text: &str) -> Option<usize> {
    TITLES.iter().position(|title| *title == text)
}

/// The place of the heading that was probably meant.
pub(super) fn nearest_place(text: &str) -> Option<usize> {
    nearest(text, TITLES).and_then(place_of)
}

/// The part that stands under the heading at that place.
pub(super) fn part_of(place: usize) -> Part {
    match (Section::ALL.get(place), place) {
        (Some(section), _) => Part::Section(*section),
        (None, 4) => Part::Scenarios,
        _ => Part::Notes,
    }
}
