//! The harness: a real server on a socket, a clock that tests move, actors that know only what their
//! like would know, and the document as the judge of every answer.

mod actors;
mod authenticator;
pub mod document;
#[allow(dead_code, reason = "tests/secrets.rs and tests/traces.rs have this harness too")]
pub mod held;
mod http;
mod keys;
mod postgres;
pub mod sample;
mod scrape;
mod server;
pub mod signer;
#[allow(dead_code, reason = "tests/secrets.rs and tests/traces.rs have this harness too")]
pub mod wire;

pub use actors::{Act, Console, REASON, Tenant, User};
pub use authenticator::Authenticator;
pub use http::{Answer, Call, code_of};
pub use keys::DAYS;
pub use server::Server;
#[allow(unused_imports, reason = "tests/secrets.rs has this harness too")]
pub use server::{done, waited};
