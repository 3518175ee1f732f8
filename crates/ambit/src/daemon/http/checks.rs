//! Whether a request may be looked at at all: that it was meant for this listener (a page in a browser can be made to
//! believe that any name is this machine), and comes from no page that was not let in.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderValue, ORIGIN};
use hyper::{HeaderMap, Uri};
use url::Url;

use crate::config::Http;
use crate::loopback::{is_loopback, is_this_machine};

/// Which names and pages are let in.
pub(super) struct Checks {
    address: SocketAddr,
    hosts: BTreeSet<String>,
    origins: BTreeSet<String>,
}

impl Checks {
    pub(super) fn new(http: &Http, address: SocketAddr) -> Checks {
        let lower = |all: &BTreeSet<String>| all.iter().map(|one| one.to_ascii_lowercase()).collect();
        let mut hosts: BTreeSet<String> = lower(&http.hosts);
        // Whoever means a gate by its URL means this listener.
        let base = http.oauth.as_ref().and_then(|oauth| Url::parse(&oauth.base_url).ok());
        hosts.extend(base.and_then(|url| url.host_str().map(str::to_owned)));
        Checks { address, hosts, origins: lower(&http.origins) }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Why the request is not looked at.
    pub(super) fn refuse(&self, headers: &HeaderMap) -> Option<&'static str> {
        let text = |name| {
            let mut all = headers.get_all(name).iter();
            match (all.next(), all.next()) {
                (Some(one), None) => Some(one.to_str().unwrap_or("?").to_ascii_lowercase()),
                (None, _) => None,
                (Some(_), Some(_)) => Some("?".to_owned()),
            }
        };
        match text(HOST) {
            Some(host) if self.is_us(&host) => {}
            _ => return Some("the `Host` header names another host; add it to `hosts` of `[http]` if it is this one"),
        }
        match text(ORIGIN) {
            None => None,
            Some(origin) if self.may_come(&origin) => None,
            Some(_) => {
                Some("the `Origin` header names a page that is not let in; `origins` of `[http]` says which are")
            }
        }
    }

    /// The page that the request comes from, where it comes from one that is let in.
    pub(super) fn page<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.may_come(&origin.to_str().ok()?.to_ascii_lowercase()).then_some(origin)
    }

    /// Whether that is a name of this listener: as told, its own address, or on loopback this machine's names.
    fn is_us(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority) else { return false };
        self.hosts.contains(host)
            || host.parse::<IpAddr>().is_ok_and(|ip| ip == self.address.ip())
            || (is_loopback(self.address.ip()) && is_this_machine(host))
    }

    fn may_come(&self, origin: &str) -> bool {
        let local = || {
            let uri: Uri = origin.parse().ok()?;
            let plain = matches!(uri.scheme_str(), Some("http" | "https"));
            Some(plain && is_this_machine(host_of(uri.authority()?.as_str())?))
        };
        self.origins.contains(origin) || (is_loopback(self.address.ip()) && local() == Some(true))
    }
}

/// The host of `host[:port]`, an address without its brackets.
fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok());
    (port_fits && !host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(checks: &Checks, host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        checks.refuse(&headers).is_some()
    }

    #[test]
    fn only_who_means_this_listener_is_heard() {
        let http = Http { hosts: ["gate.acme.example".into()].into(), ..Http::default() };
        let local = Checks::new(&http, "127.0.0.1:7171".parse().unwrap());
        for host in ["127.0.0.1:7171", "localhost:7171", "LOCALHOST", "[::1]:7171", "gate.acme.example", "127.0.0.9"] {
            assert!(!refused(&local, host, None), "{host}");
        }
        for host in
            ["evil.example:7171", "localhost.evil.example", "127.0.0.1.evil.example", "", "localhost:x", "10.0.0.1"]
        {
            assert!(refused(&local, host, None), "{host}");
        }
        assert!(local.refuse(&HeaderMap::new()).is_some(), "no host at all");
        let mut twice = HeaderMap::new();
        twice.append(HOST, "localhost".parse().unwrap());
        twice.append(HOST, "localhost".parse().unwrap());
        assert!(local.refuse(&twice).is_some());
        let open = Checks::new(&http, "10.1.2.3:443".parse().unwrap());
        assert!(!refused(&open, "10.1.2.3", None) && !refused(&open, "gate.acme.example:443", None));
        assert!(refused(&open, "localhost", None) && refused(&open, "10.9.9.9", None));
    }

    #[test]
    fn only_pages_that_were_let_in_come_in() {
        let http = Http { origins: ["https://console.acme.example".into()].into(), ..Http::default() };
        let local = Checks::new(&http, "127.0.0.1:7171".parse().unwrap());
        for origin in ["http://localhost:3000", "http://127.0.0.1", "https://console.acme.example"] {
            assert!(!refused(&local, "localhost", Some(origin)), "{origin}");
        }
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost.evil.example",
            "file://localhost",
            "https://console.acme.example:444",
        ] {
            assert!(refused(&local, "localhost", Some(origin)), "{origin}");
        }
    }
}
