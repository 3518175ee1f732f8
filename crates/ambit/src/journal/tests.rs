//! The journal as a whole, over both stores.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use ambit_core::time::Timestamp;
use serde_json::json;

use super::*;
use crate::store::memory::{Fault, Memory};
use crate::store::sqlite::Sqlite;
use crate::world::{Later, NoChance, Real};

/// A clock that ticks when looked at, and chance from a counter.
#[derive(Default)]
pub(crate) struct Still {
    time: AtomicI64,
    chance: AtomicU64,
}

impl World for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1_790_000_000_000 + self.time.fetch_add(1, Ordering::Relaxed))
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), NoChance> {
        for chunk in bytes.chunks_mut(32) {
            let n = self.chance.fetch_add(1, Ordering::Relaxed);
            let drawn = Digest::of("test/chance", &[&n.to_be_bytes()]).0;
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
        Ok(())
    }

    fn sleep(&self, _: Duration) -> Later<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

pub(crate) fn keys() -> InstallationKeys {
    InstallationKeys::from_seed(&[5; 64])
}

pub(crate) fn inline(store: &Arc<Memory>) -> Result<Journal, JournalError> {
    let store: Arc<dyn Store> = store.clone();
    Journal::open(store, Arc::new(Still::default()), keys(), Mode::Inline)
}

pub(crate) fn threaded(directory: &Path) -> Result<Journal, JournalError> {
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(directory)?);
    Journal::open(store, Arc::new(Real), keys(), Mode::Threaded { checkpoints: directory.join(checkpoints::FILE) })
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn asked(agent: &str, payload: &str) -> Entry {
    Entry {
        agent: Some(agent.into()),
        details: json!({"tool": "reply"}),
        payload: Some(payload.into()),
        ..Entry::new(Kind::Asked)
    }
}

fn put(key: &str, expect: u64, value: &str) -> Put {
    Put { key: key.into(), expect, value: Some(value.into()) }
}

#[test]
fn every_kind_has_one_name() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
        assert_eq!(Kind::from_word(kind.word()), Some(kind));
    }
}

#[test]
fn records_are_chained_and_their_payloads_sealed() {
    let store = Arc::new(Memory::new());
    let journal = inline(&store).unwrap();
    let entries = vec![asked("a", "SELECT secret"), Entry::new(Kind::Decided)];
    let recorded = wait(journal.write(entries, vec![put("k", 0, "v")], Durability::Now)).unwrap();
    let rows = store.rows(1, 9).unwrap();
    assert_eq!(recorded.iter().map(|one| one.sequence).collect::<Vec<_>>(), [1, 2]);
    let first = chain::link(&chain::genesis(&keys().public()), &rows[0].body);
    assert_eq!(recorded[0].hash, first);
    assert_eq!(recorded[1].hash, chain::link(&first, &rows[1].body));
    assert!(
        !rows
            .iter()
            .any(|row| format!("{row:?}").contains("secret") || row.sealed.iter().flatten().eq(b"SELECT secret"))
    );
    assert_eq!(rows[1].sealed, None);
    let record = Record::read(rows[0].clone()).unwrap();
    assert_eq!(journal.payload(&record).unwrap().unwrap().payload.expose(), b"SELECT secret");
    assert_eq!(journal.get("k").unwrap().unwrap().value, b"v");
    assert_eq!(journal.scan("").unwrap().len(), 1);
}

#[test]
fn a_lost_race_leaves_nothing_behind() {
    let store = Arc::new(Memory::new());
    let journal = inline(&store).unwrap();
    wait(journal.write(vec![], vec![put("hold/1", 0, "waiting")], Durability::Now)).unwrap();
    let confirm =
        || journal.write(vec![Entry::new(Kind::Confirmed)], vec![put("hold/1", 1, "confirmed")], Durability::Now);
    let (one, other) = wait(async { (confirm().await, confirm().await) });
    assert_eq!(one.unwrap()[0].sequence, 1);
    assert!(matches!(other, Err(JournalError::Store(StoreError::Conflict { key })) if key == "hold/1"));
    assert_eq!(store.rows(1, 9).unwrap().len(), 1);
    assert_eq!(wait(journal.write(vec![Entry::new(Kind::Executing)], vec![], Durability::Now)).unwrap()[0].sequence, 2);
}

#[test]
fn a_loser_does_not_take_its_neighbours_along() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state");
    let journal = Arc::new(threaded(&directory).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let (won, others) = runtime.block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let journal = Arc::clone(&journal);
                tokio::spawn(async move {
                    // Every other writer races for one key; the rest have nothing to do with it.
                    let puts = if n % 2 == 0 {
                        vec![put("contested", 0, &n.to_string())]
                    } else {
                        vec![put(&format!("own/{n}"), 0, "x")]
                    };
                    (n % 2 == 0, journal.write(vec![asked("a", &n.to_string())], puts, Durability::Now).await.is_ok())
                })
            })
            .collect();
        let (mut won, mut others) = (0, 0);
        for task in tasks {
            let (contested, ok) = task.await.unwrap();
            *if contested { &mut won } else { &mut others } += usize::from(ok);
        }
        (won, others)
    });
    assert_eq!((won, others), (1, 32));
    assert_eq!(journal.store().rows(1, 100).unwrap().len(), 33);
    drop(journal);
    assert_eq!(threaded(&directory).unwrap().store().last_row().unwrap().unwrap().sequence, 34, "and a checkpoint");
}

#[test]
fn the_chain_goes_on_over_a_restart() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state");
    let mut last = None;
    for n in 0..3 {
        let journal = threaded(&directory).unwrap();
        let recorded = wait(journal.write(vec![asked("a", "x")], vec![], Durability::Soon)).unwrap();
        // Each time the record before, and the checkpoint that was signed when the journal was dropped.
        assert_eq!(recorded[0].sequence, 2 * n + 1);
        last = Some(recorded[0]);
    }
    let store = Sqlite::open(&directory).unwrap();
    assert_eq!(store.rows(5, 1).unwrap()[0].hash, last.unwrap().hash.0);
    assert_eq!(checkpoints::read(&directory.join(checkpoints::FILE)).unwrap().len(), 3);
}

#[test]
fn after_a_commit_in_doubt_the_chain_is_looked_at_again() {
    for fault in [Fault::Refused, Fault::Unanswered] {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        wait(journal.write(vec![asked("a", "1")], vec![], Durability::Now)).unwrap();
        store.fail_at(1, fault);
        assert!(wait(journal.write(vec![asked("a", "2")], vec![], Durability::Now)).is_err());
        let recorded = wait(journal.write(vec![asked("a", "3")], vec![], Durability::Now)).unwrap();
        assert_eq!(recorded[0].sequence, if fault == Fault::Refused { 2 } else { 3 });
        inline(&store).unwrap();
    }
}

#[test]
fn other_keys_do_not_go_on_with_the_chain() {
    let store = Arc::new(Memory::new());
    wait(inline(&store).unwrap().write(vec![Entry::new(Kind::Started)], vec![], Durability::Now)).unwrap();
    let other = Journal::open(store, Arc::new(Still::default()), InstallationKeys::from_seed(&[6; 64]), Mode::Inline);
    assert!(matches!(other, Err(JournalError::Broken(_))));
}

#[test]
fn a_journal_cut_below_its_last_checkpoint_is_not_opened() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state");
    let journal = threaded(&directory).unwrap();
    for n in 0..4 {
        wait(journal.write(vec![asked("a", &n.to_string())], vec![], Durability::Now)).unwrap();
    }
    assert_eq!(wait(journal.checkpoint()).unwrap().sequence, 4);
    drop(journal);
    let database = rusqlite::Connection::open(directory.join("state.db")).unwrap();
    database.execute("DELETE FROM journal WHERE sequence > 3", []).unwrap();
    drop(database);
    let error = threaded(&directory).err().unwrap().to_string();
    assert!(error.contains("it was cut") && error.contains("help:"), "{error}");
    // A new store in the old one's place is a cut journal too.
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(directory.join(name));
    }
    assert!(matches!(threaded(&directory), Err(JournalError::Broken(_))));
}

#[test]
fn a_checkpoint_is_signed_by_itself_now_and_then() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state");
    let journal = threaded(&directory).unwrap();
    for _ in 0..10 {
        let entries = (0..100).map(|_| Entry::new(Kind::Flagged)).collect();
        wait(journal.write(entries, vec![], Durability::Now)).unwrap();
    }
    let file = directory.join(checkpoints::FILE);
    let kept = || checkpoints::read(&file).unwrap_or_default().iter().map(|one| one.sequence).collect::<Vec<_>>();
    // By itself: whoever writes does not wait for it.
    for _ in 0..200 {
        if !kept().is_empty() {
            break;
        }
        std::thread::sleep(WINDOW / 4);
    }
    assert_eq!(kept(), [1000]);
    wait(journal.write(vec![Entry::new(Kind::Flagged)], vec![], Durability::Now)).unwrap();
    drop(journal);
    // And at the end, over the checkpoint's own record and the one after it.
    assert_eq!(kept(), [1000, 1002]);
}

#[test]
fn what_is_written_soon_is_durable_within_the_window() {
    let store = Arc::new(Memory::new());
    let place = tempfile::tempdir().unwrap();
    let shared: Arc<dyn Store> = store.clone();
    let mode = Mode::Threaded { checkpoints: place.path().join(checkpoints::FILE) };
    let journal = Journal::open(shared, Arc::new(Real), keys(), mode).unwrap();
    wait(journal.write(vec![asked("a", "x")], vec![], Durability::Soon)).unwrap();
    assert_eq!(store.pending(), 1);
    std::thread::sleep(WINDOW * 3);
    assert_eq!(store.pending(), 0);
    wait(journal.write(vec![asked("a", "y")], vec![], Durability::Soon)).unwrap();
    wait(journal.write(vec![asked("a", "z")], vec![], Durability::Now)).unwrap();
    assert_eq!(store.pending(), 0);
}

#[test]
fn nobody_is_told_of_a_durability_that_the_disk_did_not_give() {
    let store = Arc::new(Memory::new());
    let place = tempfile::tempdir().unwrap();
    let shared: Arc<dyn Store> = store.clone();
    let mode = Mode::Threaded { checkpoints: place.path().join(checkpoints::FILE) };
    let journal = Journal::open(shared, Arc::new(Real), keys(), mode).unwrap();
    store.fail_at(1, Fault::Refused);
    assert!(wait(journal.write(vec![asked("a", "x")], vec![], Durability::Now)).is_err());
    assert!(wait(journal.write(vec![asked("a", "y")], vec![], Durability::Soon)).is_err());
}

#[test]
fn a_power_cut_at_any_step_leaves_a_whole_chain_that_holds_what_was_promised() {
    let run = |store: &Arc<Memory>| -> u64 {
        let Ok(journal) = inline(store) else { return 0 };
        let mut promised = 0;
        for n in 0..8u64 {
            let durability = if n % 3 == 2 { Durability::Now } else { Durability::Soon };
            let write = journal.write(
                vec![asked("a", "x"), Entry::new(Kind::Decided)],
                vec![put("n", n, &n.to_string())],
                durability,
            );
            match wait(write) {
                Ok(recorded) if durability == Durability::Now => promised = recorded[1].sequence,
                Ok(_) => {}
                Err(_) => break,
            }
            if n == 4
                && let Ok(checkpoint) = wait(journal.checkpoint())
            {
                promised = checkpoint.sequence + 1;
            }
        }
        promised
    };
    let whole = Arc::new(Memory::new());
    run(&whole);
    assert!(whole.steps() >= 10);
    for step in 0..=whole.steps() {
        for fault in [Fault::PowerCut, Fault::Unanswered, Fault::Refused] {
            let store = Arc::new(Memory::new());
            store.fail_at(step, fault);
            let promised = run(&store);
            for kept in 0..=store.pending() {
                let after = Arc::new(store.crash_keeping(kept));
                let journal = inline(&after).unwrap();
                let last = after.last_row().unwrap().map_or(0, |row| row.sequence);
                assert!(last >= promised, "{fault:?} at {step}: {last} < {promised}");
                let count = after.get("n").unwrap().map_or(0, |found| found.version);
                assert!(last == 2 * count || last == 2 * count + 1, "records and state go together");
                assert_eq!(
                    wait(journal.write(vec![Entry::new(Kind::Started)], vec![], Durability::Now)).unwrap()[0].sequence,
                    last + 1
                );
            }
        }
    }
}

#[test]
fn an_erased_payload_is_gone_and_says_so() {
    let place = tempfile::tempdir().unwrap();
    let journal = threaded(&place.path().join("state")).unwrap();
    wait(journal.write(vec![asked("a", "one"), asked("a", "two")], vec![], Durability::Now)).unwrap();
    let erased = wait(journal.erase(1, Some("dana".into()), "asked for by the customer")).unwrap();
    assert_eq!(erased.sequence, 3);
    let records: Vec<_> =
        journal.store().rows(1, 9).unwrap().into_iter().map(|row| Record::read(row).unwrap()).collect();
    assert!(records[0].erased() && journal.payload(&records[0]).unwrap().is_none());
    assert_eq!(journal.payload(&records[1]).unwrap().unwrap().payload.expose(), b"two");
    assert_eq!((records[2].kind, &records[2].details["sequence"]), (Kind::Erased, &json!(1)));
    for wrong in [0, 1, 3, 99, u64::MAX] {
        assert!(matches!(wait(journal.erase(wrong, None, "x")), Err(JournalError::NoPayload(_))), "{wrong}");
    }
}

/// Writes until it is killed, and says on standard output what it was promised. Run by the test below, in a process of
/// its own.
#[test]
#[ignore = "it is the process that the next test kills"]
fn writes_until_killed() {
    use std::io::Write as _;
    let Some(directory) = std::env::var_os("AMBIT_TEST_STATE") else { return };
    let journal = threaded(Path::new(&directory)).unwrap();
    let version = journal.get("count").unwrap().map_or(0, |found| found.version);
    for n in version.. {
        let durability = if n % 4 == 3 { Durability::Now } else { Durability::Soon };
        let entries = vec![asked("a", &"x".repeat(2000)), Entry::new(Kind::Decided)];
        let recorded = wait(journal.write(entries, vec![put("count", n, "x")], durability)).unwrap();
        writeln!(std::io::stdout(), "\nwritten {}", recorded[1].sequence).unwrap();
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_wrote() {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("state");
    for round in 1..=4usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "journal::tests::writes_until_killed", "--ignored", "--nocapture"])
            .env("AMBIT_TEST_STATE", &directory)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = 0;
        let mut lines = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(sequence) = line.unwrap().strip_prefix("written ") {
                told = sequence.parse().unwrap();
                lines += 1;
            }
            // Killed in the midst of writing; what is still in the pipe was promised too.
            if lines == 37 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(lines >= 37 * round);
        let store = Sqlite::open(&directory).unwrap();
        let verified = verify::verify_store(&store, &keys().public(), &[], Some(&keys())).unwrap();
        assert!(verified.records >= told, "{} < {told}", verified.records);
        let count = store.get("count").unwrap().unwrap().version;
        let records = tail::records(&store, 1, Filter { kinds: vec![Kind::Decided], ..Filter::default() }).count();
        assert_eq!(count, records as u64, "records and state go together");
    }
}
