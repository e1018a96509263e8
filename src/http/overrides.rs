//! Overrides.

use actix_web::{get, post};
use serde::Deserialize;
use utoipa::IntoParams;

use super::AppData;
use super::extract::{Body, Caller, Named, Query, default_limit, page};
use super::reply::{Answer, approved, ok, requested};
use crate::mfa::ids::{OverrideId, UserId};
use crate::mfa::overrides::OverrideState;
use crate::operations::override_life::{DenyOverride, ShortenOverride};
use crate::operations::overrides::{
    ApproveOverride, Override, OverridePage, OverrideResult, RequestOverride,
};
use crate::operations::{self, access};

/// Which overrides, and where the page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OverrideQuery {
    /// Only those in this state.
    #[serde(default)]
    pub state: Option<OverrideState>,
    /// Only those of this user.
    #[serde(default)]
    pub user_id: Option<UserId>,
    /// `next_cursor` of the page before.
    #[serde(default)]
    #[param(max_length = 100, pattern = "^[a-z0-9_]*$")]
    pub cursor: Option<String>,
    /// Rows of a page.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 100, default = 50)]
    pub limit: i64,
}

/// Request an override for a user: `exempt`, `reset` or `unlock`.
///
/// One code buys exactly this act: open it with `beginStepUp` first.
#[utoipa::path(
    operation_id = "requestOverride",
    tag = "overrides",
    request_body = RequestOverride,
    responses(
        (status = 201, description = "The override was executed, or is in force.", body = OverrideResult),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/overrides")]
pub async fn request_override(
    app: AppData,
    caller: Caller<access::RequestOverride>,
    body: Body<RequestOverride>,
) -> Answer<OverrideResult> {
    let body = body.read()?;
    let result = operations::overrides::request_override(&app.pawl, caller.call, body).await?;
    Ok(requested(&app.pawl.base_url, result))
}

/// List overrides.
#[utoipa::path(
    operation_id = "listOverrides",
    tag = "overrides",
    params(OverrideQuery),
    responses((status = 200, description = "A page of overrides.", body = OverridePage)),
)]
#[get("/v1/overrides")]
pub async fn list_overrides(
    app: AppData,
    caller: Caller<access::ListOverrides>,
    query: Query<OverrideQuery>,
) -> Answer<OverridePage> {
    let query = query.read()?;
    let page = page(query.cursor, query.limit)?;
    Ok(ok(operations::overrides::list_overrides(
        &app.pawl,
        caller.call,
        query.state,
        query.user_id,
        page,
    )
    .await?))
}

/// Read an override, with the digest that an approver sends back.
#[utoipa::path(
    operation_id = "getOverride",
    tag = "overrides",
    params(("override_id" = OverrideId, Path, description = "The override.")),
    responses((status = 200, description = "The override.", body = Override)),
)]
#[get("/v1/overrides/{override_id}")]
pub async fn get_override(
    app: AppData,
    caller: Caller<access::GetOverride>,
    id: Named<OverrideId>,
) -> Answer<Override> {
    let id = id.read()?;
    Ok(ok(operations::overrides::get_override(&app.pawl, caller.call, id).await?))
}

/// Approve an override.
///
/// The last approval executes it, except where that makes a secret (`reset`, `ticket`, and `client` for a new
/// client or secret): then it stays `approved` until its requester calls `collectOverride`. No answer here
/// has a secret.
#[utoipa::path(
    operation_id = "approveOverride",
    tag = "overrides",
    params(("override_id" = OverrideId, Path, description = "The override.")),
    request_body = ApproveOverride,
    responses(
        (status = 200, description = "The override has its approvals.", body = Override),
        (status = 202, description = "The override waits for more approvals.", body = Override),
    ),
)]
#[post("/v1/overrides/{override_id}/approve")]
pub async fn approve_override(
    app: AppData,
    caller: Caller<access::ApproveOverride>,
    id: Named<OverrideId>,
    body: Body<ApproveOverride>,
) -> Answer<Override> {
    let id = id.read()?;
    let body = body.read()?;
    let shown = operations::overrides::approve_override(&app.pawl, caller.call, id, body).await?;
    Ok(approved(&app.pawl.base_url, shown))
}

/// Execute one's own approved override, and read the secret that it makes.
///
/// Only the requester may, once, before the override's end. Everything that its approvals rest on is looked
/// at again. The answer is the only one that has the secret.
#[utoipa::path(
    operation_id = "collectOverride",
    tag = "overrides",
    params(("override_id" = OverrideId, Path, description = "The override.")),
    responses((status = 200, description = "The override was executed.", body = OverrideResult)),
)]
#[post("/v1/overrides/{override_id}/collect")]
pub async fn collect_override(
    app: AppData,
    caller: Caller<access::CollectOverride>,
    id: Named<OverrideId>,
) -> Answer<OverrideResult> {
    let id = id.read()?;
    Ok(ok(operations::overrides::collect_override(&app.pawl, caller.call, id).await?))
}

/// Deny a request.
#[utoipa::path(
    operation_id = "denyOverride",
    tag = "overrides",
    params(("override_id" = OverrideId, Path, description = "The override.")),
    request_body = DenyOverride,
    responses((status = 200, description = "The override.", body = Override)),
)]
#[post("/v1/overrides/{override_id}/deny")]
pub async fn deny_override(
    app: AppData,
    caller: Caller<access::DenyOverride>,
    id: Named<OverrideId>,
    body: Body<DenyOverride>,
) -> Answer<Override> {
    let id = id.read()?;
    let body = body.read()?;
    Ok(ok(operations::override_life::deny_override(&app.pawl, caller.call, id, body).await?))
}

/// Take one's own request back.
#[utoipa::path(
    operation_id = "withdrawOverride",
    tag = "overrides",
    params(("override_id" = OverrideId, Path, description = "The override.")),
    responses((status = 200, description = "The override.", body = Override)),
)]
#[post("/v1/overrides/{override_id}/withdraw")]
pub async fn withdraw_override(
    app: AppData,
    caller: Caller<access::WithdrawOverride>,
    id: Named<OverrideId>,
) -> Answer<Override> {
    let id = id.read()?;
    Ok(ok(operations::override_life::withdraw_override(&app.pawl, caller.call, id).await?))
}

/// Bring the end of an override closer.
#[utoipa::path(
    operation_id = "shortenOverride",
    tag = "overrides",
    params(("override_id" = OverrideId, Path, description = "The override.")),
    request_body = ShortenOverride,
    responses((status = 200, description = "The override.", body = Override)),
)]
#[post("/v1/overrides/{override_id}/shorten")]
pub async fn shorten_override(
    app: AppData,
    caller: Caller<access::ShortenOverride>,
    id: Named<OverrideId>,
    body: Body<ShortenOverride>,
) -> Answer<Override> {
    let id = id.read()?;
    let body = body.read()?;
    Ok(ok(operations::override_life::shorten_override(&app.pawl, caller.call, id, body).await?))
}

/// End an override in force, at once.
#[utoipa::path(
    operation_id = "revokeOverride",
    tag = "overrides",
    params(("override_id" = OverrideId, Path, description = "The override.")),
    responses((status = 200, description = "The override.", body = Override)),
)]
#[post("/v1/overrides/{override_id}/revoke")]
pub async fn revoke_override(
    app: AppData,
    caller: Caller<access::RevokeOverride>,
    id: Named<OverrideId>,
) -> Answer<Override> {
    let id = id.read()?;
    Ok(ok(operations::override_life::revoke_override(&app.pawl, caller.call, id).await?))
}
