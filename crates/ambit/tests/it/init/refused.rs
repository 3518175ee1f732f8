//! What is not imported, not written over, and not put back; and what is said about it.

use super::*;

#[test]
fn a_server_that_could_reach_ambits_own_files_is_refused() {
    for (root, dir, what) in [
        ("DIR/shop", ".", "`ambit.toml` would be"),
        ("..", "../gate", "`ambit.toml` would be"),
        ("DIR/gate/.ambit", "../gate", "the state directory would be"),
        ("DIR/link", "../gate", "`ambit.toml` would be"),
        ("DIR/home", "../gate", "the people's keys would be"),
        ("DIR/home/.config/ambit", "../gate", "the people's keys would be"),
    ] {
        let desk = Desk::new();
        std::fs::create_dir_all(desk.path("gate/.ambit")).unwrap();
        std::fs::create_dir_all(desk.path("home/.config/ambit")).unwrap();
        std::os::unix::fs::symlink(desk.path("gate"), desk.path("link")).unwrap();
        desk.write(
            "shop/.mcp.json",
            &r#"{"mcpServers": {"files": {"command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "ROOT"]}}}"#
                .replace("ROOT", root),
        );
        let before = desk.everything();
        let (code, said) = desk.run("shop", &["init", "--owner", "dana@acme.example", "--dir", dir]);
        assert_eq!(code, 1, "{root}: {said}");
        assert!(said.contains(what) && said.contains("help: give the server a narrower directory"), "{root}: {said}");
        assert_eq!(desk.everything(), before);
    }
}

#[test]
fn nothing_is_written_over_and_nothing_is_guessed() {
    let desk = Desk::new();
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no client was found that has servers of its own"), "{said}");
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"crm\": {CRM}}}");
    desk.write("home/.cursor/mcp.json", "{\"mcpServers\": {\"other\": {CRM}}}");
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(".mcp.json (Claude Code): crm") && said.contains("(Cursor): other"), "{said}");
    let (code, said) = desk.run("shop", &["init", "--from", ".mcp.json", "--dir", "../gate"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--owner ADDRESS"), "{said}");
    desk.write("gate/ambit.toml", "# mine\n");
    let before = desk.everything();
    let (code, said) = desk.init(&["--from", ".mcp.json"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("ambit.toml` exists already"), "{said}");
    assert_eq!(desk.everything(), before);
    std::fs::remove_file(desk.path("gate/ambit.toml")).unwrap();
    assert_eq!(desk.init(&["--from", ".mcp.json"]).0, 0);
    // Twice is once too often; and the other client is the one that is left.
    let (code, said) = desk.run("shop", &["init", "--owner", "dana@acme.example", "--dir", "../two", "--dry-run"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("goes through Ambit already") && said.contains("(Cursor)"), "{said}");
    let (code, said) =
        desk.run("shop", &["init", "--from", ".mcp.json", "--owner", "dana@acme.example", "--dir", "../two"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("--undo"), "{said}");
}

#[test]
fn a_server_that_does_not_answer_stops_the_import() {
    let desk = Desk::new();
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"crm\": {CRM}, \"dead\": {\"command\": \"false\"}}}");
    let before = desk.everything();
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("the server `dead` does not say what it offers") && said.contains("--only"), "{said}");
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"gone\": {\"command\": \"no-such-program\"}}}");
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the program `no-such-program` of the server `gone` is not here"), "{said}");
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"pg\": {\"command\": \"npx\", \"args\": [\"server\", \"postgresql://dana:hunter2@db/crm\"]}}}");
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("an argument (number 2) holds a secret") && !said.contains("hunter2"), "{said}");
    assert_eq!(desk.everything().len(), before.len());
}

#[test]
fn where_ambits_own_files_go_is_said_and_no_link_is_followed() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("shop/.git")).unwrap();
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"crm\": {CRM}}}");
    let words = ["init", "--owner", "dana@acme.example", "--dry-run"];
    let here = desk.fine("shop", &words);
    assert!(here.contains("lie in the project that the agent works in") && here.contains("commit neither"), "{here}");
    let gate = desk.path("gate/ambit.toml");
    let told = desk.fine(
        "shop",
        &[&["--config", gate.to_str().unwrap(), "--color", "never"], &words[..], &["--format", "json"]].concat(),
    );
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["dir"], desk.path("gate").to_str().unwrap());
    assert_eq!((told["within_project"].clone(), told["versioned"].clone()), (json!(false), json!(true)));
    assert_eq!(told["page"]["must_confirm"], 10);
    // A link laid in the way of the private files.
    std::fs::create_dir_all(desk.path("gate")).unwrap();
    std::os::unix::fs::symlink(desk.path("home"), desk.path("gate/private")).unwrap();
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("private` is not a directory"), "{said}");
    assert!(desk.read("shop/.mcp.json").contains("\"crm\""));
}

#[test]
fn a_changed_file_is_put_back_only_by_force() {
    let desk = Desk::new();
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"crm\": {CRM}}}");
    let before = desk.everything();
    assert_eq!(desk.init(&[]).0, 0);
    let changed = desk.read("shop/.mcp.json") + "\n";
    desk.write("shop/.mcp.json", &changed);
    let (code, said) = desk.run("gate", &["init", "--undo"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("was changed since") && said.contains("--force"), "{said}");
    assert_eq!(desk.read("shop/.mcp.json"), changed);
    let said = desk.fine("shop", &["init", "--undo", "--force", "--dir", "../gate", "--format", "json"]);
    let told: Value = serde_json::from_str(&said).unwrap();
    let kept = PathBuf::from(told["kept_changed"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), changed);
    std::fs::remove_file(kept).unwrap();
    assert_eq!(desk.everything(), before);
    let (code, said) = desk.run("shop", &["init", "--undo", "--dir", "../gate"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("nothing was imported"), "{said}");
}

#[test]
fn whatever_stands_in_a_clients_file_ends_in_a_plain_message() {
    let deep = format!("{{\"mcpServers\": {{\"a\": {}", "{\"a\": ".repeat(300_000));
    for (text, expected) in [
        (&b"\xff\xfe{}"[..], "it is not UTF-8 text"),
        (b"", "is not an object"),
        (b"[]", "is not an object"),
        (b"{\"mcpServers\": []}", "`mcpServers` is not an object"),
        (b"{\"mcpServers\": {\"a\": {}, \"a\": {}}}", "the key `a` stands twice"),
        (b"{\"mcpServers\": {\"a\\u001b[31m\": {}, \"a\\u001b[31m\": {}}}", "the key `a\\u{1b}[31m` stands twice"),
        (b"{\"mcpServers\": {\"a\": {\"command\": 1}}}", "its `command` is not text"),
        (b"{\"mcpServers\": {\"a\": {\"command\": \"x\\u0000\"}}}", "a character that no environment can"),
        (
            b"{\"mcpServers\": {\"a\\u001b]0;x\\u0007\": {\"command\": \"\\u001b[2J\"}}}",
            "the program `\\u{1b}[2J` of the server `a\\u{1b}]0;x\\u{7}`",
        ),
        (b"{\"other\": 1}", "it has no servers"),
        (deep.as_bytes(), "nesting depth"),
    ] {
        let desk = Desk::new();
        std::fs::write(desk.path("shop/.mcp.json"), text).unwrap();
        let before = desk.everything();
        let (code, said) = desk.init(&["--from", ".mcp.json"]);
        assert!(matches!(code, 1 | 2), "{code} {said}");
        assert!(said.contains(expected) && said.contains("help: "), "{expected}\n{said}");
        assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
        assert_eq!(desk.everything(), before);
    }
    let desk = Desk::new();
    std::fs::File::create(desk.path("shop/.mcp.json")).unwrap().set_len((64 << 20) + 1).unwrap();
    let (code, said) = desk.init(&["--from", ".mcp.json"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("more than 64 MiB"), "{said}");
}
