//! An issuer of access tokens that others wrote, on a port of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};
use serde_json::Value;

use crate::peers::{self, fixture, free_port};

/// `tests/fixtures/issuer.mjs`, and its directory.
pub struct Issuer {
    child: Option<Child>,
    pub port: u16,
    dir: tempfile::TempDir,
}

impl Issuer {
    /// One that runs and knows those clients, all with the secret `sesame`.
    pub fn start(clients: &str) -> Issuer {
        let mut issuer = Issuer::not_yet(clients);
        issuer.again();
        issuer
    }

    /// One that does not run yet.
    pub fn not_yet(clients: &str) -> Issuer {
        let issuer = Issuer { child: None, port: free_port(), dir: tempfile::tempdir().unwrap() };
        issuer.write("clients", clients);
        issuer
    }

    /// Starts it (again), with keys that nobody saw before.
    pub fn again(&mut self) {
        self.stop();
        let mut command = Command::new("node");
        command.arg(fixture("issuer.mjs")).arg(self.port.to_string()).arg(self.dir.path());
        command.env("AMBIT_PEERS", peers::dir()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        // It draws keys of RSA first, which takes as long as it takes.
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(60), "the issuer does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What it calls itself.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Tells it something by a file in its directory.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// The requests for tokens that it answered.
    pub fn asked(&self) -> Vec<Value> {
        let asked = std::fs::read_to_string(self.dir.path().join("asked")).unwrap_or_default();
        asked.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// An access token for that resource, as it gives it to that client.
    pub fn token(&self, client: &str, resource: &str, scope: &str) -> String {
        let both = Base64::encode_string(format!("{client}:sesame").as_bytes());
        let form = format!("grant_type=client_credentials&resource={resource}&scope={scope}");
        let head = format!(
            "POST /token HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\nAuthorization: Basic {both}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            self.port,
            form.len()
        );
        let said = self.exchange(&format!("{head}{form}"));
        said["access_token"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    }

    /// The keys that it publishes.
    pub fn keys(&self) -> Value {
        self.exchange(&format!("GET /jwks HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", self.port))
    }

    fn exchange(&self, request: &str) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut all = String::new();
        let _ = stream.read_to_string(&mut all);
        let body = all.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {all}"))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.stop();
    }
}
