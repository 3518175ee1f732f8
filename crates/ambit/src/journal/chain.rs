//! The chain: each record's hash covers its body and the hash before; a checkpoint signs how far it has come.

use ambit_core::action::Digest;
use ambit_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::keys::{InstallationKeys, PublicKey, Signature};

/// What stands before the first record: the chain begins with the installation, so that no record of another
/// installation's chain fits into it.
#[must_use]
pub fn genesis(installation: &PublicKey) -> Digest {
    Digest::of("ambit/journal/1", &[installation.bytes()])
}

/// The hash of a record: SHA-256 over `ambit/record/1`, the hash before, and the canonical body.
#[must_use]
pub fn link(before: &Digest, body: &[u8]) -> Digest {
    Digest::of("ambit/record/1", &[&before.0, body])
}

/// The commitment to a payload: SHA-256 over `ambit/payload/1`, 32 random bytes that are sealed with it, and the payload.
#[must_use]
pub fn commitment(salt: &[u8; 32], payload: &[u8]) -> Digest {
    Digest::of("ambit/payload/1", &[salt, payload])
}

/// How far the chain had come at a time, signed with the installation's key. One kept elsewhere shows a chain that was
/// cut or written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The last record covered.
    pub sequence: u64,
    /// Its chain hash.
    #[serde(deserialize_with = "super::record::digest")]
    pub hash: Digest,
    /// When, in milliseconds since 1970.
    #[serde(deserialize_with = "super::record::timestamp")]
    pub time: Timestamp,
    /// Over the three.
    pub signature: Signature,
}

const DOMAIN: &str = "ambit/checkpoint/1";

impl Checkpoint {
    pub(super) fn sign(keys: &InstallationKeys, sequence: u64, hash: Digest, time: Timestamp) -> Checkpoint {
        let signature = keys.sign(DOMAIN, &[&sequence.to_be_bytes(), &hash.0, &time.0.to_be_bytes()]);
        Checkpoint { sequence, hash, time, signature }
    }

    /// Whether the installation signed it.
    #[must_use]
    pub fn holds(&self, installation: &PublicKey) -> bool {
        let parts: [&[u8]; 3] = [&self.sequence.to_be_bytes(), &self.hash.0, &self.time.0.to_be_bytes()];
        installation.verify(DOMAIN, &parts, &self.signature)
    }
}
