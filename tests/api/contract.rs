//! The document: it is what the server's routes make, and it keeps its own rules.

use std::fs;

use crate::support::document::file;

#[test]
fn the_document_on_disk_is_what_the_routes_make() {
    let made = pawl::http::document::json().unwrap();
    if std::env::var_os("BLESS").is_some() {
        fs::write(file(), &made).unwrap();
    }
    let kept = fs::read_to_string(file()).unwrap();
    assert!(made == kept, "openapi/openapi.json is stale: run this test with BLESS=1 and look");
}
