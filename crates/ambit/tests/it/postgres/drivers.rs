//! Drivers of others do their ordinary work through the gate, unchanged.

use std::process::{Command, Output};

use super::Desk;
use crate::peers::python;

const ORDINARY: &str = r#"
import psycopg, sys, threading
def connect(**more):
    return psycopg.connect(host="127.0.0.1", port=int(sys.argv[1]), user="helper", password=sys.argv[2], dbname="crm", **more)
def code(do):
    try:
        do()
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_detail, error.diag.message_hint
    return None
with connect() as one:
    assert one.execute("SELECT name FROM customers WHERE id = %s AND region = %s", (2, "EU")).fetchall() == [("n2",)]
    assert one.execute("SELECT id FROM customers WHERE id = %s", (7,), binary=True).fetchone() == (7,)
    assert one.execute("INSERT INTO notes (body) VALUES (%s) RETURNING body", ("kept",)).fetchone() == ("kept",)
    one.commit()
    # A hold within a transaction is refused, and fails it.
    sqlstate, _, hint = code(lambda: one.execute("DELETE FROM notes WHERE id = %s", (1,)))
    assert sqlstate == "25001" and "autocommit" in hint, (sqlstate, hint)
    assert one.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    one.rollback()
    with one.pipeline():
        first = one.execute("SELECT id FROM customers ORDER BY id LIMIT 3")
        second = one.execute("SELECT count(*) FROM customers")
        assert first.fetchall() == [(1,), (2,), (3,)] and second.fetchone() == (1000,)
    one.prepare_threshold = 0
    for id in range(1, 8):
        assert one.execute("SELECT id FROM customers WHERE id = %s", (id,)).fetchone() == (id,)
with connect(autocommit=True) as one:
    with one.cursor() as cursor:
        assert sum(1 for _ in cursor.stream("SELECT id, name FROM customers")) == 1000
        cursor.executemany("INSERT INTO notes (body) VALUES (%s)", [(str(i),) for i in range(5)])
    assert one.execute("SELECT count(*) FROM notes").fetchone() == (6,)
    def refused():
        with one.pipeline():
            one.execute("INSERT INTO notes (body) VALUES ('lost')")
            one.execute("SELECT id FROM ledger")
            one.execute("INSERT INTO notes (body) VALUES ('never')")
    sqlstate, detail, hint = code(refused)
    assert sqlstate == "42501" and detail.startswith("Line ") and hint, (sqlstate, detail, hint)
    assert one.execute("SELECT count(*) FROM notes").fetchone() == (6,)
    sqlstate, detail, hint = code(lambda: one.execute("DELETE FROM notes WHERE id = %s", (1,)))
    assert sqlstate == "ZG001" and detail.startswith("pending=") and "again" in hint, (sqlstate, detail, hint)
    threading.Timer(0.3, one.cancel).start()
    slow = "SELECT count(*) FROM customers a, customers b, customers c WHERE a.name < b.name AND b.name < c.name"
    assert code(lambda: one.execute(slow))[0] == "57014"
    assert one.execute("SELECT count(*) FROM customers").fetchone() == (1000,)
print("fine")
"#;

fn run(desk: &Desk, script: &str) -> Output {
    let port = desk.address().port().to_string();
    Command::new(python()).args(["-c", script, &port, &desk.token()]).output().unwrap()
}

#[test]
fn psycopg_does_its_ordinary_work() {
    let desk = Desk::open();
    let output = run(&desk, ORDINARY);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "fine\n", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn psql_reads_writes_and_stands_in_transactions() {
    let desk = Desk::open();
    let rows = desk.rows(&[
        "BEGIN",
        "INSERT INTO notes (body) VALUES ('a'), ('b')",
        "SAVEPOINT here",
        "INSERT INTO notes (body) VALUES ('c')",
        "ROLLBACK TO here",
        "COMMIT",
        "SELECT body FROM notes ORDER BY id",
    ]);
    assert_eq!(rows, "a\nb");
}
