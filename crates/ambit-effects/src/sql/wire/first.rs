//! The first message of a connection, which has no kind: a wish for encryption, a cancellation, or who comes.

use super::{Body, WireError};

/// The most bytes of a first message; what a server takes as well.
pub const MOST: usize = 10_000;

/// The bytes of the length before its body.
pub const LENGTH: usize = 4;

/// The newest version of the protocol that is spoken: 3.2.
pub const NEWEST: u32 = (3 << 16) | 2;

const SSL: u32 = (1234 << 16) | 5679;
const GSS: u32 = (1234 << 16) | 5680;
const CANCEL: u32 = (1234 << 16) | 5678;

/// The first message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum First<'a> {
    /// It asks for TLS.
    Tls,
    /// It asks for GSSAPI encryption.
    Gss,
    /// It wants what another connection does to be cancelled.
    Cancel {
        /// The number that connection was given.
        process: u32,
        /// The key that goes with it.
        key: &'a [u8],
    },
    /// Somebody comes in.
    Startup {
        /// The version of the protocol: 3 and its minor version.
        version: u32,
        /// What it says of itself and wants set, in the order that it came.
        parameters: Vec<(&'a str, &'a str)>,
    },
}

impl<'a> First<'a> {
    /// How many bytes follow the length.
    ///
    /// # Errors
    /// When a first message has no such length.
    pub fn length(bytes: [u8; LENGTH]) -> Result<usize, WireError> {
        let length = usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX);
        if (8..=MOST).contains(&length) { Ok(length - LENGTH) } else { Err(WireError::Length(0)) }
    }

    /// Reads what followed the length.
    ///
    /// # Errors
    /// When it is none that is spoken here, or does not hold together.
    pub fn read(body: &'a [u8]) -> Result<First<'a>, WireError> {
        let mut body = Body::new(0, body);
        match body.long()? {
            SSL => body.end(First::Tls),
            GSS => body.end(First::Gss),
            CANCEL => {
                let process = body.long()?;
                let key = body.take(body.rest.len())?;
                // Four bytes up to version 3.0, up to 256 from 3.2 on.
                if (4..=256).contains(&key.len()) {
                    Ok(First::Cancel { process, key })
                } else {
                    Err(WireError::Form(0))
                }
            }
            version if version >> 16 == 3 => {
                let mut parameters = Vec::new();
                while body.rest.len() > 1 {
                    let name = body.text()?;
                    if name.is_empty() {
                        return Err(WireError::Form(0));
                    }
                    parameters.push((name, body.text()?));
                }
                if body.byte()? != 0 {
                    return Err(WireError::Form(0));
                }
                body.end(First::Startup { version, parameters })
            }
            version => Err(WireError::Version(version)),
        }
    }
}
