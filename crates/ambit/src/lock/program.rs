//! The identity of an upstream program: its words, and the digest of the file among them that is the program.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Program;
use crate::config::System;
use crate::config::program::is_carrier;

impl Program {
    /// The program that a system starts today; `dir` is where its `ambit.toml` stands.
    ///
    /// # Errors
    /// When a file of it cannot be read.
    pub fn of(system: &System, dir: &Path) -> std::io::Result<Program> {
        let mut files = BTreeMap::new();
        if let Some((word, path)) = file_of(&system.command, dir, &system.working_dir(dir)) {
            files.insert(word.to_owned(), digest(&path)?);
        }
        Ok(Program { command: system.command.clone(), files })
    }

    /// What of it is another one than in `before`, in words; `None` when it is the same.
    #[must_use]
    pub fn differs_from(&self, before: &Program) -> Option<String> {
        if self.command != before.command {
            return Some(format!("`{}` became `{}`", before.command.join(" "), self.command.join(" ")));
        }
        let words = self.files.keys().chain(before.files.keys());
        let changed = words.into_iter().find(|word| self.files.get(*word) != before.files.get(*word))?;
        Some(format!("the file `{changed}` is another one"))
    }
}

/// The word that is the file of the program itself: the first, where it is a path; after a carrier the first argument
/// that is a file. A bare name is looked up in `PATH` and changes with the machine, which `ambit.lock` goes from one to
/// another of (`unpinned-program` says so); what comes after the program is its own business: data it works on changes every day.
fn file_of<'a>(command: &'a [String], dir: &Path, working_dir: &Path) -> Option<(&'a str, PathBuf)> {
    let (program, rest) = command.split_first()?;
    if is_carrier(program) {
        let script = rest.iter().find(|word| !word.starts_with('-') && working_dir.join(word).is_file())?;
        return Some((script, working_dir.join(script)));
    }
    let path = dir.join(program);
    (program.contains('/') && path.is_file() && !is_ambit(&path)).then_some((program.as_str(), path))
}

/// Ambit's own sample servers are this program. It would be another one with every build, and whoever can put another in
/// its place has put another in the gate's place already.
fn is_ambit(path: &Path) -> bool {
    let this = std::env::current_exe().and_then(|this| this.canonicalize());
    this.is_ok_and(|this| path.canonicalize().is_ok_and(|path| path == this))
}

fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        match buffer.get(..count) {
            None | Some([]) => break,
            Some(bytes) => hash.update(bytes),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(dir: &Path, command: &str) -> Program {
        let words: Vec<String> = command.split(' ').map(|word| format!("\"{word}\"")).collect();
        let toml = format!("[systems.a]\nkind = \"mcp\"\ncommand = [{}]\n", words.join(", "));
        Program::of(&crate::config::read(&toml).0.unwrap().systems["a"], dir).unwrap()
    }

    #[test]
    fn the_files_of_a_program_are_part_of_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        for name in ["server.py", "server", "data.json"] {
            write(name, "1");
        }
        let files = |command: &str| program(dir.path(), command).files.into_keys().collect::<Vec<_>>();
        assert_eq!(files("python3.12 -u server.py data.json"), ["server.py"]);
        assert_eq!(files("/usr/bin/node --enable-x server.py"), ["server.py"]);
        assert_eq!(files("./server data.json"), ["./server"]);
        assert_eq!(files("npx -y @acme/server@1.2.3 data"), Vec::<String>::new());
        assert_eq!(files("sort data.json"), Vec::<String>::new());
        assert_eq!(files("no-such-program data.json"), Vec::<String>::new());
        let this = std::env::current_exe().unwrap();
        assert_eq!(files(this.to_str().unwrap()), Vec::<String>::new());

        let before = program(dir.path(), "python3 server.py data.json");
        write("data.json", "2");
        assert_eq!(program(dir.path(), "python3 server.py data.json").differs_from(&before), None);
        write("server.py", "2");
        let after = program(dir.path(), "python3 server.py data.json");
        assert_eq!(after.differs_from(&before).unwrap(), "the file `server.py` is another one");
        let other = program(dir.path(), "python3 other.py");
        assert_eq!(other.differs_from(&before).unwrap(), "`python3 server.py data.json` became `python3 other.py`");
        assert_eq!(before.files["server.py"], "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b");
    }
}
