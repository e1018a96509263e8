//! The configuration for a program: what a deployment is held against.

use serde_json::{Map, Value, json};

use crate::app::DRAIN_SECONDS;
use crate::config::{Config, Kind, VARIABLES};
use crate::http::health;

/// Every variable with its value, default and kind; the ports, the paths beside the API, and how long an
/// end may take.
pub(super) fn as_json(config: &Config) -> Value {
    let pairs = config.pairs().into_iter().zip(VARIABLES);
    let variables: Map<_, _> = pairs
        .map(|((name, value), variable)| {
            let told = json!({
                "value": value,
                "default": variable.default,
                "kind": Kind::of(name),
                "about": variable.about,
            });
            (name.to_owned(), told)
        })
        .collect();
    json!({
        "variables": variables,
        "ports": { "api": config.listen.port(), "health": config.health_listen.port() },
        "health_paths": health::PATHS,
        "drain_seconds": DRAIN_SECONDS,
    })
}
