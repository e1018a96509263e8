//! Reading ahead: what the requests of a slice will ask first, asked once for all of them.
//!
//! Only PostgreSQL is worth it, where each question is a journey. What is read here is kept up by the
//! writes of a login, and forgotten at any other write.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, Text};

use super::lane::Whose;
use super::postgres::PgConnection;
use super::rows::{
    ChallengeRow, EnrollmentRow, FactorRow, OverrideRow, ThrottleRow, UserGroupsRow, UserRow,
};
use super::schema::{
    challenges, enrollments, factor_steps, factors, overrides, roles, throttles, user_groups, users,
};
use super::{Connection, StoreError, Tx};
use crate::mfa::challenge::EnrollmentAuthority;
use crate::mfa::factor::FactorState;
use crate::mfa::ids::{DirectoryId, FactorId, TenantId, UserId};
use crate::mfa::overrides::{OverrideKind, OverrideState};
use crate::mfa::time::Step;
use crate::mfa::words::{ExternalId, Role};

/// The throttle of codes at a login.
pub(crate) const LOGIN_LANE: &str = "login";

/// The login throttles of some users. Each is found by its whole key: a tenant's rows of a lane are as many as its
/// users, which PostgreSQL does not know until it has analyzed them.
#[derive(Debug)]
struct LoginThrottles<'a> {
    users: &'a [UserId],
    tenant: &'a TenantId,
}

impl Query for LoginThrottles<'_> {
    type SqlType = throttles::SqlType;
}

impl QueryId for LoginThrottles<'_> {
    type QueryId = LoginThrottles<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for LoginThrottles<'_> {}

impl QueryFragment<Pg> for LoginThrottles<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT t.* FROM unnest(");
        out.push_bind_param::<Array<Text>, _>(self.users)?;
        out.push_sql(
            ") AS asked (user_id) CROSS JOIN LATERAL (SELECT * FROM throttles WHERE tenant_id = ",
        );
        out.push_bind_param::<Text, _>(self.tenant)?;
        out.push_sql(" AND user_id = asked.user_id AND lane = ");
        out.push_bind_param::<Text, _>(LOGIN_LANE)?;
        out.push_sql(" OFFSET 0) AS t");
        Ok(())
    }
}

/// What a request will read first.
#[derive(Debug, Clone)]
pub enum Ahead {
    /// Nothing that is worth it.
    Nothing,
    /// A challenge by the SHA-256 of its handle, and its user.
    Challenge([u8; 32]),
    /// A user by the console's own id.
    User(ExternalId),
}

/// What is known of a tenant's users; what is not here was not read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) challenges: HashMap<Vec<u8>, Option<ChallengeRow>>,
    pub(super) external: HashMap<(DirectoryId, ExternalId), UserId>,
    pub(super) people: HashMap<UserId, Known>,
    pub(super) steps: HashMap<FactorId, Step>,
}

/// What is known of a user.
pub(super) struct Known {
    pub(super) user: UserRow,
    pub(super) factor: Option<FactorRow>,
    /// In the login's lane.
    pub(super) throttle: Option<ThrottleRow>,
    pub(super) roles: Vec<Role>,
    /// Approved, the longest first; the reader looks at their end.
    pub(super) exemptions: Vec<OverrideRow>,
    pub(super) groups: Vec<UserGroupsRow>,
    /// The server's own for the first administrator, not closed; the reader looks at their end.
    pub(super) enrollments: Vec<EnrollmentRow>,
}

/// What a slice asks of one tenant.
#[derive(Default)]
struct Questions {
    hashes: Vec<Vec<u8>>,
    external: HashMap<DirectoryId, Vec<ExternalId>>,
}

impl Tx<'_> {
    /// Reads ahead for a slice.
    pub(super) fn read_ahead(&mut self, slice: &[(Whose, Ahead)]) -> Result<(), StoreError> {
        if !matches!(self.connection, Connection::Postgres(_)) {
            return Ok(());
        }
        let mut questions: HashMap<TenantId, Questions> = HashMap::new();
        for (whose, ahead) in slice {
            let Whose::Client(client) = whose else { continue };
            let Some(client) = self.find_client_by_key(client)? else { continue };
            let of = questions.entry(client.tenant_id).or_default();
            match ahead {
                Ahead::Nothing => {}
                Ahead::Challenge(hash) => of.hashes.push(hash.to_vec()),
                Ahead::User(id) => {
                    of.external.entry(client.directory_id).or_default().push(id.clone());
                }
            }
        }
        if questions.values().any(|of| !of.hashes.is_empty()) {
            self.signing_kid()?;
        }
        for (tenant, questions) in questions {
            if let Connection::Postgres(connection) = &mut *self.connection {
                let read = Read::of(connection, &tenant, questions)?;
                self.memo.rows.read.insert(tenant, read);
            }
        }
        Ok(())
    }
}

impl Read {
    fn of(
        connection: &mut PgConnection,
        tenant: &TenantId,
        questions: Questions,
    ) -> Result<Self, StoreError> {
        let mut read = Self::default();
        let mut users = Vec::new();
        if !questions.hashes.is_empty() {
            let mut found: Vec<ChallengeRow> = challenges::table
                .filter(challenges::hash.eq_any(&questions.hashes))
                .select(ChallengeRow::as_select())
                .load(connection)?;
            // Not in the query, where PostgreSQL would look through all of the tenant's.
            found.retain(|row| row.tenant_id == *tenant);
            let ids: Vec<UserId> = found.iter().map(|row| row.user_id.clone()).collect();
            read.challenges = questions.hashes.into_iter().map(|hash| (hash, None)).collect();
            for row in found {
                read.challenges.insert(row.hash.clone(), Some(row));
            }
            users = users::table
                .filter(users::tenant_id.eq(tenant))
                .filter(users::id.eq_any(ids))
                .select(UserRow::as_select())
                .load(connection)?;
        }
        for (directory, ids) in questions.external {
            let found: Vec<UserRow> = users::table
                .filter(users::tenant_id.eq(tenant))
                .filter(users::directory_id.eq(&directory))
                .filter(users::external_id.eq_any(ids))
                .select(UserRow::as_select())
                .load(connection)?;
            for user in found {
                let key = (directory.clone(), user.external_id.clone());
                read.external.insert(key, user.id.clone());
                users.push(user);
            }
        }
        read.people(connection, tenant, users)?;
        Ok(read)
    }

    fn people(
        &mut self,
        connection: &mut PgConnection,
        tenant: &TenantId,
        users: Vec<UserRow>,
    ) -> Result<(), StoreError> {
        if users.is_empty() {
            return Ok(());
        }
        let ids: Vec<UserId> = users.iter().map(|user| user.id.clone()).collect();
        for user in users {
            self.people.insert(user.id.clone(), Known::only(user));
        }
        self.factors(connection, tenant, &ids)?;
        let lanes: Vec<ThrottleRow> = LoginThrottles { users: &ids, tenant }.load(connection)?;
        for row in lanes {
            self.know(&row.user_id.clone(), |known| known.throttle = Some(row));
        }
        let held: Vec<(UserId, Role)> = roles::table
            .filter(roles::tenant_id.eq(tenant))
            .filter(roles::user_id.eq_any(&ids))
            .filter(roles::revoked_at.is_null())
            .select((roles::user_id, roles::role))
            .load(connection)?;
        for (user, role) in held {
            self.know(&user, |known| known.roles.push(role));
        }
        self.rest(connection, tenant, &ids)
    }

    fn factors(
        &mut self,
        connection: &mut PgConnection,
        tenant: &TenantId,
        ids: &[UserId],
    ) -> Result<(), StoreError> {
        let bound: Vec<(FactorRow, Step)> = factors::table
            .inner_join(
                factor_steps::table.on(factor_steps::tenant_id
                    .eq(factors::tenant_id)
                    .and(factor_steps::factor_id.eq(factors::id))),
            )
            .filter(factors::tenant_id.eq(tenant))
            .filter(factors::user_id.eq_any(ids))
            .filter(factors::state.ne_all([FactorState::Pending, FactorState::Ended]))
            .select((FactorRow::as_select(), factor_steps::last_step))
            .load(connection)?;
        for (row, step) in bound {
            self.steps.insert(row.id.clone(), step);
            self.know(&row.user_id.clone(), |known| known.factor = Some(row));
        }
        Ok(())
    }

    fn rest(
        &mut self,
        connection: &mut PgConnection,
        tenant: &TenantId,
        ids: &[UserId],
    ) -> Result<(), StoreError> {
        let exemptions: Vec<OverrideRow> = overrides::table
            .filter(overrides::tenant_id.eq(tenant))
            .filter(overrides::user_id.eq_any(ids))
            .filter(overrides::state.eq(OverrideState::Approved))
            .filter(overrides::kind.eq(OverrideKind::Exempt))
            .order(overrides::expires_at.desc())
            .select(OverrideRow::as_select())
            .load(connection)?;
        for row in exemptions {
            if let Some(user) = row.user_id.clone() {
                self.know(&user, |known| known.exemptions.push(row));
            }
        }
        let told: Vec<UserGroupsRow> = user_groups::table
            .filter(user_groups::tenant_id.eq(tenant))
            .filter(user_groups::user_id.eq_any(ids))
            .select(UserGroupsRow::as_select())
            .load(connection)?;
        for row in told {
            self.know(&row.user_id.clone(), |known| known.groups.push(row));
        }
        let open: Vec<EnrollmentRow> = enrollments::table
            .filter(enrollments::tenant_id.eq(tenant))
            .filter(enrollments::user_id.eq_any(ids))
            .filter(enrollments::client_id.is_null())
            .filter(enrollments::authority.eq(EnrollmentAuthority::Bootstrap))
            .filter(enrollments::closed_at.is_null())
            .select(EnrollmentRow::as_select())
            .load(connection)?;
        for row in open {
            self.know(&row.user_id.clone(), |known| known.enrollments.push(row));
        }
        Ok(())
    }

    fn know(&mut self, user: &UserId, note: impl FnOnce(&mut Known)) {
        if let Some(known) = self.people.get_mut(user) {
            note(known);
        }
    }
}

impl Known {
    fn only(user: UserRow) -> Self {
        Self {
            user,
            factor: None,
            throttle: None,
            roles: Vec::new(),
            exemptions: Vec::new(),
            groups: Vec::new(),
            enrollments: Vec::new(),
        }
    }
}
