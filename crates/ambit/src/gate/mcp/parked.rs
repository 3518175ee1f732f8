//! Calls that wait for their client to say more, in the generation without a handshake: the call is answered with what is
//! asked, and goes on when it is asked for once more with the answers.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ambit_core::action::Digest;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::reply::Wants;
use crate::gate::Answer;
use crate::gate::rpc::{self, Members};
use crate::gate::talk::{Asking, Cancel};

/// A call on its way to its answer.
pub(super) struct UnderWay {
    /// Of which request it is.
    pub of: Digest,
    /// What kind of answer it wants, and whether that says how long it may be kept.
    pub wants: Wants,
    pub cached: bool,
    /// Whether its client knows holds as tasks.
    pub knows_tasks: bool,
    /// What lets go of it.
    pub cancel: Cancel,
    pub answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    pub asks: mpsc::Receiver<Asking>,
}

/// How far a call came.
pub(super) enum Reached {
    Answer(Answer),
    /// The client is asked something first.
    Question(Asking),
}

impl UnderWay {
    pub(super) async fn on(&mut self) -> Reached {
        tokio::select! {
            biased;
            answer = &mut self.answer => Reached::Answer(answer),
            Some(asking) = self.asks.recv() => Reached::Question(asking),
        }
    }
}

/// The calls of one session that wait for their client.
#[derive(Default)]
pub(super) struct Parked(Mutex<BTreeMap<String, (Instant, UnderWay, Asking)>>);

/// Why a call does not go on.
pub(super) const NOT_PARKED: &str =
    "`requestState` is of no request that waits for an answer, or of another one; ask anew without it";

// So many wait at once, and so long.
const MOST: usize = 32;
const LONGEST: Duration = Duration::from_secs(10 * 60);

impl Parked {
    /// Has a call wait; the result that asks its client. `state`: what the client has to give back, known to nobody else.
    pub(super) fn park(&self, state: String, call: UnderWay, asking: Asking) -> Vec<u8> {
        let result = input_required(&state, &asking);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (since, ..)| since.elapsed() < LONGEST);
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, (since, ..))| *since).map(|(state, _)| state.clone())
        {
            all.remove(&oldest);
        }
        all.insert(state, (Instant::now(), call, asking));
        result
    }

    /// Takes the call out that waits for that state, if it is the one of this request.
    pub(super) fn take(&self, state: &str, of: Digest) -> Option<(UnderWay, Asking)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(state).filter(|(since, call, _)| call.of == of && since.elapsed() < LONGEST)?;
        all.remove(state).map(|(_, call, asking)| (call, asking))
    }
}

/// The answers that a client gives, by the key of the question; `None` where one of them is missing or none.
pub(super) fn replies(asking: &Asking, responses: Option<&RawValue>) -> Option<Vec<(String, Box<RawValue>)>> {
    let responses = responses.map(Members::of)?.ok()?;
    let reply = |key: &str| responses.get(key).filter(|reply| reply.get().starts_with('{'));
    // What it says beside that is nobody's answer.
    asking.questions.iter().map(|question| Some((question.key.clone(), reply(&question.key)?.to_owned()))).collect()
}

/// Which request it is: its method and its parameters but for those that make it another asking of the same.
pub(super) fn identity(method: &str, params: &RawValue) -> Result<Digest, String> {
    let members = Members::of(params)?;
    let mut parts: Vec<Vec<u8>> = vec![method.as_bytes().to_vec()];
    let mut said: Vec<_> =
        members.0.iter().filter(|(name, _)| !["_meta", "inputResponses", "requestState"].contains(&&**name)).collect();
    said.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, value) in said {
        parts.push(name.as_bytes().to_vec());
        parts.push(value.get().as_bytes().to_vec());
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(Digest::of("ambit/parked/1", &parts))
}

fn input_required(state: &str, asking: &Asking) -> Vec<u8> {
    let mut out = br#"{"resultType":"input_required","inputRequests":{"#.to_vec();
    for (at, question) in asking.questions.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        rpc::quote(&mut out, &question.key);
        out.extend_from_slice(b":{\"method\":");
        rpc::quote(&mut out, &question.method);
        if let Some(params) = &question.params {
            out.extend_from_slice(b",\"params\":");
            out.extend_from_slice(params.get().as_bytes());
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"},\"requestState\":");
    rpc::quote(&mut out, state);
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::gate::talk::Question;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn asking() -> Asking {
        let question = |key: &str, params: &str| Question {
            key: key.into(),
            method: "elicitation/create".into(),
            params: Some(raw(params)),
        };
        let questions = vec![question("a\"", r#"{ "n":1.0 }"#), question("b", "{}")];
        Asking { questions, replies: oneshot::channel().0 }
    }

    fn call(of: Digest) -> UnderWay {
        let answer = Box::pin(async { Answer::Fault("x".into()) });
        UnderWay {
            of,
            wants: Wants::Other,
            cached: false,
            knows_tasks: false,
            cancel: Cancel::idle(),
            answer,
            asks: mpsc::channel(1).1,
        }
    }

    #[test]
    fn a_call_goes_on_once_for_who_knows_its_state_and_asks_the_same() {
        let of = |params: &str| identity("tools/call", &raw(params)).unwrap();
        let one = of(r#"{"name":"t","arguments":{"n":1}}"#);
        assert_eq!(
            one,
            of(r#"{"_meta":{"x":1},"arguments":{"n":1},"name":"t","requestState":"s","inputResponses":{}}"#)
        );
        let other = of(r#"{"name":"t","arguments":{"n":2}}"#);
        let parked = Parked::default();
        let result = String::from_utf8(parked.park("s".into(), call(one), asking())).unwrap();
        assert!(result.contains(r#""a\"":{"method":"elicitation/create","params":{ "n":1.0 }}"#), "{result}");
        assert!(result.ends_with(r#""requestState":"s"}"#));
        assert!(parked.take("t", one).is_none() && parked.take("s", other).is_none());
        assert!(parked.take("s", one).is_some() && parked.take("s", one).is_none());
        for at in 0..MOST * 2 {
            parked.park(at.to_string(), call(one), asking());
        }
        assert_eq!(parked.0.lock().unwrap().len(), MOST);
    }

    #[test]
    fn every_question_wants_an_answer_and_nothing_else_is_one() {
        let of = |responses: &str| replies(&asking(), Some(&raw(responses)));
        let said = of(r#"{"b":{"y":1},"a\"":{"x":1.0},"c":{}}"#).unwrap();
        assert_eq!((said[0].0.as_str(), said[0].1.get()), ("a\"", r#"{"x":1.0}"#));
        assert_eq!(said.len(), 2);
        for odd in [r#"{"b":{}}"#, r#"{"b":{},"a\"":1}"#, "[]", r#"{"b":{},"b":{},"a\"":{}}"#] {
            assert!(of(odd).is_none(), "{odd}");
        }
    }
}
