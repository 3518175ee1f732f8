//! What is being sent right now. A stop closes the gate here: after it nothing of that agent takes off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::stops::Stops;

/// How many actions of each agent are being sent.
#[derive(Clone, Default)]
pub struct Flights(Arc<Mutex<BTreeMap<String, usize>>>);

/// One action being sent; it has landed when this is dropped.
pub struct Flight {
    flights: Flights,
    agent: String,
}

impl Flights {
    /// Takes off, unless the agent is stopped. A stop is set before it counts who is aloft, so whoever takes off is
    /// either counted or refused.
    #[must_use]
    pub fn begin(&self, agent: &str, stops: &Stops) -> Option<Flight> {
        let mut aloft = self.lock();
        if stops.of(agent).is_some() {
            return None;
        }
        *aloft.entry(agent.to_owned()).or_default() += 1;
        Some(Flight { flights: self.clone(), agent: agent.to_owned() })
    }

    /// How many of that agent's are aloft; of everybody's when `None`.
    #[must_use]
    pub fn aloft(&self, agent: Option<&str>) -> usize {
        let aloft = self.lock();
        agent.map_or_else(|| aloft.values().sum(), |agent| aloft.get(agent).copied().unwrap_or(0))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        if let Some(aloft) = self.flights.lock().get_mut(&self.agent) {
            *aloft = aloft.saturating_sub(1);
        }
    }
}
