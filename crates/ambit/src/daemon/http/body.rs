//! Bodies: what comes, bounded in size, time and memory; what goes, a whole message, nothing, or a stream of events.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::StatusCode;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

/// The bytes of bodies that may be in memory at once, of everybody together.
pub(super) struct Room(Arc<Semaphore>);

/// Why a body was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotWhole {
    #[error("the body did not come whole")]
    Broken,
    #[error("a message has at most {0} bytes")]
    TooLarge(usize),
    #[error("too much is asked at once; try again")]
    Busy,
    #[error("the body did not come in time")]
    Late,
}

const ROOM: usize = 128 << 20;
// A body has so long to come.
const BODY: Duration = Duration::from_secs(30);

impl Default for Room {
    fn default() -> Room {
        Room(Arc::new(Semaphore::new(ROOM)))
    }
}

impl Room {
    /// A body of at most so many bytes, whole, and its place in memory.
    pub(super) async fn take(
        &self,
        body: Incoming,
        most: usize,
    ) -> Result<(Vec<u8>, Vec<OwnedSemaphorePermit>), NotWhole> {
        timeout(BODY, self.whole(body, most)).await.unwrap_or(Err(NotWhole::Late))
    }

    async fn whole(&self, mut body: Incoming, most: usize) -> Result<(Vec<u8>, Vec<OwnedSemaphorePermit>), NotWhole> {
        let (mut bytes, mut room) = (Vec::new(), Vec::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| NotWhole::Broken)?;
            let Some(data) = frame.data_ref() else { continue };
            if bytes.len() + data.len() > most {
                return Err(NotWhole::TooLarge(most));
            }
            let size = u32::try_from(data.len()).map_err(|_| NotWhole::TooLarge(most))?;
            room.push(Arc::clone(&self.0).try_acquire_many_owned(size).map_err(|_| NotWhole::Busy)?);
            bytes.extend_from_slice(data);
        }
        Ok((bytes, room))
    }
}

impl NotWhole {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            NotWhole::Broken => StatusCode::BAD_REQUEST,
            NotWhole::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            NotWhole::Busy => StatusCode::SERVICE_UNAVAILABLE,
            NotWhole::Late => StatusCode::REQUEST_TIMEOUT,
        }
    }
}

/// What an answer carries.
pub(super) enum Answered {
    Nothing(Empty<Bytes>),
    Whole(Full<Bytes>),
    /// Ends when its sender is dropped. A client that goes away drops it.
    Events(mpsc::Receiver<Bytes>),
}

impl Answered {
    pub(super) fn nothing() -> Answered {
        Answered::Nothing(Empty::new())
    }

    pub(super) fn whole(bytes: impl Into<Bytes>) -> Answered {
        Answered::Whole(Full::new(bytes.into()))
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Answered::Nothing(body) => Pin::new(body).poll_frame(context),
            Answered::Whole(body) => Pin::new(body).poll_frame(context),
            Answered::Events(events) => {
                events.poll_recv(context).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Answered::Nothing(body) => body.is_end_stream(),
            Answered::Whole(body) => body.is_end_stream(),
            Answered::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Answered::Nothing(body) => body.size_hint(),
            Answered::Whole(body) => body.size_hint(),
            Answered::Events(_) => SizeHint::default(),
        }
    }
}

/// One message as a server-sent event. A message of ours is one line.
pub(super) fn event(message: &[u8]) -> Bytes {
    let mut out = b"event: message\ndata: ".to_vec();
    out.extend_from_slice(message.trim_ascii_end());
    out.extend_from_slice(b"\n\n");
    out.into()
}
