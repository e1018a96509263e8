//! Whether this program can serve from its database.

use super::{Done, Pawl};

/// Whether the database lets programs of this version serve; it can be read, if there is an answer.
///
/// # Errors
/// Only the database's.
pub async fn may_serve(pawl: &Pawl) -> Done<bool> {
    pawl.store.read("may_serve", |tx| Ok(tx.may_serve()?)).await
}
