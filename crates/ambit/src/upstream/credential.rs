//! The access token that Ambit shows a live system, got by OAuth client credentials (RFC 6749, 4.4): fetched when it is first
//! needed, once for everybody who waits for it, kept in memory alone, and fetched again before it ends.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ambit_effects::json::{Limits, document};
use base64ct::{Base64, Encoding as _};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use serde_json::Value;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use super::Secret;
use crate::config::oauth::ClientAuth;
use crate::escape::escape;
use crate::oauth::discovery::{self, Place, host_of};
use crate::web::{self, Web, is_private};

/// How a token is got. Never printed.
#[derive(Clone)]
pub struct Grant {
    /// Who gives it.
    pub giver: Giver,
    /// The client that Ambit is.
    pub client: String,
    /// Its secret.
    pub secret: Secret,
    /// How it proves itself.
    pub auth: ClientAuth,
    /// The scopes that are asked for.
    pub scopes: Vec<String>,
    /// What the token is for.
    pub resource: String,
}

/// Who gives tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Giver {
    /// An issuer, which says where.
    Issuer(String),
    /// An endpoint.
    Endpoint(String),
}

/// A token as it is shown, and which of those that were fetched it is.
#[derive(Clone)]
pub struct Shown {
    /// The value of the `Authorization` header, which is not printed.
    pub header: HeaderValue,
    number: u64,
}

/// The token of one live system.
pub struct Credential {
    grant: Grant,
    state: Mutex<State>,
    // Held while a token is fetched, so that it happens once.
    fetching: tokio::sync::Mutex<Option<Web>>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    // Counts the attempts that ended, and why the last one failed.
    attempts: u64,
    failed: Option<String>,
    // How often it failed since a token was got, and until when nobody is asked after the last time.
    failures: u32,
    rests: Option<Instant>,
    // When a token that still seemed good was last thrown away.
    thrown: Option<Instant>,
}

struct Token {
    header: HeaderValue,
    number: u64,
    // `None`: nobody said, so it holds until it is turned away.
    refresh: Option<Instant>,
}

const MOST_BYTES: usize = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_TOKEN: usize = 16 << 10;
// It is fetched anew so long before it ends, or for shorter ones when a fifth of their time is left.
const BEFORE: Duration = Duration::from_secs(60);
// Whatever an issuer says: a token is not kept for longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
// A server that turns every token away does not have the issuer asked for one with every call.
const THROWN_EVERY: Duration = Duration::from_secs(5);
// Nor an issuer that gives none: the pause after a failure doubles from the one to the other.
const REST: Duration = Duration::from_secs(5);
const LONGEST_REST: Duration = Duration::from_secs(60);

impl Credential {
    /// A credential of which nothing was fetched yet.
    #[must_use]
    pub fn new(grant: Grant) -> Credential {
        Credential { grant, state: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The token: the one that is there, or a new one where it is needed. For a while after a failure nobody is asked, and
    /// it is that failure.
    ///
    /// # Errors
    /// When none can be got; why, escaped, with what to do about it and nothing secret.
    pub async fn show(&self) -> Result<Shown, String> {
        let seen = {
            let state = self.lock();
            if let Some(shown) = state.good() {
                return Ok(shown);
            }
            if let Some(why) = state.resting() {
                return Err(why);
            }
            state.attempts
        };
        let mut web = self.fetching.lock().await;
        {
            // Whoever waited behind another has what that one got, be it a token or a failure.
            let state = self.lock();
            if let Some(shown) = state.good() {
                return Ok(shown);
            }
            if let (true, Some(why)) = (state.attempts > seen, &state.failed) {
                return Err(why.clone());
            }
        }
        let fetched = self.fetch(&mut web).await;
        let mut state = self.lock();
        state.attempts += 1;
        match fetched {
            Ok((header, lasts)) => {
                let refresh = lasts.and_then(|lasts| {
                    let lasts = lasts.min(LONGEST);
                    Instant::now().checked_add(lasts.saturating_sub(BEFORE.min(lasts / 5)))
                });
                let token = Token { header, number: state.attempts, refresh };
                let shown = Shown { header: token.header.clone(), number: token.number };
                (state.token, state.failed) = (Some(token), None);
                (state.failures, state.rests) = (0, None);
                Ok(shown)
            }
            Err(why) => {
                state.token = None;
                state.failed = Some(why.clone());
                let rest = REST.saturating_mul(1 << state.failures.min(4)).min(LONGEST_REST);
                state.failures = state.failures.saturating_add(1);
                state.rests = Instant::now().checked_add(rest);
                Err(why)
            }
        }
    }

    /// As [`Credential::show`], for somebody who waits no longer than that. What is being fetched then goes on for whoever
    /// comes next: an issuer that is slower than a call would else never be heard to its end.
    ///
    /// # Errors
    /// As [`Credential::show`], and when nothing was got in time.
    pub async fn show_within(self: &Arc<Self>, most: Duration) -> Result<Shown, String> {
        if let Some(shown) = self.lock().good() {
            return Ok(shown);
        }
        let credential = Arc::clone(self);
        let fetched = tokio::spawn(async move { credential.show().await });
        let late = |why: &str| no_token(why, "look at whether the issuer is up, and how long it takes");
        match tokio::time::timeout(most, fetched).await {
            Ok(Ok(shown)) => shown,
            Ok(Err(_)) => Err(late("Ambit failed in the middle of this")),
            Err(_) => Err(late("the issuer gave none in the time that was left")),
        }
    }

    /// The token that is there, if one is; nothing is fetched.
    #[must_use]
    pub fn at_hand(&self) -> Option<HeaderValue> {
        self.lock().token.as_ref().map(|token| token.header.clone())
    }

    /// Throws a token away that a server turned away; whether another one may be tried now.
    #[must_use]
    pub fn throw_away(&self, shown: &Shown) -> bool {
        let mut state = self.lock();
        match &state.token {
            // Somebody else was turned away with it, and has fetched another.
            Some(token) if token.number != shown.number => return true,
            Some(_) => {}
            None => return true,
        }
        if state.thrown.is_some_and(|at| at.elapsed() < THROWN_EVERY) {
            return false;
        }
        state.thrown = Some(Instant::now());
        state.token = None;
        true
    }

    async fn fetch(&self, web: &mut Option<Web>) -> Result<(HeaderValue, Option<Duration>), String> {
        let web = match web {
            Some(web) => web,
            None => {
                web.insert(web::client_for_once().map_err(|why| no_token(&why, "look at this system's certificates"))?)
            }
        };
        let (named, help) = match &self.grant.giver {
            Giver::Issuer(url) => (url, "look at `issuer`, and whether it is up"),
            Giver::Endpoint(url) => (url, "look at `token-endpoint`, and whether it is up"),
        };
        let place = match &self.grant.giver {
            Giver::Issuer(issuer) => {
                discovery::place(web, issuer, Place::Tokens).await.map_err(|why| no_token(&why.to_string(), help))?
            }
            Giver::Endpoint(endpoint) => {
                let place: Option<Uri> = endpoint.parse().ok();
                place.filter(is_private).ok_or_else(|| no_token("it is neither `https` nor on this machine", help))?
            }
        };
        let request = self.request(place).ok_or_else(|| no_token("the client cannot be named in a header", help))?;
        let answer = web::ask(web, request, MOST_BYTES, PATIENCE).await;
        let answer = answer.map_err(|why| no_token(&format!("`{}`: {why}", host_of(named)), help))?;
        read(&answer).map_err(|(why, help)| no_token(&why, help))
    }

    fn request(&self, place: Uri) -> Option<Request<Full<Bytes>>> {
        let Grant { client, secret, auth, scopes, resource, .. } = &self.grant;
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials").append_pair("resource", resource);
        if !scopes.is_empty() {
            form.append_pair("scope", &scopes.join(" "));
        }
        if *auth == ClientAuth::Post {
            form.append_pair("client_id", client).append_pair("client_secret", secret.reveal());
        }
        let mut request = Request::new(Full::from(form.finish()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = place;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if *auth == ClientAuth::Basic {
            // Each half is encoded as a form is, before the two become one (RFC 6749, 2.3.1).
            let half = |text: &str| Zeroizing::new(byte_serialize(text.as_bytes()).collect::<String>());
            let both = Zeroizing::new(format!("{}:{}", *half(client), *half(secret.reveal())));
            headers.insert(AUTHORIZATION, sensitive("Basic", &Base64::encode_string(both.as_bytes()))?);
        }
        Some(request)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn good(&self) -> Option<Shown> {
        let token = self.token.as_ref()?;
        let good = token.refresh.is_none_or(|at| Instant::now() < at);
        good.then(|| Shown { header: token.header.clone(), number: token.number })
    }

    /// Why the last attempt failed, while it is too early for another.
    fn resting(&self) -> Option<String> {
        self.failed.clone().filter(|_| self.rests.is_some_and(|until| Instant::now() < until))
    }
}

/// What an issuer made of the request: the token, and how long it holds.
fn read(answer: &Response<Vec<u8>>) -> Result<(HeaderValue, Option<Duration>), (String, &'static str)> {
    let limits = Limits { bytes: MOST_BYTES, depth: 16, values: 2_000 };
    let said = document(answer.body(), limits).ok();
    let text = |name: &str| said.as_ref().and_then(|said| said.get(name)).and_then(Value::as_str);
    let help = "look at what `oauth` of the system says, and at what the issuer knows of the client";
    if answer.status() != StatusCode::OK {
        // Its code alone: what else it says is for its own people, and what an agent hears is no place for it.
        let code = text("error").map(|code| escape(&code.chars().take(60).collect::<String>()));
        let why = code.unwrap_or_else(|| answer.status().as_u16().to_string());
        return Err((format!("the issuer gives none: {why}"), help));
    }
    let kind = text("token_type").unwrap_or_default();
    if !kind.eq_ignore_ascii_case("bearer") {
        return Err(("the issuer gives something else than a bearer token".into(), help));
    }
    let token = text("access_token").filter(|token| !token.is_empty() && token.len() <= LONGEST_TOKEN);
    let header = token.and_then(|token| sensitive("Bearer", token));
    let header = header.ok_or_else(|| ("the issuer gives a token that none can show".to_owned(), help))?;
    let lasts = said.as_ref().and_then(|said| said.get("expires_in")).and_then(Value::as_u64);
    Ok((header, lasts.map(Duration::from_secs)))
}

fn sensitive(scheme: &str, value: &str) -> Option<HeaderValue> {
    let visible = value.bytes().all(|byte| byte.is_ascii_graphic());
    let mut header = HeaderValue::from_str(&Zeroizing::new(format!("{scheme} {value}"))).ok().filter(|_| visible)?;
    header.set_sensitive(true);
    Some(header)
}

fn no_token(why: &str, help: &str) -> String {
    format!("no access token could be got: {why}\nhelp: {help}")
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn credential(auth: ClientAuth) -> Credential {
        credential_of("https://login.acme.example/token", auth)
    }

    fn credential_of(endpoint: &str, auth: ClientAuth) -> Credential {
        Credential::new(Grant {
            giver: Giver::Endpoint(endpoint.into()),
            client: "ambit:1".into(),
            secret: Secret::new("hunter2 &".into()),
            auth,
            scopes: vec!["a".into(), "b".into()],
            resource: "https://t.acme.example/mcp".into(),
        })
    }

    async fn asked(auth: ClientAuth) -> (Option<String>, String) {
        let credential = credential(auth);
        assert_eq!(format!("{credential:?} {:?}", credential.grant), "*** ***");
        let request = credential.request("https://login.acme.example/token".parse().unwrap()).unwrap();
        assert!(!format!("{request:?}").contains("Basic"), "{request:?}");
        let header = request.headers().get(AUTHORIZATION).map(|header| header.to_str().unwrap().to_owned());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        (header, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_client_proves_itself_in_one_place() {
        let form = "grant_type=client_credentials&resource=https%3A%2F%2Ft.acme.example%2Fmcp&scope=a+b";
        let (header, body) = asked(ClientAuth::Basic).await;
        let both = Base64::encode_string(b"ambit%3A1:hunter2+%26");
        assert_eq!((header.as_deref(), body.as_str()), (Some(format!("Basic {both}").as_str()), form));
        let (header, body) = asked(ClientAuth::Post).await;
        assert_eq!((header, body), (None, format!("{form}&client_id=ambit%3A1&client_secret=hunter2+%26")));
    }

    #[tokio::test]
    async fn an_issuer_that_gives_none_is_left_alone_for_a_while_that_grows() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}/token", listener.local_addr().unwrap());
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counts = std::sync::Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counts.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                drop(stream);
            }
        });
        let credential = credential_of(&place, ClientAuth::Basic);
        for (times, seconds) in [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60)] {
            let first = credential.show().await.err().unwrap();
            for _ in 0..3 {
                assert_eq!(credential.show().await.err().unwrap(), first);
            }
            assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), times);
            let rests = credential.lock().rests.unwrap().duration_since(Instant::now());
            assert!(rests <= Duration::from_secs(seconds) && rests > Duration::from_secs(seconds - 2), "{rests:?}");
            // It is over.
            credential.lock().rests = Some(Instant::now());
        }
    }

    fn said(status: u16, body: &str) -> Result<(HeaderValue, Option<Duration>), String> {
        let answer = Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap();
        read(&answer).map_err(|(why, _)| why)
    }

    #[test]
    fn an_answer_is_a_bearer_token_or_none() {
        let (header, lasts) = said(200, r#"{"access_token":"abc","token_type":"Bearer","expires_in":60}"#).unwrap();
        assert!(header == "Bearer abc" && header.is_sensitive() && lasts == Some(Duration::from_secs(60)));
        assert_eq!(said(200, r#"{"access_token":"abc","token_type":"bearer"}"#).unwrap().1, None);
        for (status, body) in [
            (200, r#"{"access_token":"abc"}"#),
            (200, r#"{"access_token":"abc","token_type":"DPoP"}"#),
            (200, r#"{"access_token":"","token_type":"Bearer"}"#),
            (200, r#"{"access_token":"a b","token_type":"Bearer"}"#),
            (200, r#"{"access_token":"a\r\nX-Y: z","token_type":"Bearer"}"#),
            (200, r#"{"access_token":"abc","access_token":"abd","token_type":"Bearer"}"#),
            (200, "<html>"),
            (201, r#"{"access_token":"abc","token_type":"Bearer"}"#),
            (302, ""),
            (500, ""),
        ] {
            assert!(said(status, body).is_err(), "{status} {body}");
        }
        let why = said(401, r#"{"error":"invalid_client\u001b[2J","error_description":"hunter2"}"#).unwrap_err();
        assert!(why.contains("invalid_client") && !why.contains("hunter2") && !why.contains('\u{1b}'), "{why}");
        assert!(said(503, "hunter2").unwrap_err().contains("503"));
    }

    #[test]
    fn a_token_that_was_turned_away_is_thrown_away_once_in_a_while() {
        let credential = credential(ClientAuth::Basic);
        let put = |number| {
            let header = HeaderValue::from_static("Bearer abc");
            credential.lock().token = Some(Token { header: header.clone(), number, refresh: None });
            Shown { header, number }
        };
        let first = put(1);
        assert!(credential.throw_away(&first) && credential.at_hand().is_none());
        assert!(credential.throw_away(&first), "another is fetched by whoever comes");
        let second = put(2);
        assert!(credential.throw_away(&first) && credential.at_hand().is_some(), "it is not that one any more");
        assert!(!credential.throw_away(&second) && credential.at_hand().is_some(), "not with every call");
    }
}
