//! What a request says about itself beside what it asks for: whether, and under which token, its client wants to hear how
//! far it is, and how much of what the server logs.

use serde_json::value::RawValue;

use super::era::Era;
use crate::gate::rpc::{Members, text};
use crate::gate::talk::{Aside, Level, Listener, Log, Party, Talk, Wants};

/// What a client wants to hear beside the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The raw token that is given back with each word of how far it is.
    token: Option<Box<str>>,
    log: Log,
}

/// Whoever asked, as the wire that it asked over sees it: hears what is said beside the answer.
pub(crate) struct Hearing {
    listener: Listener,
    token: Option<Box<str>>,
}

const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
// A longer token is nobody's.
const LONGEST: usize = 256;

impl Asked {
    /// Reads it off the parameters. `session`: what the session asked for once, in the generation that does that.
    ///
    /// # Errors
    /// When it is not as the protocol has it; why.
    pub(crate) fn of(params: Option<&RawValue>, era: Era, session: Option<Level>) -> Result<Asked, String> {
        let mut asked = Asked::default();
        if era == Era::Handshake {
            asked.log = session.map_or(Log::Unasked, Log::From);
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
        if let (Some(level), Era::Stateless) = (meta.get(LOG_LEVEL), era) {
            asked.log = Log::From(level_of(level)?);
        }
        Ok(asked)
    }

    /// Opens the line over which it is said.
    pub(crate) fn open(self, party: Party) -> (Talk, Hearing) {
        let wants = Wants { progress: self.token.is_some(), log: self.log };
        let (talk, listener) = Talk::open(party, wants);
        (talk, Hearing { listener, token: self.token })
    }
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
        self.listener.heard().await.map(|aside| self.written(&aside))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(params: &str, era: Era) -> Result<Asked, String> {
        Asked::of(Some(&RawValue::from_string(params.to_owned()).unwrap()), era, None)
    }

    #[test]
    fn what_is_wanted_stands_in_the_meta() {
        let token = |token: &str| Asked { token: Some(token.into()), log: Log::Unasked };
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
        let of = |session| Asked::of(None, Era::Handshake, session).map(|asked| asked.log);
        assert_eq!(of(None), Ok(Log::Unasked));
        assert_eq!(of(Some(Level::Error)), Ok(Log::From(Level::Error)));
    }
}
