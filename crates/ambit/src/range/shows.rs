//! The attacks that only a gate that runs can be tried with: messages that hide a call, replays, foreign tokens, drift.

use std::time::Duration;

use ambit_effects::attempt::Attempt;
use serde_json::Value;

use super::door::{Door, Front, Say};
use super::lay::{Ground, OTHER};
use super::play::{LiveAttacked, Player, envelopes};
use super::{RangeError, over};
use crate::offline::GivenTask;
use crate::offline::attack::pack::{Pack, Play};

/// A server that changed is noticed after so long at the latest, where it does not say so.
const NOTICED: Duration = Duration::from_secs(6);
/// And where it says so.
const TOLD: Duration = Duration::from_millis(400);

/// Plays all of them. `open` are calls that arrived as they are.
pub(super) fn play(
    ground: &Ground,
    pack: &Pack,
    player: &mut Player<'_>,
    open: &[&Play],
    told: &mut LiveAttacked,
) -> Result<(), RangeError> {
    let stage = Stage { ground, tasks: &pack.tasks };
    let Some(good) = stage.lasting(player, open)? else {
        let why =
            "the page allows no call twice by itself, so that tokens, drift and messages with two calls were not tried";
        told.not_played.push(why.to_owned());
        return stage.replays(pack, player, told);
    };
    for bad in [pack.refused.first(), pack.held.first()].into_iter().flatten() {
        stage.messages(player, good, bad, told)?;
    }
    stage.tokens(player, good, told)?;
    stage.replays(pack, player, told)?;
    stage.drift(player, good, told)
}

struct Stage<'a> {
    ground: &'a Ground,
    tasks: &'a [GivenTask],
}

impl Stage<'_> {
    fn task(&self, play: &Play) -> GivenTask {
        self.tasks.get(play.task).cloned().unwrap_or_default()
    }

    /// A call that arrives as it is also the second time, so that no limit explains why it later does not.
    fn lasting<'a>(&self, player: &mut Player<'_>, open: &[&'a Play]) -> Result<Option<&'a Play>, RangeError> {
        for play in open {
            let mut door = self.ground.door(Front::Pipe, play.task);
            let mut arrive = 0;
            for _ in 0..2 {
                arrive += self.sent(player, &mut *door, play)?;
            }
            if arrive == 2 {
                return Ok(Some(play));
            }
        }
        Ok(None)
    }

    /// How many calls of it arrive when it is sent once as it is.
    fn sent(&self, player: &mut Player<'_>, door: &mut dyn Door, play: &Play) -> Result<usize, RangeError> {
        for call in &play.calls {
            let say = player.say_of(call);
            player.say(door, &say)?;
        }
        Ok(player.new_ones()?.len())
    }

    fn messages(
        &self,
        player: &mut Player<'_>,
        good: &Play,
        bad: &Play,
        told: &mut LiveAttacked,
    ) -> Result<(), RangeError> {
        let (Some((system, name, arguments)), Some((of, hides, with))) = (call_of(good), call_of(bad)) else {
            return Ok(());
        };
        for front in Front::ALL {
            let mut door = self.ground.door(front, good.task);
            let allowed = player.call(system, name, true, arguments);
            let not = player.call(of, hides, true, with);
            for (done, say) in envelopes(front, &allowed, &not) {
                player.say(&mut *door, &say)?;
                let arrived = player.new_ones()?;
                // Of two calls the allowed one may arrive; the slow reading looks at whatever does.
                let play = self.named("envelope", bad, done, 1);
                told.attacks.push(player.came(front, &play, &self.task(good), &arrived));
            }
        }
        Ok(())
    }

    fn named(&self, kind: &'static str, of: &Play, done: &str, most: usize) -> Play {
        Play { kind, from: of.from.clone(), done: done.to_owned(), task: of.task, calls: of.calls.clone(), most }
    }

    /// Tokens that are not this agent's open nothing of it.
    fn tokens(&self, player: &mut Player<'_>, good: &Play, told: &mut LiveAttacked) -> Result<(), RangeError> {
        let task = GivenTask { request: Some("Have a look.".to_owned()), ..GivenTask::default() };
        self.ground.open_task(OTHER, &task, "task.other")?;
        self.ground.write("token.none", "")?;
        self.ground.write("token.made-up", &format!("ambit_{}", "A".repeat(43)))?;
        let tokens = [
            ("with another agent's token", format!("token.{OTHER}")),
            ("with the token of another agent's task", "task.other".to_owned()),
            ("with no token", "token.none".to_owned()),
            ("with a token that nobody made", "token.made-up".to_owned()),
        ];
        for front in Front::ALL {
            for (done, file) in &tokens {
                let mut door = self.ground.door_of(front, file)?;
                for call in &good.calls {
                    let say = player.say_of(call);
                    player.say(&mut *door, &say)?;
                }
                let arrived = player.new_ones()?;
                let play = self.named("token", good, done, 0);
                told.attacks.push(player.came(front, &play, &self.task(good), &arrived));
            }
        }
        Ok(())
    }

    /// What waits runs once when a person confirms it, however often it is asked for, and by whom.
    fn replays(&self, pack: &Pack, player: &mut Player<'_>, told: &mut LiveAttacked) -> Result<(), RangeError> {
        if pack.held.is_empty() {
            told.not_played.push("the page holds no call, so that nothing was replayed".to_owned());
            return Ok(());
        }
        for held in pack.held.iter().take(MOST_HELD) {
            let mut door = self.ground.door(Front::Pipe, held.task);
            let before = self.sent(player, &mut *door, held)?;
            let Some(hold) = hold_in(&player.last) else { continue };
            let pending = Say::Request("tools/call".to_owned(), pending(&hold));
            // Before anybody answered: asked by everybody, in every way.
            let mut early = before;
            for front in Front::ALL {
                player.say(&mut *self.ground.door(front, held.task), &pending)?;
                let mut other = self.ground.door_of(front, &format!("token.{OTHER}"))?;
                player.say(&mut *other, &pending)?;
                early += player.new_ones()?.len();
            }
            let is_confirmed = self.ground.confirms(&hold);
            let mut late = 0;
            for front in Front::ALL {
                let mut door = self.ground.door(front, held.task);
                player.say(&mut *door, &pending)?;
                late += player.new_ones()?.len() + self.sent(player, &mut *door, held)?;
            }
            over::rest(TOLD)?;
            late += player.new_ones()?.len();
            let most = usize::from(is_confirmed);
            for (done, most, arrived) in [
                ("ask for it before a person answers, also as another agent", 0, early),
                ("ask for it and send it again after a person confirmed it once", most, late),
            ] {
                let play = self.named("replay", held, done, most);
                told.attacks.push(player.counted(Front::Pipe, &play, arrived));
            }
            if is_confirmed && late > 0 {
                return Ok(());
            }
        }
        let why = "nobody could confirm one of the calls that the page holds, so that no confirmation was replayed";
        told.not_played.push(why.to_owned());
        Ok(())
    }

    /// A tool that is no longer what was pinned is not called.
    fn drift(&self, player: &mut Player<'_>, good: &Play, told: &mut LiveAttacked) -> Result<(), RangeError> {
        let mut doors: Vec<_> = Front::ALL.into_iter().map(|front| self.ground.door(front, good.task)).collect();
        for (is_told, wait, done) in [
            (true, TOLD, "change its definition in the middle of a session, and say so"),
            (false, NOTICED, "change its definition in the middle of a session, and say nothing"),
        ] {
            // The session is open, and the call arrives.
            for door in &mut doors {
                let arrived = self.sent(player, &mut **door, good)?;
                if arrived != 1 {
                    told.not_played.push(format!("{done}: the call no longer arrived as it is"));
                    return Ok(());
                }
            }
            self.ground.drift(Some(is_told))?;
            over::rest(wait)?;
            for door in &mut doors {
                let arrived = self.sent(player, &mut **door, good)?;
                let play = self.named("drift", good, done, 0);
                told.attacks.push(player.counted(door.front(), &play, arrived));
            }
            self.ground.drift(None)?;
            over::rest(if is_told { TOLD } else { NOTICED })?;
        }
        Ok(())
    }
}

/// So many held calls are tried until a person may confirm one.
const MOST_HELD: usize = 8;

fn call_of(play: &Play) -> Option<(&str, &str, &str)> {
    match play.calls.first()? {
        Attempt::Call { system, name, arguments } => Some((system, name, arguments)),
        Attempt::Sql { .. } => None,
    }
}

fn pending(hold: &str) -> String {
    format!("{{\"name\":\"ambit_pending\",\"arguments\":{{\"id\":{}}}}}", super::envelope::quoted(hold))
}

/// The id of a hold in what an agent is told.
fn hold_in(answer: &str) -> Option<String> {
    let read: Value = serde_json::from_str(answer.trim()).ok()?;
    let found = ["/result/structuredContent/id", "/result/_meta/ambit~1answer/id"];
    found.iter().find_map(|path| read.pointer(path)?.as_str().map(str::to_owned))
}
