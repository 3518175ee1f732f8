//! What is known of a statement before it is executed: the server prepares and describes it, and does nothing of it.

use ambit_effects::sql::wire::client::What;
use ambit_effects::sql::wire::{server as wire, write};

use super::server::{Broken, Parsed, Server};

/// The fields of the server's error.
pub type Refused = Vec<(u8, String)>;

impl Server {
    /// Has a statement prepared under a name, unless exactly that is.
    ///
    /// # Errors
    /// When the connection breaks; within, the server's error.
    pub async fn prepare(&mut self, name: &str, text: &str, types: &[u32]) -> Result<Result<(), Refused>, Broken> {
        let is_there = self.parsed.get(name).is_some_and(|parsed| parsed.text == text && parsed.types == types);
        if is_there {
            return Ok(Ok(()));
        }
        self.parsed.remove(name);
        write::parse(&mut self.out, name, text, types.iter().copied());
        if let Err(refused) = self.short(b'1').await? {
            return Ok(Err(refused));
        }
        let parsed = Parsed { text: text.to_owned(), types: types.to_vec(), known: None };
        self.parsed.insert(name.to_owned(), parsed);
        Ok(Ok(()))
    }

    /// What is known of a prepared statement, as messages: the types of its parameters, and its columns. Where `results`
    /// says how a portal's columns come, its columns alone.
    ///
    /// # Errors
    /// When the connection breaks; within, the server's error.
    pub async fn describe(&mut self, name: &str, results: Option<&[bool]>) -> Result<Result<Vec<u8>, Refused>, Broken> {
        write::about(&mut self.out, b'D', What::Statement(name));
        let heard = match self.short(b'T').await? {
            Ok(heard) => heard,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut out = Vec::new();
        for (kind, mut body) in heard {
            match kind {
                b't' => {
                    if let Some(parsed) = self.parsed.get_mut(name) {
                        parsed.known = Some(wire::types(&body)?);
                    }
                    if results.is_some() {
                        continue;
                    }
                }
                b'T' => wire::set_formats(&mut body, results.unwrap_or_default())?,
                _ => {}
            }
            write::message(&mut out, kind, |out| out.extend_from_slice(&body));
        }
        Ok(Ok(out))
    }

    /// The types of a prepared statement's parameters, where the server was asked for them.
    #[must_use]
    pub fn types(&self, name: &str, text: &str) -> Option<&[u32]> {
        let parsed = self.parsed.get(name).filter(|parsed| parsed.text == text)?;
        parsed.known.as_deref()
    }

    /// Has the server forget a statement or a portal, with the next that is sent.
    pub fn forget(&mut self, what: What<'_>) {
        if let What::Statement(name) = what
            && self.parsed.remove(name).is_none()
        {
            return;
        }
        write::about(&mut self.out, b'C', what);
    }

    /// Sends what is to be sent, and hears what comes until the last that is expected.
    async fn short(&mut self, last: u8) -> Result<Result<Vec<(u8, Vec<u8>)>, Refused>, Broken> {
        write::bare(&mut self.out, b'H');
        self.flush().await?;
        let mut all = Vec::new();
        loop {
            let (kind, length) = self.head().await?;
            let body = self.body(length).await?;
            let heard = self.heard(kind, &body)?;
            match kind {
                b'E' => return Ok(Err(wire::fields(kind, &body)?)),
                b'1' | b'T' | b'n' | b't' | b'N' | b'S' => {
                    let is_last = kind == last || (last == b'T' && kind == b'n');
                    if kind != b'1' {
                        all.push((kind, body));
                    }
                    if is_last {
                        return Ok(Ok(all));
                    }
                }
                b'3' => {}
                _ if heard => {}
                _ => return Err(Broken::Nonsense),
            }
        }
    }
}
