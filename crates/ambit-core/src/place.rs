//! Addresses, hosts and paths: parsed before they are compared, never searched as text.

use url::Url;

use crate::truth::Truth;

/// The local part and the domain of a single address, both in lower case. `None` for anything else: a display name, a
/// list of addresses, white space, a quoted local part.
#[must_use]
pub fn address(text: &str) -> Option<(String, String)> {
    let (local, domain) = text.split_once('@')?;
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
    let local_fits = local.len() <= 64 && local.split('.').all(|part| !part.is_empty() && part.chars().all(atom));
    (local_fits && is_host(domain)).then(|| (local.to_ascii_lowercase(), domain.to_ascii_lowercase()))
}

/// The host of an `http` or `https` URL, in lower case, as WHATWG reads it. `None` for anything else: another scheme or
/// none, a user part, white space, control characters, backslashes.
#[must_use]
pub fn url_host(text: &str) -> Option<String> {
    let lower = text.get(..8.min(text.len())).unwrap_or("").to_ascii_lowercase();
    if !(lower.starts_with("http://") || lower.starts_with("https://")) {
        return None;
    }
    if text.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let authority = text.split_once("://")?.1.split(['/', '?', '#']).next()?;
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    url.host_str().filter(|host| !host.is_empty()).map(|host| host.trim_end_matches('.').to_ascii_lowercase())
}

/// A host as a scope writes it: `acme.example` or `*.acme.example`, in lower case. `None` when it is neither.
#[must_use]
pub fn host_pattern(text: &str) -> Option<String> {
    let bare = text.strip_prefix("*.").unwrap_or(text);
    let ipv6 = bare.starts_with('[') && Url::parse(&format!("http://{bare}/")).is_ok();
    let fits = if bare.is_ascii() { ipv6 || is_host(bare) } else { Url::parse(&format!("http://{bare}/")).is_ok() };
    if !fits {
        return None;
    }
    let url = Url::parse(&format!("http://{bare}/")).ok()?;
    let host = url.host_str()?.to_ascii_lowercase();
    Some(if bare.len() == text.len() { host } else { format!("*.{host}") })
}

/// Whether a host is the one named, or below it where the pattern begins with `*.` (which does not name the domain itself).
#[must_use]
pub fn host_is_at(host: &str, pattern: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => host == pattern,
    }
}

fn is_host(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        })
}

/// A path or URI taken apart: what must be equal (scheme and authority, `/`, or nothing for a relative path), and the
/// segments with `.` and `..` resolved. `None` when it is not a path, or climbs above where it starts.
#[must_use]
pub fn normal(text: &str) -> Option<(String, Vec<String>)> {
    if text.is_empty() || text.contains(|c: char| c == '\\' || c.is_control()) || text.starts_with('~') {
        return None;
    }
    let (root, path, encoded) = match text.split_once("://") {
        Some((scheme, rest)) => {
            let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
            if !scheme_fits || rest.contains(['?', '#']) {
                return None;
            }
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if authority.contains('@') {
                return None;
            }
            let authority = authority.to_ascii_lowercase();
            let authority =
                if scheme.eq_ignore_ascii_case("file") && authority == "localhost" { "" } else { authority.as_str() };
            (format!("{}://{authority}/", scheme.to_ascii_lowercase()), path, true)
        }
        None if text.starts_with('/') => ("/".to_owned(), text, false),
        None => (String::new(), text, false),
    };
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split('/') {
        let segment = if encoded { decoded(segment)? } else { segment.to_owned() };
        match segment.as_str() {
            "" | "." => {}
            ".." => {
                segments.pop()?;
            }
            _ => segments.push(segment),
        }
    }
    Some((root, segments))
}

/// Whether a path lies under a root, or is it; unknown when either cannot be taken apart, or when one is relative and the other not.
#[must_use]
pub fn is_under(path: &str, root: &str) -> Truth {
    match (normal(path), normal(root)) {
        (Some((path_root, path)), Some((root_root, root))) => {
            // A plain path and a `file:` URI, or two hosts' files, may be the same file.
            let file = |root: &str| root == "/" || root.starts_with("file://");
            let spelt_otherwise = path_root != root_root && file(&path_root) && file(&root_root);
            if path_root.is_empty() != root_root.is_empty() || spelt_otherwise {
                Truth::Unknown
            } else {
                Truth::from(path_root == root_root && path.starts_with(&root))
            }
        }
        // A path that climbs above its start is under nothing we can name.
        _ => Truth::Unknown,
    }
}

// Percent-decoding of one segment; what would decode to a separator or a control character is no segment.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next()?, rest.next()?];
            let hex = std::str::from_utf8(&hex).ok()?;
            if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains(|c: char| c == '/' || c == '\\' || c == '%' || c.is_control())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_address() {
        assert_eq!(address("Dana@Acme.Example"), Some(("dana".into(), "acme.example".into())));
        for text in [
            "attacker@evil.example,dana@acme.example",
            "Dana <dana@acme.example>",
            " dana@acme.example",
            "dana@acme.example\n",
            "a@b@acme.example",
            "dana",
            "@acme.example",
            "a..b@acme.example",
            "\"a b\"@acme.example",
            "dana@аcme.example",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn a_url_has_the_host_that_clients_would_call() {
        assert_eq!(url_host("https://API.acme.example:8443/x?y#z").as_deref(), Some("api.acme.example"));
        assert_eq!(url_host("http://my_host.acme.example/").as_deref(), Some("my_host.acme.example"));
        for text in [
            "acme.example/x",
            "//acme.example",
            "https:acme.example",
            "https://acme.example@evil.example/",
            "https://evil.example\\@acme.example/",
            "ftp://acme.example/",
            "javascript:alert(1)",
            "https://acme .example",
            " https://acme.example",
            "https://user@acme.example",
            "https://@acme.example/",
        ] {
            assert_eq!(url_host(text), None, "{text}");
        }
        assert!(host_is_at("a.acme.example", "*.acme.example"));
        assert!(!host_is_at("acme.example", "*.acme.example") && !host_is_at("evilacme.example", "*.acme.example"));
    }

    #[test]
    fn a_path_is_under_a_root_after_normalising() {
        for (path, root) in [
            ("/srv/tickets/a", "/srv/tickets"),
            ("/srv/tickets", "/srv/tickets/"),
            ("/srv/x/../tickets/./a", "/srv/tickets"),
            ("file:///srv/tickets/a%20b", "file:///srv/tickets"),
            ("file://localhost/srv/tickets/a", "file:///srv/tickets"),
            ("docs/a", "docs"),
            ("/any", "/"),
        ] {
            assert_eq!(is_under(path, root), Truth::Yes, "{path} {root}");
        }
        for (path, root) in [
            ("/srv/tickets2", "/srv/tickets"),
            ("/srv/tickets/../secret", "/srv/tickets"),
            ("file:///srv/tickets/%2e%2e/secret", "file:///srv/tickets"),
            ("/srv/TICKETS/a", "/srv/tickets"),
            ("https://acme.example/srv", "file:///srv"),
        ] {
            assert_eq!(is_under(path, root), Truth::No, "{path} {root}");
        }
        for (path, root) in [
            ("tickets/a", "/srv/tickets"),
            ("../etc", "docs"),
            ("file:///srv/secret/a", "/srv/secret"),
            ("/srv/secret/a", "file:///srv/secret"),
            ("file://host/srv/secret/a", "file:///srv/secret"),
            ("/../etc", "/etc"),
            ("~/x", "/root"),
            ("/srv\\tickets", "/srv"),
            ("file:///srv/tickets/%2fetc", "file:///srv/tickets"),
            ("/srv/\0", "/srv"),
            ("file:///srv/tickets/%252e%252e/x", "file:///srv/tickets"),
            ("", "/"),
        ] {
            assert_eq!(is_under(path, root), Truth::Unknown, "{path} {root}");
        }
    }
}
