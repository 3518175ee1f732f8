//! The front doors of a gate, as an agent comes in by them: the pipe and HTTP, each in both generations of the protocol.
//! Requests are written as bytes, also such as no client would write.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::gate::mcp::era::STATELESS;
use crate::gate::mcp::headers::{METHOD, NAME, SESSION, VERSION, encoded};

/// How an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a client may take to end.
const FAREWELL: Duration = Duration::from_secs(2);
const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"attack","version":"1"}}"#;
const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"attack","version":"1"}}}"#;
const READY: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Front {
    /// `ambit mcp`, with a handshake.
    Pipe,
    /// `ambit mcp`, in the generation without one.
    PipeStateless,
    /// HTTP, with a handshake and a session.
    Http,
    /// HTTP, in the generation without one.
    HttpStateless,
}

impl Front {
    /// All of them.
    pub const ALL: [Front; 4] = [Front::Pipe, Front::PipeStateless, Front::Http, Front::HttpStateless];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Front::Pipe => "the pipe, with a handshake",
            Front::PipeStateless => "the pipe, 2026-07-28",
            Front::Http => "HTTP, with a handshake",
            Front::HttpStateless => "HTTP, 2026-07-28",
        }
    }

    /// Whether each request says its version.
    #[must_use]
    pub fn is_stateless(self) -> bool {
        matches!(self, Front::PipeStateless | Front::HttpStateless)
    }
}

/// What is said at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// A request with that method and those parameters, whose bytes need not be JSON.
    Request(String, String),
    /// The bytes of a whole message. Over HTTP, in the generation that repeats them: the method and the name in headers.
    Raw(Vec<u8>, String, String),
}

/// An open door.
pub trait Door: Send {
    /// Which one it is.
    fn front(&self) -> Front;

    /// Says it, and waits for the answer: its text, empty where the other side ended instead.
    ///
    /// # Errors
    /// When the door cannot be opened again, or nothing came in time.
    fn say(&mut self, say: &Say) -> io::Result<String>;
}

/// The message of a request, in the generation of that front.
#[must_use]
pub fn message(front: Front, method: &str, params: &str) -> Vec<u8> {
    let params = match params.strip_prefix('{') {
        Some(rest) if front.is_stateless() => {
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            format!("{{{META}{comma}{rest}")
        }
        _ => params.to_owned(),
    };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"{method}\",\"params\":{params}}}").into_bytes()
}

/// A program that speaks on lines.
pub struct Pipe {
    front: Front,
    make: Box<dyn Fn() -> Command + Send>,
    open: Option<Opened>,
}

struct Opened {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<String>,
}

impl Pipe {
    /// The door that this program is. It is opened when something is said, and again where it ended.
    pub fn new(front: Front, make: impl Fn() -> Command + Send + 'static) -> Pipe {
        Pipe { front, make: Box::new(make), open: None }
    }

    fn opened(&mut self) -> io::Result<&mut Opened> {
        if self.open.is_none() {
            let mut child = (self.make)().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
            let (told, from) = channel();
            let to = child.stdin.take();
            if let Some(output) = child.stdout.take() {
                std::thread::spawn(move || {
                    BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| told.send(line))
                });
            }
            let mut opened = Opened { child, to, from };
            if self.front == Front::Pipe {
                opened.write(HELLO.as_bytes());
                opened.answer()?;
                opened.write(READY.as_bytes());
            }
            self.open = Some(opened);
        }
        self.open.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Opened {
    /// A line; where the other side is gone, the answer will tell.
    fn write(&mut self, message: &[u8]) {
        // A line break would end the message: as white space of JSON it means the same.
        let mut line: Vec<u8> =
            message.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect();
        line.push(b'\n');
        if let Some(to) = &mut self.to {
            let _ = to.write_all(&line).and_then(|()| to.flush());
        }
    }

    /// The next line that answers something; empty when the other side has ended.
    fn answer(&mut self) -> io::Result<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.from.recv_timeout(left) {
                Ok(line) if is_answer(&line) => return Ok(line),
                Ok(_) => {}
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return Ok(String::new()),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // The end of its input is how it is told to end.
        self.to = None;
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // It is ours and did not end; a failure here leaves nothing more to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_answer(line: &str) -> bool {
    match serde_json::from_str::<Value>(line) {
        Ok(Value::Array(_)) | Err(_) => true,
        Ok(message) => message.get("result").is_some() || message.get("error").is_some(),
    }
}

/// A ping, behind whose answer everything before it was taken.
const PING: &str = r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#;

impl Door for Pipe {
    fn front(&self) -> Front {
        self.front
    }

    fn say(&mut self, say: &Say) -> io::Result<String> {
        let front = self.front;
        let opened = self.opened()?;
        let answer = match say {
            Say::Request(method, params) => {
                opened.write(&message(front, method, params));
                opened.answer()?
            }
            // Whether such a message has an answer nobody knows; a ping behind it has one.
            Say::Raw(bytes, ..) => {
                opened.write(bytes);
                let ping = if front.is_stateless() { message(front, "ping", "{}") } else { PING.into() };
                opened.write(&ping);
                let mut all = String::new();
                loop {
                    let answer = opened.answer()?;
                    let is_last = answer.is_empty() || is_ping(&answer);
                    all.push_str(&answer);
                    if is_last {
                        break all;
                    }
                }
            }
        };
        if answer.is_empty() {
            self.open = None;
        }
        Ok(answer)
    }
}

fn is_ping(answer: &str) -> bool {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    answer.get("id").and_then(Value::as_u64).is_some_and(|id| id == 8 || id == 7)
}

/// The HTTP endpoint of an agent.
pub struct Http {
    front: Front,
    place: String,
    path: String,
    token: String,
    session: Option<String>,
}

impl Http {
    /// The door at `http://PLACE/agents/AGENT/mcp`, with that bearer token.
    #[must_use]
    pub fn new(front: Front, place: &str, agent: &str, token: &str) -> Http {
        let path = format!("/agents/{agent}/mcp");
        Http { front, place: place.to_owned(), path, token: token.trim().to_owned(), session: None }
    }

    fn greet(&mut self) -> io::Result<()> {
        if self.front != Front::Http || self.session.is_some() {
            return Ok(());
        }
        let (head, _) = self.post(HELLO.as_bytes(), &[])?;
        let session = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(SESSION).then(|| value.trim().to_owned())
        });
        self.session = session;
        self.post(READY.as_bytes(), &[]).map(drop)
    }

    fn post(&self, body: &[u8], more: &[(&str, String)]) -> io::Result<(String, String)> {
        self.exchange("POST", body, more)
    }

    /// One request over a connection of its own: the head and the body of what came back.
    fn exchange(&self, method: &str, body: &[u8], more: &[(&str, String)]) -> io::Result<(String, String)> {
        let mut stream = TcpStream::connect(&self.place)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut head = format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nConnection: close\r\nContent-Length: {}\r\n",
            self.path,
            self.place,
            self.token,
            body.len()
        );
        if let Some(session) = &self.session {
            head.push_str(&format!("{SESSION}: {session}\r\n"));
        }
        for (name, value) in more {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        // It may be answered, and the connection ended, before the body was taken whole.
        let _ = stream.write_all(body);
        let mut all = Vec::new();
        match stream.read_to_end(&mut all) {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            _ => {}
        }
        let all = String::from_utf8_lossy(&all).into_owned();
        let (head, body) = all.split_once("\r\n\r\n").unwrap_or((&all, ""));
        Ok((head.to_owned(), body.to_owned()))
    }
}

impl Door for Http {
    fn front(&self) -> Front {
        self.front
    }

    fn say(&mut self, say: &Say) -> io::Result<String> {
        self.greet()?;
        let (body, method, name) = match say {
            Say::Request(method, params) => {
                let name = serde_json::from_str::<Value>(params).unwrap_or_default();
                let name = ["name", "uri"].into_iter().find_map(|member| name.get(member)?.as_str().map(str::to_owned));
                (message(self.front, method, params), method.clone(), name.unwrap_or_default())
            }
            Say::Raw(body, method, name) => (body.clone(), method.clone(), name.clone()),
        };
        let mut more = Vec::new();
        if self.front.is_stateless() {
            more.push((VERSION, STATELESS.to_owned()));
            more.push((METHOD, method));
            more.push((NAME, encoded(&name)));
        }
        let (head, body) = self.post(&body, &more)?;
        // A session that is over begins anew with the next.
        if head.split(' ').nth(1) == Some("404") {
            self.session = None;
        }
        Ok(body)
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        if self.session.is_some() {
            // Nobody waits for it longer than the gate takes.
            let _ = self.exchange("DELETE", b"", &[]);
        }
    }
}
