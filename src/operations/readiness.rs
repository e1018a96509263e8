//! Whether this program can serve from its database.

use super::{Done, Pawl};
use crate::store::StoreError;

/// What keeps this program from serving from a database that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The schema is for later versions.
    Schema,
    /// A thread that writes has ended.
    Writer,
    /// The keys at hand do not open what is sealed, or the one that seals was replaced.
    Seal,
}

/// What keeps this program from serving; the database can be read, if there is an answer. The key check
/// is one row and an empty text, so it is opened each time.
///
/// # Errors
/// Only the database's.
pub async fn obstacle(pawl: &Pawl) -> Done<Option<Obstacle>> {
    if !pawl.store.is_writing() {
        tracing::error!("a writer has ended: restart this server");
        return Ok(Some(Obstacle::Writer));
    }
    pawl.store
        .check("obstacle", |tx| -> Done<_> {
            if !tx.may_serve()? {
                return Ok(Some(Obstacle::Schema));
            }
            match tx.check_keys() {
                Ok(()) => Ok(None),
                Err(StoreError::Seal(error)) => {
                    tracing::error!(%error, "the key-encryption keys are not the database's");
                    Ok(Some(Obstacle::Seal))
                }
                Err(error) => Err(error.into()),
            }
        })
        .await
}
