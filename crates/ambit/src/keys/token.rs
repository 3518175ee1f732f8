//! Agents' tokens: `ambit_ID_SECRET`, made by us from 256 random bits, kept hashed under `token/AGENT/ID`.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::kept::{self, Kept};
use super::names::{NotAName, name};
use super::scram::Verifier;
use super::{Secret, hex};
use crate::journal::{Entry, Journal, JournalError, Kind};
use crate::store::{Durability, Put, Store, StoreError};
use crate::world::NoChance;

/// How every token begins, so that one is recognised where it does not belong.
pub const PREFIX: &str = "ambit_";

/// A token as it is kept: without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its id, which is no secret.
    pub id: String,
    /// Whose it is.
    pub agent: String,
    /// When it was made, in milliseconds since 1970.
    pub made_at: i64,
    /// Who made it.
    pub made_by: Option<String>,
    /// The person at whose hands the agent runs, where one was named: an asker, who cannot confirm what asks for somebody else.
    #[serde(default)]
    pub held_by: Option<String>,
    /// The task that its sessions work on, and with which it ends; absent: it stands until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// When it was revoked; it opens nothing since.
    pub revoked_at: Option<i64>,
    hash: String,
    /// What a driver of a database proves it against; absent in tokens that were made before there was such a gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scram: Option<Verifier>,
}

impl Kept for Token {
    const PREFIX: &'static str = PREFIX;
    const PLACE: &'static str = "token/";
    const HASHED: &'static str = "ambit/token/1";

    fn id(&self) -> &str {
        &self.id
    }

    fn whose(&self) -> &str {
        &self.agent
    }

    fn hash(&self) -> &str {
        &self.hash
    }

    fn is_revoked(&self) -> bool {
        self.revoked_at.is_some()
    }
}

/// What a presented token is.
pub type Presented = kept::Presented<Token>;

/// Why a token could not be made, verified or revoked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The agent's name cannot be one.
    #[error(transparent)]
    Name(#[from] NotAName),
    /// There is no token of that id.
    #[error("there is no token `{}`\nhelp: `ambit token` lists them", crate::escape::escape(.0))]
    Unknown(String),
    /// What is kept under the key is not a token.
    #[error("what is kept under `{0}` is not a token")]
    Malformed(String),
    /// The journal did not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    NoChance(#[from] NoChance),
}

/// Makes a token for an agent, recorded and durable. Its text is given once, here.
///
/// # Errors
/// When the journal does not take it.
pub async fn make(journal: &Journal, agent: &str, made_by: Option<&str>) -> Result<(Secret, Token), TokenError> {
    make_held(journal, agent, made_by, None).await
}

/// As [`make`], for an agent that runs at a person's hands.
///
/// # Errors
/// As [`make`].
pub async fn make_held(
    journal: &Journal,
    agent: &str,
    made_by: Option<&str>,
    held_by: Option<&str>,
) -> Result<(Secret, Token), TokenError> {
    let drawn = draw(journal, agent, made_by, held_by, None)?;
    journal.write(vec![drawn.entry], drawn.puts, Durability::Now).await?;
    Ok((drawn.text, drawn.token))
}

/// A token that is still to be committed.
pub struct Drawn {
    /// What its holder presents.
    pub text: Secret,
    /// The token.
    pub token: Token,
    /// Its record.
    pub entry: Entry,
    /// Its changes of the store.
    pub puts: Vec<Put>,
}

/// Draws a token, to be committed together with what it is for. `task`: its sessions work on that task.
///
/// # Errors
/// When the agent's name cannot be one, or there is no randomness.
pub fn draw(
    journal: &Journal,
    agent: &str,
    made_by: Option<&str>,
    held_by: Option<&str>,
    task: Option<&str>,
) -> Result<Drawn, TokenError> {
    let mut secret = Zeroizing::new([0; 32]);
    journal.world().random(&mut *secret)?;
    draw_from(journal, agent, made_by, held_by, task, &secret)
}

/// As [`draw`], out of a secret that was drawn already: 256 bits that nobody can guess.
///
/// # Errors
/// As [`draw`].
pub fn draw_from(
    journal: &Journal,
    agent: &str,
    made_by: Option<&str>,
    held_by: Option<&str>,
    task: Option<&str>,
    secret: &[u8; 32],
) -> Result<Drawn, TokenError> {
    let mut id = [0; 8];
    journal.world().random(&mut id)?;
    let (id, digits) = (hex::write(&id), Zeroizing::new(hex::write(secret)));
    let text = kept::text::<Token>(&id, &digits);
    let token = Token {
        agent: name(agent)?.into(),
        made_at: journal.world().now().0,
        made_by: made_by.map(Into::into),
        held_by: held_by.map(Into::into),
        task: task.map(Into::into),
        revoked_at: None,
        hash: kept::hash::<Token>(&id, &digits),
        scram: text.expose_text().map(|text| Verifier::of(text, &journal.keys().salt(agent))),
        id,
    };
    let (entry, put) = change(&token, 0, made_by, "made")?;
    let puts = vec![put, kept::point(&token)];
    Ok(Drawn { text, token, entry, puts })
}

/// The text of a token that is kept, out of its secret; nothing when it is another's secret, or the token was revoked.
///
/// # Errors
/// When the store fails.
pub fn text_again(store: &dyn Store, id: &str, secret: &[u8; 32]) -> Result<Option<Secret>, TokenError> {
    let digits = Zeroizing::new(hex::write(secret));
    let text = kept::text::<Token>(id, &digits);
    let known = text.expose_text().map_or(Ok(Presented::Unknown), |text| verify(store, text))?;
    Ok(match known {
        Presented::Valid(_) => Some(text),
        Presented::Revoked(_) | Presented::Unknown => None,
    })
}

/// Whose token it is that somebody presents.
///
/// # Errors
/// When the store fails; nobody is let in then.
pub fn verify(store: &dyn Store, presented: &str) -> Result<Presented, TokenError> {
    kept::verify(store, presented)
}

/// Revokes a token, recorded and durable. To revoke it again changes nothing.
///
/// # Errors
/// `Unknown` when there is none of that id.
pub async fn revoke(journal: &Journal, id: &str, by: Option<&str>) -> Result<Token, TokenError> {
    let (token, changed) = revocation(journal, id, by)?;
    if let Some((entry, put)) = changed {
        journal.write(vec![entry], vec![put], Durability::Now).await?;
    }
    Ok(token)
}

/// The end of a token, to be committed together with what it was for; nothing is left to commit where it has ended.
///
/// # Errors
/// As [`revoke`].
pub fn revocation(journal: &Journal, id: &str, by: Option<&str>) -> Result<(Token, Option<(Entry, Put)>), TokenError> {
    let (mut token, version) =
        kept::find::<Token>(&**journal.store(), id)?.ok_or_else(|| TokenError::Unknown(id.into()))?;
    if token.revoked_at.is_some() {
        return Ok((token, None));
    }
    token.revoked_at = Some(journal.world().now().0);
    let changed = change(&token, version, by, "revoked")?;
    Ok((token, Some(changed)))
}

/// The changes that forget the tokens of tasks that ended before a moment: nobody comes with them any more, and their
/// records stay. A standing token is kept, because whoever presents a revoked one is to be told from a stranger.
///
/// # Errors
/// When the store fails or holds something else.
pub fn outlived(store: &dyn Store, agent: &str, before: i64) -> Result<Vec<Put>, TokenError> {
    let mut puts = Vec::new();
    for found in store.scan(&format!("token/{}/", name(agent)?))? {
        let token: Token = kept::read(&found)?;
        if token.task.is_some() && token.revoked_at.is_some_and(|at| at < before) {
            puts.extend(kept::forget::<Token>(store, found, &token.id)?);
        }
    }
    Ok(puts)
}

/// Has every token found by its id, when a store was just opened: an earlier Ambit looked through all of them.
///
/// # Errors
/// When the store fails.
pub fn index(store: &dyn Store) -> Result<(), StoreError> {
    kept::point_all::<Token>(store)
}

/// The tokens of an agent, or all; revoked ones too.
///
/// # Errors
/// When the store fails or holds something else.
pub fn list(store: &dyn Store, agent: Option<&str>) -> Result<Vec<Token>, TokenError> {
    let prefix = match agent {
        Some(agent) => format!("token/{}/", name(agent)?),
        None => "token/".into(),
    };
    store.scan(&prefix)?.iter().map(kept::read).collect()
}

fn change(token: &Token, expect: u64, by: Option<&str>, change: &str) -> Result<(Entry, Put), TokenError> {
    let mut details = serde_json::json!({"change": change, "token": token.id});
    if let (Some(task), Some(details)) = (&token.task, details.as_object_mut()) {
        details.insert("task".into(), task.as_str().into());
    }
    let entry =
        Entry { agent: Some(token.agent.clone()), person: by.map(Into::into), details, ..Entry::new(Kind::Token) };
    Ok((entry, kept::put(token, expect)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Record;
    use crate::journal::tests::{inline, wait};
    use crate::store::Batch;
    use crate::store::memory::Memory;
    use std::sync::Arc;

    #[test]
    fn a_token_opens_for_its_agent_until_it_is_revoked() {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        let (text, token) = wait(make(&journal, "refund-helper", Some("dana"))).unwrap();
        let (other, _) = wait(make(&journal, "other", None)).unwrap();
        let text = text.expose_text().unwrap();
        assert_eq!(verify(&*store, text).unwrap(), Presented::Valid(token.clone()));
        assert!(
            matches!(verify(&*store, other.expose_text().unwrap()).unwrap(), Presented::Valid(token) if token.agent == "other")
        );
        let secret = text.rsplit('_').next().unwrap();
        let with_other_secret =
            format!("ambit_{}_{}", token.id, other.expose_text().unwrap().rsplit('_').next().unwrap());
        for wrong in [
            "",
            "ambit_",
            "ambit__",
            secret,
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}0"),
            &text.to_uppercase(),
            &with_other_secret,
        ] {
            assert_eq!(verify(&*store, wrong).unwrap(), Presented::Unknown, "{wrong}");
        }
        assert_eq!(list(&*store, None).unwrap().len(), 2);
        assert_eq!(list(&*store, Some("refund-helper")).unwrap(), std::slice::from_ref(&token));
        assert_eq!(list(&*store, Some("refund")).unwrap(), []);
        let revoked = wait(revoke(&journal, &token.id, Some("dana"))).unwrap();
        assert_eq!(verify(&*store, text).unwrap(), Presented::Revoked(revoked.clone()));
        assert_eq!(wait(revoke(&journal, &token.id, None)).unwrap(), revoked);
        assert!(matches!(wait(revoke(&journal, "nope", None)), Err(TokenError::Unknown(_))));
        assert!(matches!(wait(make(&journal, "a/b", None)), Err(TokenError::Name(_))));
    }

    #[test]
    fn neither_store_nor_journal_knows_the_secret() {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        let (text, token) = wait(make(&journal, "refund-helper", None)).unwrap();
        let secret = text.expose_text().unwrap().rsplit('_').next().unwrap().to_owned();
        let kept: Vec<_> =
            store.scan("").unwrap().into_iter().map(|found| String::from_utf8(found.value).unwrap()).collect();
        assert_eq!(kept.len(), 2, "the token, and whose it is");
        let body = String::from_utf8(store.rows(1, 1).unwrap()[0].body.clone()).unwrap();
        for text in [&kept[1], &body, &format!("{token:?}")] {
            assert!(!text.contains(&secret) && text.contains(&token.id), "{text}");
        }
        assert_eq!(kept[0], "refund-helper");
        assert!(!body.contains(&token.hash));
        assert_eq!(Record::read(store.rows(1, 1).unwrap().remove(0)).unwrap().agent.as_deref(), Some("refund-helper"));
    }

    #[test]
    fn a_token_of_an_earlier_ambit_is_found_once_its_store_was_opened() {
        let store = Arc::new(Memory::new());
        let journal = inline(&store).unwrap();
        let (text, token) = wait(make(&journal, "refund-helper", None)).unwrap();
        let text = text.expose_text().unwrap();
        let place = store.scan("token-id/").unwrap().remove(0);
        assert_eq!(
            (place.key.as_str(), place.value.as_slice()),
            (&*format!("token-id/{}", token.id), &b"refund-helper"[..])
        );
        let gone = Put { key: place.key, expect: place.version, value: None };
        store.commit(&Batch { puts: vec![gone], ..Batch::default() }, Durability::Now).unwrap();
        assert_eq!(verify(&*store, text).unwrap(), Presented::Unknown);
        for _ in 0..2 {
            index(&*store).unwrap();
            assert_eq!(verify(&*store, text).unwrap(), Presented::Valid(token.clone()));
        }
        // Whatever it says, it is nobody's token but the one that is kept there, with its secret.
        let place = store.get(&format!("token-id/{}", token.id)).unwrap().unwrap();
        let other = Put { key: place.key, expect: place.version, value: Some(b"other".to_vec()) };
        store.commit(&Batch { puts: vec![other], ..Batch::default() }, Durability::Now).unwrap();
        assert_eq!(verify(&*store, text).unwrap(), Presented::Unknown);
    }
}
