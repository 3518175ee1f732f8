//! Callers' tokens: `ambit_caller_ID_SECRET`, with which a program opens tasks and nothing else. Made as agents' tokens
//! are, and kept apart from them (`caller-token/CALLER/ID`): neither is ever found where the other is looked for.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::kept::{self, Kept};
use super::names::name;
use super::token::TokenError;
use super::{Secret, hex};
use crate::journal::{Entry, Journal, Kind};
use crate::store::{Durability, Put, Store, StoreError};

/// How every caller's token begins.
pub const PREFIX: &str = "ambit_caller_";

/// A caller's token as it is kept: without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerToken {
    /// Its id, which is no secret.
    pub id: String,
    /// Whose it is.
    pub caller: String,
    /// When it was made, in milliseconds since 1970.
    pub made_at: i64,
    /// Who made it.
    pub made_by: String,
    /// When it was revoked; it opens nothing since.
    pub revoked_at: Option<i64>,
    hash: String,
}

impl Kept for CallerToken {
    const PREFIX: &'static str = PREFIX;
    const PLACE: &'static str = "caller-token/";
    const HASHED: &'static str = "ambit/caller-token/1";

    fn id(&self) -> &str {
        &self.id
    }

    fn whose(&self) -> &str {
        &self.caller
    }

    fn hash(&self) -> &str {
        &self.hash
    }

    fn is_revoked(&self) -> bool {
        self.revoked_at.is_some()
    }
}

/// What a presented token is.
pub type Presented = kept::Presented<CallerToken>;

/// Makes a token for a caller, recorded and durable. Its text is given once, here.
///
/// # Errors
/// When the caller's name cannot be one, or the journal does not take it.
pub async fn make(journal: &Journal, caller: &str, made_by: &str) -> Result<(Secret, CallerToken), TokenError> {
    let (mut id, mut secret) = ([0; 8], Zeroizing::new([0; 32]));
    journal.world().random(&mut id)?;
    journal.world().random(&mut *secret)?;
    let (id, digits) = (hex::write(&id), Zeroizing::new(hex::write(&*secret)));
    let token = CallerToken {
        caller: name(caller)?.into(),
        made_at: journal.world().now().0,
        made_by: made_by.into(),
        revoked_at: None,
        hash: kept::hash::<CallerToken>(&id, &digits),
        id,
    };
    let text = kept::text::<CallerToken>(&token.id, &digits);
    let (entry, put) = change(&token, 0, Some(made_by), "made")?;
    journal.write(vec![entry], vec![put, kept::point(&token)], Durability::Now).await?;
    Ok((text, token))
}

/// Whose token it is that somebody presents.
///
/// # Errors
/// When the store fails; nobody is let in then.
pub fn verify(store: &dyn Store, presented: &str) -> Result<Presented, TokenError> {
    kept::verify(store, presented)
}

/// Revokes a caller's token, recorded and durable; what it opened stays open. To revoke it again changes nothing.
///
/// # Errors
/// `Unknown` when there is none of that id.
pub async fn revoke(journal: &Journal, id: &str, by: Option<&str>) -> Result<CallerToken, TokenError> {
    let (mut token, version) =
        kept::find::<CallerToken>(&**journal.store(), id)?.ok_or_else(|| TokenError::Unknown(id.into()))?;
    if token.revoked_at.is_none() {
        token.revoked_at = Some(journal.world().now().0);
        let (entry, put) = change(&token, version, by, "revoked")?;
        journal.write(vec![entry], vec![put], Durability::Now).await?;
    }
    Ok(token)
}

/// As [`super::token::index`].
///
/// # Errors
/// When the store fails.
pub fn index(store: &dyn Store) -> Result<(), StoreError> {
    kept::point_all::<CallerToken>(store)
}

/// Every caller's tokens; revoked ones too.
///
/// # Errors
/// When the store fails or holds something else.
pub fn list(store: &dyn Store) -> Result<Vec<CallerToken>, TokenError> {
    store.scan("caller-token/")?.iter().map(kept::read).collect()
}

fn change(token: &CallerToken, expect: u64, by: Option<&str>, change: &str) -> Result<(Entry, Put), TokenError> {
    let details = serde_json::json!({ "change": change, "token": token.id, "caller": token.caller });
    let entry = Entry { person: by.map(Into::into), details, ..Entry::new(Kind::Token) };
    Ok((entry, kept::put(token, expect)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::tests::{inline, wait};
    use crate::keys::token;
    use crate::store::memory::Memory;

    #[test]
    fn a_callers_token_is_no_agents_and_an_agents_is_no_callers() {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        let (text, made) = wait(make(&journal, "ticket-desk", "dana")).unwrap();
        // An agent of the same name, so that nothing but the kind tells them apart.
        let (agents, agents_token) = wait(token::make(&journal, "ticket-desk", Some("dana"))).unwrap();
        let (text, agents) = (text.expose_text().unwrap(), agents.expose_text().unwrap());
        assert_eq!(verify(&*store, text).unwrap(), Presented::Valid(made.clone()));
        assert_eq!(token::verify(&*store, text).unwrap(), token::Presented::Unknown);
        assert_eq!(verify(&*store, agents).unwrap(), Presented::Unknown);
        let secret = |text: &str| text.rsplit('_').next().unwrap().to_owned();
        let crossed = [
            format!("ambit_{}_{}", made.id, secret(text)),
            format!("{PREFIX}{}_{}", agents_token.id, secret(agents)),
            format!("{PREFIX}{}_{}", made.id, secret(agents)),
            text.replace(PREFIX, "ambit_"),
            agents.replace("ambit_", PREFIX),
        ];
        for wrong in &crossed {
            assert_eq!(verify(&*store, wrong).unwrap(), Presented::Unknown, "{wrong}");
            assert_eq!(token::verify(&*store, wrong).unwrap(), token::Presented::Unknown, "{wrong}");
        }
        assert_eq!(token::list(&*store, None).unwrap().len(), 1);
        let revoked = wait(revoke(&journal, &made.id, None)).unwrap();
        assert_eq!(verify(&*store, text).unwrap(), Presented::Revoked(revoked.clone()));
        assert_eq!(list(&*store).unwrap(), [revoked]);
        let kept = store
            .scan("")
            .unwrap()
            .into_iter()
            .any(|found| String::from_utf8(found.value).unwrap().contains(&secret(text)));
        assert!(!kept, "the secret is kept");
    }
}
