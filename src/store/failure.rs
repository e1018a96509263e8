//! Why a transaction failed.

use std::path::PathBuf;
use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error as QueryError};

use super::seal;

/// Why the database could not answer. It is never read as "absent".
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file is not there.
    #[error("there is no database at {0}")]
    Missing(PathBuf),
    /// No connection could be had.
    #[error("cannot connect to the database")]
    Connect(#[source] diesel::ConnectionError),
    /// PostgreSQL cannot be reached.
    #[error("PostgreSQL cannot be reached")]
    Reach(#[source] tokio_postgres::Error),
    /// The database could not be reached, or did not answer in time.
    #[error("the database cannot be reached, or does not answer")]
    Unreachable,
    /// A statement failed, or a row could not be read.
    #[error("the database refused a statement")]
    Query(#[from] diesel::result::Error),
    /// A guarded statement changed another number of rows than it must.
    #[error("a guarded write of {0} changed {1} rows")]
    Guard(&'static str, usize),
    /// A sealed value could not be opened.
    #[error("a sealed value could not be opened")]
    Seal(#[from] seal::SealError),
    /// The row holds something that the domain refuses.
    #[error("the database holds an invalid {0}")]
    Invalid(&'static str),
    /// The transaction panicked; its connection was dropped.
    #[error("the transaction {0} panicked")]
    Panicked(&'static str),
    /// The clock is behind what is on record.
    #[error("the clock is {0} seconds behind the newest event: correct it")]
    Clock(i64),
    /// The queue is full or the store is closed.
    #[error("the store takes no more work")]
    Busy,
    /// Another transaction held the lock of the tenant for too long.
    #[error("another transaction holds the lock of this tenant")]
    Held,
    /// The schema is not the one that this program was built with.
    #[error("{0}")]
    Schema(String),
    /// The transaction that this request shared with others could not begin or be committed.
    #[error(transparent)]
    Shared(Arc<StoreError>),
}

impl StoreError {
    /// Whether the database itself said no to a commit.
    pub(super) fn is_answer(&self) -> bool {
        use DatabaseErrorKind as Kind;
        let Self::Query(QueryError::DatabaseError(kind, _)) = self else { return false };
        matches!(
            kind,
            Kind::ForeignKeyViolation
                | Kind::UniqueViolation
                | Kind::CheckViolation
                | Kind::NotNullViolation
                | Kind::SerializationFailure
        )
    }
}

/// What a transaction's closure may fail with.
pub trait Failing: From<StoreError> {
    /// Whether its transaction may go on with other requests, if nothing was written: it says no, or
    /// found something wrong that is no failure of a statement.
    fn is_sound(&self) -> bool;

    /// Whether it is an answer to the caller. An answer that comes after a write rolls back what it shared
    /// a transaction with; a fault of the installation may.
    fn is_refusal(&self) -> bool {
        false
    }
}

impl Failing for StoreError {
    fn is_sound(&self) -> bool {
        matches!(self, Self::Clock(_) | Self::Seal(_) | Self::Invalid(_))
    }
}
