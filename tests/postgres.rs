//! What PostgreSQL holds against whoever serves from it, and what the start refuses.
//! `.ci/run postgres` starts the server that `TEST_POSTGRES` names.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "test code outside of test functions")]

#[path = "api/support/postgres.rs"]
#[expect(dead_code, reason = "the harness of the other binary")]
mod support;

use pawl::store::{Database, Target, check_schema};
use support::Schema;

fn schema() -> Schema {
    Schema::made().expect("set TEST_POSTGRES to a superuser's address, as .ci/run postgres does")
}

fn database(schema: &Schema, url: &str) -> Database {
    Database::Postgres(Box::new(Target::parse(url, None, None, schema.name(), false).unwrap()))
}

/// The database as the serving role sees it.
fn served(schema: &Schema) -> Database {
    database(schema, &schema.serving_url())
}

/// Runs statements as the serving role; `SCHEMA` stands for the schema. Answers what PostgreSQL says
/// against them.
fn attempt(schema: &Schema, statements: &str) -> Result<(), String> {
    let statements = statements.replace("SCHEMA", schema.name());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = schema.serving_url();
        let (client, driver) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(driver);
        let place = format!("SET search_path = {}, pg_temp", schema.name());
        client.batch_execute(&place).await.unwrap();
        let refused = |error: tokio_postgres::Error| {
            error.as_db_error().map_or_else(|| error.to_string(), |e| e.message().to_owned())
        };
        client.batch_execute(&statements).await.map_err(refused)
    })
}

#[test]
fn the_serving_role_can_undo_no_guard() {
    let schema = schema();
    check_schema(&served(&schema)).unwrap();
    for statement in [
        "ALTER TABLE events DISABLE TRIGGER events_order",
        "ALTER TABLE events DROP CONSTRAINT events_pkey",
        "DROP TRIGGER events_order ON events",
        "CREATE OR REPLACE FUNCTION events_order() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RETURN NEW; END'",
        "CREATE TABLE mine (id int)",
        "CREATE TRIGGER mine BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION events_order()",
        "SET session_replication_role = replica",
        "TRUNCATE events",
        "DELETE FROM events",
        "UPDATE events SET kind = 'x'",
        "DELETE FROM factors",
        "UPDATE policies SET document = '{}'",
        "DELETE FROM __diesel_schema_migrations",
    ] {
        let refused = attempt(&schema, statement).unwrap_err();
        let is_about_rights =
            refused.contains("permission denied") || refused.contains("must be owner");
        assert!(is_about_rights, "{statement}: {refused}");
    }
}

#[test]
fn a_table_of_the_sessions_own_fools_no_guard() {
    let schema = schema();
    let refused = attempt(
        &schema,
        "CREATE TEMP TABLE events (LIKE events); SET search_path = pg_temp, SCHEMA; \
         INSERT INTO events VALUES ('ten', 1, 'evt', 0, 'x', 'server', 'server', NULL, NULL, NULL, \
         NULL, 'req', '{}'); INSERT INTO tenants VALUES ('ten', 'T', 0, NULL, 'evt')",
    );
    assert!(refused.unwrap_err().contains("tenants: exists, or names no event"));
}

#[test]
fn the_start_names_what_is_not_as_it_was_made() {
    let name = "throttles_life";
    let emptied = format!(
        "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM \
         CURRENT AS 'BEGIN RETURN NEW; END'"
    );
    for (damage, named) in [
        (emptied.as_str(), "function throttles_life() was changed"),
        ("ALTER TABLE throttles DISABLE TRIGGER throttles_life", "throttles_life was changed"),
        ("DROP TRIGGER throttles_life ON throttles", "throttles_life is missing"),
        ("DROP INDEX one_bound_factor", "index one_bound_factor is missing"),
        ("ALTER TABLE users ALTER labels DROP NOT NULL", "column users.labels was changed"),
        ("CREATE TABLE more (id int)", "relation more is unknown"),
    ] {
        let schema = schema();
        schema.run(damage);
        let fault = check_schema(&served(&schema)).unwrap_err().to_string();
        assert!(fault.contains(named), "{damage}: {fault}");
    }
}

#[test]
fn who_could_undo_the_guards_does_not_serve() {
    let schema = schema();
    let owner = schema.serving_url().replacen("://pawl_serving@", "://postgres@", 1);
    let refused = check_schema(&database(&schema, &owner)).unwrap_err().to_string();
    assert!(refused.contains("PAWL_DATABASE_SERVING_ROLE"), "{refused}");
}
