//! Counts that tests read and that no operator needs.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the store did, over all transactions.
#[derive(Debug, Default)]
pub struct Tally {
    statements: AtomicU64,
    late_refusals: AtomicU64,
}

impl Tally {
    /// Statements that were sent, gathered writes and transactions' ends not counted.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Requests that were refused after they had written. Each takes its slice with it, so an operation
    /// checks first and writes then.
    pub fn late_refusals(&self) -> u64 {
        self.late_refusals.load(Ordering::Relaxed)
    }

    pub(crate) fn sent(&self, statements: u64) {
        self.statements.fetch_add(statements, Ordering::Relaxed);
    }

    pub(crate) fn refused_late(&self) {
        self.late_refusals.fetch_add(1, Ordering::Relaxed);
    }
}
