//! `ambit demo`, and the servers of its sample company.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

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

pub fn run(_: &DemoArgs) -> anyhow::Result<ExitCode> {
    let program = std::env::current_exe()?;
    play::play(&program, anstream::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}

pub fn serve(said: &ServerArgs) -> anyhow::Result<ExitCode> {
    let company = Company::open_or_found(&said.db)?;
    server::serve(&company, said.system, io::stdin().lock(), io::stdout().lock())?;
    Ok(ExitCode::SUCCESS)
}
