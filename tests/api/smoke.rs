//! The harness itself: a tenant, its administrator, a user, a token.

use crate::support::{Server, code_of};

#[test]
fn a_user_enrolls_and_signs_in_with_a_code() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let ana = tenant.console.user("ana").enrolled();
    let tokens = ana.sign_in().ok();
    assert_eq!(tokens["outcome"], "tokens");
}

#[test]
fn without_the_tenants_nothing_is_answered() {
    let server = Server::start();
    let tenant = server.tenant("acme");
    let outage = server.outage("tenants");
    let answer = tenant.console.call("getTenant").send();
    assert_eq!(code_of(&answer), "unavailable");
    drop(outage);
    tenant.console.call("getTenant").send().ok();
}
