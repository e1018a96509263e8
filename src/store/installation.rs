//! The installation's own row: its key check and its pepper.

use diesel::prelude::*;

use super::conn::{change, on};
use super::rows::InstallationRow;
use super::schema::installation;
use super::seal::{Pepper, Place};
use super::{StoreError, Tx, exactly_one};

/// Where the pepper is sealed.
pub(super) const PEPPER: Place<'static> =
    Place { table: "installation", tenant: "", user: "", row: "1", parameters: "pepper" };

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
        self.open_sealing_key(row)?;
        let opened = self.keys.ring.open(&PEPPER, &row.sealed_pepper)?;
        let bytes: [u8; 32] =
            opened.as_slice().try_into().map_err(|_| StoreError::Invalid("pepper"))?;
        // Set once; a second opening finds the same value.
        let _ = self.keys.pepper.set(Pepper::new(&bytes));
        Ok(())
    }
}
