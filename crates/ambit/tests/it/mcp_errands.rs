//! Servers that answer with tasks, and lie about them: each lie hurts its own call and no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ambit::gate::Sent;
use ambit::gate::errand::Word;
use ambit::gate::talk::{Party, Relay, Talk, Wants};
use ambit::upstream::{Event, LaunchSpec, Secret, UpstreamServer};

use crate::mcp_fixture::{call, limits};

const GENERATIONS: [&str; 2] = ["", "modern"];

struct Liar {
    server: UpstreamServer,
    told: Arc<Mutex<Vec<Event>>>,
    log: PathBuf,
    _place: tempfile::TempDir,
}

impl Liar {
    async fn start(generation: &str) -> Liar {
        let place = tempfile::tempdir().unwrap();
        let log = place.path().join("log");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tasks.py");
        let env = [("AT_START", generation.to_owned()), ("LOG", log.display().to_string())];
        let spec = LaunchSpec {
            command: "python3".into(),
            args: vec![script.display().to_string()],
            env: env.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect(),
            cwd: None,
        };
        let told = Arc::<Mutex<Vec<Event>>>::default();
        let watch = Arc::clone(&told);
        let watch = Arc::new(move |event| watch.lock().unwrap().push(event));
        let server = UpstreamServer::start_watched(&spec, limits(), watch).await.unwrap();
        server.list_tools().await.unwrap();
        Liar { server, told, log, _place: place }
    }

    async fn send(&self, tool: &str, talk: &Talk) -> Sent {
        self.server.send(call(tool, &format!(r#"{{"name":"{tool}","arguments":{{ "n":1.0 }}}}"#)), talk).await
    }

    /// What became of a call of somebody who may be told to come back.
    async fn came(&self, tool: &str) -> Sent {
        let (talk, _relay) = open(false);
        self.send(tool, &talk).await
    }

    fn heard(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// A line on which an errand may be made.
fn open(later: bool) -> (Talk, Relay) {
    let party = Party { session: "s1".into(), task: None };
    Talk::open(party, Wants { later, ..Wants::default() }).0.relayed(true)
}

#[track_caller]
fn text(sent: Sent) -> String {
    let Sent::Result(bytes) = sent else { panic!("{sent:?}") };
    let said: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    said["content"][0]["text"].as_str().unwrap().to_owned()
}

#[track_caller]
fn unknown(sent: Sent) -> String {
    let Sent::Unknown(why) = sent else { panic!("{sent:?}") };
    why
}

#[tokio::test]
async fn what_came_of_a_task_is_what_came_of_its_call() {
    for generation in GENERATIONS {
        let liar = Liar::start(generation).await;
        let (talk, mut relay) = open(false);
        let Sent::Result(bytes) = liar.send("fine", &talk).await else { panic!("{generation}") };
        let expected = match generation {
            "modern" => r#"{"content":[{"type":"text","text":"fine"}]}"#,
            _ => r#"{"content":[{"type":"text","text":"fine"}],"_meta":{"mine":1.5}}"#,
        };
        assert_eq!(String::from_utf8(bytes).unwrap(), expected, "but for what its server calls it");
        assert_eq!(relay.errands.try_recv(), Ok(Word::Began { id: "fine-0".into() }));
        let error = liar.came("failed").await;
        assert_eq!(error, Sent::Error(br#"{"code":-32050,"message":"no","data":[1.0]}"#.to_vec()), "{generation}");
        // The bytes of the arguments, once.
        let heard = liar.heard();
        let calls: Vec<&str> = heard.lines().filter(|line| line.contains("tools/call")).collect();
        assert!(calls.len() == 2 && calls[0].contains(r#""arguments":{ "n":1.0 }"#), "{calls:?}");
        assert!(!calls.iter().any(|call| call.contains("requestState")), "{calls:?}");
    }
}

#[tokio::test]
async fn a_lie_about_a_task_hurts_its_own_call() {
    for generation in GENERATIONS {
        let liar = Liar::start(generation).await;
        let why = |tool: &'static str| async { unknown(liar.came(tool).await) };
        assert_eq!(why("other").await, "the server speaks of another one", "{generation}");
        assert!(why("nameless").await.contains("has no name"), "{generation}");
        assert!(why("nonsense").await.contains("a status that is none"), "{generation}");
        assert!(why("gone").await.contains("knows nothing of it any more"), "{generation}");
        // To have lost what came of it is no error of the call.
        assert!(why("mislaid").await.contains("not with what"), "{generation}");
        assert!(why("forgotten").await.contains("knows nothing of it any more"), "{generation}");
        let early = why("early").await;
        assert!(early.contains("still works on") || early.contains("not with what"), "{generation}: {early}");
        // Twice by one name: once, and then nobody believes it.
        assert_eq!(text(liar.came("same").await), "same", "{generation}");
        assert!(why("same").await.contains("the name of another"), "{generation}");
        assert_eq!(text(liar.came("noisy").await), "noisy", "{generation}");
        let (fine, other, again) = tokio::join!(liar.came("fine"), liar.came("other"), liar.came("fine"));
        assert_eq!((text(fine), text(again)), ("fine".into(), "fine".into()), "{generation}");
        unknown(other);
        assert_eq!(text(liar.came("plain").await), if generation == "modern" { "known" } else { "in full" });
        assert!(why("bare").await.contains("not with what"), "{generation}");
    }
}

#[tokio::test]
async fn a_server_that_dies_at_work_leaves_it_unknown_and_nothing_is_sent_again() {
    for generation in GENERATIONS {
        let liar = Liar::start(generation).await;
        let why = unknown(liar.came("dies").await);
        assert!(why.contains("exit status: 3"), "{generation}: {why}");
        assert_eq!(liar.heard().matches("tools/call").count(), 1, "{generation}");
    }
}

#[tokio::test]
async fn who_lets_go_is_passed_on_and_what_the_server_says_then_is_what_came_of_it() {
    for generation in GENERATIONS {
        let liar = Liar::start(generation).await;
        for (tool, at) in [("endless", 1), ("deaf", 2)] {
            let (talk, relay) = open(false);
            let let_go = async {
                tokio::time::sleep(Duration::from_millis(600)).await;
                relay.cancel.now();
            };
            let (sent, ()) = tokio::join!(liar.send(tool, &talk), let_go);
            match tool {
                "deaf" => assert_eq!(text(sent), "deaf", "{generation}"),
                _ => assert_eq!(unknown(sent), "it was let go of", "{generation}"),
            }
            assert_eq!(liar.heard().matches("tasks/cancel").count(), at, "{generation}");
        }
    }
}

#[tokio::test]
async fn what_nobody_may_ask_is_told_and_its_task_let_go_of() {
    for generation in GENERATIONS {
        let liar = Liar::start(generation).await;
        let (talk, relay) = open(false);
        let let_go = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            relay.cancel.now();
        };
        let (sent, ()) = tokio::join!(liar.send("asks", &talk), let_go);
        unknown(sent);
        assert!(liar.heard().contains("tasks/cancel"), "{generation}");
        let asked = Event::Asked { method: "sampling/createMessage".into() };
        assert!(liar.told.lock().unwrap().contains(&asked), "{generation}");
    }
}

#[tokio::test]
async fn a_tool_is_called_as_a_task_where_it_must_or_where_that_helps() {
    let liar = Liar::start("").await;
    let calls = || liar.heard().matches(r#""task":{"ttl":"#).count();
    assert_eq!(text(liar.came("fine-optional").await), "in full");
    assert_eq!(calls(), 0);
    let (talk, _relay) = open(true);
    assert_eq!(text(liar.send("fine-optional", &talk).await), "fine-optional");
    assert_eq!(calls(), 1);
    assert_eq!(text(liar.came("plain").await), "in full");
    assert_eq!(calls(), 1);
    // Where nobody could be told to come back, one that must be is not sent.
    let sent = liar.send("fine", &Talk::silent()).await;
    assert!(matches!(&sent, Sent::NotSent(_)), "{sent:?}");
    assert_eq!(liar.heard().matches("tools/call").count(), 3);
    // And in the other generation its server is not told that it may; one that does all the same is told that it may not.
    let liar = Liar::start("modern").await;
    assert_eq!(text(liar.send("fine", &Talk::silent()).await), "in full");
    let why = unknown(liar.send("same", &Talk::silent()).await);
    assert!(why.contains("was not told that it may") && liar.heard().contains("tasks/cancel"), "{why}");
}

#[tokio::test]
async fn a_server_works_on_so_much_at_once_and_is_asked_no_more_often_than_need_be() {
    for generation in GENERATIONS {
        let liar = Arc::new(Liar::start(generation).await);
        let begun = Instant::now();
        let mut under_way = Vec::new();
        for _ in 0..16 {
            let (talk, mut relay) = open(false);
            let server = Arc::clone(&liar);
            let sent = tokio::spawn(async move { server.send("endless", &talk).await });
            assert!(matches!(relay.errands.recv().await, Some(Word::Began { .. })), "{generation}");
            under_way.push((sent, relay));
        }
        match liar.came("fine").await {
            Sent::NotSent(why) if generation.is_empty() => assert!(why.contains("as much as it may"), "{why}"),
            sent => assert_eq!((text(sent), generation), ("in full".into(), "modern")),
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (heard, seconds) = (liar.heard(), begun.elapsed().as_secs_f64());
        // It says a millisecond.
        let most = 16.0 * (seconds / 0.25 + 1.0);
        assert!((heard.matches("tasks/get").count() as f64) < most, "{generation}");
        let names: BTreeSet<&str> = heard.lines().filter_map(|line| line.split("\"taskId\":\"").nth(1)).collect();
        assert!(names.len() >= 16, "{generation}");
        for (_, relay) in &under_way {
            relay.cancel.now();
        }
        for (sent, _) in under_way {
            unknown(sent.await.unwrap());
        }
        assert_eq!(text(liar.came("fine").await), "fine", "{generation}");
    }
}

#[tokio::test]
async fn of_calls_at_once_none_is_begun_for_which_there_is_no_room() {
    for generation in GENERATIONS {
        let liar = Arc::new(Liar::start(generation).await);
        let all: Vec<_> = (0..24)
            .map(|_| {
                let liar = Arc::clone(&liar);
                tokio::spawn(async move { liar.came("fine").await })
            })
            .collect();
        let mut seen = 0;
        for sent in all {
            match sent.await.unwrap() {
                Sent::NotSent(why) if generation.is_empty() => assert!(why.contains("as much as it may"), "{why}"),
                sent => seen += usize::from(text(sent) == "fine"),
            }
        }
        assert!(seen >= 16, "{generation}: {seen}");
        let begun = liar.heard().matches("tools/call").count();
        assert!(begun < 24 || generation == "modern", "{generation}: {begun}");
        assert_eq!(text(liar.came("fine").await), "fine", "{generation}: there is room again");
    }
}
