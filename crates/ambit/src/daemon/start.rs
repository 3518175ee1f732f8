//! What a start finds: actions that were on their way to a live system when the last process ended. Nobody knows what came
//! of them; they are told, and never tried again.

use std::collections::BTreeSet;

use ambit_core::action::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::confirm::{change, notice, trip};
use crate::escape::escape;
use crate::gate::errand::{Kept, State};
use crate::gate::means::{Fault, Means};
use crate::journal::{Entry, Kind};
use crate::store::{Durability, Put};

/// What a start found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// What was in flight, a sentence each.
    pub in_flight: Vec<String>,
    /// How many holds wait.
    pub waiting: usize,
    /// How many tasks are open.
    #[serde(default)]
    pub tasks: usize,
    /// Who is stopped; empty text stands for everybody.
    pub stopped: Vec<String>,
}

/// Looks at what the last process left, and records what it finds. To be called once, before the first action passes.
///
/// # Errors
/// When the state cannot be read or written; nothing may pass then.
pub async fn start(means: &Means) -> Result<Found, Fault> {
    trip::recall(means)?;
    let mut found = Found {
        waiting: means.queue.waiting(None).len(),
        tasks: means.tasks.all(None).iter().filter(|task| means.now() <= task.until).count(),
        stopped: means.stops.all().into_keys().collect(),
        ..Found::default()
    };
    for id in means.queue.executing() {
        change::lose(means, &id, "Ambit ended while it was being sent").await?;
        found.in_flight.push(format!("`{id}` was confirmed and being sent"));
    }
    let mut told = BTreeSet::new();
    for flight in means.store.scan("flight/")? {
        let about: Value = serde_json::from_slice(&flight.value).unwrap_or(Value::Null);
        let text = |name: &str| about.get(name).and_then(Value::as_str).map(str::to_owned);
        let agent = text("agent").unwrap_or_default();
        told.extend(text("ask"));
        let called =
            format!("`{}.{}`", escape(&text("system").unwrap_or_default()), escape(&text("name").unwrap_or_default()));
        let entry = Entry {
            agent: text("agent"),
            session: text("session"),
            action: text("action").and_then(|digest| Digest::from_hex(&digest)),
            details: json!({ "ask": text("ask"), "why": "Ambit ended while it was being sent" }),
            ..Entry::new(Kind::OutcomeUnknown)
        };
        let text = format!("{called} was allowed and being sent when Ambit ended; nobody knows what came of it");
        let puts = vec![
            Put { key: flight.key, expect: flight.version, value: None },
            notice::put(means.now(), means.chance()?, &agent, text.clone()),
        ];
        means.record(vec![entry], move |_| puts, Durability::Now).await?;
        found.in_flight.push(text);
    }
    lose_errands(means, &told).await?;
    let details = json!({
        "in-flight": found.in_flight.len(), "waiting": found.waiting, "tasks": found.tasks, "stopped": found.stopped,
    });
    means.record(vec![Entry { details, ..Entry::new(Kind::Started) }], |_| Vec::new(), Durability::Now).await?;
    Ok(found)
}

/// Notes that nobody knows what came of what systems worked on in their own time: they may have gone on, and what they call it
/// is their word alone. `told`: the askings that were told already, with what was in flight.
async fn lose_errands(means: &Means, told: &BTreeSet<String>) -> Result<(), Fault> {
    for errand in means.store.scan("errand/")? {
        // One that cannot be read is told to whoever asks after it.
        let Ok(kept) = serde_json::from_slice::<Kept>(&errand.value) else { continue };
        if kept.state.ended().is_some() {
            continue;
        }
        let because = "Ambit ended while its system worked on it";
        let entry = Entry {
            agent: Some(kept.agent.clone()),
            session: Some(kept.session.clone()),
            action: Some(kept.action),
            details: json!({ "ask": kept.ask, "why": because }),
            ..Entry::new(Kind::OutcomeUnknown)
        };
        let entries = Some(entry).filter(|_| !told.contains(&kept.ask)).into_iter().collect();
        let state = State::Lost { because: because.to_owned(), at: means.now(), let_go: false };
        let value = serde_json::to_vec(&Kept { state, ..kept }).ok();
        let put = Put { key: errand.key, expect: errand.version, value };
        means.record(entries, move |_| vec![put], Durability::Now).await?;
    }
    Ok(())
}
