//! What a node of the tree is called. Every kind is listed, so that one which a newer parser brings does not compile until
//! somebody has said what becomes of it.

use pg_raw_parse::Node;

use super::NotRead;

/// Something that has no arm where it stands: it is not passed on.
pub(super) fn never(node: Node<'_>) -> NotRead {
    match node {
        Node::GrantStmt(_) => statement("GRANT or REVOKE"),
        Node::GrantRoleStmt(_) => statement("GRANT or REVOKE of a role"),
        Node::DoStmt(_) => statement("DO"),
        Node::CreateFunctionStmt(_) => statement("CREATE FUNCTION"),
        Node::AlterFunctionStmt(_) => statement("ALTER FUNCTION"),
        Node::NotifyStmt(_) => statement("NOTIFY"),
        Node::ListenStmt(_) => statement("LISTEN"),
        Node::LoadStmt(_) => statement("LOAD"),
        Node::LockStmt(_) => statement("LOCK TABLE"),
        Node::VacuumStmt(_) => statement("VACUUM or ANALYZE"),
        Node::PrepareStmt(_) => statement("PREPARE in SQL"),
        Node::ExecuteStmt(_) => statement("EXECUTE in SQL"),
        Node::DiscardStmt(_) => statement("DISCARD"),
        Node::CheckPointStmt(_) => statement("CHECKPOINT"),
        Node::AlterSystemStmt(_) => statement("ALTER SYSTEM"),
        Node::AlterRoleStmt(_) => statement("ALTER ROLE"),
        Node::AlterRoleSetStmt(_) => statement("ALTER ROLE … SET"),
        Node::CreateRoleStmt(_) => statement("CREATE ROLE"),
        Node::DropRoleStmt(_) => statement("DROP ROLE"),
        Node::ReindexStmt(_) => statement("REINDEX"),
        Node::ClusterStmt(_) => statement("CLUSTER"),
        Node::RefreshMatViewStmt(_) => statement("REFRESH MATERIALIZED VIEW"),
        Node::CreateTrigStmt(_) => statement("CREATE TRIGGER"),
        Node::RuleStmt(_) => statement("CREATE RULE"),
        Node::CreateExtensionStmt(_) => statement("CREATE EXTENSION"),
        Node::AlterExtensionStmt(_) => statement("ALTER EXTENSION"),
        Node::CreatedbStmt(_) => statement("CREATE DATABASE"),
        Node::DropdbStmt(_) => statement("DROP DATABASE"),
        Node::AlterDatabaseStmt(_) => statement("ALTER DATABASE"),
        Node::AlterDatabaseSetStmt(_) => statement("ALTER DATABASE … SET"),
        Node::CreateSchemaStmt(_) => statement("CREATE SCHEMA"),
        Node::CreateSeqStmt(_) => statement("CREATE SEQUENCE"),
        Node::AlterSeqStmt(_) => statement("ALTER SEQUENCE"),
        Node::CreatePolicyStmt(_) => statement("CREATE POLICY"),
        Node::AlterPolicyStmt(_) => statement("ALTER POLICY"),
        Node::SecLabelStmt(_) => statement("SECURITY LABEL"),
        Node::CreateCastStmt(_) => statement("CREATE CAST"),
        Node::DefineStmt(_) => statement("CREATE AGGREGATE, OPERATOR or TYPE"),
        Node::CreateDomainStmt(_) => statement("CREATE DOMAIN"),
        Node::CreateEnumStmt(_) => statement("CREATE TYPE"),
        Node::AlterEnumStmt(_) => statement("ALTER TYPE"),
        Node::CompositeTypeStmt(_) => statement("CREATE TYPE"),
        Node::AlterOwnerStmt(_) => statement("ALTER … OWNER"),
        Node::AlterObjectSchemaStmt(_) => statement("ALTER … SET SCHEMA"),
        Node::DropOwnedStmt(_) => statement("DROP OWNED"),
        Node::ReassignOwnedStmt(_) => statement("REASSIGN OWNED"),
        Node::AlterDefaultPrivilegesStmt(_) => statement("ALTER DEFAULT PRIVILEGES"),
        Node::CreatePublicationStmt(_) => statement("CREATE PUBLICATION"),
        Node::AlterPublicationStmt(_) => statement("ALTER PUBLICATION"),
        Node::CreateSubscriptionStmt(_) => statement("CREATE SUBSCRIPTION"),
        Node::AlterSubscriptionStmt(_) => statement("ALTER SUBSCRIPTION"),
        Node::DropSubscriptionStmt(_) => statement("DROP SUBSCRIPTION"),
        Node::ImportForeignSchemaStmt(_) => statement("IMPORT FOREIGN SCHEMA"),
        Node::CreateForeignServerStmt(_) => statement("CREATE SERVER"),
        Node::CreateUserMappingStmt(_) => statement("CREATE USER MAPPING"),
        Node::CreateTableSpaceStmt(_) => statement("CREATE TABLESPACE"),
        Node::DropTableSpaceStmt(_) => statement("DROP TABLESPACE"),
        Node::CreateStatsStmt(_) => statement("CREATE STATISTICS"),
        Node::CreatePLangStmt(_) => statement("CREATE LANGUAGE"),
        // Statements that define things which pages do not speak of.
        Node::RawStmt(_)
        | Node::SetOperationStmt(_)
        | Node::ReturnStmt(_)
        | Node::PLAssignStmt(_)
        | Node::ReplicaIdentityStmt(_)
        | Node::AlterCollationStmt(_)
        | Node::AlterDomainStmt(_)
        | Node::AlterTableSpaceOptionsStmt(_)
        | Node::AlterTableMoveAllStmt(_)
        | Node::AlterExtensionContentsStmt(_)
        | Node::CreateFdwStmt(_)
        | Node::AlterFdwStmt(_)
        | Node::AlterForeignServerStmt(_)
        | Node::AlterUserMappingStmt(_)
        | Node::DropUserMappingStmt(_)
        | Node::CreateAmStmt(_)
        | Node::CreateEventTrigStmt(_)
        | Node::AlterEventTrigStmt(_)
        | Node::CreateOpClassStmt(_)
        | Node::CreateOpFamilyStmt(_)
        | Node::AlterOpFamilyStmt(_)
        | Node::AlterStatsStmt(_)
        | Node::AlterObjectDependsStmt(_)
        | Node::AlterOperatorStmt(_)
        | Node::AlterTypeStmt(_)
        | Node::CreateRangeStmt(_)
        | Node::AlterDatabaseRefreshCollStmt(_)
        | Node::CreateConversionStmt(_)
        | Node::CreateTransformStmt(_)
        | Node::AlterTSDictionaryStmt(_)
        | Node::AlterTSConfigurationStmt(_) => statement("a statement of that kind"),
        // Parts of statements, and statements where no statement may stand.
        Node::None
        | Node::NodeList(_)
        | Node::Bitmapset(_)
        | Node::Alias(_)
        | Node::RangeVar(_)
        | Node::TableFunc(_)
        | Node::IntoClause(_)
        | Node::Param(_)
        | Node::Aggref(_)
        | Node::GroupingFunc(_)
        | Node::WindowFunc(_)
        | Node::WindowFuncRunCondition(_)
        | Node::MergeSupportFunc(_)
        | Node::SubscriptingRef(_)
        | Node::FuncExpr(_)
        | Node::NamedArgExpr(_)
        | Node::OpExpr(_)
        | Node::ScalarArrayOpExpr(_)
        | Node::BoolExpr(_)
        | Node::SubLink(_)
        | Node::SubPlan(_)
        | Node::AlternativeSubPlan(_)
        | Node::FieldSelect(_)
        | Node::FieldStore(_)
        | Node::CoerceViaIO(_)
        | Node::ArrayCoerceExpr(_)
        | Node::ConvertRowtypeExpr(_)
        | Node::CollateExpr(_)
        | Node::CaseExpr(_)
        | Node::CaseWhen(_)
        | Node::CaseTestExpr(_)
        | Node::ArrayExpr(_)
        | Node::RowExpr(_)
        | Node::RowCompareExpr(_)
        | Node::CoalesceExpr(_)
        | Node::MinMaxExpr(_)
        | Node::SQLValueFunction(_)
        | Node::XmlExpr(_)
        | Node::JsonFormat(_)
        | Node::JsonReturning(_)
        | Node::JsonValueExpr(_)
        | Node::JsonConstructorExpr(_)
        | Node::JsonIsPredicate(_)
        | Node::JsonBehavior(_)
        | Node::JsonExpr(_)
        | Node::NullTest(_)
        | Node::BooleanTest(_)
        | Node::MergeAction(_)
        | Node::CoerceToDomain(_)
        | Node::CoerceToDomainValue(_)
        | Node::SetToDefault(_)
        | Node::CurrentOfExpr(_)
        | Node::NextValueExpr(_)
        | Node::InferenceElem(_)
        | Node::ReturningExpr(_)
        | Node::TargetEntry(_)
        | Node::RangeTblRef(_)
        | Node::JoinExpr(_)
        | Node::FromExpr(_)
        | Node::OnConflictExpr(_)
        | Node::Integer(_)
        | Node::Float(_)
        | Node::Boolean(_)
        | Node::String(_)
        | Node::BitString(_)
        | Node::Query(_)
        | Node::TypeName(_)
        | Node::ColumnRef(_)
        | Node::ParamRef(_)
        | Node::A_Expr(_)
        | Node::A_Const(_)
        | Node::TypeCast(_)
        | Node::CollateClause(_)
        | Node::RoleSpec(_)
        | Node::FuncCall(_)
        | Node::A_Star(_)
        | Node::A_Indices(_)
        | Node::A_Indirection(_)
        | Node::A_ArrayExpr(_)
        | Node::ResTarget(_)
        | Node::MultiAssignRef(_)
        | Node::SortBy(_)
        | Node::WindowDef(_)
        | Node::RangeSubselect(_)
        | Node::RangeFunction(_)
        | Node::RangeTableFunc(_)
        | Node::RangeTableFuncCol(_)
        | Node::RangeTableSample(_)
        | Node::ColumnDef(_)
        | Node::TableLikeClause(_)
        | Node::IndexElem(_)
        | Node::DefElem(_)
        | Node::LockingClause(_)
        | Node::XmlSerialize(_)
        | Node::PartitionElem(_)
        | Node::PartitionSpec(_)
        | Node::PartitionBoundSpec(_)
        | Node::PartitionRangeDatum(_)
        | Node::PartitionCmd(_)
        | Node::RangeTblEntry(_)
        | Node::RTEPermissionInfo(_)
        | Node::RangeTblFunction(_)
        | Node::TableSampleClause(_)
        | Node::WithCheckOption(_)
        | Node::SortGroupClause(_)
        | Node::GroupingSet(_)
        | Node::WindowClause(_)
        | Node::RowMarkClause(_)
        | Node::WithClause(_)
        | Node::InferClause(_)
        | Node::OnConflictClause(_)
        | Node::CTESearchClause(_)
        | Node::CTECycleClause(_)
        | Node::CommonTableExpr(_)
        | Node::MergeWhenClause(_)
        | Node::ReturningOption(_)
        | Node::ReturningClause(_)
        | Node::TriggerTransition(_)
        | Node::JsonOutput(_)
        | Node::JsonArgument(_)
        | Node::JsonFuncExpr(_)
        | Node::JsonTablePathSpec(_)
        | Node::JsonTable(_)
        | Node::JsonTableColumn(_)
        | Node::JsonKeyValue(_)
        | Node::JsonParseExpr(_)
        | Node::JsonScalarExpr(_)
        | Node::JsonSerializeExpr(_)
        | Node::JsonObjectConstructor(_)
        | Node::JsonArrayConstructor(_)
        | Node::JsonArrayQueryConstructor(_)
        | Node::JsonAggConstructor(_)
        | Node::JsonObjectAgg(_)
        | Node::JsonArrayAgg(_)
        | Node::InsertStmt(_)
        | Node::DeleteStmt(_)
        | Node::UpdateStmt(_)
        | Node::MergeStmt(_)
        | Node::SelectStmt(_)
        | Node::AlterTableStmt(_)
        | Node::AlterTableCmd(_)
        | Node::ATAlterConstraint(_)
        | Node::ObjectWithArgs(_)
        | Node::AccessPriv(_)
        | Node::CopyStmt(_)
        | Node::VariableSetStmt(_)
        | Node::VariableShowStmt(_)
        | Node::CreateStmt(_)
        | Node::Constraint(_)
        | Node::CreateOpClassItem(_)
        | Node::DropStmt(_)
        | Node::TruncateStmt(_)
        | Node::CommentStmt(_)
        | Node::DeclareCursorStmt(_)
        | Node::ClosePortalStmt(_)
        | Node::FetchStmt(_)
        | Node::IndexStmt(_)
        | Node::StatsElem(_)
        | Node::FunctionParameter(_)
        | Node::InlineCodeBlock(_)
        | Node::CallStmt(_)
        | Node::CallContext(_)
        | Node::RenameStmt(_)
        | Node::UnlistenStmt(_)
        | Node::TransactionStmt(_)
        | Node::ViewStmt(_)
        | Node::VacuumRelation(_)
        | Node::ExplainStmt(_)
        | Node::CreateTableAsStmt(_)
        | Node::ConstraintsSetStmt(_)
        | Node::DeallocateStmt(_)
        | Node::PublicationTable(_)
        | Node::PublicationObjSpec(_)
        | Node::Invalid(_) => NotRead::never("something in it that is not read", "write it in another way"),
    }
}

fn statement(what: &str) -> NotRead {
    NotRead::never(what, "a person with access of their own has to do that, or do without")
}
