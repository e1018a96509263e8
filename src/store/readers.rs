//! Connections that read, in two pools: a page of a long list never keeps a credential check waiting.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::conn::Line;

/// What a read transaction is for, which decides whose connection it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A credential, a key set or the readiness: a few rows by their keys, asked before everything else.
    Check,
    /// Everything else.
    Page,
}

/// Read transactions at a time, of each pool.
const READERS: usize = 4;

/// One pool.
struct Pool {
    idle: Mutex<Vec<Line>>,
    turns: Arc<Semaphore>,
}

impl Pool {
    fn new() -> Self {
        Self { idle: Mutex::new(Vec::new()), turns: Arc::new(Semaphore::new(READERS)) }
    }
}

/// Both pools.
pub(super) struct Readers {
    checks: Pool,
    pages: Pool,
}

impl Readers {
    pub(super) fn new() -> Self {
        Self { checks: Pool::new(), pages: Pool::new() }
    }

    fn pool(&self, purpose: Purpose) -> &Pool {
        match purpose {
            Purpose::Check => &self.checks,
            Purpose::Page => &self.pages,
        }
    }

    /// Waits until one of the pool's connections may be used.
    pub(super) async fn turn(
        &self,
        purpose: Purpose,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        Arc::clone(&self.pool(purpose).turns).acquire_owned().await
    }

    /// An idle connection, if there is one.
    pub(super) fn take(&self, purpose: Purpose) -> Option<Line> {
        self.pool(purpose).idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Keeps a connection for the next. One that was lost is taken last.
    pub(super) fn keep(&self, purpose: Purpose, line: Line) {
        let mut idle = self.pool(purpose).idle.lock().unwrap_or_else(PoisonError::into_inner);
        let at = if line.is_open() { idle.len() } else { 0 };
        idle.insert(at, line);
    }
}
