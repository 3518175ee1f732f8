//! Messages as no driver sends them: split, joined, out of order, wrong; and what must not be slipped through between them.

use std::time::Duration;

use ambit_effects::sql::wire::client::What;
use ambit_effects::sql::wire::write;

use super::raw::{extended, kinds, query, short, sync};
use super::{Desk, Raw};
use crate::interop::until;

const READ: &str = "SELECT id, region FROM customers WHERE id < 4 ORDER BY id";
const NOTE: &str = "INSERT INTO notes (body) VALUES ('one')";
const LEDGER: &str = "SELECT id FROM ledger";

#[test]
fn messages_come_to_the_same_split_at_each_byte_or_all_in_one() {
    let desk = Desk::open();
    let mut all = extended(READ);
    all.extend(sync());
    all.extend(query(READ));
    all.extend(extended(LEDGER));
    all.extend(extended(NOTE));
    all.extend(sync());
    let expected = "1 2 T D D D C(SELECT 3) ZI T D D D C(SELECT 3) ZI E42501 ZI";
    let hear = |raw: &mut Raw| {
        let heard: Vec<_> = (0..3).flat_map(|_| raw.until_ready()).collect();
        let rows: Vec<Vec<u8>> = heard.iter().filter(|(kind, _)| *kind == 'D').map(|(_, body)| body.clone()).collect();
        assert_eq!(rows[..3], rows[3..]);
        short(&heard)
    };
    let mut raw = Raw::open(&desk);
    raw.send(&all);
    assert_eq!(hear(&mut raw), expected);
    for byte in &all {
        raw.send(&[*byte]);
    }
    assert_eq!(hear(&mut raw), expected);
    assert_eq!(desk.sql("SELECT count(*) FROM notes"), "0");
}

#[test]
fn what_is_refused_in_a_pipeline_takes_what_came_before_with_it_and_nothing_after_it_runs() {
    let desk = Desk::open();
    let mut raw = Raw::open(&desk);
    let pipeline = [extended(NOTE), extended(LEDGER), extended(NOTE), query(NOTE), sync()].concat();
    // The first is told as done, and is rolled back with the refusal, as an error of the server's own would have it.
    assert_eq!(raw.ask(&pipeline), "1 2 n C(INSERT 0 1) E42501 ZI");
    assert_eq!(desk.sql("SELECT count(*) FROM notes"), "0");
    // In a transaction of the agent's own it fails, and only a rollback goes on.
    assert_eq!(raw.query("BEGIN"), "C(BEGIN) ZT");
    assert_eq!(raw.query(NOTE), "C(INSERT 0 1) ZT");
    assert_eq!(raw.query(LEDGER), "E42501 ZE");
    assert_eq!(raw.query(NOTE), "E25P02 ZE");
    assert_eq!(raw.query("COMMIT"), "C(ROLLBACK) ZI");
    assert_eq!(desk.sql("SELECT count(*) FROM notes"), "0");
    assert_eq!(raw.ask(&[extended(NOTE), sync()].concat()), "1 2 n C(INSERT 0 1) ZI");
    assert_eq!(desk.sql("SELECT count(*) FROM notes"), "1");
}

#[test]
fn a_statement_that_was_refused_is_not_replaced_by_the_one_before_it() {
    let desk = Desk::open();
    let mut raw = Raw::open(&desk);
    assert_eq!(raw.ask(&[extended(NOTE), sync()].concat()), "1 2 n C(INSERT 0 1) ZI");
    // Refused where it is prepared; what is sent after it finds no statement, and not the one that was there before.
    let mut parse = Vec::new();
    write::parse(&mut parse, "", LEDGER, [].into_iter());
    let mut rest = Vec::new();
    write::bind(&mut rest, "", "", &[], &[]);
    write::execute(&mut rest, "", 0);
    assert_eq!(raw.ask(&[parse.clone(), rest.clone(), sync()].concat()), "E42501 ZI");
    let mut describe = parse;
    write::about(&mut describe, b'D', What::Statement(""));
    assert_eq!(raw.ask(&[describe, rest.clone(), sync()].concat()), "E42501 ZI");
    assert_eq!(raw.ask(&[rest, sync()].concat()), "E42501 ZI");
    assert_eq!(desk.sql("SELECT count(*) FROM notes"), "1");
}

#[test]
fn statements_and_portals_are_kept_by_name_and_each_execution_is_decided() {
    let desk = Desk::open();
    let mut raw = Raw::open(&desk);
    let mut prepare = Vec::new();
    write::parse(&mut prepare, "s", "SELECT id FROM customers WHERE id <= $1 ORDER BY id", [23].into_iter());
    write::about(&mut prepare, b'D', What::Statement("s"));
    assert_eq!(raw.ask(&[prepare.clone(), sync()].concat()), "1 t T ZI");
    assert_eq!(raw.ask(&[prepare, sync()].concat()), "E42P05 ZI");
    let mut anew = Vec::new();
    write::parse(&mut anew, "s", "SELECT id FROM customers WHERE id <= $1", [23].into_iter());
    let bind = |portal: &str, most: &str| {
        let value = ambit_effects::sql::asked::Bound::Text(most.to_owned());
        let mut out = Vec::new();
        write::bind(&mut out, portal, "s", &[ambit_effects::sql::asked::Parameter { type_number: 0, value }], &[]);
        out
    };
    let execute = |portal: &str, most: u32| {
        let mut out = Vec::new();
        write::execute(&mut out, portal, most);
        out
    };
    // A portal gives its rows in parts, as long as its transaction lasts.
    assert_eq!(raw.query("BEGIN"), "C(BEGIN) ZT");
    assert_eq!(raw.ask(&[bind("p", "5"), execute("p", 2), sync()].concat()), "2 D D s ZT");
    assert_eq!(raw.ask(&[bind("q", "1"), execute("q", 0), sync()].concat()), "2 D C(SELECT 1) ZT");
    assert_eq!(raw.ask(&[execute("p", 2), execute("p", 0), sync()].concat()), "D D s D C(SELECT 1) ZT");
    assert_eq!(raw.ask(&[execute("p", 0), sync()].concat()), "E55000 ZE");
    assert_eq!(raw.query("ROLLBACK"), "C(ROLLBACK) ZI");
    assert_eq!(raw.ask(&[execute("q", 0), sync()].concat()), "E34000 ZI");
    // A portal is described before it runs, in the form that was asked for.
    let mut describe = bind("", "1");
    write::about(&mut describe, b'D', What::Portal(""));
    assert_eq!(raw.ask(&[describe, sync()].concat()), "2 T ZI");
    let mut close = Vec::new();
    write::about(&mut close, b'C', What::Statement("s"));
    write::about(&mut close, b'C', What::Portal("nothing"));
    assert_eq!(raw.ask(&[close, sync()].concat()), "3 3 ZI");
    assert_eq!(raw.ask(&[bind("p", "5"), sync()].concat()), "E26000 ZI");
    // What was closed can be prepared anew; and what the agent deallocates in SQL is gone for both.
    assert_eq!(raw.ask(&[anew.clone(), bind("", "5"), execute("", 1), sync()].concat()), "1 2 D s ZI");
    assert_eq!(raw.query("DEALLOCATE ALL"), "C(DEALLOCATE ALL) ZI");
    assert_eq!(raw.ask(&[bind("", "5"), sync()].concat()), "E26000 ZI");
    assert_eq!(raw.ask(&[anew, bind("", "1"), execute("", 0), sync()].concat()), "1 2 D C(SELECT 1) ZI");
    let allowed = desk.house.ambit(&["journal", "tail", "-n", "100", "--format", "json"]).fine().out;
    assert_eq!(allowed.matches("\"kind\":\"outcome\"").count(), 7, "BEGIN, p, q, ROLLBACK, and three: {allowed}");
}

#[test]
fn what_is_not_done_here_is_refused_in_step_and_what_is_no_message_ends_the_connection() {
    let desk = Desk::open();
    let mut raw = Raw::open(&desk);
    // A function without a statement: pg_sleep's number, no arguments.
    let mut call = Vec::new();
    write::message(&mut call, b'F', |body| body.extend_from_slice(&[0, 0, 0, 42, 0, 0, 0, 0, 0, 0]));
    assert_eq!(raw.ask(&call), "E0A000 ZI");
    assert_eq!(raw.query("/* out */ COPY customers TO STDOUT"), "E0A000 ZI");
    assert_eq!(raw.query("  \n;"), "I ZI");
    let mut text = Vec::new();
    write::message(&mut text, b'Q', |body| body.extend_from_slice(b"SELECT '\xff'\0"));
    assert_eq!(raw.ask(&text), "E22021 ZI");
    // Two statements in one are never one.
    let two = "SELECT id FROM customers WHERE id = 1; DELETE FROM customers";
    assert_eq!(raw.query(two), "T D C(SELECT 1) E42501 ZI");
    assert_eq!(raw.ask(&[extended(two), sync()].concat()), "E42601 ZI");
    assert_eq!(raw.ask(&[extended(" -- nothing"), sync()].concat()), "1 2 n I ZI");
    assert_eq!(desk.sql("SELECT count(*) FROM customers"), "1000");
    for wrong in
        [&b"!\0\0\0\x04"[..], b"Q\xff\xff\xff\xff", b"Q\0\0\0\0", b"S\0\0\0\x05x", b"Q\0\0\0\x05x", b"p\0\0\0\x05x"]
    {
        let mut raw = Raw::open(&desk);
        raw.send(wrong);
        let heard = raw.until_ready();
        assert_eq!(short(&heard), "E08P01", "{wrong:?} {}", kinds(&heard));
    }
    until("nothing is left behind", || desk.connections() == 1);
}

#[test]
fn only_the_connections_own_key_cancels_what_it_does() {
    let desk = Desk::open();
    let mut raw = Raw::open(&desk);
    let slow = "SELECT count(*) FROM customers a, customers b, customers c WHERE a.name < b.name AND b.name < c.name";
    raw.send(&query(slow));
    until("it runs", || {
        desk.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'ambit' AND state = 'active'") == "1"
    });
    let cancel = |process: u32, key: &[u8]| {
        let mut out = Vec::new();
        write::cancel(&mut out, process, key);
        let mut other = Raw::bare(desk.address());
        other.send(&out);
        assert_eq!(other.hear(), None);
    };
    let (process, key) = raw.key.clone();
    let wrong: Vec<u8> = key.iter().map(|byte| byte ^ 1).collect();
    for (process, key) in [(process, &wrong[..]), (process ^ 1, &key), (process, &[key.clone(), vec![0]].concat())] {
        cancel(process, key);
    }
    // The key of the server's own connection is another one.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(desk.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND usename = 'ambit'"), "1");
    cancel(process, &key);
    assert_eq!(short(&raw.until_ready()), "T E57014 ZI");
    assert_eq!(raw.query("SELECT id FROM customers WHERE id = 1"), "T D C(SELECT 1) ZI");
}

#[test]
fn a_connection_that_goes_ends_what_stood_behind_it() {
    let desk = Desk::open();
    let mut raw = Raw::open(&desk);
    assert_eq!(raw.query("BEGIN"), "C(BEGIN) ZT");
    assert_eq!(raw.query(NOTE), "C(INSERT 0 1) ZT");
    drop(raw);
    until("it is gone", || desk.connections() == 0);
    // In the middle of a statement that takes long, and of rows that nobody takes.
    for statement in [
        "SELECT count(*) FROM customers a, customers b, customers c WHERE a.name < b.name AND b.name < c.name",
        "SELECT a.name, b.name FROM customers a, customers b, customers c",
    ] {
        let mut raw = Raw::open(&desk);
        raw.send(&query(statement));
        until("it runs", || desk.connections() == 1);
        std::thread::sleep(Duration::from_millis(300));
        drop(raw);
        until("it is gone", || desk.connections() == 0);
    }
    assert_eq!(desk.sql("SELECT count(*) FROM notes"), "0");
    // What the server ends is told, and nothing is left.
    let mut raw = Raw::open(&desk);
    desk.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ambit'");
    assert_eq!(short(&raw.until_ready()), "E08006");
}
