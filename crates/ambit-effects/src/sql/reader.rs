//! The reader of one statement: what it knows, and what is marked as touched while the tree is walked.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ambit_core::catalog::{Catalog, ResourceId, SystemId};
use ambit_core::effect::{FieldSet, Standing};
use ambit_core::reading::{BuiltIn, Reach, Reading, Unread};
use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::RangeVar;

use super::NotRead;
use super::asked::Parameter;
use super::database::{Database, Name, Relation};
use super::names::{Column, Env, Range, Scope, is_of_a_denied, is_system_column, system_relation};
use super::touched::{Instance, Touched};

/// The most queries and expressions within one another.
const MOST_DEPTH: usize = 128;

/// The most names that are compared while one statement is read.
const MOST_WORK: usize = 20_000_000;

pub(super) struct Reader<'a> {
    pub database: &'a Database,
    pub catalog: &'a Catalog,
    pub system: SystemId,
    pub parameters: &'a [Parameter],
    pub touched: Touched<'a>,
    /// Whose rights what is read now is read with: the agent's, or those of the owner of a view.
    pub standing: Standing,
    /// Views under way, the outermost first.
    pub views: Vec<Name>,
    /// What instances are partitions of, or are partitioned into.
    pub kin_of: BTreeMap<usize, BTreeSet<Name>>,
    /// DEFAULT stands in it, so that what is given may be a default all the same.
    pub gives_defaults: bool,
    depth: usize,
    work: usize,
}

/// The text of a name of one or more parts; `None` for a part that is none (`*`).
pub(super) fn parts(names: &NodeList) -> Vec<Option<&str>> {
    names.iter().map(Node::as_str).collect()
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        database: &'a Database,
        catalog: &'a Catalog,
        system: SystemId,
        parameters: &'a [Parameter],
    ) -> Reader<'a> {
        Reader {
            database,
            catalog,
            system,
            parameters,
            touched: Touched::default(),
            standing: Standing::Own,
            views: Vec::new(),
            kin_of: BTreeMap::new(),
            gives_defaults: false,
            depth: 0,
            work: 0,
        }
    }

    /// What was gathered, as a reading.
    pub(super) fn finish(mut self) -> Reading {
        self.onward();
        let Reader { touched, catalog, .. } = self;
        touched.reading(|resource| {
            let fields = catalog.resource(resource).map(|resource| resource.fields.as_slice()).unwrap_or_default();
            fields.iter().map(|field| field.name.clone()).collect()
        })
    }

    /// One step further in.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, NotRead>) -> Result<T, NotRead> {
        if self.depth >= MOST_DEPTH {
            let help = "send a simpler one, or several";
            return Err(NotRead::never(format!("a statement more than {MOST_DEPTH} deep"), help));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// So much more was looked at.
    pub(super) fn worked(&mut self, names: usize) -> Result<(), NotRead> {
        self.work = self.work.saturating_add(names);
        if self.work > MOST_WORK {
            return Err(NotRead::never("a statement with so many names", "send a simpler one, or several"));
        }
        Ok(())
    }

    /// A part that cannot be read; it may reach everything in the database. The names in `what` are escaped already.
    pub(super) fn unread(&mut self, what: String) {
        let unread = Unread { what, reach: Reach::System(self.system) };
        if !self.touched.unread.contains(&unread) {
            self.touched.unread.push(unread);
        }
    }

    pub(super) fn built_in(&mut self, one: BuiltIn) {
        self.touched.built_in.insert(one);
    }

    /// The relation that a name stands for, where it is one of the database.
    pub(super) fn relation_named(&self, schema: Option<&str>, name: &str) -> Option<(Name, &'a Relation)> {
        let of = |schema: &str| {
            let (name, relation) = self.database.relations.get_key_value(&Name::new(schema, name))?;
            Some((name.clone(), relation))
        };
        match schema {
            Some(schema) => of(schema),
            None => self.database.search_path.iter().find_map(|schema| of(schema)),
        }
    }

    /// The place of that relation in the catalog.
    pub(super) fn resource(&self, name: &Name) -> Option<ResourceId> {
        self.catalog.resource_named(self.system, &name.to_string())
    }

    /// The place of a column among the fields of its relation.
    pub(super) fn field(&self, resource: ResourceId, column: &str) -> Option<usize> {
        self.catalog.resource(resource)?.field_named(column)
    }

    /// A relation as it stands in FROM or as a target, and the range that it is.
    pub(super) fn relation(&mut self, range: &RangeVar, read: bool) -> Result<(usize, Range), NotRead> {
        let (schema, name) = (range.schemaname(), range.relname().unwrap_or_default());
        if range.catalogname().is_some() {
            return Err(NotRead::never("a relation of a database by its name", "leave the database's name out"));
        }
        let Some((found, relation)) = self.relation_named(schema, name) else {
            let named = schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"));
            return Err(NotRead::unknown("relation", &named));
        };
        if schema.is_none() && name.starts_with("pg_") {
            // PostgreSQL looks into `pg_catalog` first, and what is there is not listed in full here.
            return Err(NotRead::never(format!("`{name}` without its schema"), "write the schema before it"));
        }
        let place = self.instance(&found, relation, read)?;
        self.kin(&found, relation, place, range.inh);
        let fields = self.touched.instances.get(place).map(|instance| instance.resource);
        let columns = relation.columns.iter().map(|column| {
            let at = fields.and_then(|resource| self.field(resource, &column.name));
            Column { name: column.name.clone(), marks: at.map(|at| (place, at)).into_iter().collect(), maybe: false }
        });
        let columns: Vec<Column> = columns.collect();
        let alias = range.alias().and_then(|alias| alias.aliasname());
        let renamed = range.alias().map(|alias| super::from::names_of(alias.colnames())).unwrap_or_default();
        let mut made = Range {
            name: alias.unwrap_or(name).to_owned(),
            relation: alias.is_none().then_some(found),
            columns,
            base: Some(place),
            is_table: relation.view.is_none(),
            ..Range::default()
        };
        for (column, renamed) in made.columns.iter_mut().zip(renamed) {
            column.name = renamed;
        }
        Ok((place, made))
    }

    /// Notes that a relation stands here, and what it is made of.
    pub(super) fn instance(&mut self, name: &Name, relation: &'a Relation, read: bool) -> Result<usize, NotRead> {
        let Some(resource) = self.resource(name) else {
            return Err(NotRead::unknown("relation", &name.to_string()));
        };
        let place = self.touched.instances.len();
        self.worked(self.database.relations.len())?;
        self.touched.instances.push(Instance {
            name: name.clone(),
            relation,
            resource,
            standing: self.standing,
            read,
            fields: FieldSet::new(),
            facts: BTreeMap::new(),
        });
        self.view(name, relation)?;
        Ok(place)
    }

    /// A system catalog in FROM.
    pub(super) fn system_range(&mut self, range: &RangeVar) -> Result<Option<Range>, NotRead> {
        let (schema, name) = (range.schemaname(), range.relname().unwrap_or_default());
        let Some(denied) = system_relation(schema, name) else { return Ok(None) };
        if !denied.is_empty() && range.alias().is_some_and(|alias| !alias.colnames().is_empty()) {
            return Err(NotRead::never(
                format!("other names for the columns of `{name}`"),
                "use the columns' own names",
            ));
        }
        self.built_in(BuiltIn::Names);
        let alias = range.alias().and_then(|alias| alias.aliasname());
        let schema = schema.unwrap_or("pg_catalog");
        Ok(Some(Range {
            name: alias.unwrap_or(name).to_owned(),
            relation: alias.is_none().then(|| Name::new(schema, name)),
            open: true,
            denied,
            ..Range::default()
        }))
    }

    /// Marks a column as read.
    fn mark(&mut self, column: &Column) -> Result<(), NotRead> {
        self.worked(column.marks.len())?;
        for (instance, field) in &column.marks {
            if let Some(instance) = self.touched.instances.get_mut(*instance) {
                instance.fields.insert(*field);
            }
        }
        Ok(())
    }

    /// Marks all of a range as read.
    pub(super) fn mark_whole(&mut self, range: &Range) -> Result<(), NotRead> {
        if let Some(column) = range.denied.first() {
            return Err(NotRead::never(format!("`{column}` of `{}`", range.name), "name the columns that you want"));
        }
        self.worked(range.columns.len() + 1)?;
        range.columns.iter().try_for_each(|column| self.mark(column))
    }

    /// Marks something of a relation as read that is not one of its columns.
    fn mark_unlisted(&mut self, place: usize) {
        if let Some(instance) = self.touched.instances.get_mut(place) {
            instance.fields.insert_unlisted();
        }
    }

    /// Marks what a reference to a column reads.
    pub(super) fn column(&mut self, fields: &NodeList, env: &Env) -> Result<(), NotRead> {
        let parts = parts(fields);
        match parts.as_slice() {
            [Some(name)] => {
                if self.bare(name, env)? {
                    Ok(())
                } else {
                    Err(NotRead::unknown("column", name))
                }
            }
            [Some(range), rest @ ..] if rest.len() == 1 => {
                self.qualified(None, range, rest.first().copied().flatten(), env)
            }
            [.., Some(schema), Some(range), last] if parts.len() <= 4 => {
                self.qualified(Some(schema), range, *last, env)
            }
            // `*` by itself stands only where a query gives its columns.
            _ => Err(NotRead::invalid("a reference to a column is not one".to_owned())),
        }
    }

    /// A name by itself: a column of the innermost query that has one, else a whole row. Whether there is any.
    pub(super) fn bare(&mut self, name: &str, env: &Env) -> Result<bool, NotRead> {
        let mut maybe = false;
        let scopes: Vec<Rc<Scope>> = outward(env);
        for scope in &scopes {
            let mut certain = false;
            for visible in scope.ranges.iter().filter(|visible| visible.columns) {
                let range = &visible.range;
                self.worked(range.columns.len() + 1)?;
                // More than one may have it: where PostgreSQL would complain, more is marked than is read.
                for column in range.columns.iter().filter(|column| column.name == name) {
                    self.mark(column)?;
                    certain |= !column.maybe;
                    maybe = true;
                }
                // Every table has those, and not each of them can be seen everywhere (the target of a MERGE).
                if let Some(place) = range.base.filter(|_| range.is_table && is_system_column(name)) {
                    self.mark_unlisted(place);
                    certain = true;
                }
                if range.denied.contains(&name) {
                    return Err(NotRead::never(format!("`{name}` of `{}`", range.name), "leave that column out"));
                }
                maybe |= range.open;
            }
            if certain {
                return Ok(true);
            }
        }
        for scope in &scopes {
            let named = scope.ranges.iter().filter(|visible| visible.by_name && visible.range.name == name);
            let named: Vec<Rc<Range>> = named.map(|visible| Rc::clone(&visible.range)).collect();
            if !named.is_empty() {
                named.iter().try_for_each(|range| self.mark_whole(range))?;
                return Ok(true);
            }
        }
        Ok(maybe)
    }

    /// A column of a range by the range's name; `None`: all of them.
    fn qualified(&mut self, schema: Option<&str>, name: &str, column: Option<&str>, env: &Env) -> Result<(), NotRead> {
        let is_meant = |range: &Range| match (schema, &range.relation) {
            (None, _) => range.name == name,
            (Some(schema), Some(relation)) => relation.schema == schema && relation.name == name,
            (Some(_), None) => false,
        };
        for scope in outward(env) {
            let meant = scope.ranges.iter().filter(|visible| visible.by_name && is_meant(&visible.range));
            let meant: Vec<Rc<Range>> = meant.map(|visible| Rc::clone(&visible.range)).collect();
            self.worked(scope.ranges.len() + 1)?;
            if meant.is_empty() {
                continue;
            }
            for range in meant {
                match column {
                    None => self.mark_whole(&range)?,
                    Some(column) => self.column_of(&range, column)?,
                }
            }
            return Ok(());
        }
        Err(NotRead::unknown("relation in this query", name))
    }

    /// A column of that range.
    pub(super) fn column_of(&mut self, range: &Range, name: &str) -> Result<(), NotRead> {
        self.worked(range.columns.len() + 1)?;
        if range.denied.contains(&name) {
            return Err(NotRead::never(format!("`{name}` of `{}`", range.name), "leave that column out"));
        }
        let (mut found, mut certain) = (false, false);
        for column in range.columns.iter().filter(|column| column.name == name) {
            self.mark(column)?;
            found = true;
            certain |= !column.maybe;
        }
        match (found || range.open, range.base) {
            // Of what has columns that are not listed, it may be a function of the whole row.
            (true, _) if !found && !range.denied.is_empty() && !is_of_a_denied(name) => {
                Err(NotRead::never(format!("`{name}` of `{}`", range.name), "name the columns that you want"))
            }
            (true, _) if !certain => self.step(name),
            (true, _) => Ok(()),
            (false, Some(place)) if is_system_column(name) => {
                self.mark_unlisted(place);
                Ok(())
            }
            // `range.name` is also how a function of a row is written.
            (false, _) if self.is_function(name) => {
                self.mark_whole(range)?;
                self.function(&[Some(name)]);
                Ok(())
            }
            (false, _) => Err(NotRead::unknown("column", &format!("{}.{name}", range.name))),
        }
    }
}

/// The scopes of an expression, from within.
fn outward(env: &Env) -> Vec<Rc<Scope>> {
    std::iter::successors(env.scope.clone(), |scope| scope.outer.clone()).collect()
}
