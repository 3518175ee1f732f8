//! Lines of bounded length, from a stream that may send anything.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest line taken from an agent, in bytes.
pub const AGENT_LINE: usize = 16 << 20;
/// The longest line taken from an upstream server, in bytes.
pub const UPSTREAM_LINE: usize = 64 << 20;
/// Lines of bounded length from a stream. Dropping a `next` that waits loses nothing.
pub struct Lines<R> {
    from: R,
    most: usize,
    pub(super) buffer: Vec<u8>,
    // Of `buffer`: where the next line starts, and up to where no newline was found.
    start: usize,
    searched: usize,
    skipping: bool,
}

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It is longer than is taken. The rest of it is skipped when the next one is asked for.
    #[error("a line is longer than {most} bytes")]
    TooLong {
        /// The most that is taken.
        most: usize,
    },
    /// The stream failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most `most` bytes each, the newline not counted.
    pub fn new(from: R, most: usize) -> Lines<R> {
        Lines { from, most, buffer: Vec::new(), start: 0, searched: 0, skipping: false }
    }

    /// The same stream, with another longest line from here on.
    #[must_use]
    pub fn of_at_most(mut self, most: usize) -> Lines<R> {
        self.most = most;
        self
    }

    /// The next line without its newline; `None` at the end of the stream. A last line without a newline is dropped:
    /// nobody can tell whether it is whole.
    ///
    /// # Errors
    /// When the line is too long (the stream can be read on) or the stream fails.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, LineError> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = memchr::memchr(b'\n', rest) {
                let (start, end) = (self.start, self.searched + at);
                self.start = end + 1;
                self.searched = end + 1;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                if end - start > self.most {
                    return Err(LineError::TooLong { most: self.most });
                }
                return Ok(self.buffer.get(start..end));
            }
            self.searched = self.buffer.len();
            if self.skipping {
                self.start = self.searched;
            } else if self.searched - self.start > self.most {
                self.skipping = true;
                self.start = self.searched;
                return Err(LineError::TooLong { most: self.most });
            }
            self.make_room();
            if self.from.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Moves the unfinished line to the front, and lets go of the room that one long line took.
    fn make_room(&mut self) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = Vec::new();
        }
        self.buffer.reserve(READ);
    }
}

const READ: usize = 16 << 10;
const KEEP: usize = 256 << 10;
