//! One server as a client writes it: a program that the client starts, an endpoint that it calls, or what stays with it.

use jsonc_parser::ast::{Object, Value};
use url::Url;

use super::document::{DocumentError, members};
use crate::escape::escape;
use crate::loopback;

/// One server, as the client has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name there.
    pub name: String,
    /// What it is.
    pub what: What,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A program that the client starts.
    Program(Program),
    /// A server over HTTP that the client calls.
    Endpoint(Endpoint),
    /// A server of a kind that Ambit does not speak, or whose credential only its client has: why it stays.
    Stays(String),
    /// Ambit itself.
    Ambit,
    /// Nothing that could be started: what is wrong.
    Wrong(String),
}

/// A program, in the client's own words.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment; values may be secrets.
    pub env: Vec<(String, String)>,
    /// The directory it starts in, where one is said.
    pub cwd: Option<String>,
    /// Keys that Ambit has no use for.
    pub unused: Vec<String>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program")
            .field("command", &self.command)
            .field("env", &names(&self.env))
            .finish_non_exhaustive()
    }
}

/// A server over HTTP, in the client's own words.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is; may hold a secret.
    pub url: String,
    /// What goes with every request; values may be secrets.
    pub headers: Vec<(String, String)>,
    /// Keys that Ambit has no use for.
    pub unused: Vec<String>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("headers", &names(&self.headers)).finish_non_exhaustive()
    }
}

fn names(values: &[(String, String)]) -> Vec<&str> {
    values.iter().map(|(name, _)| name.as_str()).collect()
}

/// Why a server stays whose client gets itself a credential, and how to go on.
const BY_OAUTH: &str = "a server that its client signs in to (OAuth), and that sign-in cannot be moved: give Ambit a \
                        credential of its own, as docs/guide/remote-servers.md says, then remove it here";

/// Why a server stays that asks who calls, where the client's file does not say, and how to go on.
pub const NO_CREDENTIAL: &str = "a server that asks who calls, and the file has no credential for it (its client signs in by \
                                 itself): give Ambit one of its own, as docs/guide/remote-servers.md says, then remove it here";

/// The members of an object that holds servers.
///
/// # Errors
/// When a name or a key stands twice.
pub fn entries(object: &Object<'_>) -> Result<Vec<Entry>, DocumentError> {
    let entry = |(name, value): (&str, &Value<'_>)| Ok(Entry { name: name.to_owned(), what: what(value)? });
    members(object)?.into_iter().map(entry).collect()
}

fn what(value: &Value<'_>) -> Result<What, DocumentError> {
    let Value::Object(object) = value else { return Ok(What::Wrong("it is not an object".to_owned())) };
    let mut program =
        Program { command: String::new(), args: Vec::new(), env: Vec::new(), cwd: None, unused: Vec::new() };
    let (mut kind, mut url, mut headers, mut signs_in) = (None, None, Vec::new(), None);
    let wrong = |key: &str, wanted: &str| Ok(What::Wrong(format!("its `{key}` is not {wanted}")));
    for (key, value) in members(object)? {
        match (key, value) {
            ("command", Value::StringLit(text)) => program.command = text.value.clone().into_owned(),
            ("command", _) => return wrong(key, "text"),
            ("args", Value::Array(items)) => {
                for item in &items.elements {
                    let Value::StringLit(text) = item else { return wrong(key, "a list of texts") };
                    program.args.push(text.value.clone().into_owned());
                }
            }
            ("args" | "env" | "headers", Value::NullKeyword(_)) => {}
            ("args", _) => return wrong(key, "a list of texts"),
            ("env" | "headers", Value::Object(object)) => {
                let into = if key == "env" { &mut program.env } else { &mut headers };
                for (name, value) in members(object)? {
                    let Some(value) = text_of(value) else {
                        return Ok(What::Wrong(format!("`{}` in its `{key}` is not text", escape(name))));
                    };
                    into.push((name.to_owned(), value));
                }
            }
            ("env" | "headers", _) => return wrong(key, "an object"),
            ("cwd", Value::StringLit(text)) => program.cwd = Some(text.value.clone().into_owned()),
            ("type" | "transport", Value::StringLit(text)) => kind = Some(text.value.clone().into_owned()),
            ("url" | "serverUrl" | "httpUrl", Value::StringLit(text)) => url = Some(text.value.clone().into_owned()),
            ("url" | "serverUrl" | "httpUrl", _) => return wrong(key, "text"),
            ("oauth" | "auth", Value::Object(_)) => signs_in = Some(BY_OAUTH),
            ("headersHelper", _) => {
                signs_in = Some(
                    "a server whose headers a program of the client's gives (`headersHelper`): have that program give the \
                     credential to Ambit (`token = { command = [\"PROGRAM\"] }`), as docs/guide/remote-servers.md says",
                );
            }
            ("envFile", _) => {
                let why = "it takes its environment from a file (`envFile`), which only its client reads: put those variables into `env`";
                return Ok(What::Wrong(why.to_owned()));
            }
            _ => program.unused.push(key.to_owned()),
        }
    }
    let kind = kind.unwrap_or_else(|| if program.command.is_empty() { "http" } else { "stdio" }.to_owned());
    Ok(match (transport(&kind), url) {
        (Transport::Program, _) if !program.command.is_empty() => {
            if is_ambit(&program) {
                What::Ambit
            } else {
                What::Program(program)
            }
        }
        (Transport::Http | Transport::Program, Some(url)) => {
            endpoint(Endpoint { url, headers, unused: program.unused }, signs_in)
        }
        (Transport::Http | Transport::Program, None) => {
            What::Wrong("it has neither a `command` nor a `url`".to_owned())
        }
        (Transport::Sse, _) => What::Stays(SSE.to_owned()),
        (Transport::Other, _) => {
            What::Stays(format!("a server over a transport that Ambit does not speak (`{}`)", escape(&kind)))
        }
    })
}

fn text_of(value: &Value<'_>) -> Option<String> {
    match value {
        Value::StringLit(text) => Some(text.value.clone().into_owned()),
        Value::NumberLit(number) => Some(number.value.to_owned()),
        Value::BooleanLit(truth) => Some(truth.value.to_string()),
        _ => None,
    }
}

/// How a server is spoken to.
enum Transport {
    Program,
    Http,
    Sse,
    Other,
}

const SSE: &str = "a server over the older transport `sse`, which Ambit does not speak: ask who runs it for its address \
                   over streamable HTTP (`type: http`)";

fn transport(kind: &str) -> Transport {
    match kind.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
        "stdio" | "local" => Transport::Program,
        "http" | "streamablehttp" | "remote" => Transport::Http,
        "sse" => Transport::Sse,
        _ => Transport::Other,
    }
}

fn endpoint(endpoint: Endpoint, signs_in: Option<&'static str>) -> What {
    // With variables in it, what it comes to is known later.
    if let Ok(url) = Url::parse(&endpoint.url) {
        if is_ambits(&url) {
            return What::Ambit;
        }
        if url.path().trim_end_matches('/').ends_with("/sse") {
            return What::Stays(SSE.to_owned());
        }
    }
    // A header that says who calls is what the client uses.
    let says_who = endpoint.headers.iter().any(|(name, value)| is_authorization(name) && !value.is_empty());
    match signs_in {
        Some(why) if !says_who => What::Stays(why.to_owned()),
        _ => What::Endpoint(endpoint),
    }
}

/// Whether that is the header that says who calls.
pub(super) fn is_authorization(header: &str) -> bool {
    header.eq_ignore_ascii_case("authorization")
}

/// Whether that is where Ambit lets agents in over HTTP.
fn is_ambits(url: &Url) -> bool {
    let parts: Vec<&str> = url.path_segments().map(Iterator::collect).unwrap_or_default();
    url.host_str().is_some_and(loopback::is_this_machine) && matches!(parts.as_slice(), ["agents", _, "mcp"])
}

fn is_ambit(program: &Program) -> bool {
    let name = program.command.rsplit('/').next().unwrap_or_default();
    name == "ambit" && program.args.iter().any(|word| word == "mcp")
}

#[cfg(test)]
mod tests {
    use super::super::document::{member, read};
    use super::*;

    #[test]
    fn what_an_entry_is_shows_in_its_keys() {
        let text = r#"{"servers": {
          "a": {"type": "stdio", "command": "/usr/bin/a", "args": ["1"], "env": {"N": 5}, "cwd": "x", "dev": {}},
          "b": {"type": "http", "url": "https://b", "headers": {"Authorization": "Bearer hunter2"}, "timeout": 5},
          "c": {"url": "https://c"},
          "d": {"command": "/opt/ambit", "args": ["--config", "x", "mcp", "--agent", "shop"]},
          "d2": {"type": "http", "url": "http://127.0.0.1:7171/agents/shop/mcp"},
          "e": {"command": "e", "args": [1]},
          "f": {},
          "g": "x",
          "h": {"command": "h", "envFile": ".env"},
          "i": {"type": "sse", "url": "https://i"},
          "j": {"url": "https://j/sse"},
          "k": {"type": "streamable-http", "url": "https://k", "oauth": {"clientId": "x"}},
          "l": {"url": "https://l", "auth": {"CLIENT_ID": "x"}, "headers": {"authorization": "Bearer y"}},
          "m": {"type": "http", "url": "https://m", "headersHelper": "/opt/token"},
          "n": {"type": "ws", "url": "wss://n"},
          "o": {"type": "http", "url": 1},
          "p": {"type": "http", "url": "https://p", "headers": {"X": []}},
          "q": {"type": "http"},
          "r": {"url": "https://${HOST}/mcp", "headers": null}
        }, /* VS Code */ "inputs": [],}"#;
        let found = read(text, |root| match member(root, "servers")? {
            Some(Value::Object(servers)) => entries(servers),
            _ => Ok(Vec::new()),
        });
        let what: Vec<String> = found
            .unwrap()
            .iter()
            .map(|entry| match &entry.what {
                What::Program(program) => format!("{program:?} {:?}", program.unused),
                What::Endpoint(endpoint) => format!("{endpoint:?} {:?}", endpoint.unused),
                What::Stays(why) => format!("stays: {why}"),
                What::Wrong(why) => why.clone(),
                What::Ambit => "ambit".to_owned(),
            })
            .collect();
        insta::assert_snapshot!(what.join("\n"), @r#"
        Program { command: "/usr/bin/a", env: ["N"], .. } ["dev"]
        Endpoint { headers: ["Authorization"], .. } ["timeout"]
        Endpoint { headers: [], .. } []
        ambit
        ambit
        its `args` is not a list of texts
        it has neither a `command` nor a `url`
        it is not an object
        it takes its environment from a file (`envFile`), which only its client reads: put those variables into `env`
        stays: a server over the older transport `sse`, which Ambit does not speak: ask who runs it for its address over streamable HTTP (`type: http`)
        stays: a server over the older transport `sse`, which Ambit does not speak: ask who runs it for its address over streamable HTTP (`type: http`)
        stays: a server that its client signs in to (OAuth), and that sign-in cannot be moved: give Ambit a credential of its own, as docs/guide/remote-servers.md says, then remove it here
        Endpoint { headers: ["authorization"], .. } []
        stays: a server whose headers a program of the client's gives (`headersHelper`): have that program give the credential to Ambit (`token = { command = ["PROGRAM"] }`), as docs/guide/remote-servers.md says
        stays: a server over a transport that Ambit does not speak (`ws`)
        its `url` is not text
        `X` in its `headers` is not text
        it has neither a `command` nor a `url`
        Endpoint { headers: [], .. } []
        "#);
    }
}
