//! What was added to the types, functions, operators and casts that every PostgreSQL has. What it brings itself has a
//! number below that of the first thing that anybody makes.

use tokio_postgres::{Client, Row};

use super::{AskError, get, named};
use crate::lock::database::{
    Cast, Database, Function, FunctionKind, Operator, Part, TypeKind, TypeMade, Unasked, Volatility,
};

/// Reads it all, in an order of names.
pub(super) async fn read(client: &Client, into: &mut Database) -> Result<(), AskError> {
    for row in &client.query(EXTENSIONS, &[]).await? {
        into.extensions.insert(get(row, "name")?, get(row, "version")?);
    }
    for row in &client.query(TYPES, &[]).await? {
        into.types.push(made(row)?);
    }
    for row in &client.query(FUNCTIONS, &[]).await? {
        into.functions.push(function(row)?);
    }
    for row in &client.query(OPERATORS, &[]).await? {
        into.operators.push(Operator {
            name: named(row, "schema", "name")?,
            left: get(row, "left")?,
            right: get(row, "right")?,
            function: named(row, "function_schema", "function")?,
            extension: get(row, "extension")?,
        });
    }
    for row in &client.query(CASTS, &[]).await? {
        into.casts.push(cast(row)?);
    }
    into.types.sort_by(|one, other| one.name.cmp(&other.name));
    into.functions.sort_by(|one, other| (&one.name, &one.arguments).cmp(&(&other.name, &other.arguments)));
    into.operators
        .sort_by(|one, other| (&one.name, &one.left, &one.right).cmp(&(&other.name, &other.left, &other.right)));
    into.casts.sort_by(|one, other| (&one.from, &one.to).cmp(&(&other.from, &other.to)));
    Ok(())
}

const EXTENSIONS: &str = "select extname::text as name, extversion as version from pg_catalog.pg_extension";

// Row types that come with a relation, and arrays that come with a type, are said by what they come with.
const TYPES: &str = "
    select n.nspname::text as schema, t.typname::text as name, t.typtype::text as kind, t.typnotnull as not_null,
           pg_catalog.format_type(coalesce(nullif(t.typbasetype, 0), g.rngsubtype, m.rngtypid),
                                  case when t.typbasetype <> 0 then t.typtypmod end) as of,
           pg_catalog.pg_get_expr(t.typdefaultbin, 0) as default,
           array(select pg_catalog.pg_get_constraintdef(k.oid) from pg_catalog.pg_constraint k
                  where k.contypid = t.oid and k.contype = 'c' order by k.conname collate \"C\") as checks,
           (t.typtype = 'b'
            or t.typinput::oid >= 16384 or t.typoutput::oid >= 16384
            or coalesce(g.rngcanonical::oid >= 16384, false) or coalesce(g.rngsubdiff::oid >= 16384, false)
            or exists (select from pg_catalog.pg_constraint k
                         join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_constraint'::regclass and d.objid = k.oid
                        where k.contypid = t.oid and d.refobjid >= 16384
                          and d.refclassid in ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass))
           ) as runs_functions,
           array(select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = t.oid
                  order by e.enumsortorder) as labels,
           array(select a.attname::text from pg_catalog.pg_attribute a
                  where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
                  order by a.attnum) as part_names,
           array(select pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
                  where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
                  order by a.attnum) as part_types,
           x.extname::text as extension
      from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
      left join pg_catalog.pg_class c on c.oid = t.typrelid
      left join pg_catalog.pg_range g on g.rngtypid = t.oid
      left join pg_catalog.pg_range m on m.rngmultitypid = t.oid
      left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_type'::regclass and d.objid = t.oid
        and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e'
      left join pg_catalog.pg_extension x on x.oid = d.refobjid
     where t.oid >= 16384 and t.typisdefined and n.nspname !~ '^pg_t(oast|emp)'
       and (t.typrelid = 0 or c.relkind = 'c')
       and not exists (select from pg_catalog.pg_type e where e.typarray = t.oid)";

fn made(row: &Row) -> Result<TypeMade, AskError> {
    let kind = match get::<String>(row, "kind")?.as_str() {
        "b" => TypeKind::Base,
        "d" => TypeKind::Domain,
        "e" => TypeKind::Enum,
        "c" => TypeKind::Row,
        "r" => TypeKind::Range,
        "m" => TypeKind::Multirange,
        other => return Err(AskError::Unknown("a type", other.to_owned())),
    };
    let names: Vec<String> = get(row, "part_names")?;
    let types: Vec<String> = get(row, "part_types")?;
    Ok(TypeMade {
        name: named(row, "schema", "name")?,
        kind,
        extension: get(row, "extension")?,
        of: get(row, "of")?,
        not_null: get(row, "not_null")?,
        default: get(row, "default")?,
        checks: get(row, "checks")?,
        runs_functions: get(row, "runs_functions")?,
        labels: get(row, "labels")?,
        parts: names.into_iter().zip(types).map(|(name, type_name)| Part { name, type_name }).collect(),
    })
}

// How an aggregate was made cannot be asked as that of the others can.
const FUNCTIONS: &str = "
    select n.nspname::text as schema, p.proname::text as name,
           pg_catalog.pg_get_function_identity_arguments(p.oid) as arguments,
           pg_catalog.pg_get_function_result(p.oid) as returns,
           p.prokind::text as kind, p.prosecdef as definer, p.provolatile::text as volatility, l.lanname::text as language,
           x.extname::text as extension,
           case when x.oid is null and p.prokind <> 'a' then
             pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
               pg_catalog.pg_get_functiondef(p.oid), 'UTF8')), 'hex') end as digest
      from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      join pg_catalog.pg_language l on l.oid = p.prolang
      left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid
        and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e'
      left join pg_catalog.pg_extension x on x.oid = d.refobjid
     where p.oid >= 16384 and n.nspname !~ '^pg_t(oast|emp)'";

fn function(row: &Row) -> Result<Function, AskError> {
    let kind = match get::<String>(row, "kind")?.as_str() {
        "f" => FunctionKind::Function,
        "p" => FunctionKind::Procedure,
        "a" => FunctionKind::Aggregate,
        "w" => FunctionKind::Window,
        other => return Err(AskError::Unknown("a function", other.to_owned())),
    };
    let volatility = match get::<String>(row, "volatility")?.as_str() {
        "v" => Volatility::Volatile,
        "s" => Volatility::Stable,
        "i" => Volatility::Immutable,
        other => return Err(AskError::Unknown("a function", other.to_owned())),
    };
    Ok(Function {
        name: named(row, "schema", "name")?,
        arguments: get(row, "arguments")?,
        returns: get(row, "returns")?,
        kind,
        definer: get(row, "definer")?,
        volatility,
        language: get(row, "language")?,
        extension: get(row, "extension")?,
        digest: get(row, "digest")?,
    })
}

const OPERATORS: &str = "
    select n.nspname::text as schema, o.oprname::text as name,
           case when o.oprleft <> 0 then pg_catalog.format_type(o.oprleft, null) end as left,
           case when o.oprright <> 0 then pg_catalog.format_type(o.oprright, null) end as right,
           f.nspname::text as function_schema, p.proname::text as function, x.extname::text as extension
      from pg_catalog.pg_operator o join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
      join pg_catalog.pg_proc p on p.oid = o.oprcode join pg_catalog.pg_namespace f on f.oid = p.pronamespace
      left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_operator'::regclass and d.objid = o.oid
        and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e'
      left join pg_catalog.pg_extension x on x.oid = d.refobjid
     where o.oid >= 16384 and n.nspname !~ '^pg_t(oast|emp)'";

const CASTS: &str = "
    select pg_catalog.format_type(c.castsource, null) as source, pg_catalog.format_type(c.casttarget, null) as target,
           c.castcontext::text as context, f.nspname::text as function_schema, p.proname::text as function,
           x.extname::text as extension
      from pg_catalog.pg_cast c
      left join pg_catalog.pg_proc p on p.oid = c.castfunc left join pg_catalog.pg_namespace f on f.oid = p.pronamespace
      left join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_cast'::regclass and d.objid = c.oid
        and d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e'
      left join pg_catalog.pg_extension x on x.oid = d.refobjid
     where c.oid >= 16384";

fn cast(row: &Row) -> Result<Cast, AskError> {
    let unasked = match get::<String>(row, "context")?.as_str() {
        "e" => Unasked::Never,
        "a" => Unasked::InAssignment,
        "i" => Unasked::Anywhere,
        other => return Err(AskError::Unknown("a cast", other.to_owned())),
    };
    let function = match get::<Option<String>>(row, "function")? {
        Some(_) => Some(named(row, "function_schema", "function")?),
        None => None,
    };
    Ok(Cast {
        from: get(row, "source")?,
        to: get(row, "target")?,
        unasked,
        function,
        extension: get(row, "extension")?,
    })
}
