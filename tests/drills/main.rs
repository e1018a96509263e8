//! Server processes over one PostgreSQL: they race, they are killed, they lose the database.
//! `.ci/run postgres` starts the server that `TEST_POSTGRES` names.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a drill whose process or answer is not as it must be has failed"
)]

mod balancer;
mod cluster;
mod console;
mod hand_over;
mod http;
mod kill;
mod ledger;
mod outage;
mod pooler;
mod proxy;
mod races;
mod reseal;
mod rolling;
mod site;
mod tls;
mod token_keys;

#[path = "../api/support/postgres.rs"]
#[expect(dead_code, reason = "the harness of another test")]
mod postgres;

#[path = "../binary/support.rs"]
#[expect(dead_code, reason = "the harness of another test")]
mod support;
