//! Petitions: wishes for overrides.

use diesel::prelude::*;

use super::conn::{change, on};
use super::deadline::Timed as _;
use super::prepared::update;
use super::rows::PetitionRow;
use super::schema::petitions;
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{OverrideId, PetitionId, TenantId, UserId};
use crate::mfa::overrides::{PetitionKind, PetitionState};
use crate::mfa::time::Timestamp;

/// Which petitions a reader wants, by id.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub struct PetitionFilter {
    pub state: Option<PetitionState>,
    pub user: Option<UserId>,
    pub after: String,
    pub limit: i64,
}

/// How a petition was decided.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct PetitionDecision<'a> {
    pub state: PetitionState,
    pub by: Option<&'a UserId>,
    pub override_id: Option<&'a OverrideId>,
    pub at: Timestamp,
    pub event: EventSeq,
}

impl Tx<'_> {
    /// A petition by its id.
    pub(crate) fn find_petition(
        &mut self,
        tenant: &TenantId,
        id: &PetitionId,
    ) -> Result<Option<PetitionRow>, StoreError> {
        Ok(on!(self, conn => petitions::table
            .filter(petitions::tenant_id.eq(tenant))
            .filter(petitions::id.eq(id))
            .select(PetitionRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// A page of petitions, by id.
    pub(crate) fn list_petitions(
        &mut self,
        tenant: &TenantId,
        filter: &PetitionFilter,
    ) -> Result<Vec<PetitionRow>, StoreError> {
        Ok(on!(self, conn => {
            let mut query = petitions::table
                .filter(conn.in_time())
                .filter(petitions::tenant_id.eq(tenant))
                .filter(petitions::id.gt(&filter.after))
                .order(petitions::id.asc())
                .limit(filter.limit)
                .select(PetitionRow::as_select())
                .into_boxed();
            if let Some(state) = filter.state {
                query = query.filter(petitions::state.eq(state));
            }
            if let Some(user) = &filter.user {
                query = query.filter(petitions::user_id.eq(user));
            }
            query.load(conn)
        })?)
    }

    /// The open petitions of a user and a kind, the newest first.
    pub(crate) fn open_petitions(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        kind: PetitionKind,
    ) -> Result<Vec<PetitionRow>, StoreError> {
        Ok(on!(self, conn => petitions::table
            .filter(petitions::tenant_id.eq(tenant))
            .filter(petitions::user_id.eq(user))
            // As it stands in the index.
            .filter(diesel::dsl::sql::<diesel::sql_types::Bool>("state = 'open'"))
            .filter(petitions::kind.eq(kind))
            .order((petitions::created_at.desc(), petitions::id.desc()))
            .select(PetitionRow::as_select())
            .load(conn))?)
    }

    /// Files a petition.
    pub(crate) fn insert_petition(&mut self, row: PetitionRow) -> Result<(), StoreError> {
        let rows =
            change!(self, conn => diesel::insert_into(petitions::table).values(row).execute(conn))?;
        exactly_one("petitions", rows)
    }

    /// Decides an open petition.
    pub(crate) fn decide_petition(
        &mut self,
        tenant: &TenantId,
        id: &PetitionId,
        decision: &PetitionDecision<'_>,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(petitions::table)
            .filter(petitions::tenant_id.eq(tenant))
            .filter(petitions::id.eq(id))
            .filter(petitions::state.eq(PetitionState::Open))
            .set((
                petitions::state.eq(decision.state),
                petitions::decided_at.eq(decision.at),
                petitions::decided_by.eq(decision.by),
                petitions::override_id.eq(decision.override_id),
                petitions::event_seq.eq(decision.event),
            ))
            .execute(conn))?;
        exactly_one("petitions", rows)
    }
}
