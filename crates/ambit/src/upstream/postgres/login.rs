//! Logging in to a server, with the system's own credentials.

use std::sync::Arc;
use std::time::Duration;

use ambit_effects::sql::wire::server::{self as wire, Login};
use ambit_effects::sql::wire::write;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::place::DatabasePlace;
use super::server::{Broken, PINNED, Server, told};
use super::stream::{Unreached, connect};

/// Why Ambit could not log in. Nothing of a statement was sent.
#[derive(Debug, thiserror::Error)]
pub enum NoLogin {
    /// Nobody could be reached.
    #[error(transparent)]
    Unreached(#[from] Unreached),
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The server did not let Ambit in.
    #[error("the database does not let Ambit in: {0}")]
    Refused(String),
    /// It wants something else than a password.
    #[error("the database asks Ambit to prove itself in a way that it does not know")]
    Way,
    /// It wants a password, and none is known.
    #[error("the database asks for a password, and its `url` has none")]
    NoPassword,
    /// It could not prove that it knows the password.
    #[error("the database does not prove that it knows the password of its own user")]
    Unproved,
}

// All of it takes no longer.
const LOGIN: Duration = Duration::from_secs(15);

impl Server {
    /// Connects and logs in. `settings`: what the agent's driver asked for and may set.
    ///
    /// # Errors
    /// When nobody is there, or Ambit is not let in.
    pub async fn open(place: Arc<DatabasePlace>, settings: &[(String, String)]) -> Result<Server, NoLogin> {
        let late = |_| NoLogin::Broken(Broken::Late);
        timeout(LOGIN, Server::opened(place, settings)).await.map_err(late)?
    }

    async fn opened(place: Arc<DatabasePlace>, settings: &[(String, String)]) -> Result<Server, NoLogin> {
        let stream = connect(&place).await?;
        let mut server = Server::new(stream, Arc::clone(&place));
        let path: Vec<String> =
            place.search_path.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let (path, most) = (path.join(", "), place.call.as_millis().to_string());
        let mut all = vec![("user", place.user.as_str()), ("database", place.database.as_str())];
        all.extend(settings.iter().map(|(name, set)| (name.as_str(), set.as_str())));
        all.extend(PINNED);
        all.extend([("search_path", path.as_str()), ("statement_timeout", most.as_str())]);
        write::startup(&mut server.out, &all);
        server.prove().await?;
        loop {
            let (kind, length) = server.head().await?;
            let body = server.body(length).await?;
            server.heard(kind, &body)?;
            match kind {
                b'Z' => break,
                b'K' => {
                    let (process, key) = wire::key(&body).map_err(Broken::from)?;
                    server.keep_key(process, key);
                }
                b'E' => return Err(NoLogin::Refused(told(&body))),
                b'S' | b'N' | b'A' => {}
                _ => return Err(Broken::Nonsense.into()),
            }
        }
        // Those that a server always tells of; one that does not is none that can be watched.
        let unsaid = ["client_encoding", "standard_conforming_strings"];
        match unsaid.into_iter().find(|name| !server.settings().contains_key(*name)) {
            Some(name) => Err(Broken::Setting(name).into()),
            None => Ok(server),
        }
    }

    /// Proves to be the user. Whoever is at the other end is on this machine or proved to be the host, so a password may be
    /// sent in every way that is asked for.
    async fn prove(&mut self) -> Result<(), NoLogin> {
        let place = Arc::clone(self.place());
        let password = place.password.as_ref().map(|password| Zeroizing::new(password.reveal().to_owned()));
        let password = || password.as_ref().ok_or(NoLogin::NoPassword);
        let (mut scram, mut proved) = (None::<ScramSha256>, false);
        loop {
            self.flush().await?;
            let (kind, length) = self.head().await?;
            let body = self.body(length).await?;
            match kind {
                b'R' => {}
                b'E' => return Err(NoLogin::Refused(told(&body))),
                b'N' => continue,
                _ => return Err(Broken::Nonsense.into()),
            }
            match (Login::read(&body).map_err(Broken::from)?, scram.as_mut()) {
                // A server that skipped its own part of the proof does not have the password.
                (Login::Done, Some(_)) if !proved => return Err(NoLogin::Unproved),
                (Login::Done, _) => return Ok(()),
                (Login::Clear, None) => {
                    let mut said = Zeroizing::new(password()?.as_bytes().to_vec());
                    said.push(0);
                    write::password(&mut self.out, &said);
                }
                (Login::Md5(salt), None) => {
                    let hash = md5_hash(place.user.as_bytes(), password()?.as_bytes(), salt);
                    write::password(&mut self.out, format!("{hash}\0").as_bytes());
                }
                (Login::Mechanisms(known), None) if known.contains(&SCRAM_SHA_256) => {
                    let begun = ScramSha256::new(password()?.as_bytes(), ChannelBinding::unsupported());
                    write::mechanism(&mut self.out, SCRAM_SHA_256, begun.message());
                    scram = Some(begun);
                }
                (Login::Step(step), Some(scram)) => {
                    scram.update(step).map_err(|_| NoLogin::Unproved)?;
                    write::password(&mut self.out, scram.message());
                }
                (Login::Last(last), Some(scram)) => {
                    scram.finish(last).map_err(|_| NoLogin::Unproved)?;
                    proved = true;
                }
                _ => return Err(NoLogin::Way),
            }
        }
    }
}
