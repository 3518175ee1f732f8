//! A statement, out of a permit, as the messages that have a server do it: prepared unless it is, bound, executed. What comes
//! back goes to the agent as it comes, and is told in short.

use std::time::Duration;

use ambit_core::action::Digest;
use ambit_effects::sql::asked::Asked;
use ambit_effects::sql::wire::client::What;
use ambit_effects::sql::wire::server::{self as wire, Column};
use ambit_effects::sql::wire::{HEADER, write};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::exchange::{AgentEnd, Wanted};
use super::server::{Broken, Parsed, Server};
use crate::gate::talk::Talk;

/// Where rows go.
pub enum Sink<'a> {
    /// To the agent, as they come.
    Agent(&'a mut AgentEnd),
    /// To the agent, once it is proved that they are not too many.
    Held(&'a mut AgentEnd, Vec<u8>),
    /// Nowhere yet: whoever asked collects them.
    Kept(Kept),
}

/// Rows that are kept to be collected, in text form.
#[derive(Default)]
pub struct Kept {
    /// Their columns.
    pub columns: Vec<Column>,
    /// Their values.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there were more than are kept.
    pub cut: bool,
    bytes: usize,
}

/// What came of a statement.
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// The rows that it gave.
    pub rows: u64,
    /// The digest of those rows.
    pub digest: Digest,
}

/// How a statement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is done, with that tag.
    Done(String),
    /// There was nothing to do.
    Empty,
    /// As many rows were given as were wanted; there may be more.
    Suspended,
    /// The server refused it, with those fields.
    Failed(Vec<(u8, String)>),
    /// It touched more rows than may be, and was rolled back; so many, or more.
    Over(u64),
    /// What it gives was too large to be held back until it is proved, and it was rolled back.
    TooLarge,
}

// Of what is kept to be collected so many bytes; of what is held back until it is proved.
const KEPT: usize = 1 << 20;
const HELD: usize = 16 << 20;
// What goes to the agent is written when it is so much.
const BATCH: usize = 64 << 10;
// What was cancelled ends within this time, or the connection does.
const CANCELLED: Duration = Duration::from_secs(10);

impl Server {
    /// Has the server do a statement. `most_rows`: more must not be touched; that is proved before it can stand.
    ///
    /// # Errors
    /// When the connection breaks: nobody knows then what came of it.
    pub async fn run(
        &mut self,
        asked: &Asked,
        wanted: &Wanted,
        most_rows: Option<u64>,
        sink: &mut Sink<'_>,
        talk: &Talk,
    ) -> Result<Ran, Broken> {
        let types: Vec<u32> = asked.parameters.iter().map(|parameter| parameter.type_number).collect();
        let is_parsed = self.has(&wanted.statement, &asked.statement, &types);
        if is_parsed {
            sink.tell(wanted.tells_parsed, b'1');
        } else {
            self.parsed.remove(&wanted.statement);
            write::parse(&mut self.out, &wanted.statement, &asked.statement, types.iter().copied());
        }
        write::bind(&mut self.out, &wanted.portal, &wanted.statement, &asked.parameters, &wanted.results);
        if wanted.describe {
            write::about(&mut self.out, b'D', What::Portal(&wanted.portal));
        }
        // One more than may be is enough to know.
        let proving = most_rows.map(|most| u32::try_from(most.saturating_add(1)).unwrap_or(0));
        write::execute(&mut self.out, &wanted.portal, proving.unwrap_or(wanted.most));
        // What must be proved is not to be committed before it is.
        let syncs = wanted.is_last && proving.is_none();
        write::bare(&mut self.out, if syncs { b'S' } else { b'H' });
        self.executed = true;
        self.flush().await?;
        let parsing = (!is_parsed).then(|| Parsed { text: asked.statement.clone(), types, known: None });
        let ran = self.hear(wanted, parsing, syncs, sink, talk).await?;
        self.proved(ran, wanted, most_rows, sink).await
    }

    /// Goes on with a portal that a permit opened, where as many rows were given as were wanted.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn go_on(&mut self, wanted: &Wanted, agent: &mut AgentEnd, talk: &Talk) -> Result<Ran, Broken> {
        write::execute(&mut self.out, &wanted.portal, wanted.most);
        write::bare(&mut self.out, if wanted.is_last { b'S' } else { b'H' });
        self.executed = true;
        self.flush().await?;
        self.hear(wanted, None, wanted.is_last, &mut Sink::Agent(agent), talk).await
    }

    /// Whether exactly that is prepared under that name.
    fn has(&self, name: &str, text: &str, types: &[u32]) -> bool {
        self.parsed.get(name).is_some_and(|parsed| {
            let given = |at: usize| parsed.types.get(at).copied().unwrap_or(0);
            let known = |at: usize| parsed.known.as_ref().and_then(|known| known.get(at)).copied();
            parsed.text == text
                && parsed.types.len() <= types.len()
                && types.iter().enumerate().all(|(at, one)| *one == given(at) || Some(*one) == known(at))
        })
    }

    /// Holds what came to what had to be proved, and only then lets it stand.
    async fn proved(
        &mut self,
        mut ran: Ran,
        wanted: &Wanted,
        most_rows: Option<u64>,
        sink: &mut Sink<'_>,
    ) -> Result<Ran, Broken> {
        let Some(most) = most_rows else { return Ok(ran) };
        let touched = match &ran.end {
            End::Done(tag) => wire::rows(tag).unwrap_or(0).max(ran.rows),
            End::Suspended => ran.rows.max(most.saturating_add(1)),
            End::TooLarge => {
                self.fail().await?;
                return Ok(ran);
            }
            End::Empty | End::Failed(_) | End::Over(_) => 0,
        };
        if touched > most {
            self.fail().await?;
            ran.end = End::Over(touched);
            return Ok(ran);
        }
        if wanted.is_last {
            // An error at its end (a constraint that is looked at then) is the statement's own.
            let (told, failed) = self.sync().await?;
            if failed && !matches!(ran.end, End::Failed(_)) {
                ran.end = End::Failed(first_error(&told));
            } else {
                sink.more(&told);
            }
        }
        if matches!(ran.end, End::Done(_) | End::Empty) {
            sink.let_go();
        }
        Ok(ran)
    }

    /// Hears what comes of an execution, to its end.
    async fn hear(
        &mut self,
        wanted: &Wanted,
        mut parsing: Option<Parsed>,
        syncs: bool,
        sink: &mut Sink<'_>,
        talk: &Talk,
    ) -> Result<Ran, Broken> {
        let (mut hash, mut rows, mut end, mut cancelled) = (Sha256::new(), 0u64, None, false);
        loop {
            let (kind, length) = self.head_unless(talk, sink, &mut cancelled).await?;
            if kind == b'D' {
                rows = rows.saturating_add(1);
                if self.row(length, sink, &mut hash).await? {
                    end = Some(End::TooLarge);
                }
                continue;
            }
            let body = self.body(length).await?;
            let heard = self.heard(kind, &body)?;
            match kind {
                b'1' => {
                    if let Some(parsed) = parsing.take() {
                        self.parsed.insert(wanted.statement.clone(), parsed);
                    }
                    sink.tell(wanted.tells_parsed, b'1');
                }
                b'2' => sink.tell(wanted.tells_bound, b'2'),
                b'3' => {}
                b'T' => sink.columns(&body)?,
                b'n' => sink.tell(!wanted.simple, b'n'),
                b'N' | b'S' => sink.message(kind, &body),
                b'C' => end = end.or(Some(End::Done(wire::tag(&body)?.to_owned()))),
                b'I' => end = end.or(Some(End::Empty)),
                b's' => end = end.or(Some(End::Suspended)),
                // The last that goes wrong counts: what was done did not come to stand.
                b'E' => end = Some(End::Failed(wire::fields(kind, &body)?)),
                b'Z' => {}
                _ if heard => {}
                // A copy begins, or what nobody asked for.
                _ => return Err(Broken::Nonsense),
            }
            let over = match kind {
                b'C' | b'I' | b's' | b'E' => !syncs,
                b'Z' => true,
                _ => false,
            };
            if over {
                let digest = Digest(hash.finalize().into());
                return Ok(Ran { end: end.ok_or(Broken::Nonsense)?, rows, digest });
            }
        }
    }

    /// The head of the next message. An agent that lets go, or is gone, has the server stop.
    async fn head_unless(
        &mut self,
        talk: &Talk,
        sink: &mut Sink<'_>,
        cancelled: &mut bool,
    ) -> Result<(u8, usize), Broken> {
        while self.buffer.filled().len() < HEADER {
            sink.flush().await;
            let lets_go = !*cancelled && (sink.is_gone() || talk.is_cancelled());
            if lets_go {
                *cancelled = true;
                let canceller = self.canceller();
                tokio::spawn(async move { canceller.cancel().await });
            }
            if *cancelled {
                timeout(CANCELLED, self.more()).await.map_err(|_| Broken::Late)??;
                continue;
            }
            tokio::select! {
                biased;
                () = talk.cancelled() => {}
                more = self.more() => more?,
            }
        }
        self.head().await
    }

    /// Passes a row on, in pieces where it is large; whether it is too much to be held back.
    async fn row(&mut self, length: usize, sink: &mut Sink<'_>, hash: &mut Sha256) -> Result<bool, Broken> {
        if let Sink::Kept(kept) = sink {
            let body = self.body(length).await?;
            hash.update(&body);
            kept.row(&body)?;
            return Ok(false);
        }
        let (mut left, mut too_large, mut is_head) = (HEADER + length, false, true);
        while left > 0 {
            let there = self.buffer.filled();
            let piece = there.get(..there.len().min(left)).unwrap_or_default();
            let count = piece.len();
            if count > 0 {
                hash.update(piece.get(if is_head { HEADER } else { 0 }..).unwrap_or_default());
                is_head = false;
                too_large |= sink.rows(piece);
                self.buffer.take(count);
                left -= count;
            }
            if sink.is_full() {
                sink.flush().await;
            }
            if left > 0 {
                self.more().await?;
            }
        }
        Ok(too_large)
    }
}

/// The fields of the first error among messages of ours.
fn first_error(mut told: &[u8]) -> Vec<(u8, String)> {
    while let Some(&[kind, a, b, c, d]) = told.first_chunk::<HEADER>() {
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(0);
        let body = told.get(HEADER..=length).unwrap_or_default();
        if kind == b'E' {
            return wire::fields(kind, body).unwrap_or_default();
        }
        told = told.get(length + 1..).unwrap_or_default();
    }
    Vec::new()
}

impl Sink<'_> {
    fn agent(&mut self) -> Option<&mut AgentEnd> {
        match self {
            Sink::Agent(agent) | Sink::Held(agent, _) => Some(agent),
            Sink::Kept(_) => None,
        }
    }

    /// A message with nothing in it, where the agent waits for it.
    fn tell(&mut self, wanted: bool, kind: u8) {
        if let (true, Some(agent)) = (wanted, self.agent()) {
            write::bare(&mut agent.out, kind);
        }
    }

    fn message(&mut self, kind: u8, body: &[u8]) {
        if let Some(agent) = self.agent() {
            write::message(&mut agent.out, kind, |out| out.extend_from_slice(body));
        }
    }

    fn more(&mut self, messages: &[u8]) {
        if let Some(agent) = self.agent() {
            agent.out.extend_from_slice(messages);
        }
    }

    fn columns(&mut self, body: &[u8]) -> Result<(), Broken> {
        match self {
            Sink::Kept(kept) => kept.columns = wire::columns(body)?,
            Sink::Agent(_) | Sink::Held(..) => self.message(b'T', body),
        }
        Ok(())
    }

    /// A piece of rows; whether it is too much to be held back.
    fn rows(&mut self, piece: &[u8]) -> bool {
        match self {
            Sink::Agent(agent) => agent.out.extend_from_slice(piece),
            Sink::Held(_, held) if held.len() + piece.len() > HELD => return true,
            Sink::Held(_, held) => held.extend_from_slice(piece),
            Sink::Kept(_) => {}
        }
        false
    }

    /// Gives the agent what was held back.
    fn let_go(&mut self) {
        if let Sink::Held(agent, held) = self {
            agent.out.append(held);
        }
    }

    fn is_full(&mut self) -> bool {
        self.agent().is_some_and(|agent| agent.out.len() >= BATCH)
    }

    fn is_gone(&mut self) -> bool {
        self.agent().is_some_and(|agent| agent.is_gone())
    }

    async fn flush(&mut self) {
        if let Some(agent) = self.agent() {
            agent.flush().await;
        }
    }
}

impl Kept {
    fn row(&mut self, body: &[u8]) -> Result<(), Broken> {
        self.bytes = self.bytes.saturating_add(body.len());
        if self.bytes > KEPT {
            self.cut = true;
            return Ok(());
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        self.rows.push(wire::row(body)?.into_iter().map(|value| value.map(text)).collect());
        Ok(())
    }
}
