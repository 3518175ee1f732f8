//! What each request of an agent comes to, whatever the wire that it came over: answered at once, or after some work.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambit_core::action::{Action, Digest};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::answers::Answers;
use super::aside::{self, Asked, Hearing, OfSession, asks_of};
use super::directory::{self, Directory};
use super::era::{Era, Form, Said, Wrong, supported};
use super::held::{self, EXTENSION};
use super::listen::Filter;
use super::mirrored::{self, Mirrored};
use super::names::PENDING;
use super::parked::{self, Parked, Reached, UnderWay};
use super::reply::{self, Wants};
use super::subscription::Subscribed;
use super::tools::{Call, Tools};
use super::{News, Passage};
use crate::gate::Answer;
use crate::gate::rpc::{self, Members, code};
use crate::gate::talk::{Asking, Cancel, Party, Talk};
use crate::upstream::Listing;
use crate::upstream::mcp::VERSIONS;

/// The face towards one session.
pub(crate) struct Face {
    passage: Arc<dyn Passage>,
    tools: Mutex<Option<Arc<Tools>>>,
    directory: Directory,
    // What it subscribed to by itself, by URI; the generation that shakes hands does that.
    subscribed: Mutex<BTreeMap<String, Subscribed>>,
    // What the session asked for, or said of itself, once.
    said: Mutex<OfSession>,
    answers: Arc<Answers>,
    parked: Parked,
}

/// What a request comes to at first.
pub(crate) enum Begun {
    /// Its whole answer, as a message; and JSON-RPC's code where it is an error.
    Said(Vec<u8>, Option<i32>),
    /// `initialize` was answered.
    Opened(Vec<u8>),
    /// Work that may take its time.
    Slow(Slow),
    /// A stream of what changes.
    Listen(Filter),
}

/// Work that may take its time; owns what it needs of the request.
pub(crate) struct Slow {
    era: Era,
    asked: Asked,
    // What is asked of the client is an answer to the request itself, in the generation without a handshake.
    asks: Option<(mpsc::Receiver<Asking>, Cancel)>,
    // Of which request it is, in that generation.
    of: Option<Digest>,
    // Whether its client knows holds as tasks.
    knows_tasks: bool,
    work: Work,
}

enum Work {
    ToolCall(Box<RawValue>),
    List(Listing),
    Read(Box<RawValue>),
    Prompt(Box<RawValue>),
    Complete(Box<RawValue>),
    Subscribe(Box<RawValue>),
    /// It goes on with what its client says.
    GoOn(Box<RawValue>),
    /// It asks after a hold as a task.
    Held(String),
    /// It says something to a hold, which asks nothing.
    Update(String),
    /// It wants a hold withdrawn.
    Withdraw(String),
}

impl Slow {
    /// Of which generation the request is.
    pub(crate) fn era(&self) -> Era {
        self.era
    }

    /// How much of the request it keeps.
    pub(crate) fn bytes(&self) -> usize {
        match &self.work {
            Work::ToolCall(params)
            | Work::Read(params)
            | Work::Prompt(params)
            | Work::Complete(params)
            | Work::Subscribe(params)
            | Work::GoOn(params) => params.get().len(),
            Work::List(_) => 0,
            Work::Held(hold) | Work::Update(hold) | Work::Withdraw(hold) => hold.len(),
        }
    }
}

impl Face {
    pub(crate) fn new(passage: Arc<dyn Passage>) -> Face {
        Face {
            passage,
            tools: Mutex::default(),
            directory: Directory::default(),
            subscribed: Mutex::default(),
            said: Mutex::default(),
            answers: Arc::default(),
            parked: Parked::default(),
        }
    }

    /// Begins a request. `shaken`: whether `initialize` was answered before.
    pub(crate) fn begin(&self, id: &str, method: &str, params: Option<&RawValue>, shaken: bool) -> Begun {
        match Said::of(params) {
            Err(wrong) => wrong_answer(id, &wrong),
            Ok(Said { era: Era::Stateless, .. }) => self.stateless(id, method, params),
            Ok(_) => self.handshake(id, method, params, shaken),
        }
    }

    fn handshake(&self, id: &str, method: &str, params: Option<&RawValue>, shaken: bool) -> Begun {
        let era = Era::Handshake;
        match method {
            "initialize" => {
                let begun = initialize(id, params, shaken);
                if matches!(begun, Begun::Opened(_)) {
                    let capabilities = params.and_then(|params| Members::of(params).ok()?.get("capabilities"));
                    self.of_session().asks = asks_of(capabilities);
                }
                return begun;
            }
            "ping" => return result(id, b"{}"),
            "tools/list"
            | "tools/call"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "prompts/list"
            | "prompts/get"
            | "resources/subscribe"
            | "resources/unsubscribe"
            | "logging/setLevel"
            | "completion/complete"
                if !shaken =>
            {
                return refused(id, code::INVALID_REQUEST, "the first request must be `initialize`");
            }
            "logging/setLevel" => {
                let level = params.and_then(|params| Members::of(params).ok()?.get("level"));
                return match level.ok_or_else(|| "`level` is missing".to_owned()).and_then(aside::level_of) {
                    Ok(level) => {
                        self.of_session().log = Some(level);
                        result(id, b"{}")
                    }
                    Err(why) => refused(id, code::INVALID_PARAMS, &why),
                };
            }
            _ => {}
        }
        match method {
            "resources/subscribe" => return self.slow(id, method, params, era, Work::Subscribe(owned(params))),
            "resources/unsubscribe" => {
                return match params.and_then(|params| Members::of(params).ok()?.text("uri").map(Cow::into_owned)) {
                    Some(uri) => {
                        let over = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner).remove(&uri);
                        drop(over);
                        result(id, b"{}")
                    }
                    None => refused(id, code::INVALID_PARAMS, "`uri` is missing"),
                };
            }
            _ => {}
        }
        // `server/discover` too: by this answer a client of the later generation knows that it left something out.
        self.either(id, method, params, era)
    }

    fn stateless(&self, id: &str, method: &str, params: Option<&RawValue>) -> Begun {
        match method {
            "server/discover" => {
                let mut out = Vec::new();
                Form { era: Era::Stateless, cached: true }.result(&mut out, id, discovered().as_bytes());
                Begun::Said(out, None)
            }
            "subscriptions/listen" => match params.map_or(Err("`notifications` is missing".into()), Filter::read) {
                Ok(filter) => Begun::Listen(filter),
                Err(why) => refused(id, code::INVALID_PARAMS, &why),
            },
            "tools/call" | "resources/read" | "prompts/get" if goes_on(params) => {
                self.slow(id, method, params, Era::Stateless, Work::GoOn(owned(params)))
            }
            "tasks/get" | "tasks/cancel" | "tasks/update" => self.task(id, method, params),
            // `initialize` too: there is nothing to agree on any more.
            _ => self.either(id, method, params, Era::Stateless),
        }
    }

    /// What asks after a hold as a task.
    fn task(&self, id: &str, method: &str, params: Option<&RawValue>) -> Begun {
        if !held::knows(params) {
            let mut out = Vec::new();
            held::unknown_to_client(&mut out, id);
            return Begun::Said(out, Some(code::MISSING_CAPABILITY));
        }
        let hold = params.and_then(|params| Members::of(params).ok()?.text("taskId").map(Cow::into_owned));
        match (hold, method) {
            (None, _) => refused(id, code::INVALID_PARAMS, "`taskId` is missing"),
            (Some(hold), "tasks/cancel") => self.slow(id, method, params, Era::Stateless, Work::Withdraw(hold)),
            // A hold asks its client nothing, so there is nothing that could be said to it.
            (Some(hold), "tasks/update") => self.slow(id, method, params, Era::Stateless, Work::Update(hold)),
            (Some(hold), _) => self.slow(id, method, params, Era::Stateless, Work::Held(hold)),
        }
    }

    /// What both generations have.
    fn either(&self, id: &str, method: &str, params: Option<&RawValue>, era: Era) -> Begun {
        let work = match method {
            "completion/complete" => Work::Complete(owned(params)),
            "tools/list" => match paged(params) {
                Ok(()) => {
                    let mut out = Vec::new();
                    Form { era, cached: true }.result(&mut out, id, self.tools().listing());
                    return Begun::Said(out, None);
                }
                Err(why) => return refused(id, code::INVALID_PARAMS, why),
            },
            "tools/call" => Work::ToolCall(owned(params)),
            "resources/list" | "resources/templates/list" | "prompts/list" => match paged(params) {
                Ok(()) => Work::List(match method {
                    "resources/list" => Listing::Resources,
                    "prompts/list" => Listing::Prompts,
                    _ => Listing::ResourceTemplates,
                }),
                Err(why) => return refused(id, code::INVALID_PARAMS, why),
            },
            "resources/read" => Work::Read(owned(params)),
            "prompts/get" => Work::Prompt(owned(params)),
            _ => return refused(id, code::METHOD_NOT_FOUND, &format!("there is no method `{method}` here")),
        };
        self.slow(id, method, params, era, work)
    }

    fn slow(&self, id: &str, method: &str, params: Option<&RawValue>, era: Era, work: Work) -> Begun {
        let said = *self.of_session();
        let of = match params {
            Some(params) if era == Era::Stateless => parked::identity(method, params).map(Some),
            _ => Ok(None),
        };
        match Asked::of(params, era, said).and_then(|asked| Ok((asked, of?))) {
            Ok((asked, of)) => {
                let knows_tasks = era == Era::Stateless && held::knows(params);
                Begun::Slow(Slow { era, asked, asks: None, of, knows_tasks, work })
            }
            Err(why) => refused(id, code::INVALID_PARAMS, &why),
        }
    }

    /// Opens the line over which something may be said while the work is under way.
    pub(crate) fn listen(&self, slow: &mut Slow) -> (Talk, Hearing) {
        let caller = self.passage.caller();
        let party = Party { session: caller.session.clone(), task: caller.task.clone() };
        let (talk, hearing, asks) = std::mem::take(&mut slow.asked).open(party, slow.era, &self.answers);
        // No other request may be answered with a question.
        let may = matches!(slow.work, Work::ToolCall(_) | Work::Read(_) | Work::Prompt(_));
        slow.asks = asks.filter(|_| may).map(|asks| (asks, hearing.cancel()));
        (talk, hearing)
    }

    /// What a call repeats in the headers of its request over HTTP, and with which arguments it is compared.
    pub(crate) fn mirrored(&self, params: Option<&RawValue>) -> (Vec<Mirrored>, Value) {
        let name = params.and_then(|params| Members::of(params).ok()?.text("name"));
        let all = name.map(|name| self.tools().mirrored(&name)).unwrap_or_default();
        let arguments = if all.is_empty() { Value::Null } else { mirrored::arguments(params) };
        (all, arguments)
    }

    /// Takes what the client answers to what it was asked by a request of its own.
    pub(crate) fn answered(&self, id: &str, outcome: Result<&RawValue, &RawValue>) {
        self.answers.answered(id, outcome);
    }

    fn of_session(&self) -> MutexGuard<'_, OfSession> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does the work of a request; writes the message that answers it. `talk`: what may be said meanwhile.
    pub(crate) async fn finish(&self, id: &str, slow: Slow, talk: &Talk, out: &mut Vec<u8>) {
        let passage = &self.passage;
        let mut form = Form { era: slow.era, cached: false };
        let (action, wants) = match slow.work {
            Work::ToolCall(params) => match self.tools().call(passage.caller(), &passage.systems(), &params) {
                Ok(Call::Action(action, shaped)) => (Ok(action), Wants::ToolResult { shaped }),
                Ok(Call::Pending(hold)) => {
                    let answer = passage.pending(&hold).await;
                    return reply::write(out, id, &answer, Wants::Collected, form);
                }
                Err(why) => (Err((code::INVALID_PARAMS, why)), Wants::Other),
            },
            Work::List(listing) => {
                form.cached = true;
                return form.result(out, id, &directory::listing(passage, listing).await);
            }
            Work::Read(params) => {
                form.cached = true;
                (self.directory.resource(passage, "resources/read", &params).await, Wants::Other)
            }
            Work::Complete(params) => (self.directory.completion(passage, &params).await, Wants::Other),
            Work::Subscribe(params) => {
                let answer = match self.directory.resource(passage, "resources/subscribe", &params).await {
                    Ok(action) => self.subscribe(action, talk).await,
                    Err((code, why)) => return rpc::error(out, Some(id), code, &why),
                };
                return reply::write(out, id, &answer, Wants::Other, form);
            }
            Work::Prompt(params) => (directory::prompt(passage, &params).await, Wants::Other),
            Work::Held(hold) => {
                return match passage.held(&hold).await {
                    Some(held) => held::asked_after(out, id, &held, form),
                    None => rpc::error(out, Some(id), code::INVALID_PARAMS, NO_HOLD),
                };
            }
            Work::Update(hold) => {
                return match passage.held(&hold).await {
                    Some(_) => form.result(out, id, b"{}"),
                    None => rpc::error(out, Some(id), code::INVALID_PARAMS, NO_HOLD),
                };
            }
            Work::Withdraw(hold) => {
                return match passage.withdraw(&hold).await {
                    true => form.result(out, id, b"{}"),
                    false => rpc::error(out, Some(id), code::INVALID_PARAMS, NO_HOLD),
                };
            }
            Work::GoOn(params) => return self.go_on(id, &params, slow.of, form, talk, out).await,
        };
        match (action, slow.asks, slow.of) {
            (Ok(action), Some((asks, cancel)), Some(of)) => {
                let (passage, own) = (Arc::clone(passage), talk.clone());
                let answer = Box::pin(async move { passage.pass(action, &own).await });
                let call =
                    UnderWay { of, wants, cached: form.cached, knows_tasks: slow.knows_tasks, cancel, answer, asks };
                self.see_through(id, call, form, talk, out).await;
            }
            (Ok(action), ..) => reply::write(out, id, &passage.pass(action, talk).await, wants, form),
            // The later generation has no code of its own for a resource that is not there.
            (Err((code::RESOURCE_NOT_FOUND, why)), ..) if form.era == Era::Stateless => {
                rpc::error(out, Some(id), code::INVALID_PARAMS, &why);
            }
            (Err((code, why)), ..) => rpc::error(out, Some(id), code, &why),
        }
    }

    /// Goes on with a call whose client was asked something.
    async fn go_on(
        &self,
        id: &str,
        params: &RawValue,
        of: Option<Digest>,
        mut form: Form,
        talk: &Talk,
        out: &mut Vec<u8>,
    ) {
        let members = Members::of(params).ok();
        let state = members.as_ref().and_then(|members| members.text("requestState"));
        let found = state.and_then(|state| self.parked.take(&state, of?));
        let Some((call, asking)) = found else {
            return rpc::error(out, Some(id), code::INVALID_PARAMS, parked::NOT_PARKED);
        };
        form.cached = call.cached;
        let said = parked::replies(&asking, members.as_ref().and_then(|members| members.get("inputResponses")));
        match said {
            Some(replies) => {
                // Whoever asked may have given up; then the answer says so.
                let _ = asking.replies.send(replies.into_iter().map(|(key, reply)| (key, Ok(reply))).collect());
                self.see_through(id, call, form, talk, out).await;
            }
            // It is asked again.
            None => self.park(id, call, asking, out),
        }
    }

    /// Sees a call through to its answer, or to where its client has to be asked something.
    /// `talk`: of the request that is answered with it; to let go of that one is to let go of the call.
    async fn see_through(&self, id: &str, mut call: UnderWay, form: Form, talk: &Talk, out: &mut Vec<u8>) {
        let reached = tokio::select! {
            biased;
            reached = call.on() => reached,
            () = talk.cancelled() => {
                call.cancel.now();
                call.on().await
            }
        };
        match reached {
            Reached::Answer(answer) => {
                let is_call = matches!(call.wants, Wants::ToolResult { .. });
                if let (Answer::Pending { id: hold, .. }, true) = (&answer, call.knows_tasks && is_call)
                    && let Some(held) = self.passage.held(hold).await
                {
                    return held::begun(out, id, &held);
                }
                reply::write(out, id, &answer, call.wants, form);
            }
            Reached::Question(asking) => self.park(id, call, asking, out),
        }
    }

    fn park(&self, id: &str, call: UnderWay, asking: Asking, out: &mut Vec<u8>) {
        match self.passage.chance() {
            Some(state) => rpc::result(out, id, &self.parked.park(state, call, asking)),
            None => rpc::error(out, Some(id), code::INTERNAL, "there is no randomness; try again"),
        }
    }

    /// Subscribes the session to a resource.
    async fn subscribe(&self, action: Action, talk: &Talk) -> Answer {
        let (system, uri) = (action.system.clone(), action.name.clone());
        let mut subscribed = Subscribed::new(&self.passage);
        // Before it is asked for, so that nobody else's end ends it in between.
        if !subscribed.add(&system, &uri) {
            return Answer::Fault(
                "the session hears of too many resources\nhelp: unsubscribe from some of them".into(),
            );
        }
        let answer = self.passage.pass(action, talk).await;
        if matches!(answer, Answer::Result(_)) {
            self.passage.hears(&system, &uri);
            self.subscribed.lock().unwrap_or_else(PoisonError::into_inner).insert(uri, subscribed);
        }
        answer
    }

    /// Asks for the resources that a subscription names: what of it is permitted, and what ends it.
    pub(crate) async fn agree(&self, filter: Filter) -> (Filter, Subscribed) {
        let (mut of, mut subscribed) = (Vec::new(), Subscribed::new(&self.passage));
        let caller = self.passage.caller();
        let talk = Talk::deaf(Party { session: caller.session.clone(), task: caller.task.clone() });
        for uri in filter.resources() {
            let mut params = b"{\"uri\":".to_vec();
            rpc::quote(&mut params, uri);
            params.push(b'}');
            let Ok(params) = serde_json::from_slice::<Box<RawValue>>(&params) else { continue };
            let action = self.directory.resource(&self.passage, "resources/subscribe", &params).await;
            let Ok(action) = action else { continue };
            if !subscribed.add(&action.system, uri) {
                break;
            }
            let system = action.system.clone();
            match self.passage.pass(action, &talk).await {
                Answer::Result(_) => {
                    self.passage.hears(&system, uri);
                    of.push(uri.clone());
                }
                // What is not permitted is left out of what is agreed to; the journal says why.
                _ => subscribed.take_back(),
            }
        }
        (filter.about(of), subscribed)
    }

    /// Forgets what was listed when it changed.
    pub(crate) fn heard(&self, before: &News, now: &News) {
        if before.resources != now.resources {
            self.directory.forget();
        }
    }

    /// The tools as they are now; put together anew only when they changed.
    fn tools(&self) -> Arc<Tools> {
        let (pinned, naming) = (self.passage.tools(), self.passage.naming());
        let mut tools = self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        match tools.as_ref() {
            Some(tools) if tools.are_of(&pinned, naming) => Arc::clone(tools),
            _ => Arc::clone(tools.insert(Arc::new(Tools::of(pinned, naming)))),
        }
    }
}

const INSTRUCTIONS: &str = "These tools act on live systems through Ambit, which enforces what this agent is permitted to do. A result that says \
     it was refused names the line that refuses it: do something else, asking again changes nothing. A result that says \
     it is pending waits for a person, or its system works on it in its own time: call `PENDING` with its id to collect \
     the result.";
const NO_HOLD: &str = "there is no such task; a call that is pending says which it is";
const LISTS: &str = r#"{"listChanged":true}"#;
const RESOURCES: &str = r#"{"subscribe":true,"listChanged":true}"#;

fn initialize(id: &str, params: Option<&RawValue>, shaken: bool) -> Begun {
    let version = params.and_then(|params| Members::of(params).ok()?.text("protocolVersion"));
    let Some(version) = version else {
        return refused(id, code::INVALID_PARAMS, "`protocolVersion` is missing");
    };
    if shaken {
        return refused(id, code::INVALID_REQUEST, "`initialize` was already answered");
    }
    // A version that is not spoken here is answered with the newest that is, and the client decides.
    let version =
        VERSIONS.into_iter().find(|known| *known == version).or(VERSIONS.first().copied()).unwrap_or_default();
    let mut said = format!(
        r#"{{"protocolVersion":"{version}","capabilities":{{"tools":{LISTS},"resources":{RESOURCES},"prompts":{LISTS},"logging":{{}},"completions":{{}}}},"serverInfo":{},"instructions":"#,
        server_info(),
    )
    .into_bytes();
    rpc::quote(&mut said, &instructions());
    said.push(b'}');
    let mut out = Vec::new();
    rpc::result(&mut out, id, &said);
    Begun::Opened(out)
}

/// The result of `server/discover`.
fn discovered() -> String {
    let versions = serde_json::json!(supported());
    let instructions = serde_json::json!(instructions());
    format!(
        r#"{{"supportedVersions":{versions},"capabilities":{{"tools":{LISTS},"resources":{RESOURCES},"prompts":{LISTS},"logging":{{}},"completions":{{}},"extensions":{{"{EXTENSION}":{{}}}}}},"instructions":{instructions},"_meta":{{"io.modelcontextprotocol/serverInfo":{}}}}}"#,
        server_info(),
    )
}

fn server_info() -> String {
    format!(r#"{{"name":"ambit","title":"Ambit","version":"{}"}}"#, env!("CARGO_PKG_VERSION"))
}

fn instructions() -> String {
    INSTRUCTIONS.replace("PENDING", PENDING)
}

fn result(id: &str, result: &[u8]) -> Begun {
    let mut out = Vec::new();
    rpc::result(&mut out, id, result);
    Begun::Said(out, None)
}

fn refused(id: &str, code: i32, why: &str) -> Begun {
    let mut out = Vec::new();
    rpc::error(&mut out, Some(id), code, why);
    Begun::Said(out, Some(code))
}

fn wrong_answer(id: &str, wrong: &Wrong) -> Begun {
    let mut out = Vec::new();
    wrong.write(&mut out, Some(id));
    Begun::Said(out, Some(wrong.code))
}

/// Whether a request goes on with one that was answered with a question.
fn goes_on(params: Option<&RawValue>) -> bool {
    let members = params.and_then(|params| Members::of(params).ok());
    members.is_some_and(|members| members.get("requestState").is_some() || members.get("inputResponses").is_some())
}

/// Parameters of a request that must have some.
fn owned(params: Option<&RawValue>) -> Box<RawValue> {
    params.map_or_else(|| RawValue::NULL.to_owned(), ToOwned::to_owned)
}

/// Lists come on one page, so that there is no cursor that anybody could have.
fn paged(params: Option<&RawValue>) -> Result<(), &'static str> {
    let Some(params) = params else { return Ok(()) };
    match Members::of(params).map(|members| members.get("cursor").is_some()) {
        Ok(false) => Ok(()),
        Ok(true) => Err("there is no such cursor"),
        Err(_) => Err("a parameter is given twice"),
    }
}
