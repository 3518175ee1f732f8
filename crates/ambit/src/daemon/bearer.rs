//! Who a bearer token over HTTP proves to be: the holder of a token of ours, or a principal of the issuer that the release
//! in force names. Which principal is the agent stands in the release; a token says who it is about, and no more than that
//! is taken from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ambit_core::action::Digest;
use ambit_effects::token::{Algorithm, Claims, Expected, LEEWAY_MS, Unfit, Unproved};
use serde_json::{Value, json};

use super::hello::{Barrier, Denied};
use super::host::House;
use super::http::resource_url;
use super::socket::Peer;
use super::visitor::{Principal, Visitor};
use crate::config::{AgentOauth, HttpOauth};
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
}

/// Whose access tokens open one agent's gate, as its release in force has it.
#[derive(Default)]
pub(super) struct Admission {
    issuer: Option<HttpOauth>,
    mapped: Option<AgentOauth>,
}

impl Admission {
    /// Whether tokens that `ambit token` made open the gate over HTTP.
    pub(super) fn takes_tokens(&self) -> bool {
        self.issuer.as_ref().is_none_or(|issuer| issuer.ambit_tokens)
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
            self.stranger(agent, peer, "the token is not one of the issuer's", json!({})).await?;
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
        // What cannot be read back lets nobody in by an issuer's word, and is not kept.
        let Some(config) = releases.config(agent, &judge) else { return Arc::default() };
        let mapped = config.agents.get(agent).and_then(|agent| agent.oauth.clone());
        let admission = Arc::new(Admission { issuer: config.http.and_then(|http| http.oauth), mapped });
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
                self.stranger(agent, peer, &why.to_string(), json!({})).await?;
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
                self.stranger(agent, peer, &why.to_string(), principal.details()).await?;
                let help =
                    "ask the issuer for an access token whose resource is the URL of this gate, and nothing else";
                return Err(Denied::new(why.to_string(), help));
            }
        }
        if !is_agent {
            self.stranger(agent, peer, "the token is about somebody who is not this agent", principal.details())
                .await?;
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

    /// Records somebody who came with a token that is not the agent's.
    async fn stranger(&self, agent: &str, peer: Peer, why: &str, who: Value) -> Result<(), Denied> {
        let mut details = json!({ "flag": why, "presented-for": escape(agent), "user": peer.user });
        if let (Some(details), Value::Object(who)) = (details.as_object_mut(), who) {
            details.extend(who);
        }
        self.flag(true, None, details).await
    }
}

const FROM_THE_ISSUER: &str = "get an access token for this gate from the issuer, as the client that is this agent";

/// Whether it is meant as a signed token, and not as one of ours.
fn is_signed(presented: &str) -> bool {
    !presented.starts_with(PREFIX) && presented.bytes().filter(|byte| *byte == b'.').count() == 2
}
