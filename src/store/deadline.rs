//! The end of a read transaction's time on SQLite. PostgreSQL has a timeout for each statement. SQLite has none that
//! safe code can set, so a query over many rows calls a function of ours for each row that it looks at,
//! and the function fails when the time is over.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::result::QueryResult;
use diesel::serialize::{self, IsNull, Output, ToSql};
use diesel::sql_types::Bool;
use diesel::sqlite::Sqlite;
use diesel::{SqliteConnection, define_sql_function};

use super::postgres::PgConnection;

define_sql_function! {
    /// True until the deadline, and an error after it.
    fn in_time() -> Bool;
}

/// Until when the transaction at work on one connection may read. Clones are the same deadline.
#[derive(Debug, Clone, Default)]
pub(super) struct Deadline(Arc<Mutex<Option<Instant>>>);

impl Deadline {
    /// From now on; `None`: there is no end.
    pub(super) fn set(&self, end: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = end;
    }

    fn is_over(&self) -> bool {
        let end = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        end.is_some_and(|end| Instant::now() >= end)
    }

    /// Lets the queries of a connection ask for it. SQLite asks for each row: to it, the answer may change.
    pub(super) fn register(&self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let deadline = self.clone();
        in_time_utils::register_nondeterministic_impl(connection, move || InTime {
            is_over: deadline.is_over(),
        })
    }
}

/// What the function returns.
#[derive(Debug)]
struct InTime {
    is_over: bool,
}

impl ToSql<Bool, Sqlite> for InTime {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        if self.is_over {
            return Err("the time of this transaction is over".into());
        }
        out.set_value(1_i32);
        Ok(IsNull::No)
    }
}

/// The condition that ends a query over many rows at the deadline. It is the first of its query: SQLite
/// asks it before the others.
pub(super) trait Timed {
    fn in_time(&self) -> SqlLiteral<Bool>;
}

impl Timed for SqliteConnection {
    fn in_time(&self) -> SqlLiteral<Bool> {
        sql("in_time()")
    }
}

impl Timed for PgConnection {
    /// `statement_timeout` ends it.
    fn in_time(&self) -> SqlLiteral<Bool> {
        sql("TRUE")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use diesel::sql_types::BigInt;
    use diesel::{Connection as _, QueryableByName, RunQueryDsl as _, sql_query};

    use super::*;

    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }

    fn count(connection: &mut SqliteConnection, rows: &str) -> QueryResult<i64> {
        let scan = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {rows}) \
             SELECT count(*) AS rows FROM n WHERE in_time() AND i > 0"
        );
        sql_query(scan).get_result::<Count>(connection).map(|count| count.rows)
    }

    #[test]
    fn a_scan_without_end_ends_at_the_deadline() {
        #[expect(clippy::disallowed_methods, reason = "in memory, for the function alone")]
        let mut connection = SqliteConnection::establish(":memory:").expect("SQLite opens");
        let deadline = Deadline::default();
        deadline.register(&mut connection).expect("the function is registered");
        assert_eq!(count(&mut connection, "1000"), Ok(1000));
        deadline.set(Some(Instant::now() + Duration::from_millis(20)));
        let ended = count(&mut connection, "-1").expect_err("it ends");
        assert!(ended.to_string().contains("the time of this transaction is over"), "{ended}");
        deadline.set(None);
        assert_eq!(count(&mut connection, "1000"), Ok(1000));
    }
}
