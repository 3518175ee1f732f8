//! What a start finds: actions that were on their way to a live system when the last process ended. Nobody knows what came
//! of them; they are told, and never tried again.

use ambit_core::action::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::confirm::{change, notice, trip};
use crate::escape::escape;
use crate::gate::errand::Kept;
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
    /// What systems worked on in their own time: they are to be asked what came of it.
    #[serde(skip)]
    pub errands: Vec<Kept>,
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
    found.errands = left(means)?;
    for flight in means.store.scan("flight/")? {
        let about: Value = serde_json::from_slice(&flight.value).unwrap_or(Value::Null);
        let text = |name: &str| about.get(name).and_then(Value::as_str).map(str::to_owned);
        let agent = text("agent").unwrap_or_default();
        // What its system may say yet is not given up.
        if found.errands.iter().any(|errand| text("ask").as_ref() == Some(&errand.ask)) {
            continue;
        }
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
    let details = json!({
        "in-flight": found.in_flight.len(), "waiting": found.waiting, "tasks": found.tasks, "stopped": found.stopped,
        "errands": found.errands.len(),
    });
    means.record(vec![Entry { details, ..Entry::new(Kind::Started) }], |_| Vec::new(), Durability::Now).await?;
    Ok(found)
}

/// The errands that the last process left: their systems are asked what came of them (`gate::execute::go_on_with`).
fn left(means: &Means) -> Result<Vec<Kept>, Fault> {
    // One that cannot be read is told to whoever asks after it.
    let all = means.store.scan("errand/")?;
    let kept = all.iter().filter_map(|found| serde_json::from_slice::<Kept>(&found.value).ok());
    Ok(kept.filter(|kept| kept.state.ended().is_none()).collect())
}
