//! What is made out of the definition of the command line has all of it: manual pages and completions.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use ambit::cli::args::Args;
use clap::CommandFactory as _;

fn ambit(dir: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ambit")).current_dir(dir).args(words).stdin(Stdio::null()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The words of every command that people are told of, with its own long options.
fn commands() -> Vec<(Vec<String>, Vec<String>)> {
    fn below(command: &clap::Command, words: &[String], all: &mut Vec<(Vec<String>, Vec<String>)>) {
        let options = command.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(|arg| arg.get_long());
        all.push((words.to_vec(), options.map(str::to_owned).collect()));
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            below(sub, &[words, &[sub.get_name().to_owned()]].concat(), all);
        }
    }
    let mut whole = Args::command();
    whole.build();
    let mut all = Vec::new();
    below(&whole, &[], &mut all);
    all
}

#[test]
fn every_command_has_a_page_with_all_of_its_options() {
    let dir = tempfile::tempdir().unwrap();
    let written = ambit(dir.path(), &["man", "--to", "share/man1"]);
    assert_eq!(written.status.code(), Some(0));
    assert!(written.stdout.is_empty() && String::from_utf8_lossy(&written.stderr).contains("pages"));
    let commands = commands();
    for (words, options) in &commands {
        let name = [&["ambit".to_owned()][..], words].concat().join("-");
        let page = std::fs::read_to_string(dir.path().join(format!("share/man1/{name}.1"))).unwrap();
        for option in options {
            // In a manual page a hyphen that is one is written `\-`.
            let option = format!("\\-\\-{}", option.replace('-', "\\-"));
            assert!(page.contains(&option), "{name}.1 does not have {option}");
        }
        let shown: Vec<&str> = std::iter::once("man").chain(words.iter().map(String::as_str)).collect();
        assert_eq!(said(&ambit(dir.path(), &shown)), page, "{name}");
    }
    assert_eq!(std::fs::read_dir(dir.path().join("share/man1")).unwrap().count(), commands.len());
}

#[test]
fn a_page_of_no_command_is_a_slip() {
    let dir = tempfile::tempdir().unwrap();
    let output = ambit(dir.path(), &["man", "journal", "exprot"]);
    assert_eq!((output.status.code(), said(&output)), (Some(2), String::new()));
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(talk.contains("there is no command `journal exprot`") && talk.contains("did you mean `export`?"), "{talk}");
    std::fs::write(dir.path().join("file"), "").unwrap();
    assert_eq!(ambit(dir.path(), &["man", "--to", "file"]).status.code(), Some(4));
}

#[test]
fn completions_have_every_command_and_every_option() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = said(&ambit(dir.path(), &["completions", shell]));
        for (words, options) in commands() {
            // Each shell's script speaks of a command in its own way; all of them name its last word and its options.
            if let Some(word) = words.last() {
                assert!(script.contains(word.as_str()), "{shell}: no `{}`", words.join(" "));
            }
            let part = part_of(shell, &script, &words);
            for option in options {
                let written = if shell == "fish" { format!("-l {option}") } else { format!("--{option}") };
                assert!(part.contains(&written), "{shell}: `{}` has no --{option}", words.join(" "));
            }
        }
        assert!(!script.contains("demo-server"), "{shell}: speaks of what is hidden");
    }
}

/// The part of a script that is about one command.
fn part_of(shell: &str, script: &str, words: &[String]) -> String {
    let path = |between: &str| [&["ambit".to_owned()][..], words].concat().join(between);
    match shell {
        "bash" => cut(script, &format!("\n        {})\n", path("__subcmd__")), "\n            ;;"),
        "elvish" => cut(script, &format!("&'{}'= {{", path(";")), "\n        }"),
        "powershell" => cut(script, &format!("\n        '{}' {{", path(";")), "\n        }"),
        _ => script.to_owned(),
    }
}

fn cut(script: &str, from: &str, to: &str) -> String {
    let Some((_, rest)) = script.split_once(from) else { panic!("nothing starts with {from}") };
    rest.split(to).next().unwrap().to_owned()
}
