//! One agent's connection, once it is let in: its messages one by one, and what each comes to.

use std::sync::Arc;

use ambit_effects::sql::wire::client::{Client, Phase, length};
use ambit_effects::sql::wire::server::Status;
use ambit_effects::sql::wire::{HEADER, WireError, write};
use tokio::io::ReadHalf;
use tokio::sync::watch;

use super::extended::Owed;
use super::say::Said;
use super::statements::Statements;
use crate::gate::mcp::News;
use crate::gate::means::Means;
use crate::gate::session::Session;
use crate::upstream::postgres::buffer::Buffer;
use crate::upstream::postgres::stream::Stream;
use crate::upstream::postgres::{AgentEnd, Broken, Server};

/// Who came in, and what stands behind them.
pub struct Entered {
    /// What the journey of an action needs.
    pub means: Arc<Means>,
    /// The session.
    pub session: Arc<Session>,
    /// The line on which it is told that it is cut.
    pub news: watch::Receiver<News>,
    /// The system that it works on.
    pub system: String,
    /// The connection to that system's server.
    pub server: Server,
    /// What the agent sends, and what of it came already.
    pub from: ReadHalf<Stream>,
    /// What of it came already.
    pub buffer: Buffer,
    /// What goes to the agent.
    pub agent: AgentEnd,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The agent's driver took its leave.
    Left,
    /// It went without a word.
    Gone,
    /// It was cut: its agent was stopped, or its task is over.
    Severed,
    /// It sent what is no message.
    Nonsense(WireError),
    /// The server's connection ended.
    Server(Broken),
    /// Nobody knows what came of its last statement.
    Unknown,
}

/// One agent's connection.
pub struct Connection {
    pub(super) means: Arc<Means>,
    pub(super) session: Arc<Session>,
    pub(super) news: watch::Receiver<News>,
    pub(super) system: String,
    // `None` while it is lent, and once it broke.
    pub(super) server: Option<Server>,
    pub(super) agent: Option<AgentEnd>,
    pub(super) from: ReadHalf<Stream>,
    pub(super) buffer: Buffer,
    pub(super) statements: Statements,
    // Where the transaction stood when the server was last here.
    pub(super) status: Status,
    pub(super) owed: Owed,
    // After an error nothing is done until the next end of what belongs together.
    skips: bool,
}

/// What comes next.
pub(super) enum Next {
    /// A message of the agent.
    Message(u8, Vec<u8>),
    /// The connection ends.
    End(Ended),
}

impl Connection {
    /// A connection of somebody who was let in. The driver was told that the server is ready.
    #[must_use]
    pub fn new(entered: Entered) -> Connection {
        let Entered { means, session, news, system, server, from, buffer, agent } = entered;
        Connection {
            means,
            session,
            news,
            system,
            server: Some(server),
            agent: Some(agent),
            from,
            buffer,
            statements: Statements::default(),
            status: Status::Idle,
            owed: Owed::default(),
            skips: false,
        }
    }

    /// Serves it to its end, and ends what stands behind it.
    pub async fn serve(mut self) -> Ended {
        let ended = loop {
            let (kind, body) = match self.next().await {
                Next::Message(kind, body) => (kind, body),
                Next::End(ended) => break ended,
            };
            if let Err(ended) = self.message(kind, &body).await {
                break ended;
            }
        };
        let said = match &ended {
            Ended::Left | Ended::Gone | Ended::Unknown => None,
            Ended::Severed => {
                let why = "the connection was cut: the agent was stopped, or its token or task is over".to_owned();
                Some(Said::fatal("57P01", why))
            }
            Ended::Nonsense(error) => Some(Said::fatal("08P01", error.to_string())),
            Ended::Server(broken) => Some(Said::fatal("08006", broken.to_string())),
        };
        if let Some(said) = said {
            self.say(&said);
        }
        self.flush().await;
        // Its transaction is rolled back by the server when it ends.
        if let Some(server) = self.server.take() {
            server.end().await;
        }
        ended
    }

    /// Waits for the next whole message. What there is to say is said before.
    pub(super) async fn next(&mut self) -> Next {
        let kind = match self.peek().await {
            Ok(kind) => kind,
            Err(ended) => return Next::End(ended),
        };
        let said = self.buffer.first(HEADER).and_then(|head| head.get(1..)?.try_into().ok());
        let count = match length(Phase::Ready, kind, said.map_or(0, u32::from_be_bytes)) {
            Ok(count) => count,
            Err(error) => return Next::End(Ended::Nonsense(error)),
        };
        if let Err(ended) = self.wait_for(HEADER + count).await {
            return Next::End(ended);
        }
        let body = self.buffer.first(HEADER + count).and_then(|whole| whole.get(HEADER..)).unwrap_or_default();
        let message = Next::Message(kind, body.to_vec());
        self.buffer.take(HEADER + count);
        message
    }

    /// The kind of the next message, once its header is there.
    pub(super) async fn peek(&mut self) -> Result<u8, Ended> {
        self.wait_for(HEADER).await?;
        Ok(self.buffer.first(1).and_then(|first| first.first().copied()).unwrap_or_default())
    }

    async fn wait_for(&mut self, count: usize) -> Result<(), Ended> {
        while self.buffer.filled().len() < count {
            self.flush().await;
            let Connection { news, server, buffer, from, agent, .. } = self;
            let Some(at_server) = server.as_mut() else { return Err(Ended::Unknown) };
            let is_quiet = !at_server.is_unsynced();
            tokio::select! {
                biased;
                cut = news.wait_for(|news| news.severed) => {
                    // A line that is closed is one that was cut.
                    drop(cut);
                    return Err(Ended::Severed);
                }
                unasked = at_server.unasked(), if is_quiet => {
                    let told = unasked.map_err(Ended::Server)?;
                    if let Some(agent) = agent {
                        agent.out.extend_from_slice(&told);
                    }
                }
                more = buffer.more(from) => {
                    if !more.unwrap_or(false) {
                        return Err(Ended::Gone);
                    }
                }
            }
        }
        Ok(())
    }

    /// What a message comes to.
    async fn message(&mut self, kind: u8, body: &[u8]) -> Result<(), Ended> {
        let message = match Client::read(kind, body) {
            Ok(message) => message,
            Err(error) if error.is_in_step() => {
                return if self.skips && kind != b'Q' {
                    Ok(())
                } else {
                    self.wrong(Said::not_text(), kind == b'Q').await
                };
            }
            Err(error) => return Err(Ended::Nonsense(error)),
        };
        match message {
            Client::Terminate => return Err(Ended::Left),
            Client::Sync => return self.synced().await,
            _ if self.skips => return Ok(()),
            // Outside a copy they mean nothing, and a server lets them pass.
            Client::Copy => return Ok(()),
            Client::FunctionCall => {
                let why = "a function cannot be called without a statement".to_owned();
                return self.wrong(Said::error("0A000", why).with_help("send `SELECT function(…)`"), true).await;
            }
            Client::Query(text) => return self.query(text).await,
            _ => {}
        }
        match self.extended(message).await {
            Ok(()) => Ok(()),
            Err(super::extended::Stop::Said(said)) => self.wrong(said, false).await,
            Err(super::extended::Stop::Ended(ended)) => Err(ended),
        }
    }

    /// The end of what belongs together: the server commits, or has nothing to, and says where the transaction stands.
    async fn synced(&mut self) -> Result<(), Ended> {
        if !self.skips {
            match self.settle().await {
                Ok(()) => {}
                Err(super::extended::Stop::Said(said)) => self.wrong(said, false).await?,
                Err(super::extended::Stop::Ended(ended)) => return Err(ended),
            }
        }
        self.skips = false;
        self.sync_server().await?;
        self.ready();
        Ok(())
    }

    /// Has the server end what belongs together, where it was asked for anything.
    pub(super) async fn sync_server(&mut self) -> Result<(), Ended> {
        let server = self.server.as_mut().ok_or(Ended::Unknown)?;
        if server.is_unsynced() {
            let (told, _) = server.sync().await.map_err(Ended::Server)?;
            self.status = server.status();
            self.out().extend_from_slice(&told);
        }
        Ok(())
    }

    /// Says where the transaction stands. Portals end with their transaction.
    pub(super) fn ready(&mut self) {
        if let Some(server) = &self.server {
            self.status = server.status();
        }
        if self.status == Status::Idle {
            self.statements.forget_portals();
        }
        let status = self.status;
        write::ready(self.out(), status);
    }

    /// Says that something is wrong, and has the transaction fail in which it is. `is_whole`: the next message begins
    /// anew; otherwise nothing is done until what belongs together ends.
    pub(super) async fn wrong(&mut self, said: Said, is_whole: bool) -> Result<(), Ended> {
        self.owed = Owed::default();
        let ends = matches!(said, Said::Error { ends: true, .. });
        self.say(&said);
        let Some(server) = self.server.as_mut().filter(|_| !ends) else { return Err(Ended::Unknown) };
        server.fail().await.map_err(Ended::Server)?;
        self.status = server.status();
        if is_whole {
            self.ready();
        } else {
            self.skips = true;
        }
        Ok(())
    }

    pub(super) fn say(&mut self, said: &Said) {
        said.write(self.out());
    }

    /// What is written next to the agent. Without an end to it, to nobody.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        let nobody = AgentEnd::nobody;
        &mut self.agent.get_or_insert_with(nobody).out
    }

    pub(super) async fn flush(&mut self) {
        if let Some(agent) = self.agent.as_mut() {
            agent.flush().await;
        }
    }
}
