//! What rows are read from and written to, with everything that a change of it sets off.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::{Client, Row};

use super::{AskError, MOST_RELATIONS, get, named};
use crate::lock::relation::{
    Change, Column, Fires, Identity, Key, KeyAction, Policy, Relation, RelationKind, RowSecurity, Rule, Statements,
    Trigger,
};

/// Relations by name.
pub(super) type Relations = BTreeMap<String, Relation>;

/// Reads those of the schemas (of all but PostgreSQL's own, when there are none), and whatever the keys of others lead to
/// from there: what a delete reaches is part of what it does, wherever that is.
pub(super) async fn read(client: &Client, schemas: &BTreeSet<String>) -> Result<Relations, AskError> {
    let schemas: Vec<&str> = schemas.iter().map(String::as_str).collect();
    let most = i64::try_from(MOST_RELATIONS + 1).unwrap_or(i64::MAX);
    let rows = client.query(RELATIONS, &[&schemas, &most]).await?;
    if rows.len() > MOST_RELATIONS {
        return Err(AskError::TooMany);
    }
    let mut all: BTreeMap<u32, (String, Relation)> = BTreeMap::new();
    for row in &rows {
        all.insert(get(row, "oid")?, (named(row, "schema", "name")?, relation(row)?));
    }
    let oids: Vec<u32> = all.keys().copied().collect();
    for row in &client.query(COLUMNS, &[&oids]).await? {
        let column = column(row)?;
        at(&mut all, row)?.columns.push(column);
    }
    for row in &client.query(PARENTS, &[&oids]).await? {
        let parent = named(row, "parent_schema", "parent")?;
        at(&mut all, row)?.parents.push(parent);
    }
    for row in &client.query(KEYS, &[&oids]).await? {
        let key = key(row)?;
        at(&mut all, row)?.keys.push(key);
    }
    for row in &client.query(TRIGGERS, &[&oids]).await? {
        let trigger = trigger(row)?;
        at(&mut all, row)?.triggers.push(trigger);
    }
    for row in &client.query(RULES, &[&oids]).await? {
        let rule = Rule { name: get(row, "name")?, definition: get(row, "definition")? };
        at(&mut all, row)?.rules.push(rule);
    }
    for row in &client.query(POLICIES, &[&oids]).await? {
        let policy = policy(row)?;
        at(&mut all, row)?.policies.push(policy);
    }
    let finished = all.into_values().map(|(name, mut relation)| {
        relation.digest = Some(relation.digest_as(&name));
        (name, relation)
    });
    Ok(finished.collect())
}

fn at<'a>(all: &'a mut BTreeMap<u32, (String, Relation)>, row: &Row) -> Result<&'a mut Relation, AskError> {
    let oid: u32 = get(row, "of")?;
    match all.get_mut(&oid) {
        Some((_, relation)) => Ok(relation),
        None => Err(AskError::Moved("a relation".to_owned())),
    }
}

// `security_invoker` is a text in whichever of the spellings of a truth value its author chose.
const RELATIONS: &str = "
    with recursive wanted(oid) as (
        select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
           and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           and (pg_catalog.cardinality($1::text[]) = 0 or n.nspname = any ($1::text[]))
        union
        select k.conrelid from wanted w join pg_catalog.pg_constraint k on k.confrelid = w.oid
         where k.contype = 'f' and (k.confdeltype not in ('a', 'r') or k.confupdtype not in ('a', 'r'))
    )
    select c.oid, n.nspname::text as schema, c.relname::text as name, c.relkind::text as kind,
           c.relrowsecurity as row_security, c.relforcerowsecurity as forced,
           (select o.option_value::bool from pg_catalog.pg_options_to_table(c.reloptions) o
             where o.option_name = 'security_invoker') as invoker,
           case when c.relispartition then pg_catalog.pg_get_expr(c.relpartbound, c.oid) end as partition,
           case when c.relkind = 'p' then pg_catalog.pg_get_partkeydef(c.oid) end as partitioned_by,
           case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) end as definition,
           (select e.extname::text from pg_catalog.pg_depend d
              join pg_catalog.pg_extension e on e.oid = d.refobjid
             where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
               and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e') as extension
      from wanted w join pg_catalog.pg_class c on c.oid = w.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     limit $2";

fn relation(row: &Row) -> Result<Relation, AskError> {
    let kind = match get::<String>(row, "kind")?.as_str() {
        "r" | "p" => RelationKind::Table,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::ForeignTable,
        "S" => RelationKind::Sequence,
        other => return Err(AskError::Unknown("a relation", other.to_owned())),
    };
    let row_security = match (get(row, "row_security")?, get(row, "forced")?) {
        (false, _) => RowSecurity::Off,
        (true, false) => RowSecurity::On,
        (true, true) => RowSecurity::Forced,
    };
    let definition: Option<String> = get(row, "definition")?;
    if matches!(kind, RelationKind::View | RelationKind::MaterializedView) && definition.is_none() {
        return Err(AskError::Moved(format!("`{}`", named(row, "schema", "name")?)));
    }
    Ok(Relation {
        kind,
        row_security,
        definition,
        extension: get(row, "extension")?,
        partition: get(row, "partition")?,
        partitioned_by: get(row, "partitioned_by")?,
        security_invoker: get::<Option<bool>>(row, "invoker")?.unwrap_or(false),
        ..Relation::default()
    })
}

const COLUMNS: &str = "
    select a.attrelid as of, a.attname::text as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
           a.attnotnull as not_null, a.attidentity::text as identity, a.attgenerated::text as generated,
           pg_catalog.pg_get_expr(d.adbin, d.adrelid) as expression
      from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
      left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = any ($1::oid[]) and a.attnum > 0 and not a.attisdropped and c.relkind <> 'S'
     order by a.attrelid, a.attnum";

fn column(row: &Row) -> Result<Column, AskError> {
    let identity = match get::<String>(row, "identity")?.as_str() {
        "" => None,
        "a" => Some(Identity::Always),
        "d" => Some(Identity::ByDefault),
        other => return Err(AskError::Unknown("a column", other.to_owned())),
    };
    let expression: Option<String> = get(row, "expression")?;
    let (default, generated) = match get::<String>(row, "generated")?.as_str() {
        "" => (expression, None),
        // Stored, or computed when it is read.
        "s" | "v" => (None, expression),
        other => return Err(AskError::Unknown("a column", other.to_owned())),
    };
    Ok(Column {
        name: get(row, "name")?,
        type_name: get(row, "type")?,
        not_null: get(row, "not_null")?,
        default,
        generated,
        identity,
    })
}

const PARENTS: &str = "
    select i.inhrelid as of, n.nspname::text as parent_schema, p.relname::text as parent
      from pg_catalog.pg_inherits i join pg_catalog.pg_class p on p.oid = i.inhparent
      join pg_catalog.pg_namespace n on n.oid = p.relnamespace
     where i.inhrelid = any ($1::oid[])
     order by i.inhrelid, i.inhseqno";

const KEYS: &str = "
    select k.conrelid as of, k.conname::text as name, n.nspname::text as to_schema, r.relname::text as to_name,
           k.confdeltype::text as on_delete, k.confupdtype::text as on_update,
           array(select a.attname::text from unnest(k.conkey) with ordinality u(num, place)
                   join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num
                  order by u.place) as columns,
           array(select a.attname::text from unnest(k.confkey) with ordinality u(num, place)
                   join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num
                  order by u.place) as referenced,
           array(select a.attname::text from unnest(k.confdelsetcols) with ordinality u(num, place)
                   join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num
                  order by u.place) as delete_sets
      from pg_catalog.pg_constraint k join pg_catalog.pg_class r on r.oid = k.confrelid
      join pg_catalog.pg_namespace n on n.oid = r.relnamespace
     where k.contype = 'f' and k.conrelid = any ($1::oid[])
     order by k.conrelid, k.conname collate \"C\", n.nspname collate \"C\", r.relname collate \"C\"";

fn key(row: &Row) -> Result<Key, AskError> {
    Ok(Key {
        name: get(row, "name")?,
        columns: get(row, "columns")?,
        references: named(row, "to_schema", "to_name")?,
        referenced: get(row, "referenced")?,
        on_delete: action(row, "on_delete")?,
        delete_sets: get(row, "delete_sets")?,
        on_update: action(row, "on_update")?,
    })
}

fn action(row: &Row, column: &str) -> Result<KeyAction, AskError> {
    match get::<String>(row, column)?.as_str() {
        "a" => Ok(KeyAction::NoAction),
        "r" => Ok(KeyAction::Restrict),
        "c" => Ok(KeyAction::Cascade),
        "n" => Ok(KeyAction::SetNull),
        "d" => Ok(KeyAction::SetDefault),
        other => Err(AskError::Unknown("a key", other.to_owned())),
    }
}

const TRIGGERS: &str = "
    select t.tgrelid as of, t.tgname::text as name, t.tgtype as bits, t.tgenabled::text as enabled,
           n.nspname::text as function_schema, p.proname::text as function, p.prosecdef as definer,
           pg_catalog.pg_get_triggerdef(t.oid) as definition,
           array(select a.attname::text from unnest(t.tgattr::int2[]) with ordinality u(num, place)
                   join pg_catalog.pg_attribute a on a.attrelid = t.tgrelid and a.attnum = u.num
                  order by u.place) as columns
      from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
      join pg_catalog.pg_namespace n on n.oid = p.pronamespace
     where not t.tgisinternal and t.tgrelid = any ($1::oid[])
     order by t.tgrelid, t.tgname collate \"C\"";

/// On which changes a trigger runs, as the catalog's bits have it.
const EVENTS: [(i16, Change); 4] =
    [(1 << 2, Change::Insert), (1 << 4, Change::Update), (1 << 3, Change::Delete), (1 << 5, Change::Truncate)];

fn trigger(row: &Row) -> Result<Trigger, AskError> {
    let bits: i16 = get(row, "bits")?;
    let fires = match get::<String>(row, "enabled")?.as_str() {
        "O" => Fires::Origin,
        "R" => Fires::Replica,
        "A" => Fires::Always,
        "D" => Fires::Never,
        other => return Err(AskError::Unknown("a trigger", other.to_owned())),
    };
    Ok(Trigger {
        name: get(row, "name")?,
        on: EVENTS.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, change)| *change).collect(),
        columns: get(row, "columns")?,
        function: named(row, "function_schema", "function")?,
        definer: get(row, "definer")?,
        fires,
        definition: get(row, "definition")?,
    })
}

// What makes a view one is a rule too; that one is its definition.
const RULES: &str = "
    select r.ev_class as of, r.rulename::text as name, pg_catalog.pg_get_ruledef(r.oid) as definition
      from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class
     where r.ev_class = any ($1::oid[]) and not (r.rulename = '_RETURN' and c.relkind in ('v', 'm'))
     order by r.ev_class, r.rulename collate \"C\"";

const POLICIES: &str = "
    select p.polrelid as of, p.polname::text as name, p.polcmd::text as statements, p.polpermissive as permissive,
           array(select case u.role when 0 then 'public' else pg_catalog.pg_get_userbyid(u.role)::text end
                   from unnest(p.polroles) u(role) order by 1) as roles,
           pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using,
           pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as checks
      from pg_catalog.pg_policy p
     where p.polrelid = any ($1::oid[])
     order by p.polrelid, p.polname collate \"C\"";

fn policy(row: &Row) -> Result<Policy, AskError> {
    let statements = match get::<String>(row, "statements")?.as_str() {
        "*" => Statements::All,
        "r" => Statements::Select,
        "a" => Statements::Insert,
        "w" => Statements::Update,
        "d" => Statements::Delete,
        other => return Err(AskError::Unknown("a policy", other.to_owned())),
    };
    let mut to: Vec<String> = get(row, "roles")?;
    to.sort();
    Ok(Policy {
        name: get(row, "name")?,
        statements,
        to,
        restrictive: !get::<bool>(row, "permissive")?,
        using: get(row, "using")?,
        check: get(row, "checks")?,
    })
}
