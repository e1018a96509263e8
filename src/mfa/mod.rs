//! What is true. Pure: no IO, no clock, no randomness; time and random bytes are arguments.

pub mod attempt;
pub mod challenge;
pub mod client;
pub mod client_key;
pub mod daily;
pub mod decision;
pub mod event;
pub mod factor;
pub mod ids;
pub mod label;
pub mod overrides;
pub mod policy;
pub mod qr;
pub mod rate;
pub mod recovery;
pub mod refusal;
pub mod reported;
pub mod retention;
pub mod secret;
pub mod source;
pub mod text;
pub mod throttle;
pub mod time;
pub mod token_key;
pub mod totp;
mod typed;
pub mod words;
