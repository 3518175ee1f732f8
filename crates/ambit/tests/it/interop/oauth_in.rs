//! Agents that come in with access tokens of an issuer that others wrote, and all who come with something else.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ambit::oauth::issuers::{Issuers, Source, Unproven};
use ambit::world::{Later, NoChance, Real, World};
use ambit_core::time::Timestamp;
use ambit_effects::token::Unproved;
use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

use super::house::{House, ledger, page, until};
use super::http::{ENDPOINT, Heard, INITIALIZE, address, ask, call, headers, text};
use super::issuer::Issuer;
use crate::peers::{Client, Talk, free_port};

/// An installation whose agent `helper` is the client `helper` of the issuer.
fn house(issuer: &Issuer, more: &str) -> (House, String) {
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let toml = format!(
        "oauth = {{ client = \"helper\" }}\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
         [http.oauth]\nissuer = \"{}\"\nbase-url = \"{base}\"\nscopes = [\"books\"]\n{more}",
        issuer.url()
    );
    let house = ledger(&toml).open(&page(""));
    (house, format!("{base}{ENDPOINT}"))
}

fn come(house: &House, token: &str) -> Heard {
    ask(house, "POST", ENDPOINT, &headers(&format!("Bearer {token}"), &[]), INITIALIZE)
}

/// A token with another header, other claims, or another signature.
fn forged(token: &str, change: impl FnOnce(&mut Value, &mut Value, &mut Vec<u8>)) -> String {
    let decoded = |part: &str| Base64UrlUnpadded::decode_vec(part).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let (mut header, mut claims) =
        (serde_json::from_slice(&decoded(parts[0])).unwrap(), serde_json::from_slice(&decoded(parts[1])).unwrap());
    let mut signature = decoded(parts[2]);
    change(&mut header, &mut claims, &mut signature);
    let encoded = |value: &Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    format!("{}.{}.{}", encoded(&header), encoded(&claims), Base64UrlUnpadded::encode_string(&signature))
}

#[test]
fn an_access_token_of_the_issuer_lets_its_agent_in() {
    let issuer = Issuer::start("helper\nother");
    let (house, gate) = house(&issuer, "");
    for signing in ["RS256", "PS256", "ES256", "EdDSA"] {
        issuer.write("signing", signing);
        let heard = come(&house, &issuer.token("helper", &gate, "books"));
        assert_eq!(heard.status, 200, "{signing}: {}", heard.body);
    }
    // Tokens of ours go on working beside it.
    assert_eq!(come(&house, house.read("token").trim()).status, 200);
    let opened = house.ambit(&["journal", "tail", "--kind", "session-opened", "--format", "json"]).fine().out;
    let first: Value = serde_json::from_str(opened.lines().next().unwrap()).unwrap();
    let details = &first["details"];
    assert_eq!(
        (&details["issuer"], &details["subject"], &details["client"], &details["task"]),
        (&json!(issuer.url()), &json!("helper"), &json!("helper"), &Value::Null),
        "{opened}"
    );
    assert!(!opened.contains("eyJ"), "no token is recorded: {opened}");
}

#[test]
fn official_clients_find_the_issuer_and_get_their_tokens_themselves() {
    let issuer = Issuer::start("helper\nother");
    let (house, gate) = house(&issuer, "");
    let typescript = vec![gate.clone(), "as".into(), "helper".into(), "sesame".into(), "books".into()];
    let python = |client: &str, mode: &str| {
        vec![gate.clone(), "as".into(), client.into(), "sesame".into(), issuer.url(), mode.into()]
    };
    let clients = [
        (Client::TypeScript, typescript),
        (Client::Python, python("helper", "legacy")),
        (Client::Python, python("helper", "2026-07-28")),
    ];
    for (client, words) in clients {
        let mut talk = Talk::open(client, &words);
        let look = talk.ask(&call("look", json!({})));
        assert_eq!(text(&look), "look ran", "{client:?} {words:?}: {look}");
        assert_eq!(talk.ask(&call("purge", json!({})))["isError"], true, "{client:?}");
    }
    let asked = issuer.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked.iter().all(|one| one["resource"] == gate.as_str() && one["scope"] == "books"), "{asked:?}");
    // Whoever is another client of the same issuer is not the agent.
    let ran = house.read("ran").lines().count();
    let mut command = std::process::Command::new(crate::peers::python());
    command.arg(crate::peers::fixture("client.py")).args(python("other", "legacy"));
    let other = command.stdin(std::process::Stdio::null()).output().unwrap();
    assert!(!other.status.success(), "{other:?}");
    assert_eq!((ran, house.read("ran").lines().count()), (3, 3));
}

#[test]
fn whoever_comes_with_another_token_stays_out() {
    let issuer = Issuer::start("helper\nother");
    let (house, gate) = house(&issuer, "");
    let good = issuer.token("helper", &gate, "books");
    let other_issuer = Issuer::start("helper");
    let pretender = Issuer::not_yet("helper");
    pretender.write("name", &issuer.url());
    let mut pretender = pretender;
    pretender.again();
    let late = Issuer::not_yet("helper");
    late.write("clock", "-7200");
    let mut late = late;
    late.again();

    let about = format!(
        "resource_metadata=\"{}\"",
        gate.replace(ENDPOINT, &format!("/.well-known/oauth-protected-resource{ENDPOINT}"))
    );
    let none =
        ask(&house, "POST", ENDPOINT, &[("Host", "localhost"), ("Content-Type", "application/json")], INITIALIZE);
    assert!(none.status == 401 && none.head.contains(&about) && !none.head.contains("error="), "{}", none.head);

    let rsa = issuer.keys()["keys"].as_array().unwrap().iter().find(|key| key["alg"] == "RS256").unwrap().clone();
    let with_key = |key: &[u8], token: &str| {
        let token = forged(token, |header, _, _| header["alg"] = json!("HS256"));
        let signed = token.rsplit_once('.').unwrap().0.to_owned();
        let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), signed.as_bytes());
        format!("{signed}.{}", Base64UrlUnpadded::encode_string(tag.as_ref()))
    };
    let unsigned = forged(&good, |header, _, signature| {
        header["alg"] = json!("none");
        signature.clear();
    });
    let wrong: Vec<(&str, String)> = vec![
        ("another client's", issuer.token("other", &gate, "books")),
        ("for another gate", issuer.token("helper", &gate.replace("helper", "other"), "books")),
        ("for the whole server", issuer.token("helper", gate.strip_suffix(ENDPOINT).unwrap(), "books")),
        ("another issuer's", other_issuer.token("helper", &gate, "books")),
        ("of one who has the issuer's name", pretender.token("helper", &gate, "books")),
        ("not signed", unsigned.clone()),
        ("not signed, and without its last dot", unsigned.trim_end_matches('.').to_owned()),
        ("signed with the public key", with_key(rsa["n"].as_str().unwrap().as_bytes(), &good)),
        ("signed with the public key's bytes", with_key(rsa.to_string().as_bytes(), &good)),
        ("of a key that is not there", forged(&good, |header, _, _| header["kid"] = json!("nobody"))),
        ("with a key of its own", forged(&good, |header, _, _| header["jwk"] = rsa.clone())),
        ("about somebody else", forged(&good, |_, claims, _| claims["sub"] = json!("root"))),
        ("longer", forged(&good, |_, claims, _| claims["exp"] = json!(9_999_999_999_i64))),
        ("with another signature", forged(&good, |_, _, signature| signature[9] ^= 1)),
        ("of another algorithm's key", forged(&good, |header, _, _| header["alg"] = json!("PS256"))),
        ("too long", format!("{good}{}", "A".repeat(20_000))),
        ("twice", format!("{good}.{good}")),
        ("a word", "sesame".to_owned()),
    ];
    assert_eq!(come(&house, "noise").status, 401);
    for (what, token) in &wrong {
        let heard = come(&house, token);
        assert_eq!(heard.status, 401, "{what}: {}", heard.body);
        assert!(
            heard.head.contains("error=\"invalid_token\"") && heard.head.contains(&about),
            "{what}: {}",
            heard.head
        );
        assert!(!heard.body.to_string().contains("eyJ"), "{what}");
    }
    let flagged = house.ambit(&["journal", "tail", "--kind", "flagged", "--format", "json"]).fine().out;
    // Whom the issuer vouches for does not pass unseen in the noise of others, nor behind one another.
    for (who, why) in [("other", "about somebody who is not this agent"), ("helper", "not for this resource alone")] {
        let mut records = flagged.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["details"].clone());
        let is_told = |one: &Value| {
            (&one["subject"], &one["client"]) == (&json!(who), &json!(who)) && one["flag"].to_string().contains(why)
        };
        assert!(records.any(|one| is_told(&one)), "{who}: {flagged}");
    }
    assert!(!flagged.contains("eyJ"), "{flagged}");

    let lacking = come(&house, &issuer.token("helper", &gate, "more"));
    assert!(
        lacking.status == 403 && lacking.head.contains("error=\"insufficient_scope\"") && lacking.head.contains(&about),
        "{}",
        lacking.head
    );
    assert_eq!(come(&house, &good).status, 200, "and the agent still comes in");
    assert_eq!(house.read("ran"), "");
}

#[test]
fn a_token_that_is_over_is_over() {
    let issuer = Issuer::not_yet("helper");
    issuer.write("clock", "-3600");
    let mut issuer = issuer;
    issuer.again();
    let (house, gate) = house(&issuer, "");
    issuer.write("lasts", "3500");
    let over = come(&house, &issuer.token("helper", &gate, "books"));
    assert!(over.status == 401 && over.head.contains("error=\"invalid_token\""), "{}", over.head);
    assert!(over.body.to_string().contains("the token is over"), "{}", over.body);
    issuer.write("lasts", "3700");
    assert_eq!(come(&house, &issuer.token("helper", &gate, "books")).status, 200);
    // A client whose token came to its end has nothing to answer for.
    let flagged = house.ambit(&["journal", "tail", "--kind", "flagged"]).fine().out;
    assert!(!flagged.contains("over"), "{flagged}");
}

#[test]
fn what_is_said_of_a_gate_is_said_of_every_name_alike() {
    let issuer = Issuer::start("helper");
    let (house, gate) = house(&issuer, "");
    let path = |agent: &str| format!("/.well-known/oauth-protected-resource/agents/{agent}/mcp");
    let about = |agent: &str| ask(&house, "GET", &path(agent), &[("Host", "localhost")], b"");
    let said = about("helper");
    let expected = |gate: &str| {
        json!({
            "resource": gate, "authorization_servers": [issuer.url()], "bearer_methods_supported": ["header"],
            "scopes_supported": ["books"],
        })
    };
    assert_eq!((said.status, said.body), (200, expected(&gate)));
    let nobody = about("nobody");
    assert_eq!((nobody.status, nobody.body), (200, expected(&gate.replace("helper", "nobody"))));
    assert_eq!(ask(&house, "POST", &path("helper"), &[("Host", "localhost")], b"").status, 405);
    assert_eq!(ask(&house, "GET", &path("helper"), &[("Host", "evil.example")], b"").status, 403);
    assert_eq!(ask(&house, "GET", "/.well-known/oauth-protected-resource", &[("Host", "localhost")], b"").status, 404);
}

#[test]
fn a_session_is_its_principals_whichever_token_it_comes_with() {
    let issuer = Issuer::start("helper");
    let (house, gate) = house(&issuer, "");
    let (first, second) = (issuer.token("helper", &gate, "books"), issuer.token("helper", &gate, "books"));
    assert_ne!(first, second);
    let opened = come(&house, &first);
    let id = opened.head.split("mcp-session-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let list = br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let session = [("Mcp-Session-Id", id.as_str())];
    let with = |token: &str| ask(&house, "POST", ENDPOINT, &headers(&format!("Bearer {token}"), &session), list).status;
    assert_eq!((with(&first), with(&second)), (200, 200));
    assert_eq!(with(house.read("token").trim()), 404, "a token of ours is somebody else");
    assert_eq!(with(&forged(&first, |_, _, signature| signature[0] ^= 1)), 401, "each request proves itself");
    house.ambit(&["stop", "helper", "--because", "a test"]).fine();
    assert_eq!(with(&second), 404, "a stop ends it");
}

#[test]
fn only_what_was_released_says_who_comes_in() {
    let issuer = Issuer::start("helper\nother");
    let (mut house, gate) = house(&issuer, "");
    let (helper, other) = (issuer.token("helper", &gate, "books"), issuer.token("other", &gate, "books"));
    let toml = house.read("ambit.toml").replace("client = \"helper\"", "client = \"other\"");
    house.write("ambit.toml", &toml);
    assert_eq!(house.end(), 0);
    house.serve();
    until("it listens", || house.told().contains("agents over HTTP at "));
    assert_eq!((come(&house, &helper).status, come(&house, &other).status), (200, 401), "a file that was edited");
    house.release(&page(""));
    assert_eq!((come(&house, &helper).status, come(&house, &other).status), (401, 200), "and released");
    let released = house.ambit(&["journal", "tail", "--kind", "released", "--format", "json"]).fine().out;
    let last: Value = serde_json::from_str(released.lines().last().unwrap()).unwrap();
    let said = json!(["the client of its access tokens is `other`, not `helper`"]);
    assert_eq!((&last["details"]["widens"], &last["details"]["narrows"]), (&said, &json!([])), "{released}");
}

#[test]
fn a_stream_ends_with_the_release_that_let_its_client_in() {
    let issuer = Issuer::start("helper\nother");
    let (house, gate) = house(&issuer, "");
    let token = issuer.token("helper", &gate, "books");
    let opened = come(&house, &token);
    let id = opened.head.split("mcp-session-id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let mut stream = TcpStream::connect(address(&house)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let get = format!(
        "GET {ENDPOINT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nAccept: text/event-stream\r\n\
         Mcp-Session-Id: {id}\r\n\r\n"
    );
    stream.write_all(get.as_bytes()).unwrap();
    let mut rest = String::new();
    let mut hear = |what: &str| {
        let begun = Instant::now();
        while !rest.contains(what) {
            let mut bytes = [0; 256];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0 && begun.elapsed() < Duration::from_secs(60), "{rest}");
            rest.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        std::mem::take(&mut rest)
    };
    assert!(hear("\r\n\r\n").starts_with("HTTP/1.1 200"));
    // One that says the same of who comes in is news, and no more.
    house.release(&page(""));
    assert!(!hear("prompts/list_changed").contains("0\r\n\r\n"));
    let toml = house.read("ambit.toml").replace("client = \"helper\"", "client = \"other\"");
    house.write("ambit.toml", &toml);
    house.release(&page(""));
    hear("0\r\n\r\n");
}

#[test]
fn tokens_of_ours_can_be_left_out() {
    let issuer = Issuer::start("helper");
    let (house, gate) = house(&issuer, "ambit-tokens = false\n");
    let refused = come(&house, house.read("token").trim());
    assert!(refused.status == 401 && refused.head.contains("error=\"invalid_token\""), "{}", refused.head);
    assert_eq!(come(&house, &issuer.token("helper", &gate, "books")).status, 200);
    // Over the pipe they are what there is.
    let mut talk = Talk::open(Client::TypeScript, &house.gate());
    assert_eq!(text(&talk.ask(&call("look", json!({})))), "look ran");
    // And an access token is nothing there.
    house.write("token", &issuer.token("helper", &gate, "books"));
    let gate = house.gate();
    let pipe =
        std::process::Command::new(&gate[0]).args(&gate[1..]).stdin(std::process::Stdio::null()).output().unwrap();
    assert!(!pipe.status.success(), "{pipe:?}");
}

#[test]
fn an_issuer_that_is_not_heard_lets_nobody_in() {
    let mut issuer = Issuer::start("helper");
    let (house, gate) = house(&issuer, "");
    let token = issuer.token("helper", &gate, "books");
    issuer.stop();
    let heard = come(&house, &token);
    assert!(heard.status == 503 && heard.head.contains("retry-after: 5"), "{} {}", heard.head, heard.body);
    assert_eq!(come(&house, house.read("token").trim()).status, 200, "that is no matter of tokens of ours");
    issuer.again();
    let token = issuer.token("helper", &gate, "books");
    until("it is heard again", || come(&house, &token).status == 200);
    issuer.stop();
    assert_eq!(come(&house, &token).status, 200, "its keys are known for a while");
}

/// The real world, with a clock that is set by hand.
struct Clock(AtomicI64);

impl World for Clock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
    fn random(&self, bytes: &mut [u8]) -> Result<(), NoChance> {
        Real.random(bytes)
    }
    fn sleep(&self, time: Duration) -> Later<'_, ()> {
        Real.sleep(time)
    }
}

/// Whoever asks it anything is answered with this, whole.
fn answering(listener: TcpListener) -> Arc<Mutex<String>> {
    let answer: Arc<Mutex<String>> = Arc::default();
    let said = Arc::clone(&answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(said.lock().unwrap().as_bytes());
        }
    });
    answer
}

#[tokio::test]
async fn an_issuer_is_believed_where_it_speaks_for_itself() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("http://{}", listener.local_addr().unwrap());
    let answer = answering(listener);
    let mut issuer = Issuer::not_yet("helper");
    issuer.write("name", &name);
    issuer.again();
    let token = issuer.token("helper", "https://x.example", "books");
    let keys = format!("{}/jwks", issuer.url());
    let world: Arc<dyn World> = Arc::new(Real);
    let said = |status: &str, body: &str| {
        let whole = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        *answer.lock().unwrap() = whole;
    };
    let prove = async || {
        let source = Source { issuer: name.clone(), jwks: None };
        Issuers::default().prove(&source, Unproved::read(&token).unwrap(), &world).await
    };
    said("200 OK", &json!({ "issuer": name, "jwks_uri": keys }).to_string());
    assert_eq!(prove().await.unwrap().issuer, name);
    let padding = "x".repeat(300_000);
    for (what, status, body) in [
        ("another's name", "200 OK", json!({ "issuer": issuer.url(), "jwks_uri": keys }).to_string()),
        ("no name", "200 OK", json!({ "jwks_uri": keys }).to_string()),
        ("two names", "200 OK", format!(r#"{{"issuer":"x","issuer":"{name}","jwks_uri":"{keys}"}}"#)),
        ("keys in the clear", "200 OK", json!({ "issuer": name, "jwks_uri": "http://keys.acme.example" }).to_string()),
        ("no keys", "200 OK", json!({ "issuer": name }).to_string()),
        ("too much", "200 OK", json!({ "issuer": name, "jwks_uri": keys, "padding": padding }).to_string()),
        ("not now", "503 Service Unavailable", json!({ "issuer": name, "jwks_uri": keys }).to_string()),
        (
            "elsewhere",
            &format!("302 Found\r\nLocation: {}/.well-known/openid-configuration", issuer.url()),
            String::new(),
        ),
    ] {
        said(status, &body);
        let proved = prove().await;
        assert!(matches!(proved, Err(Unproven::NoKeys(_))), "{what}: {proved:?}");
    }
    // Where the keys are named in `ambit.toml`, nobody is asked.
    let source = Source { issuer: name.clone(), jwks: Some(keys) };
    assert!(Issuers::default().prove(&source, Unproved::read(&token).unwrap(), &world).await.is_ok());
}

#[tokio::test]
async fn keys_are_looked_at_again_now_and_then_and_not_believed_for_ever() {
    let mut issuer = Issuer::start("helper");
    let (issuers, clock) = (Issuers::default(), Arc::new(Clock(AtomicI64::new(Real.now().0))));
    let world: Arc<dyn World> = Arc::clone(&clock) as Arc<_>;
    let source = Source { issuer: issuer.url(), jwks: None };
    let minutes = |count: i64| {
        clock.0.fetch_add(count * 60_000, Ordering::Relaxed);
    };
    let prove = async |token: &str| issuers.prove(&source, Unproved::read(token).unwrap(), &world).await;
    let old = issuer.token("helper", "https://x.example", "books");
    assert_eq!(prove(&old).await.unwrap().subject, "helper");
    // New keys: whoever comes with one right away waits until the issuer may be asked again.
    issuer.again();
    let new = issuer.token("helper", "https://x.example", "books");
    assert_eq!(prove(&new).await, Err(Unproven::Key));
    assert!(prove(&old).await.is_ok());
    minutes(1);
    let proved = prove(&new).await;
    assert!(proved.is_ok(), "{proved:?}");
    assert_eq!(prove(&old).await, Err(Unproven::Key), "and the old ones are gone");
    // Without an answer they hold for an hour, and then no more.
    issuer.stop();
    minutes(59);
    assert!(prove(&new).await.is_ok());
    minutes(1);
    assert!(matches!(prove(&new).await, Err(Unproven::NoKeys(why)) if why.contains("cannot be reached")));
    minutes(-120);
    assert!(matches!(prove(&new).await, Err(Unproven::NoKeys(_))), "a clock that was set back makes nothing young");
}
