//! What listeners on the network have in common: their certificate, how many they serve at once, and whom they take for who
//! is there.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::socket::Peer;
use crate::loopback::is_loopback;

/// What accepts TLS with that certificate and its private key, for one protocol.
///
/// # Errors
/// When they cannot be used; why, and never anything of the key.
pub(super) fn acceptor(certificate: &Path, key: &str, protocol: &[u8]) -> Result<TlsAcceptor, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .map_err(|error| error.to_string())?
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    // What is wrong with a key is not said in its own words.
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| "its key is no PEM private key")?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| error.to_string())?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

// Connections at once, unless there are not four times as many descriptors; more wait at the door.
const MOST: usize = 2_048;

/// A quarter of the descriptors at most: the door, the store and live systems need theirs.
pub(super) fn most() -> usize {
    let all = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    all.and_then(|all| usize::try_from(all / 4).ok()).map_or(MOST, |quarter| quarter.clamp(16, MOST))
}

/// Who is at the other end. On this machine it could be anybody, so it is taken for Ambit's own user, which proves nothing
/// and vouches for nothing; from another machine it is no user of this one.
pub(super) fn peer(from: SocketAddr) -> Peer {
    let here = is_loopback(from.ip());
    Peer { user: here.then(|| rustix::process::geteuid().as_raw()), process: None }
}
