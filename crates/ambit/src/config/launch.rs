//! How a system's program is started, with its secrets looked up.

use super::MayAsk;
use crate::gate::talk::Asks;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::secret::SecretError;
use super::{System, SystemOauth};
use crate::upstream::credential::{Credential, Giver, Grant};
use crate::upstream::endpoint::bearer;
use crate::upstream::{HttpSpec, LaunchSpec, Limits, Reach};

impl System {
    /// How to start the program of a system whose `ambit.toml` stands in `dir`. Looks its secrets up, which may run
    /// programs: it blocks.
    ///
    /// # Errors
    /// When a secret is not where it should be.
    pub fn launch(&self, dir: &Path) -> Result<LaunchSpec, SecretError> {
        let (program, args) = self.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
        // A path is relative to `ambit.toml` like every other; a bare name is looked up in `PATH`.
        let command = if program.contains('/') { dir.join(program).display().to_string() } else { program.to_owned() };
        let mut env = Vec::new();
        for (name, setting) in &self.env {
            env.push((name.clone(), setting.reveal(dir)?));
        }
        Ok(LaunchSpec { command, args: args.to_vec(), env, cwd: Some(self.working_dir(dir)) })
    }

    /// How a server of the Model Context Protocol is reached: its program, or its endpoint. As [`System::launch`].
    ///
    /// # Errors
    /// When a secret is not where it should be.
    pub fn reach(&self, dir: &Path) -> Result<Reach, SecretError> {
        let Some(url) = &self.url else { return Ok(Reach::Program(self.launch(dir)?)) };
        let mut headers = Vec::new();
        for (name, setting) in &self.headers {
            headers.push((name.clone(), setting.reveal(dir)?));
        }
        if let Some(token) = &self.token {
            headers.push(bearer(&token.reveal(dir)?));
        }
        let url = url.reveal(dir)?.reveal().to_owned();
        let credential = self.oauth.as_ref().map(|oauth| oauth.grant(&url, dir)).transpose()?;
        Ok(Reach::Http(HttpSpec { url, headers, credential: credential.map(Credential::new).map(Arc::new) }))
    }

    /// The directory that the program starts in.
    #[must_use]
    pub fn working_dir(&self, dir: &Path) -> std::path::PathBuf {
        self.cwd.as_deref().map_or_else(|| dir.to_owned(), |cwd| dir.join(cwd))
    }

    /// How long and how much its server may take, and what it may ask for.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let asks = Asks {
            elicitation: self.may_ask.contains(&MayAsk::Elicitation),
            sampling: self.may_ask.contains(&MayAsk::Sampling),
            roots: self.may_ask.contains(&MayAsk::Roots),
        };
        Limits { call: Duration::from_secs(self.timeout_seconds), asks, ..Limits::default() }
    }
}

impl SystemOauth {
    /// How a token for the system at that URL is got.
    fn grant(&self, url: &str, dir: &Path) -> Result<Grant, SecretError> {
        let giver = match (&self.token_endpoint, &self.issuer) {
            (Some(endpoint), _) => Giver::Endpoint(endpoint.clone()),
            (None, issuer) => Giver::Issuer(issuer.clone().unwrap_or_default()),
        };
        Ok(Grant {
            giver,
            client: self.client_id.clone(),
            secret: self.client_secret.reveal(dir)?,
            auth: self.client_auth,
            scopes: self.scopes.iter().cloned().collect(),
            resource: self.resource.clone().unwrap_or_else(|| url.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config;

    #[test]
    fn paths_are_relative_to_the_file_and_names_are_looked_up() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), "hunter2\n").unwrap();
        let toml = r#"
[systems.a]
kind = "mcp"
command = ["bin/server", "data"]
cwd = "servers"
env = { KEY_FILE = { file = "key" }, MODE = "prod" }
timeout-seconds = 7
[systems.b]
kind = "mcp"
command = ["node", "server.js"]
[systems.c]
kind = "mcp"
command = ["x"]
env = { A_TOKEN = { file = "gone" } }
"#;
        let config = config::read(toml).0.unwrap();
        let launch = config.systems["a"].launch(dir.path()).unwrap();
        assert_eq!(launch.command, dir.path().join("bin/server").display().to_string());
        assert_eq!((launch.args, launch.cwd), (vec!["data".to_owned()], Some(dir.path().join("servers"))));
        let env: Vec<_> = launch.env.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        assert_eq!(env, [("KEY_FILE", "hunter2"), ("MODE", "prod")]);
        assert_eq!(config.systems["a"].limits().call.as_secs(), 7);
        let launch = config.systems["b"].launch(dir.path()).unwrap();
        assert_eq!((launch.command.as_str(), launch.cwd), ("node", Some(dir.path().to_owned())));
        assert!(config.systems["c"].launch(dir.path()).is_err());
    }
}
