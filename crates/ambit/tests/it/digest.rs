//! The owner's digest: what it tells of a gate in one thread, what it never holds, and how it reaches a webhook on time.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambit::config::{self, Every, Secret, Setting};
use ambit::daemon::digest::{DigestError, Digests};
use ambit::daemon::stop;
use ambit::digest::{Account, Period, account};
use ambit::gate::Answer;
use ambit::journal::{Entry, Kind};
use ambit::store::{Durability, Store as _};
use ambit_core::time::Timestamp;
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

use crate::rig::{LOCK, Rig, opening, release, run, settings, snapshot};

pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn told(rig: &Rig, agent: Option<&str>) -> Account {
    let until = Timestamp(rig.world.now.load(std::sync::atomic::Ordering::SeqCst));
    account(rig.memory.as_ref(), agent, Period { from: Timestamp(0), until, after: None }).unwrap()
}

/// A day on which much happens.
fn busy() -> Rig {
    let rig = Rig::new(settings());
    for _ in 0..4 {
        // The fourth is beyond the line's limit, and held as everything outside is.
        rig.call("helpdesk.reply", r#"{"to":"secret-recipient@acme.example","body":"secret words"}"#);
    }
    rig.call("helpdesk.get_ticket", r#"{"id":"secret-ticket"}"#);
    rig.call("helpdesk.purge", "{}");
    let (first, second, third) = (rig.held(20), rig.held(30), rig.held(40));
    rig.confirm("lena", &first).unwrap();
    rig.execute(&first);
    rig.refuse("max", &second, "not today").unwrap();
    rig.open_task(opening()).unwrap();
    rig.later(31);
    rig.sweep();
    let _ = third;
    run(stop::stop(&rig.means, Some("helper"), Some("dana"), "a drill")).unwrap();
    rig.resume_if_stopped();
    rig
}

#[test]
fn a_digest_tells_what_was_done_by_which_line_and_who_decided() {
    let rig = busy();
    let all = told(&rig, None);
    let of = &all.agents["helper"];
    let words = all.words();
    let allowed: Vec<(&str, Option<&str>, u64)> = of
        .allowed
        .most_first()
        .into_iter()
        .map(|(line, times)| (line.called.as_str(), line.text.as_deref(), times))
        .collect();
    let reply = Some("call helpdesk.reply, at most 3 times per hour");
    assert_eq!(allowed, [("helpdesk.reply", reply, 3), ("helpdesk.get_ticket", Some("helpdesk.get_ticket"), 1)]);
    assert_eq!((of.held.sum(), of.refused.sum(), of.expired.sum(), of.limits_ran_out.sum()), (4, 2, 2, 1));
    let refused = of.refused.most_first();
    assert!(refused.iter().any(|(line, _)| line.text.as_deref() == Some("call helpdesk.purge")), "{refused:?}");
    for says in [
        "       1  payments.create_refund, by lena\n",
        "       1  payments.create_refund, by max\n",
        "  nobody answered in time: 2\n",
        "line 17: call helpdesk.reply, at most 3 times per hour\n",
        "  was stopped by dana at 2025-11-24 16:31 UTC: a drill\n",
        "  was let go on by dana",
        "       1  (unnamed), by tess\n",
        "  release 1 by dana at 2025-11-24 16:00 UTC (go live)\n",
        "a limit of helper ran out: call helpdesk.reply, at most 3 times per hour\n",
        "nobody answered 2 actions of helper in time: helpdesk.reply, payments.create_refund\n",
    ] {
        assert!(words.contains(says), "it does not say `{says}`:\n{words}");
    }
    assert!(told(&rig, Some("somebody")).agents.is_empty());
    assert_eq!(told(&rig, Some("helper")).agents["helper"], *of);
}

#[test]
fn nothing_of_a_call_but_its_name_is_in_a_digest() {
    let rig = busy();
    let all = told(&rig, None);
    for text in [all.words(), serde_json::to_string(&all).unwrap()] {
        for argument in ["secret", "customer@elsewhere", "give her the money", "\"amount\""] {
            assert!(!text.contains(argument), "{argument}:\n{text}");
        }
    }
    // A resource is named by its address, which may say anything: only that it is one is told.
    let rig = Rig::new(settings());
    let details = |verdict: &str| json!({ "ask": "a", "verdict": verdict, "cause": "unknown" });
    let asked = json!({ "ask": "a", "system": "docs", "operation": "resources/read", "name": "file:///secret/8812" });
    let entry = |kind, details| Entry { agent: Some("helper".into()), details, ..Entry::new(kind) };
    let entries = vec![entry(Kind::Asked, asked), entry(Kind::Decided, details("refuse"))];
    run(rig.means.record(entries, |_| Vec::new(), Durability::Now)).unwrap();
    let words = told(&rig, None).words();
    assert!(words.contains("something that is not in the lock (unknown)") && !words.contains("8812"), "{words}");
    for (operation, says) in [("resources/subscribe", "docs.resource"), ("completion/complete", "docs.completion")] {
        let rig = Rig::new(settings());
        let asked = json!({ "ask": "a", "system": "docs", "operation": operation, "name": "file:///secret/8812" });
        let decided = json!({ "ask": "a", "verdict": "allow", "release": 1, "grounds": [] });
        let entries = vec![entry(Kind::Asked, asked), entry(Kind::Decided, decided)];
        run(rig.means.record(entries, |_| Vec::new(), Durability::Now)).unwrap();
        let words = told(&rig, None).words();
        assert!(words.contains(says) && !words.contains("8812"), "{words}");
    }
}

#[test]
fn an_agent_writes_nothing_into_what_its_owner_reads() {
    let rig = Rig::new(settings());
    let wrote = "payments.<!channel> <https://evil.example/confirm|Confirm the refund here>";
    rig.call(wrote, "{}");
    rig.call("payments.@dana *confirm* [here](https://evil.example)", "{}");
    // Nor one that is stopped, whose calls nobody looks up (one is the try that it is stopped).
    run(stop::stop(&rig.means, Some("helper"), Some("dana"), "a drill <https://acme.example|here>")).unwrap();
    rig.call(wrote, "{}");
    let all = told(&rig, None);
    let body: Value = serde_json::from_slice(&ambit::digest::webhook::body(&all, Timestamp(0))).unwrap();
    for text in [all.words(), body.to_string()] {
        assert!(!text.contains("evil.example") && !text.contains("channel"), "{text}");
        assert!(text.contains("2  something that is not in the lock (unknown)"), "{text}");
        assert!(text.contains("2  something that was not looked up (stopped)"), "{text}");
    }
    let text = body["text"].as_str().unwrap();
    assert!(text.contains("a drill ＜https: //acme.example｜here＞") && !text.contains(['<', '>', '|', '@']), "{text}");
}

#[test]
fn what_is_pressing_comes_first() {
    let rig = busy();
    let unknown = Entry { agent: Some("helper".into()), ..Entry::new(Kind::OutcomeUnknown) };
    let drift = json!({ "ask": "d", "verdict": "refuse", "cause": "drift", "grounds": [] });
    let drifted = Entry { agent: Some("helper".into()), details: drift, ..Entry::new(Kind::Decided) };
    let flag = json!({ "flag": "an agent's token was presented to open tasks" });
    let flagged = Entry { agent: Some("helper".into()), details: flag, ..Entry::new(Kind::Flagged) };
    run(rig.means.record(vec![drifted, flagged, unknown], |_| Vec::new(), Durability::Now)).unwrap();
    run(stop::halt(&rig.means, "helper", None, "20 of its actions were refused")).unwrap();
    let first: Vec<String> = told(&rig, None).look_first.into_iter().map(|look| look.what).collect();
    let starts = [
        "nobody knows what came of 1 action of helper",
        "helper tripped: 20 of its actions were refused, and is stopped now",
        "helper: an agent's token was presented",
        "helper was refused what is not what was looked at",
        "nobody answered 2 actions",
        "a limit of helper ran out",
    ];
    assert_eq!(first.len(), starts.len(), "{first:#?}");
    for (said, start) in first.iter().zip(starts) {
        assert!(said.starts_with(start), "{said}\nand not {start}");
    }
    let quiet = Rig::new(settings());
    assert_eq!(told(&quiet, None).look_first, []);
    assert!(told(&quiet, None).words().contains("nothing asks for you"));
}

#[test]
fn a_release_is_told_with_its_price() {
    let rig = Rig::new(settings());
    let mut second = release(2, &snapshot(crate::rig::SCOPE, LOCK));
    second.release.widens = vec!["it may call helpdesk.close".into()];
    second.release.overrides = vec!["review-date".into()];
    run(ambit::daemon::releases::put_in_force(&rig.means, &rig.releases, second)).unwrap();
    let words = told(&rig, None).words();
    assert!(words.contains("release 2 of helper lets more happen: it may call helpdesk.close"), "{words}");
    assert!(words.contains("    widens: it may call helpdesk.close\n    waived: review-date\n"), "{words}");
}

#[test]
fn a_digest_stays_small_whatever_an_agent_names() {
    let rig = Rig::new(settings());
    for n in 0..3_000 {
        let details = json!({ "ask": format!("q{n}"), "system": "crm", "operation": "tools/call", "name": format!("{n}{}", "x".repeat(900)) });
        let asked = Entry { agent: Some("helper".into()), details, ..Entry::new(Kind::Asked) };
        let details =
            json!({ "ask": format!("q{n}"), "verdict": "refuse", "cause": "scope", "release": 1, "grounds": [] });
        let decided = Entry { agent: Some("helper".into()), details, ..Entry::new(Kind::Decided) };
        run(rig.means.record(vec![asked, decided], |_| Vec::new(), Durability::Soon)).unwrap();
    }
    let all = told(&rig, None);
    assert_eq!((all.agents["helper"].refused.sum(), all.agents["helper"].refused.more()), (3_000, 2_900));
    assert!(serde_json::to_vec(&all).unwrap().len() < 100_000 && all.words().len() < 10_000);
}

#[test]
fn a_while_is_cut_where_it_says_and_two_that_follow_leave_nothing_out() {
    let rig = Rig::new(settings());
    let now = || Timestamp(rig.world.now.load(std::sync::atomic::Ordering::SeqCst));
    let read = || drop(rig.call("helpdesk.get_ticket", "{}"));
    read();
    rig.later(10);
    let middle = now();
    read();
    read();
    let of = |period| account(rig.memory.as_ref(), None, period).unwrap();
    let allowed = |all: &Account| all.agents.get("helper").map_or(0, |of| of.allowed.sum());
    let first = of(Period { from: Timestamp(0), until: Timestamp(middle.0 - 1), after: None });
    let second = of(Period { from: middle, until: now(), after: None });
    assert_eq!((allowed(&first), allowed(&second)), (1, 2));
    // By record numbers: also when the clock was set back.
    rig.later(-60);
    read();
    let third = of(Period { from: now(), until: middle, after: Some(second.last_record) });
    assert_eq!(allowed(&third), 1);
}

/// A receiver on loopback, which answers each request with the next of its statuses, and then with the last.
pub struct Receiver {
    pub url: String,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Receiver {
    pub fn new(statuses: &[u16]) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heard: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let (keeps, mut statuses) = (Arc::clone(&heard), statuses.to_vec());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let status = if statuses.len() > 1 { statuses.remove(0) } else { statuses[0] };
                if let Some(one) = answer(stream.unwrap(), status) {
                    keeps.lock().unwrap().push(one);
                }
            }
        });
        Receiver { url, heard }
    }

    pub fn heard(&self) -> Vec<(String, Value)> {
        self.heard.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, status: u16) -> Option<(String, Value)> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut all = Vec::new();
    let mut part = [0; 4096];
    let (head, body) = loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        all.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&all).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = header(head, "content-length").parse::<usize>().unwrap();
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    let more = if status == 302 { "Location: http://127.0.0.1:9/elsewhere\r\n" } else { "" };
    let said = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(said.as_bytes()).unwrap();
    assert_eq!(header(&head, "webhook-signature"), signed(&head, &body), "{head}");
    Some((head, serde_json::from_str(&body).unwrap()))
}

fn header(head: &str, name: &str) -> String {
    let found = head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    found.unwrap_or_default()
}

/// What the signature of such a request must be.
fn signed(head: &str, body: &str) -> String {
    let key = Base64::decode_vec(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{}.{}.{body}", header(head, "webhook-id"), header(head, "webhook-timestamp")).as_bytes());
    format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes()))
}

fn digests(rig: &Rig, url: &str, every: Every, dir: &Path) -> Digests {
    std::fs::write(dir.join("secret"), SECRET).unwrap();
    let webhook = config::Webhook { url: Setting::Plain(url.to_owned()), secret: Secret::File("secret".into()) };
    let settings = config::Digest { every, at: "07:00".into(), webhook };
    Digests::new(Arc::clone(&rig.means), settings, dir.to_owned())
}

fn look(digests: &Digests) {
    runtime().block_on(digests.look()).unwrap();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_digest_is_sent_once_when_it_is_due_and_tells_of_what_was_not_told() {
    let (rig, dir) = (Rig::new(settings()), tempfile::tempdir().unwrap());
    let receiver = Receiver::new(&[204]);
    let daily = digests(&rig, &receiver.url, Every::Day, dir.path());
    // It is four in the afternoon. What happened before digests began is nothing that one tells of.
    rig.call("helpdesk.purge", "{}");
    look(&daily);
    rig.call("helpdesk.get_ticket", "{}");
    rig.later(14 * 60 + 59);
    look(&daily);
    assert_eq!(receiver.heard().len(), 0, "it is one minute to seven");
    rig.later(1);
    look(&daily);
    look(&daily);
    let heard = receiver.heard();
    assert_eq!(heard.len(), 1, "once");
    let (head, body) = &heard[0];
    assert!(header(head, "webhook-id").starts_with("msg_") && head.starts_with("POST /hook HTTP/1.1"), "{head}");
    assert_eq!(body["type"], "ambit.digest");
    assert_eq!(body["data"]["agents"]["helper"]["allowed"][0]["called"], "helpdesk.get_ticket");
    assert!(!body.to_string().contains("purge"), "{body}");
    assert!(body["text"].as_str().unwrap().contains("nothing asks for you"));
    // The gate starts again: nothing is sent twice; and the next tells of the next day alone, however late it is.
    let (rig, _) = rig.crash(1);
    let daily = digests(&rig, &receiver.url, Every::Day, dir.path());
    look(&daily);
    rig.later(3 * 24 * 60);
    rig.call("helpdesk.purge", "{}");
    look(&daily);
    look(&daily);
    let heard = receiver.heard();
    assert_eq!(heard.len(), 2, "one for the three days that nobody was there");
    let helper = &heard[1].1["data"]["agents"]["helper"];
    assert_eq!((&helper["allowed"], &helper["refused"][0]["times"]), (&json!([]), &json!(1)), "{helper}");
    assert_ne!(header(&heard[0].0, "webhook-id"), header(&heard[1].0, "webhook-id"));
    assert_eq!(daily.status().unwrap()["failed"], Value::Null);
}

#[test]
fn a_weekly_digest_comes_on_mondays() {
    let (rig, dir) = (Rig::new(settings()), tempfile::tempdir().unwrap());
    let receiver = Receiver::new(&[200]);
    // 2025-11-24 is a Monday, and seven is over.
    let weekly = digests(&rig, &receiver.url, Every::Week, dir.path());
    look(&weekly);
    rig.later(6 * 24 * 60 + 14 * 60 + 59);
    look(&weekly);
    assert_eq!(receiver.heard().len(), 0);
    rig.later(1);
    look(&weekly);
    assert_eq!(receiver.heard().len(), 1);
}

#[test]
fn what_is_not_taken_is_tried_again_under_the_same_id_and_then_given_up_and_told() {
    let (rig, dir) = (Rig::new(settings()), tempfile::tempdir().unwrap());
    let receiver = Receiver::new(&[500, 302, 500, 500, 500, 500, 500, 500, 200]);
    let daily = digests(&rig, &receiver.url, Every::Day, dir.path());
    look(&daily);
    rig.call("helpdesk.get_ticket", "{}");
    rig.later(15 * 60);
    look(&daily);
    look(&daily);
    assert_eq!(receiver.heard().len(), 1, "not at once");
    let trying = daily.status().unwrap()["trying"].clone();
    assert_eq!((&trying["attempts"], &trying["why"]), (&json!(1), &json!("`127.0.0.1` answered 500")));
    rig.later(1);
    look(&daily);
    assert!(daily.status().unwrap()["trying"]["why"].as_str().unwrap().contains("redirects are not followed"));
    // A restart between two attempts neither forgets nor hurries.
    let (rig, _) = rig.crash(1);
    let daily = digests(&rig, &receiver.url, Every::Day, dir.path());
    look(&daily);
    assert_eq!(receiver.heard().len(), 2);
    for minutes in [5, 15, 60, 120, 240, 240] {
        rig.later(minutes);
        look(&daily);
    }
    let heard = receiver.heard();
    assert_eq!(heard.len(), 8, "as often as it is tried at most");
    let ids: std::collections::BTreeSet<String> = heard.iter().map(|(head, _)| header(head, "webhook-id")).collect();
    assert_eq!(ids.len(), 1, "whoever takes it twice can tell");
    let status = daily.status().unwrap();
    assert_eq!((&status["trying"], &status["failed"]["why"]), (&Value::Null, &json!("`127.0.0.1` answered 500")));
    let notices = ambit::confirm::notice::unseen(&rig.means).unwrap();
    assert!(notices[0].text.contains("a digest could not be delivered: `127.0.0.1` answered 500"));
    assert!(rig.kinds().contains(&Kind::Flagged));
    // The next tells of its time as well, and that it was not delivered.
    rig.later(24 * 60);
    look(&daily);
    let (_, body) = receiver.heard().pop().unwrap();
    assert_eq!(receiver.heard().len(), 9);
    assert_eq!(body["data"]["agents"]["helper"]["allowed"][0]["times"], 1);
    let first = body["data"]["look-first"].to_string();
    assert!(first.contains("the digest before this was not delivered: `127.0.0.1` answered 500"), "{first}");
    assert_eq!(daily.status().unwrap()["failed"], Value::Null);
}

#[test]
fn what_is_wrong_with_address_or_secret_is_said_without_either() {
    let (rig, dir) = (Rig::new(settings()), tempfile::tempdir().unwrap());
    let send = |digests: &Digests| runtime().block_on(digests.send_now());
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/secret-path", listener.local_addr().unwrap())
    };
    for (url, says) in [
        (gone.as_str(), "`127.0.0.1` could not be reached"),
        ("http://hooks.acme.example/secret-path", "no URL that is `https` or on this machine"),
        ("no url at all, secret-path", "no URL"),
    ] {
        let error = send(&digests(&rig, url, Every::Day, dir.path())).unwrap_err();
        assert!(error.to_string().contains(says) && !error.to_string().contains("secret-path"), "{error}");
    }
    let receiver = Receiver::new(&[200]);
    let daily = digests(&rig, &receiver.url, Every::Day, dir.path());
    std::fs::write(dir.path().join("secret"), "hunter2").unwrap();
    let error = send(&daily).unwrap_err();
    assert!(error.to_string().contains("`whsec_`") && !error.to_string().contains("hunter2"), "{error}");
    std::fs::remove_file(dir.path().join("secret")).unwrap();
    assert!(matches!(send(&daily), Err(DigestError::Secret(_))));
    // One that is tried by hand changes nothing of what is due.
    std::fs::write(dir.path().join("secret"), SECRET).unwrap();
    look(&daily);
    assert_eq!(send(&daily).unwrap(), (200, "127.0.0.1".to_owned()));
    rig.later(15 * 60);
    look(&daily);
    assert_eq!(receiver.heard().len(), 2);
    assert!(!matches!(rig.call("helpdesk.get_ticket", "{}"), Answer::Fault(_)));
    assert!(
        rig.memory
            .scan("digest/")
            .unwrap()
            .iter()
            .all(|found| !String::from_utf8_lossy(&found.value).contains("whsec"))
    );
}
