//! Work that may take its time: answered with one message, or with a stream once something is said before the answer.

use std::sync::Arc;

use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::body::event;
use super::said::{Answer, json, status_of, wrong};
use super::sessions::{HttpSession, Use};
use super::stream::events;
use crate::gate::mcp::aside::Hearing;
use crate::gate::mcp::era::Era;
use crate::gate::mcp::face::Slow;
use crate::gate::rpc::code;
use crate::gate::talk::Cancel;

/// Does the work of request `id`. `hears`: whether the client takes a stream.
pub(super) async fn work(session: &Arc<HttpSession>, under_way: Use, id: &str, mut slow: Slow, hears: bool) -> Answer {
    let era = slow.era();
    let (talk, mut hearing) = session.face.listen(&mut slow);
    if !hears {
        // A question would never reach it.
        hearing.ask_nothing();
    }
    let asked = session.ask(id, hearing.cancel());
    // In the generation without a handshake, to hang up is to cancel.
    let hung_up = HungUp((era == Era::Stateless).then(|| hearing.cancel()));
    let (worker, raw) = (Arc::clone(session), id.to_owned());
    // In a task of its own: a client that goes away is not answered, but what it began goes on, and counts.
    let mut finished = tokio::spawn(async move {
        let (_under_way, _asked) = (under_way, asked);
        let mut out = Vec::new();
        worker.face.finish(&raw, slow, &talk, &mut out).await;
        out
    });
    loop {
        let said = tokio::select! {
            biased;
            out = &mut finished => {
                hung_up.answered();
                let rest = hearing.rest();
                return match out {
                    Ok(out) if hears && !rest.is_empty() => whole(rest, out),
                    Ok(out) => json(status_of(era, id, &out), out),
                    Err(_) => wrong(StatusCode::INTERNAL_SERVER_ERROR, Some(id), code::INTERNAL, BROKE_OFF),
                };
            }
            Some(said) = hearing.next() => said,
        };
        if hears && !said.is_empty() {
            return stream(said, hearing, finished, hung_up, id.to_owned());
        }
    }
}

const BROKE_OFF: &str = "Ambit failed in the middle of this; nobody knows whether it took effect";

/// Lets go of the request unless it was answered.
struct HungUp(Option<Cancel>);

impl HungUp {
    fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for HungUp {
    fn drop(&mut self) {
        if let Some(cancel) = self.0.take() {
            cancel.now();
        }
    }
}

/// Everything at once, where all of it is there.
fn whole(rest: Vec<u8>, answer: Vec<u8>) -> Answer {
    let (to, from) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move { send(&to, &[rest, answer].concat()).await });
    events(from)
}

/// What is said meanwhile, then the answer.
fn stream(
    first: Vec<u8>,
    mut hearing: Hearing,
    mut finished: JoinHandle<Vec<u8>>,
    hung_up: HungUp,
    id: String,
) -> Answer {
    let (to, from) = mpsc::channel::<Bytes>(16);
    tokio::spawn(async move {
        if !send(&to, &first).await {
            return;
        }
        loop {
            let said = tokio::select! {
                biased;
                // The client is gone; what it began goes on.
                () = to.closed() => return,
                Some(said) = hearing.next() => said,
                out = &mut finished => {
                    hung_up.answered();
                    let out = out.unwrap_or_else(|_| {
                        let mut out = Vec::new();
                        crate::gate::rpc::error(&mut out, Some(&id), code::INTERNAL, BROKE_OFF);
                        out
                    });
                    send(&to, &[hearing.rest(), out].concat()).await;
                    return;
                }
            };
            if !send(&to, &said).await {
                return;
            }
        }
    });
    events(from)
}

/// Whether the client took them.
async fn send(to: &mpsc::Sender<Bytes>, messages: &[u8]) -> bool {
    for message in messages.split_inclusive(|byte| *byte == b'\n') {
        if to.send(event(message)).await.is_err() {
            return false;
        }
    }
    true
}
