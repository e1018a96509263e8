//! An UPDATE that a connection prepares once. Diesel prepares its own UPDATE before each run, because the text may depend
//! on the values. PostgreSQL then plans the statement and its guards, and SQLite compiles them: a third of a millisecond
//! for `factors`.

use diesel::backend::Backend;
use diesel::query_builder::{AsChangeset, AstPass, QueryFragment, QueryId};
use diesel::query_source::QuerySource;
use diesel::{QueryResult, RunQueryDsl};

/// Changes rows of a table. No condition may be a list of any length, and no change an `Option` that leaves a column out:
/// each would be another text.
pub(super) fn update<T: QuerySource>(table: T) -> Rows<T, Every> {
    Rows { table, condition: Every }
}

/// The rows of a table that meet a condition.
#[derive(Debug)]
pub(super) struct Rows<T, Where> {
    table: T,
    condition: Where,
}

impl<T: QuerySource, Where> Rows<T, Where> {
    /// Those of them that meet another condition too.
    pub(super) fn filter<More>(self, more: More) -> Rows<T, Both<Where, More>> {
        Rows { table: self.table, condition: Both(self.condition, more) }
    }

    /// The statement that changes them.
    pub(super) fn set<Changes>(
        self,
        changes: Changes,
    ) -> Update<T::FromClause, Changes::Changeset, Where>
    where
        Changes: AsChangeset<Target = T>,
    {
        let from = self.table.from_clause();
        Update { from, changes: changes.as_changeset(), condition: self.condition }
    }
}

/// No condition.
#[derive(Debug)]
pub(super) struct Every;

/// Two conditions.
#[derive(Debug)]
pub(super) struct Both<A, B>(A, B);

impl<DB: Backend> QueryFragment<DB> for Every {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("TRUE");
        Ok(())
    }
}

impl<DB: Backend, A: QueryFragment<DB>, B: QueryFragment<DB>> QueryFragment<DB> for Both<A, B> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" AND (");
        self.1.walk_ast(out.reborrow())?;
        out.push_sql(")");
        Ok(())
    }
}

/// An UPDATE with one text for all its values.
#[derive(Debug)]
pub(super) struct Update<From, Changes, Where> {
    from: From,
    changes: Changes,
    condition: Where,
}

impl<From, Changes, Where> QueryId for Update<From, Changes, Where> {
    type QueryId = ();
    // A connection knows the statement again by its text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB, From, Changes, Where> QueryFragment<DB> for Update<From, Changes, Where>
where
    DB: Backend,
    From: QueryFragment<DB>,
    Changes: QueryFragment<DB>,
    Where: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("UPDATE ");
        self.from.walk_ast(out.reborrow())?;
        out.push_sql(" SET ");
        self.changes.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE ");
        self.condition.walk_ast(out)
    }
}

impl<From, Changes, Where, C> RunQueryDsl<C> for Update<From, Changes, Where> {}
