//! The versions of the schema are a record too.

use crate::database::hostile::{Hostile, hostile};

/// What would tell another version of the schema.
pub fn all() -> Vec<Hostile> {
    let insert = "INSERT OR REPLACE INTO schema_versions VALUES ";
    [
        (
            "an object is declared",
            "UPDATE schema_versions SET added = 'mine'".to_owned(),
            "schema_versions: append only",
        ),
        (
            "a version is taken back",
            "DELETE FROM schema_versions".to_owned(),
            "schema_versions: never deleted",
        ),
        (
            "a version is written anew",
            format!("{insert}(1, 1, 'mine', '')"),
            "schema_versions: not after the newest",
        ),
        (
            "a version is slipped in below the newest",
            format!("{insert}(3, 1, '', ''); {insert}(2, 1, 'mine', '')"),
            "schema_versions: not after the newest",
        ),
    ]
    .into_iter()
    .map(|(why, sql, says)| hostile(7, why, sql, says))
    .collect()
}
