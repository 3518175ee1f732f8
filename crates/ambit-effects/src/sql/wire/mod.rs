//! The frontend/backend protocol of PostgreSQL, version 3: bytes of an agent and of a server, read strictly and bounded
//! before they are taken in; and the messages that Ambit writes.
//!
//! Nothing is read of a message before all of it is there, and its length is judged before it is waited for.

pub mod client;
pub mod first;
pub mod scram;
pub mod server;
#[cfg(test)]
mod tests;
pub mod write;

use thiserror::Error;

/// The bytes before every message's body but the first's: its kind, and a length that counts itself.
pub const HEADER: usize = 5;

/// What is wrong with bytes that should be messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// A message of a kind that nobody sends at this point.
    #[error("a message of a kind that is not expected here")]
    Kind(u8),
    /// A length that cannot be one of that message.
    #[error("a message of a length that its kind does not have")]
    Length(u8),
    /// The body is not what its kind has.
    #[error("a message that does not hold together")]
    Form(u8),
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    Text,
    /// A version of the protocol that is not spoken here.
    #[error("a version of the protocol that is not spoken here")]
    Version(u32),
}

impl WireError {
    /// Whether the stream is still in step, so that the next message can be read.
    #[must_use]
    pub fn is_in_step(self) -> bool {
        matches!(self, WireError::Text)
    }
}

/// A body that is read from its start to its end.
struct Body<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    fn new(kind: u8, rest: &'a [u8]) -> Body<'a> {
        Body { kind, rest }
    }

    fn form<T>(&self, found: Option<T>) -> Result<T, WireError> {
        found.ok_or(WireError::Form(self.kind))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.form(self.rest.split_at_checked(count))?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        let taken = self.take(1)?;
        self.form(taken.first().copied())
    }

    fn short(&mut self) -> Result<u16, WireError> {
        let taken = self.take(2)?;
        self.form(<[u8; 2]>::try_from(taken).ok()).map(u16::from_be_bytes)
    }

    fn long(&mut self) -> Result<u32, WireError> {
        let taken = self.take(4)?;
        self.form(<[u8; 4]>::try_from(taken).ok()).map(u32::from_be_bytes)
    }

    /// Bytes up to a zero, which is not among them.
    fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let at = self.form(self.rest.iter().position(|byte| *byte == 0))?;
        let taken = self.take(at)?;
        self.take(1)?;
        Ok(taken)
    }

    fn text(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::Text)
    }

    /// A value with its length before it; `None` is null.
    fn value(&mut self) -> Result<Option<&'a [u8]>, WireError> {
        let length = self.long()?;
        if length == u32::MAX {
            return Ok(None);
        }
        let length = self.form(usize::try_from(length).ok().filter(|length| *length <= self.rest.len()))?;
        self.take(length).map(Some)
    }

    /// As many as a count before them says, each of so many bytes at least: more than there is room for are none.
    fn list<T>(
        &mut self,
        least: usize,
        mut one: impl FnMut(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let count = usize::from(self.short()?);
        self.form((count * least <= self.rest.len()).then_some(()))?;
        (0..count).map(|_| one(self)).collect()
    }

    fn end<T>(self, whole: T) -> Result<T, WireError> {
        if self.rest.is_empty() { Ok(whole) } else { Err(WireError::Form(self.kind)) }
    }
}
