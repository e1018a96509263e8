//! A replica founds nothing; somebody at a terminal does, beside it.

use crate::binary::support::{Server, done, pawl, place, refused};

#[test]
fn a_replica_founds_no_tenant_and_serves_the_one_that_is_founded_beside_it() {
    let data = place("replica");
    let mut server = Server::of(pawl(&data, &["serve", "--no-first-start"]));
    server.logged("there is no tenant yet");
    assert!(refused(&data, &["user", "list"], 1).contains("there is no tenant"));
    let said = done(&data, &["bootstrap"]);
    let handed = crate::binary::support::HandedOver::read(said.trim());
    assert_eq!(server.call("/v1/users", &handed.key, None).0, 200);
    assert_eq!(server.stop().stdout, "");
}

#[test]
fn a_replica_that_is_told_what_to_found_is_a_mistake() {
    refused(&place("replica-wrong"), &["serve", "--no-first-start", "--tenant-name", "x"], 2);
}
