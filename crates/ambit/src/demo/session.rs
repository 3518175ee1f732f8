//! A client of the Model Context Protocol, as small as the sample agent needs it: one server, started as a process,
//! asked one thing at a time over lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::GENERATIONS;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a server may take to end once its input has ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// A conversation with one server; the process ends with it.
pub struct Session {
    name: String,
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<String>,
    asked: u64,
}

/// What came back from a tool.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// It did what was asked; what it gave.
    Done(Value),
    /// It did not, and says why; perhaps with more for a program to read.
    Not {
        /// Why.
        says: String,
        /// More about it, or null.
        more: Value,
    },
}

/// What can go wrong between the agent and a server.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The program did not start, or its pipes broke.
    #[error("`{name}` cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        name: String,
        /// Why.
        reason: String,
    },
    /// What it wrote is not an answer.
    #[error("`{name}` gave no proper answer: {reason}")]
    Nonsense {
        /// The server.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What happened could not be told, or a command that tells more did not start.
    #[error("the demo cannot go on: {0}")]
    Io(#[from] std::io::Error),
}

impl Session {
    /// Starts the program and greets it.
    ///
    /// # Errors
    /// When it does not start, or does not answer as a server of the protocol.
    pub fn start(name: &str, mut program: Command) -> Result<Session, SessionError> {
        let unreachable =
            |error: std::io::Error| SessionError::Unreachable { name: name.into(), reason: error.to_string() };
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(unreachable)?;
        let (sender, from) = channel();
        let to = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines() {
                    let Ok(line) = line else { break };
                    if sender.send(line).is_err() {
                        break;
                    }
                }
            });
        }
        let mut session = Session { name: name.into(), child, to, from, asked: 0 };
        let [newest, ..] = GENERATIONS;
        session.ask(
            "initialize",
            &json!({
                "protocolVersion": newest,
                "capabilities": {},
                "clientInfo": { "name": "sample-agent", "version": env!("CARGO_PKG_VERSION") },
            }),
        )?;
        session.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        Ok(session)
    }

    /// Calls a tool and waits for what comes back.
    ///
    /// # Errors
    /// When the server is gone, takes longer than a minute, or answers nonsense.
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Result<Reply, SessionError> {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }))?;
        if let Some(error) = answer.get("error") {
            let says = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
            return Ok(Reply::Not { says: says.into(), more: error.get("data").cloned().unwrap_or(Value::Null) });
        }
        let result = answer.get("result").ok_or_else(|| self.nonsense("it has neither a result nor an error"))?;
        let says = result
            .pointer("/content/0/text")
            .and_then(Value::as_str)
            .ok_or_else(|| self.nonsense("a tool's result without text"))?;
        let more = result.get("structuredContent").cloned();
        if result.get("isError") == Some(&Value::Bool(true)) {
            return Ok(Reply::Not { says: says.into(), more: more.unwrap_or(Value::Null) });
        }
        Ok(Reply::Done(more.unwrap_or_else(|| Value::String(says.into()))))
    }

    /// Sends a request and gives the whole answer to it.
    fn ask(&mut self, method: &str, params: &Value) -> Result<Value, SessionError> {
        self.asked += 1;
        let id = json!(self.asked);
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.from.recv_timeout(left).map_err(|error| match error {
                RecvTimeoutError::Timeout => self.unreachable("no answer came within a minute"),
                RecvTimeoutError::Disconnected => self.unreachable("it ended before it answered"),
            })?;
            let message: Value = serde_json::from_str(&line).map_err(|error| self.nonsense(&error.to_string()))?;
            if message.get("id") == Some(&id) && message.get("method").is_none() {
                return Ok(message);
            }
            // Anything else is a notification, or a request that this client offers nothing for.
        }
    }

    fn write(&mut self, message: &Value) -> Result<(), SessionError> {
        let line = format!("{message}\n");
        let written = match &mut self.to {
            Some(to) => to.write_all(line.as_bytes()).and_then(|()| to.flush()),
            None => Err(std::io::ErrorKind::BrokenPipe.into()),
        };
        written.map_err(|error| self.unreachable(&error.to_string()))
    }

    fn unreachable(&self, reason: &str) -> SessionError {
        SessionError::Unreachable { name: self.name.clone(), reason: reason.into() }
    }

    fn nonsense(&self, reason: &str) -> SessionError {
        SessionError::Nonsense { name: self.name.clone(), reason: reason.into() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The end of its input is how a server on stdio is told to end.
        self.to = None;
        let deadline = Instant::now() + FAREWELL;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        // It is ours and did not end; a failure here leaves nothing more to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
