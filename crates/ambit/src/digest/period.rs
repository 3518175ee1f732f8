//! Reading the journal for an account.

use std::collections::BTreeMap;

use ambit_core::hold::State;
use ambit_core::time::Timestamp;
use serde_json::Value;

use super::account::{Account, AgentAccount, By, ByLine, Called, Event, House, Released, TaskBy, What, Why};
use super::first;
use super::lines::{Lines, short};
use crate::confirm::{self, Kept};
use crate::gate::stops::EVERYBODY;
use crate::journal::{JournalError, Kind, Record, tail};
use crate::store::Store;

/// Which while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The records after this one, whatever their time: so that two whiles that follow one another leave nothing out, also
    /// when the clock was set. Nothing: those written since `from`.
    pub after: Option<u64>,
}

// Agents told of; a record of another is counted.
const AGENTS: usize = 256;
// What is told of event by event.
const EVENTS: usize = 50;
// Askings and holds of which it is remembered what they call, until their end was read.
const REMEMBERED: usize = 4_096;

/// What happened in that while, to one agent or to all.
///
/// # Errors
/// When the journal cannot be read.
pub fn account(store: &dyn Store, agent: Option<&str>, period: Period) -> Result<Account, JournalError> {
    let start = match period.after {
        Some(after) => after.saturating_add(1),
        None => first_since(store, period.from)?,
    };
    let mut reading = Reading {
        account: Account {
            from: period.from,
            until: period.until,
            last_record: start.saturating_sub(1),
            look_first: Vec::new(),
            agents: BTreeMap::new(),
            more_agents: 0,
            house: House::default(),
        },
        lines: Lines::new(store),
        called: BTreeMap::new(),
        store,
    };
    for row in tail::rows(store, start) {
        let record = Record::read(row?)?;
        if record.time > period.until {
            break;
        }
        reading.account.last_record = record.sequence;
        let fits = agent.is_none_or(|agent| record.agent.as_deref().is_none_or(|of| of == agent));
        if fits && (period.after.is_some() || record.time >= period.from) {
            reading.note(&record);
        }
    }
    reading.now(agent)?;
    let mut account = reading.account;
    account.look_first = first::look(&account);
    Ok(account)
}

/// The first record of that time or later. Records are in the order of their times, but for a clock that was set back: those
/// that it wrote twice over may be left out.
fn first_since(store: &dyn Store, since: Timestamp) -> Result<u64, JournalError> {
    let (mut low, mut high) = (1, store.last_row()?.map_or(0, |row| row.sequence).saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let row = store.rows(middle, 1)?.into_iter().next();
        let early = match row {
            Some(row) => Record::read(row)?.time < since,
            None => false,
        };
        if early { low = middle + 1 } else { high = middle }
    }
    Ok(low)
}

struct Reading<'a> {
    account: Account,
    lines: Lines<'a>,
    // What askings (`ask`) and holds (their id) call.
    called: BTreeMap<String, String>,
    store: &'a dyn Store,
}

impl Reading<'_> {
    fn note(&mut self, record: &Record) {
        let details = &record.details;
        let Some(name) = record.agent.as_deref() else { return self.note_house(record) };
        if record.kind == Kind::Asked {
            // Its agent is told of with the decision, which was written in the same breath.
            return self.remember(record);
        }
        if !self.account.agents.contains_key(name) && self.account.agents.len() >= AGENTS {
            self.account.more_agents = self.account.more_agents.saturating_add(1);
            return;
        }
        let called = told(record, self.called_by(record));
        let mut of = self.account.agents.remove(name).unwrap_or_default();
        let person = || record.person.as_deref().map_or_else(|| "somebody".to_owned(), short);
        match record.kind {
            Kind::Decided => self.decided(&mut of, name, record, &called),
            Kind::Confirmed => of.confirmed.count(By { person: person(), called }),
            Kind::HoldRefused => of.refused_by_people.count(By { person: person(), called }),
            Kind::HoldExpired => of.expired.count(Called { called }),
            Kind::HoldWithdrawn => of.withdrawn.count(Why { called, why: text(details, "because") }),
            Kind::Outcome => match details.get("outcome").and_then(Value::as_str) {
                Some("error") => of.errors.count(Called { called }),
                Some("not-sent") => of.not_sent.count(Called { called }),
                _ => {}
            },
            Kind::OutcomeUnknown => of.outcome_unknown.count(Called { called }),
            Kind::Stopped => push(&mut of.stopped, event(record)),
            Kind::Resumed => push(&mut of.resumed, event(record)),
            Kind::Released => push(&mut of.releases, released(record)),
            Kind::TaskOpened => of.tasks_opened.count(TaskBy {
                task: text(details, "name"),
                person: person(),
                caller: details.get("caller").and_then(Value::as_str).map(short),
            }),
            Kind::TaskClosed => of.tasks_closed = of.tasks_closed.saturating_add(1),
            // A trip stands in the record of the stop that it was.
            Kind::Flagged if details.get("trip").is_some() => {}
            Kind::Flagged => of.flags.count(flag(details)),
            // A task's token comes and goes with its task.
            Kind::Token if details.get("task").is_none() => {
                let what = format!("a token of {} was {}", short(name), text(details, "change"));
                self.account.house.tokens.count(What { what });
            }
            _ => {}
        }
        self.account.agents.insert(name.to_owned(), of);
        self.forget(record);
    }

    fn note_house(&mut self, record: &Record) {
        let (details, house) = (&record.details, &mut self.account.house);
        match record.kind {
            Kind::Started => house.starts = house.starts.saturating_add(1),
            Kind::Flagged if details.get("trip").is_some() => {}
            Kind::Flagged => house.flags.count(flag(details)),
            Kind::Person => {
                let who = record.person.as_deref().map(short).unwrap_or_default();
                house.people.count(What { what: format!("the key of {who} was {}", text(details, "change")) });
            }
            Kind::Token => {
                let what = format!("a token of the caller {} was {}", text(details, "caller"), text(details, "change"));
                house.tokens.count(What { what });
            }
            Kind::Erased => house.erased = house.erased.saturating_add(1),
            Kind::Stopped => push(&mut house.stopped, event(record)),
            Kind::Resumed => push(&mut house.resumed, event(record)),
            _ => {}
        }
    }

    fn decided(&mut self, of: &mut AgentAccount, agent: &str, record: &Record, called: &str) {
        let details = &record.details;
        let verdict = details.get("verdict").and_then(Value::as_str).unwrap_or_default();
        let cause = details.get("cause").and_then(Value::as_str);
        let release = details.get("release").and_then(Value::as_u64);
        let grounds = details.get("grounds").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut by_line = |line: Option<u64>, why: Option<&str>| ByLine {
            called: called.to_owned(),
            text: line.zip(release).and_then(|(line, release)| self.lines.text(agent, release, line)),
            release: release.filter(|_| line.is_some()),
            line,
            why: why.map(short),
        };
        let word = |ground: &Value, name: &str| ground.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let line_of = |ground: &Value| ground.get("line").and_then(Value::as_u64);
        let mut over: Vec<u64> =
            grounds.iter().filter(|ground| word(ground, "why") == "over-limit").filter_map(line_of).collect();
        over.dedup();
        for line in over {
            of.limits_ran_out.count(by_line(Some(line), None));
        }
        if cause == Some("drift") {
            of.drift.count(Called { called: called.to_owned() });
        }
        // The first ground of that verdict that points at a line; else what it was.
        let by_scope = cause.is_none_or(|cause| cause == "scope");
        let its = grounds.iter().filter(|ground| by_scope && word(ground, "verdict") == verdict);
        let best = its.clone().find(|ground| word(ground, "why") == "matches" && line_of(ground).is_some());
        let best = best.or_else(|| its.clone().find(|ground| line_of(ground).is_some())).or_else(|| its.clone().next());
        let found = match best {
            Some(ground) => {
                let why = word(ground, "why");
                by_line(line_of(ground), Some(why.as_str()).filter(|why| *why != "matches"))
            }
            None => by_line(None, cause.or(Some("not told"))),
        };
        match verdict {
            "allow" => of.allowed.count(found),
            "hold" => of.held.count(found),
            _ => of.refused.count(found),
        }
    }

    /// Remembers what an asking calls, and the hold that it becomes or joins.
    fn remember(&mut self, record: &Record) {
        let called = called(&record.details);
        let keys = [record.details.get("ask").and_then(Value::as_str), record.hold.as_deref()];
        for key in keys.into_iter().flatten() {
            if self.called.len() < REMEMBERED {
                self.called.insert(key.to_owned(), called.clone());
            }
        }
    }

    /// What a record is about: as its asking said, else as the hold in the store has it.
    fn called_by(&self, record: &Record) -> String {
        let ask = record.details.get("ask").and_then(Value::as_str);
        let keys = [ask, record.hold.as_deref()];
        if let Some(found) = keys.into_iter().flatten().find_map(|key| self.called.get(key)) {
            return found.clone();
        }
        let kept = record.hold.as_deref().and_then(|id| self.store.get(&confirm::key(id)).ok()?);
        let kept = kept.and_then(|found| serde_json::from_slice::<Kept>(&found.value).ok());
        kept.map_or_else(
            || "something asked for earlier".to_owned(),
            |kept| named(&kept.frame.system, &kept.frame.operation, &kept.frame.name),
        )
    }

    /// Forgets what nothing more is told of.
    fn forget(&mut self, record: &Record) {
        let ends = match record.kind {
            Kind::Outcome | Kind::OutcomeUnknown => true,
            Kind::Decided => record.details.get("verdict").and_then(Value::as_str) != Some("allow"),
            _ => false,
        };
        if let (true, Some(ask)) = (ends, record.details.get("ask").and_then(Value::as_str)) {
            self.called.remove(ask);
        }
        if matches!(
            record.kind,
            Kind::Outcome | Kind::OutcomeUnknown | Kind::HoldExpired | Kind::HoldRefused | Kind::HoldWithdrawn
        ) && let Some(hold) = &record.hold
        {
            self.called.remove(hold);
        }
    }

    /// How things stand now.
    fn now(&mut self, agent: Option<&str>) -> Result<(), JournalError> {
        for found in self.store.scan("stop/")? {
            match found.key.strip_prefix("stop/") {
                Some(EVERYBODY) => self.account.house.is_stopped = true,
                Some(name) if agent.is_none_or(|agent| agent == name) => {
                    self.account.agents.entry(name.to_owned()).or_default().is_stopped = true;
                }
                _ => {}
            }
        }
        for found in self.store.scan("hold/")? {
            let Ok(kept) = serde_json::from_slice::<Kept>(&found.value) else { continue };
            if kept.hold.state == State::Waiting && agent.is_none_or(|agent| agent == kept.agent()) {
                let of = self.account.agents.entry(kept.agent().to_owned()).or_default();
                of.waiting = of.waiting.saturating_add(1);
            }
        }
        Ok(())
    }
}

fn called(details: &Value) -> String {
    let word = |name: &str| details.get(name).and_then(Value::as_str).unwrap_or_default();
    named(word("system"), word("operation"), word("name"))
}

/// What is called, as a scope names it. Of a resource only that it is one: its address may hold what an argument does.
fn named(system: &str, operation: &str, name: &str) -> String {
    match operation {
        "resources/read" | "resources/subscribe" => short(&format!("{system}.resource")),
        "prompts/get" => short(&format!("{system}.prompt")),
        "completion/complete" => short(&format!("{system}.completion")),
        _ => short(&format!("{system}.{name}")),
    }
}

/// What is told of what a record is about. Where nothing found it in the lock, its name is whatever the agent wrote, and an
/// agent writes nothing into what its owner reads.
fn told(record: &Record, called: String) -> String {
    let looked_up = record.details.get("release").is_some();
    if record.kind != Kind::Decided || looked_up {
        return called;
    }
    match record.details.get("cause").and_then(Value::as_str) {
        // Arguments that do not fit are those of a tool that was found.
        Some("invalid") => called,
        Some("unknown") => "something that is not in the lock".to_owned(),
        _ => "something that was not looked up".to_owned(),
    }
}

fn text(details: &Value, name: &str) -> String {
    details.get(name).and_then(Value::as_str).map(short).unwrap_or_default()
}

fn texts(details: &Value, name: &str) -> Vec<String> {
    let all = details.get(name).and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).take(EVENTS).map(short).collect()
}

fn event(record: &Record) -> Event {
    Event { at: record.time, person: record.person.as_deref().map(short), because: text(&record.details, "because") }
}

fn released(record: &Record) -> Released {
    let details = &record.details;
    Released {
        release: details.get("release").and_then(Value::as_u64).unwrap_or(0),
        at: record.time,
        person: record.person.as_deref().map(short).unwrap_or_default(),
        because: text(details, "because"),
        widens: texts(details, "widens"),
        narrows: texts(details, "narrows"),
        overrides: texts(details, "overrides"),
        until: details.get("until").and_then(Value::as_i64).map(Timestamp),
        reverts_to: details.get("reverts-to").and_then(Value::as_u64),
    }
}

/// A flag in our own words: what a server wrote is not among them.
fn flag(details: &Value) -> What {
    let of = ["system", "caller", "presented-for"].iter().find_map(|name| {
        let value = details.get(*name).and_then(Value::as_str)?;
        Some(format!("{}: {}", name.replace('-', " "), short(value)))
    });
    let what = text(details, "flag");
    What { what: of.map_or_else(|| what.clone(), |of| format!("{what} ({of})")) }
}

fn push<T>(all: &mut Vec<T>, one: T) {
    if all.len() < EVENTS {
        all.push(one);
    }
}
