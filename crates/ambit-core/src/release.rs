//! A release: a policy put in force by a person, at a time, for a reason. Values, and which of them is in force when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::action::Digest;
use crate::time::Timestamp;

/// One release of one agent's scope, without the contents that it covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Whose.
    pub agent: String,
    /// From 1, without a gap.
    pub number: u64,
    /// Every part that the policy uses (scope, tags, tool readings, roles, lists, lock entries, upstream identity), by
    /// name, with the digest of its bytes.
    pub parts: BTreeMap<String, Digest>,
    /// When.
    pub at: Timestamp,
    /// The person who signed it.
    pub by: String,
    /// Why, in their words.
    pub because: String,
    /// What it narrows against the one before, a sentence each.
    pub narrows: Vec<String>,
    /// What it widens against the one before, a sentence each.
    pub widens: Vec<String>,
    /// What was waived to put it in force (`not ready`, failing scenarios, lines that no scenario holds), a sentence each.
    pub overrides: Vec<String>,
    /// The last moment at which it is in force; `None`: until another follows.
    pub until: Option<Timestamp>,
    /// The release that it puts in force again.
    pub reverts_to: Option<u64>,
}

impl Release {
    /// What the person signs, and what everything in force is bound to: every part, and every word that was said
    /// about them.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let number = self.number.to_be_bytes();
        let at = self.at.0.to_be_bytes();
        let until = self.until.map(|until| until.0.to_be_bytes());
        let reverts_to = self.reverts_to.map(u64::to_be_bytes);
        let mut fields: Vec<&[u8]> =
            vec![self.agent.as_bytes(), &number, &at, self.by.as_bytes(), self.because.as_bytes()];
        fields.push(until.as_ref().map_or(&[], |bytes| bytes.as_slice()));
        fields.push(reverts_to.as_ref().map_or(&[], |bytes| bytes.as_slice()));
        let lists = [&self.narrows, &self.widens, &self.overrides].map(|words| {
            let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
            Digest::of("ambit/release/words/1", &words)
        });
        fields.extend(lists.iter().map(|digest| digest.0.as_slice()));
        for (name, digest) in &self.parts {
            fields.push(name.as_bytes());
            fields.push(&digest.0);
        }
        Digest::of("ambit/release/1", &fields)
    }

    /// The digest of a part's bytes.
    #[must_use]
    pub fn part(name: &str, bytes: &[u8]) -> Digest {
        Digest::of("ambit/release/part/1", &[name.as_bytes(), bytes])
    }

    /// Whether these are all its parts, and each byte of them is as it was released.
    #[must_use]
    pub fn covers<'a>(&self, contents: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> bool {
        let found: BTreeMap<String, Digest> =
            contents.into_iter().map(|(name, bytes)| (name.to_owned(), Release::part(name, bytes))).collect();
        found == self.parts
    }
}

/// Which release is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce<'a> {
    /// This one.
    Release(&'a Release),
    /// None was ever made.
    Never,
    /// The last one ended, and nothing may take its place without a person.
    Ended(&'a Release),
}

/// The release in force at a moment, of an agent's releases in any order.
///
/// The one with the highest number holds. Where it has ended, the one before takes its place again, so that a widening
/// given for a time really ends; but never where that would undo a narrowing. Then nothing is in force, and every call is
/// refused until a person releases again.
#[must_use]
pub fn in_force(releases: &[Release], now: Timestamp) -> InForce<'_> {
    let mut by_number: Vec<&Release> = releases.iter().collect();
    by_number.sort_by_key(|release| std::cmp::Reverse(release.number));
    let Some(last) = by_number.first().copied() else { return InForce::Never };
    for release in by_number {
        if release.until.is_none_or(|until| now <= until) {
            return InForce::Release(release);
        }
        if !release.narrows.is_empty() {
            return InForce::Ended(release);
        }
    }
    InForce::Ended(last)
}

/// The end that a release made now must carry over: a widening that ends does not become endless by releasing again on
/// top of it. The earlier of what was asked for and what the release in force has.
#[must_use]
pub fn carried_end(asked: Option<Timestamp>, in_force: Option<&Release>) -> Option<Timestamp> {
    match (asked, in_force.and_then(|release| release.until)) {
        (Some(asked), Some(carried)) => Some(asked.min(carried)),
        (asked, carried) => asked.or(carried),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(number: u64, until: Option<i64>, narrows: bool) -> Release {
        Release {
            agent: "a".into(),
            number,
            parts: [("scope".to_owned(), Release::part("scope", b"text"))].into(),
            at: Timestamp(0),
            by: "dana".into(),
            because: "it is time".into(),
            narrows: if narrows { vec!["it can no longer delete notes".into()] } else { vec![] },
            widens: vec![],
            overrides: vec![],
            until: until.map(Timestamp),
            reverts_to: None,
        }
    }

    fn number(releases: &[Release], now: i64) -> Option<u64> {
        match in_force(releases, Timestamp(now)) {
            InForce::Release(release) => Some(release.number),
            _ => None,
        }
    }

    #[test]
    fn nothing_released_is_nothing_in_force() {
        assert_eq!(in_force(&[], Timestamp(0)), InForce::Never);
    }

    #[test]
    fn a_widening_really_ends() {
        let all = [release(1, None, false), release(2, Some(100), false)];
        assert_eq!(number(&all, 100), Some(2));
        assert_eq!(number(&all, 101), Some(1));
    }

    #[test]
    fn an_end_never_undoes_a_narrowing() {
        let all = [release(1, None, false), release(2, Some(100), false), release(3, Some(100), true)];
        assert_eq!(number(&all, 100), Some(3));
        assert_eq!(in_force(&all, Timestamp(101)), InForce::Ended(&all[2]));
        let only = [release(1, Some(5), false)];
        assert_eq!(in_force(&only, Timestamp(6)), InForce::Ended(&only[0]));
    }

    #[test]
    fn releasing_on_top_of_an_end_keeps_it() {
        let ending = release(2, Some(100), false);
        assert_eq!(carried_end(None, Some(&ending)), Some(Timestamp(100)));
        assert_eq!(carried_end(Some(Timestamp(200)), Some(&ending)), Some(Timestamp(100)));
        assert_eq!(carried_end(Some(Timestamp(50)), Some(&ending)), Some(Timestamp(50)));
        assert_eq!(carried_end(None, Some(&release(1, None, false))), None);
    }

    #[test]
    fn the_digest_covers_every_part_and_every_word() {
        let base = release(1, None, false);
        let changes: [fn(&mut Release); 10] = [
            |r| r.agent.push('x'),
            |r| r.number += 1,
            |r| r.parts.insert("roles".into(), Release::part("roles", b"")).map_or((), drop),
            |r| r.parts.insert("scope".into(), Release::part("scope", b"texT")).map_or((), drop),
            |r| r.by.push('x'),
            |r| r.because.push('x'),
            |r| r.narrows.push(String::new()),
            |r| r.widens.push(String::new()),
            |r| r.overrides.push("x".into()),
            |r| r.until = Some(Timestamp(0)),
        ];
        for change in changes {
            let mut other = base.clone();
            change(&mut other);
            assert_ne!(other.digest(), base.digest());
        }
        assert!(base.covers([("scope", &b"text"[..])]));
        assert!(!base.covers([("scope", &b"text "[..])]));
        assert!(!base.covers([("scope", &b"text"[..]), ("roles", b"")]));
        assert!(!base.covers([]));
    }
}
