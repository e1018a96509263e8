//! Which requests share a transaction.

use std::collections::HashSet;

use tokio::sync::mpsc;

use super::lane::Job;

/// Requests in one transaction.
pub(super) const SLICE: usize = 128;

/// Credentials in one transaction. It holds the locks of all their tenants until its end.
const CREDENTIALS: usize = 16;

/// Whether more than one credential is in a slice.
pub(super) fn are_several(slice: &[Box<dyn Job>]) -> bool {
    slice.windows(2).any(|pair| matches!(pair, [a, b] if a.credential() != b.credential()))
}

/// A slice for each credential.
pub(super) fn by_credential(mut slice: Vec<Box<dyn Job>>) -> Vec<Vec<Box<dyn Job>>> {
    let mut parts = Vec::new();
    while let Some(credential) = slice.first().map(|job| job.credential()) {
        let (own, others) = slice.into_iter().partition(|job| job.credential() == credential);
        parts.push(own);
        slice = others;
    }
    parts
}

/// How many of these share one transaction: all that may, of so many credentials.
pub(super) fn shared(jobs: &[Box<dyn Job>]) -> usize {
    let mut credentials = HashSet::new();
    let mut end = 0;
    for job in jobs {
        let Some(credential) = job.credential() else { break };
        credentials.insert(credential);
        if credentials.len() > CREDENTIALS {
            break;
        }
        end += 1;
    }
    end.max(1)
}

/// The next job, waited for, and those that queued behind it.
pub(super) fn take(queue: &mut mpsc::Receiver<Box<dyn Job>>) -> Option<Vec<Box<dyn Job>>> {
    let mut taken = vec![queue.blocking_recv()?];
    while taken.len() < SLICE
        && let Ok(job) = queue.try_recv()
    {
        taken.push(job);
    }
    Some(taken)
}
