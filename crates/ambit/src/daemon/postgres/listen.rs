//! The listener for drivers of PostgreSQL: on loopback in the clear, elsewhere with TLS alone; every connection bounded in
//! time until it is known.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ambit_effects::sql::wire::write;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::first::{For, Newcomer};
use super::keys::Keys;
use super::login::{self, LetIn, Not};
use super::settings::Asked;
use crate::config::{Postgres, SecretError};
use crate::daemon::host::House;
use crate::daemon::network::{acceptor, most, peer};
use crate::gate::means::{InForce, Judges as _};
use crate::gate::postgres::{Connection, Entered, Said};
use crate::journal::{Entry, Kind};
use crate::loopback::is_loopback;
use crate::store::Durability;
use crate::upstream::postgres::stream::Stream;
use crate::upstream::postgres::{AgentEnd, DatabasePlace, Server};

/// Why no driver is let in.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The address is none.
    #[error("`{0}` is no address to listen at\nhelp: write `127.0.0.1:6432`, or another address with its port")]
    Address(String),
    /// Off this machine in the clear.
    #[error(
        "`{0}` can be reached from other machines, and there is no certificate\nhelp: add `certificate` and `key` to `[postgres]` in `ambit.toml`, or listen on `127.0.0.1`"
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
pub struct BoundDatabases {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

// Before a connection is known it is worth nothing: so long has it to say and prove who it is.
const LOGIN: Duration = Duration::from_secs(20);
// Whoever ends gets so long to say so.
const LEAVE: Duration = Duration::from_secs(2);

/// Opens the listener. `dir`: what paths are relative to. Must be called within a Tokio runtime.
///
/// # Errors
/// When the address cannot be had, or it can be reached from other machines and there is no certificate.
pub async fn bind(postgres: &Postgres, dir: &Path) -> Result<BoundDatabases, PostgresError> {
    let address: SocketAddr = postgres.listen.parse().map_err(|_| PostgresError::Address(postgres.listen.clone()))?;
    let tls = match (&postgres.certificate, &postgres.key) {
        (Some(certificate), Some(key)) => {
            let tls = acceptor(&dir.join(certificate), key.reveal(dir)?.reveal(), b"postgresql");
            Some(tls.map_err(PostgresError::Certificate)?)
        }
        _ if is_loopback(address.ip()) => None,
        _ => return Err(PostgresError::Clear(address)),
    };
    let io = |error| PostgresError::Io { address, error };
    let listener = TcpListener::bind(address).await.map_err(io)?;
    let address = listener.local_addr().map_err(io)?;
    Ok(BoundDatabases { listener, address, tls })
}

impl BoundDatabases {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets agents in, until told to stop; then waits until those that are in have ended, which others have to bring about.
    pub async fn serve(self, house: Arc<House>, stop: impl Future<Output = ()>) {
        let (keys, all) = (Arc::<Keys>::default(), most());
        let room = Arc::new(Semaphore::new(all));
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = async {
                    let place = Arc::clone(&room).acquire_owned().await.ok()?;
                    Some((self.listener.accept().await, place))
                } => accepted,
            };
            match accepted {
                None => break,
                Some((Ok((stream, from)), place)) => {
                    let (house, keys, tls) = (Arc::clone(&house), Arc::clone(&keys), self.tls.clone());
                    tokio::spawn(async move {
                        meet(stream, from, tls, &house, &keys).await;
                        drop(place);
                    });
                }
                // Out of descriptors, most likely: it passes, and spinning would not help.
                Some((Err(_), _)) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
        let everybody = u32::try_from(all).unwrap_or(u32::MAX);
        let _ = timeout(LEAVE, room.acquire_many(everybody)).await;
    }
}

async fn meet(stream: TcpStream, from: SocketAddr, tls: Option<TlsAcceptor>, house: &Arc<House>, keys: &Arc<Keys>) {
    // Messages are small and wait for nothing.
    let _ = stream.set_nodelay(true);
    let stream: Stream = Box::new(stream);
    let Ok(Ok(purpose)) = timeout(LOGIN, Newcomer::first(stream, tls.as_ref())).await else { return };
    let (mut newcomer, asked) = match purpose {
        For::Cancelling(process, key) => {
            if let Some(canceller) = keys.canceller(process, &key) {
                canceller.cancel().await;
            }
            return;
        }
        For::Entering(newcomer, asked) => (newcomer, asked),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(said) => return tell(&mut newcomer, &said).await,
    };
    match timeout(LOGIN, login::let_in(house, &mut newcomer, &asked, peer(from))).await {
        Ok(Ok(let_in)) => enter(house, keys, newcomer, &asked, let_in).await,
        Ok(Err(Not::Said(said))) => tell(&mut newcomer, &said).await,
        Ok(Err(Not::Closed)) | Err(_) => {}
    }
}

async fn tell(newcomer: &mut Newcomer, said: &Said) {
    let mut out = Vec::new();
    said.write(&mut out);
    // Whoever does not read it is not told.
    let _ = timeout(LEAVE, newcomer.say(&out)).await;
}

/// Serves whoever was let in, and closes their session.
async fn enter(house: &Arc<House>, keys: &Arc<Keys>, mut newcomer: Newcomer, asked: &Asked, let_in: LetIn) {
    let LetIn { session, news } = let_in;
    let server = match reach(house, asked, &session.id).await {
        Ok(server) => server,
        Err(said) => {
            house.end(&asked.agent, &session.id, "NotThere").await;
            return tell(&mut newcomer, &said).await;
        }
    };
    let key = match keys.draw(house.means.world.as_ref(), asked.key_bytes(), server.canceller()) {
        Ok(key) => key,
        Err(error) => {
            house.end(&asked.agent, &session.id, "NoChance").await;
            return tell(&mut newcomer, &Said::fatal("58000", error.to_string())).await;
        }
    };
    let Newcomer { stream, buffer } = newcomer;
    let (from, to) = tokio::io::split(stream);
    let mut agent = AgentEnd::new(to);
    write::login(&mut agent.out, 0, b"");
    for (name, set) in server.settings() {
        // As whom Ambit logs in is none of the agent's.
        if name != "session_authorization" {
            write::parameter(&mut agent.out, name, set);
        }
    }
    write::key(&mut agent.out, key.process, &key.key);
    write::ready(&mut agent.out, server.status());
    let entered = Entered {
        means: Arc::clone(&house.means),
        session: Arc::clone(&session),
        news,
        system: asked.system.clone(),
        server,
        from,
        buffer,
        agent,
    };
    let ended = Connection::new(entered).serve().await;
    drop(key);
    house.end(&asked.agent, &session.id, &format!("{ended:?}")).await;
}

/// The connection to the server of the system that is asked for. Why there is none is for people, and is recorded.
async fn reach(house: &House, asked: &Asked, session: &str) -> Result<Server, Said> {
    // Who is told proved who they are.
    if let InForce::Nothing(why) = house.control.releases().in_force(&asked.agent, house.means.now()) {
        let message = format!("no scope is in force for \"{}\": {why}", crate::escape::escape(&asked.agent));
        return Err(
            Said::fatal("42501", message).with_help("tell the person you work for: `ambit release` puts one in force")
        );
    }
    let place = place(house, asked).ok_or_else(|| {
        let message = format!("there is no database \"{}\" for this agent", crate::escape::escape(&asked.system));
        Said::fatal("3D000", message).with_help("give the name of one of the agent's systems as the database")
    })?;
    let opened = match place {
        Ok(place) => Server::open(place, &asked.settings).await.map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    match opened {
        Ok(server) => Ok(server),
        Err(why) => {
            tracing::warn!(system = asked.system, %why, "a database cannot be reached");
            let entry = Entry {
                agent: Some(asked.agent.clone()),
                session: Some(session.to_owned()),
                details: json!({ "flag": "a database cannot be reached", "system": asked.system, "what": crate::escape::escape(&why) }),
                ..Entry::new(Kind::Flagged)
            };
            if let Err(error) = house.means.record(vec![entry], |_| Vec::new(), Durability::Soon).await {
                tracing::error!(%error, "that a database cannot be reached could not be recorded");
            }
            let message = format!("the database of \"{}\" cannot be reached now", crate::escape::escape(&asked.system));
            let help = "try again later, and tell the person you work for; `ambit journal` tells them why";
            Err(Said::fatal("08001", message).with_help(help))
        }
    }
}

/// Where that system's database is, as the release in force has it; nothing where the agent has none of that name.
fn place(house: &House, asked: &Asked) -> Option<Result<Arc<DatabasePlace>, String>> {
    let InForce::Judge(judge) = house.control.releases().in_force(&asked.agent, house.means.now()) else { return None };
    match house.live.fleet(&asked.agent, &judge) {
        Ok(fleet) => fleet.has_database(&asked.system).then(|| fleet.database(&asked.system)),
        Err(why) => Some(Err(why)),
    }
}
