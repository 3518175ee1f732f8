//! Text in, text out: what `ambit.toml` and the lock say together.

use std::fmt::Write as _;

use super::*;

const LOCK: &str = r#"version = 1
[systems.crm]
kind = "postgres"
looked-at = "2026-11-23"
relations."public.customers".columns = [{ name = "id", type = "integer" }, { name = "ssn", type = "text" }, { name = "status", type = "text" }]
relations."audit.log".columns = [{ name = "at", type = "timestamptz" }]
relations."audit.backup".columns = [{ name = "at", type = "timestamptz" }]

[systems.helpdesk]
kind = "mcp"
looked-at = "2026-11-23"
resources = true
[systems.helpdesk.tools]
reply.definition = '{"name":"reply","inputSchema":{"type":"object","properties":{"to":{"type":"string"},"body":{"type":"string"},"amount":{"type":"number"}},"required":["to"]}}'
get_ticket.definition = '{"name":"get_ticket","inputSchema":{"type":"object"}}'
purge.definition = '{"name":"purge","inputSchema":{"type":"object"},"annotations":{"destructiveHint":true,"readOnlyHint":true}}'
[systems.helpdesk.prompts]
summary.definition = '{"name":"summary"}'
"#;

const SYSTEMS: &str = r#"
[systems.crm]
kind = "postgres"
url = { env = "CRM" }
[systems.helpdesk]
kind = "mcp"
command = ["/opt/helpdesk"]
"#;

fn both(toml: &str, lock: &str) -> (Config, Lock) {
    let (config, found) = config::read(toml);
    let config = config.unwrap_or_else(|| panic!("{found:?}"));
    let (lock, found) = lock::read(lock);
    (config, lock.unwrap_or_else(|| panic!("{found:?}")))
}

/// The catalog, a resource a line, and the problems.
fn said(more: &str, agent: Option<&str>) -> String {
    let (config, lock) = both(&format!("{SYSTEMS}{more}"), LOCK);
    let (catalog, problems) = catalog_of(&config, &lock, agent);
    let mut out = String::new();
    for (id, resource) in catalog.resources() {
        let _ = write!(out, "{} {:?}", catalog.path(id), resource.kind);
        let tags = |tags: &BTreeSet<String>| tags.iter().map(|tag| format!(" #{tag}")).collect::<String>();
        let fields: Vec<String> =
            resource.fields.iter().map(|field| format!("{}{}", field.name, tags(&field.tags))).collect();
        let _ = write!(out, " ({}){}", fields.join(", "), tags(&resource.tags));
        let declared = &resource.declared;
        for effect in &declared.effects {
            let fields: Vec<String> = effect.fields.iter().map(|place| place.to_string()).collect();
            let fields = if effect.fields.has_unlisted() { "*".to_owned() } else { fields.join(",") };
            let _ = write!(out, " {}:{}[{fields}]", effect.verb.word(), catalog.path(effect.resource));
        }
        if declared.reads_only {
            out.push_str(" reads");
        }
        if declared.destructive_hint {
            out.push_str(" destroys");
        }
        if !declared.returns.is_empty() {
            let _ = write!(out, " returns{}", tags(&declared.returns));
        }
        for returned in &declared.parts {
            let field = returned.field.map_or_else(|| "*".to_owned(), |at| at.to_string());
            let _ = write!(out, " {}={}[{field}]", returned.part, catalog.path(returned.resource));
        }
        if let Some(amount) = &declared.amount {
            let _ = write!(out, " amount={amount}");
        }
        if let Some(reversible) = declared.reversible {
            let _ = write!(out, " reversible={reversible}");
        }
        out.push('\n');
    }
    for one in problems.in_config.iter().chain(&problems.in_lock) {
        let _ = writeln!(out, "{} {}: {} → {}", one.at.line, one.name, one.message, one.help);
    }
    out
}

fn problems(more: &str) -> String {
    let all = said(more, None);
    let plain = said("", None);
    all.lines().filter(|line| line.contains('→') && !plain.contains(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_the_lock_lists_exists() {
    insta::assert_snapshot!(said("", None), @"
    crm.audit.backup Relation (at)
    crm.audit.log Relation (at)
    crm.public.customers Relation (id, ssn, status)
    helpdesk.get_ticket Tool ()
    helpdesk.purge Tool () destroys
    helpdesk.reply Tool (amount, body, to)
    helpdesk.resource Document (uri)
    helpdesk.prompt Prompt (name, arguments)
    ");
}

#[test]
fn tags_reach_whatever_lies_under_their_path() {
    let toml = r#"
[tags]
"crm" = ["database"]
"crm.customers.ssn" = ["pii"]
"crm.audit" = ["backup"]
"crm.public.customers" = ["people"]
"helpdesk.reply" = ["external"]
"helpdesk.reply.to" = ["recipient"]
"#;
    insta::assert_snapshot!(said(toml, None), @"
    crm.audit.backup Relation (at) #backup #database
    crm.audit.log Relation (at) #backup #database
    crm.public.customers Relation (id, ssn #pii, status) #database #people
    helpdesk.get_ticket Tool ()
    helpdesk.purge Tool () destroys
    helpdesk.reply Tool (amount, body, to #recipient) #external
    helpdesk.resource Document (uri)
    helpdesk.prompt Prompt (name, arguments)
    ");
}

#[test]
fn tools_read_as_declared() {
    let toml = r#"
[systems.helpdesk.tools.reply]
verb = "create"
resource = "crm.customers"
fields = ["status", "id"]
effects = [{ verb = "update", resource = "crm.public.customers", fields = ["ssn"] }, { verb = "delete", resource = "crm.audit.log" }]
amount = "amount"
returns = ["pii"]
reversible = false
tags = ["external"]
[systems.helpdesk.tools.get_ticket]
verb = "create"
reads = true
"#;
    insta::assert_snapshot!(said(toml, None), @"
    crm.audit.backup Relation (at)
    crm.audit.log Relation (at)
    crm.public.customers Relation (id, ssn, status)
    helpdesk.get_ticket Tool () create:helpdesk.get_ticket[*] reads
    helpdesk.purge Tool () destroys
    helpdesk.reply Tool (amount, body, to) #external create:crm.public.customers[0,2] update:crm.public.customers[1] delete:crm.audit.log[*] returns #pii amount=amount reversible=false
    helpdesk.resource Document (uri)
    helpdesk.prompt Prompt (name, arguments)
    ");
}

#[test]
fn an_agent_has_its_systems_and_what_their_tools_touch() {
    let toml = r#"
[systems.helpdesk.tools.reply]
effects = [{ verb = "update", resource = "crm.customers", fields = ["ssn"] }]
[systems.nowhere]
kind = "mcp"
command = ["/opt/x"]
[agents.a]
scope = "a.md"
systems = ["helpdesk"]
[agents.b]
scope = "b.md"
systems = ["crm"]
"#;
    insta::assert_snapshot!(said(toml, Some("a")), @"
    crm.public.customers Relation (id, ssn, status)
    helpdesk.get_ticket Tool ()
    helpdesk.purge Tool () destroys
    helpdesk.reply Tool (amount, body, to) update:crm.public.customers[1]
    helpdesk.resource Document (uri)
    helpdesk.prompt Prompt (name, arguments)
    ");
    insta::assert_snapshot!(said(toml, Some("b")), @"
    crm.audit.backup Relation (at)
    crm.audit.log Relation (at)
    crm.public.customers Relation (id, ssn, status)
    ");
    assert_eq!(said(toml, Some("nobody")), "");
}

#[test]
fn a_name_that_the_lock_does_not_know_is_an_error_with_the_nearest() {
    insta::assert_snapshot!(problems("[tags]\n\"crm.custmers\" = [\"pii\"]\n\"crm.customers.snn\" = [\"pii\"]\n\"crm.cust\" = [\"pii\"]\n\"helpdesk.resource.url\" = [\"pii\"]\n"), @"
    9 unknown-resource-in-config: `crm` offers nothing named `custmers` → did you mean `customers`?
    10 unknown-resource-in-config: `crm` offers nothing named `customers.snn` → did you mean `customers.ssn`?
    11 unknown-resource-in-config: `crm` offers nothing named `cust` → `ambit.lock` does not know it; if it is new, look again with `ambit inventory`
    12 unknown-resource-in-config: `helpdesk` offers nothing named `resource.url` → did you mean `resource.uri`?
    ");
    insta::assert_snapshot!(problems("reading-tools = [\"get_tickets\"]\n[systems.helpdesk.tools.replay]\nreads = true\n"), @"
    8 unknown-resource-in-config: `helpdesk` offers no tool `get_tickets` → did you mean `get_ticket`?
    9 unknown-resource-in-config: `helpdesk` offers no tool `replay` → did you mean `reply`?
    ");
    insta::assert_snapshot!(problems("[systems.helpdesk.tools.reply]\namount = \"amont\"\nverb = \"create\"\nresource = \"crn.customers\"\neffects = [{ verb = \"update\", resource = \"crm.customer\" }, { verb = \"update\", resource = \"crm.customers\", fields = [\"stats\"] }]\n"), @"
    9 unknown-resource-in-config: `reply` has no argument `amont` → did you mean `amount`?
    11 unknown-resource-in-config: there is no system `crn` → did you mean `crm`?
    12 unknown-resource-in-config: `crm` offers nothing named `customer` → did you mean `customers`?
    12 unknown-resource-in-config: `crm.public.customers` has no field `stats` → did you mean `status`?
    ");
    insta::assert_snapshot!(problems("[systems.new]\nkind = \"mcp\"\ncommand = [\"/opt/x\"]\n[systems.db]\nkind = \"postgres\"\nurl = \"postgres://h\"\n[tags]\n\"new.x\" = [\"a\"]\n"), @"
    8 not-in-lock: `new` has not been looked at: nothing is known of what it offers → run `ambit inventory new`
    11 not-in-lock: `db` has not been looked at: nothing is known of what it offers → run `ambit inventory db`
    ");
}

const RECORDS: &str = r#"version = 1
[systems.crm]
kind = "postgres"
looked-at = "2026-11-23"
relations."public.customers".columns = [{ name = "id", type = "integer" }, { name = "ssn", type = "text" }]
[systems.desk]
kind = "mcp"
looked-at = "2026-11-23"
[systems.desk.tools]
find.definition = '{"name":"find","inputSchema":{"type":"object"},"outputSchema":{"type":"object","properties":{"rows":{"type":"array","items":{"type":"object","properties":{"id":{},"ssn":{}}}},"total":{"type":"integer"}}}}'
plain.definition = '{"name":"plain","inputSchema":{"type":"object"}}'
"#;

/// The tools with what they give back, and the problems.
fn returned(more: &str) -> String {
    let systems = "[systems.crm]\nkind = \"postgres\"\nurl = { env = \"CRM\" }\n[systems.desk]\nkind = \"mcp\"\ncommand = [\"/opt/desk\"]\n";
    let (config, lock) =
        both(&format!("{systems}{more}\n[agents.a]\nscope = \"a.md\"\nsystems = [\"desk\"]\n"), RECORDS);
    let (catalog, problems) = catalog_of(&config, &lock, Some("a"));
    let mut out = String::new();
    for (id, resource) in catalog.resources() {
        let _ = write!(out, "{}", catalog.path(id));
        for returned in &resource.declared.parts {
            let field = returned.field.and_then(|at| catalog.resource(returned.resource)?.fields.get(at));
            let field = field.map_or("", |field| &field.name);
            let _ = write!(out, " {}={}:{field}", returned.part, catalog.path(returned.resource));
        }
        out.push('\n');
    }
    for one in &problems.in_config {
        let _ = writeln!(out, "{} {}: {} → {}", one.at.line, one.name, one.message, one.help);
    }
    out
}

#[test]
fn what_comes_back_is_fields_of_relations_or_belongs_to_the_call() {
    let toml = r#"relations = { note = ["id", "text"] }
[systems.desk.tools.find]
returns = { "rows[]" = "crm.customers", "note" = "desk.note", "first.ssn" = "crm.public.customers.ssn", "total" = "desk.find" }
"#;
    insta::assert_snapshot!(returned(toml), @"
    crm.public.customers
    desk.find first.ssn=crm.public.customers:ssn note.id=desk.note:id note.text=desk.note:text rows[].id=crm.public.customers:id rows[].ssn=crm.public.customers:ssn total=desk.find:
    desk.plain
    desk.note
    9 returns-not-promised: the output schema of `find` has no `first.ssn` → look at its output schema in `ambit.lock`; what comes back under another path is withheld
    9 returns-not-promised: the output schema of `find` has no `note` → look at its output schema in `ambit.lock`; what comes back under another path is withheld
    ");
    let plain = "[systems.desk.tools.plain]\nreturns = { \".\" = \"crm.customers\" }\n";
    insta::assert_snapshot!(returned(plain), @"
    crm.public.customers
    desk.find
    desk.plain id=crm.public.customers:id ssn=crm.public.customers:ssn
    8 returns-not-promised: `plain` does not promise a structured result → its result is cut where it is one text of JSON, and withheld whole where it is anything else
    ");
}

#[test]
fn what_is_said_of_a_result_and_leads_nowhere_is_an_error() {
    let of = |parts: &str| {
        returned(&format!("relations = {{ note = [\"id\"] }}\n[systems.desk.tools.find]\nreturns = {{ {parts} }}\n"))
    };
    let problems = |parts: &str| of(parts).lines().filter(|line| line.contains('→')).collect::<Vec<_>>().join("\n");
    let bad = [
        r#""rows[0]" = "desk.note""#,
        r#""rows" = "desk.note.id", "rows[].id" = "desk.note.id""#,
        r#""." = "desk.note", "id" = "desk.find""#,
    ];
    insta::assert_snapshot!(bad.map(problems).join("\n"), @"
    9 bad-returns: `rows[0]` is no path into a result → write `customer.email`, `customers[].email`, `[].email`, or `.` for the result itself
    9 bad-returns: `rows[].id` of the result of `find` is said to be two things → `rows` stands for all that is in it: name each part that is something else
    9 bad-returns: `id` of the result of `find` is said to be two things → keep one of the two
    9 returns-not-promised: the output schema of `find` has no `id` → look at its output schema in `ambit.lock`; what comes back under another path is withheld
    ");
    let unknown = [
        r#""total" = "desk.nots""#,
        r#""total" = "desk.note.idd""#,
        r#""total" = "dsk.note""#,
        r#""total" = "desk.plain""#,
    ];
    insta::assert_snapshot!(unknown.map(problems).join("\n"), @"
    9 unknown-resource-in-config: `desk.nots` is no relation, no column of one, and not the tool itself → did you mean `note`?
    9 unknown-resource-in-config: `desk.note` has no column `idd` → did you mean `id`?
    9 unknown-resource-in-config: there is no system `dsk` → did you mean `desk`?
    9 unknown-resource-in-config: `desk.plain` is no relation, no column of one, and not the tool itself → `ambit.lock` does not know it; if it is new, look again with `ambit inventory`
    ");
    insta::assert_snapshot!(problems(r#""row[].id" = "desk.note.id", "rows[].idd" = "desk.note.id", "total.x" = "desk.find""#), @"
    9 returns-not-promised: the output schema of `find` has no `row[].id` → did you mean `rows`?
    9 returns-not-promised: the output schema of `find` has no `rows[].idd` → did you mean `id`?
    9 returns-not-promised: the output schema of `find` has no `total.x` → look at its output schema in `ambit.lock`; what comes back under another path is withheld
    ");
    assert!(problems(r#""rows[].id" = "desk.note.id""#).is_empty());
    insta::assert_snapshot!(returned("relations = { find = [\"id\"] }\n"), @"
    desk.find
    desk.plain
    7 name-taken: `desk` offers something named `find` already → give the relation another name
    ");
}

#[test]
fn a_reading_tool_that_destroys_is_asked_about() {
    insta::assert_snapshot!(problems("reading-tools = [\"purge\"]\n"), @"
    8 reads-but-destroys: `purge` is declared as reading, and its server says that it destroys → look at what the tool does, and declare it as what it is
    ");
}

#[test]
fn a_program_that_may_change_by_itself_is_not_ready() {
    insta::assert_snapshot!(problems("[systems.a]\nkind = \"mcp\"\ncommand = [\"npx\", \"-y\", \"@acme/server\"]\n"), @"
    8 not-in-lock: `a` has not been looked at: nothing is known of what it offers → run `ambit inventory a`
    10 unpinned-program: `@acme/server` that the system `a` starts may be another one tomorrow → name the exact version: `@acme/server@1.2.3`
    ");
}

#[test]
fn a_system_that_is_another_one_now_is_looked_at_again() {
    let (config, lock) = both(
        "[systems.a]\nkind = \"mcp\"\ncommand = [\"/opt/new\"]\n[systems.b]\nkind = \"mcp\"\ncommand = [\"/opt/x\"]\n",
        "version = 1\n[systems.a]\nkind = \"mcp\"\nlooked-at = \"2026-11-23\"\nprogram = { command = [\"old\"] }\n[systems.b]\nkind = \"shell\"\nlooked-at = \"2026-11-23\"\n",
    );
    let (_, problems) = catalog_of(&config, &lock, None);
    let names: Vec<_> = problems.in_config.iter().map(|one| one.name).collect();
    assert_eq!(names, ["program-changed", "kind-changed"]);
    assert!(problems.has_errors());
}

#[test]
fn a_tool_that_cannot_be_called_is_not_there() {
    let lock = r#"version = 1
[systems.a]
kind = "mcp"
looked-at = "2026-11-23"
resources = true
[systems.a.tools]
far.definition = '{"name":"far","inputSchema":{"$ref":"https://evil.example/schema"}}'
resource.definition = '{"name":"resource","inputSchema":{}}'
"#;
    let (config, lock) = both("[systems.a]\nkind = \"mcp\"\ncommand = [\"/opt/x\"]\nreading-tools = [\"far\"]\n", lock);
    let (catalog, problems) = catalog_of(&config, &lock, None);
    let kinds: Vec<_> = catalog.resources().map(|(_, resource)| resource.kind).collect();
    assert_eq!(kinds, [ResourceKind::Tool]);
    assert_eq!(problems.in_config, []);
    let names: Vec<_> = problems.in_lock.iter().map(|one| (one.name, one.at.line)).collect();
    assert_eq!(names, [("unusable-tool", 7), ("name-taken", 8)]);
}

#[test]
fn a_system_that_no_gate_stands_before_is_noted_and_a_database_is_none() {
    insta::assert_snapshot!(problems("[systems.api]\nkind = \"http\"\nurl = \"https://h\"\n[systems.db]\nkind = \"postgres\"\nurl = \"postgres://h\"\n"), @"
    8 not-in-lock: `api` has not been looked at: nothing is known of what it offers → describe its relations in `ambit.lock` by hand
    9 no-gate-yet: no gate stands before `api` yet; scopes over it can be written and checked → an agent reaches it past Ambit: keep its credentials from the agent
    11 not-in-lock: `db` has not been looked at: nothing is known of what it offers → run `ambit inventory db`
    ");
}
