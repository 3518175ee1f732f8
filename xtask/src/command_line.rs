//! The command line as its own definition has it: the reference, and whether documents speak of commands that exist.

use ambit::cli::args::Args;
use clap::{Arg, ArgAction, Command, CommandFactory as _};
use regex::Regex;

use crate::Complaint;
use crate::tree::Tree;

/// The reference of every command.
pub fn reference() -> String {
    let mut whole = Args::command();
    whole.build();
    let mut out = String::from("# Command line\n\n");
    let about = whole.get_long_about().or_else(|| whole.get_about()).map(ToString::to_string).unwrap_or_default();
    out.push_str(&format!("{about}\n\nWith every command:\n\n"));
    let global: Vec<&Arg> = whole.get_arguments().filter(|arg| arg.is_global_set()).collect();
    out.push_str(&table(&global));
    for command in visible(&whole) {
        section(command, "ambit", &mut out);
    }
    out
}

/// Words in documents that look like commands and are none. The guide's blocks are run by `tests/it/guide.rs`; what stands in the
/// README builds the program or runs all tests, and cannot be run by one of them.
pub fn check(tree: &Tree) -> anyhow::Result<Vec<Complaint>> {
    let whole = Args::command();
    let called = Regex::new(r"(?:^|[`(;|&]|\$ )\s*ambit ((?:--[a-z-]+(?:[ =]\S+)? )*)([a-z][a-z-]*)")?;
    let mut complaints = Vec::new();
    for file in tree.files().filter(|file| file.ends_with(".md") && !file.starts_with("fuzz/")) {
        for (number, line) in tree.read(file)?.lines().enumerate() {
            for word in called.captures_iter(line).filter_map(|found| found.get(2)) {
                if whole.find_subcommand(word.as_str()).is_none() {
                    complaints.push(format!("{file}:{}: there is no `ambit {}`", number + 1, word.as_str()));
                }
            }
        }
    }
    Ok(complaints)
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn section(command: &Command, before: &str, out: &mut String) {
    let name = format!("{before} {}", command.get_name());
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string).unwrap_or_default();
    out.push_str(&format!("\n## {name}\n\n{about}{}\n\n", if about.ends_with('.') { "" } else { "." }));
    let own: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| {
            !arg.is_global_set()
                && !arg.is_hide_set()
                && !matches!(arg.get_action(), ArgAction::Help | ArgAction::HelpLong | ArgAction::Version)
        })
        .collect();
    let usage = command.clone().render_usage().to_string();
    let usage: Vec<&str> =
        usage.trim_start_matches("Usage:").lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    out.push_str(&format!("```text\n{}\n```\n", usage.join("\n")));
    if !own.is_empty() {
        out.push('\n');
        out.push_str(&table(&own));
    }
    for sub in visible(command) {
        section(sub, &name, out);
    }
}

fn table(args: &[&Arg]) -> String {
    let mut out = String::from("| argument | meaning |\n|---|---|\n");
    for arg in args {
        let mut words = arg.get_help().map(ToString::to_string).unwrap_or_default();
        if let Some(long) = arg.get_long_help() {
            words = long.to_string();
        }
        let mut more = Vec::new();
        if !matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count) {
            let possible: Vec<String> = arg
                .get_possible_values()
                .iter()
                .filter(|value| !value.is_hide_set())
                .map(|value| match value.get_help() {
                    Some(help) => format!("`{}` ({})", value.get_name(), help.to_string().trim_end_matches('.')),
                    None => format!("`{}`", value.get_name()),
                })
                .collect();
            if !possible.is_empty() {
                more.push(format!("one of {}", possible.join(", ")));
            }
            let default: Vec<String> =
                arg.get_default_values().iter().map(|v| v.to_string_lossy().into_owned()).collect();
            if !default.is_empty() {
                more.push(format!("`{}` unless said", default.join(" ")));
            }
        }
        let words = words.trim_end_matches('.').replace('\n', " ").replace('|', "\\|");
        let more = if more.is_empty() { String::new() } else { format!("; {}", more.join("; ")) };
        out.push_str(&format!("| `{}` | {words}{more} |\n", written(arg).replace('|', "\\|")));
    }
    out
}

/// An argument as one would write it.
fn written(arg: &Arg) -> String {
    let value = arg.get_value_names().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
    let takes = arg.get_action().takes_values();
    let value = value.unwrap_or_else(|| arg.get_id().to_string().to_uppercase());
    match (arg.get_long(), arg.get_short()) {
        (None, None) => value,
        (long, short) => {
            let names: Vec<String> =
                short.map(|s| format!("-{s}")).into_iter().chain(long.map(|l| format!("--{l}"))).collect();
            if takes { format!("{} {value}", names.join(", ")) } else { names.join(", ") }
        }
    }
}
