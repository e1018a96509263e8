//! `pawl doctor`: what it finds, and in which order.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection, sql_query};
use serde_json::Value;

use crate::binary::support::{HandedOver, Server, done, pawl, place, refused, text};

/// Danger and text of each finding, in the order that they were told.
fn findings(
    data: &Path,
    more: &[&str],
    variables: &[(&str, &str)],
) -> (i32, Vec<(String, String)>) {
    let arguments = [&["doctor", "--json"], more].concat();
    let output = pawl(data, &arguments).envs(variables.iter().copied()).output().unwrap();
    let told: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}{}", text(&output.stdout), text(&output.stderr)));
    let word = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let told: Vec<_> = told
        .iter()
        .map(|told| {
            assert!(!word(told, "next").is_empty(), "{told}");
            let text = format!("{}: {}", word(told, "about"), word(told, "says"));
            (word(told, "danger"), text)
        })
        .collect();
    let order = ["hole", "down", "risk", "note"];
    let rank = |danger: &str| order.iter().position(|known| *known == danger).unwrap();
    assert!(told.is_sorted_by_key(|(danger, _)| rank(danger)), "{told:?}");
    let urgent = told.iter().any(|(danger, _)| rank(danger) < 2);
    let code = output.status.code().unwrap();
    assert_eq!(code, i32::from(urgent), "{told:?}");
    (code, told)
}

fn found(data: &Path, danger: &str, needle: &str) {
    let (_, told) = findings(data, &[], &[]);
    let hit = told.iter().any(|(found, text)| found == danger && text.contains(needle));
    assert!(hit, "no {danger} about {needle} in {told:?}");
}

fn founded(name: &str) -> PathBuf {
    let data = place(name);
    done(&data, &["bootstrap"]);
    data
}

fn database(data: &Path) -> SqliteConnection {
    #[expect(clippy::disallowed_methods, reason = "somebody at the file, past the program")]
    SqliteConnection::establish(data.join("pawl.db").to_str().unwrap()).unwrap()
}

/// Every change is on record, so an unchanged record says that nothing changed.
fn events(data: &Path) -> i64 {
    let count =
        sql_query("SELECT count(*) AS n FROM events").get_result::<Count>(&mut database(data));
    count.unwrap().n
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nothing_is_found_in_vain_and_nothing_is_made() {
    let data = place("doctor-nothing");
    let (code, told) = findings(&data, &[], &[]);
    assert_eq!((code, told.len()), (1, 1), "{told:?}");
    assert!(told[0].1.contains("there is none at"), "{told:?}");
    assert!(!data.exists());
}

#[test]
fn a_first_start_has_no_hole_and_is_not_changed_by_looking() {
    let data = founded("doctor-first");
    let server = Server::start(&data);
    let (code, told) = findings(&data, &["--deep"], &[]);
    server.stop();
    assert_eq!(code, 0, "{told:?}");
    let words: Vec<_> = told.iter().map(|(danger, text)| format!("{danger} {text}")).collect();
    let all = words.join("\n");
    assert!(all.contains("risk people: one administrator"), "{all}");
    assert!(all.contains("first-start-") && all.contains("note files: the key file"), "{all}");
    assert_eq!(told.len(), 3, "{all}");
    // A command that is killed while it fills such a file leaves it under another name.
    std::fs::write(data.join(".first-start-0.new"), "").unwrap();
    found(&data, "risk", ".first-start-0.new holds what was to be read once");
    let again = founded("doctor-still");
    let before = events(&again);
    findings(&again, &["--deep"], &[]);
    assert_eq!(events(&again), before);
}

#[test]
fn a_person_reads_it_too() {
    let data = founded("doctor-words");
    let said = done(&data, &["doctor"]);
    assert!(said.starts_with("RISK  "), "{said}");
    assert!(said.ends_with("holes: 0, down: 0, risks: 2, notes: 2\n"), "{said}");
    let faults = pawl(&data, &["doctor"]).env("PAWL_WORKERS", "0").env("PAWL_X", "1").output();
    let faults = faults.unwrap();
    assert_eq!(faults.status.code(), Some(1));
    let said = text(&faults.stdout);
    assert!(said.contains("PAWL_WORKERS: wants") && said.contains("PAWL_X: is not"), "{said}");
}

#[test]
fn files_that_others_can_reach_are_holes() {
    let data = founded("doctor-modes");
    for (name, mode, needle) in [
        ("kek", 0o640, "others may read it"),
        ("pawl.db", 0o644, "others may read"),
        ("", 0o777, "others may write into"),
    ] {
        let path = data.join(name);
        let right = std::fs::metadata(&path).unwrap().permissions();
        set_mode(&path, mode);
        found(&data, "hole", needle);
        std::fs::set_permissions(&path, right).unwrap();
        assert_eq!(findings(&data, &[], &[]).0, 0);
    }
}

#[test]
fn keys_that_do_not_open_it_are_found() {
    let (data, other) = (founded("doctor-keys"), founded("doctor-other"));
    let right = std::fs::read_to_string(data.join("kek")).unwrap();
    std::fs::copy(other.join("kek"), data.join("kek")).unwrap();
    found(&data, "down", "a sealed value could not be opened");
    let zeros = format!("{}:{}\n", right.rsplit_once(':').unwrap().0, "A".repeat(43));
    for (content, needle) in [("no key", "a key file is one line"), (&zeros, "is not random")] {
        std::fs::write(data.join("kek"), content).unwrap();
        found(&data, "down", needle);
    }
    std::fs::remove_file(data.join("kek")).unwrap();
    found(&data, "down", "keys: ");
    assert!(!data.join("kek").exists(), "it makes none");
}

#[test]
fn guards_that_are_missing_are_a_hole() {
    let data = founded("doctor-guards");
    sql_query("DROP TRIGGER events_order").execute(&mut database(&data)).unwrap();
    found(&data, "hole", "events_order is missing");
}

#[test]
fn a_clock_behind_the_record_is_found() {
    let data = founded("doctor-clock");
    let ahead = "INSERT INTO events (tenant_id, seq, id, at, kind, actor_kind, actor_id, request_id, \
         data) SELECT tenant_id, 1 + max(seq), 'evt_ffffffffffffffffffffffffffffffff', \
         1000 * unixepoch() + 55000, 'user.changed', 'server', 'server', 'test', '{}' FROM events \
         WHERE tenant_id = (SELECT min(tenant_id) FROM tenants)";
    assert_eq!(sql_query(ahead).execute(&mut database(&data)), Ok(1));
    found(&data, "down", "clock: ");
}

#[test]
fn a_console_that_will_be_locked_out_is_named() {
    let data = founded("doctor-consoles");
    for (seconds, id, danger, needle) in [
        (3600, "evt_eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee", "risk", "has a key only until"),
        (-1, "evt_ffffffffffffffffffffffffffffffff", "down", "has no live key"),
    ] {
        let mut file = database(&data);
        let event = format!(
            "INSERT INTO events (tenant_id, seq, id, at, kind, actor_kind, actor_id, request_id, data) \
             SELECT tenant_id, 1 + max(seq), '{id}', 1000 * unixepoch(), 'client.created', 'server', \
             'server', 'test', '{{}}' FROM events WHERE tenant_id = (SELECT tenant_id FROM clients)"
        );
        sql_query(event).execute(&mut file).unwrap();
        let sooner = format!(
            "UPDATE client_secrets SET expires_at = 1000 * (unixepoch() + {seconds}), event_seq = \
             (SELECT seq FROM events WHERE id = '{id}')"
        );
        assert_eq!(sql_query(sooner).execute(&mut file), Ok(1));
        found(&data, danger, needle);
    }
}

/// Changes token keys as nothing in the program could: the table's triggers are away meanwhile.
fn past_the_guards(data: &Path, change: &str) {
    let mut file = database(data);
    let guards =
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'signing_keys'";
    let guards: Vec<Guard> = sql_query(guards).load(&mut file).unwrap();
    assert!(!guards.is_empty());
    for guard in &guards {
        sql_query(format!("DROP TRIGGER {}", guard.name)).execute(&mut file).unwrap();
    }
    assert_eq!(sql_query(change).execute(&mut file), Ok(1), "{change}");
    for guard in guards {
        sql_query(guard.sql).execute(&mut file).unwrap();
    }
}

#[derive(diesel::QueryableByName)]
struct Guard {
    #[diesel(sql_type = diesel::sql_types::Text)]
    name: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    sql: String,
}

#[test]
fn token_keys_that_nobody_moves_are_found() {
    let data = founded("doctor-token-keys");
    let mut server = Server::start(&data);
    server.logged("token keys");
    server.stop();
    let (days, hour) = (24 * 3_600_000_i64, 3_600_000);
    let age = |millis: i64| {
        let since = format!("1000 * unixepoch() - {millis}");
        past_the_guards(
            &data,
            &format!(
                "UPDATE signing_keys SET created_at = {since}, active_from = {since} WHERE state = 'active'"
            ),
        );
    };
    let about_keys = |days: &str| {
        let (code, told) = findings(&data, &[], &[("PAWL_TOKEN_KEY_DAYS", days)]);
        assert_eq!(code, 0, "{told:?}");
        let told = told.into_iter().filter(|(_, text)| text.starts_with("token keys: "));
        told.map(|(danger, text)| format!("{danger} {text}")).collect::<Vec<_>>()
    };
    age(30 * days + 23 * hour);
    assert_eq!(about_keys("30"), [""; 0]);
    age(31 * days);
    let told = about_keys("30");
    assert!(told.len() == 1 && told[0].starts_with("risk token keys: one signs since"), "{told:?}");
    assert_eq!(about_keys("31"), [""; 0]);
    past_the_guards(&data, "DELETE FROM signing_keys WHERE state = 'next'");
    let told = about_keys("31");
    assert_eq!(told, ["risk token keys: no key waits to follow the one that signs"]);
    assert_eq!(about_keys("30").len(), 2);
    // What it says to do helps: a key is published, though it cannot sign yet.
    refused(&data, &["keys", "rotate"], 1);
    assert_eq!(about_keys("31"), [""; 0]);
}

#[test]
fn a_file_of_a_cluster_that_holds_no_keys_is_found() {
    let data = founded("doctor-cluster");
    let file = data.join("jwks.json");
    let set = [
        ("PAWL_WORKLOAD_ISSUER", "https://cluster.example"),
        ("PAWL_WORKLOAD_AUDIENCE", "pawl"),
        ("PAWL_WORKLOAD_JWKS_FILE", file.to_str().unwrap()),
    ];
    let told = || {
        let (code, told) = findings(&data, &[], &set);
        let told: Vec<_> =
            told.into_iter().filter(|(_, text)| text.contains("PAWL_WORKLOAD_JWKS_FILE")).collect();
        assert_eq!(code, i32::from(!told.is_empty()), "{told:?}");
        told.into_iter().map(|(danger, text)| format!("{danger} {text}")).collect::<Vec<_>>()
    };
    let missing = told();
    assert!(missing.len() == 1 && missing[0].starts_with("down files: "), "{missing:?}");
    assert!(missing[0].contains("cannot be read: No such file"), "{missing:?}");
    for (content, says) in [
        ("{".to_owned(), "it is no JWKS"),
        (r#"{"keys":[]}"#.to_owned(), "it has no key"),
        (" ".repeat(65 * 1024), "longer than 64 KiB"),
    ] {
        std::fs::write(&file, content).unwrap();
        let told = told();
        assert!(told.len() == 1 && told[0].contains(says), "{told:?}");
    }
    let key = r#"{"keys":[{"kty":"EC","kid":"a","crv":"P-256",
        "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;
    std::fs::write(&file, key).unwrap();
    assert_eq!(told(), [""; 0]);
}

#[test]
fn broken_glass_is_told() {
    let data = founded("doctor-glass");
    let users = done(&data, &["user", "list"]);
    let user = users.split_whitespace().find(|word| word.starts_with("usr_")).unwrap();
    let reason = ["--reason", "drill of the emergency plan"];
    let arguments = [&["override", "exempt", user, "--audience", "console"], &reason[..]].concat();
    done(&data, &arguments);
    found(&data, "risk", "by break-glass are in force");
    found(&data, "note", "exemptions of");
}

#[test]
fn a_damaged_file_is_found_by_reading_all_of_it() {
    let data = founded("doctor-damage");
    let path = data.join("pawl.db");
    sql_query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut database(&data)).unwrap();
    let page = 4096;
    let pages = std::fs::metadata(&path).unwrap().len() / page;
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for number in pages / 2..pages {
        file.seek(SeekFrom::Start(number * page)).unwrap();
        file.write_all(&[0xa5; 64]).unwrap();
    }
    let (_, told) = findings(&data, &["--deep"], &[]);
    let (danger, text) = &told[0];
    assert!(["hole", "down"].contains(&danger.as_str()), "{told:?}");
    assert!(text.contains("quick_check says") || text.contains("malformed"), "{told:?}");
}

#[test]
fn settings_that_do_not_fit_are_told() {
    let data = founded("doctor-settings");
    let far = [
        ("PAWL_LISTEN", "0.0.0.0:8080"),
        ("PAWL_HEALTH_LISTEN", "0.0.0.0:8081"),
        ("PAWL_LOG", "debug"),
    ];
    let (code, told) = findings(&data, &[], &far);
    assert_eq!(code, 0);
    for needle in ["PAWL_BASE_URL is", "plain HTTP", "answers whoever asks", "PAWL_LOG is debug"] {
        assert!(told.iter().any(|(_, text)| text.contains(needle)), "{needle} in {told:?}");
    }
}

#[test]
fn keys_that_something_is_sealed_under_are_counted() {
    let data = founded("doctor-sealed");
    let (old, new) = (data.join("kek"), data.join("new"));
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    done(&data, &["keyfile", new]);
    let swapped = [("PAWL_KEY_FILE", new), ("PAWL_OTHER_KEY_FILES", old)];
    let mut command = pawl(&data, &["bootstrap", "--tenant-name", "Other"]);
    assert!(command.envs(swapped).output().unwrap().status.success());
    found(&data, "down", "which sealed something");
    let (code, told) = findings(&data, &[], &swapped);
    assert_eq!(code, 0, "{told:?}");
    assert!(told.iter().any(|(_, text)| text.contains("sealed under keys that only open")));
}

#[test]
fn spellings_of_one_external_id_are_told_with_their_number() {
    let data = place("doctor-look-alikes");
    let mut server = Server::start(&data);
    let handed = HandedOver::read(&server.first_line());
    for user in ["ana", "bo", "ANA"] {
        server.evaluate(&handed.key, user, &["console"]);
    }
    let (_, told) = findings(&data, &[], &[]);
    let says =
        |needle: &str| told.iter().any(|(danger, text)| danger == "note" && text.contains(needle));
    assert!(
        says("people: 2 users of dir_") && says("share 1 external ids by other spellings: "),
        "{told:?}"
    );
    assert!(says("\"ana\"") && says("\"ANA\"") && !says("\"bo\""), "{told:?}");
    server.stop();
}
