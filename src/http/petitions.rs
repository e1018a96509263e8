//! The *Disable MFA* button, and petitions.

use actix_web::{get, post};
use serde::Deserialize;
use utoipa::IntoParams;

use super::AppData;
use super::extract::{Body, Caller, Named, Query, default_limit, page};
use super::reply::{Answer, created, ok, requested};
use crate::mfa::ids::{PetitionId, UserId};
use crate::mfa::overrides::PetitionState;
use crate::operations::overrides::OverrideResult;
use crate::operations::petitions::{
    CreatePetition, DenyPetition, Petition, PetitionPage, RequestDisable,
};
use crate::operations::take_up::{self, TakeUpPetition};
use crate::operations::{self, access};

/// Which petitions, and where the page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PetitionQuery {
    /// Only those in this state.
    #[serde(default)]
    pub state: Option<PetitionState>,
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

/// Ask to switch MFA off.
///
/// The answer is always a refusal with its reason; the wish is on record and may become a petition.
#[utoipa::path(
    operation_id = "requestDisable",
    tag = "petitions",
    params(("user_id" = UserId, Path, description = "The user.")),
    request_body = RequestDisable,
)]
#[post("/v1/users/{user_id}/mfa/disable")]
pub async fn request_disable(
    app: AppData,
    caller: Caller<access::RequestDisable>,
    id: Named<UserId>,
    body: Body<RequestDisable>,
) -> Answer<()> {
    let id = id.read()?;
    let body = body.read()?;
    match operations::petitions::request_disable(&app.pawl, caller.call, id, body).await? {}
}

/// File a petition for an override.
#[utoipa::path(
    operation_id = "createPetition",
    tag = "petitions",
    request_body = CreatePetition,
    responses((status = 201, description = "The petition.", body = Petition)),
)]
#[post("/v1/petitions")]
pub async fn create_petition(
    app: AppData,
    caller: Caller<access::CreatePetition>,
    body: Body<CreatePetition>,
) -> Answer<Petition> {
    let body = body.read()?;
    let petition = operations::petitions::create_petition(&app.pawl, caller.call, body).await?;
    let location = format!("{}/v1/petitions/{}", app.pawl.base_url, petition.id);
    Ok(created(petition).at(location))
}

/// List petitions.
#[utoipa::path(
    operation_id = "listPetitions",
    tag = "petitions",
    params(PetitionQuery),
    responses((status = 200, description = "A page of petitions.", body = PetitionPage)),
)]
#[get("/v1/petitions")]
pub async fn list_petitions(
    app: AppData,
    caller: Caller<access::ListPetitions>,
    query: Query<PetitionQuery>,
) -> Answer<PetitionPage> {
    let query = query.read()?;
    let page = page(query.cursor, query.limit)?;
    Ok(ok(operations::petitions::list_petitions(
        &app.pawl,
        caller.call,
        query.state,
        query.user_id,
        page,
    )
    .await?))
}

/// Read a petition.
///
/// A client reads those of its directory's users, a person without a fitting role their own.
#[utoipa::path(
    operation_id = "getPetition",
    tag = "petitions",
    params(("petition_id" = PetitionId, Path, description = "The petition.")),
    responses((status = 200, description = "The petition.", body = Petition)),
)]
#[get("/v1/petitions/{petition_id}")]
pub async fn get_petition(
    app: AppData,
    caller: Caller<access::GetPetition>,
    id: Named<PetitionId>,
) -> Answer<Petition> {
    let id = id.read()?;
    Ok(ok(operations::petitions::get_petition(&app.pawl, caller.call, id).await?))
}

/// Take a petition back: only whoever filed it.
#[utoipa::path(
    operation_id = "withdrawPetition",
    tag = "petitions",
    params(("petition_id" = PetitionId, Path, description = "The petition.")),
    responses((status = 200, description = "The petition.", body = Petition)),
)]
#[post("/v1/petitions/{petition_id}/withdraw")]
pub async fn withdraw_petition(
    app: AppData,
    caller: Caller<access::WithdrawPetition>,
    id: Named<PetitionId>,
) -> Answer<Petition> {
    let id = id.read()?;
    Ok(ok(operations::petitions::withdraw_petition(&app.pawl, caller.call, id).await?))
}

/// Deny a petition.
#[utoipa::path(
    operation_id = "denyPetition",
    tag = "petitions",
    params(("petition_id" = PetitionId, Path, description = "The petition.")),
    request_body = DenyPetition,
    responses((status = 200, description = "The petition.", body = Petition)),
)]
#[post("/v1/petitions/{petition_id}/deny")]
pub async fn deny_petition(
    app: AppData,
    caller: Caller<access::DenyPetition>,
    id: Named<PetitionId>,
    body: Body<DenyPetition>,
) -> Answer<Petition> {
    let id = id.read()?;
    let body = body.read()?;
    Ok(ok(operations::petitions::deny_petition(&app.pawl, caller.call, id, body).await?))
}

/// Make a petition one's own request for an override.
///
/// Whoever takes it up is the requester.
#[utoipa::path(
    operation_id = "takeUpPetition",
    tag = "petitions",
    params(("petition_id" = PetitionId, Path, description = "The petition.")),
    request_body = TakeUpPetition,
    responses(
        (status = 201, description = "The override was executed, or is in force.", body = OverrideResult),
        (status = 202, description = "The override waits for approvals.", body = OverrideResult),
    ),
)]
#[post("/v1/petitions/{petition_id}/take-up")]
pub async fn take_up_petition(
    app: AppData,
    caller: Caller<access::TakeUpPetition>,
    id: Named<PetitionId>,
    body: Body<TakeUpPetition>,
) -> Answer<OverrideResult> {
    let id = id.read()?;
    let body = body.read()?;
    let result = take_up::take_up_petition(&app.pawl, caller.call, id, body).await?;
    Ok(requested(&app.pawl.base_url, result))
}
