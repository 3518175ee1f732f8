//! The door of the daemon: a socket that only its owner can open, who stands at the other end, and what each came for.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ambit_core::action::Digest;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::callers::Calling;
use super::calls::{Call, CallError, Called};
use super::hello::{self, Denied, Hello, Welcome};
use super::place::Place;
use super::visitor::Visitor;
use crate::gate::mcp::{self, Ended, Passage};
use crate::gate::rpc::{AGENT_LINE, Lines};
use crate::store::private::{self, PrivateError};
use crate::world::Later;

/// Who is at the other end, as the operating system says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The user; `None` on another machine.
    pub user: Option<u32>,
    /// The process that connected, where the system tells.
    pub process: Option<i32>,
}

/// Whoever can end a session of an agent that nobody uses, for another to come in.
pub trait MakesRoom: Send + Sync {
    /// Ends the session of that agent that was idle longest; whether there was one.
    fn make_room<'a>(&'a self, agent: &'a str) -> Later<'a, bool>;
}

/// What the daemon does with those who come in.
pub trait Host: Send + Sync + 'static {
    /// Lets an agent in by its token, and opens its session; or says why not.
    fn agent<'a>(&'a self, agent: &'a str, token: &'a str, peer: Peer) -> Later<'a, Result<Arc<dyn Passage>, Denied>>;

    /// Who a bearer token over HTTP proves to be, where it opens that agent's gate; opens nothing. Whoever presents
    /// another is recorded.
    fn knows<'a>(&'a self, agent: &'a str, token: &'a str, peer: Peer) -> Later<'a, Result<Visitor, Denied>>;

    /// Whether tokens that `ambit token` made open that agent's gate over HTTP.
    fn takes_tokens(&self, agent: &str) -> bool {
        let _ = agent;
        true
    }

    /// What the release in force says of who comes in over HTTP, to be told apart from what another says.
    fn admits(&self, agent: &str) -> Option<Digest> {
        let _ = agent;
        None
    }

    /// Lets in whom it knew, and opens their session; or says why not.
    fn visit<'a>(
        &'a self,
        agent: &'a str,
        visitor: &'a Visitor,
        peer: Peer,
    ) -> Later<'a, Result<Arc<dyn Passage>, Denied>>;

    /// The caller whose token it is; or says why not. Whoever presents another is recorded.
    fn caller<'a>(&'a self, agent: &'a str, token: &'a str, peer: Peer) -> Later<'a, Result<Calling, Denied>> {
        let _ = (agent, token, peer);
        Box::pin(async { Err(Denied::new("nobody opens tasks here", "a person opens one with `ambit task open`")) })
    }

    /// What a caller asks about an agent's tasks.
    fn call<'a>(&'a self, calling: Calling, agent: &'a str, ask: Call) -> Later<'a, Result<Called, CallError>> {
        let _ = (calling, agent, ask);
        Box::pin(async { Err(CallError::Nobody) })
    }

    /// Says who makes room where an agent has as many sessions as it may.
    fn makes_room(&self, by: Weak<dyn MakesRoom>) {
        let _ = by;
    }

    /// An agent's connection ended; closes its session.
    fn left<'a>(&'a self, passage: &'a dyn Passage, how: &'a Ended) -> Later<'a, ()>;

    /// Serves a person's connection to its end. It was let in for no more than who the operating system says it is.
    fn person(&self, peer: Peer, from: Lines<OwnedReadHalf>, to: OwnedWriteHalf) -> Later<'_, ()>;

    /// Whether whoever is at the other end of the shared socket may ask what people ask.
    fn is_person(&self, peer: Peer) -> bool {
        let _ = peer;
        false
    }

    /// Whether the daemon could end now if nobody is connected.
    fn may_rest(&self) -> bool {
        true
    }
}

/// The open door. One daemon at a time has it.
pub struct Door {
    place: Place,
    listener: UnixListener,
    // Held as long as the daemon lives; the system lets go of it however the daemon ends.
    _lock: File,
}

/// Why the door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Another daemon has it.
    #[error("a daemon already runs for `{}`\nhelp: use that one, or end it first", .0.display())]
    Taken(PathBuf),
    /// The directory is not ours alone.
    #[error(transparent)]
    Private(#[from] PrivateError),
    /// The system said no.
    #[error("the socket `{}` cannot be opened: {error}", .socket.display())]
    Io {
        /// Which.
        socket: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

// A connection has so long to say who it is.
const HELLO: Duration = Duration::from_secs(5);
// A daemon that ends has so long to let go of the door.
const LEAVING: Duration = Duration::from_secs(10);
// Connections at once; more wait at the door.
const MOST: usize = 512;

impl Door {
    /// Opens the door, unless another daemon has it. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When another daemon runs, others could use the directory, or the system says no.
    pub async fn open(place: &Place) -> Result<Door, DoorError> {
        place.prepare()?;
        let socket = place.socket();
        let failed = |error| DoorError::Io { socket: socket.clone(), error };
        let lock = private::open(&place.daemon_lock(), OpenOptions::new().write(true).create(true).mode(0o600))?;
        let start = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                // A daemon that has closed its door is on its way out.
                Err(TryLockError::WouldBlock) if !socket.exists() && start.elapsed() < LEAVING => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(TryLockError::WouldBlock) => return Err(DoorError::Taken(socket)),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
        // Whoever had it is gone, or the lock would be held.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        // Nobody else can get into the directory, so nobody is faster than the mode.
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Door { place: place.clone(), listener, _lock: lock })
    }

    /// Lets people and agents in until `stop` is done, or, where `idle` is given, until nobody was connected for so
    /// long. Connections that are open then go on by themselves; the caller decides how long to wait for them.
    pub async fn serve(self, host: Arc<dyn Host>, idle: Option<Duration>, stop: impl Future<Output = ()>) {
        let inside = Inside(Arc::new(watch::Sender::new(0)));
        tokio::pin!(stop);
        loop {
            let stream = tokio::select! {
                () = &mut stop => break,
                () = rest(idle, &inside, host.as_ref()) => match self.close().await {
                    Some(stream) => stream,
                    None => return,
                },
                stream = self.accept(&inside) => stream,
            };
            let (host, presence) = (Arc::clone(&host), inside.enter());
            tokio::spawn(async move {
                let _presence = presence;
                meet(stream, host.as_ref(), false).await;
            });
        }
        let _ = std::fs::remove_file(self.place.socket());
    }

    async fn accept(&self, inside: &Inside) -> UnixStream {
        loop {
            inside.until(|count| count < MOST).await;
            match self.listener.accept().await {
                Ok((stream, _)) => return stream,
                // Out of descriptors, most likely: it passes, and spinning would not help.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Closes the door, unless somebody is already standing in it: then it stays open for them.
    async fn close(&self) -> Option<UnixStream> {
        let (socket, aside) = (self.place.socket(), self.place.socket().with_extension("closing"));
        if std::fs::rename(&socket, &aside).is_err() {
            return None;
        }
        // From here on nobody new can come; those who came before are in the queue.
        if let Ok(Ok((stream, _))) = timeout(Duration::from_millis(20), self.listener.accept()).await
            && std::fs::rename(&aside, &socket).is_ok()
        {
            return Some(stream);
        }
        let _ = std::fs::remove_file(&aside);
        None
    }
}

/// Opens a second socket for agents and people who run as other users, in a directory that only this user may write to.
/// `group`: whose members may open it. Must be called within a Tokio runtime.
///
/// # Errors
/// When the directory is open to others, there is no such group, or the system says no.
pub fn share(socket: &Path, group: Option<&str>) -> Result<UnixListener, DoorError> {
    let failed = |error| DoorError::Io { socket: socket.to_owned(), error };
    let parent = socket.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let found = std::fs::metadata(parent).map_err(failed)?;
    if found.permissions().mode() & 0o022 != 0 && found.permissions().mode() & 0o1000 == 0 {
        let why = format!("others may write to `{}`, and could put another socket in its place", parent.display());
        return Err(failed(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why)));
    }
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(failed)?;
    // Closed to everybody until the group is set.
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
    if let Some(group) = group {
        let number = number_of("/etc/group", group).ok_or_else(|| {
            failed(std::io::Error::new(std::io::ErrorKind::NotFound, format!("there is no group `{group}`")))
        })?;
        std::os::unix::fs::chown(socket, None, Some(number)).map_err(failed)?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660)).map_err(failed)?;
    }
    Ok(listener)
}

/// Lets agents and people in at a shared socket, for as long as it is polled.
pub async fn serve_shared(listener: UnixListener, host: Arc<dyn Host>) {
    let inside = Inside(Arc::new(watch::Sender::new(0)));
    loop {
        inside.until(|count| count < MOST).await;
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (host, presence) = (Arc::clone(&host), inside.enter());
        tokio::spawn(async move {
            let _presence = presence;
            meet(stream, host.as_ref(), true).await;
        });
    }
}

/// The number of a user (`/etc/passwd`) or group (`/etc/group`), from the system's own list.
#[must_use]
pub fn number_of(list: &str, name: &str) -> Option<u32> {
    let list = std::fs::read_to_string(list).ok()?;
    let line = list.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

/// How many are connected.
struct Inside(Arc<watch::Sender<usize>>);

struct Presence(Arc<watch::Sender<usize>>);

impl Inside {
    fn enter(&self) -> Presence {
        self.0.send_modify(|count| *count += 1);
        Presence(Arc::clone(&self.0))
    }

    async fn until(&self, holds: impl Fn(usize) -> bool) {
        // An error would mean that the sender is gone, and it is here.
        let _ = self.0.subscribe().wait_for(|count| holds(*count)).await;
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Returns when nobody was connected for `idle`, and the host has nothing to do either.
async fn rest(idle: Option<Duration>, inside: &Inside, host: &dyn Host) {
    let Some(idle) = idle else { return std::future::pending().await };
    loop {
        inside.until(|count| count == 0).await;
        tokio::select! {
            () = inside.until(|count| count > 0) => {}
            () = tokio::time::sleep(idle) => {
                if host.may_rest() {
                    return;
                }
            }
        }
    }
}

/// One connection, from its first line to its end.
async fn meet(stream: UnixStream, host: &dyn Host, shared: bool) {
    // Who cannot be told by the system is nobody.
    let Ok(peer) = stream.peer_cred() else { return };
    let peer = Peer { user: Some(peer.uid()), process: peer.pid() };
    let (from, mut to) = stream.into_split();
    let mut lines = Lines::new(from, hello::LONGEST);
    let hello = match timeout(HELLO, lines.next()).await {
        Ok(Ok(Some(line))) => Hello::read(line),
        Ok(Err(_)) => Hello::read(b""),
        Ok(Ok(None)) | Err(_) => return,
    };
    match hello {
        Ok(Hello::Agent { agent, token }) => match host.agent(&agent, token.reveal(), peer).await {
            Ok(passage) => {
                let how = match to.write_all(&Welcome::In.line()).await {
                    Ok(()) => mcp::serve(lines.of_at_most(AGENT_LINE), to, Arc::clone(&passage)).await,
                    Err(error) => Ended::Broken(error),
                };
                host.left(passage.as_ref(), &how).await;
            }
            Err(denied) => deny(&mut to, denied).await,
        },
        Ok(Hello::Person) if shared && !host.is_person(peer) => {
            let help = "people come as the user that runs Ambit, or as the `os-user` that the release names for them";
            deny(&mut to, Denied::new("this operating-system user is nobody that Ambit knows as a person", help)).await;
        }
        Ok(Hello::Person) => {
            if to.write_all(&Welcome::In.line()).await.is_ok() {
                host.person(peer, lines.of_at_most(AGENT_LINE), to).await;
            }
        }
        Err(denied) => deny(&mut to, denied).await,
    }
}

async fn deny(to: &mut OwnedWriteHalf, denied: Denied) {
    // Whoever does not want to hear it need not.
    let _ = timeout(HELLO, to.write_all(&Welcome::Denied(denied).line())).await;
}
