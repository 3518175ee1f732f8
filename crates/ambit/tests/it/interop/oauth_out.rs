//! A live system that wants an access token, got from an issuer that others wrote.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ambit::config::oauth::ClientAuth;
use ambit::gate::{Sent, Upstream as _};
use ambit::upstream::credential::{Credential, Giver, Grant};
use ambit::upstream::{HttpSpec, Limits, McpSystem, Reach, Secret};
use serde_json::json;

use super::house::House;
use super::issuer::Issuer;
use super::remote::{PAGE, action, call, text};
use crate::mcp_fixture::permit;
use crate::peers::{Client, Endpoint, Talk, free_port};

/// A server that wants a token of the issuer, the issuer, and Ambit's side of both.
struct Stage {
    issuer: Issuer,
    system: McpSystem,
    ran: PathBuf,
    _place: tempfile::TempDir,
    _endpoint: Endpoint,
}

impl Stage {
    /// Tokens hold so many seconds.
    fn new(lasts: &str) -> Stage {
        let issuer = Issuer::start("ambit");
        issuer.write("lasts", lasts);
        let place = tempfile::tempdir().unwrap();
        let ran = place.path().join("ran");
        let endpoint = Endpoint::start_with("remote.py", free_port(), &ran, &[&issuer.url()]);
        let url = format!("http://127.0.0.1:{}/mcp", endpoint.port);
        let credential = Credential::new(Grant {
            giver: Giver::Issuer(issuer.url()),
            client: "ambit".into(),
            secret: Secret::new("sesame".into()),
            auth: ClientAuth::Basic,
            scopes: vec!["books".into()],
            resource: url.clone(),
        });
        let limits = Limits {
            start: Duration::from_secs(20),
            call: Duration::from_secs(20),
            line: 1 << 20,
            ..Limits::default()
        };
        let system = McpSystem::new(
            "remote".into(),
            Reach::Http(HttpSpec { url, headers: vec![], credential: Some(Arc::new(credential)) }),
            limits,
            Arc::new(|_: &[_]| std::collections::BTreeMap::new()),
            Arc::new(|_| {}),
        );
        Stage { issuer, system, ran, _place: place, _endpoint: endpoint }
    }

    async fn look(&self) -> Sent {
        self.system.send(permit(action("look")), &ambit::gate::talk::Talk::silent()).await
    }

    fn ran(&self) -> usize {
        std::fs::read_to_string(&self.ran).unwrap_or_default().lines().count()
    }

    /// The ids of the tokens that the server let in, in order.
    fn door(&self) -> Vec<String> {
        let door = std::fs::read_to_string(self.ran.with_extension("door")).unwrap_or_default();
        door.lines().map(str::to_owned).collect()
    }

    fn refuse(&self, what: &str) {
        std::fs::write(self.ran.with_extension("refused"), what).unwrap();
    }
}

fn is_seen(sent: &Sent) -> bool {
    matches!(sent, Sent::Result(bytes) if String::from_utf8_lossy(bytes).contains("seen"))
}

#[test]
fn a_server_that_wants_a_token_gets_one_and_nobody_else_sees_it() {
    let issuer = Issuer::start("ambit");
    let place = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start_with("remote.py", free_port(), &place.path().join("ran"), &[&issuer.url()]);
    let url = format!("http://127.0.0.1:{}/mcp", endpoint.port);
    let toml = |secret: &str| {
        format!(
            "[systems.remote]\nkind = \"mcp\"\nurl = \"{url}\"\nreading-tools = [\"look\"]\n\
             [systems.remote.oauth]\nissuer = \"{}\"\nclient-id = \"ambit\"\nclient-secret = {{ file = \"{secret}\" }}\nscopes = [\"books\"]\n\
             [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"remote\"]\n",
            issuer.url()
        )
    };
    let house = House::new(&toml("secret"));
    house.write("secret", "sesame\n");
    let house = house.open(PAGE);
    let mut talk = Talk::open(Client::TypeScript, &house.gate());
    assert_eq!(text(&talk.ask(&call("look", json!({ "at": "é" })))), "seen é");
    assert_eq!(talk.ask(&call("purge", json!({})))["isError"], true);
    let asked = issuer.asked();
    assert!(asked.iter().all(|one| one["resource"] == url.as_str() && one["scope"] == "books"), "{asked:?}");
    let records = house.ambit(&["journal", "tail", "--format", "json"]).fine().out;
    for kept in [records, house.told(), house.read("ambit.lock")] {
        assert!(!kept.contains("eyJ") && !kept.contains("sesame"), "{kept}");
    }
    // A secret that is not the client's: what is wrong is said, and what the secret was is not.
    let house = House::new(&toml("wrong"));
    house.write("wrong", "hunter2\n");
    let said = house.ambit(&["inventory"]);
    assert!(said.out.contains("no access token could be got: the issuer gives none: invalid_client"), "{}", said.out);
    assert!(!format!("{said:?}").contains("hunter2"), "{said:?}");
}

#[tokio::test]
async fn a_token_that_ends_is_fetched_again_once_for_all() {
    let stage = Stage::new("6");
    assert!(is_seen(&stage.look().await));
    assert!(is_seen(&stage.look().await));
    assert_eq!(stage.issuer.asked().len(), 1);
    tokio::time::sleep(Duration::from_millis(6_200)).await;
    let together = futures_of(64, || stage.look()).await;
    assert!(together.iter().all(is_seen), "{together:?}");
    assert_eq!((stage.issuer.asked().len(), stage.ran()), (2, 66));
}

/// So many at once, on one task: they meet wherever one of them waits.
async fn futures_of<T, F: Future<Output = T>>(count: usize, one: impl Fn() -> F) -> Vec<T> {
    let mut waiting: Vec<_> = (0..count).map(|_| Box::pin(one())).collect();
    let mut done: Vec<Option<T>> = (0..count).map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in waiting.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().map(Option::unwrap).collect()
}

#[tokio::test]
async fn a_token_that_is_turned_away_at_the_door_is_tried_anew_once() {
    let stage = Stage::new("600");
    assert!(is_seen(&stage.look().await));
    stage.refuse(stage.door().last().unwrap());
    assert!(is_seen(&stage.look().await), "with another token");
    assert_eq!((stage.issuer.asked().len(), stage.ran()), (2, 2), "and it ran once");
    // A server that lets nobody in: nothing was done, and the issuer is not asked without end.
    stage.refuse("all");
    for _ in 0..5 {
        let sent = stage.look().await;
        assert!(matches!(&sent, Sent::NotSent(why) if why.contains("does not accept the credential")), "{sent:?}");
    }
    assert!(stage.issuer.asked().len() <= 3, "{:?}", stage.issuer.asked());
    assert_eq!(stage.ran(), 2);
}

#[tokio::test]
async fn without_an_issuer_nothing_is_sent() {
    let mut stage = Stage::new("2");
    assert!(is_seen(&stage.look().await));
    stage.issuer.stop();
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let before = stage.door().len();
    let together = futures_of(16, || stage.look()).await;
    for sent in &together {
        let Sent::NotSent(why) = sent else { panic!("{sent:?}") };
        assert!(why.contains("no access token could be got") && why.contains("help: look at `issuer`"), "{why}");
        assert!(!why.contains("sesame"), "{why}");
    }
    assert_eq!((stage.door().len(), stage.ran()), (before, 1));
    stage.issuer.again();
    let sent = stage.look().await;
    assert!(matches!(&sent, Sent::NotSent(_)), "not at once: {sent:?}");
    tokio::time::sleep(Duration::from_millis(5_100)).await;
    let sent = stage.look().await;
    assert!(is_seen(&sent), "and then it is: {sent:?}");
}
