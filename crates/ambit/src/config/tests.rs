//! Text in, text out: what `ambit.toml` may say, and what is said about what it may not.

use super::*;

/// What is found, one line each: `line:column name: message → help`.
fn said(text: &str) -> String {
    let (config, found) = read(text);
    assert_eq!(config.is_none(), found.iter().any(|one| one.severity == Severity::Error), "{found:?}");
    let lines = found.iter().map(|one| {
        let before = &text[..one.at.bytes.start];
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        assert_eq!(one.at.line, before.matches('\n').count() + 1, "{one:?}");
        format!("{}:{column} {}: {} → {}\n", one.at.line, one.name, one.message, one.help)
    });
    lines.collect()
}

const WHOLE: &str = r#"
[systems.helpdesk]
kind = "mcp"
command = ["npx", "-y", "@modelcontextprotocol/server-memory@2026.8.31"]
env = { TOKEN = { env = "HELPDESK_TOKEN" }, KEY_FILE = { file = "key" }, PIN_TOKEN = { command = ["pass", "pin"] }, MODE = "prod" }
cwd = "servers"
tags = ["internal"]
timeout-seconds = 30
reading-tools = ["get_ticket"]

[systems.helpdesk.tools.reply]
verb = "create"
resource = "helpdesk.messages"
fields = ["body"]
amount = "amount"
returns = ["pii"]
reversible = false
reads = false
tags = ["external"]
effects = [{ verb = "update", resource = "crm.customers", fields = ["status"] }]

[systems.crm]
kind = "postgres"
url = { env = "CRM_URL" }

[people.dana]
email = "dana.ortiz@acme.example"
roles = ["support-lead"]
os-user = "dana"

[lists.payees]
kind = "value"
members = ["DE02100100109307118603"]
add = "support-lead"
outsiders-can-extend = false

[lists.partners]
kind = "domain"
file = "partners.txt"

[tags]
"crm.customers.ssn" = ["pii"]
"helpdesk" = ["infrastructure"]

[agents.refund-helper]
scope = "scopes/refund-helper/SCOPE.md"
systems = ["crm", "helpdesk"]
os-user = "agent"

[limits]
pending-wait-seconds = 0

[state]
dir = "state"

[systems.tickets]
kind = "mcp"
url = "https://tickets.acme.example/mcp"

[systems.tickets.oauth]
issuer = "https://login.acme.example"
client-id = "ambit"
client-secret = { env = "TICKETS_SECRET" }
client-auth = "post"
scopes = ["tickets"]
resource = "https://tickets.acme.example"

[agents.refund-helper.oauth]
subject = "robot-7"
client = "refund-helper"
held-by = "dana"

[http]
listen = "127.0.0.1:7171"

[http.oauth]
issuer = "https://login.acme.example"
base-url = "https://gate.acme.example"
algorithms = ["ES256", "EdDSA"]
jwks = "https://login.acme.example/keys"
scopes = ["ambit"]
plain-jwt = true
ambit-tokens = false
"#;

#[test]
fn everything_that_can_be_said_is_read() {
    let (config, found) = read(WHOLE);
    assert_eq!(found, []);
    let config = config.unwrap();
    let helpdesk = &config.systems["helpdesk"];
    assert_eq!((helpdesk.kind, helpdesk.timeout_seconds), (Kind::Mcp, 30));
    assert_eq!(helpdesk.env["TOKEN"], Setting::Secret(Secret::Env("HELPDESK_TOKEN".into())));
    assert_eq!(helpdesk.env["MODE"], Setting::Plain("prod".into()));
    assert!(helpdesk.reads("get_ticket") && !helpdesk.reads("reply"));
    assert_eq!(helpdesk.tools["reply"].effects[0].verb, Doing::Update);
    assert_eq!(config.person("DANA.ORTIZ@acme.example").unwrap().0, "dana");
    assert_eq!(config.people_in("support-lead").count(), 1);
    assert!(config.lists["partners"].outsiders_can_extend, "nobody said that outsiders cannot");
    assert_eq!((config.limits.pending_wait_seconds, config.limits.waiting_holds), (0, 20));
    assert!(config.agents["refund-helper"].oauth.as_ref().unwrap().is("robot-7", Some("refund-helper")));
    assert_eq!(config.http.as_ref().unwrap().oauth.as_ref().unwrap().algorithms.len(), 2);
    assert_eq!(config.systems["tickets"].oauth.as_ref().unwrap().client_auth, oauth::ClientAuth::Post);
    assert_eq!(config.at(&["systems", "helpdesk", "tools", "reply", "amount"]).line, 15);
    assert_eq!(config.at(&["systems", "helpdesk", "tools", "reply", "nothing", "such"]).line, 11);
}

#[test]
fn nothing_said_is_nothing_there() {
    let (config, found) = read("");
    assert_eq!((config, found), (Some(Config::default()), Vec::new()));
}

#[test]
fn a_secret_never_prints() {
    let (config, _) = read(WHOLE);
    let env = &config.unwrap().systems["helpdesk"].env;
    let printed: Vec<String> = env.values().map(ToString::to_string).collect();
    assert_eq!(printed, ["***", "prod", "***", "***"]);
}

#[test]
fn an_unknown_key_is_an_error_with_the_nearest() {
    insta::assert_snapshot!(said("[systmes.a]\nkind = \"mcp\"\n"), @"
    1:2 unknown-key: there is no key `systmes` → did you mean `systems`?
    ");
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\ncomand = [\"x\"]\ncommand = [\"x\"]\nmagic = 1\n"), @"
    3:1 unknown-key: there is no key `comand` in `systems.a` → did you mean `command`?
    5:1 unknown-key: there is no key `magic` in `systems.a` → known here are `command`, `cwd`, `env`, `headers`, `kind`, `may-ask`, `oauth`, `reading-tools`, `relations`, `schemas`, `tags`, `timeout-seconds`, `token`, `tools`, `url`
    ");
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\ncommand = [\"x\"]\nenv = { A = { enviroment = \"X\" } }\n"), @"
    4:9 missing-key: `A` says none of `env`, `file`, `command` → write one of `env`, `file`, `command`
    ");
    insta::assert_snapshot!(said("[limits]\nallow = true\n"), @"
    2:1 unknown-key: there is no key `allow` in `limits` → known here are `daily-holds`, `pending-wait-seconds`, `trip-refusals`, `trip-window-minutes`, `waiting-holds`
    ");
}

#[test]
fn a_wrong_shape_is_an_error_where_it_stands() {
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mpc\"\ncommand = \"npx\"\ntags = [1]\n"), @"
    2:8 unknown-value: `kind` cannot be `mpc` → did you mean `mcp`? known are `mcp`, `postgres`, `http`, `shell`
    3:11 wrong-type: `command` wants a list, this is text → The program to start and its arguments, pinned to a version or a digest; for `mcp` and `shell`
    4:9 wrong-type: `tags[0]` wants text, this is a whole number → see the reference of this file
    ");
    insta::assert_snapshot!(said("[systems.a]\ncommand = [\"x\"]\n"), @"
    1:10 missing-key: `a` has no `kind` → add `kind`: Which protocol the system speaks
    ");
    insta::assert_snapshot!(said("[limits]\npending-wait-seconds = 51\ndaily-holds = -1\nwaiting-holds = 1.5\ntrip-refusals = 99999999999999999999\n"), @"
    2:24 out-of-range: `pending-wait-seconds` is 51 → write a whole number from 0 to 50
    3:15 out-of-range: `daily-holds` is -1 → write a whole number from 0 to 100000
    4:17 wrong-type: `waiting-holds` wants a whole number, this is a number with a point → The most holds of one agent that wait at once
    5:17 out-of-range: `trip-refusals` is 99999999999999999999 → write a whole number from 1 to 100000
    ");
    insta::assert_snapshot!(said("[systems]\na = 1\n[people.dana]\nemail = \"\"\n[agents.x]\nscope = \"s\"\nsystems = true\n"), @"
    2:5 wrong-type: `a` wants a table, this is a whole number → A live system behind Ambit
    4:9 empty-value: `email` is empty → The person's address, as a scope's `owner` names it
    7:11 wrong-type: `systems` wants a list, this is true or false → The systems that stand behind the agent's gate, by name
    ");
    insta::assert_snapshot!(said("[systems.a.tools.t]\nverb = \"cretae\"\n[systems.a]\nkind = \"mcp\"\ncommand = [\"x\"]\nenv = { A = 1 }\n"), @"
    2:8 unknown-value: `verb` cannot be `cretae` → did you mean `create`? known are `read`, `create`, `update`, `delete`, `call`, `run`, `define`
    6:13 wrong-type: `A` wants text or a table, this is a whole number → Plain text, or a secret by reference
    ");
}

#[test]
fn what_is_said_twice_in_a_set_is_a_slip() {
    insta::assert_snapshot!(said("[lists.a]\nkind = \"value\"\nmembers = [\"5\", 5, 0x5, \"5\", true]\n[tags]\na = [\"x\", \"x\"]\n"), @"
    3:20 said-twice: `members` says the same twice → remove one of the two
    3:25 said-twice: `members` says the same twice → remove one of the two
    5:11 said-twice: `a` says the same twice → remove one of the two
    ");
}

#[test]
fn what_is_no_toml_is_an_error_where_it_breaks() {
    insta::assert_snapshot!(said("[systems.a]\nkind = mcp\n"), @"
    2:8 bad-toml: string values must be quoted, expected literal string → write it as TOML: `key = value`, text between double quotes
    ");
    insta::assert_snapshot!(said("[state]\ndir = \"a\"\ndir = \"b\"\n"), @"
    3:1 bad-toml: duplicate key → write it as TOML: `key = value`, text between double quotes
    ");
    insta::assert_snapshot!(said(&format!("# {}", "x".repeat(MOST_BYTES))), @"
    1:1 too-large: the document has 1048578 bytes, at most 1048576 are read → split it, or remove what is no longer used
    ");
}

#[test]
fn names_are_plain_and_mean_one_thing() {
    insta::assert_snapshot!(said("[systems.\"a.b\"]\nkind = \"mcp\"\ncommand = [\"x\"]\n[systems.a__b]\nkind = \"mcp\"\ncommand = [\"x\"]\n[systems.\"раy\"]\nkind = \"mcp\"\ncommand = [\"x\"]\n"), @"
    1:10 name-not-plain: `a.b` cannot be a system's name → a system's name is made of letters, digits, `-` and single `_`; it is the part of a target before the first dot
    4:10 name-not-plain: `a__b` cannot be a system's name → a system's name is made of letters, digits, `-` and single `_`; it is the part of a target before the first dot
    7:10 name-not-plain: `раy` cannot be a system's name → a system's name is made of letters, digits, `-` and single `_`; it is the part of a target before the first dot
    ");
    insta::assert_snapshot!(said("[people.dana]\nemail = \"dana\"\nroles = [\"le ad\"]\n[lists.\"a b\"]\nkind = \"value\"\nmembers = []\n[agents.\"-x\"]\nscope = \"s\"\nsystems = []\n"), @"
    2:9 bad-address: `dana` is not a mail address → write it as `name@domain.example`
    3:9 name-not-plain: `le ad` cannot be a role's name → a name is made of letters, digits, `-`, `_` and `.`
    4:8 name-not-plain: `a b` cannot be a list's name → a name is made of letters, digits, `-`, `_` and `.`
    7:9 name-not-plain: `-x` cannot be an agent's name → a name is made of letters, digits, `-`, `_` and `.`
    ");
    insta::assert_snapshot!(said("[people.dana]\nemail = \"d@acme.example\"\nroles = [\"lead\"]\nos-user = \"d\"\n[people.lead]\nemail = \"D@acme.example\"\nos-user = \"d\"\n[agents.dana]\nscope = \"s\"\nsystems = []\nos-user = \"d\"\n[agents.other]\nscope = \"s\"\nsystems = []\n"), @"
    5:9 ambiguous-name: `lead` is a person and a role → a scope says `by NAME`: give the person or the role another name
    6:9 duplicate-person: `dana` and `lead` have the same address → one person has one entry, with all their roles
    7:11 duplicate-person: the user `d` is `dana` already → an operating-system user proves one person
    8:9 ambiguous-name: `dana` is an agent and a person → an agent is nobody: give it another name
    11:11 shared-os-user: the agent `dana` runs as the user of `dana` → give the agent an operating-system user of its own; until then confirmations by that user count as *advised*
    13:9 shared-scope: `dana` and `other` share the scope `s` → an agent has exactly one scope and never shares it: write another document
    ");
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\ncommand = [\"x\"]\ntags = [\"p i\"]\n[tags]\na = [\"\"]\n"), @"
    4:8 name-not-plain: `p i` cannot be a tag → a tag is made of letters, digits, `-`, `_` and `.`
    6:5 name-not-plain: `` cannot be a tag → a tag is made of letters, digits, `-`, `_` and `.`
    ");
}

#[test]
fn names_lead_somewhere() {
    insta::assert_snapshot!(said("[agents.x]\nscope = \"s\"\nsystems = [\"helpdsk\"]\n[systems.helpdesk]\nkind = \"mcp\"\ncommand = [\"x\"]\n[tags]\n\"helpdeks.reply\" = [\"a\"]\n"), @"
    3:11 unknown-system: there is no system `helpdsk` → did you mean `helpdesk`?
    8:20 unknown-system: there is no system `helpdeks` → did you mean `helpdesk`?
    ");
    insta::assert_snapshot!(said("[lists.payees]\nkind = \"value\"\nmembers = []\nadd = \"finance\"\n"), @"
    4:7 unknown-person: there is no person or role `finance` → no person or role is declared yet
    ");
}

#[test]
fn a_kind_has_its_own_keys() {
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\nurl = \"postgres://x\"\n[systems.b]\nkind = \"postgres\"\ncommand = [\"x\"]\ncwd = \"/\"\nenv = { A = \"b\" }\n"), @r#"
    3:7 bad-endpoint: `postgres://x` is not `https`, and not on this machine → write `https://HOST/PATH`
    4:10 missing-key: the system `b` has no `url` → add `url = { env = "NAME_OF_A_VARIABLE" }`
    6:11 key-not-for-kind: a system of kind `postgres` has no `command` → remove it, or choose another `kind`
    7:7 key-not-for-kind: a system of kind `postgres` has no `cwd` → remove it, or choose another `kind`
    8:1 key-not-for-kind: a system of kind `postgres` has no `env` → remove it, or choose another `kind`
    "#);
}

#[test]
fn nobody_listens_in_the_clear_where_others_can_reach() {
    insta::assert_snapshot!(said("[http]\nlisten = \"0.0.0.0:7171\"\n"), @"
    2:10 bad-listen: `0.0.0.0:7171` can be reached from other machines, and there is no certificate → add `certificate` and `key`, or listen on `127.0.0.1`
    ");
    insta::assert_snapshot!(said("[http]\nlisten = \"here\"\n"), @"
    2:10 bad-listen: `here` is no address to listen at → write `127.0.0.1:7171`, or another address with its port
    ");
    insta::assert_snapshot!(said("[http]\nlisten = \"0.0.0.0:1\"\ncertificate = \"c.pem\"\nkey = { file = \"k.pem\" }\n"), @"");
}

#[test]
fn a_digest_has_a_time_and_goes_to_a_private_address() {
    let webhook = "webhook = { url = \"https://a.example/x\", secret = { env = \"S\" } }";
    insta::assert_snapshot!(said(&format!("[digest]\n{webhook}\n")), @"");
    insta::assert_snapshot!(said(&format!("[digest]\nat = \"7am\"\n{webhook}\n")), @"2:6 bad-time: `7am` is no time of the day → write it as `07:00`, in UTC");
    insta::assert_snapshot!(said("[digest]\nwebhook = { url = \"http://a.example/x\", secret = { env = \"S\" } }\n"), @"2:19 bad-endpoint: `http://a.example/x` is not `https`, and not on this machine → write `https://HOST/PATH`");
}

#[test]
fn a_server_is_a_program_or_an_endpoint() {
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\nurl = \"https://a.example/mcp\"\ntoken = { env = \"A\" }\nheaders = { X-Team = \"refunds\" }\n"), @"");
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\nurl = \"http://127.0.0.1:1/mcp\"\ncommand = [\"/x\"]\nenv = { A = \"b\" }\n[systems.b]\nkind = \"mcp\"\ncommand = [\"/x\"]\ntoken = { env = \"A\" }\nheaders = { X = \"y\" }\n"), @"
    3:7 contradiction: the system `a` has a `command` and a `url` → say one of the two
    5:1 key-not-for-kind: a system of kind `mcp` has no `env` → remove it, or choose another `kind`
    9:1 key-not-for-kind: a system of kind `mcp` has no `token` → remove it, or choose another `kind`
    10:1 key-not-for-kind: a system of kind `mcp` has no `headers` → remove it, or choose another `kind`
    ");
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\nurl = \"https://a.example/mcp\"\nheaders = { Authorization = \"Bearer abc\", X-Api-Key = \"sk-live\" }\n[systems.b]\nkind = \"mcp\"\nurl = \"https://a.example/mcp?team=a&api_key=sk-live\"\n"), @r#"
    4:29 secret-in-config: `Authorization` looks like a secret written out → say where it is instead: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = ["PROGRAM"] }`, and change the secret if this file was shared
    4:55 secret-in-config: `X-Api-Key` looks like a secret written out → say where it is instead: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = ["PROGRAM"] }`, and change the secret if this file was shared
    7:7 secret-in-config: a parameter of `url` looks like a secret written out → say where it is instead: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = ["PROGRAM"] }`, and change the secret if this file was shared
    "#);
}

#[test]
fn a_secret_written_out_is_an_error() {
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\ncommand = [\"x\", \"postgres://u:p@h/d\"]\nenv = { API_TOKEN = \"abc\", DB = \"https://u:p@h\", MAX_TOKENS = \"10\", SECRET_EMPTY = \"\" }\n[systems.b]\nkind = \"http\"\nurl = \"https://u:p@h\"\n"), @r#"
    3:11 secret-in-config: an argument of `command` looks like a secret written out → say where it is instead: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = ["PROGRAM"] }`, and change the secret if this file was shared
    4:21 secret-in-config: `API_TOKEN` looks like a secret written out → say where it is instead: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = ["PROGRAM"] }`, and change the secret if this file was shared
    4:33 secret-in-config: `DB` looks like a secret written out → say where it is instead: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = ["PROGRAM"] }`, and change the secret if this file was shared
    7:7 secret-in-config: `url` looks like a secret written out → say where it is instead: `{ env = "NAME" }`, `{ file = "PATH" }` or `{ command = ["PROGRAM"] }`, and change the secret if this file was shared
    "#);
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\ncommand = [\"x\"]\nenv = { A = { command = [] } }\n"), @"
    4:9 empty-list: the command that gives `A` is empty → write the program and its arguments
    ");
}

#[test]
fn a_tool_says_one_thing() {
    insta::assert_snapshot!(said("[systems.a]\nkind = \"mcp\"\ncommand = [\"x\"]\nreading-tools = [\"t\"]\n[systems.a.tools.t]\nreads = false\nresource = \"a.b\"\nreturns = [\"\"]\n"), @r#"
    5:18 missing-key: `t` says to what it does something, and not what it does → add `verb = "create"`, or another verb
    6:9 contradiction: `t` is among the `reading-tools` and says `reads = false` → say one of the two
    8:11 name-not-plain: `` cannot be a tag → a tag is made of letters, digits, `-`, `_` and `.`
    "#);
    insta::assert_snapshot!(said("[systems.a.tools.t]\nfields = []\namount = \"\"\n"), @"
    1:10 missing-key: `a` has no `kind` → add `kind`: Which protocol the system speaks
    2:10 empty-list: `fields` is empty → To which fields of the resource; all of them, and any added later, unless said
    3:10 empty-value: `amount` is empty → The argument that holds the amount moved
    ");
}

#[test]
fn a_list_is_what_its_kind_says() {
    insta::assert_snapshot!(said("[lists.a]\nkind = \"address\"\n[lists.b]\nkind = \"address\"\nmembers = []\nfile = \"x\"\n"), @r#"
    1:8 missing-key: the list `a` has no members → add `members = ["…"]`, or `file = "PATH"` with one member a line; an empty list is `members = []`
    3:8 contradiction: the list `b` has `members` and a `file` → keep one of the two
    "#);
    for (kind, good, bad) in [
        ("value", vec!["x", "ü y"], vec!["", " x", "x\\n"]),
        ("address", vec!["a@b.example"], vec!["a", "@b", "a@", "a@b@c", "a@b,c@d", "A <a@b>", "a@.b"]),
        ("domain", vec!["acme.example", "localhost"], vec!["*.acme.example", "a..b", ".a", "a/b", "a@b"]),
        ("host", vec!["acme.example", "*.acme.example", "my_host"], vec!["https://a", "a:80", "*.*.a", "a*"]),
        ("path", vec!["/srv/tickets", "file:///srv"], vec!["srv", "./srv", ""]),
    ] {
        let list = |member: &str| format!("[lists.a]\nkind = \"{kind}\"\nmembers = [\"{member}\"]\n");
        for member in good {
            assert_eq!(said(&list(member)), "", "{kind} {member}");
        }
        for member in bad {
            assert!(said(&list(member)).contains("wrong-member"), "{kind} {member}");
        }
    }
}

#[test]
fn the_front_matter_has_the_keys_that_are_read() {
    let schema = strict::schema_of::<front::Front>();
    let mut keys: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut read = ambit_core::scope::parse::FRONT_KEYS.to_vec();
    keys.sort_unstable();
    read.sort_unstable();
    assert_eq!(keys, read);
}

#[test]
fn the_schema_uses_only_words_that_are_read() {
    // A keyword that the reader does not know would be a promise to editors that nobody keeps.
    fn walk(schema: &serde_json::Value, properties: bool) {
        let known = [
            "$schema",
            "$ref",
            "$defs",
            "title",
            "description",
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "const",
            "anyOf",
            "oneOf",
            "minimum",
            "maximum",
            "minLength",
            "minItems",
            "default",
            "format",
            "uniqueItems",
        ];
        match schema {
            serde_json::Value::Object(members) => {
                for (key, value) in members {
                    assert!(properties || known.contains(&key.as_str()), "{key}");
                    if !["default", "enum", "required"].contains(&key.as_str()) || properties {
                        walk(value, !properties && (key == "properties" || key == "$defs"));
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, false)),
            _ => {}
        }
    }
    walk(&strict::schema_of::<Config>(), false);
    walk(&strict::schema_of::<crate::lock::Lock>(), false);
}

mod any_text {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn is_read_without_a_fault(cut in 0usize..WHOLE.len(), drop in 0usize..40, insert in "[\\[\\]{}=\"'.,a-z0-9\n#ü ]{0,8}") {
            let mut bytes = WHOLE.as_bytes().to_vec();
            let end = (cut + drop).min(bytes.len());
            bytes.splice(cut..end, insert.bytes());
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let (config, found) = read(&text);
            prop_assert_eq!(config.is_none(), found.iter().any(|one| one.severity == Severity::Error));
            prop_assert!(found.iter().all(|one| one.at.bytes.end <= text.len() && !one.help.is_empty()));
        }
    }
}

/// The schema is what editors check by: whoever checks by it must come to the same answer as the reader.
mod by_the_schema {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    fn validator() -> jsonschema::Validator {
        jsonschema::validator_for(&strict::schema_of::<Config>()).unwrap()
    }

    fn whole() -> Json {
        serde_json::to_value(toml::from_str::<toml::Table>(WHOLE).unwrap()).unwrap()
    }

    /// Whether the reader takes its shape.
    fn reads(value: &Json) -> bool {
        let text = toml::to_string(&toml::Table::try_from(value).unwrap()).unwrap();
        strict::read::<Config>(&text, MOST_BYTES).0.is_some()
    }

    /// Every place of the document, by path.
    fn places(value: &Json, path: &str, all: &mut Vec<String>) {
        all.push(path.to_owned());
        match value {
            Json::Object(members) => {
                for (key, value) in members {
                    places(value, &format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), all);
                }
            }
            Json::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{path}/{at}"), all));
            }
            _ => {}
        }
    }

    fn other() -> impl Strategy<Value = Json> {
        prop_oneof![
            Just(serde_json::json!({})),
            Just(serde_json::json!({"env": "X"})),
            Just(serde_json::json!({"env": "X", "file": "y"})),
            Just(serde_json::json!([])),
            Just(serde_json::json!(["a", "a"])),
            Just(serde_json::json!(["a", 1, true])),
            Just(serde_json::json!([1.5])),
            any::<bool>().prop_map(Into::into),
            (-2i64..60).prop_map(Into::into),
            Just(Json::from(1.5)),
            prop_oneof!["mcp|value|read|create", "[a-z]{0,3}"].prop_map(Into::into),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn the_answer_is_the_same(
            which in any::<prop::sample::Index>(),
            how in 0..3u8,
            other in other(),
            key in "[a-z]{3}|kind|env|file",
        ) {
            let mut value = whole();
            let mut all = Vec::new();
            places(&value, "", &mut all);
            let path = all[1..][which.index(all.len() - 1)].clone();
            let (parent, last) = path.rsplit_once('/').unwrap();
            let last = last.replace("~1", "/").replace("~0", "~");
            match (how, value.pointer_mut(parent).unwrap()) {
                (0, Json::Object(members)) => drop(members.remove(&last)),
                (1, Json::Object(members)) => drop(members.insert(key, other)),
                _ => *value.pointer_mut(&path).unwrap() = other,
            }
            prop_assert_eq!(reads(&value), validator().is_valid(&value), "{}", value);
        }
    }

    #[test]
    fn the_whole_is_valid() {
        assert!(validator().is_valid(&whole()) && reads(&whole()));
    }
}
