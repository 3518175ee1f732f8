//! How a server is reached over HTTP.

use std::sync::Arc;

use hyper::header::AUTHORIZATION;

use super::Secret;
use super::credential::Credential;

/// How a server is reached over HTTP. Never printed: its path may hold a secret.
#[derive(Clone)]
pub struct HttpSpec {
    /// Its endpoint.
    pub url: String,
    /// What goes with every request, credentials resolved.
    pub headers: Vec<(String, Secret)>,
    /// The access token that goes with every request, where there is one; shared by all that reach the server.
    pub credential: Option<Arc<Credential>>,
}

impl std::fmt::Debug for HttpSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The bearer token of a server, as a header.
#[must_use]
pub fn bearer(token: &Secret) -> (String, Secret) {
    (AUTHORIZATION.to_string(), Secret::new(format!("Bearer {}", token.reveal())))
}
