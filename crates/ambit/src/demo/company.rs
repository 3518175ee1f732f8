//! A sample company in one SQLite file: customers, orders, notes, backups, a gateway's rate limits, alerts, tickets,
//! outgoing mail and payments. The same every time it is founded.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};

/// The evening on which the company is met, as its own records know it.
pub const TODAY: &str = "2026-11-22";

const FOUNDING: &str = include_str!("company.sql");

/// The company, as one of its systems sees it: an open database.
pub struct Company {
    pub(super) db: Connection,
}

/// What can go wrong with the company's database.
#[derive(Debug, thiserror::Error)]
pub enum CompanyError {
    /// It is there already, or the directory is not.
    #[error("cannot found the sample company in `{path}`: {reason}\nhelp: name a file that does not exist yet")]
    NotFounded {
        /// The file asked for.
        path: String,
        /// What stood in the way.
        reason: String,
    },
    /// The database failed.
    #[error("the sample company's database failed: {0}")]
    Database(#[from] rusqlite::Error),
}

/// What the gateway says to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may pass.
    Passes,
    /// Too many at once.
    Throttled {
        /// Milliseconds until the next one passes.
        retry_after_ms: u64,
        /// Milliseconds from one to the next at a pace that is never throttled.
        every_ms: u64,
    },
}

impl Company {
    /// Founds the company in a new file.
    ///
    /// # Errors
    /// When the file exists, or the database fails.
    pub fn found(path: &Path) -> Result<Company, CompanyError> {
        let not_founded =
            |reason: String| CompanyError::NotFounded { path: path.to_string_lossy().into_owned(), reason };
        std::fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(|e| not_founded(e.to_string()))?;
        let db = Connection::open(path)?;
        // Several servers share the file; a write-ahead log lets each read while another writes.
        db.pragma_update(None, "journal_mode", "wal")?;
        db.execute_batch(&format!("BEGIN;\n{FOUNDING}\nCOMMIT;"))?;
        Company::over(db)
    }

    /// Opens a company that was founded before.
    ///
    /// # Errors
    /// When there is none, or the database fails.
    pub fn open(path: &Path) -> Result<Company, CompanyError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Company::over(Connection::open_with_flags(path, flags)?)
    }

    /// Opens it, founding it first where the file does not exist.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open_or_found(path: &Path) -> Result<Company, CompanyError> {
        // Two servers may start at once over a file that is not there; whoever loses the race waits for the winner.
        match Company::found(path) {
            Ok(company) => Ok(company),
            Err(CompanyError::NotFounded { .. }) if path.exists() => Company::open_when_founded(path),
            Err(other) => Err(other),
        }
    }

    fn open_when_founded(path: &Path) -> Result<Company, CompanyError> {
        let company = Company::open(path)?;
        for _ in 0..50 {
            let tables: i64 =
                company.db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'tickets'", [], |r| r.get(0))?;
            if tables > 0 {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(company)
    }

    fn over(db: Connection) -> Result<Company, CompanyError> {
        db.busy_timeout(Duration::from_secs(5))?;
        db.pragma_update(None, "foreign_keys", "on")?;
        // A sample: losing its last writes with the power is no harm, and the demo stays quick.
        db.pragma_update(None, "synchronous", "off")?;
        Ok(Company { db })
    }

    /// Takes a token from the route's bucket. A route that the gateway does not know is not throttled.
    pub(super) fn admit(&self, route: &str) -> Result<Admission, rusqlite::Error> {
        let bucket = self
            .db
            .query_row(
                "SELECT per_minute, burst, tokens, max(0, now - refilled_ms), now \
                 FROM rate_limits, (SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) AS now) WHERE route = ?",
                [route],
                |row| {
                    Ok((
                        row.get::<_, f64>(0)?,
                        row.get::<_, f64>(1)?,
                        row.get::<_, f64>(2)?,
                        row.get::<_, f64>(3)?,
                        row.get::<_, i64>(4)?,
                    ))
                },
            )
            .optional()?;
        let Some((per_minute, burst, tokens, elapsed_ms, now)) = bucket else {
            return Ok(Admission::Passes);
        };
        let per_ms = per_minute / 60_000.0;
        let tokens = burst.min(tokens + elapsed_ms * per_ms);
        let passes = tokens >= 1.0;
        let left = if passes { tokens - 1.0 } else { tokens };
        self.db
            .execute("UPDATE rate_limits SET tokens = ?, refilled_ms = ? WHERE route = ?", params![left, now, route])?;
        if passes {
            return Ok(Admission::Passes);
        }
        Ok(Admission::Throttled { retry_after_ms: whole_ms((1.0 - tokens) / per_ms), every_ms: whole_ms(1.0 / per_ms) })
    }
}

// Rounded up, so that whoever waits that long finds a token.
fn whole_ms(ms: f64) -> u64 {
    let capped = ms.ceil().clamp(1.0, 60_000.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=60,000 above")]
    let whole = capped as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_exists_is_never_founded_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("company.db");
        std::fs::write(&path, "somebody's own file").unwrap();
        assert!(matches!(Company::found(&path), Err(CompanyError::NotFounded { .. })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's own file");
    }

    #[test]
    fn the_bucket_lets_a_burst_through_and_then_says_how_long_to_wait() {
        let dir = tempfile::tempdir().unwrap();
        let company = Company::found(&dir.path().join("company.db")).unwrap();
        // One a minute, so that a slow machine cannot refill the bucket between two calls.
        company.db.execute("UPDATE rate_limits SET per_minute = 1, tokens = 2, refilled_ms = 9e15", []).unwrap();
        assert_eq!(company.admit("crm.write").unwrap(), Admission::Passes);
        assert_eq!(company.admit("crm.write").unwrap(), Admission::Passes);
        let Admission::Throttled { retry_after_ms, every_ms: 60_000 } = company.admit("crm.write").unwrap() else {
            panic!("a third write passed a bucket of two");
        };
        assert!((50_000..=60_000).contains(&retry_after_ms), "{retry_after_ms}");
        assert_eq!(company.admit("no.such.route").unwrap(), Admission::Passes);
    }
}
