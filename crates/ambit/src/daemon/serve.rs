//! `ambit serve`: opens the state, tells what the last process left behind, and lets agents and people in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::control::Control;
use super::digest::Digests;
use super::host::{House, KnownPeople};
use super::http::{Bound, HttpError, bind};
use super::place::{NotSaid, Place, state_dir};
use super::postgres::{self, PostgresError};
use super::releases::Releases;
use super::socket::{Door, DoorError, serve_shared, share};
use super::start;
use super::systems::{Happened, LiveSystems};
use crate::config::{self, Limits, State, find};
use crate::confirm::{notice, sweep};
use crate::escape::escape;
use crate::gate::execute;
use crate::gate::mcp::News;
use crate::gate::means::{Fault, Judges, Means, Settings};
use crate::home::Home;
use crate::journal::{Entry, Journal, JournalError, Kind, Mode, checkpoints};
use crate::keys::installation::{InstallationError, InstallationKeys};
use crate::keys::{caller, token};
use crate::store::private::{self, PrivateError};
use crate::store::sqlite::Sqlite;
use crate::store::{Durability, Store, StoreError};
use crate::upstream::{Event, Listing};
use crate::world::{Real, World};

/// How to serve.
#[derive(Clone, Debug)]
pub struct Serve {
    /// The path of `ambit.toml`.
    pub config: PathBuf,
    /// End when nobody was connected for so long.
    pub idle: Option<Duration>,
    /// End when standard input does.
    pub until_eof: bool,
}

/// Why it cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The door could not be opened.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// Where the state stands cannot be told.
    #[error(transparent)]
    NotSaid(#[from] NotSaid),
    /// The state directory is not ours alone.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The installation's keys cannot be used.
    #[error(transparent)]
    Keys(#[from] InstallationError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Nobody can be let in over HTTP.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// No driver of a database is let in.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// What was left behind could not be told.
    #[error(transparent)]
    Fault(#[from] Fault),
}

// How often what is due is looked at: what lapsed, and what was confirmed and still has to run.
const SWEEP: Duration = Duration::from_secs(1);
// What runs gets so long to come to its end when the daemon ends.
const LEAVE: Duration = Duration::from_secs(10);

/// Where agents come in over the network.
#[derive(Clone, Debug, Default)]
pub struct Open {
    /// The start of the URL over HTTP.
    pub http: Option<String>,
    /// The address for drivers of PostgreSQL.
    pub postgres: Option<String>,
}

/// Serves until a signal, or until idle. `said` is told, once, what was found at the start, and where agents come in over
/// the network.
///
/// # Errors
/// When it cannot begin.
pub async fn serve(options: &Serve, said: impl FnOnce(&start::Found, &Open)) -> Result<(), ServeError> {
    more_descriptors();
    let state = state_dir(&options.config)?;
    // First the door: whoever has it has the state as well.
    let door = Door::open(&Place::of(&state)).await?;
    // `ambit.toml` may have errors: what is in force does not hang on it.
    let home = Home::open(&options.config).ok();
    if home.is_none() {
        tracing::warn!(
            "`ambit.toml` or `ambit.lock` has errors: the usual limits hold, and no shared socket is opened"
        );
    }
    let dir = find::dir_of(&options.config);
    let limits = home.as_ref().map(|home| home.config.limits.clone()).unwrap_or_default();
    let digest = home.as_ref().and_then(|home| home.config.digest.clone());
    let Opened { house, happened, digests } = open(dir, &state, &limits, digest)?;
    let bound = match home.as_ref().and_then(|home| home.config.http.as_ref()) {
        Some(http) => Some(bind(http, dir).await?),
        None => None,
    };
    let databases = match home.as_ref().and_then(|home| home.config.postgres.as_ref()) {
        Some(postgres) => Some(postgres::bind(postgres, dir).await?),
        None => None,
    };
    let found = start::start(&house.means).await?;
    let postgres = databases.as_ref().map(|databases| databases.address().to_string());
    said(&found, &Open { http: bound.as_ref().map(Bound::url), postgres });
    let house = Arc::new(house);
    for errand in found.errands {
        let means = Arc::clone(&house.means);
        tokio::spawn(async move {
            let id = errand.id.clone();
            if let Err(error) = execute::go_on_with(&means, errand).await {
                tracing::error!(errand = id, %error, "what came of it could not be recorded");
            }
        });
    }
    let watching = tokio::spawn(watch(Arc::clone(&house), happened));
    let shared = match home.as_ref().map(|home| &home.config.state) {
        Some(State { shared_socket: Some(path), shared_group, .. }) => {
            let listener = share(&dir.join(path), shared_group.as_deref())?;
            Some(tokio::spawn(serve_shared(listener, Arc::clone(&house) as Arc<_>)))
        }
        _ => None,
    };
    let over_http = bound.map(|bound| tokio::spawn(bound.serve(Arc::clone(&house) as Arc<_>)));
    let (end_databases, databases_end) = tokio::sync::oneshot::channel::<()>();
    let drivers = databases.map(|databases| {
        let stop = async { drop(databases_end.await) };
        tokio::spawn(databases.serve(Arc::clone(&house), stop))
    });
    let telling = digests.map(|digests| tokio::spawn(async move { digests.send_often().await }));
    let sweeping = tokio::spawn(sweep_often(Arc::clone(&house.means)));
    // Agents that come over HTTP cannot start a daemon again, and whoever took its port meanwhile would be given tokens;
    // and a digest is due whether or not anybody is there.
    let idle = options.idle.filter(|_| over_http.is_none() && drivers.is_none() && telling.is_none());
    door.serve(Arc::clone(&house) as Arc<_>, idle, ended(options.until_eof)).await;
    for door in [shared, over_http].into_iter().flatten() {
        door.abort();
        // Its connections end with it.
        let _ = door.await;
    }
    // Nobody new comes in; what is on its way may arrive, but for what is asked after at the next start.
    let begun = tokio::time::Instant::now();
    drop(end_databases);
    house.means.sessions.sever(None);
    house.means.errands.suspend();
    if let Some(drivers) = drivers {
        let _ = drivers.await;
    }
    while house.means.flights.aloft(None) > house.means.errands.kept_under_way() && begun.elapsed() < LEAVE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    telling.inspect(tokio::task::JoinHandle::abort);
    sweeping.abort();
    watching.abort();
    house.live.end().await;
    house.means.journal.checkpoint().await?;
    Ok(())
}

/// What stands behind the door.
struct Opened {
    house: House,
    happened: mpsc::UnboundedReceiver<Happened>,
    digests: Option<Arc<Digests>>,
}

/// Everything behind the door, over a state directory. `dir`: what paths in `ambit.toml` are relative to.
fn open(dir: &Path, state_dir: &Path, limits: &Limits, digest: Option<config::Digest>) -> Result<Opened, ServeError> {
    private::directory(state_dir)?;
    let world: Arc<dyn World> = Arc::new(Real);
    let keys = InstallationKeys::open(state_dir, world.as_ref())?;
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(state_dir)?);
    token::index(store.as_ref())?;
    caller::index(store.as_ref())?;
    let mode = Mode::Threaded { checkpoints: state_dir.join(checkpoints::FILE) };
    let journal = Arc::new(Journal::open(Arc::clone(&store), Arc::clone(&world), keys, mode)?);
    let releases = Arc::new(Releases::new(Arc::clone(&store)));
    let (told, happened) = mpsc::unbounded_channel();
    let live = Arc::new(LiveSystems::new(Arc::clone(&releases), dir.to_owned(), told));
    let people = Arc::new(KnownPeople::new(Arc::clone(&store), Arc::clone(&releases), Arc::clone(&world)));
    let means = Arc::new(Means::open(
        world,
        store,
        Arc::clone(&journal),
        Arc::clone(&releases) as Arc<dyn Judges>,
        Arc::clone(&live) as Arc<_>,
        people,
        settings(limits),
    )?);
    let digests = digest.map(|digest| Arc::new(Digests::new(Arc::clone(&means), digest, dir.to_owned())));
    let control = Control::new(Arc::clone(&means), journal, releases, Arc::clone(&live)).with_digests(digests.clone());
    Ok(Opened { house: House::new(means, live, control), happened, digests })
}

/// Takes as many descriptors as the system gives: what agents open must not be what the door, the store and live systems
/// then lack.
fn more_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let found = getrlimit(Resource::Nofile);
    // Where it may not, what is there has to do.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: found.maximum, maximum: found.maximum });
}

fn settings(limits: &Limits) -> Settings {
    let many = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    Settings {
        wait: Duration::from_secs(limits.pending_wait_seconds),
        waiting_most: many(limits.waiting_holds),
        daily_most: many(limits.daily_holds),
        trip_after: many(limits.trip_refusals),
        trip_window: Duration::from_secs(limits.trip_window_minutes * 60),
        ..Settings::default()
    }
}

async fn sweep_often(means: Arc<Means>) {
    let mut tick = tokio::time::interval(SWEEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match sweep::sweep(&means).await {
            // In tasks of their own: a live system that hangs keeps nothing else from being swept.
            Ok(swept) => swept.confirmed.iter().for_each(|id| drop(execute::begin(&means, id))),
            Err(error) => tracing::error!(%error, "what is due could not be done"),
        }
    }
}

/// Records what upstream servers do unasked, and tells sessions whose lists changed.
async fn watch(house: Arc<House>, mut happened: mpsc::UnboundedReceiver<Happened>) {
    while let Some(Happened { agent, system, event }) = happened.recv().await {
        let (flag, told) = match &event {
            Event::ListChanged(listing) => {
                let change: fn(&mut News) = match listing {
                    Listing::Tools => |news| news.tools += 1,
                    Listing::Resources | Listing::ResourceTemplates => |news| news.resources += 1,
                    Listing::Prompts => |news| news.prompts += 1,
                };
                house.means.sessions.tell(&agent, change);
                continue;
            }
            Event::Updated { uri } => {
                house.means.sessions.updated(&agent, &system, uri);
                continue;
            }
            Event::Asked { method } => (format!("it asked for `{method}` and was refused"), true),
            Event::Nonsense { what } => (format!("it wrote something that is no message: {what}"), false),
            Event::Died { why } => (format!("it is gone: {why}"), false),
        };
        let entry = Entry {
            agent: Some(agent.clone()),
            details: json!({ "flag": "an upstream server", "system": system, "what": escape(&flag) }),
            ..Entry::new(Kind::Flagged)
        };
        let mut puts = Vec::new();
        if told && let Ok(chance) = house.means.chance() {
            let text = format!("the server of `{system}`: {}", escape(&flag));
            puts.push(notice::put(house.means.now(), chance, &agent, text));
        }
        if let Err(error) = house.means.record(vec![entry], move |_| puts, Durability::Soon).await {
            tracing::error!(%error, "what a server did could not be recorded");
        }
    }
}

/// A signal that asks the daemon to end, or the end of its input where that counts.
async fn ended(until_eof: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        () = end_of_input(), if until_eof => {}
    }
}

async fn end_of_input() {
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own: a read of standard input cannot be given up, and the runtime would wait for it.
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = tell.send(());
    });
    let _ = told.await;
}
