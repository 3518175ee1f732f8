//! A connection to a database, from the `url` of its system: in the clear only within this machine, and never more bytes
//! than there is an end to.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::tls::Tls;
use crate::loopback::is_this_machine;

/// So long may it take to connect.
const CONNECT: Duration = Duration::from_secs(10);

/// Why a database could not be reached. Says nothing of what stands in its `url`.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// The `url` is not one.
    #[error("its `url` is not of the form `postgres://USER:PASSWORD@HOST:PORT/DATABASE`")]
    NoUrl,
    /// The `url` leaves something out that must not be guessed.
    #[error("its `url` names no {0}")]
    Lacks(&'static str),
    /// The `url` says something that is not understood here.
    #[error("its `url` cannot say `{0}` here")]
    Unsupported(&'static str),
    /// The connection would be open to whoever is on the way.
    #[error("its `url` asks for a connection without TLS to another machine")]
    InTheClear,
    /// The certificate authority cannot be read.
    #[error("the certificates in `{0}` cannot be read")]
    Authority(String),
    /// TLS cannot be set up.
    #[error("no TLS: {0}")]
    Tls(String),
    /// Nobody listens there.
    #[error("it cannot be reached: {0}")]
    Unreached(io::Error),
    /// Nobody answered there in time.
    #[error("it did not answer within {} s", CONNECT.as_secs())]
    Late,
    /// It let nobody in, or speaks otherwise.
    #[error("{}", super::words(.0))]
    Refused(#[from] tokio_postgres::Error),
}

/// Where a database is, and how it is spoken to.
pub(super) struct Reach {
    config: Config,
    place: Place,
    tls: Option<Tls>,
}

enum Place {
    Socket(PathBuf),
    Tcp(String, u16),
}

impl Reach {
    /// Reads a `url`; `dir` is what a path in it is relative to.
    pub(super) fn read(url: &str, dir: &Path) -> Result<Reach, ReachError> {
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(ReachError::NoUrl);
        }
        // Where the query begins: after the password, in which anything may stand.
        let after = url.find('@').map_or(0, |at| at + 1);
        let (bare, query) = match url.get(after..).and_then(|rest| rest.find('?')) {
            Some(at) => (url.get(..after + at).unwrap_or(url), url.get(after + at + 1..).unwrap_or_default()),
            None => (url, ""),
        };
        let (mut mode, mut authority) = (None, None);
        let mut whole = Zeroizing::new(bare.to_owned());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "sslmode" => mode = Some(decoded(value)),
                "sslrootcert" => authority = Some(decoded(value)),
                "sslcert" | "sslkey" => return Err(ReachError::Unsupported("sslcert")),
                "hostaddr" => return Err(ReachError::Unsupported("hostaddr")),
                // The certificate is verified instead.
                "channel_binding" if value == "require" => {
                    return Err(ReachError::Unsupported("channel_binding=require"));
                }
                "channel_binding" => {}
                _ => {
                    let between = if whole.len() == bare.len() { '?' } else { '&' };
                    whole.push(between);
                    whole.push_str(pair);
                }
            }
        }
        // What is wrong there is not said: it stands beside a password.
        let mut config: Config = whole.parse().map_err(|_| ReachError::NoUrl)?;
        let place = place(&config)?;
        if config.get_user().is_none() {
            return Err(ReachError::Lacks("user"));
        }
        if config.get_dbname().is_none() {
            return Err(ReachError::Lacks("database"));
        }
        let local =
            matches!(&place, Place::Socket(_)) || matches!(&place, Place::Tcp(host, _) if is_this_machine(host));
        let wanted = match mode.as_deref() {
            None | Some("prefer") => !local,
            Some("disable" | "allow") if local => false,
            Some("disable" | "allow") => return Err(ReachError::InTheClear),
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(_) => return Err(ReachError::Unsupported("sslmode")),
        };
        let tls = match &place {
            Place::Tcp(host, _) if wanted => {
                let authority = authority.filter(|path| path != "system").map(|path| dir.join(path));
                Some(Tls::to(host, authority.as_deref())?)
            }
            _ => None,
        };
        config.ssl_mode(if tls.is_some() { SslMode::Require } else { SslMode::Disable });
        if config.get_application_name().is_none() {
            config.application_name("ambit inventory");
        }
        Ok(Reach { config, place, tls })
    }

    /// Connects and logs in. Whoever answers is heard as long as the ear is open.
    pub(super) async fn connect(self, ear: &Ear) -> Result<Client, ReachError> {
        let Reach { config, place, tls } = self;
        match timeout(CONNECT, open(&config, place, tls, ear)).await {
            Ok(done) => done,
            Err(_) => Err(ReachError::Late),
        }
    }
}

/// As libpq decodes it: a plus is a plus.
fn decoded(value: &str) -> String {
    let value = value.replace('+', "%2B");
    form_urlencoded::parse(value.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

fn place(config: &Config) -> Result<Place, ReachError> {
    let port = match config.get_ports() {
        [] => 5432,
        [one] => *one,
        _ => return Err(ReachError::Unsupported("several ports")),
    };
    match config.get_hosts() {
        [] => Err(ReachError::Lacks("host")),
        [Host::Tcp(host)] => Ok(Place::Tcp(host.clone(), port)),
        [Host::Unix(dir)] => Ok(Place::Socket(dir.join(format!(".s.PGSQL.{port}")))),
        _ => Err(ReachError::Unsupported("several hosts")),
    }
}

async fn open(config: &Config, place: Place, tls: Option<Tls>, ear: &Ear) -> Result<Client, ReachError> {
    match place {
        Place::Socket(path) => {
            let socket = UnixStream::connect(path).await.map_err(ReachError::Unreached)?;
            log_in(config, Heard { inner: socket, ear: ear.clone() }, tls).await
        }
        Place::Tcp(host, port) => {
            let socket = TcpStream::connect((host.as_str(), port)).await.map_err(ReachError::Unreached)?;
            socket.set_nodelay(true).map_err(ReachError::Unreached)?;
            log_in(config, Heard { inner: socket, ear: ear.clone() }, tls).await
        }
    }
}

async fn log_in<S>(config: &Config, socket: S, tls: Option<Tls>) -> Result<Client, ReachError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // What drives a connection ends with it; its error is told to whoever asks something.
    Ok(match tls {
        Some(tls) => {
            let (client, connection) = config.connect_raw(socket, tls).await?;
            drop(tokio::spawn(connection));
            client
        }
        None => {
            let (client, connection) = config.connect_raw(socket, NoTls).await?;
            drop(tokio::spawn(connection));
            client
        }
    })
}

/// How many more bytes somebody is heard.
#[derive(Clone, Debug)]
pub(super) struct Ear(Arc<AtomicU64>);

impl Ear {
    /// Open for so many bytes.
    pub(super) fn open(bytes: u64) -> Ear {
        // One more than may come: nothing is left of it exactly when too much came.
        Ear(Arc::new(AtomicU64::new(bytes + 1)))
    }

    /// Whether more came than should be heard.
    pub(super) fn is_full(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn take(&self, bytes: u64) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(bytes);
        self.0.store(left, Ordering::Relaxed);
        if left == 0 { Err(io::Error::other("too much")) } else { Ok(()) }
    }
}

/// A socket of which so much is heard and no more.
struct Heard<S> {
    inner: S,
    ear: Ear,
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let read = buf.filled().len().saturating_sub(before) as u64;
        match self.ear.take(read) {
            Ok(()) => polled,
            Err(full) => Poll::Ready(Err(full)),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<(String, SslMode, String), String> {
        let reach = Reach::read(url, Path::new("/")).map_err(|error| error.to_string())?;
        let place = match reach.place {
            Place::Socket(path) => path.display().to_string(),
            Place::Tcp(host, port) => format!("{host}:{port}"),
        };
        let password = reach.config.get_password().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        Ok((place, reach.config.get_ssl_mode(), password))
    }

    #[test]
    fn only_what_stays_on_this_machine_goes_in_the_clear() {
        let place = |url: &str| read(url).map(|(place, mode, _)| format!("{place} {mode:?}"));
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(place("postgres://u@localhost/crm"), ok("localhost:5432 Disable"));
        assert_eq!(place("postgresql://u@[::1]:6000/crm?sslmode=prefer"), ok("::1:6000 Disable"));
        assert_eq!(place("postgres://u@%2Frun%2Fpg/crm?sslmode=require"), ok("/run/pg/.s.PGSQL.5432 Disable"));
        assert_eq!(place("postgres://u@/crm?host=/run/pg&port=7"), ok("/run/pg/.s.PGSQL.7 Disable"));
        assert_eq!(place("postgres://u@127.0.0.1/crm?sslmode=verify-ca"), ok("127.0.0.1:5432 Require"));
        for mode in ["", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-full&connect_timeout=3"] {
            assert_eq!(place(&format!("postgres://u@db.acme.example/crm{mode}")), ok("db.acme.example:5432 Require"));
        }
        for mode in ["disable", "allow"] {
            let said = place(&format!("postgres://u@db.acme.example/crm?sslmode={mode}"));
            assert_eq!(said, Err(ReachError::InTheClear.to_string()));
        }
    }

    #[test]
    fn what_a_url_may_not_say_is_told_and_not_passed_over() {
        for (url, said) in [
            ("host=localhost user=u dbname=crm", ReachError::NoUrl),
            ("postgres://u@h:port/crm", ReachError::NoUrl),
            ("postgres://u@localhost/crm?sslmode=maybe", ReachError::Unsupported("sslmode")),
            ("postgres://u@localhost/crm?hostaddr=10.0.0.1", ReachError::Unsupported("hostaddr")),
            ("postgres://u@a,b/crm", ReachError::Unsupported("several ports")),
            ("postgres://u@localhost/crm?channel_binding=require", ReachError::Unsupported("channel_binding=require")),
            ("postgres://u@/crm", ReachError::Lacks("host")),
            ("postgres://localhost/crm", ReachError::Lacks("user")),
            ("postgres://u@localhost", ReachError::Lacks("database")),
        ] {
            assert_eq!(read(url), Err(said.to_string()), "{url}");
        }
        // A password is whatever stands there.
        assert_eq!(read("postgres://u:a?b%20+c@localhost/crm?options=-c%20x=1").unwrap().2, "a?b +c");
    }

    #[tokio::test]
    async fn an_ear_is_open_for_so_many_bytes_and_no_more() {
        use tokio::io::AsyncReadExt as _;
        let ear = Ear::open(10);
        let mut heard = Heard { inner: &[7_u8; 30][..], ear: ear.clone() };
        let mut ten = [0; 10];
        heard.read_exact(&mut ten).await.unwrap();
        assert!(!ear.is_full());
        assert!(heard.read_u8().await.is_err());
        assert!(ear.is_full() && heard.read_u8().await.is_err());
    }
}
