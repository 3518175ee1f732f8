//! Up to the first message that says who comes: encryption where it is wished for, and cancellations, which are all that
//! their connections are for.

use ambit_effects::sql::wire::first::{First, LENGTH};
use ambit_effects::sql::wire::{HEADER, WireError, client};
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::TlsAcceptor;

use super::settings::Asked;
use crate::gate::postgres::Said;
use crate::upstream::postgres::buffer::Buffer;
use crate::upstream::postgres::stream::Stream;

/// A connection that was not let in yet.
pub(super) struct Newcomer {
    pub stream: Stream,
    pub buffer: Buffer,
}

/// What a connection is for.
pub(super) enum For {
    /// Somebody comes in.
    Entering(Newcomer, Result<Asked, Said>),
    /// Something is to be cancelled.
    Cancelling(u32, Vec<u8>),
}

/// Why a connection ends without a word.
pub(super) struct Closed;

impl From<std::io::Error> for Closed {
    fn from(_: std::io::Error) -> Closed {
        Closed
    }
}

impl From<WireError> for Closed {
    fn from(_: WireError) -> Closed {
        Closed
    }
}

impl Newcomer {
    /// Waits for who comes, or what is to be cancelled.
    pub async fn first(stream: Stream, tls: Option<&TlsAcceptor>) -> Result<For, Closed> {
        let mut this = Newcomer { stream, buffer: Buffer::default() };
        let mut is_encrypted = false;
        // Each wish once, and then who comes.
        for _ in 0..3 {
            let body = this.body().await?;
            match First::read(&body) {
                Ok(First::Tls) => {
                    let Some(tls) = tls.filter(|_| !is_encrypted) else {
                        this.stream.write_all(b"N").await?;
                        continue;
                    };
                    // What came before the handshake did not come from whoever makes it.
                    if !this.buffer.filled().is_empty() {
                        return Err(Closed);
                    }
                    this.stream.write_all(b"S").await?;
                    this.stream = Box::new(tls.accept(this.stream).await?);
                    is_encrypted = true;
                }
                Ok(First::Gss) => this.stream.write_all(b"N").await?,
                Ok(First::Cancel { process, key }) => return Ok(For::Cancelling(process, key.to_vec())),
                Ok(First::Startup { version, parameters }) => {
                    let asked = if tls.is_some() && !is_encrypted {
                        let why = "a connection in the clear is not taken here".to_owned();
                        Err(Said::fatal("28000", why).with_help("connect with sslmode=verify-full"))
                    } else {
                        Asked::read(version, &parameters)
                    };
                    return Ok(For::Entering(this, asked));
                }
                Err(WireError::Version(_)) => {
                    let why = "this version of the protocol is not spoken here".to_owned();
                    return Ok(For::Entering(this, Err(Said::fatal("0A000", why).with_help("use version 3"))));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Closed)
    }

    async fn body(&mut self) -> Result<Vec<u8>, Closed> {
        self.wait_for(LENGTH).await?;
        let length = self.buffer.filled().first_chunk::<LENGTH>().copied().unwrap_or_default();
        let length = First::length(length)?;
        self.wait_for(LENGTH + length).await?;
        let body = self.buffer.first(LENGTH + length).and_then(|all| all.get(LENGTH..)).unwrap_or_default().to_vec();
        self.buffer.take(LENGTH + length);
        Ok(body)
    }

    /// Waits for a part of the proof of who comes.
    pub async fn proof(&mut self) -> Result<Vec<u8>, Closed> {
        self.wait_for(HEADER).await?;
        let Some(&[kind, a, b, c, d]) = self.buffer.filled().first_chunk::<HEADER>() else { return Err(Closed) };
        let length = client::length(client::Phase::Login, kind, u32::from_be_bytes([a, b, c, d]))?;
        self.wait_for(HEADER + length).await?;
        let body = self.buffer.first(HEADER + length).and_then(|all| all.get(HEADER..)).unwrap_or_default().to_vec();
        self.buffer.take(HEADER + length);
        Ok(body)
    }

    async fn wait_for(&mut self, count: usize) -> Result<(), Closed> {
        while self.buffer.filled().len() < count {
            if !self.buffer.more(&mut self.stream).await? {
                return Err(Closed);
            }
        }
        Ok(())
    }

    /// Says something.
    pub async fn say(&mut self, out: &[u8]) -> Result<(), Closed> {
        self.stream.write_all(out).await?;
        Ok(self.stream.flush().await?)
    }
}
