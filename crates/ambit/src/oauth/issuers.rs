//! The keys of issuers, as they were last fetched: looked at again now and then, at most so often, and not believed for ever.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambit_core::time::Timestamp;
use ambit_effects::token::{Algorithm, Claims, NotAToken, Unproved};
use hyper::Uri;

use super::discovery::{self, Place, Unsaid, host_of};
use super::keys::{Key, KeySet};
use crate::web::{self, Web, is_private};
use crate::world::World;

/// Issuers, with their keys as far as they are known.
#[derive(Default)]
pub struct Issuers {
    // One client for all, made when it is first needed.
    web: Mutex<Option<Web>>,
    known: Mutex<BTreeMap<Source, Arc<Issuer>>>,
}

/// Where an issuer's keys come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The issuer, as its tokens name it.
    pub issuer: String,
    /// Where its keys are; `None`: it is asked.
    pub jwks: Option<String>,
}

/// Why a token proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is no token that could be proved.
    #[error(transparent)]
    NotAToken(#[from] NotAToken),
    /// It names another issuer.
    #[error("the token is another issuer's")]
    Elsewhere,
    /// It is signed in a way that `ambit.toml` does not take.
    #[error("the token is signed in a way that is not taken")]
    Unfit,
    /// None of the issuer's keys has that id, or is for that algorithm.
    #[error("the token is signed with a key that its issuer does not have")]
    Key,
    /// The signature is not that key's.
    #[error("the token's signature is not its issuer's")]
    Signature,
    /// The keys are not known, and cannot be had now. The text is escaped, and for people.
    #[error("{0}")]
    NoKeys(String),
}

#[derive(Default)]
struct Issuer {
    state: Mutex<State>,
    // Held while the issuer is asked, so that it is asked once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Option<(Arc<KeySet>, Timestamp)>,
    asked: Option<Timestamp>,
    why: String,
}

// After so long the keys are looked at again when somebody comes; after so long without an answer they prove nothing.
const FRESH_MS: i64 = 10 * 60_000;
const STALE_MS: i64 = 60 * 60_000;
// However many come with keys that nobody knows, the issuer is asked so often; where there are no keys at all, more often.
const PAUSE_MS: i64 = 30_000;
const PAUSE_WITHOUT_MS: i64 = 5_000;
// Sources come out of releases, so there are few; those of old ones are forgotten.
const MOST: usize = 64;

impl Issuers {
    /// What a token says, where it is signed with a key of the issuer's.
    ///
    /// # Errors
    /// When it is not, or its keys cannot be had.
    pub async fn prove(&self, source: &Source, token: Unproved, world: &Arc<dyn World>) -> Result<Claims, Unproven> {
        let algorithm = token.algorithm();
        let key = self.key(source, token.key(), algorithm, world).await?;
        token.proved(|bytes, signature| key.signed(algorithm, bytes, signature)).ok_or(Unproven::Signature)
    }

    async fn key(
        &self,
        source: &Source,
        id: Option<&str>,
        algorithm: Algorithm,
        world: &Arc<dyn World>,
    ) -> Result<Key, Unproven> {
        let issuer = self.issuer(source);
        let (keys, age) = issuer.keys(world.now());
        let found = keys.as_ref().and_then(|keys| keys.find(id, algorithm)).cloned();
        if let Some(key) = found {
            if age >= FRESH_MS && issuer.may_ask(world.now()) {
                // Nobody waits for it: what is known is good for a while yet.
                let (web, source, world) = (self.web(), source.clone(), Arc::clone(world));
                tokio::spawn(async move { issuer.ask(web, &source, &world).await });
            }
            return Ok(key);
        }
        issuer.ask(self.web(), source, world).await;
        let (keys, _) = issuer.keys(world.now());
        let keys = keys.ok_or_else(|| Unproven::NoKeys(issuer.lock().why.clone()))?;
        keys.find(id, algorithm).cloned().ok_or(Unproven::Key)
    }

    fn issuer(&self, source: &Source) -> Arc<Issuer> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST && !known.contains_key(source) {
            known.clear();
        }
        Arc::clone(known.entry(source.clone()).or_default())
    }

    fn web(&self) -> Result<Web, String> {
        let mut web = self.web.lock().unwrap_or_else(PoisonError::into_inner);
        match &*web {
            Some(web) => Ok(web.clone()),
            None => Ok(web.insert(web::client_for_once()?).clone()),
        }
    }
}

impl Issuer {
    /// The keys that can still be believed, and how old they are in milliseconds.
    fn keys(&self, now: Timestamp) -> (Option<Arc<KeySet>>, i64) {
        match &self.lock().keys {
            Some((keys, at)) => {
                let age = since(*at, now);
                ((age < STALE_MS).then(|| Arc::clone(keys)), age)
            }
            None => (None, STALE_MS),
        }
    }

    fn may_ask(&self, now: Timestamp) -> bool {
        let state = self.lock();
        let believed = state.keys.as_ref().is_some_and(|(_, at)| since(*at, now) < STALE_MS);
        let pause = if believed { PAUSE_MS } else { PAUSE_WITHOUT_MS };
        state.asked.is_none_or(|at| since(at, now) >= pause)
    }

    /// Asks the issuer for its keys, unless it was asked just now.
    async fn ask(&self, web: Result<Web, String>, source: &Source, world: &Arc<dyn World>) {
        let _asking = self.asking.lock().await;
        // Whoever waited behind another finds what that one found.
        if !self.may_ask(world.now()) {
            return;
        }
        self.lock().asked = Some(world.now());
        let found = match web {
            Ok(web) => fetch(&web, source).await,
            Err(why) => Err(why),
        };
        let now = world.now();
        let mut state = self.lock();
        state.asked = Some(now);
        match found {
            Ok(keys) => state.keys = Some((Arc::new(keys), now)),
            Err(why) => {
                tracing::warn!(%why, "the keys of an issuer could not be fetched");
                state.why = why;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long ago; a clock that was set back makes everything old.
fn since(at: Timestamp, now: Timestamp) -> i64 {
    let age = now.0.saturating_sub(at.0);
    if age < 0 { i64::MAX } else { age }
}

async fn fetch(web: &Web, source: &Source) -> Result<KeySet, String> {
    let place = match &source.jwks {
        Some(jwks) => {
            let place: Option<Uri> = jwks.parse().ok();
            place.filter(is_private).ok_or("`jwks` is neither `https` nor on this machine")?
        }
        None => discovery::place(web, &source.issuer, Place::Keys).await.map_err(|error| error.to_string())?,
    };
    let host = host_of(&place.to_string());
    let document = discovery::fetch(web, place).await;
    let document = document.map_err(|error| Unsaid::NoAnswer(host.clone(), error).to_string())?;
    document.as_ref().and_then(KeySet::of).ok_or_else(|| format!("`{host}` gives no set of keys that can be read"))
}
