//! One statement, by its kind. What has no arm here is never passed on.

use std::collections::BTreeMap;

use ambit_core::effect::{FieldSet, Verb};
use ambit_core::reading::BuiltIn;
use pg_raw_parse::nodes::{
    AlterTableStmt, CopyStmt, CreateTableAsStmt, DropStmt, RangeVar, TransactionStmt, TruncateStmt, VariableSetStmt,
};
use pg_raw_parse::{Node, raw};

use super::NotRead;
use super::from::names_of;
use super::kinds;
use super::names::{Env, Visible};
use super::reader::{Reader, parts};
use super::settings::{is_as_pinned, is_harmless, may_be_shown};
use super::touched::Change;
use crate::json::escape;

/// WITH HOLD, in the options of DECLARE.
const HOLD: i32 = 0x20;

impl Reader<'_> {
    pub(super) fn statement(&mut self, statement: Node<'_>) -> Result<(), NotRead> {
        let env = Env::default();
        match statement {
            Node::SelectStmt(_)
            | Node::InsertStmt(_)
            | Node::UpdateStmt(_)
            | Node::DeleteStmt(_)
            | Node::MergeStmt(_) => self.query(statement, &env).map(drop),
            // With ANALYZE it runs; without, PostgreSQL asks for the same rights.
            Node::ExplainStmt(explain) => self.deeper(|reader| reader.statement(explain.query())),
            Node::DeclareCursorStmt(declare) if declare.options & HOLD != 0 => {
                Err(NotRead::never("DECLARE … WITH HOLD", "read the cursor within its transaction"))
            }
            Node::DeclareCursorStmt(declare) => self.query(declare.query(), &env).map(drop),
            // What a cursor gives was asked when it was declared.
            Node::FetchStmt(_) | Node::ClosePortalStmt(_) | Node::DeallocateStmt(_) | Node::ConstraintsSetStmt(_) => {
                self.session()
            }
            Node::UnlistenStmt(_) => self.session(),
            Node::TransactionStmt(transaction) => self.transaction(transaction),
            Node::VariableSetStmt(set) => self.set(set),
            Node::VariableShowStmt(show) if may_be_shown(show.name().unwrap_or_default()) => self.session(),
            Node::VariableShowStmt(_) => {
                Err(NotRead::never("SHOW of that setting", "ask for PostgreSQL's own settings only"))
            }
            Node::CopyStmt(copy) => self.copy(copy),
            Node::CallStmt(call) => {
                let name = call.funccall().map(|call| parts(call.funcname()).into_iter().flatten().collect::<Vec<_>>());
                if let Some(call) = call.funccall() {
                    self.expressions(call.args(), &env)?;
                }
                self.unread(format!("it calls the procedure `{}`", escape(&name.unwrap_or_default().join("."))));
                Ok(())
            }
            Node::TruncateStmt(truncate) => self.truncate(truncate),
            Node::AlterTableStmt(alter) => self.alter_table(alter),
            Node::DropStmt(drop) => self.drop(drop),
            Node::CreateTableAsStmt(create) => self.create_as(create),
            Node::CreateStmt(create) => self.created("table", create.relation()),
            Node::ViewStmt(view) => {
                self.query(view.query(), &env)?;
                self.created("view", view.view())
            }
            Node::IndexStmt(index) => {
                self.define(index.relation())?;
                let computes = index.index_params().iter().any(|one| one.name().is_none())
                    || !matches!(index.where_clause(), Node::None);
                if computes {
                    self.unread("it indexes an expression".to_owned());
                }
                Ok(())
            }
            Node::RenameStmt(rename) => {
                if let Some(relation) = rename.relation() {
                    self.define_if_known(relation)?;
                }
                self.unread(format!("it renames something to `{}`", escape(rename.newname().unwrap_or_default())));
                Ok(())
            }
            Node::CommentStmt(_) => {
                self.unread("it writes a comment into the catalog".to_owned());
                Ok(())
            }
            other => Err(kinds::never(other)),
        }
    }

    fn session(&mut self) -> Result<(), NotRead> {
        self.built_in(BuiltIn::Session);
        Ok(())
    }

    fn transaction(&mut self, transaction: &TransactionStmt) -> Result<(), NotRead> {
        use raw::TransactionStmtKind as Kind;
        match transaction.kind {
            Kind::TRANS_STMT_BEGIN
            | Kind::TRANS_STMT_START
            | Kind::TRANS_STMT_COMMIT
            | Kind::TRANS_STMT_ROLLBACK
            | Kind::TRANS_STMT_SAVEPOINT
            | Kind::TRANS_STMT_RELEASE
            | Kind::TRANS_STMT_ROLLBACK_TO => self.session(),
            _ => Err(NotRead::never("a transaction in two phases (PREPARE TRANSACTION)", "commit it by itself")),
        }
    }

    fn set(&mut self, set: &VariableSetStmt) -> Result<(), NotRead> {
        use raw::VariableSetKind as Kind;
        let name = set.name().unwrap_or_default();
        let value = match set.args().first() {
            Some(Node::A_Const(constant)) if set.args().len() == 1 => {
                constant.val().and_then(|value| value.string_value().map(str::to_owned))
            }
            _ => None,
        };
        let allowed = match set.kind {
            Kind::VAR_SET_VALUE => is_harmless(name) || value.is_some_and(|value| is_as_pinned(name, &value)),
            // Back to what the session began with, which the gate has pinned.
            Kind::VAR_RESET | Kind::VAR_SET_DEFAULT => is_harmless(name),
            Kind::VAR_RESET_ALL => true,
            // SET TRANSACTION, and for all that follow.
            Kind::VAR_SET_MULTI => matches!(name, "TRANSACTION" | "SESSION CHARACTERISTICS"),
            _ => false,
        };
        if allowed {
            return self.session();
        }
        Err(NotRead::never(
            format!("SET of `{name}`"),
            "leave it as it is: the meaning of a statement depends on it, or the role it runs as",
        ))
    }

    fn copy(&mut self, copy: &CopyStmt) -> Result<(), NotRead> {
        if copy.is_program || copy.filename().is_some() {
            return Err(NotRead::never("COPY with a file or a program of the server", "copy to STDOUT or from STDIN"));
        }
        if !matches!(copy.query(), Node::None) {
            return self.query(copy.query(), &Env::default()).map(drop);
        }
        let Some(relation) = copy.relation() else { return Err(NotRead::invalid("COPY of nothing".to_owned())) };
        if !copy.is_from && self.relation_named(relation.schemaname(), relation.relname().unwrap_or_default()).is_none()
        {
            return match self.system_range(relation)? {
                Some(range) => self.mark_whole(&range),
                None => self.relation(relation, true).map(drop),
            };
        }
        let (instance, range) = self.relation(relation, !copy.is_from)?;
        let columns = match names_of(copy.attlist()) {
            // Generated columns are not copied; to say that they are only says more.
            none if none.is_empty() => range.columns.iter().map(|column| column.name.clone()).collect(),
            columns => columns,
        };
        if !copy.is_from {
            return columns.iter().try_for_each(|column| self.column_of(&range, column));
        }
        let mut fields = FieldSet::new();
        for column in &columns {
            let resource = self.touched.instances.get(instance).map(|one| one.resource);
            if !range.columns.iter().any(|one| one.name == *column) {
                return Err(NotRead::unknown("column", column));
            }
            match resource.and_then(|resource| self.field(resource, column)) {
                Some(place) => fields.insert(place),
                None => fields.insert_unlisted(),
            }
        }
        // An option says which text stands for a default.
        self.gives_defaults |= copy.options().iter().any(|option| option.defname() == Some("default"));
        self.expression(copy.where_clause(), &Env::default().within(vec![Visible::whole(range)]))?;
        self.changes(Verb::Create, instance, fields);
        Ok(())
    }

    fn changes(&mut self, verb: Verb, instance: usize, fields: FieldSet) {
        self.touched.changes.push(Change { verb, instance, fields, rows: None, facts: BTreeMap::new() });
    }

    /// All rows go, and what refers to them with CASCADE; it is no row by row deletion, so it counts as both.
    fn truncate(&mut self, truncate: &TruncateStmt) -> Result<(), NotRead> {
        for relation in truncate.relations() {
            let Node::RangeVar(relation) = relation else { return Err(kinds::never(relation)) };
            let (instance, _) = self.relation(relation, false)?;
            self.changes(Verb::Delete, instance, FieldSet::new());
            self.changes(Verb::Define, instance, FieldSet::new());
        }
        if truncate.behavior == raw::DropBehavior::DROP_CASCADE {
            self.unread("it empties whatever refers to that as well (CASCADE)".to_owned());
        }
        Ok(())
    }

    /// The definition of a relation changes.
    fn define(&mut self, relation: Option<&RangeVar>) -> Result<(), NotRead> {
        let Some(relation) = relation else { return Err(NotRead::invalid("a definition of nothing".to_owned())) };
        let (instance, _) = self.relation(relation, false)?;
        self.changes(Verb::Define, instance, FieldSet::new());
        Ok(())
    }

    fn define_if_known(&mut self, relation: &RangeVar) -> Result<(), NotRead> {
        if self.relation_named(relation.schemaname(), relation.relname().unwrap_or_default()).is_some() {
            self.define(Some(relation))?;
        }
        Ok(())
    }

    fn alter_table(&mut self, alter: &AlterTableStmt) -> Result<(), NotRead> {
        let Some(relation) = alter.relation() else { return Err(NotRead::invalid("ALTER of nothing".to_owned())) };
        // An index or a sequence has a name of its own.
        match alter.objtype {
            raw::ObjectType::OBJECT_TABLE
            | raw::ObjectType::OBJECT_VIEW
            | raw::ObjectType::OBJECT_MATVIEW
            | raw::ObjectType::OBJECT_FOREIGN_TABLE => self.define(Some(relation))?,
            _ => self
                .unread(format!("it changes the definition of `{}`", escape(relation.relname().unwrap_or_default()))),
        }
        for command in alter.cmds() {
            let Node::AlterTableCmd(command) = command else { return Err(kinds::never(command)) };
            use raw::AlterTableType as Kind;
            let simple = matches!(
                command.subtype,
                Kind::AT_DropNotNull | Kind::AT_SetStatistics | Kind::AT_SetStorage | Kind::AT_DropColumn
            ) && command.behavior != raw::DropBehavior::DROP_CASCADE;
            if !simple {
                self.unread("what else such a change of a definition runs or reaches is not read".to_owned());
            }
        }
        Ok(())
    }

    fn drop(&mut self, drop: &DropStmt) -> Result<(), NotRead> {
        let is_relation = matches!(
            drop.remove_type,
            raw::ObjectType::OBJECT_TABLE
                | raw::ObjectType::OBJECT_VIEW
                | raw::ObjectType::OBJECT_MATVIEW
                | raw::ObjectType::OBJECT_FOREIGN_TABLE
        );
        for object in drop.objects() {
            let names = object.as_node_list().map(parts).unwrap_or_default();
            let named = match names.as_slice() {
                [Some(name)] if is_relation => self.relation_named(None, name),
                [Some(schema), Some(name)] if is_relation => self.relation_named(Some(schema), name),
                _ => None,
            };
            let Some((name, relation)) = named else {
                let said: Vec<&str> = names.into_iter().flatten().collect();
                if is_relation && !drop.missing_ok {
                    return Err(NotRead::unknown("relation", &said.join(".")));
                }
                self.unread(format!("it drops `{}`", escape(&said.join("."))));
                continue;
            };
            let instance = self.instance(&name, relation, false)?;
            // Partitions go with what they are partitions of.
            self.kin(&name, relation, instance, true);
            // The rows go with it.
            self.changes(Verb::Delete, instance, FieldSet::new());
            self.changes(Verb::Define, instance, FieldSet::new());
        }
        if drop.behavior == raw::DropBehavior::DROP_CASCADE {
            self.unread("it drops whatever depends on that as well (CASCADE)".to_owned());
        }
        Ok(())
    }

    fn create_as(&mut self, create: &CreateTableAsStmt) -> Result<(), NotRead> {
        self.query(create.query(), &Env::default())?;
        self.created("table", create.into().and_then(|into| into.rel()))
    }

    /// Something new, which no line can name yet.
    fn created(&mut self, what: &str, relation: Option<&RangeVar>) -> Result<(), NotRead> {
        let Some(relation) = relation else { return Err(NotRead::invalid("it creates nothing".to_owned())) };
        // A temporary one would stand before another of its name.
        let temporary = u8::try_from(relation.relpersistence).ok() == Some(b't');
        if temporary || relation.schemaname().is_some_and(|schema| schema.starts_with("pg_")) {
            let help = "use WITH for what is needed within one statement";
            return Err(NotRead::never(format!("a temporary {what}"), help));
        }
        self.define_if_known(relation)?;
        self.unread(format!("it creates the {what} `{}`", escape(relation.relname().unwrap_or_default())));
        Ok(())
    }
}
