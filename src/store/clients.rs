//! Clients and their secrets.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::conn::{change, on};
use super::prepared::update;
use super::rows::{ClientRow, ClientSecretRow};
use super::schema::{client_secrets, clients};
use super::{Json, StoreError, Tx, exactly_one};
use crate::mfa::client::Scope;
use crate::mfa::daily::{Counted, Counting};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{ClientId, ClientSecretId, TenantId};
use crate::mfa::time::Timestamp;
use crate::mfa::words::Audience;

impl Tx<'_> {
    /// A client by the id in its key. The tenant comes from the credential, so this one read is not
    /// bound to a tenant.
    pub(crate) fn find_client_by_key(
        &mut self,
        id: &ClientId,
    ) -> Result<Option<ClientRow>, StoreError> {
        if let Some(known) = self.memo.rows.clients.get(id) {
            return Ok(known.clone());
        }
        let found = on!(self, conn => clients::table
            .filter(clients::id.eq(id))
            .select(ClientRow::as_select())
            .get_result(conn)
            .optional())?;
        self.memo.rows.clients.insert(id.clone(), found.clone());
        Ok(found)
    }

    /// A client of this tenant.
    pub(crate) fn find_client(
        &mut self,
        tenant: &TenantId,
        id: &ClientId,
    ) -> Result<Option<ClientRow>, StoreError> {
        Ok(on!(self, conn => clients::table
            .filter(clients::tenant_id.eq(tenant))
            .filter(clients::id.eq(id))
            .select(ClientRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// A page of a tenant's clients, by id.
    pub(crate) fn list_clients(
        &mut self,
        tenant: &TenantId,
        after: &str,
        limit: i64,
    ) -> Result<Vec<ClientRow>, StoreError> {
        Ok(on!(self, conn => clients::table
            .filter(clients::tenant_id.eq(tenant))
            .filter(clients::id.gt(after))
            .order(clients::id.asc())
            .limit(limit)
            .select(ClientRow::as_select())
            .load(conn))?)
    }

    /// Every audience that an enabled client of the tenant may ask tokens for.
    pub(crate) fn registered_audiences(
        &mut self,
        tenant: &TenantId,
    ) -> Result<BTreeSet<Audience>, StoreError> {
        let lists: Vec<Json<BTreeSet<Audience>>> = on!(self, conn => clients::table
            .filter(clients::tenant_id.eq(tenant))
            .filter(clients::disabled_at.is_null())
            .select(clients::audiences)
            .load(conn))?;
        Ok(lists.into_iter().flat_map(|list| list.0).collect())
    }

    /// The live secrets of a client.
    pub(crate) fn live_secrets(
        &mut self,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<ClientSecretRow>, StoreError> {
        let known = self.memo.rows.secrets.get(client);
        let mut secrets = if let Some(known) = known {
            known.clone()
        } else {
            let found: Vec<ClientSecretRow> = on!(self, conn => client_secrets::table
                .filter(client_secrets::client_id.eq(client))
                .filter(client_secrets::revoked_at.is_null())
                .select(ClientSecretRow::as_select())
                .load(conn))?;
            self.memo.rows.secrets.insert(client.clone(), found.clone());
            found
        };
        secrets.retain(|secret| secret.expires_at > now);
        Ok(secrets)
    }

    /// Reads the live secrets of a page's clients at once, for [`Self::live_secrets`].
    pub(crate) fn read_secrets_of(&mut self, clients: &[ClientId]) -> Result<(), StoreError> {
        let found: Vec<ClientSecretRow> = on!(self, conn => client_secrets::table
            .filter(client_secrets::client_id.eq_any(clients))
            .filter(client_secrets::revoked_at.is_null())
            .select(ClientSecretRow::as_select())
            .load(conn))?;
        let known = &mut self.memo.rows.secrets;
        known.extend(clients.iter().map(|client| (client.clone(), Vec::new())));
        for row in found {
            known.entry(row.client_id.clone()).or_default().push(row);
        }
        Ok(())
    }

    /// Writes a new client.
    pub(crate) fn insert_client(&mut self, row: ClientRow) -> Result<(), StoreError> {
        let rows =
            change!(self, conn => diesel::insert_into(clients::table).values(row).execute(conn))?;
        exactly_one("clients", rows)
    }

    /// Writes a new secret.
    pub(crate) fn insert_client_secret(&mut self, row: ClientSecretRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => diesel::insert_into(client_secrets::table)
            .values(row)
            .execute(conn))?;
        exactly_one("client_secrets", rows)
    }

    /// Revokes a secret that was not.
    pub(crate) fn revoke_client_secret(
        &mut self,
        tenant: &TenantId,
        id: &ClientSecretId,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(client_secrets::table)
            .filter(client_secrets::tenant_id.eq(tenant))
            .filter(client_secrets::id.eq(id))
            .filter(client_secrets::revoked_at.is_null())
            .set((client_secrets::revoked_at.eq(at), client_secrets::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("client_secrets", rows)
    }

    /// Writes what a client did in its newest day.
    pub(crate) fn count_of_day(
        &mut self,
        client: &ClientRow,
        counting: Counting,
        Counted { day, count, refused_day }: Counted,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let (tenant, id) = (&client.tenant_id, &client.id);
        let rows = change!(self, conn => {
            let row = clients::table.filter(clients::tenant_id.eq(tenant)).filter(clients::id.eq(id));
            match counting {
                Counting::NewUsers => diesel::update(row)
                    .set((
                        clients::new_users_day.eq(day),
                        clients::new_users.eq(count),
                        clients::new_users_refused_day.eq(refused_day),
                        clients::event_seq.eq(event),
                    ))
                    .execute(conn),
                Counting::Offboardings => diesel::update(row)
                    .set((
                        clients::offboardings_day.eq(day),
                        clients::offboardings.eq(count),
                        clients::offboardings_refused_day.eq(refused_day),
                        clients::event_seq.eq(event),
                    ))
                    .execute(conn),
            }
        })?;
        exactly_one("clients", rows)
    }

    /// Replaces the scopes and audiences of a client that works.
    pub(crate) fn update_client(
        &mut self,
        tenant: &TenantId,
        id: &ClientId,
        (scopes, audiences): (&BTreeSet<Scope>, &BTreeSet<Audience>),
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let sets = (Json(scopes.clone()), Json(audiences.clone()));
        let rows = change!(self, conn => update(clients::table)
            .filter(clients::tenant_id.eq(tenant))
            .filter(clients::id.eq(id))
            .filter(clients::disabled_at.is_null())
            .set((
                clients::scopes.eq(&sets.0),
                clients::audiences.eq(&sets.1),
                clients::event_seq.eq(event),
            ))
            .execute(conn))?;
        exactly_one("clients", rows)
    }

    /// Disables a client; whether it was still enabled.
    pub(crate) fn disable_client(
        &mut self,
        tenant: &TenantId,
        id: &ClientId,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<bool, StoreError> {
        let rows = change!(self, conn => update(clients::table)
            .filter(clients::tenant_id.eq(tenant))
            .filter(clients::id.eq(id))
            .filter(clients::disabled_at.is_null())
            .set((clients::disabled_at.eq(at), clients::event_seq.eq(event)))
            .execute(conn))?;
        Ok(rows == 1)
    }
}

impl ClientRow {
    /// Whether it still passes logins on: it is not disabled, and has the scope.
    pub(crate) fn passes_logins(&self) -> bool {
        self.disabled_at.is_none() && self.scopes.0.contains(&Scope::Login)
    }

    /// Whether it may ask for tokens for these audiences; `own` is Pawl's, which every client may.
    pub(crate) fn may_ask_for(&self, audiences: &[Audience], own: &Audience) -> bool {
        audiences.iter().all(|audience| audience == own || self.audiences.0.contains(audience))
    }

    /// What it did in its newest day.
    pub(crate) fn counted(&self, counting: Counting) -> Counted {
        let (day, count, refused_day) = match counting {
            Counting::NewUsers => (self.new_users_day, self.new_users, self.new_users_refused_day),
            Counting::Offboardings => {
                (self.offboardings_day, self.offboardings, self.offboardings_refused_day)
            }
        };
        Counted { day, count, refused_day }
    }
}
