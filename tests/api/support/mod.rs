//! The harness: a real server on a socket, a clock that tests move, actors that know only what their
//! like would know, and the document as the judge of every answer.

mod actors;
mod authenticator;
pub mod document;
pub mod held;
mod http;
mod keys;
pub mod postgres;
pub mod sample;
mod scrape;
mod server;
pub mod signer;
pub mod wire;

pub use actors::{Act, Console, REASON, Tenant, User};
pub use authenticator::Authenticator;
pub use http::{Answer, Call, code_of};
pub use keys::DAYS;
pub use server::Server;
pub use server::{done, in_words, waited};
