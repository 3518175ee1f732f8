//! The socket and the pipe: an agent's client on one side, the daemon's door on the other.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ambit::daemon::hello::Denied;
use ambit::daemon::place::Place;
use ambit::daemon::socket::{Door, DoorError, Host, Peer};
use ambit::daemon::visitor::Visitor;
use ambit::gate::mcp::{Ended, Passage};
use ambit::gate::rpc::Lines;
use ambit::world::Later;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};

use crate::mcp_stage::Stage;

/// Lets `tester` in with the token `sesame`, and says to people who they are.
struct Hall {
    stage: Arc<Stage>,
    left: Mutex<Vec<String>>,
}

impl Host for Hall {
    fn agent<'a>(&'a self, agent: &'a str, token: &'a str, _: Peer) -> Later<'a, Result<Arc<dyn Passage>, Denied>> {
        Box::pin(async move {
            if agent == "tester" && token == "sesame" {
                return Ok(Arc::clone(&self.stage) as Arc<dyn Passage>);
            }
            Err(Denied::new("the token is not one of this agent's", "make a new one with `ambit token tester`"))
        })
    }

    fn knows<'a>(&'a self, agent: &'a str, token: &'a str, _: Peer) -> Later<'a, Result<Visitor, Denied>> {
        Box::pin(async move {
            match (agent, token) {
                ("tester", "sesame") => Ok(Visitor::of_token(token)),
                _ => Err(Denied::new("no", "no")),
            }
        })
    }

    fn visit<'a>(&'a self, _: &'a str, _: &'a Visitor, _: Peer) -> Later<'a, Result<Arc<dyn Passage>, Denied>> {
        Box::pin(async { Ok(Arc::clone(&self.stage) as Arc<dyn Passage>) })
    }

    fn left<'a>(&'a self, _: &'a dyn Passage, how: &'a Ended) -> Later<'a, ()> {
        Box::pin(async move { self.left.lock().unwrap().push(format!("{how:?}")) })
    }

    fn person(&self, peer: Peer, mut from: Lines<OwnedReadHalf>, mut to: OwnedWriteHalf) -> Later<'_, ()> {
        Box::pin(async move {
            let said = String::from_utf8(from.next().await.unwrap().unwrap().to_vec()).unwrap();
            to.write_all(format!("{said} by {}\n", peer.user.unwrap()).as_bytes()).await.unwrap();
        })
    }
}

struct House {
    dir: tempfile::TempDir,
    hall: Arc<Hall>,
}

async fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let hall = Arc::new(Hall { stage: Stage::new(), left: Mutex::default() });
    let door = Door::open(&place(dir.path())).await.unwrap();
    tokio::spawn(door.serve(Arc::clone(&hall) as Arc<dyn Host>, None, std::future::pending()));
    House { dir, hall }
}

fn place(dir: &Path) -> Place {
    Place::of_config(&dir.join("ambit.toml"))
}

impl House {
    fn command(&self, token: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ambit"));
        command.args(["mcp", "--agent", "tester", "--config"]).arg(self.dir.path().join("ambit.toml"));
        command.env("AMBIT_TOKEN", token).kill_on_drop(true);
        command
    }

    fn pipe(&self, token: &str) -> Child {
        let mut command = self.command(token);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// How the next session ends.
    async fn left(&self) -> String {
        for _ in 0..500 {
            if let Some(how) = self.hall.left.lock().unwrap().pop() {
                return how;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no session ends")
    }

    async fn connect(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(place(self.dir.path()).socket()).await.unwrap())
    }
}

async fn line(from: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> String {
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(10), from.read_line(&mut line)).await.unwrap().unwrap();
    line
}

const INITIALIZE: &[u8] =
    b"{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"}}\n";

#[tokio::test]
async fn the_pipe_carries_a_call_and_ends_with_its_client() {
    let house = house().await;
    let mut pipe = house.pipe(" sesame\n");
    let (mut to, mut from) = (pipe.stdin.take().unwrap(), BufReader::new(pipe.stdout.take().unwrap()));
    to.write_all(INITIALIZE).await.unwrap();
    assert!(line(&mut from).await.contains("\"protocolVersion\":\"2025-11-25\""));
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fixture__echo","arguments":{"n":1.00}}}"#;
    to.write_all(format!("{call}\n").as_bytes()).await.unwrap();
    let said = line(&mut from).await;
    assert!(
        said.contains(r#"{\"name\":\"echo\",\"arguments\":{\"n\":1.00}}"#) && said.ends_with("\"n\": 1.0e0 }}\n"),
        "{said}"
    );
    // What was asked before the client stopped asking is still answered.
    let slow = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"fixture__slow","arguments":{"seconds":0.2}}}"#;
    to.write_all(format!("{slow}\n").as_bytes()).await.unwrap();
    drop(to);
    assert!(line(&mut from).await.contains("\"id\":2"));
    assert_eq!(line(&mut from).await, "");
    assert_eq!(pipe.wait().await.unwrap().code(), Some(0));
    crate::mcp_fixture::until("the session closes", || house.hall.left.lock().unwrap().join(",") == "Closed");
}

#[tokio::test]
async fn whoever_is_not_let_in_is_told_why_and_what_to_do() {
    let house = house().await;
    let told = house.pipe("wrong").wait_with_output().await.unwrap();
    let said = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(1));
    assert!(said.contains("the token is not one of this agent's") && said.contains("help: make a new one"), "{said}");
    let told = house.pipe(" ").wait_with_output().await.unwrap();
    let said = String::from_utf8(told.stderr).unwrap();
    assert_eq!(told.status.code(), Some(2));
    assert!(said.contains("there is no token for `tester`") && said.contains("`ambit token tester`"), "{said}");
    assert!(house.hall.left.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_severed_session_ends_the_pipe_and_says_so() {
    let house = house().await;
    let mut pipe = house.pipe("sesame");
    let (mut to, mut from) = (pipe.stdin.take().unwrap(), BufReader::new(pipe.stdout.take().unwrap()));
    to.write_all(INITIALIZE).await.unwrap();
    line(&mut from).await;
    house.hall.stage.news.send_modify(|news| news.severed = true);
    assert_eq!(line(&mut from).await, "");
    let told = pipe.wait_with_output().await.unwrap();
    assert_eq!(told.status.code(), Some(4));
    assert!(String::from_utf8(told.stderr).unwrap().contains("Ambit ended the connection"));
}

#[tokio::test]
async fn a_client_whose_streams_are_files_is_carried() {
    let house = house().await;
    let (asked, told) = (house.dir.path().join("asked"), house.dir.path().join("told"));
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"fixture__echo","arguments":{}}}"#;
    std::fs::write(&asked, [INITIALIZE, call.as_bytes(), b"\n"].concat()).unwrap();
    let mut command = house.command("sesame");
    command.stdin(std::fs::File::open(&asked).unwrap()).stdout(std::fs::File::create(&told).unwrap());
    assert_eq!(command.status().await.unwrap().code(), Some(0));
    let told = std::fs::read_to_string(&told).unwrap();
    assert!(told.lines().count() == 2 && told.contains("\"id\":1"), "{told}");
}

#[tokio::test]
async fn a_pipe_that_is_killed_ends_the_session_of_its_client() {
    let house = house().await;
    let mut pipe = house.pipe("sesame");
    let (mut to, mut from) = (pipe.stdin.take().unwrap(), BufReader::new(pipe.stdout.take().unwrap()));
    to.write_all(INITIALIZE).await.unwrap();
    line(&mut from).await;
    pipe.kill().await.unwrap();
    assert_eq!(house.left().await, "Closed");
    // The client still has its ends, and nobody is at the others.
    assert_eq!(line(&mut from).await, "");
    assert!(to.write_all(&[b' '; 1 << 20]).await.is_err());
}

#[tokio::test]
async fn a_person_comes_in_as_who_the_system_says() {
    let mut person = house().await.connect().await;
    person.write_all(b"{\"ambit\":1,\"role\":\"person\"}\ninbox\n").await.unwrap();
    assert_eq!(line(&mut person).await, "{\"ambit\":1,\"ok\":true}\n");
    assert_eq!(line(&mut person).await, format!("inbox by {}\n", rustix::process::geteuid().as_raw()));
}

#[tokio::test]
async fn a_first_line_that_is_none_is_denied_and_one_that_never_comes_is_not_waited_for() {
    let house = house().await;
    for first in [b"GET / HTTP/1.1\n".as_slice(), INITIALIZE, &[b'x'; 9_000]] {
        let mut stranger = house.connect().await;
        stranger.write_all(first).await.unwrap();
        assert!(line(&mut stranger).await.starts_with("{\"ambit\":1,\"ok\":false,\"error\":\"the first line"));
        let _ = stranger.read_to_end(&mut Vec::new()).await;
    }
    let before = Instant::now();
    let mut silent = house.connect().await;
    silent.write_all(b"{\"ambit\":1,").await.unwrap();
    assert_eq!(line(&mut silent).await, "");
    assert!((4..8).contains(&before.elapsed().as_secs()));
}

#[tokio::test]
async fn nobody_else_can_open_the_door_and_one_daemon_has_it() {
    let house = house().await;
    let socket = place(house.dir.path()).socket();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    assert!(matches!(Door::open(&place(house.dir.path())).await, Err(DoorError::Taken(_))));
    let open = tempfile::tempdir().unwrap();
    let run = open.path().join(".ambit/run");
    std::fs::create_dir_all(&run).unwrap();
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(run.parent().unwrap(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(Door::open(&place(open.path())).await, Err(DoorError::Private(_))));
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    place(dir.path()).prepare().unwrap();
    drop(std::os::unix::net::UnixListener::bind(place(dir.path()).socket()).unwrap());
    Door::open(&place(dir.path())).await.unwrap();
}

#[tokio::test]
async fn a_door_nobody_needs_closes_but_not_on_whoever_stands_in_it() {
    let hall: Arc<dyn Host> = Arc::new(Hall { stage: Stage::new(), left: Mutex::default() });
    let mut met = 0;
    for round in 0..20u64 {
        let dir = tempfile::tempdir().unwrap();
        let door = Door::open(&place(dir.path())).await.unwrap();
        let idle = Duration::from_millis(30);
        let serve = tokio::spawn(door.serve(Arc::clone(&hall), Some(idle), std::future::pending()));
        tokio::time::sleep(Duration::from_millis(20 + round)).await;
        if let Ok(stream) = UnixStream::connect(place(dir.path()).socket()).await {
            met += 1;
            let mut person = BufReader::new(stream);
            person.write_all(b"{\"ambit\":1,\"role\":\"person\"}\nx\n").await.unwrap();
            assert_eq!(line(&mut person).await, "{\"ambit\":1,\"ok\":true}\n", "round {round}");
            assert!(line(&mut person).await.starts_with("x by"));
        }
        tokio::time::timeout(Duration::from_secs(5), serve).await.unwrap().unwrap();
        assert!(!place(dir.path()).socket().exists());
    }
    assert!(met > 0);
}

/// What the way through pipe, door and face adds to a call, against the same server called directly, in turns. Says a
/// number that stands for itself only in a release build; run it with `--run-ignored only --no-capture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn what_the_way_adds() {
    let house = house().await;
    let mut pipe = house.pipe("sesame");
    let spec = crate::mcp_fixture::server(&[]);
    let mut direct =
        Command::new(&spec.command).args(&spec.args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut took = [Vec::new(), Vec::new()];
    let mut sides = [&mut direct, &mut pipe]
        .map(|child| (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap())));
    for (to, from) in &mut sides {
        to.write_all(INITIALIZE).await.unwrap();
        line(from).await;
    }
    for round in 0..2_000 {
        for ((to, from), (name, took)) in sides.iter_mut().zip(["echo", "fixture__echo"].into_iter().zip(&mut took)) {
            let call = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{round},\"method\":\"tools/call\",\"params\":{{\"name\":\"{name}\",\"arguments\":{{}}}}}}\n"
            );
            let before = Instant::now();
            to.write_all(call.as_bytes()).await.unwrap();
            line(from).await;
            took.push(before.elapsed());
        }
    }
    let [direct, through] = took.map(|mut took| {
        took.sort_unstable();
        (took[took.len() / 2], took[took.len() * 99 / 100])
    });
    println!("direct {direct:?}, through {through:?}, added p50 {:?}", through.0.saturating_sub(direct.0));
}
