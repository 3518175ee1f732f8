//! What becomes of a call whose token is slow to come, with an issuer and a server on sockets of their own.

use std::sync::atomic::AtomicUsize;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::oauth::ClientAuth;
use crate::upstream::Secret;
use crate::upstream::credential::{Giver, Grant};

/// Answers every request with that body after that time; where it is, and how often it was asked.
async fn answers(body: &'static str, after: Duration) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counts = Arc::clone(&counts);
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Some(count) = stream.read(&mut bytes).await.ok().filter(|count| *count > 0) {
                    let said = String::from_utf8_lossy(&bytes[..count]).into_owned();
                    let id = said.split("\"id\":").nth(1).map_or("0", |rest| rest.split(',').next().unwrap());
                    let body = body.replace("ID", id);
                    counts.fetch_add(1, Ordering::SeqCst);
                    tokio::time::sleep(after).await;
                    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length:";
                    let _ = stream.write_all(format!("{head} {}\r\n\r\n{body}", body.len()).as_bytes()).await;
                }
            });
        }
    });
    (url, asked)
}

#[tokio::test]
async fn an_issuer_that_is_slow_costs_a_call_no_more_than_its_own_time_and_is_heard_to_its_end() {
    let token = r#"{"access_token":"abc","token_type":"Bearer","expires_in":600}"#;
    let (issuer, asked) = answers(token, Duration::from_secs(3)).await;
    let (url, reached) = answers(r#"{"jsonrpc":"2.0","id":ID,"result":{}}"#, Duration::ZERO).await;
    let credential = Arc::new(Credential::new(Grant {
        giver: Giver::Endpoint(issuer),
        client: "ambit".into(),
        secret: Secret::new("sesame".into()),
        auth: ClientAuth::Basic,
        scopes: vec![],
        resource: url.clone(),
    }));
    let limits = Limits { call: Duration::from_millis(400), ..Limits::default() };
    let spec = HttpSpec { url, headers: vec![], credential: Some(credential) };
    let remote = Remote::new(&spec, limits, Arc::new(|_| {})).unwrap();
    let began = Instant::now();
    let first = remote.request("tools/call", None, &Talk::silent()).await;
    assert!(matches!(&first, Err(Failed::NotSent(why)) if why.contains("in the time that was left")));
    assert!(began.elapsed() < Duration::from_millis(2_800), "{:?}", began.elapsed());
    assert_eq!(reached.load(Ordering::SeqCst), 0);
    // What it asked for comes to whoever comes next, and is not asked for again.
    while remote.request("tools/call", None, &Talk::silent()).await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert_eq!((asked.load(Ordering::SeqCst), reached.load(Ordering::SeqCst)), (1, 1));
}
