//! An account in plain words, for a terminal, a mail or a chat.

use std::fmt::Write as _;

use ambit_core::time::Timestamp;

use super::account::{Account, AgentAccount, By, ByLine, Event};
use super::tally::Tally;
use crate::gate::session::OpenTask;

// Of each kind so much is written out; a program has the rest.
const WRITTEN: usize = 12;

impl Account {
    /// The whole of it.
    #[must_use]
    pub fn words(&self) -> String {
        let mut out = format!("from {} to {}\n\n", clock(self.from), clock(self.until));
        if self.look_first.is_empty() {
            out.push_str("nothing asks for you\n");
        } else {
            out.push_str("look at first\n");
            for (number, look) in (1..).zip(&self.look_first) {
                // Writing to a text does not fail.
                let _ = writeln!(out, "  {number}. {}\n     next: {}", look.what, look.next);
            }
        }
        for (name, of) in &self.agents {
            let _ = writeln!(out, "\n{name}");
            of.write(&mut out);
        }
        if self.agents.is_empty() {
            out.push_str("\nno agent did anything\n");
        }
        if self.more_agents > 0 {
            let _ = writeln!(out, "\nand {} records of agents that are not told of here", self.more_agents);
        }
        self.write_house(&mut out);
        out
    }

    fn write_house(&self, out: &mut String) {
        let house = &self.house;
        let mut lines = Vec::new();
        lines.extend(events("everybody was stopped", &house.stopped));
        lines.extend(events("everybody was let go on", &house.resumed));
        for what in [&house.people, &house.tokens, &house.flags] {
            lines.extend(
                what.most_first().iter().take(WRITTEN).map(|(what, times)| format!("{}{}", what.what, often(*times))),
            );
        }
        if house.starts > 0 {
            lines.push(format!("Ambit started{}", often(house.starts)));
        }
        if house.erased > 0 {
            lines.push(format!("payloads erased: {}", house.erased));
        }
        if !lines.is_empty() {
            let _ = writeln!(out, "\nbesides");
            lines.iter().for_each(|line| _ = writeln!(out, "  {line}"));
        }
    }
}

impl AgentAccount {
    fn write(&self, out: &mut String) {
        if self.asked() == 0 {
            out.push_str("  asked for nothing\n");
        }
        by_line(out, "did without asking", &self.allowed);
        by_line(out, "was held for people", &self.held);
        by_person(out, "confirmed", &self.confirmed);
        by_person(out, "refused by people", &self.refused_by_people);
        let called = |all: &Tally<super::account::Called>| -> Vec<(String, u64)> {
            all.most_first().into_iter().map(|(what, times)| (what.called.clone(), times)).collect()
        };
        list(out, "nobody answered in time", &called(&self.expired), self.expired.sum());
        let withdrawn: Vec<(String, u64)> = self
            .withdrawn
            .most_first()
            .into_iter()
            .map(|(what, times)| (format!("{}: {}", what.called, what.why), times))
            .collect();
        list(out, "withdrawn", &withdrawn, self.withdrawn.sum());
        by_line(out, "was refused", &self.refused);
        by_line(out, "limits that ran out", &self.limits_ran_out);
        list(out, "not what was looked at (drift)", &called(&self.drift), self.drift.sum());
        list(out, "outcome unknown", &called(&self.outcome_unknown), self.outcome_unknown.sum());
        list(out, "answered with an error", &called(&self.errors), self.errors.sum());
        list(out, "not sent", &called(&self.not_sent), self.not_sent.sum());
        if self.waiting > 0 {
            let _ = writeln!(out, "  waiting for people now: {}", self.waiting);
        }
        for line in events("was stopped", &self.stopped).chain(events("was let go on", &self.resumed)) {
            let _ = writeln!(out, "  {line}");
        }
        for release in &self.releases {
            let _ = writeln!(
                out,
                "  release {} by {} at {} ({})",
                release.release,
                release.person,
                clock(release.at),
                release.because
            );
            for (label, all) in
                [("widens", &release.widens), ("narrows", &release.narrows), ("waived", &release.overrides)]
            {
                all.iter().for_each(|words| _ = writeln!(out, "    {label}: {words}"));
            }
            if let Some(until) = release.until {
                let _ = writeln!(out, "    ends {}", clock(until));
            }
        }
        let tasks: Vec<(String, u64)> = self
            .tasks_opened
            .most_first()
            .into_iter()
            .map(|(task, times)| {
                let by = match &task.caller {
                    Some(caller) => format!("{caller} (for {})", task.person),
                    None => task.person.clone(),
                };
                (format!("{}, by {by}", OpenTask::named(&task.task)), times)
            })
            .collect();
        list(out, "tasks opened", &tasks, self.tasks_opened.sum());
        if self.tasks_closed > 0 {
            let _ = writeln!(out, "  tasks that ended: {}", self.tasks_closed);
        }
        let flags: Vec<(String, u64)> =
            self.flags.most_first().into_iter().map(|(flag, times)| (flag.what.clone(), times)).collect();
        list(out, "to be looked into", &flags, self.flags.sum());
    }
}

fn by_line(out: &mut String, label: &str, all: &Tally<ByLine>) {
    let line = |one: &ByLine| {
        let why = one.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
        match (&one.text, one.line, one.release) {
            (Some(text), Some(line), _) => format!("{}{why}  line {line}: {text}", one.called),
            (None, Some(line), Some(release)) => format!("{}{why}  line {line} of release {release}", one.called),
            _ => format!("{}{why}", one.called),
        }
    };
    let lines: Vec<(String, u64)> = all.most_first().into_iter().map(|(one, times)| (line(one), times)).collect();
    list(out, label, &lines, all.sum());
}

fn by_person(out: &mut String, label: &str, all: &Tally<By>) {
    let lines: Vec<(String, u64)> =
        all.most_first().into_iter().map(|(by, times)| (format!("{}, by {}", by.called, by.person), times)).collect();
    list(out, label, &lines, all.sum());
}

fn list(out: &mut String, label: &str, lines: &[(String, u64)], sum: u64) {
    if sum == 0 {
        return;
    }
    let _ = writeln!(out, "  {label}: {sum}");
    for (line, times) in lines.iter().take(WRITTEN) {
        let _ = writeln!(out, "  {times:>6}  {line}");
    }
    let written: u64 = lines.iter().take(WRITTEN).map(|(_, times)| *times).sum();
    if sum > written {
        let _ = writeln!(out, "  {:>6}  more, of other kinds", sum - written);
    }
}

fn events<'a>(label: &'a str, all: &'a [Event]) -> impl Iterator<Item = String> + 'a {
    all.iter().take(WRITTEN).map(move |event| {
        let by = event.person.as_deref().map_or_else(|| "by itself".to_owned(), |person| format!("by {person}"));
        format!("{label} {by} at {}: {}", clock(event.at), event.because)
    })
}

fn often(times: u64) -> String {
    if times == 1 { String::new() } else { format!(" ({times} times)") }
}

/// A moment, to the minute.
fn clock(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map_or_else(|_| "some time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
