//! `ambit init` and `--undo`: what each client writes, imported and put back byte for byte, over the real program; and the
//! whole road with real servers behind it and a real client in front of it.

mod clients;
mod endpoints;
mod killed;
mod refused;
mod road;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

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
