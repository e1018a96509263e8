//! Tenants and directories.

use diesel::prelude::*;

use super::conn::on;
use super::rows::{DirectoryRow, TenantRow};
use super::schema::{directories, tenants};
use super::{StoreError, Tx, exactly_one};
use crate::mfa::ids::{ClientId, TenantId};

impl Tx<'_> {
    /// Makes this transaction the only writer in these tenants until it ends, in one order for
    /// everybody. It comes before anything is read that the transaction decides by. SQLite's write
    /// transaction holds the whole file, so there is nothing more to take.
    pub(crate) fn lock_tenants(&mut self, tenants: &[TenantId]) -> Result<(), StoreError> {
        if let super::Connection::Postgres(conn) = &mut *self.connection {
            let ids: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
            diesel::sql_query(
                "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT \
                 hashtextextended(id, 0) AS key FROM unnest($1) AS id ORDER BY key) AS keys",
            )
            .bind::<diesel::sql_types::Array<diesel::sql_types::Text>, _>(ids)
            .execute(&mut **conn)?;
        }
        Ok(())
    }

    /// The same for the tenant of a client, which never changes; for an unknown client nothing.
    pub(crate) fn lock_tenant_of(&mut self, client: &ClientId) -> Result<(), StoreError> {
        if let super::Connection::Postgres(conn) = &mut *self.connection {
            diesel::sql_query(
                "SELECT pg_advisory_xact_lock(hashtextextended(tenant_id, 0)) FROM clients \
                 WHERE id = $1",
            )
            .bind::<diesel::sql_types::Text, _>(client.as_str())
            .execute(&mut **conn)?;
        }
        Ok(())
    }

    /// A tenant by its id.
    pub(crate) fn find_tenant(&mut self, id: &TenantId) -> Result<Option<TenantRow>, StoreError> {
        Ok(on!(self, conn => tenants::table
            .filter(tenants::tenant_id.eq(id))
            .select(TenantRow::as_select())
            .first(conn)
            .optional())?)
    }

    /// Every tenant, oldest first. Only the command line reads over tenants.
    pub(crate) fn list_tenants(&mut self) -> Result<Vec<TenantRow>, StoreError> {
        Ok(on!(self, conn => tenants::table
            .order(tenants::created_at.asc())
            .select(TenantRow::as_select())
            .load(conn))?)
    }

    /// Writes a new tenant.
    pub(crate) fn insert_tenant(&mut self, row: TenantRow) -> Result<(), StoreError> {
        let rows =
            on!(self, conn => diesel::insert_into(tenants::table).values(row).execute(conn))?;
        exactly_one("tenants", rows)
    }

    /// Writes a new directory.
    pub(crate) fn insert_directory(&mut self, row: DirectoryRow) -> Result<(), StoreError> {
        let rows =
            on!(self, conn => diesel::insert_into(directories::table).values(row).execute(conn))?;
        exactly_one("directories", rows)
    }

    /// A tenant's directories, oldest first.
    pub(crate) fn list_directories(
        &mut self,
        tenant: &TenantId,
    ) -> Result<Vec<DirectoryRow>, StoreError> {
        Ok(on!(self, conn => directories::table
            .filter(directories::tenant_id.eq(tenant))
            .order(directories::created_at.asc())
            .select(DirectoryRow::as_select())
            .load(conn))?)
    }
}
