//! A client that sees the bytes.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One connection over standard input and output.
pub struct Wire {
    child: Child,
    to: ChildStdin,
    lines: Receiver<String>,
    asked: u64,
}

/// What a line answers, with the bytes that were written.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Wire {
    /// Starts that command in `dir`, and shakes hands.
    pub fn open(command: &[impl AsRef<OsStr>], dir: &Path) -> Wire {
        let mut child = Command::new(&command[0]);
        child.args(&command[1..]).current_dir(dir).env_remove("AMBIT_CONFIG");
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (told, lines) = channel();
        std::thread::spawn(move || from.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        let mut wire = Wire { child, to, lines, asked: 0 };
        let hello = r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"wire","version":"1"}}"#;
        wire.ask("initialize", hello);
        wire.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        wire
    }

    /// Writes a line.
    pub fn send(&mut self, line: &str) {
        writeln!(self.to, "{line}").unwrap();
    }

    /// Asks, and gives the bytes of `result`, or of `error` behind the word.
    pub fn ask(&mut self, method: &str, params: &str) -> String {
        let id = self.begin(method, params);
        self.end(id)
    }

    /// Asks, and does not wait. The request's id.
    pub fn begin(&mut self, method: &str, params: &str) -> u64 {
        self.asked += 1;
        let id = self.asked;
        self.send(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#));
        id
    }

    /// The answer to that request. What the server says unasked is passed over.
    pub fn end(&mut self, id: u64) -> String {
        let id = id.to_string();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30)).expect("no answer");
            let read: Line<'_> = serde_json::from_str(&line).unwrap();
            match read {
                Line { id: Some(of), result: Some(result), .. } if of.get() == id => return result.get().to_owned(),
                Line { id: Some(of), error: Some(error), .. } if of.get() == id => {
                    return format!("error {}", error.get());
                }
                _ => {}
            }
        }
    }

    /// Calls a tool with those arguments, as bytes.
    pub fn call(&mut self, tool: &str, arguments: &str) -> String {
        self.ask("tools/call", &format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#))
    }

    /// Whether the other end is gone.
    pub fn ended(&mut self) -> bool {
        loop {
            match self.lines.recv_timeout(Duration::from_secs(10)) {
                Ok(_) => {}
                Err(error) => return error == std::sync::mpsc::RecvTimeoutError::Disconnected,
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
