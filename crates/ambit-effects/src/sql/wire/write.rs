//! The messages that Ambit writes: to agents as a server, to servers as a client.

use super::client::What;
use super::server::{Column, Status};
use crate::sql::asked::{Bound, Parameter};

/// A message of that kind; what `body` adds is its body.
pub fn message(out: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    unnamed(out, body);
}

/// A message without a kind, as the first one is.
fn unnamed(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

/// Text and the zero that ends it; what follows a zero in it is left out.
pub fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().take_while(|byte| *byte != 0));
    out.push(0);
}

fn count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

fn value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    let length = value.map_or(u32::MAX, |value| u32::try_from(value.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value.unwrap_or_default());
}

/// A message with nothing in it.
pub fn bare(out: &mut Vec<u8>, kind: u8) {
    message(out, kind, |_| {});
}

/// `ErrorResponse` or `NoticeResponse`: fields, each with its letter.
pub fn fields(out: &mut Vec<u8>, kind: u8, fields: &[(u8, &str)]) {
    message(out, kind, |body| {
        for (letter, said) in fields {
            body.push(*letter);
            text(body, said);
        }
        body.push(0);
    });
}

/// `ReadyForQuery`.
pub fn ready(out: &mut Vec<u8>, status: Status) {
    message(out, b'Z', |body| body.push(status.letter()));
}

/// `CommandComplete`.
pub fn tag(out: &mut Vec<u8>, tag: &str) {
    message(out, b'C', |body| text(body, tag));
}

/// `ParameterStatus`.
pub fn parameter(out: &mut Vec<u8>, name: &str, set: &str) {
    message(out, b'S', |body| {
        text(body, name);
        text(body, set);
    });
}

/// `BackendKeyData`.
pub fn key(out: &mut Vec<u8>, process: u32, key: &[u8]) {
    message(out, b'K', |body| {
        body.extend_from_slice(&process.to_be_bytes());
        body.extend_from_slice(key);
    });
}

/// `NegotiateProtocolVersion`: the newest version that is spoken, and the wishes that nobody knows.
pub fn negotiate(out: &mut Vec<u8>, newest: u32, unknown: &[&str]) {
    message(out, b'v', |body| {
        body.extend_from_slice(&newest.to_be_bytes());
        body.extend_from_slice(&u32::try_from(unknown.len()).unwrap_or(u32::MAX).to_be_bytes());
        unknown.iter().for_each(|one| text(body, one));
    });
}

/// An authentication message: its number, and what goes with it.
pub fn login(out: &mut Vec<u8>, number: u32, with: &[u8]) {
    message(out, b'R', |body| {
        body.extend_from_slice(&number.to_be_bytes());
        body.extend_from_slice(with);
    });
}

/// `RowDescription`, of columns in text form.
pub fn columns(out: &mut Vec<u8>, columns: &[Column]) {
    message(out, b'T', |body| {
        count(body, columns.len());
        for column in columns {
            text(body, &column.name);
            body.extend_from_slice(&[0; 6]);
            body.extend_from_slice(&column.type_number.to_be_bytes());
            body.extend_from_slice(&column.size.to_be_bytes());
            body.extend_from_slice(&column.modifier.to_be_bytes());
            body.extend_from_slice(&[0; 2]);
        }
    });
}

/// `DataRow`.
pub fn row<'a>(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = Option<&'a [u8]>>) {
    message(out, b'D', |body| {
        count(body, values.len());
        values.for_each(|one| value(body, one));
    });
}

/// The first message to a server: version 3.0 and what is to be set.
pub fn startup(out: &mut Vec<u8>, parameters: &[(&str, &str)]) {
    unnamed(out, |body| {
        body.extend_from_slice(&(3u32 << 16).to_be_bytes());
        for (name, set) in parameters {
            text(body, name);
            text(body, set);
        }
        body.push(0);
    });
}

/// The first message to a server that asks for TLS.
pub fn tls(out: &mut Vec<u8>) {
    unnamed(out, |body| body.extend_from_slice(&((1234u32 << 16) | 5679).to_be_bytes()));
}

/// The one message of a connection that cancels what another does.
pub fn cancel(out: &mut Vec<u8>, process: u32, key: &[u8]) {
    unnamed(out, |body| {
        body.extend_from_slice(&((1234u32 << 16) | 5678).to_be_bytes());
        body.extend_from_slice(&process.to_be_bytes());
        body.extend_from_slice(key);
    });
}

/// `Parse`.
pub fn parse(out: &mut Vec<u8>, name: &str, statement: &str, types: impl ExactSizeIterator<Item = u32>) {
    message(out, b'P', |body| {
        text(body, name);
        text(body, statement);
        count(body, types.len());
        types.for_each(|one| body.extend_from_slice(&one.to_be_bytes()));
    });
}

/// `Bind`. `results`: which columns are wanted in binary form.
pub fn bind(out: &mut Vec<u8>, portal: &str, statement: &str, parameters: &[Parameter], results: &[bool]) {
    let format = |binary: bool| u16::from(binary).to_be_bytes();
    message(out, b'B', |body| {
        text(body, portal);
        text(body, statement);
        count(body, parameters.len());
        for parameter in parameters {
            body.extend_from_slice(&format(matches!(parameter.value, Bound::Binary(_))));
        }
        count(body, parameters.len());
        for parameter in parameters {
            value(
                body,
                match &parameter.value {
                    Bound::Null => None,
                    Bound::Text(text) => Some(text.as_bytes()),
                    Bound::Binary(bytes) => Some(bytes),
                },
            );
        }
        count(body, results.len());
        results.iter().for_each(|binary| body.extend_from_slice(&format(*binary)));
    });
}

/// `Describe` or `Close`, by its kind.
pub fn about(out: &mut Vec<u8>, kind: u8, what: What<'_>) {
    let (letter, name) = match what {
        What::Statement(name) => (b'S', name),
        What::Portal(name) => (b'P', name),
    };
    message(out, kind, |body| {
        body.push(letter);
        text(body, name);
    });
}

/// `Execute`. `most`: the most rows; 0: all.
pub fn execute(out: &mut Vec<u8>, portal: &str, most: u32) {
    message(out, b'E', |body| {
        text(body, portal);
        body.extend_from_slice(&most.to_be_bytes());
    });
}

/// `PasswordMessage` and its kin: what is sent to prove who one is.
pub fn password(out: &mut Vec<u8>, said: &[u8]) {
    message(out, b'p', |body| body.extend_from_slice(said));
}

/// The first of a mechanism's messages.
pub fn mechanism(out: &mut Vec<u8>, mechanism: &str, first: &[u8]) {
    message(out, b'p', |body| {
        text(body, mechanism);
        value(body, Some(first));
    });
}
