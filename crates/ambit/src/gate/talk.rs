//! What an agent and a live system say to one another while an action is under way: how far it is, what the server logs,
//! that nobody wants the answer any more; and, where a person declared that it may, what the server asks the agent's client.
//! None of it is part of the action, or decides anything.

mod later;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::Answer;
use super::errand::Word;
use super::rpc::{self, Members};
use crate::upstream::postgres::Exchange;

/// The live system's end of the line to whoever asked. Cheap to clone; one that is silent says and hears nothing.
#[derive(Clone, Debug, Default)]
pub struct Talk(Option<Arc<Line>>);

#[derive(Debug)]
struct Line {
    party: Party,
    wants: Wants,
    to: Option<mpsc::Sender<Aside>>,
    asks: Option<mpsc::Sender<Asking>>,
    // Where it is said that the system works on it in its own time; none where it may not.
    errands: Option<mpsc::Sender<Word>>,
    // Where an answer goes that comes before the end.
    early: Option<mpsc::Sender<Answer>>,
    muted: bool,
    cancelled: watch::Receiver<bool>,
    said: AtomicU32,
    // Questions on it that have no answer yet.
    asking: AtomicU32,
    // What a session of a database lends to the sending.
    exchange: Option<Arc<Exchange>>,
}

/// Who is at the other end. What a server says without saying to whom must not reach another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The session.
    pub session: String,
    /// The task that it is bound to.
    pub task: Option<String>,
}

/// What whoever asked wants to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// How far it is.
    pub progress: bool,
    /// What the server logs, from that level on.
    pub log: Log,
    /// What it may be asked.
    pub asks: Asks,
    /// Whether it collects by itself what takes its time: it knows tasks.
    pub later: bool,
}

/// What a server may ask the agent's client for, beside what it was called for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Something of the person at the client (`elicitation/create`).
    pub elicitation: bool,
    /// Words of the client's model (`sampling/createMessage`).
    pub sampling: bool,
    /// Where the client works (`roots/list`).
    pub roots: bool,
}

/// Something that a server asks.
#[derive(Clone, Debug)]
pub struct Question {
    /// What it is called among those that are asked together.
    pub key: String,
    /// The method.
    pub method: String,
    /// Its parameters, as the server wrote them.
    pub params: Option<Box<RawValue>>,
}

/// What the client made of a question: the JSON of its result, or of its error.
pub type Reply = Result<Box<RawValue>, Box<RawValue>>;

/// What a server asks together, and where the replies go, each with the question's key.
#[derive(Debug)]
pub struct Asking {
    /// The questions.
    pub questions: Vec<Question>,
    /// Where the replies go.
    pub replies: oneshot::Sender<Vec<(String, Reply)>>,
}

/// Whether, and from which level on, somebody wants to hear what a server logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Log {
    /// Not at all.
    #[default]
    Nothing,
    /// What the server writes by itself.
    Unasked,
    /// From that level on, and the server is asked for it.
    From(Level),
}

/// How much a log line matters (RFC 5424), from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the levels of syslog, by name")]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// Something said beside the answer, as the parameters of its notification; bounded in size.
#[derive(Debug, PartialEq, Eq)]
pub enum Aside {
    /// How far it is: what the server wrote, but for the token, whose place is between the two.
    Progress(Vec<u8>, Vec<u8>),
    /// What it logs, as the server wrote it.
    Log(Vec<u8>),
}

/// Whoever asked: hears what is said, and may let go.
#[derive(Debug)]
pub struct Listener {
    asides: mpsc::Receiver<Aside>,
    asks: Option<mpsc::Receiver<Asking>>,
    cancel: Cancel,
}

/// The end of a line that was relayed.
#[derive(Debug)]
pub struct Relay {
    /// What is asked on it.
    pub asks: mpsc::Receiver<Asking>,
    /// What is said of it where the system works on it in its own time.
    pub errands: mpsc::Receiver<Word>,
    /// What lets go of it.
    pub cancel: Cancel,
}

/// Lets go of an action under way: the answer is not wanted any more. Whether it took effect is another question.
#[derive(Clone, Debug)]
pub struct Cancel(Arc<watch::Sender<bool>>);

// What is not heard in time is not kept: the answer must not wait for it.
const QUEUE: usize = 64;
// Of one action so much is passed on, in number and in size of one.
const MOST: u32 = 10_000;
const LONGEST: usize = 64 << 10;
// So much is asked together, in number and in bytes.
const QUESTIONS: usize = 16;
// A client answers within this time, or not at all.
const ANSWERS: Duration = Duration::from_secs(10 * 60);
const QUESTIONS_BYTES: usize = 1 << 20;

impl Talk {
    /// A line of which nobody is at the other end.
    #[must_use]
    pub fn silent() -> Talk {
        Talk(None)
    }

    /// A line to somebody who is not there (any more): who collects what comes of it later.
    #[must_use]
    pub fn deaf(party: Party) -> Talk {
        let (wants, cancelled) = (Wants { later: true, ..Wants::default() }, watch::Sender::new(false).subscribe());
        Talk(Some(Arc::new(Line::new(party, wants, cancelled))))
    }

    /// A line to somebody who hears of what comes back over what is lent, and of nothing else; and what lets go of it.
    #[must_use]
    pub fn lending(party: Party, exchange: Arc<Exchange>) -> (Talk, Cancel) {
        let cancel = watch::Sender::new(false);
        let line = Line::new(party, Wants::default(), cancel.subscribe());
        (Talk(Some(Arc::new(Line { exchange: Some(exchange), ..line }))), Cancel(Arc::new(cancel)))
    }

    /// What is lent to the sending; `None` where nobody waits for what comes back.
    #[must_use]
    pub fn exchange(&self) -> Option<&Arc<Exchange>> {
        self.0.as_ref()?.exchange.as_ref()
    }

    /// A line, and the end of whoever asked.
    #[must_use]
    pub fn open(party: Party, wants: Wants) -> (Talk, Listener) {
        let (to, asides) = mpsc::channel(QUEUE);
        let (asks, asked) = mpsc::channel(1);
        let cancel = watch::Sender::new(false);
        let line = Line { to: Some(to), asks: Some(asks), ..Line::new(party, wants, cancel.subscribe()) };
        (Talk(Some(Arc::new(line))), Listener { asides, asks: Some(asked), cancel: Cancel(Arc::new(cancel)) })
    }

    /// The same line, but what is asked on it comes out here instead, and what is said of an errand; and it is let go of from
    /// here alone. `errands`: whether the system may work on it in its own time.
    #[must_use]
    pub fn relayed(&self, errands: bool) -> (Talk, Relay) {
        let (asks, asked) = mpsc::channel(1);
        let (tell, told) = mpsc::channel(QUEUE);
        let cancel = watch::Sender::new(false);
        let relayed = self.0.as_ref().map(|line| {
            let same = Line { asks: Some(asks), errands: errands.then_some(tell), ..line.again() };
            Arc::new(Line { cancelled: cancel.subscribe(), ..same })
        });
        (Talk(relayed), Relay { asks: asked, errands: told, cancel: Cancel(Arc::new(cancel)) })
    }

    /// Asks the client, and waits for what it makes of it; `None` where it may not be asked, or is gone. Whether a server
    /// may ask such things is for whoever knows the server to see to.
    pub async fn ask(&self, questions: Vec<Question>) -> Option<Vec<(String, Reply)>> {
        let line = self.0.as_ref()?;
        let bytes: usize = questions.iter().filter_map(|question| Some(question.params.as_ref()?.get().len())).sum();
        let may = questions.iter().all(|question| line.wants.asks.has(&question.method));
        if !may || questions.is_empty() || questions.len() > QUESTIONS || bytes > QUESTIONS_BYTES {
            return None;
        }
        let (replies, replied) = oneshot::channel();
        line.asking.fetch_add(1, Ordering::AcqRel);
        let _asking = Waits(&line.asking);
        let answered = async {
            line.asks.as_ref()?.send(Asking { questions, replies }).await.ok()?;
            replied.await.ok()
        };
        tokio::select! {
            biased;
            () = self.cancelled() => None,
            answered = timeout(ANSWERS, answered) => answered.ok()?,
        }
    }

    /// Whether the client is being asked something.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        self.0.as_ref().is_some_and(|line| line.asking.load(Ordering::Acquire) > 0)
    }

    /// Whether nobody is there to be told or asked anything but the answer.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.0.as_ref().is_none_or(|line| line.to.is_none())
    }

    /// Who is at the other end; `None` where nobody ever was.
    #[must_use]
    pub fn party(&self) -> Option<&Party> {
        self.0.as_ref().map(|line| &line.party)
    }

    /// The same line, on which nothing is said beside the answer: for results that are not passed on whole.
    #[must_use]
    pub fn muted(&self) -> Talk {
        Talk(self.0.as_ref().map(|line| {
            let wants = Wants { later: line.wants.later, ..Wants::default() };
            let (party, cancelled) = (line.party.clone(), line.cancelled.clone());
            let early = line.early.clone();
            Arc::new(Line { muted: true, early, exchange: line.exchange.clone(), ..Line::new(party, wants, cancelled) })
        }))
    }

    /// A line to the same party, who hears nothing and asks for nothing.
    #[must_use]
    pub fn muted_party(&self) -> Talk {
        self.party().map_or_else(Talk::silent, |party| Talk::deaf(party.clone()))
    }

    /// Whether nothing may be said beside the answer.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.0.as_ref().is_some_and(|line| line.muted)
    }

    /// What is wanted.
    #[must_use]
    pub fn wants(&self) -> Wants {
        self.0.as_ref().map(|line| line.wants).unwrap_or_default()
    }

    /// Whether the answer is not wanted any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.as_ref().is_some_and(|line| *line.cancelled.borrow())
    }

    /// Waits until the answer is not wanted any more; for ever where that never comes.
    pub async fn cancelled(&self) {
        if let Some(line) = &self.0 {
            let mut cancelled = line.cancelled.clone();
            if cancelled.wait_for(|cancelled| *cancelled).await.is_ok() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Passes on how far it is: the parameters of `notifications/progress`, whose token was found to be this call's.
    /// Whether the server may still say such things of this call.
    pub fn progress(&self, params: &RawValue) -> bool {
        let Some(line) = self.0.as_ref() else { return false };
        let is_number = |members: &Members<'_>, name: &str| {
            members.get(name).is_none_or(|number| number.get().parse::<f64>().is_ok())
        };
        let aside = Members::of(params).ok().filter(|members| {
            line.wants.progress
                && members.get("progress").is_some()
                && is_number(members, "progress")
                && is_number(members, "total")
        });
        let around = aside.and_then(|members| rpc::around(params, members.get("progressToken")?));
        line.say(around.map(|(before, after)| Aside::Progress(before.to_vec(), after.to_vec())), params.get().len())
    }

    /// Passes on what the server logs: the parameters of `notifications/message`. Whether the server may still say such
    /// things during this call.
    pub fn log(&self, params: &RawValue) -> bool {
        let Some(line) = &self.0 else { return false };
        let level = Members::of(params).ok().and_then(|members| Level::named(&members.text("level")?));
        let wanted = match (line.wants.log, level) {
            (Log::Nothing, _) | (_, None) => false,
            (Log::Unasked, Some(_)) => true,
            (Log::From(least), Some(level)) => level >= least,
        };
        line.say(wanted.then(|| Aside::Log(params.get().as_bytes().to_vec())), params.get().len())
    }
}

/// A question that has no answer yet, until this is dropped.
struct Waits<'a>(&'a AtomicU32);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Line {
    /// One that says and asks nothing.
    fn new(party: Party, wants: Wants, cancelled: watch::Receiver<bool>) -> Line {
        Line {
            party,
            wants,
            to: None,
            asks: None,
            errands: None,
            early: None,
            muted: false,
            cancelled,
            said: AtomicU32::new(0),
            asking: AtomicU32::new(0),
            exchange: None,
        }
    }

    /// The same once more.
    fn again(&self) -> Line {
        Line {
            to: self.to.clone(),
            asks: self.asks.clone(),
            errands: self.errands.clone(),
            early: self.early.clone(),
            muted: self.muted,
            exchange: self.exchange.clone(),
            ..Line::new(self.party.clone(), self.wants, self.cancelled.clone())
        }
    }

    /// Whether there was room for it: what nobody wants to hear counts too.
    fn say(&self, aside: Option<Aside>, size: usize) -> bool {
        let room = self.said.fetch_add(1, Ordering::Relaxed) < MOST;
        if let (true, Some(to), Some(aside)) = (room && size <= LONGEST, &self.to, aside) {
            let _ = to.try_send(aside);
        }
        room
    }
}

impl Listener {
    /// The next that is said; `None` once nobody will say anything any more.
    pub async fn heard(&mut self) -> Option<Aside> {
        self.asides.recv().await
    }

    /// The next that was said, without waiting.
    pub fn heard_already(&mut self) -> Option<Aside> {
        self.asides.try_recv().ok()
    }

    /// Where what is asked comes out; once.
    #[must_use]
    pub fn asks(&mut self) -> Option<mpsc::Receiver<Asking>> {
        self.asks.take()
    }

    /// What lets go of the action.
    #[must_use]
    pub fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }
}

impl Asks {
    /// Each by its capability's name and its method.
    fn all(self) -> [(bool, &'static str, &'static str); 3] {
        [
            (self.elicitation, "elicitation", "elicitation/create"),
            (self.sampling, "sampling", "sampling/createMessage"),
            (self.roots, "roots", "roots/list"),
        ]
    }

    /// Those for which there is a capability, by what tells whether there is.
    pub fn of(is: impl Fn(&str) -> bool) -> Asks {
        Asks { elicitation: is("elicitation"), sampling: is("sampling"), roots: is("roots") }
    }

    /// Whether something may be asked by that method.
    #[must_use]
    pub fn has(self, method: &str) -> bool {
        self.all().into_iter().any(|(is, _, other)| is && other == method)
    }

    /// What both may.
    #[must_use]
    pub fn and(self, other: Asks) -> Asks {
        Asks {
            elicitation: self.elicitation && other.elicitation,
            sampling: self.sampling && other.sampling,
            roots: self.roots && other.roots,
        }
    }

    /// As the capabilities of a client, the JSON of an object. `more`: a member beside them.
    #[must_use]
    pub fn capabilities(self, more: Option<&str>) -> String {
        let has = self.all().into_iter().filter(|(is, ..)| *is).map(|(_, name, _)| format!("\"{name}\":{{}}"));
        let has = has.chain(more.map(str::to_owned));
        format!("{{{}}}", has.collect::<Vec<_>>().join(","))
    }
}

impl Cancel {
    /// One of which nobody hears.
    #[must_use]
    pub fn idle() -> Cancel {
        Cancel(Arc::new(watch::Sender::new(false)))
    }

    /// Lets go.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

impl Aside {
    /// Writes the message that passes it on. `token`: the raw token that whoever asked gave; without one there is nobody to
    /// tell how far it is.
    pub fn write(&self, out: &mut Vec<u8>, token: Option<&str>) {
        match (self, token) {
            (Aside::Log(params), _) => rpc::notification(out, "notifications/message", Some(params)),
            (Aside::Progress(before, after), Some(token)) => {
                let params = [before.as_slice(), token.as_bytes(), after.as_slice()].concat();
                rpc::notification(out, "notifications/progress", Some(&params));
            }
            (Aside::Progress(..), None) => {}
        }
    }
}

impl Level {
    const NAMES: [(Level, &'static str); 8] = [
        (Level::Debug, "debug"),
        (Level::Info, "info"),
        (Level::Notice, "notice"),
        (Level::Warning, "warning"),
        (Level::Error, "error"),
        (Level::Critical, "critical"),
        (Level::Alert, "alert"),
        (Level::Emergency, "emergency"),
    ];

    /// The level of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Level> {
        Level::NAMES.iter().find(|(_, other)| *other == name).map(|(level, _)| *level)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Level::NAMES.iter().find(|(level, _)| *level == self).map_or("debug", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn written(aside: Aside, token: &str) -> String {
        let mut out = Vec::new();
        aside.write(&mut out, Some(token));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn how_far_it_is_gets_the_askers_token_and_is_otherwise_byte_for_byte() {
        let (talk, mut heard) = Talk::open(Party::default(), Wants { progress: true, ..Wants::default() });
        talk.progress(&raw(r#"{ "progress":0.50, "progressToken": 7 ,"message":"\u00e9"}"#));
        let said = written(heard.heard_already().unwrap(), "\"mine\"");
        assert!(said.contains(r#""params":{ "progress":0.50, "progressToken": "mine" ,"message":"\u00e9"}"#), "{said}");
        for wrong in [
            r#"{"progressToken":7}"#,
            r#"{"progress":"1","progressToken":7}"#,
            r#"{"progress":1}"#,
            r#"{"progress":1,"progressToken":7,"progressToken":8}"#,
            r#"{"progress":1,"total":{},"progressToken":7}"#,
        ] {
            talk.progress(&raw(wrong));
            assert_eq!(heard.heard_already(), None, "{wrong}");
        }
        talk.progress(&raw(&format!(r#"{{"progress":1,"progressToken":7,"message":"{}"}}"#, "x".repeat(LONGEST))));
        assert_eq!(heard.heard_already(), None, "too long");
    }

    #[test]
    fn only_what_was_wanted_is_heard() {
        let log = |level: &str| raw(&format!(r#"{{"level":"{level}","data":1}}"#));
        let heard = |wants: Log, level: &str| {
            let (talk, mut heard) = Talk::open(Party::default(), Wants { log: wants, ..Wants::default() });
            talk.log(&log(level));
            talk.progress(&raw(r#"{"progress":1,"progressToken":7}"#));
            heard.heard_already().is_some()
        };
        assert!(!heard(Log::Nothing, "emergency"));
        assert!(heard(Log::Unasked, "debug") && !heard(Log::Unasked, "loud"));
        assert!(heard(Log::From(Level::Warning), "error") && !heard(Log::From(Level::Warning), "info"));
        let (talk, mut heard) =
            Talk::open(Party::default(), Wants { progress: true, log: Log::Unasked, ..Wants::default() });
        talk.muted().log(&log("error"));
        assert_eq!((heard.heard_already(), talk.muted().wants()), (None, Wants::default()));
        assert!(talk.muted().is_muted() && !talk.is_muted());
    }

    #[test]
    fn a_server_that_says_too_much_is_not_waited_for() {
        let (talk, mut heard) = Talk::open(Party::default(), Wants { log: Log::Unasked, ..Wants::default() });
        let line = raw(r#"{"level":"info","data":1}"#);
        assert!((0..MOST).all(|_| talk.log(&line)));
        assert_eq!(std::iter::from_fn(|| heard.heard_already()).count(), QUEUE);
        assert!(!talk.log(&line));
        assert_eq!(heard.heard_already(), None);
    }

    #[tokio::test]
    async fn only_what_the_client_can_is_asked_and_never_on_a_muted_line() {
        let asks = Asks { elicitation: true, ..Asks::default() };
        assert_eq!(asks.capabilities(None), r#"{"elicitation":{}}"#);
        let (talk, mut heard) = Talk::open(Party::default(), Wants { asks, ..Wants::default() });
        let question = |method: &str| Question { key: "k".into(), method: method.into(), params: None };
        assert!(talk.ask(vec![question("sampling/createMessage")]).await.is_none());
        assert!(talk.ask(vec![question("elicitation/create"), question("roots/list")]).await.is_none());
        assert!(talk.ask(vec![]).await.is_none());
        assert!(talk.muted().ask(vec![question("elicitation/create")]).await.is_none());
        let mut asked = heard.asks().unwrap();
        let client = tokio::spawn(async move {
            let Asking { questions, replies } = asked.recv().await.unwrap();
            replies.send(vec![(questions[0].key.clone(), Ok(raw(r#"{"action":"decline"}"#)))]).unwrap();
            asked
        });
        let replies = talk.ask(vec![question("elicitation/create")]).await.unwrap();
        assert_eq!(replies[0].1.as_ref().unwrap().get(), r#"{"action":"decline"}"#);
        drop(client.await.unwrap());
        assert!(talk.ask(vec![question("elicitation/create")]).await.is_none(), "the client is gone");
    }

    #[tokio::test]
    async fn who_lets_go_is_heard_even_on_a_muted_line() {
        let (talk, heard) = Talk::open(Party::default(), Wants::default());
        let muted = talk.muted();
        assert!(!muted.is_cancelled());
        heard.cancel().now();
        muted.cancelled().await;
        assert!(talk.is_cancelled() && !Talk::silent().is_cancelled());
    }
}
