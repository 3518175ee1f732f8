//! Reading the journal, a little at a time.

use ambit_core::action::Digest;
use ambit_core::time::Timestamp;

use super::{JournalError, Kind, Record};
use crate::store::{Row, Store};

/// So many rows are in memory at once.
const AT_ONCE: u64 = 32;

/// Which records. Everything that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this agent.
    pub agent: Option<String>,
    /// Of one of these kinds; empty: of any.
    pub kinds: Vec<Kind>,
    /// About this hold.
    pub hold: Option<String>,
    /// About this action.
    pub action: Option<Digest>,
    /// In this session.
    pub session: Option<String>,
    /// Written then or later.
    pub since: Option<Timestamp>,
}

impl Filter {
    /// Whether it lets everything through.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether the record is one of them.
    #[must_use]
    pub fn lets(&self, record: &Record) -> bool {
        fn fits<T: PartialEq>(wanted: &Option<T>, found: &Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        fits(&self.agent, &record.agent)
            && fits(&self.hold, &record.hold)
            && fits(&self.action, &record.action)
            && fits(&self.session, &record.session)
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.since.is_none_or(|since| record.time >= since)
    }
}

/// The rows from `sequence` on, in order.
pub fn rows(store: &dyn Store, sequence: u64) -> impl Iterator<Item = Result<Row, JournalError>> {
    let mut next = Some(sequence);
    let mut some = Vec::new().into_iter();
    std::iter::from_fn(move || {
        if some.len() == 0 {
            some = match store.rows(next?, usize::try_from(AT_ONCE).unwrap_or(1)) {
                Ok(rows) => rows.into_iter(),
                Err(error) => {
                    next = None;
                    return Some(Err(error.into()));
                }
            };
        }
        let row: Row = some.next()?;
        next = row.sequence.checked_add(1);
        Some(Ok(row))
    })
}

/// The records from `sequence` on that the filter lets through, in order. To follow the journal, ask again from one past
/// the last row that was there (see [`Store::last_row`]).
pub fn records(store: &dyn Store, sequence: u64, filter: Filter) -> impl Iterator<Item = Result<Record, JournalError>> {
    rows(store, sequence)
        .map(|row| Ok(Record::read(row?)?))
        .filter(move |record| record.as_ref().map_or(true, |record| filter.lets(record)))
}

/// The last records that the filter lets through, at most `most`, oldest first.
///
/// # Errors
/// When the store fails or holds what is no record.
pub fn last(store: &dyn Store, filter: &Filter, most: usize) -> Result<Vec<Record>, JournalError> {
    let mut end = store.last_row()?.map_or(0, |row| row.sequence);
    let mut newest_first = Vec::new();
    while end > 0 && newest_first.len() < most {
        let start = end.saturating_sub(AT_ONCE) + 1;
        let rows = store.rows(start, usize::try_from(end - start + 1).unwrap_or(1))?;
        for row in rows.into_iter().rev().filter(|row| row.sequence <= end) {
            let record = Record::read(row)?;
            if filter.lets(&record) && newest_first.len() < most {
                newest_first.push(record);
            }
        }
        end = start - 1;
    }
    newest_first.reverse();
    Ok(newest_first)
}

/// What was recorded at that time or later, the newest first, as far back as `most` records go.
///
/// # Errors
/// As [`last`].
pub fn back_to(store: &dyn Store, since: Timestamp, most: usize) -> Result<Vec<Record>, JournalError> {
    let mut end = store.last_row()?.map_or(0, |row| row.sequence);
    let mut newest_first = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(AT_ONCE) + 1;
        let rows = store.rows(start, usize::try_from(end - start + 1).unwrap_or(1))?;
        for row in rows.into_iter().rev().filter(|row| row.sequence <= end) {
            let record = Record::read(row)?;
            if record.time < since || newest_first.len() >= most {
                return Ok(newest_first);
            }
            newest_first.push(record);
        }
        end = start - 1;
    }
    Ok(newest_first)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::{asked, inline, wait};
    use super::super::{Entry, tail};
    use super::*;
    use crate::store::Durability;
    use crate::store::memory::Memory;

    #[test]
    fn the_last_and_the_following_records_are_those_that_fit() {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        for n in 0..100u64 {
            let about = Some(if n.is_multiple_of(10) { "tenth" } else { "other" }.to_owned());
            let held = Entry { hold: about.clone(), session: about, ..Entry::new(Kind::Held) };
            wait(journal.write(vec![asked(&format!("agent-{}", n % 3), "x"), held], vec![], Durability::Soon)).unwrap();
        }
        let tenth = Filter { hold: Some("tenth".into()), ..Filter::default() };
        let numbers = |records: Vec<Record>| records.iter().map(|record| record.sequence).collect::<Vec<_>>();
        assert_eq!(numbers(tail::last(&*store, &tenth, 3).unwrap()), [142, 162, 182]);
        assert_eq!(tail::last(&*store, &tenth, 1000).unwrap().len(), 10);
        assert_eq!(numbers(tail::last(&*store, &Filter::default(), 2).unwrap()), [199, 200]);
        assert_eq!(tail::last(&*store, &tenth, 0).unwrap(), []);
        let all =
            |from, filter: &Filter| numbers(tail::records(&*store, from, filter.clone()).map(Result::unwrap).collect());
        assert_eq!(all(180, &tenth), [182]);
        assert_eq!(all(1, &Filter::default()).len(), 200);
        assert_eq!(all(201, &Filter::default()), [] as [u64; 0]);
        let both =
            Filter { agent: Some("agent-2".into()), kinds: vec![Kind::Asked, Kind::Outcome], ..Filter::default() };
        assert_eq!(all(190, &both), [191, 197]);
        assert_eq!(
            all(1, &Filter { session: Some("tenth".into()), kinds: vec![Kind::Asked], ..Filter::default() }),
            [] as [u64; 0]
        );
        let since = tail::records(&*store, 150, Filter::default()).next().unwrap().unwrap().time;
        assert_eq!(all(1, &Filter { since: Some(since), ..Filter::default() }).len(), 51);
    }
}
