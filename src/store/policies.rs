//! Policy versions: written once.

use diesel::prelude::*;

use super::conn::{change, on};
use super::rows::PolicyRow;
use super::schema::policies;
use super::{StoreError, Tx, exactly_one};
use crate::mfa::ids::TenantId;

impl Tx<'_> {
    /// The version in force. A tenant without one is a broken database, never "no policy".
    pub(crate) fn current_policy(&mut self, tenant: &TenantId) -> Result<PolicyRow, StoreError> {
        if let Some(known) = self.memo.rows.policies.get(tenant) {
            return Ok(known.clone());
        }
        let found = on!(self, conn => policies::table
            .filter(policies::tenant_id.eq(tenant))
            .order(policies::version.desc())
            .select(PolicyRow::as_select())
            .first(conn)
            .optional())?
        .ok_or(StoreError::Invalid("policy"))?;
        self.memo.rows.policies.insert(tenant.clone(), found.clone());
        Ok(found)
    }

    /// A page of versions, newest first, below `before`.
    pub(crate) fn list_policies(
        &mut self,
        tenant: &TenantId,
        before: i64,
        limit: i64,
    ) -> Result<Vec<PolicyRow>, StoreError> {
        Ok(on!(self, conn => policies::table
            .filter(policies::tenant_id.eq(tenant))
            .filter(policies::version.lt(before))
            .order(policies::version.desc())
            .limit(limit)
            .select(PolicyRow::as_select())
            .load(conn))?)
    }

    /// Writes the next version.
    pub(crate) fn insert_policy(&mut self, row: PolicyRow) -> Result<(), StoreError> {
        let rows =
            change!(self, conn => diesel::insert_into(policies::table).values(row).execute(conn))?;
        exactly_one("policies", rows)
    }
}
