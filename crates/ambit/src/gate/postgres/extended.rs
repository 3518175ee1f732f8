//! Statements that are prepared, bound, described and executed in steps, and those that come in one text.
//!
//! What is prepared and bound at once for one execution goes to the server with that execution, out of its permit. A
//! statement that is to be described, or prepared for later, is prepared at the server before anything is bound: it shows
//! types and names of columns and does nothing, and it is not done where the statement would be refused in any case.

use std::sync::Arc;

use ambit_effects::sql::asked::Asked;
use ambit_effects::sql::split;
use ambit_effects::sql::wire::client::{Client, What};
use ambit_effects::sql::wire::write;

use super::connection::{Connection, Ended};
use super::say::Said;
use super::statements::{Stage, Statement};
use crate::gate::talk::{Party, Talk};
use crate::upstream::postgres::Wanted;
use crate::upstream::postgres::run::End;

/// What a driver was not told yet: that a statement is prepared, that it is bound; and what it wants to know of it.
#[derive(Default)]
pub(super) struct Owed {
    // The statement, by the driver's name.
    parsed: Option<String>,
    // The portal, by the driver's name, with its statement's.
    bound: Option<(String, String)>,
    described: bool,
}

/// Why a message was not done.
pub(super) enum Stop {
    /// The agent is told.
    Said(Said),
    /// The connection ends.
    Ended(Ended),
}

impl From<Said> for Stop {
    fn from(said: Said) -> Stop {
        Stop::Said(said)
    }
}

impl From<Ended> for Stop {
    fn from(ended: Ended) -> Stop {
        Stop::Ended(ended)
    }
}

impl Connection {
    pub(super) async fn extended(&mut self, message: Client<'_>) -> Result<(), Stop> {
        match message {
            Client::Parse { name, text, types } => {
                self.settle().await?;
                self.statements.prepare(name, text, types)?;
                self.owed.parsed = Some(name.to_owned());
            }
            Client::Bind { portal, statement, values, results } => {
                let is_next = self.owed.bound.is_none() && self.owed.parsed.as_deref() == Some(statement);
                if !is_next {
                    self.settle().await?;
                }
                let of_server = self.statements.statement(statement)?;
                let types = self.server.as_ref().and_then(|server| server.types(&of_server.name, &of_server.text));
                let types = types.map(<[u32]>::to_vec);
                self.statements.bind(portal, statement, &values, results, types.as_deref())?;
                self.owed.bound = Some((portal.to_owned(), statement.to_owned()));
            }
            Client::Describe(What::Portal(name)) => {
                if self.is_owed(name) && !self.owed.described {
                    self.owed.described = true;
                } else {
                    self.settle().await?;
                    let portal = self.statements.portal(name)?.clone();
                    self.describe(&portal.statement, Some(&portal.results)).await?;
                }
            }
            Client::Describe(What::Statement(name)) => {
                // It is described, which prepares it as well.
                let tells = self.owed.bound.is_none() && self.owed.parsed.as_deref() == Some(name);
                if tells {
                    self.owed = Owed::default();
                } else {
                    self.settle().await?;
                }
                let statement = self.statements.statement(name)?;
                self.prepare(&statement, tells).await?;
                self.describe(&statement, None).await?;
            }
            Client::Close(what) => {
                self.settle().await?;
                self.close(what);
                write::bare(self.out(), b'3');
            }
            Client::Execute { portal, most } => self.execute(portal, most).await?,
            Client::Flush => {
                self.settle().await?;
                self.flush().await;
            }
            Client::Query(_)
            | Client::Sync
            | Client::Terminate
            | Client::FunctionCall
            | Client::Password(_)
            | Client::Copy => {}
        }
        Ok(())
    }

    /// Tells the driver what it was not told yet, having done it.
    pub(super) async fn settle(&mut self) -> Result<(), Stop> {
        let Owed { parsed, bound, described } = std::mem::take(&mut self.owed);
        if let Some(name) = parsed {
            let statement = self.statements.statement(&name)?;
            self.prepare(&statement, true).await?;
        }
        if let Some((portal, _)) = bound {
            write::bare(self.out(), b'2');
            if described {
                let portal = self.statements.portal(&portal)?.clone();
                self.describe(&portal.statement, Some(&portal.results)).await?;
            }
        }
        Ok(())
    }

    fn is_owed(&self, portal: &str) -> bool {
        self.owed.bound.as_ref().is_some_and(|(bound, _)| bound == portal)
    }

    /// Has the server prepare a statement that is not to be executed yet, unless it would be refused in any case.
    async fn prepare(&mut self, statement: &Statement, tells: bool) -> Result<(), Stop> {
        if statement.is_empty {
            if tells {
                write::bare(self.out(), b'1');
            }
            return Ok(());
        }
        if let Some(said) = self.foresee(&statement.text).await {
            return Err(said.into());
        }
        let server = self.server.as_mut().ok_or(Ended::Unknown)?;
        let prepared = server.prepare(&statement.name, &statement.text, &statement.types).await;
        self.failed_or(prepared)?;
        if tells {
            write::bare(self.out(), b'1');
        }
        Ok(())
    }

    /// Tells what the server knows of a statement that is prepared there; of a portal where `results` says how its columns
    /// come.
    async fn describe(&mut self, statement: &Statement, results: Option<&[bool]>) -> Result<(), Stop> {
        if statement.is_empty {
            if results.is_none() {
                write::message(self.out(), b't', |body| body.extend_from_slice(&[0; 2]));
            }
            write::bare(self.out(), b'n');
            return Ok(());
        }
        if results.is_some() {
            // As long as nothing else was prepared under its name, this asks nothing of the server.
            self.prepare(statement, false).await?;
        }
        let server = self.server.as_mut().ok_or(Ended::Unknown)?;
        let described = server.describe(&statement.name, results).await;
        let told = self.failed_or(described)?;
        self.out().extend_from_slice(&told);
        Ok(())
    }

    /// What the server made of it, or why it did not, or the end.
    fn failed_or<T>(
        &mut self,
        made: Result<Result<T, Vec<(u8, String)>>, crate::upstream::postgres::Broken>,
    ) -> Result<T, Stop> {
        match made {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(fields)) => {
                let fields = fields.into_iter().map(|(letter, text)| (char::from(letter), text)).collect();
                Err(Said::Error { fields, ends: false }.into())
            }
            Err(broken) => Err(Ended::Server(broken).into()),
        }
    }

    fn close(&mut self, what: What<'_>) {
        let server = self.server.as_mut();
        match what {
            What::Statement(name) => {
                if let (Some(gone), Some(server)) = (self.statements.forget_statement(name), server) {
                    server.forget(What::Statement(&gone.name));
                }
            }
            What::Portal(name) => {
                if let (Some(gone), Some(server)) = (self.statements.forget_portal(name), server)
                    && gone.stage != Stage::Bound
                {
                    server.forget(What::Portal(&gone.name));
                }
            }
        }
    }

    async fn execute(&mut self, name: &str, most: u32) -> Result<(), Stop> {
        if !self.is_owed(name) {
            self.settle().await?;
        }
        let portal = self.statements.portal(name)?.clone();
        if portal.statement.is_empty {
            self.settle().await?;
            write::bare(self.out(), b'I');
            return Ok(());
        }
        // Where nothing else follows that belongs together with it, its transaction is over with it.
        let is_last = self.peek().await? == b'S';
        let owed = std::mem::take(&mut self.owed);
        let wanted = Wanted {
            statement: portal.statement.name.clone(),
            portal: portal.name.clone(),
            results: portal.results.clone(),
            most,
            describe: owed.described,
            is_last,
            tells_parsed: owed.parsed.is_some(),
            tells_bound: owed.bound.is_some(),
            simple: false,
        };
        let said = match portal.stage {
            Stage::Bound => self.ask(&portal.asked, wanted).await?,
            Stage::Open => self.go_on(wanted).await?,
            Stage::Done => Said::error("55000", format!("portal \"{name}\" cannot be run")),
        };
        if matches!(said, Said::Error { .. }) {
            return Err(said.into());
        }
        if let Ok(portal) = self.statements.portal(name) {
            portal.stage = if said == Said::Suspended { Stage::Open } else { Stage::Done };
        }
        self.say(&said);
        Ok(())
    }

    /// The next rows of a portal that a permit opened. What it reads was decided then, in this transaction.
    async fn go_on(&mut self, wanted: Wanted) -> Result<Said, Ended> {
        let (Some(server), Some(agent)) = (self.server.as_mut(), self.agent.as_mut()) else {
            return Err(Ended::Unknown);
        };
        let party = Party { session: self.session.id.clone(), task: None };
        let ran = server.go_on(&wanted, agent, &Talk::deaf(party)).await.map_err(Ended::Server)?;
        self.status = server.status();
        Ok(match ran.end {
            End::Done(tag) => {
                let mut out = Vec::new();
                write::tag(&mut out, &tag);
                Said::Done(out)
            }
            End::Suspended => Said::Suspended,
            End::Failed(fields) => {
                let fields = fields.into_iter().map(|(letter, text)| (char::from(letter), text)).collect();
                Said::Error { fields, ends: false }
            }
            End::Empty | End::Over(_) | End::TooLarge => return Err(Ended::Unknown),
        })
    }

    /// A simple query: its statements, one after the other, in one transaction unless they say otherwise.
    pub(super) async fn query(&mut self, text: &str) -> Result<(), Ended> {
        // The unnamed ones end with it.
        self.owed = Owed::default();
        self.statements.forget_statement("");
        self.statements.forget_portal("");
        self.sync_server().await?;
        // What cannot be told apart is asked for as it is, to be refused.
        let statements = split(text).unwrap_or_else(|_| vec![text]);
        if statements.is_empty() {
            write::bare(self.out(), b'I');
        }
        let count = statements.len();
        for (at, statement) in statements.into_iter().enumerate() {
            let wanted = Wanted { describe: true, simple: true, is_last: at + 1 == count, ..Wanted::default() };
            let asked = Arc::new(Asked::plain(statement));
            let said = self.ask(&asked, wanted).await?;
            if matches!(said, Said::Error { .. }) {
                return self.wrong(said, true).await;
            }
            self.say(&said);
        }
        self.sync_server().await?;
        self.ready();
        Ok(())
    }
}
