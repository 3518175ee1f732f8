//! `checkpoints.jsonl`: the checkpoints once more, outside the store, one a line. Whoever copies the file away can show
//! later that the journal was cut or written anew.

use std::fs::OpenOptions;
use std::io::{BufRead, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::JournalError;
use super::chain::Checkpoint;
use crate::store::private::{self, PrivateError};

/// The file's name in the state directory.
pub const FILE: &str = "checkpoints.jsonl";

/// The file that checkpoints are appended to.
#[derive(Clone, Debug)]
pub(super) struct Checkpoints(pub PathBuf);

impl Checkpoints {
    /// Appends one, durable when this returns.
    pub(super) fn append(&self, checkpoint: &Checkpoint) -> Result<(), JournalError> {
        let path = &self.0;
        let fault = |error| JournalError::from(PrivateError::Io { path: path.clone(), error });
        let mut line = serde_json::to_vec(checkpoint).map_err(|error| JournalError::Failed(error.to_string()))?;
        line.push(b'\n');
        let mut file = match private::open(path, OpenOptions::new().read(true).write(true)) {
            Err(PrivateError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
                return Ok(private::create(path, &line)?);
            }
            opened => opened?,
        };
        // A power cut can leave half a line; what it would have said stands in the journal itself.
        let whole = whole_lines(&mut file).map_err(fault)?;
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0)).map(drop)).map_err(fault)?;
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(fault)
    }

    /// The last one, if there is a file.
    pub(super) fn last(&self) -> Result<Option<Checkpoint>, JournalError> {
        if !self.0.try_exists().unwrap_or(true) {
            return Ok(None);
        }
        Ok(read(&self.0)?.pop())
    }
}

/// Reads a file of checkpoints. Half a line at its end is left out; any other line that is no checkpoint is an error.
///
/// # Errors
/// When the file cannot be read, or holds something else.
pub fn read(path: &Path) -> Result<Vec<Checkpoint>, JournalError> {
    let fault = |error| JournalError::from(PrivateError::Io { path: path.into(), error });
    // Not only from the state directory: the copy that counts was kept elsewhere, under whatever mode.
    let mut reader = std::io::BufReader::new(std::fs::File::open(path).map_err(fault)?);
    let (mut all, mut line) = (Vec::new(), String::new());
    loop {
        line.clear();
        (&mut reader).take(4096).read_line(&mut line).map_err(fault)?;
        let Some(text) = line.strip_suffix('\n') else { break };
        let why = |error: serde_json::Error| {
            JournalError::Failed(format!("line {} of `{}` is no checkpoint: {error}", all.len() + 1, path.display()))
        };
        all.push(serde_json::from_str(text).map_err(why)?);
    }
    Ok(all)
}

/// How long the file is up to the end of its last whole line.
fn whole_lines(file: &mut std::fs::File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let from = length.saturating_sub(4096);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    file.take(4096).read_to_end(&mut tail)?;
    Ok(tail.iter().rposition(|byte| *byte == b'\n').map_or(from, |at| from + at as u64 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::InstallationKeys;
    use ambit_core::action::Digest;
    use ambit_core::time::Timestamp;

    #[test]
    fn half_a_line_is_left_out_and_written_over() {
        let place = tempfile::tempdir().unwrap();
        let file = Checkpoints(place.path().join(FILE));
        assert_eq!(file.last().unwrap(), None);
        let keys = InstallationKeys::from_seed(&[3; 64]);
        let of = |n| Checkpoint::sign(&keys, n, Digest([7; 32]), Timestamp(5));
        file.append(&of(1)).unwrap();
        file.append(&of(2)).unwrap();
        let whole = std::fs::read(&file.0).unwrap();
        for cut in [1, 30, whole.len() / 2 - 1] {
            std::fs::write(&file.0, &whole[..whole.len() - cut]).unwrap();
            assert_eq!(file.last().unwrap(), Some(of(1)), "{cut}");
            file.append(&of(3)).unwrap();
            assert_eq!(read(&file.0).unwrap(), [of(1), of(3)]);
        }
        std::fs::write(&file.0, b"half").unwrap();
        file.append(&of(4)).unwrap();
        assert_eq!(read(&file.0).unwrap(), [of(4)]);
        std::fs::write(&file.0, b"{}\n").unwrap();
        assert!(read(&file.0).is_err());
    }
}
