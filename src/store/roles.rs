//! Roles: kept by Pawl, given by overrides.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::conn::{change, on};
use super::prepared::update;
use super::rows::RoleRow;
use super::schema::roles;
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{TenantId, UserId};
use crate::mfa::time::Timestamp;
use crate::mfa::words::Role;

impl Tx<'_> {
    /// The roles that a user has now.
    pub(crate) fn roles_of(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
    ) -> Result<BTreeSet<Role>, StoreError> {
        if let Some(known) = self.memo.rows.known(tenant, user) {
            return Ok(known.roles.iter().copied().collect());
        }
        if let Some(known) = self.memo.rows.roles.get(&(tenant.clone(), user.clone())) {
            return Ok(known.clone());
        }
        let held: Vec<Role> = on!(self, conn => roles::table
            .filter(roles::tenant_id.eq(tenant))
            .filter(roles::user_id.eq(user))
            .filter(roles::revoked_at.is_null())
            .select(roles::role)
            .load(conn))?;
        Ok(held.into_iter().collect())
    }

    /// Reads the roles of a page's users at once, for [`Self::roles_of`].
    pub(crate) fn read_roles_of(
        &mut self,
        tenant: &TenantId,
        users: &[UserId],
    ) -> Result<(), StoreError> {
        let held: Vec<(UserId, Role)> = on!(self, conn => roles::table
            .filter(roles::tenant_id.eq(tenant))
            .filter(roles::user_id.eq_any(users))
            .filter(roles::revoked_at.is_null())
            .select((roles::user_id, roles::role))
            .load(conn))?;
        let known = &mut self.memo.rows.roles;
        known.extend(users.iter().map(|user| ((tenant.clone(), user.clone()), BTreeSet::new())));
        for (user, role) in held {
            known.entry((tenant.clone(), user)).or_default().insert(role);
        }
        Ok(())
    }

    /// The users that have a role now.
    pub(crate) fn holders_of(
        &mut self,
        tenant: &TenantId,
        role: Role,
    ) -> Result<Vec<UserId>, StoreError> {
        Ok(on!(self, conn => roles::table
            .filter(roles::tenant_id.eq(tenant))
            .filter(roles::role.eq(role))
            .filter(roles::revoked_at.is_null())
            .order(roles::user_id.asc())
            .select(roles::user_id)
            .load(conn))?)
    }

    /// Since when a user has had a role without a break; nothing if they do not have it.
    pub(crate) fn holder_since(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        role: Role,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(on!(self, conn => roles::table
            .filter(roles::tenant_id.eq(tenant))
            .filter(roles::user_id.eq(user))
            .filter(roles::role.eq(role))
            .filter(roles::revoked_at.is_null())
            .select(roles::granted_at)
            .get_result(conn)
            .optional())?)
    }

    /// How many users lost a role after `since` and do not have it now.
    pub(crate) fn former_holders(
        &mut self,
        tenant: &TenantId,
        role: Role,
        since: Timestamp,
    ) -> Result<usize, StoreError> {
        let former: i64 = on!(self, conn => roles::table
            .filter(roles::tenant_id.eq(tenant))
            .filter(roles::role.eq(role))
            .filter(roles::revoked_at.gt(since))
            .count()
            .get_result(conn))?;
        usize::try_from(former).map_err(|_| StoreError::Invalid("roles"))
    }

    /// Whether a user lost a role after `since`.
    pub(crate) fn lost_a_role(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(on!(self, conn => diesel::select(diesel::dsl::exists(roles::table
            .filter(roles::tenant_id.eq(tenant))
            .filter(roles::user_id.eq(user))
            .filter(roles::revoked_at.gt(since))))
            .get_result(conn))?)
    }

    /// Gives a role, for the first time or again.
    pub(crate) fn grant_role(&mut self, row: RoleRow) -> Result<(), StoreError> {
        let again = change!(self, conn => update(roles::table)
            .filter(roles::tenant_id.eq(&row.tenant_id))
            .filter(roles::user_id.eq(&row.user_id))
            .filter(roles::role.eq(row.role))
            .filter(roles::revoked_at.is_not_null())
            .set((
                roles::revoked_at.eq(None::<Timestamp>),
                roles::granted_at.eq(row.granted_at),
                roles::override_id.eq(row.override_id.as_ref()),
                roles::event_seq.eq(row.event_seq),
            ))
            .execute(conn))?;
        if again == 1 {
            return Ok(());
        }
        let rows =
            change!(self, conn => diesel::insert_into(roles::table).values(row).execute(conn))?;
        exactly_one("roles", rows)
    }

    /// Takes a role away; whether the user had it.
    pub(crate) fn revoke_role(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
        role: Role,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<bool, StoreError> {
        let rows = change!(self, conn => update(roles::table)
            .filter(roles::tenant_id.eq(tenant))
            .filter(roles::user_id.eq(user))
            .filter(roles::role.eq(role))
            .filter(roles::revoked_at.is_null())
            .set((roles::revoked_at.eq(at), roles::event_seq.eq(event)))
            .execute(conn))?;
        Ok(rows == 1)
    }
}
