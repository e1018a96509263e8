//! Pawl over real HTTP, as a console and its people see it. Every answer of every test is held to
//! `openapi/openapi.json`, and what was provoked is written down for `tests/pairs.rs`.

mod support;

mod contract;
mod smoke;
