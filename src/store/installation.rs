//! The installation's own rows: its key check, its pepper and its token keys.

use diesel::prelude::*;

use super::conn::{change, on};
use super::rows::{InstallationRow, SigningKeyRow};
use super::schema::{installation, signing_keys};
use super::seal::{Pepper, Place};
use super::{StoreError, Tx, exactly_one};

/// Where the pepper is sealed.
const PEPPER: Place<'static> =
    Place { table: "installation", tenant: "", row: "1", parameters: "pepper" };

impl Tx<'_> {
    /// The installation's row, if there is one.
    pub(crate) fn find_installation(&mut self) -> Result<Option<InstallationRow>, StoreError> {
        Ok(on!(self, conn => installation::table
            .select(InstallationRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// Writes the installation's row.
    pub(crate) fn insert_installation(&mut self, row: InstallationRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => diesel::insert_into(installation::table).values(row).execute(conn))?;
        exactly_one("installation", rows)
    }

    /// Seals a new pepper for the installation's row.
    pub(crate) fn seal_pepper(
        &self,
        pepper: &[u8; 32],
        nonce: [u8; 12],
    ) -> Result<Vec<u8>, StoreError> {
        Ok(self.keys.ring.seal(&PEPPER, pepper, nonce)?)
    }

    /// A value that only these keys can check.
    pub(crate) fn make_key_check(&self, nonce: [u8; 12]) -> Result<Vec<u8>, StoreError> {
        Ok(self.keys.ring.make_check(nonce)?)
    }

    /// Opens the installation with the keys at hand: a wrong key is found here, before anything is
    /// served.
    pub(crate) fn open_installation(&mut self, row: &InstallationRow) -> Result<(), StoreError> {
        self.keys.ring.verify_check(&row.key_check)?;
        let opened = self.keys.ring.open(&PEPPER, &row.sealed_pepper)?;
        let bytes: [u8; 32] =
            opened.as_slice().try_into().map_err(|_| StoreError::Invalid("pepper"))?;
        // Set once; a second opening finds the same value.
        let _ = self.keys.pepper.set(Pepper::new(&bytes));
        Ok(())
    }

    /// The token keys that are published, oldest first.
    pub(crate) fn list_signing_keys(&mut self) -> Result<Vec<SigningKeyRow>, StoreError> {
        Ok(on!(self, conn => signing_keys::table
            .filter(signing_keys::sealed.is_not_null())
            .order(signing_keys::created_at.asc())
            .select(SigningKeyRow::as_select())
            .load(conn))?)
    }

    /// Writes a new token key, its secret sealed.
    pub(crate) fn insert_signing_key(&mut self, row: SigningKeyRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => diesel::insert_into(signing_keys::table).values(row).execute(conn))?;
        exactly_one("signing_keys", rows)
    }

    /// Seals a token key's secret for the row `id`.
    pub(crate) fn seal_signing_key(
        &self,
        id: &str,
        secret: &[u8],
        nonce: [u8; 12],
    ) -> Result<Vec<u8>, StoreError> {
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

fn signing_key_place(id: &str) -> Place<'_> {
    Place { table: "signing_keys", tenant: "", row: id, parameters: "ES256" }
}
