//! Users.

use actix_web::{get, post};
use serde::Deserialize;
use utoipa::IntoParams;

use super::AppData;
use super::extract::{Body, Caller, LARGEST_REPORT, Named, PageQuery, Query, page};
use super::reply::{Answer, ok};
use crate::mfa::ids::UserId;
use crate::operations::status::MfaStatus;
use crate::operations::users::{LookupUser, UpsertUser, User, UserPage};
use crate::operations::{self, access};
use crate::telemetry;

/// Make a user known, or bring the label and groups up to date.
#[utoipa::path(
    operation_id = "upsertUser",
    tag = "users",
    request_body = UpsertUser,
    responses((status = 200, description = "The user.", body = User)),
)]
#[post("/v1/users")]
pub async fn upsert_user(
    app: AppData,
    caller: Caller<access::UpsertUser>,
    body: Body<UpsertUser, LARGEST_REPORT>,
) -> Answer<User> {
    let body = body.read()?;
    telemetry::note(|log| log.reported = body.treated());
    Ok(ok(operations::users::upsert_user(&app.pawl, caller.call, body).await?))
}

/// List users.
///
/// A client sees its own directory, a person the whole tenant.
#[utoipa::path(
    operation_id = "listUsers",
    tag = "users",
    params(PageQuery),
    responses((status = 200, description = "A page of users.", body = UserPage)),
)]
#[get("/v1/users")]
pub async fn list_users(
    app: AppData,
    caller: Caller<access::ListUsers>,
    query: Query<PageQuery>,
) -> Answer<UserPage> {
    let query = query.read()?;
    Ok(ok(operations::users::list_users(&app.pawl, caller.call, page(query.cursor, query.limit)?)
        .await?))
}

/// Find a user by the console's own id.
///
/// The id is in the body: it may be personal, and no URL holds it.
#[utoipa::path(
    operation_id = "lookupUser",
    tag = "users",
    request_body = LookupUser,
    responses((status = 200, description = "The user.", body = User)),
)]
#[post("/v1/users/lookup")]
pub async fn lookup_user(
    app: AppData,
    caller: Caller<access::LookupUser>,
    body: Body<LookupUser>,
) -> Answer<User> {
    let body = body.read()?;
    Ok(ok(operations::users::lookup_user(&app.pawl, caller.call, body).await?))
}

/// Read a user.
#[utoipa::path(
    operation_id = "getUser",
    tag = "users",
    params(("user_id" = UserId, Path, description = "The user.")),
    responses((status = 200, description = "The user.", body = User)),
)]
#[get("/v1/users/{user_id}")]
pub async fn get_user(
    app: AppData,
    caller: Caller<access::GetUser>,
    id: Named<UserId>,
) -> Answer<User> {
    let id = id.read()?;
    Ok(ok(operations::users::get_user(&app.pawl, caller.call, id).await?))
}

/// Off-board a user who left.
///
/// The factor ends and its secret is destroyed. Nobody is deleted.
#[utoipa::path(
    operation_id = "offboardUser",
    tag = "users",
    params(("user_id" = UserId, Path, description = "The user.")),
    responses((status = 200, description = "The user.", body = User)),
)]
#[post("/v1/users/{user_id}/offboard")]
pub async fn offboard_user(
    app: AppData,
    caller: Caller<access::OffboardUser>,
    id: Named<UserId>,
) -> Answer<User> {
    let id = id.read()?;
    Ok(ok(operations::users::offboard_user(&app.pawl, caller.call, id).await?))
}

/// How much is told.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StatusQuery {
    /// Whether the answer says which rule gave each attribute.
    #[serde(default)]
    #[param(required = false, default = false)]
    pub explain: bool,
}

/// Read a user's MFA as separate axes, with what can be done.
///
/// A console hides its *Disable MFA* button by `actions`.
#[utoipa::path(
    operation_id = "getMfaStatus",
    tag = "users",
    params(("user_id" = UserId, Path, description = "The user."), StatusQuery),
    responses((status = 200, description = "The status.", body = MfaStatus)),
)]
#[get("/v1/users/{user_id}/mfa")]
pub async fn get_mfa_status(
    app: AppData,
    caller: Caller<access::GetMfaStatus>,
    id: Named<UserId>,
    query: Query<StatusQuery>,
) -> Answer<MfaStatus> {
    let id = id.read()?;
    let explain = query.read()?.explain;
    Ok(ok(operations::status::get_mfa_status(&app.pawl, caller.call, id, explain).await?))
}
