//! A person's own key, on the person's own machine, encrypted under a passphrase. Nobody confirms or releases in their
//! name without it.

use std::fmt;
use std::path::{Path, PathBuf};

use ambit_core::action::Digest;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::names::{NotAName, is_name, name};
use super::signature::{self, PublicKey, Signature};
use super::{Secret, hex};
use crate::store::private::{self, PrivateError};
use crate::world::{NoChance, World};

/// Why a person's key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// The file is open to others, or cannot be read or written.
    #[error(transparent)]
    Place(PrivateError),
    /// There is no such file.
    #[error("`{name}` has no key here (`{path}`)\nhelp: `ambit setup` makes one", path = path.display())]
    NoKey {
        /// Who.
        name: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// There is one already.
    #[error("`{name}` has a key already (`{path}`)\nhelp: it is not replaced, because what was signed with it must stay verifiable; move it away first", path = path.display())]
    Exists {
        /// Who.
        name: String,
        /// Where.
        path: PathBuf,
    },
    /// The file is not one that ambit wrote.
    #[error("`{path}` holds no person's key: {why}\nhelp: put its backup in its place, or enrol a new key", path = path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// How it shows.
        why: String,
    },
    /// The passphrase is not the one, or the file was changed.
    #[error(
        "this passphrase does not open the key of `{0}`\nhelp: a passphrase cannot be recovered; without it a new key has to be enrolled"
    )]
    Passphrase(String),
    /// Argon2 did not run: no memory, or costs out of bounds.
    #[error("the passphrase could not be worked into a key: {0}")]
    Derivation(String),
    /// No randomness.
    #[error(transparent)]
    NoChance(#[from] NoChance),
}

/// What it costs to try one passphrase. It stands in the file, so that it can be raised for new keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    /// Argon2id with 64 MiB and three passes: the second choice of RFC 9106 with one lane, well under a second.
    pub const STRONG: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };

    /// So cheap that it protects nothing: for tests, and for the scripted person of a demonstration.
    #[must_use]
    pub const fn worthless() -> Cost {
        Cost { memory_kib: 64, passes: 1, lanes: 1 }
    }

    /// A file that asks for more is not obeyed: it could only be meant to exhaust the machine.
    const MOST: Cost = Cost { memory_kib: 2 * 1024 * 1024, passes: 64, lanes: 16 };
}

/// A person's key, opened. Wiped when dropped.
pub struct PersonKey {
    name: String,
    signing: SigningKey,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    ambit: Format,
    name: String,
    public_key: PublicKey,
    argon2id: Cost,
    salt: String,
    nonce: String,
    sealed: String,
}

#[derive(Serialize, Deserialize)]
enum Format {
    #[serde(rename = "person/1")]
    Person1,
}

impl PersonKey {
    /// Makes a key and writes it to `NAME.json` in `directory`, sealed under the passphrase.
    ///
    /// # Errors
    /// When there is one already, or the directory is open to others.
    pub fn create(
        directory: &Path,
        person: &str,
        passphrase: &Secret,
        cost: Cost,
        world: &dyn World,
    ) -> Result<PersonKey, PersonError> {
        let path = path(directory, person)?;
        let mut seed = Zeroizing::new([0; 32]);
        world.random(&mut *seed)?;
        let key = PersonKey { name: person.into(), signing: SigningKey::from_bytes(&seed) };
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        world.random(&mut salt)?;
        world.random(&mut nonce)?;
        let sealed = cipher(passphrase, &salt, cost)?
            .encrypt(&XNonce::from(nonce), Payload { msg: &*seed, aad: &bound_to(person, &key.public()) })
            .map_err(|_| PersonError::Derivation("the cipher failed".into()))?;
        let file = File {
            ambit: Format::Person1,
            name: person.into(),
            public_key: key.public(),
            argon2id: cost,
            salt: hex::write(&salt),
            nonce: hex::write(&nonce),
            sealed: hex::write(&sealed),
        };
        let mut text = serde_json::to_vec_pretty(&file).map_err(|error| PersonError::Derivation(error.to_string()))?;
        text.push(b'\n');
        private::directory(directory).map_err(PersonError::Place)?;
        match private::create(&path, &text) {
            Err(PrivateError::Io { error, .. }) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(PersonError::Exists { name: person.into(), path })
            }
            written => written.map(|()| key).map_err(PersonError::Place),
        }
    }

    /// Opens the key in `directory` with the passphrase.
    ///
    /// # Errors
    /// `Passphrase` when it is not the one, and as [`PersonKey::create`].
    pub fn open(directory: &Path, person: &str, passphrase: &Secret) -> Result<PersonKey, PersonError> {
        let (path, file) = read(directory, person)?;
        let malformed = |why: &str| PersonError::Malformed { path: path.clone(), why: why.into() };
        let salt: [u8; 16] = hex::read_exactly(&file.salt).ok_or_else(|| malformed("its salt is not 16 bytes"))?;
        let nonce: [u8; 24] = hex::read_exactly(&file.nonce).ok_or_else(|| malformed("its nonce is not 24 bytes"))?;
        let sealed = hex::read(&file.sealed).ok_or_else(|| malformed("its sealed key is not hex"))?;
        let cost = file.argon2id;
        if cost.memory_kib > Cost::MOST.memory_kib || cost.passes > Cost::MOST.passes || cost.lanes > Cost::MOST.lanes {
            return Err(malformed("its costs are out of bounds"));
        }
        let wrong = || PersonError::Passphrase(person.into());
        let seed = cipher(passphrase, &salt, cost)?
            .decrypt(&XNonce::from(nonce), Payload { msg: &sealed, aad: &bound_to(person, &file.public_key) })
            .map(Zeroizing::new)
            .map_err(|_| wrong())?;
        let signing =
            SigningKey::from_bytes(seed.as_slice().try_into().map_err(|_| malformed("its key is not 32 bytes"))?);
        let key = PersonKey { name: file.name, signing };
        if key.public() == file.public_key { Ok(key) } else { Err(malformed("its public key is another's")) }
    }

    /// Whose it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        signature::public(&self.signing)
    }

    /// Signs a statement: a domain (`ambit/confirm/1`, `ambit/release/1`, …) and its parts. Verified by
    /// [`PublicKey::verify`] with the same.
    #[must_use]
    pub fn sign(&self, domain: &str, parts: &[&[u8]]) -> Signature {
        signature::sign(&self.signing, domain, parts)
    }
}

/// The public half of a person's key, which needs no passphrase. What the installation goes by is what was enrolled.
///
/// # Errors
/// When there is none, or its file is damaged or open to others.
pub fn public_key(directory: &Path, person: &str) -> Result<PublicKey, PersonError> {
    Ok(read(directory, person)?.1.public_key)
}

/// Whose keys are in `directory`, in order; none when there is no such directory.
///
/// # Errors
/// When it cannot be read.
pub fn names(directory: &Path) -> Result<Vec<String>, PersonError> {
    let fault = |error| PersonError::Place(PrivateError::Io { path: directory.into(), error });
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fault)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(fault)?.file_name();
        names.extend(
            name.to_str().and_then(|name| name.strip_suffix(".json")).filter(|name| is_name(name)).map(String::from),
        );
    }
    names.sort();
    Ok(names)
}

/// Where people's keys are on this machine: `$AMBIT_PEOPLE`, else `ambit/people` in `$XDG_CONFIG_HOME` or `~/.config`.
/// `None` when there is no home.
#[must_use]
pub fn people_directory() -> Option<PathBuf> {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    given("AMBIT_PEOPLE").or_else(|| {
        let config =
            given("XDG_CONFIG_HOME").filter(|path| path.is_absolute()).or_else(|| Some(given("HOME")?.join(".config")));
        config.map(|config| config.join("ambit/people"))
    })
}

impl fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PersonKey({}, {})", self.name, self.public())
    }
}

fn path(directory: &Path, person: &str) -> Result<PathBuf, PersonError> {
    Ok(directory.join(format!("{}.json", name(person)?)))
}

fn read(directory: &Path, person: &str) -> Result<(PathBuf, File), PersonError> {
    let path = path(directory, person)?;
    let content = match private::read(&path) {
        Err(PrivateError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(PersonError::NoKey { name: person.into(), path });
        }
        content => content.map_err(PersonError::Place)?,
    };
    let malformed = |why: String| PersonError::Malformed { path: path.clone(), why };
    let file: File = serde_json::from_slice(&content).map_err(|error| malformed(error.to_string()))?;
    if file.name != person {
        return Err(malformed(format!("it is the key of `{}`", crate::escape::escape(&file.name))));
    }
    Ok((path, file))
}

fn cipher(passphrase: &Secret, salt: &[u8], cost: Cost) -> Result<XChaCha20Poly1305, PersonError> {
    let failed = |error: argon2::Error| PersonError::Derivation(error.to_string());
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(failed)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose(), salt, &mut *key)
        .map_err(failed)?;
    Ok(XChaCha20Poly1305::new(&Key::from(*key)))
}

/// What the sealed key is bound to: it opens under no other name, beside no other public key.
fn bound_to(name: &str, public: &PublicKey) -> [u8; 32] {
    Digest::of("ambit/person/1", &[name.as_bytes(), public.bytes()]).0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::world::Real;

    fn secret(text: &str) -> Secret {
        Secret::from(text.to_owned())
    }

    #[test]
    fn a_key_opens_with_its_passphrase_alone() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("ambit/people");
        let dana = "dana.ortiz@acme.example";
        let made = PersonKey::create(&directory, dana, &secret("correct horse"), Cost::worthless(), &Real).unwrap();
        let opened = PersonKey::open(&directory, dana, &secret("correct horse")).unwrap();
        assert_eq!((opened.public(), opened.name()), (made.public(), dana));
        assert_eq!(public_key(&directory, dana).unwrap(), made.public());
        assert_eq!(names(&directory).unwrap(), [dana]);
        let signature = opened.sign("ambit/confirm/1", &[b"digest"]);
        assert!(made.public().verify("ambit/confirm/1", &[b"digest"], &signature));
        for wrong in ["correct horsf", "", "Correct horse"] {
            assert!(matches!(PersonKey::open(&directory, dana, &secret(wrong)), Err(PersonError::Passphrase(_))));
        }
        assert!(matches!(
            PersonKey::create(&directory, dana, &secret("other"), Cost::worthless(), &Real),
            Err(PersonError::Exists { .. })
        ));
        assert!(matches!(PersonKey::open(&directory, "sam", &secret("x")), Err(PersonError::NoKey { .. })));
        assert!(matches!(PersonKey::open(&directory, "../dana", &secret("x")), Err(PersonError::Name(_))));
    }

    #[test]
    fn a_key_under_the_cost_that_people_get_opens() {
        let place = tempfile::tempdir().unwrap();
        PersonKey::create(place.path().join("p").as_path(), "sam", &secret("x"), Cost::STRONG, &Real).unwrap();
        PersonKey::open(place.path().join("p").as_path(), "sam", &secret("x")).unwrap();
    }

    #[test]
    fn a_changed_file_does_not_open() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("people");
        PersonKey::create(&directory, "dana", &secret("x"), Cost::worthless(), &Real).unwrap();
        let other = PersonKey::create(&directory, "sam", &secret("x"), Cost::worthless(), &Real).unwrap();
        let path = directory.join("dana.json");
        let whole = std::fs::read_to_string(&path).unwrap();
        assert!(whole.contains("\"memory_kib\": 64"));
        let own = public_key(&directory, "dana").unwrap().to_string();
        for changed in [
            whole.replace(&own, &other.public().to_string()),
            whole.replace("\"dana\"", "\"sam\""),
            whole.replace("\"passes\": 1", "\"passes\": 2"),
            whole.replace("\"memory_kib\": 64", "\"memory_kib\": 4294967295"),
            whole.replace("\"memory_kib\": 64", "\"memory_kib\": 0"),
            whole.replace("person/1", "person/2"),
            whole.replace("\"nonce\": \"", "\"nonce\": \"00"),
            whole[..whole.len() / 2].to_owned(),
        ] {
            assert_ne!(changed, whole);
            std::fs::write(&path, changed).unwrap();
            PersonKey::open(&directory, "dana", &secret("x")).unwrap_err();
        }
        std::fs::write(&path, &whole).unwrap();
        PersonKey::open(&directory, "dana", &secret("x")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(PersonKey::open(&directory, "dana", &secret("x")), Err(PersonError::Place(_))));
    }
}
