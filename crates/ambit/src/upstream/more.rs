//! A result that is none yet (`input_required`): what the server asks for before it answers, and the call once more with it.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::escape::escape;
use crate::gate::rpc::{self, Members};
use crate::gate::talk::{Asks, Question, Talk};

/// Why what a server asks has no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// It may not ask such things; what people are told that it asked for.
    MayNot(Vec<String>),
    /// It asks in a way that cannot be read, or nobody answers.
    Nobody,
}

/// The parameters once more, with what the client said to what the server asks; otherwise byte for byte.
///
/// # Errors
/// When that has no answer.
pub(super) async fn answered(params: &[u8], result: &[u8], may: Asks, talk: &Talk) -> Result<Vec<u8>, Unanswered> {
    let wanted = Wanted::read(result).ok_or(Unanswered::Nobody)?;
    let mut members: Vec<(&str, &[u8])> = Vec::new();
    let responses;
    if !wanted.questions.is_empty() {
        responses = ask(wanted.questions, may, talk).await?;
        members.push(("inputResponses", &responses));
    } else if may.and(talk.wants().asks) == Asks::default() {
        // To be asked once more is to be asked something as well.
        return Err(Unanswered::Nobody);
    }
    if let Some(state) = wanted.state {
        members.push(("requestState", state.get().as_bytes()));
    }
    with(params, &members).ok_or(Unanswered::Nobody)
}

/// What the client says to what a server asks, as one object, by key.
///
/// # Errors
/// When that has no answer.
pub(super) async fn ask(questions: Vec<Question>, may: Asks, talk: &Talk) -> Result<Vec<u8>, Unanswered> {
    let may_not: BTreeSet<String> = questions
        .iter()
        .filter(|question| !may.has(&question.method))
        .map(|question| escape(&question.method.chars().take(100).collect::<String>()))
        .collect();
    if !may_not.is_empty() {
        return Err(Unanswered::MayNot(may_not.into_iter().take(TOLD).collect()));
    }
    let mut responses = vec![b'{'];
    for (key, reply) in talk.ask(questions).await.ok_or(Unanswered::Nobody)? {
        // In this generation a client says no in its result.
        let reply = reply.map_err(|_| Unanswered::Nobody)?;
        if responses.len() > 1 {
            responses.push(b',');
        }
        rpc::quote(&mut responses, &key);
        responses.push(b':');
        responses.extend_from_slice(reply.get().as_bytes());
    }
    responses.push(b'}');
    Ok(responses)
}

/// An object with more members behind those that it has, which are byte for byte; `None` where it is none.
pub(super) fn with(object: &[u8], members: &[(&str, &[u8])]) -> Option<Vec<u8>> {
    let mut out = object.trim_ascii().strip_suffix(b"}")?.to_vec();
    for (name, value) in members {
        if !out.trim_ascii_end().ends_with(b"{") {
            out.push(b',');
        }
        rpc::quote(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    Some(out)
}

/// What is asked in `inputRequests`; `None` where it cannot be read.
pub(super) fn questions(requests: Option<&RawValue>) -> Option<Vec<Question>> {
    let mut questions = Vec::new();
    let Some(requests) = requests else { return Some(questions) };
    for (key, request) in Members::of(requests).ok()?.0.into_iter().take(QUESTIONS) {
        let request = Members::of(request).ok()?;
        questions.push(Question {
            key: key.into_owned(),
            method: request.text("method")?.into_owned(),
            params: request.get("params").map(ToOwned::to_owned),
        });
    }
    Some(questions)
}

// Of what it may not ask, so much is told of one result; and so much is read.
const TOLD: usize = 4;
const QUESTIONS: usize = 64;

/// What a server wants before it answers.
struct Wanted<'a> {
    questions: Vec<Question>,
    // What it wants to be given back as it is.
    state: Option<&'a RawValue>,
}

impl<'a> Wanted<'a> {
    fn read(result: &'a [u8]) -> Option<Wanted<'a>> {
        let raw: &RawValue = serde_json::from_slice(result).ok()?;
        let members = Members::of(raw).ok()?;
        if members.text("resultType")? != "input_required" {
            return None;
        }
        let questions = questions(members.get("inputRequests"))?;
        let state = members.get("requestState");
        if state.is_some_and(|state| !state.get().starts_with('"')) || (questions.is_empty() && state.is_none()) {
            return None;
        }
        Some(Wanted { questions, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::talk::{Asking, Party, Wants};

    const ASKS: &str = r#"{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{"m":1.0}}},"requestState":"s\u0031"}"#;

    #[tokio::test]
    async fn the_call_goes_once_more_with_the_answers_and_is_otherwise_byte_for_byte() {
        let asks = Asks { elicitation: true, ..Asks::default() };
        let (talk, mut listener) = Talk::open(Party::default(), Wants { asks, ..Wants::default() });
        let mut asked = listener.asks().unwrap();
        tokio::spawn(async move {
            while let Some(Asking { questions, replies }) = asked.recv().await {
                assert_eq!(questions[0].params.as_ref().unwrap().get(), r#"{"m":1.0}"#);
                let reply = RawValue::from_string(r#"{ "action":"accept" }"#.to_owned()).unwrap();
                replies.send(vec![(questions[0].key.clone(), Ok(reply))]).unwrap();
            }
        });
        let params = br#"{ "name":"t","arguments":{ "n":1.00 } }"#;
        let again = answered(params, ASKS.as_bytes(), asks, &talk).await.unwrap();
        assert_eq!(
            String::from_utf8(again).unwrap(),
            r#"{ "name":"t","arguments":{ "n":1.00 } ,"inputResponses":{"who":{ "action":"accept" }},"requestState":"s\u0031"}"#
        );
        let state = br#"{"resultType":"input_required","requestState":"x"}"#;
        assert_eq!(answered(b"{}", state, asks, &talk).await.unwrap(), br#"{"requestState":"x"}"#);
    }

    #[tokio::test]
    async fn what_it_may_not_ask_is_told_and_what_cannot_be_read_is_nothing() {
        let said = answered(b"{}", ASKS.as_bytes(), Asks::default(), &Talk::silent()).await;
        assert_eq!(said, Err(Unanswered::MayNot(vec!["elicitation/create".to_owned()])));
        let may = Asks { elicitation: true, ..Asks::default() };
        for odd in [
            r#"{"resultType":"input_required"}"#,
            r#"{"resultType":"input_required","requestState":7}"#,
            r#"{"resultType":"task","requestState":"x"}"#,
            r#"{"resultType":"input_required","inputRequests":[]}"#,
            r#"{"resultType":"input_required","inputRequests":{"a":{}}}"#,
            ASKS,
        ] {
            assert_eq!(answered(b"{}", odd.as_bytes(), may, &Talk::silent()).await, Err(Unanswered::Nobody), "{odd}");
        }
    }
}
