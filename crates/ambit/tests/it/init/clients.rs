//! What each client writes, and whatever may stand in it: imported, and put back byte for byte.

use super::*;
use crate::peers::fixture;

#[test]
fn every_clients_file_is_imported_and_put_back_byte_for_byte() {
    let vscode = "{\n  // for the shop\n  \"servers\": {\n    \"crm\": { \"type\": \"stdio\", CRM }, // ours\n    \"far\": { \"type\": \"sse\", \"url\": \"https://far.example\" },\n  },\n  \"inputs\": [ { \"id\": \"x\", \"type\": \"promptString\" } ]\n}\n";
    let claude = "{\"numStartups\":7,\"mcpServers\":{\"all\":{CRM}},\"projects\":{\"DIR/shop\":{\"mcpServers\":{\"crm\":{CRM,\"type\":\"stdio\"}},\"history\":[{\"display\":\"{[\"}]},\"DIR/other\":{\"mcpServers\":{\"elsewhere\":{CRM}}}}}";
    let plain = "{\n\t\"mcpServers\": {\n\t\t\"crm\": { CRM }\n\t},\n\t\"other\": 1.50\n}";
    let macos = "home/Library/Application Support/Claude/claude_desktop_config.json";
    for (name, text, path, left, client) in [
        ("shop/.mcp.json", plain, &["mcpServers"][..], &["ambit"][..], "claude-code"),
        ("home/.claude.json", claude, &["mcpServers"], &["ambit"], "claude-code"),
        ("home/.config/Claude/claude_desktop_config.json", plain, &["mcpServers"], &["ambit"], "claude-desktop"),
        (macos, plain, &["mcpServers"], &["ambit"], "claude-desktop"),
        ("shop/.cursor/mcp.json", plain, &["mcpServers"], &["ambit"], "cursor"),
        ("home/.cursor/mcp.json", plain, &["mcpServers"], &["ambit"], "cursor"),
        ("shop/.vscode/mcp.json", vscode, &["servers"], &["ambit", "far"], "vs-code"),
    ] {
        let desk = Desk::new();
        desk.write(name, text);
        std::fs::set_permissions(desk.path(name), std::fs::Permissions::from_mode(0o604)).unwrap();
        let before = desk.everything();
        // Found where the client keeps it.
        let (code, said) = desk.init(&["--format", "json"]);
        assert_eq!(code, 0, "{name}: {said}");
        let told: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(told["client"], client, "{name}");
        let after = desk.read(name);
        assert_eq!(names(&after, path), left, "{name}: {after}");
        if name.ends_with(".claude.json") {
            let here = desk.path("shop");
            assert!(names(&after, &["projects", here.to_str().unwrap(), "mcpServers"]).is_empty(), "{after}");
            assert!(after.contains("\"elsewhere\"") && after.contains("\"display\":\"{[\""), "{after}");
            assert_eq!(told["elsewhere"].as_object().unwrap().len(), 1);
        }
        assert_eq!(after.contains("\"type\": \"stdio\""), client == "vs-code", "{after}");
        assert_eq!(desk.path(name).metadata().unwrap().permissions().mode() & 0o777, 0o604);
        // What was written has no error.
        desk.fine("gate", &["check"]);
        assert_eq!(
            desk.fine("gate", &["inventory"]).matches("nothing changed").count(),
            told["servers"].as_array().unwrap().len()
        );
        // Nothing of it is left afterwards.
        desk.fine("shop", &["init", "--undo", "--dir", "../gate"]);
        assert_eq!(desk.everything(), before, "{name}");
    }
}

#[test]
fn a_plain_file_is_imported_where_it_is_named_and_links_are_followed() {
    let desk = Desk::new();
    desk.write("dotfiles/servers.json", "{\"mcpServers\": {\"crm\": {CRM}}}");
    std::os::unix::fs::symlink("../dotfiles/servers.json", desk.path("shop/servers.json")).unwrap();
    let before = desk.everything();
    let (code, said) = desk.init(&["--from", "../shop/docs/../servers.json", "--agent", "clerk"]);
    assert_eq!(code, 0, "{said}");
    assert!(desk.path("shop/servers.json").symlink_metadata().unwrap().is_symlink());
    assert!(desk.read("dotfiles/servers.json").contains("\"clerk\""));
    let starts = format!("cwd = {}\n", json!(desk.path("shop")));
    assert!(desk.read("gate/ambit.toml").contains(&starts), "{}", desk.read("gate/ambit.toml"));
    desk.fine("shop", &["init", "--undo", "--dir", "../gate"]);
    assert_eq!(desk.everything(), before);
}

#[test]
fn no_value_of_an_environment_is_written_out_or_printed() {
    let desk = Desk::new();
    desk.write(
        "shop/.vscode/mcp.json",
        r#"{"servers": {"crm": {CRM, "env": {
            "API_TOKEN": "literal-hunter2", "MODE": "literal-mode", "FROM_VARIABLE": "${env:SHOP_VARIABLE}",
            "FROM_INPUT": "${input:shop-pat}", "JOINED": "Bearer ${SHOP_VARIABLE}", "EMPTY": "" } } },
            "inputs": [{"id": "shop-pat", "type": "promptString", "password": true}]}"#,
    );
    let run = |words: &[&str]| {
        let mut command = desk.command("shop", AMBIT);
        command.args(["init", "--owner", "dana@acme.example", "--dir", "../gate"]).args(words);
        let output =
            command.env("SHOP_VARIABLE", "variable-hunter2").env("SHOP_PAT", "input-hunter2").output().unwrap();
        format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for words in [&["--dry-run"][..], &["--dry-run", "--format", "json"], &[]] {
        let said = run(words);
        assert!(said.contains("API_TOKEN"), "{said}");
        for secret in ["literal-", "hunter2"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
    let toml = desk.read("gate/ambit.toml");
    insta::assert_snapshot!(toml.split("[systems.crm.env]\n").nth(1).unwrap(), @r#"
    API_TOKEN = { file = "private/crm.API_TOKEN" }
    MODE = { file = "private/crm.MODE" }
    FROM_VARIABLE = { env = "SHOP_VARIABLE" }
    FROM_INPUT = { env = "SHOP_PAT" }
    JOINED = { file = "private/crm.JOINED" }
    EMPTY = ""

    [people.dana]
    email = "dana@acme.example"

    [agents.shop]
    scope = "SCOPE.md"
    systems = ["crm"]
    "#);
    for file in ["gate/ambit.toml", "gate/ambit.lock", "gate/SCOPE.md", "gate/private/init.json"] {
        assert!(!desk.read(file).contains("hunter2") && !desk.read(file).contains("literal-"), "{file}");
    }
    for (file, value) in [
        ("gate/private/crm.API_TOKEN", "literal-hunter2"),
        ("gate/private/crm.MODE", "literal-mode"),
        ("gate/private/crm.JOINED", "Bearer variable-hunter2"),
    ] {
        assert_eq!(desk.read(file), value);
        assert_eq!(desk.path(file).metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(desk.path("gate/private").metadata().unwrap().permissions().mode() & 0o777, 0o700);
    desk.fine("gate", &["check"]);

    // Without the variables there is nothing to import, and the message says which.
    let desk = Desk::new();
    desk.write("shop/.mcp.json", r#"{"mcpServers": {"crm": {CRM, "env": {"X": "${SHOP_VARIABLE}"}}}}"#);
    let before = desk.everything();
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("the variable `SHOP_VARIABLE` is not set") && said.contains("help: set `SHOP_VARIABLE`"),
        "{said}"
    );
    assert_eq!(desk.everything(), before);
}

#[test]
fn a_dry_run_says_everything_and_changes_nothing() {
    let desk = Desk::new();
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"crm\": {CRM}, \"far\": {\"url\": \"https://far.example/sse\"}}}");
    let before = desk.everything();
    let (code, said) = desk.init(&["--dry-run"]);
    assert_eq!(code, 0, "{said}");
    for part in [
        "gate/ambit.toml",
        "gate/ambit.lock",
        "gate/SCOPE.md",
        ".mcp.json.before-ambit",
        "far: a server over the older transport `sse`",
        "past it",
        "advised, not enforced",
        "ambit setup --person dana",
        "ambit release shop",
        "ambit token shop",
        "nothing was written",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert_eq!(desk.everything(), before);
    assert!(!desk.path("gate").exists());
}

#[test]
fn only_what_is_named_moves_and_the_rest_is_said_to_stay() {
    let desk = Desk::new();
    desk.write(
        "shop/.mcp.json",
        "{\"mcpServers\": {\"a b\": {CRM}, \"a/b\": {CRM}, \"stays\": {CRM}, \"broken\": {}}}",
    );
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("`broken` cannot be imported"), "{said}");
    let (code, said) = desk.init(&["--only", "nowhere"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("there is no server `nowhere`"), "{said}");
    let (code, said) = desk.init(&["--only", "a b", "a/b"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("stays: it was not asked for"), "{said}");
    // Two names that a page could not say become two that it can.
    assert!(said.contains("called `a-b` here") && said.contains("called `a-b-2` here"), "{said}");
    assert_eq!(names(&desk.read("shop/.mcp.json"), &["mcpServers"]), ["ambit", "broken", "stays"]);
}

#[test]
fn a_version_that_does_not_start_is_not_insisted_on_and_a_shell_is_said() {
    let desk = Desk::new();
    // A runner of packages whose `crm-server` starts as the client has it, and not by the version that lies there.
    let npx = format!(
        "#!/bin/sh\n[ \"$2\" = crm-server ] || exit 1\nexec {AMBIT} demo-server --db {} --system crm\n",
        desk.path("acme.db").display()
    );
    desk.write("bin/npx", &npx);
    std::fs::set_permissions(desk.path("bin/npx"), std::fs::Permissions::from_mode(0o755)).unwrap();
    desk.write("shop/node_modules/crm-server/package.json", "{\"version\": \"9.9.9\"}");
    desk.write(
        "shop/.mcp.json",
        &format!(
            "{{\"mcpServers\": {{\"a\": {{\"command\": \"npx\", \"args\": [\"-y\", \"crm-server\"]}}, \"b\": {{\"command\": \"sh\", \"args\": [\"-c\", \"exec {AMBIT} demo-server --db DIR/acme.db --system crm\"]}}}}}}"
        ),
    );
    let mut command = desk.command("shop", AMBIT);
    command.args(["init", "--owner", "dana@acme.example", "--dir", "../gate"]);
    let path = format!("{}:{}", desk.path("bin").display(), std::env::var("PATH").unwrap());
    let output = command.env("PATH", path).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let toml = desk.read("gate/ambit.toml");
    assert!(toml.contains("bin/npx\", \"-y\", \"crm-server\"]") && !toml.contains("9.9.9"), "{toml}");
    assert!(said.contains("`crm-server` may be another one tomorrow (`unpinned-program`)"), "{said}");
    assert!(said.contains("what the shell starts may be another one tomorrow"), "{said}");
    let (_, checked) = desk.run("gate", &["check"]);
    assert_eq!(checked.matches("[unpinned-program]").count(), 2, "{checked}");
}

#[test]
fn whatever_servers_and_tools_are_called_the_page_says_it_or_leaves_it_out() {
    let desk = Desk::new();
    std::fs::copy(fixture("listed.py"), desk.path("shop/listed.py")).unwrap();
    let long = "x".repeat(300);
    let names = [
        "a b",
        "wipe*",
        "日本",
        "tool`x",
        "_x_",
        "a\"b",
        "every reading tool in",
        "nothing",
        "because",
        "#h",
        "a|b",
        "<b>",
        "a.b",
        "[l](u)",
        "resource",
        "prompt",
        "everything",
        "а",
        "ｆ",
        "a\\u{41}",
        "x\u{202e}",
        "a\nb",
        "a\u{1b}[31m",
        &long,
    ];
    let tools: Vec<Value> = names.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
    let listed = json!({"tools": tools, "prompts": [{"name": "p"}], "resources": true});
    desk.write("shop/listed.json", &listed.to_string());
    let server = json!({"command": "python3", "args": ["listed.py", "listed.json"]});
    let entries: serde_json::Map<String, Value> = ["nothing", "where", "anything tagged x", "\u{1b}[2J"]
        .iter()
        .map(|name| ((*name).to_owned(), server.clone()))
        .collect();
    desk.write("shop/.mcp.json", &json!({"mcpServers": entries}).to_string());
    let before = desk.read("shop/.mcp.json");
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
    // Four of them nobody could see, in each of four systems; the other twenty stand on the page.
    assert_eq!(said.matches("left out").count(), 16, "{said}");
    assert_eq!(desk.read("gate/SCOPE.md").matches("\n- ").count(), 4 * 20 + 3);
    desk.fine("gate", &["check"]);
    desk.fine("gate", &["init", "--undo"]);
    assert_eq!(desk.read("shop/.mcp.json"), before);
}
