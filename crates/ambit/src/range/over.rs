//! Whether the attacks end before all of them are played, because a person or the system asked for it. Whoever plays asks
//! here before each step, so that the private gate is taken away on the usual road and not in the middle of one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::RangeError;

// Of the whole process: a signal is, too.
static OVER: AtomicBool = AtomicBool::new(false);

/// From now on no further step is taken.
pub fn end() {
    OVER.store(true, Ordering::Release);
}

/// An error exactly when it is over.
pub(super) fn go_on() -> Result<(), RangeError> {
    if OVER.load(Ordering::Acquire) { Err(RangeError::Over) } else { Ok(()) }
}

/// Sleeps so long, or until it is over.
pub(super) fn rest(long: Duration) -> Result<(), RangeError> {
    let until = Instant::now() + long;
    loop {
        go_on()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}
