//! What happens: one function is one operation, one transaction and one operationId.
//!
//! An operation that refuses without a trace answers `Err(Failure::Refused)`, and its transaction is
//! rolled back. A refusal that must leave a trace (a wrong code, a refused disable) is a value:
//! `Ok(Err(refusal))`, and its charge or event is committed before anybody hears of it.

pub mod access;
pub mod acts;
mod approvals;
mod authority;
pub mod bootstrap;
pub mod break_glass;
mod call;
mod caller;
mod client_changes;
pub mod client_endings;
pub mod client_keys;
pub mod client_secrets;
pub mod client_tokens;
pub mod client_updates;
pub mod clients;
mod codes;
pub mod confirmations;
mod credential;
mod daily;
mod decisions;
mod ending;
pub mod enrollments;
mod entropy;
pub mod evaluations;
pub mod events;
pub mod examination;
mod execute;
mod foresight;
mod groups;
mod handles;
pub mod keys;
pub mod look_alikes;
pub mod override_life;
pub mod overrides;
pub mod petitions;
pub mod policies;
pub mod proofs;
mod protocol;
pub mod readiness;
pub mod readings;
mod recent;
pub mod recovery;
mod requests;
pub mod resealing;
pub mod retention;
pub mod roles;
mod standing;
pub mod status;
pub mod take_up;
pub mod tenant_changes;
pub mod tenants;
pub mod tickets;
pub mod token_keys;
pub(crate) mod union;
pub mod users;
pub mod verifications;
mod wording;

use std::sync::Arc;

pub use call::{Call, Holder, Presented};
pub use credential::ClientCredential;
pub use entropy::Entropy;
pub use handles::{Handle, SharedCode, Shown};
pub use recent::Recent;

use crate::mfa::daily::Allowances;
use crate::mfa::ids::TenantId;
use crate::mfa::refusal::Refusal;
use crate::mfa::words::{Audience, InvalidWord};
pub use crate::store::{Committed, Due, EventFilter, Purged};
use crate::store::{Failing, Store, StoreError};
use crate::telemetry::metrics::Metrics;

/// What every operation needs besides its call.
#[derive(Clone)]
pub struct Pawl {
    /// The database.
    pub store: Store,
    /// The public base URL, without a trailing slash.
    pub base_url: Arc<str>,
    /// Client keys that were good a moment ago.
    pub recent: Arc<Recent>,
    /// What `/metrics` shows.
    pub metrics: Arc<Metrics>,
    /// What a client may do in a day.
    pub per_day: Allowances,
}

/// Why an operation did nothing.
#[derive(Debug)]
pub enum Failure {
    /// It says no.
    Refused(Refusal),
    /// The database cannot answer. Never read as "absent".
    Store(StoreError),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failing for Failure {
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Store(error) => error.is_sound(),
        }
    }
}

/// The answer of an operation.
pub type Done<T> = Result<T, Failure>;

/// A committed outcome: what was done, or a refusal whose trace was written.
pub type Traced<T> = Result<T, Refusal>;

/// Gives up the proof of the commit and joins both kinds of refusal.
fn answer<T>(committed: Committed<Traced<T>>) -> Done<T> {
    committed.into_inner().map_err(Failure::Refused)
}

/// Pawl's own audience of a tenant: its issuer string (RFC 9068; design section 8).
///
/// # Errors
/// If the base URL has characters that no audience has; start-up refuses such a one.
pub fn own_audience(base_url: &str, tenant: &TenantId) -> Result<Audience, InvalidWord> {
    Audience::parse(&format!("{base_url}/t/{tenant}"))
}

/// The hash of a client key's secret part, as the database keeps it.
#[must_use]
pub fn secret_hash(secret: &str) -> [u8; 32] {
    crate::store::seal::sha256(secret.as_bytes())
}

/// How many rows a page has, and where it begins.
#[derive(Debug, Clone)]
pub struct Page {
    /// The last id, version or sequence number that the caller has seen.
    pub after: Option<String>,
    /// Rows asked for, 1 to 100.
    pub limit: i64,
}

/// Cuts one row too many off a page; the cursor is the last row's if there was one.
fn cut<T>(mut rows: Vec<T>, limit: i64, cursor: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(0);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = if more { rows.last().map(cursor) } else { None };
    (rows, next)
}
