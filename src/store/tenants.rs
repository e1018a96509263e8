//! Tenants and directories.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Array, Text};

use super::Whose;
use super::conn::{change, on};
use super::postgres::{LOCK_MILLIS, PgConnection};
use super::prepared::update;
use super::rows::{DirectoryRow, TenantRow};
use super::schema::{directories, tenants};
use super::{StoreError, Tx, exactly_one};
use crate::mfa::event::EventSeq;
use crate::mfa::ids::{DirectoryId, TenantId};
use crate::mfa::words::{DisplayName, LookAlikes};

/// The locks of some tenants, and of the tenants of some clients, in one order for all transactions. It is the first
/// statement of each, and its text never changes.
#[derive(Debug)]
struct Locks<'a> {
    tenants: Vec<&'a str>,
    clients: Vec<&'a str>,
}

impl QueryId for Locks<'_> {
    type QueryId = Locks<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl RunQueryDsl<PgConnection> for Locks<'_> {}

impl QueryFragment<Pg> for Locks<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT set_config('lock_timeout', '");
        out.push_sql(&LOCK_MILLIS.to_string());
        out.push_sql(
            "', true) FROM (SELECT count(*) FROM (SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT \
             hashtextextended(id, 0) AS key FROM (SELECT unnest(",
        );
        out.push_bind_param::<Array<Text>, _>(&self.tenants)?;
        out.push_sql(") AS id UNION ALL SELECT tenant_id FROM clients WHERE clients.id = ANY (");
        out.push_bind_param::<Array<Text>, _>(&self.clients)?;
        out.push_sql(")) AS ids ORDER BY key) AS keys OFFSET 0) AS each) AS locked");
        Ok(())
    }
}

impl Tx<'_> {
    /// Makes this transaction the only writer in these tenants until it ends, in one order for
    /// everybody. It comes before anything is read that the transaction decides by. An unknown
    /// client has no tenant; a client's never changes. SQLite's write transaction holds the whole
    /// file, so there is nothing more to take.
    ///
    /// A slice waits for these locks only as long as a commit takes; once it has them, for any other lock as long as
    /// every write.
    pub(crate) fn lock(&mut self, whose: &[Whose]) -> Result<(), StoreError> {
        if let super::Connection::Postgres(conn) = &mut *self.connection
            && !whose.is_empty()
        {
            let (mut tenants, mut clients) = (Vec::new(), Vec::new());
            for whose in whose {
                match whose {
                    Whose::Tenant(tenant) => tenants.push(tenant.as_str()),
                    Whose::Client(client) => clients.push(client.as_str()),
                }
            }
            Locks { tenants, clients }.execute(&mut **conn)?;
        }
        Ok(())
    }

    /// A tenant by its id.
    pub(crate) fn find_tenant(&mut self, id: &TenantId) -> Result<Option<TenantRow>, StoreError> {
        if let Some(known) = self.memo.rows.tenants.get(id) {
            return Ok(known.clone());
        }
        let found = on!(self, conn => tenants::table
            .filter(tenants::tenant_id.eq(id))
            .select(TenantRow::as_select())
            .get_result(conn)
            .optional())?;
        self.memo.rows.tenants.insert(id.clone(), found.clone());
        Ok(found)
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
            change!(self, conn => diesel::insert_into(tenants::table).values(row).execute(conn))?;
        exactly_one("tenants", rows)
    }

    /// Gives a tenant another name, if it still has the one that the caller read.
    pub(crate) fn rename_tenant(
        &mut self,
        read: &TenantRow,
        name: &DisplayName,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(tenants::table)
            .filter(tenants::tenant_id.eq(&read.tenant_id))
            .filter(tenants::name.eq(&read.name))
            .set((tenants::name.eq(name), tenants::event_seq.eq(event)))
            .execute(conn))?;
        exactly_one("tenants", rows)
    }

    /// Writes a new directory.
    pub(crate) fn insert_directory(&mut self, row: DirectoryRow) -> Result<(), StoreError> {
        let rows = change!(self, conn => diesel::insert_into(directories::table).values(row).execute(conn))?;
        exactly_one("directories", rows)
    }

    /// A directory by its id.
    pub(crate) fn find_directory(
        &mut self,
        tenant: &TenantId,
        id: &DirectoryId,
    ) -> Result<Option<DirectoryRow>, StoreError> {
        Ok(on!(self, conn => directories::table
            .filter(directories::tenant_id.eq(tenant))
            .filter(directories::id.eq(id))
            .select(DirectoryRow::as_select())
            .get_result(conn)
            .optional())?)
    }

    /// Changes a directory's way with look-alikes, if it is still the one that the caller read.
    pub(crate) fn set_look_alikes(
        &mut self,
        read: &DirectoryRow,
        look_alikes: LookAlikes,
        event: EventSeq,
    ) -> Result<(), StoreError> {
        let rows = change!(self, conn => update(directories::table)
            .filter(directories::tenant_id.eq(&read.tenant_id))
            .filter(directories::id.eq(&read.id))
            .filter(directories::look_alikes.eq(read.look_alikes))
            .set((directories::look_alikes.eq(look_alikes), directories::event_seq.eq(event)))
            .execute(conn))?;
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
