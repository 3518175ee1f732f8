//! What an issuer says of itself, at the places where it may say it (RFC 8414, OpenID Connect Discovery).

use std::time::Duration;

use ambit_effects::json::{Limits, document};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use serde_json::Value;
use url::Url;

use crate::escape::escape;
use crate::loopback::is_this_machine;
use crate::web::{self, NoAnswer, Web, is_private};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its keys: `jwks_uri`.
    Keys,
    /// Where it gives tokens: `token_endpoint`.
    Tokens,
}

/// Why it is not known where an issuer has something. Text in it is escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// It did not answer.
    #[error("the issuer at `{0}`: {1}")]
    NoAnswer(String, NoAnswer),
    /// It has nothing at any of the places.
    #[error("the issuer at `{0}` does not say what it offers, neither by RFC 8414 nor by OpenID discovery")]
    Nothing(String),
    /// What it says cannot be used; why.
    #[error("what the issuer at `{0}` says of itself cannot be used: {1}")]
    Unusable(String, String),
}

/// No document of an issuer is larger, in bytes.
pub const MOST_BYTES: usize = 256 << 10;
/// Nor takes longer.
pub const PATIENCE: Duration = Duration::from_secs(5);

const LIMITS: Limits = Limits { bytes: MOST_BYTES, depth: 16, values: 20_000 };

/// Where an issuer has something.
///
/// # Errors
/// When it does not say, or says it for another issuer.
pub async fn place(web: &Web, issuer: &str, wanted: Place) -> Result<Uri, Unsaid> {
    let host = host_of(issuer);
    let unusable = |why: &str| Unsaid::Unusable(host.clone(), why.to_owned());
    let (member, what) = match wanted {
        Place::Keys => ("jwks_uri", "where its keys are"),
        Place::Tokens => ("token_endpoint", "where it gives tokens"),
    };
    let mut spoke = false;
    for place in places(issuer).ok_or_else(|| unusable("it is no URL"))? {
        let place: Uri = place.parse().map_err(|_| unusable("it is no URL"))?;
        let Some(Value::Object(said)) =
            fetch(web, place).await.map_err(|error| Unsaid::NoAnswer(host.clone(), error))?
        else {
            continue;
        };
        // Or it would be another's word: RFC 8414, 3.3.
        if said.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(unusable("it names another issuer than `ambit.toml` does"));
        }
        spoke = true;
        if let Some(found) = said.get(member).and_then(Value::as_str) {
            let named = named_by(issuer, found);
            return named.ok_or_else(|| unusable(&format!("{what} is neither `https` nor on this machine")));
        }
    }
    Err(if spoke { unusable(&format!("it does not say {what}")) } else { Unsaid::Nothing(host) })
}

/// A place that an issuer names. One that is elsewhere names nothing on this machine: what is only for those who are here
/// is not for it to point at.
fn named_by(issuer: &str, found: &str) -> Option<Uri> {
    let uri: Uri = found.parse().ok()?;
    let here = Url::parse(issuer).ok()?.host_str().is_some_and(is_this_machine);
    let there = uri.scheme_str() == Some("https") && !uri.host().is_some_and(is_this_machine);
    (if here { is_private(&uri) } else { there }).then_some(uri)
}

/// One document of an issuer; `None` where there is none, or none that every reader reads alike.
///
/// # Errors
/// When nobody answers.
pub async fn fetch(web: &Web, place: Uri) -> Result<Option<Value>, NoAnswer> {
    let mut request = Request::new(Full::<Bytes>::default());
    *request.uri_mut() = place;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = web::ask(web, request, MOST_BYTES, PATIENCE).await?;
    let found = (answer.status() == StatusCode::OK).then(|| document(answer.body(), LIMITS).ok());
    Ok(found.flatten())
}

/// The host of a URL, for messages: a path may hold what others need not read.
#[must_use]
pub fn host_of(url: &str) -> String {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(escape));
    host.unwrap_or_else(|| "?".to_owned())
}

/// The places where an issuer may say what it offers, in the order in which they are asked.
fn places(issuer: &str) -> Option<Vec<String>> {
    let url = Url::parse(issuer).ok()?;
    let (origin, path) = (url.origin().ascii_serialization(), url.path().trim_end_matches('/'));
    let mut places = vec![format!("{origin}/.well-known/oauth-authorization-server{path}")];
    places.push(format!("{origin}/.well-known/openid-configuration{path}"));
    if !path.is_empty() {
        places.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_where_it_may_say_it() {
        assert_eq!(
            places("https://login.acme.example").unwrap(),
            [
                "https://login.acme.example/.well-known/oauth-authorization-server",
                "https://login.acme.example/.well-known/openid-configuration"
            ]
        );
        assert_eq!(
            places("https://login.acme.example:8443/tenant/").unwrap(),
            [
                "https://login.acme.example:8443/.well-known/oauth-authorization-server/tenant",
                "https://login.acme.example:8443/.well-known/openid-configuration/tenant",
                "https://login.acme.example:8443/tenant/.well-known/openid-configuration"
            ]
        );
        assert_eq!(host_of("https://login.acme.example/secret"), "login.acme.example");
    }

    #[test]
    fn an_issuer_that_is_elsewhere_names_nothing_on_this_machine() {
        let (there, here) = ("https://login.acme.example", "http://127.0.0.1:8080");
        assert!(named_by(there, "https://keys.acme.example/jwks").is_some());
        assert!(named_by(here, "http://127.0.0.1:8080/jwks").is_some());
        for found in
            ["http://127.0.0.1:9/x", "https://localhost/x", "http://login.acme.example/jwks", "/jwks", "file:///x"]
        {
            assert!(named_by(there, found).is_none(), "{found}");
        }
        assert!(named_by(here, "http://login.acme.example/jwks").is_none());
    }
}
