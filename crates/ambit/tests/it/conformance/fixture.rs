//! The server that the suite asks for, alone and behind the gate.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::forward;
use crate::interop::{House, until, word};
use crate::peers::{fixture, python};

/// The server over HTTP, on a port of its own.
pub struct Server {
    child: Child,
    port: String,
}

impl Server {
    pub fn start() -> Server {
        let mut command = Command::new(python());
        command.arg(fixture("conformance/server.py")).arg("http").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Server { child, port: port.trim().to_owned() }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the server stands behind the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Upstream {
    Http,
    Stdio,
}

impl Upstream {
    pub const ALL: [Upstream; 2] = [Upstream::Http, Upstream::Stdio];

    pub fn word(self) -> &'static str {
        match self {
            Upstream::Http => "http",
            Upstream::Stdio => "stdio",
        }
    }
}

/// An installation before that server, whose agent may do everything that the server offers.
pub struct Gate {
    // The server ends after the installation.
    _house: House,
    _server: Option<Server>,
    url: String,
}

const PAGE: &str = "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nTries everything.\n\n\
    ## It can read\n\n- fixture.resource\n- fixture.prompt\n\n## It can write\n\n- call anything in fixture\n\n\
    ## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- nothing\n\n\
    ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Talk | `fixture.test_simple_text {}` | allow |\n";

impl Gate {
    pub fn open(upstream: Upstream) -> Gate {
        let (server, reached) = match upstream {
            Upstream::Http => {
                let server = Server::start();
                let reached = format!("url = \"{}\"", server.url());
                (Some(server), reached)
            }
            Upstream::Stdio => {
                let script = fixture("conformance/server.py");
                (None, format!("command = [{}, {}, \"stdio\"]", word(python()), word(script)))
            }
        };
        let toml = format!(
            "[systems.fixture]\nkind = \"mcp\"\n{reached}\n\
             [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"fixture\"]\ntool-names = \"own\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[limits]\npending-wait-seconds = 0\ntrip-refusals = 100000"
        );
        let house = House::new(&toml).open(PAGE);
        until("it says where it listens", || house.told().contains("agents over HTTP at http://"));
        let told = house.told();
        let listens = told.split("agents over HTTP at http://").nth(1).unwrap().split('/').next().unwrap();
        let address = forward::before(listens, house.read("token").trim());
        Gate { url: format!("http://{address}/agents/helper/mcp"), _house: house, _server: server }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}
