use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
fn read(line: &str) -> String {
    match Message::read(line.as_bytes()) {
        Ok(Message::Request { id, method, params }) => format!("request {id} {method} {}", raw(params)),
        Ok(Message::Notification { method, params }) => format!("notification {method} {}", raw(params)),
        Ok(Message::Response { id, outcome: Ok(result) }) => format!("result {id} {result}"),
        Ok(Message::Response { id, outcome: Err(error) }) => format!("error {id} {error}"),
        Err(Malformed { code, message, id }) => format!("{code} {} {message}", id.as_deref().unwrap_or("-")),
    }
}

fn raw(params: Option<&RawValue>) -> &str {
    params.map_or("-", RawValue::get)
}

#[test]
fn messages_keep_their_bytes() {
    for (line, said) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"a"}"#, "request 1 a -"),
        (
            " {\"jsonrpc\" : \"2.0\" , \"id\" : \"\\u0031\", \"method\":\"\\u0061/b\", \"params\": { \"n\": 1.00 } } \r",
            r#"request "\u0031" a/b { "n": 1.00 }"#,
        ),
        (r#"{"jsonrpc":"2.0","id":-7,"method":"a","params":{"a":1,"a":2}}"#, r#"request -7 a {"a":1,"a":2}"#),
        (r#"{"jsonrpc":"2.0","method":"a","params":{}}"#, "notification a {}"),
        (r#"{"jsonrpc":"2.0","id":1,"result": [ 1e0 ]}"#, "result 1 [ 1e0 ]"),
        (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, "error null {}"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","trace":"x"}"#, "request 1 a -"),
    ] {
        assert_eq!(read(line), said);
    }
}

#[test]
fn what_is_no_message_is_said_with_the_id_where_there_is_one() {
    for (line, said) in [
        ("", "-32700 - the message is not a JSON object"),
        ("7", "-32700 - the message is not a JSON object"),
        ("[]", "-32600 - batches are not taken; send one message a line"),
        (r#"{"id":1,"method":"a"}"#, "-32600 1 `jsonrpc` must be \"2.0\""),
        (r#"{"jsonrpc":2.0,"id":1,"method":"a"}"#, "-32600 1 `jsonrpc` must be \"2.0\""),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"a"}"#, "-32600 - `id` must be a string or an integer"),
        (r#"{"jsonrpc":"2.0","id":null,"method":"a"}"#, "-32600 - `id` must be a string or an integer"),
        (r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#, "-32600 - `id` must be a string or an integer"),
        (r#"{"jsonrpc":"2.0","id":1,"method":["a"]}"#, "-32600 1 `method` must be a string"),
        (r#"{"jsonrpc":"2.0","id":1}"#, "-32600 1 `method` is missing"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":null}"#, "-32600 1 `params` must be an object"),
        (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, "-32600 1 an answer has `result` or `error`, not both"),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":1,"method":"a"}"#,
            "-32600 1 a message has `method`, or `result` or `error`, not both",
        ),
        (r#"{"jsonrpc":"2.0","result":1}"#, "-32600 - an answer has the `id` of its request"),
    ] {
        assert_eq!(read(line), said, "{line}");
    }
    for (line, code) in [
        (r#"{"jsonrpc":"2.0","id":1,"method":"a"} {}"#, "-32700"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a""#, "-32700"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"a":01}}"#, "-32700"),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#, "-32600 - `id` is given twice"),
        (r#"{"jsonrpc":"2.0","id":1,"method":"a","x":1,"\u0078":2}"#, "-32600 - `x` is given twice"),
    ] {
        assert!(read(line).starts_with(code), "{line}: {}", read(line));
    }
    assert!(Message::read(b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"}").is_err());
}

#[test]
fn many_members_take_no_longer_than_they_must() {
    let mut line = r#"{"jsonrpc":"2.0","id":1,"method":"a""#.to_owned();
    for n in 0..100_000 {
        line.push_str(&format!(",\"k{n}\":0"));
    }
    assert_eq!(read(&format!("{line}}}")), "request 1 a -");
    assert!(read(&format!("{line},\"k50000\":0}}")).starts_with("-32600 - `k50000` is given twice"));
}

#[test]
fn nesting_takes_no_stack() {
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let line = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"a","params":{{"a":{deep}}}}}"#);
    assert!(read(&line).starts_with("request 1 a {"));
}

#[tokio::test]
async fn a_line_too_long_is_skipped_and_the_next_one_read() {
    let text = [b"short\n".as_slice(), &[b'x'; 100], b"\nnext\nunfinished"].concat();
    let mut lines = Lines::new(text.as_slice(), 10);
    assert_eq!(lines.next().await.unwrap(), Some(b"short".as_slice()));
    assert!(matches!(lines.next().await, Err(LineError::TooLong { most: 10 })));
    assert_eq!(lines.next().await.unwrap(), Some(b"next".as_slice()));
    assert_eq!(lines.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_flood_takes_no_memory() {
    let mut lines = Lines::new(tokio::io::AsyncReadExt::take(tokio::io::repeat(b'x'), 64 << 20), 1 << 20);
    assert!(lines.next().await.is_err());
    assert_eq!(lines.next().await.unwrap(), None);
    assert!(lines.buffer.capacity() <= 4 << 20, "{}", lines.buffer.capacity());
}

proptest! {
    #[test]
    fn reading_never_panics_and_what_is_read_is_a_slice(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::read(&line);
    }

    #[test]
    fn near_misses_are_read_or_refused(
        parts in proptest::collection::vec(prop_oneof![
            Just("\"jsonrpc\":\"2.0\""), Just("\"id\":1"), Just("\"id\":\"a\""), Just("\"method\":\"a\""),
            Just("\"params\":{}"), Just("\"result\":{}"), Just("\"error\":{}"), Just("\"x\":[[[]]]"), Just("\"id\":null"),
        ], 0..7),
    ) {
        let line = format!("{{{}}}", parts.join(","));
        let unique = parts.iter().map(|part| part.split(':').next()).collect::<BTreeSet<_>>().len() == parts.len();
        if Message::read(line.as_bytes()).is_ok() {
            prop_assert!(unique && parts.contains(&"\"jsonrpc\":\"2.0\""));
        }
    }

    #[test]
    fn lines_come_out_as_they_went_in_however_they_are_cut(
        texts in proptest::collection::vec("[a-z]{0,40}", 0..20), cut in 1usize..17,
    ) {
        let whole: String = texts.iter().map(|text| format!("{text}\n")).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(async {
            let (mut to, from) = tokio::io::duplex(cut);
            let write = tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut to, whole.as_bytes()).await });
            let (mut lines, mut read) = (Lines::new(from, 100), Vec::new());
            while let Some(line) = lines.next().await.unwrap() {
                read.push(String::from_utf8(line.to_vec()).unwrap());
            }
            write.await.unwrap().unwrap();
            read
        });
        prop_assert_eq!(read, texts);
    }

    #[test]
    fn what_is_written_is_one_line_that_reads_back(id in 0u64.., method in ".{0,30}", text in ".{0,60}", gap in "[ \t\n\r]{0,3}") {
        let params = format!("{{{gap}\"t\":{gap}{}{gap}}}", serde_json::to_string(&text).unwrap());
        let mut line = Vec::new();
        request(&mut line, id, &method, Some(params.as_bytes()));
        prop_assert_eq!(line.pop(), Some(b'\n'));
        prop_assert!(!line.contains(&b'\n') && !line.contains(&b'\r'));
        let Ok(Message::Request { id: read_id, method: read_method, params: Some(read_params) }) = Message::read(&line) else {
            panic!("not a request");
        };
        prop_assert_eq!((read_id, &*read_method), (&*id.to_string(), &*method));
        let [written, read] = [&*params, read_params.get()].map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap());
        prop_assert_eq!(written, read);
    }
}
