//! The start-up self-check: a schema that is not this program's, by so much as one body, is named and
//! refused, by the library and by the program.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Text;

#[derive(QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
    #[diesel(sql_type = Text)]
    tbl_name: String,
}

fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("self_check").join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    path
}

fn pawl(data: &Path, command: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pawl"))
        .arg(command)
        .env_clear()
        .env("PAWL_DATA_DIR", data)
        // Nothing is served here: a start that is not refused by its schema fails at this port.
        .env("PAWL_LISTEN", "203.0.113.1:1")
        .env("PAWL_HEALTH_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap()
}

/// A founded installation that is not running, and a connection to its file.
fn stopped(name: &str) -> (PathBuf, SqliteConnection) {
    let data = directory(name);
    assert!(pawl(&data, "bootstrap").status.success());
    #[expect(clippy::disallowed_methods, reason = "the hostile connection is not the store's")]
    let connection = SqliteConnection::establish(data.join("pawl.db").to_str().unwrap());
    (data, connection.unwrap())
}

fn objects(connection: &mut SqliteConnection, kind: &str) -> Vec<Object> {
    diesel::sql_query(format!(
        "SELECT name, sql, tbl_name FROM sqlite_master WHERE type = '{kind}' AND sql IS NOT NULL \
         ORDER BY name"
    ))
    .load(connection)
    .unwrap()
}

/// Both the library and the program refuse, and name what is wrong; the program changes nothing.
fn assert_refused(data: &Path, fault: &str) {
    let checked = pawl::store::check_schema(&pawl::store::Database::Sqlite(data.join("pawl.db")));
    let said = checked.expect_err(fault).to_string();
    assert!(said.contains(fault), "{fault} in {said}");
    let output = pawl(data, "serve");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(fault), "{fault} in {said}");
}

/// Neither refuses: the program gets as far as its port.
fn assert_accepted(data: &Path) {
    pawl::store::check_schema(&pawl::store::Database::Sqlite(data.join("pawl.db"))).unwrap();
    let said = String::from_utf8(pawl(data, "serve").stderr).unwrap();
    assert!(said.contains("203.0.113.1:1"), "{said}");
}

#[test]
fn every_emptied_trigger_is_named_and_refused() {
    let (data, mut connection) = stopped("emptied");
    assert_accepted(&data);
    let triggers = objects(&mut connection, "trigger");
    assert!(triggers.len() > 80, "{} triggers", triggers.len());
    for Object { name, sql, tbl_name } in &triggers {
        connection
            .batch_execute(&format!(
                "BEGIN; DROP TRIGGER {name}; CREATE TRIGGER {name} BEFORE UPDATE ON {tbl_name} \
                 BEGIN SELECT 1; END; COMMIT"
            ))
            .unwrap();
        assert_refused(&data, &format!("{name} was changed"));
        connection.batch_execute(&format!("BEGIN; DROP TRIGGER {name}; {sql}; COMMIT")).unwrap();
    }
    assert_accepted(&data);
}

#[test]
fn a_missing_trigger_and_an_unknown_one_are_named_and_refused() {
    let (data, mut connection) = stopped("trigger");
    let triggers = objects(&mut connection, "trigger");
    let Object { name, sql, .. } = triggers.first().unwrap();
    connection.batch_execute(&format!("DROP TRIGGER {name}")).unwrap();
    assert_refused(&data, &format!("{name} is missing"));
    connection.batch_execute(sql).unwrap();
    connection
        .batch_execute(
            "CREATE TRIGGER helpful AFTER INSERT ON throttles BEGIN \
             UPDATE throttles SET consecutive = 0; END",
        )
        .unwrap();
    assert_refused(&data, "helpful is unknown");
    connection.batch_execute("DROP TRIGGER helpful").unwrap();
    assert_accepted(&data);
}

const EXPAND: &str = include_str!("next/sqlite/0002_notes.sql");

#[test]
fn an_older_program_serves_over_what_newer_migrations_name_until_one_says_no() {
    let (data, mut file) = stopped("newer");
    file.batch_execute(EXPAND).unwrap();
    assert_accepted(&data);
    file.batch_execute(include_str!("next/sqlite/0003_index.sql")).unwrap();
    assert_accepted(&data);
    file.batch_execute(include_str!("next/sqlite/0004_names.sql")).unwrap();
    assert_refused(&data, "for programs of version 2 and later");
}

#[test]
fn what_a_newer_migration_does_not_name_is_refused_as_ever() {
    let lines = EXPAND.split("VALUES").nth(1).unwrap().lines();
    for line in lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())) {
        let (data, mut file) = stopped("newer-unnamed");
        file.batch_execute(&EXPAND.replacen(&format!("\n{line}\n"), "\n", 1)).unwrap();
        let name = line.split('.').next().unwrap();
        let fault = if line == name { "is unknown" } else { "was changed" };
        assert_refused(&data, &format!("{name} {fault}"));
    }
    let emptied = "DROP TRIGGER throttles_delete; CREATE TRIGGER throttles_delete BEFORE DELETE ON \
         throttles BEGIN SELECT 1; END";
    let odd = "CREATE TRIGGER odd AFTER INSERT ON throttles BEGIN SELECT 1; END";
    for (damage, named) in [
        (emptied, "throttles_delete was changed"),
        ("DROP TRIGGER throttles_delete", "throttles_delete is missing"),
        (odd, "odd is unknown"),
        ("ALTER TABLE users ADD COLUMN disabled INTEGER", "users was changed"),
        ("ALTER TABLE factors ADD COLUMN nickname TEXT", "factors was changed"),
        (
            "DROP TRIGGER schema_versions_delete; DELETE FROM schema_versions WHERE version = 2; \
             CREATE TRIGGER schema_versions_delete BEFORE DELETE ON schema_versions\n\
             BEGIN SELECT RAISE(ABORT, 'schema_versions: never deleted'); END",
            "notes is unknown",
        ),
    ] {
        let (data, mut file) = stopped("newer-damaged");
        file.batch_execute(EXPAND).unwrap();
        file.batch_execute(damage).unwrap();
        assert_refused(&data, named);
    }
}

#[test]
fn a_changed_index_and_a_changed_table_are_named_and_refused() {
    let (data, mut connection) = stopped("table");
    let indexes = objects(&mut connection, "index");
    let index = indexes.iter().find(|index| index.name == "one_bound_factor").unwrap();
    connection
        .batch_execute(
            "DROP INDEX one_bound_factor; CREATE INDEX one_bound_factor ON factors (tenant_id)",
        )
        .unwrap();
    assert_refused(&data, "one_bound_factor was changed");
    connection.batch_execute("DROP INDEX one_bound_factor").unwrap();
    assert_refused(&data, "one_bound_factor is missing");
    connection.batch_execute(&index.sql).unwrap();
    assert_accepted(&data);
    connection.batch_execute("ALTER TABLE factors ADD COLUMN disabled INTEGER").unwrap();
    assert_refused(&data, "factors was changed");
    connection.batch_execute("ALTER TABLE factors DROP COLUMN disabled").unwrap();
    connection.batch_execute("CREATE TABLE flags (name TEXT)").unwrap();
    assert_refused(&data, "flags is unknown");
    connection.batch_execute("DROP TABLE flags; CREATE VIEW flags AS SELECT 1 AS on_off").unwrap();
    assert_refused(&data, "flags is unknown");
}
