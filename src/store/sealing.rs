//! Whether this program's key may seal. The key check's key is the one that the installation is sealed
//! under: a key that it replaced seals no more, whoever still holds it.

use diesel::prelude::*;

use super::conn::Connection;
use super::rows::InstallationRow;
use super::schema::installation;
use super::seal::{KeyId, SealError, key_of};
use super::{EventFilter, StoreError, Tx};
use crate::mfa::event::EventKind;

/// Events read at a time.
const PAGE: i64 = 100;

impl Tx<'_> {
    /// Refuses to seal under a key that another one has replaced. Until this transaction ends, none
    /// is replaced.
    pub(crate) fn require_sealing_key(&mut self) -> Result<(), StoreError> {
        if self.memo.may_seal {
            return Ok(());
        }
        self.flush()?;
        let check: Vec<u8> = match &mut *self.connection {
            // A write transaction has the whole file.
            Connection::Sqlite(conn) => {
                installation::table.select(installation::key_check).get_result(conn)?
            }
            Connection::Postgres(conn) => installation::table
                .select(installation::key_check)
                .for_share()
                .get_result(&mut **conn)?,
        };
        self.judge_sealing_key(&check)?;
        self.memo.may_seal = true;
        Ok(())
    }

    /// Lets nobody seal until this transaction ends, and waits for whoever has.
    pub(crate) fn lock_sealing(&mut self) -> Result<(), StoreError> {
        if let Connection::Postgres(conn) = &mut *self.connection {
            let locked = installation::table.select(installation::id).for_update();
            let _: Vec<i64> = locked.load(&mut **conn)?;
        }
        Ok(())
    }

    /// Whether the keys at hand open this database, and the one that seals may.
    pub(crate) fn check_keys(&mut self) -> Result<(), StoreError> {
        let row = self.find_installation()?.ok_or(StoreError::Invalid("installation"))?;
        self.keys.ring.verify_check(&row.key_check)?;
        self.judge_sealing_key(&row.key_check)
    }

    /// It is the key check's, or it is about to replace that: then nothing has been replaced since
    /// this program opened the installation.
    fn judge_sealing_key(&self, check: &[u8]) -> Result<(), StoreError> {
        let by = key_of(check).ok_or(StoreError::Invalid("key check"))?;
        if self.keys.ring.is_current(check) || self.keys.opened.get() == Some(&by) {
            return Ok(());
        }
        Err(self.replaced(by))
    }

    /// At the opening: refuses a key that seals and was replaced before, and remembers whose key check
    /// it was.
    pub(super) fn open_sealing_key(&mut self, row: &InstallationRow) -> Result<(), StoreError> {
        let by = key_of(&row.key_check).ok_or(StoreError::Invalid("key check"))?;
        if !self.keys.ring.is_current(&row.key_check) && self.was_replaced(row)? {
            return Err(self.replaced(by));
        }
        // Set once: a second opening of the same program changes nothing.
        let _ = self.keys.opened.set(by);
        Ok(())
    }

    fn replaced(&self, by: KeyId) -> StoreError {
        let own = self.keys.ring.ids().next().unwrap_or(by);
        StoreError::Seal(SealError::Replaced { own, by })
    }

    /// Whether the record says that the key check moved away from the key that seals here.
    fn was_replaced(&mut self, row: &InstallationRow) -> Result<bool, StoreError> {
        let own = self.keys.ring.ids().next().map(|id| id.to_string());
        let kind = Some(EventKind::SecretsResealed);
        let mut filter = EventFilter { kind, limit: PAGE, ..EventFilter::default() };
        loop {
            let page = self.list_events(&row.tenant_id, &filter)?;
            for event in &page {
                let data = &event.data.0;
                let from = data.get("from").and_then(serde_json::Value::as_array);
                let is_own =
                    from.is_some_and(|ids| ids.iter().any(|id| id.as_str() == own.as_deref()));
                if is_own && data.get("installation").is_some_and(|count| count != 0) {
                    return Ok(true);
                }
            }
            match page.last() {
                Some(last) => filter.after_seq = last.seq,
                None => return Ok(false),
            }
        }
    }
}
