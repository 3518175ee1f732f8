//! A server over HTTP of a client's file as a system of `ambit.toml`: its address, and its headers by reference.

use url::Url;

use super::draft::{self, Reach};
use super::entry::{Endpoint, is_authorization};
use super::formats::Holder;
use super::server::{Blocked, Server, Surroundings, remarks, sources};
use crate::config::Setting;
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

/// Where it is: written out where it is nothing but words; what could hold a secret, or a variable, goes by reference.
fn url(
    server: &mut Server,
    written: &str,
    sources: &super::values::Sources<'_>,
    shown: &str,
) -> Result<(Setting, Secret), Blocked> {
    if is_words(written) {
        return Ok((Setting::Plain(written.to_owned()), Secret::from(written.to_owned())));
    }
    match server.kept("url", written, sources, shown)? {
        (setting, Some(today)) => Ok((setting, today)),
        (setting, None) => Ok((setting, Secret::from(String::new()))),
    }
}

/// Whether an address is nothing but a host and words, so that no secret stands in it. Nobody can tell a secret by its
/// looks: what is no word may be one.
fn is_words(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let mut parts = rest.split('/');
    let host = parts.next().unwrap_or_default();
    // Neither a user nor a query nor a fragment can stand in these.
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    !host.is_empty() && host.chars().all(is_host) && parts.all(|part| part.is_empty() || is_word(part))
}

/// Whether a part of a path is one word or a few, each of which may have a short number behind it: `tickets`, `v1`,
/// `customer-support`.
fn is_word(part: &str) -> bool {
    const MOST: usize = 24;
    const MOST_OF_ONE: usize = 15;
    const MOST_DIGITS: usize = 4;
    let is_one = |one: &str| {
        let letters = one.trim_end_matches(|c: char| c.is_ascii_digit());
        let small = letters.get(1..).unwrap_or_default().chars().all(|c| c.is_ascii_lowercase());
        let is_shout = letters.len() <= 4 && letters.chars().all(|c| c.is_ascii_uppercase());
        one.len() <= MOST_OF_ONE && letters.chars().all(|c| c.is_ascii_alphabetic()) && (small || is_shout)
    };
    part.len() <= MOST
        && part.contains(|c: char| c.is_ascii_alphanumeric())
        && part.chars().filter(char::is_ascii_digit).count() <= MOST_DIGITS
        && part.split(['-', '_', '.']).all(is_one)
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
    fn an_address_is_written_out_only_where_it_is_nothing_but_words() {
        for secret in [
            "https://a.example/mcp?api_key=x",
            "https://a.example/mcp?token=x",
            "https://a.example/mcp?region=eu-central-1",
            "https://a.example/mcp#x",
            "https://dana:x@a.example/mcp",
            "https://token@a.example/mcp",
            "https://a.example?token=x",
            "https://${HOST}/mcp",
            "https://a.example/s/NmU4ZGVhNTctMTQ5ZS00/mcp",
            "https://a.example/s/NmU4ZGVhNTc/mcp",
            "https://a.example/s/qZkWvTbXnRpLmJhG/mcp",
            "https://a.example/s/qzkwvtbxnrplmjhg/mcp",
            "https://a.example/s/QZKWVTBXNRPL/mcp",
            "https://a.example/s/hunter12345/mcp",
            "https://a.example/s/8f3a1c/mcp",
            "https://a.example/s/83514207/mcp",
            "https://a.example/s/8351-4207-1190/mcp",
            "https://a.example/6f9619ff-8b86-d011-b42d-00cf4fc964ff/mcp",
            "https://a.example/8f3a1c9d/../mcp",
            "https://a.example/%73ecret/mcp",
            "https:\\\\a.example\\8f3a1c9d\\mcp",
            "https:///a.example/8f3a1c9d",
            "a.example/mcp",
        ] {
            assert!(!is_words(secret), "{secret}");
        }
        for plain in [
            "https://a.example",
            "https://a.example/",
            "https://a.example/mcp",
            "https://a.example:8443/v1/projects/customer-support-tickets/mcp/",
            "https://a.example/api/v2.1/MCP/Tickets/team_12/.well-known",
            "http://127.0.0.1:9000/mcp",
            "http://[::1]:9000/mcp",
        ] {
            assert!(is_words(plain), "{plain}");
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
