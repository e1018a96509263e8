//! Start and stop.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use diesel::{Connection as _, RunQueryDsl as _, SqliteConnection, sql_query};

use crate::binary::support::{HandedOver, Server, done, mode, pawl, place, refused, text};

#[test]
fn the_first_start_makes_everything_and_says_nothing_secret() {
    let home = place("first");
    std::fs::create_dir(&home).unwrap();
    let mut command = pawl(&home, &[]);
    command.env_remove("PAWL_DATA_DIR").current_dir(&home);
    let mut server = Server::of(command);
    let data = home.join("pawl-data");
    let line = server.first_line();
    let name = line.split_once("./pawl-data/").unwrap().1.split(';').next().unwrap();
    let line = format!("x is in {}; read it", data.join(name).display());
    let handed = HandedOver::read(&line);
    assert!(handed.key.starts_with("pawl_") && handed.otpauth.starts_with("otpauth://totp/"));
    assert_eq!(mode(&data), 0o700);
    for file in ["kek", "pawl.db", "pawl.lock"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
    let first = server.stop();

    let second = Server::start(&data).stop();
    assert_eq!((first.stdout.as_str(), second.stdout.as_str()), ("", ""));
    let said = format!("{line}{}{}", first.log, second.log);
    for secret in [handed.secret(), &handed.key, "otpauth:"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

/// The names in a folder that begin like this.
fn named(folder: &Path, start: &str) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    names.filter(|name| name.starts_with(start)).collect()
}

#[test]
fn it_is_ready_only_when_the_first_start_is_done() {
    let data = place("ready");
    let free = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let [api, health] = free.map(|listener| listener.local_addr().unwrap());
    let mut command = pawl(&data, &["serve"]);
    command.env("PAWL_LISTEN", api.to_string()).env("PAWL_HEALTH_LISTEN", health.to_string());
    let starting = std::thread::spawn(move || Server::of(command));
    // Asked as fast as it goes: whatever comes after the ports is seen to be missing.
    let connects = |port| TcpStream::connect(port).is_ok();
    while !connects(api) && !connects(health) && !starting.is_finished() {}
    let found = named(&data, "first-start-");
    assert_eq!((found.len(), named(&data, ".first-start-").len()), (1, 0), "{found:?}");
    let text = std::fs::read_to_string(data.join(&found[0])).unwrap();
    assert!(text.ends_with("takes the first code.\n"), "{text}");

    // And a line that names the file is a promise that the API answers.
    let mut server = starting.join().unwrap();
    assert!(server.first_line().contains(&found[0]));
    server.stop();
}

#[test]
fn on_a_terminal_the_enrollment_is_drawn_and_leaves_no_file() {
    let data = place("terminal");
    let program = format!("'{}' bootstrap", env!("CARGO_BIN_EXE_pawl"));
    let output = Command::new("script")
        .args(["-qec", &program, "/dev/null"])
        .env("PAWL_DATA_DIR", &data)
        .output()
        .unwrap();
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{shown}");
    let handed = HandedOver::parse(shown.replace('\r', ""));
    assert!(handed.otpauth.starts_with("otpauth://totp/"), "{shown}");
    assert!(shown.contains('█') && handed.key.starts_with("pawl_"), "{shown}");
    for start in ["first-start", ".first-start"] {
        assert_eq!(named(&data, start), [""; 0]);
    }
}

#[test]
fn secrets_that_cannot_be_handed_over_come_with_a_way_back() {
    let data = place("no-hand-over");
    let tenant_file = |output: &str| {
        Path::new(output.split_once(" is in ").unwrap().1.split(';').next().unwrap()).to_owned()
    };
    let file = tenant_file(&done(&data, &["bootstrap", "--tenant-name", "It's"]));
    let first = HandedOver::parse(std::fs::read_to_string(&file).unwrap());
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let said = refused(&data, &["bootstrap", "--tenant-name", "It's"], 1);
    assert!(said.contains("cannot be written") && said.contains("are lost"), "{said}");
    let back = said.split_once('`').unwrap().1.split_once('`').unwrap().0;
    assert_eq!(back, r"pawl bootstrap --tenant-name 'It'\''s'");
    let left = ["first-start-", ".first-start-"].map(|start| named(&data, start).len());
    assert_eq!(left, [1, 0], "only what is in the way");

    std::fs::remove_dir(&file).unwrap();
    let program = back.replacen("pawl", env!("CARGO_BIN_EXE_pawl"), 1);
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &program]).env("PAWL_DATA_DIR", &data).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let handed = HandedOver::read(&text(&output.stdout));
    assert!(handed.issuer == first.issuer && handed.secret() != first.secret());
    // A file that was not read yet gives way to the next.
    let again = tenant_file(&done(&data, &["bootstrap", "--tenant-name", "It's"]));
    assert_eq!(again, file);
}

/// A challenge of each tenant, long past its keeping.
const OLD: &str = "INSERT INTO challenges SELECT u.tenant_id, 'cha_00000000000000000000000000000000', \
    randomblob(32), u.id, c.id, 'login', '[]', 'password', 1000, NULL, NULL, NULL, NULL, 1000, 2000, \
    0, NULL, u.event_seq FROM users u JOIN clients c ON c.tenant_id = u.tenant_id";

#[test]
fn what_is_past_its_keeping_is_purged_while_it_serves() {
    let data = stopped("purge");
    let mut file = database(&data);
    assert_eq!(sql_query(OLD).execute(&mut file), Ok(1));
    let mut server = Server::start(&data);
    let line = server.logged("\"purged\"");
    assert!(line.contains("\"challenges\":1"), "{line}");
    let gone = sql_query("DELETE FROM challenges").execute(&mut file);
    assert_eq!(gone, Ok(0), "nothing is left to delete");
    server.stop();
}

#[test]
fn a_tenant_that_cannot_be_purged_is_told_and_keeps_no_other_from_it() {
    let data = stopped("purge-fails");
    done(&data, &["bootstrap", "--tenant-name", "Other"]);
    let mut file = database(&data);
    assert_eq!(sql_query(OLD).execute(&mut file), Ok(2));
    // An event of a clock that ran ahead, by as much as passes for one, in the tenant that comes first.
    let ahead = "INSERT INTO events (tenant_id, seq, id, at, kind, actor_kind, actor_id, request_id, \
         data) SELECT tenant_id, 1 + max(seq), 'evt_ffffffffffffffffffffffffffffffff', \
         1000 * unixepoch() + 55000, \
         'user.changed', 'server', 'server', 'test', '{}' FROM events \
         WHERE tenant_id = (SELECT min(tenant_id) FROM tenants)";
    assert_eq!(sql_query(ahead).execute(&mut file), Ok(1));
    let mut server = Server::start(&data);
    let line = server.logged("a tenant could not be purged");
    assert!(
        line.contains("behind the newest event") && line.contains("\"tenant\":\"ten_"),
        "{line}"
    );
    server.logged("\"purged\"");
    let ended = server.stop();
    let purged: Vec<&str> = ended.log.lines().filter(|line| line.contains("\"purged\"")).collect();
    assert!(purged.len() == 1 && purged[0].contains("\"challenges\":1"), "{purged:?}");
}

/// The database of a server, beside it.
fn database(data: &Path) -> SqliteConnection {
    let path = data.join("pawl.db");
    #[expect(clippy::disallowed_methods, reason = "what the server finds was made long ago")]
    let connection = SqliteConnection::establish(path.to_str().unwrap());
    connection.unwrap()
}

#[test]
fn one_server_serves_one_directory() {
    let data = place("twice");
    let server = Server::start(&data);
    let said = refused(&data, &["serve"], 1);
    assert!(said.contains("in use by another server"), "{said}");
    server.stop();
    Server::start(&data).stop();
}

#[test]
fn a_taken_port_is_named() {
    let server = Server::start(&place("port"));
    let place = place("port-2");
    let output = pawl(&place, &["serve"]).env("PAWL_LISTEN", &server.address).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&server.address));
    // Nothing was founded, so the next start shows the secrets.
    let shown = Server::start(&place).first_line();
    assert!(shown.contains("first-start-"), "{shown}");
}

/// An installation that was founded and is not running.
fn stopped(name: &str) -> std::path::PathBuf {
    let data = place(name);
    done(&data, &["bootstrap"]);
    data
}

fn put_key(data: &Path, content: &str, mode: u32) {
    std::fs::write(data.join("kek"), content).unwrap();
    std::fs::set_permissions(data.join("kek"), std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_missing_key_is_not_made_anew_beside_a_database() {
    let data = stopped("key-missing");
    let key = std::fs::read_to_string(data.join("kek")).unwrap();
    std::fs::remove_file(data.join("kek")).unwrap();
    let said = refused(&data, &["serve"], 1);
    assert!(said.contains("is missing") && said.contains("kek"), "{said}");
    assert!(!data.join("kek").exists());
    put_key(&data, &key, 0o600);
    Server::start(&data).stop();
}

#[test]
fn a_wrong_key_opens_nothing() {
    let (data, other) = (stopped("key-wrong"), stopped("key-other"));
    let key = std::fs::read_to_string(other.join("kek")).unwrap();
    put_key(&data, &key, 0o600);
    let said = refused(&data, &["serve"], 1);
    assert!(said.contains("key"), "{said}");
    // The right number on the wrong key is found as well.
    let own = stopped("key-own");
    let right = std::fs::read_to_string(own.join("kek")).unwrap();
    let (head, _) = right.rsplit_once(':').unwrap();
    let (_, tail) = key.rsplit_once(':').unwrap();
    put_key(&own, &format!("{head}:{tail}"), 0o600);
    refused(&own, &["serve"], 1);
    put_key(&own, "no key at all\n", 0o600);
    refused(&own, &["serve"], 1);
    put_key(&own, &right, 0o600);
    Server::start(&own).stop();
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let data = stopped("key-mode");
    let key = std::fs::read_to_string(data.join("kek")).unwrap();
    for mode in [0o644, 0o640, 0o604] {
        put_key(&data, &key, mode);
        let said = refused(&data, &["serve"], 1);
        assert!(said.contains("others may read it"), "{said}");
        assert!(!said.contains(key.trim()), "{said}");
    }
}

#[test]
fn a_command_founds_no_installation() {
    let data = place("not-founded");
    done(&data, &["migrate"]);
    for arguments in [&["user", "list"][..], &["keys", "list"], &["seal", "reseal"]] {
        let said = refused(&data, arguments, 1);
        assert!(said.contains("there is no installation in this database yet"), "{said}");
        assert!(said.contains("`pawl bootstrap`"), "{said}");
    }
    // Nothing was sealed: bootstrap founds it, and from then on they work.
    done(&data, &["bootstrap"]);
    done(&data, &["user", "list"]);
}

#[test]
fn the_demo_leaves_the_hand_over_of_another_server_alone() {
    let server = Server::start(&place("demo-given"));
    let home = place("demo-hand-over");
    std::fs::create_dir(&home).unwrap();
    let file = home.join("first-start.txt");
    let text = "issuer: http://a:1/t/ten_1\nclient key: pawl_1_2\nadministrator: admin\n\
                authenticator: otpauth://totp/Pawl:admin?secret=A\n";
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    // Another server than the one of the hand-over; then none at all.
    let given = format!("http://{}", server.address);
    let arguments = ["demo", "--server", &given, "--first-start", file.to_str().unwrap()];
    let another = refused(&home, &arguments, 1);
    server.stop();
    let nobody = refused(&home, &arguments, 1);
    for said in [another, nobody] {
        assert!(said.contains("the hand-over is untouched"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// A small volume is not filled by the log of what was written.
#[test]
fn the_log_of_the_file_stays_small() {
    let data = place("log");
    let mut server = Server::start(&data);
    let handed = HandedOver::read(&server.first_line());
    let log = |data: &Path| std::fs::metadata(data.join("pawl.db-wal")).unwrap().len();
    let mut largest = 0;
    for number in 0..600 {
        server.evaluate(&handed.key, &format!("user{number}"), &["console"]);
        largest = largest.max(log(&data));
    }
    assert!((8_000_000..16_000_000).contains(&largest), "{largest}");
}
