//! Migrations go up, down and up again to the same text; diesel's tables are the database's; and no
//! state table comes without its guards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Text};

fn file(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("migrations");
    std::fs::create_dir_all(&directory).unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(directory.join(format!("{name}.db{end}")));
    }
    directory.join(format!("{name}.db"))
}

fn connect(path: &Path) -> SqliteConnection {
    #[expect(clippy::disallowed_methods, reason = "this one looks at the schema from outside")]
    let connection = SqliteConnection::establish(path.to_str().unwrap());
    connection.unwrap()
}

fn migrated(name: &str) -> SqliteConnection {
    let path = file(name);
    assert!(
        !pawl::store::migrate(&pawl::store::Database::Sqlite(path.clone())).unwrap().is_empty()
    );
    assert!(
        pawl::store::migrate(&pawl::store::Database::Sqlite(path.clone())).unwrap().is_empty(),
        "the second time does nothing"
    );
    connect(&path)
}

#[derive(QueryableByName)]
struct Object {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

fn schema(connection: &mut SqliteConnection) -> BTreeMap<String, String> {
    let objects: Vec<Object> = diesel::sql_query(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' \
         AND name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'",
    )
    .load(connection)
    .unwrap();
    objects.into_iter().map(|object| (object.name, object.sql)).collect()
}

/// The migrations' directories, oldest first.
fn migrations() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("migrations/sqlite").unwrap();
    let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn up_down_and_up_again_is_the_same_schema() {
    let mut connection = migrated("updown");
    let once = schema(&mut connection);
    assert!(once.len() > 100, "{} objects", once.len());
    for migration in migrations().iter().rev() {
        let down = std::fs::read_to_string(migration.join("down.sql")).unwrap();
        connection.batch_execute(&down).unwrap();
    }
    assert_eq!(schema(&mut connection), BTreeMap::new(), "down leaves nothing");
    for migration in &migrations() {
        let up = std::fs::read_to_string(migration.join("up.sql")).unwrap();
        connection.batch_execute(&up).unwrap();
    }
    assert_eq!(schema(&mut connection), once);
}

#[test]
fn every_migration_says_which_programs_may_serve_and_the_newest_is_this_programs() {
    let number = |path: &PathBuf| -> i64 {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.split('_').next().unwrap().parse().unwrap()
    };
    let numbers: Vec<i64> = migrations().iter().map(number).collect();
    assert_eq!(numbers, (1..=pawl::store::SCHEMA_VERSION).collect::<Vec<_>>());
    let names = |database: &str| {
        let entries = std::fs::read_dir(format!("migrations/{database}")).unwrap();
        let names = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        names.map(|path| path.file_name().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(names("sqlite"), names("postgres"));
    let rows: Vec<Version> = diesel::sql_query("SELECT version FROM schema_versions ORDER BY 1")
        .load(&mut migrated("versions"))
        .unwrap();
    assert_eq!(rows.iter().map(|row| row.version).collect::<Vec<_>>(), numbers);
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    version: i64,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    r#type: String,
    #[diesel(sql_type = Integer)]
    notnull: i32,
    #[diesel(sql_type = Integer)]
    pk: i32,
}

fn columns(connection: &mut SqliteConnection, table: &str) -> Vec<Column> {
    diesel::sql_query(format!("PRAGMA table_info({table})")).load(connection).unwrap()
}

fn tables(connection: &mut SqliteConnection) -> BTreeSet<String> {
    schema(connection)
        .into_iter()
        .filter(|(_, sql)| sql.starts_with("CREATE TABLE"))
        .map(|(name, _)| name)
        .collect()
}

/// One `diesel::table!`: its key and its columns in order, with their types.
#[derive(Debug, PartialEq, Eq)]
struct Declared {
    key: Vec<String>,
    columns: Vec<(String, String)>,
}

/// Reads the `diesel::table!` declarations; the file holds nothing but them and one list.
fn declared() -> BTreeMap<String, Declared> {
    let source = std::fs::read_to_string("src/store/schema.rs").unwrap();
    let mut all = BTreeMap::new();
    for part in source.split("diesel::table! {").skip(1) {
        let (head, body) = part.split_once('{').unwrap();
        let (name, key) = head.trim().split_once('(').unwrap();
        let key = key.trim_end_matches(')').split(',').map(|column| column.trim().to_owned());
        let lines = body.split('}').next().unwrap().lines();
        let columns = lines.filter_map(|line| line.trim().trim_end_matches(',').split_once(" -> "));
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
        all.insert(name.trim().to_owned(), Declared { key: key.collect(), columns });
    }
    all
}

/// What SQLite keeps a portable column type in.
fn stored(kind: &str) -> &str {
    match kind {
        "Text" => "TEXT",
        "BigInt" | "Bool" => "INTEGER",
        "Binary" => "BLOB",
        other => panic!("{other} is no portable column type"),
    }
}

#[test]
fn the_tables_that_diesel_knows_are_the_ones_in_the_database() {
    let mut connection = migrated("diesel");
    let declared = declared();
    assert_eq!(declared.keys().cloned().collect::<BTreeSet<_>>(), tables(&mut connection));
    for (table, Declared { key, columns: known }) in declared {
        let found = columns(&mut connection, &table);
        let names: Vec<_> = found.iter().map(|column| &column.name).collect();
        assert_eq!(known.iter().map(|(name, _)| name).collect::<Vec<_>>(), names, "{table}");
        let mut keys: Vec<_> = found.iter().filter(|column| column.pk > 0).collect();
        keys.sort_by_key(|column| column.pk);
        assert_eq!(key, keys.iter().map(|column| column.name.clone()).collect::<Vec<_>>());
        for (column, (name, kind)) in found.iter().zip(&known) {
            let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
            let about = format!("{table}.{name}");
            assert_eq!(stored(inner.unwrap_or(kind)), column.r#type, "{about}");
            // An INTEGER PRIMARY KEY is never null, though SQLite does not say so.
            let is_null = column.notnull == 0 && column.pk == 0;
            assert_eq!(inner.is_some(), is_null, "{about}");
        }
    }
}

#[test]
fn every_state_table_names_its_events_and_is_guarded() {
    let mut connection = migrated("guards");
    let all = schema(&mut connection);
    for table in tables(&mut connection) {
        for verb in ["insert", "update", "delete"] {
            let trigger = all.get(&format!("{table}_{verb}"));
            let sql = trigger.unwrap_or_else(|| panic!("{table} has no {verb} guard"));
            let head = format!("BEFORE {} ON {table}\n", verb.to_uppercase());
            assert!(sql.contains(&head) && sql.contains("RAISE(ABORT"), "{sql}");
        }
        let found = columns(&mut connection, &table);
        let text = all.get(&table).unwrap();
        assert!(text.contains(") STRICT"), "{table} is not strict");
        // Only a migration writes the other; on PostgreSQL the role that serves has no right to.
        if ["events", "schema_versions"].contains(&&*table) {
            continue;
        }
        let event = found.iter().find(|column| column.name == "event_seq");
        assert_eq!(event.map(|column| column.notnull), Some(1), "{table} names no event");
        assert!(found.iter().any(|column| column.name == "tenant_id"), "{table} has no tenant");
        let says = all.get(&format!("{table}_insert")).unwrap();
        assert!(says.contains("e.tenant_id = NEW.tenant_id AND e.seq = NEW.event_seq"), "{table}");
        let has_no_rowid = text.ends_with("WITHOUT ROWID");
        assert!(has_no_rowid, "{table}: a rowid is one more key that REPLACE could aim at");
    }
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// A page of the log costs its own rows: nothing is sorted, and nothing but an index in the order of the
/// page is read.
#[test]
fn each_page_of_the_log_is_read_by_an_index_in_its_order() {
    let mut connection = migrated("plans");
    let queries = pawl::store::page_queries(&pawl::store::Database::Sqlite(file("plans-other")));
    assert_eq!(queries.len(), 4);
    for (text, index) in queries {
        let explained = diesel::sql_query(format!("EXPLAIN QUERY PLAN {text}"));
        let steps: Vec<Step> = explained.load(&mut connection).unwrap();
        let steps: Vec<&str> = steps.iter().map(|step| step.detail.as_str()).collect();
        let wanted = match index {
            "key" => "PRIMARY KEY (tenant_id=? AND seq>? AND seq<?)".to_owned(),
            "events_by_user" => format!("INDEX {index} (user_id=? AND seq>? AND seq<?)"),
            _ => format!("INDEX {index} (<expr>=? AND seq>? AND seq<?)"),
        };
        assert!(steps.len() == 1 && steps[0].ends_with(&wanted), "{text}: {steps:?}");
    }
    // What each transaction asks first.
    let newest = "SELECT seq, at FROM events WHERE tenant_id = ? ORDER BY seq DESC LIMIT ?";
    let explained = diesel::sql_query(format!("EXPLAIN QUERY PLAN {newest}"));
    let steps: Vec<Step> = explained.load(&mut connection).unwrap();
    let is_short = steps.len() == 1 && steps[0].detail.ends_with("PRIMARY KEY (tenant_id=?)");
    assert!(is_short, "{:?}", steps[0].detail);
}
