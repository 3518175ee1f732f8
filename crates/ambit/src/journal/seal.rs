//! Payloads at rest: each sealed under a key of its own, which is wrapped by the installation's sealing key and stands
//! beside it. To remove the sealed bytes is to remove that key.
//!
//! Layout: version (1 byte), nonce of the wrapping (24), wrapped key (48), nonce (24), sealed salt and payload. Both
//! are XChaCha20-Poly1305 and bound to the record's commitment and kind, so that they open in no other record's place;
//! the commitment stands in the chain, which binds it to the record's number.

use ambit_core::action::Digest;
use chacha20poly1305::aead::{Aead, AeadInOut, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::{JournalError, Kind, chain};
use crate::keys::{InstallationKeys, Secret};
use crate::world::World;

const VERSION: u8 = 1;
const NONCE: usize = 24;
const WRAPPED: usize = 32 + 16;

/// A payload sealed, and the commitment to it.
pub(super) struct Sealed {
    pub commitment: Digest,
    pub bytes: Vec<u8>,
}

/// A payload opened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The salt of its commitment: with it, whoever is given the payload can check it against the chain.
    pub salt: [u8; 32],
    /// The payload.
    pub payload: Secret,
}

pub(super) fn seal(
    keys: &InstallationKeys,
    world: &dyn World,
    kind: Kind,
    payload: &[u8],
) -> Result<Sealed, JournalError> {
    let mut chance = Zeroizing::new([0u8; 32 + 32 + NONCE + NONCE]);
    world.random(&mut *chance).map_err(|error| JournalError::Failed(error.to_string()))?;
    let parts = || {
        let (salt, rest) = chance.split_first_chunk::<32>()?;
        let (key, rest) = rest.split_first_chunk::<32>()?;
        let (wrapping_nonce, rest) = rest.split_first_chunk::<NONCE>()?;
        Some((salt, key, wrapping_nonce, rest.first_chunk::<NONCE>()?))
    };
    let failed = || JournalError::Failed("a payload could not be sealed".into());
    let (salt, key, wrapping_nonce, nonce) = parts().ok_or_else(failed)?;
    let commitment = chain::commitment(salt, payload);
    let wrapped = cipher(keys.sealing())
        .encrypt(&XNonce::from(*wrapping_nonce), Payload { msg: key, aad: &bound_to("ambit/wrap/1", commitment, kind) })
        .map_err(|_| failed())?;
    let mut content = Vec::with_capacity(32 + payload.len() + 16);
    content.extend_from_slice(salt);
    content.extend_from_slice(payload);
    cipher(key)
        .encrypt_in_place(&XNonce::from(*nonce), &bound_to("ambit/seal/1", commitment, kind), &mut content)
        .map_err(|_| failed())?;
    let bytes = [&[VERSION][..], wrapping_nonce, &wrapped, nonce, &content].concat();
    Ok(Sealed { commitment, bytes })
}

/// Opens a sealed payload; `None` when it is not what the commitment is to, or was not sealed by this installation.
pub(super) fn open(keys: &InstallationKeys, commitment: Digest, kind: Kind, sealed: &[u8]) -> Option<Opened> {
    let rest = sealed.strip_prefix(&[VERSION])?;
    let (wrapping_nonce, rest) = rest.split_first_chunk::<NONCE>()?;
    let (wrapped, rest) = rest.split_first_chunk::<WRAPPED>()?;
    let (nonce, content) = rest.split_first_chunk::<NONCE>()?;
    let aad = bound_to("ambit/wrap/1", commitment, kind);
    let key = cipher(keys.sealing())
        .decrypt(&XNonce::from(*wrapping_nonce), Payload { msg: wrapped, aad: &aad })
        .ok()
        .map(Zeroizing::new)?;
    let aad = bound_to("ambit/seal/1", commitment, kind);
    let content = cipher(key.first_chunk()?)
        .decrypt(&XNonce::from(*nonce), Payload { msg: content, aad: &aad })
        .ok()
        .map(Zeroizing::new)?;
    let (salt, payload) = content.split_first_chunk::<32>()?;
    (chain::commitment(salt, payload) == commitment)
        .then(|| Opened { salt: *salt, payload: Secret::new(payload.to_vec()) })
}

fn cipher(key: &[u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(*key))
}

fn bound_to(domain: &str, commitment: Digest, kind: Kind) -> [u8; 32] {
    Digest::of(domain, &[&commitment.0, kind.word().as_bytes()]).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Real;

    #[test]
    fn a_payload_opens_in_its_own_place_alone() {
        let keys = InstallationKeys::from_seed(&[3; 64]);
        let sealed = seal(&keys, &Real, Kind::Asked, b"SELECT 1").unwrap();
        let again = seal(&keys, &Real, Kind::Asked, b"SELECT 1").unwrap();
        assert!(sealed.commitment != again.commitment, "equal payloads must not show");
        let opened = open(&keys, sealed.commitment, Kind::Asked, &sealed.bytes).unwrap();
        assert_eq!(opened.payload.expose(), b"SELECT 1");
        assert_eq!(chain::commitment(&opened.salt, b"SELECT 1"), sealed.commitment);
        assert_eq!(open(&keys, sealed.commitment, Kind::Outcome, &sealed.bytes), None);
        assert_eq!(open(&keys, again.commitment, Kind::Asked, &sealed.bytes), None);
        assert_eq!(open(&InstallationKeys::from_seed(&[4; 64]), sealed.commitment, Kind::Asked, &sealed.bytes), None);
        for n in 0..sealed.bytes.len() {
            let mut changed = sealed.bytes.clone();
            changed[n] ^= 1;
            assert_eq!(open(&keys, sealed.commitment, Kind::Asked, &changed), None, "byte {n}");
            assert_eq!(open(&keys, sealed.commitment, Kind::Asked, &sealed.bytes[..n]), None, "cut at {n}");
        }
        assert!(open(&keys, seal(&keys, &Real, Kind::Asked, b"").unwrap().commitment, Kind::Asked, b"").is_none());
        let empty = seal(&keys, &Real, Kind::Asked, b"").unwrap();
        assert_eq!(open(&keys, empty.commitment, Kind::Asked, &empty.bytes).unwrap().payload.expose(), b"");
    }
}
