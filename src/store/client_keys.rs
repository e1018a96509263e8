//! Clients' public keys, and the access tokens that they are given for assertions.

use diesel::prelude::*;

use super::conn::{change, on};
use super::prepared::update;
use super::rows::{ClientKeyRow, ClientTokenRow};
use super::schema::{client_keys, client_tokens};
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{ClientId, ClientKeyId, TenantId};
use crate::mfa::time::Timestamp;

impl Tx<'_> {
    /// The live public keys of a client, the newest last.
    pub(crate) fn live_keys(&mut self, client: &ClientId) -> Result<Vec<ClientKeyRow>, StoreError> {
        if let Some(known) = self.memo.rows.keys.get(client) {
            return Ok(known.clone());
        }
        Ok(on!(self, conn => client_keys::table
            .filter(client_keys::client_id.eq(client))
            .filter(client_keys::removed_at.is_null())
            .order((client_keys::created_at.asc(), client_keys::id.asc()))
            .select(ClientKeyRow::as_select())
            .load(conn))?)
    }

    /// Reads the live keys of a page's clients at once, for [`Self::live_keys`].
    pub(crate) fn read_keys_of(&mut self, clients: &[ClientId]) -> Result<(), StoreError> {
        let found: Vec<ClientKeyRow> = on!(self, conn => client_keys::table
            .filter(client_keys::client_id.eq_any(clients))
            .filter(client_keys::removed_at.is_null())
            .order((client_keys::created_at.asc(), client_keys::id.asc()))
            .select(ClientKeyRow::as_select())
            .load(conn))?;
        let known = &mut self.memo.rows.keys;
        known.extend(clients.iter().map(|client| (client.clone(), Vec::new())));
        for row in found {
            known.entry(row.client_id.clone()).or_default().push(row);
        }
        Ok(())
    }

    /// Writes a new public key.
    pub(crate) fn insert_client_key(&mut self, row: ClientKeyRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => diesel::insert_into(client_keys::table)
            .values(row)
            .execute(conn))?;
        exactly_one("client_keys", rows)
    }

    /// Removes a live public key.
    pub(crate) fn remove_client_key(
        &mut self,
        tenant: &TenantId,
        id: &ClientKeyId,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(client_keys::table)
            .filter(client_keys::tenant_id.eq(tenant))
            .filter(client_keys::id.eq(id))
            .filter(client_keys::removed_at.is_null())
            .set((client_keys::removed_at.eq(at), client_keys::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("client_keys", rows)
    }

    /// Whether an assertion of a client was used.
    pub(crate) fn is_spent(
        &mut self,
        tenant: &TenantId,
        client: &ClientId,
        jti_hash: &[u8],
    ) -> Result<bool, StoreError> {
        let spent: i64 = on!(self, conn => client_tokens::table
            .filter(client_tokens::tenant_id.eq(tenant))
            .filter(client_tokens::client_id.eq(client))
            .filter(client_tokens::jti_hash.eq(jti_hash))
            .count()
            .get_result(conn))?;
        Ok(spent > 0)
    }

    /// Writes a token, and with it that its assertion is used.
    pub(crate) fn insert_client_token(&mut self, row: ClientTokenRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => diesel::insert_into(client_tokens::table)
            .values(row)
            .execute(conn))?;
        exactly_one("client_tokens", rows)
    }

    /// A token of a client that has not run out, and whose key was not removed.
    pub(crate) fn live_client_token(
        &mut self,
        client: &ClientId,
        hash: &[u8],
        now: Timestamp,
    ) -> Result<Option<ClientTokenRow>, StoreError> {
        let found: Option<ClientTokenRow> = on!(self, conn => client_tokens::table
            .filter(client_tokens::hash.eq(hash))
            .select(ClientTokenRow::as_select())
            .get_result(conn)
            .optional())?;
        let Some(row) = found.filter(|row| row.client_id == *client && row.expires_at > now) else {
            return Ok(None);
        };
        let keys = self.live_keys(client)?;
        let is_live = keys.iter().any(|key| key.tenant_id == row.tenant_id && key.id == row.key_id);
        Ok(is_live.then_some(row))
    }
}
