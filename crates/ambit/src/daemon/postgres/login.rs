//! Who a driver proves to be: the holder of one of the agent's tokens, by SCRAM-SHA-256. Whoever does not, learns nothing
//! about which agents there are.

use std::sync::Arc;

use ambit_effects::sql::wire::{client, write};
use tokio::sync::watch;

use super::first::{Closed, Newcomer};
use super::settings::Asked;
use crate::daemon::hello::{Barrier, Denied};
use crate::daemon::host::{self, House, fault};
use crate::daemon::socket::Peer;
use crate::gate::mcp::News;
use crate::gate::postgres::Said;
use crate::gate::session::Session;
use crate::keys::scram::{Challenge, Verifier};
use crate::keys::token::{self, Presented};

const SCRAM: &str = "SCRAM-SHA-256";

/// Who was let in.
pub(super) struct LetIn {
    pub session: Arc<Session>,
    pub news: watch::Receiver<News>,
}

/// Why somebody was not.
pub(super) enum Not {
    /// They are told.
    Said(Said),
    /// They are gone, or sent what is no message.
    Closed,
}

impl From<Closed> for Not {
    fn from(_: Closed) -> Not {
        Not::Closed
    }
}

impl From<Denied> for Not {
    fn from(denied: Denied) -> Not {
        let code = if denied.by == Barrier::Busy { "53300" } else { "28000" };
        Not::Said(Said::fatal(code, denied.message).with_help(&denied.help))
    }
}

/// Has somebody prove to hold one of the agent's tokens, and opens their session.
pub(super) async fn let_in(house: &House, newcomer: &mut Newcomer, asked: &Asked, peer: Peer) -> Result<LetIn, Not> {
    let keys = house.means.journal.keys();
    let mut out = Vec::new();
    if let Some(unknown) = &asked.negotiated {
        let unknown: Vec<&str> = unknown.iter().map(String::as_str).collect();
        write::negotiate(&mut out, asked.version, &unknown);
    }
    write::login(&mut out, 10, format!("{SCRAM}\0\0").as_bytes());
    newcomer.say(&out).await?;
    let first = newcomer.proof().await?;
    let wrong = || Not::Said(Said::fatal("08P01", "that is no proof by SCRAM-SHA-256".to_owned()));
    let (mechanism, first) = client::mechanism(&first).map_err(|_| wrong())?;
    let chance = house.means.chance().map_err(|error| fault(&error))?;
    let salt = keys.salt(&asked.agent);
    let challenge = Challenge::new(first, &salt, &chance.0).filter(|_| mechanism == SCRAM).ok_or_else(wrong)?;
    out.clear();
    write::login(&mut out, 11, challenge.said().as_bytes());
    newcomer.say(&out).await?;
    let last = newcomer.proof().await?;
    // A name that cannot be one has no tokens, as one that nobody has.
    let tokens = match token::list(house.means.store.as_ref(), Some(&asked.agent)) {
        Ok(tokens) => tokens,
        Err(token::TokenError::Name(_)) => Vec::new(),
        Err(error) => return Err(fault(&error).into()),
    };
    // At least one is looked at, whoever it is.
    let nobody = Verifier::of_nobody();
    let all = tokens.iter().filter_map(|token| Some((Some(token), token.scram.as_ref()?)));
    let proved = challenge.proved(&last, all.chain([(None, &nobody)]));
    let Some((Some(token), last)) = proved else {
        // Recorded as whoever presents a token that nobody knows.
        let _ = house.recognised(&asked.agent, Presented::Unknown, None, peer).await;
        let message = format!("password authentication failed for user \"{}\"", crate::escape::escape(&asked.agent));
        let help = "the password is the agent's token; one that was made before Ambit stood before databases does not open this gate: a person makes another with `ambit token AGENT`";
        return Err(Not::Said(Said::fatal("28P01", message).with_help(help)));
    };
    let token = token.clone();
    let found = if token.revoked_at.is_some() { Presented::Revoked(token) } else { Presented::Valid(token) };
    let (token, task) = house.recognised(&asked.agent, found, None, peer).await?;
    // A driver's pool comes several times with one token: that says nothing about who has it.
    let who = host::Newcomer::of(token, task).in_a_pool();
    let (session, news) = house.begin(&asked.agent, who, peer).await?;
    out.clear();
    write::login(&mut out, 12, last.as_bytes());
    if newcomer.say(&out).await.is_err() {
        house.end(&asked.agent, &session.id, "Gone").await;
        return Err(Not::Closed);
    }
    Ok(LetIn { session, news })
}
