//! What the gate weighs: memory with very many holds, and what an allowed read costs.

use std::future::Future as _;
use std::sync::Arc;
use std::time::Instant;

use ambit::confirm::key;
use ambit::confirm::queue::Queue;
use ambit::daemon::releases::Releases;
use ambit::gate::Answer;
use ambit::gate::means::Means;
use ambit::journal::{Journal, Mode};
use ambit::keys::InstallationKeys;
use ambit::store::sqlite::Sqlite;
use ambit::store::{Batch, Durability, Put, Store};

use crate::rig::{Keys, Live, Rig, pass, settings};

/// Resident memory of a process, in MiB.
pub fn resident(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn ten_thousand_waiting_holds_weigh_little() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(settings());
    let kept = rig.kept(&rig.held(80));
    let store = Sqlite::open(&dir.path().join("state")).unwrap();
    for batch in 0..20 {
        let puts = (0..500).map(|n| {
            let mut one = kept.clone();
            one.hold.id = format!("{:04}-{n:04}-wait", batch);
            one.hold.binding.agent = format!("agent-{}", (batch * 500 + n) / 20);
            Put { key: key(&one.hold.id), expect: 0, value: serde_json::to_vec(&one).ok() }
        });
        store.commit(&Batch { puts: puts.collect(), ..Batch::default() }, Durability::Soon).unwrap();
    }
    store.sync().unwrap();
    drop(rig);
    let before = resident("self");
    let started = Instant::now();
    let queue = Queue::open(&store).unwrap();
    assert_eq!(queue.waiting(None).len(), 10_000);
    let after = resident("self");
    println!("{before} MiB before, {after} MiB with 10,000 holds, found in {:?}", started.elapsed());
    assert!(after < 150, "{after} MiB");
    assert!(after.saturating_sub(before) < 60, "{} MiB", after - before);
}

/// `cargo nextest run -p ambit --run-ignored only what_an_allowed_read_costs --no-capture`
#[test]
#[ignore = "a measurement, not a test"]
fn what_an_allowed_read_costs() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(settings());
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&dir.path().join("state")).unwrap());
    let mode = Mode::Threaded { checkpoints: dir.path().join("state/checkpoints") };
    let journal = Journal::open(store.clone(), rig.world.clone(), InstallationKeys::from_seed(&[7; 64]), mode).unwrap();
    let releases = Arc::new(Releases::new(store.clone()));
    let (live, people) = (Arc::new(Live::default()), Arc::new(Keys));
    let means =
        Means::open(rig.world.clone(), store, Arc::new(journal), releases.clone(), live, people, settings()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let release = crate::rig::release(1, &crate::rig::snapshot(crate::rig::SCOPE, crate::rig::LOCK));
        ambit::daemon::releases::put_in_force(&means, &releases, release).await.unwrap();
        for (what, name, arguments, count) in [
            ("allowed read", "get_ticket", r#"{"id":"7"}"#, 3000),
            ("held again (joins)", "close", r#"{"id":"7"}"#, 200),
        ] {
            let mut times = Vec::new();
            for _ in 0..count {
                let action = rig.action("helpdesk", name, arguments);
                let started = Instant::now();
                let mut journey = std::pin::pin!(pass(&means, &rig.session, action));
                // The rig's systems wake nobody: poll again at once.
                let answer = std::future::poll_fn(|context| {
                    context.waker().wake_by_ref();
                    journey.as_mut().poll(context)
                })
                .await;
                times.push(started.elapsed());
                assert!(
                    matches!(answer, Answer::Result(_) | Answer::Pending { .. } | Answer::Refused(_)),
                    "{answer:?}"
                );
            }
            times.sort();
            println!("{what}: p50 {:?}, p99 {:?}", times[times.len() / 2], times[times.len() * 99 / 100]);
        }
    });
}

/// `cargo nextest run -p ambit --run-ignored only what_knowing_a_token_costs --no-capture`
#[test]
#[ignore = "a measurement, not a test"]
fn what_knowing_a_token_costs() {
    let dir = tempfile::tempdir().unwrap();
    let rig = Rig::new(settings());
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&dir.path().join("state")).unwrap());
    let keys = InstallationKeys::from_seed(&[7; 64]);
    let journal = Journal::open(store.clone(), rig.world.clone(), keys, Mode::Inline).unwrap();
    let mut known = None;
    for agent in 0..1_000 {
        let drawn = ambit::keys::token::draw(&journal, &format!("agent-{agent}"), None, None, None).unwrap();
        store.commit(&Batch { puts: drawn.puts, ..Batch::default() }, Durability::Soon).unwrap();
        known = Some(drawn.text);
    }
    let known = known.unwrap();
    let text = known.expose_text().unwrap();
    let made_up = format!("ambit_{}_{}", "0".repeat(16), "0".repeat(64));
    for (what, text) in [("one of 1,000", text), ("none of them", made_up.as_str())] {
        let started = Instant::now();
        for _ in 0..200 {
            ambit::keys::token::verify(store.as_ref(), text).unwrap();
        }
        println!("{what}: {:?} each", started.elapsed() / 200);
    }
}
