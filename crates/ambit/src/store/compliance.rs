//! What every store must do, run against each of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::memory::{Fault, Memory};
use super::sqlite::Sqlite;
use super::{Batch, Durability, Put, Row, Store, StoreError, Version};

fn put(key: &str, expect: Version, value: &str) -> Put {
    Put { key: key.into(), expect, value: Some(value.into()) }
}

fn remove(key: &str, expect: Version) -> Put {
    Put { key: key.into(), expect, value: None }
}

fn row(sequence: u64, text: &str) -> Row {
    Row {
        sequence,
        body: text.into(),
        hash: [u8::try_from(sequence % 251).unwrap(); 32],
        sealed: Some(format!("sealed {text}").into()),
    }
}

fn puts(puts: Vec<Put>) -> Batch {
    Batch { puts, ..Batch::default() }
}

fn rows(rows: Vec<Row>) -> Batch {
    Batch { rows, ..Batch::default() }
}

fn each(test: impl Fn(&dyn Store)) {
    test(&Memory::new());
    let place = tempfile::tempdir().unwrap();
    test(&Sqlite::open(&place.path().join("state")).unwrap());
}

fn conflict(result: Result<(), StoreError>) -> String {
    match result {
        Err(StoreError::Conflict { key }) => key,
        other => panic!("no conflict but {other:?}"),
    }
}

#[test]
fn a_value_changes_only_from_the_version_expected() {
    each(|store| {
        assert_eq!(store.get("a").unwrap(), None);
        store.commit(&puts(vec![put("a", 0, "one")]), Durability::Soon).unwrap();
        assert_eq!(store.get("a").unwrap().map(|found| (found.version, found.value)), Some((1, b"one".to_vec())));
        for wrong in [0, 2, 3, u64::MAX] {
            assert_eq!(conflict(store.commit(&puts(vec![put("a", wrong, "two")]), Durability::Now)), "a");
            assert_eq!(conflict(store.commit(&puts(vec![remove("a", wrong)]), Durability::Now)), "a");
        }
        store.commit(&puts(vec![put("a", 1, "two")]), Durability::Now).unwrap();
        assert_eq!(store.get("a").unwrap().map(|found| (found.version, found.value)), Some((2, b"two".to_vec())));
        store.commit(&puts(vec![put("empty", 0, "")]), Durability::Now).unwrap();
        assert_eq!(store.get("empty").unwrap().map(|found| found.value), Some(Vec::new()));
    });
}

#[test]
fn what_is_made_once_leaves_nothing_behind() {
    each(|store| {
        for _ in 0..2 {
            store.commit(&puts(vec![put("flight/helper/1", 0, "up")]), Durability::Now).unwrap();
            store.commit(&puts(vec![remove("flight/helper/1", 1)]), Durability::Now).unwrap();
            assert_eq!(store.get("flight/helper/1").unwrap(), None);
        }
    });
}

#[test]
fn a_version_never_comes_back_with_another_value() {
    each(|store| {
        store.commit(&puts(vec![put("stop", 0, "one")]), Durability::Now).unwrap();
        store.commit(&puts(vec![remove("stop", 1)]), Durability::Now).unwrap();
        assert_eq!(store.get("stop").unwrap(), None);
        assert_eq!(conflict(store.commit(&puts(vec![remove("stop", 1)]), Durability::Now)), "stop");
        // To remove what is absent is to say that it must be.
        store.commit(&puts(vec![remove("stop", 0)]), Durability::Now).unwrap();
        store.commit(&puts(vec![put("stop", 0, "two")]), Durability::Now).unwrap();
        assert_eq!(store.get("stop").unwrap().unwrap().version, 2);
        conflict(store.commit(&puts(vec![remove("stop", 0)]), Durability::Now));
    });
}

#[test]
fn a_batch_happens_whole_or_not_at_all() {
    each(|store| {
        store.commit(&puts(vec![put("a", 0, "one")]), Durability::Now).unwrap();
        let mut batch = puts(vec![put("b", 0, "one"), put("a", 5, "two")]);
        batch.rows = vec![row(1, "first")];
        assert_eq!(conflict(store.commit(&batch, Durability::Now)), "a");
        assert_eq!(store.get("b").unwrap(), None);
        assert_eq!(store.last_row().unwrap(), None);
        batch.puts =
            vec![put("b", 0, "one"), put("a", 1, "two"), put("b", 1, "two"), remove("b", 2), put("b", 0, "three")];
        store.commit(&batch, Durability::Now).unwrap();
        assert_eq!(store.get("b").unwrap().map(|found| (found.version, found.value)), Some((3, b"three".to_vec())));
        assert_eq!(store.last_row().unwrap(), Some(row(1, "first")));
    });
}

#[test]
fn rows_follow_one_another_without_a_gap() {
    each(|store| {
        assert!(store.commit(&rows(vec![row(2, "b")]), Durability::Now).is_err());
        store.commit(&rows(vec![row(1, "a"), row(2, "b"), row(3, "c")]), Durability::Now).unwrap();
        for wrong in
            [vec![row(3, "c")], vec![row(5, "e")], vec![row(4, "d"), row(4, "d")], vec![row(4, "d"), row(6, "f")]]
        {
            assert!(matches!(store.commit(&rows(wrong), Durability::Now), Err(StoreError::Failed(_))));
        }
        assert_eq!(store.rows(1, 10).unwrap(), [row(1, "a"), row(2, "b"), row(3, "c")]);
        assert_eq!(store.rows(0, 1).unwrap(), [row(1, "a")]);
        assert_eq!(store.rows(2, 1).unwrap(), [row(2, "b")]);
        assert_eq!(store.rows(4, 10).unwrap(), []);
        assert_eq!(store.rows(u64::MAX, usize::MAX).unwrap(), []);
        store.commit(&rows(vec![row(4, "d")]), Durability::Soon).unwrap();
        assert_eq!(store.last_row().unwrap(), Some(row(4, "d")));
    });
}

#[test]
fn a_scan_gives_a_prefix_in_order() {
    each(|store| {
        let keys = ["hold", "hold/", "hold/1", "hold/10", "hold/2", "hold/ü", "hole", "a", "hold0"];
        store.commit(&puts(keys.iter().map(|key| put(key, 0, key)).collect()), Durability::Now).unwrap();
        let scan = |prefix| store.scan(prefix).unwrap().into_iter().map(|found| found.key).collect::<Vec<_>>();
        assert_eq!(scan("hold/"), ["hold/", "hold/1", "hold/10", "hold/2", "hold/ü"]);
        assert_eq!(scan("hold/1"), ["hold/1", "hold/10"]);
        assert_eq!(scan("hold/%"), Vec::<String>::new());
        assert_eq!(scan("z"), Vec::<String>::new());
        assert_eq!(scan("").len(), keys.len());
    });
}

#[test]
fn an_erased_payload_is_gone_and_its_row_stays() {
    each(|store| {
        store.commit(&rows(vec![row(1, "a"), row(2, "b")]), Durability::Now).unwrap();
        store
            .commit(&Batch { rows: vec![row(3, "erased")], erase: vec![1], ..Batch::default() }, Durability::Now)
            .unwrap();
        store.scrub().unwrap();
        let found = store.rows(1, 9).unwrap();
        assert_eq!(found[0], Row { sealed: None, ..row(1, "a") });
        assert_eq!(found[1..], [row(2, "b"), row(3, "erased")]);
    });
}

#[test]
fn one_of_many_writers_at_once_wins() {
    each(|store| {
        store.commit(&puts(vec![put("a", 0, "start")]), Durability::Now).unwrap();
        let won: usize = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|n| {
                    scope.spawn(move || {
                        usize::from(store.commit(&puts(vec![put("a", 1, &n.to_string())]), Durability::Now).is_ok())
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).sum()
        });
        assert_eq!(won, 1);
        assert_eq!(store.get("a").unwrap().unwrap().version, 2);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Put>, u64, Vec<u64>, Durability),
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let change = ("[ab]/[xy]", 0u64..4, prop::option::of("[a-z]{0,3}")).prop_map(|(key, expect, value)| Put {
        key,
        expect,
        value: value.map(String::into_bytes),
    });
    let durability = prop_oneof![Just(Durability::Soon), Just(Durability::Now)];
    prop_oneof![
        8 => (prop::collection::vec(change, 0..4), 0u64..3, prop::collection::vec(1u64..6, 0..2), durability)
            .prop_map(|(puts, rows, erase, durability)| Step::Commit(puts, rows, erase, durability)),
        1 => Just(Step::Sync),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_stores_answer_alike(steps in prop::collection::vec(step(), 1..24)) {
        let place = tempfile::tempdir().unwrap();
        let (memory, sqlite) = (Memory::new(), Sqlite::open(&place.path().join("state")).unwrap());
        for step in steps {
            match step {
                Step::Sync => { memory.sync().unwrap(); sqlite.sync().unwrap(); }
                Step::Commit(puts, more, erase, durability) => {
                    let next = memory.last_row().unwrap().map_or(1, |row| row.sequence + 1);
                    let batch = Batch { rows: (next..next + more).map(|n| row(n, "x")).collect(), puts, erase };
                    let (one, other) = (memory.commit(&batch, durability), sqlite.commit(&batch, durability));
                    prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
                }
            }
        }
        prop_assert_eq!(memory.scan("").unwrap(), sqlite.scan("").unwrap());
        prop_assert_eq!(memory.rows(0, 1000).unwrap(), sqlite.rows(0, 1000).unwrap());
    }

    #[test]
    fn a_power_cut_keeps_what_was_durable_and_a_first_part_of_the_rest(
        durabilities in prop::collection::vec(prop::bool::ANY, 1..20), seed in any::<u64>(),
    ) {
        let store = Memory::new();
        let mut must = 0;
        for (n, now) in (1u64..).zip(&durabilities) {
            let batch = Batch { rows: vec![row(n, "x")], puts: vec![put("count", n - 1, &n.to_string())], erase: vec![] };
            store.commit(&batch, if *now { Durability::Now } else { Durability::Soon }).unwrap();
            if *now { must = n; }
        }
        let after = store.crash(seed);
        let kept = after.last_row().unwrap().map_or(0, |row| row.sequence);
        prop_assert!((must..=durabilities.len() as u64).contains(&kept));
        prop_assert_eq!(after.get("count").unwrap().map_or(0, |found| found.version), kept);
        prop_assert_eq!(after.pending(), 0);
        prop_assert!(store.get("count").is_err());
    }
}

#[test]
fn every_length_of_the_tail_survives_some_power_cut() {
    let mut seen = BTreeMap::new();
    for seed in 0..64 {
        let store = Memory::new();
        for n in 1..=4 {
            store.commit(&rows(vec![row(n, "x")]), Durability::Soon).unwrap();
        }
        *seen.entry(store.crash(seed).last_row().unwrap().map_or(0, |row| row.sequence)).or_insert(0) += 1;
    }
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_step_fails_as_told() {
    let store = Memory::new();
    store.fail_at(0, Fault::Refused);
    store.fail_at(1, Fault::Unanswered);
    store.fail_at(3, Fault::PowerCut);
    assert!(matches!(store.commit(&puts(vec![put("a", 0, "x")]), Durability::Now), Err(StoreError::Failed(_))));
    assert_eq!(store.get("a").unwrap(), None);
    assert!(matches!(store.commit(&puts(vec![put("a", 0, "x")]), Durability::Now), Err(StoreError::Failed(_))));
    assert_eq!(store.get("a").unwrap().unwrap().version, 1);
    store.commit(&puts(vec![put("b", 0, "x")]), Durability::Soon).unwrap();
    assert!(store.commit(&puts(vec![put("c", 0, "x")]), Durability::Now).is_err());
    assert!(store.get("a").is_err());
    let after = store.crash_keeping(0);
    assert_eq!(after.scan("").unwrap().len(), 1);
}

#[test]
fn a_failed_sync_ends_the_store() {
    let store = Memory::new();
    store.commit(&puts(vec![put("a", 0, "x")]), Durability::Soon).unwrap();
    store.fail_at(1, Fault::Refused);
    assert!(store.sync().is_err());
    assert!(store.commit(&puts(vec![put("b", 0, "x")]), Durability::Soon).is_err());
    assert_eq!(store.crash_keeping(0).get("a").unwrap(), None);
}

mod sqlite {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn filled(directory: &Path) -> Sqlite {
        let store = Sqlite::open(directory).unwrap();
        store
            .commit(&Batch { rows: vec![row(1, "a")], puts: vec![put("k", 0, "v")], erase: vec![] }, Durability::Now)
            .unwrap();
        store
    }

    #[test]
    fn its_files_are_its_owners_alone() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("state");
        let _store = filled(&directory);
        assert_eq!(mode(&directory), 0o700);
        let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        for name in names {
            assert_eq!(mode(&name), 0o600, "{}", name.display());
        }
    }

    #[test]
    fn what_was_committed_is_there_when_it_is_opened_again() {
        let place = tempfile::tempdir().unwrap();
        drop(filled(place.path().join("state").as_path()));
        let store = Sqlite::open(&place.path().join("state")).unwrap();
        assert_eq!(store.rows(1, 9).unwrap(), [row(1, "a")]);
        assert_eq!(store.get("k").unwrap().unwrap().value, b"v");
    }

    #[test]
    fn one_process_writes_and_others_may_read() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("state");
        assert!(Sqlite::open_to_read(&directory).is_err());
        let store = filled(&directory);
        assert!(matches!(Sqlite::open(&directory), Err(StoreError::InUse { .. })));
        let reader = Sqlite::open_to_read(&directory).unwrap();
        assert_eq!(reader.last_row().unwrap(), Some(row(1, "a")));
        store.commit(&rows(vec![row(2, "b")]), Durability::Soon).unwrap();
        assert_eq!(reader.last_row().unwrap(), Some(row(2, "b")));
        assert!(matches!(reader.commit(&rows(vec![row(3, "c")]), Durability::Soon), Err(StoreError::Failed(_))));
        drop(store);
        let reader = Sqlite::open_to_read(&directory).unwrap();
        assert_eq!(reader.last_row().unwrap(), Some(row(2, "b")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn to_open_it_again_leaves_the_first_ones_locks_alone() {
        use std::os::unix::fs::MetadataExt;
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("state");
        let store = filled(&directory);
        let inode = format!(":{} ", fs::metadata(directory.join("state.db")).unwrap().ino());
        // Of this process alone: the list of everybody's changes while it is read.
        let locks = || {
            let mut locks = std::collections::BTreeSet::new();
            for file in fs::read_dir("/proc/self/fdinfo").unwrap() {
                let said = fs::read_to_string(file.unwrap().path()).unwrap_or_default();
                let held = said.lines().filter(|line| line.starts_with("lock:") && line.contains(&inode));
                locks.extend(held.filter_map(|line| Some(line.split_once(": ")?.1.to_owned())));
            }
            locks.len()
        };
        let before = locks();
        assert!(before > 0);
        drop(Sqlite::open_to_read(&directory).unwrap());
        assert!(Sqlite::open(&directory).is_err());
        assert_eq!(locks(), before);
        drop(store);
        assert_eq!(locks(), 0);
    }

    #[test]
    fn a_newer_store_is_refused() {
        let place = tempfile::tempdir().unwrap();
        drop(filled(&place.path().join("state")));
        let path = place.path().join("state/state.db");
        rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
        for error in [Sqlite::open(&place.path().join("state")), Sqlite::open_to_read(&place.path().join("state"))] {
            let error = error.unwrap_err();
            assert!(matches!(error, StoreError::Newer { found: 7, known: 1, .. }), "{error}");
        }
    }

    #[test]
    fn damage_is_an_error_and_never_an_empty_start() {
        type Damage = fn(Vec<u8>) -> Vec<u8>;
        let damages: [(&str, Damage); 6] = [
            ("cut to nothing", |_| Vec::new()),
            ("cut in its head", |whole| whole[..60].to_vec()),
            ("cut in half", |whole| whole[..whole.len() / 2].to_vec()),
            ("overwritten with noise", |whole| whole.iter().map(|byte| byte ^ 0x5a).collect()),
            ("a page of noise in the middle", |mut whole| {
                whole[4096..8192].fill(0xa5);
                whole
            }),
            ("another database", |_| {
                let place = tempfile::tempdir().unwrap();
                rusqlite::Connection::open(place.path().join("x"))
                    .unwrap()
                    .execute_batch("CREATE TABLE journal (a)")
                    .unwrap();
                fs::read(place.path().join("x")).unwrap()
            }),
        ];
        for (name, damage) in damages {
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("state/state.db");
            drop(filled(&place.path().join("state")));
            let damaged = damage(fs::read(&path).unwrap());
            fs::write(&path, &damaged).unwrap();
            let error = Sqlite::open(&place.path().join("state")).expect_err(name);
            assert!(matches!(error, StoreError::Damaged { .. }), "{name}: {error:?}");
            assert_eq!(fs::read(&path).unwrap(), damaged, "{name}: it was changed");
        }
    }

    #[test]
    fn a_store_half_made_is_made_anew() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("state");
        super::super::private::directory(&directory).unwrap();
        for name in ["state.new", "state.new-wal", "state.new-journal", "state.new.new"] {
            fs::write(directory.join(name), b"half").unwrap();
        }
        filled(&directory);
        assert!(!directory.join("state.new").exists());
    }

    #[test]
    fn a_store_that_others_may_read_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("state");
        drop(filled(&directory));
        fs::set_permissions(directory.join("state.db"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Sqlite::open(&directory), Err(StoreError::Place(_))));
        fs::set_permissions(directory.join("state.db"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Sqlite::open(&directory), Err(StoreError::Place(_))));
    }

    #[test]
    fn no_copy_of_an_erased_payload_is_left() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("state");
        let store = Sqlite::open(&directory).unwrap();
        let secret = "the-payload-nobody-may-find".repeat(400);
        store
            .commit(
                &rows(vec![row(1, "a"), Row { sealed: Some(secret.clone().into()), ..row(2, "b") }]),
                Durability::Now,
            )
            .unwrap();
        store.tend().unwrap();
        let copies = || {
            let files = fs::read_dir(&directory).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap());
            files
                .map(|content| content.windows(27).filter(|window| *window == &secret.as_bytes()[..27]).count())
                .sum::<usize>()
        };
        assert!(copies() > 0);
        store.commit(&Batch { erase: vec![2], ..Batch::default() }, Durability::Now).unwrap();
        store.scrub().unwrap();
        assert_eq!(copies(), 0);
    }

    #[test]
    fn writers_go_on_while_the_log_is_folded_and_it_does_not_grow_for_ever() {
        let place = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open(&place.path().join("state")).unwrap());
        let done = AtomicBool::new(false);
        let text = "x".repeat(100_000);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    store.sync().unwrap();
                    store.tend().unwrap();
                }
            });
            for n in 1..=300 {
                store.commit(&rows(vec![row(n, &text)]), Durability::Soon).unwrap();
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(store.rows(1, 1000).unwrap().len(), 300);
        // 60 MB went through it.
        let log = fs::metadata(place.path().join("state/state.db-wal")).unwrap().len();
        assert!(log < 45 << 20, "{log}");
    }
}
