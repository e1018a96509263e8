//! Migrations, and the self-check that the schema in the file is the one in this program.

use std::collections::BTreeMap;

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::{SqliteConnection, sql_query, sql_types::Text};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::conn::{Connection, Database, open_sqlite};
use super::postgres::Endurance;
use super::versions::{Migration, Newer, SCHEMA_VERSION, VERSIONS};
use super::{StoreError, Target};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");
const GRANTS: &str = include_str!("../../migrations/postgres/grants.sql");
/// Lists everything that matters in the schema, by name.
const DESCRIBE: &str = include_str!("../../migrations/postgres/schema.sql");
/// What this role could alter, because it is the owner, one of the owner's members or a superuser.
const OWNED: &str = "SELECT name::text, '' AS sql FROM ( \
     SELECT relname, relowner, relnamespace FROM pg_class WHERE relkind IN ('r', 'p') \
     UNION ALL SELECT proname, proowner, pronamespace FROM pg_proc \
     UNION ALL SELECT nspname, nspowner, oid FROM pg_namespace) owned (name, owner, place) \
     WHERE place = current_schema()::regnamespace AND pg_has_role(owner, 'MEMBER') ORDER BY name";
/// Whether PostgreSQL can grant the setting of a parameter, as it does since version 15.
const GRANTS_PARAMETERS: &str = "SELECT proname::text AS name, '' AS sql FROM pg_proc \
     WHERE oid = to_regprocedure('pg_catalog.has_parameter_privilege(oid, text, text)')";
/// The right to silence every trigger.
const SILENCES: &str = "SELECT DISTINCT 'right SET on session_replication_role' AS name, '' AS sql \
     FROM pg_roles WHERE pg_has_role(oid, 'MEMBER') \
     AND has_parameter_privilege(oid, 'session_replication_role', 'SET')";
/// How the names of facts begin that are not in the schema: what a role was given, and how it is set.
const GIVEN: [&str; 6] =
    ["right ", "grant ", "membership ", "CREATEROLE ", "setting ", "event trigger "];
/// What [`DESCRIBE`] answers after the migrations: name, tab, text, one to a line.
const EXPECTED: &str = include_str!("../../migrations/postgres/expected.txt");

/// A migration under load waits for a table for less time than those who use it wait for the migration,
/// and than PostgreSQL waits before it looks for a deadlock: then no login pays for it.
const GIVES_UP: &str = "SET lock_timeout = 500";

#[derive(QueryableByName)]
struct SchemaObject {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// Brings the database to this program's schema; answers the versions that were applied. A SQLite
/// file that is not there is made. PostgreSQL takes the role that will own the tables.
///
/// # Errors
/// If the database cannot be reached or a migration fails; a failed migration changes nothing.
pub fn migrate(database: &Database) -> Result<Vec<String>, StoreError> {
    match database {
        Database::Sqlite(path) => match open_sqlite(path, true)? {
            Connection::Sqlite(mut connection) => run(&mut connection, SQLITE),
            Connection::Postgres(_) => Err(StoreError::Busy),
        },
        Database::Postgres(target) => apart(|| {
            let mut connection = target.connect_with::<Endurance>()?;
            let schema = target.schema();
            connection
                .batch_execute(&format!("SET search_path = {schema}, pg_temp; {GIVES_UP}"))?;
            run(&mut *connection, POSTGRES)
        }),
    }
}

/// The name of the one PostgreSQL role that serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServingRole(String);

impl ServingRole {
    /// Reads a name of 1 to 63 characters of a-z, 0-9 and `_`.
    ///
    /// # Errors
    /// For another text; `public`, which PostgreSQL reads as every role, in quotes too; `none`; and a name that
    /// begins with `pg_`, with which no role logs in.
    pub fn parse(name: &str) -> Result<Self, StoreError> {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_reserved = matches!(name, "public" | "none") || name.starts_with("pg_");
        if name.is_empty() || name.len() > 63 || !name.bytes().all(is_plain) || is_reserved {
            return Err(StoreError::Schema(
                "PAWL_DATABASE_SERVING_ROLE wants the name of one role, of a-z, 0-9 and _: not public, \
                 which is every role, none or a name that begins with pg_"
                    .to_owned(),
            ));
        }
        Ok(Self(name.to_owned()))
    }
}

/// Lets a role serve: it reads, inserts and changes rows where rows may change, owns nothing, and
/// can undo no trigger.
///
/// # Errors
/// If the tables' owner is somebody else, or the role does not exist.
pub fn grant(target: &Target, role: &ServingRole) -> Result<(), StoreError> {
    let grants = GRANTS.replace("{role}", &role.0).replace("{schema}", target.schema());
    apart(|| Ok(target.connect()?.batch_execute(&grants)?))
}

/// Runs what waits for PostgreSQL on a thread of its own: the caller's may be an async one.
pub(super) fn apart<T: Send>(
    work: impl FnOnce() -> Result<T, StoreError> + Send,
) -> Result<T, StoreError> {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap_or(Err(StoreError::Unreachable)))
}

fn run<C, DB>(connection: &mut C, migrations: EmbeddedMigrations) -> Result<Vec<String>, StoreError>
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB>,
{
    connection
        .run_pending_migrations(migrations)
        .map(|versions| versions.iter().map(ToString::to_string).collect())
        .map_err(|error| StoreError::Schema(format!("a migration failed: {error}")))
}

/// What is in a database: its objects by name, and the versions that it has.
type Described = (BTreeMap<String, String>, Vec<Migration>);

/// Compares everything in the schema, by its whole text, with what this program's migrations make
/// . An emptied trigger of the right name is found too. On PostgreSQL so is what would let the
/// role that serves pass the guards by: rights, memberships and settings. Of a newer schema over which
/// programs of this version may serve, it takes what the newer migrations name, and nothing else.
///
/// # Errors
/// [`StoreError::Schema`] names what is missing, changed or unknown, and says what to do.
pub fn check_schema(database: &Database) -> Result<(), StoreError> {
    let (expected, (found, versions)) = match database {
        Database::Sqlite(path) => match open_sqlite(path, false)? {
            Connection::Sqlite(mut found) => (expected_sqlite()?, schema_of(&mut found)?),
            Connection::Postgres(_) => return Err(StoreError::Busy),
        },
        Database::Postgres(target) => (expected_postgres(), apart(|| schema_of_postgres(target))?),
    };
    if found.is_empty() {
        return Err(StoreError::Schema(
            "the database has no tables: run `pawl migrate`".to_owned(),
        ));
    }
    let newer = Newer::than_program(SCHEMA_VERSION, &versions)?;
    let faults = faults(&expected, &found, &newer);
    let (given, made): (Vec<_>, Vec<_>) = faults.into_iter().partition(|fault| is_given(fault));
    if !made.is_empty() {
        return Err(StoreError::Schema(format!(
            "the database's schema is not this program's: {}; after an upgrade run `pawl migrate` \
             first; if somebody changed it, restore the database from a backup; if another version \
             of Pawl made it, start that version",
            made.join(", ")
        )));
    }
    if !given.is_empty() {
        return Err(StoreError::Schema(format!(
            "the roles are not as `pawl migrate` leaves them: {}; run `pawl migrate` again, \
             which grants the one that serves what it needs and takes its other rights to the tables back, \
             and PUBLIC's; take anything else back as a superuser",
            given.join(", ")
        )));
    }
    Ok(())
}

/// Whether a fact, or a fault of it, is about the role that serves.
pub(super) fn is_given(fact: &str) -> bool {
    GIVEN.iter().any(|begin| fact.starts_with(begin))
}

/// What is missing, changed or unknown.
fn faults(
    expected: &BTreeMap<String, String>,
    found: &BTreeMap<String, String>,
    newer: &Newer,
) -> Vec<String> {
    let differs = expected.iter().filter_map(|(name, sql)| match found.get(name) {
        None => (!newer.dropped(name)).then(|| format!("{name} is missing")),
        Some(other) if other == sql || newer.extended(name, sql, other) => None,
        Some(_) => Some(format!("{name} was changed")),
    });
    let is_unknown = |name: &&String| !expected.contains_key(*name) && !newer.added(name);
    let unknown = found.keys().filter(is_unknown);
    differs.chain(unknown.map(|name| format!("{name} is unknown"))).collect()
}

fn schema_of(connection: &mut SqliteConnection) -> Result<Described, StoreError> {
    let objects: Vec<SchemaObject> =
        sql_query("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
            .load(connection)?;
    let objects = by_name(objects);
    let has_versions = objects.contains_key("schema_versions");
    let versions = if has_versions { sql_query(VERSIONS).load(connection)? } else { Vec::new() };
    Ok((objects, versions))
}

fn by_name(objects: Vec<SchemaObject>) -> BTreeMap<String, String> {
    objects.into_iter().map(|object| (object.name, object.sql)).collect()
}

/// What the migrations make, in memory.
fn expected_sqlite() -> Result<BTreeMap<String, String>, StoreError> {
    #[expect(clippy::disallowed_methods, reason = "in memory, for what the schema should be")]
    let mut expected = SqliteConnection::establish(":memory:").map_err(StoreError::Connect)?;
    run(&mut expected, SQLITE)?;
    Ok(schema_of(&mut expected)?.0)
}

/// What the migrations and the grants make, as it was written down: the serving role could not make
/// it again.
fn expected_postgres() -> BTreeMap<String, String> {
    let line = |line: &str| line.split_once('\t').map(|(name, sql)| (name.into(), sql.into()));
    EXPECTED.lines().filter_map(line).collect()
}

fn schema_of_postgres(target: &Target) -> Result<Described, StoreError> {
    let mut connection = target.connect()?;
    let schema = target.schema();
    // One transaction: a pooler may give the next another connection.
    connection.batch_execute(&format!("BEGIN; SET LOCAL search_path = {schema}, pg_temp"))?;
    let owned: Vec<SchemaObject> = sql_query(OWNED).load(&mut *connection)?;
    if let Some(object) = owned.first() {
        return Err(StoreError::Schema(format!(
            "the role that serves can undo the guards of {}: let it serve by another role than the \
             tables' owner or a superuser, named to `pawl migrate` in PAWL_DATABASE_SERVING_ROLE",
            object.name
        )));
    }
    let mut objects: Vec<SchemaObject> = sql_query(DESCRIBE).load(&mut *connection)?;
    let grants_parameters: Vec<SchemaObject> =
        sql_query(GRANTS_PARAMETERS).load(&mut *connection)?;
    if !grants_parameters.is_empty() {
        objects.extend(sql_query(SILENCES).load::<SchemaObject>(&mut *connection)?);
    }
    let objects = by_name(objects);
    // Without the right to read it the role is not as it should be, which is told by name.
    let has_versions = objects.contains_key("right SELECT on schema_versions");
    let versions =
        if has_versions { sql_query(VERSIONS).load(&mut *connection)? } else { Vec::new() };
    connection.batch_execute("COMMIT")?;
    Ok((objects, versions))
}
