//! `ambit attack --live`: the attacks played on a gate that runs, in front of Ambit's own sample systems.
//!
//! The gate is a daemon of its own with its own state, people and tokens; nothing of the person's is touched. It has the
//! agent's page, lock and configuration, but every live system is [`sample`]: a server that offers exactly what is pinned
//! and writes down what arrives. What counts is what arrived, not what the gate said.

pub mod door;
pub mod envelope;
pub mod lay;
pub mod over;
pub mod play;
pub mod sample;
pub mod shows;

pub use play::{LiveAttack, LiveAttacked, Player, run};

/// Why the attacks could not be played.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The private gate could not be set up.
    #[error("`ambit {words}` went wrong:\n{said}")]
    Command {
        /// Its words.
        words: String,
        /// What it said.
        said: String,
    },
    /// It was asked to end before everything was played.
    #[error("it was asked to end")]
    Over,
    /// Its files could not be written or read.
    #[error("the private gate cannot be set up: {0}")]
    Io(#[from] std::io::Error),
    /// What would be written into it is none.
    #[error("the private gate cannot be set up: {0}")]
    Text(String),
    /// Nothing came through that the page allows, so that nothing is shown by what did not.
    #[error(
        "none of the calls that the page allows by itself arrived behind the private gate, so nothing is shown by this:\n{0}"
    )]
    Closed(String),
}
