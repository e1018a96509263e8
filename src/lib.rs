//! Pawl.
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
