//! Does the journal say what was written? Answered from the rows, or by a third party from the exported lines, with the
//! installation's public key and whatever checkpoints were kept elsewhere.
//!
//! What it shows: an edited, removed, inserted or reordered record; a payload exchanged (with the keys at hand) or gone
//! without a record of its erasure; a tail cut or written anew below a checkpoint that was kept. What it cannot show:
//! records cut or written anew above the last checkpoint by somebody who writes to the store; and nothing that was
//! written anew by somebody who has the installation's key, unless a checkpoint was kept where they cannot reach.

use std::collections::BTreeMap;
use std::io::BufRead;

use ambit_core::action::Digest;
use ambit_core::permit::Recorded;

use super::export::{self, Line, Payload};
use super::{Checkpoint, JournalError, Kind, Record, chain, tail};
use crate::keys::{InstallationKeys, PublicKey};
use crate::store::{Row, Store};

/// What was found to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many records.
    pub records: u64,
    /// How many payloads were erased.
    pub erased: u64,
    /// How many payloads were compared with their commitments.
    pub payloads: u64,
    /// How many checkpoints stand in the journal.
    pub checkpoints: u64,
    /// The last record that a checkpoint in the journal covers: from there on only the hashes speak.
    pub signed_to: u64,
    /// The last record that a checkpoint kept elsewhere covers.
    pub kept_to: u64,
    /// The last record.
    pub last: Option<Recorded>,
}

/// Why it was not verified.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// It is not what was written.
    #[error("the journal is broken at record {sequence}: {why}")]
    Broken {
        /// The first record that does not fit.
        sequence: u64,
        /// How.
        why: Why,
    },
    /// It could not be read to the end.
    #[error("the journal could not be read: {0}")]
    Unreadable(String),
}

/// How a record does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Another number than the next.
    #[error("record {found} stands in its place: one was removed, inserted or moved")]
    OutOfOrder {
        /// The number found.
        found: u64,
    },
    /// The hash is not the one over the body and the hash before.
    #[error(
        "its hash does not follow from its body and the record before: it was edited, or one before it was exchanged"
    )]
    Edited,
    /// The body is no record.
    #[error("it is no record: {0}")]
    Malformed(String),
    /// A checkpoint's signature is not the installation's.
    #[error("a checkpoint over it was not signed with this installation's key")]
    NotSigned,
    /// A checkpoint covers another record of that number.
    #[error("a checkpoint was signed over another record of this number: the journal was written anew")]
    Rewritten,
    /// A checkpoint covers a record that is not there.
    #[error("a checkpoint was signed over it, and the journal ends before: its tail was cut")]
    Cut,
    /// The payload is not what the record commits to.
    #[error("its payload is not the one it commits to")]
    PayloadExchanged,
    /// There is a payload that the record does not know of.
    #[error("it has a payload that it does not commit to")]
    PayloadAdded,
    /// The payload is gone and no record says so.
    #[error("its payload is gone, and no record says that it was erased")]
    PayloadGone,
    /// A record says that the payload was erased, and it is there.
    #[error("a record says that its payload was erased, and it is still there")]
    NotErased,
}

/// Verifies rows as the store gives them. `earlier` are checkpoints kept elsewhere; with `keys`, payloads are opened and
/// compared with their commitments.
///
/// # Errors
/// At the first thing that does not hold.
pub fn verify(
    rows: impl IntoIterator<Item = Result<Row, JournalError>>,
    installation: &PublicKey,
    earlier: &[Checkpoint],
    keys: Option<&InstallationKeys>,
) -> Result<Verified, NotVerified> {
    let mut verifier = Verifier::new(installation, earlier)?;
    for row in rows {
        verifier
            .row(row.map_err(|error| NotVerified::Unreadable(error.to_string()))?, |record| stored(record, keys))?;
    }
    verifier.finish().map(|(verified, _)| verified)
}

/// Verifies the journal of a store.
///
/// # Errors
/// At the first thing that does not hold.
pub fn verify_store(
    store: &dyn Store,
    installation: &PublicKey,
    earlier: &[Checkpoint],
    keys: Option<&InstallationKeys>,
) -> Result<Verified, NotVerified> {
    let unreadable = |error: &dyn std::fmt::Display| NotVerified::Unreadable(error.to_string());
    let mut verifier = Verifier::new(installation, earlier)?;
    for row in tail::rows(store, 1) {
        verifier.row(row.map_err(|error| unreadable(&error))?, |record| stored(record, keys))?;
    }
    let (verified, not_seen_gone) = verifier.finish()?;
    // A payload may have been erased while we read; so look again before saying that it was not.
    for sequence in not_seen_gone {
        let row = store.rows(sequence, 1).map_err(|error| unreadable(&error))?.pop();
        if row.is_some_and(|row| row.sequence == sequence && row.sealed.is_some()) {
            return Err(NotVerified::Broken { sequence, why: Why::NotErased });
        }
    }
    Ok(verified)
}

/// Verifies exported lines; needs nothing of the installation but its public key, which must come from elsewhere than
/// the export. Payloads that were exported opened are compared with their commitments.
///
/// # Errors
/// At the first thing that does not hold; an export that was filtered cannot be verified.
pub fn verify_export(
    reader: impl BufRead,
    installation: &PublicKey,
    earlier: &[Checkpoint],
) -> Result<Verified, NotVerified> {
    let unreadable = |why: String| NotVerified::Unreadable(why);
    let mut lines = export::Lines::new(reader);
    let head = lines.head().map_err(unreadable)?;
    if !head.complete {
        return Err(unreadable("the export was filtered: only a complete one can be verified".into()));
    }
    if head.installation != *installation {
        return Err(unreadable(format!("it is the export of another installation, {}", head.installation)));
    }
    let mut verifier = Verifier::new(installation, earlier)?;
    while let Some(text) = lines.next_line().map_err(unreadable)? {
        let line = Line::read(text).map_err(unreadable)?;
        let row = Row { sequence: line.sequence, body: line.body.get().into(), hash: line.hash.0, sealed: None };
        verifier.row(row, |record| match (&line.payload, record.commitment) {
            (None, None) => Ok(Found::Nothing),
            (Some(_), None) => Err(Why::PayloadAdded),
            (Some(Payload::Sealed), Some(_)) => Ok(Found::Sealed),
            (Some(Payload::Erased) | None, Some(_)) => Ok(Found::Gone),
            (Some(Payload::Opened(opened)), Some(commitment)) => match opened.bytes() {
                Some(payload) if chain::commitment(&opened.salt, &payload) == commitment => Ok(Found::Compared),
                _ => Err(Why::PayloadExchanged),
            },
        })?;
    }
    verifier.finish().map(|(verified, _)| verified)
}

/// What became of a record's payload.
enum Found {
    Nothing,
    Sealed,
    Compared,
    Gone,
}

fn stored(record: &Record, keys: Option<&InstallationKeys>) -> Result<Found, Why> {
    match (&record.sealed, record.commitment, keys) {
        (None, None, _) => Ok(Found::Nothing),
        (None, Some(_), _) => Ok(Found::Gone),
        (Some(_), None, _) => Err(Why::PayloadAdded),
        (Some(_), Some(_), None) => Ok(Found::Sealed),
        (Some(_), Some(_), Some(keys)) => match record.open(keys) {
            Ok(_) => Ok(Found::Compared),
            Err(_) => Err(Why::PayloadExchanged),
        },
    }
}

/// Walks the chain.
struct Verifier {
    installation: PublicKey,
    earlier: BTreeMap<u64, Digest>,
    verified: Verified,
    hash: Digest,
    /// Payloads that are gone, and whether a record says so.
    gone: BTreeMap<u64, bool>,
    /// Records whose payload is said to be erased and was there when we passed.
    not_seen_gone: Vec<u64>,
}

impl Verifier {
    fn new(installation: &PublicKey, earlier: &[Checkpoint]) -> Result<Verifier, NotVerified> {
        let genesis = chain::genesis(installation);
        let mut by_sequence = BTreeMap::new();
        for checkpoint in earlier {
            let sequence = checkpoint.sequence;
            if !checkpoint.holds(installation) {
                return Err(NotVerified::Broken { sequence, why: Why::NotSigned });
            }
            let other = by_sequence.insert(sequence, checkpoint.hash).is_some_and(|hash| hash != checkpoint.hash);
            if other || (sequence == 0 && checkpoint.hash != genesis) {
                return Err(NotVerified::Broken { sequence, why: Why::Rewritten });
            }
        }
        Ok(Verifier {
            installation: *installation,
            earlier: by_sequence,
            verified: Verified::default(),
            hash: genesis,
            gone: BTreeMap::new(),
            not_seen_gone: Vec::new(),
        })
    }

    fn row(&mut self, row: Row, payload: impl FnOnce(&Record) -> Result<Found, Why>) -> Result<(), NotVerified> {
        let sequence = self.verified.records + 1;
        self.fits(sequence, row, payload).map_err(|why| NotVerified::Broken { sequence, why })
    }

    fn fits(
        &mut self,
        sequence: u64,
        row: Row,
        payload: impl FnOnce(&Record) -> Result<Found, Why>,
    ) -> Result<(), Why> {
        if row.sequence != sequence {
            return Err(Why::OutOfOrder { found: row.sequence });
        }
        let (before, hash) = (self.hash, chain::link(&self.hash, &row.body));
        if hash.0 != row.hash {
            return Err(Why::Edited);
        }
        let record = Record::read(row).map_err(|malformed| Why::Malformed(malformed.why))?;
        if let Some(kept) = self.earlier.get(&sequence) {
            if *kept != hash {
                return Err(Why::Rewritten);
            }
            self.verified.kept_to = sequence;
        }
        match payload(&record)? {
            Found::Nothing | Found::Sealed => {}
            Found::Compared => self.verified.payloads += 1,
            Found::Gone => {
                self.gone.insert(sequence, false);
                self.verified.erased += 1;
            }
        }
        match record.kind {
            Kind::Checkpoint => self.checkpoint(sequence, before, &record)?,
            Kind::Erased => self.erasure(sequence, &record)?,
            _ => {}
        }
        self.hash = hash;
        self.verified.records = sequence;
        self.verified.last = Some(Recorded { sequence, hash });
        Ok(())
    }

    fn checkpoint(&mut self, sequence: u64, before: Digest, record: &Record) -> Result<(), Why> {
        let signed: Checkpoint =
            serde_json::from_value(record.details.clone()).map_err(|error| Why::Malformed(error.to_string()))?;
        if !signed.holds(&self.installation) {
            return Err(Why::NotSigned);
        }
        if signed.sequence + 1 != sequence || signed.hash != before {
            return Err(Why::Rewritten);
        }
        self.verified.checkpoints += 1;
        self.verified.signed_to = signed.sequence;
        Ok(())
    }

    fn erasure(&mut self, sequence: u64, record: &Record) -> Result<(), Why> {
        let erased = record.details.get("sequence").and_then(serde_json::Value::as_u64);
        let erased = erased
            .filter(|erased| *erased < sequence)
            .ok_or_else(|| Why::Malformed("it erases nothing before it".into()))?;
        match self.gone.get_mut(&erased) {
            Some(said) => *said = true,
            None => self.not_seen_gone.push(erased),
        }
        Ok(())
    }

    fn finish(self) -> Result<(Verified, Vec<u64>), NotVerified> {
        if let Some((sequence, _)) = self.earlier.range(self.verified.records + 1..).next() {
            return Err(NotVerified::Broken { sequence: *sequence, why: Why::Cut });
        }
        if let Some(sequence) = self.gone.iter().find(|(_, said)| !**said).map(|(sequence, _)| *sequence) {
            return Err(NotVerified::Broken { sequence, why: Why::PayloadGone });
        }
        Ok((self.verified, self.not_seen_gone))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::super::tests::{asked, inline, keys, wait};
    use super::super::{Entry, Filter, Journal, chain};
    use super::*;
    use crate::store::Durability;
    use crate::store::memory::Memory;

    /// Ten records: payloads, one of them erased, and two checkpoints.
    fn written() -> (Arc<Memory>, Journal, Vec<Checkpoint>) {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        let write = |entries| wait(journal.write(entries, vec![], Durability::Now)).unwrap();
        write(vec![asked("refund-helper", "one"), Entry::new(Kind::Decided), asked("refund-helper", "two")]);
        let first = wait(journal.checkpoint()).unwrap();
        write(vec![asked("other", "\u{1b}[2J é 😀"), Entry::new(Kind::Outcome)]);
        wait(journal.erase(3, Some("dana".into()), "asked for")).unwrap();
        write(vec![asked("other", "three")]);
        let second = wait(journal.checkpoint()).unwrap();
        write(vec![asked("other", "after the last checkpoint")]);
        (store, journal, vec![first, second])
    }

    fn rows() -> Vec<Row> {
        written().0.rows(1, 99).unwrap()
    }

    fn check(rows: Vec<Row>, earlier: &[Checkpoint]) -> Result<Verified, NotVerified> {
        verify(rows.into_iter().map(Ok), &keys().public(), earlier, Some(&keys()))
    }

    fn exported(filter: &Filter, open: bool) -> Vec<u8> {
        let (mut out, keys) = (Vec::new(), keys());
        export::export(&*written().0, &keys.public(), filter, open.then_some(&keys), &mut out).unwrap();
        out
    }

    fn broken(result: Result<Verified, NotVerified>) -> (u64, Why) {
        match result {
            Err(NotVerified::Broken { sequence, why }) => (sequence, why),
            other => panic!("not broken: {other:?}"),
        }
    }

    /// Chains the rows anew from the given one on: what somebody without the installation's key can do.
    fn rechain(rows: &mut [Row]) {
        let mut hash = chain::genesis(&keys().public());
        for row in rows {
            hash = chain::link(&hash, &row.body);
            row.hash = hash.0;
        }
    }

    #[test]
    fn what_was_written_verifies_everywhere() {
        let (store, _, checkpoints) = written();
        let expected = Verified {
            records: 10,
            erased: 1,
            payloads: 4,
            checkpoints: 2,
            signed_to: 8,
            kept_to: 8,
            last: store.last_row().unwrap().map(|row| Recorded { sequence: 10, hash: Digest(row.hash) }),
        };
        let public = keys().public();
        assert_eq!(check(rows(), &checkpoints).as_ref(), Ok(&expected));
        assert_eq!(verify_store(&*store, &public, &checkpoints, Some(&keys())).as_ref(), Ok(&expected));
        assert_eq!(verify_export(&*exported(&Filter::default(), true), &public, &checkpoints).as_ref(), Ok(&expected));
        let unopened = Verified { payloads: 0, ..expected };
        assert_eq!(verify_store(&*store, &public, &checkpoints, None).as_ref(), Ok(&unopened));
        assert_eq!(verify_export(&*exported(&Filter::default(), false), &public, &checkpoints).as_ref(), Ok(&unopened));
        assert_eq!(check(vec![], &[]), Ok(Verified::default()));
    }

    #[test]
    fn an_export_can_be_printed_as_it_stands() {
        let text = String::from_utf8(exported(&Filter::default(), true)).unwrap();
        assert!(text.contains(r"\u001b[2J \u00e9 \ud83d\ude00"));
        assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)));
    }

    #[test]
    fn a_filtered_export_says_that_it_cannot_be_verified() {
        let filter = Filter { agent: Some("other".into()), ..Filter::default() };
        let lines = exported(&filter, false);
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), 4);
        assert!(
            matches!(verify_export(&*lines, &keys().public(), &[]), Err(NotVerified::Unreadable(why)) if why.contains("filtered"))
        );
    }

    #[test]
    fn another_installations_key_does_not_verify_it() {
        let other = InstallationKeys::from_seed(&[9; 64]).public();
        assert_eq!(broken(verify(rows().into_iter().map(Ok), &other, &[], None)), (1, Why::Edited));
        assert!(verify_export(&*exported(&Filter::default(), false), &other, &[]).is_err());
        let (_, _, checkpoints) = written();
        assert_eq!(broken(verify(vec![], &other, &checkpoints, None)).1, Why::NotSigned);
    }

    #[test]
    fn a_cut_tail_shows_against_a_checkpoint_that_was_kept() {
        let (_, _, checkpoints) = written();
        for kept in 0..8 {
            let cut = rows()[..kept].to_vec();
            assert_eq!(broken(check(cut.clone(), &checkpoints)).1, Why::Cut, "{kept} records kept");
            let lines = exported(&Filter::default(), false);
            let cut = lines.split_inclusive(|byte| *byte == b'\n').take(kept + 1).collect::<Vec<_>>().concat();
            assert!(verify_export(&*cut, &keys().public(), &checkpoints).is_err());
        }
        // Above the last checkpoint nothing shows, and nothing is claimed.
        assert_eq!(check(rows()[..9].to_vec(), &checkpoints).unwrap().signed_to, 8);
    }

    #[test]
    fn a_chain_written_anew_shows_at_its_checkpoints() {
        let (_, _, checkpoints) = written();
        let mut edited = rows();
        edited[1].body = String::from_utf8(edited[1].body.clone()).unwrap().replace("decided", "outcome").into_bytes();
        rechain(&mut edited);
        assert_eq!(broken(check(edited.clone(), &[])), (4, Why::Rewritten));
        // Without the checkpoints that stand in it, it shows against one that was kept.
        edited.truncate(3);
        assert!(check(edited.clone(), &[]).is_err(), "the payload that was erased later is gone unsaid");
        assert_eq!(broken(check(edited, &checkpoints)), (3, Why::Rewritten));
        // A checkpoint of somebody else's does not pass for ours.
        let forged = Checkpoint::sign(
            &InstallationKeys::from_seed(&[9; 64]),
            2,
            Digest(rows()[1].hash),
            ambit_core::time::Timestamp(0),
        );
        assert_eq!(broken(check(rows(), &[forged])), (2, Why::NotSigned));
        let mut replaced = rows();
        let body = String::from_utf8(replaced[3].body.clone()).unwrap();
        replaced[3].body =
            body.replace(&checkpoints[0].signature.to_string(), &forged.signature.to_string()).into_bytes();
        rechain(&mut replaced);
        assert_eq!(broken(check(replaced, &[])), (4, Why::NotSigned));
    }

    #[test]
    fn a_payload_that_goes_comes_or_stays_unsaid_is_found() {
        let mut gone = rows();
        gone[0].sealed = None;
        assert_eq!(broken(check(gone, &[])), (1, Why::PayloadGone));
        let mut added = rows();
        added[1].sealed = added[0].sealed.clone();
        assert_eq!(broken(check(added, &[])), (2, Why::PayloadAdded));
        let mut exchanged = rows();
        exchanged[0].sealed = exchanged[4].sealed.clone();
        assert_eq!(broken(check(exchanged, &[])), (1, Why::PayloadExchanged));
        let text = String::from_utf8(exported(&Filter::default(), true)).unwrap();
        let exchanged = text.replace(r#""text":"one""#, r#""text":"two""#);
        assert_eq!(broken(verify_export(exchanged.as_bytes(), &keys().public(), &[])), (1, Why::PayloadExchanged));
    }

    #[test]
    fn an_erasure_that_did_not_happen_is_found() {
        let whole = Arc::new(Memory::new());
        let journal = inline(&whole).unwrap();
        let details = serde_json::json!({"sequence": 1});
        wait(journal.write(
            vec![asked("a", "x"), Entry { details, ..Entry::new(Kind::Erased) }],
            vec![],
            Durability::Now,
        ))
        .unwrap();
        let result = verify_store(&*whole, &keys().public(), &[], None);
        assert_eq!(broken(result), (1, Why::NotErased));
    }

    #[derive(Clone, Debug)]
    enum Tampering {
        Body,
        Hash,
        Sequence,
        Sealed,
    }

    proptest! {
        #[test]
        fn any_changed_byte_of_any_row_is_found(
            at in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), flip in 1u8..,
            what in prop_oneof![Just(Tampering::Body), Just(Tampering::Hash), Just(Tampering::Sequence), Just(Tampering::Sealed)],
        ) {
            let mut rows = rows();
            let at = at.index(rows.len());
            let row = &mut rows[at];
            match (&what, &mut row.sealed) {
                (Tampering::Hash, _) => row.hash[place.index(32)] ^= flip,
                (Tampering::Sequence, _) => row.sequence ^= u64::from(flip),
                (Tampering::Sealed, Some(sealed)) => { let n = place.index(sealed.len()); sealed[n] ^= flip; }
                (Tampering::Body, _) | (Tampering::Sealed, None) => { let n = place.index(row.body.len()); row.body[n] ^= flip; }
            }
            let (sequence, _) = broken(check(rows, &[]));
            prop_assert_eq!(sequence, at as u64 + 1);
        }

        #[test]
        fn any_changed_byte_of_an_export_is_found(place in any::<prop::sample::Index>(), flip in 1u8..) {
            let mut lines = exported(&Filter::default(), false);
            let n = place.index(lines.len());
            lines[n] ^= flip;
            prop_assert!(verify_export(&*lines, &keys().public(), &[]).is_err());
        }

        #[test]
        fn a_row_removed_doubled_or_moved_is_found(from in 0usize..10, to in 0usize..10, what in 0..3i32) {
            let mut rows = rows();
            match what {
                0 => { rows.remove(from.min(8)); }
                1 => rows.insert(to, rows[from].clone()),
                _ => rows.swap(from, to),
            }
            prop_assert_eq!(check(rows, &[]).is_err(), what != 2 || from != to);
        }
    }
}
