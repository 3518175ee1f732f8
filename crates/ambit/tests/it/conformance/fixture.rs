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
    /// Speaks both generations, or only that one.
    pub fn start(only: Option<&str>) -> Server {
        let mut command = Command::new(python());
        command.arg(fixture("conformance/server.py")).arg("http").args(only);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
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

/// How the server stands behind the gate: over what, and in which generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Upstream {
    http: bool,
    later: bool,
}

impl Upstream {
    pub const ALL: [Upstream; 4] = [
        Upstream { http: true, later: true },
        Upstream { http: true, later: false },
        Upstream { http: false, later: true },
        Upstream { http: false, later: false },
    ];

    pub fn word(self) -> &'static str {
        match (self.http, self.later) {
            (true, true) => "http 2026-07-28",
            (true, false) => "http 2025-11-25",
            (false, true) => "stdio 2026-07-28",
            (false, false) => "stdio 2025-11-25",
        }
    }

    /// Whether nothing that the server asks or logs says about which call: it is about the only one that is under way.
    pub fn asks_nobody_in_particular(self) -> bool {
        !self.http && !self.later
    }

    fn only(self) -> &'static str {
        if self.later { "later" } else { "older" }
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
        let only = upstream.only();
        let (server, reached) = if upstream.http {
            let server = Server::start((!upstream.later).then_some(only));
            let reached = format!("url = \"{}\"", server.url());
            (Some(server), reached)
        } else {
            let script = fixture("conformance/server.py");
            (None, format!("command = [{}, {}, \"stdio\", \"{only}\"]", word(python()), word(script)))
        };
        let toml = format!(
            "[systems.fixture]\nkind = \"mcp\"\n{reached}\nmay-ask = [\"elicitation\", \"sampling\", \"roots\"]\n\
             [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"fixture\"]\ntool-names = \"own\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\n[limits]\npending-wait-seconds = 0\ntrip-refusals = 100000"
        );
        let house = House::new(&toml).open(PAGE);
        let spoken = format!("protocol = \"{}\"", upstream.word().split(' ').nth(1).unwrap());
        assert!(house.read("ambit.lock").contains(&spoken), "{upstream:?} speaks {spoken}");
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
