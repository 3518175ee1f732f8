//! The house's own chores.
//!
//! - `cargo run -p xtask -- check`: what must be in step is in step: findings with their tests and sections, generated
//!   documents with what they are generated from, words in documents with the command line, files with the house's form.
//! - `cargo run -p xtask -- docs`: writes the generated documents.

mod command_line;
mod generated;
mod homes;
mod house;
mod tree;

use std::process::ExitCode;

use tree::Tree;

/// Something that is not in step, in a sentence that says what to do.
type Complaint = String;

fn main() -> anyhow::Result<ExitCode> {
    let tree = Tree::open()?;
    match std::env::args().nth(1).as_deref() {
        Some("check") => {
            let complaints =
                [homes::check(&tree)?, generated::check(&tree)?, command_line::check(&tree)?, house::check(&tree)?]
                    .concat();
            for complaint in &complaints {
                eprintln!("{complaint}");
            }
            if complaints.is_empty() {
                println!("everything is in step");
                return Ok(ExitCode::SUCCESS);
            }
            eprintln!("{} things are not in step", complaints.len());
            Ok(ExitCode::FAILURE)
        }
        Some("docs") => {
            generated::write(&tree)?;
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("help: `cargo run -p xtask -- check` or `cargo run -p xtask -- docs`");
            Ok(ExitCode::from(2))
        }
    }
}
