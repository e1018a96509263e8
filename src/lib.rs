//! Pawl owns multi-factor authentication for management consoles: enrollment, policy, overrides, and
//! tokens that only a verified code can yield. It turns one way only: a person can always turn it on,
//! and only a named administrator, for a written reason and until a date, can let it turn back.
//!
//! # The map
//!
//! | module | what it is | may import |
//! | --- | --- | --- |
//! | [`mfa`] | what is true: pure | nothing of ours |
//! | [`store`] | what is remembered: the only place that knows diesel | `mfa`, `telemetry` |
//! | [`operations`] | what happens: one function, one transaction, one operationId | `mfa`, `store`, `clock` for the time of a decision, and what `telemetry` counts |
//! | [`token`] | mints, checks, publishes keys | `mfa`, and of `store` only `Committed` |
//! | [`http`] | what is said: routes, problems, the document | `operations`, `token`, `mfa`, `clock`, `telemetry` |
//! | [`telemetry`] | what the operator sees: logs, traces, numbers; recording does no IO | `mfa` |
//! | [`app`], [`commands`], [`demo`] | wiring | anything |
//!
//! `tests/architecture.rs` holds the table.
//!
//! # The path of one request
//!
//! `verifyCode`, in six stops. `grep -rn verify_code src` is the map.
//!
//! 1. [`http::routes`] names the handler.
//! 2. The handler gets a [`http::extract::Caller`] (the credential, looked at first) and a body.
//! 3. [`store::Store::write_in`] queues it. A lane takes what queued, locks the tenants, reads ahead and
//!    runs all of it in one transaction, a slice (`src/store/lane.rs`, ADR 0015).
//! 4. [`operations::verifications::verify_code`] is the request's part: charge, compare
//!    ([`mfa::attempt`], every candidate step in constant time), record, spend.
//! 5. The writes are gathered and go out by table (`src/store/sets.rs`): as many rows must change as
//!    were gathered, or the slice is rolled back. Then it is committed.
//! 6. [`token::Signer::mint`] takes the committed proof, and nothing else.

pub mod app;
pub mod clock;
pub mod commands;
pub mod config;
pub mod demo;
pub mod http;
pub mod mfa;
pub mod operations;
pub mod store;
pub mod telemetry;
pub mod token;
