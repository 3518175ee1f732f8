//! The client with which Ambit speaks HTTP to others: it trusts whom this system trusts, says nothing in the clear off this
//! machine, and follows nobody elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use crate::loopback::is_this_machine;

/// A client with its open connections. Cloning it shares them.
pub type Web = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// So long may it take to connect.
pub const CONNECT: Duration = Duration::from_secs(10);
// Sockets that nobody uses for so long are closed by us, before the other side does while a call is on its way.
const IDLE: Duration = Duration::from_secs(4);

/// Why there is no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nobody is there, or nobody whom this system trusts to be it: nothing was sent.
    #[error("it cannot be reached")]
    Unreached,
    /// The connection ended before the answer did.
    #[error("the connection broke")]
    Broke,
    /// It did not answer within so many seconds.
    #[error("it did not answer within {0} s")]
    Late(u64),
    /// It answered with more than so many bytes.
    #[error("it answered with more than {0} bytes")]
    TooLarge(usize),
}

/// A client that keeps its connections for a while. Must be called within a Tokio runtime.
///
/// # Errors
/// When this system's certificates cannot be read; why.
pub fn client() -> Result<Web, String> {
    client_that_keeps(usize::MAX)
}

/// A client that connects anew each time: for what is asked so seldom that the other side has long hung up.
///
/// # Errors
/// As [`client`].
pub fn client_for_once() -> Result<Web, String> {
    client_that_keeps(0)
}

/// Whom this system trusted when somebody was first to be asked: read once, because it is some 150 kB, and a thousand agents
/// have a client each.
static TRUSTED: Mutex<Option<ClientConfig>> = Mutex::new(None);

fn trusted() -> Result<ClientConfig, String> {
    let mut trusted = TRUSTED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(trusted) = trusted.as_ref() {
        return Ok(trusted.clone());
    }
    let wrong = |error: &dyn std::fmt::Display| format!("this system's certificates cannot be read: {error}");
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .with_native_roots()
        .map_err(|error| wrong(&error))?
        .with_no_client_auth();
    Ok(trusted.insert(config).clone())
}

fn client_that_keeps(idle: usize) -> Result<Web, String> {
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(trusted()?).https_or_http().enable_http1();
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    plain.set_connect_timeout(Some(CONNECT));
    plain.set_nodelay(true);
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(idle)
        .build(connector.wrap_connector(plain)))
}

/// Whether nobody on the way reads what is sent there.
#[must_use]
pub fn is_private(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_this_machine(host),
        _ => false,
    }
}

/// Asks, and takes the answer whole: at most so many bytes, within so long.
///
/// # Errors
/// When there is no such answer.
pub async fn ask(
    web: &Web,
    request: Request<Full<Bytes>>,
    most: usize,
    within: Duration,
) -> Result<Response<Vec<u8>>, NoAnswer> {
    let asking = async {
        let response = web.request(request).await.map_err(|error| match error.is_connect() {
            true => NoAnswer::Unreached,
            false => NoAnswer::Broke,
        })?;
        let (head, body) = response.into_parts();
        Ok(Response::from_parts(head, whole(body, most).await?))
    };
    timeout(within, asking).await.unwrap_or(Err(NoAnswer::Late(within.as_secs())))
}

/// A body, whole.
///
/// # Errors
/// When it breaks off, or has more than so many bytes.
pub async fn whole(mut body: Incoming, most: usize) -> Result<Vec<u8>, NoAnswer> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| NoAnswer::Broke)?;
        if let Some(bytes) = frame.data_ref() {
            if all.len() + bytes.len() > most {
                return Err(NoAnswer::TooLarge(most));
            }
            all.extend_from_slice(bytes);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_where_others_could_read_it() {
        for url in ["https://a.example/mcp", "http://localhost:1/mcp", "http://127.0.0.1/", "http://[::1]:5/mcp"] {
            assert!(is_private(&url.parse().unwrap()), "{url}");
        }
        for url in
            ["http://a.example/mcp", "http://localhost.evil.example/", "/mcp", "ftp://localhost/", "http://10.0.0.1/"]
        {
            assert!(!is_private(&url.parse().unwrap()), "{url}");
        }
    }
}
