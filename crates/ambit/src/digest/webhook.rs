//! A digest on its way to a webhook, as [Standard Webhooks](https://www.standardwebhooks.com) have it: signed, to one
//! address, in the clear on this machine alone, and no further than to that address.

use std::time::Duration;

use ambit_core::time::Timestamp;
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::json;
use sha2::Sha256;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::Account;
use crate::escape::escape;
use crate::loopback::is_this_machine;

/// The address, and the key that signs what goes there. Never printed: the path may hold a secret.
pub struct Webhook {
    uri: Uri,
    key: Zeroizing<Vec<u8>>,
}

/// Why it was not delivered; in words that hold nothing of address or key but the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDelivered {
    /// The address is none to send to.
    #[error("the webhook's address is no URL that is `https` or on this machine")]
    Address,
    /// The key is none.
    #[error("the webhook's secret is none: it must be `whsec_` and the Base64 of 24 to 64 bytes")]
    Secret,
    /// Whoever is there did not take it.
    #[error("`{host}` answered {status}{more}")]
    Refused {
        /// Where.
        host: String,
        /// With what.
        status: u16,
        /// What that means, where it is to be said.
        more: &'static str,
    },
    /// Nobody was there.
    #[error("`{host}` could not be reached: {why}")]
    Unreached {
        /// Where.
        host: String,
        /// Why.
        why: String,
    },
}

const WITHIN: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(10);
/// How a secret begins.
pub const PREFIX: &str = "whsec_";

impl Webhook {
    /// A webhook.
    ///
    /// # Errors
    /// When the address or the secret cannot be one.
    pub fn new(url: &str, secret: &str) -> Result<Webhook, NotDelivered> {
        let uri: Uri = url.parse().map_err(|_| NotDelivered::Address)?;
        let host = uri.host().unwrap_or_default();
        let private = match uri.scheme_str() {
            Some("https") => !host.is_empty(),
            Some("http") => is_this_machine(host),
            _ => false,
        };
        if !private {
            return Err(NotDelivered::Address);
        }
        let digits = secret.strip_prefix(PREFIX).ok_or(NotDelivered::Secret)?;
        let key = Zeroizing::new(Base64::decode_vec(digits).map_err(|_| NotDelivered::Secret)?);
        if !(24..=64).contains(&key.len()) {
            return Err(NotDelivered::Secret);
        }
        Ok(Webhook { uri, key })
    }

    /// Its host, for messages.
    #[must_use]
    pub fn host(&self) -> String {
        escape(self.uri.host().unwrap_or_default())
    }

    /// Sends it once. A redirect is not followed, and what is answered is not read. `id`: the same for every attempt at
    /// one digest, so that whoever takes it can tell. The status with which it was taken.
    ///
    /// # Errors
    /// When it was not taken; it may nevertheless have arrived.
    pub async fn send(&self, id: &str, at: Timestamp, body: Vec<u8>) -> Result<u16, NotDelivered> {
        let unreached = |why: String| NotDelivered::Unreached { host: self.host(), why: escape(&why) };
        let seconds = at.0.div_euclid(1000).to_string();
        let signature = self.sign(id, &seconds, &body);
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| NotDelivered::Address);
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("ambit/", env!("CARGO_PKG_VERSION"))));
        headers.insert("webhook-id", header(id)?);
        headers.insert("webhook-timestamp", header(&seconds)?);
        headers.insert("webhook-signature", header(&signature)?);
        let provider = tokio_rustls::rustls::crypto::ring::default_provider();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(provider)
            .map_err(|error| unreached(format!("this system's certificates cannot be read: {error}")))?
            .https_or_http()
            .enable_http1();
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(CONNECT));
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            // Sent once: a digest that may have arrived is not sent again behind our back.
            .retry_canceled_requests(false)
            .pool_max_idle_per_host(0)
            .build(connector.wrap_connector(plain));
        let answer = match timeout(WITHIN, client.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let deepest =
                    std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
                return Err(unreached(deepest.map(ToString::to_string).unwrap_or_default()));
            }
            Err(_) => return Err(unreached(format!("it did not answer within {} s", WITHIN.as_secs()))),
        };
        let status = answer.status();
        drop(answer.into_body().into_data_stream());
        if status.is_success() {
            return Ok(status.as_u16());
        }
        let more = if status.is_redirection() { ", and redirects are not followed" } else { "" };
        Err(NotDelivered::Refused { host: self.host(), status: status.as_u16(), more })
    }

    /// `v1,` and the Base64 of the HMAC-SHA256 of `ID.SECONDS.BODY`.
    fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key);
        let code = mac.map(|mut mac| {
            for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
                mac.update(part);
            }
            Base64::encode_string(&mac.finalize().into_bytes())
        });
        // A key of any length is one.
        code.map_or_else(|_| String::new(), |code| format!("v1,{code}"))
    }
}

impl NotDelivered {
    /// Whether trying again could help: what is wrong with address or secret is wrong until somebody changes it.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            NotDelivered::Address | NotDelivered::Secret => false,
            NotDelivered::Refused { status, .. } => *status != StatusCode::GONE.as_u16(),
            NotDelivered::Unreached { .. } => true,
        }
    }
}

/// The body: what it is, when it was made, the account, and the same in words (as `text`, which chats show, and in which
/// nothing is a link or a mention).
#[must_use]
pub fn body(account: &Account, at: Timestamp) -> Vec<u8> {
    let timestamp = jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_string()).unwrap_or_default();
    let body =
        json!({ "type": "ambit.digest", "timestamp": timestamp, "text": plain(&account.words()), "data": account });
    body.to_string().into_bytes()
}

/// A text without what chats take for markup: others stand in its place that look alike.
fn plain(text: &str) -> String {
    let text = text.replace("://", ": //");
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let within = before.is_alphanumeric() && chars.peek().is_some_and(|next| next.is_alphanumeric());
        before = c;
        out.push(match c {
            '<' => '＜',
            '>' => '＞',
            '&' => '＆',
            '@' => '＠',
            '[' => '［',
            ']' => '］',
            '|' => '｜',
            '*' => '＊',
            '`' => '\'',
            // Within a name it is nothing to a chat.
            '_' if !within => '＿',
            c => c,
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_chat_shows_has_no_links_and_mentions_nobody() {
        let said = plain("<!channel> <https://e.example/x|Confirm> [it](http://e.example) @here `a` *b* _c_ &amp; d_e");
        assert_eq!(
            said,
            "＜!channel＞ ＜https: //e.example/x｜Confirm＞ ［it］(http: //e.example) ＠here 'a' ＊b＊ ＿c＿ ＆amp; d_e"
        );
    }

    #[test]
    fn a_signature_is_the_one_that_the_standard_shows() {
        // The example of the Standard Webhooks specification's own libraries.
        let webhook = Webhook::new("https://a.example/x", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = webhook.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn an_address_is_private_and_a_secret_is_one() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        for url in ["https://a.example/x", "http://127.0.0.1:9/x", "http://localhost/x"] {
            assert!(Webhook::new(url, secret).is_ok(), "{url}");
        }
        for url in ["http://a.example/x", "ftp://a.example", "a", "", "https:///x"] {
            assert_eq!(Webhook::new(url, secret).err(), Some(NotDelivered::Address), "{url}");
        }
        for wrong in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"] {
            assert_eq!(Webhook::new("https://a.example", wrong).err(), Some(NotDelivered::Secret), "{wrong}");
        }
    }
}
