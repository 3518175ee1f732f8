//! A driver that does what it is told, message by message.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ambit_effects::sql::wire::server::{Login, fields, key};
use ambit_effects::sql::wire::{HEADER, write};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::Desk;

/// A connection.
pub struct Raw {
    stream: TcpStream,
    /// The number and the key with which it is cancelled.
    pub key: (u32, Vec<u8>),
}

/// A message, by its kind; what it says in words, where it is an error, a tag or a status.
pub type Heard = (char, Vec<u8>);

impl Raw {
    /// A connection on which nothing was said.
    pub fn bare(address: SocketAddr) -> Raw {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Raw { stream, key: (0, Vec::new()) }
    }

    /// A connection of the agent, ready.
    pub fn open(desk: &Desk) -> Raw {
        let mut raw = Raw::bare(desk.address());
        let said = raw.enter(3 << 16, &[("user", "helper"), ("database", "crm")], &desk.token());
        assert_eq!(said.last().unwrap().0, 'Z', "{}", kinds(&said));
        raw
    }

    /// Says who comes, and proves it with that password; what is heard until it is ready, or ends.
    pub fn enter(&mut self, version: u32, parameters: &[(&str, &str)], password: &str) -> Vec<Heard> {
        let mut out = Vec::new();
        write::startup(&mut out, parameters);
        out[4..8].copy_from_slice(&version.to_be_bytes());
        self.send(&out);
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        let mut all = Vec::new();
        while let Some((kind, body)) = self.hear() {
            if kind == 'K' {
                let (process, secret) = key(&body).unwrap();
                self.key = (process, secret.to_vec());
            }
            if kind == 'R' {
                out.clear();
                match Login::read(&body).unwrap() {
                    Login::Mechanisms(known) => {
                        assert_eq!(known, ["SCRAM-SHA-256"]);
                        write::mechanism(&mut out, "SCRAM-SHA-256", scram.message());
                    }
                    Login::Step(step) => {
                        scram.update(step).unwrap();
                        write::password(&mut out, scram.message());
                    }
                    // It is Ambit that knows the verifier.
                    Login::Last(last) => scram.finish(last).unwrap(),
                    Login::Done => {}
                    other => panic!("{other:?}"),
                }
                self.send(&out);
            }
            all.push((kind, body));
            if kind == 'Z' {
                break;
            }
        }
        all
    }

    pub fn send(&mut self, bytes: &[u8]) {
        // The other end may be gone: what is heard will tell.
        let _ = self.stream.write_all(bytes);
    }

    /// The next message; `None` at the end.
    pub fn hear(&mut self) -> Option<Heard> {
        let mut head = [0; HEADER];
        self.stream.read_exact(&mut head).ok()?;
        let length = usize::try_from(u32::from_be_bytes(head[1..].try_into().unwrap())).unwrap();
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body).ok()?;
        Some((char::from(head[0]), body))
    }

    /// One byte, before there are messages.
    pub fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).ok().map(|()| byte[0])
    }

    /// All that is heard until it is ready, or ends.
    pub fn until_ready(&mut self) -> Vec<Heard> {
        let mut all = Vec::new();
        while let Some(heard) = self.hear() {
            let is_ready = heard.0 == 'Z';
            all.push(heard);
            if is_ready {
                break;
            }
        }
        all
    }

    /// The same, for what is sent first; in short.
    pub fn ask(&mut self, bytes: &[u8]) -> String {
        self.send(bytes);
        short(&self.until_ready())
    }

    /// What comes of a simple query, in short.
    pub fn query(&mut self, text: &str) -> String {
        self.ask(&query(text))
    }
}

pub fn query(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write::message(&mut out, b'Q', |body| write::text(body, text));
    out
}

/// A statement prepared, bound to nothing, described, executed; without an end.
pub fn extended(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write::parse(&mut out, "", text, [].into_iter());
    write::bind(&mut out, "", "", &[], &[]);
    write::about(&mut out, b'D', ambit_effects::sql::wire::client::What::Portal(""));
    write::execute(&mut out, "", 0);
    out
}

pub fn sync() -> Vec<u8> {
    let mut out = Vec::new();
    write::bare(&mut out, b'S');
    out
}

/// The kinds of messages, in order.
pub fn kinds(all: &[Heard]) -> String {
    all.iter().map(|(kind, _)| *kind).collect()
}

/// What was heard, a word a message: rows by their bytes, errors by their codes, tags and statuses in full.
pub fn short(all: &[Heard]) -> String {
    let one = |(kind, body): &Heard| match kind {
        'E' => format!("E{}", code(body)),
        'C' => format!("C({})", String::from_utf8_lossy(&body[..body.len() - 1])),
        'Z' => format!("Z{}", char::from(body[0])),
        kind => kind.to_string(),
    };
    all.iter().map(one).collect::<Vec<_>>().join(" ")
}

pub fn code(body: &[u8]) -> String {
    let fields = fields(b'E', body).unwrap();
    fields.into_iter().find(|(letter, _)| *letter == b'C').unwrap().1
}
