//! The thread that waits for the disk: once for everybody who waits at the time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::writer::Writer;
use super::{Checkpoint, JournalError};

/// What was written with [`Durability::Soon`](crate::store::Durability::Soon) is on the disk at most so long after, plus
/// what the disk takes. A power cut can lose these records; the death of the process alone loses none.
pub const WINDOW: Duration = Duration::from_millis(200);

pub(super) struct Flusher {
    /// `None` once the thread is told to end.
    asks: Option<Sender<Ask>>,
    /// Something was written that the thread already knows of.
    told: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

type Answer<T> = oneshot::Sender<Result<T, Why>>;

/// Why it failed, for each of those who waited.
type Why = Arc<JournalError>;

enum Ask {
    /// Something was written that must be durable within the window.
    Written,
    /// Tell when everything written before is durable.
    Sync(Answer<()>),
    /// Tell when no trace of what was erased is left.
    Scrub(Answer<()>),
    /// Sign a checkpoint.
    Checkpoint(Answer<Checkpoint>),
}

impl Flusher {
    pub fn start(writer: Arc<Writer>) -> Result<Flusher, JournalError> {
        let (asks, received) = mpsc::channel();
        let told = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&told);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || run(&writer, &received, &shared))
            .map_err(|error| JournalError::Failed(error.to_string()))?;
        Ok(Flusher { asks: Some(asks), told, thread: Some(thread) })
    }

    /// Says that something was written.
    pub fn written(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            // When the thread is gone, the next write that has to wait says so.
            let _ = self.asks.as_ref().map(|asks| asks.send(Ask::Written));
        }
    }

    pub async fn synced(&self) -> Result<(), JournalError> {
        self.ask(Ask::Sync).await
    }

    pub async fn scrubbed(&self) -> Result<(), JournalError> {
        self.ask(Ask::Scrub).await
    }

    pub async fn checkpoint(&self) -> Result<Checkpoint, JournalError> {
        self.ask(Ask::Checkpoint).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(Answer<T>) -> Ask) -> Result<T, JournalError> {
        let (answer, answered) = oneshot::channel();
        let gone = || JournalError::Failed("its thread is gone".into());
        self.asks.as_ref().ok_or_else(gone)?.send(ask(answer)).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?.map_err(|why| JournalError::Failed(why.to_string()))
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        drop(self.asks.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(writer: &Writer, asks: &Receiver<Ask>, told: &AtomicBool) {
    let mut due: Option<Instant> = None;
    loop {
        let first = match due {
            None => asks.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(due) => asks.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        let first_is_due = first.is_err();
        let (mut syncs, mut scrubs, mut checkpoints) = (Vec::new(), Vec::new(), Vec::new());
        match first {
            Ok(first) => {
                // Everybody who asked while the last sync ran shares the next one.
                for ask in std::iter::once(first).chain(asks.try_iter()) {
                    match ask {
                        Ask::Written => due = due.or_else(|| Some(Instant::now() + WINDOW)),
                        Ask::Sync(answer) => syncs.push(answer),
                        Ask::Scrub(answer) => scrubs.push(answer),
                        Ask::Checkpoint(answer) => checkpoints.push(answer),
                    }
                }
                if syncs.is_empty() && scrubs.is_empty() && checkpoints.is_empty() {
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if first_is_due {
            // Before the sync: what is written while it runs is told anew. Not a plain store, which may be seen to happen
            // after the sync has looked at how much is written: then a write between the two would be told to nobody.
            told.swap(false, Ordering::AcqRel);
            due = None;
        } else {
            // Where one write waited for the disk the next one comes soon. It need not be told: there is a time at which
            // this thread looks by itself.
            told.store(true, Ordering::Release);
            due = due.or_else(|| Some(Instant::now() + WINDOW));
        }
        answer(syncs, writer.store.sync().map_err(JournalError::from));
        if !scrubs.is_empty() {
            answer(scrubs, writer.scrub());
        }
        if !checkpoints.is_empty() {
            answer(checkpoints, writer.checkpoint());
        }
        // Neither has anybody waiting; when they fail, the disk does, and the next write will say so.
        let _ = writer.checkpoint_if_due();
        let _ = writer.store.tend();
    }
    let _ = writer.checkpoint();
}

fn answer<T: Clone>(waiting: Vec<Answer<T>>, result: Result<T, JournalError>) {
    let result = result.map_err(Arc::new);
    for one in waiting {
        let _ = one.send(result.clone());
    }
}
