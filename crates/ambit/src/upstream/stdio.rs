//! One server as a child process: its life, its lines, and which answer belongs to which call.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::calls::{Call, Calls};
use super::message::{self, Failed, Outcome};
use super::{Event, LaunchSpec, Limits, Secret, UpstreamError, Watch, guard};
use crate::escape::escape;
use crate::gate::rpc::{self, LineError, Lines, Message};
use crate::gate::talk::{Asks, Talk, Wants};

/// A running server. Its process, with all that it started, ends when this is dropped.
pub(super) struct Process {
    shared: Arc<Shared>,
    limits: Limits,
    // Whether each request says everything itself.
    stateless: AtomicBool,
}

struct Shared {
    // `None` once it is closed.
    stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    calls: Mutex<Calls>,
    next: AtomicU64,
    said: Mutex<VecDeque<String>>,
    // Taken out of what is said: servers that fail like to print how they connect.
    secrets: Vec<Secret>,
    asides: mpsc::Sender<Vec<u8>>,
    life: watch::Sender<Life>,
    watch: Watch,
    asks: Asks,
    // What it asks and nobody has answered yet.
    relays: Arc<Semaphore>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    Running,
    Stopping,
    Gone,
}

// Lines of standard error kept, and characters of each.
const SAID_LINES: usize = 20;
const SAID_CHARS: usize = 400;
// Values of its environment of so many bytes are kept out of them.
const SECRET: usize = 4;
// Unusable lines told about, and how many in a row end the process.
const NONSENSE_TOLD: u32 = 8;
const NONSENSE_MOST: u32 = 1_000;
// Requests of the server that are told about.
const ASKED_TOLD: u32 = 32;
// Between the end of a process and the end of what it had written.
const DRAIN: Duration = Duration::from_millis(200);
// Between closing its input, asking it to end, and ending it.
const PATIENCE: Duration = Duration::from_secs(1);
// Between telling it that nobody wants an answer any more, and not waiting for one.
const LET_GO: Duration = Duration::from_secs(5);
// It may ask so much at once, and takes an answer within this time.
const RELAYS: usize = 16;
const TAKES: Duration = Duration::from_secs(10);

// What a program needs to run at all, and nothing that holds a credential.
const INHERITED: [&str; 12] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "SYSTEMROOT"];

impl Process {
    /// Starts the program, in a process group of its own. Must be called within a Tokio runtime.
    pub(super) fn start(spec: &LaunchSpec, limits: Limits, watch: Watch) -> Result<Process, UpstreamError> {
        use std::os::unix::process::CommandExt as _;
        let failed = |why: String| UpstreamError::Start { command: escape(&spec.command), why, said: String::new() };
        let mut command = guard::command(&spec.command);
        command.args(&spec.args).env_clear().process_group(0);
        for name in INHERITED {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.envs(spec.env.iter().map(|(name, value)| (name, value.reveal())));
        if let Some(cwd) = &spec.cwd {
            command.current_dir(cwd);
        }
        let mut command = tokio::process::Command::from(command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(failed("its standard streams are missing".into()));
        };
        let (asides, queue) = mpsc::channel(64);
        let shared = Arc::new(Shared {
            stdin: tokio::sync::Mutex::new(Some(stdin)),
            calls: Mutex::default(),
            next: AtomicU64::new(1),
            said: Mutex::default(),
            secrets: spec.env.iter().map(|(_, value)| value.clone()).collect(),
            asides,
            life: watch::Sender::new(Life::Running),
            watch,
            asks: limits.asks,
            relays: Arc::new(Semaphore::new(RELAYS)),
        });
        let heard = tokio::spawn(listen(stderr, Arc::clone(&shared)));
        tokio::spawn(write_asides(queue, Arc::clone(&shared)));
        tokio::spawn(live(child, group, Lines::new(stdout, limits.line), heard, Arc::clone(&shared)));
        Ok(Process { shared, limits, stateless: AtomicBool::new(false) })
    }

    /// The last it said on standard error, escaped and without the values of its environment.
    pub(super) fn last_words(&self) -> String {
        self.shared.last_words()
    }

    /// Why the server takes no calls any more.
    pub(super) fn dead(&self) -> Option<String> {
        self.shared.calls().dead().map(str::to_owned)
    }

    /// Asks, and waits for the answer as long as a call may take. `talk`: whoever hears what is said meanwhile.
    pub(super) async fn request(&self, method: &str, params: Option<&[u8]>, talk: &Talk) -> Result<Outcome, Failed> {
        self.request_within(method, params, self.limits.call, talk).await
    }

    /// Asks, and waits for the answer so long.
    pub(super) async fn request_within(
        &self,
        method: &str,
        params: Option<&[u8]>,
        most: Duration,
        talk: &Talk,
    ) -> Result<Outcome, Failed> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let wants = talk.wants();
        let wants = Wants { asks: wants.asks.and(self.limits.asks), ..wants };
        let line = self.line(id, method, params, wants, message::is_of_errands(method, talk));
        let (tell, told) = oneshot::channel();
        let call = Call { tell, talk: talk.clone(), agreed: None };
        self.shared.calls().add(id, call).map_err(Failed::NotSent)?;
        let _waiting = Waiting { shared: &self.shared, id };
        let mut writing = Writing { shared: &self.shared, line: &line, written: 0 };
        let asked = timeout(most, async {
            writing.run().await.map_err(Ended::Failed)?;
            self.answered(id, told, talk).await
        })
        .await;
        let written = writing.written;
        match asked {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(Ended::LetGo)) => Err(message::let_go()),
            Ok(Err(Ended::Failed(why))) if written == 0 => Err(Failed::NotSent(why)),
            Ok(Err(Ended::Failed(why))) => Err(Failed::Unknown(why)),
            Err(_) if written == 0 => {
                Err(Failed::NotSent(format!("the server takes no input; gave up after {} s", most.as_secs_f32())))
            }
            Err(_) => {
                // The protocol wants to be told; what comes of it is not waited for.
                self.shared.cancel(id, "no answer in time");
                Err(Failed::Unknown(format!("the server did not answer within {} s", most.as_secs_f32())))
            }
        }
    }

    /// The line of a request, with what goes beside its parameters.
    fn line(&self, id: u64, method: &str, params: Option<&[u8]>, wants: Wants, errands: bool) -> Vec<u8> {
        let params = message::beside(params, self.stateless.load(Ordering::Acquire), id, wants, errands);
        let params = params.as_deref();
        let mut line = Vec::with_capacity(64 + method.len() + params.map_or(0, <[u8]>::len));
        rpc::request(&mut line, id, method, params);
        line
    }

    /// Notes that the server works for somebody.
    pub(super) fn works_for(&self, talk: &Talk) {
        if let Some(party) = talk.party() {
            self.shared.calls().note(party, talk.is_muted());
        }
    }

    /// Notes what the server works on in its own time, and for whom.
    pub(super) fn errand_began(&self, id: &str, talk: &Talk) {
        self.shared.calls().errands.insert(id.to_owned(), talk.clone());
    }

    /// It does no more.
    pub(super) fn errand_ended(&self, id: &str) {
        self.shared.calls().errands.remove(id);
    }

    /// From here on each request says everything itself.
    pub(super) fn speak_stateless(&self) {
        self.stateless.store(true, Ordering::Release);
    }

    /// Hears what changes, in the generation that has a subscription for it, until this is dropped or the server ends it.
    /// `of`: a single resource; `agreed` is told once the server has agreed to tell of it.
    pub(super) async fn listen(self: Arc<Self>, of: Option<(oneshot::Sender<()>, String)>) {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let wanted = message::listening(of.as_ref().map(|(_, uri)| uri.as_str()));
        let line = self.line(id, "subscriptions/listen", Some(&wanted), Wants::default(), false);
        let (tell, told) = oneshot::channel();
        let call = Call { tell, talk: Talk::silent(), agreed: of };
        if self.shared.calls().add(id, call).is_err() {
            return;
        }
        let _listening = Listening(Waiting { shared: &self.shared, id });
        if (Writing { shared: &self.shared, line: &line, written: 0 }).run().await.is_ok() {
            let _ = told.await;
        }
    }

    /// Waits for the answer; and once nobody wants it any more, for as long as a server takes that says so.
    async fn answered(
        &self,
        id: u64,
        told: oneshot::Receiver<Result<Outcome, String>>,
        talk: &Talk,
    ) -> Result<Outcome, Ended> {
        let mut told = std::pin::pin!(told);
        let answer = tokio::select! {
            biased;
            answer = &mut told => answer,
            () = talk.cancelled() => {
                self.shared.cancel(id, "cancelled by whoever asked");
                timeout(LET_GO, told).await.map_err(|_| Ended::LetGo)?
            }
        };
        answer.unwrap_or_else(|_| Err("the server is gone".into())).map_err(Ended::Failed)
    }

    /// Tells the server something that wants no answer.
    pub(super) async fn notify(&self, method: &str) {
        let mut line = Vec::new();
        rpc::notification(&mut line, method, None);
        let _ = timeout(PATIENCE, Writing { shared: &self.shared, line: &line, written: 0 }.run()).await;
    }

    /// Ends the server: closes its input, then asks, then kills. Returns when it is gone.
    pub(super) async fn stop(&self) {
        self.shared.end();
        let mut life = self.shared.life.subscribe();
        let _ = timeout(PATIENCE * 4, life.wait_for(|life| *life == Life::Gone)).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the process ended; it is not waited for.
    fn end(&self) {
        self.life.send_if_modified(|life| {
            let running = *life == Life::Running;
            if running {
                *life = Life::Stopping;
            }
            running
        });
    }

    /// No answer will come any more; every call that waits is told.
    fn die(&self, why: &str) {
        let waiting = self.calls().die(why);
        for (_, call) in waiting {
            let _ = call.tell.send(Err(why.to_owned()));
        }
    }

    /// Tells the server that nobody waits for an answer any more.
    fn cancel(&self, id: u64, reason: &str) {
        let mut aside = Vec::new();
        message::cancel(&mut aside, id, reason);
        let _ = self.asides.try_send(aside);
    }

    fn without_secrets(&self, said: String) -> String {
        // Shorter ones are settings rather than secrets, and taking them out would leave no sentence whole.
        let secrets = self.secrets.iter().map(Secret::reveal).filter(|secret| secret.len() >= SECRET);
        secrets.fold(said, |said, secret| if said.contains(secret) { said.replace(secret, "***") } else { said })
    }

    fn last_words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().rev().take(3).rev().map(String::as_str).collect::<Vec<_>>().join(" / ")
    }
}

/// Why there is no answer.
enum Ended {
    Failed(String),
    /// Whoever asked cancelled it.
    LetGo,
}

/// A place in the table of calls that wait, given up when the caller goes away.
struct Waiting<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.calls().remove(self.id);
    }
}

/// A subscription; the server is told when nobody listens any more.
struct Listening<'a>(Waiting<'a>);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let waits = self.0.shared.calls().remove(self.0.id).is_some();
        if waits {
            self.0.shared.cancel(self.0.id, "nobody listens any more");
        }
    }
}

/// A line on its way out. One that was cut short would run into the next one, and a server might read the two as
/// something that nobody permitted: so a server that took half a line gets nothing more.
struct Writing<'a> {
    shared: &'a Shared,
    line: &'a [u8],
    written: usize,
}

impl Writing<'_> {
    async fn run(&mut self) -> Result<(), String> {
        let mut stdin = self.shared.stdin.lock().await;
        // While it waited its turn, the server may have died, or the line before may have been cut short.
        if let Some(why) = self.shared.calls().dead() {
            return Err(why.to_owned());
        }
        let Some(stdin) = stdin.as_mut() else { return Err("the server was stopped".into()) };
        while let Some(rest) = self.line.get(self.written..).filter(|rest| !rest.is_empty()) {
            match stdin.write(rest).await {
                Ok(0) => return Err("the server takes no input".into()),
                Ok(count) => self.written += count,
                Err(error) => return Err(format!("the server takes no input: {error}")),
            }
        }
        Ok(())
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if self.written > 0 && self.written < self.line.len() {
            self.shared.die("the server stopped reading in the middle of a message");
            self.shared.end();
        }
    }
}

/// A process group that is killed, whatever is still in it, when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may be gone already, and then there is nothing to do.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// The whole life of the process, from the side that reads it.
async fn live(mut child: Child, group: Group, lines: Lines<ChildStdout>, heard: JoinHandle<()>, shared: Arc<Shared>) {
    let mut life = shared.life.subscribe();
    let why = {
        let read = read(lines, &shared);
        tokio::pin!(read);
        tokio::select! {
            broken = &mut read => Some(broken),
            status = child.wait() => {
                // What it wrote before it ended is still worth reading.
                let _ = timeout(DRAIN, &mut read).await;
                Some(Some(ended(status)))
            }
            () = stopping(&mut life) => None,
        }
    };
    let stopped = why.is_none();
    let why = match why {
        None => "the server was stopped".to_owned(),
        Some(broken) => {
            let why = match broken {
                Some(why) => why,
                // A process that ends closes its output a moment before its status is known; the status says more.
                None => {
                    timeout(DRAIN, child.wait()).await.map_or_else(|_| "the server closed its output".into(), ended)
                }
            };
            let _ = timeout(DRAIN, heard).await;
            why
        }
    };
    shared.die(&why);
    shared.end();
    if let Ok(mut stdin) = shared.stdin.try_lock() {
        stdin.take();
    }
    if timeout(PATIENCE, child.wait()).await.is_err() {
        group.signal(Signal::TERM);
        let _ = timeout(PATIENCE, child.wait()).await;
    }
    drop(group);
    let _ = child.wait().await;
    if !stopped {
        let said = shared.last_words();
        let said = if said.is_empty() { said } else { format!("; it last said: {said}") };
        (shared.watch)(Event::Died { why: why + &said });
    }
    shared.life.send_replace(Life::Gone);
}

async fn stopping(life: &mut watch::Receiver<Life>) {
    // An error would mean that the sender is gone, and with it everything.
    let _ = life.wait_for(|life| *life != Life::Running).await;
}

/// Reads until the output ends, or is past bearing (why).
async fn read(mut lines: Lines<ChildStdout>, shared: &Arc<Shared>) -> Option<String> {
    let (mut nonsense, mut in_a_row, mut asked) = (0u32, 0u32, 0u32);
    loop {
        let line = match lines.next().await {
            Ok(Some(line)) => line,
            Ok(None) => return None,
            Err(LineError::TooLong { most }) => {
                return Some(format!("the server wrote a line of more than {most} bytes"));
            }
            Err(LineError::Io(error)) => return Some(format!("the server's output failed: {error}")),
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let what = match Message::read(line) {
            Ok(Message::Response { id, outcome }) => take_answer(shared, id, outcome),
            Ok(Message::Request { id, method, params }) => {
                let may = |talk: &Talk| shared.asks.and(talk.wants().asks).has(&method);
                let talk = shared.calls().asking(params).filter(may);
                let relayed = talk.and_then(|talk| Some((talk, Arc::clone(&shared.relays).try_acquire_owned().ok()?)));
                match relayed {
                    // It waits for the client, and this must not.
                    Some((talk, place)) => {
                        let (shared, id, method) = (Arc::clone(shared), id.to_owned(), method.into_owned());
                        let params = params.map(ToOwned::to_owned);
                        tokio::spawn(async move {
                            relay(&shared, &id, &method, params, &talk).await;
                            drop(place);
                        });
                    }
                    None => answer_request(shared, id, &method, &mut asked),
                }
                Ok(())
            }
            Ok(Message::Notification { method, params }) => {
                if let Some(event) = message::changed(&method, params) {
                    (shared.watch)(event);
                } else if method == "notifications/subscriptions/acknowledged" {
                    shared.calls().agree(params);
                } else if let Some(talk) = shared.calls().concerned(&method, params) {
                    message::pass_on(&method, params, &talk);
                }
                Ok(())
            }
            Err(malformed) => {
                // An answer to a known call that cannot be read is that call's answer: nobody will send another.
                let call = malformed.id.as_deref().and_then(|id| shared.calls().take(id));
                if let Some(call) = call {
                    let _ = call.tell.send(Err(format!("the server answered nonsense: {malformed}")));
                }
                Err(format!("{malformed}"))
            }
        };
        match what {
            Ok(()) => in_a_row = 0,
            Err(what) => {
                nonsense = nonsense.saturating_add(1);
                in_a_row += 1;
                if nonsense <= NONSENSE_TOLD {
                    (shared.watch)(Event::Nonsense { what: escape(&what) });
                }
                if in_a_row >= NONSENSE_MOST {
                    return Some(format!("the server wrote {in_a_row} lines in a row that are no messages"));
                }
            }
        }
    }
}

fn take_answer(shared: &Shared, id: &str, outcome: Result<&RawValue, &RawValue>) -> Result<(), String> {
    let call = shared.calls().take(id);
    let Some(call) = call else {
        return Err(format!("an answer to `{}`, which nobody waits for", id.chars().take(64).collect::<String>()));
    };
    // Whoever asked may have gone since.
    let _ = call.tell.send(Ok(Outcome::of(outcome)));
    Ok(())
}

/// Has the client answer what the server asks during its call.
async fn relay(shared: &Shared, id: &str, method: &str, params: Option<Box<RawValue>>, talk: &Talk) {
    let mut line = Vec::new();
    match message::relay(method, params, talk).await {
        Some(Ok(result)) => rpc::result(&mut line, id, result.get().as_bytes()),
        Some(Err(error)) => rpc::error_raw(&mut line, id, error.get().as_bytes()),
        // Whoever may be asked did not answer, and nobody needs to look into that.
        None => drop(message::decline(&mut line, id, method)),
    }
    // A server that does not take its answer is let go of: half a line would run into the next.
    let _ = timeout(TAKES, Writing { shared, line: &line, written: 0 }.run()).await;
}

fn answer_request(shared: &Shared, id: &str, method: &str, asked: &mut u32) {
    let mut line = Vec::new();
    if let Some(event) = message::decline(&mut line, id, method) {
        *asked = asked.saturating_add(1);
        if *asked <= ASKED_TOLD {
            (shared.watch)(event);
        }
    }
    // A server that asks faster than it reads gets no answer.
    let _ = shared.asides.try_send(line);
}

/// Writes what the reading side has to say, so that it never waits for a server that does not read.
async fn write_asides(mut queue: mpsc::Receiver<Vec<u8>>, shared: Arc<Shared>) {
    let mut life = shared.life.subscribe();
    let work = async {
        while let Some(line) = queue.recv().await {
            if (Writing { shared: &shared, line: &line, written: 0 }).run().await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = stopping(&mut life) => {}
        () = work => {}
    }
}

/// Keeps the last lines of standard error, escaped.
async fn listen(stderr: ChildStderr, shared: Arc<Shared>) {
    let mut lines = Lines::new(stderr, 64 << 10);
    loop {
        let said = match lines.next().await {
            Ok(Some(line)) => String::from_utf8_lossy(line).trim_end().to_owned(),
            Ok(None) | Err(LineError::Io(_)) => return,
            Err(LineError::TooLong { .. }) => "(a line too long to show)".into(),
        };
        if said.is_empty() {
            continue;
        }
        let said = escape(&shared.without_secrets(said).chars().take(SAID_CHARS).collect::<String>());
        tracing::debug!(target: "ambit::upstream", "{said}");
        let mut kept = shared.said.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == SAID_LINES {
            kept.pop_front();
        }
        kept.push_back(said);
    }
}

fn ended(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("the server ended with {status}"),
        Err(error) => format!("the server ended: {error}"),
    }
}
