//! What a server sends: as much of it as Ambit looks into. The rest is passed on as it came.

use super::{Body, WireError};

/// The most bytes of a message that is taken in whole. Rows are passed on in pieces, and may be as large as a server has them.
pub const MOST: usize = 1 << 20;

/// The most bytes of one row.
pub const MOST_ROW: usize = 1 << 30;

/// How many bytes of body follow a header.
///
/// # Errors
/// When no message has such a length.
pub fn length(kind: u8, length: u32) -> Result<usize, WireError> {
    let most = if matches!(kind, b'D' | b'd') { MOST_ROW } else { MOST };
    let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
    body.filter(|body| *body <= most).ok_or(WireError::Length(kind))
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// There is none.
    #[default]
    Idle,
    /// One is open.
    Open,
    /// One failed, and waits to be rolled back.
    Failed,
}

impl Status {
    /// As `ReadyForQuery` says it.
    #[must_use]
    pub fn letter(self) -> u8 {
        match self {
            Status::Idle => b'I',
            Status::Open => b'T',
            Status::Failed => b'E',
        }
    }

    /// Reads the body of `ReadyForQuery`.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(body: &[u8]) -> Result<Status, WireError> {
        match body {
            b"I" => Ok(Status::Idle),
            b"T" => Ok(Status::Open),
            b"E" => Ok(Status::Failed),
            _ => Err(WireError::Form(b'Z')),
        }
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The number of its type.
    pub type_number: u32,
    /// The size of its type; negative: it varies.
    pub size: i16,
    /// What its type is modified by.
    pub modifier: i32,
}

/// The fields of `ErrorResponse` and `NoticeResponse`, each with its letter, in the order that they came. What of them is
/// not UTF-8 is replaced: a server writes errors before it knows an encoding.
///
/// # Errors
/// When they do not hold together.
pub fn fields(kind: u8, body: &[u8]) -> Result<Vec<(u8, String)>, WireError> {
    let mut body = Body::new(kind, body);
    let mut fields = Vec::new();
    loop {
        match body.byte()? {
            0 => return body.end(fields),
            letter => fields.push((letter, String::from_utf8_lossy(body.bytes()?).into_owned())),
        }
    }
}

/// The tag of `CommandComplete`: what was done, and to how many rows.
///
/// # Errors
/// When it is none.
pub fn tag(body: &[u8]) -> Result<&str, WireError> {
    let mut body = Body::new(b'C', body);
    let tag = body.text()?;
    body.end(tag)
}

/// The rows that a tag counts; `None` where it counts none.
#[must_use]
pub fn rows(tag: &str) -> Option<u64> {
    tag.rsplit_once(' ')?.1.parse().ok()
}

/// A setting that a server tells of, and its value.
///
/// # Errors
/// When it is none.
pub fn parameter(body: &[u8]) -> Result<(&str, &str), WireError> {
    let mut body = Body::new(b'S', body);
    let parameter = (body.text()?, body.text()?);
    body.end(parameter)
}

/// The number by which a server knows a connection, and the key with which it can be cancelled.
///
/// # Errors
/// When they are none.
pub fn key(body: &[u8]) -> Result<(u32, &[u8]), WireError> {
    let mut body = Body::new(b'K', body);
    let process = body.long()?;
    let key = body.rest;
    if (4..=256).contains(&key.len()) { Ok((process, key)) } else { Err(WireError::Form(b'K')) }
}

/// The numbers of the types of a statement's parameters.
///
/// # Errors
/// When they are none.
pub fn types(body: &[u8]) -> Result<Vec<u32>, WireError> {
    let mut body = Body::new(b't', body);
    let types = body.list(4, Body::long)?;
    body.end(types)
}

/// The columns of a result.
///
/// # Errors
/// When they are none.
pub fn columns(body: &[u8]) -> Result<Vec<Column>, WireError> {
    let mut body = Body::new(b'T', body);
    let columns = body.list(19, |body| {
        let name = body.text()?.to_owned();
        body.take(6)?;
        let (type_number, size, modifier) = (body.long()?, body.short()?.cast_signed(), body.long()?.cast_signed());
        body.take(2)?;
        Ok(Column { name, type_number, size, modifier })
    })?;
    body.end(columns)
}

/// Says in a description of columns in which form they come: all in text where nothing is said, all alike where there is one.
///
/// # Errors
/// When it is no description.
pub fn set_formats(body: &mut [u8], binary: &[bool]) -> Result<(), WireError> {
    columns(body)?;
    let mut at = 2;
    for column in 0.. {
        let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) else { break };
        let name = rest.iter().position(|byte| *byte == 0).ok_or(WireError::Form(b'T'))?;
        // A name, its zero, and 18 bytes of which the last two are the form.
        let form = at + name + 17;
        let is_binary = if let [all] = binary { *all } else { binary.get(column).copied().unwrap_or(false) };
        let place = body.get_mut(form..form + 2).ok_or(WireError::Form(b'T'))?;
        place.copy_from_slice(&u16::from(is_binary).to_be_bytes());
        at = form + 2;
    }
    Ok(())
}

/// The values of a row.
///
/// # Errors
/// When they are none.
pub fn row(body: &[u8]) -> Result<Vec<Option<&[u8]>>, WireError> {
    let mut body = Body::new(b'D', body);
    let values = body.list(4, Body::value)?;
    body.end(values)
}

/// What a server asks of whoever logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login<'a> {
    /// Nothing more.
    Done,
    /// The password in the clear.
    Clear,
    /// The password hashed with that salt, by MD5.
    Md5([u8; 4]),
    /// One of those mechanisms.
    Mechanisms(Vec<&'a str>),
    /// The next step of the mechanism.
    Step(&'a [u8]),
    /// Its last.
    Last(&'a [u8]),
    /// Something that is not spoken here.
    Other(u32),
}

impl<'a> Login<'a> {
    /// Reads the body of an authentication message.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(body: &'a [u8]) -> Result<Login<'a>, WireError> {
        let mut body = Body::new(b'R', body);
        match body.long()? {
            0 => body.end(Login::Done),
            3 => body.end(Login::Clear),
            5 => {
                let salt = body.take(4)?;
                let salt = body.form(salt.try_into().ok())?;
                body.end(Login::Md5(salt))
            }
            10 => {
                let mut mechanisms = Vec::new();
                loop {
                    match body.text()? {
                        "" => return body.end(Login::Mechanisms(mechanisms)),
                        mechanism => mechanisms.push(mechanism),
                    }
                }
            }
            11 => Ok(Login::Step(body.rest)),
            12 => Ok(Login::Last(body.rest)),
            other => Ok(Login::Other(other)),
        }
    }
}
