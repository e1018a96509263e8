//! Pawl owns multi-factor authentication for management consoles: enrollment, policy, overrides, and
//! tokens that only a verified code can yield. It turns one way only: a person can always turn it on,
//! and only a named administrator, for a written reason and until a date, can let it turn back.
//!
//! # The map
//!
//! | module | what it is | may import |
//! | --- | --- | --- |
//! | [`mfa`] | what is true: pure | nothing of ours |
//! | [`store`] | what is remembered: the only place that knows diesel | `mfa` |
//! | [`operations`] | what happens: one function, one transaction, one operationId | `mfa`, `store` |
//! | [`token`] | mints, checks, publishes keys | `mfa`, and of `store` only `Committed` |
//! | [`http`] | what is said: routes, problems, the document | `operations`, `token`, `mfa`, `clock`, `telemetry` |
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
//! 3. [`operations::verifications::verify_code`] is the transaction: read, lock, charge, compare,
//!    spend, record.
//! 4. [`mfa::attempt`] is the decision: charged first, then every candidate step in constant time.
//! 5. The store's guarded write spends the step, and its row count must match.
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
