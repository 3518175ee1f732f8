//! Plays a pack at the front doors of a gate, and says of each attack what arrived behind it.

use std::io;
use std::path::Path;
use std::time::Duration;

use ambit_core::catalog::ResourceKind;
use ambit_effects::attempt::Attempt;
use serde::Serialize;
use serde_json::Value;

use super::door::{Door, Front, Say};
use super::envelope::{self, Call, quoted};
use super::lay::Ground;
use super::sample::{Arrival, Arrivals};
use super::{RangeError, over, shows};
use crate::gate::mcp::names::Naming;
use crate::offline::GivenTask;
use crate::offline::attack::pack::{Pack, Play, Slow};

/// The kinds of attacks that only a gate that runs can be tried with: name, and what it is.
pub const KINDS: &[(&str, &str)] = &[
    ("envelope", "a message that two readers read differently: two calls in one, a member twice, another generation"),
    ("replay", "what a person confirmed once, asked for and sent again, also by another agent"),
    ("token", "another agent's token, another task's, none, one that was never made"),
    ("drift", "a tool whose server changes its definition while the session goes on, saying so or not"),
    ("flood", "an allowed call many times at once, beyond what its lines let by"),
];

/// What came of it all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveAttacked {
    /// The ways in.
    pub fronts: Vec<Front>,
    /// How many calls the attacks started from.
    pub calls: usize,
    /// Of calls that the page allows by themselves so many were sent, as they are.
    pub plain: usize,
    /// And so many of these arrived: the gate was open.
    pub arrived: usize,
    /// What could not be played, and why.
    pub not_played: Vec<String>,
    /// Every attack.
    pub attacks: Vec<LiveAttack>,
}

impl LiveAttacked {
    /// Those that got through.
    pub fn through(&self) -> impl Iterator<Item = &LiveAttack> {
        self.attacks.iter().filter(|attack| attack.got_through)
    }
}

/// One attack at one door, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LiveAttack {
    /// Its kind.
    pub kind: &'static str,
    /// By which way it came in.
    pub front: Front,
    /// Where the call comes from that it started from.
    pub from: String,
    /// What was done to the call.
    pub done: String,
    /// What is called then, cut where it is long.
    pub tries: String,
    /// At most so many calls may arrive.
    pub most: usize,
    /// So many did.
    pub arrived: usize,
    /// Whether something arrived that must not.
    pub got_through: bool,
    /// What arrived and must not, as it arrived; cut where it is long.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub let_by: Vec<String>,
}

/// What is told while it is played: so many attacks are done, of so many.
pub type Watch<'a> = &'a mut dyn FnMut(usize, usize);

/// How long something may still be on its way behind a gate that has answered.
const LATE: Duration = Duration::from_millis(500);

/// Plays a whole pack on a ground.
///
/// # Errors
/// When the ground gives way, or the gate lets nothing by at all.
pub fn run(ground: &mut Ground, pack: &Pack, slow: &Slow<'_>, watch: Watch<'_>) -> Result<LiveAttacked, RangeError> {
    let not_opened = ground.open(&pack.tasks)?;
    let is_open = |play: &&Play| not_opened.iter().all(|(task, _)| *task != play.task);
    let mut pack = pack.clone();
    for plays in [&mut pack.allowed, &mut pack.held, &mut pack.refused, &mut pack.attacks] {
        plays.retain(|play| is_open(&play));
    }
    let pack = &pack;
    let all = pack.attacks.len() * Front::ALL.len();
    let calls = pack.allowed.len() + pack.held.len() + pack.refused.len();
    let mut player = Player::new(slow, &ground.arrivals(), ground.naming());
    let mut told = LiveAttacked {
        fronts: Front::ALL.to_vec(),
        calls,
        plain: 0,
        arrived: 0,
        not_played: not_opened.into_iter().map(|(_, why)| why).collect(),
        attacks: Vec::new(),
    };
    // As it is, each once: whether the gate is open at all, and which of them are good to attack with.
    let mut open: Vec<&Play> = Vec::new();
    for (at, play) in pack.allowed.iter().enumerate() {
        let front = Front::ALL.get(at % Front::ALL.len()).copied().unwrap_or(Front::Pipe);
        let came = player.play(&mut *ground.door(front, play.task), &pack.tasks, play)?;
        told.plain += 1;
        told.arrived += came.arrived.min(1);
        if came.arrived == 1 {
            open.push(play);
        }
        // Allowed calls come in as they are, and nothing else does.
        if came.got_through {
            told.attacks.push(came);
        }
    }
    if told.plain > 0 && told.arrived == 0 {
        return Err(RangeError::Closed(player.last.clone()));
    }
    shows::play(ground, pack, &mut player, &open, &mut told)?;
    let mut done = 0;
    for (task, given) in pack.tasks.iter().enumerate() {
        let plays: Vec<&Play> = pack.attacks.iter().filter(|play| play.task == task).collect();
        if plays.is_empty() {
            continue;
        }
        let mut doors: Vec<Box<dyn Door>> = Front::ALL.into_iter().map(|front| ground.door(front, task)).collect();
        for play in plays {
            let came = match play.kind {
                "flood" => Front::ALL
                    .into_iter()
                    .map(|front| player.flood(ground, front, play, given))
                    .collect::<Result<Vec<_>, _>>()?,
                _ => player.everywhere(&mut doors, &pack.tasks, play)?,
            };
            done += came.len();
            told.attacks.extend(came);
            watch(done, all);
        }
    }
    std::thread::sleep(LATE);
    told.attacks.extend(player.late(&pack.tasks)?);
    let place = |attack: &LiveAttack| kinds().position(|(kind, _)| kind == attack.kind);
    told.attacks.sort_by_key(place);
    Ok(told)
}

/// All kinds, those that are tried offline first.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    crate::offline::attack::KINDS.iter().chain(KINDS).copied()
}

/// Who plays, and sees what arrives.
pub struct Player<'a> {
    slow: &'a Slow<'a>,
    arrivals: Arrivals,
    naming: Naming,
    /// The last answer.
    pub last: String,
}

impl<'a> Player<'a> {
    /// A player in front of systems that write down there what arrives, for an agent that sees tools named so.
    #[must_use]
    pub fn new(slow: &'a Slow<'a>, arrivals: &Path, naming: Naming) -> Player<'a> {
        Player { slow, arrivals: Arrivals::of(arrivals), naming, last: String::new() }
    }

    /// Plays one attack at a door.
    ///
    /// # Errors
    /// When the door does not open, or what arrived cannot be read.
    pub fn play(&mut self, door: &mut dyn Door, tasks: &[GivenTask], play: &Play) -> Result<LiveAttack, RangeError> {
        for call in &play.calls {
            let say = self.say_of(call);
            self.say(door, &say)?;
        }
        let none = GivenTask::default();
        let task = tasks.get(play.task).unwrap_or(&none);
        let arrived = self.arrivals.new_ones()?;
        Ok(self.came(door.front(), play, task, &arrived))
    }

    /// Plays one attack at every door: at all at once where nothing may arrive, and by turns where something may or did.
    fn everywhere(
        &mut self,
        doors: &mut [Box<dyn Door>],
        tasks: &[GivenTask],
        play: &Play,
    ) -> Result<Vec<LiveAttack>, RangeError> {
        over::go_on()?;
        let mut came = Vec::new();
        if play.most == 0 {
            let says: Vec<Say> = play.calls.iter().map(|call| self.say_of(call)).collect();
            std::thread::scope(|scope| {
                for door in doors.iter_mut() {
                    // What the gate says is not what counts.
                    scope.spawn(|| says.iter().for_each(|say| drop(door.say(say))));
                }
            });
            let none = GivenTask::default();
            let task = tasks.get(play.task).unwrap_or(&none);
            let arrived = self.arrivals.new_ones()?;
            if arrived.is_empty() {
                return Ok(doors.iter().map(|door| self.came(door.front(), play, task, &[])).collect());
            }
            // By which door it was shows when it is done again; this is held against the first, so that it is told.
            came.push(self.came(Front::Pipe, play, task, &arrived));
        }
        for door in doors {
            came.push(self.play(&mut **door, tasks, play)?);
        }
        Ok(came)
    }

    /// Says something, and keeps the answer. A door that does not answer is an answer too: what counts is what arrives.
    pub(super) fn say(&mut self, door: &mut dyn Door, say: &Say) -> Result<(), RangeError> {
        over::go_on()?;
        match door.say(say) {
            Ok(answer) => self.last = answer,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => self.last = "no answer came in time".to_owned(),
            Err(error) => self.last = error.to_string(),
        }
        Ok(())
    }

    /// What arrived since it was last asked.
    pub(super) fn new_ones(&mut self) -> Result<Vec<Arrival>, RangeError> {
        Ok(self.arrivals.new_ones()?)
    }

    /// What came of an attack.
    pub(super) fn came(&self, front: Front, play: &Play, task: &GivenTask, arrived: &[Arrival]) -> LiveAttack {
        // Nobody confirms here, so what arrives must be what the page lets by without a person.
        let is_wrong = |one: &&Arrival| !self.slow.lets_by(task, &one.system, &one.operation, &one.params);
        let mut let_by: Vec<String> = arrived.iter().filter(is_wrong).map(shown).collect();
        if arrived.len() > play.most {
            let_by.extend(arrived.iter().filter(|one| !is_wrong(one)).skip(play.most).map(shown));
        }
        LiveAttack {
            kind: play.kind,
            front,
            from: play.from.clone(),
            done: play.done.clone(),
            tries: play.shown(),
            most: play.most,
            arrived: arrived.len(),
            got_through: !let_by.is_empty(),
            let_by,
        }
    }

    /// What came of an attack of which only the number counts: a person confirmed some of it, or nothing may arrive.
    pub(super) fn counted(&self, front: Front, play: &Play, arrived: usize) -> LiveAttack {
        let mut came = self.came(front, play, &GivenTask::default(), &[]);
        came.arrived = arrived;
        came.got_through = arrived > play.most;
        came.let_by.extend(came.got_through.then(|| format!("{arrived} calls, of which at most {} may", play.most)));
        came
    }

    /// Sends all calls of an attack at once, by doors of their own.
    fn flood(
        &mut self,
        ground: &Ground,
        front: Front,
        play: &Play,
        task: &GivenTask,
    ) -> Result<LiveAttack, RangeError> {
        const DOORS: usize = 8;
        over::go_on()?;
        let says: Vec<Say> = play.calls.iter().map(|call| self.say_of(call)).collect();
        std::thread::scope(|scope| {
            for part in says.chunks(says.len().div_ceil(DOORS).max(1)) {
                scope.spawn(move || {
                    let mut door = ground.door(front, play.task);
                    // What does not come in does not arrive.
                    part.iter().for_each(|say| drop(door.say(say)));
                });
            }
        });
        let arrived = self.arrivals.new_ones()?;
        Ok(self.came(front, play, task, &arrived))
    }

    /// What arrived when everything was over: it belongs to some attack, and nobody knows to which.
    fn late(&mut self, tasks: &[GivenTask]) -> Result<Option<LiveAttack>, RangeError> {
        let arrived = self.arrivals.new_ones()?;
        if arrived.is_empty() {
            return Ok(None);
        }
        let play = Play {
            kind: "envelope",
            from: "any of them".to_owned(),
            done: "arrive after everything was answered".to_owned(),
            task: 0,
            calls: Vec::new(),
            most: 0,
        };
        let task = tasks.first().cloned().unwrap_or_default();
        Ok(Some(self.came(Front::Pipe, &play, &task, &arrived)))
    }

    /// How a call is said at a door.
    pub(super) fn say_of(&self, attempt: &Attempt) -> Say {
        let Attempt::Call { system, name, arguments } = attempt else {
            return Say::Request("ping".to_owned(), "{}".to_owned());
        };
        let catalog = self.slow.policy.catalog();
        let found = catalog.system_named(system).and_then(|id| catalog.resource_named(id, name));
        let kind = found.and_then(|id| catalog.resource(id)).map_or(ResourceKind::Tool, |resource| resource.kind);
        match kind {
            ResourceKind::Document => Say::Request("resources/read".to_owned(), arguments.clone()),
            ResourceKind::Prompt => Say::Request("prompts/get".to_owned(), prompt(self.naming, system, arguments)),
            _ => {
                let call = self.call(system, name, found.is_some(), arguments);
                let params = format!("{{\"name\":{},\"arguments\":{}}}", quoted(&call.name), call.arguments);
                Say::Request("tools/call".to_owned(), params)
            }
        }
    }

    /// A call of a tool under the name by which it is seen. What is no tool is written as it would be guessed.
    pub(super) fn call(&self, system: &str, name: &str, is_known: bool, arguments: &str) -> Call {
        let name = match (self.naming, is_known) {
            (naming, true) => naming.exposed(system, name),
            (Naming::Own, false) => name.to_owned(),
            (Naming::WithSystem, false) => format!("{system}__{name}"),
        };
        Call { name, arguments: arguments.to_owned() }
    }
}

/// The parameters of a prompt, with its name as agents see it.
fn prompt(naming: Naming, system: &str, arguments: &str) -> String {
    let Ok(Value::Object(mut read)) = serde_json::from_str(arguments) else { return arguments.to_owned() };
    let name = read.get("name").and_then(Value::as_str).map(|name| naming.exposed(system, name));
    read.extend(name.map(|name| ("name".to_owned(), Value::String(name))));
    Value::Object(read).to_string()
}

fn shown(arrival: &Arrival) -> String {
    const MOST: usize = 300;
    let whole = format!("{}: {} {}", arrival.system, arrival.operation, arrival.params);
    match whole.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", whole.get(..at).unwrap_or_default()),
        None => whole,
    }
}

/// The messages that hide a call, at one door.
pub(super) fn envelopes(front: Front, allowed: &Call, not: &Call) -> Vec<(&'static str, Say)> {
    envelope::messages(front, allowed, not)
}
