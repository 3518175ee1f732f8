//! Documents that are written by a machine, so that they cannot say something else than the program does.

use ambit::config::Config;
use ambit::config::front::Front;
use ambit::config::strict::schema_of;
use ambit::lock::Lock;
use anyhow::Context as _;

use crate::tree::Tree;
use crate::{Complaint, command_line};

/// Which of them are not what they would be.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Complaint>> {
    let mut complaints = Vec::new();
    for (file, text) in documents(tree)? {
        let stands = std::fs::read_to_string(tree.path(file)).unwrap_or_default();
        if stands != text {
            complaints.push(format!("{file} is not up to date: `cargo run -p xtask -- docs` writes it"));
        }
    }
    Ok(complaints)
}

/// Writes them.
pub fn write(tree: &Tree) -> anyhow::Result<()> {
    for (file, text) in documents(tree)? {
        std::fs::write(tree.path(file), text).with_context(|| format!("`{file}` is written"))?;
    }
    Ok(())
}

fn documents(tree: &Tree) -> anyhow::Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("docs/reference/cli.md", command_line::reference()),
        ("docs/reference/map.md", map(tree)?),
        ("docs/reference/exit-codes.md", exit_codes(&tree.read("crates/ambit/src/cli/mod.rs")?)?),
        ("docs/reference/ambit-toml.schema.json", json(&schema_of::<Config>())?),
        ("docs/reference/ambit-lock.schema.json", json(&schema_of::<Lock>())?),
        ("docs/reference/front-matter.schema.json", json(&schema_of::<Front>())?),
    ])
}

fn json(schema: &serde_json::Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(schema)?))
}

/// A line for every source file: the first sentence of its own words.
fn map(tree: &Tree) -> anyhow::Result<String> {
    let mut out = String::from(
        "# Map\n\nEvery source file, with the first sentence that it says of itself. How they belong together is in\n\
         [ARCHITECTURE.md](../../ARCHITECTURE.md).\n",
    );
    let mut last = String::new();
    let sources = tree.files().filter(|file| file.ends_with(".rs"));
    let mut files: Vec<(String, &str, &str)> =
        sources.filter_map(|file| room_of(file).map(|(room, name)| (room, name, file))).collect();
    files.sort_unstable();
    for (room, name, file) in files {
        let text = tree.read(file)?;
        let words: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect();
        let words = words.split(|line| line.is_empty()).next().unwrap_or_default().join(" ");
        if words.is_empty() {
            continue; // the tests of a file, in a file of their own
        }
        if room != last {
            out.push_str(&format!("\n## {room}\n\n| file | what it is |\n|---|---|\n"));
            room.clone_into(&mut last);
        }
        out.push_str(&format!("| `{name}` | {} |\n", first_sentence(&words).replace('|', "\\|")));
    }
    Ok(out)
}

/// The crate's name with the directory under `src`, and the file's name; `None` for what is no source of a crate.
fn room_of(file: &str) -> Option<(String, &str)> {
    let (krate, rest) = file.strip_prefix("crates/")?.split_once("/src/")?;
    Some(match rest.rsplit_once('/') {
        Some((directory, name)) => (format!("{krate}/{directory}"), name),
        None => (krate.to_owned(), rest),
    })
}

fn first_sentence(words: &str) -> &str {
    // A point ends a sentence only before a new one.
    let begins = |rest: &str| rest.starts_with(|c: char| c.is_uppercase() || c == '`');
    let mut points = words.match_indices(". ");
    let sentence =
        points.find_map(|(at, _)| Some((words.get(..at)?, words.get(at + 2..)?)).filter(|(_, rest)| begins(rest)));
    sentence.map_or(words, |(first, _)| first).trim_end_matches('.')
}

/// The exit codes, out of the enum that every command ends with.
fn exit_codes(source: &str) -> anyhow::Result<String> {
    let (_, body) = source.split_once("pub enum Exit {").context("`Exit` stands in cli/mod.rs")?;
    let (body, _) = body.split_once("\n}").context("`Exit` ends")?;
    let mut out =
        String::from("# Exit codes\n\nEvery command ends with one of these.\n\n| code | meaning |\n|---|---|\n");
    let mut words = Vec::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            words.push(text);
        } else if let Some((_, number)) = line.split_once(" = ") {
            out.push_str(&format!("| {} | {} |\n", number.trim_end_matches(','), words.join(" ")));
            words.clear();
        }
    }
    Ok(out)
}
