//! `ambit schema`: what editors check a file by, and what Ambit itself reads it by.

use clap::{Args as ClapArgs, ValueEnum};

use super::{Exit, output};
use crate::config::strict::schema_of;
use crate::config::{Config, front::Front};
use crate::lock::Lock;

/// What was said.
#[derive(Clone, Debug, ClapArgs)]
pub struct SchemaArgs {
    /// Of what
    pub of: Of,
}

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Of {
    /// `ambit.toml`
    Config,
    /// `ambit.lock`
    Lock,
    /// The front matter of a scope
    FrontMatter,
}

/// Prints the schema.
///
/// # Errors
/// When standard output is gone.
pub fn run(args: &SchemaArgs) -> anyhow::Result<Exit> {
    let schema = match args.of {
        Of::Config => schema_of::<Config>(),
        Of::Lock => schema_of::<Lock>(),
        Of::FrontMatter => schema_of::<Front>(),
    };
    output::json(&schema)?;
    Ok(Exit::Fine)
}
