//! A result that is none yet (`input_required`): what the server asks for before it answers, and the call once more with it.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::escape::escape;
use crate::gate::rpc::{self, Members};
use crate::gate::talk::{Asks, Question, Talk};

/// The parameters once more, with what the client said to what the server asks; otherwise byte for byte.
///
/// # Errors
/// When it asks for what it may not, in a way that cannot be read, or nobody answers; what people are told that it asked for,
/// where it may not.
pub(super) async fn answered(params: &[u8], result: &[u8], may: Asks, talk: &Talk) -> Result<Vec<u8>, Vec<String>> {
    let wanted = Wanted::read(result).ok_or_else(Vec::new)?;
    let may_not: BTreeSet<String> = wanted
        .questions
        .iter()
        .filter(|question| !may.has(&question.method))
        .map(|question| escape(&question.method.chars().take(100).collect::<String>()))
        .collect();
    if !may_not.is_empty() {
        return Err(may_not.into_iter().take(TOLD).collect());
    }
    // To be asked once more is to be asked something as well.
    if may.and(talk.wants().asks) == Asks::default() {
        return Err(Vec::new());
    }
    let mut replies = Vec::new();
    if !wanted.questions.is_empty() {
        replies = talk.ask(wanted.questions).await.ok_or_else(Vec::new)?;
    }
    let body = params.trim_ascii().strip_suffix(b"}").ok_or_else(Vec::new)?;
    let mut out = body.to_vec();
    let mut add = |name: &str, value: &[u8]| {
        if !out.trim_ascii_end().ends_with(b"{") {
            out.push(b',');
        }
        rpc::quote(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value);
    };
    if !replies.is_empty() {
        let mut responses = vec![b'{'];
        for (key, reply) in replies {
            // In this generation a client says no in its result.
            let reply = reply.map_err(|_| Vec::new())?;
            if responses.len() > 1 {
                responses.push(b',');
            }
            rpc::quote(&mut responses, &key);
            responses.push(b':');
            responses.extend_from_slice(reply.get().as_bytes());
        }
        responses.push(b'}');
        add("inputResponses", &responses);
    }
    if let Some(state) = wanted.state {
        add("requestState", state.get().as_bytes());
    }
    out.push(b'}');
    Ok(out)
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
        let mut questions = Vec::new();
        if let Some(requests) = members.get("inputRequests") {
            for (key, request) in Members::of(requests).ok()?.0.into_iter().take(QUESTIONS) {
                let request = Members::of(request).ok()?;
                questions.push(Question {
                    key: key.into_owned(),
                    method: request.text("method")?.into_owned(),
                    params: request.get("params").map(ToOwned::to_owned),
                });
            }
        }
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
        assert_eq!(said, Err(vec!["elicitation/create".to_owned()]));
        let may = Asks { elicitation: true, ..Asks::default() };
        for odd in [
            r#"{"resultType":"input_required"}"#,
            r#"{"resultType":"input_required","requestState":7}"#,
            r#"{"resultType":"task","requestState":"x"}"#,
            r#"{"resultType":"input_required","inputRequests":[]}"#,
            r#"{"resultType":"input_required","inputRequests":{"a":{}}}"#,
            ASKS,
        ] {
            assert_eq!(answered(b"{}", odd.as_bytes(), may, &Talk::silent()).await, Err(Vec::new()), "{odd}");
        }
    }
}
