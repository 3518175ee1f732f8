//! What is kept beside a token's hash so that its holder can prove it without saying it (SCRAM-SHA-256, RFC 7677): a
//! driver of PostgreSQL logs in so. A token has 256 random bits, so the number of rounds protects nothing: it is the
//! protocol's own.

use std::num::NonZeroU32;

use ambit_effects::sql::wire::scram::{Opening, Proof};
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::pbkdf2;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::hex;

/// The rounds; PostgreSQL's own.
const ROUNDS: u32 = 4_096;

/// What a proof is held against. Whoever has it can pretend to be Ambit, and cannot be the agent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifier {
    stored: String,
    server: String,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier(***)")
    }
}

impl Verifier {
    /// The verifier of a secret under a salt.
    #[must_use]
    pub fn of(secret: &str, salt: &[u8]) -> Verifier {
        let mut salted = Zeroizing::new([0; 32]);
        let rounds = NonZeroU32::new(ROUNDS).unwrap_or(NonZeroU32::MIN);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, secret.as_bytes(), &mut *salted);
        let client = Zeroizing::new(hmac(&*salted, b"Client Key"));
        Verifier { stored: hex::write(&Sha256::digest(*client)), server: hex::write(&hmac(&*salted, b"Server Key")) }
    }

    /// One that nothing proves.
    #[must_use]
    pub fn of_nobody() -> Verifier {
        Verifier { stored: hex::write(&[0; 32]), server: hex::write(&[0; 32]) }
    }

    fn stored(&self) -> Option<[u8; 32]> {
        hex::read(&self.stored)?.try_into().ok()
    }
}

/// A proof under way: what was said so far.
pub struct Challenge {
    binding: &'static str,
    bare: String,
    nonce: String,
    said: String,
}

impl Challenge {
    /// Answers a driver's first message. `chance`: what Ambit drew. `None`: that is no first message.
    #[must_use]
    pub fn new(first: &[u8], salt: &[u8], chance: &[u8]) -> Option<Challenge> {
        let opening = Opening::read(first)?;
        let nonce = format!("{}{}", opening.nonce, Base64::encode_string(chance));
        let said = format!("r={nonce},s={},i={ROUNDS}", Base64::encode_string(salt));
        Some(Challenge { binding: opening.binding, bare: opening.bare.to_owned(), nonce, said })
    }

    /// What the driver is told.
    #[must_use]
    pub fn said(&self) -> &str {
        &self.said
    }

    /// Which of the secrets the driver's last message proves, and what it is told then, which proves to it that this is
    /// Ambit. All of them are looked at, whichever it is.
    #[must_use]
    pub fn proved<'a, T>(
        &self,
        last: &[u8],
        verifiers: impl Iterator<Item = (T, &'a Verifier)>,
    ) -> Option<(T, String)> {
        let proof = Proof::read(last, self.binding, &self.nonce)?;
        let all = format!("{},{},{}", self.bare, self.said, proof.without_proof);
        let mut found = None;
        for (whose, verifier) in verifiers {
            let (Some(stored), Some(server)) = (verifier.stored(), hex::read(&verifier.server)) else { continue };
            let mut client = hmac(&stored, all.as_bytes());
            client.iter_mut().zip(proof.proof).for_each(|(byte, other)| *byte ^= other);
            if Sha256::digest(client).ct_eq(&stored).into() {
                found = Some((whose, format!("v={}", Base64::encode_string(&hmac(&server, all.as_bytes())))));
            }
        }
        found
    }
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // Any length of key is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_of_the_standard_is_ours() {
        // RFC 7677, section 3; what the server draws there is not Base64, so the challenge is put together here.
        let salt = Base64::decode_vec("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let verifier = Verifier::of("pencil", &salt);
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let challenge = Challenge {
            binding: "n,,",
            bare: "n=user,r=rOprNGfwEbeRWgbNEkqO".into(),
            nonce: nonce.into(),
            said: format!("r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
        };
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let other = Verifier::of("pencils", &salt);
        let said = challenge.proved(last.as_bytes(), [(1, &other), (2, &verifier)].into_iter());
        assert_eq!(said, Some((2, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".into())));
        assert_eq!(challenge.proved(last.as_bytes(), [(1, &other), (3, &Verifier::of_nobody())].into_iter()), None);
        let wrong = last.replace("dHzb", "dHzc");
        assert_eq!(challenge.proved(wrong.as_bytes(), [(2, &verifier)].into_iter()), None);
    }

    #[test]
    fn a_challenge_repeats_what_the_driver_drew_and_adds_to_it() {
        let challenge = Challenge::new(b"y,,n=,r=0123456789", b"salt", b"chance").unwrap();
        assert_eq!(challenge.said(), "r=0123456789Y2hhbmNl,s=c2FsdA==,i=4096");
        assert!(Challenge::new(b"p=tls-unique,,n=,r=0123456789", b"salt", b"chance").is_none());
        assert_eq!(format!("{:?}", Verifier::of("a", b"salt")), "Verifier(***)");
    }
}
