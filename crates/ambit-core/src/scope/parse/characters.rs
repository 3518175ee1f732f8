//! Which characters may stand in a document: those that everybody sees, and sees alike.

use std::ops::RangeInclusive;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use unicode_script::{Script, UnicodeScript as _};

use super::report::{Report, quoted};

/// Characters that show nothing, show differently from font to font, or change the direction of what follows:
/// format characters (Cf), what Unicode 16 calls default-ignorable, blanks other than the space, line and paragraph
/// separators, private use.
const UNSEEN: &[RangeInclusive<u32>] = &[
    0x80..=0xa0,
    0xad..=0xad,
    0x34f..=0x34f,
    0x600..=0x605,
    0x61c..=0x61c,
    0x6dd..=0x6dd,
    0x70f..=0x70f,
    0x890..=0x891,
    0x8e2..=0x8e2,
    0x115f..=0x1160,
    0x1680..=0x1680,
    0x17b4..=0x17b5,
    0x180b..=0x180f,
    0x2000..=0x200f,
    0x2028..=0x202f,
    0x205f..=0x206f,
    0x2800..=0x2800,
    0x3000..=0x3000,
    0x3164..=0x3164,
    0xe000..=0xf8ff,
    0xfe00..=0xfe0f,
    0xfeff..=0xfeff,
    0xffa0..=0xffa0,
    0xfff0..=0xfffb,
    0xfffe..=0xffff,
    0x110bd..=0x110bd,
    0x110cd..=0x110cd,
    0x13430..=0x1343f,
    0x1bca0..=0x1bca3,
    0x1d173..=0x1d17a,
    0xe0000..=0xe0fff,
    0xf0000..=0x10_ffff,
];

/// Whether the character may stand in a document as it is (a newline may, between lines).
#[must_use]
pub(in crate::scope) fn may_stand(c: char) -> bool {
    match u32::from(c) {
        0x20..=0x7e => true,
        0..=0x1f | 0x7f => false,
        code => {
            let after = UNSEEN.partition_point(|range| *range.end() < code);
            !UNSEEN.get(after).is_some_and(|range| range.contains(&code))
        }
    }
}

/// Reports every character of the document that may not stand, is not in composed form, or mixes scripts in a word.
pub(super) fn check(report: &mut Report<'_>) {
    let mut start = 0;
    for line in report.source().split_inclusive('\n') {
        let text = line.strip_suffix('\n').map_or(line, |text| text.strip_suffix('\r').unwrap_or(text));
        if !text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
            unseen(report, start, text);
            composed(report, start, text);
            scripts(report, start, text);
        }
        start += line.len();
    }
}

fn unseen(report: &mut Report<'_>, start: usize, text: &str) {
    for (at, c) in text.char_indices().filter(|(_, c)| !may_stand(*c)) {
        let bytes = start + at..start + at + c.len_utf8();
        if bytes.start == 0 && c == '\u{feff}' {
            let help = "save the file as UTF-8 without a byte order mark";
            report.error("byte-order-mark", bytes, "the document starts with a byte order mark", help);
            continue;
        }
        let help = match c {
            '\t' => "use spaces; a tab is as wide as the reader likes",
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => "type an ordinary space",
            _ => "delete it; inside a quoted text write it as `\\u{…}` so that it can be seen",
        };
        let message = format!("{} cannot be seen, or is not seen alike by everybody", name_of(c));
        report.error("invisible-character", bytes, message, help);
    }
}

fn name_of(c: char) -> String {
    let word = match c {
        '\t' => "a tab",
        '\r' => "a carriage return without a line feed",
        '\u{1b}' => "an escape character",
        '\u{a0}' => "a no-break space",
        '\u{ad}' => "a soft hyphen",
        '\u{200b}' => "a zero-width space",
        '\u{200c}' | '\u{200d}' => "a zero-width joiner",
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => "a change of writing direction",
        '\u{2060}' => "a word joiner",
        '\u{fe00}'..='\u{fe0f}' => "a variation selector",
        '\u{feff}' => "a zero-width no-break space",
        '\u{e0000}'..='\u{e007f}' => "a tag character",
        _ => "a character",
    };
    format!("{word} (U+{:04X})", u32::from(c))
}

fn composed(report: &mut Report<'_>, start: usize, text: &str) {
    let help = "type the character itself, in its ordinary form (Unicode NFC, no compatibility letters)";
    if !is_nfc(text) {
        let mut at = 0;
        for (mine, normal) in text.chars().zip(text.nfc()) {
            if mine != normal {
                break;
            }
            at += mine.len_utf8();
        }
        // The character that combines with what stands before it is where a person looks.
        let here = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        let bytes = start + at..start + at + here;
        let message = "a character is written in pieces that look like another, whole one";
        report.error("not-normalised", bytes, message, help);
    }
    for (at, c) in text.char_indices().filter(|(_, c)| !c.is_ascii() && c.is_alphanumeric()) {
        if !std::iter::once(c).nfkc().eq(std::iter::once(c).nfc()) {
            let plain: String = std::iter::once(c).nfkc().collect();
            let message = format!("{} is a variant of {}", quoted(&c.to_string()), quoted(&plain));
            report.error("not-normalised", start + at..start + at + c.len_utf8(), message, help);
        }
    }
}

fn scripts(report: &mut Report<'_>, start: usize, text: &str) {
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || c.script() == Script::Inherited;
    let mut rest = text;
    let mut at = start;
    while let Some(skip) = rest.find(in_word) {
        let word = rest.get(skip..).unwrap_or("");
        let length = word.find(|c| !in_word(c)).unwrap_or(word.len());
        let (word, after) = word.split_at_checked(length).unwrap_or((word, ""));
        if is_mixed(word) {
            let bytes = at + skip..at + skip + length;
            let message = format!("{} mixes {}", quoted(word), script_names(word));
            let help = "letters of two scripts in one word can look alike: retype the word in one script";
            report.error("mixed-script", bytes, message, help);
        }
        at += skip + length;
        rest = after;
    }
}

fn scripts_of(word: &str) -> Vec<Script> {
    let mut found: Vec<Script> = Vec::new();
    for c in word.chars() {
        let script = c.script();
        if !matches!(script, Script::Common | Script::Inherited) && !found.contains(&script) {
            found.push(script);
        }
    }
    found
}

/// Whether the word mixes scripts, other than those of one writing system with Latin (Japanese, Korean, Bopomofo with
/// Han): what Unicode TR 39 calls "highly restrictive".
pub(in crate::scope) fn is_mixed(word: &str) -> bool {
    let found = scripts_of(word);
    let together: [&[Script]; 3] = [
        &[Script::Latin, Script::Han, Script::Hiragana, Script::Katakana],
        &[Script::Latin, Script::Han, Script::Hangul],
        &[Script::Latin, Script::Han, Script::Bopomofo],
    ];
    found.len() > 1 && !together.iter().any(|set| found.iter().all(|script| set.contains(script)))
}

fn script_names(word: &str) -> String {
    scripts_of(word).iter().map(|script| script.full_name()).collect::<Vec<_>>().join(" and ")
}

/// Whether a text would pass [`check`] as it stands, on one line.
pub(in crate::scope) fn is_plain(text: &str) -> bool {
    if text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return true;
    }
    if text.contains('\n') {
        return false;
    }
    let mut report = Report::new(text);
    check(&mut report);
    !report.has_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_the_search_agrees_with_a_scan() {
        assert!(UNSEEN.windows(2).all(|pair| pair[0].end() < pair[1].start()));
        for c in (0x7f..0x11_0000).filter_map(char::from_u32) {
            let listed = c == '\u{7f}' || UNSEEN.iter().any(|range| range.contains(&u32::from(c)));
            assert_eq!(may_stand(c), !listed, "{c:?}");
        }
    }

    #[test]
    fn words_of_one_writing_system_are_not_mixed() {
        for word in ["customers", "Überweisung", "клиенты", "日本語テスト", "VIPに変更", "한국漢字", "a1_b2", "x²"]
        {
            assert!(!is_mixed(word), "{word}");
        }
        for word in ["p\u{430}yments", "\u{3bf}rders", "tbl_клиенты"] {
            assert!(is_mixed(word), "{word}");
        }
    }
}
