//! OAuth on both sides of HTTP: the issuer whose access tokens let agents in, which of them is which agent, and how Ambit
//! gets a token of its own for a live system; and what is wrong with it.

use std::collections::BTreeSet;

use ambit_core::scope::diagnostics::Diagnostic;
use ambit_effects::token::Algorithm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Config, Secret, Setting, System};
use crate::loopback::is_this_machine;

/// Whose access tokens let agents in over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HttpOauth {
    /// The issuer of the tokens, exactly as they name it in `iss`.
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// How clients reach this server, as `https://HOST`; a token for an agent is one whose `aud` is this and `/agents/NAME/mcp`.
    #[schemars(length(min = 1))]
    pub base_url: String,
    /// How tokens may be signed; in any of these ways unless said.
    #[serde(default = "every_signing")]
    #[schemars(length(min = 1))]
    pub algorithms: BTreeSet<Signing>,
    /// Where the issuer's keys are; asked of the issuer unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub jwks: Option<String>,
    /// The scopes that a token must carry, every one of them.
    #[serde(default)]
    pub scopes: BTreeSet<String>,
    /// Whether tokens that do not say `at+jwt` of themselves are taken too: some issuers sign everything as `JWT`.
    #[serde(default)]
    pub plain_jwt: bool,
    /// Whether the tokens that `ambit token` makes let agents in over HTTP as well.
    #[serde(default = "yes")]
    pub ambit_tokens: bool,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Signing {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// RSA with PSS and SHA-256.
    #[serde(rename = "PS256")]
    Ps256,
    /// ECDSA over P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl From<Signing> for Algorithm {
    fn from(signing: Signing) -> Algorithm {
        match signing {
            Signing::Rs256 => Algorithm::Rs256,
            Signing::Ps256 => Algorithm::Ps256,
            Signing::Es256 => Algorithm::Es256,
            Signing::EdDsa => Algorithm::EdDsa,
        }
    }
}

/// Whose access tokens are the agent's. What is said here must all be so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgentOauth {
    /// The token's `sub`, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub subject: Option<String>,
    /// The client that the token was given to, exactly: its `client_id`, or `azp` where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub client: Option<String>,
    /// The person at whose hands the agent then runs: an asker, who cannot confirm what asks for somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub held_by: Option<String>,
}

impl AgentOauth {
    /// Whether a token of that subject, given to that client, is the agent's.
    #[must_use]
    pub fn is(&self, subject: &str, client: Option<&str>) -> bool {
        let subjects = self.subject.as_deref().is_none_or(|wanted| wanted == subject);
        let clients = self.client.as_deref().is_none_or(|wanted| Some(wanted) == client);
        subjects && clients && (self.subject.is_some() || self.client.is_some())
    }

    /// Whether one token could be both agents'.
    fn overlaps(&self, other: &AgentOauth) -> bool {
        let differ = |one: &Option<String>, other: &Option<String>| one.is_some() && other.is_some() && one != other;
        let share = |one: &Option<String>, other: &Option<String>| one.is_some() && one == other;
        !differ(&self.subject, &other.subject)
            && !differ(&self.client, &other.client)
            && (share(&self.subject, &other.subject) || share(&self.client, &other.client))
    }
}

/// How Ambit gets an access token for a live system: by client credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SystemOauth {
    /// The issuer, which is asked where it gives tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub issuer: Option<String>,
    /// Where it gives tokens; in place of `issuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub token_endpoint: Option<String>,
    /// The client that Ambit is to the issuer.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// The client's secret, by reference.
    pub client_secret: Secret,
    /// How the client proves itself: `basic` in a header, `post` in the body.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// The scopes that are asked for.
    #[serde(default)]
    pub scopes: BTreeSet<String>,
    /// What the token is for; the system's `url` unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub resource: Option<String>,
}

/// How a client proves itself to an issuer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// In the `Authorization` header.
    #[default]
    Basic,
    /// In the body of the request.
    Post,
}

fn every_signing() -> BTreeSet<Signing> {
    [Signing::Rs256, Signing::Ps256, Signing::Es256, Signing::EdDsa].into()
}

fn yes() -> bool {
    true
}

/// Everything that is wrong, in no order.
pub(super) fn check(config: &Config) -> Vec<Diagnostic> {
    let mut check = Check { config, found: Vec::new() };
    if let Some(oauth) = config.http.as_ref().and_then(|http| http.oauth.as_ref()) {
        check.issuer(oauth);
    }
    check.agents();
    for (name, system) in &config.systems {
        if let Some(oauth) = &system.oauth {
            check.system(name, system, oauth);
        }
    }
    check.found
}

struct Check<'a> {
    config: &'a Config,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn issuer(&mut self, oauth: &HttpOauth) {
        self.endpoint(&["http", "oauth", "issuer"], &oauth.issuer, "write the issuer as its tokens do: `https://HOST`");
        if let Some(jwks) = &oauth.jwks {
            self.endpoint(&["http", "oauth", "jwks"], jwks, "write `https://HOST/PATH`");
        }
        let help = "write how clients reach this server, without a path: `https://HOST`";
        let base = &oauth.base_url;
        if self.endpoint(&["http", "oauth", "base-url"], base, help)
            && Url::parse(base).is_ok_and(|url| url.origin().ascii_serialization() != *base)
        {
            let message = format!("`{base}` is more than the start of a URL, or not written as clients write it");
            self.error("bad-endpoint", &["http", "oauth", "base-url"], message, help);
        }
        self.scopes(&["http", "oauth", "scopes"], &oauth.scopes);
    }

    fn agents(&mut self) {
        let config = self.config;
        let listener = config.http.as_ref().and_then(|http| http.oauth.as_ref());
        for (name, agent) in &config.agents {
            let here = ["agents", name.as_str(), "oauth"];
            let Some(oauth) = &agent.oauth else {
                if listener.is_some_and(|oauth| !oauth.ambit_tokens) {
                    let message =
                        format!("no token of the issuer is `{name}`, and tokens of `ambit token` are not taken");
                    let help =
                        format!("add `[agents.{name}.oauth]` with `subject` or `client`, or leave it to the pipe");
                    self.note("oauth-unmapped", &["agents", name], message, help);
                }
                continue;
            };
            if listener.is_none() {
                let message = format!("`{name}` is somebody's to an issuer, and no issuer is named");
                self.error("missing-key", &here, message, "add `[http.oauth]` with `issuer` and `base-url`");
            }
            if oauth.subject.is_none() && oauth.client.is_none() {
                let help = "add `subject`, `client` or both: without, no token would be the agent's";
                self.error("missing-key", &here, format!("`{name}` says nothing of its tokens"), help);
            }
            if let Some(person) = &oauth.held_by
                && !config.people.contains_key(person)
            {
                let message = format!("there is no person `{person}`");
                let help = "name somebody by the name under `[people]`";
                self.error("unknown-person", &["agents", name, "oauth", "held-by"], message, help);
            }
            let twin = config.agents.iter().find(|(other, twin)| {
                other.as_str() < name.as_str() && twin.oauth.as_ref().is_some_and(|twin| twin.overlaps(oauth))
            });
            if let Some((twin, _)) = twin {
                let message = format!("a token of `{twin}` would be one of `{name}` too");
                let help =
                    "have the issuer know each agent as somebody else: what must not meet would meet in one client";
                self.error("shared-principal", &here, message, help);
            }
        }
        if listener.is_some_and(|oauth| oauth.ambit_tokens) && config.agents.values().all(|agent| agent.oauth.is_none())
        {
            let help = "add `[agents.NAME.oauth]` with `subject` or `client`";
            let message = "an issuer is named, and none of its tokens is any agent's".to_owned();
            self.note("oauth-unmapped", &["http", "oauth"], message, help);
        }
    }

    fn system(&mut self, name: &str, system: &System, oauth: &SystemOauth) {
        let here = ["systems", name, "oauth"];
        let header = system.headers.keys().any(|header| header.eq_ignore_ascii_case("authorization"));
        if system.token.is_some() || header {
            let message = format!("the system `{name}` has `oauth` and another credential");
            self.error("contradiction", &here, message, "say one of the two");
        }
        match (&oauth.issuer, &oauth.token_endpoint) {
            (Some(_), Some(_)) => {
                let message = format!("the system `{name}` has an `issuer` and a `token-endpoint`");
                self.error("contradiction", &here, message, "say one of the two");
            }
            (None, None) => {
                let help = "add `issuer = \"https://HOST\"`, or `token-endpoint`";
                self.error("missing-key", &here, format!("nobody is named who gives tokens for `{name}`"), help);
            }
            (Some(issuer), None) => {
                self.endpoint(&["systems", name, "oauth", "issuer"], issuer, "write `https://HOST`");
            }
            (None, Some(endpoint)) => {
                self.endpoint(&["systems", name, "oauth", "token-endpoint"], endpoint, "write `https://HOST/PATH`");
            }
        }
        match (&oauth.resource, &system.url) {
            (None, Some(Setting::Secret(_))) => {
                let message =
                    format!("the `url` of `{name}` is a secret, and the issuer must be told what a token is for");
                self.error("missing-key", &here, message, "add `resource = \"https://HOST/PATH\"`");
            }
            (Some(resource), _) if Url::parse(resource).map_or(true, |url| url.fragment().is_some()) => {
                let message = format!("`{resource}` is no URL, or one of a part of something");
                let help = "write it as the server does: `https://HOST/PATH`";
                self.error("bad-endpoint", &["systems", name, "oauth", "resource"], message, help);
            }
            _ => {}
        }
        self.scopes(&["systems", name, "oauth", "scopes"], &oauth.scopes);
    }

    /// What goes there and comes from it must not be anybody's to read or to change on the way.
    fn endpoint(&mut self, path: &[&str], text: &str, help: &str) -> bool {
        let wrong = match Url::parse(text) {
            Err(_) => format!("`{text}` is no URL"),
            Ok(url) if url.scheme() != "https" && !(url.scheme() == "http" && on_this_machine(&url)) => {
                format!("`{text}` is not `https`, and not on this machine")
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "a URL that others are told names a user".to_owned()
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                format!("`{text}` has a query, or a fragment")
            }
            Ok(_) => return true,
        };
        self.error("bad-endpoint", path, wrong, help);
        false
    }

    fn scopes(&mut self, path: &[&str], scopes: &BTreeSet<String>) {
        // RFC 6749, appendix A.4.
        let plain = |scope: &str| scope.bytes().all(|b| matches!(b, b'!' | b'#'..=b'[' | b']'..=b'~'));
        for scope in scopes.iter().filter(|scope| scope.is_empty() || !plain(scope)) {
            let message = format!("`{scope}` cannot be a scope of a token");
            self.error("name-not-plain", path, message, "write one scope an item, without white space or quotes");
        }
    }

    fn error(&mut self, name: &'static str, path: &[&str], message: String, help: impl Into<String>) {
        self.found.push(Diagnostic::error(name, self.config.at(path), message, help));
    }

    fn note(&mut self, name: &'static str, path: &[&str], message: String, help: impl Into<String>) {
        self.found.push(Diagnostic::note(name, self.config.at(path), message, help));
    }
}

fn on_this_machine(url: &Url) -> bool {
    url.host_str().is_some_and(is_this_machine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;

    fn found(toml: &str) -> Vec<(usize, &'static str)> {
        read(toml).1.iter().map(|one| (one.at.line, one.name)).collect()
    }

    const ISSUER: &str =
        "[http.oauth]\nissuer = \"https://login.acme.example\"\nbase-url = \"https://gate.acme.example\"\n";

    fn agents(one: &str, other: &str) -> Vec<(usize, &'static str)> {
        let toml = format!(
            "{ISSUER}[agents.a]\nscope = \"a.md\"\nsystems = []\noauth = {{ {one} }}\n[agents.b]\nscope = \"b.md\"\nsystems = []\noauth = {{ {other} }}\n"
        );
        found(&toml)
    }

    #[test]
    fn one_principal_is_one_agent() {
        assert_eq!(agents("subject = \"a\"", "subject = \"b\""), []);
        assert_eq!(agents("subject = \"a\", client = \"x\"", "subject = \"a\", client = \"y\""), []);
        assert_eq!(agents("subject = \"a\", client = \"x\"", "subject = \"b\", client = \"x\""), []);
        for (one, other) in [
            ("subject = \"a\"", "subject = \"a\""),
            ("client = \"a\"", "client = \"a\""),
            ("subject = \"a\"", "subject = \"a\", client = \"x\""),
            ("subject = \"a\", client = \"x\"", "client = \"x\""),
        ] {
            assert_eq!(agents(one, other), [(11, "shared-principal")], "{one} {other}");
        }
        assert_eq!(agents("held-by = \"dana\"", "subject = \"b\""), [(7, "missing-key"), (7, "unknown-person")]);
    }

    #[test]
    fn a_token_is_the_agents_when_all_that_is_said_is_so() {
        let of = |subject: Option<&str>, client: Option<&str>| AgentOauth {
            subject: subject.map(str::to_owned),
            client: client.map(str::to_owned),
            held_by: None,
        };
        assert!(of(Some("a"), None).is("a", None) && of(Some("a"), None).is("a", Some("x")));
        assert!(of(None, Some("x")).is("a", Some("x")) && of(Some("a"), Some("x")).is("a", Some("x")));
        assert!(!of(Some("a"), None).is("A", None) && !of(Some("a"), Some("x")).is("a", Some("y")));
        assert!(!of(None, Some("x")).is("x", None) && !of(None, None).is("a", Some("x")));
    }

    #[test]
    fn whoever_vouches_is_reached_where_nobody_listens() {
        let with = |key: &str, value: &str| {
            let mut lines = [
                ("issuer", "https://login.acme.example".to_owned()),
                ("base-url", "https://gate.acme.example".to_owned()),
                ("jwks", "https://login.acme.example/jwks".to_owned()),
            ];
            lines.iter_mut().filter(|(name, _)| *name == key).for_each(|(_, text)| *text = value.to_owned());
            let lines: String = lines.iter().map(|(name, text)| format!("{name} = \"{text}\"\n")).collect();
            let agent = "[agents.a]\nscope = \"a.md\"\nsystems = []\noauth = { subject = \"a\" }\n";
            found(&format!("[http.oauth]\n{lines}{agent}"))
        };
        assert_eq!(with("", ""), []);
        for url in ["http://localhost:8080", "http://127.0.0.1:8080"] {
            for key in ["issuer", "base-url", "jwks"] {
                assert_eq!(with(key, url), [], "{key} {url}");
            }
        }
        for url in
            ["http://login.acme.example", "login.acme.example", "https://a:b@acme.example", "https://a.example?x=1"]
        {
            for (line, key) in [(2, "issuer"), (3, "base-url"), (4, "jwks")] {
                assert_eq!(with(key, url), [(line, "bad-endpoint")], "{key} {url}");
            }
        }
        for url in ["https://gate.acme.example/", "https://gate.acme.example/path", "https://GATE.acme.example"] {
            assert_eq!(with("base-url", url), [(3, "bad-endpoint")], "{url}");
        }
    }

    #[test]
    fn a_token_for_a_system_comes_from_one_place() {
        let with = |more: &str| {
            found(&format!(
                "[systems.t]\nkind = \"mcp\"\nurl = \"https://t.acme.example/mcp\"\n[systems.t.oauth]\nclient-id = \"ambit\"\nclient-secret = {{ env = \"S\" }}\n{more}"
            ))
        };
        assert_eq!(with("issuer = \"https://login.acme.example\""), []);
        assert_eq!(with("token-endpoint = \"https://login.acme.example/token\""), []);
        assert_eq!(with(""), [(4, "missing-key")]);
        assert_eq!(
            with("issuer = \"https://a.example\"\ntoken-endpoint = \"https://a.example/t\""),
            [(4, "contradiction")]
        );
        assert_eq!(with("token-endpoint = \"http://login.acme.example/token\""), [(7, "bad-endpoint")]);
        assert_eq!(with("issuer = \"https://a.example\"\nscopes = [\"a b\"]"), [(8, "name-not-plain")]);
        assert_eq!(with("issuer = \"https://a.example\"\nresource = \"tickets\""), [(8, "bad-endpoint")]);
        assert_eq!(with("issuer = \"https://a.example\"\nclient-auth = \"jwt\""), [(8, "unknown-value")]);
        let twice = "issuer = \"https://a.example\"\n[systems.t.headers]\nAuthorization = { env = \"T\" }";
        assert_eq!(with(twice), [(4, "contradiction")]);
        let secret = "[systems.t]\nkind = \"mcp\"\nurl = { env = \"U\" }\n[systems.t.oauth]\nissuer = \"https://a.example\"\nclient-id = \"ambit\"\nclient-secret = { env = \"S\" }\n";
        assert_eq!(found(secret), [(4, "missing-key")]);
        let written = "[systems.t]\nkind = \"mcp\"\nurl = \"https://t.acme.example\"\n[systems.t.oauth]\nissuer = \"https://a.example\"\nclient-id = \"ambit\"\nclient-secret = \"hunter2\"\n";
        assert_eq!(found(written), [(7, "wrong-type")]);
        let program = "[systems.t]\nkind = \"mcp\"\ncommand = [\"/x\"]\n[systems.t.oauth]\nissuer = \"https://a.example\"\nclient-id = \"ambit\"\nclient-secret = { env = \"S\" }\n";
        assert_eq!(found(program), [(4, "key-not-for-kind")]);
    }

    #[test]
    fn an_agent_that_no_token_is_is_told() {
        let agent = "[agents.a]\nscope = \"a.md\"\nsystems = []\n";
        assert_eq!(found(&format!("{ISSUER}{agent}")), [(1, "oauth-unmapped")]);
        assert_eq!(found(&format!("{ISSUER}ambit-tokens = false\n{agent}")), [(5, "oauth-unmapped")]);
        let nobody = "[agents.a]\nscope = \"a.md\"\nsystems = []\noauth = { subject = \"a\" }\n";
        assert_eq!(found(nobody), [(4, "missing-key")]);
    }
}
