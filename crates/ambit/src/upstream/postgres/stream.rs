//! The connection to a server, encrypted where it leaves this machine.

use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ambit_effects::sql::wire::write;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::place::{At, DatabasePlace, Tls};

/// Both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Duplex for T {}

/// A connection, whatever it goes over.
pub type Stream = Box<dyn Duplex>;

/// Why nobody could be reached. Nothing of a statement was sent.
#[derive(Debug, thiserror::Error)]
pub enum Unreached {
    /// Nobody is there, or does not answer.
    #[error("the database cannot be reached: {0}")]
    Nobody(String),
    /// It does not encrypt, or does not prove to be the host.
    #[error("the database's server does not prove to be who it should be: {0}")]
    Unproved(String),
    /// The certificates to believe cannot be read.
    #[error("the certificates to hold the database's server against cannot be read: {0}")]
    Roots(String),
}

// So long may each step take.
const STEP: Duration = Duration::from_secs(10);

/// Connects, and encrypts where the place says so.
///
/// # Errors
/// When nobody is there, or does not prove to be the host.
pub async fn connect(place: &DatabasePlace) -> Result<Stream, Unreached> {
    let late = |_| Unreached::Nobody("it does not answer".to_owned());
    timeout(STEP, connected(place)).await.map_err(late)?
}

async fn connected(place: &DatabasePlace) -> Result<Stream, Unreached> {
    let nobody = |error: std::io::Error| Unreached::Nobody(error.to_string());
    let (host, port) = match &place.at {
        At::Socket(path) => return Ok(Box::new(UnixStream::connect(path).await.map_err(nobody)?)),
        At::Host(host, port) => (host.as_str(), *port),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let mut stream = TcpStream::connect((bare, port)).await.map_err(nobody)?;
    let _ = stream.set_nodelay(true);
    let Tls::Verified(roots) = &place.tls else { return Ok(Box::new(stream)) };
    let mut wish = Vec::new();
    write::tls(&mut wish);
    stream.write_all(&wish).await.map_err(nobody)?;
    // One byte, and nothing that came with it: the rest is the handshake's.
    let mut answer = [0];
    stream.read_exact(&mut answer).await.map_err(nobody)?;
    if answer != *b"S" {
        return Err(Unreached::Unproved("it does not encrypt".to_owned()));
    }
    let unproved = |error: &dyn std::fmt::Display| Unreached::Unproved(error.to_string());
    let name = ServerName::try_from(bare.to_owned()).map_err(|error| unproved(&error))?;
    let connector = TlsConnector::from(believing(roots.as_deref())?);
    let stream = connector.connect(name, stream).await.map_err(|error| unproved(&error))?;
    Ok(Box::new(stream))
}

/// What believes the certificates of that file, or those that this system trusts.
fn believing(file: Option<&Path>) -> Result<Arc<ClientConfig>, Unreached> {
    static NATIVE: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let unread = |error: &dyn std::fmt::Display| Unreached::Roots(error.to_string());
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unread(&error))? {
                let certificate = certificate.map_err(|error| unread(&error))?;
                roots.add(certificate).map_err(|error| unread(&error))?;
            }
        }
        None => {
            if let Some(config) = NATIVE.get() {
                return Ok(Arc::clone(config));
            }
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err(Unreached::Roots("there are none".to_owned()));
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unread(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    Ok(if file.is_none() { Arc::clone(NATIVE.get_or_init(|| config)) } else { config })
}
