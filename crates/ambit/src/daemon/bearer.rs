//! Who a bearer token over HTTP proves to be: the holder of a token of ours, or a principal of the issuer that the release
//! in force names. Which principal is the agent stands in the release; a token says who it is about, and no more than that
//! is taken from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ambit_core::action::Digest;
use ambit_core::time::Timestamp;
use ambit_effects::token::{Algorithm, Claims, Expected, LEEWAY_MS, Unfit, Unproved};
use serde_json::{Value, json};

use super::hello::{Barrier, Denied};
use super::host::{House, Unknown};
use super::http::resource_url;
use super::socket::Peer;
use super::visitor::{Principal, Visitor};
use crate::config::{AgentOauth, Config, HttpOauth};
use crate::escape::escape;
use crate::gate::means::{InForce, Judges as _};
use crate::keys::token::PREFIX;
use crate::oauth::issuers::{Issuers, Source, Unproven};

/// Whose access tokens open which gate.
#[derive(Default)]
pub(super) struct Admissions {
    issuers: Issuers,
    // By agent, with the release that it was read from.
    known: Mutex<BTreeMap<String, (Digest, Arc<Admission>)>>,
    strangers: Strangers,
}

/// Whose access tokens open one agent's gate, as its release in force has it.
#[derive(Default)]
pub(super) struct Admission {
    issuer: Option<HttpOauth>,
    mapped: Option<AgentOauth>,
    // The release could not be read back: nobody knows whom it keeps out.
    closed: bool,
}

impl Admission {
    /// What an `ambit.toml` says of who comes in; nobody does by one that cannot be read.
    fn of(config: Option<&Config>, agent: &str) -> Admission {
        let Some(config) = config else { return Admission { closed: true, ..Admission::default() } };
        let mapped = config.agents.get(agent).and_then(|agent| agent.oauth.clone());
        let issuer = config.http.as_ref().and_then(|http| http.oauth.clone());
        Admission { issuer, mapped, closed: false }
    }

    /// Whether tokens that `ambit token` made open the gate over HTTP.
    pub(super) fn takes_tokens(&self) -> bool {
        !self.closed && self.issuer.as_ref().is_none_or(|issuer| issuer.ambit_tokens)
    }

    /// The same for all that say the same.
    pub(super) fn digest(&self) -> Digest {
        // It always serialises.
        let all = serde_json::to_vec(&(&self.issuer, &self.mapped, self.closed)).unwrap_or_default();
        Digest::of("ambit/admission/1", &[&all])
    }
}

/// Whom the issuer vouches for, and who came to a gate that is not theirs: each is recorded at once, and then now and then.
#[derive(Default)]
struct Strangers(Mutex<BTreeMap<Digest, Unknown>>);

// Strangers that are told apart at once.
const STRANGERS: usize = 1024;

impl Strangers {
    /// Whether that one is recorded now, and how many of theirs were not since the last; nothing where too many came to
    /// be told apart.
    fn is_told(&self, agent: &str, principal: &Principal, now: Timestamp) -> Option<Option<u64>> {
        let Principal { issuer, subject, client, .. } = principal;
        let client = client.as_ref().map_or_else(String::new, |client| format!("={client}"));
        let who = Digest::of("ambit/stranger/1", &[agent, issuer, subject, &client].map(str::as_bytes));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(&who) && all.len() >= STRANGERS {
            all.retain(|_, one| !one.is_over(now));
            if all.len() >= STRANGERS {
                return None;
            }
        }
        Some(all.entry(who).or_default().is_told(now))
    }
}

impl House {
    /// Who comes with that token, where it opens that agent's gate. Whoever comes with another is recorded.
    pub(super) async fn bearer(&self, agent: &str, presented: &str, peer: Peer) -> Result<Visitor, Denied> {
        let admission = self.admission(agent);
        if let (Some(issuer), Some(mapped), true) = (&admission.issuer, &admission.mapped, is_signed(presented)) {
            return self.principal(agent, presented, issuer, mapped, peer).await;
        }
        if !admission.takes_tokens() {
            self.stranger(agent, peer, "the token is not one of the issuer's", None).await?;
            return Err(Denied::new("the token does not open this agent's gate", FROM_THE_ISSUER));
        }
        self.recognise(agent, presented, peer).await.map(|_| Visitor::of_token(presented))
    }

    /// What the release in force says of who comes in; nothing where none is.
    pub(super) fn admission(&self, agent: &str) -> Arc<Admission> {
        let releases = self.control.releases();
        let InForce::Judge(judge) = releases.in_force(agent, self.means.now()) else { return Arc::default() };
        let release = judge.release_digest();
        let mut known = self.admissions.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, admission)) = known.get(agent)
            && *of == release
        {
            return Arc::clone(admission);
        }
        let config = releases.config(agent, &judge);
        let is_read = config.is_some();
        let admission = Arc::new(Admission::of(config.as_deref(), agent));
        // What could not be read back now may be later.
        if !is_read {
            return admission;
        }
        known.insert(agent.to_owned(), (release, Arc::clone(&admission)));
        admission
    }

    async fn principal(
        &self,
        agent: &str,
        presented: &str,
        issuer: &HttpOauth,
        mapped: &AgentOauth,
        peer: Peer,
    ) -> Result<Visitor, Denied> {
        let claims = match self.proved(presented, issuer).await {
            Ok(claims) => claims,
            Err(Unproven::NoKeys(_)) => {
                let help =
                    "try again in a moment; the person who runs Ambit finds in its log why the issuer is not heard";
                let denied = Denied::new("whether the token is its issuer's cannot be told now", help);
                return Err(denied.by(Barrier::Unheard));
            }
            Err(why) => {
                self.stranger(agent, peer, &why.to_string(), None).await?;
                return Err(Denied::new("the token does not open this agent's gate", FROM_THE_ISSUER));
            }
        };
        let now = self.means.now();
        let audience = resource_url(&issuer.base_url, agent);
        let expected = Expected { issuer: &issuer.issuer, audience: &audience, plain: issuer.plain_jwt, now };
        let lasts = claims.expires.0.saturating_add(LEEWAY_MS).saturating_sub(now.0);
        let lasts = Duration::from_millis(u64::try_from(lasts).unwrap_or(0));
        let fits = claims.check(&expected);
        let Claims { issuer: iss, subject, client, scopes, .. } = claims;
        let is_agent = mapped.is(&subject, client.as_deref());
        let principal = Principal { issuer: iss, subject, client, held_by: mapped.held_by.clone() };
        match fits {
            Ok(()) => {}
            // Every token comes to its end, and its holder has nothing to answer for.
            Err(why @ Unfit::Expired) => return Err(Denied::new(why.to_string(), FROM_THE_ISSUER)),
            Err(why) => {
                self.stranger(agent, peer, &why.to_string(), Some(&principal)).await?;
                let help =
                    "ask the issuer for an access token whose resource is the URL of this gate, and nothing else";
                return Err(Denied::new(why.to_string(), help));
            }
        }
        if !is_agent {
            self.stranger(agent, peer, "the token is about somebody who is not this agent", Some(&principal)).await?;
            return Err(Denied::new("the token does not open this agent's gate", FROM_THE_ISSUER));
        }
        if issuer.scopes.iter().any(|scope| !scopes.contains(scope)) {
            let wanted = issuer.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
            let help = format!("ask the issuer for the scopes `{wanted}`");
            return Err(Denied::new("the token lacks a scope", help).by(Barrier::Scopes));
        }
        Ok(Visitor::of_principal(principal, lasts))
    }

    /// What a token says, where the issuer signed it.
    async fn proved(&self, presented: &str, issuer: &HttpOauth) -> Result<Claims, Unproven> {
        let token = Unproved::read(presented).map_err(Unproven::from)?;
        // Before an issuer is asked anything: what could not be its own is not worth a question.
        if !token.names_issuer(&issuer.issuer) {
            return Err(Unproven::Elsewhere);
        }
        if !issuer.algorithms.iter().any(|signing| Algorithm::from(*signing) == token.algorithm()) {
            return Err(Unproven::Unfit);
        }
        let source = Source { issuer: issuer.issuer.clone(), jwks: issuer.jwks.clone() };
        self.admissions.issuers.prove(&source, token, &self.means.world).await
    }

    /// Records somebody who came with a token that is not the agent's. `who`: whom the issuer vouches for. They do not
    /// pass unseen among those for whom nobody does.
    async fn stranger(&self, agent: &str, peer: Peer, why: &str, who: Option<&Principal>) -> Result<(), Denied> {
        let mut details = json!({ "flag": why, "presented-for": escape(agent), "user": peer.user });
        if let (Some(details), Some(Value::Object(who))) = (details.as_object_mut(), who.map(Principal::details)) {
            details.extend(who);
        }
        let told = who.and_then(|who| self.admissions.strangers.is_told(agent, who, self.means.now()));
        self.flag_told(told.unwrap_or_else(|| self.is_told(true)), None, details).await
    }
}

const FROM_THE_ISSUER: &str = "get an access token for this gate from the issuer, as the client that is this agent";

/// Whether it is meant as a signed token, and not as one of ours.
fn is_signed(presented: &str) -> bool {
    !presented.starts_with(PREFIX) && presented.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(subject: &str) -> Principal {
        let (issuer, client) = ("https://id.example".to_owned(), Some("c".to_owned()));
        Principal { issuer, subject: subject.to_owned(), client, held_by: None }
    }

    #[test]
    fn a_release_that_cannot_be_read_back_opens_to_nobody() {
        let admission = Admission::of(None, "helper");
        assert!(!admission.takes_tokens() && admission.issuer.is_none() && admission.mapped.is_none());
        assert!(Admission::of(Some(&Config::default()), "helper").takes_tokens());
    }

    #[test]
    fn whom_the_issuer_vouches_for_is_recorded_and_each_now_and_then() {
        let strangers = Strangers::default();
        let come = |agent: &str, subject: &str, at| strangers.is_told(agent, &principal(subject), Timestamp(at));
        assert_eq!(come("helper", "a", 0), Some(Some(0)));
        assert_eq!((come("helper", "a", 1), come("helper", "a", 9_999)), (Some(None), Some(None)));
        assert_eq!(come("helper", "b", 2), Some(Some(0)), "another is not hidden by the first");
        assert_eq!(come("other", "a", 3), Some(Some(0)), "nor is what the same does elsewhere");
        assert_eq!(come("helper", "a", 10_000), Some(Some(2)));
        // So many are not told apart, until some of them are long gone.
        for more in 0..2_000 {
            come("helper", &format!("m{more}"), 10_001);
        }
        assert_eq!(come("helper", "one more", 10_001), None);
        assert_eq!(strangers.0.lock().unwrap().len(), STRANGERS);
        assert_eq!(come("helper", "one more", 30_000), Some(Some(0)));
        assert_eq!(strangers.0.lock().unwrap().len(), 1);
    }
}
