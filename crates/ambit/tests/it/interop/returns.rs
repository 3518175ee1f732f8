//! Results are cut to what a scope lets the agent read, and official clients take what is left.

use serde_json::{Value, json};

use super::house::{House, until, word};
use super::http::call_over_http;
use super::servers::command;
use crate::peers::{Client, Talk, fixture};

const SSN: &str = "078-05-1120";

/// An installation whose one system gives back records of people, of which the agent may see some.
fn records() -> House {
    let parts = "{ \"people[]\" = \"records.person\", \"total\" = \"records.TOOL\" }";
    let mut toml = format!(
        "[systems.records]\nkind = \"mcp\"\ncommand = [\"python3\", {}]\n\
         reading-tools = [\"find\", \"words\", \"text\", \"free\", \"wrong\", \"broken\", \"still\"]\n\
         relations = {{ person = [\"id\", \"name\", \"email\", \"ssn\"] }}\n",
        word(fixture("records.py"))
    );
    for tool in ["find", "words", "text", "free", "wrong", "broken"] {
        toml.push_str(&format!("[systems.records.tools.{tool}]\nreturns = {}\n", parts.replace("TOOL", tool)));
    }
    toml.push_str(
        "[systems.records.tools.change]\nreturns = { \".\" = \"records.person\" }\n\
         [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"records\"]\n\
         [http]\nlisten = \"127.0.0.1:0\"\n[limits]\npending-wait-seconds = 0\n",
    );
    House::new(&toml).open(&page("records.person (id, name)", "nothing"))
}

fn page(reads: &str, cannot: &str) -> String {
    format!(
        "---\nagent: helper\nowner: dana@acme.example\nreview-by: 9999-12-31\n---\n\n# Helper\n\nLooks people up.\n\n\
         ## It can read\n\n- every reading tool in records\n- {reads}\n\n## It can write\n\n- nothing\n\n\
         ## A human must confirm\n\n- call records.change\n\n## It cannot touch\n\n- {cannot}\n\n\
         ## Scenarios\n\n| when it is told | and it tries | then |\n|---|---|---|\n| Find | `records.find {{}}` | allow |\n"
    )
}

fn call(tool: &str) -> Value {
    json!({ "call": format!("records__{tool}"), "arguments": { "name": "Ann" } })
}

/// What the last record of an outcome says was withheld.
fn withheld(house: &House) -> Value {
    let records = house.ambit(&["journal", "tail", "--kind", "outcome", "--format", "json"]).fine().out;
    let last: Value = serde_json::from_str(records.lines().last().unwrap()).unwrap();
    last["details"]["withheld"].clone()
}

#[test]
fn official_clients_take_a_cut_result_by_the_schema_that_they_were_shown() {
    let house = records();
    let url = format!("http://{}/agents/helper/mcp", super::http::address(&house));
    let over_http = vec![url, house.path("token").display().to_string(), "2026-07-28".to_owned()];
    let seen = json!({ "people": [{ "id": 1, "name": "Ann" }, { "id": 2, "name": "Bob" }], "total": 2 });
    for (client, over) in
        [(Client::Python, house.gate()), (Client::TypeScript, house.gate()), (Client::Python, over_http)]
    {
        let mut talk = Talk::open(client, &over);
        let tools = talk.ask(&json!({ "list": "tools" }));
        let find = tools["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "records__find").unwrap();
        let shown = find["outputSchema"].to_string();
        assert!(!shown.contains("ssn") && !shown.contains("email") && shown.contains("name"), "{shown}");
        // The client checks it against that schema, and would not give it out.
        let said = talk.ask(&call("find"));
        assert_eq!(said["structuredContent"], seen, "{client:?} {said}");
        let text: Value = serde_json::from_str(said["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!((text, said["content"].as_array().unwrap().len()), (seen.clone(), 1));
        assert_eq!(
            withheld(&house),
            json!({ "fields": ["records.person.email", "records.person.ssn"], "undeclared": 2 })
        );
    }
}

#[test]
fn nothing_beside_the_granted_fields_comes_through_whatever_it_comes_in() {
    let house = records();
    let mut talk = Talk::open(Client::Python, &house.gate());
    let words = talk.ask(&call("words"));
    assert_eq!(words["structuredContent"]["people"][0], json!({ "id": 1, "name": "Ann" }));
    assert_eq!(withheld(&house)["beside"], json!(["_meta", "image", "text"]));
    let text = talk.ask(&call("text"));
    let cut: Value = serde_json::from_str(text["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(cut["people"][1], json!({ "id": 2, "name": "Bob" }));
    let free = talk.ask(&call("free"));
    let said = free["content"][0]["text"].as_str().unwrap();
    assert!(free["isError"] == true && said.starts_with("the call was made, but what came back is withheld"), "{free}");
    assert_eq!(
        withheld(&house),
        json!({ "whole": "it has no structured content, and its content is not one text of JSON" })
    );
    let wrong = talk.ask(&call("wrong"));
    let broken = talk.ask(&call("broken"));
    assert!(wrong["isError"] == true && broken["error"].as_str().unwrap().contains("withheld"), "{wrong} {broken}");
    for said in [&words, &text, &free, &wrong, &broken] {
        assert!(!said.to_string().contains(SSN), "{said}");
    }
    let over_http = call_over_http(&house, &json!({ "name": "records__words", "arguments": {} }));
    assert!(
        over_http["result"]["structuredContent"]["total"] == 2 && !over_http.to_string().contains(SSN),
        "{over_http}"
    );
    assert_eq!(house.read("ran").lines().count(), 6, "each was called, once");
    // Names and counts are in the journal; no value is, in its open part or in what it keeps sealed.
    let record = house.ambit(&["journal", "export", "--open"]).fine().out;
    assert!(record.contains("records.person.ssn") && !record.contains(SSN), "{record}");
    house.ambit(&["journal", "verify"]).fine();
}

#[test]
fn a_cannot_takes_a_field_away_and_a_confirm_asks_before_it_is_seen() {
    let house = records();
    house.release(&page("records.person", "records.person (ssn)"));
    let mut talk = Talk::open(Client::Python, &house.gate());
    let person = |said: &Value| said["structuredContent"]["people"][0].clone();
    assert_eq!(person(&talk.ask(&call("find"))), json!({ "id": 1, "name": "Ann", "email": "ann@acme.example" }));

    let asking = page("records.person (id)", "nothing")
        .replace("- call records.change", "- call records.change\n- read records.person (ssn)");
    house.release(&asking);
    let mut talk = Talk::open(Client::Python, &house.gate());
    let pending = talk.ask(&call("find"));
    assert!(pending.to_string().contains("pending"), "{pending}");
    let id = house.waiting().remove(0);
    let shown = house.ambit(&["show", &id]).fine().out;
    assert!(
        shown.contains(
            "of what comes back it sees `records.person` (id, ssn), `total`; withheld: `records.person` (name, email)"
        ),
        "{shown}"
    );
    house.confirm(&id).fine();
    until("it ran", || house.state(&id) == "done");
    let collected = talk.ask(&json!({ "call": "ambit_pending", "arguments": { "id": id } }));
    assert_eq!(person(&collected), json!({ "id": 1, "ssn": SSN }));
}

#[test]
fn a_confirmed_change_gives_back_what_its_confirmer_was_told() {
    let house = records();
    let mut talk = Talk::open(Client::Python, &house.gate());
    talk.ask(&call("change"));
    let id = house.waiting().remove(0);
    let shown = house.ambit(&["show", &id]).fine().out;
    assert!(
        shown.contains(
            "of what comes back it sees `records.person` (id, name); withheld: `records.person` (email, ssn)"
        ),
        "{shown}"
    );
    house.confirm(&id).fine();
    until("it ran", || house.state(&id) == "done");
    assert_eq!(withheld(&house), json!({ "fields": ["records.person.email", "records.person.ssn"], "undeclared": 1 }));
    let collected = talk.ask(&json!({ "call": "ambit_pending", "arguments": { "id": id } }));
    assert_eq!(collected["structuredContent"], json!({ "id": 1, "name": "Ann" }));
    assert!(!collected.to_string().contains(SSN));
    let kept = house.ambit(&["journal", "export", "--open", "--hold", &id]).fine().out;
    assert!(kept.contains("Ann") && !kept.contains(SSN), "{kept}");
}

#[test]
fn the_page_says_what_is_seen_before_anything_is_called() {
    let house = records();
    let tried = house.ambit(&["try", "helper", "records.find {}"]);
    assert!(
        tried.out.contains(
            "of what comes back it sees `records.person` (id, name), `total`; withheld: `records.person` (email, ssn)"
        ),
        "{}{}",
        tried.out,
        tried.err
    );
    let told = house.ambit(&["explain", "helper"]).fine().out;
    assert!(told.contains("`records.person` comes back from records.broken, records.change, records.find"), "{told}");
    assert!(told.contains("`records.find`: of what comes back it sees `records.person` (id, name), `total`"), "{told}");
}

#[test]
fn a_server_of_others_is_cut_and_its_clients_take_it() {
    let memory: Vec<String> = command("memory").iter().map(word).collect();
    let toml = format!(
        "[systems.memory]\nkind = \"mcp\"\ncommand = [{}]\nenv = {{ MEMORY_FILE_PATH = \"PLACE/notes.jsonl\" }}\n\
         reading-tools = [\"read_graph\"]\nrelations = {{ entity = [\"name\", \"entityType\", \"observations\"] }}\n\
         [systems.memory.tools.read_graph]\nreturns = {{ \"entities[]\" = \"memory.entity\", \"relations\" = \"memory.read_graph\" }}\n\
         [agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"memory\"]\n[limits]\npending-wait-seconds = 0\n",
        memory.join(", ")
    );
    let house = House::new(&toml);
    house.write("ambit.toml", &house.read("ambit.toml").replace("PLACE", &house.path("").display().to_string()));
    let page = page("memory.entity (all but observations)", "nothing")
        .replace("every reading tool in records", "memory.read_graph")
        .replace("## It can write\n\n- nothing", "## It can write\n\n- call memory.create_entities")
        .replace("- call records.change", "- nothing")
        .replace("records.find", "memory.read_graph");
    let house = house.open(&page);
    let entity = json!({ "name": "Inês", "entityType": "customer", "observations": [SSN] });
    let note = json!({ "call": "memory__create_entities", "arguments": { "entities": [entity] } });
    for client in [Client::Python, Client::TypeScript] {
        let mut talk = Talk::open(client, &house.gate());
        // They check what they get against the schemas that they were listed.
        talk.ask(&json!({ "list": "tools" }));
        talk.ask(&note);
        let said = talk.ask(&json!({ "call": "memory__read_graph", "arguments": {} }));
        let seen = json!({ "entities": [{ "name": "Inês", "entityType": "customer" }], "relations": [] });
        assert_eq!(said["structuredContent"], seen, "{client:?} {said}");
        assert!(!said.to_string().contains(SSN), "{said}");
        assert_eq!(withheld(&house)["fields"], json!(["memory.entity.observations"]));
    }
}

#[test]
fn nothing_is_said_beside_an_answer_that_is_cut_nor_later_by_a_server_that_gave_one() {
    let house = records();
    let mut talk = Talk::open_with(Client::Python, &house.gate(), &[("AMBIT_MODE", "legacy")]);
    let mut heard = |tool: &str| {
        let said = talk.ask(&json!({ "call": format!("records__{tool}"), "arguments": {}, "hear": true }));
        said["heard"].as_array().unwrap_or_else(|| panic!("{said}")).clone()
    };
    let still = heard("still");
    assert!(still.iter().any(|one| one["data"] == SSN) && still.iter().any(|one| one["message"] == SSN), "{still:?}");
    assert_eq!(heard("find"), Vec::<Value>::new());
    // To whom it logs is not said, and it may be about the call before; how far it is with this one is.
    let still = heard("still");
    assert!(still.len() == 1 && still[0]["progress"] == 1.0, "{still:?}");
}
