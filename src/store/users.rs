//! Users, and the groups that consoles assert of them.

use diesel::prelude::*;

use super::conn::{change, on};
use super::deadline::Timed as _;
use super::prepared::update;
use super::rows::{UserGroupsRow, UserRow};
use super::schema::{directories, user_groups, users};
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{DirectoryId, TenantId, UserId};
use crate::mfa::time::Timestamp;
use crate::mfa::words::{DisplayName, ExternalId};

/// Which users a reader wants, by id.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names say it")]
pub struct UserFilter {
    pub directory: Option<DirectoryId>,
    pub after: String,
    pub limit: i64,
}

impl Tx<'_> {
    /// A user of this tenant; of this directory, if the caller is bound to one.
    pub(crate) fn find_user(
        &mut self,
        tenant: &TenantId,
        directory: Option<&DirectoryId>,
        id: &UserId,
    ) -> Result<Option<UserRow>, StoreError> {
        if let Some(known) = self.memo.rows.known(tenant, id) {
            let is_seen = directory.is_none_or(|directory| *directory == known.user.directory_id);
            return Ok(is_seen.then(|| known.user.clone()));
        }
        Ok(on!(self, conn => {
            let mut query = users::table
                .filter(users::tenant_id.eq(tenant))
                .filter(users::id.eq(id))
                .select(UserRow::as_select())
                .into_boxed();
            if let Some(directory) = directory {
                query = query.filter(users::directory_id.eq(directory));
            }
            query.get_result(conn).optional()
        })?)
    }

    /// A user by the console's own id: exact bytes.
    pub(crate) fn find_user_by_external_id(
        &mut self,
        tenant: &TenantId,
        directory: &DirectoryId,
        external_id: &ExternalId,
    ) -> Result<Option<UserRow>, StoreError> {
        if let Some(read) = self.memo.rows.read.get(tenant)
            && let Some(id) = read.external.get(&(directory.clone(), external_id.clone()))
            && let Some(known) = read.people.get(id)
        {
            return Ok(Some(known.user.clone()));
        }
        Ok(on!(self, conn => users::table
            .filter(users::tenant_id.eq(tenant))
            .filter(users::directory_id.eq(directory))
            .filter(users::external_id.eq(external_id))
            .select(UserRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// The oldest user of a directory whose external id folds to this.
    pub(crate) fn find_user_by_folded(
        &mut self,
        tenant: &TenantId,
        directory: &DirectoryId,
        folded: &str,
    ) -> Result<Option<UserRow>, StoreError> {
        Ok(on!(self, conn => users::table
            .filter(users::tenant_id.eq(tenant))
            .filter(users::directory_id.eq(directory))
            .filter(users::external_id_folded.eq(folded))
            .order((users::created_at.asc(), users::id.asc()))
            .select(UserRow::as_select())
            .first(conn)
            .optional())?)
    }

    /// A page of users, by id.
    pub(crate) fn list_users(
        &mut self,
        tenant: &TenantId,
        filter: &UserFilter,
    ) -> Result<Vec<UserRow>, StoreError> {
        Ok(on!(self, conn => {
            let mut query = users::table
                .filter(conn.in_time())
                .filter(users::tenant_id.eq(tenant))
                .filter(users::id.gt(&filter.after))
                .order(users::id.asc())
                .limit(filter.limit)
                .select(UserRow::as_select())
                .into_boxed();
            if let Some(directory) = &filter.directory {
                query = query.filter(users::directory_id.eq(directory));
            }
            query.load(conn)
        })?)
    }

    /// How many users a directory has, those that left included: a count that is kept, not made.
    pub(crate) fn users_of_directory(
        &mut self,
        tenant: &TenantId,
        directory: &DirectoryId,
    ) -> Result<i64, StoreError> {
        Ok(on!(self, conn => directories::table
            .filter(directories::tenant_id.eq(tenant))
            .filter(directories::id.eq(directory))
            .select(directories::users)
            .get_result(conn))?)
    }

    /// Writes a new user, whom the directory counts.
    pub(crate) fn insert_user(&mut self, row: UserRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(directories::table)
            .filter(directories::tenant_id.eq(&row.tenant_id))
            .filter(directories::id.eq(&row.directory_id))
            .set((directories::users.eq(directories::users + 1), directories::event_seq.eq(row.event_seq)))
            .execute(conn))?;
        exactly_one("directories", rows)?;
        let rows =
            change!(self, conn => diesel::insert_into(users::table).values(row).execute(conn))?;
        exactly_one("users", rows)
    }

    /// Renames a user: a label, by which nothing is decided.
    pub(crate) fn rename_user(
        &mut self,
        tenant: &TenantId,
        id: &UserId,
        name: &DisplayName,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(users::table)
            .filter(users::tenant_id.eq(tenant))
            .filter(users::id.eq(id))
            .set((users::display_name.eq(name), users::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("users", rows)
    }

    /// Raises a user's epoch: tokens of an older one are stale from now on.
    pub(crate) fn raise_epoch(
        &mut self,
        tenant: &TenantId,
        id: &UserId,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(users::table)
            .filter(users::tenant_id.eq(tenant))
            .filter(users::id.eq(id))
            .set((users::epoch.eq(users::epoch + 1), users::event_seq.eq(event))).execute(conn))?;
        exactly_one("users", rows)
    }

    /// After a reset: the next factor needs a ticket. Raises the epoch too.
    pub(crate) fn require_ticket(
        &mut self,
        tenant: &TenantId,
        id: &UserId,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(users::table)
            .filter(users::tenant_id.eq(tenant))
            .filter(users::id.eq(id))
            .set((
                users::ticket_only.eq(true),
                users::epoch.eq(users::epoch + 1),
                users::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly_one("users", rows)
    }

    /// A factor was bound: the user was enrolled once, and the ticket's duty is done if `by_ticket`.
    pub(crate) fn mark_enrolled(
        &mut self,
        user: &UserRow,
        by_ticket: bool,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(users::table)
            .filter(users::tenant_id.eq(&user.tenant_id))
            .filter(users::id.eq(&user.id))
            .set((
                users::ever_enrolled.eq(true),
                users::ticket_only.eq(user.ticket_only && !by_ticket),
                users::epoch.eq(users::epoch + 1),
                users::event_seq.eq(event),
            )).execute(conn))?;
        exactly_one("users", rows)
    }

    /// The user left.
    pub(crate) fn offboard_user(
        &mut self,
        tenant: &TenantId,
        id: &UserId,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(users::table)
            .filter(users::tenant_id.eq(tenant))
            .filter(users::id.eq(id))
            .filter(users::offboarded_at.is_null())
            .set((
                users::offboarded_at.eq(at),
                users::ticket_only.eq(true),
                users::epoch.eq(users::epoch + 1),
                users::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly_one("users", rows)
    }

    /// The groups that each client asserts of a user.
    pub(crate) fn list_user_groups(
        &mut self,
        tenant: &TenantId,
        user: &UserId,
    ) -> Result<Vec<UserGroupsRow>, StoreError> {
        if let Some(known) = self.memo.rows.known(tenant, user) {
            return Ok(known.groups.clone());
        }
        Ok(on!(self, conn => user_groups::table
            .filter(user_groups::tenant_id.eq(tenant))
            .filter(user_groups::user_id.eq(user))
            .select(UserGroupsRow::as_select())
            .load(conn))?)
    }

    /// Keeps the groups that one client asserts of a user.
    pub(crate) fn put_user_groups(
        &mut self,
        row: UserGroupsRow,
        is_new: bool,
    ) -> Result<(), StoreError> {
        let rows = if is_new {
            change!(self, conn => diesel::insert_into(user_groups::table).values(row).execute(conn))?
        } else {
            change!(self, conn => update(user_groups::table)
                .filter(user_groups::tenant_id.eq(&row.tenant_id))
                .filter(user_groups::user_id.eq(&row.user_id))
                .filter(user_groups::client_id.eq(&row.client_id))
                .set((
                    user_groups::groups.eq(&row.groups),
                    user_groups::is_complete.eq(row.is_complete),
                    user_groups::is_told.eq(row.is_told),
                    user_groups::held.eq(row.held),
                    user_groups::event_seq.eq(row.event_seq),
                ))
                .execute(conn))?
        };
        exactly_one("user_groups", rows)
    }
}
