//! What clients of the generation that shakes hands are asked by requests of their own, and what they answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use crate::gate::rpc;
use crate::gate::talk::{Asking, Reply};

/// The answers of one session that are waited for.
#[derive(Default)]
pub(crate) struct Answers {
    next: AtomicU64,
    // By raw id.
    waiting: Mutex<BTreeMap<String, oneshot::Sender<Reply>>>,
}

// More of one session are not waited for.
const MOST: usize = 256;

impl Answers {
    /// The requests that ask the client; its answers go where the asking says, once all of them are there.
    pub(crate) fn ask(&self, asking: Asking) -> Vec<u8> {
        let (mut out, mut answers) = (Vec::new(), Vec::new());
        for question in asking.questions {
            let id = format!("\"ambit-{}\"", self.next.fetch_add(1, Ordering::Relaxed) + 1);
            let (tell, told) = oneshot::channel();
            {
                let mut waiting = self.waiting();
                waiting.retain(|_, tell| !tell.is_closed());
                if waiting.len() >= MOST {
                    return Vec::new();
                }
                waiting.insert(id.clone(), tell);
            }
            let params = question.params.as_ref().map(|params| params.get().as_bytes());
            rpc::request_raw(&mut out, &id, &question.method, params);
            answers.push((question.key, told));
        }
        let mut replies = asking.replies;
        tokio::spawn(async move {
            let all = async {
                let mut all = Vec::new();
                for (key, told) in answers {
                    all.push((key, told.await.ok()?));
                }
                Some(all)
            };
            tokio::select! {
                // Whoever asked gave up.
                () = replies.closed() => {}
                all = all => if let Some(all) = all {
                    let _ = replies.send(all);
                },
            }
        });
        out
    }

    /// Takes an answer of the client to where it is waited for; one that nobody waits for is nothing.
    pub(crate) fn answered(&self, id: &str, outcome: Result<&RawValue, &RawValue>) {
        let tell = self.waiting().remove(id);
        if let Some(tell) = tell {
            // A result that is no object is none.
            let outcome = match outcome {
                Ok(result) if result.get().starts_with('{') => Ok(result.to_owned()),
                Ok(_) => return,
                Err(error) => Err(error.to_owned()),
            };
            let _ = tell.send(outcome);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<String, oneshot::Sender<Reply>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::talk::Question;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn all_answers_come_together_and_strange_ones_are_nothing() {
        let answers = Answers::default();
        let (replies, mut replied) = oneshot::channel();
        let question = |key: &str| Question { key: key.into(), method: "roots/list".into(), params: None };
        let asked = answers.ask(Asking { questions: vec![question("a"), question("b")], replies });
        let asked = String::from_utf8(asked).unwrap();
        assert_eq!(asked.lines().count(), 2);
        assert!(asked.contains(r#""id":"ambit-1","method":"roots/list""#), "{asked}");
        answers.answered("\"ambit-9\"", Ok(&raw("{}")));
        answers.answered("\"ambit-2\"", Err(&raw(r#"{"code":1,"message":"no"}"#)));
        assert!(replied.try_recv().is_err());
        answers.answered("\"ambit-1\"", Ok(&raw(r#"{"roots":[ ]}"#)));
        let replied = replied.await.unwrap();
        assert_eq!(replied[0].1.as_ref().unwrap().get(), r#"{"roots":[ ]}"#);
        assert!(replied[0].0 == "a" && replied[1].1.is_err());
    }
}
