//! What `ambit check` says to code scanning and to GitHub Actions.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::cli_frame::{LOCK, TOML};

/// With an error, something that is not ready, and text that would like to be more than text.
const SCOPE: &str = "---
agent: helper
owner: dana@acme.example
---

# Helper

Looks things up.

## It can read

- nothing

## It can write

- nothing

## A human must confirm

- call docs.get or `docs.\"ü\u{1f642}::error::{0} [x](https://evil.example), 100%\"` where id is \"1\"

## It cannot touch

- nothing
";

/// An installation in `agents/a b` of a work tree.
fn place(scope: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("agents/a b");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::create_dir(dir.path().join(".git")).unwrap();
    for (name, text) in [("ambit.toml", TOML), ("ambit.lock", LOCK), ("SCOPE.md", scope)] {
        std::fs::write(home.join(name), text).unwrap();
    }
    dir
}

/// What the command prints, its talk, and how it ends, run in the installation's directory.
fn check(dir: &Path, format: &str) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_ambit"))
        .current_dir(dir.join("agents/a b"))
        .args(["check", "--format", format])
        .env_remove("AMBIT_CONFIG")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

#[test]
fn github_is_told_in_commands_from_the_top_of_the_work_tree() {
    let dir = place(SCOPE);
    let (said, talk, code) = check(dir.path(), "github");
    assert_eq!(code, 1);
    insta::assert_snapshot!(said, @r#"
    ::error file=agents/a b/SCOPE.md,line=20,endLine=20,col=3,endColumn=91,title=unknown-resource::there is no ``docs."ü🙂::error::{0} [x](https://evil.example), 100%25"``%0Ahelp: `docs` has `get`; if it is new there, run `ambit inventory docs`
    "#);
    assert_eq!(talk, "1 scope checked, 1 of them not ready\n");
    let fine =
        SCOPE.replace(" or `docs.\"ü\u{1f642}::error::{0} [x](https://evil.example), 100%\"` where id is \"1\"", "");
    let fine = fine.replace("---\n\n# H", "review-by: 2199-01-01\n---\n\n# H");
    let fine = format!(
        "{fine}\n## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Look | `docs.get {{\"id\": \"1\"}}` | confirm |\n"
    );
    let dir = place(&fine);
    assert_eq!(check(dir.path(), "github"), (String::new(), "1 scope checked, 0 of them not ready\n".into(), 0));
}

#[test]
fn code_scanning_gets_what_the_specification_asks_for() {
    let dir = place(SCOPE);
    let (said, talk, code) = check(dir.path(), "sarif");
    assert_eq!((code, talk.as_str()), (1, ""));
    let log: Value = serde_json::from_str(&said).unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(&log).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(wrong, Vec::<String>::new());
    let run = &log["runs"][0];
    let found = run["results"].as_array().unwrap();
    let error = found.iter().find(|result| result["level"] == "error").unwrap();
    let place = &error["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"], json!({"uri": "agents/a%20b/SCOPE.md", "uriBaseId": "%SRCROOT%"}));
    // Before its end stands a character of two units: the columns are those of a text in UTF-16.
    let line = SCOPE.lines().nth(19).unwrap();
    let utf16: Vec<u16> = line.encode_utf16().collect();
    let column = |name: &str| usize::try_from(place["region"][name].as_u64().unwrap()).unwrap() - 1;
    assert_eq!((&place["region"]["startLine"], &place["region"]["endLine"]), (&20.into(), &20.into()));
    let cut = String::from_utf16(&utf16[column("startColumn")..column("endColumn")]).unwrap();
    assert!(line.starts_with(&format!("- {cut}")) && cut.ends_with("is \"1\""), "{cut}");
    let message = error["message"]["text"].as_str().unwrap();
    assert!(message.contains("{{0}} [x] (https://evil.example)"), "{message}");
    let levels: Vec<&str> = found.iter().map(|result| result["level"].as_str().unwrap()).collect();
    assert!(levels.contains(&"error") && levels.iter().all(|level| ["error", "warning", "note"].contains(level)));
    // Every finding there is stands among the rules, each once.
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let mut names: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    let reference = include_str!("../../../../docs/reference/findings.md");
    let sections: Vec<&str> = reference.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(names, sections);
}

/// What sections 3.13 to 3.30 of SARIF 2.1.0 ask of the objects that we write: what must be there, what it may be, and,
/// stricter than there, nothing else.
fn schema() -> Value {
    let object = |required: &[&str], properties: Value| {
        json!({
            "type": "object", "required": required, "properties": properties, "additionalProperties": false,
        })
    };
    let text = || json!({"type": "string", "minLength": 1});
    let message = || object(&["text"], json!({"text": text()}));
    let uri = || json!({"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9+.-]*:\\S+$"});
    let count = |least: u64| json!({"type": "integer", "minimum": least});
    let rule = object(
        &["id"],
        json!({
            "id": text(), "shortDescription": message(), "help": message(), "helpUri": uri(),
        }),
    );
    let driver = object(
        &["name"],
        json!({
            "name": text(), "version": text(), "informationUri": uri(),
            "semanticVersion": {"type": "string", "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+"},
            "rules": {"type": "array", "uniqueItems": true, "items": rule},
        }),
    );
    let region = object(
        &["startLine"],
        json!({
            "startLine": count(1), "startColumn": count(1), "endLine": count(1), "endColumn": count(1),
        }),
    );
    let artifact = object(
        &["uri"],
        json!({
            // A relative reference: no scheme, and only what may stand in a path.
            "uri": {"type": "string", "pattern": "^(?:[A-Za-z0-9._~/-]|%[0-9A-F]{2})+$"},
            "uriBaseId": text(),
        }),
    );
    let physical = object(&["artifactLocation"], json!({"artifactLocation": artifact, "region": region}));
    let location = object(&["physicalLocation"], json!({"physicalLocation": physical}));
    let result = object(
        &["message", "ruleId"],
        json!({
            "ruleId": text(), "ruleIndex": count(0), "message": message(),
            "level": {"enum": ["none", "note", "warning", "error"]},
            "locations": {"type": "array", "minItems": 1, "items": location},
        }),
    );
    let tool = object(&["driver"], json!({"driver": driver}));
    let run = object(
        &["tool", "results"],
        json!({
            "tool": tool,
            "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
            "results": {"type": "array", "items": result},
        }),
    );
    object(
        &["version", "runs"],
        json!({
            "$schema": uri(), "version": {"const": "2.1.0"},
            "runs": {"type": "array", "minItems": 1, "items": run},
        }),
    )
}

#[test]
fn a_server_that_could_reach_ambits_own_files_is_found_and_nothing_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for name in ["gate", "data", "people", "elsewhere"] {
        std::fs::create_dir(at(name)).unwrap();
    }
    std::os::unix::fs::symlink(at("gate"), at("data/link")).unwrap();
    std::fs::write(at("elsewhere/payees.txt"), "").unwrap();
    let run = |words: &[&str], server: &str| {
        let toml = format!(
            "[systems.files]\nkind = \"mcp\"\n{server}\n[agents.helper]\nscope = \"SCOPE.md\"\nsystems = []\n\
             [lists.payees]\nkind = \"value\"\nfile = \"../elsewhere/payees.txt\"\n"
        );
        std::fs::write(at("gate/ambit.toml"), toml).unwrap();
        std::fs::write(
            at("gate/SCOPE.md"),
            SCOPE.replace(&SCOPE[SCOPE.find("- call").unwrap()..SCOPE.find("\n\n## It cannot").unwrap()], "- nothing"),
        )
        .unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_ambit"))
            .current_dir(at("gate"))
            .args(words)
            .env("AMBIT_PEOPLE", at("people"))
            .env("DIR", dir.path())
            .env_remove("AMBIT_CONFIG")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    };
    let all = dir.path().display().to_string();
    for (server, what) in [
        ("command = [\"npx\", \"server-filesystem\", \"..\"]", "`ambit.toml` is"),
        ("command = [\"npx\", \"server-filesystem\"]", "`ambit.toml` is"),
        ("command = [\"x\", \"ALL/data:ALL/data/link\"]", "`ambit.toml` is"),
        ("command = [\"x\"]\nenv = { ROOT = \"ALL\" }", "`ambit.toml` is"),
        ("command = [\"x\", \"ALL/people\"]", "people keep their keys"),
        ("command = [\"x\", \"ALL/elsewhere\"]", "the file of a list is"),
        ("command = [\"x\", \"--dir\", \"../data\"]\nenv = { KEY = { file = \"../data/key\" } }", "a credential is"),
        (
            "command = [\"x\", \"ALL/data\"]\n[systems.far]\nkind = \"mcp\"\nurl = \"https://far.example/mcp\"\n\
             oauth = { issuer = \"https://id.example\", client-id = \"ambit\", client-secret = { file = \"../data/key\" } }",
            "a credential is",
        ),
        (
            "command = [\"x\", \"ALL/data\"]\n[digest.webhook]\nurl = { file = \"../data/url\" }\n\
             secret = { env = \"KEY\" }",
            "a credential is",
        ),
        (
            "command = [\"x\", \"ALL/data\"]\n[digest.webhook]\nurl = \"https://chat.example\"\n\
             secret = { file = \"../data/key\" }",
            "a credential is",
        ),
    ] {
        let server = server.replace("ALL", &all);
        let (code, said) = run(&["check"], &server);
        assert_eq!(code, 1, "{server}: {said}");
        assert!(said.contains("own-files-in-reach") && said.contains(what), "{server}: {said}");
        assert!(said.contains("help: give the server a narrower directory"), "{said}");
        let (code, said) = run(&["release", "helper", "--because", "x", "--anyway"], &server);
        assert_eq!(code, 1, "{server}: {said}");
        assert!(said.contains("own-files-in-reach"), "{said}");
    }
    let (_, said) = run(&["check"], "command = [\"npx\", \"server-filesystem\", \"../data\"]");
    assert!(!said.contains("own-files-in-reach"), "{said}");
    // How Ambit stands to the agent is said in words, and in JSON.
    assert!(said.contains("advised, not enforced: `helper`"), "{said}");
    let (_, said) = run(&["check", "--format", "json"], "command = [\"x\"]");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["scopes"][0]["boundary"], "advised");
}
