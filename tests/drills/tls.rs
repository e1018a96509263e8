//! A real PostgreSQL server over TLS: the right authority and name serve, everything else is refused at
//! the start, in words that say what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::support::{HandedOver, Server, done, pawl, place, text};
use crate::drills::cluster::{Cluster, folder, give, work};
use crate::drills::console::Console;
use crate::drills::proxy::Proxy;

const PASSWORD: &str = "a long password of the drill";

fn openssl(place: &Path, arguments: &str) {
    work(Command::new("openssl").args(arguments.split(' ')).current_dir(place));
}

/// An authority.
fn authority(place: &Path, name: &str) -> PathBuf {
    let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
    openssl(
        place,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} \
             -keyout {key} -out {certificate}"
        ),
    );
    place.join(certificate)
}

/// A certificate for `localhost`, by the authority.
fn certificate(place: &Path, authority: &str) {
    openssl(
        place,
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout \
         server.key -out server.csr",
    );
    fs::write(place.join("names"), "subjectAltName = DNS:localhost\n").unwrap();
    openssl(
        place,
        &format!(
            "x509 -req -in server.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial \
             -days 2 -extfile names -out server.pem"
        ),
    );
    give(&place.join("server.key"));
}

/// A command that reaches PostgreSQL by `address` as `role`.
fn reach(place: &Path, arguments: &[&str], role: &str, address: &str, ca: &Path) -> Command {
    let mut command = pawl(place, arguments);
    command
        .env("PAWL_DATABASE_URL", format!("postgres://{role}@{address}/postgres"))
        .env("PAWL_DATABASE_CA_FILE", ca)
        .env("PAWL_DATABASE_PASSWORD_FILE", place.join("password"))
        .env("PAWL_DATABASE_SERVING_ROLE", "pawl_serving");
    command
}

/// What a server says that does not start.
fn refusal(place: &Path, address: &str, ca: &Path) -> String {
    let output = reach(place, &["serve"], "pawl_serving", address, ca).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

#[test]
fn only_the_right_certificate_is_served_from() {
    let (place, server) = (place("drill-tls"), folder("tls"));
    fs::create_dir_all(&place).unwrap();
    let (right, wrong) = (authority(&server, "right"), authority(&server, "wrong"));
    certificate(&server, "right");
    let file = |name: &str| server.join(name).display().to_string();
    let settings = format!(
        "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'",
        file("server.pem"),
        file("server.key")
    );
    let rule = "hostssl all all 127.0.0.1/32 scram-sha-256";
    let cluster = Cluster::start(&server, &settings, rule);
    cluster.run(&format!(
        "ALTER ROLE postgres PASSWORD '{PASSWORD}'; CREATE ROLE pawl_serving LOGIN PASSWORD '{PASSWORD}'"
    ));
    fs::write(place.join("password"), format!("{PASSWORD}\n")).unwrap();
    done(&place, &["keyfile", place.join("kek").to_str().unwrap()]);
    let named = format!("localhost:{}", cluster.port);
    work(&mut reach(&place, &["migrate"], "postgres", &named, &right));
    let mut running = Server::of(reach(&place, &["serve"], "pawl_serving", &named, &right));
    let console = Console::new(&HandedOver::read(&running.first_line()));
    let user = console.enrolled(&running.address, "bob");
    let challenge = console.challenge(&running.address, "bob");
    let code = user.next_code().code;
    assert_eq!(console.verify(&running.address, &challenge, &code).status(), Some(200));
    // PostgreSQL speaks no TLS over its socket.
    let plain = Proxy::to(&server.join(format!(".s.PGSQL.{}", cluster.port)));
    let plain = format!("localhost:{}", plain.address().port());
    for (address, ca, named) in [
        (named.as_str(), &wrong, "PAWL_DATABASE_CA_FILE must hold the authority"),
        (&format!("127.0.0.1:{}", cluster.port), &right, "PAWL_DATABASE_URL must name the host"),
        (&plain, &right, "switch TLS on there"),
    ] {
        let said = refusal(&place, address, ca);
        assert!(said.contains(named), "{address}: {said}");
    }
}
