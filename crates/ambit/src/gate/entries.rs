//! The records of an asking, as they go into the journal.

use std::collections::BTreeSet;

use ambit_core::decision::{Bound, Decision, Verdict};
use ambit_core::effect::{Effect, Verb};
use ambit_core::reading::{BuiltIn, Reading};
use ambit_core::returns::NamedPart;
use serde_json::{Value, json};

use super::judge::Judge;
use super::pass::{Ask, Case, Draft, Ruling};
use super::refuse::Refusal;
use crate::escape::escape;
use crate::journal::{Entry, Kind};
use crate::store::{Durability, Put};

/// Whether an action may change something. Only what is read whole, and reads, does not.
#[must_use]
pub fn changes(judge: &Judge, reading: &Reading) -> bool {
    let reads = |effect: &Effect| match effect.verb {
        Verb::Read => true,
        Verb::Call => judge.catalog().resource(effect.resource).is_some_and(|resource| resource.declared.reads_only),
        _ => false,
    };
    // What is about the agent's own session may be the end of a transaction, which is when changes come to stand.
    let is_nothing = reading.effects.is_empty() && reading.built_in.is_empty();
    let is_of_session = reading.built_in.contains(&BuiltIn::Session);
    !reading.unread.is_empty() || is_nothing || is_of_session || !reading.effects.iter().all(reads)
}

/// The key under which an allowed action that changes something is kept while nobody knows what came of it.
#[must_use]
pub fn flight_key(agent: &str, ask: &str) -> String {
    format!("flight/{agent}/{ask}")
}

fn asked(ask: &Ask<'_>) -> Entry {
    let action = ask.action;
    Entry {
        details: json!({
            "ask": ask.id, "gate": action.gate.word(), "task": action.task, "system": action.system,
            "operation": action.operation, "name": action.name, "bytes": action.payload.len(),
        }),
        payload: Some(action.payload.clone()),
        ..about(Kind::Asked, ask)
    }
}

fn about(kind: Kind, ask: &Ask<'_>) -> Entry {
    Entry {
        agent: Some(ask.action.agent.clone()),
        session: Some(ask.session.id.clone()),
        action: Some(ask.digest),
        ..Entry::new(kind)
    }
}

fn decided(case: &Case<'_>, decision: &Decision, more: Value) -> Entry {
    let mut details = json!({
        "ask": case.ask.id,
        "verdict": decision.verdict,
        "release": case.judge.release().number,
        "release-digest": case.judge.release_digest(),
        "grounds": decision.grounds.iter().map(|ground| json!({
            "verdict": ground.verdict,
            "line": ground.line.and_then(|line| case.judge.policy().line(line)).map(|line| line.line.at.line),
            "effect": ground.effect,
            "unread": ground.unread,
            "why": ground.why,
        })).collect::<Vec<_>>(),
        "bounds": decision.bounds.iter().map(bound).collect::<Vec<_>>(),
        "charges": decision.charges.iter().map(|charge| json!({
            "limit": case.judge.limit(charge.limit).map(|limit| limit.name.as_str()), "amount": charge.amount,
        })).collect::<Vec<_>>(),
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut details, more) {
        all.extend(more);
    }
    Entry { details, ..about(Kind::Decided, case.ask) }
}

/// A bound, short: parts of a result are named as what they are, each once.
fn bound(bound: &Bound) -> Value {
    let Bound::Returns(returns) = bound else { return json!(bound) };
    let names = |parts: &[NamedPart]| parts.iter().map(NamedPart::name).collect::<BTreeSet<_>>();
    json!({ "returns": { "kept": names(&returns.kept), "withheld": names(&returns.withheld) } })
}

pub(crate) fn allowed(case: &Case<'_>, decision: Decision, charges: Vec<Put>) -> Draft {
    let (action, changes) = (case.ask.action, changes(case.judge, case.reading));
    let entries = vec![asked(case.ask), decided(case, &decision, json!({ "changes": changes }))];
    let mut puts = charges;
    if changes {
        let value = json!({
            "agent": action.agent, "session": case.ask.session.id, "ask": case.ask.id, "action": case.ask.digest,
            "system": action.system, "name": action.name, "at": case.means.now(),
        });
        let value = Some(value.to_string().into_bytes());
        puts.push(Put { key: flight_key(&action.agent, &case.ask.id), expect: 0, value });
    }
    Draft {
        ruling: Ruling::Allow(decision),
        entries,
        puts: Box::new(move |_| puts),
        durability: if changes { Durability::Now } else { Durability::Soon },
        noted: None,
    }
}

pub(crate) fn refused(case: &Case<'_>, decision: &Decision, refusal: Refusal) -> Draft {
    let decided = decided(case, decision, json!({ "verdict": Verdict::Refuse, "cause": refusal.cause }));
    Draft { entries: vec![asked(case.ask), decided], ..draft(refusal) }
}

/// Refused although the scope would let it, because its system cannot be asked: why is recorded, and not told to the agent.
pub(crate) fn not_there(case: &Case<'_>, decision: &Decision, refusal: Refusal, why: &str) -> Draft {
    let more = json!({ "verdict": Verdict::Refuse, "cause": refusal.cause, "why": escape(why) });
    let decided = decided(case, decision, more);
    Draft { entries: vec![asked(case.ask), decided], ..draft(refusal) }
}

/// Refused because the agent was stopped, or its task ended, before its turn.
pub(crate) fn stopped(case: &Case<'_>, refusal: Refusal) -> Draft {
    Draft { entries: refused_unread(case.ask, &refusal), ..draft(refusal) }
}

fn draft(refusal: Refusal) -> Draft {
    Draft {
        ruling: Ruling::Refuse(refusal),
        entries: Vec::new(),
        puts: Box::new(|_| Vec::new()),
        durability: Durability::Now,
        noted: None,
    }
}

/// What was refused without being read is kept whole only up to this size, so that nobody fills the disk with it.
pub(crate) const UNREAD_BYTES: usize = 64 << 10;

pub(crate) fn refused_unread(ask: &Ask<'_>, refusal: &Refusal) -> Vec<Entry> {
    let details = json!({ "ask": ask.id, "verdict": Verdict::Refuse, "cause": refusal.cause });
    let mut asked = asked(ask);
    if ask.action.payload.len() > UNREAD_BYTES {
        // Its digest is in the record, as the action's.
        asked.payload = None;
    }
    vec![asked, Entry { details, ..about(Kind::Decided, ask) }]
}

/// Asked and decided, of an asking that begins a hold or joins one.
pub(crate) fn held(case: &Case<'_>, decision: &Decision, hold: &str) -> Vec<Entry> {
    [asked(case.ask), decided(case, decision, json!({ "hold": hold }))]
        .into_iter()
        .map(|entry| Entry { hold: Some(hold.to_owned()), ..entry })
        .collect()
}
