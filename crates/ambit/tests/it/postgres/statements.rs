//! What a page says, as drivers meet it: refusals that can be acted on, rows that are counted before they stand, and people
//! who are asked.

use super::raw::{extended, query, short, sync};
use super::{Desk, Raw};
use crate::interop::until;

#[test]
fn what_the_page_allows_is_done_and_a_refusal_says_the_line_and_what_can_be_done_instead() {
    let desk = Desk::open();
    assert_eq!(desk.rows(&["SELECT id, name, region FROM customers WHERE id < 3 ORDER BY id"]), "1|n1|US\n2|n2|EU");
    assert_eq!(desk.rows(&["INSERT INTO notes (body) VALUES ('a') RETURNING id, body"]), "1|a");
    let refused = desk.complaint(&["SELECT id FROM ledger"]);
    let lines: Vec<&str> = refused.lines().collect();
    assert!(lines[0].starts_with("ERROR:  refused: ") && lines[0].contains("ledger"), "{refused}");
    assert!(lines[1].starts_with("DETAIL:  Line ") && lines[1].contains("It cannot touch"), "{refused}");
    assert!(lines.iter().any(|line| line.starts_with("HINT:  ")), "{refused}");
    assert!(!refused.contains("42"), "nothing of what is there: {refused}");
    // What the server says is passed on in its own fields.
    let own = desk.complaint(&["INSERT INTO notes (id, body) VALUES (1, 'again')"]);
    assert!(own.contains("ERROR:  duplicate key value violates unique constraint \"notes_pkey\""), "{own}");
    let records = desk.house.ambit(&["journal", "tail", "-n", "100", "--format", "json"]).fine().out;
    assert!(records.contains("\"gate\":\"postgres\""));
    assert!(!records.contains("INSERT"), "no statement stands in the open part of a record");
    desk.house.ambit(&["journal", "verify"]).fine();
}

#[test]
fn a_change_of_too_many_rows_is_rolled_back_before_it_stands() {
    let desk = Desk::open();
    let changed = || desk.sql("SELECT count(*) FROM customers WHERE name = 'x'");
    let mut raw = Raw::open(&desk);
    assert_eq!(raw.query("UPDATE customers SET name = 'x' WHERE id <= 5"), "C(UPDATE 5) ZI");
    assert_eq!(changed(), "5");
    assert_eq!(raw.query("UPDATE customers SET name = 'x' WHERE id <= 6"), "E42501 ZI");
    assert_eq!(raw.ask(&[extended("UPDATE customers SET name = 'x'"), sync()].concat()), "1 2 n E42501 ZI");
    assert_eq!(changed(), "5");
    // Its rows are not seen before it is known that they are not too many.
    let returning = "UPDATE customers SET name = 'x' WHERE id <= 4 RETURNING id";
    assert_eq!(raw.query(returning), "T D D D D C(UPDATE 4) ZI");
    assert_eq!(raw.query(&returning.replace('4', "40")), "T E42501 ZI");
    // What no number shows is not proved: it is not sent.
    for hidden in [
        "WITH u AS (UPDATE customers SET name = 'x' RETURNING id) SELECT count(*) FROM u",
        "EXPLAIN ANALYZE UPDATE customers SET name = 'x'",
    ] {
        assert_eq!(raw.query(hidden), "E42501 ZI", "{hidden}");
    }
    // In a transaction it fails with all that came before it.
    assert_eq!(raw.query("BEGIN"), "C(BEGIN) ZT");
    assert_eq!(raw.query("UPDATE customers SET name = 'x' WHERE id = 900"), "C(UPDATE 1) ZT");
    assert_eq!(raw.query("UPDATE customers SET name = 'x'"), "E42501 ZE");
    assert_eq!(raw.query("COMMIT"), "C(ROLLBACK) ZI");
    assert_eq!(changed(), "5");
    // In a pipeline as well: nothing of it stands.
    let pipeline = [
        extended("UPDATE customers SET name = 'x' WHERE id = 900"),
        extended("UPDATE customers SET name = 'x'"),
        extended("UPDATE customers SET name = 'x' WHERE id = 901"),
        sync(),
    ];
    assert_eq!(raw.ask(&pipeline.concat()), "1 2 n C(UPDATE 1) 1 2 n E42501 ZI");
    assert_eq!(changed(), "5");
}

#[test]
fn a_statement_that_a_person_confirms_runs_once_and_is_collected_by_asking_again() {
    let desk = Desk::open();
    desk.sql("INSERT INTO notes (body) SELECT 'n' || i FROM generate_series(1, 9) i");
    let count = || desk.sql("SELECT count(*) FROM notes");
    let delete = "DELETE FROM notes WHERE id <= 2 RETURNING id, body";
    let held = desk.complaint(&[delete]);
    assert!(held.contains("ERROR:  pending: the statement has not run"), "{held}");
    let id = desk.house.waiting().remove(0);
    assert!(held.contains(&format!("DETAIL:  pending={id}")) && held.contains("HINT:  "), "{held}");
    let mut raw = Raw::open(&desk);
    // Asked again it is the same hold; within a transaction nobody is asked.
    assert_eq!(raw.query(delete), "EZG001 ZI");
    assert_eq!(raw.ask(&[extended(delete), sync()].concat()), "EZG001 ZI");
    assert_eq!(raw.query("BEGIN"), "C(BEGIN) ZT");
    assert_eq!(raw.query("DELETE FROM notes WHERE id = 3"), "E25001 ZE");
    assert_eq!(raw.query("ROLLBACK"), "C(ROLLBACK) ZI");
    assert_eq!((desk.house.waiting().len(), count()), (1, "9".to_owned()));
    desk.house.confirm(&id).fine();
    until("it ran", || desk.house.state(&id) == "done");
    assert_eq!(count(), "7");
    // Its rows are given as if they had just come, once; and then it is another asking.
    raw.send(&query(delete));
    let collected = raw.until_ready();
    assert_eq!(short(&collected), "T D D C(DELETE 2) ZI");
    assert!(collected[1].1.ends_with(b"n1"), "{collected:?}");
    assert_eq!(count(), "7");
    assert_eq!(raw.query(delete), "EZG001 ZI");
    // With other values it is another statement.
    assert_eq!(raw.query("DELETE FROM notes WHERE id <= 3 RETURNING id, body"), "EZG001 ZI");
    assert_eq!(desk.house.waiting().len(), 2);
    assert_eq!(desk.house.records(&id).last().map(String::as_str), Some("decided"));
}

#[test]
fn a_stop_ends_what_is_under_way_and_the_connection() {
    let desk = Desk::open();
    let mut raw = Raw::open(&desk);
    raw.send(&query(
        "SELECT count(*) FROM customers a, customers b, customers c WHERE a.name < b.name AND b.name < c.name",
    ));
    until("it runs", || {
        desk.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'ambit' AND state = 'active'") == "1"
    });
    desk.house.ambit(&["stop", "helper"]).fine();
    let heard = short(&raw.until_ready());
    assert!(heard.ends_with("E57P01"), "{heard}");
    until("nothing is left behind", || desk.connections() == 0);
    let mut again = Raw::open(&desk);
    assert_eq!(again.query("SELECT id FROM customers"), "E42501 ZI");
}

#[test]
fn a_large_result_goes_through_in_little_memory() {
    let desk = Desk::open();
    desk.sql("UPDATE customers SET name = repeat('x', 100000)");
    let mut raw = Raw::open(&desk);
    let memory = || -> u64 {
        let status = desk.house.ambit(&["status", "--format", "json"]).fine().json();
        let text = std::fs::read_to_string(format!("/proc/{}/status", status["process"])).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = memory();
    raw.send(&query("SELECT a.name FROM customers a, customers b WHERE b.id <= 3"));
    let (mut rows, mut bytes) = (0, 0);
    while let Some((kind, body)) = raw.hear() {
        match kind {
            'D' => (rows, bytes) = (rows + 1, bytes + body.len()),
            'Z' => break,
            _ => {}
        }
    }
    assert!(rows == 3_000 && bytes > 300_000_000, "{rows} {bytes}");
    let more = memory() - before;
    assert!(more < 16_000, "{more} KiB more for {bytes} bytes");
}
