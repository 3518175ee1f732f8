//! From a client's file to a page in force: with real servers and a real client, and with a person at a terminal.

use super::*;
use crate::peers::{self, Client, Talk, fixture};

/// What the person lets it read by itself.
const READS: [(&str, &str); 4] = [
    ("files", "read_text_file"),
    ("everything", "get-sum"),
    ("thinking", "sequentialthinking"),
    ("budget", "get-budget-data"),
];

#[test]
fn the_whole_road_with_five_real_servers_and_a_real_client() {
    let desk = Desk::new();
    std::os::unix::fs::symlink(peers::dir().join("node_modules"), desk.path("shop/node_modules")).unwrap();
    desk.write("shop/docs/a.txt", "what stands in a\n");
    desk.write(
        "shop/.mcp.json",
        r#"{
  "mcpServers": {
    "files": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "docs"] },
    "my memory": {
      "command": "node",
      "args": ["node_modules/@modelcontextprotocol/server-memory/dist/index.js"],
      "env": { "MEMORY_FILE_PATH": "DIR/shop/memory.jsonl" }
    },
    "everything": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-everything"] },
    "thinking": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-sequential-thinking"] },
    "budget": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-budget-allocator", "--stdio"] }
  }
}
"#,
    );
    let original = desk.read("shop/.mcp.json");
    let (code, said) = desk.init(&["--draft"]);
    assert_eq!(code, 0, "{said}");
    // The version that is installed, by the path that was found.
    let toml = desk.read("gate/ambit.toml");
    assert!(
        toml.contains("/npx\", \"-y\", \"@modelcontextprotocol/server-filesystem@2026.8.31\", \"docs\"]"),
        "{toml}"
    );
    let (_, checked) = desk.run("gate", &["check"]);
    assert!(!checked.contains("error") && !checked.contains("unpinned-program"), "{checked}");
    // Nothing is granted, whatever its server says of it.
    assert!(desk.read("gate/ambit.lock").contains("readOnlyHint"));
    assert!(desk.read("gate/SCOPE.md").contains("## It can read\n\n- nothing\n\n## It can write\n\n- nothing\n"));
    let (_, tried) = desk.run("gate", &["try", "shop", r#"files.read_text_file {"path": "a.txt"}"#]);
    assert!(tried.starts_with("hold"), "{tried}");

    // The person answers for one tool of each but the notes, in the words that the page itself gives.
    let mut page = desk.read("gate/SCOPE.md");
    for tool in READS.map(|(system, tool)| format!("{system}.{tool}")) {
        assert!(page.contains(&format!("- call {tool}\n")), "{tool}\n{page}");
        page = page.replace(&format!("- call {tool}\n"), "");
    }
    let lines = READS.map(|(system, tool)| format!("- {system}.{tool}")).join("\n");
    let page = page.replacen("- nothing", &lines, 1)
        + "\n## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| What is in a? | `files.read_text_file {\"path\": \"a.txt\"}` | allow |\n";
    desk.write("gate/SCOPE.md", &page);
    let mut toml = toml + "\n[limits]\npending-wait-seconds = 0\n";
    for (system, tool) in READS {
        let head = format!("[systems.{system}]\nkind = \"mcp\"\n");
        toml = toml.replace(&head, &format!("{head}reading-tools = [\"{tool}\"]\n"));
    }
    desk.write("gate/ambit.toml", &toml);
    let checked = desk.fine("gate", &["check"]);
    assert!(checked.contains("shop: ready"), "{checked}");
    let (_, tested) = desk.run("gate", &["test"]);
    assert!(tested.contains("1 of 1 scenario come out as expected"), "{tested}");
    let proof = ["--passphrase-file", "../pass"];
    desk.fine("gate", &[&["setup", "--person", "dana"], &proof[..]].concat());
    desk.fine("gate", &[&["release", "shop", "--because", "reads go live", "--anyway"], &proof[..]].concat());
    desk.fine("gate", &[&["token", "shop", "--to", "private/shop.token"], &proof[..]].concat());

    // The client finds one server in its file, starts it as it stands there, and has what the page gives.
    let entries: Value = serde_json::from_str(&desk.read("shop/.mcp.json")).unwrap();
    assert_eq!(entries["mcpServers"].as_object().unwrap().len(), 1);
    let entry = &entries["mcpServers"]["ambit"];
    let mut command = vec![entry["command"].as_str().unwrap()];
    command.extend(entry["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()));
    let mut client = Talk::open(Client::TypeScript, &command);
    let read =
        client.ask(&json!({"call": "files__read_text_file", "arguments": {"path": desk.path("shop/docs/a.txt")}}));
    assert_eq!(read["content"][0]["text"], "what stands in a\n", "{read}");
    for (tool, arguments, says) in [
        ("everything__get-sum", json!({"a": 2, "b": 3}), "5"),
        (
            "thinking__sequentialthinking",
            json!({"thought": "one", "nextThoughtNeeded": false, "thoughtNumber": 1, "totalThoughts": 1}),
            "thoughtHistoryLength",
        ),
        ("budget__get-budget-data", json!({}), "categories"),
    ] {
        let said = client.ask(&json!({"call": tool, "arguments": arguments}));
        assert!(said["isError"] != true && said.to_string().contains(says), "{tool}: {said}");
    }
    let asked = client.ask(&json!({"call": "my-memory__read_graph", "arguments": {}}));
    assert!(asked.to_string().contains("pending"), "{asked}");
    drop(client);

    // What was built on it stays; the client is as it was.
    let undone = desk.fine("shop", &["init", "--undo", "--dir", "../gate"]);
    assert!(undone.contains("a journal belongs to them"), "{undone}");
    assert_eq!(desk.read("shop/.mcp.json"), original);
    assert!(!desk.path("shop/.mcp.json.before-ambit").exists());
    assert!(desk.path("gate/SCOPE.md").exists());
}

#[test]
fn four_questions_at_a_terminal_and_the_page_is_in_force() {
    let desk = Desk::new();
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"crm\": {CRM, \"env\": {\"K\": \"${input:k}\"}}}}");
    let answers = json!([
        ["(not shown): ", "typed-hunter2"],
        ["(mail address)? ", "nobody"],
        ["(mail address)? ", "dana@acme.example"],
        ["what they offer? [y/N] ", "y"],
        ["or nothing: ", "4-6"],
        ["or nothing: ", ""],
        ["or nothing: ", "1"],
        ["or nothing: ", "1"],
        ["in a sentence? ", "<b>Notes</b>"],
        ["in a sentence? ", "Writes down what customers said."],
        ["write this? [y/N] ", "y"],
        ["token now? [y/N] ", "y"],
        ["passphrase for dana: ", "four words you will keep"],
        ["once more: ", "four words you will keep"],
        ["in your words? ", "notes go live"],
        ["is recorded? [y/N] ", "y"],
        ["to put this in force: ", "yes"],
        ["passphrase of dana: ", "four words you will keep"],
        ["passphrase of dana: ", "four words you will keep"],
    ]);
    let mut command = desk.command("shop", "python3");
    command.arg(fixture("terminal.py")).arg(answers.to_string()).args([AMBIT, "init", "--dir", "../gate"]);
    // Python itself may be found through the real home.
    let output = command.env("PYENV_ROOT", std::env::var_os("PYENV_ROOT").unwrap_or_default()).output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{shown}{}", String::from_utf8_lossy(&output.stderr));
    assert!(!shown.contains("typed-hunter2"), "{shown}");
    assert!(shown.contains("release 1 of shop is in force") && shown.contains("made the token"), "{shown}");
    insta::assert_snapshot!(desk.read("gate/SCOPE.md").split_once("review-by").unwrap().1.split_once('\n').unwrap().1, @"
    ---

    # shop

    Writes down what customers said.

    ## It can read

    - crm.find_customers
    - crm.find_orders
    - crm.get_customer

    ## It can write

    - nothing

    ## A human must confirm

    - call crm.add_note

    ## It cannot touch

    - crm.delete_note
    ");
    assert!(desk.path("gate/private/shop.token").exists());
    assert_eq!(desk.read("gate/private/crm.K"), "typed-hunter2");
}
