//! Names of systems out of whatever a client calls its servers.

use std::collections::BTreeSet;

const MOST: usize = 32;

/// A name that a scope can say: letters, digits, `-` and single `_`, none of `taken`, which it is added to.
pub fn system(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut plain = plain(name, false);
    if plain.is_empty() {
        plain.push_str("server");
    }
    let mut unique = plain.clone();
    let mut number = 1;
    while taken.contains(&unique) {
        number += 1;
        unique = format!("{plain}-{number}");
    }
    taken.insert(unique.clone());
    unique
}

/// A name of an agent or a person, out of the name of a directory or an address; empty when nothing of it can stand.
#[must_use]
pub fn plain(name: &str, dots: bool) -> String {
    let mut out = String::new();
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '_' || (dots && c == '.') { c } else { '-' };
        let mark = !c.is_ascii_alphanumeric();
        // Never two marks in a row, and none at the start: `__` divides systems from tools.
        if mark && out.chars().next_back().is_none_or(|last| !last.is_ascii_alphanumeric()) {
            continue;
        }
        out.push(c);
        if out.len() >= MOST {
            break;
        }
    }
    out.truncate(out.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_what_a_scope_can_say() {
        let mut taken = BTreeSet::new();
        let mut all = Vec::new();
        for name in ["fs", "my server", "a__b", "../../etc", "日本", "\u{1b}[31m", "my.server", "fs ", "-", "_x_"] {
            all.push(system(name, &mut taken));
        }
        let expected = ["fs", "my-server", "a_b", "etc", "server", "31m", "my-server-2", "fs-2", "server-2", "x"];
        assert_eq!(all, expected);
        assert_eq!(system(&"x".repeat(500), &mut taken).len(), MOST);
    }
}
