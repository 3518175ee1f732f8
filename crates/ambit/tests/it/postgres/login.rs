//! Who comes in at the gate, and who does not.

use ambit_effects::sql::wire::write;

use super::raw::{code, kinds};
use super::{Desk, Raw};
use crate::interop::until;

const V3: u32 = 3 << 16;
const HELPER: [(&str, &str); 2] = [("user", "helper"), ("database", "crm")];

#[test]
fn an_agent_comes_in_with_its_name_and_its_token_and_nobody_learns_who_else_there_is() {
    let desk = Desk::open();
    let token = desk.token();
    let enter = |parameters: &[(&str, &str)], password: &str| {
        let mut raw = Raw::bare(desk.address());
        let said = raw.enter(V3, parameters, password);
        let error = said.iter().find(|(kind, _)| *kind == 'E').map(|(_, body)| (code(body), body.clone()));
        (kinds(&said), error)
    };
    let (said, error) = enter(&HELPER, &token);
    assert!(said.starts_with("RRRRS") && said.ends_with("KZ") && error.is_none(), "{said}");
    // A wrong password, and an agent that is nobody, are told the same but for the name.
    let wrong = token.replace("ambit_", "ambit_0");
    let (said, mistaken) = enter(&HELPER, &wrong);
    let (same, nobody) = enter(&[("user", "nobody"), ("database", "crm")], &token);
    assert_eq!((said.as_str(), same.as_str()), ("RRE", "RRE"));
    let (mistaken, nobody) = (mistaken.unwrap(), nobody.unwrap());
    assert_eq!(mistaken.0, "28P01");
    let as_nobody = String::from_utf8(mistaken.1).unwrap().replace("helper", "nobody");
    assert_eq!(as_nobody, String::from_utf8(nobody.1).unwrap());
    // Another agent's token is none of this one's.
    assert_eq!(enter(&[("user", "other"), ("database", "crm")], &token).1.unwrap().0, "28P01");
    for (parameters, code) in [
        ([("user", "helper"), ("database", "books")], "3D000"),
        ([("user", "helper"), ("options", "-c standard_conforming_strings=off")], "0A000"),
        ([("user", "helper"), ("replication", "database")], "0A000"),
        ([("user", "helper"), ("search_path", "elsewhere")], "0A000"),
    ] {
        assert_eq!(enter(&parameters, &token).1.unwrap().0, code, "{parameters:?}");
    }
    // What is set at the door goes through where it reads nothing.
    let more = [HELPER[0], HELPER[1], ("application_name", "books"), ("TimeZone", "UTC"), ("client_encoding", "utf-8")];
    assert!(enter(&more, &token).1.is_none());
    // Once it is revoked it opens nothing, and whoever is in is shown out.
    let mut inside = Raw::open(&desk);
    let id = token.split('_').nth(1).unwrap();
    desk.house.ambit(&["token", "--revoke", id]).fine();
    let out = inside.hear().unwrap();
    assert_eq!((out.0, code(&out.1)), ('E', "57P01".to_owned()));
    assert_eq!(enter(&HELPER, &token).1.unwrap().0, "28000");
    until("no connection is left behind", || desk.connections() == 0);
    let records = desk.house.ambit(&["journal", "tail", "-n", "100", "--format", "json"]).fine().out;
    let count = |kind: &str| records.lines().filter(|line| line.contains(&format!("\"kind\":\"{kind}\""))).count();
    assert_eq!(count("session-opened"), count("session-closed"));
    assert!(records.contains("the token was revoked") && records.contains("the token is not known"), "{records}");
    assert!(!records.contains(&token) && !records.contains("p@ss"));
}

#[test]
fn newer_protocols_are_agreed_on_and_older_ones_are_not_spoken() {
    let desk = Desk::open();
    let token = desk.token();
    let mut newer = Raw::bare(desk.address());
    let said = newer.enter(V3 | 2, &HELPER, &token);
    assert!(kinds(&said).starts_with("RRRR") && newer.key.1.len() == 32);
    let mut newest = Raw::bare(desk.address());
    let said = newest.enter(V3 | 99, &[HELPER[0], HELPER[1], ("_pq_.wish", "1")], &token);
    assert!(kinds(&said).starts_with("vRRRR"), "{}", kinds(&said));
    assert_eq!(said[0].1, [&[0, 3, 0, 2, 0, 0, 0, 1][..], b"_pq_.wish\0"].concat());
    assert_eq!(Raw::open(&desk).key.1.len(), 4);
    let mut older = Raw::bare(desk.address());
    let said = older.enter(2 << 16, &HELPER, &token);
    assert_eq!(code(&said[0].1), "0A000");
    // Wishes that are not granted, one after the other, and then who comes.
    let mut wishing = Raw::bare(desk.address());
    for wish in [5680u32, 5679] {
        let mut out = Vec::new();
        write::tls(&mut out);
        out[4..].copy_from_slice(&((1234u32 << 16) | wish).to_be_bytes());
        wishing.send(&out);
        assert_eq!(wishing.byte(), Some(b'N'));
    }
    assert!(kinds(&wishing.enter(V3, &HELPER, &token)).ends_with("KZ"));
    // What is no first message is not answered.
    for wrong in [&[0, 0, 0, 4][..], &[0xff; 8], &[0, 0, 0, 9, 0, 3, 0, 0, 7]] {
        let mut raw = Raw::bare(desk.address());
        raw.send(wrong);
        assert_eq!(raw.hear(), None);
    }
}

#[test]
fn with_a_certificate_nobody_comes_in_in_the_clear_and_nothing_is_slipped_in_before_the_handshake() {
    let desk = Desk::open_with("certificate = \"gate.pem\"\nkey = { file = \"gate.key\" }");
    let mut clear = Raw::bare(desk.address());
    let said = clear.enter(V3, &HELPER, &desk.token());
    assert_eq!((kinds(&said).as_str(), code(&said[0].1)), ("E", "28000".to_owned()));
    // What came with the wish did not come from whoever makes the handshake.
    let mut stuffed = Raw::bare(desk.address());
    let mut out = Vec::new();
    write::tls(&mut out);
    write::startup(&mut out, &HELPER);
    stuffed.send(&out);
    assert_eq!(stuffed.byte(), None);
    let address = desk.address();
    let psql = |mode: &str| {
        desk.server
            .psql()
            .args(["-X", "-w", "-A", "-t", "-c", "\\conninfo"])
            .arg(format!("host=localhost hostaddr=127.0.0.1 port={} user=helper dbname=crm {mode}", address.port()))
            .env("PGPASSWORD", desk.token())
            .output()
            .unwrap()
    };
    let root = desk.house.path("gate.pem").display().to_string();
    let output = psql(&format!("sslmode=verify-full sslrootcert={root}"));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("SSL connection"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let output = psql("sslmode=disable");
    assert!(String::from_utf8_lossy(&output.stderr).contains("in the clear is not taken"));
}

#[test]
fn a_database_that_cannot_be_reached_is_said_and_why_stays_with_people() {
    let desk = Desk::open();
    desk.sql("ALTER ROLE ambit PASSWORD 'another'");
    let said = String::from_utf8(desk.psql(&["SELECT 1"]).stderr).unwrap();
    assert!(said.contains("the database of \"crm\" cannot be reached now"), "{said}");
    assert!(!said.contains("ambit\""), "as whom Ambit logs in is not the agent's to know: {said}");
    let records = desk.house.ambit(&["journal", "tail", "-n", "20", "--format", "json"]).fine().out;
    assert!(records.contains("password authentication failed"), "{records}");
}
