//! `ambit init` and `--undo`: what each client writes, imported and put back byte for byte, over the real program; and the
//! whole road with real servers behind it and a real client in front of it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::peers::{self, Client, Talk, fixture};

const AMBIT: &str = env!("CARGO_BIN_EXE_ambit");

/// A person's machine: their home, a project, and a directory for Ambit. A daemon that was started ends with it.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { dir: tempfile::tempdir().unwrap() };
        for name in ["home", "shop/docs"] {
            std::fs::create_dir_all(desk.path(name)).unwrap();
        }
        desk.write("pass", "four words you will keep\n");
        std::fs::set_permissions(desk.path("pass"), std::fs::Permissions::from_mode(0o600)).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// Writes a file; `DIR` in it becomes this machine's directory, and `CRM` a real server of the sample company.
    fn write(&self, name: &str, text: &str) {
        let crm = json!(["demo-server", "--db", self.path("acme.db"), "--system", "crm"]);
        let crm = format!("\"command\": {}, \"args\": {crm}", json!(AMBIT));
        let text = text.replace("CRM", &crm).replace("DIR", self.path("").to_str().unwrap().trim_end_matches('/'));
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn command(&self, at: &str, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path(at)).env("HOME", self.path("home")).stdin(Stdio::null());
        for name in ["AMBIT_CONFIG", "AMBIT_TOKEN", "AMBIT_SOCKET", "AMBIT_PEOPLE", "AMBIT_PERSON", "XDG_CONFIG_HOME"] {
            command.env_remove(name);
        }
        command
    }

    /// Exit code, and all that was said.
    fn run(&self, at: &str, words: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(at, AMBIT).args(words).output().unwrap();
        (
            status.code().unwrap(),
            format!("{}{}", String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap()),
        )
    }

    #[track_caller]
    fn fine(&self, at: &str, words: &[&str]) -> String {
        let (code, said) = self.run(at, words);
        assert_eq!(code, 0, "{words:?}\n{said}");
        said
    }

    /// `ambit init` in the project, into `gate`, with those words more.
    fn init(&self, words: &[&str]) -> (i32, String) {
        self.run("shop", &[&["init", "--owner", "dana@acme.example", "--dir", "../gate"], words].concat())
    }

    /// Every file below, with its mode and bytes.
    fn everything(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut all = BTreeMap::new();
        let mut left = vec![self.path("")];
        while let Some(dir) = left.pop() {
            for one in std::fs::read_dir(dir).unwrap().flatten() {
                let found = one.path().symlink_metadata().unwrap();
                let name = one.file_name();
                // The sample company's own file, and what npm keeps, are no business of an import.
                if name.to_str().unwrap().starts_with("acme.db") || name == ".npm" || found.is_symlink() {
                    continue;
                }
                if found.is_dir() {
                    left.push(one.path());
                } else {
                    all.insert(one.path(), (found.permissions().mode(), std::fs::read(one.path()).unwrap()));
                }
            }
        }
        all
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if self.path("gate/.ambit").exists() {
            let (_, said) = self.run("gate", &["status", "--format", "json"]);
            let status: Value = serde_json::from_str(&said).unwrap_or_default();
            if let Some(process) = status["process"].as_u64() {
                let _ = Command::new("kill").arg(process.to_string()).status();
            }
        }
    }
}

/// The members of the object at that path of keys.
fn names(text: &str, path: &[&str]) -> Vec<String> {
    let bare: String = text.lines().map(|line| line.split(" // ").next().unwrap()).collect::<Vec<_>>().join("\n");
    let bare = bare.replace(",\n  }", "\n  }");
    let mut value: Value = serde_json::from_str(&bare).unwrap_or_else(|error| panic!("{error}\n{bare}"));
    for key in path {
        value = value[key].take();
    }
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn every_clients_file_is_imported_and_put_back_byte_for_byte() {
    let vscode = "{\n  // for the shop\n  \"servers\": {\n    \"crm\": { \"type\": \"stdio\", CRM }, // ours\n    \"far\": { \"type\": \"http\", \"url\": \"https://far.example\" },\n  },\n  \"inputs\": [ { \"id\": \"x\", \"type\": \"promptString\" } ]\n}\n";
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
    let (code, said) = desk.init(&["--from", "servers.json", "--agent", "clerk"]);
    assert_eq!(code, 0, "{said}");
    assert!(desk.path("shop/servers.json").symlink_metadata().unwrap().is_symlink());
    assert!(desk.read("dotfiles/servers.json").contains("\"clerk\""));
    desk.fine("shop", &["init", "--undo", "--dir", "../gate"]);
    assert_eq!(desk.everything(), before);
}

#[test]
fn the_whole_road_with_real_servers_and_a_real_client() {
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
    "everything": { "command": "npx", "args": ["-y", "@modelcontextprotocol/server-everything"] }
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

    // The person answers for one tool, in the words that the page itself gives.
    let page = desk.read("gate/SCOPE.md");
    let page = page.replace("- call files.read_text_file\n", "");
    let page = page.replacen("- nothing", "- files.read_text_file", 1)
        + "\n## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| What is in a? | `files.read_text_file {\"path\": \"a.txt\"}` | allow |\n";
    desk.write("gate/SCOPE.md", &page);
    let toml = toml.replace("\n[systems.my-memory]", "reading-tools = [\"read_text_file\"]\n\n[systems.my-memory]");
    desk.write("gate/ambit.toml", &(toml + "\n[limits]\npending-wait-seconds = 0\n"));
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
fn a_dry_run_says_everything_and_changes_nothing() {
    let desk = Desk::new();
    desk.write("shop/.mcp.json", "{\"mcpServers\": {\"crm\": {CRM}, \"far\": {\"url\": \"https://far.example\"}}}");
    let before = desk.everything();
    let (code, said) = desk.init(&["--dry-run"]);
    assert_eq!(code, 0, "{said}");
    for part in [
        "gate/ambit.toml",
        "gate/ambit.lock",
        "gate/SCOPE.md",
        ".mcp.json.before-ambit",
        "far: a server over the network",
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
fn nothing_is_written_over_and_nothing_is_guessed() {
    let desk = Desk::new();
    let (code, said) = desk.init(&[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("no client was found"), "{said}");
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
    // Twice is once too often.
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
    let kept = PathBuf::from(told["kept-changed"].as_str().unwrap());
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
