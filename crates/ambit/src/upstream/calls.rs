//! Which answer of a server on one wire belongs to which call, and for whom something is that it says beside its answers.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::errand::{self, UnderWay};
use super::message::{self, Outcome};
use crate::gate::talk::{Party, Talk};

/// The calls that wait for an answer.
#[derive(Default)]
pub(super) struct Calls {
    waiting: BTreeMap<u64, Call>,
    /// What the server works on in its own time, by what it calls it.
    pub errands: UnderWay,
    // Of which task the calls so far were; `Err`: of more than one, or of one during which nothing may be said.
    task: Option<Result<Option<String>, ()>>,
    // Why there will be no answers any more.
    dead: Option<String>,
}

/// One call that waits.
pub(super) struct Call {
    /// Who is told of the answer.
    pub tell: oneshot::Sender<Result<Outcome, String>>,
    /// Who hears what is said meanwhile.
    pub talk: Talk,
    /// Who is told that a subscription was agreed to, and of which resource it is.
    pub agreed: Option<(oneshot::Sender<()>, String)>,
}

impl Calls {
    /// Adds a call, before it is sent.
    ///
    /// # Errors
    /// When there will be no answers any more; why.
    pub(super) fn add(&mut self, id: u64, call: Call) -> Result<(), String> {
        if let Some(why) = &self.dead {
            return Err(why.clone());
        }
        if let Some(party) = call.talk.party() {
            self.note(party, call.talk.is_muted());
        }
        self.waiting.insert(id, call);
        Ok(())
    }

    /// Takes the call out to which an answer with that raw id belongs.
    pub(super) fn take(&mut self, raw: &str) -> Option<Call> {
        message::own_id(raw).and_then(|id| self.remove(id))
    }

    /// Takes a call out; whether it still waited.
    pub(super) fn remove(&mut self, id: u64) -> Option<Call> {
        self.waiting.remove(&id)
    }

    /// Why there will be no answers any more.
    pub(super) fn dead(&self) -> Option<&str> {
        self.dead.as_deref()
    }

    /// There will be no answers any more; the calls that waited for one.
    pub(super) fn die(&mut self, why: &str) -> BTreeMap<u64, Call> {
        if self.dead.is_none() {
            self.dead = Some(why.to_owned());
        }
        std::mem::take(&mut self.waiting)
    }

    /// Whom something is for that the server says beside its answers.
    pub(super) fn concerned(&self, method: &str, params: Option<&RawValue>) -> Option<Talk> {
        match method {
            "notifications/progress" => self.waiting.get(&message::progress_of(params)?).map(|call| call.talk.clone()),
            "notifications/message" => self.only(),
            _ => None,
        }
    }

    /// Tells who waits for it that a subscription was agreed to.
    pub(super) fn agree(&mut self, params: Option<&RawValue>) {
        let call = message::subscription_of(params).and_then(|id| self.waiting.get_mut(&id));
        if let Some(call) = call
            && let Some((told, _)) = call.agreed.take_if(|(_, uri)| message::agrees(params, uri))
        {
            let _ = told.send(());
        }
    }

    /// The one call that a question of the server can be about: an answer to the one must not go into the other. None while
    /// a call is under way about which nothing may be asked, or several that have asked nothing yet.
    /// One that names what it is about is about that.
    pub(super) fn asking(&self, params: Option<&RawValue>) -> Option<Talk> {
        if let Some(related) = errand::related(params) {
            return self.errands.get(&related).filter(|talk| !talk.is_deaf()).cloned();
        }
        let mut talks = self.talks();
        if talks.clone().any(Talk::is_deaf) {
            return None;
        }
        let mut open = talks.by_ref().filter(|talk| !talk.is_asking());
        open.next().filter(|_| open.next().is_none()).cloned()
    }

    /// Notes for whom the server works.
    pub(super) fn note(&mut self, party: &Party, muted: bool) {
        if muted {
            self.task = Some(Err(()));
        }
        match &self.task {
            None => self.task = Some(Ok(party.task.clone())),
            Some(Ok(task)) if *task != party.task => self.task = Some(Err(())),
            Some(_) => {}
        }
    }

    /// The lines of everybody for whom the server works.
    fn talks(&self) -> impl DoubleEndedIterator<Item = &Talk> + Clone {
        let all = self.waiting.values().map(|call| &call.talk).chain(self.errands.values());
        all.filter(|talk| talk.party().is_some())
    }

    /// The one line that something said to nobody in particular can be for. A server that has worked for two tasks may be
    /// telling the one about the other, of two sessions it can mean either, and what it was asked for quietly it can tell at
    /// any time: then there is none.
    fn only(&self) -> Option<Talk> {
        if matches!(self.task, Some(Err(()))) {
            return None;
        }
        let mut talks = self.talks();
        let last = talks.next_back()?;
        let session = |talk: &Talk| talk.party().map(|party| party.session.clone());
        talks.all(|talk| session(talk) == session(last)).then(|| last.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::talk::{Listener, Log, Wants};

    fn call(session: &str, task: Option<&str>) -> (Call, Listener) {
        let party = Party { session: session.into(), task: task.map(str::to_owned) };
        let (talk, listener) = Talk::open(party, Wants { progress: true, log: Log::Unasked, ..Wants::default() });
        (Call { tell: oneshot::channel().0, talk, agreed: None }, listener)
    }

    fn logs(calls: &Calls) {
        let line = RawValue::from_string(r#"{"level":"info","data":"x"}"#.to_owned()).unwrap();
        if let Some(talk) = calls.concerned("notifications/message", Some(&line)) {
            talk.log(&line);
        }
    }

    #[test]
    fn a_log_line_reaches_the_one_session_that_it_can_be_for() {
        let mut calls = Calls::default();
        let (one, mut hears) = call("s1", None);
        calls.add(1, one).unwrap();
        logs(&calls);
        assert!(hears.heard_already().is_some());
        let (two, mut hears_too) = call("s2", None);
        calls.add(2, two).unwrap();
        logs(&calls);
        assert!(hears.heard_already().is_none() && hears_too.heard_already().is_none());
        calls.remove(1);
        logs(&calls);
        assert!(hears_too.heard_already().is_some());
    }

    #[test]
    fn a_question_is_about_the_one_call_under_way_or_about_none() {
        let mut calls = Calls::default();
        assert!(calls.asking(None).is_none());
        calls.add(1, call("s1", None).0).unwrap();
        assert!(calls.asking(None).is_some());
        // What a person confirmed runs without its client, and another call of the same session must not answer for it.
        let confirmed = Talk::deaf(Party { session: "s1".into(), task: None });
        calls.add(2, Call { tell: oneshot::channel().0, talk: confirmed, agreed: None }).unwrap();
        assert!(calls.asking(None).is_none());
        calls.remove(1);
        assert!(calls.asking(None).is_none());
        calls.remove(2);
        for id in [3, 4] {
            calls.add(id, call("s1", None).0).unwrap();
        }
        assert!(calls.asking(None).is_none());
    }

    #[test]
    fn what_a_server_logs_that_worked_for_two_tasks_reaches_nobody_any_more() {
        let mut calls = Calls::default();
        calls.add(1, call("s1", Some("t1")).0).unwrap();
        calls.remove(1);
        let (two, mut hears) = call("s2", Some("t2"));
        calls.add(2, two).unwrap();
        logs(&calls);
        assert!(hears.heard_already().is_none());
        calls.remove(2);
        let (three, mut hears) = call("s2", Some("t2"));
        calls.add(3, three).unwrap();
        logs(&calls);
        assert!(hears.heard_already().is_none());
    }
}
