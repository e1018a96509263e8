//! `pawl demo`: the story.

use clap::Args;

/// Flags of the demo.
#[derive(Debug, Args)]
pub struct Demo {}

/// Plays the story.
///
/// # Errors
/// The step that did not answer as it should.
pub fn play(_: &Demo) -> Result<(), String> {
    Err("not yet".to_owned())
}
