//! A server over HTTP of a client's file as a system of `ambit.toml`: its address, and its headers by reference.

use url::Url;

use super::draft::{self, Reach};
use super::entry::{Endpoint, is_authorization};
use super::formats::Holder;
use super::server::{Blocked, Server, Surroundings, remarks, sources};
use crate::config::{Setting, has_password, names_a_secret};
use crate::escape::escape;
use crate::keys::Secret;
use crate::loopback;

/// What Ambit says in a request itself, so that nobody else may: headers of the transport and of the protocol.
const OF_AMBIT: [&str; 8] =
    ["accept", "connection", "content-length", "content-type", "host", "te", "transfer-encoding", "upgrade"];

/// The server, or why it stays with its client.
///
/// # Errors
/// When it cannot be carried over as it is.
pub(super) fn server(
    entry: &str,
    holder: usize,
    name: String,
    endpoint: &Endpoint,
    of: &Holder,
    around: &Surroundings<'_>,
) -> Result<Result<Server, String>, Blocked> {
    let shown = escape(entry);
    let sources = sources(of, around);
    let mut server = Server {
        entry: entry.to_owned(),
        holder,
        unpinned: None,
        today: Vec::new(),
        today_url: None,
        moved: Vec::new(),
        notes: remarks(entry, &name, &endpoint.unused),
        system: draft::System {
            name,
            reach: Reach::Endpoint { url: Setting::Plain(String::new()), token: None, headers: Vec::new() },
        },
    };
    let (kept, today) = url(&mut server, &endpoint.url, &sources, &shown)?;
    match today.expose_text().and_then(|text| Url::parse(text).ok()) {
        None => {
            let message = format!("the server `{shown}` cannot be imported: its `url` is no URL");
            return Err(Blocked::new(message, "correct it in the client's file, or name the others with `--only`"));
        }
        Some(url) if !is_private(&url) => {
            return Ok(Err(
                "a server whose address is neither `https` nor on this machine, so that others could read \
                           and change what goes there: give it an `https` address first"
                    .to_owned(),
            ));
        }
        Some(_) => server.today_url = Some(today),
    }
    let (mut token, mut headers) = (None, Vec::new());
    for (name, value) in &endpoint.headers {
        let lower = name.to_ascii_lowercase();
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        {
            let message = format!("`{}` of the server `{shown}` cannot be the name of a header", escape(name));
            return Err(Blocked::new(message, "correct it in the client's file"));
        }
        if OF_AMBIT.contains(&lower.as_str()) || lower.starts_with("mcp-") {
            server.notes.push(format!("`{name}` is not carried over: Ambit says it itself"));
            continue;
        }
        let bearer = bearer(value).filter(|_| is_authorization(name));
        let (setting, today) = server.kept(name, bearer.unwrap_or(value), &sources, &shown)?;
        let Some(today) = today else { continue };
        match (bearer, setting) {
            (Some(_), Setting::Secret(reference)) => {
                let whole = format!("Bearer {}", today.expose_text().unwrap_or_default());
                server.today.push((name.clone(), Secret::from(whole)));
                token = Some(reference);
            }
            (_, setting) => {
                server.today.push((name.clone(), today));
                headers.push((name.clone(), setting));
            }
        }
    }
    server.system.reach = Reach::Endpoint { url: kept, token, headers };
    Ok(Ok(server))
}

/// Where it is: written out, unless a secret or a variable stands in it.
fn url(
    server: &mut Server,
    written: &str,
    sources: &super::values::Sources<'_>,
    shown: &str,
) -> Result<(Setting, Secret), Blocked> {
    let is_plain = !written.contains("${") && !holds_a_secret(written);
    if is_plain {
        return Ok((Setting::Plain(written.to_owned()), Secret::from(written.to_owned())));
    }
    match server.kept("url", written, sources, shown)? {
        (setting, Some(today)) => Ok((setting, today)),
        (setting, None) => Ok((setting, Secret::from(String::new()))),
    }
}

/// Whether an address holds a secret by every custom: a password, a parameter of such a name, or a part of its path that
/// nobody would have chosen.
fn holds_a_secret(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return has_password(text) };
    let by_name =
        |name: &str| names_a_secret(name) || name.eq_ignore_ascii_case("key") || name.eq_ignore_ascii_case("sig");
    let chance = |part: &str| {
        let count = |is: fn(&char) -> bool| part.chars().filter(is).count();
        part.len() >= 20 && count(char::is_ascii_digit) >= 3 && count(char::is_ascii_alphabetic) >= 3
    };
    has_password(text)
        || !url.username().is_empty()
        || url.query_pairs().any(|(name, value)| (by_name(&name) && !value.is_empty()) || chance(&value))
        || url.path_segments().is_some_and(|mut parts| parts.any(chance))
}

fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && url.host_str().is_some_and(loopback::is_this_machine))
}

/// What stands behind `Bearer` in a header.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

/// How an endpoint is shown: as it is written, or its host alone where the rest is by reference.
#[must_use]
pub fn shown(server: &Server) -> Option<String> {
    let Reach::Endpoint { url, .. } = &server.system.reach else { return None };
    let today = server.today_url.as_ref().and_then(Secret::expose_text).unwrap_or_default();
    Some(match url {
        Setting::Plain(url) => url.clone(),
        Setting::Secret(_) => {
            let url = Url::parse(today).ok();
            let place = |url: &Url| format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or("?"));
            url.as_ref().map_or_else(|| "…".to_owned(), place)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_an_address_is_known_by_custom() {
        for secret in [
            "https://a.example/mcp?api_key=x",
            "https://a.example/mcp?token=x",
            "https://a.example/mcp?key=x",
            "https://dana:x@a.example/mcp",
            "https://token@a.example/mcp",
            "https://a.example/s/NmU4ZGVhNTctMTQ5ZS00/mcp",
            "https://a.example/6f9619ff-8b86-d011-b42d-00cf4fc964ff/mcp",
            "https://a.example/mcp?s=NmU4ZGVhNTctMTQ5ZS00",
        ] {
            assert!(holds_a_secret(secret), "{secret}");
        }
        for plain in [
            "https://a.example/mcp",
            "https://a.example:8443/v1/projects/customer-support-tickets/mcp",
            "https://a.example/mcp?region=eu-central-1&key=",
            "http://127.0.0.1:9000/mcp",
        ] {
            assert!(!holds_a_secret(plain), "{plain}");
        }
    }

    #[test]
    fn a_bearer_token_is_what_stands_behind_the_word() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  ${TOKEN}"), Some("${TOKEN}"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
    }
}
