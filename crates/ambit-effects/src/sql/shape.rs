//! What a gate has to know of a statement to carry it: whether it can be counted, and whether bytes follow it.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{CommonTableExpr, WithClause};

use super::parse::Parsed;

/// What sort of statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Its tag, or the rows that it gives, are all the rows that it touches.
    Counted,
    /// It is a COPY: rows go beside the statement.
    Copy,
    /// What it touches shows in no number: it changes something in a part of it, or it is of another kind.
    Other,
}

/// What sort of statement a text is. What cannot be read is of no sort that can be counted.
#[must_use]
pub fn shape(text: &str) -> Shape {
    let read = || {
        let parsed = Parsed::of(text)?;
        Ok(match parsed.one()? {
            Node::CopyStmt(_) => Shape::Copy,
            Node::SelectStmt(one) => counted(one.with_clause()),
            Node::InsertStmt(one) => counted(one.with_clause()),
            Node::UpdateStmt(one) => counted(one.with_clause()),
            Node::DeleteStmt(one) => counted(one.with_clause()),
            Node::MergeStmt(one) => counted(one.with_clause()),
            _ => Shape::Other,
        })
    };
    super::guarded(read).unwrap_or(Shape::Other)
}

/// A statement's tag does not count what its `WITH` changes. PostgreSQL takes such a part at the top alone.
fn counted(with: Option<&WithClause>) -> Shape {
    let reads = |one: &CommonTableExpr| matches!(one.ctequery(), Node::SelectStmt(_));
    if with.is_none_or(|with| with.ctes().iter().all(reads)) { Shape::Counted } else { Shape::Other }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_tag_does_not_count_is_not_counted() {
        for text in [
            "SELECT id FROM t",
            "WITH x AS (SELECT 1) UPDATE t SET a = 1 FROM x",
            "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
            "DELETE FROM t RETURNING id",
            "/* a */ MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE;",
        ] {
            assert_eq!(shape(text), Shape::Counted, "{text}");
        }
        for text in [
            "WITH d AS (DELETE FROM t RETURNING id) SELECT count(*) FROM d",
            "WITH x AS (SELECT 1), u AS (UPDATE t SET a = 1) INSERT INTO t VALUES (1)",
            "EXPLAIN ANALYZE DELETE FROM t",
            "DECLARE c CURSOR FOR SELECT id FROM t",
            "TRUNCATE t",
            "SELECT 1; SELECT 2",
            "SELEC",
            "",
        ] {
            assert_eq!(shape(text), Shape::Other, "{text}");
        }
        assert_eq!(shape("-- x\nCOPY t TO STDOUT"), Shape::Copy);
    }
}
