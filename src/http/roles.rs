//! Roles.

use actix_web::post;

use super::AppData;
use super::extract::{Body, Caller, Named};
use super::reply::{Answer, Either, ok, requested, waiting};
use crate::mfa::ids::UserId;
use crate::mfa::words::Role;
use crate::operations::overrides::OverrideResult;
use crate::operations::roles::{GrantRole, RevokeOutcome, RevokeRole};
use crate::operations::users::User;
use crate::operations::{self, access};

/// Give a role.
#[utoipa::path(
    operation_id = "grantRole",
    tag = "roles",
    params(("user_id" = UserId, Path, description = "The user."), ("role" = Role, Path, description = "The role.")),
    request_body = GrantRole,
    responses(
        (status = 201, description = "The override was executed, or is in force.", body = OverrideResult),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/users/{user_id}/roles/{role}/grant")]
pub async fn grant_role(
    app: AppData,
    caller: Caller<access::GrantRole>,
    ids: Named<(UserId, Role)>,
    body: Body<GrantRole>,
) -> Answer<OverrideResult> {
    let (user, role) = ids.read()?;
    let body = body.read()?;
    let result = operations::roles::grant_role(&app.pawl, caller.call, user, role, body).await?;
    Ok(requested(&app.pawl.base_url, result))
}

/// Take a role away.
///
/// Where the policy names the role this weakens, and needs a proof.
#[utoipa::path(
    operation_id = "revokeRole",
    tag = "roles",
    params(
        ("user_id" = UserId, Path, description = "The user."),
        ("role" = Role, Path, description = "The role."),
    ),
    request_body = RevokeRole,
    responses(
        (status = 200, description = "The user without the role.", body = User),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/users/{user_id}/roles/{role}/revoke")]
pub async fn revoke_role(
    app: AppData,
    caller: Caller<access::RevokeRole>,
    ids: Named<(UserId, Role)>,
    body: Body<RevokeRole>,
) -> Answer<Either<User, OverrideResult>> {
    let (user, role) = ids.read()?;
    let body = body.read()?;
    Ok(match operations::roles::revoke_role(&app.pawl, caller.call, user, role, body).await? {
        RevokeOutcome::Revoked(user) => ok(Either::Left(*user)),
        RevokeOutcome::Waiting(result) => waiting(&app.pawl.base_url, *result),
    })
}
