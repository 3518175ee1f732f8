//! What is said on a line where a system works on an action in its own time, and the answer that comes before the end.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::{Aside, Line, Talk};
use crate::gate::Answer;
use crate::gate::errand::Word;
use crate::gate::rpc;

impl Talk {
    /// The same line, on which an answer may come before the end; that comes out here.
    #[must_use]
    pub fn with_early(&self) -> (Talk, mpsc::Receiver<Answer>) {
        let (early, told) = mpsc::channel(1);
        (Talk(self.0.as_ref().map(|line| Arc::new(Line { early: Some(early), ..line.again() }))), told)
    }

    /// Whether an answer may come before the end.
    #[must_use]
    pub fn takes_early(&self) -> bool {
        self.0.as_ref().is_some_and(|line| line.early.is_some())
    }

    /// Answers before the end. From then on nobody is at the other end.
    pub fn answer_early(&self, answer: Answer) {
        if let Some(early) = self.0.as_ref().and_then(|line| line.early.as_ref()) {
            // Whoever went away asks again, by the id that is on record.
            let _ = early.try_send(answer);
        }
    }

    /// Whether the system may work on it in its own time.
    #[must_use]
    pub fn takes_errands(&self) -> bool {
        self.0.as_ref().is_some_and(|line| line.errands.is_some())
    }

    /// The same line, on which the system may not work on it in its own time.
    #[must_use]
    pub fn without_errands(&self) -> Talk {
        Talk(self.0.as_ref().map(|line| Arc::new(Line { errands: None, ..line.again() })))
    }

    /// Says that the system works on it in its own time; `id` is what it calls that.
    pub async fn errand_began(&self, id: &str) {
        if let Some(errands) = self.0.as_ref().and_then(|line| line.errands.as_ref()) {
            let _ = errands.send(Word::Began { id: id.to_owned() }).await;
        }
    }

    /// Passes on how a system says that an errand stands; `text` is escaped, and the `count`th of that errand.
    pub fn errand_says(&self, text: &str, count: u32) {
        let Some(line) = self.0.as_ref().filter(|line| !line.muted) else { return };
        let mut after = format!(",\"progress\":{count},\"message\":").into_bytes();
        rpc::quote(&mut after, text);
        after.push(b'}');
        let aside = line.wants.progress.then(|| Aside::Progress(b"{\"progressToken\":".to_vec(), after));
        if line.say(aside, text.len())
            && let Some(errands) = &line.errands
        {
            let _ = errands.try_send(Word::Says(text.to_owned()));
        }
    }

    /// The same line, of which nobody lets go.
    #[must_use]
    pub fn steady(&self) -> Talk {
        let never = watch::Sender::new(false).subscribe();
        Talk(self.0.as_ref().map(|line| Arc::new(Line { cancelled: never, ..line.again() })))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Party, Wants};
    use super::*;

    #[test]
    fn how_an_errand_stands_is_told_as_progress_and_never_on_a_muted_line() {
        let (talk, mut heard) = Talk::open(Party::default(), Wants { progress: true, ..Wants::default() });
        let (relayed, mut relay) = talk.relayed(true);
        relayed.errand_says("half \"way\"", 1);
        let mut out = Vec::new();
        heard.heard_already().unwrap().write(&mut out, Some("7"));
        let said = String::from_utf8(out).unwrap();
        assert!(said.contains(r#"{"progressToken":7,"progress":1,"message":"half \"way\""}"#), "{said}");
        assert_eq!(relay.errands.try_recv(), Ok(Word::Says("half \"way\"".into())));
        let (muted, mut relay) = talk.muted().relayed(true);
        muted.errand_says("half way", 1);
        assert!(heard.heard_already().is_none() && relay.errands.try_recv().is_err());
        assert!(muted.takes_errands() && !talk.relayed(false).0.takes_errands());
        assert!(!muted.without_errands().takes_errands() && !Talk::silent().relayed(true).0.takes_errands());
    }

    #[tokio::test]
    async fn who_answers_early_does_so_on_that_line_and_is_let_go_of_by_its_own_end_alone() {
        let (talk, hearing) = Talk::open(Party::default(), Wants::default());
        assert!(!talk.takes_early());
        let (talk, mut early) = talk.with_early();
        talk.muted().answer_early(Answer::Fault("later".into()));
        assert_eq!(early.recv().await, Some(Answer::Fault("later".into())));
        let (relayed, relay) = talk.relayed(true);
        hearing.cancel().now();
        assert!(talk.is_cancelled() && !relayed.is_cancelled());
        relay.cancel.now();
        assert!(relayed.is_cancelled() && !relayed.steady().is_cancelled());
    }
}
