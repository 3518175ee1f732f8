//! What came in and was not taken yet. It grows by what the next message needs, and no further.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Bytes that came, in order.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    at: usize,
}

// So much is asked for at once.
const CHUNK: usize = 16 << 10;

impl Buffer {
    /// What is there.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The first so many bytes, if they are there.
    #[must_use]
    pub fn first(&self, count: usize) -> Option<&[u8]> {
        self.filled().get(..count)
    }

    /// Takes the first so many bytes out.
    pub fn take(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
            // A large message came and went; its room is not kept.
            if self.bytes.capacity() > 8 * CHUNK {
                self.bytes = Vec::new();
            }
        }
    }

    /// Waits for more; whether there was any before the end. May be dropped while it waits.
    ///
    /// # Errors
    /// When reading fails.
    pub async fn more(&mut self, from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<bool> {
        if self.at > CHUNK {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        self.bytes.reserve(CHUNK);
        Ok(from.read_buf(&mut self.bytes).await? > 0)
    }
}
