//! `ambit demo`, and the servers of its sample company.

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::Exit;
use crate::demo::company::Company;
use crate::demo::play;
use crate::demo::server::{self, System};

/// What `ambit demo` is told.
#[derive(Debug, Args)]
pub struct DemoArgs {}

/// What `ambit demo-server` is told.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// The company's database; it is founded when the file does not exist.
    #[arg(long, value_name = "FILE")]
    db: PathBuf,
    /// Which of the company's systems to be.
    #[arg(long)]
    system: System,
}

/// Plays it.
///
/// # Errors
/// When the sample company cannot be set up.
pub fn run(_: &DemoArgs) -> anyhow::Result<Exit> {
    let program = std::env::current_exe()?;
    play::play(&program, anstream::stdout().lock())?;
    Ok(Exit::Fine)
}

/// Serves one system until its input ends.
///
/// # Errors
/// When the company cannot be opened.
pub fn serve(said: &ServerArgs) -> anyhow::Result<Exit> {
    let company = Company::open_or_found(&said.db)?;
    server::serve(&company, said.system, io::stdin().lock(), io::stdout().lock())?;
    Ok(Exit::Fine)
}
