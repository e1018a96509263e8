//! What a transaction remembers of what it read, so that a slice of requests reads it once.
//!
//! Nothing here outlives its transaction, and the tenants of a slice are locked, so nobody else can
//! change what is remembered.
//!
//! A query goes through `on!`, which sends what is pending first; a write through `change!`, which also
//! forgets `rows`. A gathered write sets `is_changed`, flushes first if its row is pending already,
//! corrects what `rows` knows of it, and is pushed. Whoever reads from `rows` repeats each condition of
//! the query beside it that reading ahead left out, such as `expires_at > now`.

use std::collections::{BTreeSet, HashMap};

use super::ahead::{Known, Read};
use super::rows::{ClientKeyRow, ClientRow, ClientSecretRow, PolicyRow, TenantRow};
use super::sets::Pending;
use crate::mfa::ids::{ClientId, EventId, OverrideId, TenantId, UserId};
use crate::mfa::time::Timestamp;
use crate::mfa::token_key::Kid;
use crate::mfa::words::Role;
use crate::telemetry::metrics::Occurrence;

/// Number and time of a tenant's newest event, if it has one.
pub(super) type Newest = Option<(i64, Timestamp)>;

/// The memory of one transaction.
#[derive(Default)]
pub(super) struct Memo {
    /// Whether the request at work has written anything.
    pub(super) is_changed: bool,
    /// Requests that were refused after they had written.
    pub(super) late_refusals: Vec<&'static str>,
    /// Statements that were sent, not counting what was gathered.
    pub(super) statements: u64,
    /// Whether the key that seals was found to be allowed to, and is as long as this lasts.
    pub(super) may_seal: bool,
    /// The last event that was written: whether it is there tells what became of a commit.
    pub(super) last_event: Option<(TenantId, EventId)>,
    /// The token key that signs. No request of a slice changes it.
    pub(super) signing: Option<Kid>,
    /// To be counted once it is committed.
    pub(super) occurrences: Vec<Occurrence>,
    /// Kept up by `record`, which is the only way to write an event.
    pub(super) newest: HashMap<TenantId, Newest>,
    pub(super) rows: Rows,
    /// Written, and not yet sent.
    pub(super) pending: Pending,
}

/// Rows that whole slices share. Any write but those of a login forgets them.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) clients: HashMap<ClientId, Option<ClientRow>>,
    pub(super) secrets: HashMap<ClientId, Vec<ClientSecretRow>>,
    pub(super) tenants: HashMap<TenantId, Option<TenantRow>>,
    pub(super) policies: HashMap<TenantId, PolicyRow>,
    /// Of the rows of a page, read at once.
    pub(super) keys: HashMap<ClientId, Vec<ClientKeyRow>>,
    pub(super) roles: HashMap<(TenantId, UserId), BTreeSet<Role>>,
    pub(super) approvers: HashMap<(TenantId, OverrideId), Vec<UserId>>,
    pub(super) read: HashMap<TenantId, Read>,
}

impl Rows {
    /// A user of this tenant, if they were read.
    pub(super) fn known(&self, tenant: &TenantId, user: &UserId) -> Option<&Known> {
        self.read.get(tenant)?.people.get(user)
    }
}

impl Memo {
    /// Something was written that rows in memory may tell otherwise.
    pub(super) fn forget(&mut self) {
        self.is_changed = true;
        self.rows = Rows::default();
    }
}
