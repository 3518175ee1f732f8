//! Servers over HTTP: moved behind Ambit with their credentials by reference, used, and put back; and those that stay.

use super::*;
use crate::peers::{Client, Endpoint, Talk};

/// A client's file with a server that wants a credential and one that wants none, and what else is named.
fn file(desk: &Desk, key: &str, wants: &Endpoint, open: &Endpoint, more: &str) -> String {
    let text = r#"{
  "KEY": {
    "remote": {
      "type": "http",
      "url": "http://127.0.0.1:WANTS/mcp",
      "headers": { "Authorization": "Bearer sesame", "X-Team": "refunds-hunter2", "Accept": "x" }
    },
    "open": { "url": "http://127.0.0.1:OPEN/mcp" }MORE
  }
}
"#;
    let text = text.replace("KEY", key).replace("WANTS", &wants.port.to_string());
    let text = text.replace("OPEN", &open.port.to_string()).replace("MORE", more);
    let name = if key == "servers" { "shop/.vscode/mcp.json" } else { "shop/.mcp.json" };
    desk.write(name, &text);
    name.to_owned()
}

fn mode(desk: &Desk, name: &str) -> u32 {
    desk.path(name).metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn a_server_over_http_moves_with_its_credential_by_reference_and_comes_back_byte_for_byte() {
    let logs = tempfile::tempdir().unwrap();
    let wants = Endpoint::new("remote.py", &logs.path().join("wants"));
    let open = Endpoint::new("endpoint.py", &logs.path().join("open"));
    for key in ["mcpServers", "servers"] {
        let desk = Desk::new();
        let name = file(&desk, key, &wants, &open, r#", "old": { "type": "sse", "url": "https://old.example/sse" }"#);
        let before = desk.everything();
        let (code, dry) = desk.init(&["--dry-run", "--format", "json"]);
        assert_eq!(code, 0, "{dry}");
        assert_eq!(desk.everything(), before);
        let (code, said) = desk.init(&[]);
        assert_eq!(code, 0, "{said}");
        for one in
            ["`Authorization` moves into `private/remote.Authorization`", "`Accept` is not carried over", "old: "]
        {
            assert!(said.contains(one), "{one}\n{said}");
        }
        assert_eq!(names(&desk.read(&name), &[key]), ["ambit", "old"]);
        let toml = desk.read("gate/ambit.toml");
        let (systems, _) = toml.split_once("[people").unwrap();
        let systems = systems.replace(&wants.port.to_string(), "WANTS").replace(&open.port.to_string(), "OPEN");
        insta::allow_duplicates! { insta::assert_snapshot!(systems.split_once("\n\n").unwrap().1, @r#"
        [systems.remote]
        kind = "mcp"
        url = "http://127.0.0.1:WANTS/mcp"
        token = { file = "private/remote.Authorization" }

        [systems.remote.headers]
        X-Team = { file = "private/remote.X_Team" }

        [systems.open]
        kind = "mcp"
        url = "http://127.0.0.1:OPEN/mcp"
        "#) };
        // The value stands in a file that only its owner reads, and nowhere else.
        assert_eq!(desk.read("gate/private/remote.Authorization"), "sesame");
        assert_eq!(mode(&desk, "gate/private/remote.Authorization"), 0o600);
        for file in ["gate/ambit.toml", "gate/ambit.lock", "gate/SCOPE.md", "gate/private/init.json"] {
            assert!(!desk.read(file).contains("hunter2") && !desk.read(file).contains("sesame"), "{file}");
        }
        assert!(!(said + &dry).contains("hunter2"));
        desk.fine("gate", &["check"]);
        assert_eq!(desk.fine("gate", &["inventory"]).matches("nothing changed").count(), 2);
        desk.fine("shop", &["init", "--undo", "--dir", "../gate"]);
        assert_eq!(desk.everything(), before);
    }
}

#[test]
fn an_imported_server_over_http_is_used_through_the_gate() {
    let logs = tempfile::tempdir().unwrap();
    let ran = logs.path().join("ran");
    let wants = Endpoint::new("remote.py", &ran);
    let open = Endpoint::new("endpoint.py", &logs.path().join("open"));
    let desk = Desk::new();
    let name = file(&desk, "mcpServers", &wants, &open, "");
    let original = desk.read(&name);
    assert_eq!(desk.init(&["--draft", "--only", "remote"]).0, 0);
    let page = desk.read("gate/SCOPE.md").replace("- call remote.look\n", "").replacen("- nothing", "- remote.look", 1);
    desk.write("gate/SCOPE.md", &page);
    let toml = desk.read("gate/ambit.toml").replace("\n[people", "\n[limits]\npending-wait-seconds = 0\n\n[people");
    desk.write("gate/ambit.toml", &toml.replace("kind = \"mcp\"\n", "kind = \"mcp\"\nreading-tools = [\"look\"]\n"));
    let proof = ["--passphrase-file", "../pass"];
    desk.fine("gate", &[&["setup", "--person", "dana"], &proof[..]].concat());
    desk.fine("gate", &[&["release", "shop", "--because", "it looks", "--anyway"], &proof[..]].concat());
    desk.fine("gate", &[&["token", "shop", "--to", "private/shop.token"], &proof[..]].concat());
    let entries: Value = serde_json::from_str(&desk.read(&name)).unwrap();
    let entry = &entries["mcpServers"]["ambit"];
    let mut command = vec![entry["command"].as_str().unwrap()];
    command.extend(entry["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
    let mut client = Talk::open(Client::Python, &command);
    let seen = client.ask(&json!({"call": "remote__look", "arguments": {"at": "it"}}));
    assert_eq!(seen["content"][0]["text"], "seen it", "{seen}");
    let paid = client.ask(&json!({"call": "remote__pay", "arguments": {"amount": 5}}));
    assert!(paid.to_string().contains("pending"), "{paid}");
    drop(client);
    assert_eq!(std::fs::read_to_string(&ran).unwrap(), "look it\n");
    desk.fine("shop", &["init", "--undo", "--dir", "../gate"]);
    assert_eq!(desk.read(&name), original);
}

#[test]
fn values_of_headers_and_addresses_may_stand_in_variables() {
    let logs = tempfile::tempdir().unwrap();
    let wants = Endpoint::new("remote.py", &logs.path().join("wants"));
    let desk = Desk::new();
    let text = r#"{"mcpServers": {"remote": {"url": "http://${SHOP_HOST}/mcp", "headers": {"Authorization": "Bearer ${SHOP_TOKEN}", "Empty": ""}}}}"#;
    desk.write("shop/.mcp.json", text);
    let mut command = desk.command("shop", AMBIT);
    command.args(["init", "--owner", "dana@acme.example", "--dir", "../gate"]);
    let host = format!("127.0.0.1:{}", wants.port);
    let output = command.env("SHOP_HOST", &host).env("SHOP_TOKEN", "sesame").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let toml = desk.read("gate/ambit.toml");
    assert!(toml.contains("url = { file = \"private/remote.url\" }\ntoken = { env = \"SHOP_TOKEN\" }\n"), "{toml}");
    assert!(!toml.contains("Empty") && !toml.contains("sesame"), "{toml}");
    assert_eq!(desk.read("gate/private/remote.url"), format!("http://{host}/mcp"));
    assert!(said.contains("http://127.0.0.1/…") && !said.contains("sesame"), "{said}");
    // Without the variable nothing is imported, and the message says which.
    let desk = Desk::new();
    desk.write("shop/.mcp.json", text);
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("the variable `SHOP_HOST` is not set"), "{said}");
}

#[test]
fn what_its_client_signs_in_to_stays_and_is_said_to() {
    let logs = tempfile::tempdir().unwrap();
    let wants = Endpoint::new("remote.py", &logs.path().join("wants"));
    let desk = Desk::new();
    let far = format!("http://127.0.0.1:{}/mcp", wants.port);
    desk.write(
        "shop/.mcp.json",
        &json!({"mcpServers": {
            "signed": {"type": "http", "url": far},
            "region": {"type": "http", "url": far, "headers": {"X-Region": "eu"}},
            "oauth": {"type": "http", "url": far, "oauth": {"clientId": "x"}},
            "helper": {"type": "http", "url": far, "headersHelper": "/opt/token"},
            "clear": {"type": "http", "url": "http://far.example/mcp"},
            "crm": {"command": AMBIT, "args": ["demo-server", "--db", desk.path("acme.db"), "--system", "crm"]},
        }})
        .to_string(),
    );
    let before = desk.everything();
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 0, "{said}");
    for one in [
        "signed: a server that asks who calls, and the file has no credential for it",
        "region: a server that asks who calls, and the file has no credential for it",
        "oauth: a server that its client signs in to (OAuth)",
        "helper: a server whose headers a program of the client's gives",
        "clear: a server whose address is neither `https` nor on this machine",
        "give Ambit one of its own, as docs/guide/remote-servers.md says",
    ] {
        assert!(said.contains(one), "{one}\n{said}");
    }
    let left = ["ambit", "clear", "helper", "oauth", "region", "signed"];
    assert_eq!(names(&desk.read("shop/.mcp.json"), &["mcpServers"]), left);
    desk.fine("shop", &["init", "--undo", "--dir", "../gate"]);
    assert_eq!(desk.everything(), before);
    // A credential that is written down and not accepted is a mistake, and stops the import.
    for (name, value) in [("Authorization", "Bearer hunter2"), ("X-Shop-Token", "hunter2"), ("X-Shopkey", "hunter2")] {
        let wrong = json!({"mcpServers": {"wrong": {"url": far, "headers": {name: value}}}});
        desk.write("shop/.mcp.json", &wrong.to_string());
        let (code, said) = desk.init(&[]);
        assert_eq!(code, 4, "{said}");
        assert!(said.contains("does not accept the credential") && !said.contains("hunter2"), "{said}");
    }
    // Where nothing is left to import, nothing is written.
    desk.write("shop/.mcp.json", &json!({"mcpServers": {"signed": {"url": far}}}).to_string());
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("no server of the file can go behind Ambit"), "{said}");
    assert!(!desk.path("gate").exists());
    // Ambit itself, over HTTP, is no server to stand behind Ambit.
    let own = json!({"mcpServers": {"a": {"url": "http://localhost:7171/agents/shop/mcp"}}});
    desk.write("shop/.mcp.json", &own.to_string());
    let (code, said) = desk.init(&["--from", ".mcp.json"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("goes through Ambit already, by `a`"), "{said}");
}
