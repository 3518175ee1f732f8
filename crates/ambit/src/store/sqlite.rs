//! The embedded store: one SQLite file in the state directory.
//!
//! How a commit becomes durable: SQLite writes it into the write-ahead log with `synchronous = NORMAL`, which leaves the
//! log whole after a power cut but does not wait for it; waiting is ours, one `fdatasync` of the log for everybody who
//! waits at that moment (what `synchronous = FULL` does inside the commit, where nobody can share it and every other
//! writer is kept waiting). The log is only ever overwritten after SQLite has synced its content into the main file,
//! so a sync of the log covers all commits before it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use super::{Batch, Durability, Found, Put, Row, Store, StoreError, is_made_once, private};

/// The file's name in the state directory.
pub const FILE: &str = "state.db";

/// The version of the tables below.
const VERSION: i64 = 1;

/// Marks the file as ours (`PRAGMA application_id`): "ambt".
const APPLICATION: i64 = 0x616d_6274;

/// Up to this size a store is looked through page by page when it is opened; beyond, that is `ambit journal verify`'s work.
const LOOKED_THROUGH_BYTES: u64 = 32 << 20;

/// The log is folded into the main file when it has grown by about so much.
const FOLDED_BYTES: u64 = 4 << 20;

/// What a commit adds to the log beside its own bytes, about: the pages it touches.
const COMMIT_BYTES: u64 = 4 * 4096;

/// After so many pages the log is folded into the main file by whoever commits, should nobody tend the store.
const LOG_PAGES: i64 = 8192;

const TABLES: &str = "
    CREATE TABLE journal (
        sequence INTEGER PRIMARY KEY,
        body BLOB NOT NULL,
        hash BLOB NOT NULL,
        sealed BLOB
    ) STRICT;
    CREATE TABLE state (
        key TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- The last version of keys that were removed: a version never comes back with another value.
    CREATE TABLE removed (
        key TEXT PRIMARY KEY,
        version INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// A store in a directory of its own.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    writer: Option<Writer>,
    reader: Mutex<Connection>,
}

#[derive(Debug)]
struct Writer {
    connection: Mutex<Connection>,
    /// Folds the log into the main file while others commit.
    tender: Mutex<Connection>,
    log: File,
    /// Commits made, and of those how many are known to be on the disk.
    written: AtomicU64,
    durable: Mutex<u64>,
    /// What the log has grown by since it was last folded, about.
    grown: AtomicU64,
    /// A sync failed: the kernel may have dropped what it could not write and report success the next time.
    lost: AtomicBool,
    /// Held as long as the store is open.
    _lock: File,
}

impl Sqlite {
    /// Opens the store in `directory` for this process alone, or makes it. The directory gets mode 0700, the files 0600.
    ///
    /// # Errors
    /// `InUse` while another process has it; `Damaged` and `Newer` rather than starting anew; `Place` when others may
    /// read it.
    pub fn open(directory: &Path) -> Result<Sqlite, StoreError> {
        private::directory(directory)?;
        let lock = lock(&directory.join("lock"))?;
        let path = directory.join(FILE);
        if !path.try_exists().map_err(|error| StoreError::Failed(error.to_string()))? {
            make(&path)?;
        }
        let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        look_through(&path, &connection)?;
        let fault = |error| fault(&path, error);
        for (name, value) in [("synchronous", "NORMAL"), ("secure_delete", "ON")] {
            connection.pragma_update(None, name, value).map_err(fault)?;
        }
        connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES).map_err(fault)?;
        // Folds in what a crash left in the log and, with it, any last copy of a payload erased just before. A reader
        // that is at it this moment puts that off, no more.
        let _folded = truncate_log(&connection).map_err(fault)?;
        // Writes the log's first page, so that the file is there to be synced, under a durable name.
        connection.pragma_update(None, "user_version", VERSION).map_err(fault)?;
        let log_path = directory.join(format!("{FILE}-wal"));
        let log = private::open(&log_path, OpenOptions::new().read(true).write(true))?;
        private::sync_parent(&log_path)?;
        let tender = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        tender.pragma_update(None, "synchronous", "NORMAL").map_err(fault)?;
        let reader = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let writer = Writer {
            connection: Mutex::new(connection),
            tender: Mutex::new(tender),
            log,
            written: AtomicU64::new(1),
            durable: Mutex::new(0),
            grown: AtomicU64::new(0),
            lost: AtomicBool::new(false),
            _lock: lock,
        };
        Ok(Sqlite { path, writer: Some(writer), reader: Mutex::new(reader) })
    }

    /// Opens the store in `directory` for reading, whoever else has it. Every commit fails.
    ///
    /// # Errors
    /// When there is none, and as [`Sqlite::open`].
    pub fn open_to_read(directory: &Path) -> Result<Sqlite, StoreError> {
        let path = directory.join(FILE);
        let reader = connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        look_through(&path, &reader)?;
        Ok(Sqlite { path, writer: None, reader: Mutex::new(reader) })
    }

    fn writer(&self) -> Result<&Writer, StoreError> {
        let writer = self.writer.as_ref().ok_or_else(|| StoreError::Failed("it was opened to read".into()))?;
        if writer.lost.load(Ordering::Acquire) {
            return Err(StoreError::Failed(
                "an earlier commit did not reach the disk, so nothing more is taken".into(),
            ));
        }
        Ok(writer)
    }

    fn fault(&self, error: rusqlite::Error) -> StoreError {
        fault(&self.path, error)
    }

    fn read_row(&self, row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Row, StoreError>> {
        let (sequence, hash) = (row.get::<_, i64>(0)?, row.get_ref(2)?.as_blob()?.try_into());
        Ok(match (u64::try_from(sequence), hash) {
            (Ok(sequence), Ok(hash)) => Ok(Row { sequence, body: row.get(1)?, hash, sealed: row.get(3)? }),
            _ => Err(StoreError::Damaged {
                path: self.path.clone(),
                why: format!("row {sequence} of the journal is malformed"),
            }),
        })
    }
}

impl Store for Sqlite {
    fn commit(&self, batch: &Batch, durability: Durability) -> Result<(), StoreError> {
        let writer = self.writer()?;
        {
            let connection = lock_of(&writer.connection);
            let open = OpenTransaction::begin(&connection).map_err(|error| self.fault(error))?;
            for change in &batch.puts {
                if !put(&connection, change).map_err(|error| self.fault(error))? {
                    return Err(StoreError::Conflict { key: change.key.clone() });
                }
            }
            append(&connection, batch).map_err(|error| self.fault(error))?;
            open.commit().map_err(|error| self.fault(error))?;
            writer.written.fetch_add(1, Ordering::AcqRel);
        }
        writer.grown.fetch_add(COMMIT_BYTES + weight(batch), Ordering::Relaxed);
        match durability {
            Durability::Soon => Ok(()),
            Durability::Now => self.sync(),
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        let writer = self.writer()?;
        let wanted = writer.written.load(Ordering::Acquire);
        // Those who come while one syncs wait here; the first of them then syncs for all.
        let mut durable = lock_of(&writer.durable);
        if *durable >= wanted {
            return Ok(());
        }
        self.writer()?;
        let covered = writer.written.load(Ordering::Acquire);
        if let Err(error) = writer.log.sync_data() {
            writer.lost.store(true, Ordering::Release);
            return Err(StoreError::Failed(format!("the disk did not take a commit: {error}")));
        }
        *durable = covered;
        Ok(())
    }

    fn tend(&self) -> Result<(), StoreError> {
        let writer = self.writer()?;
        if writer.grown.load(Ordering::Relaxed) < FOLDED_BYTES {
            return Ok(());
        }
        writer.grown.store(0, Ordering::Relaxed);
        let tender = lock_of(&writer.tender);
        tender.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).map_err(|error| self.fault(error))
    }

    fn scrub(&self) -> Result<(), StoreError> {
        // Freed pages are zeroed by `secure_delete`; older versions of a page may still stand in the log.
        let connection = lock_of(&self.writer()?.connection);
        if truncate_log(&connection).map_err(|error| self.fault(error))? {
            return Ok(());
        }
        Err(StoreError::Failed("somebody is reading it; what was erased stands in its log until the next start".into()))
    }

    fn get(&self, key: &str) -> Result<Option<Found>, StoreError> {
        let reader = lock_of(&self.reader);
        reader
            .prepare_cached("SELECT key, version, value FROM state WHERE key = ?1")
            .and_then(|mut statement| statement.query_row([key], found).optional())
            .map_err(|error| self.fault(error))
    }

    fn scan(&self, prefix: &str) -> Result<Vec<Found>, StoreError> {
        let reader = lock_of(&self.reader);
        let read = || {
            let mut statement =
                reader.prepare_cached("SELECT key, version, value FROM state WHERE key >= ?1 ORDER BY key")?;
            let mut rows = statement.query([prefix])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                if !row.get_ref(0)?.as_bytes()?.starts_with(prefix.as_bytes()) {
                    break;
                }
                all.push(found(row)?);
            }
            Ok(all)
        };
        read().map_err(|error| self.fault(error))
    }

    fn keys(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let reader = lock_of(&self.reader);
        let read = || {
            let mut statement = reader.prepare_cached("SELECT key FROM state WHERE key >= ?1 ORDER BY key")?;
            let mut rows = statement.query([prefix])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let key: String = row.get(0)?;
                if !key.starts_with(prefix) {
                    break;
                }
                all.push(key);
            }
            Ok(all)
        };
        read().map_err(|error| self.fault(error))
    }

    fn rows(&self, sequence: u64, most: usize) -> Result<Vec<Row>, StoreError> {
        let reader = lock_of(&self.reader);
        let read = || {
            let mut statement = reader.prepare_cached(
                "SELECT sequence, body, hash, sealed FROM journal WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2",
            )?;
            let (sequence, most) =
                (i64::try_from(sequence).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
            statement.query_map([sequence, most], |row| self.read_row(row))?.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|error| self.fault(error))?.into_iter().collect()
    }

    fn last_row(&self) -> Result<Option<Row>, StoreError> {
        let reader = lock_of(&self.reader);
        reader
            .prepare_cached("SELECT sequence, body, hash, sealed FROM journal ORDER BY sequence DESC LIMIT 1")
            .and_then(|mut statement| statement.query_row([], |row| self.read_row(row)).optional())
            .map_err(|error| self.fault(error))?
            .transpose()
    }
}

/// A transaction, rolled back when it is dropped. (rusqlite's own has SQLite parse its two statements each time.)
struct OpenTransaction<'a>(&'a Connection);

impl OpenTransaction<'_> {
    fn begin(connection: &Connection) -> rusqlite::Result<OpenTransaction<'_>> {
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(OpenTransaction(connection))
    }

    fn commit(self) -> rusqlite::Result<()> {
        self.0.prepare_cached("COMMIT")?.execute([]).map(drop)
    }
}

impl Drop for OpenTransaction<'_> {
    fn drop(&mut self) {
        // After a commit, or a failure that rolled back by itself, there is none any more.
        if !self.0.is_autocommit() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// Whether the change could be made: the key had the version expected.
fn put(connection: &Connection, Put { key, expect, value }: &Put) -> rusqlite::Result<bool> {
    let expect_stored = i64::try_from(*expect).unwrap_or(i64::MAX);
    let changed = match (expect, value) {
        (0, Some(value)) => connection
            .prepare_cached(
                "INSERT INTO state (key, version, value)
                 VALUES (?1, 1 + coalesce((SELECT version FROM removed WHERE key = ?1), 0), ?2) ON CONFLICT DO NOTHING",
            )?
            .execute(params![key, value])?,
        (0, None) => {
            let exists: bool = connection
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM state WHERE key = ?1)")?
                .query_row([key], |row| row.get(0))?;
            usize::from(!exists)
        }
        (_, Some(value)) => connection
            .prepare_cached("UPDATE state SET version = version + 1, value = ?3 WHERE key = ?1 AND version = ?2")?
            .execute(params![key, expect_stored, value])?,
        (_, None) => {
            let gone = connection
                .prepare_cached("DELETE FROM state WHERE key = ?1 AND version = ?2")?
                .execute(params![key, expect_stored])?;
            if gone == 1 && !is_made_once(key) {
                connection
                    .prepare_cached("INSERT OR REPLACE INTO removed (key, version) VALUES (?1, ?2)")?
                    .execute(params![key, expect_stored])?;
            }
            gone
        }
    };
    Ok(changed == 1)
}

fn append(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    // A row goes in only right behind the one before: the primary key alone would let a gap pass.
    if !batch.rows.is_empty() {
        let last: i64 = connection
            .prepare_cached("SELECT coalesce(max(sequence), 0) FROM journal")?
            .query_row([], |row| row.get(0))?;
        let follow = (1..).zip(&batch.rows).all(|(n, row)| last.checked_add(n) == i64::try_from(row.sequence).ok());
        if !follow {
            return Err(rusqlite::Error::StatementChangedRows(0));
        }
    }
    let mut insert =
        connection.prepare_cached("INSERT INTO journal (sequence, body, hash, sealed) VALUES (?1, ?2, ?3, ?4)")?;
    for row in &batch.rows {
        let sequence = i64::try_from(row.sequence).unwrap_or(i64::MAX);
        insert.execute(params![sequence, row.body, row.hash, row.sealed])?;
    }
    for sequence in &batch.erase {
        connection
            .prepare_cached("UPDATE journal SET sealed = NULL WHERE sequence = ?1")?
            .execute([i64::try_from(*sequence).unwrap_or(i64::MAX)])?;
    }
    Ok(())
}

/// The bytes of a batch.
fn weight(batch: &Batch) -> u64 {
    let rows = batch.rows.iter().map(|row| row.body.len() + row.sealed.as_ref().map_or(0, Vec::len));
    let values = batch.puts.iter().map(|put| put.value.as_ref().map_or(0, Vec::len));
    rows.chain(values).map(|bytes| bytes as u64).sum()
}

fn found(row: &rusqlite::Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found { key: row.get(0)?, version: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0), value: row.get(2)? })
}

/// Makes a new store beside its place and moves it there whole: a store that exists is never one half made.
fn make(path: &Path) -> Result<(), StoreError> {
    let beside = path.with_extension("new");
    for name in [
        beside.clone(),
        path.with_extension("new-wal"),
        path.with_extension("new-shm"),
        path.with_extension("new-journal"),
    ] {
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(private::PrivateError::Io { path: name, error }.into());
            }
            _ => {}
        }
    }
    private::create(&beside, b"")?;
    let fault = |error| fault(&beside, error);
    let connection = connect(&beside, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "synchronous", "FULL").map_err(fault)?;
    connection.pragma_update(None, "application_id", APPLICATION).map_err(fault)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).map_err(fault)?;
    connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")).map_err(fault)?;
    connection.close().map_err(|(_, error)| fault(error))?;
    std::fs::rename(&beside, path).map_err(|error| private::PrivateError::Io { path: path.into(), error })?;
    private::sync_parent(path)?;
    Ok(())
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    private::check(path)?;
    let fault = |error| fault(path, error);
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(fault)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(fault)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(fault)?;
    connection.pragma_update(None, "cell_size_check", true).map_err(fault)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(connection)
}

/// Is it ours, of a version we know, and whole?
fn look_through(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let fault = |error| fault(path, error);
    let damaged = |why: &str| Err(StoreError::Damaged { path: path.into(), why: why.into() });
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(fault);
    if number("application_id")? != APPLICATION {
        return damaged("it is empty, or something else than a store of ambit");
    }
    match number("user_version")? {
        found if found > VERSION => return Err(StoreError::Newer { path: path.into(), found, known: VERSION }),
        VERSION => {}
        _ => return damaged("its version is not one that ambit ever wrote"),
    }
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema WHERE name IN ('journal', 'state', 'removed')", [], |row| {
            row.get(0)
        })
        .map_err(fault)?;
    if tables != 3 {
        return damaged("tables are missing");
    }
    if std::fs::metadata(path).is_ok_and(|found| found.len() <= LOOKED_THROUGH_BYTES) {
        let told: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fault)?;
        if told != "ok" {
            return damaged(&told);
        }
    }
    Ok(())
}

/// Folds the log into the main file and cuts it to nothing; `false` when a reader stands in the way for too long.
fn truncate_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)).map(|busy| !busy)
}

fn lock(path: &Path) -> Result<File, StoreError> {
    if !path.exists() {
        match private::create(path, b"") {
            Err(private::PrivateError::Io { error, .. }) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
    }
    let file = private::open(path, OpenOptions::new().read(true).write(true))?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::InUse { path: path.into() }),
        Err(error) => Err(StoreError::Failed(format!("the lock file could not be locked: {error}"))),
    }
}

// Nothing behind these locks is left half changed by a panic: transactions roll back when dropped.
fn lock_of<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn fault(path: &Path, error: rusqlite::Error) -> StoreError {
    match &error {
        rusqlite::Error::StatementChangedRows(_) => {
            StoreError::Failed("a row of the journal does not follow the one before".into())
        }
        rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..) => {
            StoreError::Damaged { path: path.into(), why: error.to_string() }
        }
        _ => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged { path: path.into(), why: error.to_string() }
            }
            _ => StoreError::Failed(error.to_string()),
        },
    }
}
