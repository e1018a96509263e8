//! Pawl over real HTTP, as a console and its people see it. Every answer of every test is held to
//! `openapi/openapi.json`, and what was provoked is written down for `tests/pairs.rs`.

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
