//! SELECT, VALUES, and what joins them: which columns are read, and which the query gives.

use std::rc::Rc;

use pg_raw_parse::list::{CastNodeList, NodeList};
use pg_raw_parse::nodes::{CommonTableExpr, ResTarget, SelectStmt, SortBy, WindowDef, WithClause};
use pg_raw_parse::{Node, raw};

use ambit_core::effect::{FieldSet, Verb};

use super::NotRead;
use super::from::names_of;
use super::kinds;
use super::names::{Cte, Env, Output, Range, Visible};
use super::reader::{Reader, parts};
use super::touched::Change;

/// The most columns that a query gives, as PostgreSQL has it.
const MOST_COLUMNS: usize = 1664;

impl Reader<'_> {
    /// Anything that gives rows: a query, or a change that returns them.
    pub(super) fn query(&mut self, query: Node<'_>, env: &Env) -> Result<Output, NotRead> {
        self.deeper(|reader| match query {
            Node::SelectStmt(select) => reader.select(select, env),
            Node::InsertStmt(insert) => reader.insert(insert, env),
            Node::UpdateStmt(update) => reader.update(update, env),
            Node::DeleteStmt(delete) => reader.delete(delete, env),
            Node::MergeStmt(merge) => reader.merge(merge, env),
            other => Err(kinds::never(other)),
        })
    }

    pub(super) fn select(&mut self, select: &SelectStmt, env: &Env) -> Result<Output, NotRead> {
        let env = self.with(select.with_clause(), env)?;
        if select.into_clause().is_some() {
            return Err(NotRead::never("SELECT INTO", "create the table first, then insert into it"));
        }
        let (output, within) = if select.op == raw::SetOperation::SETOP_NONE {
            self.one_select(select, &env)?
        } else {
            let output = self.set_operation(select, &env)?;
            // What follows it sees what it gives.
            let range = output.range("", &[]);
            (output, env.within(vec![Visible { by_name: false, ..Visible::whole(range) }]))
        };
        self.sorted(select.sort_clause(), &output, &within)?;
        // A limit sees nothing of the rows.
        self.expression(select.limit_count(), &env)?;
        self.expression(select.limit_offset(), &env)?;
        self.locks(select, &within)?;
        Ok(output)
    }

    /// UNION and the like. They lean to the left, and a long row of them must not be a deep one.
    fn set_operation(&mut self, select: &SelectStmt, env: &Env) -> Result<Output, NotRead> {
        let mut arms = Vec::new();
        let mut at = select;
        loop {
            arms.extend(at.rarg());
            match at.larg() {
                Some(left) if is_bare_set(left) => at = left,
                left => {
                    arms.extend(left);
                    break;
                }
            }
        }
        let mut first = Output { open: true, shuffled: true, ..Output::default() };
        for arm in arms.into_iter().rev().enumerate() {
            let output = self.deeper(|reader| reader.select(arm.1, env))?;
            if arm.0 == 0 {
                first = output;
            }
        }
        Ok(first)
    }

    fn one_select(&mut self, select: &SelectStmt, env: &Env) -> Result<(Output, Env), NotRead> {
        if !select.values_lists().is_empty() {
            let mut width = 0;
            for row in select.values_lists() {
                let Some(row) = row.as_node_list() else { return Err(kinds::never(row)) };
                width = width.max(row.len());
                self.expressions(row, env)?;
            }
            let columns = (1..=width).map(|at| format!("column{at}")).collect();
            return Ok((Output::of(columns), env.clone()));
        }
        let ranges = self.from(select.from_clause(), env)?;
        let within = env.within(ranges);
        self.expression(select.where_clause(), &within)?;
        self.learn_from(select.where_clause(), select.from_clause(), &within);
        let output = self.targets(select.target_list(), &within)?;
        self.grouped(select.group_clause(), &output, &within)?;
        self.expression(select.having_clause(), &within)?;
        for window in select.window_clause() {
            match window {
                Node::WindowDef(window) => self.window(window, &within)?,
                other => return Err(kinds::never(other)),
            }
        }
        for distinct in select.distinct_clause() {
            self.by_name_or_expression(distinct, &output, &within)?;
        }
        Ok((output, within))
    }

    /// What a query gives: the expressions are read, stars are opened.
    pub(super) fn targets<'t>(
        &mut self,
        targets: impl IntoIterator<Item = &'t ResTarget>,
        env: &Env,
    ) -> Result<Output, NotRead> {
        let mut output = Output::default();
        for target in targets {
            match target.val() {
                Node::ColumnRef(column) if matches!(column.fields().iter().next_back(), Some(Node::A_Star(_))) => {
                    self.star(column.fields(), env, &mut output)?;
                }
                Node::A_Indirection(inner)
                    if matches!(inner.indirection().iter().next_back(), Some(Node::A_Star(_))) =>
                {
                    self.expression(target.val(), env)?;
                    output.open = true;
                }
                value => {
                    self.expression(value, env)?;
                    match (target.name(), value) {
                        (Some(name), _) => output.columns.push(name.to_owned()),
                        (None, Node::ColumnRef(column)) => {
                            output.columns.extend(parts(column.fields()).last().copied().flatten().map(str::to_owned));
                        }
                        // PostgreSQL gives it a name: which one is not told here.
                        (None, _) => output.open = true,
                    }
                }
            }
        }
        Ok(output)
    }

    fn star(&mut self, fields: &NodeList, env: &Env, output: &mut Output) -> Result<(), NotRead> {
        let scope = env.scope.clone();
        let ranges: Vec<Rc<Range>> = match parts(fields).as_slice() {
            [None] => {
                let Some(scope) = scope else { return Err(NotRead::invalid("`*` of nothing".to_owned())) };
                output.shuffled |= scope.ranges.len() > 1;
                scope.ranges.iter().filter(|visible| visible.columns).map(|visible| Rc::clone(&visible.range)).collect()
            }
            [.., name, None] => {
                self.column(fields, env)?;
                let scopes = std::iter::successors(scope, |scope| scope.outer.clone());
                let named = |visible: &&Visible| visible.by_name && Some(visible.range.name.as_str()) == *name;
                let found = scopes
                    .filter_map(|scope| scope.ranges.iter().find(named).map(|visible| Rc::clone(&visible.range)))
                    .next();
                found.into_iter().collect()
            }
            _ => return Err(NotRead::invalid("`*` of nothing".to_owned())),
        };
        if ranges.is_empty() {
            output.open = true;
        }
        for range in ranges {
            self.mark_whole(&range)?;
            output.shuffled |= range.shuffled;
            output.open |= range.open || range.columns.iter().any(|column| column.maybe);
            output.columns.extend(range.columns.iter().map(|column| column.name.clone()));
            if output.columns.len() > MOST_COLUMNS {
                return Err(NotRead::invalid(format!("target lists can have at most {MOST_COLUMNS} entries")));
            }
        }
        Ok(())
    }

    /// A name that may be one of what the query gives, or an expression over what it reads.
    fn by_name_or_expression(&mut self, node: Node<'_>, output: &Output, env: &Env) -> Result<(), NotRead> {
        if let Node::ColumnRef(column) = node
            && let [Some(name)] = parts(column.fields()).as_slice()
        {
            let given = output.open || output.columns.iter().any(|column| column == name);
            return match self.bare(name, env)? || given {
                true => Ok(()),
                false => Err(NotRead::unknown("column", name)),
            };
        }
        self.expression(node, env)
    }

    fn grouped(&mut self, groups: &NodeList, output: &Output, env: &Env) -> Result<(), NotRead> {
        for group in groups {
            match group {
                Node::GroupingSet(set) => self.deeper(|reader| reader.grouped(set.content(), output, env))?,
                other => self.by_name_or_expression(other, output, env)?,
            }
        }
        Ok(())
    }

    pub(super) fn sorted(&mut self, sorts: &CastNodeList<SortBy>, output: &Output, env: &Env) -> Result<(), NotRead> {
        for sort in sorts {
            self.operator(sort.use_op());
            self.by_name_or_expression(sort.node(), output, env)?;
        }
        Ok(())
    }

    pub(super) fn window(&mut self, window: &WindowDef, env: &Env) -> Result<(), NotRead> {
        self.expressions(window.partition_clause(), env)?;
        self.sorted(window.order_clause(), &Output::default(), env)?;
        self.expression(window.start_offset(), env)?;
        self.expression(window.end_offset(), env)
    }

    /// FOR UPDATE and its kin: who may not change a row may not keep others from changing it.
    fn locks(&mut self, select: &SelectStmt, env: &Env) -> Result<(), NotRead> {
        for lock in select.locking_clause() {
            let named: Vec<&str> = lock
                .locked_rels()
                .iter()
                .filter_map(|range| if let Node::RangeVar(range) = range { range.relname() } else { None })
                .collect();
            if lock.locked_rels().len() != named.len() {
                return Err(NotRead::invalid("FOR UPDATE of something that is no relation".to_owned()));
            }
            let Some(scope) = env.scope.clone() else { continue };
            let mut met = named.is_empty();
            for visible in &scope.ranges {
                if !named.is_empty() && !named.contains(&visible.range.name.as_str()) {
                    continue;
                }
                met = true;
                match visible.range.base {
                    Some(instance) => {
                        let facts = self.touched.instances.get(instance).map(|one| one.facts.clone());
                        self.touched.changes.push(Change {
                            verb: Verb::Update,
                            instance,
                            fields: FieldSet::new(),
                            rows: None,
                            facts: facts.unwrap_or_default(),
                        });
                    }
                    // It reaches into the query within.
                    None => {
                        return Err(NotRead::never(
                            "FOR UPDATE of a query within",
                            "lock the rows where they are read",
                        ));
                    }
                }
            }
            if !met {
                return Err(NotRead::invalid("FOR UPDATE of a relation that is not in FROM".to_owned()));
            }
        }
        Ok(())
    }

    /// The queries of WITH, read, and where the rest stands.
    pub(super) fn with(&mut self, with: Option<&WithClause>, env: &Env) -> Result<Env, NotRead> {
        let Some(with) = with else { return Ok(env.clone()) };
        let mut within = env.clone();
        if with.recursive {
            // Each may name any of them; what their columns are is not known before they are read.
            let mut forward = env.clone();
            for cte in with.ctes() {
                let output = Output { open: true, shuffled: true, ..Output::default() };
                push(&mut forward, cte, output.renamed(&names_of(cte.aliascolnames())));
            }
            for cte in with.ctes() {
                let output = self.cte(cte, &forward)?;
                push(&mut within, cte, output);
            }
        } else {
            for cte in with.ctes() {
                let output = self.cte(cte, &within)?;
                push(&mut within, cte, output);
            }
        }
        Ok(within)
    }

    fn cte(&mut self, cte: &CommonTableExpr, env: &Env) -> Result<Output, NotRead> {
        let mut output = self.query(cte.ctequery(), env)?.renamed(&names_of(cte.aliascolnames()));
        if let Some(cycle) = cte.cycle_clause() {
            self.expression(cycle.cycle_mark_value(), env)?;
            self.expression(cycle.cycle_mark_default(), env)?;
            output.columns.extend(
                [cycle.cycle_mark_column(), cycle.cycle_path_column()].into_iter().flatten().map(str::to_owned),
            );
        }
        if cte.cycle_clause().is_some() || cte.search_clause().is_some() {
            output.shuffled = true;
        }
        output.columns.extend(cte.search_clause().and_then(|search| search.search_seq_column()).map(str::to_owned));
        Ok(output)
    }
}

fn push(env: &mut Env, cte: &CommonTableExpr, output: Output) {
    let Output { columns, open, shuffled } = output;
    let name = cte.ctename().unwrap_or_default().to_owned();
    let at = env.depth_of_ctes() + 1;
    env.ctes = Some(Rc::new(Cte { name, columns, open, shuffled, at, before: env.ctes.clone() }));
}

/// Whether it only joins two others, with nothing of its own around them.
fn is_bare_set(select: &SelectStmt) -> bool {
    select.op != raw::SetOperation::SETOP_NONE
        && select.with_clause().is_none()
        && select.into_clause().is_none()
        && select.sort_clause().is_empty()
        && select.locking_clause().is_empty()
        && matches!(select.limit_count(), Node::None)
        && matches!(select.limit_offset(), Node::None)
}
