//! What a request says about itself beside what it asks for: whether, and under which token, its client wants to hear how
//! far it is, how much of what the server logs, and what it can be asked.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::answers::Answers;
use super::era::{CAPABILITIES, Era};
use super::held;
use crate::gate::rpc::{Members, text};
use crate::gate::talk::{Aside, Asking, Asks, Level, Listener, Log, Party, Talk, Wants};

/// What a client wants to hear beside the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The raw token that is given back with each word of how far it is.
    token: Option<Box<str>>,
    log: Log,
    asks: Asks,
    // Whether it knows tasks.
    later: bool,
}

/// What a session asked for, or said of itself, once; in the generation that does that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OfSession {
    /// From which level on it wants to hear what servers log.
    pub log: Option<Level>,
    /// What its client can be asked.
    pub asks: Asks,
}

/// Whoever asked, as the wire that it asked over sees it: hears what is said beside the answer.
pub(crate) struct Hearing {
    listener: Listener,
    token: Option<Box<str>>,
    // What is asked of the client by requests of its own, and where its answers are waited for.
    asks: Option<mpsc::Receiver<Asking>>,
    answers: Arc<Answers>,
}

const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
// A longer token is nobody's.
const LONGEST: usize = 256;

impl Asked {
    /// Reads it off the parameters.
    ///
    /// # Errors
    /// When it is not as the protocol has it; why.
    pub(crate) fn of(params: Option<&RawValue>, era: Era, session: OfSession) -> Result<Asked, String> {
        let mut asked = Asked::default();
        if era == Era::Handshake {
            asked.log = session.log.map_or(Log::Unasked, Log::From);
            asked.asks = session.asks;
        }
        let Some(meta) = params.map(Members::of).transpose()?.and_then(|members| members.get("_meta")) else {
            return Ok(asked);
        };
        let meta = Members::of(meta)?;
        if let Some(token) = meta.get("progressToken") {
            let token = token.get();
            let whole = token.parse::<i64>().is_ok() || token.starts_with('"');
            if !whole || token.len() > LONGEST {
                return Err(format!("`progressToken` must be a whole number or a string of at most {LONGEST} bytes"));
            }
            asked.token = Some(token.into());
        }
        if era == Era::Stateless {
            if let Some(level) = meta.get(LOG_LEVEL) {
                asked.log = Log::From(level_of(level)?);
            }
            asked.asks = asks_of(meta.get(CAPABILITIES));
            asked.later = held::knows(params);
        }
        Ok(asked)
    }

    /// Opens the line over which it is said. What is asked comes out of the listener, or of what is given back beside it.
    pub(crate) fn open(
        self,
        party: Party,
        era: Era,
        answers: &Arc<Answers>,
    ) -> (Talk, Hearing, Option<mpsc::Receiver<Asking>>) {
        let wants = Wants { progress: self.token.is_some(), log: self.log, asks: self.asks, later: self.later };
        let (talk, mut listener) = Talk::open(party, wants);
        let asks = listener.asks();
        let (asks, apart) = if era == Era::Handshake { (asks, None) } else { (None, asks) };
        (talk, Hearing { listener, token: self.token, asks, answers: Arc::clone(answers) }, apart)
    }
}

/// What a client can be asked, by the capabilities that it says it has.
pub(crate) fn asks_of(capabilities: Option<&RawValue>) -> Asks {
    let members = capabilities.and_then(|capabilities| Members::of(capabilities).ok());
    Asks::of(|name| {
        let has = members.as_ref().and_then(|members| members.get(name));
        has.is_some_and(|has| has.get().starts_with('{'))
    })
}

/// A level, by its name.
///
/// # Errors
/// When there is none of that name; why.
pub(crate) fn level_of(raw: &RawValue) -> Result<Level, String> {
    let level = text(raw).and_then(|name| Level::named(&name));
    level.ok_or_else(|| {
        "the log level is none of debug, info, notice, warning, error, critical, alert, emergency".into()
    })
}

impl Hearing {
    /// The next message for the client that is no answer; `None` once there will be none.
    pub(crate) async fn next(&mut self) -> Option<Vec<u8>> {
        tokio::select! {
            biased;
            aside = self.listener.heard() => aside.map(|aside| self.written(&aside)),
            Some(asking) = asked(self.asks.as_mut()) => Some(self.answers.ask(asking)),
        }
    }

    /// From here on nothing is asked of the client.
    pub(crate) fn ask_nothing(&mut self) {
        self.asks = None;
    }

    /// Everything that was said already.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(aside) = self.listener.heard_already() {
            out.extend(self.written(&aside));
        }
        out
    }

    /// What lets go of the request.
    pub(crate) fn cancel(&self) -> crate::gate::talk::Cancel {
        self.listener.cancel()
    }

    fn written(&self, aside: &Aside) -> Vec<u8> {
        let mut out = Vec::new();
        aside.write(&mut out, self.token.as_deref());
        out
    }
}

async fn asked(asks: Option<&mut mpsc::Receiver<Asking>>) -> Option<Asking> {
    match asks {
        Some(asks) => asks.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(params: &str, era: Era) -> Result<Asked, String> {
        Asked::of(Some(&RawValue::from_string(params.to_owned()).unwrap()), era, OfSession::default())
    }

    #[test]
    fn what_is_wanted_stands_in_the_meta() {
        let token = |token: &str| Asked { token: Some(token.into()), log: Log::Unasked, ..Asked::default() };
        assert_eq!(asked(r#"{"_meta":{"progressToken":7}}"#, Era::Handshake), Ok(token("7")));
        assert_eq!(asked(r#"{"_meta":{"progressToken":"\u00e9"}}"#, Era::Handshake), Ok(token(r#""\u00e9""#)));
        for wrong in ["1.5", "null", "{}", "[1]", "true"] {
            assert!(asked(&format!(r#"{{"_meta":{{"progressToken":{wrong}}}}}"#), Era::Handshake).is_err(), "{wrong}");
        }
        assert!(asked(&format!(r#"{{"_meta":{{"progressToken":"{}"}}}}"#, "x".repeat(300)), Era::Handshake).is_err());
        let level = |level: &str| asked(&format!(r#"{{"_meta":{{"{LOG_LEVEL}":"{level}"}}}}"#), Era::Stateless);
        assert_eq!(level("warning").map(|asked| asked.log), Ok(Log::From(Level::Warning)));
        assert!(level("loud").is_err());
        assert_eq!(asked("{}", Era::Stateless), Ok(Asked::default()));
    }

    #[test]
    fn a_session_that_set_a_level_wants_that() {
        let of = |log| {
            let session = OfSession { log, ..OfSession::default() };
            Asked::of(None, Era::Handshake, session).map(|asked| asked.log)
        };
        assert_eq!(of(None), Ok(Log::Unasked));
        assert_eq!(of(Some(Level::Error)), Ok(Log::From(Level::Error)));
    }
}
