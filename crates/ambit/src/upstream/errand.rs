//! A call that a server answers with a *task*: that it works on it in its own time. It is asked how it stands, until it says
//! what came of it; and told when nobody wants that any more. Both generations, each in its own words. What the server calls
//! it is that server's word, and is used for nothing but to ask that server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use super::mcp::{UpstreamServer, Wire};
use super::message::{Failed, Outcome};
use super::more::{self, Unanswered};
use crate::escape::escape;
use crate::gate::Sent;
use crate::gate::errand::LONGEST;
use crate::gate::mcp::held::EXTENSION;
use crate::gate::rpc::{self, Members};
use crate::gate::talk::Talk;

/// What a server of the generation that shakes hands says of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// Whether they can be cancelled.
    pub cancel: bool,
}

/// Whether a tool is called as a task, in the generation that shakes hands; it says so in its definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    Required,
    Optional,
}

/// What a server works on in its own time: so that each is known by one name, once.
#[derive(Default)]
pub(super) struct Errands(Mutex<Names>);

#[derive(Default)]
struct Names {
    under_way: BTreeSet<String>,
    ended: VecDeque<String>,
    // Calls under way that may become one.
    promised: usize,
}

/// Room for one more, kept for a call before it is sent and until this is dropped: what was begun can no longer be declined.
pub(super) struct Room<'a>(&'a Errands);

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut names = self.0.lock();
        names.promised = names.promised.saturating_sub(1);
    }
}

// So many at once of one server, and so many names of those that ended are remembered.
const MOST: usize = 16;
const REMEMBERED: usize = 256;
// A longer name is none.
const NAME: usize = 512;
// How long a server keeps one at least, whatever it says.
const SHORTEST: Duration = Duration::from_secs(60);
// It is asked so often: as it says, within these.
const USUAL: Duration = Duration::from_secs(1);
const OFTEN: Duration = Duration::from_millis(250);
const SELDOM: Duration = Duration::from_secs(30);
// It may fail to answer so often in a row.
const FAILURES: u32 = 8;
// Between telling it that nobody wants it any more, and not waiting for what it says.
const LET_GO: Duration = Duration::from_secs(5);
// A server that is let go of is told within so long what nobody wants any more.
const LEAVE: Duration = Duration::from_secs(1);
// While a client is asked something it may take so long.
const THINKS: Duration = Duration::from_secs(11 * 60);
// So many questions in all, and so much of what it says of itself.
const QUESTIONS: usize = 64;
const SAYS: usize = 400;

/// How a task stands, as its server says.
struct Task<'a> {
    id: String,
    status: Status,
    says: Option<String>,
    keeps: Option<Duration>,
    asked_every: Duration,
    members: Members<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Working,
    InputRequired,
    Completed,
    Failed,
    Cancelled,
}

impl Status {
    fn named(name: &str) -> Option<Status> {
        Some(match name {
            "working" => Status::Working,
            "input_required" => Status::InputRequired,
            "completed" => Status::Completed,
            "failed" => Status::Failed,
            "cancelled" => Status::Cancelled,
            _ => return None,
        })
    }

    fn is_terminal(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }
}

impl Support {
    /// What the definition of a tool says.
    pub(super) fn of(definition: &RawValue) -> Option<Support> {
        let execution = Members::of(definition).ok()?.get("execution")?;
        match &*Members::of(execution).ok()?.text("taskSupport")? {
            "required" => Some(Support::Required),
            "optional" => Some(Support::Optional),
            _ => None,
        }
    }
}

impl Errands {
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for another, where there may be one.
    pub(super) fn room(&self) -> Option<Room<'_>> {
        let mut names = self.lock();
        let has_room = names.under_way.len().saturating_add(names.promised) < MOST;
        names.promised = names.promised.saturating_add(usize::from(has_room));
        drop(names);
        has_room.then(|| Room(self))
    }

    fn add(&self, id: &str) -> Result<(), &'static str> {
        let mut names = self.lock();
        if names.under_way.contains(id) || names.ended.iter().any(|ended| ended == id) {
            return Err("it calls it by the name of another");
        }
        names.under_way.insert(id.to_owned());
        Ok(())
    }

    fn remove(&self, id: &str) {
        let mut names = self.lock();
        names.under_way.remove(id);
        if names.ended.len() == REMEMBERED {
            names.ended.pop_front();
        }
        names.ended.push_back(id.to_owned());
    }
}

/// An errand that its server knows by a name, until this is dropped.
struct Named<'a> {
    server: &'a UpstreamServer,
    id: String,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        self.server.errands.remove(&self.id);
        if let Wire::Stdio(process) = &self.server.wire {
            process.errand_ended(&self.id);
        }
    }
}

impl<'a> Task<'a> {
    /// Out of what a server says of it.
    fn read(task: &'a RawValue, stateless: bool) -> Result<Task<'a>, String> {
        // What a server writes there is not repeated: an error would quote it.
        let members = Members::of(task).map_err(|_| "it says how it stands in a way that cannot be read")?;
        let id = members.text("taskId").filter(|id| !id.is_empty() && id.len() <= NAME);
        let id = id.ok_or("it has no name that can be asked after")?.into_owned();
        let status = members.text("status").and_then(|status| Status::named(&status));
        let (keeps, every) = if stateless { ("ttlMs", "pollIntervalMs") } else { ("ttl", "pollInterval") };
        let millis = |name: &str| {
            let said: f64 = members.get(name)?.get().parse().ok()?;
            Duration::try_from_secs_f64(said / 1_000.0).ok()
        };
        let says = members.text("statusMessage").map(|says| escape(&says.chars().take(SAYS).collect::<String>()));
        Ok(Task {
            id,
            status: status.ok_or("it has a status that is none")?,
            says: says.filter(|says| !says.is_empty()),
            keeps: millis(keeps),
            asked_every: millis(every).unwrap_or(USUAL).clamp(OFTEN, SELDOM),
            members,
        })
    }

    /// Until when it is waited for, from when it began.
    fn until(&self) -> Duration {
        self.keeps.unwrap_or(LONGEST).clamp(SHORTEST, LONGEST)
    }
}

/// The task that a call was answered with, as the bytes of its members; `None` where it is an answer.
pub(super) fn begun(result: &[u8], stateless: bool) -> Option<Box<RawValue>> {
    let raw: &RawValue = serde_json::from_slice(result).ok()?;
    let members = Members::of(raw).ok()?;
    if stateless {
        return (members.text("resultType")? == "task").then(|| raw.to_owned());
    }
    members.get("task").filter(|task| task.get().starts_with('{')).map(ToOwned::to_owned)
}

/// The parameters of a call that is to be a task, otherwise byte for byte.
pub(super) fn as_task(params: &[u8]) -> Vec<u8> {
    more::with(params, &[("task", format!("{{\"ttl\":{}}}", LONGEST.as_millis()).as_bytes())]).unwrap_or_default()
}

/// The extension, as a client of the generation without a handshake says that it knows it.
pub(super) fn extension() -> String {
    format!("\"extensions\":{{\"{EXTENSION}\":{{}}}}")
}

impl UpstreamServer {
    /// Sees an errand through to what came of it. `begun`: how the server said that it stands.
    /// `room`: what was kept for it.
    pub(super) async fn see_through(&self, begun: &RawValue, room: Room<'_>, talk: &Talk) -> Sent {
        let stateless = self.is_stateless();
        let task = match Task::read(begun, stateless) {
            Ok(task) => task,
            Err(why) => return lost(&format!("the server works on it in its own time, but {why}")),
        };
        let id = task.id.clone();
        if let Err(why) = self.errands.add(&id) {
            return lost(&format!("the server works on it in its own time, but {why}"));
        }
        drop(room);
        let named = Named { server: self, id };
        if let Wire::Stdio(process) = &self.wire {
            process.errand_began(&named.id, talk);
        }
        talk.errand_began(&named.id).await;
        match self.follow(&named.id, task, talk).await {
            Ok(sent) => sent,
            Err(why) => self.give_up(&named.id, &why).await,
        }
    }

    /// Goes on with an errand of an earlier start, of which no more is known than what the server called it.
    pub(super) async fn go_on_with(&self, id: &str, talk: &Talk) -> Sent {
        if let Err(why) = self.errands.add(id) {
            return lost(&format!("the server works on it in its own time, but {why}"));
        }
        let named = Named { server: self, id: id.to_owned() };
        if let Wire::Stdio(process) = &self.wire {
            process.errand_began(&named.id, talk);
        }
        let task = Task {
            id: id.to_owned(),
            status: Status::Working,
            says: None,
            keeps: None,
            asked_every: OFTEN,
            members: Members(Vec::new()),
        };
        match self.follow(id, task, talk).await {
            Ok(sent) => sent,
            Err(why) => self.give_up(id, &why).await,
        }
    }

    /// Tells the server that nobody wants any more what it works on, before it is let go of.
    pub(super) async fn let_go_of_errands(&self) {
        let names: Vec<String> = self.errands.lock().under_way.iter().cloned().collect();
        if !self.can_cancel() {
            return;
        }
        let all = async {
            for id in names {
                let _ = self.tasks("tasks/cancel", &id, &[], &Talk::silent()).await;
            }
        };
        let _ = timeout(LEAVE, all).await;
    }

    /// Ends what a server began that it was not to begin, and says so.
    pub(super) async fn turn_down(&self, begun: &RawValue) -> Sent {
        if let Ok(task) = Task::read(begun, self.is_stateless())
            && !self.errands.lock().under_way.contains(&task.id)
        {
            let _ = self.tasks("tasks/cancel", &task.id, &[], &Talk::silent()).await;
        }
        lost("the server works on it in its own time, which it was not told that it may")
    }

    /// Asks how it stands until it is known what came of it; why it is given up, where it is.
    async fn follow(&self, id: &str, mut task: Task<'_>, talk: &Talk) -> Result<Sent, String> {
        let began = Instant::now();
        let (mut said, mut count, mut failures) = (None, 0u32, 0u32);
        let mut answered = BTreeSet::new();
        let mut answer: Vec<u8>;
        loop {
            if task.says.is_some() && task.says != said {
                said.clone_from(&task.says);
                count = count.saturating_add(1);
                talk.errand_says(said.as_deref().unwrap_or_default(), count);
            }
            if task.status.is_terminal() {
                return Ok(self.came(id, &task).await);
            }
            if task.status == Status::InputRequired {
                if self.is_stateless() {
                    self.answer_questions(id, &task, &mut answered, talk).await?;
                } else if let Some(sent) = self.hear_out(id, talk).await? {
                    return Ok(sent);
                }
            }
            let left = task.until().saturating_sub(began.elapsed());
            // A server that does not answer is asked ever less often.
            let pause = task.asked_every.saturating_mul(1 << failures.min(5)).min(SELDOM);
            tokio::select! {
                biased;
                () = talk.cancelled() => return Err("it was let go of".into()),
                () = sleep(pause.min(left)) => {}
            }
            if pause >= left {
                return Err("the server took longer than it may".into());
            }
            match self.tasks("tasks/get", id, &[], &Talk::silent()).await {
                Ok(Outcome::Result(result)) => {
                    failures = 0;
                    answer = result;
                    let raw: &RawValue = serde_json::from_slice(&answer)
                        .map_err(|_| "the server says how it stands in a way that cannot be read")?;
                    task = Task::read(raw, self.is_stateless())?;
                    if task.id != id {
                        return Err("the server speaks of another one".into());
                    }
                }
                Ok(Outcome::Error(error)) if is_unknown(&error) => {
                    return Ok(lost("the server says that it knows nothing of it any more"));
                }
                Ok(Outcome::Error(_)) | Err(_) => {
                    if let Some(why) = self.dead() {
                        return Ok(lost(&why));
                    }
                    failures += 1;
                    if failures >= FAILURES {
                        return Ok(lost("the server does not say any more how it stands"));
                    }
                    task.status = Status::Working;
                }
            }
        }
    }

    /// What came of one that ended.
    async fn came(&self, id: &str, task: &Task<'_>) -> Sent {
        if task.status == Status::Cancelled {
            return lost("the server says that it was cancelled; what it had done by then is not known");
        }
        if !self.is_stateless() {
            for attempt in 0..FAILURES {
                match self.tasks("tasks/result", id, &[], &Talk::silent()).await {
                    Ok(Outcome::Result(result)) => return Sent::Result(unrelated(result)),
                    // What failed ends with an error; one about what was completed is about the asking.
                    Ok(Outcome::Error(error)) if task.status == Status::Failed => return Sent::Error(error),
                    Ok(Outcome::Error(_)) => break,
                    Err(_) if self.dead().is_some() => break,
                    Err(_) => sleep(OFTEN.saturating_mul(1 << attempt)).await,
                }
            }
            return lost("the server says that it ended, and not with what");
        }
        let member = if task.status == Status::Completed { "result" } else { "error" };
        match task.members.get(member).filter(|body| body.get().starts_with('{')) {
            Some(body) if member == "error" => Sent::Error(body.get().as_bytes().to_vec()),
            Some(body) if !self.wants_more(body.get().as_bytes()) => Sent::Result(body.get().as_bytes().to_vec()),
            _ => lost("the server says that it ended, and not with what"),
        }
    }

    /// Has the client answer what is asked, in the generation without a handshake; each once. `Err`: why it is given up.
    async fn answer_questions(
        &self,
        id: &str,
        task: &Task<'_>,
        answered: &mut BTreeSet<String>,
        talk: &Talk,
    ) -> Result<(), String> {
        let asks = "the server asks for something before it goes on";
        let mut questions = more::questions(task.members.get("inputRequests")).ok_or(asks)?;
        questions.retain(|question| !answered.contains(&question.key));
        if questions.is_empty() {
            return Ok(());
        }
        let keys: Vec<String> = questions.iter().map(|question| question.key.clone()).collect();
        if answered.len() + keys.len() > QUESTIONS {
            return Err(format!("{asks}, again and again"));
        }
        let responses = more::ask(questions, self.asks, talk).await.map_err(|unanswered| {
            if let Unanswered::MayNot(methods) = unanswered {
                self.tell_asked(methods);
                return format!("{asks}, which it may not ask of this client");
            }
            format!("{asks}, and nobody answered")
        })?;
        answered.extend(keys);
        for attempt in 0..FAILURES {
            match self.tasks("tasks/update", id, &[("inputResponses", &responses)], &Talk::silent()).await {
                Ok(Outcome::Result(_)) => return Ok(()),
                Ok(Outcome::Error(_)) => return Err(format!("{asks}, and does not take the answer")),
                Err(_) if self.dead().is_some() => return Ok(()),
                // An answer by a key that has one is nothing to the server.
                Err(_) => sleep(OFTEN.saturating_mul(1 << attempt)).await,
            }
        }
        Err(format!("{asks}, and does not take the answer"))
    }

    /// Lets a server of the generation that shakes hands ask by requests of its own, which it does in answer to this one;
    /// what came of it, where that is the answer.
    async fn hear_out(&self, id: &str, talk: &Talk) -> Result<Option<Sent>, String> {
        let steady = talk.steady();
        let params = params(id, &[]);
        let asked = async {
            match &self.wire {
                // What it asks there names what it is about.
                Wire::Stdio(process) => {
                    process.request_within("tasks/result", Some(&params), THINKS, &Talk::silent()).await
                }
                Wire::Http(remote) => remote.request_within("tasks/result", Some(&params), THINKS, &steady).await,
            }
        };
        let mut asked = std::pin::pin!(asked);
        let answer = tokio::select! {
            biased;
            answer = &mut asked => answer,
            () = talk.cancelled() => {
                let _ = self.tasks("tasks/cancel", id, &[], &Talk::silent()).await;
                timeout(LET_GO, asked).await.map_err(|_| "it was let go of")?
            }
        };
        let sent = match answer {
            Ok(Outcome::Result(result)) => Sent::Result(unrelated(result)),
            Ok(Outcome::Error(error)) => Sent::Error(error),
            // It is asked how it stands.
            Err(_) => return Ok(None),
        };
        // What it gives while it still works on it is not what came of it.
        match self.tasks("tasks/get", id, &[], &Talk::silent()).await {
            Ok(Outcome::Result(result)) => {
                let raw: Option<&RawValue> = serde_json::from_slice(&result).ok();
                let status = raw.and_then(|raw| Task::read(raw, false).ok()).filter(|task| task.id == id);
                match status.map(|task| task.status) {
                    Some(Status::Completed) if matches!(sent, Sent::Error(_)) => {
                        Ok(Some(lost("the server says that it ended, and not with what")))
                    }
                    Some(Status::Completed | Status::Failed) => Ok(Some(sent)),
                    Some(Status::Cancelled) => Err("it was let go of".into()),
                    _ => Err("the server gave a result of what it still works on".into()),
                }
            }
            // A server may forget it once it was asked what came of it; one that had forgotten it before says nothing of it.
            Ok(Outcome::Error(_)) | Err(_) => match sent {
                Sent::Error(error) if is_unknown(&error) => {
                    Ok(Some(lost("the server says that it knows nothing of it any more")))
                }
                sent => Ok(Some(sent)),
            },
        }
    }

    /// Tells the server that nobody wants it any more; what it says within a moment is still what came of it.
    async fn give_up(&self, id: &str, why: &str) -> Sent {
        let silent = Talk::silent();
        let asked = async {
            if self.can_cancel() {
                let _ = self.tasks("tasks/cancel", id, &[], &silent).await;
            }
            loop {
                if let Ok(Outcome::Result(result)) = self.tasks("tasks/get", id, &[], &silent).await
                    && let Ok(raw) = serde_json::from_slice::<&RawValue>(&result)
                    && let Ok(task) = Task::read(raw, self.is_stateless())
                    && task.status.is_terminal()
                {
                    // Another's is nothing to this one.
                    return (task.id == id && task.status != Status::Cancelled).then_some(self.came(id, &task).await);
                }
                sleep(OFTEN).await;
            }
        };
        match timeout(LET_GO, asked).await {
            Ok(Some(sent)) => sent,
            _ => lost(why),
        }
    }

    async fn tasks(&self, method: &str, id: &str, more: &[(&str, &[u8])], talk: &Talk) -> Result<Outcome, Failed> {
        self.wire.request(method, Some(&params(id, more)), talk).await
    }
}

fn params(id: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let mut name = Vec::new();
    rpc::quote(&mut name, id);
    let members: Vec<(&str, &[u8])> = [("taskId", name.as_slice())].into_iter().chain(more.iter().copied()).collect();
    more::with(b"{}", &members).unwrap_or_default()
}

/// A result, or a question, without the name by which its server knows what it is of, which is nobody else's business; otherwise
/// byte for byte.
pub(super) fn unrelated(said: Vec<u8>) -> Vec<u8> {
    let cut = || {
        let raw: &RawValue = serde_json::from_slice(&said).ok()?;
        let meta = Members::of(raw).ok()?.get("_meta")?;
        let members = Members::of(meta).ok()?;
        members.get(RELATED)?;
        let (before, after) = rpc::around(raw, meta)?;
        Some([before, &rpc::without(&members, RELATED), after].concat())
    };
    cut().unwrap_or(said)
}

const RELATED: &str = "io.modelcontextprotocol/related-task";

/// The name of the task that something is about, in the generation that shakes hands.
pub(super) fn related(params: Option<&RawValue>) -> Option<String> {
    let meta = Members::of(params?).ok()?.get("_meta")?;
    let related = Members::of(meta).ok()?.get(RELATED)?;
    Members::of(related).ok()?.text("taskId").map(std::borrow::Cow::into_owned)
}

/// Whether an error says that there is no such task.
fn is_unknown(error: &[u8]) -> bool {
    let words = serde_json::from_slice::<rpc::ErrorWords>(error);
    words.is_ok_and(|words| words.code == i64::from(rpc::code::INVALID_PARAMS))
}

fn lost(why: &str) -> Sent {
    Sent::Unknown(why.to_owned())
}

/// Those of one process that are under way, so that what it says beside its answers finds whom it is for.
pub(super) type UnderWay = BTreeMap<String, Talk>;
