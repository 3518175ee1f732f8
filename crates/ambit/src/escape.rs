//! What an agent or an upstream wrote, made fit for a terminal, a page or a log.

use std::fmt::Write as _;

/// The text with everything that a reader cannot see, or that moves what they see, written as `\u{…}`: control
/// characters (escape sequences start with one), bidirectional controls, invisible and private characters.
/// Line breaks are escaped too; see [`escape_lines`].
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push(&mut out, c);
    }
    out
}

/// As [`escape`], but line feeds stay, so that text of several lines can be shown as such.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' {
            out.push('\n');
        } else {
            push(&mut out, c);
        }
    }
    out
}

/// Whether a reader would not see the character, or would see others moved by it.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164
            | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
            | 0x1_BCA0..=0x1_BCA3 | 0x1_D173..=0x1_D17A | 0xE_0000..=0xE_0FFF
            | 0xE000..=0xF8FF | 0xF_0000..=0x10_FFFF)
}

fn push(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        c if is_hidden(c) => {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_or_hides_text_is_spelt_out() {
        assert_eq!(escape("a\x1b[31mred\x07"), "a\\u{1b}[31mred\\u{7}");
        assert_eq!(escape("user\u{202e}gpj.exe"), "user\\u{202e}gpj.exe");
        assert_eq!(escape("pay\u{200b}pal \u{e0041}"), "pay\\u{200b}pal \\u{e0041}");
        assert_eq!(escape("C1 \u{9b}31m"), "C1 \\u{9b}31m");
        assert_eq!(escape("two\nlines\r\n"), "two\\nlines\\r\\n");
        assert_eq!(escape_lines("two\nlines\r\n"), "two\nlines\\r\n");
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["Ünïcödé, 日本語, عربي, 🙂", "a \"quoted\" \\ path"] {
            assert_eq!(escape(text), text);
        }
    }
}
