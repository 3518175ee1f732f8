//! What is read from a file that was named, or from standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The first `most` bytes of the file, or of standard input when none is named.
///
/// # Errors
/// When it cannot be opened or read.
pub(super) fn bytes_of(path: Option<&Path>, most: u64) -> io::Result<Vec<u8>> {
    let input: Box<dyn Read> = match path {
        Some(path) => Box::new(File::open(path)?),
        None => Box::new(io::stdin().lock()),
    };
    let mut bytes = Vec::new();
    input.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
