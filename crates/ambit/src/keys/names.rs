//! Names that stand in keys of the store and in file names: of people and of agents.

/// Whether the text can be such a name: letters and digits of ASCII and `.`, `_`, `-`, `+`, `@`, beginning with a letter or
/// digit, at most 128 of them.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= 128
        && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte))
}

/// The text is no name.
#[derive(Debug, thiserror::Error)]
#[error("`{}` is not a name\nhelp: letters, digits and `.`, `_`, `-`, `+`, `@`, beginning with a letter or digit", crate::escape::escape(.0))]
pub struct NotAName(pub String);

/// The text, if it is a name.
///
/// # Errors
/// When it is none.
pub fn name(text: &str) -> Result<&str, NotAName> {
    if is_name(text) { Ok(text) } else { Err(NotAName(text.chars().take(160).collect())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_directory() {
        for good in ["dana", "dana.ortiz@acme.example", "refund-helper", "a+b_c", "9"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".", "..", "-x", "a/b", "../a", "a\0", "a b", "é", "a\u{202e}", &"a".repeat(129)] {
            assert!(!is_name(bad), "{bad}");
        }
        assert!(name("a\u{1b}[2J").unwrap_err().to_string().starts_with(r"`a\u{1b}[2J` is not a name"));
    }
}
