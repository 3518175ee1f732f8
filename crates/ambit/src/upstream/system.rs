//! One MCP system of one agent: a server that is started when it is first needed, started again when it died, and whose
//! live definitions are held against the pinned ones before it is given anything to do.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ambit_core::permit::Permit;
use serde_json::value::RawValue;

use super::{Event, Limits, Listing, Reach, UpstreamError, UpstreamServer, Watch};
use crate::gate::talk::Talk;
use crate::gate::{Sent, Upstream};
use crate::world::Later;

/// The tools whose live definition is not the pinned one, each with why, in words.
pub type Drift = BTreeMap<String, String>;

/// Compares live definitions of tools (each the bytes of one) with the pinned ones.
pub type Compare = Arc<dyn Fn(&[Box<RawValue>]) -> Drift + Send + Sync>;

/// One MCP system of one agent.
pub struct McpSystem {
    name: String,
    reach: Reach,
    limits: Limits,
    compare: Compare,
    watch: Watch,
    // Counts what makes the comparison out of date; shared with the watch of the running server.
    changes: Arc<AtomicU64>,
    running: Mutex<Option<Running>>,
    // Resources that it tells of, by URI, with the parameters that asked for it; shared with the watch as well.
    tells: Arc<Mutex<BTreeMap<String, Told>>>,
    // Held while it is asked to tell of one, so that each is asked for once.
    subscribing: tokio::sync::Mutex<()>,
    // Held while a server is started or asked for its lists, so that it happens once.
    starting: tokio::sync::Mutex<Failures>,
}

#[derive(Clone)]
struct Running {
    server: Arc<UpstreamServer>,
    started: Instant,
    // The comparison, when it was made, and the count of changes it was made at.
    drift: Arc<Drift>,
    compared_at: Instant,
    compared: u64,
}

/// A resource that the server tells of.
#[derive(Clone)]
struct Told {
    // The parameters that asked for it.
    payload: Vec<u8>,
    // For whom it was first asked.
    talk: Talk,
}

#[derive(Default)]
struct Failures {
    in_a_row: u32,
    next_start: Option<Instant>,
}

// A server that lived so long has not failed to start.
const SETTLED: Duration = Duration::from_secs(30);
// A call waits so long for the next start to be due; beyond that it is told to come back.
const PATIENCE: Duration = Duration::from_secs(2);
// A server need not say that its definitions changed: after so long they are compared again before anything is sent.
const FRESH: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl McpSystem {
    /// A system by its name in `ambit.toml`. Nothing is started before it is needed.
    #[must_use]
    pub fn new(name: String, reach: impl Into<Reach>, limits: Limits, compare: Compare, watch: Watch) -> McpSystem {
        McpSystem {
            name,
            reach: reach.into(),
            limits,
            compare,
            watch,
            changes: Arc::default(),
            running: Mutex::default(),
            tells: Arc::default(),
            subscribing: tokio::sync::Mutex::default(),
            starting: tokio::sync::Mutex::default(),
        }
    }

    /// Its name in `ambit.toml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tools whose live definition is not the pinned one, as of the running server, its last `list_changed` and the last few seconds;
    /// starts the server where need be.
    ///
    /// # Errors
    /// When it cannot be started or asked.
    pub async fn drift(&self) -> Result<Arc<Drift>, UpstreamError> {
        Ok(self.ready().await?.drift)
    }

    /// What it lists, live, from all pages.
    ///
    /// # Errors
    /// When it cannot be started or asked.
    pub async fn list(&self, listing: Listing) -> Result<Vec<Box<RawValue>>, UpstreamError> {
        self.ready().await?.server.list(listing).await
    }

    /// Has the server not tell any more of resources of which nobody hears.
    pub fn let_go(&self, nobody_hears: impl Fn(&str) -> bool) {
        let over: Vec<(String, Told)> = {
            let mut tells = self.tells();
            let over: Vec<String> = tells.keys().filter(|uri| nobody_hears(uri)).cloned().collect();
            over.into_iter().filter_map(|uri| tells.remove_entry(&uri)).collect()
        };
        let Some(running) = self.running().clone().filter(|_| !over.is_empty()) else { return };
        // Nobody waits for it.
        tokio::spawn(async move {
            for (uri, told) in over {
                running.server.unsubscribe(&uri, &told.payload).await;
            }
        });
    }

    /// Goes on with what the server worked on in its own time when the last process of Ambit ended: asks it how that stands, and
    /// does not call again. `called`: what the server calls it; `tool`: what it is a call of, whose definition must be the pinned
    /// one still.
    pub async fn go_on_with(&self, tool: &str, called: &str, talk: &Talk) -> Sent {
        let mut pause = Duration::from_secs(1);
        let running = loop {
            match self.ready().await {
                Ok(running) => break running,
                // It may be started anew as well.
                Err(_) if pause < LONGEST_PAUSE / 2 => tokio::time::sleep(pause).await,
                Err(error) => {
                    tracing::warn!(
                        system = self.name,
                        error = error.for_person(),
                        "it cannot be asked what came of it"
                    );
                    return Sent::Unknown("its system could not be asked what came of it".into());
                }
            }
            pause *= 2;
        };
        match running.drift.get(tool) {
            Some(why) => Sent::Unknown(why.clone()),
            None => running.server.go_on_with(called, talk).await,
        }
    }

    /// Ends the server, if one runs; what it works on in its own time is let go of before. The next call starts it again.
    pub async fn stop(&self) {
        let running = self.running().clone();
        if let Some(running) = running {
            running.server.let_go_of_errands().await;
        }
        self.end().await;
    }

    /// Ends the server, if one runs, and says nothing of what it works on.
    pub async fn end(&self) {
        let running = self.running().take();
        if let Some(running) = running {
            running.server.stop().await;
        }
    }

    fn tells(&self) -> MutexGuard<'_, BTreeMap<String, Told>> {
        self.tells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The running server, if it can be given something to do right now.
    fn now(&self) -> Option<Running> {
        let running = self.running();
        let running = running.as_ref()?;
        let is_fresh =
            running.compared == self.changes.load(Ordering::Acquire) && running.compared_at.elapsed() < FRESH;
        (is_fresh && running.server.dead().is_none()).then(|| running.clone())
    }

    /// A server that runs and whose definitions were compared; started, or asked again, where need be.
    async fn ready(&self) -> Result<Running, UpstreamError> {
        if let Some(running) = self.now() {
            return Ok(running);
        }
        let mut failures = self.starting.lock().await;
        // Somebody else may have done it meanwhile.
        if let Some(running) = self.now() {
            return Ok(running);
        }
        let last = self.running().clone();
        let server = match last {
            Some(last) if last.server.dead().is_none() => (last.server, last.started),
            last => {
                if let Some(last) = last {
                    if last.started.elapsed() < SETTLED {
                        failures.count()
                    } else {
                        *failures = Failures::default()
                    }
                    self.running().take();
                }
                failures.pause().await?;
                match UpstreamServer::start_watched(&self.reach, self.limits, self.watch()).await {
                    Ok(server) => (Arc::new(server), Instant::now()),
                    Err(error) => {
                        failures.count();
                        return Err(error);
                    }
                }
            }
        };
        let (server, started) = server;
        let is_new = self.running().as_ref().is_none_or(|running| !Arc::ptr_eq(&running.server, &server));
        let (compared, compared_at) = (self.changes.load(Ordering::Acquire), Instant::now());
        let drift = Arc::new((self.compare)(&server.list_tools().await?));
        let running = Running { server, started, drift, compared_at, compared };
        *self.running() = Some(running.clone());
        if is_new {
            // What it was permitted to tell of it tells of again; no call waits for that. Of what it does not, nobody goes
            // on believing it: the next who wants to hear of it asks anew.
            let (server, all) = (Arc::clone(&running.server), Arc::clone(&self.tells));
            let tells: Vec<(String, Told)> =
                self.tells().iter().map(|(uri, told)| (uri.clone(), told.clone())).collect();
            tokio::spawn(async move {
                for (uri, told) in tells {
                    let tells = matches!(server.subscribe(&uri, &told.payload, &told.talk).await, Sent::Result(_));
                    let wanted = {
                        let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                        if tells { all.contains_key(&uri) } else { all.remove(&uri).is_some() }
                    };
                    if tells && !wanted {
                        // Meanwhile nobody hears of it any more.
                        server.unsubscribe(&uri, &told.payload).await;
                    }
                }
            });
        }
        Ok(running)
    }

    /// Passes events on, and notes those that make the comparison out of date: the first of them, until it is made anew.
    fn watch(&self) -> Watch {
        let (changes, watch) = (Arc::clone(&self.changes), Arc::clone(&self.watch));
        let tells = Arc::clone(&self.tells);
        Arc::new(move |event| {
            // Of what nobody asked it, it has nothing to tell.
            if let Event::Updated { uri } = &event
                && !tells.lock().unwrap_or_else(PoisonError::into_inner).contains_key(uri)
            {
                return;
            }
            if event == Event::ListChanged(Listing::Tools) {
                changes.fetch_add(1, Ordering::AcqRel);
            }
            watch(event);
        })
    }
}

impl Upstream for McpSystem {
    fn send<'a>(&'a self, permit: Permit, talk: &'a Talk) -> Later<'a, Sent> {
        Box::pin(async move {
            let action = permit.action();
            if action.system != self.name {
                return Sent::NotSent(format!("the permit is for `{}`, not for `{}`", action.system, self.name));
            }
            let running = match self.ready().await {
                Ok(running) => running,
                Err(error) => return Sent::NotSent(error.to_string()),
            };
            if action.operation == "tools/call"
                && let Some(why) = running.drift.get(&action.name)
            {
                return Sent::NotSent(why.clone());
            }
            if action.operation != "resources/subscribe" {
                return running.server.send(permit, talk).await;
            }
            let (uri, payload) = (action.name.clone(), action.payload.clone());
            let _subscribing = self.subscribing.lock().await;
            let talk = &talk.muted_party();
            if self.tells().contains_key(&uri) {
                // It tells of it already, for somebody else of the agent: there is nothing to send.
                running.server.works_for(talk);
                let _ = permit.spend();
                return Sent::Result(b"{}".to_vec());
            }
            // Before it is asked, so that nothing it tells at once is missed.
            self.tells().insert(uri.clone(), Told { payload, talk: talk.clone() });
            let sent = running.server.send(permit, talk).await;
            if !matches!(sent, Sent::Result(_)) {
                self.tells().remove(&uri);
            }
            sent
        })
    }
}

impl Failures {
    fn count(&mut self) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        // The first one is tried again at once; then 1 s, 2 s, 4 s, …
        self.next_start = self
            .in_a_row
            .checked_sub(2)
            .map(|doublings| Duration::from_secs(1 << doublings.min(6)).min(LONGEST_PAUSE))
            .and_then(|pause| Instant::now().checked_add(pause));
    }

    async fn pause(&self) -> Result<(), UpstreamError> {
        let Some(left) = self.next_start.and_then(|at| at.checked_duration_since(Instant::now())) else {
            return Ok(());
        };
        if left > PATIENCE {
            return Err(UpstreamError::NotSent(format!(
                "the server failed {} times in a row; it is started again in {} s",
                self.in_a_row,
                left.as_secs() + 1
            )));
        }
        tokio::time::sleep(left).await;
        Ok(())
    }
}
