//! The tenant.

use actix_web::get;

use super::AppData;
use super::extract::Caller;
use super::reply::{Answer, ok};
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
