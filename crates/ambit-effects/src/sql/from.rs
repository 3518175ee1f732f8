//! FROM: the ranges that a query is over, which of them see each other, and what joining them reads.

use std::rc::Rc;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{Alias, JoinExpr, JsonTable, RangeFunction, RangeTableFunc, RangeVar};

use super::NotRead;
use super::kinds;
use super::names::{Column, Env, Marks, Output, Range, Visible};
use super::reader::{Reader, parts};

/// The texts of a list of names.
pub(super) fn names_of(list: &NodeList) -> Vec<String> {
    list.iter().filter_map(Node::as_str).map(str::to_owned).collect()
}

/// How a range is called, and its columns where the alias names them.
fn called(alias: Option<&Alias>) -> (String, Vec<String>) {
    let name = alias.and_then(Alias::aliasname).unwrap_or_default().to_owned();
    (name, alias.map(|alias| names_of(alias.colnames())).unwrap_or_default())
}

impl Reader<'_> {
    /// The ranges of a FROM list.
    pub(super) fn from(&mut self, items: &NodeList, env: &Env) -> Result<Vec<Visible>, NotRead> {
        let mut ranges = Vec::new();
        for item in items {
            let more = self.range_item(item, env, &ranges)?;
            ranges.extend(more);
        }
        Ok(ranges)
    }

    /// One item; `beside`: the ranges to its left, which only what is lateral sees.
    pub(super) fn range_item(
        &mut self,
        item: Node<'_>,
        env: &Env,
        beside: &[Visible],
    ) -> Result<Vec<Visible>, NotRead> {
        // What stands beside it is looked at once more for each that may see it.
        self.worked(beside.len())?;
        self.deeper(|reader| match item {
            Node::RangeVar(range) => Ok(vec![Visible::whole(reader.named(range, env)?)]),
            Node::RangeSubselect(range) => {
                let within = if range.lateral { env.within(beside.to_vec()) } else { env.clone() };
                let output = reader.query(range.subquery(), &within)?;
                let (name, renamed) = called(range.alias());
                Ok(vec![Visible { by_name: range.alias().is_some(), ..Visible::whole(output.range(&name, &renamed)) }])
            }
            Node::RangeFunction(range) => reader.range_function(range, &env.within(beside.to_vec())),
            Node::JoinExpr(join) => reader.join(join, env, beside),
            Node::RangeTableSample(sample) => {
                let within = env.within(beside.to_vec());
                reader.function(&parts(sample.method()));
                reader.expressions(sample.args(), &within)?;
                reader.expression(sample.repeatable(), &within)?;
                reader.range_item(sample.relation(), env, beside)
            }
            Node::RangeTableFunc(table) => reader.xml_table(table, &env.within(beside.to_vec())),
            Node::JsonTable(table) => reader.json_table(table, &env.within(beside.to_vec())),
            other => Err(kinds::never(other)),
        })
    }

    /// What a name in FROM stands for: a query of WITH, a system catalog, or a relation.
    fn named(&mut self, range: &RangeVar, env: &Env) -> Result<Range, NotRead> {
        let name = range.relname().unwrap_or_default();
        self.worked(env.depth_of_ctes())?;
        if let (None, None, Some(cte)) = (range.catalogname(), range.schemaname(), env.cte(name)) {
            let output = Output { columns: cte.columns.clone(), open: cte.open, shuffled: cte.shuffled };
            let (alias, renamed) = called(range.alias());
            return Ok(output.range(if alias.is_empty() { name } else { &alias }, &renamed));
        }
        // `pg_catalog` is looked into first, and all that is in it begins with `pg_`.
        if range.catalogname().is_none()
            && let Some(range) = self.system_range(range)?
        {
            return Ok(range);
        }
        Ok(self.relation(range, true)?.1)
    }

    fn range_function(&mut self, range: &RangeFunction, env: &Env) -> Result<Vec<Visible>, NotRead> {
        let mut name = String::new();
        for (at, function) in range.functions().iter().enumerate() {
            // Each is a list of the function and its own columns.
            let Some(list) = function.as_node_list() else { return Err(kinds::never(function)) };
            if let Some(call) = list.first() {
                self.expression(call, env)?;
                // Of several, the first gives its name.
                if let (0, Node::FuncCall(call)) = (at, call) {
                    name = parts(call.funcname()).last().copied().flatten().unwrap_or_default().to_owned();
                }
            }
            for columns in list.iter().skip(1) {
                for column in columns.as_node_list().into_iter().flatten() {
                    self.column_type(column)?;
                }
            }
        }
        for column in range.coldeflist() {
            self.type_name(column.type_name())?;
        }
        let (alias, mut columns) = called(range.alias());
        columns.extend(range.coldeflist().iter().filter_map(|column| column.colname()).map(str::to_owned));
        // What a function gives may have any columns; one of a single value is called as the function is.
        let called = if alias.is_empty() { name } else { alias };
        let output = Output { columns, open: true, shuffled: true };
        let mut range = output.range(&called, &[]);
        range.columns.push(Column { name: called, marks: Marks::new(), maybe: true });
        Ok(vec![Visible::whole(range)])
    }

    fn join(&mut self, join: &JoinExpr, env: &Env, beside: &[Visible]) -> Result<Vec<Visible>, NotRead> {
        let left = self.range_item(join.larg(), env, beside)?;
        let seen: Vec<Visible> = beside.iter().chain(&left).cloned().collect();
        let right = self.range_item(join.rarg(), env, &seen)?;
        self.worked(beside.len() + 2 * (left.len() + right.len()))?;
        let both: Vec<Visible> = left.iter().chain(&right).cloned().collect();
        for name in join.using_clause().iter().filter_map(|name| name.sval()) {
            self.shared(name, &left)?;
            self.shared(name, &right)?;
            self.signs(&["="]);
        }
        if join.is_natural {
            self.natural(&left, &right)?;
            self.signs(&["="]);
        }
        // ON sees the two sides and what is around the query, not what stands beside the join.
        self.expression(join.quals(), &env.within(both.clone()))?;
        if let Some(alias) = join.alias() {
            let (name, renamed) = called(Some(alias));
            let maybe = !renamed.is_empty();
            let (count, marks) = shown(&both).fold((0_usize, 0_usize), |(count, marks), column| {
                (count + 1, marks.saturating_add(column.marks.len()))
            });
            if renamed.len() > count && !both.iter().any(|visible| visible.range.open) {
                return Err(NotRead::invalid("a join has fewer columns than it is given names for".to_owned()));
            }
            self.worked(count.saturating_add(marks).saturating_mul(renamed.len() + 1))?;
            let mut columns: Vec<Column> =
                shown(&both).map(|column| Column { maybe: column.maybe || maybe, ..column.clone() }).collect();
            // Merged columns come first, so that places cannot be told: a new name stands for any of them.
            let mut marks: Marks = columns.iter().flat_map(|column| column.marks.iter().copied()).collect();
            marks.sort_unstable();
            marks.dedup();
            columns.extend(renamed.into_iter().map(|name| Column { name, marks: marks.clone(), maybe: false }));
            let open = both.iter().any(|visible| visible.columns && visible.range.open);
            if both.iter().any(|visible| !visible.range.denied.is_empty()) {
                let help = "join without a name for the join";
                return Err(NotRead::never(
                    "a name for a join of a relation with columns that are not to be read",
                    help,
                ));
            }
            let range = Range { name, columns, open, shuffled: true, ..Range::default() };
            return Ok(vec![Visible::whole(range)]);
        }
        let mut all = both;
        if let Some(alias) = join.join_using_alias() {
            let merged: Vec<&str> = join.using_clause().iter().filter_map(|name| name.sval()).collect();
            let columns = shown(&all).filter(|column| merged.contains(&column.name.as_str())).cloned().collect();
            let range = Range { name: called(Some(alias)).0, columns, shuffled: true, ..Range::default() };
            all.push(Visible { range: Rc::new(range), by_name: true, columns: false });
        }
        Ok(all)
    }

    /// A column that both sides of a join have.
    fn shared(&mut self, name: &str, side: &[Visible]) -> Result<(), NotRead> {
        let env = Env::default().within(side.to_vec());
        if self.bare(name, &env)? { Ok(()) } else { Err(NotRead::unknown("column", name)) }
    }

    /// The columns that both sides have, where all of them are known; else all of both.
    fn natural(&mut self, left: &[Visible], right: &[Visible]) -> Result<(), NotRead> {
        let sides = [left, right];
        if sides.iter().any(|side| side.iter().any(|visible| visible.columns && visible.range.open)) {
            let all: Vec<Rc<Range>> =
                sides.iter().flat_map(|side| side.iter().map(|visible| Rc::clone(&visible.range))).collect();
            return all.iter().try_for_each(|range| self.mark_whole(range));
        }
        let names: Vec<String> = shown(left).map(|column| column.name.clone()).collect();
        self.worked(names.len() * shown(right).count())?;
        for name in names {
            if shown(right).any(|column| column.name == name) {
                self.shared(&name, left)?;
                self.shared(&name, right)?;
            }
        }
        Ok(())
    }

    fn xml_table(&mut self, table: &RangeTableFunc, env: &Env) -> Result<Vec<Visible>, NotRead> {
        self.expression(table.docexpr(), env)?;
        self.expression(table.rowexpr(), env)?;
        for namespace in table.namespaces() {
            match namespace {
                Node::ResTarget(named) => self.expression(named.val(), env)?,
                other => self.expression(other, env)?,
            }
        }
        let mut columns = Vec::new();
        for column in table.columns() {
            columns.extend(column.colname().map(str::to_owned));
            self.type_name(column.type_name())?;
            self.expression(column.colexpr(), env)?;
            self.expression(column.coldefexpr(), env)?;
        }
        let (name, renamed) = called(table.alias());
        Ok(vec![Visible::whole(Output::of(columns).range(&name, &renamed))])
    }

    fn json_table(&mut self, table: &JsonTable, env: &Env) -> Result<Vec<Visible>, NotRead> {
        self.json_value(table.context_item(), env)?;
        if let Some(path) = table.pathspec() {
            self.expression(path.string(), env)?;
        }
        self.json_arguments(table.passing(), env)?;
        if let Some(behavior) = table.on_error() {
            self.expression(behavior.expr(), env)?;
        }
        let mut columns = Vec::new();
        for column in table.columns() {
            self.json_column(column, env, &mut columns)?;
        }
        let (name, renamed) = called(table.alias());
        Ok(vec![Visible::whole(Output::of(columns).range(&name, &renamed))])
    }
}

/// The columns that can be seen without the name of their range.
fn shown(ranges: &[Visible]) -> impl Iterator<Item = &Column> {
    ranges.iter().filter(|visible| visible.columns).flat_map(|visible| &visible.range.columns)
}
