//! Looking at a PostgreSQL: everything that a reader of statements has to know of it, out of its catalog and in one
//! snapshot, with nothing changed and no row of anybody's tables read.

mod connect;
mod made;
mod relations;
mod tls;

use std::collections::BTreeSet;
use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use ambit_effects::sql::database::Name;
use tokio::time::timeout;
use tokio_postgres::types::FromSql;
use tokio_postgres::{Client, Row};

use crate::config::secret::SecretError;
use crate::config::{self, Kind};
use crate::lock::{Database, Server, System};
use connect::{Ear, Reach};

pub use connect::ReachError;

/// The most bytes that a database is heard saying of itself.
pub const MOST_BYTES: u64 = 16 << 20;

/// The most relations.
pub const MOST_RELATIONS: usize = 20_000;

/// The versions whose catalog is understood here.
const VERSIONS: std::ops::RangeInclusive<i32> = 15..=18;

/// Why a database could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The secret that its `url` is, is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It cannot be reached.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// It did not answer a question.
    #[error("{}", words(.0))]
    Failed(#[from] tokio_postgres::Error),
    /// It took longer than a system may.
    #[error("it did not answer within {0} s (`timeout-seconds` of the system)")]
    Late(u64),
    /// It has more than is looked at.
    #[error("it says more than {} MiB of itself: name the `schemas` that matter in `ambit.toml`", MOST_BYTES >> 20)]
    TooMuch,
    /// It has more relations than are looked at.
    #[error("it has more than {MOST_RELATIONS} relations: name the `schemas` that matter in `ambit.toml`")]
    TooMany,
    /// It is another version than those that are understood.
    #[error("it is PostgreSQL {0}, and Ambit knows {least} to {most}", least = VERSIONS.start(), most = VERSIONS.end())]
    Version(String),
    /// It has something that is not understood.
    #[error("it has {0} of a kind that Ambit does not know: `{1}`")]
    Unknown(&'static str, String),
    /// It changed meanwhile.
    #[error("{0} changed while it was looked at: look again")]
    Moved(String),
    /// A schema that should be looked at is not there.
    #[error("it has no schema `{0}`, which `schemas` in `ambit.toml` names")]
    NoSchema(String),
}

/// What an error of the connection says, in the server's own words where it said something. Escape it.
fn words(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("the database says: {} ({})", said.message(), said.code().code());
    }
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(deeper) = source {
        words = format!("{words}: {deeper}");
        source = deeper.source();
    }
    words
}

/// Looks at a database; `dir` is where its `ambit.toml` stands.
///
/// # Errors
/// When it cannot be reached, does not answer in time, says too much, or has what is not understood.
pub async fn look(system: &config::System, dir: &Path, today: &str) -> Result<System, AskError> {
    let Some(url) = &system.url else { return Err(ReachError::NoUrl.into()) };
    let url = url.reveal(dir)?;
    let reach = Reach::read(url.reveal(), dir)?;
    let ear = Ear::open(MOST_BYTES);
    let seconds = system.timeout_seconds;
    let looking = async {
        let client = reach.connect(&ear).await?;
        read(&client, &system.schemas, seconds).await
    };
    let done = match timeout(Duration::from_secs(seconds), looking).await {
        Ok(done) => done,
        Err(_) => Err(AskError::Late(seconds)),
    };
    if ear.is_full() {
        return Err(AskError::TooMuch);
    }
    let Looked { version, database, relations } = done?;
    Ok(System {
        kind: Kind::Postgres,
        looked_at: today.to_owned(),
        server: Some(Server { name: "PostgreSQL".to_owned(), version }),
        protocol: None,
        program: None,
        resources: false,
        tools: Default::default(),
        prompts: Default::default(),
        database: Some(database),
        relations,
    })
}

struct Looked {
    version: String,
    database: Database,
    relations: relations::Relations,
}

async fn read(client: &Client, schemas: &BTreeSet<String>, seconds: u64) -> Result<Looked, AskError> {
    // One snapshot; and nothing that is asked can change anything, or wait for long behind somebody who does.
    let wait = seconds.saturating_mul(1_000);
    client
        .batch_execute(&format!(
            "begin transaction isolation level repeatable read read only; \
             set local statement_timeout = {wait}; set local lock_timeout = {wait}"
        ))
        .await?;
    let row = client.query_one(HERE, &[]).await?;
    let (number, version): (i32, String) = (get(&row, "number")?, get(&row, "version")?);
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    if !VERSIONS.contains(&(number / 10_000)) {
        return Err(AskError::Version(version));
    }
    let path: Vec<String> = get(&row, "path")?;
    let known: BTreeSet<String> = get::<Vec<String>>(&row, "schemas")?.into_iter().collect();
    if let Some(missing) = schemas.iter().find(|schema| !known.contains(*schema)) {
        return Err(AskError::NoSchema(missing.clone()));
    }
    client.batch_execute(PLAIN).await?;
    let mut database = Database {
        name: get(&row, "name")?,
        // PostgreSQL's own schema comes first wherever nobody puts it elsewhere, and the gate puts it nowhere.
        search_path: path.into_iter().filter(|schema| schema != "pg_catalog").collect(),
        ..Database::default()
    };
    made::read(client, &mut database).await?;
    let relations = relations::read(client, schemas).await?;
    client.batch_execute("rollback").await?;
    Ok(Looked { version, database, relations })
}

const HERE: &str = "
    select pg_catalog.current_setting('server_version_num')::int4 as number,
           pg_catalog.current_setting('server_version') as version,
           pg_catalog.current_database()::text as name,
           pg_catalog.current_schemas(false)::text[] as path,
           array(select n.nspname::text from pg_catalog.pg_namespace n) as schemas";

/// With a path of nothing, what the server writes down names everything with its schema; and constants are written alike
/// whatever this role's settings are.
const PLAIN: &str = "
    set local search_path = '';
    set local quote_all_identifiers = off;
    set local standard_conforming_strings = on;
    set local DateStyle = 'ISO, YMD';
    set local IntervalStyle = postgres;
    set local TimeZone = 'UTC';
    set local bytea_output = hex;
    set local extra_float_digits = 1";

/// The value of a column.
fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, AskError> {
    Ok(row.try_get(column)?)
}

/// A name out of its two columns, as the lock writes it.
fn named(row: &Row, schema: &str, name: &str) -> Result<String, AskError> {
    Ok(Name { schema: get(row, schema)?, name: get(row, name)? }.to_string())
}
