//! The tenant and its directories.

use actix_web::{get, post};

use super::AppData;
use super::extract::{Body, Caller, Named};
use super::reply::{Answer, Either, ok, requested, waiting};
use crate::mfa::ids::DirectoryId;
use crate::operations::look_alikes::{self, SetLookAlikes, SetOutcome};
use crate::operations::overrides::OverrideResult;
use crate::operations::tenant_changes::{self, RenameTenant};
use crate::operations::tenants::{Directory, Tenant};
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

/// Set what becomes of a directory's look-alikes.
///
/// A look-alike is a new user whose external id is another spelling of an older user's: case, spaces, compatibility
/// forms. `note` loosens, and is an override. Users who are there already stay as they are.
#[utoipa::path(
    operation_id = "setLookAlikes",
    tag = "tenant",
    params(("directory_id" = DirectoryId, Path, description = "The directory.")),
    request_body = SetLookAlikes,
    responses(
        (status = 200, description = "The directory.", body = Directory),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/directories/{directory_id}/set-look-alikes")]
pub async fn set_look_alikes(
    app: AppData,
    caller: Caller<access::SetLookAlikes>,
    id: Named<DirectoryId>,
    body: Body<SetLookAlikes>,
) -> Answer<Either<Directory, OverrideResult>> {
    let id = id.read()?;
    let body = body.read()?;
    Ok(match look_alikes::set_look_alikes(&app.pawl, caller.call, id, body).await? {
        SetOutcome::InForce(directory) => ok(Either::Left(directory)),
        SetOutcome::Waiting(result) => waiting(&app.pawl.base_url, *result),
    })
}
