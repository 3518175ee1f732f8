//! Everything behind the MCP face, for tests of the face: two real servers, and a rule by the name of the tool.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambit::gate::mcp::held::Held;
use ambit::gate::mcp::names::Naming;
use ambit::gate::mcp::{Caller, News, Passage, Tool};
use ambit::gate::talk::Talk;
use ambit::gate::{Answer, Sent, Upstream as _};
use ambit::upstream::{Limits, Listing, McpSystem};
use ambit::world::Later;
use ambit_core::action::Action;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::mcp_fixture::{limits, permit, server};

/// Everything behind the face: two systems, and a rule by the name of the tool.
pub struct Stage {
    pub caller: Caller,
    pub systems: BTreeMap<String, McpSystem>,
    pub tools: Mutex<Arc<[Tool]>>,
    pub news: watch::Sender<News>,
    pub passed: Mutex<Vec<(String, String)>>,
    pub finished: watch::Sender<usize>,
}

impl Stage {
    pub fn new() -> Arc<Stage> {
        // One of its tools never answers.
        let limits = Limits { call: Duration::from_secs(4), ..limits() };
        let system = |name: &str| {
            let compare = Arc::new(|_: &[_]| BTreeMap::new());
            (name.to_owned(), McpSystem::new(name.into(), server(&[]), limits, compare, Arc::new(|_| ())))
        };
        let plain = ["echo", "slow", "hang", "fail", "refused", "held", "hidden", "invalid", "broken", "dotted.name"];
        Arc::new(Stage {
            caller: Caller { agent: "tester".into(), session: "s1".into(), task: None },
            systems: BTreeMap::from([system("fixture"), system("other")]),
            tools: Mutex::new(plain.map(tool).into_iter().collect()),
            news: watch::Sender::default(),
            passed: Mutex::default(),
            finished: watch::Sender::default(),
        })
    }
}

impl Passage for Stage {
    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn pass<'a>(&'a self, action: Action, talk: &'a Talk) -> Later<'a, Answer> {
        Box::pin(async move {
            self.passed.lock().unwrap().push((action.system.clone(), action.name.clone()));
            let answer = match action.name.as_str() {
                "refused" | "hidden" => Answer::Refused(format!("line 7 refuses `{}`", action.name)),
                "held" => Answer::Pending { id: "h1".into(), text: "a person must confirm".into() },
                "invalid" => Answer::Invalid("`n` must be a number".into()),
                "broken" => panic!("a defect"),
                _ => match self.systems[&action.system].send(permit(action), talk).await {
                    Sent::Result(result) => Answer::Result(result),
                    Sent::Error(error) => Answer::Error(error),
                    Sent::NotSent(why) => Answer::Fault(why),
                    Sent::Unknown(why) => Answer::OutcomeUnknown(why),
                },
            };
            self.finished.send_modify(|count| *count += 1);
            answer
        })
    }

    fn pending<'a>(&'a self, hold: &'a str) -> Later<'a, Answer> {
        Box::pin(async move {
            match hold {
                "h1" => Answer::Result(br#"{"content":[],"kept":1.0}"#.to_vec()),
                _ => Answer::Invalid(format!("there is no hold `{hold}`")),
            }
        })
    }

    fn held<'a>(&'a self, _: &'a str) -> Later<'a, Option<Held>> {
        Box::pin(async { None })
    }

    fn withdraw<'a>(&'a self, _: &'a str) -> Later<'a, bool> {
        Box::pin(async { false })
    }

    fn systems(&self) -> Vec<String> {
        self.systems.keys().cloned().collect()
    }

    fn naming(&self) -> Naming {
        Naming::WithSystem
    }

    fn tools(&self) -> Arc<[Tool]> {
        Arc::clone(&self.tools.lock().unwrap())
    }

    fn could(&self, system: &str, _: &str, name: &str) -> bool {
        !(system == "other" && name.ends_with("3.txt"))
    }

    fn list<'a>(&'a self, system: &'a str, listing: Listing) -> Later<'a, Result<Vec<Box<RawValue>>, String>> {
        Box::pin(async move { self.systems[system].list(listing).await.map_err(|error| error.to_string()) })
    }

    fn watch(&self, _: &str, _: &str) -> bool {
        true
    }

    fn hears(&self, _: &str, _: &str) {}

    fn unwatch(&self, _: &str, _: &str) {}

    fn chance(&self) -> Option<String> {
        Some("guessed".into())
    }

    fn news(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }
}

pub fn tool(name: &str) -> Tool {
    let definition = format!(r#"{{"name":"{name}","description":"d","inputSchema":{{"type":"object"}}}}"#);
    Tool {
        system: "fixture".into(),
        name: name.into(),
        definition: RawValue::from_string(definition).unwrap(),
        visible: name != "hidden",
    }
}
