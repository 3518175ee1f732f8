//! Messages are read as they were written, bounded, and never in part.

use super::client::{Client, Phase, What, length};
use super::first::First;
use super::server::{self, Column, Login, Status};
use super::{HEADER, WireError, write};
use crate::sql::asked::{Bound, Parameter};

fn framed(bytes: &[u8]) -> (u8, &[u8]) {
    let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
    assert_eq!(bytes.len(), usize::try_from(length).unwrap() + 1);
    (bytes[0], &bytes[HEADER..])
}

#[test]
fn what_is_written_to_a_server_is_read_as_what_was_meant() {
    let mut out = Vec::new();
    write::parse(&mut out, "s", "SELECT $1", [23, 0].into_iter());
    let (kind, body) = framed(&out);
    assert_eq!(Client::read(kind, body), Ok(Client::Parse { name: "s", text: "SELECT $1", types: vec![23, 0] }));
    let parameters = [
        Parameter { type_number: 23, value: Bound::Binary(vec![0, 0, 0, 1]) },
        Parameter { type_number: 25, value: Bound::Text("x".into()) },
        Parameter { type_number: 0, value: Bound::Null },
    ];
    out.clear();
    write::bind(&mut out, "p", "s", &parameters, &[true, false]);
    let (kind, body) = framed(&out);
    let values = vec![(true, Some(&[0, 0, 0, 1][..])), (false, Some(&b"x"[..])), (false, None)];
    let bind = Client::Bind { portal: "p", statement: "s", values, results: vec![true, false] };
    assert_eq!(Client::read(kind, body), Ok(bind));
    for what in [What::Statement("s"), What::Portal("")] {
        for (kind, of) in [(b'D', Client::Describe(what)), (b'C', Client::Close(what))] {
            out.clear();
            write::about(&mut out, kind, what);
            let (kind, body) = framed(&out);
            assert_eq!(Client::read(kind, body), Ok(of));
        }
    }
    out.clear();
    write::execute(&mut out, "p", 7);
    let (kind, body) = framed(&out);
    assert_eq!(Client::read(kind, body), Ok(Client::Execute { portal: "p", most: 7 }));
}

#[test]
fn what_is_written_to_an_agent_is_read_as_a_server_means_it() {
    let column = Column { name: "id".into(), type_number: 23, size: 4, modifier: -1 };
    let mut out = Vec::new();
    write::columns(&mut out, std::slice::from_ref(&column));
    assert_eq!(server::columns(framed(&out).1), Ok(vec![column.clone()]));
    out.clear();
    write::columns(&mut out, &[column.clone(), Column { name: "a name".into(), ..column }]);
    let mut body = framed(&out).1.to_vec();
    for (binary, second) in [(&[][..], 0), (&[true], 1), (&[true, false], 0), (&[false, true], 1)] {
        server::set_formats(&mut body, binary).unwrap();
        assert_eq!((server::columns(&body).unwrap().len(), *body.last().unwrap()), (2, second), "{binary:?}");
    }
    assert_eq!(server::set_formats(&mut [0, 1, b'x'], &[]), Err(WireError::Form(b'T')));
    out.clear();
    write::row(&mut out, [Some(&b"1"[..]), None].into_iter());
    assert_eq!(server::row(framed(&out).1), Ok(vec![Some(&b"1"[..]), None]));
    out.clear();
    write::tag(&mut out, "INSERT 0 12");
    let tag = server::tag(framed(&out).1).unwrap();
    assert_eq!((tag, server::rows(tag), server::rows("BEGIN")), ("INSERT 0 12", Some(12), None));
    out.clear();
    write::fields(&mut out, b'E', &[(b'S', "ERROR"), (b'M', "no")]);
    assert_eq!(server::fields(b'E', framed(&out).1), Ok(vec![(b'S', "ERROR".into()), (b'M', "no".into())]));
    for status in [Status::Idle, Status::Open, Status::Failed] {
        out.clear();
        write::ready(&mut out, status);
        assert_eq!(Status::read(framed(&out).1), Ok(status));
    }
    out.clear();
    write::key(&mut out, 7, b"0123");
    assert_eq!(server::key(framed(&out).1), Ok((7, &b"0123"[..])));
    out.clear();
    write::login(&mut out, 10, b"SCRAM-SHA-256\0\0");
    assert_eq!(Login::read(framed(&out).1), Ok(Login::Mechanisms(vec!["SCRAM-SHA-256"])));
}

#[test]
fn a_length_is_judged_before_it_is_waited_for() {
    use Phase::{Login, Ready};
    assert_eq!(length(Ready, b'Q', 4 + 1 + (1 << 20)), Ok(1 + (1 << 20)));
    for (phase, kind, bytes) in [
        (Ready, b'Q', 4 + 2 + (1 << 20)),
        (Ready, b'Q', 4),
        (Ready, b'B', 1 << 30),
        (Ready, b'S', 5),
        (Ready, b'S', 3),
        (Ready, b'S', 0),
        (Ready, b'D', 1 << 20),
        (Login, b'p', 1 << 20),
    ] {
        assert_eq!(length(phase, kind, bytes), Err(WireError::Length(kind)), "{kind} {bytes}");
    }
    for (phase, kind) in [(Ready, b'p'), (Ready, b'!'), (Ready, 0), (Login, b'Q'), (Login, b'X')] {
        assert_eq!(length(phase, kind, 8), Err(WireError::Kind(kind)));
    }
    assert_eq!(server::length(b'D', 1 << 29), Ok((1 << 29) - 4));
    assert_eq!(server::length(b'T', 1 << 29), Err(WireError::Length(b'T')));
}

#[test]
fn a_message_that_does_not_hold_together_is_none() {
    for (kind, body) in [
        (b'Q', &b"SELECT 1"[..]),
        (b'Q', b"SELECT 1\0 "),
        (b'Q', b"SELECT 1\0DROP\0"),
        (b'P', b"\0SELECT 1\0\0\x02\0\0\0\x17"),
        (b'P', b"\0SELECT 1\0\xff\xff"),
        (b'B', b"\0\0\0\x01\0\x02\0\0\0\0"),
        (b'B', b"\0\0\0\0\0\x01\0\0\0\x09x\0\0"),
        (b'B', b"\0\0\0\x02\0\0\0\0\0\0\0\0"),
        (b'D', b"X\0"),
        (b'E', b"\0\0\0"),
        (b'C', b"Sx\0\0"),
    ] {
        assert_eq!(Client::read(kind, body), Err(WireError::Form(kind)), "{kind} {body:?}");
    }
    assert_eq!(Client::read(b'Q', b"\xff\0"), Err(WireError::Text));
    let long = [&[b'S'][..], &[b'x'; 300], &[0]].concat();
    assert_eq!(Client::read(b'D', &long), Err(WireError::Length(b'D')));
}

#[test]
fn the_first_message_says_who_comes_or_what_they_want_before() {
    let first = |number: u32, rest: &[u8]| [&number.to_be_bytes(), rest].concat();
    assert_eq!(First::read(&first(80_877_103, b"")), Ok(First::Tls));
    assert_eq!(First::read(&first(80_877_104, b"")), Ok(First::Gss));
    assert_eq!(First::read(&first(80_877_103, b"x")), Err(WireError::Form(0)));
    let cancel = first(80_877_102, b"\0\0\0\x07abcd");
    assert_eq!(First::read(&cancel), Ok(First::Cancel { process: 7, key: b"abcd" }));
    assert_eq!(First::read(&first(80_877_102, b"\0\0\0\x07abc")), Err(WireError::Form(0)));
    let startup = first(3 << 16, b"user\0helper\0database\0crm\0\0");
    let parameters = vec![("user", "helper"), ("database", "crm")];
    assert_eq!(First::read(&startup), Ok(First::Startup { version: 3 << 16, parameters }));
    for wrong in [&b"user\0helper\0"[..], b"user\0helper", b"user\0\0x", b"", b"\0x\0\0"] {
        assert_eq!(First::read(&first(3 << 16, wrong)), Err(WireError::Form(0)), "{wrong:?}");
    }
    assert_eq!(First::read(&first(2 << 16, b"\0")), Err(WireError::Version(2 << 16)));
    assert_eq!(First::length([0, 0, 0x27, 0x10]), Ok(9_996));
    for wrong in [[0, 0, 0x27, 0x11], [0, 0, 0, 7], [0xff; 4]] {
        assert_eq!(First::length(wrong), Err(WireError::Length(0)));
    }
}
