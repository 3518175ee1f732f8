//! Expressions: the columns, functions, operators, types and queries in them.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    FuncCall, JsonAggConstructor, JsonKeyValue, JsonOutput, JsonTableColumn, JsonValueExpr, TypeName,
};
use pg_raw_parse::{Node, raw};

use ambit_core::reading::BuiltIn;

use super::NotRead;
use super::database::Name;
use super::functions::{is_listed, may_be_called_as_a_column, says_names};
use super::kinds;
use super::names::{Env, Output};
use super::reader::{Reader, parts};
use super::settings::{is_as_pinned, is_harmless, may_be_shown};
use crate::json::escape;

impl Reader<'_> {
    pub(super) fn expressions(&mut self, list: &NodeList, env: &Env) -> Result<(), NotRead> {
        list.iter().try_for_each(|node| self.expression(node, env))
    }

    /// Reads an expression; nothing is an expression that reads nothing.
    pub(super) fn expression(&mut self, node: Node<'_>, env: &Env) -> Result<(), NotRead> {
        self.worked(1)?;
        // Operators lean to the left, and a long row of them must not be a deep one.
        let mut node = node;
        while let Node::A_Expr(operation) = node {
            self.operator(operation.name());
            self.operators_of(operation.kind);
            self.deeper(|reader| reader.inner(operation.rexpr(), env))?;
            self.worked(1)?;
            node = operation.lexpr();
        }
        self.deeper(|reader| reader.inner(node, env))
    }

    #[expect(clippy::too_many_lines, reason = "one arm a kind of node: to be read as the table that it is")]
    fn inner(&mut self, node: Node<'_>, env: &Env) -> Result<(), NotRead> {
        match node {
            Node::None | Node::A_Const(_) | Node::ParamRef(_) | Node::SQLValueFunction(_) => Ok(()),
            Node::SetToDefault(_) => {
                self.gives_defaults = true;
                Ok(())
            }
            // Whose rows those are, the cursor's own query was asked.
            Node::CurrentOfExpr(_) | Node::MergeSupportFunc(_) => Ok(()),
            Node::String(_) | Node::Integer(_) | Node::Float(_) | Node::Boolean(_) | Node::BitString(_) => Ok(()),
            Node::A_Expr(_) => self.expression(node, env),
            Node::NodeList(list) => self.expressions(list, env),
            Node::ColumnRef(column) => self.column(column.fields(), env),
            Node::TypeCast(cast) => {
                self.type_name(cast.type_name())?;
                self.expression(cast.arg(), env)
            }
            Node::CollateClause(collate) => self.expression(collate.arg(), env),
            Node::FuncCall(call) => self.call(call, env),
            Node::NamedArgExpr(named) => self.expression(named.arg(), env),
            Node::A_Indices(indices) => {
                self.expression(indices.lidx(), env)?;
                self.expression(indices.uidx(), env)
            }
            Node::A_Indirection(indirection) => {
                // `(row).column` and `(row).*` read the row.
                self.expression(indirection.arg(), env)?;
                for step in indirection.indirection() {
                    match step {
                        Node::A_Star(_) => {}
                        Node::String(name) => self.step(name.sval().unwrap_or_default())?,
                        other => self.expression(other, env)?,
                    }
                }
                Ok(())
            }
            Node::A_ArrayExpr(array) => self.expressions(array.elements(), env),
            Node::RowExpr(row) => self.row(row.args(), env),
            Node::MultiAssignRef(assign) => self.expression(assign.source(), env),
            Node::BoolExpr(terms) => self.expressions(terms.args(), env),
            Node::SubLink(link) => {
                self.operator(link.oper_name());
                if link.oper_name().is_empty() && !matches!(link.testexpr(), Node::None) {
                    // `IN (SELECT …)`
                    self.signs(&["="]);
                }
                self.expression(link.testexpr(), env)?;
                self.query(link.subselect(), env).map(drop)
            }
            Node::CaseExpr(case) => {
                if !matches!(case.arg(), Node::None) {
                    self.signs(&["="]);
                }
                self.expression(case.arg(), env)?;
                self.expressions(case.args(), env)?;
                self.expression(case.defresult(), env)
            }
            Node::CaseWhen(when) => {
                self.expression(when.expr(), env)?;
                self.expression(when.result(), env)
            }
            Node::CoalesceExpr(coalesce) => self.expressions(coalesce.args(), env),
            Node::MinMaxExpr(most) => self.expressions(most.args(), env),
            Node::NullTest(test) => self.expression(test.arg(), env),
            Node::BooleanTest(test) => self.expression(test.arg(), env),
            Node::GroupingFunc(grouping) => self.expressions(grouping.args(), env),
            Node::XmlExpr(xml) => {
                self.expressions(xml.named_args(), env)?;
                self.expressions(xml.args(), env)
            }
            Node::XmlSerialize(xml) => {
                self.type_name(xml.type_name())?;
                self.expression(xml.expr(), env)
            }
            Node::ResTarget(named) => self.expression(named.val(), env),
            Node::JsonValueExpr(value) => self.json_value(Some(value), env),
            Node::JsonKeyValue(pair) => self.json_pair(Some(pair), env),
            Node::JsonFuncExpr(call) => {
                self.json_value(call.context_item(), env)?;
                self.expression(call.pathspec(), env)?;
                self.json_arguments(call.passing(), env)?;
                self.json_output(call.output())?;
                for behavior in [call.on_empty(), call.on_error()].into_iter().flatten() {
                    self.expression(behavior.expr(), env)?;
                }
                Ok(())
            }
            Node::JsonParseExpr(call) => {
                self.json_value(call.expr(), env)?;
                self.json_output(call.output())
            }
            Node::JsonScalarExpr(call) => {
                self.expression(call.expr(), env)?;
                self.json_output(call.output())
            }
            Node::JsonSerializeExpr(call) => {
                self.json_value(call.expr(), env)?;
                self.json_output(call.output())
            }
            Node::JsonObjectConstructor(object) => {
                object.exprs().iter().try_for_each(|pair| self.json_pair(Some(pair), env))?;
                self.json_output(object.output())
            }
            Node::JsonArrayConstructor(array) => {
                array.exprs().iter().try_for_each(|value| self.json_value(Some(value), env))?;
                self.json_output(array.output())
            }
            Node::JsonArrayQueryConstructor(array) => {
                self.query(array.query(), env)?;
                self.json_output(array.output())
            }
            Node::JsonObjectAgg(aggregate) => {
                self.json_pair(aggregate.arg(), env)?;
                self.json_aggregate(aggregate.constructor(), env)
            }
            Node::JsonArrayAgg(aggregate) => {
                self.json_value(aggregate.arg(), env)?;
                self.json_aggregate(aggregate.constructor(), env)
            }
            Node::JsonIsPredicate(is) => self.expression(is.expr(), env),
            other => Err(kinds::never(other)),
        }
    }

    /// The values of a row; `t.*` among them is all of `t`.
    fn row(&mut self, values: &NodeList, env: &Env) -> Result<(), NotRead> {
        for value in values {
            match value {
                Node::ColumnRef(column) if parts(column.fields()) == [None] => {
                    let ranges = env.scope.iter().flat_map(|scope| scope.ranges.clone()).filter(|one| one.columns);
                    ranges.collect::<Vec<_>>().iter().try_for_each(|visible| self.mark_whole(&visible.range))?;
                }
                other => self.expression(other, env)?,
            }
        }
        Ok(())
    }

    /// A step into a row: a column of it, which is read with it, or a function of it: `(value).name` is `name(value)` as well.
    pub(super) fn step(&mut self, name: &str) -> Result<(), NotRead> {
        if may_be_called_as_a_column(name) {
            let help = "use functions that only compute with what they are given";
            return Err(NotRead::never(format!("the function `{name}`"), help));
        }
        if is_listed(name) && says_names(name) {
            self.built_in(BuiltIn::Names);
        }
        self.worked(self.database.functions.len())?;
        self.function(&[Some(name)]);
        Ok(())
    }

    fn call(&mut self, call: &FuncCall, env: &Env) -> Result<(), NotRead> {
        let name = parts(call.funcname());
        if !self.setting(call, &name)? {
            self.called(&name)?;
        }
        self.row(call.args(), env)?;
        self.sorted(call.agg_order(), &Output::default(), env)?;
        self.expression(call.agg_filter(), env)?;
        match call.over() {
            Some(window) => self.window(window, env),
            None => Ok(()),
        }
    }

    /// `current_setting` and `set_config`, of a setting that is spelt out and harmless: drivers ask so.
    fn setting(&mut self, call: &FuncCall, name: &[Option<&str>]) -> Result<bool, NotRead> {
        let ([Some("pg_catalog"), Some(function)] | [Some(function)]) = name else { return Ok(false) };
        let text = |at: usize| match call.args().get(at) {
            Some(Node::A_Const(constant)) => constant.val().and_then(|value| value.string_value().map(str::to_owned)),
            _ => None,
        };
        let allowed = match *function {
            "current_setting" => text(0).is_some_and(|name| may_be_shown(&name)),
            "set_config" => text(0)
                .is_some_and(|name| is_harmless(&name) || text(1).is_some_and(|value| is_as_pinned(&name, &value))),
            _ => return Ok(false),
        };
        if !allowed || self.is_function(function) {
            return Err(NotRead::never(format!("`{function}` of that setting"), "leave the settings as they are"));
        }
        self.built_in(BuiltIn::Session);
        Ok(true)
    }

    /// Whether the database has a function of that name that is not PostgreSQL's own.
    pub(super) fn is_function(&self, name: &str) -> bool {
        self.database.functions.iter().any(|function| function.name.name == name)
    }

    /// A function that is called.
    fn called(&mut self, name: &[Option<&str>]) -> Result<(), NotRead> {
        let (schema, function) = match name {
            [Some(function)] => (None, *function),
            [.., Some(schema), Some(function)] => (Some(*schema), *function),
            _ => return Err(NotRead::invalid("a function without a name".to_owned())),
        };
        self.worked(self.database.functions.len())?;
        if matches!(schema, None | Some("pg_catalog")) && is_listed(function) {
            if says_names(function) {
                self.built_in(BuiltIn::Names);
            }
            if function.starts_with("pg_input_") && !self.database.types.is_empty() {
                self.unread("it may make a value of one of the database's own types".to_owned());
            }
            if schema.is_none() {
                // One of the database's own might fit what it is given better.
                self.function(name);
            }
            return Ok(());
        }
        let mut known = self.database.functions.iter().filter(|one| one.name.name == function);
        let of_schema = |one: &&super::database::Function| match schema {
            Some(schema) => one.name.schema == schema,
            None => self.database.search_path.contains(&one.name.schema),
        };
        if schema != Some("pg_catalog") && known.any(|one| of_schema(&one)) {
            self.function(name);
            return Ok(());
        }
        Err(NotRead::never(
            format!("the function `{function}`"),
            "use functions that only compute with what they are given",
        ))
    }

    /// Notes the functions of the database that may be meant: what runs in them is not read.
    pub(super) fn function(&mut self, name: &[Option<&str>]) {
        let (schema, function) = match name {
            [Some(function)] => (None, *function),
            [.., Some(schema), Some(function)] => (Some(*schema), *function),
            _ => return,
        };
        let meant = self.database.functions.iter().filter(|one| !one.only_computes()).filter(|one| {
            one.name.name == function
                && schema.map_or_else(|| self.database.search_path.contains(&one.name.schema), |s| one.name.schema == s)
        });
        let names: Vec<String> = meant
            .map(|one| {
                let rights = if one.definer { ", with the rights of its owner" } else { "" };
                format!("it runs the function `{}`{rights}", escape(&format!("{}({})", one.name, one.arguments)))
            })
            .collect();
        names.into_iter().for_each(|what| self.unread(what));
    }

    /// An operator: those that are not PostgreSQL's own run functions that are not read.
    pub(super) fn operator(&mut self, name: &NodeList) {
        if let Some(sign) = parts(name).last().copied().flatten()
            && self.database.operators.contains(sign)
        {
            self.unread(format!("it may use the database's own operator `{}`", escape(sign)));
        }
    }

    /// Operators that a construct stands for without writing them.
    fn operators_of(&mut self, kind: raw::A_Expr_Kind::Type) {
        use raw::A_Expr_Kind as Kind;
        if matches!(
            kind,
            Kind::AEXPR_BETWEEN | Kind::AEXPR_NOT_BETWEEN | Kind::AEXPR_BETWEEN_SYM | Kind::AEXPR_NOT_BETWEEN_SYM
        ) {
            self.signs(&["<", "<=", ">", ">="]);
        }
    }

    /// Operators that are used without being written.
    pub(super) fn signs(&mut self, signs: &[&str]) {
        for sign in signs {
            if self.database.operators.contains(*sign) {
                self.unread(format!("it may use the database's own operator `{}`", escape(sign)));
            }
        }
    }

    /// A type: those whose values are read and written by functions that are not PostgreSQL's own.
    pub(super) fn type_name(&mut self, name: Option<&TypeName>) -> Result<(), NotRead> {
        let Some(type_name) = name else { return Ok(()) };
        if type_name.pct_type {
            return Err(NotRead::never("a type by way of a column (`%TYPE`)", "name the type"));
        }
        self.worked(self.database.casts.len() + self.database.types.len())?;
        let names: Vec<&str> = type_name.names().iter().filter_map(|name| name.sval()).collect();
        let (schema, name) = match names.as_slice() {
            [name] => (None, *name),
            [.., schema, name] => (Some(*schema), *name),
            [] => return Ok(()),
        };
        if name.starts_with("reg") {
            self.built_in(BuiltIn::Names);
        }
        if self.database.casts.iter().any(|(_, to)| to == name || to.ends_with(&format!(".{name}"))) {
            self.unread(format!("a function of the database's own makes it a `{}`", escape(name)));
        }
        let own = self.database.types.iter().any(|one| match schema {
            Some(schema) => *one == Name::new(schema, name),
            None => one.name == name,
        });
        if own {
            self.unread(format!("it makes a value of the database's own type `{}`", escape(name)));
        }
        Ok(())
    }

    pub(super) fn column_type(&mut self, column: Node<'_>) -> Result<(), NotRead> {
        match column {
            Node::ColumnDef(column) => self.type_name(column.type_name()),
            other => Err(kinds::never(other)),
        }
    }

    pub(super) fn json_value(&mut self, value: Option<&JsonValueExpr>, env: &Env) -> Result<(), NotRead> {
        let Some(value) = value else { return Ok(()) };
        self.expression(value.raw_expr(), env)?;
        self.expression(value.formatted_expr(), env)
    }

    fn json_pair(&mut self, pair: Option<&JsonKeyValue>, env: &Env) -> Result<(), NotRead> {
        let Some(pair) = pair else { return Ok(()) };
        self.expression(pair.key(), env)?;
        self.json_value(pair.value(), env)
    }

    fn json_output(&mut self, output: Option<&JsonOutput>) -> Result<(), NotRead> {
        output.map_or(Ok(()), |output| self.type_name(output.type_name()))
    }

    pub(super) fn json_arguments(&mut self, passing: &NodeList, env: &Env) -> Result<(), NotRead> {
        for argument in passing {
            match argument {
                Node::JsonArgument(argument) => self.json_value(argument.val(), env)?,
                other => return Err(kinds::never(other)),
            }
        }
        Ok(())
    }

    fn json_aggregate(&mut self, aggregate: Option<&JsonAggConstructor>, env: &Env) -> Result<(), NotRead> {
        let Some(aggregate) = aggregate else { return Ok(()) };
        self.json_output(aggregate.output())?;
        self.expression(aggregate.agg_filter(), env)?;
        for sort in aggregate.agg_order() {
            match sort {
                Node::SortBy(sort) => {
                    self.operator(sort.use_op());
                    self.expression(sort.node(), env)?;
                }
                other => return Err(kinds::never(other)),
            }
        }
        aggregate.over().map_or(Ok(()), |window| self.window(window, env))
    }

    pub(super) fn json_column(
        &mut self,
        column: &JsonTableColumn,
        env: &Env,
        columns: &mut Vec<String>,
    ) -> Result<(), NotRead> {
        self.deeper(|reader| {
            columns.extend(column.name().map(str::to_owned));
            reader.type_name(column.type_name())?;
            if let Some(path) = column.pathspec() {
                reader.expression(path.string(), env)?;
            }
            for behavior in [column.on_empty(), column.on_error()].into_iter().flatten() {
                reader.expression(behavior.expr(), env)?;
            }
            for nested in column.columns() {
                match nested {
                    Node::JsonTableColumn(nested) => reader.json_column(nested, env, columns)?,
                    other => return Err(kinds::never(other)),
                }
            }
            Ok(())
        })
    }
}
