//! Issuers of tokens, as both sides of HTTP need them: what an issuer says of itself, its keys, and what its signatures are
//! worth. Which agent a token is stands in `daemon/bearer.rs`, how Ambit gets one of its own in `upstream/credential.rs`.

pub mod discovery;
pub mod issuers;
pub mod keys;
