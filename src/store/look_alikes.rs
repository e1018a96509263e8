//! Users of one directory whose external ids fold alike, for `pawl doctor`.

use diesel::dsl::count_star;
use diesel::prelude::*;

use super::conn::on;
use super::schema::users;
use super::{StoreError, Tx};
use crate::mfa::ids::{DirectoryId, TenantId};
use crate::mfa::words::ExternalId;

/// An id as a directory compares it, and how many who did not leave have it.
type Alike = (DirectoryId, String, i64);

impl Tx<'_> {
    /// Folded ids that more than one user has who did not leave, by directory: up to `most`.
    pub(crate) fn list_look_alikes(
        &mut self,
        tenant: &TenantId,
        most: i64,
    ) -> Result<Vec<Alike>, StoreError> {
        Ok(on!(self, conn => users::table
            .filter(users::tenant_id.eq(tenant))
            .filter(users::offboarded_at.is_null())
            .group_by((users::directory_id, users::external_id_folded))
            .having(count_star().gt(1))
            .order((users::directory_id.asc(), users::external_id_folded.asc()))
            .select((users::directory_id, users::external_id_folded, count_star()))
            .limit(most)
            .load(conn))?)
    }

    /// The spellings of one folded id, oldest first: up to `most`.
    pub(crate) fn list_spellings(
        &mut self,
        tenant: &TenantId,
        (directory, folded): (&DirectoryId, &str),
        most: i64,
    ) -> Result<Vec<ExternalId>, StoreError> {
        Ok(on!(self, conn => users::table
            .filter(users::tenant_id.eq(tenant))
            .filter(users::directory_id.eq(directory))
            .filter(users::external_id_folded.eq(folded))
            .filter(users::offboarded_at.is_null())
            .order((users::created_at.asc(), users::id.asc()))
            .select(users::external_id)
            .limit(most)
            .load(conn))?)
    }
}
