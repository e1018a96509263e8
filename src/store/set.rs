//! A set of rows that is written at once.

use diesel::prelude::*;
use diesel::query_builder::QueryId;
use diesel::sqlite::SqliteConnection;

/// A write of many rows: on PostgreSQL one statement over their columns, on SQLite one for each row.
/// Diesel would prepare an UPDATE before each run, and on SQLite compile all its triggers with it. These
/// texts never change, so a connection prepares each once.
macro_rules! write {
    ($name:ident into $table:literal { $first:ident: $first_sql:ty = $first_type:ty,
        $($field:ident: $sql:ty = $type:ty,)* }) => {
        columns!($name of $table { $first: $first_sql = $first_type, $($field: $sql = $type,)* });

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql(concat!("INSERT INTO ", $table, " (", stringify!($first),
                    $(", ", stringify!($field),)* ") SELECT * FROM unnest("));
                out.push_bind_param::<Array<$first_sql>, _>(&self.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$sql>, _>(&self.$field)?;
                )*
                out.push_sql(")");
                Ok(())
            }
        }

        impl QueryFragment<Sqlite> for One<'_, $name> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(concat!("INSERT INTO ", $table, " (", stringify!($first),
                    $(", ", stringify!($field),)* ") VALUES ("));
                out.push_bind_param::<$first_sql, _>(at(&self.set.$first, self.row)?)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<$sql, _>(at(&self.set.$field, self.row)?)?;
                )*
                out.push_sql(")");
                Ok(())
            }
        }
    };
    ($name:ident in $table:literal { $first:ident: $first_sql:ty = $first_type:ty,
        $($field:ident: $sql:ty = $type:ty,)* } where {
        $($key:ident: $key_sql:ty = $key_type:ty,)* } $(, $guard:literal $guarded:ident: $guard_sql:ty)?
        $(; $fixed:literal)?) => {
        columns!($name of $table {
            $first: $first_sql = $first_type, $($field: $sql = $type,)* $($key: $key_sql = $key_type,)*
        });

        impl QueryFragment<Pg> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                out.push_sql(concat!("UPDATE ", $table, " AS t SET ",
                    stringify!($first), " = n.", stringify!($first),
                    $(", ", stringify!($field), " = n.", stringify!($field),)* " FROM unnest("));
                out.push_bind_param::<Array<$first_sql>, _>(&self.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$sql>, _>(&self.$field)?;
                )*
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<Array<$key_sql>, _>(&self.$key)?;
                )*
                out.push_sql(concat!(") AS n (", stringify!($first), $(", ", stringify!($field),)*
                    $(", ", stringify!($key),)* ") WHERE true",
                    $(" AND t.", stringify!($key), " = n.", stringify!($key),)*
                    $(" AND ", $guard, " n.", stringify!($guarded),)? $(" AND ", $fixed)?));
                Ok(())
            }
        }

        impl QueryFragment<Sqlite> for One<'_, $name> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(concat!("UPDATE ", $table, " AS t SET ", stringify!($first), " = "));
                out.push_bind_param::<$first_sql, _>(at(&self.set.$first, self.row)?)?;
                $(
                    out.push_sql(concat!(", ", stringify!($field), " = "));
                    out.push_bind_param::<$sql, _>(at(&self.set.$field, self.row)?)?;
                )*
                out.push_sql(" WHERE true");
                $(
                    out.push_sql(concat!(" AND t.", stringify!($key), " = "));
                    out.push_bind_param::<$key_sql, _>(at(&self.set.$key, self.row)?)?;
                )*
                $(
                    out.push_sql(concat!(" AND ", $guard, " "));
                    out.push_bind_param::<$guard_sql, _>(at(&self.set.$guarded, self.row)?)?;
                )?
                $(out.push_sql(concat!(" AND ", $fixed));)?
                Ok(())
            }
        }
    };
}

/// The columns of the rows, and how they are written.
macro_rules! columns {
    ($name:ident of $table:literal { $first:ident: $first_sql:ty = $first_type:ty,
        $($field:ident: $sql:ty = $type:ty,)* }) => {
        #[derive(Debug, Default)]
        struct $name { $first: Vec<$first_type>, $($field: Vec<$type>,)* }

        impl QueryId for $name {
            type QueryId = Self;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl diesel::RunQueryDsl<PgConnection> for $name {}

        impl $name {
            fn flush(&mut self, connection: &mut Connection) -> Result<(), StoreError> {
                let rows = self.$first.len();
                if rows == 0 {
                    return Ok(());
                }
                let set = std::mem::take(self);
                let changed = match connection {
                    Connection::Postgres(connection) => set.execute(&mut **connection)?,
                    Connection::Sqlite(connection) => {
                        let mut changed = 0;
                        for row in 0..rows {
                            changed += One { set: &set, row }.execute(connection)?;
                        }
                        changed
                    }
                };
                if changed == rows { Ok(()) } else { Err(StoreError::Guard($table, changed)) }
            }
        }
    };
}

pub(super) use {columns, write};

/// One row of a set.
pub(super) struct One<'a, S> {
    pub(super) set: &'a S,
    pub(super) row: usize,
}

impl<S: 'static> QueryId for One<'_, S> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<S> diesel::RunQueryDsl<SqliteConnection> for One<'_, S> {}

pub(super) fn at<T>(column: &[T], row: usize) -> QueryResult<&T> {
    column.get(row).ok_or(diesel::result::Error::NotFound)
}
