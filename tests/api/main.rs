//! Pawl over real HTTP, as a console and its people see it. Every answer of every test is held to
//! `openapi/openapi.json`, and what was provoked is written down for `tests/pairs.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the harness is test code outside of test functions: where it fails, the test failed"
)]

mod support;

mod access;
mod actions;
mod client_tokens;
mod clients;
mod cluster;
mod connections;
mod contract;
mod credentials;
mod enemy;
mod enrollments;
mod evaluations;
mod events;
mod metrics;
mod outages;
mod overrides;
mod petitions;
mod policies;
mod proofs;
mod public;
mod races;
mod recovery;
mod reports;
mod resealing;
mod retention;
mod roles;
mod shapes;
mod sources;
mod throttle;
mod tickets;
mod token_keys;
mod tokens;
mod unknown;
mod users;
mod verifications;
mod workloads;
