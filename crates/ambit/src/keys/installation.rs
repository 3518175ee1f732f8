//! The installation's own keys: one signs the journal's checkpoints, one wraps the keys of its payloads. Made at the
//! first start, in the state directory, for its owner alone.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::signature::{self, PublicKey, Signature};
use crate::store::private::{self, PrivateError};
use crate::world::{NoChance, World};

/// The file's name in the state directory.
pub const FILE: &str = "installation.key";

/// How the file begins; 32 bytes of the signing key and 32 of the sealing key follow.
const HEAD: &[u8] = b"ambit/installation/1\n";

/// Why the installation's keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InstallationError {
    /// Its place is open to others, or cannot be read or written.
    #[error(transparent)]
    Place(#[from] PrivateError),
    /// The file is not one that ambit wrote.
    #[error("`{path}` holds no keys of an installation\nhelp: put its backup in its place; without it no payload of the journal can be read again", path = .0.display())]
    Malformed(PathBuf),
    /// No randomness.
    #[error(transparent)]
    NoChance(#[from] NoChance),
}

/// The installation's keys. Cheap to clone; wiped when the last clone is dropped.
#[derive(Clone)]
pub struct InstallationKeys(Arc<Keys>);

struct Keys {
    signing: SigningKey,
    sealing: Zeroizing<[u8; 32]>,
}

impl InstallationKeys {
    /// Reads the keys from `directory`, or makes them when there is no file. Both stand in one file, so that one is
    /// never made anew beside the other.
    ///
    /// # Errors
    /// When the directory or the file is open to others or belongs to somebody else, or is damaged.
    pub fn open(directory: &Path, world: &dyn World) -> Result<InstallationKeys, InstallationError> {
        private::directory(directory)?;
        match InstallationKeys::read(directory) {
            Err(InstallationError::Place(PrivateError::Io { error, .. })) if error.kind() == ErrorKind::NotFound => {}
            read => return read,
        }
        let mut seed = Zeroizing::new([0; 64]);
        world.random(&mut *seed)?;
        let mut content = Zeroizing::new(Vec::with_capacity(HEAD.len() + seed.len()));
        content.extend_from_slice(HEAD);
        content.extend_from_slice(&*seed);
        match private::create(&directory.join(FILE), &content) {
            // Somebody else was first: theirs is the one.
            Err(PrivateError::Io { error, .. }) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made?,
        }
        InstallationKeys::read(directory)
    }

    /// Reads the keys; makes none.
    ///
    /// # Errors
    /// As [`InstallationKeys::open`], and when there are none.
    pub fn read(directory: &Path) -> Result<InstallationKeys, InstallationError> {
        let path = directory.join(FILE);
        let content = private::read(&path)?;
        let seed = content.strip_prefix(HEAD).and_then(|rest| <&[u8; 64]>::try_from(rest).ok());
        seed.map(InstallationKeys::from_seed).ok_or(InstallationError::Malformed(path))
    }

    /// The keys made of 64 random bytes; for simulations, whose chance is their own.
    #[must_use]
    pub fn from_seed(seed: &[u8; 64]) -> InstallationKeys {
        let (mut signing, mut sealing) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        signing.iter_mut().chain(sealing.iter_mut()).zip(seed).for_each(|(to, from)| *to = *from);
        InstallationKeys(Arc::new(Keys { signing: SigningKey::from_bytes(&signing), sealing }))
    }

    /// The public half: what a third party verifies the journal with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        signature::public(&self.0.signing)
    }

    /// Signs a statement in the installation's name.
    #[must_use]
    pub fn sign(&self, domain: &str, parts: &[&[u8]]) -> Signature {
        signature::sign(&self.0.signing, domain, parts)
    }

    /// What an agent's tokens are salted with where they are proved without being said. It never changes, and there is one
    /// for a name that is nobody's as well, so that nobody learns from it which agents there are.
    #[must_use]
    pub fn salt(&self, agent: &str) -> [u8; 16] {
        let mut salt = [0; 16];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0.sealing) {
            mac.update(b"ambit/scram-salt/1\n");
            mac.update(agent.as_bytes());
            salt.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        }
        salt
    }

    /// What wraps the keys of payloads.
    pub(crate) fn sealing(&self) -> &[u8; 32] {
        &self.0.sealing
    }
}

impl fmt::Debug for InstallationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InstallationKeys({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::world::Real;

    #[test]
    fn the_keys_are_made_once() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("state");
        assert!(InstallationKeys::read(&directory).is_err());
        let keys = InstallationKeys::open(&directory, &Real).unwrap();
        let again = InstallationKeys::open(&directory, &Real).unwrap();
        assert_eq!((keys.public(), keys.sealing()), (again.public(), again.sealing()));
        assert_eq!(std::fs::metadata(directory.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        let other = InstallationKeys::open(&place.path().join("other"), &Real).unwrap();
        assert!(other.public() != keys.public() && other.sealing() != keys.sealing());
        assert!(!format!("{keys:?}").contains(&super::super::hex::write(keys.sealing())));
    }

    #[test]
    fn keys_that_others_may_read_or_that_are_damaged_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("state");
        InstallationKeys::open(&directory, &Real).unwrap();
        let path = directory.join(FILE);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(
            InstallationKeys::open(&directory, &Real),
            Err(InstallationError::Place(PrivateError::Open { .. }))
        ));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], b"", &[&whole[..], b"x"].concat()] {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(InstallationKeys::open(&directory, &Real), Err(InstallationError::Malformed(_))));
        }
    }
}
