//! What follows from what was asked: views are seen through, partitions and parents stand for each other, keys cascade, triggers
//! and defaults run.

use std::collections::{BTreeMap, BTreeSet};

use ambit_core::effect::{FieldSet, Standing, Verb};

use super::NotRead;
use super::database::{Column, KeyAction, Name, Relation, Trigger};
use super::names::Env;
use super::parse::Parsed;
use super::reader::Reader;
use super::touched::Besides;
use crate::json::escape;

fn shown(name: &Name) -> String {
    escape(&name.to_string())
}

/// The most views within one another.
const MOST_VIEWS: usize = 16;

impl<'a> Reader<'a> {
    /// What a view reads: with the rights of its owner, which counts for *cannot* and *confirm* alone; or with the agent's.
    pub(super) fn view(&mut self, name: &Name, relation: &'a Relation) -> Result<(), NotRead> {
        let Some(view) = &relation.view else { return Ok(()) };
        if self.views.contains(name) || self.views.len() >= MOST_VIEWS {
            self.unread(format!("it reads the view `{}`, which leads too far", shown(name)));
            return Ok(());
        }
        self.worked(view.definition.len())?;
        let before = self.standing;
        if !view.invoker {
            self.standing = Standing::Declared;
        }
        self.views.push(name.clone());
        let read = Parsed::of(&view.definition)
            .and_then(|parsed| self.deeper(|reader| reader.query(parsed.one()?, &Env::default())).map(drop));
        self.views.pop();
        self.standing = before;
        if let Err(why) = read {
            self.unread(format!("it reads the view `{}`, whose query cannot be read: {why}", shown(name)));
        }
        Ok(())
    }

    /// Partitions and what they are partitions of: the same rows by another name.
    pub(super) fn kin(&mut self, name: &Name, relation: &Relation, place: usize, descends: bool) {
        let kin = self.kin_names(name, relation, descends);
        if !kin.is_empty() {
            self.kin_of.entry(place).or_default().extend(kin);
        }
    }

    fn kin_names(&self, name: &Name, relation: &Relation, descends: bool) -> BTreeSet<Name> {
        let mut kin: BTreeSet<Name> = BTreeSet::new();
        let mut open: Vec<&Name> = relation.parents.iter().collect();
        while let Some(parent) = open.pop() {
            if kin.insert(parent.clone()) {
                open.extend(self.database.relations.get(parent).into_iter().flat_map(|parent| &parent.parents));
            }
        }
        if descends {
            let mut above = vec![name.clone()];
            while let Some(parent) = above.pop() {
                let children = self.database.relations.iter().filter(|(_, child)| child.parents.contains(&parent));
                for (child, _) in children {
                    if kin.insert(child.clone()) {
                        above.push(child.clone());
                    }
                }
            }
        }
        kin
    }

    /// What the changes set off, once all of them are known.
    pub(super) fn onward(&mut self) {
        let of_kin = self.through_kin();
        self.conversions();
        let mut done: BTreeSet<(Verb, Name, Vec<String>)> = BTreeSet::new();
        let mut open: Vec<(Verb, Name, Vec<String>)> = Vec::new();
        for change in &self.touched.changes {
            if let Some(instance) = self.touched.instances.get(change.instance) {
                let fields =
                    self.catalog.resource(instance.resource).map(|one| one.fields.as_slice()).unwrap_or_default();
                let columns = change.fields.iter().filter_map(|at| fields.get(at)).map(|field| field.name.clone());
                open.push((change.verb, instance.name.clone(), columns.collect()));
            }
        }
        let asked = open.len();
        open.extend(of_kin);
        let mut at = 0;
        while let Some((verb, name, columns)) = open.get(at).cloned() {
            at += 1;
            if !done.insert((verb, name.clone(), columns.clone())) {
                continue;
            }
            if at > asked {
                self.besides(verb, &name, &columns);
            }
            self.runs(verb, &name, &columns);
            self.cascades(verb, &name, &columns, &mut open);
            let Some(relation) = self.database.relations.get(&name) else { continue };
            if relation.view.is_some() && verb != Verb::Read {
                self.through_view(verb, &name, relation, at <= asked, &mut open);
            }
            if at > asked {
                let kin = self.kin_names(&name, relation, true);
                open.extend(kin.into_iter().map(|name| (verb, name, columns.clone())));
            }
        }
    }

    /// Conversions that run a function of the database's own may be made of whatever has such a type, without being written.
    fn conversions(&mut self) {
        let mut said = BTreeSet::new();
        for (from, to) in &self.database.casts {
            let own = |kind: &String| kind.contains('.');
            let has = |kind: &String| {
                self.touched
                    .instances
                    .iter()
                    .any(|one| one.relation.columns.iter().any(|column| column.type_name == *kind))
            };
            // A constant can have any of PostgreSQL's own types.
            if !own(from) && !own(to) || has(from) || has(to) {
                said.insert(format!(
                    "a `{}` may be made a `{}` by a function of the database's own",
                    escape(from),
                    escape(to)
                ));
            }
        }
        said.into_iter().for_each(|what| self.unread(what));
    }

    /// Reads and changes of a relation are those of its kin as well, for what a page says of those.
    fn through_kin(&mut self) -> Vec<(Verb, Name, Vec<String>)> {
        let mut more: BTreeSet<(Verb, Name, Vec<String>)> = BTreeSet::new();
        let mut of_place: BTreeMap<usize, BTreeMap<Verb, FieldSet>> = BTreeMap::new();
        for change in self.touched.changes.iter().filter(|change| self.kin_of.contains_key(&change.instance)) {
            of_place.entry(change.instance).or_default().entry(change.verb).or_default().extend_with(&change.fields);
        }
        let names = |reader: &Self, resource, fields: &FieldSet| -> Vec<String> {
            let all = reader.catalog.resource(resource).map(|one| one.fields.as_slice()).unwrap_or_default();
            fields.iter().filter_map(|at| all.get(at)).map(|field| field.name.clone()).collect()
        };
        for (place, kin) in &self.kin_of {
            let Some(instance) = self.touched.instances.get(*place) else { continue };
            let mut done = Vec::new();
            if instance.read || !instance.fields.is_empty() {
                done.push((Verb::Read, names(self, instance.resource, &instance.fields)));
            }
            let changes = of_place.get(place).into_iter().flatten();
            done.extend(changes.map(|(verb, fields)| (*verb, names(self, instance.resource, fields))));
            for (verb, columns) in done {
                more.extend(kin.iter().map(|name| (verb, name.clone(), columns.clone())));
            }
        }
        let (read, changed): (Vec<_>, Vec<_>) = more.into_iter().partition(|(verb, _, _)| *verb == Verb::Read);
        for (verb, name, columns) in read {
            self.besides(verb, &name, &columns);
        }
        changed
    }

    /// An effect that nobody asked for; it counts for *confirm* and *cannot*.
    fn besides(&mut self, verb: Verb, name: &Name, columns: &[String]) {
        let Some(resource) = self.resource(name) else {
            self.unread(format!("it also does something to `{}`, of which nothing is known", shown(name)));
            return;
        };
        let fields = columns.iter().filter_map(|column| self.field(resource, column)).collect();
        self.touched.besides.push(Besides { verb, resource, fields, standing: Standing::Declared });
    }

    /// Triggers, rules, and the defaults of columns that are not given: functions of the database run.
    fn runs(&mut self, verb: Verb, name: &Name, columns: &[String]) {
        let Some(relation) = self.database.relations.get(name) else { return };
        if relation.rules && verb != Verb::Read {
            self.unread(format!("rules of `{}` make other statements of it", shown(name)));
        }
        let fires = |trigger: &&Trigger| match verb {
            Verb::Create => trigger.on_insert,
            Verb::Update => {
                let of = &trigger.update_columns;
                trigger.on_update && (of.is_empty() || columns.iter().any(|column| of.contains(column)))
            }
            Verb::Delete => trigger.on_delete,
            Verb::Define => trigger.on_truncate,
            Verb::Read | Verb::Call | Verb::Run => false,
        };
        let said: Vec<String> = relation
            .triggers
            .iter()
            .filter(fires)
            .map(|trigger| {
                let rights = if trigger.definer { " with the rights of its owner" } else { "" };
                {
                    let (by, runs) = (escape(&trigger.name), shown(&trigger.function));
                    format!("the trigger `{by}` of `{}` runs `{runs}`{rights}", shown(name))
                }
            })
            .collect();
        said.into_iter().for_each(|what| self.unread(what));
        match verb {
            // Where DEFAULT is written, a column that is given may be none.
            Verb::Create | Verb::Update if self.gives_defaults => self.defaults(name, relation, |_| true),
            Verb::Create => self.defaults(name, relation, |column| !columns.contains(&column.name)),
            // What is generated from a column that changes is made anew; a default speaks of no column.
            Verb::Update => self.defaults(name, relation, |column| {
                let made = column.default.as_deref().unwrap_or_default();
                columns.iter().any(|changed| made.contains(changed.as_str()))
            }),
            _ => {}
        }
    }

    /// A change of a view is one of what it is over: of which columns is not told.
    fn through_view(
        &mut self,
        verb: Verb,
        name: &Name,
        relation: &Relation,
        asked: bool,
        open: &mut Vec<(Verb, Name, Vec<String>)>,
    ) {
        // One that reads with the asker's rights changes with them as well.
        let is_own = asked && relation.view.as_ref().is_some_and(|view| view.invoker);
        let standing = if is_own { Standing::Own } else { Standing::Declared };
        let under: Vec<Name> = relation.view.iter().flat_map(|view| self.under(&view.definition)).collect();
        if under.is_empty() {
            self.unread(format!("it changes what the view `{}` is over, which cannot be read", shown(name)));
        }
        for name in under {
            let Some(resource) = self.resource(&name) else {
                self.unread(format!("it changes `{}` through a view, of which nothing is known", shown(&name)));
                continue;
            };
            let mut fields = FieldSet::new();
            fields.insert_unlisted();
            self.touched.besides.push(Besides { verb, resource, fields, standing });
            // What that sets off in turn, whichever of its columns it is.
            let columns = self.database.relations.get(&name).into_iter().filter(|_| verb == Verb::Update);
            let columns = columns.flat_map(|under| under.columns.iter().map(|column| column.name.clone())).collect();
            open.push((verb, name, columns));
        }
    }

    /// The relations that a view's query is over, those of views under it among them.
    fn under(&self, definition: &str) -> Vec<Name> {
        let mut reader = Reader::new(self.database, self.catalog, self.system, &[]);
        let read = Parsed::of(definition).and_then(|parsed| reader.query(parsed.one()?, &Env::default()).map(drop));
        match read {
            Ok(()) => reader.touched.instances.into_iter().map(|instance| instance.name).collect(),
            Err(_) => Vec::new(),
        }
    }

    fn defaults(&mut self, name: &Name, relation: &Relation, is_made: impl Fn(&Column) -> bool) {
        let absent = relation.columns.iter().filter(|column| is_made(column));
        let said: Vec<String> = absent
            .filter_map(|column| {
                let default = column.default.as_deref()?;
                let mut own = self.database.functions.iter().filter(|one| !one.only_computes());
                let called = own.find(|one| default.contains(one.name.name.as_str()))?;
                Some(format!(
                    "the default of `{}.{}` runs `{}`",
                    shown(name),
                    escape(&column.name),
                    shown(&called.name)
                ))
            })
            .collect();
        said.into_iter().for_each(|what| self.unread(what));
    }

    /// Rows that refer to what is deleted or changed go, or change, as well.
    fn cascades(&mut self, verb: Verb, name: &Name, columns: &[String], open: &mut Vec<(Verb, Name, Vec<String>)>) {
        let database = self.database;
        for (other, relation) in &database.relations {
            for key in relation.keys.iter().filter(|key| key.references == *name) {
                let action = match verb {
                    Verb::Delete => key.on_delete,
                    Verb::Update if key.referenced.iter().any(|column| columns.contains(column)) => key.on_update,
                    _ => KeyAction::Nothing,
                };
                if action == KeyAction::SetDefault {
                    self.defaults(other, relation, |column| key.columns.contains(&column.name));
                }
                match (verb, action) {
                    (_, KeyAction::Nothing) => {}
                    (Verb::Delete, KeyAction::Cascade) => open.push((Verb::Delete, other.clone(), Vec::new())),
                    (_, KeyAction::Cascade | KeyAction::SetNull | KeyAction::SetDefault) => {
                        open.push((Verb::Update, other.clone(), key.columns.clone()));
                    }
                }
            }
        }
    }
}
