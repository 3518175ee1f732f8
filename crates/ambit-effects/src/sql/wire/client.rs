//! What an agent's driver sends once its first message is through.

use super::{Body, WireError};
use crate::sql::asked::{MOST_PARAMETERS, MOST_STATEMENT};

/// The most bytes of the name of a prepared statement or a portal.
pub const MOST_NAME: usize = 256;

/// The most bytes of what is bound to a statement.
pub const MOST_BIND: usize = 64 << 20;

// Names, counts and the numbers of types, beside a statement's text.
const AROUND: usize = 2 * (MOST_NAME + 1) + 8;
const SMALL: usize = 8 << 10;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Whoever is there proves who they are.
    Login,
    /// Statements are asked for.
    Ready,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client<'a> {
    /// Statements in one text, with nothing bound (`Q`).
    Query(&'a str),
    /// A statement to be prepared (`P`).
    Parse {
        /// Its name; empty for the unnamed one.
        name: &'a str,
        /// Its text.
        text: &'a str,
        /// The numbers of the types of its parameters, as far as they are given; 0: not said.
        types: Vec<u32>,
    },
    /// A prepared statement and what is bound to it (`B`).
    Bind {
        /// The portal's name; empty for the unnamed one.
        portal: &'a str,
        /// The statement's name.
        statement: &'a str,
        /// What is bound, each with whether it is in binary form; `None` is null.
        values: Vec<(bool, Option<&'a [u8]>)>,
        /// Which columns of the result are wanted in binary form: none where empty, all alike where there is one.
        results: Vec<bool>,
    },
    /// What is known of a statement or a portal is asked for (`D`).
    Describe(What<'a>),
    /// A statement or a portal is not needed any more (`C`).
    Close(What<'a>),
    /// A portal is to run (`E`).
    Execute {
        /// Its name.
        portal: &'a str,
        /// The most rows that are wanted now; 0: all.
        most: u32,
    },
    /// What there is to say is to be said (`H`).
    Flush,
    /// Here ends what belongs together (`S`).
    Sync,
    /// It goes (`X`).
    Terminate,
    /// A function is to run, without a statement (`F`).
    FunctionCall,
    /// A part of who it proves to be (`p`).
    Password(&'a [u8]),
    /// A part of a copy (`d`, `c`, `f`).
    Copy,
}

/// A statement or a portal, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// A prepared statement.
    Statement(&'a str),
    /// A portal.
    Portal(&'a str),
}

/// How many bytes of body follow a header.
///
/// # Errors
/// When no such message is taken in that phase, or none of that length.
pub fn length(phase: Phase, kind: u8, length: u32) -> Result<usize, WireError> {
    let (least, most) = match (phase, kind) {
        (Phase::Login, b'p') => (1, SMALL),
        (Phase::Login, _) => return Err(WireError::Kind(kind)),
        (Phase::Ready, b'Q') => (1, MOST_STATEMENT + 1),
        (Phase::Ready, b'P') => (4, MOST_STATEMENT + 1 + AROUND + 4 * MOST_PARAMETERS),
        (Phase::Ready, b'B') => (8, MOST_BIND),
        (Phase::Ready, b'D' | b'C') => (2, MOST_NAME + 2),
        (Phase::Ready, b'E') => (5, MOST_NAME + 5),
        (Phase::Ready, b'H' | b'S' | b'X' | b'c') => (0, 0),
        // Neither is done: they are read to be refused in step.
        (Phase::Ready, b'F' | b'f') => (0, SMALL),
        (Phase::Ready, b'd') => (0, 1 << 20),
        (Phase::Ready, _) => return Err(WireError::Kind(kind)),
    };
    let body = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
    body.filter(|body| (least..=most).contains(body)).ok_or(WireError::Length(kind))
}

impl<'a> Client<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    /// When it does not hold together, or its text is none.
    pub fn read(kind: u8, body: &'a [u8]) -> Result<Client<'a>, WireError> {
        let mut body = Body::new(kind, body);
        match kind {
            b'Q' => {
                let text = body.text()?;
                body.end(Client::Query(text))
            }
            b'P' => {
                let (name, text) = (named(&mut body)?, body.text()?);
                if text.len() > MOST_STATEMENT {
                    return Err(WireError::Length(kind));
                }
                let types = body.list(4, Body::long)?;
                body.end(Client::Parse { name, text, types })
            }
            b'B' => bind(body),
            b'D' => what(body).map(Client::Describe),
            b'C' => what(body).map(Client::Close),
            b'E' => {
                let (portal, most) = (named(&mut body)?, body.long()?);
                // A number below zero is no limit either.
                let most = if i32::try_from(most).is_ok() { most } else { 0 };
                body.end(Client::Execute { portal, most })
            }
            b'H' => body.end(Client::Flush),
            b'S' => body.end(Client::Sync),
            b'X' => body.end(Client::Terminate),
            b'F' => Ok(Client::FunctionCall),
            b'p' => Ok(Client::Password(body.rest)),
            b'd' | b'c' | b'f' => Ok(Client::Copy),
            _ => Err(WireError::Kind(kind)),
        }
    }
}

/// The first of a mechanism's messages: which mechanism, and what it says.
///
/// # Errors
/// When it does not hold together.
pub fn mechanism(body: &[u8]) -> Result<(&str, &[u8]), WireError> {
    let mut body = Body::new(b'p', body);
    let name = body.text()?;
    let said = body.value()?.unwrap_or_default();
    body.end((name, said))
}

fn named<'a>(body: &mut Body<'a>) -> Result<&'a str, WireError> {
    let name = body.text()?;
    if name.len() <= MOST_NAME { Ok(name) } else { Err(WireError::Length(body.kind)) }
}

fn what<'a>(mut body: Body<'a>) -> Result<What<'a>, WireError> {
    let what: fn(&'a str) -> What<'a> = match body.byte()? {
        b'S' => What::Statement,
        b'P' => What::Portal,
        _ => return Err(WireError::Form(body.kind)),
    };
    let name = named(&mut body)?;
    body.end(what(name))
}

fn bind(mut body: Body<'_>) -> Result<Client<'_>, WireError> {
    let (portal, statement) = (named(&mut body)?, named(&mut body)?);
    let formats = body.list(2, format)?;
    let values = body.list(4, Body::value)?;
    let results = body.list(2, format)?;
    // One format stands for all, none is text.
    let format = |at: usize| match formats.as_slice() {
        [] => Some(false),
        [all] => Some(*all),
        each => each.get(at).copied(),
    };
    if formats.len() > 1 && formats.len() != values.len() {
        return Err(WireError::Form(body.kind));
    }
    let values = values.into_iter().enumerate().map(|(at, value)| Some((format(at)?, value)));
    let values = body.form(values.collect::<Option<_>>())?;
    body.end(Client::Bind { portal, statement, values, results })
}

fn format(body: &mut Body<'_>) -> Result<bool, WireError> {
    match body.short()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(WireError::Form(body.kind)),
    }
}
