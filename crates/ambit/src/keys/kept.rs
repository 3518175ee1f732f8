//! What tokens of every kind share: how they are written, kept by a hash of their secret, found, compared and read back. Each
//! kind has a beginning, a place and a hash of its own, so that none is ever found where another is looked for.
//!
//! Whoever presents a token says its id and not whose it is: `PLACE-id/ID` says that, so that one is found at once among
//! however many there are.

use ambit_core::action::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

use super::Secret;
use super::token::TokenError;
use crate::store::{Batch, Durability, Found, Put, Store, StoreError};

/// A token as it is kept: without its secret.
pub(super) trait Kept: Serialize + DeserializeOwned {
    /// How its text begins.
    const PREFIX: &'static str;
    /// Under which keys it is kept: `PLACE/WHOSE/ID`.
    const PLACE: &'static str;
    /// What its hash is of, so that no other kind has the same.
    const HASHED: &'static str;

    fn id(&self) -> &str;
    fn whose(&self) -> &str;
    fn hash(&self) -> &str;
    fn is_revoked(&self) -> bool;
}

/// What a presented token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presented<T> {
    /// One of its kind, in force.
    Valid(T),
    /// One of its kind, revoked: something to look into.
    Revoked(T),
    /// None of its kind.
    Unknown,
}

/// What its holder presents. `digits`: the secret in hexadecimal.
pub(super) fn text<T: Kept>(id: &str, digits: &str) -> Secret {
    Secret::from(format!("{}{id}_{digits}", T::PREFIX))
}

/// A plain hash is enough: what is hashed has 256 random bits, and nobody tries those.
pub(super) fn hash<T: Kept>(id: &str, digits: &str) -> String {
    Digest::of(T::HASHED, &[id.as_bytes(), digits.as_bytes()]).to_string()
}

/// Whose token it is that somebody presents.
///
/// # Errors
/// When the store fails; nobody is let in then.
pub(super) fn verify<T: Kept>(store: &dyn Store, presented: &str) -> Result<Presented<T>, TokenError> {
    let parts = presented.strip_prefix(T::PREFIX).and_then(|rest| rest.split_once('_'));
    let Some((id, digits)) = parts.filter(|(id, digits)| id.len() == 16 && digits.len() == 64) else {
        return Ok(Presented::Unknown);
    };
    let Some((token, _)) = find::<T>(store, id)? else { return Ok(Presented::Unknown) };
    let same: bool = hash::<T>(id, digits).as_bytes().ct_eq(token.hash().as_bytes()).into();
    Ok(match (same, token.is_revoked()) {
        (false, _) => Presented::Unknown,
        (true, true) => Presented::Revoked(token),
        (true, false) => Presented::Valid(token),
    })
}

/// The token of that id, and its version.
pub(super) fn find<T: Kept>(store: &dyn Store, id: &str) -> Result<Option<(T, u64)>, TokenError> {
    let Some(of) = store.get(&place_of::<T>(id))? else { return Ok(None) };
    let Ok(whose) = std::str::from_utf8(&of.value) else { return Err(TokenError::Malformed(of.key)) };
    let found = store.get(&format!("{}{whose}/{id}", T::PLACE))?;
    found.map(|found| Ok((read(&found)?, found.version))).transpose()
}

pub(super) fn read<T: Kept>(found: &Found) -> Result<T, TokenError> {
    serde_json::from_slice(&found.value)
        .ok()
        .filter(|token| key(token) == found.key)
        .ok_or_else(|| TokenError::Malformed(found.key.clone()))
}

/// The change of the store that keeps it.
pub(super) fn put<T: Kept>(token: &T, expect: u64) -> Result<Put, TokenError> {
    let key = key(token);
    let value = serde_json::to_vec(token).map_err(|_| TokenError::Malformed(key.clone()))?;
    Ok(Put { key, expect, value: Some(value) })
}

/// The change that has a new token found by its id.
pub(super) fn point<T: Kept>(token: &T) -> Put {
    Put { key: place_of::<T>(token.id()), expect: 0, value: Some(token.whose().into()) }
}

/// The changes that forget a token.
pub(super) fn forget<T: Kept>(store: &dyn Store, found: Found, id: &str) -> Result<Vec<Put>, StoreError> {
    let remove = |found: Found| Put { key: found.key, expect: found.version, value: None };
    let of = store.get(&place_of::<T>(id))?;
    Ok([Some(found), of].into_iter().flatten().map(remove).collect())
}

/// Has every token found by its id, also those that were kept before that was so; when a store was just opened.
pub(super) fn point_all<T: Kept>(store: &dyn Store) -> Result<(), StoreError> {
    let mut puts = Vec::new();
    for found in store.scan(T::PLACE)? {
        // What cannot be read is found by nobody.
        if let Ok(token) = read::<T>(&found)
            && store.get(&place_of::<T>(token.id()))?.is_none()
        {
            puts.push(point(&token));
        }
    }
    if puts.is_empty() {
        return Ok(());
    }
    store.commit(&Batch { puts, ..Batch::default() }, Durability::Now)
}

fn place_of<T: Kept>(id: &str) -> String {
    format!("{}-id/{id}", T::PLACE.trim_end_matches('/'))
}

fn key<T: Kept>(token: &T) -> String {
    format!("{}{}/{}", T::PLACE, token.whose(), token.id())
}
