//! INSERT, UPDATE, DELETE and MERGE: what is changed, and what is read to change it.

use std::collections::BTreeMap;
use std::rc::Rc;

use ambit_core::effect::{FieldSet, Verb};
use ambit_core::value::Value;
use pg_raw_parse::list::CastNodeList;
use pg_raw_parse::nodes::{
    DeleteStmt, InsertStmt, MergeStmt, MergeWhenClause, OnConflictClause, ResTarget, ReturningClause, SelectStmt,
    UpdateStmt,
};
use pg_raw_parse::{Node, raw};

use super::NotRead;
use super::kinds;
use super::names::{Env, Output, Range, Visible, system_relation};
use super::reader::Reader;
use super::touched::Change;

impl Reader<'_> {
    /// The relation that is changed.
    fn target(&mut self, relation: Option<&pg_raw_parse::nodes::RangeVar>) -> Result<(usize, Range), NotRead> {
        let Some(relation) = relation else { return Err(NotRead::invalid("a change of nothing".to_owned())) };
        let name = relation.relname().unwrap_or_default();
        if self.relation_named(relation.schemaname(), name).is_none()
            && system_relation(relation.schemaname(), name).is_some()
        {
            return Err(NotRead::never("a change of a system catalog", "leave PostgreSQL's own relations alone"));
        }
        self.relation(relation, false)
    }

    /// The place of a column that is changed.
    fn target_field(&self, instance: usize, column: &str) -> Result<Option<usize>, NotRead> {
        let Some(instance) = self.touched.instances.get(instance) else { return Ok(None) };
        if !instance.relation.columns.iter().any(|one| one.name == column) {
            return Err(NotRead::unknown("column", &format!("{}.{column}", instance.name)));
        }
        Ok(self.field(instance.resource, column))
    }

    pub(super) fn insert(&mut self, insert: &InsertStmt, env: &Env) -> Result<Output, NotRead> {
        let env = self.with(insert.with_clause(), env)?;
        let (instance, range) = self.target(insert.relation())?;
        let mut columns: Vec<Option<usize>> = Vec::new();
        for column in insert.cols() {
            let Node::ResTarget(column) = column else { return Err(kinds::never(column)) };
            columns.push(self.target_field(instance, column.name().unwrap_or_default())?);
            self.expressions(column.indirection(), &env)?;
        }
        let all = self.places(instance);
        let listed = !columns.is_empty();
        let mut fields = set(&columns);
        let mut rows: Vec<BTreeMap<usize, Value>> = Vec::new();
        let mut count = Some(1);
        match insert.select_stmt() {
            // DEFAULT VALUES
            Node::None => rows.push(BTreeMap::new()),
            Node::SelectStmt(values) if is_values(values) => {
                let columns = if listed { columns } else { all };
                for row in values.values_lists() {
                    let Some(row) = row.as_node_list() else { return Err(kinds::never(row)) };
                    if row.iter().any(is_star) {
                        // How many values that is is not known here, nor which column each is for.
                        fields.extend_with(&set(&columns));
                        rows.push(BTreeMap::new());
                        continue;
                    }
                    if row.len() > columns.len() {
                        return Err(NotRead::invalid("INSERT has more expressions than target columns".to_owned()));
                    }
                    let given: Vec<_> = columns.iter().copied().zip(row.iter()).collect();
                    fields.extend_with(&set(&given.iter().map(|(field, _)| *field).collect::<Vec<_>>()));
                    // With OVERRIDING USER VALUE, what is given for a column of identity is not what is stored.
                    let is_stored = insert.override_ != raw::OverridingKind::OVERRIDING_USER_VALUE;
                    rows.push(if is_stored { self.stored_facts(instance, &given) } else { BTreeMap::new() });
                }
                count = u64::try_from(rows.len()).ok();
                self.query(insert.select_stmt(), &env)?;
            }
            select => {
                let output = self.query(select, &env)?;
                if !listed {
                    let given = output.count().unwrap_or(all.len());
                    fields = set(all.get(..given.min(all.len())).unwrap_or_default());
                }
                rows.push(BTreeMap::new());
                count = None;
            }
        }
        let per = if rows.len() == 1 { count } else { Some(1) };
        for facts in rows {
            self.touched.changes.push(Change {
                verb: Verb::Create,
                instance,
                fields: fields.clone(),
                rows: per,
                facts,
            });
        }
        if let Some(conflict) = insert.on_conflict_clause() {
            self.on_conflict(conflict, instance, &range, &env)?;
        }
        self.returning(insert.returning_clause(), instance, &env.within(vec![Visible::whole(range)]))
    }

    fn on_conflict(
        &mut self,
        conflict: &OnConflictClause,
        instance: usize,
        range: &Range,
        env: &Env,
    ) -> Result<(), NotRead> {
        let target = Visible::whole(range.clone());
        let alone = env.within(vec![target.clone()]);
        if let Some(infer) = conflict.infer() {
            for element in infer.index_elems() {
                let Node::IndexElem(element) = element else { return Err(kinds::never(element)) };
                if let Some(name) = element.name() {
                    self.column_of(range, name)?;
                }
                self.expression(element.expr(), &alone)?;
            }
            self.expression(infer.where_clause(), &alone)?;
            if infer.conname().is_some() {
                // Which columns that is about is not in the lock.
                self.mark_whole(range)?;
            }
        }
        if conflict.action != raw::OnConflictAction::ONCONFLICT_UPDATE {
            return Ok(());
        }
        // What was to be inserted is no reading of what is there, but PostgreSQL asks for the right to read those columns.
        let excluded = Range { name: "excluded".to_owned(), relation: None, ..range.clone() };
        let excluded = Visible { range: Rc::new(excluded), by_name: true, columns: false };
        let within = env.within(vec![target, excluded]);
        let (fields, _) = self.assignments(conflict.target_list(), instance, &within)?;
        self.expression(conflict.where_clause(), &within)?;
        self.read_instance(instance);
        self.touched.changes.push(Change { verb: Verb::Update, instance, fields, rows: None, facts: BTreeMap::new() });
        Ok(())
    }

    pub(super) fn update(&mut self, update: &UpdateStmt, env: &Env) -> Result<Output, NotRead> {
        let env = self.with(update.with_clause(), env)?;
        let (instance, range) = self.target(update.relation())?;
        let mut ranges = vec![Visible::whole(range)];
        ranges.extend(self.from(update.from_clause(), &env)?);
        let within = env.within(ranges);
        let (fields, assigned) = self.assignments(update.target_list(), instance, &within)?;
        self.expression(update.where_clause(), &within)?;
        self.learn_from(update.where_clause(), update.from_clause(), &within);
        let facts = self.changed_facts(instance, &fields, &assigned);
        self.touched.changes.push(Change { verb: Verb::Update, instance, fields, rows: None, facts });
        self.returning(update.returning_clause(), instance, &within)
    }

    pub(super) fn delete(&mut self, delete: &DeleteStmt, env: &Env) -> Result<Output, NotRead> {
        let env = self.with(delete.with_clause(), env)?;
        let (instance, range) = self.target(delete.relation())?;
        let mut ranges = vec![Visible::whole(range)];
        ranges.extend(self.from(delete.using_clause(), &env)?);
        let within = env.within(ranges);
        self.expression(delete.where_clause(), &within)?;
        self.learn_from(delete.where_clause(), delete.using_clause(), &within);
        let facts = self.touched.instances.get(instance).map(|one| one.facts.clone()).unwrap_or_default();
        let fields = FieldSet::new();
        self.touched.changes.push(Change { verb: Verb::Delete, instance, fields, rows: None, facts });
        self.returning(delete.returning_clause(), instance, &within)
    }

    pub(super) fn merge(&mut self, merge: &MergeStmt, env: &Env) -> Result<Output, NotRead> {
        let env = self.with(merge.with_clause(), env)?;
        let (instance, range) = self.target(merge.relation())?;
        let mut ranges = vec![Visible::whole(range)];
        ranges.extend(self.range_item(merge.source_relation(), &env, &[])?);
        let within = env.within(ranges);
        self.expression(merge.join_condition(), &within)?;
        self.read_instance(instance);
        for when in merge.merge_when_clauses() {
            self.when(when, instance, &within)?;
        }
        self.returning(merge.returning_clause(), instance, &within)
    }

    fn when(&mut self, when: &MergeWhenClause, instance: usize, env: &Env) -> Result<(), NotRead> {
        // A row of one side that the other has nothing for: that other cannot be seen.
        use raw::MergeMatchKind as Match;
        let sides = env.scope.as_ref().map(|scope| scope.ranges.clone()).unwrap_or_default();
        let seen: Vec<Visible> = match when.match_kind {
            Match::MERGE_WHEN_NOT_MATCHED_BY_TARGET => sides.into_iter().skip(1).collect(),
            Match::MERGE_WHEN_NOT_MATCHED_BY_SOURCE => sides.into_iter().take(1).collect(),
            _ => sides,
        };
        let outer = env.scope.as_ref().and_then(|scope| scope.outer.clone());
        let env = &Env { scope: outer, ctes: env.ctes.clone() }.within(seen);
        self.expression(when.condition(), env)?;
        let (verb, fields) = match when.command_type {
            raw::CmdType::CMD_NOTHING => return Ok(()),
            raw::CmdType::CMD_DELETE => (Verb::Delete, FieldSet::new()),
            raw::CmdType::CMD_UPDATE => {
                let mut fields = FieldSet::new();
                for target in when.target_list() {
                    let Node::ResTarget(target) = target else { return Err(kinds::never(target)) };
                    fields.extend_with(&self.assignment(target, instance, env)?.0);
                }
                (Verb::Update, fields)
            }
            raw::CmdType::CMD_INSERT => {
                let mut columns = Vec::new();
                for target in when.target_list() {
                    let Node::ResTarget(target) = target else { return Err(kinds::never(target)) };
                    columns.push(self.target_field(instance, target.name().unwrap_or_default())?);
                    self.expressions(target.indirection(), env)?;
                }
                self.expressions(when.values(), env)?;
                if columns.is_empty() {
                    columns = self.places(instance);
                    if !when.values().iter().any(is_star) {
                        columns.truncate(when.values().len());
                    }
                }
                (Verb::Create, set(&columns))
            }
            _ => return Err(NotRead::never("a MERGE of that kind", "write it as single statements")),
        };
        self.touched.changes.push(Change { verb, instance, fields, rows: None, facts: BTreeMap::new() });
        Ok(())
    }

    /// The columns that SET changes, and what is known of what they become.
    fn assignments(
        &mut self,
        targets: &CastNodeList<ResTarget>,
        instance: usize,
        env: &Env,
    ) -> Result<(FieldSet, BTreeMap<usize, Value>), NotRead> {
        let mut fields = FieldSet::new();
        let mut known = BTreeMap::new();
        for target in targets {
            let (more, becomes) = self.assignment(target, instance, env)?;
            fields.extend_with(&more);
            known.extend(becomes);
        }
        Ok((fields, known))
    }

    fn assignment(
        &mut self,
        target: &ResTarget,
        instance: usize,
        env: &Env,
    ) -> Result<(FieldSet, BTreeMap<usize, Value>), NotRead> {
        let field = self.target_field(instance, target.name().unwrap_or_default())?;
        self.expressions(target.indirection(), env)?;
        match target.val() {
            // One source for several columns: it is read with the first.
            Node::MultiAssignRef(assign) if assign.colno > 1 => {}
            value => self.expression(value, env)?,
        }
        let known = if target.indirection().is_empty() {
            self.stored_facts(instance, &[(field, target.val())])
        } else {
            BTreeMap::new()
        };
        Ok((set(&[field]), known))
    }

    /// What is known of rows both before and after a change: a column that changes is known only where it stays what it was.
    fn changed_facts(
        &self,
        instance: usize,
        fields: &FieldSet,
        becomes: &BTreeMap<usize, Value>,
    ) -> BTreeMap<usize, Value> {
        let before = self.touched.instances.get(instance).map(|one| one.facts.clone()).unwrap_or_default();
        before.into_iter().filter(|(field, value)| !fields.has(*field) || becomes.get(field) == Some(value)).collect()
    }

    /// What a change gives back is read.
    fn returning(
        &mut self,
        returning: Option<&ReturningClause>,
        instance: usize,
        env: &Env,
    ) -> Result<Output, NotRead> {
        let Some(returning) = returning else { return Ok(Output::default()) };
        self.read_instance(instance);
        let mut ranges = env.scope.as_ref().map(|scope| scope.ranges.clone()).unwrap_or_default();
        // The rows before and after go by names of their own, in either of two ways.
        if let Some(target) = ranges.first().cloned() {
            let names = returning.options().iter().filter_map(|option| option.value()).chain(["old", "new"]);
            for name in names {
                let range = Range { name: name.to_owned(), relation: None, ..(*target.range).clone() };
                ranges.push(Visible { range: Rc::new(range), by_name: true, columns: false });
            }
        }
        let outer = env.scope.as_ref().and_then(|scope| scope.outer.clone());
        let within = Env { scope: outer, ctes: env.ctes.clone() }.within(ranges);
        let mut targets = Vec::new();
        for target in returning.exprs() {
            let Node::ResTarget(target) = target else { return Err(kinds::never(target)) };
            targets.push(target);
        }
        self.targets(targets, &within)
    }

    /// Notes that the rows of a target are read as well.
    fn read_instance(&mut self, instance: usize) {
        if let Some(instance) = self.touched.instances.get_mut(instance) {
            instance.read = true;
        }
    }

    /// The places of the columns of an instance, in order.
    fn places(&self, instance: usize) -> Vec<Option<usize>> {
        let Some(instance) = self.touched.instances.get(instance) else { return Vec::new() };
        instance.relation.columns.iter().map(|column| self.field(instance.resource, &column.name)).collect()
    }
}

/// The set of those fields; one that the catalog does not have is unlisted.
fn set(columns: &[Option<usize>]) -> FieldSet {
    let mut fields = FieldSet::new();
    for column in columns {
        match column {
            Some(place) => fields.insert(*place),
            None => fields.insert_unlisted(),
        }
    }
    fields
}

/// Whether it stands for several values: `t.*`, `(row).*`.
fn is_star(value: Node<'_>) -> bool {
    let last = match value {
        Node::ColumnRef(column) => column.fields().iter().next_back(),
        Node::A_Indirection(inner) => inner.indirection().iter().next_back(),
        _ => None,
    };
    matches!(last, Some(Node::A_Star(_)))
}

/// Whether it is VALUES and nothing else.
fn is_values(select: &SelectStmt) -> bool {
    !select.values_lists().is_empty()
        && select.with_clause().is_none()
        && select.sort_clause().is_empty()
        && matches!(select.limit_count(), Node::None)
        && matches!(select.limit_offset(), Node::None)
}
