//! All tests that are no unit tests, as one program: it is compiled and linked once. `.config/nextest.toml`
//! says which of them need PostgreSQL, and which run alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test whose file, process or answer is not as it must be has failed"
)]

mod collector;
#[path = "api/support/mod.rs"]
mod support;

mod api;
mod architecture;
mod binary;
mod database;
mod documents;
mod drills;
mod malicious;
mod migrations;
mod model;
mod monitoring;
mod pairs;
mod postgres;
mod schema;
mod secrets;
mod self_check;
mod traces;
mod vectors;

/// Said of a test that changes its whole process, where another test ran in it.
const ALONE: &str = "wants a process of its own: `cargo nextest run` gives each test one";
