//! The caller's own tenant.

use serde::Serialize;
use utoipa::ToSchema;

use super::access::{self, Permitted};
use super::{Call, Done, Pawl};
use crate::mfa::ids::{DirectoryId, TenantId};
use crate::mfa::time::Timestamp;
use crate::mfa::words::{Audience, DisplayName, LookAlikes};
use crate::store::StoreError;
use crate::store::rows::DirectoryRow;

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tenant {
    /// Its id: `tid` of every token.
    pub id: TenantId,
    /// Its name: the issuer that authenticators show.
    pub name: DisplayName,
    /// `iss` of every token, and Pawl's own audience.
    pub issuer: Audience,
    /// Its directories, oldest first.
    #[schema(max_items = 10000)]
    pub directories: Vec<Directory>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A directory: a namespace of users.
#[derive(Debug, Serialize, ToSchema)]
pub struct Directory {
    /// Its id.
    pub id: DirectoryId,
    /// What people call it.
    pub name: DisplayName,
    /// What becomes of a new user whose external id is another spelling of an older user's. `hold` until an
    /// administrator says otherwise by `setLookAlikes`.
    pub look_alikes: LookAlikes,
}

impl From<DirectoryRow> for Directory {
    fn from(row: DirectoryRow) -> Self {
        Self { id: row.id, name: row.name, look_alikes: row.look_alikes }
    }
}

/// The tenant of the credential.
///
/// # Errors
/// None of its own.
pub async fn get_tenant(pawl: &Pawl, call: Call) -> Done<Tenant> {
    call.read(pawl, access::GetTenant::ACCESS, |work| {
        let row = work.tx.find_tenant(&work.tenant)?.ok_or(StoreError::Invalid("tenant"))?;
        let directories =
            work.tx.list_directories(&work.tenant)?.into_iter().map(Directory::from).collect();
        let issuer = work.own_audience.clone();
        let (id, name, created_at) = (row.tenant_id, row.name, row.created_at);
        Ok(Tenant { id, name, issuer, directories, created_at })
    })
    .await
}

/// Whether a tenant is there, for its public metadata.
///
/// # Errors
/// Only the database's.
pub async fn is_tenant(pawl: &Pawl, id: TenantId) -> Done<bool> {
    pawl.store.check("get_server_metadata", move |tx| Ok(tx.find_tenant(&id)?.is_some())).await
}
