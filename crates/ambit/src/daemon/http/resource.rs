//! What is said, to everybody, of agents' gates as OAuth's protected resources (RFC 9728): whose tokens open them, and for
//! which URL a token must be.

use serde_json::json;

use crate::config::HttpOauth;

/// Where it is said, before the path of the resource.
pub(super) const PREFIX: &str = "/.well-known/oauth-protected-resource";

/// The gates of a listener, as its `ambit.toml` has them.
pub(super) struct Resources {
    oauth: HttpOauth,
}

/// What a challenge says of a gate.
pub(super) struct About {
    pub metadata: String,
    pub scopes: String,
}

impl Resources {
    pub(super) fn new(oauth: HttpOauth) -> Resources {
        Resources { oauth }
    }

    /// What a challenge says of a gate: where it is spoken of, and which scopes a token must carry.
    pub(super) fn about(&self, agent: &str) -> About {
        let scopes = self.oauth.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        About { metadata: format!("{}{PREFIX}{}", self.oauth.base_url, path(agent)), scopes }
    }

    /// What is said of it.
    pub(super) fn metadata(&self, agent: &str) -> Vec<u8> {
        let mut said = json!({
            "resource": url(&self.oauth.base_url, agent),
            "authorization_servers": [self.oauth.issuer],
            "bearer_methods_supported": ["header"],
        });
        if let (Some(said), false) = (said.as_object_mut(), self.oauth.scopes.is_empty()) {
            said.insert("scopes_supported".into(), json!(self.oauth.scopes));
        }
        said.to_string().into_bytes()
    }
}

/// The URL of an agent's gate: what a token for it names, exactly.
pub(crate) fn url(base: &str, agent: &str) -> String {
    format!("{base}{}", path(agent))
}

fn path(agent: &str) -> String {
    format!("/agents/{agent}/mcp")
}
