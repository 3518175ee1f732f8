//! The listener: on loopback in the clear, elsewhere with TLS alone; every connection bounded in time and in what it
//! may send before it is known.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::endpoint::Endpoint;
use super::resource::Resources;
use super::sessions::HttpSessions;
use crate::config::{Http, SecretError};
use crate::daemon::network::{acceptor, most};
use crate::daemon::socket::Host;
use crate::loopback::is_loopback;

/// Why nobody is let in over HTTP.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is none.
    #[error("`{0}` is no address to listen at\nhelp: write `127.0.0.1:7171`, or another address with its port")]
    Address(String),
    /// Off this machine in the clear.
    #[error(
        "`{0}` can be reached from other machines, and there is no certificate\nhelp: add `certificate` and `key` to `[http]` in `ambit.toml`, or listen on `127.0.0.1`"
    )]
    Clear(SocketAddr),
    /// The certificate or its key cannot be used; never anything of what it is.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
    /// The key cannot be looked up.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The system said no.
    #[error("`{address}` cannot be listened at: {error}")]
    Io {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
}

/// A listener that is open and serves nobody yet.
pub struct Bound {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    checks: super::checks::Checks,
    resources: Option<Resources>,
}

// Before a connection has said anything it is worth nothing.
const TLS: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 64 << 10;
// Whoever does not read what it asked for is let go of.
const STALLED: Duration = Duration::from_secs(30);

/// Opens the listener. `dir`: what paths are relative to. Must be called within a Tokio runtime.
///
/// # Errors
/// When the address cannot be had, or it can be reached from other machines and there is no certificate.
pub async fn bind(http: &Http, dir: &Path) -> Result<Bound, HttpError> {
    let address: SocketAddr = http.listen.parse().map_err(|_| HttpError::Address(http.listen.clone()))?;
    let tls = match (&http.certificate, &http.key) {
        (Some(certificate), Some(key)) => Some(
            acceptor(&dir.join(certificate), key.reveal(dir)?.reveal(), b"http/1.1").map_err(HttpError::Certificate)?,
        ),
        _ if is_loopback(address.ip()) => None,
        _ => return Err(HttpError::Clear(address)),
    };
    let listener = TcpListener::bind(address).await.map_err(|error| HttpError::Io { address, error })?;
    let here = listener.local_addr().map_err(|error| HttpError::Io { address, error })?;
    let resources = http.oauth.clone().map(Resources::new);
    Ok(Bound { listener, tls, checks: super::checks::Checks::new(http, here), resources })
}

impl Bound {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.checks.address()
    }

    /// How agents reach it: the start of a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address())
    }

    /// Lets agents in, for as long as it is polled.
    pub async fn serve(self, host: Arc<dyn Host>) {
        let Bound { listener, tls, checks, resources } = self;
        let sessions = HttpSessions::new(Arc::clone(&host));
        let endpoint = Arc::new(Endpoint::new(host, Arc::clone(&sessions), checks, resources));
        let room = Arc::new(Semaphore::new(most()));
        let tidying = sessions.tidy_often();
        let accepting = async {
            // They end with the listener.
            let mut connections = JoinSet::new();
            loop {
                while connections.try_join_next().is_some() {}
                let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
                let Ok((stream, from)) = listener.accept().await else {
                    // Out of descriptors, most likely: it passes, and spinning would not help.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let (endpoint, tls) = (Arc::clone(&endpoint), tls.clone());
                connections.spawn(async move {
                    let _place = place;
                    meet(stream, from, tls, endpoint).await;
                });
            }
        };
        tokio::select! {
            () = tidying => {}
            () = accepting => {}
        }
    }
}

async fn meet(stream: TcpStream, from: SocketAddr, tls: Option<TlsAcceptor>, endpoint: Arc<Endpoint>) {
    // Answers are small and wait for nothing.
    let _ = stream.set_nodelay(true);
    match tls {
        None => speak(stream, from, endpoint).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(TLS, tls.accept(stream)).await {
                speak(stream, from, endpoint).await;
            }
        }
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    from: SocketAddr,
    endpoint: Arc<Endpoint>,
) {
    let service = service_fn(move |request| {
        let endpoint = Arc::clone(&endpoint);
        async move { Ok::<_, std::convert::Infallible>(endpoint.answer(request, from).await) }
    });
    let mut connection = http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES);
    // Whatever breaks it, it is its own connection alone.
    let _ = connection.serve_connection(TokioIo::new(Read { stream, stalled: None }), service).await;
}

/// A stream whose other end has to read.
struct Read<S> {
    stream: S,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncWrite + Unpin> Read<S> {
    /// What became of a write; an error when the other end has taken nothing for too long.
    fn judged<T>(&mut self, wrote: Poll<std::io::Result<T>>, context: &mut Context<'_>) -> Poll<std::io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = None;
            return wrote;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALLED)));
        stalled.as_mut().poll(context).map(|()| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Read<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Read<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judged(wrote, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.judged(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judged(shut, context)
    }
}
