//! Counting that stays small.

use std::collections::BTreeMap;

use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

/// So many different things are told one by one; what comes beyond is counted together.
pub const MOST: usize = 100;

/// How often each of several things happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<K> {
    counts: BTreeMap<K, u64>,
    more: u64,
}

impl<K> Default for Tally<K> {
    fn default() -> Tally<K> {
        Tally { counts: BTreeMap::new(), more: 0 }
    }
}

impl<K: Ord> Tally<K> {
    /// Counts one.
    pub fn count(&mut self, what: K) {
        if let Some(count) = self.counts.get_mut(&what) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < MOST {
            self.counts.insert(what, 1);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// How many there were in all.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.counts.values().fold(self.more, |sum, count| sum.saturating_add(*count))
    }

    /// Each with how often, the most frequent first.
    #[must_use]
    pub fn most_first(&self) -> Vec<(&K, u64)> {
        let mut all: Vec<(&K, u64)> = self.counts.iter().map(|(what, count)| (what, *count)).collect();
        all.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        all
    }

    /// How many are not told one by one.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }
}

/// As a list, the most frequent first; what is not told one by one as `{ "more": … }` at its end.
impl<K: Ord + Serialize> Serialize for Tally<K> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct One<'a, K> {
            #[serde(flatten)]
            what: &'a K,
            times: u64,
        }
        #[derive(Serialize)]
        struct More {
            more: u64,
        }
        let mut list = to.serialize_seq(None)?;
        for (what, times) in self.most_first() {
            list.serialize_element(&One { what, times })?;
        }
        if self.more > 0 {
            list.serialize_element(&More { more: self.more })?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_comes_is_counted_and_only_so_much_of_it_is_kept() {
        #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
        struct What {
            called: u32,
        }
        let mut tally = Tally::default();
        for called in (0..10_000).chain([7, 7]) {
            tally.count(What { called });
        }
        assert_eq!((tally.sum(), tally.most_first().len(), tally.more()), (10_002, MOST, 9_900));
        let json = serde_json::to_value(&tally).unwrap();
        assert_eq!(json[0], serde_json::json!({ "called": 7, "times": 3 }));
        assert_eq!(json[MOST], serde_json::json!({ "more": 9_900 }));
    }
}
