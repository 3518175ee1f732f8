//! `ambit inventory` of a database: what of it stands in the lock, and what is told when it changes.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ambit::lock::{Lock, Relation, System};
use ambit_effects::sql::database::{KeyAction, Name, RelationKind};

use super::server::{PASSWORD, Server};

const COMPANY: &str = include_str!("../../fixtures/inventory.sql");

struct Place {
    dir: tempfile::TempDir,
    url: String,
}

impl Place {
    fn new(url: &str, more: &str) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let toml = format!("[systems.crm]\nkind = \"postgres\"\nurl = {{ env = \"CRM_URL\" }}\n{more}");
        std::fs::write(dir.path().join("ambit.toml"), toml).unwrap();
        Place { dir, url: url.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn lock(&self) -> String {
        std::fs::read_to_string(self.path("ambit.lock")).unwrap()
    }

    fn system(&self) -> System {
        let (lock, found) = ambit::lock::read(&self.lock());
        assert_eq!(found, []);
        let Lock { mut systems, .. } = lock.unwrap();
        systems.remove("crm").unwrap()
    }

    /// What looking at it comes to, when it comes to nothing.
    #[track_caller]
    fn fault(&self) -> String {
        let (code, out, err) = self.ambit(&["inventory"]);
        assert_eq!((code, err.as_str(), self.path("ambit.lock").exists()), (4, "", false), "{out}");
        out.strip_prefix("crm: could not be asked: ").unwrap().trim_end().to_owned()
    }

    fn ambit(&self, words: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_ambit"))
            .current_dir(self.dir.path())
            .args(words)
            .env_remove("AMBIT_CONFIG")
            .env("CRM_URL", &self.url)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    }
}

#[test]
fn what_a_database_has_stands_in_the_lock() {
    let server = Server::start();
    server.run(COMPANY);
    let place = Place::new(&server.url(), "");
    let (code, out, err) = place.ambit(&["inventory"]);
    assert_eq!((code, err.as_str()), (0, "wrote `ambit.lock`\n"), "{out}");
    for told in [
        "  + table \"Mixed.Case\".Order Items (Preis €, select, a.b, say \"hi\")\n",
        "  + view public.glad (id, name, said)\n      reads with the rights of its owner\n",
        "  + view public.mine (id, total, name)\n      reads with the rights of whoever asks\n",
        "  + partition public.notes_2026 (id, day, body)\n",
        "      a delete from public.customers deletes from it (key orders_customer_id_fkey)\n",
        "      the trigger note runs audit.note with the rights of its owner on insert, update, delete of total\n",
        "      the trigger asleep runs audit.note with the rights of its owner on truncate, and is switched off\n",
        "      the rule no_delete rewrites what is asked of it\n",
        "      its policies hide rows\n",
        "  + extension citext (1.6)\n",
        "  + function public.secret()\n      runs with the rights of its owner\n",
        "  + operator public.~~~ (public.mood, text)\n      runs public.same\n",
    ] {
        assert!(out.contains(told), "{told}\n{out}");
    }
    // What comes with an extension is told by the extension, and stands in the lock.
    assert!(!out.contains("citext_eq") && place.lock().contains("citext_eq"), "{out}");
    let of_tables = |table: &str| -> String {
        let lock = place.lock();
        let at = lock.find(&format!("[systems.crm.relations.\"{table}\"]\n")).unwrap();
        lock[at..]
            .split("\n\n")
            .next()
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with("digest"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    insta::assert_snapshot!(of_tables("public.customers"), @r##"
    [systems.crm.relations."public.customers"]
    columns = [
      { name = "id", type = "bigint", not-null = true, identity = "always" },
      { name = "name", type = "text", not-null = true },
      { name = "mail", type = "public.email" },
      { name = "ssn", type = "text" },
      { name = "mood", type = "public.mood", default = "'so so'::public.mood" },
      { name = "since", type = "timestamp with time zone", not-null = true, default = "'2020-01-01 00:00:00+00'::timestamp with time zone" },
      { name = "tags", type = "text[]", not-null = true, default = "'{}'::text[]" },
      { name = "extra", type = "jsonb" },
      { name = "home", type = "public.address" },
      { name = "active", type = "boolean", not-null = true, default = "true" },
      { name = "shown", type = "text", generated = "upper(name)" },
    ]
    triggers = [
      { name = "asleep", on = ["truncate"], function = "audit.note", definer = true, fires = "never", definition = "CREATE TRIGGER asleep BEFORE TRUNCATE ON public.customers FOR EACH STATEMENT EXECUTE FUNCTION audit.note()" },
      { name = "touch", on = ["update"], function = "public.touch", definition = "CREATE TRIGGER touch BEFORE UPDATE ON public.customers FOR EACH ROW WHEN ((old.name IS DISTINCT FROM new.name)) EXECUTE FUNCTION public.touch()" },
    ]
    "##);
    insta::assert_snapshot!(of_tables("public.orders"), @r##"
    [systems.crm.relations."public.orders"]
    columns = [
      { name = "id", type = "integer", not-null = true, default = "nextval('public.orders_id_seq'::regclass)" },
      { name = "customer_id", type = "bigint", not-null = true },
      { name = "region", type = "text" },
      { name = "total", type = "numeric(12,2)", not-null = true, default = "0" },
    ]
    row-security = "forced"
    keys = [
      { name = "orders_customer_id_fkey", columns = ["customer_id"], references = "public.customers", referenced = ["id"], on-delete = "cascade" },
      { name = "orders_region_fkey", columns = ["region"], references = "public.regions", referenced = ["code"], on-delete = "set-null", on-update = "cascade" },
    ]
    triggers = [
      { name = "note", on = ["insert", "update", "delete"], columns = ["total"], function = "audit.note", definer = true, definition = "CREATE TRIGGER note AFTER INSERT OR DELETE OR UPDATE OF total ON public.orders FOR EACH ROW EXECUTE FUNCTION audit.note()" },
    ]
    policies = [
      { name = "own", for = "select", to = ["public"], using = "(customer_id = (current_setting('app.customer'::text))::bigint)" },
    ]
    "##);
    insta::assert_snapshot!(of_tables("public.notes_2026"), @r##"
    [systems.crm.relations."public.notes_2026"]
    columns = [
      { name = "id", type = "integer" },
      { name = "day", type = "date", not-null = true },
      { name = "body", type = "text" },
    ]
    parents = ["public.notes"]
    partition = "FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
    "##);

    let lock = place.lock();
    let again = place.ambit(&["inventory", "crm"]);
    assert_eq!(again, (0, "crm: nothing changed\n".to_owned(), String::new()));
    assert_eq!(place.lock(), lock);
    for secret in [PASSWORD, &PASSWORD.replace(' ', "%20")] {
        assert!(!lock.contains(secret) && !out.contains(secret));
    }

    let database = ambit::catalog::database(&place.system());
    assert_eq!(database.search_path, ["public"]);
    let relation = |schema, name| &database.relations[&Name::new(schema, name)];
    assert_eq!(relation("Mixed.Case", "Order Items").columns.len(), 4);
    assert_eq!(relation("public", "Mixed.Case.Order Items").columns.len(), 1);
    assert_eq!(relation("public", "orders_id_seq").kind, RelationKind::Sequence);
    assert_eq!(relation("public", "contracts").parents, [Name::new("public", "papers")]);
    assert!(relation("public", "regions").rules && !relation("public", "glad").rules);
    assert!(relation("public", "mine").view.as_ref().unwrap().invoker);
    assert!(!relation("public", "glad").view.as_ref().unwrap().invoker);
    let customers = relation("public", "customers");
    // The one that is switched off sets nothing off.
    assert_eq!(customers.triggers.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["touch"]);
    let orders = relation("public", "orders");
    let note = &orders.triggers[0];
    assert!(note.definer && note.on_insert && note.on_update && note.on_delete && !note.on_truncate);
    assert_eq!(
        (note.update_columns.as_slice(), &note.function),
        (["total".to_owned()].as_slice(), &Name::new("audit", "note"))
    );
    assert_eq!((orders.keys[1].on_delete, orders.keys[1].on_update), (KeyAction::SetNull, KeyAction::Cascade));
    assert!(database.operators.contains("~~~") && !database.operators.contains("||"));
    // citext only compares; what somebody made themselves may do anything.
    for (name, runs) in
        [("citext", false), ("email", true), ("code", true), ("address", true), ("mood", false), ("span", false)]
    {
        assert_eq!(database.types.contains(&Name::new("public", name)), runs, "{name}");
    }
    assert!(database.casts.contains(&("integer".to_owned(), "public.mood".to_owned())));
    let functions: Vec<_> = database.functions.iter().filter(|one| one.name == Name::new("public", "secret")).collect();
    assert!(matches!(functions.as_slice(), [one] if one.definer && !one.immutable && one.language == "sql"));
    // Nothing that PostgreSQL brings itself is among them.
    assert!(database.functions.iter().all(|one| one.name.schema != "pg_catalog"));
}

#[test]
fn another_version_has_the_same_to_say() {
    let (old, new) = (Server::start(), Server::start_newest());
    // Python's has no pgcrypto.
    let company = COMPANY.replace("create extension pgcrypto;\n", "");
    let systems = [old, new].map(|server| {
        server.run(&company);
        let place = Place::new(&server.url(), "");
        let (code, out, _) = place.ambit(&["inventory"]);
        assert_eq!(code, 0, "{out}");
        place.system()
    });
    let [old, new] = systems.map(|system| {
        // Versions write views in words of their own.
        let bare = |(name, one): (String, Relation)| (name, Relation { definition: None, digest: None, ..one });
        let own = |function: &ambit::lock::database::Function| function.extension.is_none();
        let database = system.database.unwrap();
        let functions: Vec<_> = database.functions.into_iter().filter(own).collect();
        (system.relations.into_iter().map(bare).collect::<Vec<_>>(), functions, database.types)
    });
    assert_eq!(old, new);
    let newest = Server::start_newest();
    newest.run("create table t (a integer not null, b integer generated always as (a * 2) virtual)");
    let place = Place::new(&newest.url(), "");
    assert_eq!(place.ambit(&["inventory"]).0, 0);
    let system = place.system();
    let t = &system.relations["public.t"];
    assert_eq!((t.columns[0].not_null, t.columns[1].generated.as_deref()), (true, Some("(a * 2)")));
    assert!(system.server.unwrap().version.starts_with("18."));
}

#[test]
fn what_changed_is_told_in_words_and_stands_in_the_lock_once_somebody_accepts() {
    let server = Server::start();
    server.run(COMPANY);
    let place = Place::new(&server.url(), "");
    assert_eq!(place.ambit(&["inventory"]).0, 0);
    let lock = place.lock();
    server.run(CHANGES);
    let (code, out, err) = place.ambit(&["inventory"]);
    assert_eq!((code, place.lock() == lock), (1, true));
    insta::assert_snapshot!(format!("{out}---\n{err}"), @r#"
    crm: changed
      + table public.added (id)
          a delete from public.customers deletes from it (key added_id_fkey)
      ~ table public.customers
          ~ column name: may be empty
          ~ column ssn: text became character varying(20)
          ~ column active: filled with false, and was with true
          + column phone text
          - column extra jsonb
          ~ trigger touch: runs public.touch with the rights of its owner on update
          + trigger watch: runs audit.note with the rights of its owner on delete
      ~ view public.glad
          -     'it''s ''''quoted'''''::text AS said
          -    FROM public.customers
          -   WHERE (customers.mood = 'glad'::public.mood);
          +     (customers.ssn)::text AS said
          +    FROM public.customers;
      ~ view public.mine
          it reads with the rights of its owner
      ~ table public.order_items
          ~ key order_items_order_id_fkey: on delete cascade became restrict
      ~ table public.orders
          - policy own
          row security was forced, and is off
      - table public.naïve
      ~ function public.same(public.mood, text)
          it is made otherwise
      + function public.tidy(INOUT days integer, x integer)
      ~ function public.touch()
          it runs with the rights of its owner now
      ~ type public.mood
          - { name = "public.mood", kind = "enum", labels = ["glad", "so so", "sad"] }
          + { name = "public.mood", kind = "enum", labels = ["glad", "so so", "sad", "odd\U0000202E\U0000001B[8m"] }
      ~ search path of crm
          (public) became (audit, public)
    ---
    help: the lock stays as it is until somebody looks at what changed: once you have, run it again with `--accept`
    "#);
    let (code, out, _) = place.ambit(&["inventory", "--format", "json"]);
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    let first = &said["systems"][0]["changes"][1];
    assert_eq!((code, &first["change"], &first["what"]), (1, &"differs".into(), &"table".into()));

    let (code, out, _) = place.ambit(&["inventory", "--accept"]);
    assert_eq!(code, 0, "{out}");
    assert_eq!(place.system().database.unwrap().search_path, ["audit", "public"]);
    assert_eq!(place.ambit(&["inventory"]).1, "crm: nothing changed\n");
}

const CHANGES: &str = "
alter table customers add phone text, drop column extra, alter ssn type varchar(20), alter name drop not null,
    alter active set default false;
alter table order_items drop constraint order_items_order_id_fkey,
    add constraint order_items_order_id_fkey foreign key (order_id) references orders on delete restrict;
create trigger watch after delete on customers for each statement execute function audit.note();
create or replace view glad as select id, name, ssn::text as said from customers;
alter view mine set (security_invoker = off);
alter table orders disable row level security, no force row level security;
drop policy own on orders;
create table added (id int references customers on delete cascade);
drop table \"naïve\";
create or replace function touch() returns trigger language plpgsql security definer as $$ begin return new; end $$;
create function tidy(inout days integer, x int) language sql as 'select 1';
create or replace function same(mood, text) returns boolean language sql immutable as 'select true';
alter type mood add value E'odd\\u202e\\u001b[8m';
alter role postgres set search_path = nowhere, \"$user\", audit, pg_catalog, public;
";

#[test]
fn a_role_that_may_nothing_can_look_and_only_at_the_schemas_that_are_named() {
    let server = Server::start();
    server.run(COMPANY);
    server.run("create role looker login password 'let me look'; create schema far; create table far.away (id bigint references customers on delete set null, more int primary key); create table far.off (id int references far.away on update cascade); create table far.kept (id bigint references customers)");
    let place = Place::new(&server.url_as("looker", "let me look"), "schemas = [\"public\"]\n");
    let (code, out, _) = place.ambit(&["inventory"]);
    assert_eq!(code, 0, "{out}");
    let system = place.system();
    // Where keys lead is looked at as well: a delete reaches it, whoever named it.
    let elsewhere: Vec<&str> =
        system.relations.keys().map(String::as_str).filter(|name| !name.starts_with("public.")).collect();
    assert_eq!(elsewhere, ["far.away", "far.off"]);
    assert!(system.relations.contains_key("public.customers"));

    let misnamed = Place::new(&server.url(), "schemas = [\"pubic\"]\n");
    assert_eq!(misnamed.fault(), "it has no schema `pubic`, which `schemas` in `ambit.toml` names");
}

#[test]
fn what_cannot_be_looked_at_is_told_without_its_secret() {
    let server = Server::start();
    let port = server.port();
    let said = |url: &str| {
        let said = Place::new(url, "").fault();
        assert!(!said.contains("hunter2") && !said.contains(PASSWORD), "{said}");
        said
    };
    let wrong = said(&server.url_as("postgres", "hunter2"));
    assert_eq!(wrong, "the database says: password authentication failed for user \"postgres\" (28P01)");
    for (url, expected) in [
        ("hunter2".to_owned(), "its `url` is not of the form `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"),
        (
            "postgres://postgres:hunter2@127.0.0.1/crm?nonsense=1".to_owned(),
            "its `url` is not of the form `postgres://USER:PASSWORD@HOST:PORT/DATABASE`",
        ),
        (
            "postgres://postgres:hunter2@192.0.2.1/crm?sslmode=disable".to_owned(),
            "its `url` asks for a connection without TLS to another machine",
        ),
        (format!("postgres://127.0.0.1:{port}/crm"), "its `url` names no user"),
        (format!("postgres://postgres@127.0.0.1:{port}"), "its `url` names no database"),
        (
            format!("postgres://postgres:hunter2@127.0.0.1:{port}/crm?sslmode=require"),
            "error performing TLS handshake: server does not support TLS",
        ),
    ] {
        assert_eq!(said(&url), expected, "{url}");
    }
    // One default of 17 MB is more than is heard.
    server.run("create table wide (x text); do $$ begin execute format('alter table wide alter x set default %L', repeat('x', 17000000)); end $$");
    assert_eq!(
        said(&server.url()),
        "it says more than 16 MiB of itself: name the `schemas` that matter in `ambit.toml`"
    );
}

#[test]
fn a_server_proves_who_it_is_or_is_on_this_machine() {
    let server = Server::start();
    let authority = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    server.certify(&authority.cert.pem(), &authority.signing_key.serialize_pem());
    let place = |more: &str| {
        let password = PASSWORD.replace(' ', "%20");
        let url = format!("postgres://postgres:{password}@localhost:{}/crm?{more}", server.port());
        let place = Place::new(&url, "");
        std::fs::write(place.path("authority.pem"), authority.cert.pem()).unwrap();
        place
    };
    // Nobody but the file vouches for it.
    let unknown = place("sslmode=require").fault();
    assert!(unknown.starts_with("error performing TLS handshake: invalid peer certificate"), "{unknown}");
    let vouched = place("sslmode=verify-full&sslrootcert=authority.pem");
    assert_eq!(vouched.ambit(&["inventory"]).0, 0);
    assert!(place("sslmode=require&sslrootcert=ambit.toml").fault().contains("cannot be read"));
    let password = PASSWORD.replace(' ', "%20");
    let other = format!(
        "postgres://postgres:{password}@127.0.0.1:{}/crm?sslmode=require&sslrootcert=authority.pem",
        server.port()
    );
    let other = Place::new(&other, "");
    std::fs::write(other.path("authority.pem"), authority.cert.pem()).unwrap();
    assert!(other.fault().contains("invalid peer certificate"), "its certificate is for another name");

    // Over the socket of this machine.
    let socket = server.socket_dir().display().to_string().replace('/', "%2F");
    let local = Place::new(&format!("postgres://postgres:{password}@{socket}:{}/crm", server.port()), "");
    assert_eq!(local.ambit(&["inventory"]).0, 0);
}

#[test]
fn a_line_that_no_value_of_a_column_fits_is_found_without_the_database() {
    let server = Server::start();
    server.run(COMPANY);
    let more =
        "\n[people.dana]\nemail = \"dana@acme.example\"\n[agents.helper]\nscope = \"SCOPE.md\"\nsystems = [\"crm\"]\n";
    let place = Place::new(&server.url(), more);
    assert_eq!(place.ambit(&["inventory"]).0, 0);
    drop(server);
    let check = |line: &str| {
        let scope = format!(
            "---\nagent: helper\nowner: dana@acme.example\n---\n\n# Helper\n\nHelps.\n\n## It can read\n\n- {line}\n\n## It can write\n\n- nothing\n\n## A human must confirm\n\n- nothing\n\n## It cannot touch\n\n- nothing\n"
        );
        std::fs::write(place.path("SCOPE.md"), scope).unwrap();
        let (_, out, err) = place.ambit(&["check", "--format", "json"]);
        format!("{out}{err}")
    };
    for wrong in [
        "crm.orders where total is \"5\"",
        "crm.customers where active is 1",
        "crm.customers where mood is 3",
        "crm.glad where id is \"7\"",
    ] {
        assert!(check(wrong).contains("wrong-type"), "{wrong}: {}", check(wrong));
    }
    for right in [
        "crm.orders where total is above 5",
        "crm.customers where mail ends with \"@acme.example\" and mood is \"glad\"",
        "crm.glad where id is 7",
        "crm.\"naïve\" where \"日付\" is given",
    ] {
        let said = check(right);
        assert!(!said.contains("wrong-type") && !said.contains("unknown-"), "{right}: {said}");
    }
}
