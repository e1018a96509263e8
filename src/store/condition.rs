//! What the database says of itself, for `pawl doctor`.

use std::collections::BTreeMap;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::{sql_query, sql_types::Text};

use super::StoreError;
use super::conn::{Connection, Database};
use super::migrate::apart;

/// Settings and states by name, as text.
pub type Condition = BTreeMap<String, String>;

#[derive(QueryableByName)]
struct Fact {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    value: String,
}

const SQLITE: &str =
    "SELECT 'journal_mode' AS name, journal_mode AS value FROM pragma_journal_mode";
const SQLITE_DEEP: &str = "SELECT 'quick_check' AS name, \
     (SELECT quick_check FROM pragma_quick_check LIMIT 1) AS value UNION ALL SELECT 'foreign_key_check', CASE count(*) WHEN 0 THEN 'ok' \
     ELSE count(*) || ' rows that name nothing' END FROM pragma_foreign_key_check";
const POSTGRES: &str = "SELECT name, setting AS value FROM pg_settings WHERE name IN \
     ('server_version_num', 'fsync', 'synchronous_commit', 'full_page_writes') \
     UNION ALL SELECT 'recovery', pg_is_in_recovery()::text \
     UNION ALL SELECT 'clock', (extract(epoch FROM clock_timestamp()) * 1000)::bigint::text \
     UNION ALL SELECT 'encrypted', ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// Other roles that may read the tables. What they may change keeps the server from starting.
const READERS: &str = "SELECT 'readers' AS name, string_agg(DISTINCT quote_ident(r.rolname), ', ') AS value \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = '{schema}' \
     CROSS JOIN LATERAL (SELECT grantee FROM aclexplode(c.relacl) UNION ALL SELECT x.grantee \
     FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = c.oid) g JOIN pg_roles r ON r.oid = g.grantee \
     WHERE c.relkind IN ('r', 'p') AND g.grantee <> c.relowner AND NOT pg_has_role(g.grantee, 'MEMBER') \
     HAVING count(*) > 0";

/// Asks the database; `deep` reads all of a SQLite file.
///
/// # Errors
/// If the database cannot be reached.
pub fn condition(database: &Database, deep: bool) -> Result<Condition, StoreError> {
    let facts: Vec<Fact> = match database {
        Database::Sqlite(_) => match database.connect()? {
            Connection::Sqlite(mut connection) => {
                let mut facts = sql_query(SQLITE).load(&mut connection)?;
                if deep {
                    facts.extend(sql_query(SQLITE_DEEP).load::<Fact>(&mut connection)?);
                }
                facts
            }
            Connection::Postgres(_) => return Err(StoreError::Busy),
        },
        Database::Postgres(target) => apart(|| {
            let mut connection = target.connect()?;
            // One transaction: a pooler may give the next another connection.
            connection.batch_execute("BEGIN READ ONLY")?;
            let mut facts: Vec<Fact> = sql_query(POSTGRES).load(&mut *connection)?;
            let readers = READERS.replace("{schema}", target.schema());
            facts.extend(sql_query(readers).load::<Fact>(&mut *connection)?);
            connection.batch_execute("COMMIT")?;
            Ok(facts)
        })?,
    };
    Ok(facts.into_iter().map(|fact| (fact.name, fact.value)).collect())
}
