//! What PostgreSQL holds against whoever serves from it, and what the start refuses.
//! `.ci/run postgres` starts the server that `TEST_POSTGRES` names.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::support::held::Held;
use crate::support::postgres::Schema;
use crate::support::{Console, Server};
use pawl::store::{Database, ServingRole, Target, check_schema, grant, migrate, page_queries};

/// Held while the role or the whole database is not as it should be, and while it must be: of the tests of
/// one process. `.config/nextest.toml` lets each of these run alone.
static SERVER: Mutex<()> = Mutex::new(());

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

/// What `pawl migrate` does after the migrations.
fn grant_again(schema: &Schema) {
    let owner = Target::parse(schema.owner_url(), None, None, schema.name(), false).unwrap();
    grant(&owner, &ServingRole::parse(Schema::ROLE).unwrap()).unwrap();
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
fn what_the_self_check_expects_is_what_it_finds() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let describe = std::fs::read_to_string(folder.join("schema.sql")).unwrap();
    let found = schema().lines(&format!(
        "SET SESSION AUTHORIZATION {}; SELECT name || E'\\t' || sql FROM ({describe}) AS found \
         ORDER BY name COLLATE \"C\"",
        Schema::ROLE
    ));
    let found = found.join("\n") + "\n";
    let expected = folder.join("expected.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&expected, &found).unwrap();
    }
    assert!(std::fs::read_to_string(&expected).unwrap() == found, "BLESS=1 writes {expected:?}");
}

#[test]
fn the_serving_role_can_undo_no_guard() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
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
        "INSERT INTO schema_versions VALUES (2, 1, 'trigger users.mine', '')",
        "UPDATE schema_versions SET added = 'trigger users.mine'",
        "DELETE FROM schema_versions",
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
         INSERT INTO events VALUES ('ten', 1, 'evt', 0, 'client.created', 'server', 'server', NULL, NULL, \
         'cli', NULL, 'req', '{}'); \
         INSERT INTO clients VALUES ('ten', 'cli', 'dir', 'C', '[]', '[]', 'server', 0, NULL, 0, 0, 0, 0, 0, 0, 1)",
    );
    assert!(refused.unwrap_err().contains("clients: not made by its event"));
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
        ("CREATE TABLE more () INHERITS (events)", "inheritance of events is unknown"),
        ("ALTER TABLE events ENABLE ROW LEVEL SECURITY", "relation events was changed"),
        ("CREATE POLICY few ON events USING (false)", "policy events.few is unknown"),
        (
            "CREATE RULE none AS ON DELETE TO factors DO INSTEAD NOTHING",
            "rule factors.none is unknown",
        ),
        (
            "CREATE FUNCTION diesel_more() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "function diesel_more() is unknown",
        ),
    ] {
        let schema = schema();
        schema.run(damage);
        let fault = check_schema(&served(&schema)).unwrap_err().to_string();
        assert!(fault.contains(named), "{damage}: {fault}");
    }
}

#[test]
fn the_start_names_rights_that_were_not_granted_and_migrate_takes_them_back() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    for (given, named) in [
        ("GRANT DELETE ON events TO pawl_serving", "right DELETE on events is unknown"),
        // The serving role changes what an event may change: no key and no fact.
        ("GRANT UPDATE ON users TO pawl_serving", "right UPDATE on users is unknown"),
        (
            "GRANT UPDATE (external_id) ON users TO pawl_serving",
            "right UPDATE on users.external_id is unknown",
        ),
        ("GRANT TRUNCATE ON users TO PUBLIC", "right TRUNCATE on users is unknown"),
        ("GRANT TRIGGER ON factors TO pawl_serving", "right TRIGGER on factors is unknown"),
        (
            "GRANT REFERENCES (id) ON events TO pawl_serving",
            "right REFERENCES on events.id is unknown",
        ),
        ("GRANT UPDATE (kind) ON events TO PUBLIC", "right UPDATE on events.kind is unknown"),
        (
            "GRANT INSERT ON __diesel_schema_migrations TO pawl_serving",
            "right INSERT on __diesel_schema_migrations is unknown",
        ),
        (
            "GRANT UPDATE (added) ON schema_versions TO pawl_serving",
            "right UPDATE on schema_versions.added is unknown",
        ),
        ("REVOKE SELECT ON schema_versions FROM pawl_serving", "right SELECT on schema_versions"),
        ("GRANT SELECT ON users TO PUBLIC", "grant of SELECT on users to PUBLIC is unknown"),
        ("GRANT CREATE ON SCHEMA SCHEMA TO pawl_serving", "right CREATE on the schema is unknown"),
        ("REVOKE INSERT ON events FROM pawl_serving", "right INSERT on events is missing"),
    ] {
        let schema = schema();
        schema.run(&given.replace("SCHEMA SCHEMA", &format!("SCHEMA {}", schema.name())));
        let fault = check_schema(&served(&schema)).unwrap_err().to_string();
        assert!(fault.contains(named) && fault.contains("run `pawl migrate` again"), "{fault}");
        grant_again(&schema);
        check_schema(&served(&schema)).unwrap();
    }
}

#[test]
fn the_start_names_what_a_superuser_gave_to_the_role() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let schema = schema();
    let serving = "pawl_serving SET session_replication_role";
    let set = format!("ALTER ROLE {serving} = replica");
    let reset = format!("ALTER ROLE {}", serving.replacen("SET", "RESET", 1));
    let version: u32 =
        schema.value("SELECT current_setting('server_version_num')").parse().unwrap();
    for (given, taken, named) in [
        (
            "GRANT pg_write_all_data TO pawl_serving",
            "REVOKE pg_write_all_data FROM pawl_serving",
            "membership in pg_write_all_data is unknown",
        ),
        (
            "GRANT pg_execute_server_program TO pawl_serving",
            "REVOKE pg_execute_server_program FROM pawl_serving",
            "membership in pg_execute_server_program is unknown",
        ),
        (
            "CREATE ROLE pawl_more; GRANT DELETE ON users TO pawl_more; \
             ALTER ROLE pawl_serving NOINHERIT; GRANT pawl_more TO pawl_serving",
            "DROP OWNED BY pawl_more; DROP ROLE pawl_more; ALTER ROLE pawl_serving INHERIT",
            "right DELETE on users is unknown",
        ),
        (
            "ALTER ROLE pawl_serving CREATEROLE",
            "ALTER ROLE pawl_serving NOCREATEROLE",
            "CREATEROLE of pawl_serving is unknown",
        ),
        (&set, &reset, "setting session_replication_role was changed"),
        (
            "GRANT SET ON PARAMETER session_replication_role TO pawl_serving",
            "REVOKE SET ON PARAMETER session_replication_role FROM pawl_serving",
            "right SET on session_replication_role is unknown",
        ),
        (
            "CREATE FUNCTION public.odd() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; \
             CREATE EVENT TRIGGER odd ON ddl_command_end EXECUTE FUNCTION public.odd()",
            "DROP EVENT TRIGGER odd; DROP FUNCTION public.odd()",
            "event trigger odd is unknown",
        ),
    ] {
        if given.contains("ON PARAMETER") && version < 150_000 {
            continue;
        }
        schema.run(given);
        let fault = check_schema(&served(&schema)).unwrap_err().to_string();
        schema.run(taken);
        assert!(fault.contains(named) && fault.contains("as a superuser"), "{given}: {fault}");
        check_schema(&served(&schema)).unwrap();
    }
}

const EXPAND: &str = include_str!("next/postgres/0002_notes.sql");
const DROP: &str = include_str!("next/postgres/0003_index.sql");
const CONTRACT: &str = include_str!("next/postgres/0004_names.sql");

/// A schema that a next version of Pawl expanded.
fn expanded(expand: &str) -> Schema {
    let schema = schema();
    schema.run(&expand.replace("{role}", Schema::ROLE));
    schema
}

#[test]
fn an_older_program_serves_over_what_newer_migrations_name_until_one_says_no() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let schema = expanded(EXPAND);
    check_schema(&served(&schema)).unwrap();
    schema.run(DROP);
    check_schema(&served(&schema)).unwrap();
    schema.run(CONTRACT);
    let refused = check_schema(&served(&schema)).unwrap_err().to_string();
    assert!(refused.contains("for programs of version 2 and later"), "{refused}");
    assert!(refused.contains("start the newer program"), "{refused}");
}

#[test]
fn what_a_newer_migration_does_not_name_is_refused_as_ever() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    for line in EXPAND.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())) {
        let schema = expanded(&EXPAND.replacen(&format!("\n{line}\n"), "\n", 1));
        let refused = check_schema(&served(&schema)).unwrap_err().to_string();
        assert!(refused.contains(&format!("{line} is unknown")), "{refused}");
    }
    let emptied = "CREATE OR REPLACE FUNCTION throttles_life() RETURNS trigger LANGUAGE plpgsql \
         SET search_path FROM CURRENT AS 'BEGIN RETURN NEW; END'";
    let odd = "CREATE TRIGGER odd BEFORE UPDATE ON throttles FOR EACH ROW EXECUTE FUNCTION \
         users_nickname()";
    for (damage, named) in [
        (emptied, "function throttles_life() was changed"),
        ("DROP TRIGGER throttles_life ON throttles", "throttles_life is missing"),
        (odd, "trigger throttles.odd is unknown"),
        ("CREATE RULE odd AS ON DELETE TO notes DO INSTEAD NOTHING", "rule notes.odd is unknown"),
        ("DROP INDEX client_secrets_by_client", "index client_secrets_by_client is missing"),
        ("GRANT DELETE ON notes TO pawl_serving", "right DELETE on notes is unknown"),
        (
            "GRANT DELETE ON users TO pawl_serving; UPDATE schema_versions SET added = added || \
             'right DELETE on users' WHERE version = 2",
            "right DELETE on users is unknown",
        ),
        ("DELETE FROM schema_versions WHERE version = 2", "relation notes is unknown"),
        (
            "DELETE FROM schema_versions; DROP TABLE notes",
            "trigger users.users_nickname is unknown",
        ),
    ] {
        let schema = expanded(EXPAND);
        let guarded = |word| format!("ALTER TABLE schema_versions {word} TRIGGER USER");
        schema.run(&[&guarded("DISABLE"), damage, &guarded("ENABLE")].join("; "));
        let refused = check_schema(&served(&schema)).unwrap_err().to_string();
        assert!(refused.contains(named), "{damage}: {refused}");
    }
}

#[test]
fn a_migration_waits_for_nobody_who_holds_a_table() {
    let schema = schema();
    schema.run(include_str!("../migrations/postgres/0001_spine/down.sql"));
    schema.run("DELETE FROM __diesel_schema_migrations");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let migrate = || migrate(&database(&schema, schema.owner_url()));
    runtime.block_on(async {
        let connected = tokio_postgres::connect(schema.owner_url(), tokio_postgres::NoTls).await;
        let (client, driver) = connected.unwrap();
        tokio::spawn(driver);
        let held = format!("BEGIN; CREATE TABLE {}.users ()", schema.name());
        client.batch_execute(&held).await.unwrap();
        let refused = migrate().unwrap_err().to_string();
        assert!(refused.contains("lock timeout"), "{refused}");
        client.batch_execute("ROLLBACK").await.unwrap();
    });
    assert_eq!(migrate().unwrap(), ["0001"]);
    grant_again(&schema);
    check_schema(&served(&schema)).unwrap();
}

#[test]
fn down_leaves_nothing_and_up_again_is_the_same_schema() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let schema = schema();
    schema.run(include_str!("../migrations/postgres/0001_spine/down.sql"));
    let left = "SELECT count(*) FROM (SELECT relname, relnamespace FROM pg_class UNION ALL \
         SELECT proname, pronamespace FROM pg_proc) left_over (name, place) \
         WHERE place = current_schema()::regnamespace AND name NOT LIKE '\\_\\_diesel%'";
    assert_eq!(schema.value(left), "0");
    schema.run(include_str!("../migrations/postgres/0001_spine/up.sql"));
    grant_again(&schema);
    check_schema(&served(&schema)).unwrap();
}

#[test]
fn who_could_undo_the_guards_does_not_serve() {
    let schema = schema();
    let owner = schema.serving_url().replacen("://pawl_serving@", "://postgres@", 1);
    let refused = check_schema(&database(&schema, &owner)).unwrap_err().to_string();
    assert!(refused.contains("PAWL_DATABASE_SERVING_ROLE"), "{refused}");
    for owned in ["FUNCTION throttles_life()", "TABLE events", "SCHEMA "] {
        let schema = Schema::made().unwrap();
        let name = if owned == "SCHEMA " { schema.name() } else { "" };
        schema.run(&format!("ALTER {owned}{name} OWNER TO pawl_serving"));
        let refused = check_schema(&served(&schema)).unwrap_err().to_string();
        assert!(refused.contains("can undo the guards"), "{owned}: {refused}");
    }
}

/// What `pawl doctor` finds on PostgreSQL, as danger and text.
fn doctor(schema: &Schema, url: &str) -> Vec<(String, String)> {
    let place = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(schema.name());
    std::fs::create_dir_all(&place).unwrap();
    let pawl = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pawl"));
        command.args(arguments).env_clear().env("PAWL_DATA_DIR", &place);
        command.env("PAWL_DATABASE_URL", url).env("PAWL_DATABASE_SCHEMA", schema.name());
        command.output().unwrap()
    };
    if !place.join("kek").exists() {
        let made = pawl(&["keyfile", place.join("kek").to_str().unwrap()]);
        assert!(made.status.success());
    }
    let told = pawl(&["doctor", "--json"]).stdout;
    let told: Vec<serde_json::Value> = serde_json::from_slice(&told).unwrap();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    told.iter().map(|told| (word(&told["danger"]), word(&told["says"]))).collect()
}

#[test]
fn the_doctor_looks_at_postgresql_too() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let schema = schema();
    let url = schema.serving_url();
    let has = |told: &[(String, String)], danger: &str, needle: &str| {
        told.iter().any(|(found, text)| found == danger && text.contains(needle))
    };
    let right = doctor(&schema, &url);
    assert!(has(&right, "note", "no key has sealed anything here yet"), "{right:?}");
    assert!(!has(&right, "down", ""), "{right:?}");
    let fsync = schema.value("current_setting('fsync')") == "off";
    assert_eq!(has(&right, "hole", "a crash can undo commits"), fsync, "{right:?}");
    let owner = doctor(&schema, schema.owner_url());
    assert!(has(&owner, "hole", "can undo the guards of"), "{owner:?}");
    schema.run(&format!("ALTER ROLE {} SET synchronous_commit = off", Schema::ROLE));
    let lax = doctor(&schema, &url);
    schema.run(&format!("ALTER ROLE {} RESET synchronous_commit", Schema::ROLE));
    assert!(has(&lax, "hole", "a crash can undo commits"), "{lax:?}");
    schema.run("DROP TRIGGER throttles_life ON throttles");
    let damaged = doctor(&schema, &url);
    assert!(has(&damaged, "hole", "throttles_life is missing"), "{damaged:?}");
    let nobody = doctor(&schema, "postgres://nobody@localhost:1/none?sslmode=disable");
    assert!(has(&nobody, "down", "PostgreSQL cannot be reached"), "{nobody:?}");
}

/// Rows for the planner's statistics: a few of each user, and many of each kind.
const FILL: &str = "SET session_replication_role = replica; \
     INSERT INTO events SELECT 'tnt', n, 'evt_' || n, n, 'kind' || n % 40, 'server', 'server', NULL, \
     'usr_' || n % 5000, NULL, NULL, 'r', '{}' FROM generate_series(1, 40000) AS n; \
     SET session_replication_role = origin; ANALYZE events";

/// A page of the log costs its own rows: nothing is sorted, and nothing but an index in the order of the
/// page is read.
#[test]
fn each_page_of_the_log_is_read_by_an_index_in_its_order() {
    let schema = schema();
    schema.run(FILL);
    let queries = page_queries(&served(&schema));
    assert_eq!(queries.len(), 4);
    for (text, index) in queries {
        let values = (1..=9).filter(|number| text.contains(&format!("${number}")));
        let values = values.map(|_| "NULL").collect::<Vec<_>>().join(", ");
        let plan = schema.lines(&format!(
            "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
             PREPARE page AS {text}; EXPLAIN (COSTS off) EXECUTE page ({values})"
        ));
        let index = if index == "key" { "events_pkey" } else { index };
        assert_eq!(plan[0], "Limit", "{plan:?}");
        let scan = format!("  ->  Index Scan using {index} on events");
        assert_eq!(plan[1], scan, "{plan:?}");
        assert!(plan[2].contains("(seq > ") && plan[2].contains("(seq < "), "{plan:?}");
    }
}

/// A read of a whole small table has the cost of a plan that is not allowed, for which PostgreSQL starts its compiler.
#[test]
fn no_statement_of_a_transaction_waits_for_a_compiler() {
    let schema = schema();
    let owner = Target::parse(schema.owner_url(), None, None, schema.name(), false).unwrap();
    let plan = schema.lines(&format!(
        "{}; EXPLAIN (ANALYZE) SELECT key_check FROM installation FOR SHARE",
        owner.opening("BEGIN")
    ));
    assert!(plan.iter().any(|line| line.contains("on installation")), "{plan:?}");
    assert!(!plan.iter().any(|line| line.contains("JIT")), "{plan:?}");
}

/// PostgreSQL reads `public` as every role.
#[test]
fn the_role_that_serves_is_one_role() {
    for role in ["public", "none", "pg_write_all_data", "", "Pawl", "pawl\"; DROP TABLE events; --"]
    {
        let refused = ServingRole::parse(role).unwrap_err().to_string();
        assert!(refused.contains("PAWL_DATABASE_SERVING_ROLE"), "{role}: {refused}");
    }
}

/// `pawl migrate` takes back what PUBLIC may do with Pawl's tables. Other roles' rights, and everything else in the
/// schema, are not its own.
#[test]
fn the_start_names_grants_to_other_roles_and_migrate_leaves_other_tables_alone() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let schema = schema();
    let role = "pawl_bystander";
    schema.run(&format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role}"));
    schema.run(&format!("GRANT SELECT ON users TO {role}"));
    check_schema(&served(&schema)).unwrap();
    let told = doctor(&schema, &schema.serving_url());
    assert!(told.iter().any(|(_, text)| text.contains(&format!("may read the tables: {role}"))));
    schema.run(&format!("GRANT UPDATE (labels) ON users TO {role}"));
    let refused = check_schema(&served(&schema)).unwrap_err().to_string();
    assert!(refused.contains(&format!("grant of UPDATE on users to {role}")), "{refused}");
    schema.run(&format!("REVOKE ALL ON users FROM {role}; DROP ROLE {role}"));
    schema.run("CREATE TABLE neighbour (id int); GRANT SELECT ON neighbour TO PUBLIC");
    grant_again(&schema);
    let granted = "has_table_privilege('pg_monitor', 'neighbour', 'SELECT')";
    assert_eq!(schema.value(&format!("SELECT {granted}::text")), "true");
}

/// A lane that waited for the lock of one tenant would hold up every other tenant in it.
#[test]
fn a_tenant_that_is_held_holds_up_no_other() {
    let _server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start();
    let held = server.tenant("held").console;
    let other = |number| server.tenant(&format!("other{number}")).console;
    let others: Vec<Console> = (0..6).map(other).collect();
    let holder = Held::tenant(&server, &held.tenant);
    let is_over = AtomicBool::new(false);
    let (held, is_over) = (&held, &is_over);
    let ask = |console: &Console, user: String| {
        let body = console.login(&user, &[&console.own_audience()]);
        console.call("evaluateLogin").json(&body).send()
    };
    std::thread::scope(|scope| {
        for number in 0..4 {
            // Its callers do not stop to ask.
            scope.spawn(move || {
                while !is_over.load(Ordering::SeqCst) {
                    ask(held, format!("bob{number}")).refused("unavailable");
                }
            });
        }
        // One that was held for a moment is not held up by the other.
        let brief = Held::tenant(&server, &others[0].tenant);
        let first = scope.spawn(|| ask(&others[0], "eve".to_owned()).status);
        brief.is_waited_for();
        brief.commit();
        let all = (0..5).flat_map(|number| others.iter().map(move |other| (other, number)));
        let answers = all.map(|(other, number)| ask(other, format!("ana{number}")).status);
        let answers: Vec<u16> = answers.collect();
        is_over.store(true, Ordering::SeqCst);
        assert_eq!((answers, first.join().unwrap()), (vec![200; 30], 200));
    });
    holder.commit();
    ask(held, "bob".to_owned()).ok();
}
