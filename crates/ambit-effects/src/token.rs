//! An access token as bytes: a signed JSON Web Token (RFC 7515, 7519, 9068), read strictly and believed by nobody until its
//! signature was checked.
//!
//! What readers of tokens are known to disagree about is an error here: keys that stand twice, padding, bits behind the last
//! character, headers that must be understood. A token that needs no key (`none`) or one that both sides know (`HS256`)
//! has no [`Algorithm`], so no such token is ever read.

use ambit_core::time::Timestamp;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::json::{Limits, document};

/// The most bytes of a token that are read.
pub const MOST_BYTES: usize = 16 << 10;

/// So far may the issuer's clock be from ours, in milliseconds.
pub const LEEWAY_MS: i64 = 30_000;

const LIMITS: Limits = Limits { bytes: MOST_BYTES, depth: 16, values: 2_000 };

/// How a token is signed: always with a key that only its issuer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    Rs256,
    /// RSA with PSS and SHA-256.
    Ps256,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The algorithm of that name; `None` for every other, `none` and those with a shared key among them.
    #[must_use]
    pub fn named(name: &str) -> Option<Algorithm> {
        Some(match name {
            "RS256" => Algorithm::Rs256,
            "PS256" => Algorithm::Ps256,
            "ES256" => Algorithm::Es256,
            // RFC 9864 gave it the name of its curve.
            "EdDSA" | "Ed25519" => Algorithm::EdDsa,
            _ => return None,
        })
    }
}

/// What a token says it is (`typ`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `at+jwt`: an access token, and nothing else that an issuer signs (RFC 9068).
    AccessToken,
    /// `JWT`, or nothing: whatever an issuer signs.
    Plain,
}

/// A token that was read. Nothing that it says is shown before [`Unproved::proved`].
#[derive(Clone)]
pub struct Unproved {
    algorithm: Algorithm,
    key: Option<String>,
    signed: String,
    signature: Vec<u8>,
    claims: Claims,
}

/// What a token says, once its signature was checked. Text in it is the issuer's, and may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// What it says it is.
    pub kind: Type,
    /// `iss`: who signed it.
    pub issuer: String,
    /// `sub`: whom it is about.
    pub subject: String,
    /// `aud`: for whom it is.
    pub audience: Vec<String>,
    /// `client_id`, or where there is none `azp`: to which client it was given.
    pub client: Option<String>,
    /// `scope`, word by word.
    pub scopes: Vec<String>,
    /// `exp`.
    pub expires: Timestamp,
    /// `nbf`.
    pub not_before: Option<Timestamp>,
    /// `iat`.
    pub issued: Option<Timestamp>,
}

/// Why bytes are no token that can be proved. Never anything of what stood in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotAToken {
    /// More than [`MOST_BYTES`].
    #[error("the token has more than {MOST_BYTES} bytes")]
    TooLong,
    /// Not three parts in Base64url, each written in the one way there is.
    #[error("the token is no signed JSON Web Token")]
    Form,
    /// A header or claims that are not one object that every reader reads alike.
    #[error("the token's {0} cannot be read")]
    Json(&'static str),
    /// Signed in a way that proves nothing here.
    #[error("the token is not signed in a way that is taken")]
    Algorithm,
    /// It says what must be understood, or is of a type that is no access token's.
    #[error("the token is of a kind that is not taken")]
    Kind,
    /// A claim is missing, or is not what it must be.
    #[error("the token's `{0}` is missing, or is not what it must be")]
    Claim(&'static str),
}

/// What a token must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Who signed it, exactly.
    pub issuer: &'a str,
    /// For whom alone it is, exactly.
    pub audience: &'a str,
    /// Whether [`Type::Plain`] will do.
    pub plain: bool,
    /// What time it is.
    pub now: Timestamp,
}

/// Why a token that its issuer signed is not for us, or not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// Another issuer's.
    #[error("the token is another issuer's")]
    Issuer,
    /// Not an access token by its own word.
    #[error("the token does not say that it is an access token")]
    Kind,
    /// For somebody else, or for somebody else as well.
    #[error("the token is not for this resource alone")]
    Audience,
    /// Over.
    #[error("the token is over")]
    Expired,
    /// Not yet good.
    #[error("the token is not good yet")]
    Early,
}

impl Unproved {
    /// Reads a token.
    ///
    /// # Errors
    /// When it is none that could be proved.
    pub fn read(token: &str) -> Result<Unproved, NotAToken> {
        if token.len() > MOST_BYTES {
            return Err(NotAToken::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(NotAToken::Form)?;
        let (header, claims) = signed.split_once('.').ok_or(NotAToken::Form)?;
        let header = object(header, "header")?;
        let algorithm = text(&header, "alg").ok_or(NotAToken::Algorithm)?;
        let algorithm = algorithm.and_then(|name| Algorithm::named(&name)).ok_or(NotAToken::Algorithm)?;
        // What a header wants understood is not understood here. Where it says a key is to be found is not looked at.
        if header.contains_key("crit") {
            return Err(NotAToken::Kind);
        }
        let kind = kind_of(text(&header, "typ").ok_or(NotAToken::Kind)?.as_deref()).ok_or(NotAToken::Kind)?;
        let key = text(&header, "kid").ok_or(NotAToken::Claim("kid"))?;
        let claims = Claims::read(kind, &object(claims, "claims")?)?;
        let signature = decoded(signature)?;
        Ok(Unproved { algorithm, key, signed: signed.to_owned(), signature, claims })
    }

    /// How it says that it is signed.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key by which it says that it is signed.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Whether it says that it is that issuer's: before, it is not worth looking for a key.
    #[must_use]
    pub fn names_issuer(&self, issuer: &str) -> bool {
        self.claims.issuer == issuer
    }

    /// What it says, where `signature_holds` of the bytes that were signed and of the signature; it is to check them with
    /// [`Unproved::algorithm`] and a key of the issuer's that is for it.
    #[must_use]
    pub fn proved(self, signature_holds: impl FnOnce(&[u8], &[u8]) -> bool) -> Option<Claims> {
        signature_holds(self.signed.as_bytes(), &self.signature).then_some(self.claims)
    }
}

impl std::fmt::Debug for Unproved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Claims {
    fn read(kind: Type, claims: &Map<String, Value>) -> Result<Claims, NotAToken> {
        let said = |name: &'static str| text(claims, name).ok_or(NotAToken::Claim(name));
        let must = |name: &'static str| said(name)?.filter(|text| !text.is_empty()).ok_or(NotAToken::Claim(name));
        let client = match (said("client_id")?, said("azp")?) {
            (Some(one), Some(other)) if one != other => return Err(NotAToken::Claim("azp")),
            (one, other) => one.or(other),
        };
        let audience = match claims.get("aud") {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => {
                let all: Option<Vec<String>> = all.iter().map(|one| one.as_str().map(str::to_owned)).collect();
                all.ok_or(NotAToken::Claim("aud"))?
            }
            _ => return Err(NotAToken::Claim("aud")),
        };
        Ok(Claims {
            kind,
            issuer: must("iss")?,
            subject: must("sub")?,
            audience,
            client,
            scopes: said("scope")?.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            // Where a part of a second stands, it counts against the token.
            expires: instant(claims, "exp", f64::floor)?.ok_or(NotAToken::Claim("exp"))?,
            not_before: instant(claims, "nbf", f64::ceil)?,
            issued: instant(claims, "iat", f64::ceil)?,
        })
    }

    /// Whether the token is for us, and good now.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, expected: &Expected<'_>) -> Result<(), Unfit> {
        if self.issuer != expected.issuer {
            return Err(Unfit::Issuer);
        }
        if self.kind == Type::Plain && !expected.plain {
            return Err(Unfit::Kind);
        }
        // A token that is for others too could be one that they were given, and pass on.
        if !matches!(self.audience.as_slice(), [one] if one == expected.audience) {
            return Err(Unfit::Audience);
        }
        let now = expected.now.0;
        if now >= self.expires.0.saturating_add(LEEWAY_MS) {
            return Err(Unfit::Expired);
        }
        let begins = self.not_before.into_iter().chain(self.issued).map(|at| at.0).max();
        if begins.is_some_and(|at| now.saturating_add(LEEWAY_MS) < at) {
            return Err(Unfit::Early);
        }
        Ok(())
    }
}

fn kind_of(said: Option<&str>) -> Option<Type> {
    let Some(said) = said else { return Some(Type::Plain) };
    let said = said.to_ascii_lowercase();
    match said.strip_prefix("application/").unwrap_or(&said) {
        "at+jwt" => Some(Type::AccessToken),
        "jwt" => Some(Type::Plain),
        _ => None,
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, NotAToken> {
    let bytes = Base64UrlUnpadded::decode_vec(part).map_err(|_| NotAToken::Form)?;
    // One token, one text of it.
    if Base64UrlUnpadded::encode_string(&bytes) == part { Ok(bytes) } else { Err(NotAToken::Form) }
}

fn object(part: &str, what: &'static str) -> Result<Map<String, Value>, NotAToken> {
    match document(&decoded(part)?, LIMITS) {
        Ok(Value::Object(members)) => Ok(members),
        _ => Err(NotAToken::Json(what)),
    }
}

/// A member that is text; `Some(None)` where there is none, `None` where it is something else.
fn text(members: &Map<String, Value>, name: &str) -> Option<Option<String>> {
    match members.get(name) {
        None => Some(None),
        Some(Value::String(text)) => Some(Some(text.clone())),
        Some(_) => None,
    }
}

/// A moment, in seconds since 1970 as tokens have it.
fn instant(
    claims: &Map<String, Value>,
    name: &'static str,
    whole: fn(f64) -> f64,
) -> Result<Option<Timestamp>, NotAToken> {
    const FURTHEST: f64 = 253_402_300_800.0; // the year 10000
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..FURTHEST).contains(seconds)).map(whole);
    // Within these bounds every whole number of seconds is exact.
    let seconds = seconds.and_then(|seconds| format!("{seconds:.0}").parse::<i64>().ok());
    seconds.map(|seconds| Some(Timestamp(seconds * 1_000))).ok_or(NotAToken::Claim(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const SECONDS: i64 = NOW.0 / 1_000;

    fn token(header: &str, claims: &str) -> String {
        let part = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
        format!("{}.{}.{}", part(header), part(claims), part("signature"))
    }

    fn claims() -> Value {
        json!({
            "iss": "https://login.acme.example", "sub": "helper", "aud": "https://gate.acme.example/agents/helper/mcp",
            "client_id": "c1", "exp": SECONDS + 60, "iat": SECONDS, "scope": "a b",
        })
    }

    const HEADER: &str = r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#;

    fn read(header: &str, claims: &str) -> Result<Claims, NotAToken> {
        Ok(Unproved::read(&token(header, claims))?.proved(|_, _| true).unwrap())
    }

    fn checked(change: impl FnOnce(&mut Value)) -> Result<(), Unfit> {
        let mut claims = claims();
        change(&mut claims);
        let expected = Expected {
            issuer: "https://login.acme.example",
            audience: "https://gate.acme.example/agents/helper/mcp",
            plain: false,
            now: NOW,
        };
        read(HEADER, &claims.to_string()).unwrap().check(&expected)
    }

    #[test]
    fn what_a_token_says_is_shown_once_it_is_proved() {
        let text = token(HEADER, &claims().to_string());
        let unproved = Unproved::read(&text).unwrap();
        assert_eq!((unproved.algorithm(), unproved.key()), (Algorithm::Rs256, Some("k1")));
        assert_eq!(format!("{unproved:?}"), "***");
        assert!(unproved.names_issuer("https://login.acme.example") && !unproved.names_issuer("https://login.acme"));
        assert!(unproved.clone().proved(|_, _| false).is_none());
        let signed = text.rsplit_once('.').unwrap().0.to_owned();
        let said = unproved.proved(|bytes, signature| bytes == signed.as_bytes() && signature == b"signature").unwrap();
        assert_eq!((said.subject.as_str(), said.client.as_deref()), ("helper", Some("c1")));
        assert_eq!(said.scopes, ["a", "b"]);
    }

    #[test]
    fn what_proves_nothing_is_not_read() {
        let good = claims().to_string();
        for algorithm in ["none", "None", "NONE", "HS256", "HS512", "RS1", "rs256", "ES256K", ""] {
            let header = format!(r#"{{"alg":"{algorithm}","typ":"at+jwt"}}"#);
            assert_eq!(read(&header, &good), Err(NotAToken::Algorithm), "{algorithm}");
        }
        assert_eq!(read(r#"{"typ":"at+jwt"}"#, &good), Err(NotAToken::Algorithm));
        assert_eq!(read(r#"{"alg":["RS256"]}"#, &good), Err(NotAToken::Algorithm));
        assert_eq!(read(r#"{"alg":"RS256","alg":"none"}"#, &good), Err(NotAToken::Json("header")));
        assert_eq!(read(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#, &good), Err(NotAToken::Kind));
        for kind in ["dpop+jwt", "logout+jwt", "JWE", ""] {
            assert_eq!(read(&format!(r#"{{"alg":"RS256","typ":"{kind}"}}"#), &good), Err(NotAToken::Kind), "{kind}");
        }
        assert_eq!(read(r#"{"alg":"RS256","kid":7}"#, &good), Err(NotAToken::Claim("kid")));
        let twice = good.replacen('{', r#"{"sub":"other","#, 1);
        assert_eq!(read(HEADER, &twice), Err(NotAToken::Json("claims")));
        assert_eq!(read(HEADER, "[]"), Err(NotAToken::Json("claims")));
    }

    #[test]
    fn a_token_has_one_text() {
        let text = token(HEADER, &claims().to_string());
        assert!(Unproved::read(&text).is_ok());
        for wrong in [
            format!("{text}="),
            format!("{text}.x"),
            format!(" {text}"),
            text.replacen('.', "..", 1),
            text.rsplit_once('.').unwrap().0.to_owned(),
            // `signature` ends in bits that are not its own.
            text.replace("c2lnbmF0dXJl", "c2lnbmF0dXJlZQ").replace("ZQ", "ZR"),
            String::new(),
            "..".into(),
        ] {
            assert!(Unproved::read(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(Unproved::read(&"x".repeat(MOST_BYTES + 1)).unwrap_err(), NotAToken::TooLong);
    }

    #[test]
    fn every_claim_must_be_what_it_must_be() {
        for name in ["iss", "sub", "aud", "exp"] {
            let mut without = claims();
            without.as_object_mut().unwrap().remove(name);
            assert_eq!(read(HEADER, &without.to_string()), Err(NotAToken::Claim(name)));
        }
        for (name, value) in [
            ("iss", json!(["https://login.acme.example"])),
            ("sub", json!(7)),
            ("sub", json!("")),
            ("aud", json!({"a": 1})),
            ("aud", json!(["a", 1])),
            ("exp", json!("1800000060")),
            ("exp", json!(-1)),
            ("exp", json!(1e300)),
            ("exp", Value::Null),
            ("nbf", json!("x")),
            ("iat", json!([])),
            ("scope", json!(["a"])),
            ("client_id", json!(1)),
        ] {
            let mut wrong = claims();
            wrong[name] = value.clone();
            assert_eq!(read(HEADER, &wrong.to_string()), Err(NotAToken::Claim(name)), "{name} {value}");
        }
        let mut other = claims();
        other["azp"] = json!("c2");
        assert_eq!(read(HEADER, &other.to_string()), Err(NotAToken::Claim("azp")));
        other.as_object_mut().unwrap().remove("client_id");
        assert_eq!(read(HEADER, &other.to_string()).unwrap().client.as_deref(), Some("c2"));
    }

    #[test]
    fn a_token_is_for_one_resource_and_for_a_while() {
        assert_eq!(checked(|_| {}), Ok(()));
        assert_eq!(checked(|c| c["iss"] = json!("https://login.acme.example/")), Err(Unfit::Issuer));
        for aud in [
            json!("https://gate.acme.example/agents/helper/mcp/"),
            json!("https://gate.acme.example"),
            json!("https://GATE.acme.example/agents/helper/mcp"),
            json!([]),
            json!(["https://gate.acme.example/agents/helper/mcp", "https://gate.acme.example/agents/other/mcp"]),
        ] {
            assert_eq!(checked(|c| c["aud"] = aud.clone()), Err(Unfit::Audience), "{aud}");
        }
        assert_eq!(checked(|c| c["aud"] = json!(["https://gate.acme.example/agents/helper/mcp"])), Ok(()));
        for (name, offset, fits) in [
            ("exp", -29, Ok(())),
            ("exp", -30, Err(Unfit::Expired)),
            ("exp", -3600, Err(Unfit::Expired)),
            ("nbf", 30, Ok(())),
            ("nbf", 31, Err(Unfit::Early)),
            ("iat", 31, Err(Unfit::Early)),
        ] {
            assert_eq!(checked(|c| c[name] = json!(SECONDS + offset)), fits, "{name} {offset}");
        }
        assert_eq!(checked(|c| c["nbf"] = json!(SECONDS as f64 + 30.5)), Err(Unfit::Early), "counts against it");
    }

    #[test]
    fn only_what_says_that_it_is_an_access_token_is_one_unless_told() {
        let claims = claims().to_string();
        for (header, kind) in [
            (r#"{"alg":"RS256","typ":"AT+JWT"}"#, Type::AccessToken),
            (r#"{"alg":"RS256","typ":"application/at+jwt"}"#, Type::AccessToken),
            (r#"{"alg":"RS256","typ":"JWT"}"#, Type::Plain),
            (r#"{"alg":"RS256"}"#, Type::Plain),
        ] {
            let read = read(header, &claims).unwrap();
            assert_eq!(read.kind, kind, "{header}");
            let expected = |plain| Expected {
                issuer: "https://login.acme.example",
                audience: "https://gate.acme.example/agents/helper/mcp",
                plain,
                now: NOW,
            };
            assert_eq!(read.check(&expected(false)).is_ok(), kind == Type::AccessToken);
            assert_eq!(read.check(&expected(true)), Ok(()));
        }
    }
}
