//! Keys of people, of the installation, and tokens of agents.

pub mod hex;
pub mod installation;
pub mod secret;
pub mod signature;

pub use installation::InstallationKeys;
pub use secret::Secret;
pub use signature::{PublicKey, Signature};
