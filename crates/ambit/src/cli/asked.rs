//! A signal that asks a command to end, for one that has something to take away before it does.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use super::Exit;

const NOT: u8 = 0;
/// There is nothing to take away any more.
const FREE: u8 = u8::MAX;

/// Listens for SIGINT and SIGTERM. The second one ends the process at once, and so does the first after [`Asked::over`].
pub struct Asked(Arc<AtomicU8>);

impl Asked {
    /// Begins to listen; `end` is called at the first one.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn listen(end: fn()) -> io::Result<Asked> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(inside);
        let asked = Arc::new(AtomicU8::new(NOT));
        let heard = Arc::clone(&asked);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                loop {
                    let exit = tokio::select! {
                        _ = int.recv() => Exit::Interrupted,
                        _ = term.recv() => Exit::Ended,
                    };
                    if heard.swap(exit as u8, Ordering::AcqRel) != NOT {
                        std::process::exit(i32::from(exit as u8));
                    }
                    end();
                }
            });
        })?;
        Ok(Asked(asked))
    }

    /// How to end, where it was asked for. There is nothing to take away any more.
    #[must_use]
    pub fn over(self) -> Option<Exit> {
        let asked = self.0.swap(FREE, Ordering::AcqRel);
        [Exit::Interrupted, Exit::Ended].into_iter().find(|exit| *exit as u8 == asked)
    }
}
