//! Token keys: their life, and their sealed secrets. All are the system tenant's.

use diesel::prelude::*;

use super::conn::{change, on};
use super::rows::SigningKeyRow;
use super::schema::signing_keys;
use super::seal::Place;
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::TenantId;
use crate::mfa::time::Timestamp;
use crate::mfa::token_key::{KeyState, Kid};

impl Tx<'_> {
    /// The key that signs. Without one there is no token.
    pub(crate) fn signing_kid(&mut self) -> Result<Kid, StoreError> {
        if let Some(known) = &self.memo.signing {
            return Ok(known.clone());
        }
        let found: Option<Kid> = on!(self, conn => signing_keys::table
            .filter(signing_keys::tenant_id.eq(TenantId::system()))
            .filter(signing_keys::state.eq(KeyState::Active))
            .select(signing_keys::id)
            .get_result(conn)
            .optional())?;
        let kid = found.ok_or(StoreError::Invalid("token keys"))?;
        self.memo.signing = Some(kid.clone());
        Ok(kid)
    }

    /// Whether a key is in the key set.
    pub(crate) fn is_published(&mut self, kid: &Kid) -> Result<bool, StoreError> {
        let found: Option<KeyState> = on!(self, conn => signing_keys::table
            .filter(signing_keys::tenant_id.eq(TenantId::system()))
            .filter(signing_keys::id.eq(kid))
            .filter(signing_keys::sealed.is_not_null())
            .select(signing_keys::state)
            .get_result(conn)
            .optional())?;
        Ok(found.is_some())
    }

    /// The keys of the key set, oldest first.
    pub(crate) fn list_signing_keys(&mut self) -> Result<Vec<SigningKeyRow>, StoreError> {
        Ok(on!(self, conn => signing_keys::table
            .filter(signing_keys::tenant_id.eq(TenantId::system()))
            .filter(signing_keys::sealed.is_not_null())
            .order((signing_keys::created_at.asc(), signing_keys::id.asc()))
            .select(SigningKeyRow::as_select())
            .load(conn))?)
    }

    /// Every key there ever was, oldest first.
    pub(crate) fn every_signing_key(&mut self) -> Result<Vec<SigningKeyRow>, StoreError> {
        Ok(on!(self, conn => signing_keys::table
            .filter(signing_keys::tenant_id.eq(TenantId::system()))
            .order((signing_keys::created_at.asc(), signing_keys::id.asc()))
            .select(SigningKeyRow::as_select())
            .load(conn))?)
    }

    /// Writes a new token key, its secret sealed.
    pub(crate) fn insert_signing_key(&mut self, row: SigningKeyRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => diesel::insert_into(signing_keys::table).values(row).execute(conn))?;
        exactly_one("signing_keys", rows)
    }

    /// Moves a key to its next state. One that ends loses its secret.
    pub(crate) fn move_signing_key(
        &mut self,
        key: &SigningKeyRow,
        state: KeyState,
        at: Timestamp,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let of = signing_keys::table
            .filter(signing_keys::tenant_id.eq(&key.tenant_id))
            .filter(signing_keys::id.eq(&key.id))
            .filter(signing_keys::state.eq(key.state));
        let to = (signing_keys::state.eq(state), signing_keys::event_seq.eq(event));
        let rows = match state {
            KeyState::Next => 0,
            KeyState::Active => change!(self, conn => diesel::update(of)
                .set((to, signing_keys::active_from.eq(at)))
                .execute(conn))?,
            KeyState::Retiring => change!(self, conn => diesel::update(of)
                .set((to, signing_keys::retiring_from.eq(at)))
                .execute(conn))?,
            KeyState::Gone | KeyState::Revoked => {
                let no_secret = signing_keys::sealed.eq(None::<Vec<u8>>);
                change!(self, conn => diesel::update(of)
                    .set((to, signing_keys::ended_at.eq(at), no_secret))
                    .execute(conn))?
            }
        };
        exactly_one("signing_keys", rows)
    }

    /// Seals a token key's secret for the row `id`.
    pub(crate) fn seal_signing_key(
        &mut self,
        id: &Kid,
        secret: &[u8],
        nonce: [u8; 12],
    ) -> Result<Vec<u8>, StoreError> {
        self.require_sealing_key()?;
        Ok(self.keys.ring.seal(&signing_key_place(id), secret, nonce)?)
    }

    /// Opens a token key's secret.
    pub(crate) fn open_signing_key(
        &self,
        row: &SigningKeyRow,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, StoreError> {
        let sealed = row.sealed.as_deref().ok_or(StoreError::Invalid("token key"))?;
        Ok(self.keys.ring.open(&signing_key_place(&row.id), sealed)?)
    }
}

pub(super) fn signing_key_place(id: &Kid) -> Place<'_> {
    Place { table: "signing_keys", tenant: "", user: "", row: id.as_str(), parameters: "ES256" }
}
