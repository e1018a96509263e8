//! The tenant.

use actix_web::{get, post};

use super::AppData;
use super::extract::{Body, Caller};
use super::reply::{Answer, ok, requested};
use crate::operations::overrides::OverrideResult;
use crate::operations::tenant_changes::{self, RenameTenant};
use crate::operations::tenants::Tenant;
use crate::operations::{self, access};

/// Read the credential's tenant.
#[utoipa::path(
    operation_id = "getTenant",
    tag = "tenant",
    responses((status = 200, description = "The tenant.", body = Tenant)),
)]
#[get("/v1/tenant")]
pub async fn get_tenant(app: AppData, caller: Caller<access::GetTenant>) -> Answer<Tenant> {
    Ok(ok(operations::tenants::get_tenant(&app.pawl, caller.call).await?))
}

/// Give the tenant another name.
///
/// The name is the issuer that authenticators show. One that was enrolled before keeps the name of that day until the
/// user enrolls again. The tenant's id and `iss` stay.
#[utoipa::path(
    operation_id = "renameTenant",
    tag = "tenant",
    request_body = RenameTenant,
    responses(
        (status = 201, description = "The override was executed, or is in force.", body = OverrideResult),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/tenant/rename")]
pub async fn rename_tenant(
    app: AppData,
    caller: Caller<access::RenameTenant>,
    body: Body<RenameTenant>,
) -> Answer<OverrideResult> {
    let body = body.read()?;
    let result = tenant_changes::rename_tenant(&app.pawl, caller.call, body).await?;
    Ok(requested(&app.pawl.base_url, result))
}
