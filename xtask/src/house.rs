//! The form of the house: files of a size that one can hold in mind, nothing unfinished, nothing of one machine, links that lead somewhere.

use regex::Regex;

use crate::Complaint;
use crate::tree::Tree;

const MOST_LINES: usize = 600;

/// What is longer, and why it may be.
const LONGER: &[(&str, &str)] = &[
    ("cases/config/files.md", "one case a finding, to be found by name and not read through"),
    ("docs/reference/findings.md", "one section a finding, to be found by name and not read through"),
];

/// What is too long, unfinished, of one machine, or leads nowhere.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Complaint>> {
    let mut complaints = Vec::new();
    // Spelled so that this file does not find itself.
    let unfinished = [concat!("to", "do!("), concat!("unimplem", "ented!(")];
    let machine = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/runner")];
    let link = Regex::new(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")?;
    for file in tree.files() {
        let Some(text) = tree.text(file)? else { continue };
        let generated = file.ends_with(".lock")
            || file.ends_with(".schema.json")
            || file.starts_with("LICENSE")
            || ["docs/reference/cli.md", "docs/reference/map.md"].contains(&file);
        let lines = text.lines().count();
        let listed = LONGER.iter().any(|(name, _)| *name == file);
        if lines > MOST_LINES && !generated && !listed {
            complaints.push(format!("{file} has {lines} lines: ask what second thing it has become, or list it in xtask/src/house.rs with the reason"));
        }
        if lines <= MOST_LINES && listed {
            complaints.push(format!("{file} has {lines} lines and need not be listed in xtask/src/house.rs any more"));
        }
        if file == "ARCHITECTURE.md" {
            complaints.extend(spoken_of(tree, &text)?);
        }
        for (number, line) in text.lines().enumerate() {
            let at = format!("{file}:{}", number + 1);
            if file.ends_with(".rs") && unfinished.iter().any(|word| line.contains(word)) {
                complaints.push(format!("{at}: unfinished"));
            }
            if machine.iter().any(|path| line.contains(path)) {
                complaints.push(format!("{at}: a path of one machine"));
            }
        }
        if file.ends_with(".md") && !file.starts_with("cases/scope/") && !file.starts_with("fuzz/") {
            let directory = file.rsplit_once('/').map_or("", |(directory, _)| directory);
            for found in link.captures_iter(&without_code(&text)) {
                let Some(target) = found.get(1).map(|target| target.as_str()) else { continue };
                let leads = target.contains("://")
                    || target.starts_with("mailto:")
                    || tree.path(directory).join(target).exists();
                if !leads {
                    complaints.push(format!("{file}: the link to `{target}` leads nowhere"));
                }
            }
        }
    }
    Ok(complaints)
}

/// Files that `ARCHITECTURE.md` speaks of and that are not there, by the end of their path; and what it says is in them.
fn spoken_of(tree: &Tree, text: &str) -> anyhow::Result<Vec<Complaint>> {
    let named = Regex::new(r"`([a-z0-9_/]+\.rs)(?:::(\w+))?`")?;
    let mut complaints = Vec::new();
    for found in named.captures_iter(text) {
        let Some(name) = found.get(1).map(|name| name.as_str()) else { continue };
        let end = format!("/{name}");
        let files: Vec<&str> =
            tree.files().filter(|file| file.starts_with("crates/") && file.ends_with(&end)).collect();
        if files.is_empty() {
            complaints.push(format!("ARCHITECTURE.md speaks of `{name}`, and there is no such file"));
        }
        let Some(item) = found.get(2).map(|item| item.as_str()) else { continue };
        let defines = Regex::new(&format!(r"(?:fn|struct|enum|trait|const|type) {item}\b"))?;
        let mut texts = files.iter().filter_map(|file| tree.read(file).ok());
        if !files.is_empty() && !texts.any(|text| defines.is_match(&text)) {
            complaints.push(format!("ARCHITECTURE.md speaks of `{name}::{item}`, and the file defines no such thing"));
        }
    }
    Ok(complaints)
}

/// The text without its code blocks and code spans, in which brackets are no links.
fn without_code(text: &str) -> String {
    let mut inside = false;
    let lines = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        inside ^= fence;
        !inside && !fence
    });
    lines.map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("")).collect::<Vec<_>>().join("\n")
}
