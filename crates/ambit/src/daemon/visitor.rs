//! Who comes in over HTTP: what a bearer token proved, and what its sessions are bound to.

use std::fmt;
use std::time::Duration;

use ambit_core::action::Digest;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::escape::escape;

/// Somebody whose bearer token opens an agent's gate.
pub struct Visitor {
    /// What its sessions are bound to: another token of the same principal has the same.
    pub bound_to: Digest,
    /// How it proved to be the agent.
    pub proof: Proof,
    /// How long the token still holds; `None`: until it is revoked.
    pub lasts: Option<Duration>,
}

/// How somebody proved to be an agent.
pub enum Proof {
    /// By a token that `ambit token` or `ambit task open` made.
    Token(Zeroizing<String>),
    /// By an access token of the issuer that the release names.
    Principal(Principal),
}

/// Whom an issuer vouches for. The text is the issuer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The issuer.
    pub issuer: String,
    /// The token's subject.
    pub subject: String,
    /// The client that the token was given to.
    pub client: Option<String>,
    /// The person at whose hands the agent runs then, as the release says.
    pub held_by: Option<String>,
}

impl Visitor {
    /// With a token of our own, which is still to be verified.
    #[must_use]
    pub fn of_token(token: &str) -> Visitor {
        let bound_to = Digest::of("ambit/http-token/1", &[token.as_bytes()]);
        Visitor { bound_to, proof: Proof::Token(Zeroizing::new(token.to_owned())), lasts: None }
    }

    /// With an access token that was verified.
    #[must_use]
    pub fn of_principal(principal: Principal, lasts: Duration) -> Visitor {
        // The person too: who counts as asking in a session is said when it begins, and a release may say another.
        let some = |text: &Option<String>| text.as_ref().map_or_else(String::new, |text| format!("={text}"));
        let (client, held_by) = (some(&principal.client), some(&principal.held_by));
        let parts = [&principal.issuer, &principal.subject, &client, &held_by].map(|part| part.as_bytes());
        let bound_to = Digest::of("ambit/http-principal/1", &parts);
        Visitor { bound_to, proof: Proof::Principal(principal), lasts: Some(lasts) }
    }
}

impl Principal {
    /// As records have it.
    #[must_use]
    pub fn details(&self) -> Value {
        json!({
            "issuer": escape(&self.issuer),
            "subject": escape(&self.subject),
            "client": self.client.as_deref().map(escape),
        })
    }
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.proof {
            Proof::Token(_) => f.write_str("***"),
            Proof::Principal(principal) => principal.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_bound_to_who_comes_and_not_to_the_token() {
        let held = |issuer: &str, subject: &str, client: Option<&str>, held_by: Option<&str>, seconds| {
            let (client, held_by) = (client.map(str::to_owned), held_by.map(str::to_owned));
            let principal = Principal { issuer: issuer.into(), subject: subject.into(), client, held_by };
            Visitor::of_principal(principal, Duration::from_secs(seconds)).bound_to
        };
        let of = |issuer, subject, client, seconds| held(issuer, subject, client, None, seconds);
        assert_eq!(of("i", "a", Some("x"), 1), of("i", "a", Some("x"), 60));
        let all = [
            of("i", "a", Some("x"), 1),
            of("i", "a", Some("y"), 1),
            of("i", "a", Some(""), 1),
            of("i", "a", None, 1),
            of("i", "ax", None, 1),
            held("i", "a", None, Some("x"), 1),
            held("i", "a", Some("x"), Some("x"), 1),
            of("j", "a", Some("x"), 1),
            Visitor::of_token("a").bound_to,
            Visitor::of_token("b").bound_to,
        ];
        let different: std::collections::BTreeSet<[u8; 32]> = all.iter().map(|digest| digest.0).collect();
        assert_eq!(different.len(), all.len());
        assert_eq!(format!("{:?}", Visitor::of_token("ambit_secret")), "***");
    }
}
