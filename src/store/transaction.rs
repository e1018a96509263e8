//! One transaction that shares nothing: a read, or what a lane does for itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use super::conn::{Intent, Line};
use super::memo::Memo;
use super::{Keys, StoreError, Tx, postgres};
use crate::telemetry::metrics::Ended;

/// One transaction on one connection. After a panic the connection is dropped, for nobody can know
/// what state it is in.
pub(super) fn transact<T, E: From<StoreError>>(
    line: &mut Line,
    keys: &Keys,
    intent: Intent,
    name: &'static str,
    operation: &impl Fn(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let (began, metrics) = (Instant::now(), Arc::clone(&line.metrics));
    let (mut memo, mut has_begun) = (Memo::default(), false);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        let connection = line.begin(intent)?;
        has_begun = true;
        let mut tx = Tx { connection, keys, memo: &mut memo };
        let value = operation(&mut tx)?;
        tx.flush()?;
        Ok(value)
    }));
    let (ended, result) = match ran {
        Ok(Ok(value)) => match line.end("COMMIT") {
            Ok(()) => (Ended::Committed, Ok(value)),
            Err(error) => (Ended::Failed, Err(E::from(error))),
        },
        Ok(Err(error)) => {
            // A rollback without an answer drops the connection, which rolls back too.
            let _ = line.end("ROLLBACK");
            (if has_begun { Ended::RolledBack } else { Ended::Failed }, Err(error))
        }
        Err(thrown) => {
            line.drop_connection();
            let gave_up = thrown.is::<postgres::GaveUp>();
            let error = if gave_up { StoreError::Unreachable } else { StoreError::Panicked(name) };
            (Ended::Failed, Err(E::from(error)))
        }
    };
    metrics.tally.sent(memo.statements);
    metrics.transaction(name, ended, began);
    if ended == Ended::Committed {
        metrics.committed(&memo.occurrences);
    }
    result
}
