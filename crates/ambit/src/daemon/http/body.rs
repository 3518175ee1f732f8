//! Bodies: a whole message, nothing, or a stream of events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{Empty, Full};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::mpsc;

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
