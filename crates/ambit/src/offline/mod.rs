//! What would happen, with nothing live: scopes compiled from `ambit.toml` and the lock, actions read and decided over
//! them, scenarios run, lines weakened and attacks tried. Nothing here opens a socket, starts a program or writes a file.

pub mod attack;
pub mod batch;
pub mod page;
pub mod recorded;
mod sight;
pub mod surroundings;
pub mod task;
pub mod test;
pub mod trial;

pub use page::{Page, PageError};
pub use sight::{GATES, sight};
pub use surroundings::Surroundings;
pub use task::GivenTask;
pub use test::Source;
pub use trial::{Answer, Trial};
