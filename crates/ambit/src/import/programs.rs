//! The program of a server: where it is, and which version of it runs, as far as this machine knows.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The absolute path of a program as a client finds it: a bare name in `path`, a relative one from `base`. `None` when
/// there is no such program.
#[must_use]
pub fn absolute(program: &str, base: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    let is_program =
        |at: &Path| std::fs::metadata(at).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    if program.contains('/') {
        let at = base.join(program);
        return is_program(&at).then_some(at);
    }
    let dirs = std::env::split_paths(path?).filter(|dir| dir.is_absolute());
    dirs.map(|dir| dir.join(program)).find(|at| is_program(at))
}

/// The command with the version that is installed, where it runs a package by `npx` without saying which, and the words
/// that say where that was learned. Nothing is asked of a network.
#[must_use]
pub fn pinned(command: &[String], base: &Path, home: Option<&Path>) -> Option<(Vec<String>, String)> {
    let (program, rest) = command.split_first()?;
    if Path::new(program).file_name()? != "npx" {
        return None;
    }
    let at = rest.iter().position(|word| !word.starts_with('-'))?;
    // Options that take a value, or name the package otherwise, are nothing to guess about.
    if !rest.get(..at)?.iter().all(|option| matches!(option.as_str(), "-y" | "--yes" | "-q" | "--quiet")) {
        return None;
    }
    let word = rest.get(at)?;
    let package = word.strip_suffix("@latest").unwrap_or(word);
    if !is_package(package) {
        return None;
    }
    let (version, found) = installed(package, base, home)?;
    let mut command = command.to_vec();
    *command.get_mut(at + 1)? = format!("{package}@{version}");
    Some((command, format!("`{word}` is written as `{package}@{version}`, the version in `{}`", found.display())))
}

/// The version that npx would start: the nearest one up from `base`, else what npx itself keeps, where that is but one.
fn installed(package: &str, base: &Path, home: Option<&Path>) -> Option<(String, PathBuf)> {
    for dir in base.ancestors() {
        let modules = dir.join("node_modules");
        if let Some(version) = version_in(&modules, package) {
            return Some((version, modules));
        }
    }
    let kept = home?.join(".npm/_npx");
    let all: BTreeSet<String> = std::fs::read_dir(&kept)
        .ok()?
        .flatten()
        .take(10_000)
        .filter_map(|one| version_in(&one.path().join("node_modules"), package))
        .collect();
    let mut all = all.into_iter();
    match (all.next(), all.next()) {
        (Some(one), None) => Some((one, kept)),
        _ => None,
    }
}

fn version_in(modules: &Path, package: &str) -> Option<String> {
    let path = modules.join(package).join("package.json");
    let small = std::fs::metadata(&path).ok().is_some_and(|found| found.is_file() && found.len() < 1 << 20);
    let read: serde_json::Value = serde_json::from_slice(&small.then(|| std::fs::read(path).ok()).flatten()?).ok()?;
    let version = read.get("version")?.as_str()?;
    let exact = version.len() <= 64
        && version.starts_with(|c: char| c.is_ascii_digit())
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte));
    exact.then(|| version.to_owned())
}

/// Whether that is the name of a package of the registry, and nothing more.
fn is_package(word: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-~".contains(&byte))
    };
    match word.strip_prefix('@').map(|scoped| scoped.split_once('/')) {
        Some(Some((scope, name))) => part(scope) && part(name),
        Some(None) => false,
        None => part(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(command: &str) -> Vec<String> {
        command.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_bare_name_is_found_where_the_client_would_find_it() {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("server"), "").unwrap();
        let find = |program: &str| absolute(program, dir.path(), Some(bin.as_os_str()));
        assert_eq!(find("server"), None);
        std::fs::set_permissions(bin.join("server"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(find("server"), Some(bin.join("server")));
        assert_eq!(find("bin/server"), Some(bin.join("server")));
        assert_eq!(find("gone"), None);
        assert_eq!(absolute("server", dir.path(), Some(OsStr::new("bin"))), None);
    }

    #[test]
    fn a_package_is_pinned_to_what_is_installed_and_to_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let package = |at: &str, version: &str| {
            let at = dir.path().join(at);
            std::fs::create_dir_all(&at).unwrap();
            std::fs::write(at.join("package.json"), format!("{{\"version\": \"{version}\"}}")).unwrap();
        };
        let base = dir.path().join("srv/shop");
        let home = dir.path().join("home");
        let pin = |command: &str| pinned(&words(command), &base, Some(&home)).map(|(command, _)| command.join(" "));
        assert_eq!(pin("npx -y @acme/server /data"), None);
        package("home/.npm/_npx/1/node_modules/@acme/server", "1.2.3");
        assert_eq!(pin("/usr/bin/npx -y @acme/server /data").unwrap(), "/usr/bin/npx -y @acme/server@1.2.3 /data");
        package("home/.npm/_npx/2/node_modules/@acme/server", "1.3.0");
        assert_eq!(pin("npx -y @acme/server /data"), None);
        package("srv/node_modules/@acme/server", "2.0.0");
        assert_eq!(pin("npx @acme/server@latest").unwrap(), "npx @acme/server@2.0.0");
        for left in
            ["npx @acme/server@1.0.0", "npx -p @acme/server run", "npx ../../etc", "npx git+https://x", "uvx acme"]
        {
            assert_eq!(pin(left), None, "{left}");
        }
        package("srv/node_modules/odd", "1; rm");
        assert_eq!(pin("npx odd"), None);
    }
}
