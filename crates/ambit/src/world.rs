//! The only door to clock and chance (disk stands behind `store`, the network behind `upstream`), so that crashes and
//! late answers can be simulated from a seed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use ambit_core::time::Timestamp;

/// A future that can be stored and sent between threads.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Clock and chance.
pub trait World: Send + Sync + 'static {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Fills `bytes` with randomness fit for keys.
    ///
    /// # Errors
    /// When the operating system gives none; nothing that needs a secret may go on then.
    fn random(&self, bytes: &mut [u8]) -> Result<(), NoChance>;

    /// Waits.
    fn sleep(&self, time: Duration) -> Later<'_, ()>;
}

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoChance;

/// The real world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

impl World for Real {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), NoChance> {
        getrandom::fill(bytes).map_err(|_| NoChance)
    }

    fn sleep(&self, time: Duration) -> Later<'_, ()> {
        Box::pin(tokio::time::sleep(time))
    }
}
