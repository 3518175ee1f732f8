//! Signatures over statements. A statement is a domain (`ambit/confirm/1`) and parts, digested like every other digest,
//! so that a signature given for one purpose never stands for another.

use std::fmt;

use ambit_core::action::Digest;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hex;

/// An Ed25519 public key. Prints as lowercase hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// An Ed25519 signature. Prints as lowercase hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(ed25519_dalek::Signature);

impl PublicKey {
    /// Reads 64 hex digits; `None` when they are no key, or one that verifies anything.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<PublicKey> {
        VerifyingKey::from_bytes(&hex::read_exactly(text)?).ok().filter(|key| !key.is_weak()).map(PublicKey)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Whether the signature is this key's over exactly this statement.
    #[must_use]
    pub fn verify(&self, domain: &str, parts: &[&[u8]], signature: &Signature) -> bool {
        self.0.verify_strict(&Digest::of(domain, parts).0, &signature.0).is_ok()
    }
}

impl Signature {
    /// Reads 128 hex digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Signature> {
        hex::read_exactly(text).map(|bytes: [u8; 64]| Signature(ed25519_dalek::Signature::from_bytes(&bytes)))
    }
}

pub(super) fn sign(key: &SigningKey, domain: &str, parts: &[&[u8]]) -> Signature {
    Signature(key.sign(&Digest::of(domain, parts).0))
}

pub(super) fn public(key: &SigningKey) -> PublicKey {
    PublicKey(key.verifying_key())
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::write(self.bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::write(&self.0.to_bytes()))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        PublicKey::from_hex(&String::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("not an Ed25519 public key of 64 hex digits"))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        Signature::from_hex(&String::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("not a signature of 128 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_statement_alone() {
        let (key, other) = (SigningKey::from_bytes(&[7; 32]), SigningKey::from_bytes(&[8; 32]));
        let signature = sign(&key, "ambit/confirm/1", &[b"ab", b"c"]);
        assert!(public(&key).verify("ambit/confirm/1", &[b"ab", b"c"], &signature));
        assert!(!public(&key).verify("ambit/release/1", &[b"ab", b"c"], &signature));
        assert!(!public(&key).verify("ambit/confirm/1", &[b"a", b"bc"], &signature));
        assert!(!public(&key).verify("ambit/confirm/1", &[b"abc"], &signature));
        assert!(!public(&other).verify("ambit/confirm/1", &[b"ab", b"c"], &signature));
        assert_eq!(Signature::from_hex(&signature.to_string()), Some(signature));
        assert_eq!(PublicKey::from_hex(&public(&key).to_string()), Some(public(&key)));
    }

    #[test]
    fn a_key_that_verifies_anything_is_none() {
        assert_eq!(PublicKey::from_hex(&format!("01{}", "00".repeat(31))), None);
        assert_eq!(PublicKey::from_hex(&"00".repeat(32)), None);
    }
}
