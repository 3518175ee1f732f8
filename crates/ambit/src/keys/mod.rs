//! Keys of people, of the installation, and tokens of agents and of callers.

pub mod caller;
pub mod hex;
pub mod installation;
pub mod kept;
pub mod names;
pub mod passphrase;
pub mod people;
pub mod person;
pub mod scram;
pub mod secret;
pub mod signature;
pub mod token;

pub use installation::InstallationKeys;
pub use person::PersonKey;
pub use secret::Secret;
pub use signature::{PublicKey, Signature};
