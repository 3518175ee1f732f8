//! Whether a server could reach Ambit's own files: an agent that can write the page, or read a key, writes its own
//! permissions.

use std::path::{Path, PathBuf};

/// A file or directory of Ambit's own, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// Where it stands, or will.
    pub path: PathBuf,
    /// What it is, in words.
    pub what: &'static str,
    /// Whether it moves with `--dir`.
    pub moves: bool,
}

/// A word of a server's command or environment that leads to a directory from which Ambit's own files can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The directory.
    pub root: PathBuf,
    /// What lies in it.
    pub own: Own,
}

/// The first of Ambit's own files that lies in a directory which the words name, or that such a directory lies in.
#[must_use]
pub fn reached<'a>(words: impl IntoIterator<Item = &'a str>, base: &Path, own: &[Own]) -> Option<Reached> {
    let own: Vec<(PathBuf, &Own)> = own.iter().map(|one| (settled(&one.path), one)).collect();
    for word in words {
        for root in roots(word, base) {
            let hit = own.iter().find(|(path, _)| path.starts_with(&root) || root.starts_with(path));
            if let Some((_, one)) = hit {
                return Some(Reached { root, own: (*one).clone() });
            }
        }
    }
    None
}

/// The words of a server's command and environment that may name a directory which it works on.
pub fn words<'a>(
    command: &'a [String],
    env: impl Iterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = &'a str> {
    // These say where things are on the machine, not what a server is to work on.
    let told = |name: &str| !matches!(name, "HOME" | "PATH" | "PWD" | "TMPDIR") && !name.starts_with("XDG_");
    let values = env.filter_map(move |(name, value)| told(name).then_some(value));
    // A file server that is told no directory serves the one it starts in.
    let is_server = |word: &String| word.contains("filesystem");
    let after = command.iter().position(is_server).and_then(|at| command.get(at + 1..));
    let is_told_none = after.is_some_and(|after| after.iter().all(|word| word.starts_with('-')));
    command.iter().skip(1).map(String::as_str).chain(values).chain(is_told_none.then_some("."))
}

/// The directories that a word may mean: itself, what stands after `=`, each part of a list.
fn roots(word: &str, base: &Path) -> Vec<PathBuf> {
    let mut texts = vec![word];
    texts.extend(word.split_once('=').map(|(_, value)| value));
    texts.extend(word.split([',', ':', ';', '=', ' ', '\t', '\n', '"', '\'']));
    let mut roots = Vec::new();
    for text in texts.into_iter().filter(|text| !text.is_empty()) {
        let text = text.strip_prefix("file://").unwrap_or(text);
        let path = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => match std::env::var_os("HOME") {
                Some(home) => PathBuf::from(home).join(rest.trim_start_matches('/')),
                None => continue,
            },
            _ => base.join(text),
        };
        if let Ok(root) = path.canonicalize()
            && root.is_dir()
            && !roots.contains(&root)
        {
            roots.push(root);
        }
    }
    roots
}

/// The path behind links, of something that may not stand there yet.
#[must_use]
pub fn settled(path: &Path) -> PathBuf {
    for above in path.ancestors() {
        if let Ok(real) = above.canonicalize() {
            let rest = path.strip_prefix(above).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_holds_or_lies_in_what_is_ambits_own_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for one in ["srv/shop", "srv/shopping", "srv/shop/.ambit/run", "keys/people", "data/a b"] {
            std::fs::create_dir_all(at(one)).unwrap();
        }
        std::os::unix::fs::symlink(at("srv"), at("data/link")).unwrap();
        let own = |path: &str, moves| Own { path: at(path), what: "it", moves };
        let own = [own("srv/shop/ambit.toml", true), own("srv/shop/.ambit", true), own("keys/people", false)];
        let base = at("srv/shopping");
        let hit = |word: &str| {
            let word = word.replace("DIR", &dir.path().display().to_string());
            reached([word.as_str()], &base, &own).is_some()
        };
        for word in [
            "DIR",
            "DIR/srv",
            "DIR/srv/shop",
            "..",
            "../shop",
            "--root=DIR/srv",
            "DIR/data:DIR/srv",
            "file://DIR/srv",
            "DIR/data/link",
            "DIR/srv/shop/.ambit/run",
            "DIR/keys/people",
            "/",
            "cd DIR/srv && x",
        ] {
            assert!(hit(word), "{word}");
        }
        for word in ["DIR/data", "DIR/data/a b", "DIR/srv/shopping", ".", "DIR/gone", "npx", "-y", "--x", ""] {
            assert!(!hit(word), "{word}");
        }
    }
}
